//! The heap as the verifier sees it.

use super::Heap;
use super::shared::state;
use crate::layout::{EDEN_OFFSET, Word};
use crate::verify::{HeapView, RunningView, Verdict, verify};
use alloc::vec::Vec;

impl Heap {
    /// Brings the tables up to date and verifies the whole heap. `roots` as in a collection.
    pub fn verify(&mut self, roots: &mut dyn super::Roots) -> Verdict {
        self.sync();
        let mut words = Vec::new();
        roots.visit(&mut |word| words.push(*word));
        words.extend_from_slice(&self.fired);
        verify(self, &words)
    }
}

impl HeapView for Heap {
    fn base(&self) -> usize {
        self.base
    }

    fn bytes(&self) -> usize {
        self.words.bytes()
    }

    fn word(&self, offset: usize) -> Option<u64> {
        Some(self.words.load(self.base + offset))
    }

    fn running(&self) -> Option<&dyn RunningView> {
        Some(self)
    }
}

impl RunningView for Heap {
    fn eden(&self) -> (usize, usize) {
        (EDEN_OFFSET, self.eden.next - self.base)
    }

    fn is_young_block(&self, block: usize) -> bool {
        self.shared.states.get(block) >= state::YOUNG
    }

    fn tag(&self, card: usize) -> u8 {
        self.tags.get(card)
    }

    fn is_remembered(&self, card: usize) -> bool {
        self.remembered.get(card) != 0
    }

    fn is_dirty(&self, page: usize) -> bool {
        self.space.is_dirty(page)
    }

    fn has_unknown_corpses(&self) -> bool {
        self.holds_unknown_corpses()
    }

    fn is_corpse(&self, header: usize) -> bool {
        Heap::is_corpse(self, Word::reference(self.base + header))
    }
}
