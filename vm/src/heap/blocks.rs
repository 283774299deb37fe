//! Blocks: which are free, what the block table says of them, taking and freeing.
//!
//! Invariants
//! - K1 A block is *usable* if the last mark that swept it is not later than the last completed
//!   sweep: memory that a running (or interrupted) sweep freed is held back.
//! - K2 In a block of objects, walking from its first word reaches its end at every instant. A fresh
//!   block is one filler before its kind says that it holds objects.
//! - K3 The pool learns of free blocks as it goes: opening reads no table.
//! - K4 The free bytes of an entry are those of the block's fillers, but for the block that an
//!   allocation cursor points into, whose hole counts as used until the cursor leaves it.

use super::Heap;
use super::shared::state;
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockEntry, BlockKind, Header, PAGE_BYTES, PAGES_PER_BLOCK,
};
use alloc::vec::Vec;

/// Entries of the block table that are read at a time when a free block is looked for.
const SCAN_STEP: usize = 64;
/// And when a run is looked for: the first large object after an opening must not bring in the table
/// of all of memory, and after some of them all of it was read.
const RUN_SCAN: usize = 2048;
/// It is read so often for each so many blocks that are wanted: what is read is little beside what will be
/// written.
const RUN_SCAN_FOR: usize = 32;
/// A block with fewer free bytes than this is not looked through for holes.
pub(super) const WORTHWHILE_HOLE_BYTES: usize = BLOCK_BYTES / 16;

/// What the machine knows of free memory, beside the block table.
pub(super) struct BlockPool {
    /// Blocks in use end here.
    pub limit: usize,
    /// Blocks end here.
    pub end: usize,
    free: Vec<u64>,
    free_count: usize,
    /// No block below is free.
    lowest: usize,
    /// The table was read up to here.
    scanned: usize,
    /// And is to be read up to here: what was in use at opening, or at the end of a sweep.
    scan_end: usize,
    /// Blocks with holes.
    pub holes: Vec<u32>,
    /// Freed by a scavenge during a step of the marker: the block and the step.
    resting: Vec<(u32, u64)>,
    /// Freed by the running sweep.
    pub held: Vec<u32>,
    /// Large runs, free blocks: for reports.
    pub taken: u64,
}

pub(super) const FIRST_BLOCK: usize = BLOCKS_OFFSET / BLOCK_BYTES;

impl BlockPool {
    pub fn new(limit: usize, end: usize) -> BlockPool {
        BlockPool {
            limit,
            end,
            free: Vec::new(),
            free_count: 0,
            lowest: FIRST_BLOCK,
            scanned: FIRST_BLOCK,
            scan_end: limit,
            holes: Vec::new(),
            resting: Vec::new(),
            held: Vec::new(),
            taken: 0,
        }
    }

    pub fn insert(&mut self, block: usize) {
        let index = block / 64;
        if self.free.len() <= index {
            self.free.resize(index + 1, 0);
        }
        let bit = 1 << (block % 64);
        if self.free[index] & bit == 0 {
            self.free[index] |= bit;
            self.free_count += 1;
            self.lowest = self.lowest.min(block);
        }
    }

    fn contains(&self, block: usize) -> bool {
        self.free.get(block / 64).is_some_and(|word| word & (1 << (block % 64)) != 0)
    }

    fn remove(&mut self, block: usize) {
        self.free[block / 64] &= !(1 << (block % 64));
        self.free_count -= 1;
    }

    fn lowest_free(&mut self) -> Option<usize> {
        let mut index = self.lowest / 64;
        while index < self.free.len() {
            let word = self.free[index];
            if word != 0 {
                self.lowest = index * 64 + word.trailing_zeros() as usize;
                return Some(self.lowest);
            }
            index += 1;
        }
        self.lowest = self.free.len() * 64;
        None
    }

    /// The first of `count` neighbouring free blocks.
    fn lowest_run(&mut self, count: usize) -> Option<usize> {
        let mut block = self.lowest_free()?;
        let end = self.free.len() * 64;
        let mut length = 0;
        while block < end {
            if block.is_multiple_of(64) && self.free[block / 64] == 0 {
                length = 0;
                block += 64;
                continue;
            }
            length = if self.contains(block) { length + 1 } else { 0 };
            block += 1;
            if length == count {
                return Some(block - count);
            }
        }
        None
    }

    /// Blocks that can be taken without reading more of the table.
    pub fn available(&self) -> usize {
        self.free_count + (self.end - self.limit)
    }

    pub fn free_blocks(&self) -> usize {
        self.free_count
    }

