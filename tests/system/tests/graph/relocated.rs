//! Heaps that open at another address than they were made for. That the graph is the same there is
//! the histories' business (`World::reopen`); here are the pages, and what is damaged.

use crate::arena::{Arena, PAGE};
use crate::disk::{Disk, Page};
use crate::forged::{Image, Rotten, committed, forge};
use crate::random::Random;
use crate::world::{Setup, World, config, new_arena};
use platform::{Filled, PageSource};
use std::collections::BTreeMap;
use std::sync::Arc;
use vm::heap::{Heap, HeapError};
use vm::layout::{BLOCK_BYTES, BLOCKS_OFFSET, EDEN_MAX_BYTES, EDEN_OFFSET, root};
use vm::verify::verify;

fn source(pages: &BTreeMap<usize, Page>) -> Arc<dyn PageSource> {
    let disk = Disk::default();
    disk.commit(pages.clone());
    Arc::new(disk)
}

fn open(arena: &Arena, setup: &Setup, pages: &BTreeMap<usize, Page>) -> Result<Heap, HeapError> {
    Heap::open(arena, config(setup), source(pages))
}

/// The pages of an opened heap, eden left out.
fn pages_of(arena: &Arena) -> BTreeMap<usize, Page> {
    let eden = EDEN_OFFSET / PAGE..(EDEN_OFFSET + EDEN_MAX_BYTES) / PAGE;
    let used = arena.used_pages().filter(|page| !eden.contains(page) && !arena.is_zero(*page));
    used.map(|page| (page, arena.page(page))).collect()
}

/// Pages in which two images differ, a missing one being zero.
fn differences(a: &BTreeMap<usize, Page>, b: &BTreeMap<usize, Page>) -> Vec<usize> {
    let zero: Page = Box::new([0; PAGE]);
    let page = |image: &BTreeMap<usize, Page>, at: usize| image.get(&at).unwrap_or(&zero).clone();
    let mut all: Vec<usize> = a.keys().chain(b.keys()).copied().collect();
    all.sort_unstable();
    all.dedup();
    all.retain(|&at| page(a, at)[..] != page(b, at)[..]);
    all
}

/// Opens at another address, and again at the first one.
fn check_there_and_back(seed: u64, image: &Image, home: &Arena, away: &Arena, setup: &Setup) {
    let mut heap = open(away, setup, &image.pages).expect("a heap");
    let done = heap.relocation().expect("a relocation");
    assert_eq!((done.made_for, done.lost), (image.base, 0), "seed {seed}");
    assert!(done.references > 20, "seed {seed}: {} references", done.references);
    let there = pages_of(away);
    for page in differences(&image.pages, &there) {
        assert!(heap.space().is_dirty(page), "seed {seed}: page {page} changed and is not dirty");
    }
    assert_eq!(heap.verify(&mut ()).violations, [], "seed {seed}");
    let filed = Image { base: heap.base(), bytes: image.bytes, pages: there.clone() };
    assert_eq!(verify(&filed, &[]).violations, [], "seed {seed}");
    drop(heap);

    let heap = open(away, setup, &there).expect("a heap");
    assert_eq!(heap.relocation(), None, "seed {seed}: it stands where it was made for");
    assert!(heap.space().dirty_pages().is_empty());
    drop(heap);

    let back = open(home, setup, &there).expect("a heap");
    assert_eq!(back.base(), image.base);
    let changed = differences(&image.pages, &pages_of(home));
    assert!(changed.is_empty(), "seed {seed}: pages {changed:?} are not what they were");
}

#[test]
fn a_heap_moves_to_another_address_and_back_unchanged() {
    let mut moved = 0;
    for seed in 1..=40 {
        let Some((world, image)) = committed(seed) else { continue };
        let World { heap, arena, setup, .. } = world;
        drop(heap);
        check_there_and_back(seed, &image, &arena, &new_arena(), &setup);
        moved += 1;
    }
    assert!(moved > 20, "{moved} heaps are too few to mean anything");
}

