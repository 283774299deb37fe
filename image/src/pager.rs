//! The pager (signatures; being filled).

use crate::kinds::PageIndex;
use alloc::vec::Vec;
use platform::{Filled, PageSource};

/// Answers a missing heap page from the head commit's map.
pub struct Pager {}

impl Pager {
    /// Fills `into` (a multiple of the block size) with the page and as many of its neighbours as
    /// are physically contiguous; answers how the first was filled, and how many pages `into` holds.
    pub fn fill_run(&self, first: PageIndex, into: &mut [u8]) -> (Filled, usize) {
        let _ = (first, into);
        (Filled::Zero, 1)
    }

    /// The pages found lost behind the first `seen`, for the mutator to ask now and then.
    pub fn lost_since(&self, seen: usize) -> Vec<PageIndex> {
        let _ = seen;
        Vec::new()
    }

    /// How many pages were found lost.
    pub fn lost_count(&self) -> usize {
        0
    }
}

impl PageSource for Pager {
    fn fill(&self, _page: usize, _into: &mut [u8]) -> Filled {
        Filled::Zero
    }
}
