//! The stack of one process: growable words outside the heap.
//!
//! ```text
//!   … receiver │ arguments · copied values · temporaries │ header (5 words) │ operands …
//!                ^ fp - temps                              ^ fp              ^ fp + 5    ^ sp (top)
//!
//!   fp + 0  DISTANCE  SmallInteger: words down to the caller's fp; 0 in the bottom frame
//!   fp + 1  RETURN    address of the caller's next operation, with tag 01
//!   fp + 2  CODE      address of the frame's code record, with tag 01
//!   fp + 3  CLOSURE   the closure that runs in the frame, or nil
//!   fp + 4  MARKS     SmallInteger: serial × 8 + flags
//! ```
//!
//! The receiver and the arguments stand where the caller pushed them; returning overwrites the
//! receiver with the result and makes it the caller's top. A closure's frame has the closure's
//! receiver there.
//!
//! Invariants
//! - F1 Every word from the first to `sp` is a tagged word: a collection visits all of them without
//!   knowing frames.
//! - F2 Positions in a frame are relative, so growing is a copy.
//! - F3 At least [`RESERVE`] words are free above an activated frame's greatest depth, for what the
//!   machine itself pushes.
//! - F4 Frames strictly below the one with the WATERMARK flag have not run since the last capture.
//! - F5 No word below `scanned` was written since the last scavenge, and those of them that refer to
//!   young objects lie in the segments of `young_segments`. The frame whose receiver stands at
//!   `scanned` has the SCANNED flag, so its return lowers the mark. So a scavenge reads what ran,
//!   not how deep the stack is.
//!
//! Knows: layout, code records. Must not know: the heap.

#![allow(unsafe_code, reason = "room: frames")]

use super::code::{Code, Operation};
use crate::layout::Word;
use alloc::alloc::{Layout, alloc, dealloc};
use alloc::collections::BTreeMap;
use core::ptr::{copy_nonoverlapping, null, null_mut};

/// Words of a frame's header.
pub const HEADER_WORDS: usize = 5;
/// Header word: distance to the caller's frame.
pub const DISTANCE: usize = 0;
/// Header word: where the caller goes on.
pub const RETURN: usize = 1;
/// Header word: the code record.
pub const CODE: usize = 2;
/// Header word: the closure.
pub const CLOSURE: usize = 3;
/// Header word: serial and flags.
pub const MARKS: usize = 4;

/// Flag in MARKS: a Context stands for the frame.
pub const HAS_CONTEXT: i64 = 1;
/// Flag in MARKS: frames below have not run since the last capture.
pub const WATERMARK: i64 = 2;
/// Flag in MARKS: below the frame's receiver nothing was written since the last scavenge.
pub const SCANNED: i64 = 4;
/// The bits of MARKS (as a tagged word) that make a return slow.
pub const SLOW_RETURN: u64 = ((HAS_CONTEXT | WATERMARK | SCANNED) as u64) << 2;
/// Bits below the serial in MARKS.
pub const SERIAL_SHIFT: u32 = 3;

/// Words that are kept free above every frame (F3).
pub const RESERVE: usize = 32;
const FIRST_WORDS: usize = 1024;
/// Words that a scavenge looks at together.
const SEGMENT: usize = 128;
/// Frames by which a mark is lowered beyond the one that runs again, so that of many returns in a
/// row few are slow.
const LOWERED_FRAMES: usize = 16;

/// A context that stands for a frame.
#[derive(Clone, Copy, Debug)]
pub struct Reified {
    /// Index of the frame.
    pub frame: usize,
    /// The Context.
    pub context: Word,
}

/// The stack of one process.
pub struct Stack {
    words: *mut u64,
    capacity: usize,
    /// Index of the top frame's header; 0 when there is no frame.
    pub fp: usize,
    /// Index of the top word.
    pub sp: usize,
    /// Words above which it asks before it grows.
    pub allowed: usize,
    /// The next operation of the top frame.
    pub ip: *const Operation,
    /// The Process.
    pub process: Word,
    /// Contexts by serial.
    pub contexts: BTreeMap<i64, Reified>,
    /// Whether it has not run since the last capture.
    pub clean: bool,
    /// The words of the StackImage that hold for frames below the watermark: {frame, end} in order.
    pub captured: alloc::vec::Vec<(usize, usize)>,
    /// Index of the first word that may have been written since the last scavenge.
    scanned: usize,
    /// Segments below `scanned` that refer to young objects, in order.
    young_segments: alloc::vec::Vec<usize>,
    /// Serials of the contexts that may be young.
    young_contexts: alloc::vec::Vec<i64>,
}

