//! The bytecodes: one table from which the enum, the decoder, the disassembler, the documentation
//! and the Smalltalk class are made.
//!
//! A method is a stack program. Its frame holds the receiver, the arguments, the temporaries and an
//! operand stack; closures copy what they capture, and share what they assign through temp vectors
//! (Arrays), as in Cog. Every send names its site by index; a site is a selector in the method's
//! SITES array, and the machine keeps one inline-cache record a site outside the heap.
//!
//! Operands follow the opcode, little-endian: `u8`, `u16`, `i24` (a jump: the distance from the end
//! of the instruction). Where a narrow and a wide form exist, compilers use the narrow one whenever
//! the operand is below 256; everything else has one form only, so that there is exactly one
//! encoding of a method (see `bootstrap-image/COMPILING.md`).

mod table;

pub use table::{Instruction, Opcode, Operands};

/// Flags in bits 48–55 of a code object's FRAME word.
pub mod frame_flags {
    /// A block that contains no ^, self, super, thisContext or instance variable and captures nothing.
    pub const CLEAN_BLOCK: u64 = 1;
    /// A block whose code (or an inner block's) contains ^.
    pub const HAS_NON_LOCAL_RETURN: u64 = 2;
    /// The frame is marked for unwinding: `ensure:` and `ifCurtailed:`.
    pub const UNWIND: u64 = 4;
    /// The frame is marked as an exception handler: `on:do:`.
    pub const HANDLER: u64 = 8;
    /// The method says `<primitive: #name error: reason>`: when the primitive declines, the machine
    /// leaves the reason in the frame slot directly behind the arguments (before temp vectors).
    pub const PRIMITIVE_ERROR: u64 = 16;
}
