//! The walk that finds out what names mean, where variables are captured and written.
//!
//! Invariant: everything is met in source order, an assignment's variable before its value; what is
//! numbered is numbered in that order.

use super::{Analysis, Binding, Environment, Kind, Local, Meaning, Scope};
use crate::ast::{
    Block, Body, Declaration, Expression, Message, Method, Pseudo, Statement, Variable,
};
use crate::code::MAX_ARGUMENTS;
use crate::inline::{Inlined, inlined};
use crate::problem::Problem;

/// Analyses a method in the environment of its class.
pub fn analyse(method: &Method, environment: &dyn Environment) -> Result<Analysis, Problem> {
    let mut analysis = Analysis::default();
    analysis.meanings.resize(method.occurrences, None);
    analysis.in_loop.resize(method.blocks, false);
    let mut walk = Walk {
        analysis,
        environment,
        visible: Vec::new(),
        scope: 0,
        loops: vec![Vec::new()],
        block_starts: Vec::new(),
    };
    walk.analysis.scopes.push(Scope { arguments: method.arguments.len(), ..Scope::default() });
    walk.method(method)?;
    let mut analysis = walk.analysis;
    analysis.lay_out();
    Ok(analysis)
}

struct Walk<'a> {
    analysis: Analysis,
    environment: &'a dyn Environment,
    /// Visible locals, innermost last.
    visible: Vec<usize>,
    scope: usize,
    /// The loops around this point, one list a real scope from the method to here.
    loops: Vec<Vec<usize>>,
    /// Where the real blocks around this point start, outermost first.
    block_starts: Vec<u32>,
}

