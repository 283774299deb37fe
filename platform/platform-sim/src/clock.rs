//! A clock and entropy that do the same thing at every run.
//!
//! Invariants
//! - I1 Monotonic time moves only when somebody moves it: `advance`, or a sleep that nobody ends.
//! - I2 Wall time is monotonic time plus an offset that tests may set to anything.
//!
//! Knows: `platform`. Must not know: real time.

use crate::Random;
use platform::{Clock, Entropy};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A clock that a test moves.
pub struct SimClock {
    now_ns: AtomicU64,
    wall_offset_ns: AtomicI64,
    woken: AtomicBool,
}

impl SimClock {
    /// A clock whose wall time starts here.
    pub fn new(wall_ns: i64) -> Self {
        Self {
            now_ns: AtomicU64::new(0),
            wall_offset_ns: AtomicI64::new(wall_ns),
            woken: AtomicBool::new(false),
        }
    }

    /// Lets time pass.
    pub fn advance(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::SeqCst);
    }

    /// Sets the wall clock, forward or back; monotonic time does not notice.
    pub fn set_wall(&self, wall_ns: i64) {
        self.wall_offset_ns.store(
            wall_ns.wrapping_sub(self.monotonic_ns() as i64),
            Ordering::SeqCst,
        );
    }
}

impl Clock for SimClock {
    fn monotonic_ns(&self) -> u64 {
        self.now_ns.load(Ordering::SeqCst)
    }

    fn wall_ns(&self) -> i64 {
        self.wall_offset_ns
            .load(Ordering::SeqCst)
            .wrapping_add(self.monotonic_ns() as i64)
    }

    fn sleep_until(&self, monotonic_ns: u64) {
        if !self.woken.swap(false, Ordering::SeqCst) {
            self.now_ns.fetch_max(monotonic_ns, Ordering::SeqCst);
        }
    }

    fn wake(&self) {
        self.woken.store(true, Ordering::SeqCst);
    }
}

/// Bytes that look unpredictable and are not.
pub struct SimEntropy {
    random: Mutex<Random>,
}

impl SimEntropy {
    /// The same bytes for the same seed.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Mutex::new(Random::new(seed)),
        }
    }
}

impl Entropy for SimEntropy {
    fn fill(&self, into: &mut [u8]) {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        for part in into.chunks_mut(8) {
            let bits = random.bits().to_le_bytes();
            part.copy_from_slice(&bits[..part.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SimClock, SimEntropy};
    use platform::{Clock, Entropy};

    #[test]
    fn conforms() {
        let clock = SimClock::new(1_700_000_000_000_000_000);
        crate::conformance::clock(&clock).unwrap();
        crate::conformance::entropy(&SimEntropy::new(3)).unwrap();
    }

    #[test]
    fn setting_the_wall_back_leaves_monotonic_time_alone() {
        let clock = SimClock::new(1_000);
        clock.advance(50);
        clock.set_wall(10);
        assert_eq!((clock.monotonic_ns(), clock.wall_ns()), (50, 10));
        clock.advance(5);
        assert_eq!((clock.monotonic_ns(), clock.wall_ns()), (55, 15));
    }

    #[test]
    fn entropy_repeats_by_seed() {
        let (mut a, mut b) = ([0; 13], [0; 13]);
        SimEntropy::new(9).fill(&mut a);
        SimEntropy::new(9).fill(&mut b);
        assert_eq!(a, b);
    }
}
