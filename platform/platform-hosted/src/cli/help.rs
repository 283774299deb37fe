//! Help, from the table.

use super::exit::{Exit, Failure};
use super::table::{COMMANDS, Command, CommandRow};
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints the help of a command, or of the program.
pub fn print(command: Option<Command>) -> Result<(), Failure> {
    let text = match command {
        Some(Command::Help) | None => overview(),
        Some(command) => details(command.row()),
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, format!("cannot write the help: {error}")))
        }
        _ => Ok(()),
    }
}

fn overview() -> String {
    let mut text = String::from(
        "warm: a living computer in one file\n\n  warm [FILE [ARG…]]        open a world, or your home world\n\n",
    );
    for row in COMMANDS {
        let usage = format!("{} {}", row.name, row.arguments);
        let _ = writeln!(text, "  warm {usage:<26} {}", row.summary);
    }
    text.push_str("\nExit status\n");
    for (code, meaning) in Exit::TABLE {
        let _ = writeln!(text, "  {code:>3}  {meaning}");
    }
    text.push_str("\nwarm COMMAND --help tells more.\n");
    text
}

fn details(row: &CommandRow) -> String {
    let options = if row.options.is_empty() { "" } else { " [OPTION…]" };
    let mut text = format!("warm {} {}{options}\n\n{}\n", row.name, row.arguments, row.summary);
    if !row.details.is_empty() {
        let _ = writeln!(text, "{}", row.details);
    }
    if !row.options.is_empty() {
        text.push('\n');
    }
    for option in row.options {
        let usage = format!("{} {}", option.name, option.value.unwrap_or_default());
        let _ = writeln!(text, "  {usage:<20} {}", option.summary);
    }
    text
}
