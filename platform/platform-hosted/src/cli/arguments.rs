//! From words to a command: options, arguments, near misses.

use super::exit::{Exit, Failure};
use super::near::nearest;
use super::table::{COMMANDS, Command, CommandRow};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

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

    /// The value of an option, the last one if it was given several times.
    pub fn value(&self, option: &str) -> Option<&OsString> {
        let mut given = self.options.iter().rev().filter(|(name, _)| *name == option);
        given.next().and_then(|(_, value)| value.as_ref())
    }

    /// An argument as text; paths that are not UTF-8 are shown with replacement characters.
    pub fn text(&self, index: usize) -> String {
        self.words.get(index).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// Which command the first word calls; `None` if it is a file to open.
fn command_of(word: &str) -> Result<Option<Command>, Failure> {
    let command = match word {
        "--help" | "-h" => Command::Help,
        "--version" | "-V" => Command::Version,
        option if option.starts_with('-') && option != "-" => {
            let near = nearest(option, ["--help", "--version"].into_iter());
            return Err(usage(format!("no option {option} here{near}; see warm --help")));
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

/// Whether a word is meant as an option. An expression may begin with a minus.
fn is_option(command: Command, text: &str) -> bool {
    let is_short = || {
        let letter = text.strip_prefix('-').and_then(|rest| rest.chars().next());
        command != Command::Eval && letter.is_some_and(char::is_alphabetic)
    };
    text.starts_with("--") || text == "-h" || is_short()
}

fn take_words(
    arguments: &mut Arguments,
    mut words: impl Iterator<Item = OsString>,
) -> Result<(), Failure> {
    let row = arguments.command.row();
    let mut only_words = false;
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        let is_foreign = is_foreign(row.command, arguments.words.len());
        if only_words || is_foreign || !is_option(row.command, &text) {
            // `run FILE SCRIPT --no-save` is ours when it comes last, as the usage line shows it.
            if text == "--no-save" && is_foreign {
                arguments.options.push(("--no-save", None));
            } else {
                arguments.words.push(word);
            }
        } else if text == "--" {
            only_words = true;
        } else if text == "--help" || text == "-h" {
            arguments.wants_help = true;
        } else {
            arguments.options.push(take_option(row, &word, &mut words)?);
        }
    }
    Ok(())
}

/// An option with its value, which may be the next word or stand behind `=`.
fn take_option(
    row: &CommandRow,
    word: &OsString,
    words: &mut impl Iterator<Item = OsString>,
) -> Result<(&'static str, Option<OsString>), Failure> {
    let bytes = word.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
    let name = String::from_utf8_lossy(&bytes[..end]);
    let attached = bytes.get(end + 1..).map(|value| OsStr::from_bytes(value).to_owned());
    let names = || row.options.iter().map(|option| option.name).chain(["--help"]);
    let unknown = || usage(format!("warm {} has no option {name}{}", row.name, nearest(&name, names())));
    let option = row.options.iter().find(|option| option.name == name).ok_or_else(unknown)?;
    let Some(what) = option.value else {
        return match attached {
            None => Ok((option.name, None)),
            Some(_) => Err(usage(format!("option {name} of warm {} takes no value", row.name))),
        };
    };
    match attached.or_else(|| words.next()) {
        Some(value) if !value.is_empty() => Ok((option.name, Some(value))),
        _ => Err(usage(format!("option {name} of warm {} needs {what}", row.name))),
    }
}

fn check_count(arguments: &Arguments) -> Result<(), Failure> {
    let row = arguments.command.row();
    if arguments.wants_help {
        return Ok(());
    }
    let (least, most) = row.count;
    let usage_line = format!("usage: {}", row.usage());
    if let Some(extra) = arguments.words.get(most) {
        return Err(usage(format!("one argument too many: {}; {usage_line}", extra.to_string_lossy())));
    }
    let needed = row.arguments.split_whitespace().filter(|word| !word.starts_with('['));
    match needed.map(|word| word.trim_end_matches('…')).nth(arguments.words.len()) {
        Some(missing) if arguments.words.len() < least => Err(usage(format!("{missing} is missing; {usage_line}"))),
        _ => check_file(arguments),
    }
}

/// An empty word is no file: an unset variable in a script, most often.
fn check_file(arguments: &Arguments) -> Result<(), Failure> {
    let row = arguments.command.row();
    let first = arguments.words.first().filter(|_| row.arguments.starts_with("FILE"));
    match first {
        Some(file) if file.is_empty() => Err(usage(format!("FILE is empty; usage: {}", row.usage()))),
        _ => Ok(()),
    }
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
        check("eval -x", "Eval [\"-x\"] []");
        check("info -- -x", "Info [\"-x\"] []");
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
        check("--versoin", "64 no option --versoin here; did you mean --version?; see warm --help");
        check("new", "64 FILE is missing; usage: warm new FILE");
        check("new a b", "64 one argument too many: b; usage: warm new FILE");
        check("run a", "64 SCRIPT is missing; usage: warm run FILE SCRIPT [ARG…] [--no-save]");
        check("load a", "64 PATH is missing; usage: warm load FILE PATH… [--partial]");
        check("eval", "64 EXPR is missing; usage: warm eval [FILE] EXPR [--no-save]");
        check("branch a 3", "64 NAME is missing; usage: warm branch FILE MOMENT NAME [--json]");
        check("eval --no-sav 3", "64 warm eval has no option --no-sav; did you mean --no-save?");
        check("info --no-save a", "64 warm info has no option --no-save");
        check("info -j a", "64 warm info has no option -j");
        check("info --hlep", "64 warm info has no option --hlep; did you mean --help?");
        check("info --json=yes a", "64 option --json of warm info takes no value");
        check("try a --seconds", "64 option --seconds of warm try needs N");
        check("try a --seconds=", "64 option --seconds of warm try needs N");
    }

    #[test]
    fn an_empty_file_name_is_told() {
        let failure = parse(vec!["info".into(), "".into()]).unwrap_err();
        assert_eq!((failure.exit, &*failure.message), (Exit::Usage, "FILE is empty; usage: warm info FILE [--hash] [--json]"));
    }

    #[test]
    fn values_of_options_may_stand_apart_or_behind_an_equals_sign() {
        for line in ["test w --junit a=b.xml", "test w --junit=a=b.xml", "test --junit=x --junit a=b.xml w"] {
            let parsed = parse(line.split(' ').map(OsString::from).collect()).unwrap();
            assert_eq!(parsed.value("--junit"), Some(&OsString::from("a=b.xml")), "{line}");
            assert_eq!(parsed.words, ["w"], "{line}");
        }
    }

    #[test]
    fn every_command_tells_what_is_missing_unknown_or_too_much() {
        for row in COMMANDS {
            let parsed = |words: Vec<&str>| parse([row.name].into_iter().chain(words).map(OsString::from).collect());
            let (least, most) = row.count;
            for count in 0..least {
                let failure = parsed(vec!["w"; count]).unwrap_err();
                assert!(failure.message.contains(" is missing; usage: warm "), "{}: {}", row.name, failure.message);
            }
            if most < ANY_COUNT {
                let failure = parsed(vec!["w"; most + 1]).unwrap_err();
                assert!(failure.message.starts_with("one argument too many: w; "), "{}", failure.message);
            }
            let failure = parsed(vec!["--frobnicate"]).unwrap_err();
            assert!(failure.message.contains("has no option --frobnicate"), "{}", failure.message);
            assert!(parsed(vec!["--help"]).unwrap().wants_help);
        }
    }

    /// More arguments than anybody counts.
    const ANY_COUNT: usize = 100;
}
