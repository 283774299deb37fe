//! A method as the interpreter runs it: a record outside the heap, made once from a verified
//! CompiledCode.
//!
//! Bytecodes are decoded into fixed-size operations, one for each instruction, so that jump
//! distances and pcs count operations. A pair or triple of operations that often stands together is
//! *fused*: the first gets a kind that does the work of all, the others stay where they are, so a
//! jump may still land on them and the slow path can fall back to them.
//!
//! Invariants
//! - C1 A record is made only of code that `bytecode::verify` admitted: every operand here is in
//!   range, every path ends in a return.
//! - C2 A record's address and the addresses of its operations and sites do not change while any
//!   frame refers to it.
//! - C3 The objects that a record refers to are roots: all of them are visited by a mark, those of
//!   records that may hold young references by a scavenge.
//!
//! Knows: bytecodes, layout. Must not know: frames, the heap.

#![allow(unsafe_code, reason = "room: interpreter loop")]

use core::cell::Cell;
use crate::bytecode::{Admitted, Instruction, Opcode, frame_flags};
use crate::layout::Word;
use crate::primitive::Primitive;
use alloc::boxed::Box;
use alloc::vec::Vec;

macro_rules! kinds {
    ($($name:ident)*) => {
        /// What an operation does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        #[allow(missing_docs)]
        pub enum Kind { $($name),* }

        impl Kind {
            const ALL: &[Kind] = &[$(Kind::$name),*];
        }
    };
}

impl Kind {
    /// The kind with a number; what has none can't be reached.
    #[inline(always)]
    fn of(number: u8) -> Kind {
        debug_assert!((number as usize) < Kind::ALL.len());
        // SAFETY: operations are made by `operation` and `with_kind` alone, of kinds; a kind is a u8.
        unsafe { core::mem::transmute::<u8, Kind>(number) }
    }
}

kinds! {
    PushReceiver PushNil PushTrue PushFalse PushThisContext PushInteger PushLiteral PushTemp
    PushInstVar PushBinding PushRemote PushNewVector PushArray PushClosure Dup Pop
    StoreTemp PopTemp StoreInstVar PopInstVar StoreBinding PopBinding StoreRemote PopRemote
    Jump JumpBack JumpTrue JumpFalse JumpNil JumpNotNil
    ReturnTop NonLocalReturn ReturnReceiver BlockReturn
    Send SendSuper
    Add Subtract Less Greater LessEqual GreaterEqual Equal NotEqual Multiply FloorDivide Modulo
    BitAnd BitOr BitXor BitShift Divide At AtPut Size Value Value1 Identical NotIdentical Class
    // Fused.
    LessJump GreaterJump LessEqualJump GreaterEqualJump EqualJump IdenticalJump
    TempAddInteger TempSubtractInteger TempIncrement PushTempTemp TempReturn InstVarReturn
    TempSend InstVarSend PopPushTemp PopTempPushTemp PopReturnReceiver
    TempsLessJump TempsGreaterJump TempsLessEqualJump TempsGreaterEqualJump TempsEqualJump
    // The machine's own.
    Perform FinishProcess DropReturn Unreachable
}

/// One operation: from the low bits on its kind, its plain kind, and both operands. One word, so
/// that it is fetched by one load and only what an arm needs of it is taken apart.
#[derive(Clone, Copy)]
pub struct Operation(u64);

impl Operation {
    /// What it does, perhaps together with its successors.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        Kind::of(self.0 as u8)
    }

    /// What it does alone.
    #[inline(always)]
    pub fn plain(self) -> Kind {
        Kind::of((self.0 >> 8) as u8)
    }

    /// The first operand.
    #[inline(always)]
    pub fn a(self) -> i32 {
        (self.0 >> 32) as i32
    }

    /// The second operand: temporaries as distance from the frame pointer, argument counts.
    #[inline(always)]
    pub fn b(self) -> i16 {
        (self.0 >> 16) as i16
    }

    fn with_kind(self, kind: Kind) -> Operation {
        Operation(self.0 & !0xff | kind as u64)
    }
}

