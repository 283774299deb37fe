//! Writer and mutator on two threads meet at each frozen page at the same instant: whoever is first,
//! what the writer reads is the page at the flip.

use image::PageIndex;
use image::space::{PAGE_BYTES, Space};
use platform_sim::{Filling, SimMemory};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const PAGES: usize = 256;
const ROUNDS: u64 = 8;

/// Fills a page with a number, from its end, as one who stores does.
fn write(space: &mut Space, page: usize, number: u64) {
    space.prepare(page);
    let start = space.base() + page * PAGE_BYTES;
    for n in (0..PAGE_BYTES / 8).rev() {
        space.words().store(start + n * 8, number);
    }
}

/// Says that this side has come to a place, and waits for the other.
fn meet(mine: &AtomicUsize, other: &AtomicUsize, place: usize) {
    mine.store(place + 1, Ordering::Release);
    let mut spins = 0;
    while other.load(Ordering::Acquire) <= place {
        spins += 1;
        if spins % 256 == 0 { std::thread::yield_now() } else { std::hint::spin_loop() }
    }
}

#[test]
fn what_a_writer_reads_is_the_flip_however_the_mutator_hurries() {
    let memory = SimMemory::new(Filling::Told);
    let mut space = Space::reserve(&memory, 0, PAGES * PAGE_BYTES, None).expect("a space");
    let mut aside = 0;
    for round in 1..=ROUNDS {
        (0..PAGES).for_each(|page| write(&mut space, page, 2 * round));
        let frozen = space.flip().expect("nothing is frozen");
        let sides = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
        let (theirs, pages) = (sides.clone(), frozen.page_list());
        let writer = std::thread::spawn(move || {
            let mut bytes = [0; PAGE_BYTES];
            for place in 0..PAGES {
                meet(&theirs.0, &theirs.1, place);
                (0..place % 7 * 40).for_each(|_| std::hint::spin_loop());
                frozen.read_page(place, &mut bytes);
                let (words, _) = bytes.as_chunks::<8>();
                let wrong = words.iter().position(|word| u64::from_le_bytes(*word) != 2 * round);
                if let Some(word) = wrong {
                    // The mutator is not left waiting.
                    theirs.0.store(PAGES, Ordering::Release);
                    return Err(format!("round {round}, page {}, word {word}", frozen.page_numbers()[place].0));
                }
            }
            Ok(())
        });
        for (place, page) in pages.iter().enumerate() {
            meet(&sides.1, &sides.0, place);
            (0..place % 5 * 40).for_each(|_| std::hint::spin_loop());
            write(&mut space, page.0 as usize, 2 * round + 1);
        }
        assert_eq!(writer.join().expect("a writer"), Ok(()));
        assert!(pages.len() == PAGES && pages.contains(&PageIndex(0)));
        aside = space.copied_aside();
        space.thaw();
    }
    println!("{aside} of {} pages were copied aside", ROUNDS as usize * PAGES);
}

#[test]
fn an_abandoned_epoch_can_be_frozen_again_and_is_copied_aside_again() {
    let memory = SimMemory::new(Filling::Told);
    let mut space = Space::reserve(&memory, 0, PAGES * PAGE_BYTES, None).expect("a space");
    (0..PAGES).for_each(|page| write(&mut space, page, 1));
    space.flip().expect("nothing is frozen");
    (0..PAGES / 2).rev().for_each(|page| write(&mut space, page, 2));
    space.abandon();
    assert_eq!(space.dirty_pages().len(), PAGES);
    let frozen = space.flip().expect("nothing is frozen");
    (0..PAGES).for_each(|page| write(&mut space, page, 3));
    let mut bytes = [0; PAGE_BYTES];
    for (place, page) in frozen.page_numbers().iter().enumerate() {
        frozen.read_page(place, &mut bytes);
        let wanted: u64 = if (page.0 as usize) < PAGES / 2 { 2 } else { 1 };
        let (words, _) = bytes.as_chunks::<8>();
        assert!(words.iter().all(|word| *word == wanted.to_le_bytes()), "page {}", page.0);
    }
    space.thaw();
}
