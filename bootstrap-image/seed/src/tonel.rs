//! Tonel files: one class (or extension, trait, package) a file, its methods in brackets.
//!
//! Invariants
//! - L1 Nothing of a file is skipped: what is not understood is an error with a position.
//! - L2 A method knows where its text stands in the file, so that a problem in the method is
//!   reported at the line where a person wrote it.

use crate::problem::Problem;
use crate::ston::{Cursor, Ston};

/// What a file defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A class.
    Class,
    /// Methods for a class that another file defines.
    Extension,
    /// A trait.
    Trait,
    /// A package's own properties.
    Package,
}

/// A file, as written.
#[derive(Clone, Debug)]
pub struct TonelFile {
    /// What it defines.
    pub kind: FileKind,
    /// The comment before the definition.
    pub comment: Option<String>,
    /// The definition.
    pub definition: Ston,
    /// Where the definition starts, from 1.
    pub position: u32,
    /// The methods, in order.
    pub methods: Vec<TonelMethod>,
}

/// A method of a file.
#[derive(Clone, Debug)]
pub struct TonelMethod {
    /// The class that it is for.
    pub class_name: String,
    /// Whether it belongs to the class side.
    pub is_meta: bool,
    /// The protocol.
    pub protocol: String,
    /// SOURCE, as COMPILING.md says.
    pub source: String,
    /// Where the class name stands, from 1.
    pub position: u32,
    pattern_at: usize,
    pattern_length: usize,
    body_at: usize,
}

impl TonelMethod {
    /// The code point of the file (from 1) where a code point of the source stands.
    pub fn position_in_file(&self, position: u32) -> u32 {
        let index = (position as usize).saturating_sub(1);
        let place = match index.checked_sub(self.pattern_length + 1) {
            Some(in_body) => self.body_at + in_body,
            None => self.pattern_at + index,
        };
        place as u32 + 1
    }
}

/// Reads a Tonel file.
pub fn read(text: &[char]) -> Result<TonelFile, Problem> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    let comment = match cursor.peek() {
        Some('"') => Some(cursor.delimited('"')?),
        _ => None,
    };
    cursor.skip_space();
    let position = cursor.at as u32 + 1;
    let kind = match cursor.name()?.as_str() {
        "Class" => FileKind::Class,
        "Extension" => FileKind::Extension,
        "Trait" => FileKind::Trait,
        "Package" => FileKind::Package,
        other => {
            let message = format!("expected Class, Extension, Trait or Package, found `{other}`");
            return Err(Problem::error(position, message));
        }
    };
    cursor.skip_space();
    let definition = cursor.map(0)?;
    let mut methods = Vec::new();
    loop {
        cursor.skip_space();
        if cursor.peek().is_none() {
            return Ok(TonelFile { kind, comment, definition, position, methods });
        }
        methods.push(method(&mut cursor)?);
    }
}

fn method(cursor: &mut Cursor<'_>) -> Result<TonelMethod, Problem> {
    let protocol = match cursor.peek() {
        Some('{') => {
            let start = cursor.at;
            let properties = cursor.map(0)?;
            match properties.at("category").and_then(Ston::text) {
                Some(protocol) => protocol.to_owned(),
                None => {
                    return Err(Problem::error(
                        start as u32 + 1,
                        "expected `#category` of the method",
                    ));
                }
            }
        }
        _ => return cursor.expected("`{ #category : '…' }` before a method"),
    };
    cursor.skip_space();
    let position = cursor.at as u32 + 1;
    let class_name = cursor.name()?;
    cursor.skip_space();
    let is_meta = cursor.peek() == Some('c') && {
        let start = cursor.at;
        match cursor.name()?.as_str() {
            "class" => true,
            _ => {
                cursor.at = start;
                return cursor.expected("`class` or `>>`");
            }
        }
    };
    cursor.require('>')?;
    cursor.require('>')?;
    cursor.skip_space();
    let pattern_at = cursor.at;
    while cursor.peek().is_some_and(|c| c != '[') {
        cursor.at += 1;
    }
    if cursor.peek().is_none() {
        return cursor.expected("`[` before the method's body");
    }
    let pattern = trim_end(&cursor.text[pattern_at..cursor.at]);
    let open = cursor.at;
    skip_body(cursor)?;
    let (body, body_at) = body_text(cursor.text, open + 1, cursor.at - 1);
    let mut source: String = pattern.iter().collect();
    if !body.is_empty() {
        source.push('\n');
        source.extend(body);
    }
    let pattern_length = pattern.len();
    Ok(TonelMethod {
        class_name,
        is_meta,
        protocol,
        source,
        position,
        pattern_at,
        pattern_length,
        body_at,
    })
}

