//! Lines of input, read by a thread of its own: while a person thinks, the world lives.
//!
//! Invariants
//! - L1 The thread reads only after it was asked, and one line at a time: what nobody asked for stays
//!   with the terminal or pipe, for a program in the world may read it.
//! - L2 Whoever stops waiting in the middle of a line leaves the terminal as it was found.
//!
//! Must not know: what a line means.

use crate::clock::HostedClock;
use crate::sys::TerminalMode;
use platform::Clock;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A line, without its end.
    Line(String),
    /// The interrupt key: what was typed is dropped.
    Dropped,
    /// There is no more.
    End,
    /// The input failed.
    Failed(String),
}

/// What the thread is asked for.
enum Ask {
    /// The next line, with a prompt before it.
    Line(String),
    /// To complete words to these from now on, sorted.
    Complete(Vec<String>),
    /// To keep a text in the history.
    Remember(String),
}

/// A source of lines.
pub struct Lines {
    asks: Sender<Ask>,
    heard: Receiver<Heard>,
    waiting: bool,
    mode: Option<TerminalMode>,
}

impl Lines {
    /// Lines of standard input: edited if a person sits there.
    pub fn of_input(waker: Arc<HostedClock>) -> std::io::Result<Lines> {
        let is_terminal = std::io::stdin().is_terminal();
        let (asks, asked) = channel();
        let (tell, heard) = channel();
        let tell = move |line| {
            let _ = tell.send(line);
            waker.wake();
        };
        let thread = std::thread::Builder::new().name("warm-lines".to_owned());
        if is_terminal {
            thread.spawn(move || edit(&asked, tell))?;
        } else {
            thread.spawn(move || read(&asked, tell))?;
        }
        let mode = if is_terminal { TerminalMode::of_input() } else { None };
        Ok(Lines { asks, heard, waiting: false, mode })
    }

    /// Asks for the next line.
    pub fn ask(&mut self, prompt: &str) {
        self.waiting = true;
        let _ = self.asks.send(Ask::Line(prompt.to_owned()));
    }

    /// The line that was asked for, once it is there.
    pub fn heard(&mut self) -> Option<Heard> {
        let heard = match self.heard.try_recv() {
            Ok(heard) => heard,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => Heard::End,
        };
        self.waiting = false;
        Some(heard)
    }

    /// Completes words to these from now on, sorted.
    pub fn complete(&self, names: Vec<String>) {
        let _ = self.asks.send(Ask::Complete(names));
    }

    /// Keeps a text in the history.
    pub fn remember(&self, text: &str) {
        let _ = self.asks.send(Ask::Remember(text.to_owned()));
    }
}

/// L2: the thread is still in the middle of a line, and ends with the program.
impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(mode) = self.mode.as_ref().filter(|_| self.waiting) {
            let _ = std::io::stdout().write_all(b"\x1b[?2004l\r\n");
            let _ = std::io::stdout().flush();
            mode.restore();
        }
    }
}

/// The body of the thread for a pipe or file.
fn read(asked: &Receiver<Ask>, tell: impl Fn(Heard)) {
    while let Ok(ask) = asked.recv() {
        if !matches!(ask, Ask::Line(_)) {
            continue;
        }
        let mut line = String::new();
        tell(match std::io::stdin().read_line(&mut line) {
            Ok(0) => Heard::End,
            Ok(_) => Heard::Line(line.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Heard::Failed(format!("standard input: {error}")),
        });
    }
}

type LineEditor = Editor<Names, FileHistory>;

/// Where the history of lines stands.
fn history_path() -> Option<PathBuf> {
    let folder = super::user_folder("XDG_STATE_HOME", ".local/state")?.join("warm");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("repl-history"))
}

fn editor() -> Result<LineEditor, ReadlineError> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor = LineEditor::with_config(config)?;
    editor.set_helper(Some(Names::default()));
    if let Some(path) = history_path() {
        // No history yet is no error.
        let _ = editor.load_history(&path);
    }
    Ok(editor)
}

/// The body of the thread for a terminal.
fn edit(asked: &Receiver<Ask>, tell: impl Fn(Heard)) {
    let broken = |error: ReadlineError| Heard::Failed(format!("the terminal: {error}"));
    let mut editor = match editor() {
        Ok(editor) => editor,
        Err(error) => return tell(broken(error)),
    };
    while let Ok(ask) = asked.recv() {
        match ask {
            Ask::Line(prompt) => tell(match editor.readline(&prompt) {
                Ok(line) => Heard::Line(line),
                Err(ReadlineError::Interrupted) => Heard::Dropped,
                Err(ReadlineError::Eof) => Heard::End,
                Err(error) => broken(error),
            }),
            Ask::Complete(names) => {
                if let Some(helper) = editor.helper_mut() {
                    helper.0 = names;
                }
            }
            Ask::Remember(text) => {
                let _ = editor.add_history_entry(text);
                if let Some(path) = history_path() {
                    // Kept at once: the program may be killed. A history that cannot be kept is none.
                    let _ = editor.save_history(&path);
                }
            }
        }
    }
}

/// The names that a word may be completed to, sorted.
#[derive(Default)]
struct Names(Vec<String>);

impl rustyline::completion::Completer for Names {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = &line[..position];
        let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let start = before.rfind(|c| !is_name(c)).map_or(0, |at| {
            at + before[at..].chars().next().map_or(1, char::len_utf8)
        });
        let word = &before[start..];
        if word.is_empty() {
            return Ok((start, Vec::new()));
        }
        let first = self.0.partition_point(|name| name.as_str() < word);
        let fitting = self.0[first..].iter().take_while(|name| name.starts_with(word)).take(200);
        Ok((start, fitting.cloned().collect()))
    }
}

impl rustyline::hint::Hinter for Names {
    type Hint = String;
}
impl rustyline::highlight::Highlighter for Names {}
impl rustyline::validate::Validator for Names {}
impl rustyline::Helper for Names {}
