//! What mutator and marker share: heap words, block states, mark bits, the marker's step count.
//!
//! Invariants
//! - S1 Block states are written by the mutator only. The marker follows a reference only into a
//!   block whose state is [`state::OLD`] when it loads the reference.
//! - S2 A mark bit stands for the object whose header is at the word; both sides set bits, only the
//!   sweep clears them. So between cycles all are clear.
//! - S3 `steps` is odd while a marker step runs. A block that a scavenge freed is taken again only
//!   after a step boundary ([`Shared::may_reuse`]).

use crate::layout::{
    BLOCK_BYTES, BLOCK_ENTRY_BYTES, BLOCK_TABLE_OFFSET, BlockEntry, BlockKind, CARD_BYTES, Extent,
    Header, OVERSIZE, PAGE_BYTES, PAGES_PER_BLOCK, SizeWord,
};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering, fence};
use image::space::{SideBytes, SideWords, Words};
use platform::{Memory, Region, ReserveError};

/// States of a block, in the order in which tests compare them.
pub(super) mod state {
    /// Old, free since before this session, or no block of objects at all.
    pub const OLD: u8 = 0;
    /// Freed in this session and not taken again.
    pub const FREED: u8 = 1;
    /// Holds young objects.
    pub const YOUNG: u8 = 2;
    /// Holds young objects that the running scavenge moves.
    pub const FROM: u8 = 3;
    /// Eden.
    pub const EDEN: u8 = 4;
}

/// Shared by the heap, its marker and whoever reads the heap from another thread.
pub(super) struct Shared {
    pub words: Words,
    pub base: usize,
    /// A byte a block, of [`state`].
    pub states: SideBytes,
    marks: SideWords,
    pub steps: AtomicU64,
    /// Keeps the memory behind `words`.
    _region: Arc<dyn Region>,
}

impl Shared {
    pub fn new(
        memory: &dyn Memory,
        words: Words,
        region: Arc<dyn Region>,
    ) -> Result<Shared, ReserveError> {
        Ok(Shared {
            words,
            base: words.base(),
            states: SideBytes::reserve(memory, words.bytes() / BLOCK_BYTES)?,
            marks: SideWords::reserve(memory, words.bytes() / 512)?,
            steps: AtomicU64::new(0),
            _region: region,
        })
    }

    #[inline(always)]
    pub fn block_of(&self, address: usize) -> usize {
        (address - self.base) / BLOCK_BYTES
    }

    #[inline(always)]
    pub fn block_address(&self, block: usize) -> usize {
        self.base + block * BLOCK_BYTES
    }

    /// The base need not be aligned to blocks.
    #[inline(always)]
    pub fn offset_in_block(&self, address: usize) -> usize {
        (address - self.base) % BLOCK_BYTES
    }

    #[inline(always)]
    pub fn state_of(&self, address: usize) -> u8 {
        self.states.get(self.block_of(address))
    }

    // ---- mark bits

    #[inline(always)]
    pub fn is_marked(&self, header: usize) -> bool {
        let word = (header - self.base) / 8;
        self.marks.get(word / 64) & (1 << (word % 64)) != 0
    }

