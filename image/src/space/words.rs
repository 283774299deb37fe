//! The one accessor of heap words that several threads may meet.
//!
//! Duty: read and write words of a region by atomic operations, so that writer, marker and mutator
//! are no data race. A relaxed access of a word is a plain move on x86-64.
//!
//! Invariants
//! - W1 Every address given to an accessor is 8-byte aligned (bytes: any) and within the region the
//!   accessor was made over; debug builds assert it. Callers get addresses from the layout of the
//!   heap, or check what came from outside with [`Words::holds`] first.
//! - W2 The region outlives every accessor over it: whoever stores one keeps the region as well.
//!
//! Must not know: what the words mean.
#![allow(unsafe_code, reason = "room: heap words")]

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use platform::Region;

/// The words of a region.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    base: usize,
    bytes: usize,
}

impl Words {
    /// The words of `region`.
    pub fn over(region: &dyn Region) -> Words {
        Words { base: region.base(), bytes: region.bytes() }
    }

    /// The first address.
    #[inline(always)]
    pub fn base(self) -> usize {
        self.base
    }

    /// The length in bytes.
    #[inline(always)]
    pub fn bytes(self) -> usize {
        self.bytes
    }

    /// Whether a word stands at `address`.
    #[inline(always)]
    pub fn holds(self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.bytes && address & 7 == 0
    }

    #[inline(always)]
    fn cell(self, address: usize) -> &'static AtomicU64 {
        debug_assert!(self.holds(address), "no word at {address:#x}");
        // SAFETY: W1 and W2: the address is aligned and inside a live region, whose memory is only
        // accessed atomically; the reference does not escape the accessor's expression.
        unsafe { &*(address as *const AtomicU64) }
    }

    #[inline(always)]
    fn byte_cell(self, address: usize) -> &'static AtomicU8 {
        debug_assert!(address.wrapping_sub(self.base) < self.bytes, "no byte at {address:#x}");
        // SAFETY: as `cell`; a byte has no alignment.
        unsafe { &*(address as *const AtomicU8) }
    }

    /// Reads a word.
    #[inline(always)]
    pub fn load(self, address: usize) -> u64 {
        self.cell(address).load(Ordering::Relaxed)
    }

    /// Reads a word; later reads see what was written before its release.
    #[inline(always)]
    pub fn load_acquire(self, address: usize) -> u64 {
        self.cell(address).load(Ordering::Acquire)
    }

    /// Writes a word. The caller prepared the page.
    #[inline(always)]
    pub fn store(self, address: usize, word: u64) {
        self.cell(address).store(word, Ordering::Relaxed);
    }

    /// Writes a word after everything written before it.
    #[inline(always)]
    pub fn store_release(self, address: usize, word: u64) {
        self.cell(address).store(word, Ordering::Release);
    }

    /// Sets bits of a word; answers the word before.
    #[inline(always)]
    pub fn set_bits(self, address: usize, bits: u64) -> u64 {
        self.cell(address).fetch_or(bits, Ordering::Relaxed)
    }

    /// Reads a byte.
    #[inline(always)]
    pub fn load_byte(self, address: usize) -> u8 {
        self.byte_cell(address).load(Ordering::Relaxed)
    }

    /// Writes a byte. The caller prepared the page.
    #[inline(always)]
    pub fn store_byte(self, address: usize, byte: u8) {
        self.byte_cell(address).store(byte, Ordering::Relaxed);
    }

    /// Writes `word` to `count` words from `address` on.
    #[inline]
    pub fn fill(self, address: usize, count: usize, word: u64) {
        for n in 0..count {
            self.store(address + n * 8, word);
        }
    }

    /// Copies `count` words; the ranges do not overlap.
    #[inline]
    pub fn copy(self, from: usize, to: usize, count: usize) {
        for n in 0..count {
            self.store(to + n * 8, self.load(from + n * 8));
        }
    }

    /// Copies bytes out, from any address.
    pub fn read_bytes(self, address: usize, into: &mut [u8]) {
        let mut at = 0;
        while at < into.len() {
            let here = address + at;
            if here & 7 == 0 && into.len() - at >= 8 {
                into[at..at + 8].copy_from_slice(&self.load(here).to_le_bytes());
                at += 8;
            } else {
                into[at] = self.load_byte(here);
                at += 1;
            }
        }
    }

    /// Copies bytes in, to any address. The caller prepared the pages.
    pub fn write_bytes(self, address: usize, from: &[u8]) {
        let mut at = 0;
        while at < from.len() {
            let here = address + at;
            if here & 7 == 0 && from.len() - at >= 8 {
                let mut word = [0; 8];
                word.copy_from_slice(&from[at..at + 8]);
                self.store(here, u64::from_le_bytes(word));
                at += 8;
            } else {
                self.store_byte(here, from[at]);
                at += 1;
            }
        }
    }

    /// A word as the image holds it: little-endian on every machine.
    pub fn page_bytes(self, address: usize, into: &mut [u8; super::PAGE_BYTES]) {
        for (n, chunk) in into.chunks_exact_mut(8).enumerate() {
            chunk.copy_from_slice(&self.load(address + n * 8).to_le_bytes());
        }
    }
}
