//! What each command does, a file for each kind.

mod boot;
mod inspect;
mod lines;
mod losses;
mod moments;
mod outside;
mod recording;
mod register;
mod repl;
mod running;
mod trying;
mod visiting;

use crate::cli::completions::Shell;
use crate::cli::{Arguments, Command, Exit, Failure, help, man};
use std::path::PathBuf;

/// Carries out a command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Help => {
            match arguments.words.first() {
                None => help::print(None)?,
                Some(word) => help::print_on(&word.to_string_lossy())?,
            }
            Ok(Exit::Success)
        }
        Command::Version => {
            say(&format!("warm {}", env!("CARGO_PKG_VERSION")))?;
            Ok(Exit::Success)
        }
        Command::New => crate::keeper::make(&path(arguments, 0)).map(|()| Exit::Success),
        Command::Home => running::home(),
        Command::Open => running::open(arguments),
        Command::Eval => running::eval(arguments),
        Command::Run => running::script(arguments),
        Command::Load => running::load(arguments),
        Command::Test => running::test(arguments),
        Command::Boot => boot::boot(arguments),
        Command::Try => trying::attempt(arguments),
        Command::Repl => running::repl(arguments),
        Command::History => moments::history(arguments),
        Command::Name => moments::name(arguments),
        Command::Branch => moments::branch(arguments),
        Command::Restore => moments::restore(arguments),
        Command::Delete => moments::delete(arguments),
        Command::Check => inspect::check(arguments),
        Command::Info => inspect::info(arguments),
        Command::Register => register::register(arguments),
        Command::Completions => {
            help::write(&Shell::named(&arguments.text(0))?.script())?;
            Ok(Exit::Success)
        }
        Command::Man => help::write(&man::page()).map(|()| Exit::Success),
    }
}

/// An argument as a path.
fn path(arguments: &Arguments, index: usize) -> PathBuf {
    arguments.words.get(index).map(PathBuf::from).unwrap_or_default()
}

/// A folder of the user's: where a variable says, else below HOME; `None` if neither is set.
fn user_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    set(variable).or_else(|| set("HOME").map(|home| home.join(below_home)))
}

/// A line on standard output; a closed pipe is quiet.
fn say(line: &str) -> Result<(), Failure> {
    help::write(&format!("{line}\n"))
}
