//! Physical memory by pages of 4 KiB: which are free.
//!
//! Invariants
//! - P1 A frame is handed out once until it is given back. Free frames are chained through their own
//!   first word, which is reached by the identity map.
//! - P2 One processor, and interrupts of devices take no frames; a page fault that interrupts `take`
//!   or `give` cannot happen, for both touch mapped memory only.

#![allow(unsafe_code, reason = "room: frames")]

use core::cell::UnsafeCell;
use core::ops::Range;

/// Bytes of a frame.
pub const FRAME_BYTES: u64 = 4096;
/// Ranges of memory that are remembered; a map with more of them loses the rest.
const RANGES: usize = 64;

struct Pool {
    /// What was never handed out.
    fresh: [Range<u64>; RANGES],
    ranges: usize,
    /// The first of the frames given back, or 0.
    first: u64,
    free: usize,
    total: usize,
}

struct Cell(UnsafeCell<Pool>);

// SAFETY: P2.
unsafe impl Sync for Cell {}

static POOL: Cell = Cell(UnsafeCell::new(Pool { fresh: [const { 0..0 }; RANGES], ranges: 0, first: 0, free: 0, total: 0 }));

/// Runs `work` with the pool (P2).
fn with<T>(work: impl FnOnce(&mut Pool) -> T) -> T {
    // SAFETY: P2: nothing that `work` does comes back here.
    work(unsafe { &mut *POOL.0.get() })
}

/// Adds a range of free memory; its bounds are multiples of a frame and identity-mapped.
pub fn add(range: Range<u64>) {
    with(|pool| {
        if pool.ranges < RANGES {
            let count = ((range.end - range.start) / FRAME_BYTES) as usize;
            pool.fresh[pool.ranges] = range;
            pool.ranges += 1;
            pool.free += count;
            pool.total += count;
        }
    });
}

/// Takes a frame; its content is anything.
pub fn take() -> Option<u64> {
    with(|pool| {
        if pool.first != 0 {
            let frame = pool.first;
            // SAFETY: P1: a free frame is identity-mapped and ours.
            pool.first = unsafe { *(frame as *const u64) };
            pool.free -= 1;
            return Some(frame);
        }
        let range = pool.fresh[..pool.ranges].iter_mut().find(|range| range.start < range.end)?;
        let frame = range.start;
        range.start += FRAME_BYTES;
        pool.free -= 1;
        Some(frame)
    })
}

/// Takes a frame of zeroes.
pub fn take_zeroed() -> Option<u64> {
    let frame = take()?;
    // SAFETY: P1; a frame is a whole page.
    unsafe { core::ptr::write_bytes(frame as *mut u8, 0, FRAME_BYTES as usize) };
    Some(frame)
}

/// Takes frames that lie behind each other, for devices; `None` if no untouched range has so many.
pub fn take_run(count: usize) -> Option<u64> {
    with(|pool| {
        let bytes = count as u64 * FRAME_BYTES;
        let range = pool.fresh[..pool.ranges].iter_mut().find(|range| range.end - range.start >= bytes)?;
        range.end -= bytes;
        pool.free -= count;
        Some(range.end)
    })
}

/// Gives a frame back.
pub fn give(frame: u64) {
    with(|pool| {
        // SAFETY: P1: the caller had it and uses it no more.
        unsafe { *(frame as *mut u64) = pool.first };
        pool.first = frame;
        pool.free += 1;
    });
}

/// Whether free frames run short: less than an eighth of all.
pub fn are_short() -> bool {
    let (free, total) = counts();
    free < total / 8
}

/// Free frames, and all that there ever were.
pub fn counts() -> (usize, usize) {
    with(|pool| (pool.free, pool.total))
}
