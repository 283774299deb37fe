//! What each command does, a file for each kind.

mod boot;
mod inspect;
mod lines;
mod losses;
mod moments;
mod repl;
mod running;
mod trying;
mod visiting;

use crate::cli::{Arguments, Command, Exit, Failure, help};
use std::path::PathBuf;

/// Carries out a command.
pub fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    match arguments.command {
        Command::Help => {
            let command = match arguments.words.first() {
                None => None,
                Some(word) => {
                    let word = word.to_string_lossy();
                    let named = Command::named(&word);
                    let unknown = || Failure::new(Exit::Usage, format!("no command {word}; see warm --help"));
                    Some(named.ok_or_else(unknown)?)
                }
            };
            help::print(command).map(|()| Exit::Success)
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
    use std::io::Write;
    match writeln!(std::io::stdout(), "{line}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Io, format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
