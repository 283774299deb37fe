//! A world that is open in a window, as one person has it before them.
//!
//! Invariant
//! - X1 Whoever waits here waits for something that happens, so a machine that is busy makes a test slow,
//!   never wrong.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::time::{PATIENCE, wait_for, wait_until};
use crate::common::{command, warm};
use crate::screen::{Screen, artefacts};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};

/// A world that is open in a window.
pub struct Open {
    child: Child,
    lines: Receiver<String>,
    world: String,
    title: String,
    window: String,
    screen: Rc<Screen>,
}

/// Opens a world and waits until its window takes keys.
pub fn open(screen: &Rc<Screen>, world: &str) -> Open {
    begin(screen, command(&["open", world]), world)
}

/// The same, by a command of one's own. What the program writes comes by lines.
pub fn begin(screen: &Rc<Screen>, mut command: Command, world: &str) -> Open {
    command.env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY").stdout(Stdio::piped());
    let mut child = command.spawn().expect("warm starts");
    let (send, lines) = channel();
    let out = child.stdout.take().expect("its output");
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let title = Path::new(world).file_name().expect("a name").to_string_lossy().into_owned();
    let (world, window) = (world.to_owned(), String::new());
    let mut open = Open { child, lines, world, title, window, screen: screen.clone() };
    open.awaits_another_window();
    open
}

impl Open {
    fn windows(&self) -> Vec<String> {
        self.screen.windows(&["--name", &self.title])
    }

    /// Waits until there is a window, another than the one before, that shows something and has the
    /// keyboard.
    #[track_caller]
    pub fn awaits_another_window(&mut self) {
        self.window = wait_for("the window", || {
            let found = self.windows();
            if found.contains(&self.window) { None } else { found.into_iter().next() }
        });
        self.screen.shows("something in the window", |picture| picture.colours() > 20);
        self.screen.does(&["windowfocus", "--sync", &self.window]);
    }

    /// Waits until the program writes this line.
    #[track_caller]
    pub fn awaits_line(&self, wanted: &str) {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if line == wanted {
                return;
            }
        }
        panic!("the program never wrote {wanted:?}");
    }

    /// Waits until the world, as it was saved last, answers so. It is saved every two seconds while
    /// there is something to save, and asked beside the program that has it open.
    #[track_caller]
    pub fn awaits(&self, question: &str, answer: &str) {
        let question = format!("[ {question} ] on: Error do: [ :error | #notYet ]");
        wait_until(&format!("{answer} of {question}"), || self.answer(&question) == answer);
    }

    /// What the world says, as it was saved last; or why it says nothing.
    pub fn answer(&self, question: &str) -> String {
        let run = warm(&["eval", &self.world, question, "--no-save"]);
        if run.status == 0 { run.out.trim().trim_matches('\'').to_owned() } else { run.err }
    }

    /// Kills it, as a power cut would; its window is gone then.
    pub fn kill(mut self) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
        wait_until("the window's end", || self.windows().is_empty());
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub fn ends_well(mut self) {
        let status = wait_for("the end of the program", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "{status}");
        wait_until("the window's end", || self.windows().is_empty());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What there was to see when the test failed.
            let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
            self.screen.picture().save(&artefacts().join(format!("failed-{name}.png")));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a world that nobody has open.
#[track_caller]
pub fn asks(world: &str, question: &str) -> String {
    let run = warm(&["eval", world, question]);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out.trim().trim_matches('\'').to_owned()
}
