//! Allocation. It never collects: it declines, and the caller collects at a safepoint and tries again.
//!
//! Invariants
//! - L1 A new object is complete: its reference slots hold nil, its raw slots zero, whatever follows.
//! - L2 In a hole of an old block, the filler of the remainder is written first, then the body, then
//!   the first word by a release store: a walker meets either the hole or the object.
//! - L3 What is allocated in old blocks while a cycle runs is born marked, before it can be met.

use super::cycle::Phase;
use super::shared::state;
use super::{Decline, Heap};
use crate::layout::{
    BLOCK_BYTES, BlockKind, ClassIndex, EDEN_OFFSET, Extent, FILLER_WORD, Format, Header,
    LARGE_OBJECT_BYTES, MAX_SMALL_SLOTS, PINNED, SizeWord, Word,
};

/// Free words in which allocation bumps, in bytes' addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub at: usize,
    pub end: usize,
    /// Where the hole began: what lies between is to be counted when the cursor leaves.
    pub began: usize,
}

impl Cursor {
    fn room(&self) -> usize {
        self.end - self.at
    }
}

/// Eden.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Eden {
    pub next: usize,
    /// Where the fast path ends: below `top` under stress and above the memory limit.
    pub end: usize,
    pub top: usize,
    pub start: usize,
    /// Allocations that stress still allows.
    pub allowance: u32,
}

impl Heap {
    /// Allocates an object: of a raw `format` field (a [`Format`] plus its unused units), with
    /// `slots` words. `None` if there is no room, for the reason that [`Heap::why_declined`] answers.
    #[inline]
    pub fn allocate(&mut self, class: ClassIndex, format: u8, slots: usize) -> Option<Word> {
        let words = Extent::of_object(slots).words;
        let start = self.eden.next;
        if words > LARGE_OBJECT_BYTES / 8 || words * 8 > self.eden.end - start {
            return self.allocate_slowly(class, format, slots);
        }
        self.eden.next = start + words * 8;
        Some(self.write_new(start, class, format, slots))
    }

    /// Allocates an object of one raw word, by its whole header.
    #[inline(always)]
    pub(crate) fn allocate_words(&mut self, header: u64, word: u64) -> Option<Word> {
        let start = self.eden.next;
        if self.eden.end - start < 16 {
            let header = Header(header);
            let object = self.allocate_slowly(header.class(), header.format(), 1)?;
            self.store_raw(object, 0, word);
            return Some(object);
        }
        self.eden.next = start + 16;
        self.words.store(start, header);
        self.words.store(start + 8, word);
        Some(Word::reference(start))
    }

    #[cold]
    fn allocate_slowly(&mut self, class: ClassIndex, format: u8, slots: usize) -> Option<Word> {
        let words = Extent::of_object(slots).words;
        if slots > crate::layout::MAX_SLOTS {
            self.declined = Decline::TooLarge;
            return None;
        }
        if words > LARGE_OBJECT_BYTES / 8 {
            return self.allocate_large(class, format, slots);
        }
        if !self.may_use_eden(words * 8) {
            return None;
        }
        let start = self.eden.next;
        self.eden.next = start + words * 8;
        self.eden.end = self.eden.end.max(self.eden.next);
        Some(self.write_new(start, class, format, slots))
    }

    /// Whether eden has the room, by the rules of stress and limit too.
    fn may_use_eden(&mut self, bytes: usize) -> bool {
        if bytes > self.eden.top - self.eden.next {
            self.declined = Decline::EdenFull;
            return false;
        }
        if self.over_limit {
            self.declined = Decline::Limit;
            return false;
        }
        if self.stress.collect_every > 0 {
            if self.eden.allowance == 0 {
                self.declined = Decline::Stress;
                return false;
            }
            self.eden.allowance -= 1;
        }
        true
    }

    /// Why the last allocation declined.
    pub fn why_declined(&self) -> Decline {
        self.declined
    }

