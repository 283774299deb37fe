//! A program that snapshots a hundred times a second for ten minutes does not grow its file without
//! bound: what the policy and its budget do not keep goes as fast as it comes.
//!
//! `THIN_SECONDS` sets how long it snapshots: 300 as a rule, or all of ten minutes with 600.

mod common;

use common::Bench;
use image::{Budget, CreateOptions, Faults, Keep, Progress, ThinPolicy};

const PER_SECOND: u64 = 100;
const HEAP_PAGES: u64 = 64;
/// What moments may hold in this test, in blocks.
const BUDGET_BLOCKS: u64 = 4096;

/// Goes on with what is in writing as the writer's thread does, until nothing is.
fn write_out(bench: &mut Bench) {
    loop {
        match bench.world.step(Budget(64)) {
            Progress::Idle => return,
            Progress::Abandoned { error, .. } => panic!("{error}"),
            Progress::Working | Progress::Acknowledged { .. } => {}
        }
    }
}

/// The blocks of the file, minute by minute; thinned each minute, `once` or while anything is left.
fn blocks_by_minute(seconds: u64, once: bool) -> Vec<u64> {
    let mut bench = Bench::with(&CreateOptions::default(), Faults::default());
    let all: Vec<(u64, u64)> = (0..HEAP_PAGES).map(|page| (page, page + 1)).collect();
    bench.snapshot(&all, Keep::Automatic);
    while bench.world.tend(Budget::ALL).expect("tend") {}
    let usual = ThinPolicy::usual(HEAP_PAGES * 4096);
    let policy = ThinPolicy { budget_bytes: BUDGET_BLOCKS * 4096, ..usual };
    let mut minutes = Vec::new();
    let mut thinning = false;
    for nth in 1..=PER_SECOND * seconds {
        // `begin` lets two seconds pass; here ten milliseconds do.
        bench.now_ns -= 2_000_000_000 - 1_000_000_000 / PER_SECOND as i64;
        bench.begin(&[(nth * 7 % HEAP_PAGES, nth + 100)], Keep::Automatic);
        write_out(&mut bench);
        thinning |= nth % (60 * PER_SECOND) == 0;
        if thinning {
            let begun = bench.world.begin_thinning(&policy, bench.now_ns).expect("begin");
            write_out(&mut bench);
            thinning = !begun.is_done && !once;
        }
        if nth % (60 * PER_SECOND) == 0 {
            minutes.push(bench.world.block_counts().0);
        }
    }
    assert_eq!(bench.world.check().expect("check"), []);
    minutes
}

#[test]
fn minutes_of_a_hundred_snapshots_a_second_are_bounded() {
    let seconds = std::env::var("THIN_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let minutes = blocks_by_minute(seconds, false);
    println!("blocks in the file by minute: {minutes:?}");
    let a_minute = minutes[0];
    assert!(minutes.iter().all(|&blocks| blocks < 2 * a_minute + BUDGET_BLOCKS), "{minutes:?}");
    let (third, last) = (minutes[2], minutes[minutes.len() - 1]);
    assert!(last <= third + third / 20, "the file grows on: {minutes:?}");
    // The case shows it: one batch a minute is not enough.
    let once = blocks_by_minute(180, true);
    assert!(once[2] > minutes[2] + minutes[2] / 2, "{once:?}");
}
