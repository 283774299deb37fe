//! Which blocks may be written: the free ones, and those behind the high-water mark.
//!
//! Invariants
//! - I1 A block that the head, its parent or a moment reaches is never handed out: what commit `n`
//!   replaced or freed waits as pending until a commit whose *parent* is `n` or later is durable.
//! - I2 Blocks of a commit whose outcome is unknown, or of a try that was given up, wait for the
//!   next acknowledgement and then as pending.
//! - I3 Until the free blocks are known (after a crash: until the sweep is done) nothing leaves the
//!   pending list, and only blocks behind the high-water mark are handed out.
//! - I4 The reserve holds blocks that were written before, so that a commit that frees space can be
//!   written on a full disk; only such commits take from it.
//! - I5 While somebody else reads the store, nothing leaves the pending list either, and what is
//!   learnt to be free waits there: a reader showed itself before it looked for the head, so it
//!   reaches nothing that was free by then.
//!
//! Knows: blocks and commit numbers. Must not know: maps, moments.

use crate::extents::{Extents, Run};
use crate::faults::Faults;
use crate::kinds::{BlockNumber, CommitNumber};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Free runs shorter than these are left alone while the file may grow, so that writes and reads stay
/// contiguous; the more is free in them, the shorter they may be: a part of all blocks, and the least run
/// once more than that part is free.
const SHORT_RUNS: [(u64, u64); 3] = [(4, 1), (64, 4), (u64::MAX, 32)];

/// What a commit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It keeps something new.
    Keeping,
    /// It frees space, and may take from the reserve.
    Freeing,
}

/// The blocks of a store, by what may be done with them.
#[derive(Debug, Default)]
pub(crate) struct Allocator {
    free: Extents,
    reserve: Extents,
    reserve_goal: u64,
    pending: BTreeMap<CommitNumber, Extents>,
    doubtful: Extents,
    high_water: BlockNumber,
    /// The high-water mark of the head's record: the mark never falls below it, or what lies between
    /// would be neither free nor behind the mark.
    recorded: BlockNumber,
    known: bool,
    /// Whether somebody else reads the store (I5).
    pub(crate) is_read: bool,
    /// Whether the store refused to grow since the last acknowledgement.
    pub(crate) full: bool,
}

impl Allocator {
    /// An allocator that knows no free block below `high_water` yet.
    pub(crate) fn new(high_water: BlockNumber, reserve_goal: u64) -> Allocator {
        Allocator { high_water, recorded: high_water, reserve_goal, ..Allocator::default() }
    }

    /// Blocks from here on were never handed out.
    pub(crate) fn high_water(&self) -> BlockNumber {
        self.high_water
    }

    /// Whether the free blocks are known.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }

    /// Takes a run of at most `want` blocks.
    pub(crate) fn take(&mut self, want: u64, purpose: Purpose) -> Run {
        let want = want.max(1);
        let free = self.free.blocks();
        let has_more = |(part, _): &&(u64, u64)| free > self.high_water.0 / part;
        let least = SHORT_RUNS.iter().find(has_more).map_or(1, |(_, least)| *least);
        let least = if self.full { 1 } else { least };
        let found = self.free.take_fitting(want).or_else(|| self.free.take_longest(want, least));
        if let Some(run) = found {
            return run;
        }
        if self.full && purpose == Purpose::Freeing {
            let held_back = self.reserve.take_fitting(want);
            if let Some(run) = held_back.or_else(|| self.reserve.take_longest(want, 1)) {
                return run;
            }
        }
        let run = Run::new(self.high_water, want);
        self.high_water = run.end();
        run
    }

    /// Gives back blocks that were taken and never written.
    pub(crate) fn give_back(&mut self, run: Run) {
        if run.blocks > 0 && run.end() == self.high_water && run.first >= self.recorded {
            self.high_water = run.first;
        } else {
            self.free.insert(run);
        }
    }

