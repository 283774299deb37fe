//! From a syntax tree to code, exactly by `bootstrap-image/COMPILING.md`.
//!
//! Invariants
//! - G1 An expression leaves one value more on the stack than it found; a statement none.
//! - G2 `depth` is that of the structure: after a branch it is what the branch's value makes it,
//!   whether the branch can be left or not.
//! - G3 Every loop and join is a label; a label is bound once.

use vm::bytecode::{Opcode, frame_flags};

use crate::ast::{Block, Body, Expression, Message, Method, Pseudo, Statement, Variable};
use crate::code::{Code, CompiledMethod, Constant, MAX_FRAME, MAX_LITERALS, pack_map};
use crate::emit::Generator;
use crate::inline::inlined;
use crate::problem::{Problem, Span};
use crate::scope::{Environment, Item, Meaning, analyse};

/// Compiles the source of a method in the environment of its class. Warnings come beside it.
pub fn compile(
    source: &str,
    environment: &dyn Environment,
) -> Result<(CompiledMethod, Vec<Problem>), Problem> {
    let text: Vec<char> = source.chars().collect();
    let method = crate::parser::parse_method(&text)?;
    let analysis = analyse(&method, environment)?;
    let mut code = Generator::new(&analysis, 0).method(&method)?;
    code.flags |= if method.unwind { frame_flags::UNWIND } else { 0 };
    code.flags |= if method.handler { frame_flags::HANDLER } else { 0 };
    code.flags |= if method.reason.is_some() { frame_flags::PRIMITIVE_ERROR } else { 0 };
    if let Err(flaw) = crate::code::admit(&code, false) {
        return Err(Problem::error(
            1,
            format!("a defect of this compiler: the machine finds {flaw}"),
        ));
    }
    let compiled = CompiledMethod {
        selector: method.selector,
        code,
        primitive: method.primitive,
        pragmas: method.pragmas,
        source: source.to_owned(),
    };
    Ok((compiled, analysis.warnings))
}

