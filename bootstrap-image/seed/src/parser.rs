//! From tokens to a syntax tree: recursive descent, one function a grammar rule.
//!
//! Invariants
//! - P1 Deeply nested or endless input is an error, never a stack overflow: `nest` bounds the
//!   recursion, [`Operand::depth`] the tree.
//! - P2 The span of a message includes the parentheses around its receiver and last argument; the
//!   span of an expression does not include its own.

mod literals;

use crate::ast::{
    Block, Body, Declaration, Expression, Literal, MAX_DEPTH, Message, Method, Pragma, Pseudo,
    Statement, Variable,
};
use crate::problem::{Problem, Span};
use crate::scanner::{Token, scan};

/// Parses the source of a method.
pub fn parse_method(source: &[char]) -> Result<Method, Problem> {
    let mut parser = Parser::new(source)?;
    let mut method = Method { length: source.len() as u32, ..Method::default() };
    parser.pattern(&mut method)?;
    parser.method_body(&mut method)?;
    method.blocks = parser.blocks;
    method.occurrences = parser.occurrences;
    Ok(method)
}

/// Parses the pattern of a method alone: its selector.
pub fn parse_pattern(source: &[char]) -> Result<String, Problem> {
    let mut parser = Parser::new(source)?;
    let mut method = Method::default();
    parser.pattern(&mut method)?;
    match parser.token() {
        Token::End => Ok(method.selector),
        _ => parser.expected("the end of the pattern"),
    }
}

/// A parsed expression, its span with parentheses, the depth of its tree.
struct Operand {
    expression: Expression,
    outer: Span,
    depth: usize,
}

struct Parser {
    tokens: Vec<(Token, Span)>,
    at: usize,
    nesting: usize,
    blocks: usize,
    occurrences: usize,
}

impl Parser {
    fn new(source: &[char]) -> Result<Parser, Problem> {
        Ok(Parser { tokens: scan(source)?, at: 0, nesting: 0, blocks: 0, occurrences: 0 })
    }

    fn token(&self) -> &Token {
        &self.tokens[self.at].0
    }

