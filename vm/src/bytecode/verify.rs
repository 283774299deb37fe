//! Admits a method before it runs, whoever made it.
//!
//! Invariants (of what [`verify`] admits)
//! - B1 Every instruction that can be reached is whole, and its operands are in range: literals,
//!   sites, temporaries.
//! - B2 Every jump lands on the start of an instruction.
//! - B3 The operand stack has one known depth at each reachable instruction, never below what the
//!   instruction takes and never above what FRAME claims.
//! - B4 Nothing falls off the end.
//! - B5 Literals have the class that the instruction needs: bindings, blocks with as many copied
//!   values as are pushed.
//!
//! What cannot be known from the code alone is given to the caller ([`Admitted`]): how many named
//! slots the receiver must have, checked where a class meets the method.
//!
//! Knows: the table. Must not know: the heap. Works on a [`CodeView`], which anyone can fill.

use super::{Instruction, Opcode, frame_flags};
use alloc::vec;
use alloc::vec::Vec;

/// What a literal is, as far as a bytecode may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LiteralKind {
    /// Any object.
    Other,
    /// An Association.
    Binding,
    /// A CompiledBlock that takes so many copied values.
    Block {
        /// The copied values in its FRAME.
        copied: u8,
    },
}

/// The FRAME word of a code object, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FrameWord {
    /// Arguments.
    pub arguments: u8,
    /// Arguments, copied values and temporaries together.
    pub temps: u16,
    /// The greatest depth of the operand stack.
    pub depth: u16,
    /// Copied values of a block.
    pub copied: u8,
    /// See [`frame_flags`].
    pub flags: u8,
}

impl FrameWord {
    /// Takes the word apart. Bits above 55 must be clear.
    pub const fn unpack(word: i64) -> Option<FrameWord> {
        if word < 0 || word >> 56 != 0 {
            return None;
        }
        Some(FrameWord {
            arguments: word as u8,
            temps: (word >> 8) as u16,
            depth: (word >> 24) as u16,
            copied: (word >> 40) as u8,
            flags: (word >> 48) as u8,
        })
    }

    /// The word.
    pub const fn pack(self) -> i64 {
        self.arguments as i64
            | (self.temps as i64) << 8
            | (self.depth as i64) << 24
            | (self.copied as i64) << 40
            | (self.flags as i64) << 48
    }
}

/// A code object as the verifier sees it.
#[derive(Clone, Copy, Debug)]
pub struct CodeView<'a> {
    /// The FRAME word.
    pub frame: FrameWord,
    /// The bytecodes.
    pub bytecodes: &'a [u8],
    /// A kind for each literal.
    pub literals: &'a [LiteralKind],
    /// The number of arguments of each site's selector.
    pub sites: &'a [u8],
    /// Whether this is the code of a block.
    pub is_block: bool,
}

/// What is wrong with a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Index of the byte where it was found.
    pub pc: usize,
    /// What is wrong, lowercase.
    pub what: &'static str,
}

impl core::fmt::Display for Flaw {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "byte {}: {}", self.pc, self.what)
    }
}

/// What the verifier found out about a method it admits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Named slots that the receiver must have.
    pub named_slots: usize,
    /// Start of each instruction, in order.
    pub starts: Vec<u32>,
    /// Whether the instruction can be reached, parallel to `starts`.
    pub reached: Vec<bool>,
    /// Depth of the operand stack before it, parallel to `starts`; 0 where it can't be reached.
    pub depths: Vec<u16>,
    /// The greatest depth met.
    pub depth: u16,
}

/// The most temporaries that a frame may have.
pub const MAX_TEMPS: u16 = 32_000;

const UNSEEN: i32 = -1;

struct Walk<'a> {
    view: &'a CodeView<'a>,
    /// Depth on entry by byte index, `UNSEEN` where none is known.
    depth_at: Vec<i32>,
    is_start: Vec<bool>,
    work: Vec<usize>,
    named_slots: usize,
    deepest: i32,
}