/// What a method does that needs no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quick {
    /// It needs one.
    No,
    /// Answers the receiver.
    Receiver,
    /// Answers a slot of the receiver.
    Slot(u32),
    /// Stores its only argument into a slot of the receiver.
    SetSlot(u32),
    /// Answers an immediate.
    Immediate(Word),
    /// Answers a literal.
    Literal(u32),
    /// Answers nil.
    Nil,
    /// Answers true or false.
    Boolean(bool),
    /// Whatever it does: it is to be noted that it runs.
    Unmet,
}

impl Quick {
    /// Finds out what the operations of a method without marks do.
    pub fn of(operations: &[Operation], arguments: usize, temps: usize) -> Quick {
        let at = |n: usize| operations.get(n).map_or(Kind::Unreachable, |o| o.plain());
        let Some(&first) = operations.first() else { return Quick::No };
        let index = first.a() as u32;
        match (at(0), at(1), at(2)) {
            (Kind::ReturnReceiver, ..) => Quick::Receiver,
            (Kind::PushReceiver, Kind::ReturnTop, _) => Quick::Receiver,
            (Kind::PushInstVar, Kind::ReturnTop, _) => Quick::Slot(index),
            (Kind::PushInteger, Kind::ReturnTop, _) => Quick::Immediate(Word(first.a() as i64 as u64)),
            (Kind::PushLiteral, Kind::ReturnTop, _) => Quick::Literal(index),
            (Kind::PushNil, Kind::ReturnTop, _) => Quick::Nil,
            (Kind::PushTrue, Kind::ReturnTop, _) => Quick::Boolean(true),
            (Kind::PushFalse, Kind::ReturnTop, _) => Quick::Boolean(false),
            (Kind::PushTemp, Kind::PopInstVar, Kind::ReturnReceiver)
                if arguments == 1 && first.b() == -(temps as i16) =>
            {
                Quick::SetSlot(operations[1].a() as u32)
            }
            _ => Quick::No,
        }
    }
}

/// One further receiver class of a send site.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The class index.
    pub class: u32,
    /// What runs.
    pub target: *const Code,
}

/// The most classes that a site remembers.
pub const MAX_CASES: usize = 6;

/// The inline cache of a send site.
#[derive(Clone, Debug)]
pub struct Site {
    /// The class index that was met first; 0 while none was.
    pub class: u32,
    /// Arguments of the selector.
    pub arguments: u8,
    /// What runs for `class`.
    pub target: *const Code,
    /// The code of the closure that was evaluated here last.
    pub block: *const Code,
    /// The selector.
    pub selector: Word,
    /// Further classes, at most `MAX_CASES - 1`.
    pub cases: Vec<Case>,
}

impl Site {
    /// Forgets what was cached.
    pub fn forget(&mut self) {
        self.class = 0;
        self.target = core::ptr::null();
        self.block = core::ptr::null();
        self.cases.clear();
    }
}

/// A method or block, ready to run.
pub struct Code {
    /// The operations, and a return behind them.
    pub operations: Box<[Operation]>,
    /// The send sites.
    pub sites: Box<[Site]>,
    /// The literals.
    pub literals: Box<[Word]>,
    /// The byte where each operation starts; one more for the end.
    pub starts: Box<[u32]>,
    /// Depth of the operand stack before each operation; none for the return behind the end.
    pub depths: Box<[u16]>,
    /// Arguments, copied values and temporaries.
    pub temps: usize,
    /// Arguments.
    pub arguments: usize,
    /// Copied values of a block.
    pub copied: usize,
    /// Words that an activation may need beyond receiver and arguments.
    pub frame_words: usize,
    /// See [`frame_flags`].
    pub flags: u8,
    /// Whether it is the code of a block.
    pub is_block: bool,
    /// The primitive, if it has one that the machine knows.
    pub primitive: Option<Primitive>,
    /// What it does, if it needs no frame; how a send enters it.
    pub quick: Cell<Quick>,
    /// The same while nobody watches.
    pub plain_quick: Quick,
    /// Named slots that the receiver must have.
    pub named_slots: usize,
    /// The CompiledCode; for the machine's own code a SmallInteger that names it.
    pub object: Word,
    /// The class that holds the method, or nil.
    pub method_class: Word,
    /// How often it was entered since the world was opened.
    pub runs: Cell<u64>,
    /// How many of these runs somebody watched, and how many there were when that was settled last.
    pub watched: Cell<(u64, u64)>,
    /// Whether one of its references may be young.
    pub maybe_young: bool,
    /// Set while a purge finds out which records are in use.
    pub in_use: bool,
}

