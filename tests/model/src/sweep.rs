//! The sweep: dead neighbours become one filler, empty blocks are freed; nothing is handed out
//! before the last block is done.

use crate::machine::{Machine, Step, Use};
use crate::mark::Cycle;
use crate::rules::Rule;
use crate::word::{BLOCK, BLOCK_PAGES, BLOCKS, PAGE, Word};

impl Machine {
    /// Sweeps one block.
    pub(crate) fn sweep_step(&mut self) -> Step {
        let Some(mut cycle) = self.cycle.take() else {
            return Ok(());
        };
        let block = cycle.next_block;
        cycle.next_block += 1;
        match self.table.used[block] {
            Use::Old => self.sweep_block(&cycle, block)?,
            Use::LargeHead => self.sweep_large(&cycle, block),
            _ => {}
        }
        if cycle.next_block >= BLOCKS {
            self.last_sweep = cycle.number;
            self.counts.sweeps += 1;
        } else {
            self.cycle = Some(cycle);
        }
        Ok(())
    }

    fn sweep_block(&mut self, cycle: &Cycle, block: usize) -> Step {
        let (start, end) = (block * BLOCK, (block + 1) * BLOCK);
        if self.has(Rule::SweepClosesCursor)
            && self.old_cursor.is_some_and(|(at, _)| at / BLOCK == block)
        {
            self.old_cursor = None;
        }
        let mut gap: Option<usize> = None;
        let mut starts = Vec::new();
        for item in self.walk_block(block)? {
            if item.object.is_some() && cycle.marked[item.at] {
                if let Some(from) = gap.take() {
                    self.fill(from, item.at)?;
                }
                starts.push(item.at);
            } else if gap.is_none() {
                gap = Some(item.at);
                starts.push(item.at);
            }
        }
        if let Some(from) = gap {
            self.fill(from, end)?;
        }
        self.ghost.corpse[start..end].fill(false);
        if self.has(Rule::StartsOnSweep) {
            let pages = block * BLOCK_PAGES..(block + 1) * BLOCK_PAGES;
            for page in pages {
                self.table.first[page] = starts.iter().copied().find(|at| at / PAGE == page);
            }
        }
        self.table.swept[block] = cycle.number;
        if gap == Some(start) && block > 0 {
            self.free_block(block);
        }
        Ok(())
    }

    fn fill(&mut self, from: usize, end: usize) -> Step {
        let gap = Word::Gap((end - from) as u8);
        if self.get(from) == gap {
            Ok(())
        } else {
            self.collector_store(from, gap)
        }
    }

    fn sweep_large(&mut self, cycle: &Cycle, block: usize) {
        let blocks = block..block + self.table.run[block];
        self.table.swept[blocks.clone()].fill(cycle.number);
        if !cycle.marked[block * BLOCK] {
            self.ghost.corpse[block * BLOCK] = false;
            blocks.for_each(|nth| self.free_block(nth));
        }
    }
}
