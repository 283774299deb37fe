//! A set of blocks, kept as runs that never touch.
//!
//! Invariants
//! - I1 Runs in the set are not empty, do not overlap and do not touch (neighbours are merged).
//! - I2 Both indexes hold the same runs, so finding by place and by length are both logarithmic.
//!
//! Knows: block numbers. Must not know: why a block is in the set.

use crate::kinds::BlockNumber;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The first block.
    pub(crate) first: BlockNumber,
    /// How many.
    pub(crate) blocks: u64,
}

impl Run {
    /// A run.
    pub(crate) const fn new(first: BlockNumber, blocks: u64) -> Run {
        Run { first, blocks }
    }

    /// The block behind it.
    pub(crate) const fn end(self) -> BlockNumber {
        self.first.plus(self.blocks)
    }
}

/// A set of blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extents {
    by_place: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
    blocks: u64,
}

impl Extents {
    /// How many blocks are in the set.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The runs, by place.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        self.by_place.iter().map(|(&first, &blocks)| Run::new(BlockNumber(first), blocks))
    }

    fn put(&mut self, first: u64, blocks: u64) {
        self.by_place.insert(first, blocks);
        self.by_length.insert((blocks, first));
        self.blocks += blocks;
    }

    fn drop_run(&mut self, first: u64, blocks: u64) {
        self.by_place.remove(&first);
        self.by_length.remove(&(blocks, first));
        self.blocks -= blocks;
    }

    /// Adds a run. Blocks of it that are already there are kept once.
    pub(crate) fn insert(&mut self, run: Run) {
        if run.blocks == 0 {
            return;
        }
        let (mut first, mut end) = (run.first.0, run.end().0);
        while let Some((&near, &blocks)) = self.by_place.range(..=end).next_back() {
            if near + blocks < first {
                break;
            }
            self.drop_run(near, blocks);
            first = first.min(near);
            end = end.max(near + blocks);
        }
        self.put(first, end - first);
    }

    /// Adds one block.
    pub(crate) fn insert_block(&mut self, block: BlockNumber) {
        self.insert(Run::new(block, 1));
    }

    /// Takes out whatever of a run is there.
    pub(crate) fn remove(&mut self, run: Run) {
        let (first, end) = (run.first.0, run.end().0);
        while let Some((&near, &blocks)) = self.by_place.range(..end).next_back() {
            let near_end = near + blocks;
            if near_end <= first {
                break;
            }
            self.drop_run(near, blocks);
            if near < first {
                self.put(near, first - near);
            }
            if near_end > end {
                self.put(end, near_end - end);
            }
        }
    }

    /// Takes out whatever of a run is there, and answers it.
    pub(crate) fn take_within(&mut self, run: Run) -> Vec<Run> {
        let before = self.by_place.range(..run.end().0).rev();
        let overlaps = before.take_while(|&(&first, &blocks)| first + blocks > run.first.0);
        let cut = |(&first, &blocks): (&u64, &u64)| {
            let from = first.max(run.first.0);
            Run::new(BlockNumber(from), (first + blocks).min(run.end().0) - from)
        };
        let taken: Vec<Run> = overlaps.map(cut).collect();
        self.remove(run);
        taken
    }

    /// Whether a block is in the set.
    #[cfg(test)]
    pub(crate) fn contains(&self, block: BlockNumber) -> bool {
        let near = self.by_place.range(..=block.0).next_back();
        near.is_some_and(|(&first, &blocks)| block.0 < first + blocks)
    }

    /// Takes the shortest run of at least `want` blocks, cut to `want`.
    pub(crate) fn take_fitting(&mut self, want: u64) -> Option<Run> {
        let &(blocks, first) = self.by_length.range((want, 0)..).next()?;
        Some(self.cut(first, blocks, want))
    }

    /// Takes from the longest run at most `want` blocks, if it has at least `least`.
    pub(crate) fn take_longest(&mut self, want: u64, least: u64) -> Option<Run> {
        let &(blocks, first) = self.by_length.iter().next_back()?;
        (blocks >= least).then(|| self.cut(first, blocks, want.min(blocks)))
    }

    fn cut(&mut self, first: u64, blocks: u64, want: u64) -> Run {
        self.drop_run(first, blocks);
        if blocks > want {
            self.put(first + want, blocks - want);
        }
        Run::new(BlockNumber(first), want)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(runs: &[(u64, u64)]) -> Extents {
        let mut set = Extents::default();
        runs.iter().for_each(|&(first, blocks)| set.insert(Run::new(BlockNumber(first), blocks)));
        set
    }

    fn shown(set: &Extents) -> Vec<(u64, u64)> {
        assert_eq!(set.by_place.len(), set.by_length.len());
        assert_eq!(set.blocks, set.runs().map(|run| run.blocks).sum::<u64>());
        set.runs().map(|run| (run.first.0, run.blocks)).collect()
    }

    #[test]
    fn neighbours_merge_and_overlaps_count_once() {
        assert_eq!(shown(&set(&[(10, 5), (15, 5), (30, 1), (8, 2)])), [(8, 12), (30, 1)]);
        assert_eq!(shown(&set(&[(10, 5), (20, 5), (12, 10)])), [(10, 15)]);
        assert_eq!(shown(&set(&[(10, 5), (11, 1)])), [(10, 5)]);
    }

    #[test]
    fn removing_splits_runs() {
        let mut runs = set(&[(10, 10), (30, 10)]);
        runs.remove(Run::new(BlockNumber(15), 17));
        assert_eq!(shown(&runs), [(10, 5), (32, 8)]);
        assert!(runs.contains(BlockNumber(14)) && !runs.contains(BlockNumber(15)));
    }

    #[test]
    fn the_shortest_run_that_fits_is_taken() {
        let mut runs = set(&[(10, 10), (30, 3), (50, 4)]);
        assert_eq!(runs.take_fitting(3).map(|run| run.first.0), Some(30));
        assert_eq!(runs.take_fitting(11), None);
        assert_eq!(runs.take_longest(100, 1).map(|run| run.blocks), Some(10));
        assert_eq!(runs.take_longest(100, 5), None);
    }

    #[test]
    fn it_agrees_with_a_plain_set_of_blocks() {
        let mut state = 7u64;
        let mut next = |bound: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % bound
        };
        let (mut runs, mut plain) = (Extents::default(), alloc::collections::BTreeSet::new());
        for _ in 0..2000 {
            let run = Run::new(BlockNumber(next(200)), 1 + next(9));
            let blocks = run.first.0..run.end().0;
            if next(2) == 0 {
                runs.insert(run);
                plain.extend(blocks);
            } else {
                runs.remove(run);
                for block in blocks {
                    plain.remove(&block);
                }
            }
            shown(&runs);
            assert!((0..210).all(|block| runs.contains(BlockNumber(block)) == plain.contains(&block)));
        }
    }
}
