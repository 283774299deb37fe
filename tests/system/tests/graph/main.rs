//! Random graphs: mutators over the real heap, with an outside model of the graph as the judge.
//!
//! Duty: after every operation, the verifier, the two oracles and the model agree; also after a
//! crash and reopening; and each seeded bug is noticed by some history.
//!
//! A failing history prints its seed; `GRAPH_SEED=n` runs that one alone and prints its log.

mod arena;
mod behaviour;
mod compare;
mod disk;
mod driver;
mod forged;
mod model;
mod operations;
mod random;
mod real;
mod relocated;
mod seeded;
mod threads;
mod world;

use driver::{Plan, run};
use std::collections::BTreeMap;

fn report(plan: Plan, failure: (String, Vec<String>)) -> String {
    let (what, log) = failure;
    let tail: Vec<_> = log.iter().rev().take(60).rev().cloned().collect();
    let setup = format!("{plan:?}");
    let setup = setup.split(", ").filter(|part| !part.ends_with("false")).collect::<Vec<_>>().join(", ");
    format!("{setup}\n{}\n{what} (after {} entries)", tail.join("\n"), log.len())
}

#[test]
fn histories_keep_heap_and_model_equal() {
    let only = std::env::var("GRAPH_SEED").ok().and_then(|seed| seed.parse().ok());
    let count: u64 = std::env::var("GRAPH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let seeds = only.map_or(1..count + 1, |seed: u64| seed..seed + 1);
    let mut totals = BTreeMap::new();
    for seed in seeds {
        let plan = Plan::drawn(seed, 400);
        match run(plan) {
            Ok(counts) => {
                for (name, count) in counts {
                    *totals.entry(name).or_insert(0usize) += count;
                }
            }
            Err(failure) => panic!("{}", report(plan, failure)),
        }
    }
    println!("{totals:#?}");
    if only.is_none() && count >= 150 {
        let rare = ["relocated", "reopen in mid-sweep", "ephemeron fired", "weak slot cleared", "class dropped"];
        let never: Vec<_> = rare.iter().filter(|name| !totals.contains_key(*name)).collect();
        assert!(never.is_empty(), "never happened: {never:?}");
    }
}

#[test]
fn histories_over_the_real_store_survive_power_cuts() {
    let count: u64 = std::env::var("GRAPH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let only = std::env::var("GRAPH_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut totals = BTreeMap::new();
    for seed in only.map_or(1..count + 1, |seed: u64| seed..seed + 1) {
        let mut plan = Plan::drawn(seed, 250);
        plan.setup.real_store = true;
        plan.reopen_often();
        match run(plan) {
            Ok(counts) => {
                for (name, count) in counts {
                    *totals.entry(name).or_insert(0usize) += count;
                }
            }
            Err(failure) => panic!("{}", report(plan, failure)),
        }
    }
    println!("{totals:#?}");
    if only.is_none() && count >= 60 {
        let rare = ["reopen", "relocated", "reopen in mid-sweep", "commit", "abandon"];
        let never: Vec<_> = rare.iter().filter(|name| !totals.contains_key(*name)).collect();
        assert!(never.is_empty(), "never happened: {never:?}");
    }
}

#[test]
fn histories_keep_heap_and_model_equal_with_writer_and_marker_on_threads() {
    let count: u64 = std::env::var("GRAPH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
    let only = std::env::var("GRAPH_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut totals = BTreeMap::new();
    for seed in only.map_or(1..count + 1, |seed: u64| seed..seed + 1) {
        let mut plan = Plan::drawn(seed, 250);
        plan.setup.threads = true;
        match run(plan) {
            Ok(counts) => {
                for (name, count) in counts {
                    *totals.entry(name).or_insert(0usize) += count;
                }
            }
            Err(failure) => panic!("{}", report(plan, failure)),
        }
    }
    println!("{totals:#?}");
}