impl Walk<'_> {
    fn method(&mut self, method: &Method) -> Result<(), Problem> {
        check_arguments(method.arguments.len(), 1)?;
        self.declare_all(&method.arguments, Kind::Argument, None)?;
        if let Some(reason) = &method.reason {
            self.declare_all(std::slice::from_ref(reason), Kind::Reason, None)?;
        }
        self.body(&method.body, None)
    }

    fn declare_all(
        &mut self,
        names: &[Declaration],
        kind: Kind,
        block: Option<usize>,
    ) -> Result<(), Problem> {
        names.iter().try_for_each(|declaration| self.declare(declaration, kind, block))
    }

    fn declare(
        &mut self,
        declared: &Declaration,
        kind: Kind,
        block: Option<usize>,
    ) -> Result<(), Problem> {
        let Declaration { name, span } = declared;
        let same = |l: &usize| {
            self.analysis.locals[*l].block == block && self.analysis.locals[*l].name == *name
        };
        if self.visible.iter().any(same) {
            return Err(Problem::error(span.start, format!("`{name}` is declared twice")));
        }
        let outer = self.visible.iter().any(|l| self.analysis.locals[*l].name == *name);
        if outer || self.environment.instance_variable(name).is_some() {
            let what = if outer { "an outer variable" } else { "an instance variable" };
            let message = format!("`{name}` hides {what} of that name");
            self.analysis.warnings.push(Problem::warning(span.start, message));
        }
        let local = self.add(name.clone(), kind, block);
        self.visible.push(local);
        Ok(())
    }

    fn add(&mut self, name: String, kind: Kind, block: Option<usize>) -> usize {
        let local = Local {
            name,
            scope: self.scope,
            kind,
            block,
            loops: self.loops[self.loops.len() - 1].clone(),
            writes: Vec::new(),
            captures: Vec::new(),
            written_inside: false,
            shared: None,
        };
        self.analysis.locals.push(local);
        let number = self.analysis.locals.len() - 1;
        self.analysis.scopes[self.scope].locals.push(number);
        self.analysis.locals_of_body.entry(block).or_default().push(number);
        number
    }

    fn body(&mut self, body: &Body, block: Option<usize>) -> Result<(), Problem> {
        self.declare_all(&body.temporaries, Kind::Temporary, block)?;
        for statement in &body.statements {
            match statement {
                Statement::Expression(expression) => self.expression(expression)?,
                Statement::Return(expression, _) => {
                    self.mark_return();
                    self.expression(expression)?;
                }
            }
        }
        Ok(())
    }

    /// Marks this scope and those around it.
    fn mark(&mut self, set: impl Fn(&mut Scope)) {
        let mut next = Some(self.scope);
        while let Some(scope) = next {
            set(&mut self.analysis.scopes[scope]);
            next = self.analysis.scopes[scope].parent;
        }
    }

    fn mark_return(&mut self) {
        self.mark(|scope| {
            scope.returns = true;
            scope.needs_home = true;
        });
    }

    fn expression(&mut self, expression: &Expression) -> Result<(), Problem> {
        match expression {
            Expression::Literal(..) => Ok(()),
            Expression::Pseudo(pseudo, span) => self.pseudo(*pseudo, span.start),
            Expression::Variable(variable) => self.variable(variable, None),
            Expression::Assignment(variable, value, span) => {
                self.variable(variable, Some(span.stop))?;
                self.expression(value)
            }
            Expression::Send(receiver, message, _) => match inlined(receiver, message) {
                Some(shape) => self.in_place(receiver, shape),
                None => {
                    self.receiver(receiver)?;
                    self.arguments(message)
                }
            },
            Expression::Cascade(receiver, messages, _) => {
                self.receiver(receiver)?;
                messages.iter().try_for_each(|message| self.arguments(message))
            }
            Expression::Brace(elements, _) => elements.iter().try_for_each(|e| self.expression(e)),
            Expression::Block(block) => self.closure(block),
        }
    }

    fn pseudo(&mut self, pseudo: Pseudo, position: u32) -> Result<(), Problem> {
        match pseudo {
            Pseudo::Super => Err(Problem::error(position, "`super` stands only before a message")),
            Pseudo::Receiver | Pseudo::ThisContext => {
                self.mark(|scope| scope.needs_home = true);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn receiver(&mut self, receiver: &Expression) -> Result<(), Problem> {
        if let Expression::Pseudo(Pseudo::Super, _) = receiver {
            self.mark(|scope| scope.needs_home = true);
            return Ok(());
        }
        self.expression(receiver)
    }

    fn arguments(&mut self, message: &Message) -> Result<(), Problem> {
        check_arguments(message.arguments.len(), message.span.start)?;
        message.arguments.iter().try_for_each(|argument| self.expression(argument))
    }

    /// The blocks of a message that is compiled in place, in source order.
    fn in_place(&mut self, receiver: &Expression, shape: Inlined<'_>) -> Result<(), Problem> {
        match shape {
            Inlined::While(condition, body, _) => self.in_loop(condition, |walk| {
                walk.inlined_block(condition)?;
                body.map_or(Ok(()), |body| walk.inlined_block(body))
            }),
            Inlined::Repeat(body) => self.in_loop(body, |walk| walk.inlined_block(body)),
            Inlined::ToDo(limit, _, body) => {
                self.expression(receiver)?;
                self.expression(limit)?;
                self.in_loop(body, |walk| walk.counted_body(body, limit))
            }
            Inlined::If(block, _)
            | Inlined::And(block)
            | Inlined::Or(block)
            | Inlined::IfNil(block)
            | Inlined::IfNotNil(block) => {
                self.expression(receiver)?;
                self.inlined_block(block)
            }
            Inlined::IfElse(first, second, _)
            | Inlined::IfNilElse(first, second)
            | Inlined::IfNotNilElse(first, second) => {
                self.expression(receiver)?;
                self.inlined_block(first)?;
                self.inlined_block(second)
            }
        }
    }

    fn in_loop(
        &mut self,
        of: &Block,
        inner: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let depth = self.loops.len() - 1;
        self.loops[depth].push(of.number);
        inner(self)?;
        self.loops[depth].pop();
        Ok(())
    }

    fn counted_body(&mut self, body: &Block, limit: &Expression) -> Result<(), Problem> {
        let visible = self.visible.len();
        self.declare_all(&body.arguments, Kind::InlinedArgument, Some(body.number))?;
        if limit.as_number().is_none() {
            let hidden = self.add(String::new(), Kind::Hidden, Some(body.number));
            self.analysis.limits.insert(body.number, hidden);
        }
        self.rest_of_inlined_block(body, visible)
    }

    fn inlined_block(&mut self, block: &Block) -> Result<(), Problem> {
        let visible = self.visible.len();
        self.declare_all(&block.arguments, Kind::InlinedArgument, Some(block.number))?;
        self.rest_of_inlined_block(block, visible)
    }

    fn rest_of_inlined_block(&mut self, block: &Block, visible: usize) -> Result<(), Problem> {
        self.analysis.in_loop[block.number] = !self.loops[self.loops.len() - 1].is_empty();
        self.body(&block.body, Some(block.number))?;
        self.visible.truncate(visible);
        Ok(())
    }

    fn closure(&mut self, block: &Block) -> Result<(), Problem> {
        check_arguments(block.arguments.len(), block.span.start)?;
        let outer = self.scope;
        let visible = self.visible.len();
        let scope = Scope {
            parent: Some(outer),
            block: Some(block.number),
            arguments: block.arguments.len(),
            ..Scope::default()
        };
        self.analysis.scopes.push(scope);
        self.scope = self.analysis.scopes.len() - 1;
        self.analysis.scope_of_block.insert(block.number, self.scope);
        self.loops.push(Vec::new());
        self.block_starts.push(block.span.start);
        self.declare_all(&block.arguments, Kind::Argument, Some(block.number))?;
        self.body(&block.body, Some(block.number))?;
        self.block_starts.pop();
        self.loops.pop();
        self.visible.truncate(visible);
        self.scope = outer;
        Ok(())
    }

    fn variable(&mut self, variable: &Variable, write: Option<u32>) -> Result<(), Problem> {
        let local =
            self.visible.iter().rev().find(|l| self.analysis.locals[**l].name == variable.name);
        let meaning = match local.copied() {
            Some(local) => {
                self.use_local(local, variable, write)?;
                Meaning::Local(local)
            }
            None => self.outer_meaning(variable)?,
        };
        self.analysis.meanings[variable.occurrence] = Some(meaning);
        Ok(())
    }

    fn outer_meaning(&mut self, variable: &Variable) -> Result<Meaning, Problem> {
        let name = &variable.name;
        if let Some(slot) = self.environment.instance_variable(name) {
            self.mark(|scope| scope.needs_home = true);
            return Ok(Meaning::Slot(slot));
        }
        if let Some(binding) = self.environment.binding(name) {
            return Ok(Meaning::Bound(binding));
        }
        if !name.starts_with(char::is_uppercase) {
            return Err(Problem::error(variable.span.start, format!("`{name}` is not declared")));
        }
        let message = format!("`{name}` is not declared: bound in Undeclared");
        self.analysis.warnings.push(Problem::warning(variable.span.start, message));
        Ok(Meaning::Bound(Binding::Undeclared(name.clone())))
    }

    fn use_local(
        &mut self,
        local: usize,
        variable: &Variable,
        write: Option<u32>,
    ) -> Result<(), Problem> {
        let known = &self.analysis.locals[local];
        if write.is_some() && known.kind != Kind::Temporary {
            let message = format!("`{}` is an argument and cannot be assigned to", variable.name);
            return Err(Problem::error(variable.span.start, message));
        }
        let home = known.scope;
        let mut scope = self.scope;
        let mut level = self.loops.len() - 1;
        while scope != home {
            let free = &mut self.analysis.scopes[scope].free;
            if !free.contains(&local) {
                free.push(local);
            }
            scope = self.analysis.scopes[scope].parent.unwrap_or(home);
            level -= 1;
        }
        let loops = self.loops[level].clone();
        let captured_at = self.block_starts.get(level).copied();
        let known = &mut self.analysis.locals[local];
        match (captured_at, write) {
            (Some(start), _) => {
                known.captures.push((start, loops));
                known.written_inside |= write.is_some();
            }
            (None, Some(position)) => known.writes.push((position, loops)),
            (None, None) => {}
        }
        Ok(())
    }
}

fn check_arguments(count: usize, position: u32) -> Result<(), Problem> {
    if count > MAX_ARGUMENTS {
        return Err(Problem::error(
            position,
            format!("too many arguments: {count}, at most {MAX_ARGUMENTS}"),
        ));
    }
    Ok(())
}
