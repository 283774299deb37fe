//! What changes the identity of objects: `become:`, pinning, lost pages.
//!
//! Invariants
//! - I1 A forwarder is as large as what it was, refers to its target in slot 0 and to nothing else;
//!   its class index fails every guard, so that the check for it sits on miss paths.
//! - I2 An object's slots are not exchanged for what is read in another way while a marker may be
//!   reading them: contents are exchanged only between objects of references, or of raw data.

use super::shared::state;
use super::Heap;
use crate::layout::{
    BLOCK_BYTES, BlockEntry, BlockKind, ClassIndex, Extent, Format, Header, KnownClass, LARGE_OBJECT_BYTES,
    LOST_WORD, PAGE_BYTES, PAGES_PER_BLOCK, PINNED, SizeWord, Word, behavior,
};
use alloc::vec::Vec;
use image::PageIndex;

/// Whose identity hash the target of a forwarding has afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// Its own.
    Target,
    /// The forwarded object's, so that hashed collections find it where that one was.
    Source,
}

impl Heap {
    /// References to the first of each pair become references to the second. Nothing happens to a
    /// pair whose first is no object, or is the second already.
    pub fn become_forward(&mut self, pairs: &[(Word, Word)], hash: HashOf) {
        for &(from, to) in pairs {
            let (from, to) = (self.resolve(from), self.resolve(to));
            if from == to || !from.is_reference() {
                continue;
            }
            let given = self.header(from).hash();
            if hash == HashOf::Source && given != 0 && to.is_reference() {
                let header = self.header(to).with_hash(given);
                self.set_header(to, header);
            }
            self.forward(from, to);
        }
    }

    fn forward(&mut self, from: Word, to: Word) {
        self.replace_in_class_table(from, to);
        let header = self.header(from);
        let slots = self.size(from);
        self.store_pointer_at(from.address() + 8, to.0);
        let header = header
            .with_class(KnownClass::Forwarder.index())
            .with_format(Format::Forwarder as u8);
        self.store_raw_at(from.address(), header.0);
        if !self.faults.become_keeps_slots {
            for index in 1..slots {
                self.store_raw_at(from.address() + 8 + index * 8, Word::small(0).0);
            }
        }
    }

    /// A class that becomes another is that other in the class table too.
    fn replace_in_class_table(&mut self, from: Word, to: Word) {
        let header = self.header(from);
        if !header.has_references() || self.size(from) <= behavior::CLASS_INDEX {
            return;
        }
        let index = self.slot(from, behavior::CLASS_INDEX);
        if !index.is_integer() || index.as_integer() < 0 {
            return;
        }
        let index = index.as_integer();
        if index < self.next_class as i64 && self.class_at(ClassIndex(index as u32)) == from {
            self.set_class_at(ClassIndex(index as u32), to);
        }
    }

    /// The two of each pair exchange their identities: references to the one become references to
    /// the other, both ways. `None` if there is no room for what must be copied
    /// ([`Heap::why_declined`]): then nothing has changed. An object in two pairs is exchanged twice,
    /// in order; that declines where such a pair needs a copy that is too large for eden.
    pub fn become_each_other(&mut self, pairs: &[(Word, Word)]) -> Option<()> {
        let bytes = pairs.iter().map(|&(a, b)| self.eden_share(a, b)).sum();
        if bytes > 0 && !self.room_for(bytes) {
            self.declined = super::Decline::EdenFull;
            return None;
        }
        if !self.names_one_twice(pairs) {
            return self.exchange_all(pairs);
        }
        let is_large = |heap: &Heap, word: Word| {
            word.is_reference() && heap.total_words(heap.resolve(word)) * 8 > LARGE_OBJECT_BYTES
        };
        if pairs.iter().any(|&(a, b)| is_large(self, a) || is_large(self, b)) {
            self.declined = super::Decline::TooLarge;
            return None;
        }
        pairs.iter().try_for_each(|&pair| self.exchange_all(&[pair]))
    }

    fn names_one_twice(&self, pairs: &[(Word, Word)]) -> bool {
        let each = pairs.iter().flat_map(|&(a, b)| [self.resolve(a).0, self.resolve(b).0]);
        let mut named: Vec<u64> = each.collect();
        named.sort_unstable();
        named.windows(2).any(|two| two[0] == two[1])
    }