impl Code {
    /// Visits every reference of the record (C3).
    pub fn visit(&mut self, f: &mut dyn FnMut(&mut Word)) {
        f(&mut self.object);
        f(&mut self.method_class);
        self.literals.iter_mut().for_each(&mut *f);
        self.sites.iter_mut().for_each(|s| f(&mut s.selector));
    }

    /// The byte where the operation at `ip` starts.
    pub fn byte_of(&self, ip: *const Operation) -> usize {
        let first = self.operations.as_ptr() as usize;
        let index = (ip as usize).wrapping_sub(first) / size_of::<Operation>();
        self.starts.get(index).copied().unwrap_or(0) as usize
    }

    /// The operation that starts at a byte, if one does.
    pub fn operation_at(&self, byte: usize) -> Option<usize> {
        let index = self.starts.binary_search(&(byte as u32)).ok()?;
        (index < self.operations.len()).then_some(index)
    }

    /// Whether it is marked for unwinding.
    pub fn is_unwind(&self) -> bool {
        self.flags & frame_flags::UNWIND as u8 != 0
    }

    /// Whether it is marked as a handler.
    pub fn is_handler(&self) -> bool {
        self.flags & frame_flags::HANDLER as u8 != 0
    }
}

/// Decodes admitted bytecodes.
///
/// `arguments_of` tells the arguments of a site's selector.
pub fn decode(
    bytes: &[u8],
    admitted: &Admitted,
    temps: usize,
    is_block: bool,
    arguments_of: &dyn Fn(usize) -> u8,
) -> Vec<Operation> {
    let index_of = |pc: i64| admitted.starts.binary_search(&(pc as u32)).unwrap_or(0) as i32;
    let mut operations = Vec::with_capacity(admitted.starts.len());
    for (n, &start) in admitted.starts.iter().enumerate() {
        let decoded = Instruction::decode(bytes, start as usize);
        let Some(i) = decoded.filter(|_| admitted.reached[n]) else {
            operations.push(operation(Kind::Unreachable, 0, 0));
            continue;
        };
        let target = index_of(start as i64 + i.length as i64 + i.a as i64) - (n as i32 + 1);
        operations.push(translate(i, target, temps, is_block, arguments_of));
    }
    fuse(&mut operations);
    // Where a send goes on that the machine makes in place of a return.
    operations.push(operation(Kind::BlockReturn, 0, -(temps as i16) - 1));
    operations
}

fn operation(kind: Kind, a: i32, b: i16) -> Operation {
    let kind = kind as u64;
    Operation(kind | kind << 8 | (b as u16 as u64) << 16 | (a as u32 as u64) << 32)
}

