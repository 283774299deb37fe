//! Scripts: what a world is asked to do, drawn from a grammar by seed.
//!
//! ```text
//! script = snapshot act*
//! act    = snapshot | grow | name | branch | restore | delete | thin | pin | unpin
//!        | append+ | append* flush | sweep | reopen | close
//! ```
//! A snapshot may be kept under a name, automatically or not at all, and records may be appended
//! while it is in writing. Choices that depend on what there is (which moment) are numbers that are
//! taken modulo what there is when the act comes, so that every script can be carried out.

use platform_sim::Random;
use std::collections::BTreeMap;

/// The kinds of acts: the rows of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "each is named by what is asked for")]
pub enum Verb {
    Snapshot,
    Grow,
    Name,
    Branch,
    Restore,
    Delete,
    Thin,
    Pin,
    Journal,
    Sweep,
    Reopen,
    Close,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 12] = [
        Verb::Snapshot,
        Verb::Grow,
        Verb::Name,
        Verb::Branch,
        Verb::Restore,
        Verb::Delete,
        Verb::Thin,
        Verb::Pin,
        Verb::Journal,
        Verb::Sweep,
        Verb::Reopen,
        Verb::Close,
    ];
}

/// How a snapshot is kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kept {
    /// Not.
    No,
    /// Until thinning.
    Automatic,
    /// Under a name.
    Named,
}

/// One act of a script.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// Dirty these pages and save.
    Snapshot {
        /// Page and number.
        dirty: BTreeMap<u64, u64>,
        /// How it is kept.
        kept: Kept,
        /// Length of a record appended in the middle of it.
        record: Option<usize>,
    },
    /// Dirty pages far behind the heap's end and save.
    Grow {
        /// Page and number.
        dirty: BTreeMap<u64, u64>,
    },
    /// Name the present.
    Name,
    /// Begin a branch at a moment.
    Branch(usize),
    /// Restore a moment.
    Restore(usize),
    /// Delete a moment.
    Delete(usize),
    /// Thin by a strict policy.
    Thin,
    /// Pin the present, or let a pin go.
    Pin(usize),
    /// Append records of these lengths, then flush or not.
    Journal {
        /// Lengths.
        records: Vec<usize>,
        /// Whether it is flushed.
        flush: bool,
    },
    /// Verification and sweep in the background, in steps of so many blocks.
    Sweep(u32),
    /// The process is killed and the world opened again; the kernel keeps the writes.
    Reopen,
    /// The world is closed cleanly and opened again.
    Close,
}

impl Act {
    /// Its kind.
    pub fn verb(&self) -> Verb {
        match self {
            Act::Snapshot { .. } => Verb::Snapshot,
            Act::Grow { .. } => Verb::Grow,
            Act::Name => Verb::Name,
            Act::Branch(_) => Verb::Branch,
            Act::Restore(_) => Verb::Restore,
            Act::Delete(_) => Verb::Delete,
            Act::Thin => Verb::Thin,
            Act::Pin(_) => Verb::Pin,
            Act::Journal { .. } => Verb::Journal,
            Act::Sweep(_) => Verb::Sweep,
            Act::Reopen => Verb::Reopen,
            Act::Close => Verb::Close,
        }
    }
}

/// A script and where it comes from.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Script {
    /// Its seed.
    pub seed: u64,
    /// Its acts.
    pub acts: Vec<Act>,
}

impl Script {
    /// The script of a seed, with about so many acts.
    pub fn of(seed: u64, length: usize) -> Script {
        let mut random = Random::new(seed);
        let mut number = seed << 20;
        let mut acts = vec![snapshot(&mut random, &mut number)];
        for _ in 0..length {
            let act = act(&mut random, &mut number);
            acts.push(act);
        }
        Script { seed, acts }
    }
}

impl Script {
    /// Scripts that chance would make too seldom: families of moments from which one is deleted.
    pub fn specimens() -> Vec<Script> {
        let save = |dirty: &[(u64, u64)]| Act::Snapshot {
            dirty: dirty.iter().copied().collect(),
            kept: Kept::Named,
            record: None,
        };
        let two_children = vec![
            save(&[(0, 1), (1, 2), (2, 3)]),
            Act::Sweep(64),
            save(&[(0, 11), (9, 4)]),
            save(&[(1, 12)]),
            Act::Restore(0),
            save(&[(2, 13), (7, 5)]),
            Act::Delete(0),
            save(&[(3, 14)]),
            save(&[(3, 15)]),
            Act::Sweep(64),
            Act::Reopen,
        ];
        let in_the_middle = vec![
            save(&[(0, 1), (1, 2)]),
            Act::Sweep(64),
            save(&[(0, 3), (5, 9), (6, 8)]),
            save(&[(0, 4)]),
            Act::Delete(1),
            save(&[(1, 5)]),
            save(&[(1, 6)]),
            Act::Sweep(64),
            Act::Reopen,
        ];
        let acts = [two_children, in_the_middle].into_iter().enumerate();
        acts.map(|(nth, acts)| Script { seed: nth as u64, acts }).collect()
    }
}

fn act(random: &mut Random, number: &mut u64) -> Act {
    match random.below(26) {
        0..=6 => snapshot(random, number),
        7 => {
            let start = [300, 5_000, 66_000][random.below(3)] + random.below(600) as u64;
            Act::Grow { dirty: pages(random, number, start, 40) }
        }
        8 | 9 => Act::Name,
        10 | 11 => Act::Branch(random.below(1_000)),
        12 | 13 => Act::Restore(random.below(1_000)),
        14..=16 => Act::Delete(random.below(1_000)),
        17 => Act::Thin,
        18 => Act::Pin(random.below(1_000)),
        19..=21 => {
            let count = 1 + random.below(4);
            let records = (0..count).map(|_| [1, 20, 600, 3_000][random.below(4)]).collect();
            Act::Journal { records, flush: random.chance(70) }
        }
        22 => Act::Sweep(1 + random.below(12) as u32),
        23 | 24 => Act::Reopen,
        _ => Act::Close,
    }
}

fn snapshot(random: &mut Random, number: &mut u64) -> Act {
    let spread = [6, 6, 60, 300][random.below(4)];
    let kept = [Kept::No, Kept::No, Kept::Automatic, Kept::Named][random.below(4)];
    let record = random.chance(25).then(|| 1 + random.below(900));
    Act::Snapshot { dirty: pages(random, number, 0, spread), kept, record }
}

fn pages(random: &mut Random, number: &mut u64, start: u64, spread: usize) -> BTreeMap<u64, u64> {
    let count = 1 + random.below(5);
    let mut one = || {
        *number += 1;
        let zero = random.chance(8);
        (start + random.below(spread) as u64, if zero { 0 } else { *number })
    };
    (0..count).map(|_| one()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Script, Verb};

    #[test]
    fn scripts_repeat_and_use_the_whole_grammar() {
        assert_eq!(Script::of(9, 30), Script::of(9, 30));
        let scripts: Vec<Script> = (0..40).map(|seed| Script::of(seed, 30)).collect();
        for verb in Verb::ALL {
            let used = |script: &Script| script.acts.iter().any(|act| act.verb() == verb);
            assert!(scripts.iter().any(used), "{verb:?} is never asked for");
        }
    }
}
