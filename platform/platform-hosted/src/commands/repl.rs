//! The conversation: lines from a person or a pipe, answers from the world.
//!
//! Invariant
//! - N1 While a line is waited for the world lives: its processes run, it is saved, and a signal of
//!   the system ends the conversation as it would end a program.
//!
//! What a line means is the world's affair (`Repl` in the world).

use super::lines::{Heard, Lines};
use crate::attach::Question;
use crate::cli::{Exit, Failure};
use crate::clock::HostedClock;
use crate::keeper::{Ending, Living};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use vm::interpret::{Ended, Handle, HostValue};

/// A `Repl` object, in a world that lives here or elsewhere.
pub(super) trait Partner {
    /// What wakes whoever waits for a line.
    fn waker(&self) -> Arc<HostedClock>;
    /// Asks it; answers what it says, or how the session ended.
    fn ask(&mut self, question: Question, text: &str) -> Result<Result<HostValue, Ending>, Failure>;
    /// The next line, or how the conversation ends; the world lives meanwhile (N1).
    fn next(&mut self, lines: &mut Lines, prompt: &str) -> Result<Result<Heard, Ending>, Failure>;
    /// A line was dealt with.
    fn was_answered(&mut self) -> Result<(), Failure>;
}

/// A conversation in the world that lives here.
pub(super) struct Here<'a> {
    /// The world.
    pub living: &'a mut Living,
    /// Its `Repl` object.
    pub conversation: Handle,
    /// For which session it is led; `None` in a world of before that does not say.
    pub session: Option<Handle>,
}

impl Here<'_> {
    /// A conversation that a session answered. Its lines work for that session, from their first
    /// instruction: the newest one may be a guest's.
    pub fn with(living: &mut Living, conversation: Handle) -> Result<Here<'_>, Failure> {
        let session = if living.vm.understands(conversation, "session") {
            match living.send(conversation, "session", &[], None)? {
                Ending::Ended(Ended::Value(session)) => Some(session),
                _ => None,
            }
        } else {
            None
        };
        Ok(Here { living, conversation, session })
    }
}

impl Partner for Here<'_> {
    fn waker(&self) -> Arc<HostedClock> {
        self.living.waker()
    }

    fn ask(&mut self, question: Question, text: &str) -> Result<Result<HostValue, Ending>, Failure> {
        let (selector, takes_text) = question.selector();
        let mut handles = Vec::new();
        if takes_text {
            let made = self.living.vm.make(&HostValue::Text(text.to_owned()));
            handles.push(made.ok_or_else(|| Failure::new(Exit::Io, "memory is full"))?);
        }
        let ending = self.living.send(self.conversation, selector, &handles, self.session)?;
        handles.into_iter().for_each(|handle| self.living.vm.release(handle));
        Ok(match ending {
            Ending::Ended(Ended::Value(value)) => {
                let answer = self.living.vm.value_of(value).unwrap_or(HostValue::Nil);
                self.living.vm.release(value);
                Ok(answer)
            }
            Ending::Ended(Ended::Failed(trace)) => Ok(HostValue::Text(format!("the machine gave it up: {trace}"))),
            other => Err(other),
        })
    }

    fn next(&mut self, lines: &mut Lines, prompt: &str) -> Result<Result<Heard, Ending>, Failure> {
        lines.ask(prompt);
        self.living.live_until(&mut || lines.heard(), None)
    }

    fn was_answered(&mut self) -> Result<(), Failure> {
        self.living.save_soon()
    }
}

/// Leads a conversation to its end.
pub(super) fn lead(partner: &mut impl Partner) -> Result<Ending, Failure> {
    let told = |error| Failure::new(Exit::Io, format!("no thread to read lines: {error}"));
    let mut lines = Lines::of_input(partner.waker()).map_err(told)?;
    if std::io::stdin().is_terminal() { with_person(partner, &mut lines) } else { from_pipe(partner, &mut lines) }
}