    /// Commit `by` no longer reaches `blocks`.
    pub(crate) fn replaced(&mut self, by: CommitNumber, blocks: &Extents, faults: &Faults) {
        if faults.leak_replaced_blocks {
            return;
        }
        let early = faults.reuse_block_early && self.known;
        let target =
            if early { &mut self.free } else { self.pending.entry(by).or_default() };
        blocks.runs().for_each(|run| target.insert(run));
    }

    /// A try was given up; its blocks may or may not hold what was written to them.
    pub(crate) fn given_up(&mut self, blocks: &Extents, faults: &Faults) {
        let target = if faults.free_unknown_commit { &mut self.free } else { &mut self.doubtful };
        blocks.runs().for_each(|run| target.insert(run));
    }

    /// Commit `head` is durable, and `parent` is the one that it follows.
    pub(crate) fn acknowledged(&mut self, head: CommitNumber, parent: CommitNumber) {
        self.full = false;
        self.recorded = self.high_water;
        let doubtful = core::mem::take(&mut self.doubtful);
        if doubtful.blocks() > 0 {
            let target = self.pending.entry(head).or_default();
            doubtful.runs().for_each(|run| target.insert(run));
        }
        if self.known && !self.is_read {
            self.release(parent);
        }
    }

    fn release(&mut self, parent: CommitNumber) {
        let later = self.pending.split_off(&CommitNumber(parent.0.saturating_add(1)));
        for blocks in core::mem::replace(&mut self.pending, later).into_values() {
            blocks.runs().for_each(|run| self.free.insert(run));
        }
        self.fill_reserve();
    }

    fn fill_reserve(&mut self) {
        while self.reserve.blocks() < self.reserve_goal {
            let missing = self.reserve_goal - self.reserve.blocks();
            match self.free.take_fitting(missing).or_else(|| self.free.take_longest(missing, 1)) {
                Some(run) => self.reserve.insert(run),
                None => return,
            }
        }
    }

    /// The free blocks are known now: `free`, beside what this allocator holds already.
    pub(crate) fn learn(&mut self, free: &Extents, parent: CommitNumber) {
        self.known = true;
        if self.is_read {
            let waiting = self.pending.entry(parent).or_default();
            return free.runs().for_each(|run| waiting.insert(run));
        }
        free.runs().for_each(|run| self.free.insert(run));
        self.release(parent);
    }

    /// Adds blocks that commit `by` freed, as the list of a clean close says.
    pub(crate) fn learn_pending(&mut self, by: CommitNumber, run: Run) {
        self.pending.entry(by).or_default().insert(run);
    }

    /// Free blocks for the list of a clean close, each with the commit that freed it: of tries that
    /// were given up, the closing commit, as its acknowledgement will have it.
    pub(crate) fn listed(&self, closing: CommitNumber) -> Vec<(Run, CommitNumber)> {
        let held = self.free.runs().chain(self.reserve.runs()).map(|run| (run, CommitNumber::FIRST));
        let pending = self.pending.iter();
        let pending = pending.flat_map(|(&by, blocks)| blocks.runs().map(move |run| (run, by)));
        let doubtful = self.doubtful.runs().map(|run| (run, closing));
        held.chain(pending).chain(doubtful).collect()
    }

    /// Takes `blocks` blocks behind the high-water mark.
    pub(crate) fn take_behind(&mut self, blocks: u64) -> Run {
        let run = Run::new(self.high_water, blocks);
        self.high_water = run.end();
        run
    }

