//! The little notation of Tonel's headers: maps, lists, strings, symbols, numbers.
//!
//! Invariant T1: nesting is bounded, and whatever is wrong has a position.

use crate::problem::Problem;
use crate::scanner::{begins_name, continues_name};

/// A value of the notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ston {
    /// nil.
    Nil,
    /// true or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A string.
    String(String),
    /// A symbol.
    Symbol(String),
    /// `[ … ]`
    List(Vec<Ston>),
    /// `{ key : value, … }`, in order.
    Map(Vec<(String, Ston)>),
}

impl Ston {
    /// The text of a string or symbol.
    pub fn text(&self) -> Option<&str> {
        match self {
            Ston::String(text) | Ston::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a key, of a map.
    pub fn at(&self, key: &str) -> Option<&Ston> {
        match self {
            Ston::Map(pairs) => pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The strings or symbols of a list.
    pub fn texts(&self) -> Option<Vec<String>> {
        match self {
            Ston::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            _ => None,
        }
    }
}

/// A place in a text, for the readers of headers.
pub struct Cursor<'a> {
    /// The text.
    pub text: &'a [char],
    /// The index of the next character.
    pub at: usize,
}

impl Cursor<'_> {
    /// The next character.
    pub fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    /// An error at the next character.
    pub fn fail<T>(&self, message: impl Into<String>) -> Result<T, Problem> {
        Err(Problem::error(self.at as u32 + 1, message))
    }

    /// An error that says what was expected.
    pub fn expected<T>(&self, what: &str) -> Result<T, Problem> {
        match self.peek() {
            Some(c) => self.fail(format!("expected {what}, found `{}`", c.escape_default())),
            None => self.fail(format!("expected {what}, found the end of the file")),
        }
    }

    /// Skips white space.
    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// Skips a character, if it is the next after white space.
    pub fn skip(&mut self, wanted: char) -> bool {
        self.skip_space();
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    /// Requires a character.
    pub fn require(&mut self, wanted: char) -> Result<(), Problem> {
        if self.skip(wanted) { Ok(()) } else { self.expected(&format!("`{wanted}`")) }
    }

    /// A name.
    pub fn name(&mut self) -> Result<String, Problem> {
        self.skip_space();
        if !self.peek().is_some_and(begins_name) {
            return self.expected("a name");
        }
        let start = self.at;
        while self.peek().is_some_and(continues_name) {
            self.at += 1;
        }
        Ok(self.text[start..self.at].iter().collect())
    }

    /// The text up to a delimiter, doubled delimiters made single.
    pub fn delimited(&mut self, delimiter: char) -> Result<String, Problem> {
        let start = self.at;
        self.require(delimiter)?;
        let mut content = String::new();
        loop {
            match self.peek() {
                None => {
                    self.at = start;
                    return self.fail(format!("this text does not end: expected `{delimiter}`"));
                }
                Some(c) if c == delimiter => {
                    self.at += 1;
                    if self.peek() != Some(delimiter) {
                        return Ok(content);
                    }
                    content.push(c);
                }
                Some(c) => content.push(c),
            }
            self.at += 1;
        }
    }

    /// A value.
    pub fn value(&mut self, depth: usize) -> Result<Ston, Problem> {
        if depth > 32 {
            return self.fail("nested deeper than 32");
        }
        self.skip_space();
        match self.peek() {
            Some('{') => self.map(depth),
            Some('[') => self.list(depth),
            Some('\'') => Ok(Ston::String(self.delimited('\'')?)),
            Some('#') => Ok(Ston::Symbol(self.symbol()?)),
            Some(c) if c.is_ascii_digit() || c == '-' => self.integer(),
            Some(c) if begins_name(c) => self.word(),
            _ => self.expected("a value"),
        }
    }

    fn word(&mut self) -> Result<Ston, Problem> {
        let start = self.at;
        match self.name()?.as_str() {
            "nil" => Ok(Ston::Nil),
            "true" => Ok(Ston::Boolean(true)),
            "false" => Ok(Ston::Boolean(false)),
            other => {
                self.at = start;
                self.fail(format!("expected a value, found `{other}`"))
            }
        }
    }

    fn integer(&mut self) -> Result<Ston, Problem> {
        let start = self.at;
        self.at += 1;
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at].iter().collect();
        match digits.parse() {
            Ok(value) => Ok(Ston::Integer(value)),
            Err(_) => {
                self.at = start;
                self.fail("expected an integer")
            }
        }
    }

    fn symbol(&mut self) -> Result<String, Problem> {
        self.require('#')?;
        if self.peek() == Some('\'') {
            return self.delimited('\'');
        }
        let start = self.at;
        let fits = |c: char| !c.is_whitespace() && !"{}[](),'\"#".contains(c);
        while self.peek().is_some_and(fits) {
            self.at += 1;
        }
        if start == self.at {
            return self.expected("a symbol");
        }
        Ok(self.text[start..self.at].iter().collect())
    }

    fn list(&mut self, depth: usize) -> Result<Ston, Problem> {
        self.require('[')?;
        let mut items = Vec::new();
        if self.skip(']') {
            return Ok(Ston::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.skip(',') {
                self.require(']')?;
                return Ok(Ston::List(items));
            }
        }
    }

    /// A map in braces.
    pub fn map(&mut self, depth: usize) -> Result<Ston, Problem> {
        self.require('{')?;
        let mut pairs: Vec<(String, Ston)> = Vec::new();
        if self.skip('}') {
            return Ok(Ston::Map(pairs));
        }
        loop {
            self.skip_space();
            let start = self.at;
            let key = match self.value(depth + 1)? {
                Ston::Symbol(key) | Ston::String(key) => key,
                _ => {
                    self.at = start;
                    return self.fail("expected a symbol as key");
                }
            };
            if pairs.iter().any(|(name, _)| *name == key) {
                self.at = start;
                return self.fail(format!("`{key}` stands here twice"));
            }
            self.require(':')?;
            pairs.push((key, self.value(depth + 1)?));
            if !self.skip(',') {
                self.require('}')?;
                return Ok(Ston::Map(pairs));
            }
        }
    }
}
