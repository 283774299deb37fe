//! Address space whose pages come on demand: mappings by mmap-rs, faults by userfaultfd.
//!
//! Invariants
//! - N1 A page of a region with a source is absent until it is filled whole (UFFDIO_COPY is atomic;
//!   the fallback fills through an alias before it publishes).
//! - N2 The fault handler neither locks nor allocates: regions are found through a table of atomic
//!   pointers, buffers come from a fixed pool, sources promise the same (M4).
//! - N3 What the machine cannot do is said by `HostedMemory::report`, not discovered by a crash.
//!
//! Mechanisms, best first: userfaultfd with SIGBUS delivery (missing pages), then page protection
//! (`protect`). The write-tracking oracle (`with_oracle`) needs asynchronous write protection and
//! PAGEMAP_SCAN (Linux 6.7).

#![allow(unsafe_code, reason = "room: memory")]

mod faults;
mod protect;
mod uffd;

use mmap_rs::{MmapFlags, MmapMut, MmapOptions};
use platform::{CodeMemory, Memory, PageSource, Region, ReserveError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use faults::prepare_thread;

/// The page size of x86-64.
pub const PAGE_BYTES: usize = 4096;

/// The hosted machine's memory.
#[derive(Default)]
pub struct HostedMemory {
    oracle: bool,
    without_userfaultfd: bool,
}

impl HostedMemory {
    /// Memory whose regions can tell which pages were written.
    pub fn with_oracle() -> HostedMemory {
        HostedMemory { oracle: true, without_userfaultfd: false }
    }

    /// Memory that uses page protection even where userfaultfd is there, for tests of the fallback.
    pub fn without_userfaultfd() -> HostedMemory {
        HostedMemory { oracle: false, without_userfaultfd: true }
    }

    /// The mechanism that regions with a source get, in words.
    pub fn report(&self) -> String {
        match (self.without_userfaultfd, uffd::Uffd::open(self.oracle)) {
            (true, _) => "page protection (asked for)".to_owned(),
            (_, Ok(_)) => "userfaultfd".to_owned(),
            (_, Err(error)) => format!("page protection (no userfaultfd: {error})"),
        }
    }
}

fn failed(what: &str, bytes: usize, error: impl std::fmt::Display) -> ReserveError {
    ReserveError { message: format!("cannot {what} {bytes} bytes of address space: {error}") }
}

fn map(preferred: usize, bytes: usize) -> Result<MmapMut, ReserveError> {
    let options = |address: Option<usize>| {
        let plain = MmapOptions::new(bytes)?.with_flags(MmapFlags::NO_RESERVE);
        match address {
            Some(address) => plain.with_address(address).map_mut(),
            None => plain.map_mut(),
        }
    };
    // A hint only: the kernel answers with another address if the range is taken (M1).
    let mapping = options(Some(preferred).filter(|address| *address != 0)).or_else(|_| options(None));
    let mut mapping = mapping.map_err(|error| failed("reserve", bytes, error))?;
    // SAFETY: the range is exactly the mapping's. Huge pages would make sparse tables resident.
    unsafe { libc::madvise(mapping.as_mut_ptr().cast(), bytes, libc::MADV_NOHUGEPAGE) };
    Ok(mapping)
}

/// A source of zero pages: what a region without one gets when writes are to be tracked.
struct Zeroes;

impl PageSource for Zeroes {
    fn fill(&self, _page: usize, _into: &mut [u8]) -> platform::Filled {
        platform::Filled::Zero
    }
}

impl Memory for HostedMemory {
    fn reserve(
        &self,
        preferred: usize,
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
    ) -> Result<Box<dyn Region>, ReserveError> {
        let refused = || ReserveError { message: format!("cannot reserve {bytes} bytes") };
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or_else(refused)?.max(PAGE_BYTES);
        let source = match source {
            None if self.oracle => Some(Arc::new(Zeroes) as Arc<dyn PageSource>),
            other => other,
        };
        let Some(source) = source else {
            return Ok(Box::new(PlainRegion { mapping: map(preferred, bytes)? }));
        };
        if !self.without_userfaultfd
            && let Ok(uffd) = uffd::Uffd::open(self.oracle)
        {
            return Ok(Box::new(PagedRegion::new(preferred, bytes, source, uffd)?));
        }
        Ok(Box::new(protect::ProtectedRegion::new(preferred, bytes, source)?))
    }
}

impl CodeMemory for HostedMemory {
    fn reserve_code(&self, bytes: usize) -> Result<Box<dyn Region>, ReserveError> {
        let refused = || ReserveError { message: format!("cannot reserve {bytes} bytes") };
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or_else(refused)?.max(PAGE_BYTES);
        let options = MmapOptions::new(bytes).map_err(|error| failed("reserve", bytes, error))?;
        // SAFETY: pages that are writable and executable at once; only machine code that this
        // program generated is written there.
        let mapping = unsafe {
            options
                .with_flags(MmapFlags::NO_RESERVE)
                .with_unsafe_flags(mmap_rs::UnsafeMmapFlags::JIT)
                .map_exec_mut()
        };
        mapping
            .map(|mapping| Box::new(PlainRegion { mapping }) as Box<dyn Region>)
            .map_err(|error| failed("reserve executable", bytes, error))
    }
}

/// A region without a source: pages read as zero.
struct PlainRegion {
    mapping: MmapMut,
}

impl Region for PlainRegion {
    fn base(&self) -> usize {
        self.mapping.start()
    }
    fn bytes(&self) -> usize {
        self.mapping.size()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn forget(&self, first_page: usize, pages: usize) {
        forget(self.base(), self.bytes(), first_page, pages);
    }
    fn prefetch(&self, _first_page: usize, _pages: usize) {}
    fn resident_bytes(&self) -> usize {
        resident_bytes(self.base(), self.bytes())
    }
}

/// Drops the memory behind a page range, clipped to the region.
fn forget(base: usize, bytes: usize, first_page: usize, pages: usize) {
    let all = bytes / PAGE_BYTES;
    let pages = pages.min(all.saturating_sub(first_page));
    if pages > 0 {
        let start = (base + first_page * PAGE_BYTES) as *mut libc::c_void;
        // SAFETY: clipped to a mapping that the caller owns.
        unsafe { libc::madvise(start, pages * PAGE_BYTES, libc::MADV_DONTNEED) };
    }
}

/// Resident bytes of an address range, as the kernel counts them.
fn resident_bytes(base: usize, bytes: usize) -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut inside = false;
    let mut kilobytes = 0;
    for line in text.lines() {
        let range = line.split(' ').next().and_then(|word| word.split_once('-'));
        let parsed = range.and_then(|(start, _)| usize::from_str_radix(start, 16).ok());
        if let Some(start) = parsed {
            inside = start >= base && start < base + bytes;
        } else if inside && let Some(rest) = line.strip_prefix("Rss:") {
            kilobytes += rest.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or(0);
        }
    }
    kilobytes * 1024
}

/// A region whose absent pages raise SIGBUS and are filled by `faults`.
struct PagedRegion {
    mapping: MmapMut,
    pager: Arc<faults::Pager>,
    slot: faults::Slot,
    armed: AtomicBool,
}

impl PagedRegion {
    fn new(
        preferred: usize,
        bytes: usize,
        source: Arc<dyn PageSource>,
        uffd: uffd::Uffd,
    ) -> Result<PagedRegion, ReserveError> {
        let mapping = map(preferred, bytes)?;
        let base = mapping.start();
        uffd.register(base, bytes).map_err(|error| failed("watch", bytes, error))?;
        let pager = Arc::new(faults::Pager::new(base, bytes, source, faults::Way::Userfault(uffd)));
        let slot = faults::enter(&pager).map_err(|error| failed("serve", bytes, error))?;
        Ok(PagedRegion { mapping, pager, slot, armed: AtomicBool::new(false) })
    }
}

impl Drop for PagedRegion {
    fn drop(&mut self) {
        // The mapping goes after this body: no fault in it can follow.
        faults::leave(&self.slot);
    }
}

impl Region for PagedRegion {
    fn base(&self) -> usize {
        self.mapping.start()
    }
    fn bytes(&self) -> usize {
        self.mapping.size()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn forget(&self, first_page: usize, pages: usize) {
        forget(self.base(), self.bytes(), first_page, pages);
    }
    fn prefetch(&self, first_page: usize, pages: usize) {
        self.pager.prefetch(first_page, pages);
    }
    fn resident_bytes(&self) -> usize {
        resident_bytes(self.base(), self.bytes())
    }
    fn written_since_last_asked(&self) -> Option<Vec<usize>> {
        let written = self.pager.written()?;
        // The first asking only arms: what was written before nobody tracked is unknown.
        self.armed.swap(true, Ordering::Relaxed);
        Some(written)
    }
}

#[cfg(test)]
mod tests;