    /// Blocks that may be written by the next commit.
    pub(crate) fn usable(&self) -> impl Iterator<Item = Run> + '_ {
        self.free.runs().chain(self.reserve.runs())
    }

    /// Blocks that nobody may write yet.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = Run> + '_ {
        self.pending.values().flat_map(Extents::runs).chain(self.doubtful.runs())
    }

    /// How many blocks are free or will be.
    pub(crate) fn free_blocks(&self) -> u64 {
        self.usable().chain(self.waiting()).map(|run| run.blocks).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(block: u64) -> Extents {
        let mut set = Extents::default();
        set.insert_block(BlockNumber(block));
        set
    }

    fn known() -> Allocator {
        let mut blocks = Allocator::new(BlockNumber(100), 0);
        blocks.learn(&Extents::default(), CommitNumber(0));
        blocks.full = true;
        blocks
    }

    #[test]
    fn a_replaced_block_waits_until_its_commit_is_the_parent() {
        let mut blocks = known();
        blocks.replaced(CommitNumber(5), &one(50), &Faults::default());
        blocks.acknowledged(CommitNumber(5), CommitNumber(4));
        assert_eq!(blocks.usable().count(), 0);
        blocks.acknowledged(CommitNumber(6), CommitNumber(5));
        assert_eq!(blocks.usable().count(), 1);
    }

    #[test]
    fn blocks_of_a_try_that_was_given_up_wait_for_two_acknowledgements() {
        let mut blocks = known();
        blocks.given_up(&one(50), &Faults::default());
        blocks.acknowledged(CommitNumber(6), CommitNumber(4));
        assert_eq!(blocks.usable().count(), 0);
        blocks.acknowledged(CommitNumber(7), CommitNumber(6));
        assert_eq!(blocks.usable().count(), 1);
    }

    #[test]
    fn a_clean_close_lists_the_blocks_of_tries_that_were_given_up() {
        let mut blocks = known();
        blocks.given_up(&one(50), &Faults::default());
        let listed = blocks.listed(CommitNumber(7));
        assert_eq!(listed, [(Run::new(BlockNumber(50), 1), CommitNumber(7))]);
    }

    #[test]
    fn nothing_is_reused_before_the_free_blocks_are_known() {
        let mut blocks = Allocator::new(BlockNumber(100), 0);
        blocks.replaced(CommitNumber(1), &one(50), &Faults::default());
        blocks.acknowledged(CommitNumber(2), CommitNumber(1));
        assert_eq!(blocks.take(1, Purpose::Keeping), Run::new(BlockNumber(100), 1));
        blocks.learn(&one(60), CommitNumber(1));
        assert_eq!(blocks.usable().count(), 2);
    }

    #[test]
    fn nothing_is_reused_while_somebody_reads() {
        let mut blocks = Allocator::new(BlockNumber(100), 0);
        blocks.is_read = true;
        blocks.learn(&one(60), CommitNumber(1));
        blocks.replaced(CommitNumber(2), &one(50), &Faults::default());
        blocks.acknowledged(CommitNumber(3), CommitNumber(2));
        assert_eq!((blocks.usable().count(), blocks.waiting().count()), (0, 2));
        blocks.is_read = false;
        blocks.acknowledged(CommitNumber(4), CommitNumber(3));
        assert_eq!((blocks.usable().count(), blocks.waiting().count()), (2, 0));
    }

    #[test]
    fn the_high_water_mark_never_falls_below_the_recorded_one() {
        let mut blocks = known();
        let mut top = Extents::default();
        top.insert(Run::new(BlockNumber(90), 10));
        blocks.learn(&top, CommitNumber(0));
        let run = blocks.take(10, Purpose::Keeping);
        blocks.give_back(run);
        assert_eq!((blocks.high_water(), blocks.usable().count()), (BlockNumber(100), 1));
        let run = blocks.take(20, Purpose::Keeping);
        assert_eq!(run.first, BlockNumber(90));
        let run = blocks.take(20, Purpose::Keeping);
        assert_eq!(run.first, BlockNumber(100));
        blocks.give_back(run);
        assert_eq!(blocks.high_water(), BlockNumber(100));
    }

    #[test]
    fn only_a_freeing_commit_takes_from_the_reserve_and_only_when_full() {
        let mut blocks = Allocator::new(BlockNumber(100), 1);
        blocks.learn(&one(50), CommitNumber(0));
        assert_eq!(blocks.take(1, Purpose::Freeing).first, BlockNumber(100));
        blocks.full = true;
        assert_eq!(blocks.take(1, Purpose::Keeping).first, BlockNumber(101));
        assert_eq!(blocks.take(1, Purpose::Freeing).first, BlockNumber(50));
    }
}
