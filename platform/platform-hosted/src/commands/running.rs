//! Commands that run code of a world: open, eval, run, load, test, repl.

use super::visiting::{self, Whose, open_or_visit};
use super::recording::{self, Record};
use super::{outside, path, repl};
use crate::attach::Hello;
use crate::cli::{Arguments, Exit, Failure};
use crate::file_store::Access;
use crate::keeper::{self, Ending, Living, Saving};
use crate::window::Port;
use image::MomentId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use vm::interpret::{Ended, HostValue};

pub(super) fn text(text: impl Into<String>) -> HostValue {
    HostValue::Text(text.into())
}

fn working_folder() -> HostValue {
    std::env::current_dir().map_or(HostValue::Nil, |folder| text(folder.to_string_lossy()))
}

/// {what it is about. arguments. working folder}, as `Session class >> start:with:` takes it.
pub(super) fn orders(subject: HostValue, arguments: &[OsString]) -> Vec<HostValue> {
    let words = arguments.iter().map(|word| text(word.to_string_lossy())).collect();
    vec![subject, HostValue::List(words), working_folder()]
}

/// Where a session runs.
enum Place {
    /// In a world that lives here.
    Here(Box<Living>),
    /// It ran where the world is open.
    Elsewhere(Exit),
}

/// What a session is started with, wherever it runs.
struct Wish<'a> {
    kind: &'a str,
    subject: Option<String>,
    words: &'a [OsString],
}

impl Wish<'_> {
    fn hello(&self) -> Hello {
        let folder = std::env::current_dir().ok().map(|folder| folder.to_string_lossy().into_owned());
        let words = self.words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Hello { kind: self.kind.to_owned(), subject: self.subject.clone(), words, folder, ..Hello::default() }
    }

    fn orders(&self) -> Vec<HostValue> {
        orders(self.subject.clone().map_or(HostValue::Nil, HostValue::Text), self.words)
    }
}

/// Brings the world in `file` to life, to be saved or not; or has the wish fulfilled where it is open.
/// One that is not saved is a scratch branch of the last committed state, beside whoever has it open.
fn place(file: &Path, saving: Saving, wish: &Wish<'_>) -> Result<Place, Failure> {
    if saving == Saving::Never {
        return Ok(Place::Here(Box::new(Living::begin(keeper::open(file, access(saving))?, saving)?)));
    }
    match open_or_visit(file, &wish.hello())? {
        Whose::Ours(opened) => Ok(Place::Here(Box::new(Living::begin(*opened, saving)?))),
        Whose::Elsewhere(visit) => visiting::follow(visit).map(Place::Elsewhere),
    }
}

/// Fulfils a wish that ends by itself.
fn fulfil(file: &Path, saving: Saving, wish: &Wish<'_>) -> Result<Exit, Failure> {
    match place(file, saving, wish)? {
        Place::Elsewhere(exit) => Ok(exit),
        Place::Here(mut living) => {
            if wish.kind == "load" {
                living.name_moment("before load")?;
            }
            let ending = living.session(wish.kind, wish.orders())?;
            conclude(*living, ending)
        }
    }
}

fn access(saving: Saving) -> Access {
    if saving == Saving::Never { Access::Beside } else { Access::Write }
}

fn saving(arguments: &Arguments) -> Saving {
    if arguments.has("--no-save") { Saving::Never } else { Saving::Automatic }
}

/// Saves what was done, and says with what status the program ends.
pub(super) fn conclude(mut living: Living, ending: Ending) -> Result<Exit, Failure> {
    if !matches!(ending, Ending::Signal(_)) {
        living.outlast_guests()?;
    }
    let exit = match ending {
        Ending::Exit(status) => Exit::World(status.clamp(0, 255) as u8),
        // Only a window offers to go back, and `open` then does.
        Ending::Ended(Ended::Value(_) | Ended::Terminated) | Ending::GoBack(_) => Exit::Success,
        Ending::Ended(Ended::Failed(trace)) => {
            eprintln!("warm: the machine gave a process up: {trace}");
            Exit::Program
        }
        Ending::Stuck(trace) => {
            eprintln!("warm: every process waits, and nothing can come to wake one\n{}", trace.trim_end());
            Exit::Program
        }
        Ending::Signal(signal) => Exit::World(128 + signal as u8),
    };
    match (living.finish(), exit) {
        (Ok(()), exit) => Ok(exit),
        (Err(failure), Exit::Success | Exit::World(0)) => Err(failure),
        (Err(failure), exit) => {
            failure.report();
            Ok(exit)
        }
    }
}

