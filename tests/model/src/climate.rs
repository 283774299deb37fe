//! Climates: how likely each operation is, how much the other parties bustle, when objects are old.
//!
//! A run's climate follows from its seed. Some are calm, some live in the middle of sweeps, some make
//! many forwarders, two follow a stage; together they reach what one mixture alone would not.

use crate::mutate::{Action, Operation};
use crate::random::Random;
use Operation::*;

/// How many kinds of climate there are; seed n has climate n modulo this. Those behind the table are
/// mixtures by chance alone.
pub const CLIMATES: u64 = 12;
const LONGEST: usize = 400;

/// The conditions of a run.
pub struct Climate {
    /// How likely another party steps between two stores, of a hundred.
    pub bustle: usize,
    /// How likely a finish gives up, of a hundred.
    pub hurry: usize,
    /// Words allocated since its birth that make an object old.
    pub tenure_age: u32,
    weights: Vec<(Operation, usize)>,
    length: usize,
    stage: Option<Stage>,
}

/// The order of operations, where chance alone would hardly ever find it.
type Stage = fn(&mut Random) -> Vec<Operation>;

/// One kind of climate; empty lists leave to chance.
struct Kind {
    tenure_ages: &'static [u32],
    bustles: &'static [usize],
    hurry: usize,
    weights: &'static [(Operation, usize)],
    stage: Option<Stage>,
}

const MIXTURE: Kind = Kind { tenure_ages: &[], bustles: &[], hurry: 25, weights: &[], stage: None };

const KINDS: &[Kind] = &[
    Kind {
        weights: &[(WriterRun, 12), (MarkerRun, 12), (Crash, 3), (Become, 3), (Instances, 4)],
        ..MIXTURE
    },
    Kind {
        weights: &[
            (SweepStep, 3), (SweepRun, 0), (FinishNow, 4), (Crash, 3), (Clear, 3), (Instances, 3),
            (WriterRun, 10), (MarkerDrain, 4), (NewLarge, 0), (Leaks, 0),
        ],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[40, 100],
        bustles: &[0, 3, 8],
        weights: &[
            (Become, 6), (Scavenge, 6), (MarkerStep, 12), (MarkerRun, 0), (Crash, 0), (Take, 8), (Give, 8),
        ],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[0, 0, 8, 40],
        bustles: &[0, 3],
        weights: &[
            (MarkerStep, 4), (MarkerRun, 0), (Crash, 0), (Take, 12), (Give, 16), (Read, 10),
            (New, 14), (Instances, 0), (Flip, 2), (WriterRun, 2),
        ],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[8, 16, 24],
        bustles: &[0],
        weights: &[(Become, 6), (Scavenge, 6), (MarkerStep, 3), (MarkerRun, 0), (Take, 6), (Give, 10)],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[24, 40, 100],
        hurry: 80,
        weights: &[
            (MarkerDrain, 8), (Finish, 16), (Flip, 12), (WriterRun, 16), (Plant, 12), (Age, 2),
            (Clear, 2), (Crash, 0), (Leaks, 0),
        ],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[60],
        bustles: &[0],
        weights: &[
            (BecomeScanned, 8), (MarkerStep, 14), (MarkerRun, 0), (MarkerDrain, 0), (Age, 5),
            (Scavenge, 10), (Flip, 3), (WriterRun, 8), (Finish, 2), (FinishNow, 2), (SweepRun, 8),
            (Crash, 0), (NewLarge, 0), (Instances, 0), (Give, 4), (Plant, 14), (Leaks, 0),
        ],
        ..MIXTURE
    },
    Kind {
        tenure_ages: &[8, 16, 40],
        bustles: &[0],
        weights: &[
            (MarkerStep, 5), (MarkerRun, 0), (MarkerDrain, 0), (Scavenge, 16), (Plant, 20), (Age, 3),
            (Flip, 2), (WriterRun, 6), (Crash, 0), (NewLarge, 0), (Leaks, 0), (Give, 10),
        ],
        ..MIXTURE
    },
    Kind { tenure_ages: &[40], bustles: &[0], stage: Some(change_in_mid_scan), ..MIXTURE },
    Kind { tenure_ages: &[40], bustles: &[0], hurry: 90, stage: Some(weak_among_the_young), ..MIXTURE },
];

/// One of them; a single one needs no chance.
fn one_of<T: Copy>(list: &[T], random: &mut Random) -> Option<T> {
    match list {
        [] => None,
        [only] => Some(*only),
        _ => Some(list[random.below(list.len())]),
    }
}

impl Climate {
    /// The climate of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut weights: Vec<(Operation, usize)> = Operation::ALL
            .iter()
            .map(|(operation, weight)| (*operation, [*weight, *weight, weight / 2, weight * 2][random.below(4)]))
            .collect();
        let tenure_age = [0, 8, 16, 40, 100][random.below(5)];
        let bustle = [0, 5, 20, 40, 70][random.below(5)];
        let kind = KINDS.get((seed % CLIMATES) as usize).unwrap_or(&MIXTURE);
        let tenure_age = one_of(kind.tenure_ages, &mut random).unwrap_or(tenure_age);
        let bustle = one_of(kind.bustles, &mut random).unwrap_or(bustle);
        for (operation, weight) in kind.weights {
            weights.iter_mut().filter(|(other, _)| other == operation).for_each(|(_, old)| *old = *weight);
        }
        let length = if random.chance(30) { 1 + random.below(LONGEST) } else { LONGEST };
        Self { bustle, hurry: kind.hurry, tenure_age, weights, length, stage: kind.stage }
    }

    /// A history in this climate, by seed.
    pub fn history(&self, seed: u64) -> Vec<Action> {
        let mut random = Random::new(seed ^ 0x5eed);
        if let Some(stage) = self.stage {
            return stage(&mut random)
                .into_iter()
                .map(|operation| Action { operation, seed: random.bits() })
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
            Action { operation: found.map_or(New, |(operation, _)| *operation), seed: random.bits() }
        };
        (0..self.length).map(|_| draw()).collect()
    }
}

/// The marker is in the middle of an object when what it refers to moves or dies; the object itself
/// may have become another.
fn change_in_mid_scan(random: &mut Random) -> Vec<Operation> {
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