/// Admits the code, or says what is wrong with it.
pub fn verify(view: &CodeView<'_>) -> Result<Admitted, Flaw> {
    check_frame(view)?;
    let length = view.bytecodes.len();
    let mut is_start = vec![false; length];
    let mut starts = Vec::new();
    let mut pc = 0;
    while pc < length {
        let Some(instruction) = Instruction::decode(view.bytecodes, pc) else {
            return Err(Flaw { pc, what: "not an instruction" });
        };
        is_start[pc] = true;
        starts.push(pc as u32);
        pc += instruction.length;
    }
    if length == 0 {
        return Err(Flaw { pc: 0, what: "no code" });
    }
    let mut walk = Walk {
        view,
        depth_at: vec![UNSEEN; length],
        is_start,
        work: vec![0],
        named_slots: 0,
        deepest: 0,
    };
    walk.depth_at[0] = 0;
    while let Some(pc) = walk.work.pop() {
        walk.follow(pc)?;
    }
    let reached = starts.iter().map(|&s| walk.depth_at[s as usize] != UNSEEN).collect();
    let depths = starts.iter().map(|&s| walk.depth_at[s as usize].max(0) as u16).collect();
    let (named_slots, depth) = (walk.named_slots, walk.deepest as u16);
    Ok(Admitted { named_slots, starts, reached, depths, depth })
}

fn check_frame(view: &CodeView<'_>) -> Result<(), Flaw> {
    let frame = view.frame;
    let flaw = |what| Err(Flaw { pc: 0, what });
    let fixed = frame.arguments as u32
        + frame.copied as u32
        + u32::from(frame.flags & frame_flags::PRIMITIVE_ERROR as u8 != 0);
    if fixed > frame.temps as u32 {
        return flaw("fewer temporaries than arguments and copied values");
    }
    if frame.temps > MAX_TEMPS {
        return flaw("too many temporaries");
    }
    if !view.is_block && frame.copied != 0 {
        return flaw("copied values in a method");
    }
    let only_methods = (frame_flags::UNWIND | frame_flags::HANDLER | frame_flags::PRIMITIVE_ERROR) as u8;
    if view.is_block && frame.flags & only_methods != 0 {
        return flaw("a block with a method's flag");
    }
    if !view.is_block && frame.flags & frame_flags::CLEAN_BLOCK as u8 != 0 {
        return flaw("a method with a block's flag");
    }
    Ok(())
}

