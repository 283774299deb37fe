//! Lost pages: what no copy on the medium is whole of.
//!
//! Invariants
//! - L1 A page that is filled with the lost pattern becomes one of LostObjects before any further
//!   effect or commit: every object that overlaps it is one, in its header, and its block can be
//!   walked.
//! - L2 While a loss is not accepted nothing is marked, swept or finalized: what the lost page
//!   referred to is not known to be dead.
//!
//! Knows: blocks, headers. Must not know: how pages are found lost.

use super::Heap;
use crate::layout::{
    BLOCK_BYTES, BlockEntry, BlockKind, Format, Header, KnownClass, LOST_WORD, PAGE_BYTES, PAGES_PER_BLOCK, SizeWord,
};
use super::shared::state;
use alloc::vec::Vec;
use image::PageIndex;

impl Heap {
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

    /// Whether a page is lost and the loss is not accepted: then nothing is marked or swept.
    pub fn is_lossy(&self) -> bool {
        !self.lost_pages.is_empty() || self.has_new_losses()
    }

    /// A page is known to be lost, from earlier: what overlapped it was dealt with then, or will be
    /// when it is touched and found lost again.
    pub fn know_lost(&mut self, page: PageIndex) {
        if !self.lost_pages.contains(&page) {
            self.lost_pages.push(page);
        }
    }

    /// Whether pages were found lost that nobody took yet. Cheap.
    pub fn has_new_losses(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.lost_count() > self.lost_seen)
    }

    /// Makes lost objects of what overlaps the pages that were found lost since the last call (L1);
    /// answers the pages.
    pub fn take_losses(&mut self) -> Vec<PageIndex> {
        let mut taken = Vec::new();
        let Some(source) = self.source.clone() else { return taken };
        // To deal with one may touch another.
        loop {
            let pages = source.lost_since(self.lost_seen);
            if pages.is_empty() {
                return taken;
            }
            self.lost_seen += pages.len();
            for page in pages.into_iter().map(|page| PageIndex(page as u64)) {
                self.make_lost(page);
                taken.push(page);
            }
        }
    }

    /// The user accepts the loss: the pages become dirty as they are, so that the next snapshot gives
    /// them right sums, and what is lost is collected as any other object.
    pub fn accept_loss(&mut self) {
        for page in core::mem::take(&mut self.lost_pages) {
            let address = self.base + page.0 as usize * PAGE_BYTES;
            if self.words.holds(address) {
                self.store_raw_at(address, self.words.load(address));
            }
        }
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
