//! Commands on the moments of a world: history, name, branch, restore, delete. No code of the world
//! runs for them. What changes a world that is open is carried out by the process that has it.

use super::visiting::{self, Whose, open_or_visit};
use super::{path, say};
use crate::attach::Hello;
use crate::cli::json::Value;
use crate::cli::{Arguments, Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::Access;
use crate::keeper::{self, Opened, chronicle::{self, Done}, clock_text, failure, kind};
use image::{ImageError, Moment, MomentId, Origin};
use platform::Clock;
use std::path::{Path, PathBuf};

fn now() -> i64 {
    HostedClock::default().wall_ns()
}

struct File {
    path: PathBuf,
    opened: Opened,
}

impl File {
    fn open(arguments: &Arguments, access: Access) -> Result<File, Failure> {
        let path = path(arguments, 0);
        let opened = keeper::open(&path, access)?;
        Ok(File { path, opened })
    }

    fn told(&self, error: &ImageError) -> Failure {
        failure(&self.path, error)
    }

    /// The moment that an argument names, by name or number.
    fn moment(&mut self, text: &str) -> Result<MomentId, Failure> {
        chronicle::moment(&mut self.opened.world, &self.path, text)
    }

    fn close(mut self) -> Result<Exit, Failure> {
        let closed = self.opened.world.close(now());
        closed.map_err(|error| self.told(&error)).map(|()| Exit::Success)
    }
}

/// Tells a program that asked for JSON which moments it was about.
fn tell(arguments: &Arguments, members: Vec<(&'static str, Value)>) -> Result<(), Failure> {
    if !arguments.has("--json") {
        return Ok(());
    }
    let file = ("file", Value::path(&path(arguments, 0)));
    say(&Value::Object([file].into_iter().chain(members).collect()).to_string())
}

/// Carries out a command of the store, here or where the file is open.
fn carry_out(command: &'static str, arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(arguments, 0);
    let words: Vec<String> = (1..arguments.words.len()).map(|at| arguments.text(at)).collect();
    let hello = Hello { kind: command.to_owned(), words: words.clone(), ..Hello::default() };
    let (exit, done) = match open_or_visit(&path, &hello)? {
        Whose::Elsewhere(visit) => visiting::follow_store(visit)?,
        Whose::Ours(opened) => {
            let mut file = File { path, opened: *opened };
            let done = chronicle::carry_out(&mut file.opened.world, &file.path, command, &words, now())?;
            (file.close()?, Some(done))
        }
    };
    if let Some(Done { moment, name }) = done {
        tell(arguments, vec![("moment", Value::Number(moment.0.into())), ("name", Value::text_or_null(&name))])?;
    }
    Ok(exit)
}

/// `warm history FILE`
pub fn history(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut file = File::open(arguments, Access::Beside)?;
    let path = file.path.clone();
    let moments = file.opened.world.moments().map_err(|error| failure(&path, &error))?;
    if arguments.has("--json") {
        let moments = moments.iter().map(object).collect();
        let all = Value::Object(vec![("file", Value::path(&path)), ("moments", Value::List(moments))]);
        say(&all.to_string())?;
        return Ok(Exit::Success);
    }
    for moment in moments {
        let how = match moment.origin {
            Origin::Replaced => ", before a restore",
            Origin::Branched => ", a branch",
            _ => "",
        };
        say(&format!(
            "{:>6}  {}  {:<10} {}{how}",
            moment.id.0,
            clock_text(moment.wall_ns),
            kind(&moment),
            moment.name
        ))?;
    }
    Ok(Exit::Success)
}

/// A moment for a program to read.
fn object(moment: &Moment) -> Value {
    let origin = match moment.origin {
        Origin::Snapshot => "snapshot",
        Origin::Named => "named",
        Origin::Branched => "branched",
        Origin::Replaced => "replaced",
        Origin::Pinned => "pinned",
    };
    Value::Object(vec![
        ("id", Value::Number(moment.id.0.into())),
        ("parent", Value::Number(moment.parent.0.into())),
        ("time", Value::time(moment.wall_ns)),
        ("kind", Value::text(kind(moment))),
        ("origin", Value::text(origin)),
        ("name", Value::text_or_null(&moment.name)),
    ])
}

/// `warm name FILE NAME [MOMENT]`
pub fn name(arguments: &Arguments) -> Result<Exit, Failure> {
    chronicle::check_name(&path(arguments, 0), &arguments.text(1))?;
    carry_out("name", arguments)
}

/// `warm branch FILE MOMENT NAME`
pub fn branch(arguments: &Arguments) -> Result<Exit, Failure> {
    chronicle::check_name(&path(arguments, 0), &arguments.text(2))?;
    carry_out("branch", arguments)
}

/// `warm restore FILE MOMENT`
pub fn restore(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut file = File::open(arguments, Access::Write).map_err(|failure| match failure.exit {
        Exit::Locked => {
            let path = path(arguments, 0);
            let line = format!("{} is open in another process; go back there, or close it and then restore", path.display());
            Failure::new(Exit::Locked, line)
        }
        _ => failure,
    })?;
    let to = file.moment(&arguments.text(1))?;
    let before = file.opened.world.restore(to, now()).map_err(|error| file.told(&error))?;
    if !arguments.has("--json") {
        say(&format!("the present was kept as moment {}", before.0))?;
    }
    let exit = file.close()?;
    let members = [("moment", to), ("kept", before)].map(|(name, id)| (name, Value::Number(id.0.into())));
    tell(arguments, members.into())?;
    Ok(exit)
}

/// Makes the world in `file`, which nobody has open, what it was at a moment; the present is kept.
pub(super) fn go_back(file: &Path, to: MomentId) -> Result<(), Failure> {
    let mut file = File { path: file.to_owned(), opened: keeper::open(file, Access::Write)? };
    file.opened.world.restore(to, now()).map_err(|error| file.told(&error))?;
    file.close().map(|_| ())
}

/// `warm delete FILE MOMENT`
pub fn delete(arguments: &Arguments) -> Result<Exit, Failure> {
    carry_out("delete", arguments)
}