    /// Whether objects of `bytes` in all (headers included, none large) find room without a
    /// collection. Under stress it may still decline once.
    pub fn room_for(&self, bytes: usize) -> bool {
        bytes <= self.eden.end - self.eden.next
            || (self.stress.collect_every > 0
                && self.eden.allowance > 0
                && bytes <= self.eden.top - self.eden.next)
    }

    /// Writes header and empty slots; nobody else can meet the object yet. Answers it.
    #[inline]
    fn write_new(&mut self, start: usize, class: ClassIndex, format: u8, slots: usize) -> Word {
        let mut header = start;
        if slots > MAX_SMALL_SLOTS {
            self.words.store(start, SizeWord::new(slots).0);
            header += 8;
        }
        self.words.store(header, Header::new(class, format, slots).0);
        if slots == 0 {
            self.words.store(header + 8, FILLER_WORD);
        } else {
            self.words.fill(header + 8, slots, self.empty_slot(format));
        }
        Word::reference(header)
    }

    fn empty_slot(&self, format: u8) -> u64 {
        if format <= Format::Ephemeron as u8 { self.nil.0 } else { 0 }
    }

    /// Allocates an object that stands in old space from birth, and never moves.
    pub fn allocate_old(&mut self, class: ClassIndex, format: u8, slots: usize) -> Option<Word> {
        self.allocate_old_in(BlockKind::Objects, class, format, slots)
    }

    /// Allocates an object in a block whose dirt asks for no snapshot: what the machine writes on
    /// its own account (scheduler, stack images).
    pub fn allocate_quiet(&mut self, class: ClassIndex, format: u8, slots: usize) -> Option<Word> {
        self.allocate_old_in(BlockKind::Quiet, class, format, slots)
    }

    fn allocate_old_in(
        &mut self,
        kind: BlockKind,
        class: ClassIndex,
        format: u8,
        slots: usize,
    ) -> Option<Word> {
        let extent = Extent::of_object(slots);
        if slots > crate::layout::MAX_SLOTS {
            self.declined = Decline::TooLarge;
            return None;
        }
        if extent.words > LARGE_OBJECT_BYTES / 8 {
            return self.allocate_large(class, format, slots);
        }
        if !self.within_limit(BLOCK_BYTES) {
            return None;
        }
        let start = match kind {
            BlockKind::Quiet => self.take_quiet(extent.words)?,
            _ => self.take_old(extent.words)?,
        };
        let header = start + extent.lead * 8;
        self.prepare_write(start, extent.words * 8, super::WriteKind::Raw);
        self.mark_born(header);
        if slots == 0 {
            self.words.store(header + 8, FILLER_WORD);
        } else {
            self.words.fill(header + 8, slots, self.empty_slot(format));
        }
        self.publish(start, extent, Header::new(class, format, slots));
        Some(Word::reference(header))
    }

    /// Writes header and, of an oversize object, size word, the first word last and by release (L2).
    pub(super) fn publish(&mut self, start: usize, extent: Extent, header: Header) {
        if extent.lead == 1 {
            self.words.store(start + 8, header.0);
            self.words.store_release(start, SizeWord::new(extent.slots).0);
        } else {
            self.words.store_release(start, header.0);
        }
        self.walk_now(start);
        if self.faults.filler_last
            && let Some((address, words)) = self.late_filler.take()
        {
            self.put_filler(address, words);
            self.note_start(address);
        }
    }

    /// Marks what is born in an old block while a cycle runs (L3).
    #[inline]
    pub(super) fn mark_born(&mut self, header: usize) {
        let Some(cycle) = &self.cycle else { return };
        let passed =
            cycle.phase == Phase::Sweeping && self.shared.block_of(header) < cycle.sweep_next;
        if !passed && !self.faults.born_unmarked {
            self.shared.mark(header);
        }
    }

