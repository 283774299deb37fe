//! Memory: reserved address space whose pages come from a source on first touch.
//!
//! Invariants
//! - M1 A region stays where it is until it is dropped; the address that a reservation really got
//!   is compared with the one asked for by the caller, which relocates if they differ.
//! - M2 A page appears whole: a reader sees either a fault or all bytes of the page (atomic copy).
//! - M3 Without a source every page reads as zero until it is written.
//! - M4 A fault handler calls [`PageSource::fill`] on its own stack; the source neither locks nor
//!   allocates.

use alloc::string::String;

/// How a page was filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The buffer holds the page's verified bytes.
    Bytes,
    /// The page is a hole: it reads as zero; the buffer was not touched.
    Zero,
    /// No copy has the right checksum; the buffer was filled with the lost pattern.
    Lost,
    /// The medium failed after retries. Nothing is filled; the machine stops the world's commits
    /// and reports; the access cannot go on.
    Failed,
}

/// Where the pages of a region come from on first touch.
pub trait PageSource: Send + Sync {
    /// Writes the bytes of page `page` (counted from the region's start, in units of
    /// [`Region::page_bytes`]) into `into`.
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled;

    /// Fills the pages from `page` on that come cheaply together (their copies are contiguous on the
    /// medium), at most as many as fit `into`, and answers how the first was filled and how many
    /// pages `into` now holds. Pages behind the first are all [`Filled::Bytes`]; one that would not
    /// be ends the run before it. The count is 1 for a first page that is not `Bytes`.
    fn fill_run(&self, page: usize, page_bytes: usize, into: &mut [u8]) -> (Filled, usize) {
        (self.fill(page, &mut into[..page_bytes]), 1)
    }

    /// How many pages were found lost so far. Asked often, from the thread that uses the memory.
    fn lost_count(&self) -> usize {
        0
    }

    /// The pages found lost behind the first `seen`, in units of 4096 bytes.
    fn lost_since(&self, seen: usize) -> alloc::vec::Vec<usize> {
        let _ = seen;
        alloc::vec::Vec::new()
    }
}

/// Why address space could not be reserved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReserveError {
    /// One line for the user.
    pub message: String,
}

/// A reserved range of addresses. Dropping it gives the range back.
pub trait Region: Send + Sync {
    /// The first address.
    fn base(&self) -> usize;
    /// The length in bytes.
    fn bytes(&self) -> usize;
    /// The size of the pages in which the region fills, in bytes (a power of two).
    fn page_bytes(&self) -> usize;
    /// Gives back the memory behind a page range (counted in pages); the pages come from the
    /// source again, or read as zero, at the next touch. Only for pages equal to their source.
    fn forget(&self, first_page: usize, pages: usize);
    /// Fills the page range now, for prefetching; absent pages only.
    fn prefetch(&self, first_page: usize, pages: usize);
    /// Resident bytes of the region, for reports.
    fn resident_bytes(&self) -> usize;
    /// Pages written since the last call, by the machine's own tracking (userfaultfd asynchronous
    /// write protection with PAGEMAP_SCAN, page-table dirty bits): the independent oracle of the
    /// store barrier. `None` where the machine cannot tell. Arms tracking anew.
    fn written_since_last_asked(&self) -> Option<alloc::vec::Vec<usize>> {
        None
    }
}

/// Address space with pages that come on demand.
pub trait Memory: Send + Sync {
    /// Reserves `bytes` at `preferred` (0 for anywhere). The base that came back may differ.
    fn reserve(
        &self,
        preferred: usize,
        bytes: usize,
        source: Option<alloc::sync::Arc<dyn PageSource>>,
    ) -> Result<alloc::boxed::Box<dyn Region>, ReserveError>;
}

/// Memory for machine code: written through one view, executed through another.
pub trait CodeMemory: Send + Sync {
    /// Reserves `bytes` of code space.
    fn reserve_code(&self, bytes: usize) -> Result<alloc::boxed::Box<dyn Region>, ReserveError>;
}
