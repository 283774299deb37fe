//! From text to tokens.
//!
//! Invariants
//! - S1 Every token knows its span; two tokens never overlap.
//! - S2 The sign of a number is a token of its own: whether `-` is a sign depends on whether an
//!   operand is expected, which the parser knows.
//! - S3 A binary selector of several characters never ends in a `-` that a digit follows.

use crate::ast::Literal;
use crate::number::Integer;
use crate::problem::{Problem, Span};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A name.
    Identifier(String),
    /// A name and its colon.
    Keyword(String),
    /// Operator characters.
    Binary(String),
    /// A number, character, string or symbol.
    Literal(Literal),
    /// `#(`
    ArrayStart,
    /// `#[`
    BytesStart,
    /// `:=`
    Assign,
    /// One of `^ ( ) [ ] { } . ; :`
    Mark(char),
    /// The end of the text.
    End,
}

impl Token {
    /// How a message names it.
    pub fn describe(&self) -> String {
        match self {
            Token::Identifier(text) | Token::Keyword(text) | Token::Binary(text) => {
                format!("`{text}`")
            }
            Token::Literal(_) => "a literal".into(),
            Token::ArrayStart => "`#(`".into(),
            Token::BytesStart => "`#[`".into(),
            Token::Assign => "`:=`".into(),
            Token::Mark(mark) => format!("`{mark}`"),
            Token::End => "the end of the text".into(),
        }
    }
}

/// Whether a character may stand in a binary selector.
pub fn is_operator(c: char) -> bool {
    "+-*/\\~<>=@,%|&?!".contains(c)
}