    fn span(&self) -> Span {
        self.tokens[self.at].1
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn is_mark(&self, mark: char) -> bool {
        *self.token() == Token::Mark(mark)
    }

    fn is_binary(&self, text: &str) -> bool {
        matches!(self.token(), Token::Binary(found) if found == text)
    }

    fn skip_mark(&mut self, mark: char) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.advance();
        }
        found
    }

    fn expected<T>(&self, what: &str) -> Result<T, Problem> {
        Err(Problem::error(
            self.span().start,
            format!("expected {what}, found {}", self.token().describe()),
        ))
    }

    /// The mark, its span answered.
    fn require_mark(&mut self, mark: char) -> Result<Span, Problem> {
        let span = self.span();
        if self.skip_mark(mark) { Ok(span) } else { self.expected(&format!("`{mark}`")) }
    }

    fn nest<T>(
        &mut self,
        inner: impl FnOnce(&mut Parser) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH / 4 {
            return Err(Problem::error(
                self.span().start,
                format!("nested deeper than {}", MAX_DEPTH / 4),
            ));
        }
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    /// Whether a bar begins here; where one is expected, `||` is two.
    fn at_bar(&self) -> bool {
        matches!(self.token(), Token::Binary(text) if text.starts_with('|'))
    }

    fn skip_bar(&mut self) {
        let (token, span) = &mut self.tokens[self.at];
        if let Token::Binary(text) = token
            && text.len() > 1
        {
            text.remove(0);
            span.start += 1;
            return;
        }
        self.advance();
    }

    fn declaration(&mut self, what: &str) -> Result<Declaration, Problem> {
        let span = self.span();
        let Token::Identifier(name) = self.token() else { return self.expected(what) };
        let name = name.clone();
        if Pseudo::named(&name).is_some() {
            return Err(Problem::error(span.start, format!("`{name}` cannot be declared")));
        }
        self.advance();
        Ok(Declaration { name, span })
    }

    // --- methods

    fn pattern(&mut self, method: &mut Method) -> Result<(), Problem> {
        match self.token().clone() {
            Token::Identifier(name) => {
                method.selector = name;
                self.advance();
            }
            Token::Binary(name) => {
                method.selector = name;
                self.advance();
                method.arguments.push(self.declaration("the name of the argument")?);
            }
            Token::Keyword(_) => {
                while let Token::Keyword(name) = self.token() {
                    method.selector.push_str(name);
                    self.advance();
                    method.arguments.push(self.declaration("the name of an argument")?);
                }
            }
            _ => return self.expected("the pattern of a method"),
        }
        Ok(())
    }

    fn method_body(&mut self, method: &mut Method) -> Result<(), Problem> {
        self.pragmas(method)?;
        method.body.temporaries = self.temporaries()?;
        self.pragmas(method)?;
        method.body.statements = self.statements()?.0;
        match self.token() {
            Token::End => Ok(()),
            _ => self.expected("a statement or the end of the method"),
        }
    }

    fn pragmas(&mut self, method: &mut Method) -> Result<(), Problem> {
        while self.is_binary("<") {
            self.advance();
            self.pragma(method)?;
            if !self.is_binary(">") {
                return self.expected("`>`");
            }
            self.advance();
        }
        Ok(())
    }

    fn pragma(&mut self, method: &mut Method) -> Result<(), Problem> {
        let start = self.span().start;
        let mut pragma = Pragma { selector: String::new(), arguments: Vec::new() };
        let mut reason = None;
        match self.token().clone() {
            Token::Identifier(name) => {
                self.advance();
                pragma.selector = name;
            }
            Token::Keyword(_) => {
                while let Token::Keyword(name) = self.token().clone() {
                    self.advance();
                    pragma.selector.push_str(&name);
                    if pragma.selector == "primitive:error:" {
                        reason = Some(self.declaration("the name of the reason")?);
                    } else {
                        pragma.arguments.push(self.literal("a literal as argument of the pragma")?);
                    }
                }
            }
            _ => return self.expected("the selector of a pragma"),
        }
        Self::apply_pragma(method, pragma, reason, start)
    }

    fn apply_pragma(
        method: &mut Method,
        pragma: Pragma,
        reason: Option<Declaration>,
        start: u32,
    ) -> Result<(), Problem> {
        match pragma.selector.as_str() {
            "primitive:" | "primitive:error:" => {
                if method.primitive.is_some() {
                    return Err(Problem::error(start, "a second primitive"));
                }
                let Some(Literal::Symbol(name)) = pragma.arguments.into_iter().next() else {
                    return Err(Problem::error(
                        start,
                        "expected a symbol, the name of a primitive",
                    ));
                };
                method.primitive = Some(name);
                method.reason = reason;
            }
            "unwind" => method.unwind = true,
            "handler" => method.handler = true,
            _ => method.pragmas.push(pragma),
        }
        Ok(())
    }

    fn temporaries(&mut self) -> Result<Vec<Declaration>, Problem> {
        let mut temporaries = Vec::new();
        if self.at_bar() {
            self.skip_bar();
            while !self.at_bar() {
                temporaries.push(self.declaration("the name of a temporary or `|`")?);
            }
            self.skip_bar();
        }
        Ok(temporaries)
    }

    /// Statements, and the greatest depth among them.
    fn statements(&mut self) -> Result<(Vec<Statement>, usize), Problem> {
        let (mut statements, mut depth) = (Vec::new(), 0);
        loop {
            while self.skip_mark('.') {}
            if matches!(self.token(), Token::End | Token::Mark(']')) {
                return Ok((statements, depth));
            }
            let start = self.span();
            let returns = self.skip_mark('^');
            let operand = self.expression()?;
            depth = depth.max(operand.depth);
            statements.push(if returns {
                Statement::Return(operand.expression, start.to(operand.outer))
            } else {
                Statement::Expression(operand.expression)
            });
            if !self.is_mark('.') {
                return Ok((statements, depth));
            }
        }
    }

    // --- expressions

    fn expression(&mut self) -> Result<Operand, Problem> {
        self.nest(Self::assignment)
    }

    fn assignment(&mut self) -> Result<Operand, Problem> {
        let assigns = matches!(self.token(), Token::Identifier(_))
            && self.tokens[self.at + 1].0 == Token::Assign;
        if !assigns {
            return self.cascade();
        }
        let span = self.span();
        let variable = self.variable()?;
        self.advance();
        let value = self.expression()?;
        let outer = span.to(value.outer);
        self.operand(
            Expression::Assignment(variable, Box::new(value.expression), outer),
            outer,
            value.depth,
        )
    }

    fn variable(&mut self) -> Result<Variable, Problem> {
        let span = self.span();
        let Token::Identifier(name) = self.token() else { return self.expected("a variable") };
        let name = name.clone();
        if Pseudo::named(&name).is_some() {
            return Err(Problem::error(span.start, format!("`{name}` cannot be assigned to")));
        }
        self.advance();
        self.occurrences += 1;
        Ok(Variable { name, occurrence: self.occurrences - 1, span })
    }

    /// One level above operands of the given depth.
    fn operand(
        &self,
        expression: Expression,
        outer: Span,
        below: usize,
    ) -> Result<Operand, Problem> {
        if below >= MAX_DEPTH {
            return Err(Problem::error(
                outer.start,
                format!("an expression deeper than {MAX_DEPTH}"),
            ));
        }
        Ok(Operand { expression, outer, depth: below + 1 })
    }

    fn cascade(&mut self) -> Result<Operand, Problem> {
        let receiver = self.primary()?;
        let parsed = self.keyword_message(receiver)?;
        if !self.is_mark(';') {
            return Ok(parsed.0);
        }
        let (operand, is_message) = parsed;
        let (receiver, first) = match operand.expression {
            Expression::Send(receiver, message, _) if is_message => (receiver, message),
            _ => return self.expected("a message before the cascade"),
        };
        let mut messages = vec![first];
        let mut outer = operand.outer;
        let mut depth = operand.depth;
        while self.skip_mark(';') {
            let (message, below) = self.cascaded_message()?;
            outer.stop = message.span.stop;
            depth = depth.max(below);
            messages.push(message);
        }
        self.operand(Expression::Cascade(receiver, messages, outer), outer, depth)
    }

    fn cascaded_message(&mut self) -> Result<(Message, usize), Problem> {
        match self.token() {
            Token::Identifier(_) => Ok((self.unary_part(), 0)),
            Token::Binary(_) => self.binary_part(),
            Token::Keyword(_) => self.keyword_part(),
            _ => self.expected("a message after `;`"),
        }
    }

    fn send(&self, receiver: Operand, message: Message, below: usize) -> Result<Operand, Problem> {
        let outer = receiver.outer.to(message.span);
        let depth = receiver.depth.max(below);
        self.operand(Expression::Send(Box::new(receiver.expression), message, outer), outer, depth)
    }

    /// A whole message expression, and whether any message was sent.
    fn keyword_message(&mut self, receiver: Operand) -> Result<(Operand, bool), Problem> {
        let (receiver, sent) = self.binary_messages(receiver)?;
        if !matches!(self.token(), Token::Keyword(_)) {
            return Ok((receiver, sent));
        }
        let (message, below) = self.keyword_part()?;
        Ok((self.send(receiver, message, below)?, true))
    }

    fn keyword_part(&mut self) -> Result<(Message, usize), Problem> {
        let mut span = self.span();
        let (mut selector, mut arguments, mut depth) = (String::new(), Vec::new(), 0);
        while let Token::Keyword(name) = self.token() {
            selector.push_str(name);
            self.advance();
            let primary = self.primary()?;
            let argument = self.binary_messages(primary)?.0;
            span.stop = argument.outer.stop;
            depth = depth.max(argument.depth);
            arguments.push(argument.expression);
        }
        Ok((Message { selector, arguments, span }, depth))
    }

    fn binary_messages(&mut self, receiver: Operand) -> Result<(Operand, bool), Problem> {
        let (mut receiver, mut sent) = self.unary_messages(receiver)?;
        while matches!(self.token(), Token::Binary(_)) {
            let (message, below) = self.binary_part()?;
            receiver = self.send(receiver, message, below)?;
            sent = true;
        }
        Ok((receiver, sent))
    }

    fn binary_part(&mut self) -> Result<(Message, usize), Problem> {
        let span = self.span();
        let Token::Binary(selector) = self.token().clone() else {
            return self.expected("an operator");
        };
        self.advance();
        let primary = self.primary()?;
        let argument = self.unary_messages(primary)?.0;
        let message = Message {
            selector,
            arguments: vec![argument.expression],
            span: span.to(argument.outer),
        };
        Ok((message, argument.depth))
    }

    fn unary_messages(&mut self, mut receiver: Operand) -> Result<(Operand, bool), Problem> {
        let mut sent = false;
        while matches!(self.token(), Token::Identifier(_)) {
            let message = self.unary_part();
            receiver = self.send(receiver, message, 0)?;
            sent = true;
        }
        Ok((receiver, sent))
    }

    fn unary_part(&mut self) -> Message {
        let span = self.span();
        let selector = match self.token() {
            Token::Identifier(name) => name.clone(),
            _ => String::new(),
        };
        self.advance();
        Message { selector, arguments: Vec::new(), span }
    }

    fn primary(&mut self) -> Result<Operand, Problem> {
        let span = self.span();
        match self.token() {
            Token::Mark('(') => {
                self.advance();
                let inner = self.expression()?;
                let close = self.require_mark(')')?;
                Ok(Operand { outer: span.to(close), ..inner })
            }
            Token::Mark('[') => self.nest(Self::block),
            Token::Mark('{') => self.nest(Self::brace),
            Token::Identifier(name) => match Pseudo::named(name) {
                Some(pseudo) => {
                    self.advance();
                    self.operand(Expression::Pseudo(pseudo, span), span, 0)
                }
                None => {
                    let variable = self.variable()?;
                    self.operand(Expression::Variable(variable), span, 0)
                }
            },
            _ => {
                let literal = self.literal("an expression")?;
                let outer = span.to(self.tokens[self.at - 1].1);
                self.operand(Expression::Literal(literal, outer), outer, 0)
            }
        }
    }

    fn brace(&mut self) -> Result<Operand, Problem> {
        let open = self.require_mark('{')?;
        let (mut elements, mut depth) = (Vec::new(), 0);
        loop {
            while self.skip_mark('.') {}
            if self.is_mark('}') {
                break;
            }
            let element = self.expression()?;
            depth = depth.max(element.depth);
            elements.push(element.expression);
            if !self.is_mark('.') {
                break;
            }
        }
        let outer = open.to(self.require_mark('}')?);
        self.operand(Expression::Brace(elements, outer), outer, depth)
    }

    fn block(&mut self) -> Result<Operand, Problem> {
        let open = self.require_mark('[')?;
        let number = self.blocks;
        self.blocks += 1;
        let mut arguments = Vec::new();
        while self.skip_mark(':') {
            arguments.push(self.declaration("the name of a block argument")?);
        }
        if !arguments.is_empty() && !self.is_mark(']') {
            if !self.at_bar() {
                return self.expected("`|` after the block's arguments");
            }
            self.skip_bar();
        }
        let temporaries = self.temporaries()?;
        let (statements, depth) = self.statements()?;
        let body = Body { temporaries, statements };
        let span = open.to(self.require_mark(']')?);
        let block = Block { number, arguments, body, span };
        self.operand(Expression::Block(Box::new(block)), span, depth)
    }
}
