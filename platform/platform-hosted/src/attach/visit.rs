//! The guest's side: a command at work in a world that another process has open.
//!
//! Invariants
//! - V1 Exit status 0 means that the owner said so; a line that breaks is a failure that says it.
//! - V2 Standard input is read only when it is wanted.
//! - V3 The interrupt key goes to the guest's own session; SIGTERM and SIGHUP end the guest, and its
//!   session with it. So does the key when it was pressed [`PRESSES`] times and nothing came back: a
//!   world that hangs does not keep its guests.
//!
//! Must not know: what a session does.

use super::frame::{self, Answer, Hello, Question, ToGuest, ToOwner};
use super::place;
use crate::cli::{Exit, Failure};
use crate::clock::HostedClock;
use crate::keeper::signals;
use crate::sys;
use platform::Clock;
use std::io::{IsTerminal, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};

/// Bytes of standard input that are sent at once.
const PIECE: usize = 64 << 10;
/// How often the interrupt key is pressed in vain before the guest leaves.
const PRESSES: u32 = 3;

/// What the owner said that is for the command, not for its streams.
#[derive(Debug)]
pub enum Said {
    /// A conversation is there.
    Talk,
    /// What it answered.
    Answer(Answer),
    /// The session ended.
    Exit(u8),
}

/// A command at work elsewhere.
pub struct Visit {
    path: PathBuf,
    line: UnixStream,
    frames: Receiver<Result<ToGuest, String>>,
    wanted: Sender<()>,
    clock: Arc<HostedClock>,
    signal: Arc<AtomicI32>,
}

/// Which of the standard streams are terminals.
fn terminals() -> [bool; 3] {
    [std::io::stdin().is_terminal(), std::io::stdout().is_terminal(), std::io::stderr().is_terminal()]
}

/// Calls the process that has the file open, and is let in; `None` if nobody answers.
pub fn visit(path: &Path, hello: &Hello) -> Result<Option<Visit>, Failure> {
    let Ok(data) = std::fs::metadata(path) else { return Ok(None) };
    let Some(line) = place::call((data.dev(), data.ino())) else { return Ok(None) };
    let hello = Hello {
        terminals: terminals(),
        extent: sys::terminal_extent().unwrap_or((80, 24)),
        ..hello.clone()
    };
    let bytes = ToOwner::Hello(hello).encoded();
    if bytes.len() > frame::MOST_BYTES {
        return Err(too_long(path, bytes.len()));
    }
    if (&line).write_all(&bytes).is_err() {
        return Ok(None);
    }
    match frame::read(&mut &line).map(|frame| frame.map(|frame| frame.to_guest())) {
        Ok(Some(Ok(ToGuest::Welcome))) => Visit::begin(path, line).map(Some),
        Ok(Some(Ok(ToGuest::Refused(status, why)))) => Err(refused(path, status, &why)),
        Ok(Some(Ok(_))) => Err(Failure::new(Exit::Locked, format!("{}: what answers there is no owner of a world", path.display()))),
        Ok(Some(Err(why))) => Err(Failure::new(Exit::Locked, format!("{} is open in another process: {why}", path.display()))),
        // It was just closing.
        Ok(None) | Err(_) => Ok(None),
    }
}

fn too_long(path: &Path, bytes: usize) -> Failure {
    let most = frame::MOST_BYTES;
    let line = format!("{} is open elsewhere, and {bytes} bytes are more than the {most} that can be sent there at once", path.display());
    Failure::new(Exit::Usage, line)
}

fn refused(path: &Path, status: u8, why: &str) -> Failure {
    let file = path.display().to_string();
    let why = if why.contains(&file) { why.to_owned() } else { format!("{file}: {why}") };
    Failure::new(Exit::of(status), why)
}

/// Reads standard input, a piece for each wish (V2).
fn feed(wishes: &Receiver<()>, line: UnixStream) {
    let mut piece = vec![0; PIECE];
    while wishes.recv().is_ok() {
        let count = loop {
            match std::io::stdin().read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.unwrap_or(0),
            }
        };
        if (&line).write_all(&ToOwner::Input(piece[..count].to_vec()).encoded()).is_err() {
            return;
        }
    }
}

