//! Commands on the moments of a world: history, name, branch, restore, delete. They use the file
//! alone; no code of the world runs.

use super::{path, say};
use crate::cli::json::Value;
use crate::cli::{Arguments, Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::Access;
use crate::keeper::{self, Opened, clock_text, failure, find_moment, kind};
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
        let path = self.path.clone();
        let moments = self.opened.world.moments().map_err(|error| failure(&path, &error))?;
        let missing = || {
            let line = format!("{}: no moment {text}; warm history lists them", path.display());
            Failure::new(Exit::Missing, line)
        };
        find_moment(&moments, text).ok_or_else(missing)
    }

    fn close(mut self) -> Result<Exit, Failure> {
        let closed = self.opened.world.close(now());
        closed.map_err(|error| self.told(&error)).map(|()| Exit::Success)
    }

    /// Closes it, and tells a program that asked for JSON which moment it was about.
    fn close_telling(self, arguments: &Arguments, members: Vec<(&'static str, Value)>) -> Result<Exit, Failure> {
        let file = ("file", Value::path(&self.path));
        let exit = self.close()?;
        if arguments.has("--json") {
            say(&Value::Object([file].into_iter().chain(members).collect()).to_string())?;
        }
        Ok(exit)
    }
}

/// A name as it was typed, checked before the world is touched.
fn check_name(path: &Path, name: &str) -> Result<(), Failure> {
    let wrong = |what: &str| Failure::new(Exit::Usage, format!("{}: {what}", path.display()));
    if name.is_empty() {
        return Err(wrong("the name is empty; give one"));
    }
    if name.contains(['\n', '\r']) {
        return Err(wrong("the name has a line end in it; give one of one line"));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong("the name is a number, as the moments' own are; give another"));
    }
    Ok(())
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
    let name = arguments.text(1);
    check_name(&path(arguments, 0), &name)?;
    let mut file = File::open(arguments, Access::Write)?;
    let named = match arguments.words.get(2) {
        None => file.opened.world.name(&name, now()),
        Some(moment) => {
            let id = file.moment(&moment.to_string_lossy())?;
            file.opened.world.rename(id, &name, now()).map(|()| id)
        }
    };
    let id = named.map_err(|error| taken(&file, &error, &name))?;
    file.close_telling(arguments, vec![("moment", Value::Number(id.0.into())), ("name", Value::text(name))])
}

/// The failure, with the name in it where the name is the matter.
fn taken(file: &File, error: &ImageError, name: &str) -> Failure {
    match error {
        ImageError::NameTaken(_) => {
            let line = format!("{}: a moment is named {name} already; give another name", file.path.display());
            Failure::new(Exit::Exists, line)
        }
        other => file.told(other),
    }
}

/// `warm branch FILE MOMENT NAME`
pub fn branch(arguments: &Arguments) -> Result<Exit, Failure> {
    let name = arguments.text(2);
    check_name(&path(arguments, 0), &name)?;
    let mut file = File::open(arguments, Access::Write)?;
    let from = file.moment(&arguments.text(1))?;
    let id = file.opened.world.branch(from, &name, now()).map_err(|error| taken(&file, &error, &name))?;
    file.close_telling(arguments, vec![("moment", Value::Number(id.0.into())), ("name", Value::text(name))])
}

/// `warm restore FILE MOMENT`
pub fn restore(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut file = File::open(arguments, Access::Write)?;
    let to = file.moment(&arguments.text(1))?;
    let before = file.opened.world.restore(to, now()).map_err(|error| file.told(&error))?;
    if !arguments.has("--json") {
        say(&format!("the present was kept as moment {}", before.0))?;
    }
    let members = [("moment", to), ("kept", before)].map(|(name, id)| (name, Value::Number(id.0.into())));
    file.close_telling(arguments, members.into())
}

/// Makes the world in `file`, which nobody has open, what it was at a moment; the present is kept.
pub(super) fn go_back(file: &Path, to: MomentId) -> Result<(), Failure> {
    let mut file = File { path: file.to_owned(), opened: keeper::open(file, Access::Write)? };
    file.opened.world.restore(to, now()).map_err(|error| file.told(&error))?;
    file.close().map(|_| ())
}

/// `warm delete FILE MOMENT`
pub fn delete(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut file = File::open(arguments, Access::Write)?;
    let id = file.moment(&arguments.text(1))?;
    let moments = file.opened.world.moments().map_err(|error| file.told(&error))?;
    let name = moments.iter().find(|moment| moment.id == id).map(|moment| moment.name.clone()).unwrap_or_default();
    file.opened.world.delete(id, now()).map_err(|error| file.told(&error))?;
    file.close_telling(arguments, vec![("moment", Value::Number(id.0.into())), ("name", Value::text_or_null(&name))])
}
