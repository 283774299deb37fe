//! The conversation over the serial line: lines in, answers out; what a line means is the world's
//! affair (`Repl` in the world).
//!
//! Invariants
//! - T1 The world goes on living while a line is typed.
//! - T2 With nobody at the line (a pipe) there is no prompt and no echo: the same input gives the same
//!   transcript as on a hosted machine.

use crate::console;
use crate::line::{Line, Typed};
use crate::living::{Came, Living};
use crate::serial;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vm::interpret::{Ended, Handle, HostValue};

/// How a conversation goes on.
enum Heard {
    /// A line.
    Line(String),
    /// The line was given up (interrupt key).
    Dropped,
    /// Nothing more comes.
    End,
    /// A session ended meanwhile.
    Exit(i64),
}

/// Leads a conversation to its end; answers the status.
pub fn lead(living: &mut Living, conversation: Handle, is_terminal: bool) -> i64 {
    // A line works for the session from its first instruction.
    let session = match living.send(conversation, "session", &[], None) {
        Came::Ended(Ended::Value(session)) => Some(session),
        Came::Ended(_) => None,
        Came::Exit(status) => return status,
    };
    let mut talk = Talk { living, to: conversation, session, line: Line::default(), is_terminal };
    let mut source = String::new();
    loop {
        talk.prompt(&source);
        match talk.hear() {
            Heard::Exit(status) => return status,
            Heard::Dropped => source.clear(),
            Heard::End if source.trim().is_empty() => return talk.close(),
            Heard::End => return talk.submit(&source).unwrap_or_else(|| talk.close()),
            Heard::Line(line) => {
                source.push_str(&line);
                let blank = is_terminal && source.trim().is_empty();
                if !blank && talk.is_incomplete(&source) {
                    source.push('\n');
                    continue;
                }
                let whole = core::mem::take(&mut source);
                if let Some(status) = if blank { None } else { talk.submit(&whole) } {
                    return status;
                }
            }
        }
    }
}

struct Talk<'a> {
    living: &'a mut Living,
    to: Handle,
    session: Option<Handle>,
    line: Line,
    is_terminal: bool,
}

impl Talk<'_> {
    /// Sends the world a text; answers what it says, or the session's status.
    fn ask(&mut self, selector: &str, words: &[&str]) -> Result<HostValue, i64> {
        let made = words.iter().map(|word| self.living.make(&HostValue::Text(word.to_string())));
        let handles: Vec<Handle> = made.collect();
        let came = self.living.send(self.to, selector, &handles, self.session);
        handles.into_iter().for_each(|handle| self.living.vm.release(handle));
        match came {
            Came::Exit(status) => Err(status),
            Came::Ended(Ended::Value(value)) => {
                let answer = self.living.vm.value_of(value).unwrap_or(HostValue::Nil);
                self.living.vm.release(value);
                Ok(answer)
            }
            Came::Ended(Ended::Failed(trace)) => Ok(HostValue::Text(format!("the machine gave it up: {trace}"))),
            Came::Ended(Ended::Terminated) => Ok(HostValue::Nil),
        }
    }

    /// Submits a text and shows the answer; the status if the session ended by it.
    fn submit(&mut self, source: &str) -> Option<i64> {
        match self.ask("submit:", &[source]) {
            Err(status) => return Some(status),
            Ok(HostValue::Text(answer)) if !answer.is_empty() => {
                serial::print(format_args!("{}\n", answer.trim_end_matches('\n')));
            }
            Ok(_) => {}
        }
        // What was pressed meanwhile was for the line that has run.
        serial::take_interrupt();
        self.living.save_soon();
        None
    }

    /// The conversation is over: its session ends, and what works for it; answers the status.
    fn close(&mut self) -> i64 {
        self.ask("close", &[]).err().unwrap_or(0)
    }

    fn is_incomplete(&mut self, source: &str) -> bool {
        matches!(self.ask("isIncomplete:", &[source]), Ok(HostValue::Boolean(true)))
    }

    fn prompt(&mut self, source: &str) {
        if !self.is_terminal {
            return;
        }
        let prompt = match source {
            "" => self.ask("prompt", &[]),
            _ => Ok(HostValue::Text("| ".to_string())),
        };
        match prompt {
            Ok(HostValue::Text(prompt)) => serial::write(prompt.as_bytes()),
            _ => serial::write(b"> "),
        }
    }

    /// The next line; the world lives meanwhile (T1).
    fn hear(&mut self) -> Heard {
        self.line.clear();
        console::set_at_prompt(true);
        let heard = self.listen();
        console::set_at_prompt(false);
        heard
    }

    fn listen(&mut self) -> Heard {
        let mut echo = Vec::new();
        loop {
            if serial::take_interrupt() && self.is_terminal {
                serial::write(b"^C\n");
                return Heard::Dropped;
            }
            if console::has_ended() {
                return Heard::End;
            }
            let Some(byte) = serial::take() else {
                if let Some(status) = self.living.turn(true) {
                    return Heard::Exit(status);
                }
                continue;
            };
            if byte == console::END && !self.is_terminal {
                // In a pipe the end may come behind a line that has none of its own.
                console::note_end();
                match self.line.rest() {
                    rest if rest.is_empty() => return Heard::End,
                    rest => return Heard::Line(rest),
                }
            }
            echo.clear();
            let typed = if self.is_terminal { self.line.take(byte, &mut echo) } else { self.line.take_plain(byte) };
            serial::write(&echo);
            match typed {
                Typed::More => {}
                Typed::Line(line) => return Heard::Line(line),
                Typed::End => return Heard::End,
            }
        }
    }
}
