//! The crash matrix (issue 3, must show 1 and 2).
//!
//! The usual run has at least 100,000 distinct cases. `MATRIX_CASES` and `MATRIX_SEED` ask for
//! others; a failure prints the script's seed, the operation, the faults and the survivors.

use image::Faults;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use system::crash::{Findings, Script, crash_everywhere, rot_everywhere, with_faults};

/// Acts of a script.
const ACTS: usize = 20;
const THREADS: usize = 2;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Leaves a count where the benchmarks look for it.
fn leave_figure(name: &str, count: usize) {
    let figures = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/figures");
    std::fs::create_dir_all(&figures).expect("a folder for figures");
    std::fs::write(figures.join(name), count.to_string()).expect("a figure");
}

/// Everything that one script is put through.
fn put_through(seed: u64, bugs: Faults, every: usize) -> Findings {
    let script = Script::of(seed, ACTS);
    let mut findings = Findings::default();
    crash_everywhere(&script, bugs, 24, &mut findings);
    with_faults(&script, bugs, every, 4, &mut findings);
    rot_everywhere(&script, bugs, 3, &mut findings);
    findings
}

/// The scripts that chance would make too seldom.
fn put_specimens_through(bugs: Faults) -> Findings {
    let mut findings = Findings::default();
    for script in Script::specimens() {
        crash_everywhere(&script, bugs, 12, &mut findings);
    }
    findings
}

/// Bugs that no crash of these scripts shows soon, or at all: each has a case of its own, with the
/// proof that the case is silent without the bug, in `image/tests/seeded.rs` or `debts.rs`.
const ELSEWHERE: &[&str] = &[
    "ignore_journal_flush_failure",
    "free_unknown_commit",
    "reuse_commit_number",
    "skip_extent_verification",
    "forget_extents",
    "fall_back_by_number",
    "trust_stale_free_list",
    "journal_overwrites_uncovered",
    "journal_shares_flushed_block",
    "superblock_before_commit",
    "drop_lost_names",
    "restore_replays_journal",
    "trust_inherited_records",
    "journal_trouble_unheeded",
    "relief_without_pause",
    "flush_within_step",
    "skip_map_copy",
];

#[test]
fn no_acknowledged_loss_and_no_silent_corruption() {
    let start = Instant::now();
    let (first, wanted) = (number("MATRIX_SEED", 1), number("MATRIX_CASES", 100_000));
    println!("scripts from seed {first} on, {ACTS} acts each");
    let next = AtomicU64::new(first);
    let whole = Mutex::new(put_specimens_through(Faults::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let found = put_through(next.fetch_add(1, Ordering::Relaxed), Faults::default(), 2);
                    let mut whole = whole.lock().expect("no thread panicked");
                    whole.add(found);
                    if whole.distinct.len() as u64 >= wanted || whole.failures.len() > 8 {
                        return;
                    }
                }
            });
        }
    });
    let whole = whole.into_inner().expect("no thread panicked");
    let scripts = next.into_inner() - first;
    println!("{} distinct cases from {scripts} scripts in {:?}", whole.distinct.len(), start.elapsed());
    println!("{}", whole.table.print());
    assert!(whole.failures.is_empty(), "\n{}", whole.failures.join("\n"));
    leave_figure("fault_cases", whole.distinct.len());
    if wanted >= 100_000 {
        assert_eq!(whole.table.empty_cells(), (vec![], vec![]), "cells without a case");
    }
}

#[test]
fn every_seeded_bug_is_noticed() {
    let most = number("MATRIX_BUG_SEEDS", 6);
    let bug = std::env::var("MATRIX_BUG").ok();
    let wanted = |name: &&str| bug.as_deref().map_or(!ELSEWHERE.contains(name), |only| only == *name);
    let names: Vec<&str> = Faults::NAMES.iter().copied().filter(wanted).collect();
    assert!(bug.is_some() || names.len() >= 16, "only {} bugs are tried here", names.len());
    let next = AtomicU64::new(0);
    let survived = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let bugs = Faults::only(name).expect("a name from the list");
                    let start = Instant::now();
                    let killed = (0..=most).find_map(|seed| {
                        let findings = if seed == 0 { put_specimens_through(bugs) } else { put_through(seed, bugs, 3) };
                        findings.failures.into_iter().next().map(|line| (seed, line))
                    });
                    match killed {
                        Some((seed, line)) => {
                            let line: String = line.chars().take(300).collect();
                            println!("{name}: killed by script {seed} after {:?}: {line}", start.elapsed());
                        }
                        None => survived.lock().expect("no thread panicked").push(*name),
                    }
                }
            });
        }
    });
    let survived = survived.into_inner().expect("no thread panicked");
    assert!(survived.is_empty(), "not noticed: {survived:?}");
}
