//! The command line: what the user typed, to a command with its arguments checked.
//!
//! Invariants
//! - C1 An error is one line on standard error that says what, where and what to do, and the exit
//!   status comes from the one table in `exit`.
//! - C2 Help, usage lines, near misses, completions and the manual come from the one table in `table`,
//!   what stands in JSON from the one in `json`.
//! - C3 Exit status 0 means that what was asked for happened.

mod arguments;
pub mod completions;
mod exit;
pub mod help;
pub mod json;
pub mod man;
mod near;
pub mod progress;
mod table;

pub use arguments::{Arguments, parse};
pub use exit::{Exit, Failure};
pub use table::{COMMANDS, Command, CommandRow, OptionRow};

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    crate::sys::survive_file_size_limit();
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(words) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            failure.report();
            failure.exit.code()
        }
    }
}

/// Runs one command line (without the program's name).
pub fn run(words: Vec<OsString>) -> Result<Exit, Failure> {
    let arguments = parse(words)?;
    if arguments.wants_help {
        help::print(Some(arguments.command))?;
        return Ok(Exit::Success);
    }
    crate::commands::run(&arguments)
}
