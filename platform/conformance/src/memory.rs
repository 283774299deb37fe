//! The memory's suite: M1–M4 as far as safe code can see them.
//!
//! A port with demand paging runs it too: pages are looked at through `prefetch`, the source's own
//! count, and `read_page` below, which only reads addresses of the region.
#![allow(unsafe_code, reason = "room: conformance of memory")]

use crate::Suite;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use platform::{CodeMemory, Filled, Memory, PageSource, Region};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Fills page n with the word n, every third page with nothing, page 7 as lost.
struct Counting {
    fills: AtomicUsize,
}

impl PageSource for Counting {
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        self.fills.fetch_add(1, Ordering::Relaxed);
        if page == 7 {
            into.fill(0xdd);
            return Filled::Lost;
        }
        if page.is_multiple_of(3) {
            return Filled::Zero;
        }
        for word in into.chunks_exact_mut(8) {
            word.copy_from_slice(&(page as u64).to_ne_bytes());
        }
        Filled::Bytes
    }
}

fn expected(page: usize) -> u64 {
    match page {
        7 => 0xdddd_dddd_dddd_dddd,
        page if page.is_multiple_of(3) => 0,
        page => page as u64,
    }
}

/// The words of a page, read one by one.
fn words(region: &dyn Region, page: usize) -> Vec<u64> {
    let bytes = region.page_bytes();
    (0..bytes / 8)
        .map(|nth| word(region, page * bytes + nth * 8).load(Ordering::Relaxed))
        .collect()
}

fn word(region: &dyn Region, offset: usize) -> &AtomicU64 {
    assert!(
        offset + 8 <= region.bytes() && offset.is_multiple_of(8),
        "offset {offset} outside the region"
    );
    // SAFETY: the region owns [base, base + bytes) while it is borrowed (M1), the offset was checked
    // above, and every access in this suite is atomic.
    unsafe { &*((region.base() + offset) as *const AtomicU64) }
}

/// Runs the suite.
pub fn memory(memory: &dyn Memory) -> Result<usize, String> {
    let mut suite = Suite::new();
    plain(&mut suite, memory)?;
    sourced(&mut suite, memory)?;
    suite.check(
        memory.reserve(0, usize::MAX, None).is_err(),
        "an impossible reservation is refused",
    )?;
    suite.done()
}

/// Runs the suite of memory for machine code.
pub fn code_memory(memory: &dyn CodeMemory) -> Result<usize, String> {
    let mut suite = Suite::new();
    let reserve = |bytes| memory.reserve_code(bytes).map_err(|refused| refused.message);
    let (one, two) = (reserve(1 << 20)?, reserve(1 << 20)?);
    let page = one.page_bytes();
    suite.check(
        one.base().is_multiple_of(page) && one.bytes() >= 1 << 20,
        "a region is aligned and long enough",
    )?;
    let apart = one.base() + one.bytes() <= two.base() || two.base() + two.bytes() <= one.base();
    suite.check(apart, "two regions do not overlap")?;
    suite.check(memory.reserve_code(usize::MAX).is_err(), "an impossible reservation is refused")?;
    suite.done()
}

fn reserve(
    memory: &dyn Memory,
    bytes: usize,
    source: Option<Arc<dyn PageSource>>,
) -> Result<Box<dyn Region>, String> {
    memory
        .reserve(0, bytes, source)
        .map_err(|refused| refused.message)
}

fn plain(suite: &mut Suite, memory: &dyn Memory) -> Result<(), String> {
    let bytes = 1 << 20;
    let (one, two) = (reserve(memory, bytes, None)?, reserve(memory, bytes, None)?);
    let page = one.page_bytes();
    suite.check(
        page.is_power_of_two() && page >= 4096,
        "a page is a power of two of at least 4096 bytes",
    )?;
    suite.check(
        one.base().is_multiple_of(page) && one.bytes() >= bytes,
        "a region is aligned and long enough",
    )?;
    let apart = one.base() + one.bytes() <= two.base() || two.base() + two.bytes() <= one.base();
    suite.check(apart, "two regions do not overlap")?;
    suite.check(
        words(&*one, 3).iter().all(|word| *word == 0),
        "without a source a page reads as zero",
    )?;
    word(&*one, 3 * page + 8).store(42, Ordering::Relaxed);
    suite.check(words(&*one, 3)[1] == 42, "a written word is read back")?;
    suite.check(words(&*two, 3)[1] == 0, "a write stays in its region")?;
    one.forget(3, 1);
    suite.check(
        words(&*one, 3)[1] == 0,
        "a forgotten page reads as zero again",
    )?;
    one.prefetch(0, usize::MAX / page);
    one.forget(bytes / page, 4);
    suite.check(true, "ranges over the end do no harm")
}

fn sourced(suite: &mut Suite, memory: &dyn Memory) -> Result<(), String> {
    let source = Arc::new(Counting {
        fills: AtomicUsize::new(0),
    });
    let region = reserve(memory, 64 * 4096, Some(Arc::<Counting>::clone(&source)))?;
    let page = region.page_bytes();
    let pages = region.bytes() / page;
    region.prefetch(0, pages);
    for nth in 0..pages {
        let want = expected(nth);
        suite.check(
            words(&*region, nth).iter().all(|word| *word == want),
            "a page holds what its source said",
        )?;
    }
    let fills = source.fills.load(Ordering::Relaxed);
    suite.check(fills >= pages, "the source was asked for every page")?;
    region.prefetch(0, pages);
    suite.check(
        source.fills.load(Ordering::Relaxed) == fills,
        "a present page is not filled again",
    )?;
    suite.check(
        region.resident_bytes() <= region.bytes(),
        "no more is resident than was reserved",
    )?;
    region.forget(4, 2);
    region.prefetch(4, 2);
    suite.check(
        words(&*region, 4)[0] == 4 && words(&*region, 5)[0] == 5,
        "forgotten pages come from the source again",
    )?;
    suite.check(
        source.fills.load(Ordering::Relaxed) > fills,
        "a forgotten page is asked for again",
    )
}
