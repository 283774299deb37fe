//! When moments are thinned.
//!
//! Invariants
//! - T1 Moments are thinned each minute, and each so many commits, whoever made them: a world that only
//!   ever lives for moments, or whose program makes a snapshot after the other, is thinned too.
//! - T2 On a full disk the present goes before the past: what was done is declined only when no automatic
//!   moment is left to give way, and the user is told how many did.

use crate::desk::{Desk, Outcome};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use image::{ImageError, ThinPolicy};
use platform::Clock;
use vm::heap::Heap;

/// How often moments are thinned.
const EVERY_NS: u64 = 60_000_000_000;
/// After how many commits at most they are thinned.
const EVERY_COMMITS: u64 = 16;

/// Asks for thinning when it is time.
pub struct Thinner {
    asked_ns: u64,
    /// How many times [`EVERY_COMMITS`] had been committed when it was last looked.
    rounds: u64,
}

impl Thinner {
    /// One that has seen so many commits.
    pub fn new(clock: &dyn Clock, commits: u64) -> Thinner {
        Thinner { asked_ns: clock.monotonic_ns(), rounds: commits / EVERY_COMMITS }
    }

    /// Asks a desk for thinning if a minute has passed, or enough was committed (T1).
    pub fn ask_if_due(&mut self, desk: &Arc<dyn Desk>, clock: &dyn Clock, heap: &Heap, commits: u64) {
        let (now, rounds) = (clock.monotonic_ns(), commits / EVERY_COMMITS);
        let enough = rounds > self.rounds;
        self.rounds = rounds.max(self.rounds);
        if enough || now.saturating_sub(self.asked_ns) >= EVERY_NS {
            self.asked_ns = now;
            desk.ask_thinning(&ThinPolicy::usual(heap.used_bytes() as u64), clock.wall_ns());
        }
    }
}

/// If a snapshot failed because the disk is full, lets the oldest automatic moments go (T2); if some went,
/// which makes the snapshot worth another try, says so.
pub fn made_room(outcome: &Outcome, desk: &Arc<dyn Desk>, clock: &dyn Clock) -> Option<String> {
    if !outcome.as_ref().is_err_and(ImageError::is_full) {
        return None;
    }
    let mut gone = Ok(0);
    desk.with_still_world(&mut |world| gone = world.make_room(clock.wall_ns()));
    let moments = match gone {
        Ok(0) | Err(_) => return None,
        Ok(1) => "the oldest automatic moment was",
        Ok(_) => "the oldest automatic moments were",
    };
    Some(format!("the disk is full; {moments} let go"))
}

/// The number of the newest commit at a desk.
pub fn commits(desk: &Arc<dyn Desk>) -> u64 {
    let mut number = 0;
    desk.with_world(&mut |world| number = world.head().number.0.into());
    number
}
