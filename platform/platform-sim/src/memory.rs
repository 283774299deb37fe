//! Memory without faults: an aligned allocation, filled when it is reserved or when told to.
#![allow(unsafe_code, reason = "room: simulated memory")]
//!
//! Duty: give the heap an address range on any machine and under any test tool, so that what it
//! does can be repeated exactly.
//!
//! Invariants
//! - I1 The block is allocated once, zeroed, and freed at drop; `base` is aligned to a page and
//!   `base + bytes` lies within it.
//! - I2 The region itself touches its pages only by relaxed atomic words, so that a mutator on
//!   another thread, which does the same, is no data race.
//! - I3 A page is filled from the source at most once between two `forget`s of it. Under
//!   [`Filling::Eager`] all pages are filled before `reserve` returns, and `forget` fills anew.
//! - I4 Asked for an address, it usually gives another: callers must compare (M1).
//!
//! Knows: `platform`. Must not know: what the pages hold.

use platform::{Filled, Memory, PageSource, Region, ReserveError};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const PAGE_BYTES: usize = 4096;

/// When a simulated region takes pages from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// All of them at once.
    Eager,
    /// Only when `prefetch` names them. A page nobody named reads as zero: the caller must touch
    /// what it uses.
    Told,
}

/// Simulated memory.
pub struct SimMemory {
    filling: Filling,
    tracking: bool,
}

impl SimMemory {
    /// Memory that fills its regions as said.
    pub fn new(filling: Filling) -> Self {
        Self {
            filling,
            tracking: false,
        }
    }

    /// Memory that can also tell which pages changed, by comparing them with sums taken before.
    /// Costs a pass over the region at each question.
    pub fn tracking(filling: Filling) -> Self {
        Self {
            filling,
            tracking: true,
        }
    }
}

impl Memory for SimMemory {
    fn reserve(
        &self,
        _preferred: usize,
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
    ) -> Result<Box<dyn Region>, ReserveError> {
        Ok(Box::new(SimRegion::reserve(
            bytes,
            source,
            self.filling,
            self.tracking,
        )?))
    }
}

/// A simulated region.
pub struct SimRegion {
    allocation: usize,
    layout: Layout,
    base: usize,
    bytes: usize,
    source: Option<Arc<dyn PageSource>>,
    filling: Filling,
    /// One entry a page: how it was filled, `None` while absent.
    filled: Mutex<Vec<Option<Filled>>>,
    /// Sums of all pages when they were last asked about; `None` when not tracking.
    sums: Mutex<Option<Vec<u64>>>,
}

impl SimRegion {
    fn reserve(
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
        filling: Filling,
        tracking: bool,
    ) -> Result<Self, ReserveError> {
        let refused = || ReserveError {
            message: format!("cannot reserve {bytes} bytes"),
        };
        let bytes = bytes
            .checked_next_multiple_of(PAGE_BYTES)
            .ok_or_else(refused)?
            .max(PAGE_BYTES);
        // A small alignment keeps the zeroing with the system, which gives untouched pages.
        let whole = bytes.checked_add(PAGE_BYTES).ok_or_else(refused)?;
        let layout = Layout::from_size_align(whole, 16).map_err(|_| refused())?;
        // SAFETY: the layout is not empty (I1).
        let allocation = unsafe { alloc_zeroed(layout) } as usize;
        if allocation == 0 {
            return Err(refused());
        }
        let region = Self {
            allocation,
            layout,
            base: allocation.next_multiple_of(PAGE_BYTES),
            bytes,
            source,
            filling,
            filled: Mutex::new(vec![None; bytes / PAGE_BYTES]),
            sums: Mutex::new(None),
        };
        if filling == Filling::Eager {
            region.fill(0, bytes / PAGE_BYTES);
        }
        if tracking {
            *region.sums.lock().unwrap_or_else(PoisonError::into_inner) = Some(region.sum_pages());
        }
        Ok(region)
    }

    /// How the source filled a page; `None` while it is absent or there is no source.
    pub fn filled(&self, page: usize) -> Option<Filled> {
        self.filled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(page)
            .copied()
            .flatten()
    }

    /// The pages of the range that the source answered with `Lost` or `Failed`.
    pub fn unwell(&self) -> Vec<(usize, Filled)> {
        let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let bad = |(page, how): (usize, &Option<Filled>)| match how {
            Some(how @ (Filled::Lost | Filled::Failed)) => Some((page, *how)),
            _ => None,
        };
        filled.iter().enumerate().filter_map(bad).collect()
    }

