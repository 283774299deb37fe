//! JSON for programs that read what a command prints, and the one table of what stands in it.
//!
//! Invariants
//! - J1 A command prints one JSON object on one line, with a line end.
//! - J2 [`fields`] lists every member that a command's object can have; the help and the manual are
//!   made from it, and tests compare it with what commands print.
//! - J3 Members may be added; the meaning and type of one that is there never changes.
//!
//! Must not know: worlds.
//!
//! The format: RFC 8259. Numbers are integers below 2⁵³. Text that is no Unicode, as a path can be,
//! has replacement characters.

use super::table::Command;
use std::fmt::{self, Display, Formatter, Write as _};

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer.
    Number(u64),
    /// A text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Members in order.
    Object(Vec<(&'static str, Value)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// A path, as far as it is Unicode.
    pub fn path(path: &std::path::Path) -> Value {
        Value::Text(path.to_string_lossy().into_owned())
    }

    /// A wall time, in UTC.
    pub fn time(wall_ns: i64) -> Value {
        Value::Text(format!("{}Z", keeper::date_text(wall_ns, 0).replace(' ', "T")))
    }

    /// A text, or null if it is empty.
    pub fn text_or_null(text: &str) -> Value {
        if text.is_empty() { Value::Null } else { Value::text(text) }
    }
}

fn write_text(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // DEL and the line ends of Unicode are allowed, but break readers that go by lines.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => write!(f, "\\u{:04x}", c as u32)?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(is_so) => write!(f, "{is_so}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write_text(f, text),
            Value::List(values) => {
                f.write_char('[')?;
                for (nth, value) in values.iter().enumerate() {
                    f.write_str(if nth == 0 { "" } else { "," })?;
                    value.fmt(f)?;
                }
                f.write_char(']')
            }
            Value::Object(members) => {
                f.write_char('{')?;
                for (nth, (name, value)) in members.iter().enumerate() {
                    f.write_str(if nth == 0 { "" } else { "," })?;
                    write_text(f, name)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

/// A member of the object that a command prints.
#[derive(Debug)]
pub struct Field {
    /// Where it stands: `moments[].id` is the member `id` of each element of the member `moments`.
    pub path: &'static str,
    /// Its type: `text`, `number`, `bool`, `list` or `object`; with `?` behind it may be null, with
    /// `-` it may be missing.
    pub kind: &'static str,
    /// What it says.
    pub meaning: &'static str,
}

macro_rules! fields {
    ($($name:ident: $($path:literal $kind:literal $meaning:literal;)*)*) => {
        $(const $name: &[Field] = &[$(Field { path: $path, kind: $kind, meaning: $meaning }),*];)*
    };
}

fields! {
    HISTORY:
        "file" "text" "the world, as it was named";
        "moments" "list" "oldest first";
        "moments[].id" "number" "its number";
        "moments[].parent" "number" "the number of the moment that it follows; 0 for none";
        "moments[].time" "text" "when, in UTC: 2026-01-31T12:34:56Z";
        "moments[].kind" "text" "automatic, named, pinned, branch or structural";
        "moments[].origin" "text" "snapshot, named, branched, replaced (by a restore) or pinned";
        "moments[].name" "text?" "its name";
    MOMENT:
        "file" "text" "the world, as it was named";
        "moment" "number" "the number of the moment that was made, named or deleted";
        "name" "text?" "its name";
    RESTORE:
        "file" "text" "the world, as it was named";
        "moment" "number" "the moment that the world is at now";
        "kept" "number" "the moment that the present became";
    CHECK:
        "file" "text" "the world, as it was named";
        "whole" "bool" "whether nothing is wrong";
        "damages" "list" "what is wrong, a text each";
        "damages[]" "text" "where, and what";
        "lost_commits" "number" "commits that were acknowledged and are not whole";
        "objects" "number" "objects in the heap";
        "bytes" "number" "bytes of blocks that they stand in";
    INFO:
        "file" "text" "the world, as it was named";
        "bytes" "number" "length of the file";
        "format" "number" "version of the file's format";
        "identity" "text" "what tells the world from others: 32 hexadecimal digits";
        "saved" "text" "when the last snapshot was, in UTC";
        "commit" "number" "number of the commit that holds it";
        "clean" "bool" "whether the world was closed after it";
        "heap_pages" "number" "pages of the heap, 4096 bytes each";
        "heap_base" "number" "the address that its references are made for";
        "moments" "number" "moments that are kept";
        "named" "number" "those of them that have a name";
        "blocks_used" "number" "blocks in use, 4096 bytes each";
        "blocks_free" "number" "blocks that are free";
        "hash" "text-" "hash over the heap's pages, if --hash was given";
    TEST:
        "passed" "number" "tests that came out as they should";
        "failed" "number" "tests that did not";
        "skipped" "number" "tests that could not be run here; in neither count";
        "tests" "list" "every test that ran";
        "tests[].class" "text" "its class";
        "tests[].name" "text" "its selector";
        "tests[].outcome" "text" "passed, failed, error, skipped, expected (a failure that is one) or unexpected (a pass that is none)";
        "tests[].ms" "number" "how long it took, in milliseconds";
        "tests[].message" "text?" "what was wrong, in a line";
        "tests[].trace" "text?" "what was wrong, and where";
}

/// The members of the object that a command prints with `--json`; none if it prints no JSON.
pub const fn fields(command: Command) -> &'static [Field] {
    match command {
        Command::History => HISTORY,
        Command::Name | Command::Branch | Command::Delete => MOMENT,
        Command::Restore => RESTORE,
        Command::Check => CHECK,
        Command::Info => INFO,
        Command::Test => TEST,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() {
        let every: String = (0..0x3000).chain(0x1F600..0x1F610).filter_map(char::from_u32).collect();
        let value = Value::Object(vec![("a\"b", Value::List(vec![Value::text(&*every), Value::Null, Value::Bool(true)]))]);
        let line = value.to_string();
        assert!(!line.contains(['\n', '\r', '\u{2028}', '\u{85}', '\u{7f}']));
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["a\"b"][0].as_str(), Some(&*every));
        assert_eq!(read["a\"b"][1], serde_json::Value::Null);
        assert_eq!(read["a\"b"][2], serde_json::Value::Bool(true));
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(Value::time(0).to_string(), "\"1970-01-01T00:00:00Z\"");
        assert_eq!(Value::time(1_000_000_000_000_000_000).to_string(), "\"2001-09-09T01:46:40Z\"");
    }

    #[test]
    fn empty_lists_and_objects_are_written() {
        assert_eq!(Value::List(Vec::new()).to_string(), "[]");
        assert_eq!(Value::Object(vec![("n", Value::Number(3)), ("l", Value::List(vec![]))]).to_string(), "{\"n\":3,\"l\":[]}");
    }
}
