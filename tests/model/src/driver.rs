//! The driver: histories from seeds, runs by the million, failures made small.
//!
//! A history is made from a *climate* (how likely each operation is, how much the other parties
//! bustle, when objects are old), all by seed. Some climates are calm, some live in the middle of
//! sweeps, some make many forwarders, two follow a stage; together they reach what one mix alone would not.

use crate::machine::{Counts, Machine, Stop};
use crate::mutate::{Action, Operation};
use crate::random::Random;
use crate::rules::Rules;

/// The conditions of a run.
#[derive(Clone, Debug)]
struct Climate {
    bustle: usize,
    hurry: usize,
    tenure_age: u32,
    weights: Vec<(Operation, usize)>,
    length: usize,
    /// The order of operations, where chance alone would hardly ever find it.
    stage: Option<Stage>,
}

type Stage = fn(&mut Random) -> Vec<Operation>;

/// The marker is in the middle of an object when what it refers to moves or dies; the object itself
/// may have become another.
fn change_in_mid_scan(random: &mut Random) -> Vec<Operation> {
    use Operation::*;
    let mut stage = vec![Plant, Plant, Plant, Age, Scavenge];
    stage.extend([Plant; 5]);
    stage.extend([Scavenge, Flip, WriterRun]);
    stage.extend(vec![MarkerStep; 2 + random.below(24)]);
    if random.chance(60) {
        stage.extend([BecomeScanned, Scavenge]);
    } else {
        stage.extend([Clear, Scavenge]);
    }
    stage.extend(vec![MarkerStep; random.below(3)]);
    for _ in 0..3 {
        stage.extend([Plant, Plant, Age, Scavenge]);
    }
    stage.push(MarkerDrain);
    stage
}

/// A finish meets weak objects and ephemerons in young blocks, and may give up; then these move.
fn weak_among_the_young(random: &mut Random) -> Vec<Operation> {
    use Operation::*;
    let mut stage = vec![New, Plant, Age, Scavenge];
    stage.extend(vec![Plant; 1 + random.below(3)]);
    if random.chance(30) {
        stage.extend([Write, Become, Scavenge]);
    }
    stage.extend([Write, Write, Forget, Clear]);
    for _ in 0..3 {
        stage.extend([Flip, WriterRun, MarkerDrain, Finish]);
    }
    stage.extend([SweepRun, SweepRun]);
    stage
}

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

const LONGEST: usize = 400;
/// How many kinds of climate there are; seed n has climate n modulo this.
pub const CLIMATES: u64 = 12;

