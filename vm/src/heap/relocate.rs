//! Relocation: a heap that stands elsewhere than its references are made for is made for its place.
//!
//! Duty: once, on opening, add the difference to every reference. The pages that change are dirty
//! afterwards, so that the next snapshot writes them, with the new base; a world that is not saved
//! is relocated for itself alone.
//!
//! Invariants
//! - X1 Every word is visited at most once: a reference is never moved twice, whatever the tables
//!   say. So old and new range may overlap.
//! - X2 A walk goes forward only, and a block's ends inside it: forged sizes neither loop nor lead
//!   outside.
//! - X3 A word is changed only if it is known to be a reference. Where the format of an object is
//!   lost, its slots stay as they are.
//! - X4 A reference to outside of the old range becomes [`LOST_WORD`]: by chance it might point into
//!   the new one.
//! - X5 A page without references, and so a page that is lost as a whole, stays clean.
//!
//! Knows: what `layout` says of root block, class table, block table, and extents. Must not know:
//! files, methods.

use super::{Heap, HeapError};
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockEntry, BlockKind, CLASS_TABLE_ENTRIES, ClassIndex, Extent,
    FIRST_FREE_CLASS, Header, LOST_WORD, PAGE_BYTES, PAGES_PER_BLOCK, Word, root,
};

/// What a relocation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relocation {
    /// The base for which the references were made.
    pub made_for: usize,
    /// References that were moved.
    pub references: u64,
    /// References that pointed outside of the heap and are lost words now.
    pub lost: u64,
}

impl Heap {
    /// What opening moved; `None` if the heap stands where it stood.
    pub fn relocation(&self) -> Option<Relocation> {
        self.relocation
    }

    /// Makes every reference one for this heap's base. The root block is verified but for its base;
    /// blocks in use end at `limit`.
    pub(super) fn relocate(&mut self, made_for: usize, limit: usize) -> Result<(), HeapError> {
        let known = self.root_word(root::KNOWN_OBJECTS);
        let place = (known as usize).wrapping_sub(made_for);
        let is_inside = (BLOCKS_OFFSET..limit * BLOCK_BYTES).contains(&place);
        if !made_for.is_multiple_of(8) || (known != 0 && !is_inside) {
            return Err(HeapError::NotAHeap(alloc::format!(
                "base {made_for:#x}, for known objects at {known:#x}"
            )));
        }
        self.relocation = Some(Relocation { made_for, ..Relocation::default() });
        for oop in [root::KNOWN_OBJECTS, root::STACK_IMAGES] {
            self.relocate_words(self.root_address(oop), 1);
        }
        self.relocate_cursor();
        let classes = self.root_word(root::NEXT_CLASS).max(FIRST_FREE_CLASS.0.into());
        let classes = (classes as usize).min(CLASS_TABLE_ENTRIES);
        self.relocate_words(self.class_entry(ClassIndex(0)), classes);
        let mut block = BLOCKS_OFFSET / BLOCK_BYTES;
        while block < limit {
            block += self.relocate_block(block, limit);
        }
        self.set_root(root::BASE, self.base as u64);
        Ok(())
    }

    /// The allocation cursor: two addresses, of which the second may be the end of the heap.
    fn relocate_cursor(&mut self) {
        let made_for = self.relocation.unwrap_or_default().made_for;
        let places = [root::OLD_CURSOR, root::OLD_CURSOR_END]
            .map(|index| (self.root_word(index) as usize).wrapping_sub(made_for));
        let is_hole = places[0] < places[1] && places[1] <= self.words.bytes();
        let moved = places.map(|place| if is_hole { (self.base + place) as u64 } else { 0 });
        self.set_root(root::OLD_CURSOR, moved[0]);
        self.set_root(root::OLD_CURSOR_END, moved[1]);
    }

    /// Moves the references of a block, or of the run of blocks of a large object; answers how many
    /// blocks that are.
    fn relocate_block(&mut self, block: usize, limit: usize) -> usize {
        match self.shared.kind(block) {
            BlockKind::Objects | BlockKind::Quiet => {
                self.relocate_small(block);
                1
            }
            BlockKind::LargeHead => {
                let claimed = BlockEntry::run_of(self.shared.entry_word(block, 1)).max(1) as usize;
                let most = claimed.min(limit - block);
                let rest = (block + 1..block + most)
                    .take_while(|&block| self.shared.kind(block) == BlockKind::LargeRest);
                let run = 1 + rest.count();
                let start = self.shared.block_address(block);
                if let Some(extent) = self.shared.extent(start) {
                    self.relocate_object(start, extent, start + run * BLOCK_BYTES);
                }
                run
            }
            BlockKind::Free | BlockKind::LargeRest | BlockKind::Lost => 1,
        }
    }

    /// A block of objects. What follows lost words is found again by the table's starts.
    fn relocate_small(&mut self, block: usize) {
        let start = self.shared.block_address(block);
        let end = start + BLOCK_BYTES;
        let mut at = start;
        while at < end {
            let first = self.words.load(at);
            let next = match Extent::of(first) {
                Some(_) if first == LOST_WORD && !(at + 8 - start).is_multiple_of(PAGE_BYTES) => {
                    at + 8
                }
                Some(extent) if first != LOST_WORD => {
                    self.relocate_object(at, extent, end);
                    at.saturating_add(extent.words.saturating_mul(8))
                }
                _ => self.next_page_start(block, at).unwrap_or(end),
            };
            at = next;
        }
    }

    /// The first start that the table knows on a page behind that of `at`.
    fn next_page_start(&self, block: usize, at: usize) -> Option<usize> {
        let page = self.shared.offset_in_block(at) / PAGE_BYTES;
        let end = self.shared.block_address(block) + BLOCK_BYTES;
        let mut starts = (page + 1..PAGES_PER_BLOCK).filter_map(|p| self.shared.start_on(block, p));
        starts.find(|&start| start > at && start < end)
    }

    /// The object or filler that starts at `start`, as far as it lies below `end`.
    fn relocate_object(&mut self, start: usize, extent: Extent, end: usize) {
        let header_at = start + extent.lead * 8;
        if header_at >= end {
            return;
        }
        let header = self.shared.header(header_at);
        let is_large = Header::is_header(header.0) && header.is_oversize();
        if header.is_filler() || (extent.lead == 1 && !is_large) {
            return;
        }
        let room = (end - header_at) / 8 - 1;
        let slots = if header.is_forwarder() {
            1
        } else if header.has_references() {
            extent.slots
        } else {
            0
        };
        self.relocate_words(header_at + 8, slots.min(room));
    }

    /// Moves the references among `count` words from `address` on.
    fn relocate_words(&mut self, address: usize, count: usize) {
        let mut done = self.relocation.unwrap_or_default();
        for at in (0..count).map(|n| address + n * 8) {
            let word = Word(self.words.load(at));
            if !word.is_reference() {
                continue;
            }
            let place = word.address().wrapping_sub(done.made_for);
            let moved = if place < self.words.bytes() && place.is_multiple_of(8) {
                done.references += 1;
                (self.base + place) as u64
            } else {
                done.lost += 1;
                LOST_WORD
            };
            self.collector_store(at, moved);
        }
        self.relocation = Some(done);
    }
}