fn translate(
    i: Instruction,
    target: i32,
    temps: usize,
    is_block: bool,
    arguments_of: &dyn Fn(usize) -> u8,
) -> Operation {
    let receiver = -(temps as i16) - 1;
    let temp = |n: i32| n as i16 - temps as i16;
    if i.opcode.has_site() {
        let kind = send_kind(i.opcode);
        return operation(kind, i.a, i16::from(arguments_of(i.a as usize)));
    }
    let (kind, a, b) = match i.opcode {
        Opcode::PushReceiver => (Kind::PushReceiver, i.a, receiver),
        Opcode::PushNil => (Kind::PushNil, 0, 0),
        Opcode::PushTrue => (Kind::PushTrue, 0, 0),
        Opcode::PushFalse => (Kind::PushFalse, 0, 0),
        Opcode::PushThisContext => (Kind::PushThisContext, 0, 0),
        Opcode::PushInteger => (Kind::PushInteger, i.a * 4 + 1, 0),
        Opcode::PushLiteral | Opcode::PushLiteralWide => (Kind::PushLiteral, i.a, 0),
        Opcode::PushTemp | Opcode::PushTempWide => (Kind::PushTemp, 0, temp(i.a)),
        Opcode::PushInstVar | Opcode::PushInstVarWide => (Kind::PushInstVar, i.a, receiver),
        Opcode::PushBinding => (Kind::PushBinding, i.a, 0),
        Opcode::PushRemote => (Kind::PushRemote, i.a, temp(i.b)),
        Opcode::PushNewVector => (Kind::PushNewVector, i.a, 0),
        Opcode::PushArray => (Kind::PushArray, i.a, 0),
        Opcode::PushClosure => (Kind::PushClosure, i.a, i.b as i16),
        Opcode::Dup => (Kind::Dup, 0, 0),
        Opcode::Pop => (Kind::Pop, 0, 0),
        Opcode::StoreTemp | Opcode::StoreTempWide => (Kind::StoreTemp, 0, temp(i.a)),
        Opcode::PopTemp | Opcode::PopTempWide => (Kind::PopTemp, 0, temp(i.a)),
        Opcode::StoreInstVar | Opcode::StoreInstVarWide => (Kind::StoreInstVar, i.a, receiver),
        Opcode::PopInstVar | Opcode::PopInstVarWide => (Kind::PopInstVar, i.a, receiver),
        Opcode::StoreBinding => (Kind::StoreBinding, i.a, 0),
        Opcode::PopBinding => (Kind::PopBinding, i.a, 0),
        Opcode::StoreRemote => (Kind::StoreRemote, i.a, temp(i.b)),
        Opcode::PopRemote => (Kind::PopRemote, i.a, temp(i.b)),
        Opcode::Jump if target < 0 => (Kind::JumpBack, target, 0),
        Opcode::Jump => (Kind::Jump, target, 0),
        Opcode::JumpTrue => (Kind::JumpTrue, target, 0),
        Opcode::JumpFalse => (Kind::JumpFalse, target, 0),
        Opcode::JumpNil => (Kind::JumpNil, target, 0),
        Opcode::JumpNotNil => (Kind::JumpNotNil, target, 0),
        Opcode::ReturnTop if is_block => (Kind::NonLocalReturn, 0, receiver),
        Opcode::ReturnTop => (Kind::ReturnTop, 0, receiver),
        Opcode::ReturnReceiver => (Kind::ReturnReceiver, 0, receiver),
        Opcode::BlockReturn => (Kind::BlockReturn, 0, receiver),
        Opcode::Identical => (Kind::Identical, 0, 0),
        Opcode::NotIdentical => (Kind::NotIdentical, 0, 0),
        _ => (Kind::Unreachable, 0, 0),
    };
    operation(kind, a, b)
}

fn send_kind(opcode: Opcode) -> Kind {
    match opcode {
        Opcode::SendSuper => Kind::SendSuper,
        Opcode::Add => Kind::Add,
        Opcode::Subtract => Kind::Subtract,
        Opcode::Less => Kind::Less,
        Opcode::Greater => Kind::Greater,
        Opcode::LessEqual => Kind::LessEqual,
        Opcode::GreaterEqual => Kind::GreaterEqual,
        Opcode::Equal => Kind::Equal,
        Opcode::NotEqual => Kind::NotEqual,
        Opcode::Multiply => Kind::Multiply,
        Opcode::FloorDivide => Kind::FloorDivide,
        Opcode::Modulo => Kind::Modulo,
        Opcode::BitAnd => Kind::BitAnd,
        Opcode::BitOr => Kind::BitOr,
        Opcode::BitXor => Kind::BitXor,
        Opcode::BitShift => Kind::BitShift,
        Opcode::Divide => Kind::Divide,
        Opcode::At => Kind::At,
        Opcode::AtPut => Kind::AtPut,
        Opcode::Size => Kind::Size,
        Opcode::Value => Kind::Value,
        Opcode::Value1 => Kind::Value1,
        Opcode::Class => Kind::Class,
        _ => Kind::Send,
    }
}