/// `warm eval [FILE] EXPR`
pub fn eval(arguments: &Arguments) -> Result<Exit, Failure> {
    let (file, source) = match arguments.words.as_slice() {
        [source] => (None, source),
        [file, source, ..] => (Some(PathBuf::from(file)), source),
        [] => return Err(Failure::new(Exit::Usage, "no expression")),
    };
    let source = if source == "-" { standard_input()? } else { source.to_string_lossy().into_owned() };
    let wish = Wish { kind: "eval", subject: Some(source), words: &[] };
    let Some(file) = file else {
        let mut living = Living::scratch(keeper::scratch()?)?;
        let ending = living.session(wish.kind, wish.orders())?;
        return conclude(living, ending);
    };
    fulfil(&file, saving(arguments), &wish)
}

pub(super) fn standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)
        .map_err(|error| Failure::new(Exit::Io, format!("standard input: {error}")))?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(Exit::Damaged, format!("standard input is not UTF-8 at byte {at}"))
    })
}

/// What must be there before a world is opened for it.
fn must_exist(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(()),
        Err(error) => {
            let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::Missing } else { Exit::Io };
            let why = crate::file_store::plain(&error);
            Err(Failure::new(exit, format!("cannot open {}: {why}", path.display())))
        }
    }
}

/// `warm run FILE SCRIPT [ARG…]`
pub fn script(arguments: &Arguments) -> Result<Exit, Failure> {
    let script = path(arguments, 1);
    must_exist(&script)?;
    let words = arguments.words.get(2..).unwrap_or_default();
    let wish = Wish { kind: "run", subject: Some(script.to_string_lossy().into_owned()), words };
    fulfil(&path(arguments, 0), saving(arguments), &wish)
}

/// `warm load FILE PATH…`
pub fn load(arguments: &Arguments) -> Result<Exit, Failure> {
    let paths = arguments.words.get(1..).unwrap_or_default();
    paths.iter().try_for_each(|path| must_exist(Path::new(path)))?;
    let partial = if arguments.has("--partial") { "partial" } else { "whole" };
    let wish = Wish { kind: "load", subject: Some(partial.to_owned()), words: paths };
    fulfil(&path(arguments, 0), Saving::Automatic, &wish)
}

/// What `CommandLine class >> test:in:` is told: the form of the output, the JUnit file or nothing, and
/// where the record goes, or nothing.
fn test_wishes(arguments: &Arguments, record: Option<&Record>) -> Result<[OsString; 3], Failure> {
    let form = if arguments.has("--json") { "json" } else { "text" };
    let file = arguments.value("--junit").cloned().unwrap_or_default();
    if let Some(folder) = Path::new(&file).parent().filter(|folder| !folder.as_os_str().is_empty()) {
        must_exist(folder)?;
    }
    Ok([form.into(), file, recording::word(record)])
}

/// `warm test FILE [PATTERN]`: nothing of it is kept but the record of which tests ran what.
pub fn test(arguments: &Arguments) -> Result<Exit, Failure> {
    let record = if arguments.has("--no-save") { None } else { Some(Record::new()?) };
    let wishes = test_wishes(arguments, record.as_ref())?;
    let pattern = arguments.words.get(1).map(|word| word.to_string_lossy().into_owned());
    let wish = Wish { kind: "test", subject: pattern, words: &wishes };
    let file = path(arguments, 0);
    let exit = fulfil(&file, Saving::Never, &wish)?;
    if let Some(record) = record {
        record.deliver(|path| {
            let subject = Some(path.to_string_lossy().into_owned());
            fulfil(&file, Saving::Automatic, &Wish { kind: "record", subject, words: &[] })
        });
    }
    Ok(exit)
}

/// `warm repl FILE`
pub fn repl(arguments: &Arguments) -> Result<Exit, Failure> {
    let wish = Wish { kind: "repl", subject: None, words: &[] };
    match place(&path(arguments, 0), saving(arguments), &wish)? {
        Place::Elsewhere(exit) => Ok(exit),
        Place::Here(mut living) => {
            let ending = living.session(wish.kind, wish.orders())?;
            talk(*living, ending)
        }
    }
}

/// `warm FILE [ARG…]`
pub fn open(arguments: &Arguments) -> Result<Exit, Failure> {
    open_file(&path(arguments, 0), arguments.words.get(1..).unwrap_or_default(), saving(arguments))
}

