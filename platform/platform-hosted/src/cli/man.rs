//! The manual page, from the table of commands, in the language of troff's man macros.
//!
//! Invariants
//! - M1 Text passes through [`escaped`]: nothing of it is taken for a request or an escape.
//! - M2 It holds for any locale: letters beyond ASCII are written as groff names them.

use super::exit::Exit;
use super::json;
use super::table::{COMMANDS, CommandRow};
use std::fmt::Write as _;

/// Text as troff shows it letter by letter.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\(rs"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            // At the start of a line a dot is a request.
            '.' if out.is_empty() => out.push_str("\\&."),
            '\n' => out.push(' '),
            c if c.is_ascii() => out.push(c),
            c => {
                let _ = write!(out, "\\[u{:04X}]", c as u32);
            }
        }
    }
    out
}

/// Running text: what stands in back quotes is set bold.
fn prose(text: &str) -> String {
    let mut out = String::new();
    for (nth, part) in text.split('`').enumerate() {
        let part = escaped(part);
        if nth % 2 == 1 {
            let _ = write!(out, "\\fB{part}\\fR");
        } else {
            out.push_str(&part);
        }
    }
    out
}

/// Words of a usage line: what is given as it stands is bold, what stands for something is italic.
fn usage(row: &CommandRow) -> String {
    let mut line = format!("\\fBwarm {}\\fR", escaped(row.name));
    for word in row.arguments.split_whitespace() {
        let _ = write!(line, " \\fI{}\\fR", escaped(word));
    }
    for option in row.options {
        let _ = write!(line, " [\\fB{}\\fR", escaped(option.name));
        if let Some(value) = option.value {
            let _ = write!(line, " \\fI{}\\fR", escaped(value));
        }
        line.push(']');
    }
    line
}

fn command(page: &mut String, row: &CommandRow) {
    let _ = write!(page, ".TP\n{}\n{}\n{}\n", usage(row), prose(row.summary), prose(row.details));
    for option in row.options {
        let value = option.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
        let _ = write!(page, ".RS\n.TP\n\\fB{}\\fR{value}\n{}\n.RE\n", escaped(option.name), prose(option.summary));
    }
    let _ = write!(page, ".RS\n.PP\n.EX\n{}\n.EE\n.RE\n", escaped(row.example));
}

/// The whole page.
pub fn page() -> String {
    let mut page = format!(
        ".TH WARM 1 \"\" \"warm {}\" \"User Commands\"\n.SH NAME\nwarm \\- a living computer in one file\n",
        escaped(env!("CARGO_PKG_VERSION"))
    );
    page.push_str(".SH SYNOPSIS\n.B warm\n[\\fIFILE\\fR [\\fIARG\\fR...]]\n.br\n.B warm\n\\fICOMMAND\\fR [\\fIARG\\fR...]\n");
    page.push_str(".SH DESCRIPTION\n");
    page.push_str(&prose(
        "A world is a Smalltalk system that lives in one file: objects, code, running processes, and the moments of its past. `warm FILE` opens one; `warm` alone opens your home world. What happens in it is kept as it happens: a world that was killed is opened again where it was.",
    ));
    page.push_str("\n.SH COMMANDS\n");
    COMMANDS.iter().for_each(|row| command(&mut page, row));
    page.push_str(".SH OUTPUT FOR PROGRAMS\n");
    page.push_str(&prose("With `--json` a command prints one object in one line, which has these members. Of the types, one with ? may be null and one with - may be missing."));
    page.push('\n');
    for row in COMMANDS {
        let fields = json::fields(row.command);
        if !fields.is_empty() {
            let _ = writeln!(page, ".SS warm {}", escaped(row.name));
        }
        for field in fields {
            let _ = write!(page, ".TP\n\\fB{}\\fR (\\fI{}\\fR)\n{}\n", escaped(field.path), escaped(field.kind), prose(field.meaning));
        }
    }
    page.push_str(".SH EXIT STATUS\n");
    for (code, meaning) in Exit::TABLE {
        let _ = write!(page, ".TP\n.B {code}\n{}\n", prose(meaning));
    }
    page.push_str(".SH ENVIRONMENT\n");
    for (name, meaning) in ENVIRONMENT {
        let _ = write!(page, ".TP\n.B {name}\n{}\n", prose(meaning));
    }
    page
}

/// The variables that a user may set.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("XDG_DATA_HOME", "the folder of your data, where the home world stands and `warm register` writes; else ~/.local/share"),
    ("XDG_STATE_HOME", "where the history of the prompt stands; else ~/.local/state"),
    ("WARM_MEMORY", "the most memory that a heap may use: bytes, or with K, M or G"),
    ("WARM_LOG", "if set, the machine tells what it does on standard error"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_a_request_or_an_escape() {
        for (text, expect) in [
            (".TH x", "\\&.TH x"),
            ("a\\b", "a\\(rsb"),
            ("--no-save", "\\-\\-no\\-save"),
            ("'x'", "\\(aqx\\(aq"),
            ("ARG…", "ARG\\[u2026]"),
            ("a\nb", "a b"),
        ] {
            assert_eq!(escaped(text), expect);
        }
        assert_eq!(prose("say `warm -x`."), "say \\fBwarm \\-x\\fR\\&.");
    }

    #[test]
    fn the_page_names_every_command_option_and_status_once() {
        let page = page();
        assert!(page.is_ascii());
        for row in COMMANDS {
            let head = format!(".TP\n\\fBwarm {}\\fR", row.name);
            assert_eq!(page.matches(&format!("{head} ")).count() + page.matches(&format!("{head}\n")).count(), 1, "{}", row.name);
            assert!(row.options.iter().all(|option| page.contains(&escaped(option.name))));
        }
        assert!(Exit::TABLE.iter().all(|(code, _)| page.contains(&format!(".B {code}\n"))));
        // A line that begins with a dot is a request that the man macros know.
        let known = [".TH", ".SH", ".SS", ".TP", ".B", ".br", ".RS", ".RE", ".PP", ".EX", ".EE"];
        for line in page.lines().filter(|line| line.starts_with('.')) {
            assert!(known.contains(&line.split(' ').next().unwrap()), "{line}");
        }
        assert!(page.lines().all(|line| !line.starts_with('\'') && !line.is_empty()));
    }
}
