//! Upkeep: verification, the sweep after a crash, the full check, the clean close.

use super::World;
use crate::alloc_blocks::Purpose;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::extents::Run;
use crate::journal;
use crate::kinds::{BlockNumber, Budget};
use crate::recover::{self, verify_extent};
use crate::sweep::{Depth, Walk};
use alloc::vec::Vec;

impl World {
    /// Goes on with verification and sweep, for about `budget` blocks; `false` when nothing is left.
    pub fn tend(&mut self, budget: Budget) -> Result<bool, ImageError> {
        self.gather_lost();
        if !self.unverified.is_empty() {
            self.verify_some(budget);
            return Ok(true);
        }
        if self.list_waits {
            self.learn_free_list();
            return Ok(true);
        }
        let Some(mut walk) = self.sweep.take() else { return Ok(false) };
        if !self.lost.is_empty() {
            self.sweep = Some(walk);
            return Ok(false);
        }
        if walk.step(&self.disk, budget.0) {
            self.end_sweep(&walk);
        } else {
            self.sweep = Some(walk);
        }
        Ok(true)
    }

    /// The sweep is done: what it did not reach is free, unless it met damage.
    fn end_sweep(&mut self, walk: &Walk) {
        self.damages.extend_from_slice(&walk.damages);
        if walk.damages.is_empty() {
            self.learn_swept(walk);
        }
    }

    /// What only the parent reached is pending, as if the opened commit had just replaced it.
    fn learn_swept(&mut self, walk: &Walk) {
        let mut free = walk.unmarked(self.disk.geometry.first_data);
        let by = self.opened;
        walk.passing.runs().for_each(|run| self.blocks.learn_pending(by, run));
        for extent in core::mem::take(&mut self.passed_over) {
            let run = Run::new(extent.first, extent.blocks.into());
            let (first, end) = (self.disk.geometry.first_data, self.blocks.high_water());
            if run.first >= first && run.end() <= end {
                for block in free.take_within(run) {
                    self.blocks.learn_pending(by, block);
                }
            }
        }
        self.note_readers();
        self.blocks.learn(&free, self.head.parent);
    }

    /// Finishes the sweep, if one is needed and possible.
    pub(super) fn finish_sweep(&mut self) {
        self.learn_free_list();
        if !self.lost.is_empty() {
            return;
        }
        if let Some(mut walk) = self.sweep.take() {
            while !walk.step(&self.disk, u32::MAX) {}
            self.end_sweep(&walk);
        }
    }

    /// Verifies some more of the opened commit's extents.
    pub(super) fn verify_some(&mut self, budget: Budget) {
        let mut left = u64::from(budget.0);
        while let Some(extent) = self.unverified.pop() {
            if let Err(damage) = verify_extent(&self.disk, extent, None) {
                self.damages.push(damage);
                self.unaccepted = Some(damage);
            }
            left = left.saturating_sub(extent.blocks.into());
            if left == 0 {
                return;
            }
        }
    }

    /// Verifies everything that can be reached, reading every page; answers every damage.
    pub fn check(&mut self) -> Result<Vec<Damage>, ImageError> {
        self.finish_job();
        self.learn_free_list();
        let mut damages = self.check_superblocks();
        let ring = recover::read_rings(&self.disk);
        damages.extend(ring.explained(self.disk.geometry.ring_slots).0);
        let mut walk = Walk::new(Depth::Pages, self.blocks.high_water(), &self.disk);
        walk.add(&self.head, &self.disk);
        if let Some(parent) = &self.parent {
            walk.add(parent, &self.disk);
        }
        while !walk.step(&self.disk, u32::MAX) {}
        damages.extend_from_slice(&walk.damages);
        if self.head.number == self.opened {
            // A root whose copy stands in for it is reached by nobody any longer.
            damages.extend(self.damages.iter().filter(|damage| matches!(damage.place, Place::Block(_))));
        }
        damages.extend(journal::replay(&self.disk, self.head.journal).damage);
        if walk.damages.is_empty() && self.blocks.is_known() && self.parent.is_some() {
            self.check_free(&walk, &mut damages);
        }
        damages.sort_unstable();
        damages.dedup();
        Ok(damages)
    }

    fn check_superblocks(&self) -> Vec<Damage> {
        use crate::format::{Claimed, Superblock, zero_block};
        let mut damages = Vec::new();
        for (nth, mirror) in [(0, false), (1, true)] {
            let mut bytes = zero_block();
            let read = self.disk.read(BlockNumber(nth), &mut *bytes);
            let verified = read.and_then(|()| Claimed::<Superblock>::new(bytes).verify(&()));
            let place = Place::Superblock { mirror };
            match verified {
                Ok(superblock) if superblock.0 == self.disk.geometry => {}
                Ok(_) => damages.push(Damage::new(place, Fault::Differs)),
                Err(fault) => damages.push(Damage::new(place, fault)),
            }
        }
        damages
    }

    /// Every block is reached, or free, or waiting; and none is both reached and free.
    fn check_free(&self, walk: &Walk, damages: &mut Vec<Damage>) {
        let mut unreached = walk.unmarked(self.disk.geometry.first_data);
        for run in self.blocks.usable() {
            if let Some(block) = walk.first_marked(run) {
                damages.push(Damage::new(Place::Block(block), Fault::FreeButUsed));
            }
            unreached.remove(run);
        }
        let waiting: Vec<Run> = self.blocks.waiting().collect();
        waiting.into_iter().for_each(|run| unreached.remove(run));
        for run in unreached.runs() {
            let place = Place::Extent { first: run.first, blocks: run.blocks };
            damages.push(Damage::new(place, Fault::Leaked));
        }
    }

    /// Blocks in the store, by what they are: all that were ever written, and those that are free.
    pub fn block_counts(&mut self) -> (u64, u64) {
        self.learn_free_list();
        (self.blocks.high_water().0, self.blocks.free_blocks())
    }

    /// Where the last block ends that was ever written, in bytes of the store: what lies behind is room
    /// that a machine gave in advance.
    pub fn store_end(&self) -> u64 {
        self.disk.end_of(self.blocks.high_water())
    }

    /// Closes the world: the journal is flushed, what is in writing is finished, and a last commit
    /// stores the free extents. If that cannot be written, the next opening sweeps.
    pub fn close(&mut self, wall_ns: i64) -> Result<(), ImageError> {
        if self.read_only {
            return Ok(());
        }
        self.journal_flush()?;
        self.finish_job();
        self.gather_lost();
        let untouched = self.head.clean && self.durable_epoch.is_none();
        if untouched || !self.lost.is_empty() {
            return Ok(());
        }
        while !self.unverified.is_empty() {
            self.verify_some(Budget::ALL);
        }
        self.finish_sweep();
        if !self.blocks.is_known() || self.unaccepted.is_some() {
            return Ok(());
        }
        let commit = self.next_commit(wall_ns)?;
        let mut orders = self.orders();
        orders.close = true;
        match self.run_commit(commit, orders, Purpose::Keeping) {
            Err(error) if !error.is_full() => Err(error),
            _ => Ok(()),
        }
    }
}