impl Climate {
    fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut weights: Vec<(Operation, usize)> = Operation::ALL
            .iter()
            .map(|(operation, weight)| {
                (
                    *operation,
                    [*weight, *weight, weight / 2, weight * 2][random.below(4)],
                )
            })
            .collect();
        let mut climate_is = |wanted: &[(Operation, usize)]| {
            for (operation, weight) in wanted {
                weights
                    .iter_mut()
                    .filter(|(other, _)| other == operation)
                    .for_each(|(_, old)| *old = *weight);
            }
        };
        use Operation::*;
        let mut tenure_age = [0, 8, 16, 40, 100][random.below(5)];
        let mut bustle = [0, 5, 20, 40, 70][random.below(5)];
        let mut hurry = 25;
        let mut stage: Option<Stage> = None;
        match seed % CLIMATES {
            0 => climate_is(&[
                (WriterRun, 12),
                (MarkerRun, 12),
                (Crash, 3),
                (Become, 3),
                (Instances, 4),
            ]),
            1 => {
                climate_is(&[
                    (SweepStep, 3),
                    (SweepRun, 0),
                    (FinishNow, 4),
                    (Crash, 3),
                    (Clear, 3),
                    (Instances, 3),
                ]);
                climate_is(&[(WriterRun, 10), (MarkerDrain, 4), (NewLarge, 0), (Leaks, 0)]);
            }
            2 => {
                tenure_age = [40, 100][random.below(2)];
                bustle = [0, 3, 8][random.below(3)];
                climate_is(&[
                    (Become, 6),
                    (Scavenge, 6),
                    (MarkerStep, 12),
                    (MarkerRun, 0),
                    (Crash, 0),
                ]);
                climate_is(&[(Take, 8), (Give, 8)]);
            }
            3 => {
                tenure_age = [0, 0, 8, 40][random.below(4)];
                bustle = [0, 3][random.below(2)];
                climate_is(&[
                    (MarkerStep, 4),
                    (MarkerRun, 0),
                    (Crash, 0),
                    (Take, 12),
                    (Give, 16),
                    (Read, 10),
                ]);
                climate_is(&[(New, 14), (Instances, 0), (Flip, 2), (WriterRun, 2)]);
            }
            4 => {
                tenure_age = [8, 16, 24][random.below(3)];
                bustle = 0;
                climate_is(&[
                    (Become, 6),
                    (Scavenge, 6),
                    (MarkerStep, 3),
                    (MarkerRun, 0),
                    (Take, 6),
                    (Give, 10),
                ]);
            }
            5 => {
                hurry = 80;
                tenure_age = [24, 40, 100][random.below(3)];
                climate_is(&[
                    (MarkerDrain, 8),
                    (Finish, 16),
                    (Flip, 12),
                    (WriterRun, 16),
                    (Plant, 12),
                    (Age, 2),
                ]);
                climate_is(&[(Clear, 2), (Crash, 0), (Leaks, 0)]);
            }
            6 => {
                tenure_age = 60;
                bustle = 0;
                climate_is(&[
                    (BecomeScanned, 8),
                    (MarkerStep, 14),
                    (MarkerRun, 0),
                    (MarkerDrain, 0),
                    (Age, 5),
                ]);
                climate_is(&[
                    (Scavenge, 10),
                    (Flip, 3),
                    (WriterRun, 8),
                    (Finish, 2),
                    (FinishNow, 2),
                    (SweepRun, 8),
                ]);
                climate_is(&[
                    (Crash, 0),
                    (NewLarge, 0),
                    (Instances, 0),
                    (Give, 4),
                    (Plant, 14),
                    (Leaks, 0),
                ]);
            }
            7 => {
                tenure_age = [8, 16, 40][random.below(3)];
                bustle = 0;
                climate_is(&[
                    (MarkerStep, 5),
                    (MarkerRun, 0),
                    (MarkerDrain, 0),
                    (Scavenge, 16),
                    (Plant, 20),
                    (Age, 3),
                ]);
                climate_is(&[
                    (Flip, 2),
                    (WriterRun, 6),
                    (Crash, 0),
                    (NewLarge, 0),
                    (Leaks, 0),
                    (Give, 10),
                ]);
            }
            8 => {
                tenure_age = 40;
                bustle = 0;
                stage = Some(change_in_mid_scan);
            }
            9 => {
                tenure_age = 40;
                bustle = 0;
                hurry = 90;
                stage = Some(weak_among_the_young);
            }
            _ => {}
        }
        let length = if random.chance(30) {
            1 + random.below(LONGEST)
        } else {
            LONGEST
        };
        Self {
            bustle,
            hurry,
            tenure_age,
            weights,
            length,
            stage,
        }
    }

    fn history(&self, seed: u64) -> Vec<Action> {
        let mut random = Random::new(seed ^ 0x5eed);
        if let Some(stage) = self.stage {
            return stage(&mut random)
                .into_iter()
                .map(|operation| Action {
                    operation,
                    seed: random.bits(),
                })
                .collect();
        }
        let total: usize = self.weights.iter().map(|(_, weight)| weight).sum();
        let mut draw = || {
            let mut left = random.below(total);
            let found = self.weights.iter().find(|(_, weight)| {
                let here = left < *weight;
                left = left.saturating_sub(*weight);
                here
            });
            Action {
                operation: found.map_or(Operation::New, |(operation, _)| *operation),
                seed: random.bits(),
            }
        };
        (0..self.length).map(|_| draw()).collect()
    }
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
