//! Running the `warm` program as a user would, in a folder of its own.

#![allow(dead_code, reason = "each test program uses its part")]

#[path = "../../../../tests/common/time.rs"]
pub mod time;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use time::PATIENCE;

/// A folder that goes with its test.
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// A new, empty one.
    pub fn new(name: &str) -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("warm-{name}-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder { path }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A path in it, as text.
    pub fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// A new world in it.
    pub fn world(&self, name: &str) -> String {
        let file = self.text(name);
        assert_eq!(warm(&["new", &file]).status, 0);
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Run {
    /// Exit status; 128 + signal if it was ended by one.
    pub status: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Run {
        use std::os::unix::process::ExitStatusExt;
        let signal = output.status.signal();
        Run {
            status: output.status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default()),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// The program, ready to be given more: the one that was built with the tests, or WARM_PROGRAM.
pub fn command(words: &[&str]) -> Command {
    let program = std::env::var_os("WARM_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_warm").into());
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null());
    command
}

/// Starts the program with its outputs kept.
pub fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of what was started; what hangs is killed, and fails.
#[track_caller]
pub fn end_of(child: Child) -> Run {
    let (ended, waits) = channel::<()>();
    let id = child.id().to_string();
    let watch = std::thread::spawn(move || {
        let hangs = waits.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout);
        if hangs {
            let _ = Command::new("kill").args(["-KILL", &id]).status();
        }
        hangs
    });
    let run: Run = child.wait_with_output().unwrap().into();
    drop(ended);
    assert!(!watch.join().unwrap(), "it hangs: {run:?}");
    run
}

/// Runs the program.
#[track_caller]
pub fn warm(words: &[&str]) -> Run {
    end_of(start(command(words)))
}

/// Runs the program with something on standard input.
#[track_caller]
pub fn warm_with_input(words: &[&str], input: &str) -> Run {
    let mut command = command(words);
    command.stdin(Stdio::piped());
    let mut child = start(command);
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    end_of(child)
}

/// Sends a signal, by name. The child must not have been waited for: its number is still its own.
pub fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// Asserts a one-line refusal that says `what`, and answers it.
#[track_caller]
pub fn refused(run: &Run, status: i32, what: &str) {
    assert_eq!(run.status, status, "{run:?}");
    assert!(run.err.starts_with("warm: "), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
    assert!(run.err.contains(what), "{what:?} is not in {run:?}");
    assert_eq!(run.out, "", "{run:?}");
}

/// The bytes of a file.
pub fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
