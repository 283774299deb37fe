//! From a syntax tree to code, exactly by `bootstrap-image/COMPILING.md`.
//!
//! Invariants
//! - G1 An expression leaves one value more on the stack than it found; a statement none.
//! - G2 `depth` is that of the structure: after a branch it is what the branch's value makes it,
//!   whether the branch can be left or not.
//! - G3 Every loop and join is a label; a label is bound once.

use std::collections::HashMap;

use vm::bytecode::{Opcode, Operands, arity, frame_flags};

use crate::ast::{Block, Body, Expression, Literal, Message, Method, Pseudo, Statement, Variable};
use crate::code::{Code, CompiledMethod, Constant, MAX_FRAME, MAX_LITERALS, MapEntry, pack_map};
use crate::inline::{Inlined, inlined};
use crate::problem::{Problem, Span};
use crate::scope::{Analysis, Binding, Environment, Item, Meaning, analyse};

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
        return Err(Problem::error(1, format!("a defect of this compiler: the machine finds {flaw}")));
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

/// A place in the code that jumps may aim at.
#[derive(Default)]
struct Label {
    bound: Option<usize>,
    /// Ends of the jump instructions that wait for it.
    waiting: Vec<usize>,
}

struct Generator<'a> {
    analysis: &'a Analysis,
    scope: usize,
    code: Code,
    map: Vec<MapEntry>,
    /// Where equal literals and bindings stand already.
    literals: HashMap<Literal, usize>,
    bindings: HashMap<Binding, usize>,
    depth: usize,
    /// The first limit that was passed.
    passed: Option<Problem>,
}

