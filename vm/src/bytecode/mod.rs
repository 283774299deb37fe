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

mod assemble;
mod listing;
mod table;
#[cfg(test)]
mod tests;
mod verify;

pub use assemble::assemble;
pub use listing::listing;
pub use table::{Instruction, Opcode, Operands};
pub use verify::{Admitted, CodeView, Flaw, FrameWord, LiteralKind, MAX_TEMPS, verify};

/// How many arguments a selector takes; `None` if it is no selector.
///
/// A binary selector takes one, a keyword selector as many as it has colons, any other identifier
/// none.
pub fn arity(selector: &str) -> Option<u8> {
    const BINARY: &str = "+-*/\\~<>=@,%|&?!";
    let first = selector.chars().next()?;
    if BINARY.contains(first) {
        return selector.chars().all(|c| BINARY.contains(c)).then_some(1);
    }
    if !(first.is_alphabetic() || first == '_') {
        return None;
    }
    let colons = selector.matches(':').count();
    if colons == 0 {
        return selector.chars().all(|c| c.is_alphanumeric() || c == '_').then_some(0);
    }
    let well_formed = selector.strip_suffix(':')?.split(':').all(|part| {
        part.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    });
    if well_formed { u8::try_from(colons).ok() } else { None }
}

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