    /// Reads the table anew: after a sweep, and when what was held may be used.
    pub fn rescan(&mut self) {
        self.scanned = FIRST_BLOCK;
        self.scan_end = self.limit;
        self.holes.clear();
    }
}

impl Heap {
    // ---- entries

    pub(super) fn set_entry_word(&mut self, block: usize, word: usize, value: u64) {
        let address = self.shared.entry_address(block) + word * 8;
        if self.words.load(address) != value {
            if self.faults.skip_collector_writes {
                self.words.store(address, value);
                return;
            }
            self.prepare_write(address, 8, super::WriteKind::Raw);
            self.words.store_release(address, value);
        }
    }

    pub(super) fn set_kind(&mut self, block: usize, kind: BlockKind, free: usize) {
        self.set_entry_word(block, 0, BlockEntry::word0(kind, free));
    }

    pub(super) fn free_bytes(&self, block: usize) -> usize {
        BlockEntry::free_of(self.shared.entry_word(block, 0))
    }

    pub(super) fn add_free_bytes(&mut self, block: usize, change: isize) {
        let word = self.shared.entry_word(block, 0);
        if let Some(kind) = BlockEntry::kind_of(word) {
            let free = BlockEntry::free_of(word).saturating_add_signed(change);
            self.set_entry_word(block, 0, BlockEntry::word0(kind, free));
        }
    }

    pub(super) fn swept_by(&self, block: usize) -> u32 {
        BlockEntry::swept_of(self.shared.entry_word(block, 1))
    }

    pub(super) fn set_swept(&mut self, block: usize, mark: u32) {
        let word = self.shared.entry_word(block, 1);
        self.set_entry_word(block, 1, BlockEntry::word1(mark, BlockEntry::run_of(word)));
    }

    pub(super) fn set_run(&mut self, block: usize, run: u32) {
        let word = self.shared.entry_word(block, 1);
        self.set_entry_word(block, 1, BlockEntry::word1(BlockEntry::swept_of(word), run));
    }

    /// Something starts at `address`: the page's first start is there, or before.
    #[inline]
    pub(super) fn note_start(&mut self, address: usize) {
        let block = self.shared.block_of(address);
        let offset = self.shared.offset_in_block(address);
        let (word, bit) = BlockEntry::start_place(offset / PAGE_BYTES);
        let old = self.shared.entry_word(block, word);
        let field = (old >> bit) & 0xffff;
        let here = (offset % PAGE_BYTES / 8) as u64 + 1;
        if field == 0 || here < field {
            self.set_entry_word(block, word, (old & !(0xffff << bit)) | (here << bit));
        }
    }

    fn clear_starts(&mut self, block: usize, first: u64) {
        self.set_entry_word(block, 2, first);
        self.set_entry_word(block, 3, 0);
    }

    /// Makes `[address, address + words * 8)` free memory.
    pub(super) fn put_filler(&mut self, address: usize, words: usize) {
        let filler = Header::filler(words).0;
        if self.words.load(address) == filler {
            return;
        }
        if self.faults.skip_collector_writes {
            self.words.store(address, filler);
            return;
        }
        self.prepare_write(address, 8, super::WriteKind::Raw);
        self.words.store_release(address, filler);
    }

    // ---- taking

    /// Whether memory of the block may be handed out (K1).
    pub(super) fn is_usable(&self, block: usize) -> bool {
        self.faults.hand_out_early || self.swept_by(block) <= self.last_sweep
    }

    /// Reads `entries` more of the block table into the pool.
    fn scan_table(&mut self, entries: usize) {
        let first = self.pool.scanned;
        let end = (first + entries).min(self.pool.scan_end);
        for block in first..end {
            if self.shared.states.get(block) != state::OLD || !self.is_usable(block) {
                continue;
            }
            let word = self.shared.entry_word(block, 0);
            match BlockEntry::kind_of(word) {
                Some(BlockKind::Free) => self.pool.insert(block),
                Some(BlockKind::Objects)
                    if BlockEntry::free_of(word) >= WORTHWHILE_HOLE_BYTES
                        && block != self.cursor_block() =>
                {
                    self.pool.holes.push(block as u32);
                }
                _ => {}
            }
        }
        self.pool.scanned = end.max(first);
    }

    /// Reads what is left of the block table.
    pub(super) fn scan_whole_table(&mut self) {
        self.release_resting();
        self.scan_table(self.pool.end);
    }

    fn release_resting(&mut self) {
        let mut resting = core::mem::take(&mut self.pool.resting);
        resting.retain(|&(block, step)| {
            let rests = !self.shared.may_reuse(step);
            if !rests {
                self.pool.insert(block as usize);
            }
            rests
        });
        self.pool.resting = resting;
    }

