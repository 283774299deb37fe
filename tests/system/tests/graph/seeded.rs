//! Each seeded bug is noticed by some history.

use crate::driver::{Bias, Plan, run};
use image::space::SpaceFaults;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vm::heap::Faults;

/// The histories that are tried before a bug counts as not noticed.
const HISTORIES: u64 = 400;

const SPACE: &[(&str, fn(&mut SpaceFaults))] = &[
    ("skip_copy_aside", |faults| faults.skip_copy_aside = true),
    ("writer_skips_swap", |faults| faults.writer_skips_swap = true),
    ("mutator_skips_swap", |faults| faults.mutator_skips_swap = true),
    ("abandon_forgets_pages", |faults| faults.abandon_forgets_pages = true),
    ("abandon_forgets_epoch", |faults| faults.abandon_forgets_epoch = true),
    ("drop_from_dirty_list", |faults| faults.drop_from_dirty_list = true),
];

/// Assertions of the heap that a seeded bug trips are expected on this test's thread.
fn quieten() {
    let before = std::panic::take_hook();
    let here = std::thread::current().id();
    let outcome = "not noticed within";
    std::panic::set_hook(Box::new(move |info| {
        let ours = info.payload().downcast_ref::<String>().is_some_and(|text| text.starts_with(outcome));
        if std::thread::current().id() != here || ours {
            before(info);
        }
    }));
}

/// Where a bug shows soonest.
fn bias(name: &str, drawn: Bias) -> Bias {
    match name {
        "skip_dirty_list" | "skip_finish_dirty" | "over_budget_drops_grey" => Bias::Marking,
        "forget_held_on_open" | "hand_out_early" => Bias::Sweeping,
        "ephemeron_once" | "ephemeron_value_unmarked" | "weak_not_cleared"
        | "weak_ignores_forwarders" => Bias::Weakness,
        _ => drawn,
    }
}

/// The first history that notices, and how.
fn noticed(plan: impl Fn(u64) -> Plan) -> Option<(u64, String)> {
    (1..=HISTORIES).find_map(|seed| {
        let plan = plan(seed);
        match catch_unwind(AssertUnwindSafe(|| run(plan))) {
            Ok(Ok(_)) => None,
            Ok(Err((what, _))) => Some((seed, what)),
            Err(_) => Some((seed, "an assertion of the heap".into())),
        }
    })
}

fn check(name: &str, plan: impl Fn(u64) -> Plan, missed: &mut Vec<String>) {
    match noticed(plan) {
        Some((seed, what)) => {
            let line: String = what.chars().take(110).collect();
            println!("{name:28} seed {seed:4}: {line}");
        }
        None => {
            println!("{name:28} not noticed");
            missed.push(name.into());
        }
    }
}

#[test]
fn every_seeded_bug_of_heap_and_space_is_noticed() {
    let only = std::env::var("GRAPH_FAULT").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    quieten();
    let mut missed = vec![];
    for name in Faults::NAMES.iter().filter(|name| wanted(name)) {
        let faults = Faults::only(name).expect("a name of the table");
        let plan = |seed| {
            let mut plan = Plan::drawn(seed, 300);
            plan.setup.faults = faults;
            plan.bias = bias(name, plan.bias);
            plan
        };
        check(name, plan, &mut missed);
    }
    for (name, set) in SPACE.iter().filter(|(name, _)| wanted(name)) {
        let plan = |seed| {
            let mut plan = Plan::drawn(seed, 300);
            set(&mut plan.setup.space_faults);
            plan
        };
        check(name, plan, &mut missed);
    }
    assert!(missed.is_empty(), "not noticed within {HISTORIES} histories: {missed:?}");
}
