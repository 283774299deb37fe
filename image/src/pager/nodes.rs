//! The map nodes that the pager has seen, in tables reserved for all that there can be.
//!
//! Invariants
//! - I1 Nothing here locks, waits or allocates once it is made, except [`Nodes::publish`], which is
//!   the snapshot writer's and waits for a fill in progress (the time of copying 256 entries).
//! - I2 A node goes EMPTY → FILLING → READY; only the one that swapped EMPTY for FILLING stores its
//!   entries, and it looks at the node's own entry again after the swap: `publish` stores that entry
//!   before it looks at the state. So either the filler sees the new entry and steps back, or the
//!   publisher sees the fill and writes over it.
//! - I3 Levels above the map's own root are READY from the start: their first entry leads to the
//!   root, the others are holes.
//!
//! Must not know: where bytes come from.

use super::cells::Cells;
use crate::error::ImageError;
use crate::kinds::{BlockNumber, CommitNumber};
use crate::map::{Entry, FANOUT, MapRoot, index_on, levels_for};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};
use platform::Memory;

const EMPTY: u64 = 0;
const FILLING: u64 = 1;
const READY: u64 = 2;
/// Set in the second word of a page's entry once its loss was reported.
const REPORTED: u64 = 1 << 32;

/// The entries of nodes and pages, by level.
pub(super) struct Nodes {
    cells: Cells,
    /// By level (0: pages): where its entries start, two cells each.
    entries: Vec<usize>,
    /// By level (1: leaves): where its states start, one cell each.
    states: Vec<usize>,
    top: u32,
}

impl Nodes {
    /// Tables for `pages` pages, with the root of a map in place.
    pub(super) fn reserve(memory: &dyn Memory, pages: u64, root: MapRoot) -> Result<Nodes, ImageError> {
        let top = levels_for(pages).max(root.levels);
        let (mut entries, mut states, mut cells) = (Vec::new(), Vec::new(), 0usize);
        for level in 0..=top {
            let count = index_on(level, pages.saturating_sub(1)).saturating_add(1) as usize;
            entries.push(cells);
            cells = cells.saturating_add(count.next_multiple_of(FANOUT as usize).saturating_mul(2));
            states.push(cells);
            cells = cells.saturating_add(count);
        }
        let nodes = Nodes { cells: Cells::reserve(memory, cells)?, entries, states, top };
        nodes.publish_root(root);
        Ok(nodes)
    }

    /// The highest level, which has one node.
    pub(super) fn top(&self) -> u32 {
        self.top
    }

    fn entry_cells(&self, level: u32, index: u64) -> Option<(&AtomicU64, &AtomicU64)> {
        let start = self.entries.get(level as usize)?.checked_add(index as usize * 2)?;
        let end = self.states.get(level as usize)?;
        if start + 1 >= *end {
            return None;
        }
        Some((self.cells.at(start)?, self.cells.at(start + 1)?))
    }

    fn state(&self, level: u32, index: u64) -> Option<&AtomicU64> {
        let start = *self.states.get(level as usize)?;
        self.cells.at(start.checked_add(index as usize)?)
    }

    /// The entry of node `index` on `level` (level 0: of a page). Without birth.
    pub(super) fn entry(&self, level: u32, index: u64) -> Entry {
        let Some((block, sum)) = self.entry_cells(level, index) else { return Entry::HOLE };
        let block = BlockNumber(block.load(Ordering::SeqCst));
        Entry { block, crc: sum.load(Ordering::SeqCst) as u32, birth: CommitNumber(0) }
    }

    fn set_entry(&self, level: u32, index: u64, entry: Entry) {
        if let Some((block, sum)) = self.entry_cells(level, index) {
            sum.store(u64::from(entry.crc), Ordering::SeqCst);
            block.store(entry.block.0, Ordering::SeqCst);
        }
    }

    /// Whether the entries of node `index` on `level` are there.
    pub(super) fn is_ready(&self, level: u32, index: u64) -> bool {
        self.state(level, index).is_some_and(|state| state.load(Ordering::SeqCst) == READY)
    }

    /// Puts the entries of a node in place, if nobody else does and `from`, by which it was read, is
    /// still its entry.
    pub(super) fn fill(&self, level: u32, index: u64, from: Entry, entry_at: impl Fn(usize) -> Entry) {
        let Some(state) = self.state(level, index) else { return };
        let won = state.compare_exchange(EMPTY, FILLING, Ordering::SeqCst, Ordering::SeqCst);
        if won.is_err() {
            return;
        }
        let now = self.entry(level, index);
        if !now.same_block(from) {
            state.store(EMPTY, Ordering::SeqCst);
            return;
        }
        let first = index * FANOUT;
        for nth in 0..FANOUT {
            self.set_entry(level - 1, first + nth, entry_at(nth as usize));
        }
        state.store(READY, Ordering::SeqCst);
    }

    /// Takes over what a commit changed: entries by level (0: pages), each sorted by index.
    pub(super) fn publish(&self, root: MapRoot, changed: &[Vec<(u64, Entry)>]) {
        self.publish_root(root);
        for level in (0..self.top.min(changed.len() as u32)).rev() {
            for &(index, entry) in changed.get(level as usize).map_or(&[][..], Vec::as_slice) {
                self.publish_entry(level, index, entry);
            }
        }
    }

    fn publish_entry(&self, level: u32, index: u64, entry: Entry) {
        let Some(state) = self.state(level + 1, index / FANOUT) else { return };
        while state.load(Ordering::SeqCst) == FILLING {
            core::hint::spin_loop();
        }
        if state.load(Ordering::SeqCst) == READY {
            self.set_entry(level, index, entry);
        }
    }

    fn publish_root(&self, root: MapRoot) {
        let levels = root.levels.min(self.top);
        self.set_entry(levels, 0, root.entry);
        for level in levels + 1..=self.top {
            if let Some(state) = self.state(level, 0) {
                state.store(READY, Ordering::SeqCst);
            }
        }
    }

    /// Notes that a page's loss is reported; answers whether this is the first time.
    pub(super) fn report_once(&self, page: u64) -> bool {
        match self.entry_cells(0, page) {
            Some((_, sum)) => sum.fetch_or(REPORTED, Ordering::SeqCst) & REPORTED == 0,
            None => false,
        }
    }
}

/// The entries of a node as bytes hold them, for [`Nodes::fill`].
pub(super) fn entry_of(node: &crate::kinds::BlockBytes, nth: usize) -> Entry {
    crate::format::get_entry(node, nth * 16)
}
