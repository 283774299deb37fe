//! Images without a machine: the verifier finds committed ones clean, and holds against forged ones.

use crate::arena::PAGE;
use crate::disk::Page;
use crate::driver::{Plan, operate};
use crate::random::Random;
use crate::world::{End, World};
use platform::{Filled, PageSource};
use std::collections::BTreeMap;
use std::sync::Arc;
use vm::heap::Heap;
use vm::layout::{BLOCKS_OFFSET, KnownClass, LOST_WORD, Word};
use vm::verify::{HeapView, verify};

/// Pages as a file has them.
pub struct Image {
    pub base: usize,
    pub bytes: usize,
    pub pages: BTreeMap<usize, Page>,
}

impl HeapView for Image {
    fn base(&self) -> usize {
        self.base
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn word(&self, offset: usize) -> Option<u64> {
        let page = self.pages.get(&(offset / PAGE));
        let at = offset % PAGE;
        Some(page.map_or(0, |page| u64::from_le_bytes(page[at..at + 8].try_into().unwrap())))
    }
}

/// A world after some operations, and the pages of its last commit.
pub fn committed(seed: u64) -> Option<(World, Image)> {
    let mut plan = Plan::drawn(seed, 0);
    plan.setup.collect_full_always = false;
    let mut world = World::new(seed, plan.setup);
    match operate(&mut world, &plan, 150).and_then(|()| save(&mut world)) {
        Ok(()) => {}
        Err(End::Full) => return None,
        Err(End::Wrong(what)) => panic!("seed {seed}: {what}"),
    }
    let image = Image {
        base: world.heap.base(),
        bytes: world.heap.space().bytes(),
        pages: world.disk.pages(),
    };
    Some((world, image))
}

/// Commits for certain.
fn save(world: &mut World) -> Result<(), End> {
    loop {
        world.write(100_000)?;
        let before = world.counts.get("commit").copied();
        world.flip()?;
        world.write(100_000)?;
        if world.counts.get("commit").copied() != before {
            return Ok(());
        }
    }
}

#[test]
fn committed_pages_verify_without_the_machine() {
    let mut objects = 0;
    for seed in 1..=40 {
        let Some((_, image)) = committed(seed) else { continue };
        let verdict = verify(&image, &[]);
        assert_eq!(verdict.violations, [], "seed {seed}");
        objects += verdict.objects;
    }
    assert!(objects > 1000, "{objects} objects are too few to mean anything");
}

/// Changes a word of a page to something nasty.
pub fn forge(image: &mut Image, random: &mut Random) {
    let pages: Vec<usize> = image.pages.keys().copied().collect();
    let page = random.pick(&pages);
    let at = random.below(PAGE / 8) * 8;
    let bytes = image.pages.get_mut(&page).unwrap();
    let old = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let new = match random.below(8) {
        0 => old ^ (1 << random.below(64)),
        1 => random.next() << 11 | random.next(),
        2 => u64::MAX,
        3 => 0,
        4 => LOST_WORD,
        5 => (random.next() << 2) | 1,
        6 => image.base as u64 + random.below(image.bytes) as u64,
        _ => old.wrapping_add(8),
    };
    bytes[at..at + 8].copy_from_slice(&new.to_le_bytes());
}

#[test]
fn the_verifier_holds_against_forged_images() {
    let mut random = Random::new(3);
    let (mut noticed, mut tried) = (0, 0);
    for seed in 1..=10 {
        let Some((_, image)) = committed(seed) else { continue };
        for _ in 0..100 {
            let mut forged = Image { pages: image.pages.clone(), ..image };
            for _ in 0..1 + random.below(12) {
                forge(&mut forged, &mut random);
            }
            tried += 1;
            noticed += usize::from(!verify(&forged, &[]).is_clean());
        }
    }
    println!("{noticed} of {tried} forged images noticed");
    assert!(noticed * 4 > tried, "{noticed} of {tried}");
}

#[test]
fn an_image_of_nothing_or_noise_is_no_heap() {
    let empty = Image { base: 0x2000_0000_0000, bytes: BLOCKS_OFFSET * 2, pages: BTreeMap::new() };
    assert!(!verify(&empty, &[]).is_clean());
    let mut random = Random::new(9);
    let mut noise = Image { pages: BTreeMap::new(), ..empty };
    for page in (0..16).chain(16384..16400).chain(32768..32800) {
        let mut bytes: Page = Box::new([0; PAGE]);
        bytes.iter_mut().for_each(|byte| *byte = random.next() as u8);
        noise.pages.insert(page, bytes);
    }
    assert!(!verify(&noise, &[]).is_clean());
}

/// The disk with one page that has no good copy.
pub struct Rotten {
    pub pages: BTreeMap<usize, Page>,
    pub lost: usize,
}

impl PageSource for Rotten {
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        if page == self.lost {
            into.chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&LOST_WORD.to_le_bytes()));
            return Filled::Lost;
        }
        match self.pages.get(&page) {
            Some(bytes) => {
                into.copy_from_slice(&bytes[..]);
                Filled::Bytes
            }
            None => Filled::Zero,
        }
    }
}

#[test]
fn a_world_with_a_lost_page_opens_and_can_be_walked() {
    let (mut opened, mut lost_objects) = (0, 0);
    for seed in 1..=12 {
        let Some((world, image)) = committed(seed) else { continue };
        let World { arena, setup, .. } = world;
        let pages: Vec<usize> = image.pages.keys().copied().filter(|p| p * PAGE >= BLOCKS_OFFSET).collect();
        for &lost in pages.iter().take(24) {
            let source = Arc::new(Rotten { pages: image.pages.clone(), lost });
            let config = crate::world::config(&setup);
            let mut heap = Heap::open(arena.as_ref(), config, source).expect("a heap");
            heap.make_lost(::image::PageIndex(lost as u64));
            check(&mut heap, seed, lost, "lost");
            lost_objects += count_lost(&mut heap);
            assert_eq!(heap.collect_full(&mut ()), Ok(0), "nothing is swept while a page is lost");
            heap.accept_loss();
            heap.collect_full(&mut ()).expect("a collection");
            check(&mut heap, seed, lost, "accepted");
            opened += 1;
        }
    }
    println!("{opened} openings with a lost page, {lost_objects} lost objects met");
    assert!(opened > 50 && lost_objects > opened);
}

fn check(heap: &mut Heap, seed: u64, page: usize, when: &str) {
    let verdict = heap.verify(&mut ());
    assert_eq!(verdict.violations, [], "seed {seed}, page {page} {when}");
}

fn count_lost(heap: &mut Heap) -> usize {
    let mut found = 0;
    let lost = KnownClass::LostObject.index();
    let known: Word = heap.known_objects();
    heap.for_each_object(&mut [known], &mut |heap, object| {
        found += usize::from(heap.header(object).class() == lost);
    })
    .expect("a walk");
    found
}
