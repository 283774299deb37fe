//! A program that runs while its test goes on: its lines are heard as they come, so that the test does
//! the next thing when the program has said that it is ready, and never earlier.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::time::{PATIENCE, wait_until};
use crate::common::{Run, end_of, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

/// A running program.
pub struct Talker {
    /// Itself; its outputs are taken.
    pub child: Child,
    lines: Receiver<String>,
    errors: Arc<Mutex<String>>,
    listener: Option<std::thread::JoinHandle<()>>,
}

impl Talker {
    /// Starts one. Standard input is the command's.
    pub fn start(mut command: Command) -> Talker {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (send, lines) = channel();
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || {
            let mut line = String::new();
            while out.read_line(&mut line).is_ok_and(|count| count > 0) {
                if send.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        let errors = Arc::new(Mutex::new(String::new()));
        let (mut from, into) = (child.stderr.take().expect("its errors"), errors.clone());
        let listener = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                into.lock().expect("no poison").push_str(&String::from_utf8_lossy(&piece[..count]));
            }
        });
        Talker { child, lines, errors, listener: Some(listener) }
    }

    /// Starts one that is spoken to.
    pub fn with_input(mut command: Command) -> Talker {
        command.stdin(Stdio::piped());
        Talker::start(command)
    }

    /// Its next line.
    #[track_caller]
    pub fn line(&mut self) -> String {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line.trim_end_matches('\n').to_owned(),
            Err(error) => panic!("no line came ({error}); errors: {:?}", self.errors()),
        }
    }

    /// Waits until it says a line.
    #[track_caller]
    pub fn await_line(&mut self, expected: &str) {
        while self.line() != expected {}
    }

    /// What it wrote as errors so far.
    pub fn errors(&self) -> String {
        self.errors.lock().expect("no poison").clone()
    }

    /// Waits until it has written something as an error.
    #[track_caller]
    pub fn await_error(&mut self, part: &str) {
        wait_until(part, || self.errors().contains(part));
    }

    /// Says something to it.
    pub fn say(&mut self, text: &str) {
        self.child.stdin.as_mut().expect("its input").write_all(text.as_bytes()).expect("it listens");
    }

    /// Sends it a signal, by name.
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Ends it as the power would.
    pub fn kill(mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
    }

    /// Closes its input and waits for its end; answers the rest of what it said.
    #[track_caller]
    pub fn end(self) -> Run {
        let Talker { child, lines, errors, listener } = self;
        let mut run = end_of(child);
        run.out = lines.iter().collect();
        listener.into_iter().for_each(|listener| listener.join().expect("all errors are heard"));
        run.err = errors.lock().expect("no poison").clone();
        run
    }
}
