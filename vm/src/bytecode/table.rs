//! The table.

/// What follows an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Nothing.
    None,
    /// One unsigned byte.
    U8,
    /// One signed byte.
    I8,
    /// One unsigned 16-bit number.
    U16,
    /// Two unsigned bytes.
    U8U8,
    /// A 16-bit number, then a byte.
    U16U8,
    /// A signed 24-bit distance from the end of the instruction.
    I24,
}

impl Operands {
    /// Bytes that the operands take.
    pub const fn bytes(self) -> usize {
        match self {
            Operands::None => 0,
            Operands::U8 | Operands::I8 => 1,
            Operands::U16 | Operands::U8U8 => 2,
            Operands::U16U8 | Operands::I24 => 3,
        }
    }
}

/// One decoded instruction: opcode and operands (sign-extended; 0 where absent).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The opcode.
    pub opcode: Opcode,
    /// The first operand.
    pub a: i32,
    /// The second operand.
    pub b: i32,
    /// Bytes of the whole instruction.
    pub length: usize,
}

macro_rules! bytecodes {
    ($($code:literal $name:ident $operands:ident $mnemonic:literal $doc:literal;)*) => {
        /// An opcode.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Opcode { $(#[doc = $doc] $name = $code,)* }

        impl Opcode {
            /// Every opcode, in order.
            pub const ALL: &'static [Opcode] = &[$(Opcode::$name),*];

            /// The opcode of a byte, if it is one.
            pub const fn from_byte(byte: u8) -> Option<Opcode> {
                match byte { $($code => Some(Opcode::$name),)* _ => None }
            }
            /// What follows.
            pub const fn operands(self) -> Operands {
                match self { $(Opcode::$name => Operands::$operands,)* }
            }
            /// The name in the world and in listings.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Opcode::$name => $mnemonic,)* }
            }
            /// What it does, in one sentence.
            pub const fn description(self) -> &'static str {
                match self { $(Opcode::$name => $doc,)* }
            }
        }
    };
}

bytecodes! {
    0x00 PushReceiver None "pushReceiver" "Push the receiver.";
    0x01 PushNil None "pushNil" "Push nil.";
    0x02 PushTrue None "pushTrue" "Push true.";
    0x03 PushFalse None "pushFalse" "Push false.";
    0x04 PushThisContext None "pushThisContext" "Push the Context of this frame, made if need be.";
    0x05 PushInteger I8 "pushInteger" "Push a SmallInteger of -128 to 127.";
    0x06 PushLiteral U8 "pushLiteral" "Push literal a.";
    0x07 PushLiteralWide U16 "pushLiteralWide" "Push literal a.";
    0x08 PushTemp U8 "pushTemp" "Push argument or temporary a (arguments first; in a block: arguments, copied values, temporaries).";
    0x09 PushTempWide U16 "pushTempWide" "Push argument or temporary a.";
    0x0a PushInstVar U8 "pushInstVar" "Push named slot a of the receiver.";
    0x0b PushInstVarWide U16 "pushInstVarWide" "Push named slot a of the receiver.";
    0x0c PushBinding U16 "pushBinding" "Push the value of the binding (Association) that is literal a.";
    0x0d PushRemote U8U8 "pushRemote" "Push slot a of the temp vector in temporary b.";
    0x0e PushNewVector U8 "pushNewVector" "Push a new Array of a nils: a temp vector.";
    0x0f PushArray U16 "pushArray" "Pop a values, push an Array of them, first popped last.";
    0x10 PushClosure U16U8 "pushClosure" "Pop b copied values, push a closure over the CompiledBlock that is literal a.";
    0x11 Dup None "dup" "Push the top again.";
    0x12 Pop None "pop" "Drop the top.";

    0x18 StoreTemp U8 "storeTemp" "Store the top into temporary a, keep it.";
    0x19 StoreTempWide U16 "storeTempWide" "Store the top into temporary a, keep it.";
    0x1a PopTemp U8 "popTemp" "Pop into temporary a.";
    0x1b PopTempWide U16 "popTempWide" "Pop into temporary a.";
    0x1c StoreInstVar U8 "storeInstVar" "Store the top into named slot a of the receiver, keep it.";
    0x1d StoreInstVarWide U16 "storeInstVarWide" "Store the top into named slot a of the receiver, keep it.";
    0x1e PopInstVar U8 "popInstVar" "Pop into named slot a of the receiver.";
    0x1f PopInstVarWide U16 "popInstVarWide" "Pop into named slot a of the receiver.";
    0x20 StoreBinding U16 "storeBinding" "Store the top into the binding that is literal a, keep it.";
    0x21 PopBinding U16 "popBinding" "Pop into the binding that is literal a.";
    0x22 StoreRemote U8U8 "storeRemote" "Store the top into slot a of the temp vector in temporary b, keep it.";
    0x23 PopRemote U8U8 "popRemote" "Pop into slot a of the temp vector in temporary b.";

    0x28 Jump I24 "jump" "Go on at the distance; a backward jump polls.";
    0x29 JumpTrue I24 "jumpTrue" "Pop; go on at the distance if true; anything but true and false is sent #mustBeBoolean.";
    0x2a JumpFalse I24 "jumpFalse" "Pop; go on at the distance if false; anything but true and false is sent #mustBeBoolean.";
    0x2b JumpNil I24 "jumpNil" "Pop; go on at the distance if nil.";
    0x2c JumpNotNil I24 "jumpNotNil" "Pop; go on at the distance if not nil.";

    0x30 ReturnTop None "returnTop" "Return the top from the method; in a block, from its home method (unwinding).";
    0x31 ReturnReceiver None "returnReceiver" "Return the receiver from the method. Not in blocks.";
    0x32 BlockReturn None "blockReturn" "Return the top from the block to whoever evaluated it.";

    0x38 Send U16 "send" "Send the selector of site a; arguments by the selector's arity; polls.";
    0x39 SendSuper U16 "sendSuper" "Send the selector of site a, looked up from the superclass of the method's class; polls.";

    0x40 Add U16 "add" "Send #+ (site a); SmallIntegers and floats at once.";
    0x41 Subtract U16 "subtract" "Send #- (site a).";
    0x42 Less U16 "less" "Send #< (site a).";
    0x43 Greater U16 "greater" "Send #> (site a).";
    0x44 LessEqual U16 "lessEqual" "Send #<= (site a).";
    0x45 GreaterEqual U16 "greaterEqual" "Send #>= (site a).";
    0x46 Equal U16 "equal" "Send #= (site a).";
    0x47 NotEqual U16 "notEqual" "Send #~= (site a).";
    0x48 Multiply U16 "multiply" "Send #* (site a).";
    0x49 FloorDivide U16 "floorDivide" "Send #// (site a).";
    0x4a Modulo U16 "modulo" "Send #\\\\ (site a).";
    0x4b BitAnd U16 "bitAnd" "Send #bitAnd: (site a).";
    0x4c BitOr U16 "bitOr" "Send #bitOr: (site a).";
    0x4d BitXor U16 "bitXor" "Send #bitXor: (site a).";
    0x4e BitShift U16 "bitShift" "Send #bitShift: (site a).";
    0x4f Divide U16 "divide" "Send #/ (site a).";
    0x50 At U16 "at" "Send #at: (site a).";
    0x51 AtPut U16 "atPut" "Send #at:put: (site a).";
    0x52 Size U16 "size" "Send #size (site a).";
    0x53 Value U16 "value" "Send #value (site a); closures at once.";
    0x54 Value1 U16 "value1" "Send #value: (site a); closures at once.";
    0x55 Identical None "identical" "Pop two, push whether they are the same object. No send.";
    0x56 NotIdentical None "notIdentical" "Pop two, push whether they are different objects. No send.";
    0x57 Class U16 "class" "Send #class (site a); at once, as nobody overrides it but a proxy.";
}

