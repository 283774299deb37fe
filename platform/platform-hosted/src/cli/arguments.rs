//! From words to a command: options, arguments, near misses.

use super::exit::{Exit, Failure};
use super::table::{COMMANDS, Command};
use std::ffi::OsString;

/// A command line that is well formed.
#[derive(Debug)]
pub struct Arguments {
    /// The command.
    pub command: Command,
    /// Its arguments.
    pub words: Vec<OsString>,
    /// The options that were given, with their values.
    pub options: Vec<(&'static str, Option<OsString>)>,
    /// Whether help on the command was asked for.
    pub wants_help: bool,
}

impl Arguments {
    /// Whether an option was given.
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|(name, _)| *name == option)
    }

    /// An argument as text; paths that are not UTF-8 are shown with replacement characters.
    pub fn text(&self, index: usize) -> String {
        self.words.get(index).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// Edit distance, for suggestions.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = names.map(|name| (distance(word, name), name)).min();
    match near {
        Some((distance, name)) if distance <= 2 && distance < word.chars().count() => {
            format!("; did you mean {name}?")
        }
        _ => String::new(),
    }
}

/// Which command the first word calls; `None` if it is a file to open.
fn command_of(word: &str) -> Result<Option<Command>, Failure> {
    let command = match word {
        "--help" | "-h" => Command::Help,
        "--version" | "-V" => Command::Version,
        option if option.starts_with('-') && option != "-" => {
            return Err(usage(format!("no option {option} here; see warm --help")));
        }
        word => match Command::named(word) {
            Some(command) => command,
            None if word.contains(['/', '.']) || std::path::Path::new(word).exists() => {
                return Ok(None);
            }
            None => {
                let near = nearest(word, COMMANDS.iter().map(|row| row.name));
                return Err(usage(format!("no command and no file {word}{near}; see warm --help")));
            }
        },
    };
    Ok(Some(command))
}

/// Makes sense of the words after the program's name.
pub fn parse(words: Vec<OsString>) -> Result<Arguments, Failure> {
    let mut words = words.into_iter().peekable();
    let Some(first) = words.peek().map(|word| word.to_string_lossy().into_owned()) else {
        return Ok(Arguments {
            command: Command::Home,
            words: Vec::new(),
            options: Vec::new(),
            wants_help: false,
        });
    };
    let command = match command_of(&first)? {
        Some(command) => {
            words.next();
            command
        }
        None => Command::Open,
    };
    let mut arguments =
        Arguments { command, words: Vec::new(), options: Vec::new(), wants_help: false };
    take_words(&mut arguments, words)?;
    check_count(&arguments)?;
    Ok(arguments)
}

/// Whether words from `index` on belong to the world's program, dashes and all.
fn is_foreign(command: Command, index: usize) -> bool {
    match command {
        Command::Open => index >= 1,
        Command::Run => index >= 2,
        _ => false,
    }
}

fn take_words(
    arguments: &mut Arguments,
    mut words: impl Iterator<Item = OsString>,
) -> Result<(), Failure> {
    let row = arguments.command.row();
    let mut only_words = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let is_option = text.starts_with("--") || text == "-h";
        if only_words || !is_option || is_foreign(row.command, arguments.words.len()) {
            // `run FILE SCRIPT --no-save` is ours when it comes last, as the usage line shows it.
            if text == "--no-save" && is_foreign(row.command, arguments.words.len()) {
                arguments.options.push(("--no-save", None));
            } else {
                arguments.words.push(word);
            }
        } else if text == "--" {
            only_words = true;
        } else if text == "--help" || text == "-h" {
            arguments.wants_help = true;
        } else {
            let option = row.options.iter().find(|option| option.name == text).ok_or_else(|| {
                let near = nearest(&text, row.options.iter().map(|option| option.name));
                usage(format!("warm {} has no option {text}{near}", row.name))
            })?;
            let value = match option.value {
                Some(what) => Some(words.next().ok_or_else(|| {
                    usage(format!("option {text} of warm {} needs {what}", row.name))
                })?),
                None => None,
            };
            arguments.options.push((option.name, value));
        }
    }
    Ok(())
}

fn check_count(arguments: &Arguments) -> Result<(), Failure> {
    let row = arguments.command.row();
    let (least, most) = row.count;
    let count = arguments.words.len();
    if arguments.wants_help || (least..=most).contains(&count) {
        return Ok(());
    }
    let wrong = if count < least { "too few arguments" } else { "too many arguments" };
    Err(usage(format!("{wrong}; usage: warm {} {}", row.name, row.arguments)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let words = line.split_whitespace().map(OsString::from).collect();
        let seen = match parse(words) {
            Ok(a) => {
                let names: Vec<&str> = a.options.iter().map(|(name, _)| *name).collect();
                format!("{:?} {:?} {names:?}{}", a.command, a.words, if a.wants_help { " help" } else { "" })
            }
            Err(failure) => format!("{} {}", failure.exit.number(), failure.message),
        };
        assert_eq!(seen, expect, "for {line:?}");
    }

    #[test]
    fn words_become_commands() {
        check("", "Home [] []");
        check("a.world", "Open [\"a.world\"] []");
        check("a.world --x -y", "Open [\"a.world\", \"--x\", \"-y\"] []");
        check("eval 3", "Eval [\"3\"] []");
        check("eval a.world 3 --no-save", "Eval [\"a.world\", \"3\"] [\"--no-save\"]");
        check("eval --no-save -", "Eval [\"-\"] [\"--no-save\"]");
        check("eval -- --3", "Eval [\"--3\"] []");
        check("run w s --verbose", "Run [\"w\", \"s\", \"--verbose\"] []");
        check("run w s a --no-save", "Run [\"w\", \"s\", \"a\"] [\"--no-save\"]");
        check("test --help", "Test [] [] help");
        check("--version", "Version [] []");
    }

    #[test]
    fn wrong_words_are_told_in_one_line() {
        check("evla 3", "64 no command and no file evla; did you mean eval?; see warm --help");
        check("qqqqqq", "64 no command and no file qqqqqq; see warm --help");
        check("--evil", "64 no option --evil here; see warm --help");
        check("new", "64 too few arguments; usage: warm new FILE");
        check("new a b", "64 too many arguments; usage: warm new FILE");
        check("eval --no-sav 3", "64 warm eval has no option --no-sav; did you mean --no-save?");
    }
}