    /// Exchanges pairs of objects that are all different: makes every copy before anything changes.
    fn exchange_all(&mut self, pairs: &[(Word, Word)]) -> Option<()> {
        let mut copies: Vec<(Word, Word)> = Vec::new();
        for &(a, b) in pairs {
            if self.exchange_bytes(a, b) == 0 {
                continue;
            }
            for object in [self.resolve(a), self.resolve(b)] {
                match self.copy_of(object) {
                    Some(copy) => copies.push((object, copy)),
                    None => {
                        // Nobody is to find the copies.
                        copies.into_iter().for_each(|(object, copy)| self.forward(copy, object));
                        return None;
                    }
                }
            }
        }
        for &(a, b) in pairs {
            let (a, b) = (self.resolve(a), self.resolve(b));
            if a.is_reference() && b.is_reference() && a != b && self.exchange_bytes(a, b) == 0 {
                self.exchange_contents(a, b);
            }
        }
        for two in copies.chunks_exact(2) {
            self.forward(two[0].0, two[1].1);
            self.forward(two[1].0, two[0].1);
        }
        Some(())
    }

    fn total_words(&self, object: Word) -> usize {
        Extent::of_object(self.size(object)).words
    }

    /// Bytes to be copied to exchange two objects; 0 if their contents can be exchanged in place.
    fn exchange_bytes(&self, a: Word, b: Word) -> usize {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if !a.is_reference() || !b.is_reference() || a == b {
            return 0;
        }
        let alike = self.size(a) == self.size(b)
            && self.header(a).has_references() == self.header(b).has_references();
        if alike { 0 } else { (self.total_words(a) + self.total_words(b)) * 8 }
    }

    /// Of these the bytes that eden must have room for.
    fn eden_share(&self, a: Word, b: Word) -> usize {
        if self.exchange_bytes(a, b) == 0 {
            return 0;
        }
        let bytes = [a, b].map(|object| self.total_words(self.resolve(object)) * 8);
        bytes.into_iter().filter(|&bytes| bytes <= LARGE_OBJECT_BYTES).sum()
    }

    fn exchange_contents(&mut self, a: Word, b: Word) {
        // Pinned is the place, not what stands there.
        let (head_a, head_b) = (self.header(a).0, self.header(b).0);
        self.store_raw_at(a.address(), (head_b & !PINNED) | (head_a & PINNED));
        self.store_raw_at(b.address(), (head_a & !PINNED) | (head_b & PINNED));
        for index in 0..self.size(a) {
            let (x, y) = (self.slot(a, index), self.slot(b, index));
            self.store(a, index, y);
            self.store(b, index, x);
        }
    }

    fn copy_of(&mut self, object: Word) -> Option<Word> {
        let header = self.header(object);
        let slots = self.size(object);
        let copy = self.allocate(header.class(), header.format(), slots)?;
        self.set_header(copy, Header(header.0 & !PINNED));
        self.copy_slots(object, 0, copy, 0, slots);
        Some(copy)
    }

    /// Makes an object one that never moves; answers it, at its new address if it was young. `None`
    /// if there is no room in old space.
    pub fn pin(&mut self, object: Word) -> Option<Word> {
        let object = self.resolve(object);
        let mut pinned = object;
        if self.is_young(object) {
            let header = self.header(object);
            let slots = self.size(object);
            pinned = self.allocate_old(header.class(), header.format(), slots)?;
            self.set_header(pinned, header);
            self.copy_slots(object, 0, pinned, 0, slots);
            self.forward(object, pinned);
        }
        let header = Self::pin_header(self.header(pinned));
        self.set_header(pinned, header);
        Some(pinned)
    }

    // ---- lost pages

    /// A page is lost and was filled with [`LOST_WORD`]: every object that overlaps it becomes a
    /// LostObject in its header, and the block can be walked again. While a page is lost nothing is
    /// marked or swept.
    pub fn make_lost(&mut self, page: PageIndex) {
        if !self.lost_pages.contains(&page) {
            self.lost_pages.push(page);
        }
        let from = self.base + page.0 as usize * PAGE_BYTES;
        if page.0 as usize * PAGE_BYTES < crate::layout::BLOCKS_OFFSET
            || self.shared.states.get(self.shared.block_of(from)) != state::OLD
        {
            return;
        }
        match self.shared.kind(self.shared.block_of(from)) {
            BlockKind::LargeHead | BlockKind::LargeRest => self.lose_large(from),
            BlockKind::Objects | BlockKind::Quiet => self.lose_page_of_objects(from),
            BlockKind::Free | BlockKind::Lost => {}
        }
    }

