//! From a fresh clone to the first answer: what somebody waits for who has just heard of Warm.
//!
//! The last commit is cloned into a new folder, built there as the README says, on two cores, and a new
//! world is asked a question. What cargo downloads is not counted: the clone finds it on the machine.

use super::program::{self, Folder};
use super::{Measured, Outcome};
use crate::steps::root;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// `clone_to_prompt_s`.
pub fn clone_to_prompt() -> Outcome {
    let folder = Folder::new()?;
    ended("cargo fetch", Command::new(program::cargo()).args(["fetch", "--quiet", "--locked"]).current_dir(root()))?;
    let (clone, world) = (folder.file("clone"), folder.file("new.world"));
    let start = Instant::now();
    ended("git clone", Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&clone))?;
    cargo_run(&clone, &["new".as_ref(), world.as_os_str()])?;
    let program = clone.join("target/release/warm");
    let said = program::run(&program, &["eval".as_ref(), world.as_os_str(), "3 + 4".as_ref()])?;
    let seconds = start.elapsed().as_secs_f64();
    if said != "7\n" { Err(format!("it answered {said:?}")) } else { Ok(Measured::exact(seconds)) }
}

/// `cargo run --release` in the clone, with a target folder of its own and no flags from here.
fn cargo_run(clone: &Path, words: &[&std::ffi::OsStr]) -> Result<(), String> {
    let mut cargo = Command::new(program::cargo());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_ours = text.starts_with("CARGO_") && text != "CARGO_HOME" || text.starts_with("WARM_");
        if is_ours || text == "RUSTFLAGS" {
            cargo.env_remove(&name);
        }
    }
    cargo.args(["run", "--quiet", "--release", "--locked", "--offline", "--jobs", "2", "--"]).args(words);
    ended("cargo run", cargo.current_dir(clone))
}

fn ended(what: &str, command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} ended with {status}")),
        Err(error) => Err(format!("{what} cannot be started: {error}")),
    }
}