/// Finds sequences that one operation can do. A fused operation never hides a backward jump, so
/// every loop still polls.
fn fuse(operations: &mut [Operation]) {
    for n in 0..operations.len() {
        let at = |d: usize| operations.get(n + d).map_or(Kind::Unreachable, |o| o.plain());
        // A fused jump goes forward, so that every loop polls.
        let is_condition = |d: usize| {
            matches!(at(d), Kind::JumpFalse | Kind::JumpTrue)
                && operations.get(n + d).is_some_and(|o| o.a() >= 0)
        };
        let conditional = is_condition(1);
        let is_temp_pair = at(0) == Kind::PushTemp && at(1) == Kind::PushTemp;
        let fused = match (at(0), at(1), at(2)) {
            (_, _, Kind::Less) if is_temp_pair && is_condition(3) => Kind::TempsLessJump,
            (_, _, Kind::Greater) if is_temp_pair && is_condition(3) => Kind::TempsGreaterJump,
            (_, _, Kind::LessEqual) if is_temp_pair && is_condition(3) => Kind::TempsLessEqualJump,
            (_, _, Kind::GreaterEqual) if is_temp_pair && is_condition(3) => Kind::TempsGreaterEqualJump,
            (_, _, Kind::Equal) if is_temp_pair && is_condition(3) => Kind::TempsEqualJump,
            (Kind::Less, ..) if conditional => Kind::LessJump,
            (Kind::Greater, ..) if conditional => Kind::GreaterJump,
            (Kind::LessEqual, ..) if conditional => Kind::LessEqualJump,
            (Kind::GreaterEqual, ..) if conditional => Kind::GreaterEqualJump,
            (Kind::Equal, ..) if conditional => Kind::EqualJump,
            (Kind::Identical, ..) if conditional => Kind::IdenticalJump,
            (Kind::PushTemp, Kind::PushInteger, Kind::Add) if at(3) == Kind::PopTemp => {
                Kind::TempIncrement
            }
            (Kind::PushTemp, Kind::PushInteger, Kind::Add) => Kind::TempAddInteger,
            (Kind::PushTemp, Kind::PushInteger, Kind::Subtract) => Kind::TempSubtractInteger,
            (Kind::PushTemp, Kind::PushTemp, _) => Kind::PushTempTemp,
            (Kind::PushTemp | Kind::PushReceiver, Kind::Send, _) => Kind::TempSend,
            (Kind::PushTemp, Kind::ReturnTop | Kind::BlockReturn, _) => Kind::TempReturn,
            (Kind::PushInstVar, Kind::ReturnTop | Kind::BlockReturn, _) => Kind::InstVarReturn,
            (Kind::PushInstVar, Kind::Send, _) => Kind::InstVarSend,
            (Kind::Pop, Kind::PushTemp | Kind::PushReceiver, _) => Kind::PopPushTemp,
            (Kind::PopTemp, Kind::PushTemp | Kind::PushReceiver, _) => Kind::PopTempPushTemp,
            (Kind::Pop, Kind::ReturnReceiver, _) => Kind::PopReturnReceiver,
            _ => continue,
        };
        operations[n] = operations[n].with_kind(fused);
    }
}

/// Code of the machine's own, at the bottom of a process or between two frames of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum OwnCode {
    /// Temporaries receiver, selector, argument Array: performs it, then ends the process.
    Start = 0,
    /// Temporaries receiver, selector, argument Array: performs it, drops the value, goes on below.
    Interlude = 1,
}

impl OwnCode {
    /// The code that a number names.
    pub fn from_number(number: i64) -> Option<OwnCode> {
        match number {
            0 => Some(OwnCode::Start),
            1 => Some(OwnCode::Interlude),
            _ => None,
        }
    }

    /// Makes the record. `nil` stands where no object is.
    pub fn code(self, nil: Word) -> Code {
        let last = match self {
            OwnCode::Start => Kind::FinishProcess,
            OwnCode::Interlude => Kind::DropReturn,
        };
        let temps = 3;
        let operations = [
            operation(Kind::PushTemp, 0, -3),
            operation(Kind::PushTemp, 0, -2),
            operation(Kind::PushTemp, 0, -1),
            operation(Kind::Perform, 0, 2),
            operation(last, 0, -(temps as i16) - 1),
        ];
        Code {
            starts: (0..=operations.len() as u32).collect(),
            depths: Box::new([0, 1, 2, 3, 1]),
            operations: Box::new(operations),
            sites: Box::new([]),
            literals: Box::new([]),
            temps,
            arguments: 3,
            copied: 0,
            frame_words: temps + 16,
            flags: 0,
            is_block: false,
            primitive: None,
            quick: Cell::new(Quick::No),
            plain_quick: Quick::No,
            named_slots: 0,
            object: Word::small(self as i64),
            method_class: nil,
            runs: Cell::new(0),
            watched: Cell::new((0, 0)),
            maybe_young: false,
            in_use: true,
        }
    }
}
