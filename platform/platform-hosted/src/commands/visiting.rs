//! Ours or elsewhere: a command opens its world, or is a guest where it is open.
//!
//! Invariant
//! - W1 The lock is named as the trouble only where its holder lets nobody in.

use super::lines::{Heard, Lines};
use super::repl::{self, Partner};
use crate::attach::{Answer, Hello, Question, Said, Visit, visit};
use crate::cli::{Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::Access;
use crate::keeper::chronicle::Done;
use crate::keeper::{self, Ending, Opened};
use platform::Clock;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vm::interpret::HostValue;

/// Who has the world.
pub(super) enum Whose {
    /// This process.
    Ours(Box<Opened>),
    /// Another, which let us in.
    Elsewhere(Visit),
}

/// How long a holder of the lock may take to open its door, or to close the file behind it.
const PATIENCE: Duration = Duration::from_millis(1500);
const PAUSE: Duration = Duration::from_millis(20);

/// Opens the file to write, or visits the process that has it open.
pub(super) fn open_or_visit(path: &Path, hello: &Hello) -> Result<Whose, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        let locked = match keeper::open(path, Access::Write) {
            Ok(opened) => return Ok(Whose::Ours(Box::new(opened))),
            Err(failure) if failure.exit == Exit::Locked => failure,
            Err(failure) => return Err(failure),
        };
        if let Some(visit) = visit(path, hello)? {
            return Ok(Whose::Elsewhere(visit));
        }
        if Instant::now() > until {
            return Err(locked);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Follows a session elsewhere to its end; leads the conversation, if it is one.
pub(super) fn follow(visit: Visit) -> Result<Exit, Failure> {
    match visit.next()? {
        Said::Exit(status) => Ok(Exit::of(status)),
        Said::Answer(_) => Err(Failure::new(Exit::Io, "the world answers what nobody asked")),
        Said::Talk => match repl::lead(&mut Remote(visit))? {
            Ending::Exit(status) => Ok(Exit::of(status.clamp(0, 255) as u8)),
            Ending::Signal(signal) => Ok(Exit::World(128 + signal as u8)),
            // A conversation elsewhere ends by an exit or a signal.
            Ending::Ended(_) | Ending::Stuck(_) | Ending::GoBack(_) => Ok(Exit::Program),
        },
    }
}

/// Follows a command of the store elsewhere to its end, with what it did if it did it.
pub(super) fn follow_store(visit: Visit) -> Result<(Exit, Option<Done>), Failure> {
    let mut done = None;
    loop {
        match visit.next()? {
            Said::Exit(status) => return Ok((Exit::of(status), done)),
            Said::Answer(Answer::Text(line)) => done = Done::read(&line),
            Said::Answer(_) | Said::Talk => {
                return Err(Failure::new(Exit::Io, "the world answers what nobody asked"));
            }
        }
    }
}

/// A conversation in a world that is open elsewhere.
struct Remote(Visit);

impl Partner for Remote {
    fn waker(&self) -> Arc<HostedClock> {
        self.0.clock()
    }

    fn ask(&mut self, question: Question, text: &str) -> Result<Result<HostValue, Ending>, Failure> {
        Ok(match self.0.ask(question, text)? {
            Said::Answer(Answer::Text(text)) => Ok(HostValue::Text(text)),
            Said::Answer(Answer::Truth(truth)) => Ok(HostValue::Boolean(truth)),
            Said::Answer(Answer::Nothing) => Ok(HostValue::Nil),
            Said::Exit(status) => Err(Ending::Exit(status.into())),
            Said::Talk => return Err(Failure::new(Exit::Io, "the world begins a conversation twice")),
        })
    }

    fn next(&mut self, lines: &mut Lines, prompt: &str) -> Result<Result<Heard, Ending>, Failure> {
        lines.ask(prompt);
        loop {
            if let Some(heard) = lines.heard() {
                return Ok(Ok(heard));
            }
            match self.0.look()? {
                None => self.0.clock().sleep_until(u64::MAX),
                Some(Said::Exit(status)) => return Ok(Err(Ending::Exit(status.into()))),
                Some(_) => return Err(Failure::new(Exit::Io, "the world answers what nobody asked")),
            }
        }
    }

    fn was_answered(&mut self) -> Result<(), Failure> {
        // The owner saves.
        Ok(())
    }
}
