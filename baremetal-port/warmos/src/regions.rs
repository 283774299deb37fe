//! Address space whose pages come on demand: the contract's memory over page tables.
//!
//! Invariants
//! - N1 A region stays where it was reserved until it is dropped; regions do not overlap.
//! - N2 A page appears whole: it is filled in a frame of its own, then mapped.
//! - N3 A fault in a region with a source reads the disk and must not nest: the source touches only
//!   pages that are there, or zero pages of the kernel's heap and of regions without a source, whose
//!   faults need no disk.
//! - N4 Zeroes are not mapped for reading only: a page costs a frame once it is touched.
//!
//! Knows: page tables, frames. Must not know: what the pages hold.

#![allow(unsafe_code, reason = "room: regions")]

use crate::allocator;
use crate::epitaph::{Ending, die};
use crate::{console, frames, paging};
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use paging::PAGE_BYTES;
use platform::{Filled, Memory, PageSource, Region, ReserveError};

/// Where regions stand that may stand anywhere.
const ANYWHERE: Range<usize> = 0x3000_0000_0000..0x7000_0000_0000;
/// Where a region may be asked for: beyond the identity map, in the lower half.
const PLACES: Range<usize> = 0x0800_0000_0000..0x7fff_ffff_f000;
/// Pages that one fault may bring.
const RUN_PAGES: usize = 16;

struct Entry {
    range: Range<usize>,
    source: Option<Arc<dyn PageSource>>,
}

/// All regions, by address.
struct Table(UnsafeCell<Vec<Entry>>);

// SAFETY: one processor; a fault reads the table only for addresses outside the kernel's heap, which
// nothing touches while the table changes.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new(Vec::new()));
static NEXT: AtomicUsize = AtomicUsize::new(ANYWHERE.start);

#[repr(align(4096))]
struct Buffer(UnsafeCell<[u8; RUN_PAGES * PAGE_BYTES]>);

// SAFETY: used by one fill at a time (N3, `FILLING`).
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new([0; RUN_PAGES * PAGE_BYTES]));
static FILLING: AtomicBool = AtomicBool::new(false);
/// Pages brought from sources so far.
static BROUGHT: AtomicUsize = AtomicUsize::new(0);

fn table() -> &'static mut Vec<Entry> {
    // SAFETY: see `Table`; callers keep the reference for one operation.
    unsafe { &mut *TABLE.0.get() }
}

fn find(address: usize) -> Option<&'static Entry> {
    let table = table();
    let nth = table.partition_point(|entry| entry.range.end <= address);
    table.get(nth).filter(|entry| entry.range.contains(&address))
}

/// Serves a page fault at `address`, the `depth`th within others; `false` if it is nobody's.
pub fn serve(address: usize, depth: usize) -> bool {
    let page = address / PAGE_BYTES * PAGE_BYTES;
    if allocator::WINDOW.contains(&address) {
        bring_zero(page);
        return true;
    }
    match find(address) {
        None => false,
        Some(Entry { source: None, .. }) => {
            bring_zero(page);
            true
        }
        Some(Entry { source: Some(_), .. }) if depth > 0 => false,
        Some(Entry { range, source: Some(source) }) => {
            bring(range, page, &**source);
            true
        }
    }
}

fn frame() -> u64 {
    frames::take().unwrap_or_else(|| full())
}

fn full() -> ! {
    let (_, total) = frames::counts();
    die(Ending::Machine, format_args!("memory is full: all of {} MB are in use; nothing was saved since", total >> 8))
}

fn place(page: usize, frame: u64) {
    if !paging::map(page, frame) {
        full();
    }
}

fn bring_zero(page: usize) {
    let Some(frame) = frames::take_zeroed() else { full() };
    place(page, frame);
}

/// Brings a page from its source, and what came with it; answers how many pages.
fn bring(range: &Range<usize>, page: usize, source: &dyn PageSource) -> usize {
    if FILLING.swap(true, Ordering::Acquire) {
        die(Ending::Machine, format_args!("a page at {page:#x} was wanted while another was read"));
    }
    let room = ((range.end - page) / PAGE_BYTES).min(RUN_PAGES);
    let first = (page - range.start) / PAGE_BYTES;
    // SAFETY: `FILLING` was ours to set.
    let buffer = unsafe { &mut *BUFFER.0.get() };
    let buffer = &mut buffer[..room * PAGE_BYTES];
    let (filled, pages) = source.fill_run(first, PAGE_BYTES, buffer);
    let pages = pages.clamp(1, room);
    match filled {
        Filled::Zero => bring_zero(page),
        Filled::Bytes | Filled::Lost => place_run(page, &buffer[..pages * PAGE_BYTES]),
        Filled::Failed => {
            let why = format_args!("the disk cannot give heap page {first:#x}; stopping, nothing was saved since");
            die(Ending::Machine, why)
        }
    }
    BROUGHT.fetch_add(pages, Ordering::Relaxed);
    if frames::are_short() {
        console::ask_to_stop();
    }
    FILLING.store(false, Ordering::Release);
    pages
}