impl Opcode {
    /// The selector of an arithmetic or special send, `None` for everything else. Compilers use the
    /// special opcode for these selectors always, except in sends to super.
    pub const fn special_selector(self) -> Option<&'static str> {
        Some(match self {
            Opcode::Add => "+",
            Opcode::Subtract => "-",
            Opcode::Less => "<",
            Opcode::Greater => ">",
            Opcode::LessEqual => "<=",
            Opcode::GreaterEqual => ">=",
            Opcode::Equal => "=",
            Opcode::NotEqual => "~=",
            Opcode::Multiply => "*",
            Opcode::FloorDivide => "//",
            Opcode::Modulo => "\\\\",
            Opcode::BitAnd => "bitAnd:",
            Opcode::BitOr => "bitOr:",
            Opcode::BitXor => "bitXor:",
            Opcode::BitShift => "bitShift:",
            Opcode::Divide => "/",
            Opcode::At => "at:",
            Opcode::AtPut => "at:put:",
            Opcode::Size => "size",
            Opcode::Value => "value",
            Opcode::Value1 => "value:",
            Opcode::Identical => "==",
            Opcode::NotIdentical => "~~",
            Opcode::Class => "class",
            _ => return None,
        })
    }

    /// Whether the operand `a` names a send site.
    pub const fn has_site(self) -> bool {
        matches!(self, Opcode::Send | Opcode::SendSuper)
            || (self.special_selector().is_some()
                && !matches!(self, Opcode::Identical | Opcode::NotIdentical))
    }

    /// Whether the operand `a` is a jump distance.
    pub const fn is_jump(self) -> bool {
        matches!(self.operands(), Operands::I24)
    }
}

impl Instruction {
    /// Decodes the instruction at `pc`; `None` if the byte is no opcode or operands are cut off.
    pub fn decode(code: &[u8], pc: usize) -> Option<Instruction> {
        let opcode = Opcode::from_byte(*code.get(pc)?)?;
        let length = 1 + opcode.operands().bytes();
        let rest = code.get(pc + 1..pc + length)?;
        let (a, b) = match opcode.operands() {
            Operands::None => (0, 0),
            Operands::U8 => (rest[0] as i32, 0),
            Operands::I8 => (rest[0] as i8 as i32, 0),
            Operands::U16 => (u16::from_le_bytes([rest[0], rest[1]]) as i32, 0),
            Operands::U8U8 => (rest[0] as i32, rest[1] as i32),
            Operands::U16U8 => (u16::from_le_bytes([rest[0], rest[1]]) as i32, rest[2] as i32),
            Operands::I24 => ((i32::from_le_bytes([0, rest[0], rest[1], rest[2]])) >> 8, 0),
        };
        Some(Instruction { opcode, a, b, length })
    }
}