impl Stack {
    /// Words of a frame's header.
    pub const HEADER: usize = HEADER_WORDS;

    /// An empty stack; `None` when the machine has no memory.
    pub fn new(process: Word) -> Option<Stack> {
        let words = allocate_words(FIRST_WORDS)?;
        // SAFETY: the allocation holds FIRST_WORDS words; the first is the sentinel.
        unsafe { words.write(Word::small(0).0) };
        Some(Stack {
            words,
            capacity: FIRST_WORDS,
            allowed: usize::MAX,
            fp: 0,
            sp: 0,
            ip: null(),
            process,
            contexts: BTreeMap::new(),
            clean: false,
            captured: alloc::vec::Vec::new(),
            scanned: 0,
            young_segments: alloc::vec::Vec::new(),
            young_contexts: alloc::vec::Vec::new(),
        })
    }

    /// The address of word `index`.
    pub fn address(&self, index: usize) -> *mut u64 {
        debug_assert!(index < self.capacity);
        // SAFETY: `index` is below the capacity (F3 for everything near `sp`).
        unsafe { self.words.add(index) }
    }

    /// The index of an address in it.
    pub fn index(&self, address: *const u64) -> usize {
        (address as usize - self.words as usize) / size_of::<u64>()
    }

    /// One past the last address that may be used without asking.
    pub fn limit(&self) -> *mut u64 {
        // SAFETY: at most one past the end of the allocation.
        unsafe { self.words.add(self.capacity.min(self.allowed)) }
    }

    /// Word `index`.
    pub fn get(&self, index: usize) -> Word {
        debug_assert!(index <= self.sp + RESERVE);
        // SAFETY: callers keep `index` at most `sp`.
        unsafe { Word(*self.address(index)) }
    }

    /// Sets word `index`.
    pub fn set(&mut self, index: usize, word: Word) {
        // SAFETY: callers keep `index` at most `sp` or within the reserve (F3).
        unsafe { *self.address(index) = word.0 }
    }

    /// Pushes a word; room was made before.
    pub fn push(&mut self, word: Word) {
        self.sp += 1;
        self.set(self.sp, word);
    }

    /// Makes the bottom frame over the words that were pushed.
    pub fn push_bottom(&mut self, code: *const Code, nil: Word) {
        let frame = self.sp + 1;
        self.sp = frame + HEADER_WORDS - 1;
        self.set(frame + DISTANCE, Word::small(0));
        self.set(frame + RETURN, Word(1));
        self.set(frame + CODE, Word(code as u64 | 1));
        self.set(frame + CLOSURE, nil);
        self.set(frame + MARKS, Word::small(0));
        self.fp = frame;
        self.ip = self.code(frame).operations.as_ptr();
    }

    /// Makes a frame over the words that were pushed, called by the top frame at its `ip`.
    pub fn push_restored(&mut self, code: *const Code, closure: Word, marks: i64) {
        let frame = self.sp + 1;
        let distance = if self.fp == 0 { 0 } else { frame - self.fp };
        self.sp = frame + HEADER_WORDS - 1;
        self.set(frame + DISTANCE, Word::small(distance as i64));
        self.set(frame + RETURN, Word(self.ip as u64 | 1));
        self.set(frame + CODE, Word(code as u64 | 1));
        self.set(frame + CLOSURE, closure);
        self.set(frame + MARKS, Word::small(marks));
        self.fp = frame;
    }

    /// Makes room for `more` words above `sp`. False when the machine has no memory.
    pub fn make_room(&mut self, more: usize) -> bool {
        let wanted = self.sp + more + RESERVE;
        if wanted <= self.capacity {
            return true;
        }
        let capacity = wanted.next_power_of_two();
        let Some(words) = allocate_words(capacity) else { return false };
        // SAFETY: both allocations hold at least `capacity` of the old stack; they do not overlap.
        unsafe { copy_nonoverlapping(self.words, words, self.capacity) };
        self.free();
        self.words = words;
        self.capacity = capacity;
        true
    }

