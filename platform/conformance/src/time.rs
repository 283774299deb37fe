//! The suites of clock and entropy.

use crate::Suite;
use alloc::string::String;
use alloc::vec;
use platform::{Clock, Entropy};

/// Runs the clock's suite.
pub fn clock(clock: &dyn Clock) -> Result<usize, String> {
    let mut suite = Suite::new();
    let mut last = clock.monotonic_ns();
    for _ in 0..1_000 {
        let now = clock.monotonic_ns();
        suite.check(now >= last, "monotonic time never goes back")?;
        last = now;
    }
    let year_2020 = 1_577_836_800_000_000_000;
    suite.check(
        clock.wall_ns() > year_2020,
        "wall time counts nanoseconds since 1970",
    )?;
    suite.check(
        clock.utc_offset_s(clock.wall_ns()).abs() <= 26 * 3_600,
        "an offset is less than a day or so",
    )?;
    let cpu = clock.thread_cpu_ns();
    suite.check(clock.thread_cpu_ns() >= cpu, "thread time never goes back")?;
    clock.sleep_until(0);
    suite.check(true, "sleeping until the past returns")?;
    let start = clock.monotonic_ns();
    clock.wake();
    clock.sleep_until(start + 3_600_000_000_000);
    suite.check(
        clock.monotonic_ns() - start < 3_000_000_000_000,
        "a wake before the sleep ends it",
    )?;
    // An early return is allowed; a loop around the sleep must arrive.
    let goal = clock.monotonic_ns() + 2_000_000;
    for _ in 0..1_000_000 {
        if clock.monotonic_ns() >= goal {
            break;
        }
        clock.sleep_until(goal);
    }
    suite.check(
        clock.monotonic_ns() >= goal,
        "sleeping in a loop reaches its goal",
    )?;
    suite.done()
}

/// Runs the suite of entropy.
pub fn entropy(entropy: &dyn Entropy) -> Result<usize, String> {
    let mut suite = Suite::new();
    let (mut first, mut second) = ([0; 64], [0; 64]);
    entropy.fill(&mut first);
    entropy.fill(&mut second);
    suite.check(first != second, "two draws differ")?;
    suite.check(first != [0; 64], "a draw fills the buffer")?;
    let mut odd = [0; 37];
    entropy.fill(&mut odd);
    suite.check(odd[30..] != [0; 7], "a draw fills an odd length to its end")?;
    entropy.fill(&mut []);
    let mut counts = [0u32; 256];
    let mut many = vec![0; 65_536];
    entropy.fill(&mut many);
    many.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    suite.check(
        counts.iter().all(|count| (128..=400).contains(count)),
        "bytes are about equally frequent",
    )?;
    suite.done()
}
