//! The driver: histories from seeds, runs by the million, failures made small.
//!
//! A history follows from a seed: its climate, and the choices of each of its actions.

use crate::climate::Climate;
use crate::machine::{Counts, Machine, Stop};
use crate::mutate::Action;
use crate::rules::Rules;

/// A history that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of its climate.
    pub seed: u64,
    /// What was done, up to the failure.
    pub history: Vec<Action>,
    /// What was wrong.
    pub line: String,
}

/// What a number of runs did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Runs.
    pub runs: u64,
    /// Actions.
    pub steps: u64,
    /// Runs that ended early because the heap was full.
    pub full: u64,
    /// What happened in them.
    pub counts: Counts,
    /// The first failure, if there was one.
    pub failure: Option<Failure>,
}

/// Plays a history in the climate of `seed`; answers how many actions were done, what happened, and
/// why it stopped if it did.
pub fn replay(rules: Rules, seed: u64, history: &[Action]) -> (usize, Counts, Option<Stop>) {
    let climate = Climate::of(seed);
    let mut machine = Machine::new(rules, climate.bustle, climate.hurry, climate.tenure_age);
    for (nth, action) in history.iter().enumerate() {
        if let Err(stop) = machine.act(*action) {
            return (nth + 1, machine.counts, Some(stop));
        }
    }
    (history.len(), machine.counts, None)
}

/// Runs one seed and adds to the tally.
pub fn run(rules: Rules, seed: u64, tally: &mut Tally) {
    let mut history = Climate::of(seed).history(seed);
    let (steps, counts, stop) = replay(rules, seed, &history);
    tally.runs += 1;
    tally.steps += steps as u64;
    tally.counts.add(&counts);
    match stop {
        Some(Stop::Broken(line)) if tally.failure.is_none() => {
            history.truncate(steps);
            tally.failure = Some(Failure {
                seed,
                history,
                line,
            });
        }
        Some(Stop::Full) => tally.full += 1,
        _ => {}
    }
}

/// Runs the seeds until one fails.
pub fn hunt(rules: Rules, seeds: impl Iterator<Item = u64>) -> Tally {
    let mut tally = Tally::default();
    for seed in seeds {
        run(rules, seed, &mut tally);
        if tally.failure.is_some() {
            break;
        }
    }
    tally
}

/// Leaves out what a failure does not need: halves first, then single actions, while it still fails.
pub fn shrink(rules: Rules, failure: &Failure) -> Failure {
    let mut best = failure.clone();
    let mut part = best.history.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut shorter = false;
        while start < best.history.len() {
            let mut history = best.history.clone();
            history.drain(start..(start + part).min(history.len()));
            if let (steps, _, Some(Stop::Broken(line))) = replay(rules, best.seed, &history) {
                history.truncate(steps);
                best = Failure {
                    seed: best.seed,
                    history,
                    line,
                };
                shorter = true;
            } else {
                start += part;
            }
        }
        if part == 1 && !shorter {
            return best;
        }
        part = (part / 2).max(1);
    }
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        let Counts {
            scavenges,
            tenured,
            flips,
            commits,
            abandoned,
            asides,
            marks,
            over_budget,
            sweeps,
            weak_cleared,
            fired,
            became,
            large,
            reopened,
            reopened_in_sweep,
            fell_back,
            pages_dropped,
            instances,
            returns,
            leak_checks,
        } = other;
        self.scavenges += scavenges;
        self.tenured += tenured;
        self.flips += flips;
        self.commits += commits;
        self.abandoned += abandoned;
        self.asides += asides;
        self.marks += marks;
        self.over_budget += over_budget;
        self.sweeps += sweeps;
        self.weak_cleared += weak_cleared;
        self.fired += fired;
        self.became += became;
        self.large += large;
        self.reopened += reopened;
        self.reopened_in_sweep += reopened_in_sweep;
        self.fell_back += fell_back;
        self.pages_dropped += pages_dropped;
        self.instances += instances;
        self.returns += returns;
        self.leak_checks += leak_checks;
    }
}