impl Visit {
    fn begin(path: &Path, line: UnixStream) -> Result<Visit, Failure> {
        let told = |error: std::io::Error| Failure::new(Exit::Io, format!("the line to the world: {error}"));
        let (mut listening, sending, keys) =
            (line.try_clone().map_err(told)?, line.try_clone().map_err(told)?, line.try_clone().map_err(told)?);
        let clock = Arc::<HostedClock>::default();
        let signal = Arc::<AtomicI32>::default();
        let (tell, frames) = channel();
        let (wanted, wishes) = channel();
        let (seen, waker) = (signal.clone(), clock.clone());
        let unheard = Arc::<AtomicU32>::default();
        let heard = unheard.clone();
        signals::listen(move |number| {
            if number == libc::SIGINT && unheard.fetch_add(1, Ordering::SeqCst) + 1 < PRESSES {
                // A line that is broken is seen by who listens to it.
                let _ = (&keys).write_all(&ToOwner::Interrupt.encoded());
            } else {
                seen.store(number, Ordering::SeqCst);
                let _ = keys.shutdown(Shutdown::Both);
            }
            waker.wake();
        });
        let waker = clock.clone();
        let started = std::thread::Builder::new().name("warm-line".to_owned()).spawn(move || {
            loop {
                let frame = match frame::read(&mut listening) {
                    Ok(Some(frame)) => frame.to_guest(),
                    Ok(None) => Err("it ended".to_owned()),
                    Err(error) => Err(crate::file_store::plain(&error)),
                };
                heard.store(0, Ordering::SeqCst);
                let is_last = frame.is_err();
                if tell.send(frame).is_err() || is_last {
                    waker.wake();
                    return;
                }
                waker.wake();
            }
        });
        started.map_err(told)?;
        let feeds = std::thread::Builder::new().name("warm-feed".to_owned()).spawn(move || feed(&wishes, sending));
        feeds.map_err(told)?;
        Ok(Visit { path: path.to_owned(), line, frames, wanted, clock, signal })
    }

    /// What ends a sleep on the guest's clock.
    pub fn clock(&self) -> Arc<HostedClock> {
        self.clock.clone()
    }

    fn send(&self, said: &ToOwner) -> Result<(), Failure> {
        let bytes = said.encoded();
        if bytes.len() > frame::MOST_BYTES {
            return Err(too_long(&self.path, bytes.len()));
        }
        // A line that is broken is seen by who listens to it.
        let _ = (&self.line).write_all(&bytes);
        Ok(())
    }

    /// Asks the conversation.
    pub fn ask(&self, question: Question, text: &str) -> Result<Said, Failure> {
        self.send(&ToOwner::Ask(question, text.to_owned()))?;
        self.next()
    }

    /// Waits for what is said next that is not for the streams.
    pub fn next(&self) -> Result<Said, Failure> {
        loop {
            let frame = self.frames.recv().unwrap_or_else(|_| Err("it ended".to_owned()));
            if let Some(said) = self.take(frame)? {
                return Ok(said);
            }
        }
    }

    /// Sees to what came for the streams meanwhile; what else was said, if anything.
    pub fn look(&self) -> Result<Option<Said>, Failure> {
        loop {
            match self.frames.try_recv() {
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => return self.take(Err("it ended".to_owned())),
                Ok(frame) => {
                    if let Some(said) = self.take(frame)? {
                        return Ok(Some(said));
                    }
                }
            }
        }
    }

    fn take(&self, frame: Result<ToGuest, String>) -> Result<Option<Said>, Failure> {
        Ok(Some(match frame {
            Ok(ToGuest::Out(bytes)) => {
                show(std::io::stdout(), &bytes);
                return Ok(None);
            }
            Ok(ToGuest::Err(bytes)) => {
                show(std::io::stderr(), &bytes);
                return Ok(None);
            }
            Ok(ToGuest::Wanted) => {
                // The thread that reads ends with the program only.
                let _ = self.wanted.send(());
                return Ok(None);
            }
            Ok(ToGuest::Talk) => Said::Talk,
            Ok(ToGuest::Answer(answer)) => Said::Answer(answer),
            Ok(ToGuest::Exit(status)) => Said::Exit(status),
            Ok(ToGuest::Refused(status, why)) => return Err(refused(&self.path, status, &why)),
            Ok(ToGuest::Welcome) => return Err(self.broken("it says welcome twice")),
            Err(why) => return Err(self.broken(&why)),
        }))
    }

    /// The line broke: by a signal to this program, or because the owner is gone (V1).
    fn broken(&self, why: &str) -> Failure {
        match self.signal.load(Ordering::SeqCst) {
            0 => {
                let file = self.path.display();
                let line = format!("the process that has {file} open broke off ({why}); what was not yet saved there is lost");
                Failure::new(Exit::Unsaved, line)
            }
            libc::SIGINT => {
                let line = format!("left {}, which did not answer the interrupt key", self.path.display());
                Failure::new(Exit::Interrupted, line)
            }
            // Quiet, as a program is that a signal ends.
            signal => Failure::new(Exit::World(128 + signal as u8), ""),
        }
    }
}

/// A stream that nobody reads any longer is quiet, as in a world of one's own.
fn show(mut to: impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}
