//! With every rule the model runs a million steps and more without a fault; without any one of them
//! it fails, within a bounded number of seeds.

use model::{CLIMATES, Counts, Failure, Rule, Rules, Tally, hunt, replay, shrink};
use std::time::Instant;

/// Where a rule's absence shows soonest, for the rules that a mixture of climates would not show
/// in a few seconds. Any other rule is looked for in all climates.
const BEST_CLIMATE: &[(Rule, u64)] = &[
    (Rule::BecomeClears, 8),
    (Rule::OverBudgetDropsYoung, 9),
    (Rule::OverBudgetKeepsGrey, 5),
    (Rule::BoundaryBeforeReuse, 8),
    (Rule::YoungEphemerons, 9),
    (Rule::YoungWeakCleared, 9),
    (Rule::WeakThroughForwarders, 4),
    (Rule::FinishScavenges, 3),
];
const MOST_RUNS: u64 = 12_000;

/// Rules whose absence the model does not show, each with the reason. None is left.
const EXCEPTIONS: &[(Rule, &str)] = &[];

fn report(rules: Rules, failure: &Failure) -> String {
    let small = shrink(rules, failure);
    let steps: Vec<String> = small
        .history
        .iter()
        .map(|action| format!("    {}", action.operation.says()))
        .collect();
    format!("seed {}: {}\n{}", small.seed, small.line, steps.join("\n"))
}

#[test]
fn a_million_steps_with_every_rule_are_clean() {
    let start = Instant::now();
    let mut whole = Tally::default();
    let mut seed = 0;
    while whole.steps < 1_200_000 {
        model::run(Rules::all(), seed, &mut whole);
        seed += 1;
        if let Some(failure) = &whole.failure {
            panic!("the rules do not hold: {}", report(Rules::all(), failure));
        }
    }
    println!(
        "{} runs, {} steps, {:?}: {:?}",
        whole.runs,
        whole.steps,
        start.elapsed(),
        whole.counts
    );
    println!(
        "{} runs ended early because the small heap was full",
        whole.full
    );
    assert!(
        whole.full * 3 < whole.runs,
        "too many runs end with a full heap to mean much"
    );
    let Counts {
        commits,
        abandoned,
        asides,
        marks,
        over_budget,
        sweeps,
        weak_cleared,
        fired,
        became,
        ..
    } = whole.counts;
    let rare = [
        commits,
        abandoned,
        asides,
        marks,
        over_budget,
        sweeps,
        weak_cleared,
        fired,
        became,
    ];
    let Counts {
        tenured,
        large,
        reopened,
        reopened_in_sweep,
        fell_back,
        pages_dropped,
        returns,
        ..
    } = whole.counts;
    let other = [
        tenured,
        large,
        reopened,
        reopened_in_sweep,
        fell_back,
        pages_dropped,
        returns,
    ];
    assert!(
        rare.iter().chain(&other).all(|count| *count >= 20),
        "something hardly ever happened"
    );
}

#[test]
fn each_rule_switched_off_fails() {
    let mut unnoticed = Vec::new();
    for rule in Rule::ALL {
        let rules = Rules::without(*rule);
        let best = BEST_CLIMATE
            .iter()
            .find(|(other, _)| other == rule)
            .map(|(_, climate)| *climate);
        let seed = |nth: u64| best.map_or(nth, |climate| nth * CLIMATES + climate);
        let start = Instant::now();
        let tally = hunt(rules, (0..MOST_RUNS).map(seed));
        match (
            &tally.failure,
            EXCEPTIONS.iter().find(|(other, _)| other == rule),
        ) {
            (Some(failure), None) => {
                let took = start.elapsed();
                let small = shrink(rules, failure);
                let steps = small.history.len();
                println!(
                    "{rule:?}: {} steps, {took:?}; smallest history {steps} actions: {}",
                    tally.steps, small.line
                );
            }
            (None, Some((_, reason))) => println!("{rule:?} is not noticed: {reason}"),
            (None, None) => unnoticed.push(*rule),
            (Some(_), Some(_)) => panic!("{rule:?} is noticed and stands among the exceptions"),
        }
    }
    assert!(
        unnoticed.is_empty(),
        "switched off and not noticed: {unnoticed:?}"
    );
}

#[test]
fn a_failure_replays_exactly_and_shrinks_to_one_that_fails() {
    let rules = Rules::without(Rule::CopyAside);
    let failure = hunt(rules, 0..100)
        .failure
        .expect("a rule that shows at once");
    let (_, counts, stop) = replay(rules, failure.seed, &failure.history);
    assert_eq!((counts, stop.clone()), {
        let (_, counts, stop) = replay(rules, failure.seed, &failure.history);
        (counts, stop)
    });
    assert!(stop.is_some());
    let small = shrink(rules, &failure);
    assert!(small.history.len() <= failure.history.len());
    assert!(replay(rules, small.seed, &small.history).2.is_some());
    assert!(
        replay(Rules::all(), small.seed, &small.history).2.is_none(),
        "with the rule it is clean"
    );
}

#[test]
fn each_rule_is_told_with_its_sentence() {
    for rule in Rule::ALL {
        assert!(
            rule.says().len() > 20 && rule.design().len() > 10,
            "{rule:?}"
        );
    }
}
