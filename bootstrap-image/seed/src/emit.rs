//! The instructions of a code object in the making: bytes, labels, literals, sites, map, depth.
//!
//! Invariants
//! - E1 The narrow form of an instruction is used whenever its operand fits.
//! - E2 Equal literals and bindings share an entry; sites are never shared.
//! - E3 A label is bound once; every jump that waits for it is patched then.

use std::collections::HashMap;

use vm::bytecode::{Opcode, Operands, arity};

use crate::ast::Literal;
use crate::code::{Code, Constant, MapEntry};
use crate::problem::{Problem, Span};
use crate::scope::{Analysis, Binding};

/// A place in the code that jumps may aim at.
#[derive(Default)]
pub(crate) struct Label {
    pub(crate) bound: Option<usize>,
    /// Ends of the jump instructions that wait for it.
    pub(crate) waiting: Vec<usize>,
}

/// A code object in the making.
pub(crate) struct Generator<'a> {
    pub(crate) analysis: &'a Analysis,
    pub(crate) scope: usize,
    pub(crate) code: Code,
    pub(crate) map: Vec<MapEntry>,
    /// Where equal literals and bindings stand already.
    pub(crate) literals: HashMap<Literal, usize>,
    pub(crate) bindings: HashMap<Binding, usize>,
    pub(crate) depth: usize,
    /// The first limit that was passed.
    pub(crate) passed: Option<Problem>,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(analysis: &'a Analysis, scope: usize) -> Generator<'a> {
        let code = Code {
            arguments: analysis.scopes[scope].arguments,
            frame: analysis.scopes[scope].frame.len(),
            copied: analysis.scopes[scope].copied.len(),
            ..Code::default()
        };
        let (literals, bindings) = (HashMap::new(), HashMap::new());
        Generator {
            analysis,
            scope,
            code,
            map: Vec::new(),
            literals,
            bindings,
            depth: 0,
            passed: None,
        }
    }

    /// Emits an instruction that changes the stack's depth by `change`.
    pub(crate) fn emit(&mut self, opcode: Opcode, a: i32, b: i32, change: isize) {
        self.code.bytecodes.push(opcode as u8);
        let (first, second) = (a.to_le_bytes(), b.to_le_bytes());
        let bytes = &mut self.code.bytecodes;
        match opcode.operands() {
            Operands::None => {}
            Operands::U8 | Operands::I8 => bytes.push(first[0]),
            Operands::U16 => bytes.extend(&first[..2]),
            Operands::U8U8 => bytes.extend([first[0], second[0]]),
            Operands::U16U8 => bytes.extend([first[0], first[1], second[0]]),
            Operands::I24 => bytes.extend(&first[..3]),
        }
        self.depth = self.depth.saturating_add_signed(change);
        self.code.depth = self.code.depth.max(self.depth);
    }

    /// Emits the narrow form, or the wide one where the operand needs it.
    pub(crate) fn emit_sized(&mut self, narrow: Opcode, wide: Opcode, a: usize, change: isize) {
        self.emit(if a < 256 { narrow } else { wide }, a as i32, 0, change);
    }

    /// Notes what the next instruction stands for.
    pub(crate) fn mapped(&mut self, span: Span) {
        let pc = self.code.bytecodes.len() as u32;
        self.map.push(MapEntry { pc, start: span.start, stop: span.stop });
    }

    pub(crate) fn jump(&mut self, opcode: Opcode, label: &mut Label) {
        let change = if opcode == Opcode::Jump { 0 } else { -1 };
        self.emit(opcode, 0, 0, change);
        let end = self.code.bytecodes.len();
        match label.bound {
            Some(target) => self.patch(end, target),
            None => label.waiting.push(end),
        }
    }

    pub(crate) fn patch(&mut self, end: usize, target: usize) {
        let distance = (target as i32).wrapping_sub(end as i32).to_le_bytes();
        self.code.bytecodes[end - 3..end].copy_from_slice(&distance[..3]);
    }

    pub(crate) fn bind(&mut self, label: &mut Label) {
        let target = self.code.bytecodes.len();
        label.bound = Some(target);
        for end in std::mem::take(&mut label.waiting) {
            self.patch(end, target);
        }
    }

    pub(crate) fn literal_index(&mut self, literal: &Literal) -> usize {
        let constants = &mut self.code.literals;
        *self.literals.entry(literal.clone()).or_insert_with(|| {
            constants.push(Constant::Literal(literal.clone()));
            constants.len() - 1
        })
    }

    pub(crate) fn binding_index(&mut self, binding: &Binding) -> usize {
        let constants = &mut self.code.literals;
        *self.bindings.entry(binding.clone()).or_insert_with(|| {
            constants.push(Constant::Binding(binding.clone()));
            constants.len() - 1
        })
    }

    pub(crate) fn push_literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Nil => self.emit(Opcode::PushNil, 0, 0, 1),
            Literal::True => self.emit(Opcode::PushTrue, 0, 0, 1),
            Literal::False => self.emit(Opcode::PushFalse, 0, 0, 1),
            _ => match Self::byte_integer(literal) {
                Some(value) => self.emit(Opcode::PushInteger, value, 0, 1),
                None => {
                    let index = self.literal_index(literal);
                    self.emit_sized(Opcode::PushLiteral, Opcode::PushLiteralWide, index, 1);
                }
            },
        }
    }

    pub(crate) fn byte_integer(literal: &Literal) -> Option<i32> {
        let Literal::Integer(value) = literal else { return None };
        value.as_small().filter(|small| (-128..=127).contains(small)).map(|small| small as i32)
    }

    pub(crate) fn send(&mut self, selector: &str, to_super: bool, span: Span) {
        let special = Opcode::ALL.iter().find(|code| code.special_selector() == Some(selector));
        let opcode = match special {
            Some(code) if !to_super => *code,
            _ if to_super => Opcode::SendSuper,
            _ => Opcode::Send,
        };
        let change = -isize::from(arity(selector).unwrap_or(0));
        if !opcode.has_site() {
            return self.emit(opcode, 0, 0, change);
        }
        let site = self.code.sites.len();
        self.code.sites.push(selector.to_owned());
        self.mapped(span);
        self.emit(opcode, site as i32, 0, change);
    }
}
