//! When moments are thinned.
//!
//! Invariant
//! - T1 Moments are thinned each minute, and each so many commits, whoever made them: a world that only
//!   ever lives for moments, or whose program makes a snapshot after the other, is thinned too.

use crate::desk::Desk;
use alloc::sync::Arc;
use image::ThinPolicy;
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

/// The number of the newest commit at a desk.
pub fn commits(desk: &Arc<dyn Desk>) -> u64 {
    let mut number = 0;
    desk.with_world(&mut |world| number = world.head().number.0.into());
    number
}