impl<'a> Generator<'a> {
    fn new(analysis: &'a Analysis, scope: usize) -> Generator<'a> {
        let code = Code {
            arguments: analysis.scopes[scope].arguments,
            frame: analysis.scopes[scope].frame.len(),
            copied: analysis.scopes[scope].copied.len(),
            ..Code::default()
        };
        let (literals, bindings) = (HashMap::new(), HashMap::new());
        Generator { analysis, scope, code, map: Vec::new(), literals, bindings, depth: 0, passed: None }
    }

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
                return Err(Problem::error(span.start, format!("too many {what}: {count}, at most {bound}")));
            }
        }
        if let Some(problem) = self.passed {
            return Err(problem);
        }
        self.code.source_map = pack_map(&self.map);
        Ok(self.code)
    }

    // --- instructions

    /// Emits an instruction that changes the stack's depth by `change`.
    fn emit(&mut self, opcode: Opcode, a: i32, b: i32, change: isize) {
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
    fn emit_sized(&mut self, narrow: Opcode, wide: Opcode, a: usize, change: isize) {
        self.emit(if a < 256 { narrow } else { wide }, a as i32, 0, change);
    }

    /// Notes what the next instruction stands for.
    fn mapped(&mut self, span: Span) {
        let pc = self.code.bytecodes.len() as u32;
        self.map.push(MapEntry { pc, start: span.start, stop: span.stop });
    }

    fn jump(&mut self, opcode: Opcode, label: &mut Label) {
        let change = if opcode == Opcode::Jump { 0 } else { -1 };
        self.emit(opcode, 0, 0, change);
        let end = self.code.bytecodes.len();
        match label.bound {
            Some(target) => self.patch(end, target),
            None => label.waiting.push(end),
        }
    }

    fn patch(&mut self, end: usize, target: usize) {
        let distance = (target as i32).wrapping_sub(end as i32).to_le_bytes();
        self.code.bytecodes[end - 3..end].copy_from_slice(&distance[..3]);
    }

    fn bind(&mut self, label: &mut Label) {
        let target = self.code.bytecodes.len();
        label.bound = Some(target);
        for end in std::mem::take(&mut label.waiting) {
            self.patch(end, target);
        }
    }

    fn literal_index(&mut self, literal: &Literal) -> usize {
        let constants = &mut self.code.literals;
        *self.literals.entry(literal.clone()).or_insert_with(|| {
            constants.push(Constant::Literal(literal.clone()));
            constants.len() - 1
        })
    }

    fn binding_index(&mut self, binding: &Binding) -> usize {
        let constants = &mut self.code.literals;
        *self.bindings.entry(binding.clone()).or_insert_with(|| {
            constants.push(Constant::Binding(binding.clone()));
            constants.len() - 1
        })
    }

    fn push_literal(&mut self, literal: &Literal) {
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

    fn byte_integer(literal: &Literal) -> Option<i32> {
        let Literal::Integer(value) = literal else { return None };
        value.as_small().filter(|small| (-128..=127).contains(small)).map(|small| small as i32)
    }

    fn send(&mut self, selector: &str, to_super: bool, span: Span) {
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

    // --- variables

    fn slot(&self, item: Item) -> usize {
        self.analysis.scopes[self.scope].slot(item).unwrap_or(MAX_FRAME)
    }

    fn push_local(&mut self, local: usize) {
        let (item, index) = self.analysis.home(local);
        let slot = self.slot(item);
        match index {
            None => self.emit_sized(Opcode::PushTemp, Opcode::PushTempWide, slot, 1),
            Some(index) => self.emit(Opcode::PushRemote, index as i32, slot as i32, 1),
        }
    }

    fn pop_into_local(&mut self, local: usize) {
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
                    (None, true) => self.emit_sized(Opcode::StoreTemp, Opcode::StoreTempWide, slot, 0),
                    (None, false) => self.emit_sized(Opcode::PopTemp, Opcode::PopTempWide, slot, -1),
                    (Some(index), true) => self.emit(Opcode::StoreRemote, index as i32, slot as i32, 0),
                    (Some(index), false) => self.emit(Opcode::PopRemote, index as i32, slot as i32, -1),
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

    fn create_vector(&mut self, body: Option<usize>) {
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
    fn value_of(&mut self, body: &Body) {
        let Some((last, others)) = body.statements.split_last() else {
            return self.emit(Opcode::PushNil, 0, 0, 1);
        };
        others.iter().for_each(|statement| self.statement(statement));
        match last {
            Statement::Expression(expression) => self.expression(expression),
            Statement::Return(value, span) => self.explicit_return(value, *span, true),
        }
    }

    fn expression(&mut self, expression: &Expression) {
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

    // --- messages that are compiled in place

    fn in_place(&mut self, receiver: &Expression, shape: Inlined<'_>, span: Span) {
        match shape {
            Inlined::While(condition, body, on) => self.while_loop(condition, body, on, span),
            Inlined::Repeat(body) => self.repeat(body),
            Inlined::ToDo(limit, step, body) => self.to_do(receiver, limit, step, body, span),
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
                self.on_nil(Opcode::JumpNil, |code| code.take_and_value(block), span);
            }
            Inlined::IfNilElse(none, some) => {
                let other = |code: &mut Self| code.take_and_value(some);
                let first = |code: &mut Self| code.drop_and_value(none);
                self.on_nil_else(Opcode::JumpNotNil, (first, none.body.ends_in_return()), other, span);
            }
            Inlined::IfNotNilElse(some, none) => {
                let other = |code: &mut Self| code.drop_and_value(none);
                let first = |code: &mut Self| code.take_and_value(some);
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
            for local in locals.into_iter().flatten().filter(|l| self.analysis.is_plain_temporary(**l)) {
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
    fn take_and_value(&mut self, block: &Block) {
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

    fn to_do(
        &mut self,
        start: &Expression,
        limit: &Expression,
        step: Option<&Expression>,
        body: &Block,
        span: Span,
    ) {
        let Some(counter) = self.analysis.locals_of_body.get(&Some(body.number)).map(|locals| locals[0])
        else {
            return;
        };
        let one = Literal::Integer(crate::number::Integer::small(1));
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
