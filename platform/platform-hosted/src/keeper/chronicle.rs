//! Commands on the moments of a world that somebody writes: name, branch, delete.
//!
//! Used by the command that opened the file, and by the process that has it open for a guest.
//!
//! Must not know: who asks.

use super::errors::failure;
use crate::cli::{Exit, Failure};
use image::{ImageError, Moment, MomentId, World};
use std::path::Path;

/// The moment that a text names, by name or number.
pub fn moment(world: &mut World, path: &Path, text: &str) -> Result<MomentId, Failure> {
    let moments: Vec<Moment> = world.moments().map_err(|error| failure(path, &error))?;
    let missing = || {
        let line = format!("{}: no moment {text}; warm history lists them", path.display());
        Failure::new(Exit::Missing, line)
    };
    keeper::find_moment(&moments, text).ok_or_else(missing)
}

/// A name as it was typed, checked before the world is touched.
pub fn check_name(path: &Path, name: &str) -> Result<(), Failure> {
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

/// The failure, with the name in it where the name is the matter.
fn taken(path: &Path, error: &ImageError, name: &str) -> Failure {
    match error {
        ImageError::NameTaken(_) => {
            let line = format!("{}: a moment is named {name} already; give another name", path.display());
            Failure::new(Exit::Exists, line)
        }
        other => failure(path, other),
    }
}

/// What was done: to which moment, and the name that it has or had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The moment.
    pub moment: MomentId,
    /// Its name; empty if it had none.
    pub name: String,
}

impl Done {
    /// What a line of `Display` says.
    pub fn read(line: &str) -> Option<Done> {
        let (number, name) = line.split_once(' ')?;
        Some(Done { moment: MomentId(number.parse().ok()?), name: name.to_owned() })
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, into: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(into, "{} {}", self.moment.0, self.name)
    }
}

/// Names the present, or a moment.
fn name(
    world: &mut World,
    path: &Path,
    name: &str,
    of: Option<&String>,
    wall_ns: i64,
) -> Result<MomentId, Failure> {
    check_name(path, name)?;
    let named = match of {
        None => world.name(name, wall_ns),
        Some(text) => {
            let id = moment(world, path, text)?;
            world.rename(id, name, wall_ns).map(|()| id)
        }
    };
    named.map_err(|error| taken(path, &error, name))
}

/// The name of a moment.
fn name_of(world: &mut World, path: &Path, id: MomentId) -> Result<String, Failure> {
    let moments = world.moments().map_err(|error| failure(path, &error))?;
    Ok(moments.into_iter().find(|moment| moment.id == id).map(|moment| moment.name).unwrap_or_default())
}

/// Carries out `name`, `branch` or `delete` with the words behind the file's name.
pub fn carry_out(
    world: &mut World,
    path: &Path,
    command: &str,
    words: &[String],
    wall_ns: i64,
) -> Result<Done, Failure> {
    match (command, words) {
        ("name", [new]) => name(world, path, new, None, wall_ns).map(|moment| Done { moment, name: new.clone() }),
        ("name", [new, of]) => {
            name(world, path, new, Some(of), wall_ns).map(|moment| Done { moment, name: new.clone() })
        }
        ("branch", [from, new]) => {
            check_name(path, new)?;
            let from = moment(world, path, from)?;
            let made = world.branch(from, new, wall_ns).map_err(|error| taken(path, &error, new))?;
            Ok(Done { moment: made, name: new.clone() })
        }
        ("delete", [which]) => {
            let id = moment(world, path, which)?;
            let name = name_of(world, path, id)?;
            world.delete(id, wall_ns).map_err(|error| failure(path, &error))?;
            Ok(Done { moment: id, name })
        }
        _ => Err(Failure::new(Exit::Usage, format!("{command} does not take {} words", words.len()))),
    }
}