/// Submits a text and shows the answer; `Some` if the session ended by it.
fn submit(partner: &mut impl Partner, source: &str) -> Result<Option<Ending>, Failure> {
    match partner.ask(Question::Submit, source)? {
        Err(ending) => return Ok(Some(ending)),
        Ok(HostValue::Text(answer)) if !answer.is_empty() => {
            if writeln!(std::io::stdout(), "{}", answer.trim_end_matches('\n')).is_err() {
                return Ok(Some(Ending::Exit(0)));
            }
        }
        Ok(_) => {}
    }
    partner.was_answered()?;
    Ok(None)
}

/// The end of a conversation whose input failed: it is told, and what was done is saved as ever.
fn broken_off(what: String) -> Ending {
    Failure::new(Exit::Io, what).report();
    Ending::Exit(Exit::Io.number().into())
}

/// Whether a text lacks its end, or how the session ended meanwhile.
fn is_incomplete(partner: &mut impl Partner, source: &str) -> Result<Result<bool, Ending>, Failure> {
    Ok(partner.ask(Question::IsIncomplete, source)?.map(|answer| answer == HostValue::Boolean(true)))
}

fn from_pipe(partner: &mut impl Partner, lines: &mut Lines) -> Result<Ending, Failure> {
    let mut source = String::new();
    loop {
        match partner.next(lines, "")? {
            Ok(Heard::Line(line)) => source.push_str(&line),
            Ok(Heard::Dropped | Heard::End) => break,
            Ok(Heard::Failed(what)) => return Ok(broken_off(what)),
            Err(ending) => return Ok(ending),
        }
        match is_incomplete(partner, &source)? {
            Ok(true) => {
                source.push('\n');
                continue;
            }
            Ok(false) => {}
            Err(ending) => return Ok(ending),
        }
        if let Some(ending) = submit(partner, &std::mem::take(&mut source))? {
            return Ok(ending);
        }
    }
    if !source.trim().is_empty()
        && let Some(ending) = submit(partner, &source)?
    {
        return Ok(ending);
    }
    end(partner)
}

/// The conversation is over: its session ends, and what works for it. A world of before that knew
/// nothing of this leaves its processes suspended.
fn end(partner: &mut impl Partner) -> Result<Ending, Failure> {
    Ok(match partner.ask(Question::Close, "")? {
        Err(Ending::Stuck(_)) | Ok(_) => Ending::Exit(0),
        Err(ending) => ending,
    })
}

fn with_person(partner: &mut impl Partner, lines: &mut Lines) -> Result<Ending, Failure> {
    loop {
        match partner.ask(Question::AllNames, "")? {
            Ok(HostValue::Text(names)) => lines.complete(names.lines().map(str::to_owned).collect()),
            Ok(_) => {}
            Err(ending) => return Ok(ending),
        }
        let prompt = match partner.ask(Question::Prompt, "")? {
            Ok(HostValue::Text(prompt)) => prompt,
            Ok(_) => "> ".to_owned(),
            Err(ending) => return Ok(ending),
        };
        let source = match read(partner, lines, &prompt)? {
            Ok(source) => source,
            Err(ending) => return Ok(ending),
        };
        if source.trim().is_empty() {
            continue;
        }
        lines.remember(&source);
        if let Some(ending) = submit(partner, &source)? {
            return Ok(ending);
        }
    }
}

/// Reads lines until they make a whole, or answers how the conversation ends.
fn read(partner: &mut impl Partner, lines: &mut Lines, prompt: &str) -> Result<Result<String, Ending>, Failure> {
    let mut source = String::new();
    loop {
        let shown = if source.is_empty() { prompt } else { "| " };
        match partner.next(lines, shown)? {
            Ok(Heard::Line(line)) => source.push_str(&line),
            // Ctrl-C drops the line; Ctrl-D ends.
            Ok(Heard::Dropped) => return Ok(Ok(String::new())),
            Ok(Heard::End) => return end(partner).map(Err),
            Ok(Heard::Failed(what)) => return Ok(Err(broken_off(what))),
            Err(ending) => return Ok(Err(ending)),
        }
        if source.trim().is_empty() {
            return Ok(Ok(source));
        }
        match is_incomplete(partner, &source)? {
            Ok(true) => source.push('\n'),
            Ok(false) => return Ok(Ok(source)),
            Err(ending) => return Ok(Err(ending)),
        }
    }
}