/// A session that ends with this status, and a moment's number more, asks to go back to that moment
/// and to be opened again there (`Session>>goBackTo:` in the world).
const GO_BACK: i64 = 1 << 40;
/// The same, but it asks not to be opened again.
const GO_BACK_AND_END: i64 = 1 << 41;

/// Where a session that ended wants to go back to, and whether it is opened again there.
fn way_back(ending: &Ending) -> Option<(MomentId, bool)> {
    let status = match *ending {
        Ending::Exit(status) => status,
        Ending::GoBack(moment) => return Some((moment, true)),
        _ => return None,
    };
    let moment = |base: i64| (status >= base).then(|| MomentId((status - base) as u64));
    moment(GO_BACK_AND_END).map(|id| (id, false)).or_else(|| moment(GO_BACK).map(|id| (id, true)))
}

/// Opens a world where it can show windows: the machine then runs on a thread of its own. A session
/// that goes back to a moment gets an instance built anew, in this process. Where the world is open
/// already, its window comes to the front, or its owner gets a guest to talk to; who cannot talk, as
/// after a double click, gets a window that says so.
fn open_file(file: &Path, words: &[OsString], saving: Saving) -> Result<Exit, Failure> {
    let only_sees = outside::only_sees();
    let kind = if only_sees { "show" } else { "open" };
    let wish = Wish { kind, subject: Some(file.to_string_lossy().into_owned()), words };
    let opened = match saving {
        Saving::Never => keeper::open(file, access(saving)),
        Saving::Automatic => match open_or_visit(file, &wish.hello()) {
            Ok(Whose::Ours(opened)) => Ok(*opened),
            Ok(Whose::Elsewhere(visit)) => match visiting::follow(visit) {
                // It is shown there, or was talked to.
                Ok(exit) => return Ok(exit),
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        },
    };
    let opened = match opened {
        Err(failure) if !(only_sees && outside::is_locked(&failure)) => return Err(failure),
        other => other,
    };
    let (file, words) = (file.to_owned(), words.to_vec());
    let mut opened = Some(opened);
    crate::window::lead(move |port| {
        loop {
            let opened = match opened.take() {
                Some(Ok(opened)) => opened,
                Some(Err(locked)) => match outside::wait(&port, &file, locked)? {
                    Some(opened) => opened,
                    None => return Ok(Exit::Locked),
                },
                None => keeper::open(&file, access(saving))?,
            };
            let mut living = Living::begin_shown(opened, saving, port.clone())?;
            tell_age(&mut living, &file, &port)?;
            let ending = living.session("open", orders(text(file.to_string_lossy()), &words))?;
            let Some((moment, again)) = way_back(&ending) else { return talk(living, ending) };
            living.finish()?;
            super::moments::go_back(&file, moment)?;
            if !again {
                return Ok(Exit::Success);
            }
        }
    })
}

/// A world whose library is older than this program's opens, and it is said: on standard error, and in
/// the title of its window, for such a world cannot say it itself.
fn tell_age(living: &mut Living, file: &Path, port: &Port) -> Result<(), Failure> {
    let (has, ours) = (living.library_edition()?, i64::from(first_world::EDITION));
    if has < ours {
        let file = file.display();
        eprintln!("warm: the library of {file} is older than this program's (edition {has}, not {ours}); it opens as it is");
        port.set_remark("its library is older than the program");
    }
    Ok(())
}

/// The world answered a conversation: lead it; else it is done.
fn talk(mut living: Living, ending: Ending) -> Result<Exit, Failure> {
    match ending {
        Ending::Ended(Ended::Value(conversation)) => {
            let ending = repl::lead(&mut repl::Here::with(&mut living, conversation)?)?;
            conclude(living, ending)
        }
        other => conclude(living, other),
    }
}

/// `warm`: the home world, made the first time.
pub fn home() -> Result<Exit, Failure> {
    let folder = super::user_folder("XDG_DATA_HOME", ".local/share");
    let missing = || Failure::new(Exit::Missing, "HOME and XDG_DATA_HOME are not set; say warm FILE");
    let folder = folder.ok_or_else(missing)?.join("warm");
    let file = folder.join("home.world");
    if !file.exists() {
        std::fs::create_dir_all(&folder).map_err(|error| {
            let why = crate::file_store::plain(&error);
            Failure::new(Exit::Io, format!("cannot make {}: {why}", folder.display()))
        })?;
        match keeper::make(&file) {
            // Another `warm` made it at the same time.
            Err(failure) if failure.exit == Exit::Exists && file.exists() => {}
            made => made?,
        }
    }
    open_file(&file, &[], Saving::Automatic)
}
