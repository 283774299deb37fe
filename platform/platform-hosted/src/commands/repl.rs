//! The conversation: lines from a person or a pipe, answers from the world.
//!
//! Invariant
//! - N1 While a line is waited for the world lives: its processes run, it is saved, and a signal of
//!   the system ends the conversation as it would end a program.
//!
//! What a line means is the world's affair (`Repl` in the world).

use super::lines::{Heard, Lines};
use crate::cli::{Exit, Failure};
use crate::keeper::{Ending, Living};
use std::io::{IsTerminal, Write};
use vm::interpret::{Ended, Handle, HostValue};

/// Leads a conversation with the world's `Repl` object to its end.
pub fn lead(living: &mut Living, conversation: Handle) -> Result<Ending, Failure> {
    let told = |error| Failure::new(Exit::Io, format!("no thread to read lines: {error}"));
    let mut lines = Lines::of_input(living.waker()).map_err(told)?;
    if std::io::stdin().is_terminal() {
        with_person(living, conversation, &mut lines)
    } else {
        from_pipe(living, conversation, &mut lines)
    }
}

/// The next line, or how the conversation ends; the world lives meanwhile (N1).
fn next(living: &mut Living, lines: &mut Lines, prompt: &str) -> Result<Result<Heard, Ending>, Failure> {
    lines.ask(prompt);
    living.live_until(&mut || lines.heard())
}

/// Sends the world a text; answers what it says, or how the session ended.
fn ask(living: &mut Living, to: Handle, selector: &str, words: &[&str]) -> Result<Result<HostValue, Ending>, Failure> {
    let mut handles = Vec::new();
    for word in words {
        let made = living.vm.make(&HostValue::Text((*word).to_owned()));
        handles.push(made.ok_or_else(|| Failure::new(Exit::Io, "memory is full"))?);
    }
    let ending = living.send(to, selector, &handles)?;
    handles.into_iter().for_each(|handle| living.vm.release(handle));
    Ok(match ending {
        Ending::Ended(Ended::Value(value)) => {
            let answer = living.vm.value_of(value).unwrap_or(HostValue::Nil);
            living.vm.release(value);
            Ok(answer)
        }
        Ending::Ended(Ended::Failed(trace)) => Ok(HostValue::Text(format!("the machine gave it up: {trace}"))),
        other => Err(other),
    })
}

/// Submits a text and shows the answer; `Some` if the session ended by it.
fn submit(living: &mut Living, to: Handle, source: &str) -> Result<Option<Ending>, Failure> {
    match ask(living, to, "submit:", &[source])? {
        Err(ending) => return Ok(Some(ending)),
        Ok(HostValue::Text(answer)) if !answer.is_empty() => {
            if writeln!(std::io::stdout(), "{}", answer.trim_end_matches('\n')).is_err() {
                return Ok(Some(Ending::Exit(0)));
            }
        }
        Ok(_) => {}
    }
    living.save_soon()?;
    Ok(None)
}

/// The end of a conversation whose input failed: it is told, and what was done is saved as ever.
fn broken_off(what: String) -> Ending {
    Failure::new(Exit::Io, what).report();
    Ending::Exit(Exit::Io.number().into())
}

fn is_incomplete(living: &mut Living, to: Handle, source: &str) -> Result<bool, Failure> {
    Ok(matches!(ask(living, to, "isIncomplete:", &[source])?, Ok(HostValue::Boolean(true))))
}

fn from_pipe(living: &mut Living, to: Handle, lines: &mut Lines) -> Result<Ending, Failure> {
    let mut source = String::new();
    loop {
        match next(living, lines, "")? {
            Ok(Heard::Line(line)) => source.push_str(&line),
            Ok(Heard::Dropped | Heard::End) => break,
            Ok(Heard::Failed(what)) => return Ok(broken_off(what)),
            Err(ending) => return Ok(ending),
        }
        if is_incomplete(living, to, &source)? {
            source.push('\n');
            continue;
        }
        if let Some(ending) = submit(living, to, &std::mem::take(&mut source))? {
            return Ok(ending);
        }
    }
    if !source.trim().is_empty()
        && let Some(ending) = submit(living, to, &source)?
    {
        return Ok(ending);
    }
    Ok(Ending::Exit(0))
}

fn with_person(living: &mut Living, to: Handle, lines: &mut Lines) -> Result<Ending, Failure> {
    loop {
        if let Ok(HostValue::Text(names)) = ask(living, to, "allNames", &[])? {
            lines.complete(names.lines().map(str::to_owned).collect());
        }
        let prompt = match ask(living, to, "prompt", &[])? {
            Ok(HostValue::Text(prompt)) => prompt,
            Ok(_) => "> ".to_owned(),
            Err(ending) => return Ok(ending),
        };
        let source = match read(living, to, lines, &prompt)? {
            Ok(source) => source,
            Err(ending) => return Ok(ending),
        };
        if source.trim().is_empty() {
            continue;
        }
        lines.remember(&source);
        if let Some(ending) = submit(living, to, &source)? {
            return Ok(ending);
        }
    }
}

/// Reads lines until they make a whole, or answers how the conversation ends.
fn read(living: &mut Living, to: Handle, lines: &mut Lines, prompt: &str) -> Result<Result<String, Ending>, Failure> {
    let mut source = String::new();
    loop {
        let shown = if source.is_empty() { prompt } else { "| " };
        match next(living, lines, shown)? {
            Ok(Heard::Line(line)) => source.push_str(&line),
            // Ctrl-C drops the line; Ctrl-D ends.
            Ok(Heard::Dropped) => return Ok(Ok(String::new())),
            Ok(Heard::End) => return Ok(Err(Ending::Exit(0))),
            Ok(Heard::Failed(what)) => return Ok(Err(broken_off(what))),
            Err(ending) => return Ok(Err(ending)),
        }
        if source.trim().is_empty() || !is_incomplete(living, to, &source)? {
            return Ok(Ok(source));
        }
        source.push('\n');
    }
}
