//! Time in tests: patience for what will come, and processor time for what must not take long.
//!
//! - T1 What will come is waited for by asking again, never by sleeping "long enough"; [`PATIENCE`] only
//!   tells a hang from a machine that is busy.
//! - T2 A bound on how long something takes is held against the processor time of the thread that
//!   works: what else runs on the machine does not count.
//!
//! Included by path by the tests of several crates; knows none of them.

#![allow(dead_code, reason = "each test program uses its part")]

use std::path::Path;
use std::time::{Duration, Instant};

/// How long anything may take before it counts as hanging, on a machine however busy.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// How often what is waited for is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Attempts something until it is there.
#[track_caller]
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(LOOK);
    }
}

/// Waits until something holds.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()));
}

/// The processor time that a thread, a folder below `/proc`, has used so far; to a hundredth of a second.
pub fn processor_time_of(thread: &Path) -> Duration {
    let text = std::fs::read_to_string(thread.join("stat")).expect("the kernel's figures of a thread");
    // The name, in brackets, may hold anything; times of user and system are the 12th and 13th after it.
    let (_, figures) = text.rsplit_once(") ").expect("a name in brackets");
    let figure = |nth: usize| figures.split(' ').nth(nth).and_then(|word| word.parse::<u64>().ok());
    let ticks = figure(11).zip(figure(12)).map(|(user, system)| user + system);
    Duration::from_millis(10 * ticks.expect("its times"))
}

/// The processor time that this thread has used so far.
pub fn processor_time() -> Duration {
    processor_time_of(Path::new("/proc/thread-self"))
}

/// Does some work, all of it in this thread, that must not take more processor time than `limit`.
#[track_caller]
pub fn within_processor_time<T>(limit: Duration, what: &str, work: impl FnOnce() -> T) -> T {
    let before = processor_time();
    let done = work();
    let took = processor_time() - before;
    assert!(took < limit, "{what} took {took:?} of processor time");
    done
}
