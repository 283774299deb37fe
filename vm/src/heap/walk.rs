//! Walks over all objects: instances, and who refers to what.
//!
//! Invariant: a walk meets no corpse of the running sweep. After an opening in mid-sweep it marks
//! first, for what is dead is not known then.

use super::shared::state;
use super::{Heap, HeapError, Roots};
use crate::layout::{BLOCK_BYTES, BlockEntry, BlockKind, ClassIndex, Format, Word};
use alloc::vec::Vec;

impl Heap {
    /// Calls `visit` with every object that may be met again, forwarders left out, in the order of
    /// addresses. Fails only if a mark has to come first and finds no room.
    pub fn for_each_object(
        &mut self,
        roots: &mut dyn Roots,
        visit: &mut dyn FnMut(&Heap, Word),
    ) -> Result<(), HeapError> {
        if self.holds_unknown_corpses() {
            self.collect_full(roots)?;
        }
        self.visit_range(self.eden.start, self.eden.next, visit);
        let mut block = super::blocks::FIRST_BLOCK;
        while block < self.pool.limit {
            let run = self.visit_block(block, visit);
            block += run;
        }
        Ok(())
    }

    fn visit_block(&self, block: usize, visit: &mut dyn FnMut(&Heap, Word)) -> usize {
        if self.shared.states.get(block) == state::FREED {
            return 1;
        }
        let start = self.shared.block_address(block);
        match self.shared.kind(block) {
            BlockKind::Objects | BlockKind::Quiet => {
                self.visit_range(start, start + BLOCK_BYTES, visit);
                1
            }
            BlockKind::LargeHead => {
                self.visit_range(start, start + 8, visit);
                BlockEntry::run_of(self.shared.entry_word(block, 1)).max(1) as usize
            }
            BlockKind::Free | BlockKind::LargeRest | BlockKind::Lost => 1,
        }
    }

    fn visit_range(&self, from: usize, to: usize, visit: &mut dyn FnMut(&Heap, Word)) {
        let mut at = from;
        while at < to {
            let Some(extent) = self.shared.extent(at) else { return };
            let object = Word::reference(at + extent.lead * 8);
            let header = self.header(object);
            if !header.is_filler() && !header.is_forwarder() && !self.is_corpse(object) {
                visit(self, object);
            }
            at += extent.words * 8;
        }
    }

    /// All instances of a class.
    pub fn instances_of(
        &mut self,
        class: ClassIndex,
        roots: &mut dyn Roots,
    ) -> Result<Vec<Word>, HeapError> {
        let mut found = Vec::new();
        self.for_each_object(roots, &mut |heap, object| {
            if heap.header(object).class() == class {
                found.push(object);
            }
        })?;
        Ok(found)
    }

    /// All objects with a slot that refers to `target`, directly or through a forwarder.
    pub fn pointers_to(
        &mut self,
        target: Word,
        roots: &mut dyn Roots,
    ) -> Result<Vec<Word>, HeapError> {
        let mut target = [target];
        let mut found = Vec::new();
        if self.holds_unknown_corpses() {
            // The target may move in the mark that comes first.
            self.collect_full(&mut Both { first: &mut target, second: roots })?;
        }
        self.for_each_object(roots, &mut |heap, object| {
            let refers = heap.header(object).format() <= Format::Ephemeron as u8
                && (0..heap.size(object))
                    .any(|index| heap.resolve(heap.slot(object, index)) == target[0]);
            if refers {
                found.push(object);
            }
        })?;
        Ok(found)
    }
}

/// Two sets of roots as one.
pub struct Both<'a> {
    /// The one.
    pub first: &'a mut dyn Roots,
    /// The other.
    pub second: &'a mut dyn Roots,
}

impl Roots for Both<'_> {
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word)) {
        self.first.visit(visit);
        self.second.visit(visit);
    }

    fn visit_young(&mut self, visit: &mut dyn FnMut(&mut Word) -> bool) {
        self.first.visit_young(visit);
        self.second.visit_young(visit);
    }
}
