//! Progress of long work, and the interrupt key while it goes on.
//!
//! Invariants
//! - R1 Only where standard error is a terminal: elsewhere nothing is shown and signals do what they
//!   do by default.
//! - R2 The line appears after [`PATIENCE`] and is gone when the work is over: what follows begins on
//!   a clean line.
//! - R3 The interrupt key ends the program, with the status of the table, while nothing was changed.
//!   Work that changes something calls [`Progress::seal`] first; from then on the key waits for its end.
//!
//! A thread of its own draws and takes the signal, so work is never slowed by being watched.

use super::exit::Exit;
use crate::file_store::FileStore;
use crate::keeper::signals::{self, Masked};
use parking_lot::Mutex;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long work goes on before it is shown.
const PATIENCE: Duration = Duration::from_millis(300);
/// How often the line is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// How far a piece of work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    Sealed,
    Over,
}

struct Measure {
    store: Arc<FileStore>,
    start: u64,
    total: u64,
}

struct State {
    phase: Phase,
    measure: Option<Measure>,
    is_drawn: bool,
}

/// A piece of work that may take long.
pub struct Progress {
    state: Option<Arc<Mutex<State>>>,
    _mask: Option<Masked>,
}

/// The line: what, how much of it, how long.
fn line(what: &str, part: Option<u64>, elapsed: Duration, width: usize) -> String {
    let part = part.map(|part| format!(" {part:>3} %,")).unwrap_or_default();
    let end = format!(":{part} {} s; Ctrl-C ends it", elapsed.as_secs());
    let room = width.saturating_sub(end.chars().count() + 1);
    let what: String = match what.chars().count() > room {
        true => what.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => what.to_owned(),
    };
    format!("{what}{end}")
}

/// How much of a measured work is done, in percent; never all of it before it is over.
fn percent(done: u64, total: u64) -> u64 {
    (done.saturating_mul(100) / total.max(1)).min(99)
}

fn erase(state: &mut State) {
    if std::mem::replace(&mut state.is_drawn, false) {
        let _ = std::io::stderr().write_all(b"\r\x1b[K");
    }
}

impl Progress {
    /// Begins work. If it is interrupted, `left` says how the world is left.
    pub fn begin(what: String, left: &'static str) -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress { state: None, _mask: None };
        }
        let mask = Masked::interrupt();
        let state = Arc::new(Mutex::new(State { phase: Phase::Open, measure: None, is_drawn: false }));
        let watched = state.clone();
        let thread = std::thread::Builder::new().name("warm-progress".to_owned());
        match thread.spawn(move || watch(&watched, &what, left)) {
            Ok(_) => Progress { state: Some(state), _mask: Some(mask) },
            // Unwatched work is work all the same.
            Err(_) => Progress { state: None, _mask: None },
        }
    }

    /// The work reads so many bytes of a store from now on.
    pub fn measure(&self, store: &Arc<FileStore>, total: u64) {
        if let Some(state) = &self.state {
            let start = store.bytes_read();
            state.lock().measure = Some(Measure { store: store.clone(), start, total });
        }
    }

    /// From now on something is changed: the interrupt key waits (R3).
    pub fn seal(&self) {
        if let Some(state) = &self.state {
            state.lock().phase = Phase::Sealed;
        }
    }

    /// The work is over.
    pub fn end(self) {}
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(state) = &self.state {
            let mut state = state.lock();
            state.phase = Phase::Over;
            erase(&mut state);
        }
    }
}

/// The body of the thread.
fn watch(state: &Mutex<State>, what: &str, left: &str) {
    let start = Instant::now();
    loop {
        let is_interrupted = signals::interrupt_within(TICK);
        let mut state = state.lock();
        match (state.phase, is_interrupted) {
            (Phase::Over, true) => return signals::interrupt_self(),
            (Phase::Over, false) => return,
            (Phase::Open, true) => {
                erase(&mut state);
                let _ = writeln!(std::io::stderr(), "warm: interrupted; {left}");
                std::process::exit(Exit::Interrupted.number().into());
            }
            (Phase::Open | Phase::Sealed, _) => {}
        }
        if start.elapsed() >= PATIENCE {
            let part = state.measure.as_ref();
            let part = part.map(|seen| percent(seen.store.bytes_read() - seen.start, seen.total));
            let width = crate::sys::terminal_width();
            let text = format!("\r{}\x1b[K", line(what, part, start.elapsed(), width));
            state.is_drawn = std::io::stderr().write_all(text.as_bytes()).is_ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_the_terminal() {
        let seconds = Duration::from_millis(2900);
        assert_eq!(line("checking a.world", Some(7), seconds, 80), "checking a.world:   7 %, 2 s; Ctrl-C ends it");
        assert_eq!(line("opening a.world", None, seconds, 80), "opening a.world: 2 s; Ctrl-C ends it");
        let long = line(&"x".repeat(200), Some(99), seconds, 60);
        assert!(long.chars().count() == 59 && long.contains("x…: "), "{long}");
        assert!(line("what", None, seconds, 3).starts_with('…'));
    }

    #[test]
    fn percents_are_bounded() {
        for (done, total, expect) in [(0, 0, 0), (5, 0, 99), (50, 100, 50), (200, 100, 99), (u64::MAX, 3, 99)] {
            assert_eq!(percent(done, total), expect);
        }
    }
}
