//! The card half of the store barrier: T, R and the slow path.
//!
//! Invariants
//! - B1 `T[card] != 0` implies that the card's page is dirty in the running epoch. `T[card] = 3` in
//!   an old block implies that the card is in R. Eden's cards are always 3.
//! - B2 R holds every card of old blocks, and of the class table, whose words may refer to young
//!   objects. Young blocks need none: they are scanned whole.
//! - B3 Check, slow path, store: no safepoint in between. A check may be hoisted, never across one.
//! - B4 Whatever takes a card out of R lowers its tag to at most 1.

use super::Heap;
use super::shared::state;
use crate::layout::{BLOCK_BYTES, CARD_BYTES, PAGE_BYTES};

/// Nothing is known of the card.
pub(super) const TAG_CLEAN: u8 = 0;
/// The card's page is dirty.
pub(super) const TAG_DIRTY: u8 = 1;
/// Dirty, and remembered if it lies in an old block.
pub(super) const TAG_REMEMBERED: u8 = 3;

/// Whether stores pass the barrier. Without it (feature `without-barrier`) a scavenge reads all of
/// old space and no mark is begun: good for one thing, to measure what the barrier costs, and never
/// to save a world.
pub(super) const BARRIER: bool = !cfg!(feature = "without-barrier");

/// What is about to be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteKind {
    /// References, maybe to young objects.
    Pointers,
    /// Raw data, immediates, or references that are known to be to old objects.
    Raw,
}

impl Heap {
    /// The slow path of a pointer store at `address`.
    #[cold]
    #[inline(never)]
    pub(super) fn prepare_pointer(&mut self, address: usize) {
        let offset = address - self.base;
        self.space.prepare(offset / PAGE_BYTES);
        let card = offset / CARD_BYTES;
        if self.shared.states.get(offset / BLOCK_BYTES) == state::OLD {
            self.remember_card(card);
        }
        self.tags.set(card, TAG_REMEMBERED);
    }

    /// The slow path of a raw store at `address`.
    #[cold]
    #[inline(never)]
    pub(super) fn prepare_raw(&mut self, address: usize) {
        let offset = address - self.base;
        self.space.prepare(offset / PAGE_BYTES);
        let card = offset / CARD_BYTES;
        if self.tags.get(card) == TAG_CLEAN {
            self.tags.set(card, TAG_DIRTY);
        }
    }

    /// Must precede bulk writes into heap objects or tables; the range may be empty.
    pub fn prepare_write(&mut self, address: usize, bytes: usize, kind: WriteKind) {
        if bytes == 0 || !BARRIER {
            return;
        }
        let first = (address - self.base) / CARD_BYTES;
        let last = (address + bytes - 1 - self.base) / CARD_BYTES;
        for card in first..=last {
            let tag = self.tags.get(card);
            match kind {
                WriteKind::Raw if tag == TAG_CLEAN => self.prepare_raw(self.base + card * CARD_BYTES),
                WriteKind::Pointers if tag != TAG_REMEMBERED => {
                    self.prepare_pointer(self.base + card * CARD_BYTES);
                }
                _ => {}
            }
        }
    }

    /// A store by the collector: nothing that is young comes into an old block by it.
    #[inline]
    pub(super) fn collector_store(&mut self, address: usize, word: u64) {
        if self.faults.skip_collector_writes {
            self.words.store(address, word);
        } else {
            self.store_raw_at(address, word);
        }
    }

    #[inline]
    pub(super) fn remember_card(&mut self, card: usize) {
        if self.remembered.get(card) == 0 {
            self.remembered.set(card, 1);
            self.remembered_cards.push(card as u32);
        }
    }

    /// Remembers the card of a slot into which the collector put a young reference.
    pub(super) fn remember_slot(&mut self, address: usize) {
        let card = (address - self.base) / CARD_BYTES;
        self.remember_card(card);
    }

    /// Takes a card's bit out of R and lowers its tag (B4).
    pub(super) fn forget_card(&mut self, card: usize) {
        self.remembered.set(card, 0);
        if !self.faults.leave_tag_after_scavenge && self.tags.get(card) > TAG_DIRTY {
            self.tags.set(card, TAG_DIRTY);
        }
    }

    /// The cards of a block that is freed or changes kind leave R.
    pub(super) fn forget_cards_of_block(&mut self, block: usize) {
        if self.faults.leave_tag_after_free {
            return;
        }
        let first = block * BLOCK_BYTES / CARD_BYTES;
        for card in first..first + BLOCK_BYTES / CARD_BYTES {
            if self.remembered.get(card) != 0 {
                self.remembered.set(card, 0);
                self.stale_remembered = true;
            }
            if self.tags.get(card) > TAG_DIRTY {
                self.tags.set(card, TAG_DIRTY);
            }
        }
    }

    /// A flip closed an epoch: nothing is known any more of the cards of its pages.
    pub(super) fn clear_tags(&mut self, pages: &[image::PageIndex]) {
        if self.faults.flip_keeps_tags {
            return;
        }
        for &page in pages {
            let first = page.0 as usize * (PAGE_BYTES / CARD_BYTES);
            for card in first..first + PAGE_BYTES / CARD_BYTES {
                self.tags.set(card, TAG_CLEAN);
            }
        }
    }
}
