//! Code of the messages that are compiled in place, by the table of COMPILING.md.
//!
//! Invariants
//! - I1 Whatever runs, the message leaves one value; `depth` says so at every join.
//! - I2 Inside a loop a block's variables are made anew when it is entered.

use vm::bytecode::Opcode;

use crate::ast::{Block, Expression, Literal};
use crate::emit::{Generator, Label};
use crate::inline::Inlined;
use crate::number::Integer;
use crate::problem::Span;
use crate::scope::Item;

impl Generator<'_> {
    pub(crate) fn in_place(&mut self, receiver: &Expression, shape: Inlined<'_>, span: Span) {
        match shape {
            Inlined::While(condition, body, on) => self.while_loop(condition, body, on, span),
            Inlined::Repeat(body) => self.repeat(body),
            Inlined::ToDo(limit, step, body) => self.count_loop(receiver, limit, step, body, span),
            _ => {
                self.expression(receiver);
                self.conditional(shape, span);
            }
        }
    }

    fn conditional(&mut self, shape: Inlined<'_>, span: Span) {
        match shape {
            Inlined::If(block, on) => {
                self.branches(on, block, |code| code.emit(Opcode::PushNil, 0, 0, 1), span);
            }
            Inlined::IfElse(first, second, on) => {
                self.branches(on, first, |code| code.inlined_value(second), span);
            }
            Inlined::And(block) => {
                self.branches(true, block, |code| code.emit(Opcode::PushFalse, 0, 0, 1), span);
            }
            Inlined::Or(block) => {
                self.branches(false, block, |code| code.emit(Opcode::PushTrue, 0, 0, 1), span);
            }
            Inlined::IfNil(block) => {
                self.on_nil(Opcode::JumpNotNil, |code| code.drop_and_value(block), span);
            }
            Inlined::IfNotNil(block) => {
                self.on_nil(Opcode::JumpNil, |code| code.argument_and_value(block), span);
            }
            Inlined::IfNilElse(none, some) => {
                let other = |code: &mut Self| code.argument_and_value(some);
                let first = |code: &mut Self| code.drop_and_value(none);
                self.on_nil_else(
                    Opcode::JumpNotNil,
                    (first, none.body.ends_in_return()),
                    other,
                    span,
                );
            }
            Inlined::IfNotNilElse(some, none) => {
                let other = |code: &mut Self| code.drop_and_value(none);
                let first = |code: &mut Self| code.argument_and_value(some);
                self.on_nil_else(Opcode::JumpNil, (first, some.body.ends_in_return()), other, span);
            }
            Inlined::While(..) | Inlined::Repeat(_) | Inlined::ToDo(..) => {}
        }
    }

    /// The value of a block that is compiled in place, its variables made fresh inside loops.
    fn inlined_value(&mut self, block: &Block) {
        if self.analysis.in_loop[block.number] {
            self.create_vector(Some(block.number));
            let locals = self.analysis.locals_of_body.get(&Some(block.number));
            for local in
                locals.into_iter().flatten().filter(|l| self.analysis.is_plain_temporary(**l))
            {
                self.emit(Opcode::PushNil, 0, 0, 1);
                self.pop_into_local(*local);
            }
        }
        self.value_of(&block.body);
    }

    /// Condition on the stack: `first` if it is `on`, else `second`.
    fn branches(&mut self, on: bool, first: &Block, second: impl FnOnce(&mut Self), span: Span) {
        let (mut other, mut join) = (Label::default(), Label::default());
        self.mapped(span);
        self.jump(if on { Opcode::JumpFalse } else { Opcode::JumpTrue }, &mut other);
        let depth = self.depth;
        self.inlined_value(first);
        if !first.body.ends_in_return() {
            self.jump(Opcode::Jump, &mut join);
        }
        self.bind(&mut other);
        self.depth = depth;
        second(self);
        self.bind(&mut join);
    }

    fn on_nil(&mut self, skip: Opcode, body: impl FnOnce(&mut Self), span: Span) {
        let mut join = Label::default();
        self.emit(Opcode::Dup, 0, 0, 1);
        self.mapped(span);
        self.jump(skip, &mut join);
        body(self);
        self.bind(&mut join);
    }

    fn on_nil_else(
        &mut self,
        skip: Opcode,
        (first, returns): (impl FnOnce(&mut Self), bool),
        second: impl FnOnce(&mut Self),
        span: Span,
    ) {
        let (mut other, mut join) = (Label::default(), Label::default());
        self.emit(Opcode::Dup, 0, 0, 1);
        self.mapped(span);
        self.jump(skip, &mut other);
        let depth = self.depth;
        first(self);
        if !returns {
            self.jump(Opcode::Jump, &mut join);
        }
        self.bind(&mut other);
        self.depth = depth;
        second(self);
        self.bind(&mut join);
    }

    /// Drops the tested value, then runs the block.
    fn drop_and_value(&mut self, block: &Block) {
        self.emit(Opcode::Pop, 0, 0, -1);
        self.inlined_value(block);
    }

    /// Gives the tested value to the block's argument, if it has one, then runs the block.
    fn argument_and_value(&mut self, block: &Block) {
        match (block.arguments.is_empty(), self.analysis.locals_of_body.get(&Some(block.number))) {
            (false, Some(locals)) => self.pop_into_local(locals[0]),
            _ => self.emit(Opcode::Pop, 0, 0, -1),
        }
        self.inlined_value(block);
    }

    fn while_loop(&mut self, condition: &Block, body: Option<&Block>, on: bool, span: Span) {
        let (mut again, mut done) = (Label::default(), Label::default());
        self.bind(&mut again);
        self.inlined_value(condition);
        self.mapped(span);
        self.jump(if on { Opcode::JumpFalse } else { Opcode::JumpTrue }, &mut done);
        if let Some(body) = body {
            self.inlined_value(body);
            self.emit(Opcode::Pop, 0, 0, -1);
        }
        self.jump(Opcode::Jump, &mut again);
        self.bind(&mut done);
        self.emit(Opcode::PushNil, 0, 0, 1);
    }

    fn repeat(&mut self, body: &Block) {
        let mut again = Label::default();
        self.bind(&mut again);
        self.inlined_value(body);
        self.emit(Opcode::Pop, 0, 0, -1);
        self.jump(Opcode::Jump, &mut again);
        self.emit(Opcode::PushNil, 0, 0, 1);
    }

    fn count_loop(
        &mut self,
        start: &Expression,
        limit: &Expression,
        step: Option<&Expression>,
        body: &Block,
        span: Span,
    ) {
        let Some(counter) =
            self.analysis.locals_of_body.get(&Some(body.number)).map(|locals| locals[0])
        else {
            return;
        };
        let one = Literal::Integer(Integer::small(1));
        let step = step.and_then(Expression::as_number).unwrap_or(&one);
        let hidden = self.analysis.limits.get(&body.number).copied();
        let (mut again, mut done) = (Label::default(), Label::default());
        self.expression(start);
        let slot = self.slot(Item::Local(counter));
        self.emit_sized(Opcode::StoreTemp, Opcode::StoreTempWide, slot, 0);
        if let Some(hidden) = hidden {
            self.expression(limit);
            self.pop_into_local(hidden);
        }
        self.bind(&mut again);
        self.push_local(counter);
        match hidden {
            Some(hidden) => self.push_local(hidden),
            None => self.expression(limit),
        }
        self.send(if step.is_negative_number() { ">=" } else { "<=" }, false, span);
        self.mapped(span);
        self.jump(Opcode::JumpFalse, &mut done);
        self.inlined_value(body);
        self.emit(Opcode::Pop, 0, 0, -1);
        self.push_local(counter);
        self.push_literal(step);
        self.send("+", false, span);
        self.pop_into_local(counter);
        self.jump(Opcode::Jump, &mut again);
        self.bind(&mut done);
    }
}
