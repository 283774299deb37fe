//! The program under measurement: built, run and timed as a whole process.

use crate::steps::root;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// The release build of `warm`.
pub fn path() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("release/warm")
}

/// Builds it.
pub fn build() -> Result<(), String> {
    cargo_build(&mut Command::new(cargo()), &[])
}

/// The cargo that runs this.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the program without the store barrier, in a target folder of its own; answers its path.
/// It must only be run with `--no-save`.
pub fn build_without_barrier() -> Result<PathBuf, String> {
    let target = path().ancestors().nth(2).map(|folder| folder.join("without-barrier"));
    let target = target.ok_or("no target folder")?;
    let mut command = Command::new(cargo());
    command.env("CARGO_TARGET_DIR", &target);
    cargo_build(&mut command, &["--features", "platform-hosted/without-barrier"])?;
    Ok(target.join("release/warm"))
}

fn cargo_build(command: &mut Command, features: &[&str]) -> Result<(), String> {
    let status = command
        .args(["build", "--quiet", "--release", "--package", "platform-hosted"])
        .args(features)
        .current_dir(root())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the release build ended with {status}")),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
}

/// A folder that goes with its figure.
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty one.
    pub fn new() -> Result<Folder, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("warm-bench-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }

    /// A path in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A new world in it.
    pub fn world(&self, name: &str) -> Result<PathBuf, String> {
        let file = self.file(name);
        warm(&["new".as_ref(), file.as_os_str()])?;
        Ok(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs the program; answers what it printed.
pub fn warm(words: &[&std::ffi::OsStr]) -> Result<String, String> {
    run(&path(), words)
}

/// Runs a build of the program; answers what it printed.
pub fn run(program: &Path, words: &[&std::ffi::OsStr]) -> Result<String, String> {
    let output = Command::new(program).args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start warm: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().next().unwrap_or("nothing said").to_owned();
        return Err(format!("warm {:?} ended with {}: {first}", words.first(), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Evaluates an expression in a world.
pub fn eval(world: &Path, expression: &str, save: bool) -> Result<String, String> {
    let mut words = vec!["eval".as_ref(), world.as_os_str(), expression.as_ref()];
    if !save {
        words.push("--no-save".as_ref());
    }
    warm(&words)
}

/// Evaluates and reads the result as a number.
pub fn number(world: &Path, expression: &str) -> Result<f64, String> {
    let text = eval(world, expression, false)?;
    text.trim().parse().map_err(|_| format!("{text:?} is not a number"))
}

/// The wall time of a whole process in milliseconds, `count` times.
pub fn times_ms(count: usize, words: &[&std::ffi::OsStr]) -> Result<Vec<f64>, String> {
    warm(words)?;
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        warm(words)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}