    /// `words` words of old space, as free memory that nobody else takes; the remainder of the hole
    /// is a filler already.
    pub(super) fn take_old(&mut self, words: usize) -> Option<usize> {
        loop {
            if let Some(start) = self.bump(words) {
                return Some(start);
            }
            // An object of some size does not drive the cursor out of a good hole.
            if words * 8 > BLOCK_BYTES / 16
                && self.old.room() >= BLOCK_BYTES / 64
                && let Some(start) = self.bump_overflow(words)
            {
                return Some(start);
            }
            self.close_cursor();
            if !self.next_hole(words) && !self.fresh_block() {
                self.declined = Decline::OldFull;
                return None;
            }
        }
    }

    fn take_quiet(&mut self, words: usize) -> Option<usize> {
        core::mem::swap(&mut self.old, &mut self.quiet);
        let mut start = self.bump(words);
        if start.is_none() {
            self.close_cursor();
            if let Some(block) = self.take_block(BlockKind::Quiet, false) {
                self.point_cursor_at(block);
                start = self.bump(words);
            } else {
                self.declined = Decline::OldFull;
            }
        }
        core::mem::swap(&mut self.old, &mut self.quiet);
        start
    }

    /// Takes from the second cursor, in a block of its own.
    fn bump_overflow(&mut self, words: usize) -> Option<usize> {
        core::mem::swap(&mut self.old, &mut self.overflow);
        let mut start = self.bump(words);
        if start.is_none() {
            self.close_cursor();
            if self.fresh_block() {
                start = self.bump(words);
            }
        }
        core::mem::swap(&mut self.old, &mut self.overflow);
        start
    }

    fn bump(&mut self, words: usize) -> Option<usize> {
        let bytes = words * 8;
        let start = self.old.at;
        if self.old.room() < bytes {
            return None;
        }
        self.old.at = start + bytes;
        if self.old.at < self.old.end {
            let rest = (self.old.at, self.old.room() / 8);
            if self.faults.filler_last {
                self.late_filler = Some(rest);
            } else {
                self.put_filler(rest.0, rest.1);
                if !self.faults.forget_starts {
                    self.note_start(rest.0);
                }
                self.walk_now(start);
            }
        }
        Some(start)
    }

    /// Under stress: walks the block as a marker on another core might do now (L2).
    #[inline]
    fn walk_now(&mut self, address: usize) {
        if self.stress.walk_always {
            self.walk_block_now(address);
        }
    }

    #[cold]
    fn walk_block_now(&mut self, address: usize) {
        let block = self.shared.block_of(address);
        if !self.shared.kind(block).is_small() {
            return;
        }
        let mut at = self.shared.block_address(block);
        let end = at + BLOCK_BYTES;
        while at < end {
            let Some(extent) = self.shared.extent(at) else { break };
            at += extent.words * 8;
        }
        if at != end {
            self.walk_failure = self.walk_failure.or(Some(at));
        }
    }

    /// Where a walk under stress could not go on, if it ever could not.
    pub fn walk_failure(&self) -> Option<usize> {
        self.walk_failure
    }

    fn point_cursor_at(&mut self, block: usize) {
        let at = self.shared.block_address(block);
        self.old = Cursor { at, end: at + BLOCK_BYTES, began: at };
    }

    fn fresh_block(&mut self) -> bool {
        match self.take_block(BlockKind::Objects, false) {
            Some(block) => {
                self.point_cursor_at(block);
                true
            }
            None => false,
        }
    }

    /// Leaves the hole of the cursor: what is left of it is free memory again.
    pub(super) fn close_cursor(&mut self) {
        let cursor = core::mem::take(&mut self.old);
        if cursor.at > cursor.began {
            let block = self.shared.block_of(cursor.began);
            self.add_free_bytes(block, -((cursor.at - cursor.began) as isize));
        }
    }

    /// Closes every cursor that stands in `block`.
    pub(super) fn close_cursors_in(&mut self, block: usize) {
        for _ in 0..3 {
            if self.old.began != 0 && self.shared.block_of(self.old.began) == block {
                self.close_cursor();
            }
            core::mem::swap(&mut self.old, &mut self.overflow);
            core::mem::swap(&mut self.overflow, &mut self.quiet);
        }
        if self.hole_search.0 != 0 && self.shared.block_of(self.hole_search.0) == block {
            self.hole_search = (0, 0);
        }
    }