    /// A free block, removed from the pool; the block is not formatted.
    fn pick_block(&mut self) -> Option<usize> {
        if self.pool.lowest_free().is_none() {
            self.release_resting();
            self.scan_table(SCAN_STEP);
        }
        if let Some(block) = self.pool.lowest_free() {
            self.pool.remove(block);
            return Some(block);
        }
        if self.pool.limit < self.pool.end {
            self.pool.limit += 1;
            return Some(self.pool.limit - 1);
        }
        self.scan_whole_table();
        let block = self.pool.lowest_free()?;
        self.pool.remove(block);
        Some(block)
    }

    /// The first of `count` neighbouring free blocks, removed from the pool.
    pub(super) fn pick_run(&mut self, count: usize) -> Option<usize> {
        if count == 1 {
            return self.pick_block();
        }
        self.release_resting();
        for _ in 0..(count / RUN_SCAN_FOR).max(1) {
            self.scan_table(RUN_SCAN);
            if let Some(first) = self.take_run(count) {
                return Some(first);
            }
            if self.pool.scanned >= self.pool.scan_end {
                break;
            }
        }
        let first = self.pool.limit;
        if count > self.pool.end - first {
            self.scan_whole_table();
            return self.take_run(count);
        }
        self.pool.limit += count;
        Some(first)
    }

    /// The lowest run of known free blocks, removed from the pool.
    fn take_run(&mut self, count: usize) -> Option<usize> {
        let first = self.pool.lowest_run(count)?;
        for block in first..first + count {
            self.pool.remove(block);
        }
        Some(first)
    }

    /// Makes a free block one of objects: a single filler (K2). Answers it.
    pub(super) fn take_block(&mut self, kind: BlockKind, young: bool) -> Option<usize> {
        let block = self.pick_block()?;
        let address = self.shared.block_address(block);
        self.clear_starts(block, 1);
        self.put_filler(address, BLOCK_BYTES / 8);
        self.set_run(block, 0);
        self.shared.states.set(block, if young { state::YOUNG } else { state::OLD });
        self.set_kind(block, kind, BLOCK_BYTES);
        self.pool.taken += 1;
        Some(block)
    }

    /// Makes a run of free blocks hold one large object; its kinds are set by [`Heap::open_run`]
    /// when the object stands.
    pub(super) fn format_run(&mut self, first: usize, count: usize) {
        for block in first..first + count {
            self.clear_starts(block, u64::from(block == first));
            self.set_run(block, if block == first { count } else { block - first } as u32);
            self.shared.states.set(block, state::OLD);
        }
        self.pool.taken += count as u64;
    }

    pub(super) fn open_run(&mut self, first: usize, count: usize) {
        for block in (first..first + count).rev() {
            let kind = if block == first { BlockKind::LargeHead } else { BlockKind::LargeRest };
            self.set_kind(block, kind, 0);
        }
    }

    // ---- freeing

    /// Frees a block that a scavenge emptied: it may be taken after the marker's next boundary.
    pub(super) fn free_young_block(&mut self, block: usize) {
        self.shared.states.set(block, state::FREED);
        self.set_kind(block, BlockKind::Free, BLOCK_BYTES);
        self.forget_cards_of_block(block);
        let step = self.shared.freed_now();
        if self.shared.may_reuse(step) && self.is_usable(block) {
            self.pool.insert(block);
        } else if self.is_usable(block) {
            self.pool.resting.push((block as u32, step));
        } else {
            self.pool.held.push(block as u32);
        }
    }

    /// Frees a block that a sweep found empty: it is held until the sweep is done.
    pub(super) fn free_swept_block(&mut self, block: usize) {
        self.shared.states.set(block, state::FREED);
        self.set_kind(block, BlockKind::Free, BLOCK_BYTES);
        self.forget_cards_of_block(block);
        self.pool.held.push(block as u32);
        if self.faults.hand_out_early {
            self.pool.insert(block);
        }
    }

    /// Bytes of the blocks in use, eden not counted.
    pub fn used_bytes(&self) -> usize {
        let held = self.pool.held.len() + self.pool.resting.len();
        (self.pool.limit - FIRST_BLOCK).saturating_sub(self.pool.free_blocks() + held) * BLOCK_BYTES
    }

    pub(super) fn cursor_block(&self) -> usize {
        if self.old.at < self.old.end { self.shared.block_of(self.old.at) } else { 0 }
    }
}

const _: () = assert!(PAGES_PER_BLOCK == 8);