    fn words(&self, page: usize) -> &[AtomicU64] {
        debug_assert!(page < self.bytes / PAGE_BYTES);
        let first = (self.base + page * PAGE_BYTES) as *const AtomicU64;
        // SAFETY: the page lies in the allocation, aligned and initialised, for as long as `self`
        // (I1); all access is by atomic words (I2).
        unsafe { core::slice::from_raw_parts(first, PAGE_BYTES / 8) }
    }

    fn put(&self, page: usize, bytes: &[u8; PAGE_BYTES]) {
        for (word, part) in self.words(page).iter().zip(bytes.chunks_exact(8)) {
            let mut value = [0; 8];
            value.copy_from_slice(part);
            word.store(u64::from_ne_bytes(value), Ordering::Relaxed);
        }
    }

    fn fill(&self, first_page: usize, pages: usize) {
        let Some(source) = &self.source else { return };
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        let end = first_page.saturating_add(pages).min(filled.len());
        let mut buffer = [0; PAGE_BYTES];
        for page in first_page..end {
            if filled[page].is_none() {
                let how = source.fill(page, &mut buffer);
                if matches!(how, Filled::Bytes | Filled::Lost) {
                    self.put(page, &buffer);
                }
                filled[page] = Some(how);
            }
        }
    }

    fn sum_pages(&self) -> Vec<u64> {
        (0..self.bytes / PAGE_BYTES)
            .map(|page| {
                self.words(page).iter().fold(0u64, |sum, word| {
                    sum.rotate_left(5).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                        ^ word.load(Ordering::Relaxed)
                })
            })
            .collect()
    }
}

impl Region for SimRegion {
    fn base(&self) -> usize {
        self.base
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }

    fn forget(&self, first_page: usize, pages: usize) {
        let end = first_page
            .saturating_add(pages)
            .min(self.bytes / PAGE_BYTES);
        for page in first_page..end {
            self.put(page, &[0; PAGE_BYTES]);
            self.filled.lock().unwrap_or_else(PoisonError::into_inner)[page] = None;
        }
        if self.filling == Filling::Eager {
            self.fill(first_page, pages);
        }
    }

    fn prefetch(&self, first_page: usize, pages: usize) {
        self.fill(first_page, pages);
    }

    fn resident_bytes(&self) -> usize {
        match (&self.source, self.filling) {
            (Some(_), _) => {
                let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
                filled.iter().filter(|how| how.is_some()).count() * PAGE_BYTES
            }
            (None, _) => self.bytes,
        }
    }

    fn written_since_last_asked(&self) -> Option<Vec<usize>> {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let before = sums.take()?;
        let now = self.sum_pages();
        let changed = (0..now.len())
            .filter(|page| now[*page] != before[*page])
            .collect();
        *sums = Some(now);
        Some(changed)
    }
}

impl Drop for SimRegion {
    fn drop(&mut self) {
        // SAFETY: allocated in `reserve` with this layout and freed nowhere else (I1).
        unsafe { dealloc(self.allocation as *mut u8, self.layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Filling, SimMemory, SimRegion};
    use platform::{Filled, PageSource, Region};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    #[test]
    fn conforms() {
        for filling in [Filling::Eager, Filling::Told] {
            crate::conformance::memory(&SimMemory::new(filling)).unwrap();
            crate::conformance::memory(&SimMemory::tracking(filling)).unwrap();
        }
    }

    struct Odd;
    impl PageSource for Odd {
        fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
            match page {
                3 => Filled::Failed,
                5 => {
                    into.fill(0xee);
                    Filled::Lost
                }
                _ => Filled::Zero,
            }
        }
    }

    #[test]
    fn a_region_remembers_which_pages_are_unwell() {
        let region =
            SimRegion::reserve(8 * 4096, Some(Arc::new(Odd)), Filling::Eager, false).unwrap();
        assert_eq!(region.unwell(), [(3, Filled::Failed), (5, Filled::Lost)]);
        assert_eq!(
            region.words(5)[0].load(Ordering::Relaxed),
            0xeeee_eeee_eeee_eeee
        );
    }

    #[test]
    fn tracking_names_exactly_the_written_pages() {
        let region = SimRegion::reserve(8 * 4096, None, Filling::Eager, true).unwrap();
        assert_eq!(region.written_since_last_asked().unwrap(), []);
        region.words(2)[7].store(1, Ordering::Relaxed);
        region.words(6)[511].store(9, Ordering::Relaxed);
        assert_eq!(region.written_since_last_asked().unwrap(), [2, 6]);
        assert_eq!(region.written_since_last_asked().unwrap(), []);
    }
}