/// Places pages, stepping over those that are there already (N2).
fn place_run(page: usize, bytes: &[u8]) {
    for (nth, content) in bytes.chunks_exact(PAGE_BYTES).enumerate() {
        let address = page + nth * PAGE_BYTES;
        if nth > 0 && paging::is_present(address) {
            continue;
        }
        let frame = frame();
        // SAFETY: a frame of our own, identity-mapped, of a page's length.
        unsafe { core::ptr::copy_nonoverlapping(content.as_ptr(), frame as *mut u8, PAGE_BYTES) };
        place(address, frame);
    }
}

/// Pages brought from sources so far, for reports.
pub fn brought() -> usize {
    BROUGHT.load(Ordering::Relaxed)
}

/// The bare machine's memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct BareMemory;

fn is_free(range: &Range<usize>) -> bool {
    let apart = |entry: &Entry| entry.range.end <= range.start || range.end <= entry.range.start;
    let outside = range.end <= allocator::WINDOW.start || allocator::WINDOW.end <= range.start;
    outside && PLACES.start <= range.start && range.end <= PLACES.end && table().iter().all(apart)
}

/// A range that is taken by nobody, at `preferred` if it can be.
fn choose(preferred: usize, bytes: usize) -> Option<Range<usize>> {
    let wanted = preferred..preferred.checked_add(bytes)?;
    if preferred != 0 && preferred.is_multiple_of(PAGE_BYTES) && is_free(&wanted) {
        return Some(wanted);
    }
    let start = NEXT.load(Ordering::Relaxed);
    let end = start.checked_add(bytes)?.checked_add(PAGE_BYTES)?;
    if end > ANYWHERE.end || !is_free(&(start..end)) {
        return None;
    }
    // A page between regions stays unmapped.
    NEXT.store(end, Ordering::Relaxed);
    Some(start..end - PAGE_BYTES)
}

impl Memory for BareMemory {
    fn reserve(
        &self,
        preferred: usize,
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
    ) -> Result<Box<dyn Region>, ReserveError> {
        let refused = || ReserveError { message: format!("cannot reserve {bytes} bytes of address space") };
        let bytes = bytes.checked_next_multiple_of(PAGE_BYTES).ok_or_else(refused)?.max(PAGE_BYTES);
        let range = choose(preferred, bytes).ok_or_else(refused)?;
        let table = table();
        let at = table.partition_point(|entry| entry.range.start < range.start);
        table.insert(at, Entry { range: range.clone(), source });
        Ok(Box::new(BareRegion { range }))
    }
}

struct BareRegion {
    range: Range<usize>,
}

impl BareRegion {
    /// The addresses of a range of pages, cut to the region.
    fn addresses(&self, first_page: usize, pages: usize) -> Range<usize> {
        let all = self.range.len() / PAGE_BYTES;
        let (first, end) = (first_page.min(all), first_page.saturating_add(pages).min(all));
        self.range.start + first * PAGE_BYTES..self.range.start + end * PAGE_BYTES
    }
}

fn drop_pages(range: Range<usize>) {
    paging::for_each_present(range, &mut |page| {
        if let Some(frame) = paging::unmap(page) {
            frames::give(frame);
        }
    });
}

impl Region for BareRegion {
    fn base(&self) -> usize {
        self.range.start
    }
    fn bytes(&self) -> usize {
        self.range.len()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn forget(&self, first_page: usize, pages: usize) {
        drop_pages(self.addresses(first_page, pages));
    }
    fn prefetch(&self, first_page: usize, pages: usize) {
        let Some(Entry { range, source: Some(source) }) = find(self.range.start) else { return };
        let wanted = self.addresses(first_page, pages);
        let mut page = wanted.start;
        while page < wanted.end {
            let present = paging::is_present(page);
            page += if present { 1 } else { bring(range, page, &**source) } * PAGE_BYTES;
        }
    }
    fn resident_bytes(&self) -> usize {
        let mut pages = 0;
        paging::for_each_present(self.range.clone(), &mut |_| pages += 1);
        pages * PAGE_BYTES
    }
    fn written_since_last_asked(&self) -> Option<Vec<usize>> {
        let mut written = Vec::new();
        paging::for_each_present(self.range.clone(), &mut |page| {
            if paging::take_dirty(page) == Some(true) {
                written.push((page - self.range.start) / PAGE_BYTES);
            }
        });
        Some(written)
    }
}

impl Drop for BareRegion {
    fn drop(&mut self) {
        drop_pages(self.range.clone());
        table().retain(|entry| entry.range.start != self.range.start);
    }
}