    /// Gives memory back after a deep recursion, when little is used.
    pub fn shrink(&mut self) {
        let wanted = (self.sp + RESERVE + 1).next_power_of_two().max(FIRST_WORDS) * 2;
        if self.capacity < wanted * 4 {
            return;
        }
        let Some(words) = allocate_words(wanted) else { return };
        // SAFETY: `sp` is below `wanted`, which is below the old capacity.
        unsafe { copy_nonoverlapping(self.words, words, self.sp + 1) };
        self.free();
        self.words = words;
        self.capacity = wanted;
    }

    fn free(&mut self) {
        if let Ok(layout) = Layout::array::<u64>(self.capacity)
            && !self.words.is_null()
        {
            // SAFETY: `words` was allocated with this layout.
            unsafe { dealloc(self.words.cast(), layout) };
        }
        self.words = null_mut();
    }

    /// Visits every word (F1), the process and the contexts.
    pub fn visit(&mut self, f: &mut dyn FnMut(&mut Word)) {
        f(&mut self.process);
        for index in 1..=self.sp {
            // SAFETY: `index` is at most `sp`; a `Word` is a transparent `u64`.
            f(unsafe { &mut *self.address(index).cast::<Word>() });
        }
        for reified in self.contexts.values_mut() {
            f(&mut reified.context);
        }
    }

    /// Visits every word that may refer to a young object; `f` answers whether it still does (F5).
    pub fn visit_young(&mut self, f: &mut dyn FnMut(&mut Word) -> bool) {
        f(&mut self.process);
        let mut segments = core::mem::take(&mut self.young_segments);
        segments.retain(|&segment| self.visit_segment(segment, f));
        for segment in self.scanned / SEGMENT..=self.sp / SEGMENT {
            if self.visit_segment(segment, f) {
                segments.push(segment);
            }
        }
        self.young_segments = segments;
        let contexts = &mut self.contexts;
        self.young_contexts
            .retain(|serial| contexts.get_mut(serial).is_some_and(|reified| f(&mut reified.context)));
        self.set_scanned(self.fp);
    }

    /// Visits the words of one segment; answers whether one still refers to a young object.
    fn visit_segment(&mut self, segment: usize, f: &mut dyn FnMut(&mut Word) -> bool) -> bool {
        let mut keeps = false;
        for index in (segment * SEGMENT).max(1)..=self.sp.min(segment * SEGMENT + SEGMENT - 1) {
            // SAFETY: `index` is at most `sp`; a `Word` is a transparent `u64`.
            keeps |= f(unsafe { &mut *self.address(index).cast::<Word>() });
        }
        keeps
    }

    /// Nothing below the receiver of `frame` was written since the last scavenge.
    fn set_scanned(&mut self, frame: usize) {
        self.scanned = if frame == 0 { 0 } else { self.receiver_index(frame) };
        if frame != 0 {
            let (serial, flags) = (self.serial(frame), self.flags(frame));
            self.set_marks(frame, serial, flags | SCANNED);
        }
        let first = self.scanned / SEGMENT;
        while self.young_segments.last().is_some_and(|&segment| segment >= first) {
            self.young_segments.pop();
        }
    }

    /// `frame` runs again, or is written to: a scavenge must read it (F5).
    pub fn lower_scanned(&mut self, frame: usize) {
        if frame == 0 || self.receiver_index(frame) < self.scanned {
            let lower = self.below(frame);
            self.set_scanned(lower);
        }
    }

    /// Any word may have been changed to a reference to a young object.
    pub fn forget_scanned(&mut self) {
        self.set_scanned(0);
        self.young_contexts = self.contexts.keys().copied().collect();
    }

    /// Notes the Context that stands for a frame.
    pub fn add_context(&mut self, serial: i64, reified: Reified) {
        self.contexts.insert(serial, reified);
        self.young_contexts.push(serial);
    }

    /// A frame a few below `frame`, the bottom one at last.
    fn below(&self, frame: usize) -> usize {
        let mut at = frame;
        for _ in 0..LOWERED_FRAMES {
            let caller = if at == 0 { 0 } else { self.caller(at) };
            if caller == 0 {
                break;
            }
            at = caller;
        }
        at
    }

