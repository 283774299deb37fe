//! The one table of commands and options.

/// One option of a command.
#[derive(Debug)]
pub struct OptionRow {
    /// The name with its dashes.
    pub name: &'static str,
    /// What its value is called, if it takes one.
    pub value: Option<&'static str>,
    /// What it does.
    pub summary: &'static str,
}

/// One command.
#[derive(Debug)]
pub struct CommandRow {
    /// Which it is.
    pub command: Command,
    /// The word that calls it.
    pub name: &'static str,
    /// Its arguments as the usage line shows them.
    pub arguments: &'static str,
    /// How many arguments there must be, and may be.
    pub count: (usize, usize),
    /// What it does, in a line.
    pub summary: &'static str,
    /// What else there is to know.
    pub details: &'static str,
    /// Its options.
    pub options: &'static [OptionRow],
}

macro_rules! commands {
    ($($command:ident $name:literal $arguments:literal ($least:expr, $most:expr) $summary:literal $details:literal [$($option:expr),*];)*) => {
        /// A command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Command { $(#[doc = $summary] $command,)* }

        /// Every command, in the order of the help.
        pub const COMMANDS: &[CommandRow] = &[$(CommandRow {
            command: Command::$command, name: $name, arguments: $arguments, count: ($least, $most),
            summary: $summary, details: $details, options: &[$($option),*],
        }),*];
    };
}

const ANY: usize = usize::MAX;
const NO_SAVE: OptionRow =
    OptionRow { name: "--no-save", value: None, summary: "leave the world as it was" };
const HASH: OptionRow = OptionRow {
    name: "--hash",
    value: None,
    summary: "print the hash over the heap's pages, equal for worlds made from the same sources",
};
const ACCEPT: OptionRow = OptionRow {
    name: "--accept",
    value: None,
    summary: "give up what is lost, so that the world collects and forgets again",
};
const PARTIAL: OptionRow = OptionRow {
    name: "--partial",
    value: None,
    summary: "load what can be loaded, and report what was skipped",
};

const SERIAL: OptionRow =
    OptionRow { name: "--serial", value: None, summary: "talk to it on the serial line, which is this terminal" };
const MEMORY: OptionRow =
    OptionRow { name: "--memory", value: Some("SIZE"), summary: "how much memory it has: 256M, 2G; else 1G" };
const TIMED: OptionRow =
    OptionRow { name: "--timed", value: None, summary: "say how long the boot took" };
const SECONDS: OptionRow =
    OptionRow { name: "--seconds", value: Some("N"), summary: "end it after so many seconds (60)" };
const BYTES: OptionRow = OptionRow {
    name: "--bytes",
    value: Some("N"),
    summary: "let it use at most so many bytes of memory (1 GiB)",
};

commands! {
    Home "home" "" (0, 0)
        "Open your home world, made the first time."
        "It stands in the folder of your data (XDG_DATA_HOME, or ~/.local/share) as warm/home.world. `warm` alone does the same." [];
    New "new" "FILE" (1, 1)
        "Make a new world."
        "Refuses if FILE exists." [];
    Open "open" "FILE [ARG…]" (1, ANY)
        "Open a world: its main handler if it has one, else the prompt."
        "This is what the first line of a world's file calls when the file is executed. `warm FILE` is the same. What happens is saved every two seconds and at the end. Where it is open already, its window comes to the front; without one you talk to it there." [NO_SAVE];
    Eval "eval" "[FILE] EXPR" (1, 2)
        "Evaluate an expression and print its result."
        "EXPR `-` is read from standard input. Without FILE it happens in a scratch world. An unhandled error prints its message and stack on standard error, and the exit status is 1; otherwise what changed is durable before the program ends. While the world is open elsewhere, it happens there, in a session of its own." [NO_SAVE];
    Run "run" "FILE SCRIPT [ARG…]" (2, ANY)
        "Run a script: a chunk file or a sequence of statements."
        "The script finds its arguments in `Smalltalk arguments`, and may end with `Smalltalk exit: n`." [NO_SAVE];
    Load "load" "FILE PATH…" (2, ANY)
        "Load sources: Tonel folders and chunk files (.st)."
        "A moment is named before each load; Tonel packages are installed whole or not at all." [PARTIAL];
    Test "test" "FILE [PATTERN]" (1, 2)
        "Run tests in a copy of the world that is dropped afterwards."
        "PATTERN names classes or packages, with * for anything; without it every test runs. The last line is `N passed, N failed`." [];
    Try "try" "FILE" (1, 1)
        "Evaluate standard input in a scratch branch that can touch nothing."
        "The text sees the last saved state of the world, also while it is open elsewhere. It has no files, no network and no window; what it writes is shown, and what it changed is dropped." [SECONDS, BYTES];
    Repl "repl" "FILE" (1, 1)
        "Talk to a world line by line."
        "An undeclared name becomes a variable of the conversation. After an error the process stays suspended: `:stack`, `:up`, `:down`, `:restart`, `:return EXPR`, `:proceed`, `:abandon`. Ctrl-C interrupts, Ctrl-D ends." [NO_SAVE];
    Boot "boot" "FILE" (1, 1)
        "Boot a world on a bare machine, under QEMU."
        "The same file, without an operating system: what is done there is there when it is next opened, and back. `--serial` talks to it on the terminal; Ctrl-C interrupts, Ctrl-D ends. Needs qemu-system-x86_64." [SERIAL, MEMORY, TIMED];
    History "history" "FILE" (1, 1)
        "List the moments that the world keeps." "Newest last, with number, time, name and size." [];
    Name "name" "FILE NAME [MOMENT]" (2, 3)
        "Name the present, or a moment of the past." "A named moment is kept until it is deleted." [];
    Branch "branch" "FILE MOMENT NAME" (3, 3)
        "Make a named moment that starts from another." "" [];
    Restore "restore" "FILE MOMENT" (2, 2)
        "Go back to a moment." "The present becomes a moment first, so nothing is lost." [];
    Delete "delete" "FILE MOMENT" (2, 2)
        "Delete a moment." "What no other moment shares becomes free space." [];
    Check "check" "FILE" (1, 1)
        "Verify a world whole: every block, every object." "Names each damage and what it touches; changes nothing, but for --accept: pages that no copy is whole of become lost objects for good, and automatic moments that need them go." [ACCEPT];
    Info "info" "FILE" (1, 1)
        "Say what a file is: version, size, moments, state." "" [HASH];
    Help "help" "[COMMAND]" (0, 1)
        "Explain a command." "" [];
    Version "version" "" (0, 0)
        "Print the version." "" [];
}

impl Command {
    /// Its row.
    pub fn row(self) -> &'static CommandRow {
        // The table has a row for each variant, in order; both come from one macro.
        &COMMANDS[self as usize]
    }

    /// The command of a word.
    pub fn named(word: &str) -> Option<Command> {
        COMMANDS.iter().find(|row| row.name == word).map(|row| row.command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_finds_its_own_row() {
        for row in COMMANDS {
            assert_eq!(row.command.row().name, row.name);
            assert_eq!(Command::named(row.name), Some(row.command));
            assert!(row.summary.ends_with('.'));
        }
    }
}