    /// The pages that are lost and not accepted as such.
    pub fn lost_pages(&self) -> &[PageIndex] {
        &self.lost_pages
    }

    /// The user accepts the loss: what is lost is collected as any other object.
    pub fn accept_loss(&mut self) {
        self.lost_pages.clear();
    }

    fn lost_header(slots: usize, hash: u32) -> Header {
        Header::new(KnownClass::LostObject.index(), Format::Words64 as u8, slots).with_hash(hash)
    }

    /// A large object, of which its head may be what is lost: the block table knows its run.
    fn lose_large(&mut self, page: usize) {
        let head = self.shared.run_head(self.shared.block_of(page));
        let start = self.shared.block_address(head);
        let run = BlockEntry::run_of(self.shared.entry_word(head, 1)).max(1) as usize;
        if start >= page {
            let slots = run * BLOCK_BYTES / 8 - 2;
            self.store_raw_at(start, SizeWord::new(slots).0);
            self.store_raw_at(start + 8, Self::lost_header(slots, 0).0);
        } else if let Some(extent) = self.shared.extent(start) {
            let header = start + extent.lead * 8;
            let lost = Self::lost_header(extent.slots, self.shared.header(header).hash());
            self.store_raw_at(header, lost.0);
            let rest = (run * BLOCK_BYTES / 8).saturating_sub(extent.words);
            if rest > 0 {
                self.put_filler(start + extent.words * 8, rest);
            }
        }
    }

    fn lose_page_of_objects(&mut self, page: usize) {
        let end = page + PAGE_BYTES;
        self.close_cursors_in(self.shared.block_of(page));
        let mut at = self.shared.walk_start(page).unwrap_or(page);
        // What starts before the page and reaches into it.
        while at < page {
            let Some(extent) = self.shared.extent(at) else { break };
            let next = at + extent.words * 8;
            let header = at + extent.lead * 8;
            if next > page && !self.shared.header(header).is_filler() && header < page {
                let lost = Self::lost_header(extent.slots, self.shared.header(header).hash());
                self.store_raw_at(header, lost.0);
            } else if next > page && header >= page {
                // A size word before, the header on the page: both are lost words now.
                self.store_raw_at(at, LOST_WORD);
                at += 8;
                continue;
            }
            at = next;
        }
        // What starts on the page and reaches beyond it left a tail that can't be walked.
        if at < end {
            self.fill_tail(end);
        }
        self.recount_block(self.shared.block_of(page));
    }

    /// From a page's end to the next start in its block there is nothing any more; at the very end
    /// may be the header of an object whose size word is lost.
    fn fill_tail(&mut self, end: usize) {
        if self.shared.offset_in_block(end) == 0 {
            return;
        }
        let block = self.shared.block_of(end);
        let first = self.shared.offset_in_block(end) / PAGE_BYTES;
        let next = (first..PAGES_PER_BLOCK)
            .find_map(|page| self.shared.start_on(block, page))
            .unwrap_or(self.shared.block_address(block) + BLOCK_BYTES);
        if next > end {
            self.store_raw_at(end, LOST_WORD);
        }
        if next > end + 8 {
            self.put_filler(end + 8, (next - end) / 8 - 1);
        }
    }

    /// Reads first starts and free bytes of a block from the block itself.
    fn recount_block(&mut self, block: usize) {
        let from = self.shared.block_address(block);
        let mut entry = BlockEntry::default();
        let mut free = 0;
        let mut at = from;
        while at < from + BLOCK_BYTES {
            let Some(extent) = self.shared.extent(at) else { return };
            entry.note(at - from);
            if extent.lead == 0 && self.shared.header(at).is_filler() {
                free += extent.words * 8;
            }
            at += extent.words * 8;
        }
        self.set_entry_word(block, 2, entry.0[2]);
        self.set_entry_word(block, 3, entry.0[3]);
        self.set_kind(block, self.shared.kind(block), free);
    }
}
