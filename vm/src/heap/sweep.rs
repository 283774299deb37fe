//! The sweep: dead old objects become free memory, block by block, in slices.
//!
//! Invariants
//! - W1 A block's allocation cursors are closed before it is swept.
//! - W2 Neighbouring dead objects and fillers become one filler; a block with nothing else is freed.
//! - W3 What a sweep frees is handed out when all of it is done: until then no new object stands
//!   where a corpse's reference points.
//! - W4 The sweep clears the mark bits of each block that it passes; what is born in a block that it
//!   has passed is not marked.

use super::Heap;
use super::cycle::Phase;
use super::shared::state;
use crate::layout::{BLOCK_BYTES, BlockEntry, BlockKind};

impl Heap {
    /// Sweeps about `blocks` blocks. Answers whether the sweep is done (or none runs,
    /// or a lost page forbids it).
    pub fn sweep_step(&mut self, blocks: usize) -> bool {
        for _ in 0..blocks {
            let next = match &self.cycle {
                Some(cycle) if cycle.phase == Phase::Sweeping && !self.is_lossy() => cycle.sweep_next,
                _ => return true,
            };
            if next >= self.pool.limit {
                self.end_sweep();
                return true;
            }
            let swept = self.sweep_block(next);
            if let Some(cycle) = &mut self.cycle {
                cycle.sweep_next = next + swept;
            }
        }
        false
    }

    /// Sweeps to the end, if a sweep runs.
    pub(super) fn complete_sweep(&mut self) {
        while !self.sweep_step(usize::MAX) {}
    }

    fn end_sweep(&mut self) {
        self.last_sweep = self.last_mark;
        self.cycle = None;
        for block in core::mem::take(&mut self.pool.held) {
            self.pool.insert(block as usize);
        }
        self.pool.rescan();
        self.statistics.sweeps += 1;
        self.over_limit = self.used_bytes() + self.eden_bytes() > self.limit_bytes;
    }

    /// Sweeps what begins in `block`; answers how many blocks that were.
    fn sweep_block(&mut self, block: usize) -> usize {
        if self.shared.states.get(block) != state::OLD {
            return 1;
        }
        match self.shared.kind(block) {
            BlockKind::Objects | BlockKind::Quiet => {
                self.sweep_objects(block);
                1
            }
            BlockKind::LargeHead => self.sweep_large(block),
            BlockKind::Free | BlockKind::LargeRest | BlockKind::Lost => 1,
        }
    }

    fn sweep_large(&mut self, block: usize) -> usize {
        let run = BlockEntry::run_of(self.shared.entry_word(block, 1)).max(1) as usize;
        let start = self.shared.block_address(block);
        let lead = self.shared.extent(start).map_or(0, |extent| extent.lead);
        let is_live = self.shared.is_marked(start + lead * 8);
        for block in block..block + run {
            self.set_swept(block, self.last_mark);
            if !is_live {
                self.free_swept_block(block);
            }
            self.shared.clear_marks(block);
        }
        if !is_live {
            self.statistics.swept_bytes += (run * BLOCK_BYTES) as u64;
        }
        run
    }

    fn sweep_objects(&mut self, block: usize) {
        if !self.faults.sweep_open_cursor {
            self.close_cursors_in(block);
        }
        let from = self.shared.block_address(block);
        let end = from + BLOCK_BYTES;
        let mut entry = BlockEntry::default();
        let mut free = 0;
        let mut hole = None;
        let mut at = from;
        while at < end {
            let Some(extent) = self.shared.extent(at) else { return };
            let header = at + extent.lead * 8;
            let is_free = self.shared.header(header).is_filler();
            let next = at + extent.words * 8;
            if is_free || !self.shared.is_marked(header) {
                hole = hole.or(Some(at));
                free += next - at;
            } else {
                if let Some(hole) = hole.take() {
                    self.put_filler(hole, (at - hole) / 8);
                    entry.note(hole - from);
                }
                entry.note(at - from);
            }
            at = next;
        }
        if let Some(hole) = hole {
            self.put_filler(hole, (end - hole) / 8);
            entry.note(hole - from);
        }
        self.statistics.swept_bytes += free.saturating_sub(self.free_bytes(block)) as u64;
        self.set_swept(block, self.last_mark);
        if free == BLOCK_BYTES {
            self.free_swept_block(block);
        } else {
            self.set_entry_word(block, 2, entry.0[2]);
            self.set_entry_word(block, 3, entry.0[3]);
            let kind = self.shared.kind(block);
            self.set_kind(block, kind, free);
        }
        self.shared.clear_marks(block);
    }
}
