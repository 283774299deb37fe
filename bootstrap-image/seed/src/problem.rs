//! What is wrong with a source, and where.
//!
//! Positions inside a text are 1-based indices of code points, as in source maps; a line and a
//! column are made of them only for people.

use std::fmt;

/// From the first to the last code point of something, both counted from 1 and included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Span {
    /// The first code point.
    pub start: u32,
    /// The last code point.
    pub stop: u32,
}

impl Span {
    /// From the start of one span to the stop of another.
    pub fn to(self, last: Span) -> Span {
        Span { start: self.start, stop: last.stop }
    }
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The source cannot be used.
    Error,
    /// It can, but a reader should know.
    Warning,
}

/// A problem at a position of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The code point at which it was noticed.
    pub position: u32,
    /// What was found, and what was expected.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl Problem {
    /// An error.
    pub fn error(position: u32, message: impl Into<String>) -> Problem {
        Problem { position, message: message.into(), severity: Severity::Error }
    }

    /// A warning.
    pub fn warning(position: u32, message: impl Into<String>) -> Problem {
        Problem { position, message: message.into(), severity: Severity::Warning }
    }
}

/// A problem in a file, as a person reads it: `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in code points, from 1.
    pub column: u32,
    /// What was found, and what was expected.
    pub message: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(out, "{}:{}:{}: {word}{}", self.file, self.line, self.column, self.message)
    }
}

/// Line and column (from 1) of a code point (from 1) of a text.
pub fn line_and_column(text: &[char], position: u32) -> (u32, u32) {
    let end = (position.saturating_sub(1) as usize).min(text.len());
    let before = &text[..end];
    let line = before.iter().filter(|c| **c == '\n').count() as u32 + 1;
    let column = before.iter().rev().take_while(|c| **c != '\n').count() as u32 + 1;
    (line, column)
}
