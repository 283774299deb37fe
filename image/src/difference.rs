//! The difference of two page maps, skipping what they share.
//!
//! Invariants
//! - I1 Two entries that name the same block with the same sum share all below it; it is not walked.
//! - I2 Maps of different height are compared as if the lower one had nodes above it whose first
//!   entry leads to it.
//! - I3 Each step goes down a level and a node is entered once, so a forged map ends too;
//!   [`Difference::within`] also stops at what was born too early to be the first map's own.
//!
//! Knows: maps. Must not know: what the difference is for.

use crate::disk::Disk;
use crate::error::{Damage, Fault, Place};
use crate::kinds::{BlockNumber, CommitNumber};
use crate::map::{Entry, FANOUT, MapRoot, Node};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A place where two maps differ.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Differing {
    /// 0: a page; above: a node.
    pub(crate) level: u32,
    /// Its index on that level.
    pub(crate) index: u64,
    /// What the first map has there.
    pub(crate) first: Entry,
}

struct Pair {
    first: (Entry, u32),
    second: (Entry, u32),
    index: u64,
}

/// A walk over two maps.
pub(crate) struct Difference {
    waiting: Vec<Pair>,
    born_after: Option<CommitNumber>,
    entered: BTreeSet<BlockNumber>,
}

impl Difference {
    /// All places where two maps differ.
    pub(crate) fn new(first: MapRoot, second: MapRoot) -> Difference {
        let pair = Pair { first: (first.entry, first.levels), second: (second.entry, second.levels), index: 0 };
        Difference { waiting: alloc::vec![pair], born_after: None, entered: BTreeSet::new() }
    }

    /// The places where the first map has a block of its own, born after `born_after`.
    pub(crate) fn within(first: MapRoot, second: MapRoot, born_after: CommitNumber) -> Difference {
        Difference { born_after: Some(born_after), ..Difference::new(first, second) }
    }

    /// Goes on for `budget` places; answers whether the walk is done.
    pub(crate) fn step(
        &mut self,
        disk: &Disk,
        budget: u32,
        differs: &mut dyn FnMut(Differing),
    ) -> Result<bool, Damage> {
        for _ in 0..budget {
            let Some(pair) = self.waiting.pop() else { return Ok(true) };
            self.visit(disk, pair, differs)?;
        }
        Ok(self.waiting.is_empty())
    }

    fn is_skipped(&self, pair: &Pair) -> bool {
        let first = pair.first.0;
        let too_early = |bound: CommitNumber| !first.is_block() || first.birth <= bound;
        let both_empty = first.is_hole() && pair.second.0.is_hole();
        let same = pair.first.1 == pair.second.1 && first.same_block(pair.second.0);
        both_empty || same || self.born_after.is_some_and(too_early)
    }

    fn visit(&mut self, disk: &Disk, pair: Pair, differs: &mut dyn FnMut(Differing)) -> Result<(), Damage> {
        if self.is_skipped(&pair) {
            return Ok(());
        }
        let (first, level) = pair.first;
        let (second, second_level) = pair.second;
        let top = level.max(second_level);
        if level == top {
            differs(Differing { level, index: pair.index, first });
        }
        if top == 0 {
            return Ok(());
        }
        let entered = if level == top && first.is_block() { first.block } else { second.block };
        if !self.entered.insert(entered) {
            return Err(Damage::new(Place::Block(entered), Fault::UsedTwice));
        }
        let below = part(disk, first, level, top)?;
        let beside = part(disk, second, second_level, top)?;
        for nth in (0..FANOUT).rev() {
            self.waiting.push(Pair {
                first: child(&below, (first, level), top, nth),
                second: child(&beside, (second, second_level), top, nth),
                index: pair.index * FANOUT + nth,
            });
        }
        Ok(())
    }
}

/// The node of an entry on the topmost level, or none if the entry stands lower.
fn part(disk: &Disk, entry: Entry, level: u32, top: u32) -> Result<Option<Node>, Damage> {
    if level < top {
        return Ok(None);
    }
    let node = Node::load(disk, entry);
    node.map(Some).map_err(|fault| Damage::new(Place::Block(entry.block), fault))
}

/// The child `nth` of a node on `top`; of an entry that stands lower, the first child is it itself.
fn child(node: &Option<Node>, whole: (Entry, u32), top: u32, nth: u64) -> (Entry, u32) {
    match node {
        Some(node) => (node.0[nth as usize], top - 1),
        None if nth == 0 => whole,
        None => (Entry::HOLE, top - 1),
    }
}