/// Whether a character begins a name.
pub fn begins_name(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

/// Whether a character continues a name.
pub fn continues_name(c: char) -> bool {
    begins_name(c) || c.is_numeric()
}

/// All tokens of a text; the last is [`Token::End`].
pub fn scan(text: &[char]) -> Result<Vec<(Token, Span)>, Problem> {
    let mut scanner = Scanner { text, at: 0 };
    let mut tokens = Vec::new();
    loop {
        scanner.skip_blanks()?;
        let start = scanner.at;
        let token = scanner.token()?;
        let stop = scanner.at.max(start);
        let ended = token == Token::End;
        tokens.push((token, Span { start: start as u32 + 1, stop: stop as u32 }));
        if ended {
            return Ok(tokens);
        }
    }
}

struct Scanner<'a> {
    text: &'a [char],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn fail<T>(&self, at: usize, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem::error(at as u32 + 1, message))
    }

    fn skip_blanks(&mut self) -> Result<(), Problem> {
        while let Some(c) = self.peek() {
            if c == '"' {
                self.delimited('"', "comment")?;
            } else if c.is_whitespace() {
                self.at += 1;
            } else {
                break;
            }
        }
        Ok(())
    }

    /// The text between two delimiters, doubled ones made single.
    fn delimited(&mut self, delimiter: char, what: &str) -> Result<String, Problem> {
        let start = self.at;
        let mut content = String::new();
        self.at += 1;
        loop {
            match self.peek() {
                None => {
                    return self
                        .fail(start, format!("this {what} does not end: expected `{delimiter}`"));
                }
                Some(c) if c == delimiter && self.peek_at(1) == Some(delimiter) => {
                    content.push(c);
                    self.at += 2;
                }
                Some(c) if c == delimiter => {
                    self.at += 1;
                    return Ok(content);
                }
                Some(c) => {
                    content.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn token(&mut self) -> Result<Token, Problem> {
        let Some(c) = self.peek() else { return Ok(Token::End) };
        match c {
            '\'' => Ok(Token::Literal(Literal::String(self.delimited('\'', "string")?))),
            '$' => self.character(),
            '#' => self.hash(),
            ':' if self.peek_at(1) == Some('=') => {
                self.at += 2;
                Ok(Token::Assign)
            }
            '^' | '(' | ')' | '[' | ']' | '{' | '}' | '.' | ';' | ':' => {
                self.at += 1;
                Ok(Token::Mark(c))
            }
            _ if c.is_ascii_digit() => self.number(),
            _ if is_operator(c) => Ok(Token::Binary(self.operator())),
            _ if begins_name(c) => Ok(self.word()),
            _ => self.fail(self.at, format!("`{}` begins nothing", c.escape_default())),
        }
    }

    fn character(&mut self) -> Result<Token, Problem> {
        let Some(c) = self.peek_at(1) else {
            return self.fail(self.at, "expected a character after `$`");
        };
        self.at += 2;
        Ok(Token::Literal(Literal::Character(c)))
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(continues_name) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn at_keyword_colon(&self) -> bool {
        self.peek() == Some(':') && self.peek_at(1) != Some('=')
    }

    fn word(&mut self) -> Token {
        let mut name = self.name();
        if self.at_keyword_colon() {
            self.at += 1;
            name.push(':');
            return Token::Keyword(name);
        }
        Token::Identifier(name)
    }

    fn operator(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(is_operator) {
            let signs =
                self.peek() == Some('-') && self.peek_at(1).is_some_and(|c| c.is_ascii_digit());
            if signs && self.at > start {
                break;
            }
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn hash(&mut self) -> Result<Token, Problem> {
        let start = self.at;
        self.at += 1;
        let symbol = match self.peek() {
            Some('(') => {
                self.at += 1;
                return Ok(Token::ArrayStart);
            }
            Some('[') => {
                self.at += 1;
                return Ok(Token::BytesStart);
            }
            Some('\'') => self.delimited('\'', "symbol")?,
            Some(c) if is_operator(c) => self.operator(),
            Some(c) if begins_name(c) => self.keywords(start)?,
            _ => return self.fail(start, "expected a symbol, `(` or `[` after `#`"),
        };
        Ok(Token::Literal(Literal::Symbol(symbol)))
    }

    fn keywords(&mut self, start: usize) -> Result<String, Problem> {
        let mut symbol = self.name();
        while self.at_keyword_colon() {
            symbol.push(':');
            self.at += 1;
            if !self.peek().is_some_and(begins_name) {
                break;
            }
            symbol.push_str(&self.name());
            if !self.at_keyword_colon() {
                return self.fail(start, "a symbol of keywords ends with a colon");
            }
        }
        Ok(symbol)
    }

    fn digits(&mut self, radix: u32) -> Vec<u32> {
        let mut digits = Vec::new();
        while let Some(c) = self.peek() {
            let Some(digit) = c.to_digit(radix).filter(|_| !c.is_ascii_lowercase()) else { break };
            digits.push(digit);
            self.at += 1;
        }
        digits
    }

    fn number(&mut self) -> Result<Token, Problem> {
        let start = self.at;
        let whole = self.digits(10);
        let literal = match self.peek() {
            Some('r') => self.radix_number(start, &whole)?,
            Some('.') if self.peek_at(1).is_some_and(|c| c.is_ascii_digit()) => {
                self.at += 1;
                let fraction = self.digits(10);
                self.fractional(start, &whole, &fraction)?
            }
            Some('s') => self.scaled(start, &whole, &[])?,
            _ => {
                let mut value = integer(&whole, 10);
                self.scale_by_exponent(&mut value, 10)?;
                Literal::Integer(value)
            }
        };
        if self.peek().is_some_and(continues_name) {
            return self.fail(self.at, "a letter directly after a number");
        }
        Ok(Token::Literal(literal))
    }

    fn radix_number(&mut self, start: usize, whole: &[u32]) -> Result<Literal, Problem> {
        let radix = whole.iter().fold(0u32, |sum, digit| (sum * 10 + digit).min(1000));
        if !(2..=36).contains(&radix) {
            return self.fail(start, "a radix is 2 to 36");
        }
        self.at += 1;
        let digits = self.digits(radix);
        if digits.is_empty() {
            return self.fail(self.at, format!("expected digits of radix {radix}"));
        }
        let mut value = integer(&digits, radix);
        self.scale_by_exponent(&mut value, radix)?;
        Ok(Literal::Integer(value))
    }

    /// The exponent after an `e`, if one stands here.
    fn exponent(&mut self) -> Result<Option<i32>, Problem> {
        if self.peek() != Some('e') {
            return Ok(None);
        }
        let negative = self.peek_at(1) == Some('-');
        let first = if negative { 2 } else { 1 };
        if !self.peek_at(first).is_some_and(|c| c.is_ascii_digit()) {
            return self.fail(self.at, "expected digits of an exponent after `e`");
        }
        let start = self.at;
        self.at += first;
        let size =
            self.digits(10).iter().fold(0i32, |sum, digit| (sum * 10 + *digit as i32).min(99_999));
        if size > 9_999 {
            return self.fail(start, "an exponent is at most 9999");
        }
        Ok(Some(if negative { -size } else { size }))
    }

    fn scale_by_exponent(&mut self, value: &mut Integer, radix: u32) -> Result<(), Problem> {
        let start = self.at;
        match self.exponent()? {
            None => Ok(()),
            Some(exponent) if exponent < 0 => {
                self.fail(start, "an integer has no negative exponent")
            }
            Some(exponent) => {
                if !value.is_zero() {
                    (0..exponent).for_each(|_| value.push_digit(radix, 0));
                }
                Ok(())
            }
        }
    }

    fn fractional(
        &mut self,
        start: usize,
        whole: &[u32],
        fraction: &[u32],
    ) -> Result<Literal, Problem> {
        if self.peek() == Some('s') {
            return self.scaled(start, whole, fraction);
        }
        self.exponent()?;
        let text: String = self.text[start..self.at].iter().collect();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Literal::Float(value.to_bits())),
            _ => self.fail(start, "too large for a Float"),
        }
    }

    fn scaled(
        &mut self,
        start: usize,
        whole: &[u32],
        fraction: &[u32],
    ) -> Result<Literal, Problem> {
        self.at += 1;
        let written = self.digits(10);
        let scale = if written.is_empty() {
            fraction.len() as u32
        } else {
            written.iter().fold(0u32, |sum, digit| (sum * 10 + digit).min(99_999))
        };
        if scale > 9_999 {
            return self.fail(start, "a scale is at most 9999");
        }
        let mut numerator = integer(&[whole, fraction].concat(), 10);
        let mut denominator = Integer::small(1);
        for _ in fraction {
            denominator.push_digit(10, 0);
        }
        for prime in [2, 5] {
            while let (Some(above), Some(below)) =
                (numerator.exactly_divided_by(prime), denominator.exactly_divided_by(prime))
            {
                (numerator, denominator) = (above, below);
            }
        }
        Ok(Literal::Scaled(numerator, denominator, scale))
    }
}

fn integer(digits: &[u32], radix: u32) -> Integer {
    let mut value = Integer::default();
    digits.iter().for_each(|digit| value.push_digit(radix, *digit));
    value
}
