//! Regions fill whole, on demand, from several threads, by either mechanism.

use super::*;
use platform::Filled;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Page n is filled with its number in every word; every fifth is a hole, every seventh is lost.
#[derive(Default)]
struct Numbered {
    fills: AtomicUsize,
}

impl PageSource for Numbered {
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        self.fills.fetch_add(1, Ordering::Relaxed);
        if page.is_multiple_of(5) {
            return Filled::Zero;
        }
        for word in into.as_chunks_mut::<8>().0 {
            *word = (page as u64).to_le_bytes();
        }
        if page.is_multiple_of(7) { Filled::Lost } else { Filled::Bytes }
    }
}

fn expected(page: usize) -> u64 {
    if page.is_multiple_of(5) { 0 } else { page as u64 }
}

fn word(region: &dyn Region, page: usize, index: usize) -> u64 {
    let at = region.base() + page * PAGE_BYTES + index * 8;
    // SAFETY: inside the region.
    unsafe { std::ptr::read_volatile(at as *const u64) }
}

fn set_word(region: &dyn Region, page: usize, value: u64) {
    // SAFETY: inside the region.
    unsafe { std::ptr::write_volatile((region.base() + page * PAGE_BYTES) as *mut u64, value) }
}

fn pages_come_on_demand(memory: &HostedMemory) {
    let source = Arc::new(Numbered::default());
    let region = memory.reserve(0, 8 << 30, Some(source.clone())).unwrap();
    assert_eq!(source.fills.load(Ordering::Relaxed), 0);
    for page in [0, 1, 5, 7, 63, 64, 1000, 2_000_000] {
        assert_eq!(word(&*region, page, 0), expected(page));
        assert_eq!(word(&*region, page, 511), expected(page));
    }
    assert!(region.resident_bytes() < 64 << 20);
    set_word(&*region, 1, 99);
    assert_eq!(word(&*region, 1, 0), 99);
    region.prefetch(100, 50);
    assert_eq!(word(&*region, 149, 3), expected(149));
}

#[test]
fn pages_come_on_demand_by_userfaultfd() {
    pages_come_on_demand(&HostedMemory::default());
}

#[test]
fn pages_come_on_demand_by_page_protection() {
    pages_come_on_demand(&HostedMemory::without_userfaultfd());
}

fn a_forgotten_page_comes_from_its_source_again(memory: &HostedMemory) {
    let region = memory.reserve(0, 1 << 20, Some(Arc::new(Numbered::default()))).unwrap();
    set_word(&*region, 17, 99);
    region.forget(16, 16);
    assert_eq!(word(&*region, 17, 0), 17);
}

#[test]
fn a_forgotten_page_comes_again_by_userfaultfd() {
    a_forgotten_page_comes_from_its_source_again(&HostedMemory::default());
}

#[test]
fn a_forgotten_page_comes_again_by_page_protection() {
    a_forgotten_page_comes_from_its_source_again(&HostedMemory::without_userfaultfd());
}

fn threads_see_whole_pages(memory: &HostedMemory) {
    let region = memory.reserve(0, 64 << 20, Some(Arc::new(Numbered::default()))).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let region = &*region;
            scope.spawn(move || {
                prepare_thread();
                for step in 0..16384 {
                    let page = (step * 5 + thread) % 16384;
                    let seen = (0..512).step_by(73).map(|index| word(region, page, index));
                    assert!(seen.into_iter().all(|word| word == expected(page)));
                }
            });
        }
    });
}

#[test]
fn threads_see_whole_pages_by_userfaultfd() {
    threads_see_whole_pages(&HostedMemory::default());
}

#[test]
fn threads_see_whole_pages_by_page_protection() {
    threads_see_whole_pages(&HostedMemory::without_userfaultfd());
}

#[test]
fn more_units_than_the_kernel_has_mappings_can_be_touched() {
    // 40,000 scattered units of 64 KiB: with a mapping each, the limit of 65,530 would be met.
    let memory = HostedMemory::without_userfaultfd();
    struct Holes;
    impl PageSource for Holes {
        fn fill(&self, _page: usize, _into: &mut [u8]) -> Filled {
            Filled::Zero
        }
    }
    let region = memory.reserve(0, 64 << 30, Some(Arc::new(Holes))).unwrap();
    for unit in 0..40_000 {
        assert_eq!(word(&*region, unit * 24, 0), 0);
    }
}

#[test]
fn sixty_four_gigabytes_stand_where_they_were_asked_for() {
    let memory = HostedMemory::default();
    let base = 0x2100_0000_0000;
    let region = memory.reserve(base, 64 << 30, None).unwrap();
    assert_eq!(region.base(), base);
    let other = memory.reserve(base, 1 << 30, None).unwrap();
    assert_ne!(other.base(), base);
    set_word(&*region, 16_000_000, 3);
    assert_eq!(word(&*region, 16_000_000, 0), 3);
    assert!(region.resident_bytes() < 1 << 20);
}

#[test]
fn the_oracle_names_exactly_the_pages_that_were_written() {
    let region = HostedMemory::with_oracle().reserve(0, 4 << 20, None).unwrap();
    set_word(&*region, 3, 1);
    let _ = region.written_since_last_asked().expect("this kernel tracks writes");
    assert_eq!(word(&*region, 3, 0), 1);
    assert_eq!(word(&*region, 40, 0), 0);
    set_word(&*region, 3, 2);
    set_word(&*region, 90, 2);
    assert_eq!(region.written_since_last_asked().unwrap(), [3, 90]);
    assert_eq!(region.written_since_last_asked().unwrap(), [0usize; 0]);
    set_word(&*region, 3, 5);
    assert_eq!(region.written_since_last_asked().unwrap(), [3]);
}

#[test]
fn code_memory_runs_what_was_written() {
    let region = HostedMemory::default().reserve_code(4096).unwrap();
    let code = [0xb8u8, 42, 0, 0, 0, 0xc3]; // mov eax, 42; ret
    // SAFETY: the region is writable and executable, and the code is a whole function.
    let answer = unsafe {
        std::ptr::copy_nonoverlapping(code.as_ptr(), region.base() as *mut u8, code.len());
        let function: extern "C" fn() -> i32 = std::mem::transmute(region.base());
        function()
    };
    assert_eq!(answer, 42);
}
