//! A closed epoch, as the writer sees it: its pages, and the copies of those written since.
//!
//! Invariants
//! - F1 A mark goes from 0 to ASIDE (the mutator's copy is complete and is the page at the flip) or
//!   from 0 to DONE (the writer's copy was complete before the mutator stored), once.
//! - F2 [`Frozen::read`] answers the page as it was at the flip, as often as it is asked: a page
//!   that is DONE may be asked again only while nobody has written it, so a writer that must try
//!   again abandons the epoch instead.
#![allow(unsafe_code, reason = "room: frozen pages")]

use super::{PAGE_BYTES, SpaceFaults, Words};
use crate::kinds::PageIndex;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, Ordering};
use platform::Region;

const UNTOUCHED: u8 = 0;
const ASIDE: u8 = 1;
const DONE: u8 = 2;

type Copy = [u8; PAGE_BYTES];

/// A closed epoch. Shared by the mutator and one writer.
pub struct Frozen {
    region: Arc<dyn Region>,
    words: Words,
    epoch: u32,
    pages: Arc<[PageIndex]>,
    /// W, by place on the list.
    marks: Vec<AtomicU8>,
    copies: Vec<AtomicPtr<Copy>>,
    writer_skips_swap: AtomicBool,
    mutator_skips_swap: AtomicBool,
}

impl Frozen {
    pub(super) fn new(
        region: Arc<dyn Region>,
        epoch: u32,
        pages: Vec<PageIndex>,
        faults: SpaceFaults,
    ) -> Frozen {
        let mut marks = Vec::new();
        marks.resize_with(pages.len(), || AtomicU8::new(UNTOUCHED));
        let mut copies = Vec::new();
        copies.resize_with(pages.len(), || AtomicPtr::new(core::ptr::null_mut()));
        Frozen {
            words: Words::over(region.as_ref()),
            region,
            epoch,
            pages: pages.into(),
            marks,
            copies,
            writer_skips_swap: AtomicBool::new(faults.writer_skips_swap),
            mutator_skips_swap: AtomicBool::new(faults.mutator_skips_swap),
        }
    }

    pub(super) fn set_faults(&self, faults: SpaceFaults) {
        self.writer_skips_swap.store(faults.writer_skips_swap, Ordering::Relaxed);
        self.mutator_skips_swap.store(faults.mutator_skips_swap, Ordering::Relaxed);
    }

    /// The epoch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The pages, to be kept longer than the epoch.
    pub fn page_list(&self) -> Arc<[PageIndex]> {
        self.pages.clone()
    }

    /// The pages.
    pub fn page_numbers(&self) -> &[PageIndex] {
        &self.pages
    }

    /// Whether `page` stands at `place`: a place from an array may be of another epoch.
    fn is_at(&self, place: usize, page: usize) -> bool {
        self.pages.get(place) == Some(&PageIndex(page as u64))
    }

    /// By the mutator, before its first store to the page: copies it and swaps the mark. Answers
    /// whether the writer will read the copy.
    pub(super) fn copy_aside(&self, place: usize, page: usize) -> bool {
        if !self.is_at(place, page) || self.marks[place].load(Ordering::Acquire) != UNTOUCHED {
            return false;
        }
        let mut copy = Box::new([0; PAGE_BYTES]);
        self.words.page_bytes(self.region.base() + page * PAGE_BYTES, &mut copy);
        let copy = Box::into_raw(copy);
        self.copies[place].store(copy, Ordering::Relaxed);
        if self.mutator_skips_swap.load(Ordering::Relaxed) {
            return false;
        }
        self.marks[place]
            .compare_exchange(UNTOUCHED, ASIDE, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// By the writer: the page at `place` as it was at the flip.
    pub fn read_page(&self, place: usize, into: &mut [u8; PAGE_BYTES]) {
        self.words.page_bytes(self.region.base() + self.pages[place].0 as usize * PAGE_BYTES, into);
        self.finish_read(place, into);
    }

    /// The first half of [`Frozen::read_page`]: copies words `from..to` of the page as they are now.
    /// For tests that let the mutator run in between.
    pub fn read_part(&self, place: usize, into: &mut [u8; PAGE_BYTES], from: usize, to: usize) {
        let address = self.region.base() + self.pages[place].0 as usize * PAGE_BYTES;
        for n in from..to {
            let word = self.words.load(address + n * 8);
            into[n * 8..n * 8 + 8].copy_from_slice(&word.to_le_bytes());
        }
    }

    /// The second half: keeps what was copied if the mutator had not written before, else takes its
    /// copy.
    pub fn finish_read(&self, place: usize, into: &mut [u8; PAGE_BYTES]) {
        if self.writer_skips_swap.load(Ordering::Relaxed) {
            return;
        }
        let swap = self.marks[place].compare_exchange(
            UNTOUCHED,
            DONE,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if swap != Err(ASIDE) {
            return;
        }
        let copy = self.copies[place].load(Ordering::Acquire);
        // SAFETY: F1: ASIDE was set with release after the pointer to a complete copy was stored;
        // copies are freed only when the epoch is dropped.
        into.copy_from_slice(unsafe { &*copy });
    }
}

impl crate::FrozenPages for Frozen {
    fn pages(&self) -> &[PageIndex] {
        &self.pages
    }

    fn read(&self, nth: usize, into: &mut crate::BlockBytes) {
        self.read_page(nth, into);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for copy in &self.copies {
            let copy = copy.load(Ordering::Relaxed);
            if !copy.is_null() {
                // SAFETY: it came from `Box::into_raw` and nobody else holds the epoch any more.
                drop(unsafe { Box::from_raw(copy) });
            }
        }
    }
}