impl Generator<'_> {
    fn in_block(&self) -> bool {
        self.scope != 0
    }

    fn method(mut self, method: &Method) -> Result<Code, Problem> {
        let whole = Span { start: 1, stop: method.length };
        self.create_vector(None);
        for statement in &method.body.statements {
            self.statement(statement);
        }
        if !method.body.ends_in_return() {
            self.mapped(whole);
            self.emit(Opcode::ReturnReceiver, 0, 0, 0);
        }
        self.finish(whole)
    }

    fn block(mut self, block: &Block) -> Result<Code, Problem> {
        let scope = &self.analysis.scopes[self.scope];
        if scope.returns {
            self.code.flags |= frame_flags::HAS_NON_LOCAL_RETURN;
        }
        if !scope.needs_home && scope.copied.is_empty() {
            self.code.flags |= frame_flags::CLEAN_BLOCK;
        }
        self.create_vector(Some(block.number));
        self.value_of(&block.body);
        if !block.body.ends_in_return() {
            self.mapped(block.span);
            self.emit(Opcode::BlockReturn, 0, 0, -1);
        }
        self.finish(block.span)
    }

    fn finish(mut self, span: Span) -> Result<Code, Problem> {
        let limits = [
            ("temporaries", self.code.frame, MAX_FRAME),
            ("literals", self.code.literals.len(), MAX_LITERALS),
            ("sends", self.code.sites.len(), MAX_LITERALS),
            ("values on the stack", self.code.depth, MAX_LITERALS),
            ("bytecodes", self.code.bytecodes.len(), (1 << 23) - 1),
        ];
        for (what, count, bound) in limits {
            if count > bound {
                return Err(Problem::error(
                    span.start,
                    format!("too many {what}: {count}, at most {bound}"),
                ));
            }
        }
        if let Some(problem) = self.passed {
            return Err(problem);
        }
        self.code.source_map = pack_map(&self.map);
        Ok(self.code)
    }

    // --- variables

    pub(crate) fn slot(&self, item: Item) -> usize {
        self.analysis.scopes[self.scope].slot(item).unwrap_or(MAX_FRAME)
    }

    pub(crate) fn push_local(&mut self, local: usize) {
        let (item, index) = self.analysis.home(local);
        let slot = self.slot(item);
        match index {
            None => self.emit_sized(Opcode::PushTemp, Opcode::PushTempWide, slot, 1),
            Some(index) => self.emit(Opcode::PushRemote, index as i32, slot as i32, 1),
        }
    }

    pub(crate) fn pop_into_local(&mut self, local: usize) {
        let slot = self.slot(self.analysis.home(local).0);
        self.emit_sized(Opcode::PopTemp, Opcode::PopTempWide, slot, -1);
    }

    fn push_variable(&mut self, variable: &Variable) {
        match &self.analysis.meanings[variable.occurrence] {
            Some(Meaning::Local(local)) => self.push_local(*local),
            Some(Meaning::Slot(slot)) => {
                self.emit_sized(Opcode::PushInstVar, Opcode::PushInstVarWide, *slot, 1);
            }
            Some(Meaning::Bound(binding)) => {
                let index = self.binding_index(binding);
                self.emit(Opcode::PushBinding, index as i32, 0, 1);
            }
            None => self.unresolved(variable),
        }
    }

    fn store_variable(&mut self, variable: &Variable, keep: bool, span: Span) {
        let change = if keep { 0 } else { -1 };
        match &self.analysis.meanings[variable.occurrence] {
            Some(Meaning::Local(local)) => {
                let (item, index) = self.analysis.home(*local);
                let slot = self.slot(item);
                self.mapped(span);
                match (index, keep) {
                    (None, true) => {
                        self.emit_sized(Opcode::StoreTemp, Opcode::StoreTempWide, slot, 0)
                    }
                    (None, false) => {
                        self.emit_sized(Opcode::PopTemp, Opcode::PopTempWide, slot, -1)
                    }
                    (Some(index), true) => {
                        self.emit(Opcode::StoreRemote, index as i32, slot as i32, 0)
                    }
                    (Some(index), false) => {
                        self.emit(Opcode::PopRemote, index as i32, slot as i32, -1)
                    }
                }
            }
            Some(Meaning::Slot(slot)) => {
                let (narrow, wide) = match keep {
                    true => (Opcode::StoreInstVar, Opcode::StoreInstVarWide),
                    false => (Opcode::PopInstVar, Opcode::PopInstVarWide),
                };
                self.mapped(span);
                self.emit_sized(narrow, wide, *slot, change);
            }
            Some(Meaning::Bound(binding)) => {
                let index = self.binding_index(binding);
                let opcode = if keep { Opcode::StoreBinding } else { Opcode::PopBinding };
                self.mapped(span);
                self.emit(opcode, index as i32, 0, change);
            }
            None => self.unresolved(variable),
        }
    }

    /// Only a defect of the analysis leads here; it becomes an error rather than wrong code.
    fn unresolved(&mut self, variable: &Variable) {
        let message = format!("`{}` was not analysed", variable.name);
        self.passed.get_or_insert(Problem::error(variable.span.start, message));
    }

    pub(crate) fn create_vector(&mut self, body: Option<usize>) {
        let Some(vector) = self.analysis.vector_of_body.get(&body).copied() else { return };
        let size = self.analysis.vectors[vector].locals.len();
        let slot = self.slot(Item::Vector(vector));
        self.emit(Opcode::PushNewVector, size as i32, 0, 1);
        self.emit_sized(Opcode::PopTemp, Opcode::PopTempWide, slot, -1);
    }

    // --- statements and expressions

    fn statement(&mut self, statement: &Statement) {
        match statement {
            Statement::Return(value, span) => self.explicit_return(value, *span, false),
            Statement::Expression(Expression::Assignment(variable, value, span)) => {
                self.expression(value);
                self.store_variable(variable, false, *span);
            }
            Statement::Expression(expression) => {
                self.expression(expression);
                self.emit(Opcode::Pop, 0, 0, -1);
            }
        }
    }

    /// `^`; where it stands as the value of a block, the depth is that of a value.
    fn explicit_return(&mut self, value: &Expression, span: Span, as_value: bool) {
        let before = self.depth;
        if !self.in_block() && matches!(value, Expression::Pseudo(Pseudo::Receiver, _)) {
            self.mapped(span);
            self.emit(Opcode::ReturnReceiver, 0, 0, 0);
        } else {
            self.expression(value);
            self.mapped(span);
            self.emit(Opcode::ReturnTop, 0, 0, 0);
        }
        self.depth = before + usize::from(as_value);
    }

    /// The statements of a block, the last one's value left on the stack.
    pub(crate) fn value_of(&mut self, body: &Body) {
        let Some((last, others)) = body.statements.split_last() else {
            return self.emit(Opcode::PushNil, 0, 0, 1);
        };
        others.iter().for_each(|statement| self.statement(statement));
        match last {
            Statement::Expression(expression) => self.expression(expression),
            Statement::Return(value, span) => self.explicit_return(value, *span, true),
        }
    }

    pub(crate) fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Literal(literal, _) => self.push_literal(literal),
            Expression::Pseudo(pseudo, _) => self.pseudo(*pseudo),
            Expression::Variable(variable) => self.push_variable(variable),
            Expression::Assignment(variable, value, span) => {
                self.expression(value);
                self.store_variable(variable, true, *span);
            }
            Expression::Send(receiver, message, span) => self.message(receiver, message, *span),
            Expression::Cascade(receiver, messages, _) => self.cascade(receiver, messages),
            Expression::Brace(elements, span) => {
                elements.iter().for_each(|element| self.expression(element));
                if elements.len() > MAX_LITERALS {
                    let message = format!("too many elements: {}", elements.len());
                    self.passed.get_or_insert(Problem::error(span.start, message));
                }
                let change = 1 - elements.len() as isize;
                self.emit(Opcode::PushArray, elements.len() as i32, 0, change);
            }
            Expression::Block(block) => self.closure(block),
        }
    }

    fn pseudo(&mut self, pseudo: Pseudo) {
        let opcode = match pseudo {
            Pseudo::Receiver | Pseudo::Super => Opcode::PushReceiver,
            Pseudo::ThisContext => Opcode::PushThisContext,
            Pseudo::Nil => Opcode::PushNil,
            Pseudo::True => Opcode::PushTrue,
            Pseudo::False => Opcode::PushFalse,
        };
        self.emit(opcode, 0, 0, 1);
    }

    fn message(&mut self, receiver: &Expression, message: &Message, span: Span) {
        if let Some(shape) = inlined(receiver, message) {
            return self.in_place(receiver, shape, span);
        }
        self.expression(receiver);
        self.arguments_and_send(receiver, message, span);
    }

    fn arguments_and_send(&mut self, receiver: &Expression, message: &Message, span: Span) {
        message.arguments.iter().for_each(|argument| self.expression(argument));
        let to_super = matches!(receiver, Expression::Pseudo(Pseudo::Super, _));
        self.send(&message.selector, to_super, span);
    }

    fn cascade(&mut self, receiver: &Expression, messages: &[Message]) {
        self.expression(receiver);
        for (index, message) in messages.iter().enumerate() {
            let last = index + 1 == messages.len();
            if !last {
                self.emit(Opcode::Dup, 0, 0, 1);
            }
            self.arguments_and_send(receiver, message, message.span);
            if !last {
                self.emit(Opcode::Pop, 0, 0, -1);
            }
        }
    }

    fn closure(&mut self, block: &Block) {
        let Some(scope) = self.analysis.scope_of_block.get(&block.number).copied() else { return };
        match Generator::new(self.analysis, scope).block(block) {
            Err(problem) => {
                self.passed.get_or_insert(problem);
            }
            Ok(code) => {
                let copied = &self.analysis.scopes[scope].copied;
                for item in copied {
                    let slot = self.slot(*item);
                    self.emit_sized(Opcode::PushTemp, Opcode::PushTempWide, slot, 1);
                }
                let index = self.code.literals.len();
                self.code.literals.push(Constant::Block(Box::new(code)));
                self.mapped(block.span);
                let change = 1 - copied.len() as isize;
                self.emit(Opcode::PushClosure, index as i32, copied.len() as i32, change);
            }
        }
    }
}
