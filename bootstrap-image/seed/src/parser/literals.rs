//! Literals: numbers with their signs, arrays, byte arrays.
//!
//! Invariant: what stands inside an array is a literal too, by the rules of arrays: names are
//! symbols, parentheses arrays, brackets byte arrays.

use super::Parser;
use crate::ast::Literal;
use crate::number::Integer;
use crate::problem::Problem;
use crate::scanner::Token;

impl Parser {
    /// A literal outside an array: a sign may precede a number.
    pub(super) fn literal(&mut self, what: &str) -> Result<Literal, Problem> {
        match self.token().clone() {
            Token::Literal(literal) => {
                self.advance();
                Ok(literal)
            }
            Token::Binary(sign) if sign == "-" => self.negative_number(what),
            Token::ArrayStart => {
                self.advance();
                self.nest(|parser| parser.array_elements())
            }
            Token::BytesStart => {
                self.advance();
                self.byte_elements()
            }
            Token::Identifier(name) => match Self::constant(&name) {
                Some(constant) => {
                    self.advance();
                    Ok(constant)
                }
                None => self.expected(what),
            },
            _ => self.expected(what),
        }
    }

    fn constant(name: &str) -> Option<Literal> {
        match name {
            "nil" => Some(Literal::Nil),
            "true" => Some(Literal::True),
            "false" => Some(Literal::False),
            _ => None,
        }
    }

    /// Whether a number follows the sign that stands here directly.
    fn sign_of_number(&self) -> bool {
        let (next, span) = &self.tokens[(self.at + 1).min(self.tokens.len() - 1)];
        self.is_binary("-")
            && span.start == self.span().stop + 1
            && matches!(next, Token::Literal(literal) if literal.is_number())
    }

    fn negative_number(&mut self, what: &str) -> Result<Literal, Problem> {
        if !self.sign_of_number() {
            return self.expected(what);
        }
        self.advance();
        let Token::Literal(number) = self.token().clone() else { return self.expected(what) };
        self.advance();
        Ok(match number {
            Literal::Integer(value) => Literal::Integer(value.negated()),
            Literal::Float(bits) => Literal::Float((-f64::from_bits(bits)).to_bits()),
            Literal::Scaled(above, below, scale) => Literal::Scaled(above.negated(), below, scale),
            other => other,
        })
    }

    fn array_elements(&mut self) -> Result<Literal, Problem> {
        let mut elements = Vec::new();
        while !self.skip_mark(')') {
            elements.push(self.array_element()?);
        }
        Ok(Literal::Array(elements))
    }

    fn array_element(&mut self) -> Result<Literal, Problem> {
        const WHAT: &str = "a literal or `)`";
        match self.token().clone() {
            Token::Mark('(') => {
                self.advance();
                self.nest(|parser| parser.array_elements())
            }
            Token::Mark('[') => {
                self.advance();
                self.byte_elements()
            }
            Token::Identifier(name) if Self::constant(&name).is_none() => {
                self.advance();
                Ok(Literal::Symbol(name))
            }
            Token::Keyword(_) => self.bare_keywords(),
            Token::Binary(name) if !self.sign_of_number() => {
                self.advance();
                Ok(Literal::Symbol(name))
            }
            _ => self.literal(WHAT),
        }
    }

    /// `at:put:` without a hash in an array: keywords that touch are one symbol.
    fn bare_keywords(&mut self) -> Result<Literal, Problem> {
        let mut symbol = String::new();
        let mut stop = None;
        loop {
            let span = self.span();
            let touches = stop.is_none_or(|stop| span.start == stop + 1);
            match self.token() {
                Token::Keyword(name) if touches => symbol.push_str(name),
                Token::Identifier(_) if touches => {
                    return Err(Problem::error(
                        span.start,
                        "a symbol of keywords ends with a colon",
                    ));
                }
                _ => return Ok(Literal::Symbol(symbol)),
            }
            stop = Some(span.stop);
            self.advance();
        }
    }

    fn byte_elements(&mut self) -> Result<Literal, Problem> {
        let mut bytes = Vec::new();
        while !self.skip_mark(']') {
            let byte = match self.token() {
                Token::Literal(Literal::Integer(value)) => Integer::as_small(value),
                _ => return self.expected("a byte or `]`"),
            };
            match byte.and_then(|value| u8::try_from(value).ok()) {
                Some(byte) => bytes.push(byte),
                None => return Err(Problem::error(self.span().start, "a byte is 0 to 255")),
            }
            self.advance();
        }
        Ok(Literal::Bytes(bytes))
    }
}