#[test]
fn old_and_new_range_may_overlap() {
    for (seed, pages) in (1..=12).zip([1, 8, 63].into_iter().cycle()) {
        let Some((world, image)) = committed(seed) else { continue };
        let World { heap, arena, setup, .. } = world;
        drop(heap);
        check_there_and_back(seed, &image, &arena, &arena.shifted(pages), &setup);
    }
}

#[test]
fn a_forged_image_that_stands_elsewhere_opens_or_is_refused() {
    let mut random = Random::new(11);
    let (mut opened, mut refused) = (0, 0);
    for seed in 1..=10 {
        let Some((world, image)) = committed(seed) else { continue };
        let away = new_arena();
        for _ in 0..60 {
            let mut forged = Image { pages: image.pages.clone(), ..image };
            for _ in 0..1 + random.below(12) {
                forge(&mut forged, &mut random);
            }
            match open(&away, &world.setup, &forged.pages) {
                Ok(heap) => {
                    assert_eq!(heap.root_word(root::BASE), heap.base() as u64);
                    opened += 1;
                }
                Err(HeapError::NotAHeap(_)) => refused += 1,
                Err(other) => panic!("seed {seed}: {other:?}"),
            }
        }
    }
    println!("{opened} forged images opened, {refused} were refused");
    assert!(opened > 300);
}

#[test]
fn a_base_that_the_known_objects_do_not_agree_with_is_refused() {
    let (world, image) = committed(2).expect("a world");
    for base in [8, image.base as u64 + 4, u64::MAX & !7, image.base as u64 - (1 << 40)] {
        let mut pages = image.pages.clone();
        let at = root::BASE * 8;
        pages.get_mut(&0).expect("the root block")[at..at + 8].copy_from_slice(&base.to_le_bytes());
        let refused = open(&new_arena(), &world.setup, &pages).err();
        assert!(matches!(refused, Some(HeapError::NotAHeap(_))), "{base:#x}: {refused:?}");
    }
}

#[test]
fn a_limit_of_blocks_that_the_heap_does_not_have_is_refused() {
    let (world, image) = committed(2).expect("a world");
    let least = (BLOCKS_OFFSET / BLOCK_BYTES) as u64;
    for limit in [0, least - 1, (image.bytes / BLOCK_BYTES) as u64 + 1, u64::MAX] {
        let mut pages = image.pages.clone();
        let at = root::BLOCK_LIMIT * 8;
        pages.get_mut(&0).expect("the root block")[at..at + 8].copy_from_slice(&limit.to_le_bytes());
        let refused = open(&new_arena(), &world.setup, &pages).err();
        let said = format!("{refused:?}");
        assert!(matches!(refused, Some(HeapError::NotAHeap(_))) && said.contains("block limit"), "{limit}: {said}");
    }
}

#[test]
fn a_heap_with_a_lost_page_moves_and_the_page_is_not_written() {
    let mut moved = 0;
    for seed in 1..=12 {
        let Some((world, image)) = committed(seed) else { continue };
        let away = new_arena();
        let blocks = image.pages.keys().copied().filter(|page| page * PAGE >= BLOCKS_OFFSET);
        for lost in blocks.take(24) {
            let source: Arc<dyn PageSource> = Arc::new(Rotten { pages: image.pages.clone(), lost });
            assert_eq!(source.fill(lost, &mut [0; PAGE]), Filled::Lost);
            let mut heap = Heap::open(away.as_ref(), config(&world.setup), source).expect("a heap");
            assert!(!heap.space().is_dirty(lost), "seed {seed}: page {lost} is dirty");
            heap.make_lost(::image::PageIndex(lost as u64));
            let verdict = heap.verify(&mut ());
            assert_eq!(verdict.violations, [], "seed {seed}, page {lost}");
            moved += 1;
        }
    }
    assert!(moved > 50, "{moved} openings");
}