    /// Sets the bit; answers whether it was clear.
    #[inline(always)]
    pub fn mark(&self, header: usize) -> bool {
        let word = (header - self.base) / 8;
        let bit = 1 << (word % 64);
        let cell = self.marks.cell(word / 64);
        cell.load(Ordering::Relaxed) & bit == 0 && cell.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    pub fn clear_marks(&self, block: usize) {
        let first = block * BLOCK_BYTES / 512;
        for index in first..first + BLOCK_BYTES / 512 {
            if self.marks.get(index) != 0 {
                self.marks.set(index, 0);
            }
        }
    }

    // ---- steps of the marker

    pub fn step_begins(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub fn step_ends(&self) {
        self.steps.fetch_add(1, Ordering::Release);
    }

    /// The count to remember when a block is freed.
    pub fn freed_now(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.steps.load(Ordering::SeqCst)
    }

    /// Whether the step that ran when `freed_now` was asked has ended.
    pub fn may_reuse(&self, freed: u64) -> bool {
        freed.is_multiple_of(2) || self.steps.load(Ordering::Acquire) != freed
    }

    // ---- the block table

    #[inline(always)]
    pub fn entry_address(&self, block: usize) -> usize {
        self.base + BLOCK_TABLE_OFFSET + block * BLOCK_ENTRY_BYTES
    }

    #[inline]
    pub fn entry_word(&self, block: usize, word: usize) -> u64 {
        self.words.load_acquire(self.entry_address(block) + word * 8)
    }

    pub fn kind(&self, block: usize) -> BlockKind {
        BlockEntry::kind_of(self.entry_word(block, 0)).unwrap_or(BlockKind::Lost)
    }

    /// The first block of the large object that `block` belongs to.
    pub fn run_head(&self, block: usize) -> usize {
        match self.kind(block) {
            BlockKind::LargeRest => {
                block.saturating_sub(BlockEntry::run_of(self.entry_word(block, 1)) as usize)
            }
            _ => block,
        }
    }

    pub fn start_on(&self, block: usize, page: usize) -> Option<usize> {
        let (word, bit) = BlockEntry::start_place(page);
        let field = (self.entry_word(block, word) >> bit) as u16 as usize;
        (field != 0)
            .then(|| self.block_address(block) + page * PAGE_BYTES + (field - 1) * 8)
    }

    /// Where to begin the walk that meets whatever overlaps `address`: the last start at or before
    /// it that the table knows. Of a large object, its first word.
    pub fn walk_start(&self, address: usize) -> Option<usize> {
        let block = self.block_of(address);
        match self.kind(block) {
            BlockKind::LargeHead | BlockKind::LargeRest => {
                Some(self.block_address(self.run_head(block)))
            }
            BlockKind::Objects | BlockKind::Quiet => {
                let page = self.offset_in_block(address) / PAGE_BYTES;
                (0..=page).rev().filter_map(|p| self.start_on(block, p)).find(|&s| s <= address)
            }
            BlockKind::Free | BlockKind::Lost => None,
        }
    }

    /// What starts at `address`. The load acquires: what was written before the start is seen.
    #[inline]
    pub fn extent(&self, address: usize) -> Option<Extent> {
        Extent::of(self.words.load_acquire(address))
    }

    /// Slots of the object whose header stands at `header`.
    #[inline(always)]
    pub fn slots_of(&self, header: usize) -> usize {
        let field = self.words.load(header) >> 54;
        if field == OVERSIZE {
            SizeWord(self.words.load(header - 8)).slots()
        } else {
            field as usize
        }
    }

    #[inline(always)]
    pub fn header(&self, header: usize) -> Header {
        Header(self.words.load(header))
    }

    /// Objects (not fillers) that overlap `[from, to)`, a range inside one block or large object,
    /// as header addresses in order.
    pub fn overlapping(&self, from: usize, to: usize) -> Overlapping<'_> {
        let at = self.walk_start(from).unwrap_or(to);
        let end = match self.kind(self.block_of(from)) {
            BlockKind::LargeHead | BlockKind::LargeRest => at + 1,
            _ => to,
        };
        Overlapping { shared: self, at, from, end }
    }
}

/// See [`Shared::overlapping`].
pub(super) struct Overlapping<'a> {
    shared: &'a Shared,
    at: usize,
    from: usize,
    end: usize,
}

impl Overlapping<'_> {
    /// Drops what starts before `address` (a seeded bug).
    pub fn skip_to(&mut self, address: usize) {
        while self.at < address.min(self.end) {
            let Some(extent) = self.shared.extent(self.at) else { return };
            self.at += extent.words * 8;
        }
    }
}

impl Iterator for Overlapping<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        while self.at < self.end {
            let start = self.at;
            let Some(extent) = self.shared.extent(start) else {
                self.at = self.end;
                return None;
            };
            self.at = start + extent.words * 8;
            let header = start + extent.lead * 8;
            if self.at > self.from && !self.shared.header(header).is_filler() {
                return Some(header);
            }
        }
        None
    }
}

const _: () = assert!(PAGES_PER_BLOCK * PAGE_BYTES == BLOCK_BYTES && CARD_BYTES % 8 == 0);