    /// Points the cursor at the next hole of at least `words`, in the block it was in or in the next
    /// that has holes.
    fn next_hole(&mut self, words: usize) -> bool {
        loop {
            let (mut at, end) = self.hole_search;
            while at < end {
                let Some(extent) = self.shared.extent(at) else { break };
                let next = at + extent.words * 8;
                let is_hole = extent.lead == 0 && Header(self.words.load(at)).is_filler();
                if is_hole && extent.words >= words {
                    self.hole_search = (next, end);
                    self.old = Cursor { at, end: next, began: at };
                    return true;
                }
                at = next;
            }
            let Some(block) = self.pool.holes.pop() else {
                self.hole_search = (0, 0);
                return false;
            };
            let block = block as usize;
            let fits = self.shared.kind(block) == BlockKind::Objects
                && self.shared.states.get(block) == state::OLD
                && self.is_usable(block)
                && !self.has_cursor(block);
            let start = self.shared.block_address(block);
            self.hole_search = if fits { (start, start + BLOCK_BYTES) } else { (0, 0) };
        }
    }

    fn has_cursor(&self, block: usize) -> bool {
        [self.overflow, self.quiet]
            .iter()
            .any(|cursor| cursor.began != 0 && self.shared.block_of(cursor.began) == block)
    }

    /// Allocates an object in a run of blocks of its own.
    fn allocate_large(&mut self, class: ClassIndex, format: u8, slots: usize) -> Option<Word> {
        let extent = Extent::of_object(slots);
        let mut count = (extent.words * 8).div_ceil(BLOCK_BYTES);
        if self.faults.large_overlap && count > 1 {
            count -= 1;
        }
        if count > self.pool.end || !self.within_limit(count * BLOCK_BYTES) {
            if count > self.pool.end {
                self.declined = Decline::TooLarge;
            }
            return None;
        }
        let Some(first) = self.pick_run(count) else {
            self.declined = Decline::OldFull;
            return None;
        };
        self.format_run(first, count);
        let start = self.shared.block_address(first);
        let header = start + extent.lead * 8;
        self.mark_born(header);
        self.prepare_write(start, (extent.words * 8).min(count * BLOCK_BYTES), super::WriteKind::Raw);
        self.words.fill(header + 8, extent.slots, self.empty_slot(format));
        let rest = (count * BLOCK_BYTES / 8).saturating_sub(extent.words);
        if rest > 0 {
            self.put_filler(start + extent.words * 8, rest);
        }
        self.publish(start, extent, Header::new(class, format, slots));
        self.open_run(first, count);
        self.old_growth += count * BLOCK_BYTES;
        Some(Word::reference(header))
    }

    /// Whether `bytes` more of old space keep within the memory limit.
    fn within_limit(&mut self, bytes: usize) -> bool {
        let fits = self.used_bytes() + self.eden_bytes() + bytes <= self.limit_bytes;
        if !fits {
            self.declined = Decline::Limit;
        }
        fits
    }

    /// Bytes from the start of eden to its end.
    pub fn eden_bytes(&self) -> usize {
        self.eden.top - self.eden.start
    }

    /// Bytes allocated in eden since the world began.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated_before + (self.eden.next - self.eden.start) as u64
    }

    /// Sets eden up, empty, with `bytes`.
    pub(super) fn reset_eden(&mut self, bytes: usize) {
        let start = self.base + EDEN_OFFSET;
        self.eden = Eden { next: start, end: start, top: start + bytes, start, allowance: 0 };
        self.over_limit = self.used_bytes() + bytes > self.limit_bytes;
        if self.stress.collect_every > 0 {
            self.eden.allowance = self.stress.collect_every;
        } else if !self.over_limit {
            self.eden.end = self.eden.top;
        }
    }

    /// The header flag of an object that is never to move.
    pub(super) fn pin_header(header: Header) -> Header {
        Header(header.0 | PINNED)
    }
}