/// Without white space at the end; what a `$` precedes is a character and stays.
fn trim_end(text: &[char]) -> &[char] {
    let kept = text.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
    let literal = kept > 0 && text[kept - 1] == '$' && !text[..kept - 1].ends_with(&['$']);
    &text[..(kept + usize::from(literal)).min(text.len())]
}

/// The body between two indices: without the rest of the first line if that is blank, and without
/// white space at its end. Also where it starts.
fn body_text(text: &[char], start: usize, stop: usize) -> (&[char], usize) {
    let body = &text[start..stop];
    let blanks = body.iter().take_while(|c| matches!(c, ' ' | '\t' | '\r')).count();
    let skipped = if body.get(blanks) == Some(&'\n') { blanks + 1 } else { 0 };
    (trim_end(&body[skipped..]), start + skipped)
}

/// From an opening bracket past its closing one; strings, comments and characters are no brackets.
fn skip_body(cursor: &mut Cursor<'_>) -> Result<(), Problem> {
    let open = cursor.at;
    let mut depth = 0usize;
    while let Some(c) = cursor.peek() {
        match c {
            '\'' | '"' => {
                cursor.delimited(c)?;
                continue;
            }
            '$' => cursor.at += 1,
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        cursor.at += 1;
        if depth == 0 {
            return Ok(());
        }
    }
    cursor.at = open;
    cursor.fail("this method does not end: expected `]`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    const FILE: &str = "\"I am it.\nI \"\"quote\"\".\"\nClass {\n\t#name : 'It',\n\t#superclass : #Object,\n\t#instVars : [ 'a', 'b' ]\n}\n\n{ #category : 'accessing' }\nIt >> at: x [\n\n\t\"no ] end\" ^ a at: $] put: ']'\n]\n\n{ #category : #'as yet' }\nIt class >> new [ ^ super new ]\n\n{ #category : 'blanks' }\nIt >> blank [\n\t^ $ \n]\n";

    #[test]
    fn reads_both_styles() {
        let file = read(&chars(FILE)).unwrap();
        assert_eq!(file.kind, FileKind::Class);
        assert_eq!(file.comment.as_deref(), Some("I am it.\nI \"quote\"."));
        assert_eq!(file.definition.at("name").and_then(Ston::text), Some("It"));
        assert_eq!(file.definition.at("superclass").and_then(Ston::text), Some("Object"));
        let sources: Vec<_> = file
            .methods
            .iter()
            .map(|m| (m.is_meta, m.protocol.as_str(), m.source.as_str()))
            .collect();
        assert_eq!(
            sources,
            [
                (false, "accessing", "at: x\n\n\t\"no ] end\" ^ a at: $] put: ']'"),
                (true, "as yet", "new\n ^ super new"),
                (false, "blanks", "blank\n\t^ $ "),
            ]
        );
    }

    #[test]
    fn positions_lead_back_to_the_file() {
        let text = chars(FILE);
        let file = read(&text).unwrap();
        for method in &file.methods {
            for (index, c) in method.source.chars().enumerate() {
                let place = method.position_in_file(index as u32 + 1) as usize - 1;
                if !c.is_whitespace() {
                    assert_eq!(text[place], c, "of {}", method.source);
                }
            }
        }
    }

    #[test]
    fn errors_have_positions() {
        let check = |text: &str, position: u32, message: &str| {
            let problem = read(&chars(text)).unwrap_err();
            assert_eq!((problem.position, problem.message.as_str()), (position, message));
        };
        check("Klass { }", 1, "expected Class, Extension, Trait or Package, found `Klass`");
        check("Class { #name 'A' }", 15, "expected `:`, found `\\'`");
        check(
            "Class { } It >> x [ ]",
            11,
            "expected `{ #category : '…' }` before a method, found `I`",
        );
        check(
            "Class { } { #category : 'a' } It >> x [ [ ]",
            39,
            "this method does not end: expected `]`",
        );
        check("Class { #a : 1, #a : 2 }", 17, "`a` stands here twice");
        check("\"no end", 1, "this text does not end: expected `\"`");
    }
}
