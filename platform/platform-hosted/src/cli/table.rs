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
    /// A command line that shows its use.
    pub example: &'static str,
    /// Its options.
    pub options: &'static [OptionRow],
}

macro_rules! commands {
    ($($command:ident $name:literal $arguments:literal ($least:expr, $most:expr) $summary:literal $details:literal $example:literal [$($option:expr),*];)*) => {
        /// A command.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Command { $(#[doc = $summary] $command,)* }

        /// Every command, in the order of the help.
        pub const COMMANDS: &[CommandRow] = &[$(CommandRow {
            command: Command::$command, name: $name, arguments: $arguments, count: ($least, $most),
            summary: $summary, details: $details, example: $example, options: &[$($option),*],
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
const DISPLAY: OptionRow =
    OptionRow { name: "--display", value: Some("NAME"), summary: "how QEMU shows its window: gtk, sdl, none" };
const TIMED: OptionRow =
    OptionRow { name: "--timed", value: None, summary: "say how long the boot took" };
const SECONDS: OptionRow =
    OptionRow { name: "--seconds", value: Some("N"), summary: "end it after so many seconds (60)" };
const BYTES: OptionRow = OptionRow {
    name: "--bytes",
    value: Some("N"),
    summary: "let it use at most so many bytes of memory (1 GiB)",
};

const JSON: OptionRow =
    OptionRow { name: "--json", value: None, summary: "print one line of JSON for a program to read" };
const JUNIT: OptionRow =
    OptionRow { name: "--junit", value: Some("PATH"), summary: "also write what each test came to to PATH, as JUnit XML" };
const REMOVE: OptionRow =
    OptionRow { name: "--remove", value: None, summary: "take all of it back" };

commands! {
    Home "home" "" (0, 0)
        "Open your home world, made the first time."
        "It stands in the folder of your data (XDG_DATA_HOME, or ~/.local/share) as warm/home.world. `warm` alone does the same."
        "warm" [];
    New "new" "FILE" (1, 1)
        "Make a new world."
        "Refuses if FILE exists."
        "warm new garden.world" [];
    Open "open" "FILE [ARG…]" (1, ANY)
        "Open a world: its main handler if it has one, else the prompt."
        "This is what the first line of a world's file calls when the file is executed. `warm FILE` is the same. What happens is saved every two seconds and at the end. Where it is open already, its window comes to the front; without one you talk to it there."
        "warm garden.world" [NO_SAVE];
    Eval "eval" "[FILE] EXPR" (1, 2)
        "Evaluate an expression and print its result."
        "EXPR `-` is read from standard input. Without FILE it happens in a scratch world. An unhandled error prints its message and stack on standard error, and the exit status is 1; otherwise what changed is durable before the program ends. While the world is open elsewhere, it happens there, in a session of its own."
        "warm eval garden.world 'Smalltalk at: #Beds put: 3'" [NO_SAVE];
    Run "run" "FILE SCRIPT [ARG…]" (2, ANY)
        "Run a script: a chunk file or a sequence of statements."
        "The script finds its arguments in `Smalltalk arguments`, and may end with `Smalltalk exit: n`."
        "warm run garden.world water.st north 3" [NO_SAVE];
    Load "load" "FILE PATH…" (2, ANY)
        "Load sources: Tonel folders and chunk files (.st)."
        "A moment is named before each load; Tonel packages are installed whole or not at all."
        "warm load garden.world src/Garden" [PARTIAL];
    Test "test" "FILE [PATTERN]" (1, 2)
        "Run tests in a copy of the world that is dropped afterwards."
        "PATTERN names classes or packages, with * for anything; without it every test runs. The last line is `N passed, N failed`. Ctrl-C ends the run; the world is as it was."
        "warm test garden.world 'Garden*' --junit report.xml" [JSON, JUNIT];
    Try "try" "FILE" (1, 1)
        "Evaluate standard input in a scratch branch that can touch nothing."
        "The text sees the last saved state of the world, also while it is open elsewhere. It has no files, no network and no window; what it writes is shown, and what it changed is dropped."
        "echo '100 factorial printString size' | warm try garden.world --seconds 5" [SECONDS, BYTES];
    Repl "repl" "FILE" (1, 1)
        "Talk to a world line by line."
        "An undeclared name becomes a variable of the conversation. After an error the process stays suspended: `:stack`, `:up`, `:down`, `:restart`, `:return EXPR`, `:proceed`, `:abandon`. Ctrl-C interrupts, Ctrl-D ends."
        "warm repl garden.world" [NO_SAVE];
    Boot "boot" "FILE" (1, 1)
        "Boot a world on a bare machine, under QEMU."
        "The same file, without an operating system: what is done there is there when it is next opened, and back. It shows its window; `--serial` talks to it on the terminal instead: Ctrl-C interrupts, Ctrl-D ends. Needs qemu-system-x86_64."
        "warm boot garden.world" [SERIAL, DISPLAY, MEMORY, TIMED];
    History "history" "FILE" (1, 1)
        "List the moments that the world keeps."
        "Newest last, with number, time, kind and name; also while the world is open."
        "warm history garden.world" [JSON];
    Name "name" "FILE NAME [MOMENT]" (2, 3)
        "Name the present, or a moment of the past."
        "A named moment is kept until it is deleted. MOMENT is a number or a name that `warm history` lists."
        "warm name garden.world 'before the frost'" [JSON];
    Branch "branch" "FILE MOMENT NAME" (3, 3)
        "Make a named moment that starts from another."
        "The present stays what it is; `warm restore` goes to the branch."
        "warm branch garden.world 'before the frost' 'another spring'" [JSON];
    Restore "restore" "FILE MOMENT" (2, 2)
        "Go back to a moment."
        "The present becomes a moment first, so nothing is lost. A world that is open elsewhere is not taken from under whoever works in it: go back there, or close it first."
        "warm restore garden.world 'before the frost'" [JSON];
    Delete "delete" "FILE MOMENT" (2, 2)
        "Delete a moment."
        "What no other moment shares becomes free space."
        "warm delete garden.world 'another spring'" [JSON];
    Check "check" "FILE" (1, 1)
        "Verify a world whole: every block, every object."
        "Names each damage and what it touches; changes nothing, but for --accept, which needs the world closed: pages that no copy is whole of become lost objects for good, automatic moments that need them go, and so do edits of a journal that cannot be read."
        "warm check garden.world" [ACCEPT, JSON];
    Info "info" "FILE" (1, 1)
        "Say what a file is: version, size, moments, state."
        "It reads the file's records only, so it is quick, and it may be asked while the world is open."
        "warm info garden.world" [HASH, JSON];
    Register "register" "" (0, 0)
        "Let your desktop open worlds: their type, icon and program entry."
        "Afterwards a double click on a .world opens it. All of it stands in the folder of your data (XDG_DATA_HOME, or ~/.local/share); --remove takes all of it back. Needs update-mime-database and update-desktop-database."
        "warm register" [REMOVE];
    Completions "completions" "SHELL" (1, 1)
        "Print what lets a shell complete warm's command lines."
        "SHELL is bash, zsh or fish. For bash, put it where the example does, or source it from ~/.bashrc; for zsh, into a folder of $fpath as _warm; for fish, into ~/.config/fish/completions/warm.fish."
        "warm completions bash > ~/.local/share/bash-completion/completions/warm" [];
    Man "man" "" (0, 0)
        "Print the manual page, for man or troff."
        "It is made from the same table as this help."
        "warm man | man -l -" [];
    Help "help" "[COMMAND]" (0, 1)
        "Explain a command."
        "Without COMMAND it lists them all, and the exit status that each way to end has."
        "warm help restore" [];
    Version "version" "" (0, 0)
        "Print the version."
        "It is the program's; `warm info` says a file's."
        "warm version" [];
}

impl CommandRow {
    /// Its usage in a line: words, then options.
    pub fn usage(&self) -> String {
        let mut line = format!("warm {}", self.name);
        if !self.arguments.is_empty() {
            line = format!("{line} {}", self.arguments);
        }
        for option in self.options {
            line.push_str(&match option.value {
                Some(value) => format!(" [{} {value}]", option.name),
                None => format!(" [{}]", option.name),
            });
        }
        line
    }
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
    fn every_command_that_offers_json_says_what_is_in_it() {
        for row in COMMANDS {
            let offers = row.options.iter().any(|option| option.name == "--json");
            assert_eq!(offers, !super::super::json::fields(row.command).is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn examples_are_command_lines_that_are_well_formed() {
        for row in COMMANDS {
            let at = row.example.find("warm").unwrap();
            let line = row.example[at + 4..].split(['|', '>']).next().unwrap();
            let words: Vec<_> = split(line).into_iter().map(Into::into).collect();
            let parsed = super::super::parse(words).unwrap_or_else(|failure| panic!("{}: {failure:?}", row.example));
            assert!(row.command == parsed.command || row.name == "open", "{}", row.example);
        }
    }

    /// The words of a command line, those in quotes together.
    fn split(line: &str) -> Vec<String> {
        let words = line.split('\'').enumerate().flat_map(|(nth, part)| match nth % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_command_finds_its_own_row() {
        for row in COMMANDS {
            assert_eq!(row.command.row().name, row.name);
            assert_eq!(Command::named(row.name), Some(row.command));
            assert!(row.summary.ends_with('.'));
            assert!(row.details.ends_with('.'), "{}", row.name);
            assert!(row.example.contains("warm"), "{}", row.name);
        }
    }
}
