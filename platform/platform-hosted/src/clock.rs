//! Clock and entropy of the hosted machine.

use crate::sys;
use parking_lot::{Condvar, Mutex};
use platform::{Clock, Entropy};
use std::time::Duration;

/// The kernel's clocks.
#[derive(Default)]
pub struct HostedClock {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Clock for HostedClock {
    fn monotonic_ns(&self) -> u64 {
        sys::clock_ns(libc::CLOCK_MONOTONIC) as u64
    }

    fn wall_ns(&self) -> i64 {
        sys::clock_ns(libc::CLOCK_REALTIME)
    }

    fn utc_offset_s(&self, wall_ns: i64) -> i32 {
        sys::utc_offset_s(wall_ns.div_euclid(1_000_000_000))
    }

    fn thread_cpu_ns(&self) -> u64 {
        sys::clock_ns(libc::CLOCK_THREAD_CPUTIME_ID) as u64
    }

    fn sleep_until(&self, monotonic_ns: u64) {
        let mut woken = self.woken.lock();
        while !*woken {
            let now = self.monotonic_ns();
            if now >= monotonic_ns {
                return;
            }
            // Far deadlines are waited for in pieces, so that the sum never overflows.
            let wait = Duration::from_nanos((monotonic_ns - now).min(1 << 40));
            self.bell.wait_for(&mut woken, wait);
        }
        *woken = false;
    }

    fn wake(&self) {
        *self.woken.lock() = true;
        self.bell.notify_all();
    }
}

/// The kernel's random numbers.
#[derive(Clone, Copy, Default)]
pub struct HostedEntropy;

impl Entropy for HostedEntropy {
    fn fill(&self, into: &mut [u8]) {
        if let Err(error) = sys::random(into) {
            // Going on with predictable bytes would be worse than stopping.
            eprintln!("warm: the system gives no random numbers: {error}");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_ends_a_sleep_and_is_not_lost_before_one() {
        let clock = HostedClock::default();
        clock.wake();
        let start = clock.monotonic_ns();
        clock.sleep_until(start + 3_600_000_000_000);
        let deadline = clock.monotonic_ns() + 2_000_000;
        clock.sleep_until(deadline);
        assert!(clock.monotonic_ns() >= deadline);
    }

    #[test]
    fn entropy_fills_every_byte() {
        let mut seen = [0u8; 64];
        for _ in 0..16 {
            let mut bytes = [0u8; 64];
            HostedEntropy.fill(&mut bytes);
            seen.iter_mut().zip(bytes).for_each(|(s, b)| *s |= b);
        }
        assert!(seen.iter().all(|b| *b != 0));
    }
}