    /// The code of the frame at `frame`.
    pub fn code(&self, frame: usize) -> &Code {
        // SAFETY: CODE of a frame is the address of a record that lives as long (C2).
        unsafe { &*((self.get(frame + CODE).0 - 1) as *const Code) }
    }

    /// The caller's frame, 0 for the bottom one.
    pub fn caller(&self, frame: usize) -> usize {
        match self.get(frame + DISTANCE).as_integer() {
            0 => 0,
            distance => frame - distance as usize,
        }
    }

    /// Where the frame's caller goes on.
    pub fn return_ip(&self, frame: usize) -> *const Operation {
        (self.get(frame + RETURN).0.wrapping_sub(1)) as *const Operation
    }

    /// Index of the frame's receiver, which is where its result goes.
    pub fn receiver_index(&self, frame: usize) -> usize {
        frame - self.code(frame).temps - 1
    }

    /// The frame's closure, or nil.
    pub fn closure(&self, frame: usize) -> Word {
        self.get(frame + CLOSURE)
    }

    /// The frame's serial, 0 if none was given.
    pub fn serial(&self, frame: usize) -> i64 {
        self.get(frame + MARKS).as_integer() >> SERIAL_SHIFT
    }

    /// The frame's flags.
    pub fn flags(&self, frame: usize) -> i64 {
        self.get(frame + MARKS).as_integer() & ((1 << SERIAL_SHIFT) - 1)
    }

    /// Sets a frame's serial and flags.
    pub fn set_marks(&mut self, frame: usize, serial: i64, flags: i64) {
        self.set(frame + MARKS, Word::small(serial << SERIAL_SHIFT | flags));
    }

    /// The next operation of a frame: of the top one `ip`, else where its callee returns to.
    pub fn next_operation(&self, frame: usize) -> *const Operation {
        if frame == self.fp {
            return self.ip;
        }
        let mut callee = self.fp;
        while callee != 0 {
            let caller = self.caller(callee);
            if caller == frame {
                return self.return_ip(callee);
            }
            callee = caller;
        }
        null()
    }

    /// The next operation of the frame that called `callee`; of the top one for 0.
    pub fn operation_below(&self, callee: usize) -> *const Operation {
        if callee == 0 { self.ip } else { self.return_ip(callee) }
    }

    /// Index of the last operand of the frame that called `callee`; of the top one for 0.
    pub fn top_below(&self, callee: usize) -> usize {
        if callee == 0 { self.sp } else { self.receiver_index(callee) - 1 }
    }

    /// Index of the last operand of a frame.
    pub fn top_of(&self, frame: usize) -> usize {
        if frame == self.fp {
            return self.sp;
        }
        let mut callee = self.fp;
        while callee != 0 {
            let caller = self.caller(callee);
            if caller == frame {
                return self.receiver_index(callee) - 1;
            }
            callee = caller;
        }
        frame + HEADER_WORDS - 1
    }

    /// `frame` runs again: what was captured of it and of those above holds no longer (F4).
    pub fn lower_watermark(&mut self, frame: usize) {
        if self.captured.is_empty() || frame == 0 {
            self.captured.clear();
            return;
        }
        if self.captured.last().is_none_or(|&(captured, _)| captured < frame) {
            return;
        }
        let frame = self.below(frame);
        while self.captured.last().is_some_and(|&(captured, _)| captured >= frame) {
            self.captured.pop();
        }
        let (serial, flags) = (self.serial(frame), self.flags(frame));
        self.set_marks(frame, serial, flags | WATERMARK);
    }

    /// Frames from the top to the bottom.
    pub fn frames(&self) -> Frames<'_> {
        Frames { stack: self, next: self.fp }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.free();
    }
}

/// Iterates over frames from the top.
pub struct Frames<'a> {
    stack: &'a Stack,
    next: usize,
}

impl Iterator for Frames<'_> {
    type Item = usize;
    fn next(&mut self) -> Option<usize> {
        let frame = self.next;
        if frame == 0 {
            return None;
        }
        self.next = self.stack.caller(frame);
        Some(frame)
    }
}

fn allocate_words(count: usize) -> Option<*mut u64> {
    let layout = Layout::array::<u64>(count).ok()?;
    // SAFETY: the layout has a size above 0.
    let words = unsafe { alloc(layout) }.cast::<u64>();
    (!words.is_null()).then_some(words)
}
