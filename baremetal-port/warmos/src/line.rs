//! A line as it is typed on a terminal: what each byte does to it, and what the terminal is told.
//!
//! Keys: printing ones, backspace, Ctrl-U (all of it), Ctrl-W (the last word), return, Ctrl-D (the end,
//! on an empty line). Arrows and other sequences are swallowed.

use alloc::string::String;
use alloc::vec::Vec;

/// What a byte came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing but what the terminal was told.
    More,
    /// The line is complete.
    Line(String),
    /// The conversation ends.
    End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    Escape,
    Bracket,
}

/// The line so far.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    /// The beginning of a character whose rest has not come.
    partial: Vec<u8>,
    sequence: Sequence,
    /// Whether the last byte was a carriage return: a line feed behind it is no second end.
    after_return: bool,
}

impl Line {
    /// Forgets what was typed.
    pub fn clear(&mut self) {
        self.text.clear();
        self.partial.clear();
    }

    /// What was typed and not ended.
    pub fn rest(&mut self) -> String {
        self.partial.clear();
        core::mem::take(&mut self.text)
    }

    /// Takes a byte; `echo` gets what the terminal shall show.
    pub fn take(&mut self, byte: u8, echo: &mut Vec<u8>) -> Typed {
        if self.swallows(byte) {
            return Typed::More;
        }
        let after_return = core::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if after_return => {}
            b'\r' | b'\n' => {
                echo.push(b'\n');
                self.partial.clear();
                return Typed::Line(core::mem::take(&mut self.text));
            }
            4 if self.text.is_empty() => return Typed::End,
            8 | 0x7f => self.erase(1, echo),
            0x15 => self.erase(self.text.chars().count(), echo),
            0x17 => self.erase(self.last_word(), echo),
            0x1b => self.sequence = Sequence::Escape,
            0..0x20 if byte != b'\t' => {}
            _ => self.insert(byte, echo),
        }
        Typed::More
    }

    /// Takes a byte that no person typed: nothing but a line feed means anything, and a carriage return
    /// before it is dropped.
    pub fn take_plain(&mut self, byte: u8) -> Typed {
        if byte != b'\n' {
            self.insert(byte, &mut Vec::new());
            return Typed::More;
        }
        self.partial.clear();
        let text = core::mem::take(&mut self.text);
        Typed::Line(text.trim_end_matches('\r').into())
    }

    fn swallows(&mut self, byte: u8) -> bool {
        self.sequence = match (self.sequence, byte) {
            (Sequence::None, _) => return false,
            (Sequence::Escape, b'[' | b'O') => Sequence::Bracket,
            (Sequence::Bracket, 0x20..0x40) => Sequence::Bracket,
            _ => Sequence::None,
        };
        true
    }

    fn insert(&mut self, byte: u8, echo: &mut Vec<u8>) {
        self.partial.push(byte);
        match core::str::from_utf8(&self.partial) {
            Ok(text) => {
                self.text.push_str(text);
                echo.extend_from_slice(&self.partial);
                self.partial.clear();
            }
            // A character that has not all come; anything else is no character.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.partial.clear(),
        }
    }

    fn erase(&mut self, count: usize, echo: &mut Vec<u8>) {
        self.partial.clear();
        for _ in 0..count {
            if self.text.pop().is_some() {
                echo.extend_from_slice(b"\x08 \x08");
            }
        }
    }

    /// Characters of the last word and the blanks behind it.
    fn last_word(&self) -> usize {
        let kept = self.text.trim_end().rfind(' ').map_or(0, |at| at + 1);
        self.text[kept..].chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    /// Types bytes; answers the lines, and what is shown.
    fn check(typed: &[u8], lines: &[&str], shown: &str) {
        let (mut line, mut echo, mut got) = (Line::default(), Vec::new(), Vec::new());
        for byte in typed {
            match line.take(*byte, &mut echo) {
                Typed::Line(text) => got.push(text),
                Typed::End => got.push("<end>".to_string()),
                Typed::More => {}
            }
        }
        assert_eq!(got, lines);
        assert_eq!(String::from_utf8_lossy(&echo), shown);
    }

    #[test]
    fn lines_end_with_either_or_both_ends() {
        check(b"3+4\rx\n\r\ny\r\nz", &["3+4", "x", "", "y"], "3+4\nx\n\ny\nz");
    }

    #[test]
    fn what_was_typed_can_be_taken_back() {
        check(b"abc\x7f\x08d\r", &["ad"], "abc\x08 \x08\x08 \x08d\n");
        check(b"\x7f\r", &[""], "\n");
        check(b"one two  \x17three\r", &["one three"], "one two  \x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08three\n");
        check("é\u{7f}x\r".as_bytes(), &["x"], "é\x08 \x08x\n");
        check(b"gone\x15\r", &[""], "gone\x08 \x08\x08 \x08\x08 \x08\x08 \x08\n");
    }

    #[test]
    fn characters_come_whole_and_sequences_are_swallowed() {
        check("'ü€😀'\r".as_bytes(), &["'ü€😀'"], "'ü€😀'\n");
        check(b"a\x1b[A\x1b[3~\x1bOPb\xff\x80c\x01\r", &["abc"], "abc\n");
        check(b"a\tb\r", &["a\tb"], "a\tb\n");
        let (mut line, mut echo) = (Line::default(), Vec::new());
        b"rest\xc3".iter().for_each(|byte| drop(line.take(*byte, &mut echo)));
        assert_eq!((line.rest(), line.rest()), ("rest".to_string(), String::new()));
    }

    #[test]
    fn a_pipe_gives_lines_as_they_are() {
        let (mut line, mut got) = (Line::default(), Vec::new());
        for byte in b"a\tb\x7f\x1b[A\r\n\n" {
            if let Typed::Line(text) = line.take_plain(*byte) {
                got.push(text);
            }
        }
        assert_eq!(got, ["a\tb\x7f\x1b[A", ""]);
    }

    #[test]
    fn control_d_ends_an_empty_line_only() {
        check(b"a\x04\r\x04", &["a", "<end>"], "a\n");
    }
}
