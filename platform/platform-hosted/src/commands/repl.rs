//! The conversation: lines from a person or a pipe, answers from the world.
//!
//! The line editor is here; what a line means is the world's affair (`Repl` in the world).

use crate::cli::{Exit, Failure};
use crate::keeper::{Ending, Living};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use vm::interpret::{Ended, Handle, HostValue};

/// Leads a conversation with the world's `Repl` object to its end.
pub fn lead(living: &mut Living, conversation: Handle) -> Result<Ending, Failure> {
    if std::io::stdin().is_terminal() {
        with_editor(living, conversation)
    } else {
        from_pipe(living, conversation)
    }
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
fn broken_off(what: &str, error: &dyn std::fmt::Display) -> Ending {
    Failure::new(Exit::Io, format!("{what}: {error}")).report();
    Ending::Exit(Exit::Io.number().into())
}

fn is_incomplete(living: &mut Living, to: Handle, source: &str) -> Result<bool, Failure> {
    Ok(matches!(ask(living, to, "isIncomplete:", &[source])?, Ok(HostValue::Boolean(true))))
}

fn from_pipe(living: &mut Living, to: Handle) -> Result<Ending, Failure> {
    let mut source = String::new();
    loop {
        let mut line = String::new();
        // Not locked while the world runs: a line may read from standard input itself.
        match std::io::stdin().read_line(&mut line) {
            Ok(0) => break,
            Ok(_) => source.push_str(line.trim_end_matches(['\n', '\r'])),
            Err(error) => return Ok(broken_off("standard input", &error)),
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

type LineEditor = Editor<Names, FileHistory>;

/// Where the history of lines stands.
fn history_path() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder = state.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?.join("warm");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("repl-history"))
}

fn editor() -> Result<LineEditor, Failure> {
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false).build();
    let told = |error: ReadlineError| Failure::new(Exit::Io, format!("the terminal: {error}"));
    let mut editor = LineEditor::with_config(config).map_err(told)?;
    editor.set_helper(Some(Names::default()));
    if let Some(path) = history_path() {
        // No history yet is no error.
        let _ = editor.load_history(&path);
    }
    Ok(editor)
}

fn with_editor(living: &mut Living, to: Handle) -> Result<Ending, Failure> {
    let mut editor = editor()?;
    let ending = loop {
        refresh_names(living, to, &mut editor)?;
        let prompt = match ask(living, to, "prompt", &[])? {
            Ok(HostValue::Text(prompt)) => prompt,
            Ok(_) => "> ".to_owned(),
            Err(ending) => break ending,
        };
        let source = match read(living, to, &mut editor, &prompt)? {
            Ok(source) => source,
            Err(ending) => break ending,
        };
        if source.trim().is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(source.as_str());
        if let Some(ending) = submit(living, to, &source)? {
            break ending;
        }
    };
    if let Some(path) = history_path() {
        let _ = editor.save_history(&path);
    }
    Ok(ending)
}

/// Reads lines until they make a whole, or answers how the conversation ends.
fn read(living: &mut Living, to: Handle, editor: &mut LineEditor, prompt: &str) -> Result<Result<String, Ending>, Failure> {
    let mut source = String::new();
    loop {
        let shown = if source.is_empty() { prompt } else { "| " };
        match editor.readline(shown) {
            Ok(line) => source.push_str(&line),
            // Ctrl-C drops the line; Ctrl-D ends.
            Err(ReadlineError::Interrupted) => return Ok(Ok(String::new())),
            Err(ReadlineError::Eof) => return Ok(Err(Ending::Exit(0))),
            Err(error) => return Ok(Err(broken_off("the terminal", &error))),
        }
        if source.trim().is_empty() || !is_incomplete(living, to, &source)? {
            return Ok(Ok(source));
        }
        source.push('\n');
    }
}

/// Gives the editor the names that the world knows now.
fn refresh_names(living: &mut Living, to: Handle, editor: &mut LineEditor) -> Result<(), Failure> {
    if let Ok(HostValue::Text(names)) = ask(living, to, "allNames", &[])?
        && let Some(helper) = editor.helper_mut()
    {
        helper.0 = names.lines().map(str::to_owned).collect();
    }
    Ok(())
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
