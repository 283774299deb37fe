//! `cargo xtask startup-order`: writes `bootstrap-image/world/startup.list` anew.
//!
//! The list names the methods that an opening runs, in the order in which they first do: those of an
//! expression, then of a script, then of a window. A new world has them side by side, so that an opening
//! brings few pages. A list that is out of date costs time, nothing else.

use crate::bench::program::{self, Folder};
use crate::bench::window;
use crate::steps::root;
use std::collections::HashSet;
use std::process::ExitCode;

/// Prints the methods that ran so far.
const LIST: &str = "Machine current decodedMethods do: [ :each | \
    (each isKindOf: CompiledMethod) ifTrue: [ Session current stdout nextPutAll: each printString; lf ] ]";

/// Writes the list; says how long it is.
pub fn main() -> ExitCode {
    match write() {
        Ok(count) => {
            println!("{count} methods");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<usize, String> {
    program::build()?;
    let folder = Folder::new()?;
    let world = folder.world("a.world")?;
    let script = folder.file("list.st");
    std::fs::write(&script, LIST).map_err(|error| format!("{}: {error}", script.display()))?;
    let said = [
        program::eval(&world, LIST, false)?,
        program::warm(&[
            "run".as_ref(),
            world.as_os_str(),
            script.as_os_str(),
            "--no-save".as_ref(),
        ])?,
        // A guest: it speaks in the process of the window.
        window::while_shown(|world| program::eval(world, LIST, true))?,
    ];
    let mut seen = HashSet::new();
    let names: Vec<&str> = said
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| line.contains(">>#") && !line.contains("DoIt") && seen.insert(*line))
        .collect();
    let path = root().join("bootstrap-image/world/startup.list");
    let text: String = names.iter().flat_map(|name| [*name, "\n"]).collect();
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(names.len())
}
