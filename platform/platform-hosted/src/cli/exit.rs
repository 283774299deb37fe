//! Exit codes and the one-line failure.

use std::io::Write;
use std::process::ExitCode;

macro_rules! exits {
    ($($code:literal $name:ident $doc:literal;)*) => {
        /// How the program ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Exit {
            $(#[doc = $doc] $name,)*
            /// What the program in the world asked for.
            World(u8),
        }

        impl Exit {
            /// Code and meaning, for the help text.
            pub const TABLE: &'static [(u8, &'static str)] = &[$(($code, $doc)),*];

            /// What a number means.
            pub const fn of(number: u8) -> Exit {
                match number { $($code => Exit::$name,)* other => Exit::World(other) }
            }

            /// The number.
            pub const fn number(self) -> u8 {
                match self { $(Exit::$name => $code,)* Exit::World(code) => code }
            }
        }
    };
}

exits! {
    0 Success "what was asked for happened";
    1 Program "the program in the world failed: unhandled error, failed test";
    64 Usage "the command line is wrong";
    65 Damaged "the file is not a world, or is damaged";
    66 Missing "a file or a name that was given does not exist";
    69 Locked "the world is open elsewhere";
    73 Exists "what was to be made exists already";
    74 Io "the machine failed: I/O error, no space, no permission";
    75 Unsaved "it ran, but could not be made durable";
    76 Newer "the world was written by a newer version";
    130 Interrupted "interrupted from the keyboard";
}

impl Exit {
    /// For the operating system.
    pub fn code(self) -> ExitCode {
        ExitCode::from(self.number())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// One line: what, where, what to do. Empty if all was said already.
    pub message: String,
}

impl Failure {
    /// A failure with a message.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { exit, message: message.into() }
    }

    /// Prints the line on standard error; a closed pipe is quiet.
    pub fn report(&self) {
        if !self.message.is_empty() {
            let line = self.message.replace(['\n', '\r'], " ");
            let _ = writeln!(std::io::stderr(), "warm: {line}");
        }
    }
}

impl From<platform::StoreError> for Failure {
    fn from(error: platform::StoreError) -> Failure {
        Failure::new(Exit::Io, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct() {
        let mut codes: Vec<u8> = Exit::TABLE.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Exit::TABLE.len());
    }
}
