//! The body of the fuzz target for everything that reads text.
//!
//! Whatever the bytes are: scanner, parser, compiler, the readers of Tonel and of the notation
//! answer or report; they never panic, and what compiles is admitted by the machine's verifier.

use crate::code::{admit, unpack_map};
use crate::generator::compile;
use crate::scope::{Binding, Environment};
use crate::ston::Cursor;
use crate::{parser, tonel};

/// Every one-letter name is a slot, every capitalised one a global.
struct Anything;

impl Environment for Anything {
    fn instance_variable(&self, name: &str) -> Option<usize> {
        (name.len() == 1).then(|| usize::from(name.as_bytes()[0]) * 3)
    }

    fn binding(&self, name: &str) -> Option<Binding> {
        name.starts_with(char::is_uppercase).then(|| Binding::Global(name.to_owned()))
    }
}

/// Reads bytes in every way that there is.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let chars: Vec<char> = text.chars().collect();
    let _ = Cursor { text: &chars, at: 0 }.value(0);
    let _ = parser::parse_pattern(&chars);
    check_method(&text);
    if let Ok(file) = tonel::read(&chars) {
        for method in &file.methods {
            check_method(&method.source);
            let end = method.position_in_file(method.source.chars().count() as u32);
            assert!(end as usize <= chars.len() + 1, "a position behind the file");
        }
    }
}

fn check_method(source: &str) {
    let length = source.chars().count() as u32;
    match compile(source, &Anything) {
        Err(problem) => {
            assert!((1..=length + 1).contains(&problem.position), "{problem:?} of {length}");
            assert!(
                !problem.message.contains("a defect of this compiler"),
                "{source}: {problem:?}"
            );
        }
        Ok((method, _)) => {
            assert!(admit(&method.code, false).is_ok());
            let entries = unpack_map(&method.code.source_map).unwrap_or_default();
            assert!(
                entries.iter().all(|entry| 1 <= entry.start && entry.stop <= length),
                "{source}"
            );
        }
    }
}
