//! Help, from the table.

use super::exit::{Exit, Failure};
use super::json;
use super::near::nearest;
use super::table::{COMMANDS, Command, CommandRow};
use std::fmt::Write as _;
use std::io::Write as _;

/// How wide a line of help may be.
const WIDTH: usize = 80;

/// Prints the help of a command, or of the program.
pub fn print(command: Option<Command>) -> Result<(), Failure> {
    write(&match command {
        None => overview(),
        Some(command) => details(command.row()),
    })
}

/// Prints the help on what a word names.
pub fn print_on(word: &str) -> Result<(), Failure> {
    let named = Command::named(word.trim_start_matches('-'));
    let unknown = || {
        let near = nearest(word, COMMANDS.iter().map(|row| row.name));
        Failure::new(Exit::Usage, format!("no command {word}{near}; see warm --help"))
    };
    print(Some(named.ok_or_else(unknown)?))
}

/// A text on standard output; a closed pipe is quiet.
pub fn write(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// The text in lines that fit, each after some spaces.
fn wrap(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut length = WIDTH;
    for word in text.split_whitespace() {
        if length + 1 + word.chars().count() > WIDTH {
            let end = if lines.is_empty() { "" } else { "\n" };
            let _ = write!(lines, "{end}{:indent$}{word}", "");
            length = indent + word.chars().count();
        } else {
            let _ = write!(lines, " {word}");
            length += 1 + word.chars().count();
        }
    }
    lines.push('\n');
    lines
}

/// A term in a column and its meaning beside it, wrapped there.
fn item(term: &str, meaning: &str, column: usize) -> String {
    let text = wrap(meaning, column);
    let first = format!("  {term}");
    if first.chars().count() + 1 > column {
        return format!("{first}\n{text}");
    }
    let pad = column - first.chars().count();
    format!("{first}{:pad$}{}", "", text.trim_start())
}

fn overview() -> String {
    let mut text = String::from("warm: a living computer in one file\n\n");
    text.push_str(&item("warm [FILE [ARG…]]", "Open a world, or your home world.", 34));
    text.push('\n');
    for row in COMMANDS {
        let usage = format!("warm {} {}", row.name, row.arguments);
        text.push_str(&item(usage.trim_end(), row.summary, 34));
    }
    text.push_str("\nExit status\n");
    for (code, meaning) in Exit::TABLE {
        text.push_str(&item(&format!("{code:>3}"), meaning, 8));
    }
    text.push_str("\nwarm help COMMAND tells more; warm man prints the whole manual.\n");
    text
}

fn details(row: &CommandRow) -> String {
    let mut text = format!("{}\n\n{}\n{}", wrap(&row.usage(), 0).trim_end(), row.summary, wrap(row.details, 0));
    let _ = write!(text, "\nExample\n  {}\n", row.example);
    if !row.options.is_empty() {
        text.push_str("\nOptions\n");
    }
    for option in row.options {
        let usage = format!("{} {}", option.name, option.value.unwrap_or_default());
        text.push_str(&item(usage.trim_end(), option.summary, 20));
    }
    let fields = json::fields(row.command);
    if !fields.is_empty() {
        text.push_str("\nWith --json: one object in a line; `?` may be null, `-` may be missing\n");
    }
    for field in fields {
        let term = format!("{} ({})", field.path, field.kind);
        text.push_str(&item(&term, field.meaning, 30));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_a_terminal_and_says_what_and_how() {
        for row in COMMANDS {
            let text = details(row);
            assert!(text.contains(row.summary) && text.contains(row.example), "{text}");
            let long = text.lines().find(|line| line.chars().count() > WIDTH + 8);
            assert_eq!(long, None, "{}", row.name);
            assert!(row.options.iter().all(|option| text.contains(option.name)), "{text}");
            assert!(overview().contains(row.summary.split(' ').next().unwrap_or_default()));
        }
        assert_eq!(overview().lines().find(|line| line.chars().count() > WIDTH), None);
    }

    #[test]
    fn text_is_wrapped_at_words() {
        let text = wrap(&"four ".repeat(40), 3);
        assert!(text.lines().all(|line| line.starts_with("   four") && line.len() <= WIDTH && !line.ends_with(' ')));
        assert_eq!(text.split_whitespace().count(), 40);
    }
}
