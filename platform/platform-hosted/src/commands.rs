//! What each command does.

use crate::cli::{Arguments, Command, Exit, Failure};

/// Carries out a command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Version => {
            println!("warm {}", env!("CARGO_PKG_VERSION"));
            Ok(Exit::Success)
        }
        _ => Err(Failure::new(Exit::Usage, "not there yet")),
    }
}
