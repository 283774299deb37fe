//! A world that is open in one program, and others that are its guests.

#![allow(dead_code, reason = "each test program uses its part")]

use super::common::time::wait_until;
use super::common::{Folder, Run, command, end_of};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A REPL on a pipe that has the world open until it is dropped or left.
pub struct Owner {
    /// The program.
    pub child: Child,
    lines: Option<ChildStdin>,
}

/// A program whose sockets stand in the test's own folder.
pub fn beside(folder: &Folder, words: &[&str]) -> Command {
    let mut command = command(words);
    command.env("XDG_RUNTIME_DIR", folder.path(""));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it.
pub fn run(folder: &Folder, words: &[&str]) -> Run {
    end_of(beside(folder, words).spawn().unwrap())
}

/// Runs it with something on standard input.
pub fn run_with_input(folder: &Folder, words: &[&str], input: &str) -> Run {
    let mut child = beside(folder, words).stdin(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    end_of(child)
}

impl Owner {
    /// Opens it, and waits until it answers.
    pub fn of(folder: &Folder, file: &str) -> Owner {
        let mut child = beside(folder, &["repl", file]).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = child.stdin.take().unwrap();
        lines.write_all(b"Session current stdout nextPutAll: 'ready'; lf; flush\n").unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        // Nobody waits for a full pipe.
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        Owner { child, lines: Some(lines) }
    }

    /// A line for it.
    pub fn say(&mut self, line: &str) {
        self.lines.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Its input ends; its exit status.
    pub fn leave(mut self) -> i32 {
        drop(self.lines.take());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until the world answers so to an expression.
#[track_caller]
pub fn await_answer(folder: &Folder, file: &str, expression: &str, answer: &str) {
    let what = format!("{answer} of {expression}");
    wait_until(&what, || run(folder, &["eval", file, expression]).out.trim_end() == answer);
}

/// How many sessions of guests are open: one, whoever asks.
pub const GUESTS: &str = "(Session all select: [ :each | each isGuest ]) size";