impl Walk<'_> {
    /// Follows straight-line code from `pc`, whose depth is known.
    fn follow(&mut self, mut pc: usize) -> Result<(), Flaw> {
        let mut depth = self.depth_at[pc];
        loop {
            // B1 holds for every start: the first pass decoded all of them.
            let Some(i) = Instruction::decode(self.view.bytecodes, pc) else {
                return Err(Flaw { pc, what: "not an instruction" });
            };
            let (takes, gives) = self.effect(i, pc)?;
            if depth < takes {
                return Err(Flaw { pc, what: "operand stack underflow" });
            }
            depth += gives - takes;
            self.deepest = self.deepest.max(depth);
            if self.deepest > self.view.frame.depth as i32 {
                return Err(Flaw { pc, what: "operand stack deeper than the frame says" });
            }
            let next = pc + i.length;
            if i.opcode.is_jump() {
                self.arrive(pc, next as i64 + i.a as i64, depth)?;
            }
            if ends_block(i.opcode) {
                return Ok(());
            }
            if next >= self.view.bytecodes.len() {
                return Err(Flaw { pc, what: "falls off the end" });
            }
            match self.depth_at[next] {
                UNSEEN => self.depth_at[next] = depth,
                seen if seen == depth => return Ok(()),
                _ => return Err(Flaw { pc: next, what: "two depths at one instruction" }),
            }
            pc = next;
        }
    }

    fn arrive(&mut self, from: usize, target: i64, depth: i32) -> Result<(), Flaw> {
        let inside = target >= 0 && (target as usize) < self.view.bytecodes.len();
        if !inside || !self.is_start[target as usize] {
            return Err(Flaw { pc: from, what: "jump into nowhere" });
        }
        let target = target as usize;
        match self.depth_at[target] {
            UNSEEN => {
                self.depth_at[target] = depth;
                self.work.push(target);
                Ok(())
            }
            seen if seen == depth => Ok(()),
            _ => Err(Flaw { pc: target, what: "two depths at one instruction" }),
        }
    }

    /// How many operands the instruction takes and gives, after its operands were checked.
    fn effect(&mut self, i: Instruction, pc: usize) -> Result<(i32, i32), Flaw> {
        use Opcode::*;
        let a = i.a as usize;
        self.check_receiver(i.opcode, pc)?;
        Ok(match i.opcode {
            PushReceiver | PushNil | PushTrue | PushFalse | PushThisContext | PushInteger
            | PushNewVector => (0, 1),
            PushLiteral | PushLiteralWide => {
                self.literal(a, pc)?;
                (0, 1)
            }
            PushTemp | PushTempWide => {
                self.temp(a, pc)?;
                (0, 1)
            }
            PushInstVar | PushInstVarWide => (0, self.slot(a)),
            StoreInstVar | StoreInstVarWide => (1, self.slot(a)),
            PopInstVar | PopInstVarWide => (1, self.slot(a) - 1),
            PushBinding => (0, self.binding(a, pc)?),
            StoreBinding => (1, self.binding(a, pc)?),
            PopBinding => (1, self.binding(a, pc)? - 1),
            PushRemote => (0, self.temp(i.b as usize, pc)?),
            StoreRemote => (1, self.temp(i.b as usize, pc)?),
            PopRemote => (1, self.temp(i.b as usize, pc)? - 1),
            PushArray => (i.a, 1),
            PushClosure => match self.literal(a, pc)? {
                LiteralKind::Block { copied } if copied as i32 == i.b => (i.b, 1),
                LiteralKind::Block { .. } => {
                    return Err(Flaw { pc, what: "wrong number of copied values" });
                }
                _ => return Err(Flaw { pc, what: "closure over something else than a block" }),
            },
            Dup => (1, 2),
            Pop => (1, 0),
            StoreTemp | StoreTempWide => (1, self.temp(a, pc)?),
            PopTemp | PopTempWide => (1, self.temp(a, pc)? - 1),
            Jump => (0, 0),
            JumpTrue | JumpFalse | JumpNil | JumpNotNil => (1, 0),
            ReturnTop => {
                let marked = self.view.frame.flags & frame_flags::HAS_NON_LOCAL_RETURN as u8 != 0;
                if self.view.is_block && !marked {
                    return Err(Flaw { pc, what: "^ in a block that denies having one" });
                }
                (1, 0)
            }
            ReturnReceiver if self.view.is_block => {
                return Err(Flaw { pc, what: "a method's return in a block" });
            }
            ReturnReceiver => (0, 0),
            BlockReturn if !self.view.is_block => {
                return Err(Flaw { pc, what: "a block's return in a method" });
            }
            BlockReturn => (1, 0),
            Identical | NotIdentical => (2, 1),
            _ => (self.site(i, pc)? + 1, 1),
        })
    }

    fn check_receiver(&self, opcode: Opcode, pc: usize) -> Result<(), Flaw> {
        use Opcode::*;
        let clean = self.view.frame.flags & frame_flags::CLEAN_BLOCK as u8 != 0;
        let needs = matches!(
            opcode,
            PushReceiver
                | PushThisContext
                | PushInstVar
                | PushInstVarWide
                | StoreInstVar
                | StoreInstVarWide
                | PopInstVar
                | PopInstVarWide
                | SendSuper
                | ReturnTop
        );
        if clean && needs {
            return Err(Flaw { pc, what: "a clean block that needs its home" });
        }
        Ok(())
    }

    fn literal(&self, index: usize, pc: usize) -> Result<LiteralKind, Flaw> {
        self.view.literals.get(index).copied().ok_or(Flaw { pc, what: "no such literal" })
    }

    fn binding(&self, index: usize, pc: usize) -> Result<i32, Flaw> {
        match self.literal(index, pc)? {
            LiteralKind::Binding => Ok(1),
            _ => Err(Flaw { pc, what: "not a binding" }),
        }
    }

    fn temp(&self, index: usize, pc: usize) -> Result<i32, Flaw> {
        if index < self.view.frame.temps as usize {
            Ok(1)
        } else {
            Err(Flaw { pc, what: "no such temporary" })
        }
    }

    fn slot(&mut self, index: usize) -> i32 {
        self.named_slots = self.named_slots.max(index + 1);
        1
    }

    fn site(&self, i: Instruction, pc: usize) -> Result<i32, Flaw> {
        let Some(&arity) = self.view.sites.get(i.a as usize) else {
            return Err(Flaw { pc, what: "no such send site" });
        };
        let expected = i.opcode.special_selector().map(super::arity);
        if expected.is_some_and(|n| n != Some(arity)) {
            return Err(Flaw { pc, what: "a special send with another number of arguments" });
        }
        Ok(arity as i32)
    }
}

fn ends_block(opcode: Opcode) -> bool {
    use Opcode::*;
    matches!(opcode, Jump | ReturnTop | ReturnReceiver | BlockReturn)
}
