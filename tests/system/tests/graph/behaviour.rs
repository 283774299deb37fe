//! What the heap promises, one promise a test.

use crate::world::{PLAIN, Setup, WEAK, World};
use platform_hosted::memory::HostedMemory;
use vm::heap::{Decline, Finish, HashOf, Heap, HeapConfig, Stress};
use vm::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, ClassIndex, EDEN_MAX_BYTES, EDEN_OFFSET, KnownClass, KnownObject,
    PAGE_BYTES, Word, behavior, root,
};

fn world() -> World {
    World::new(1, Setup { tenure_bytes: 1 << 20, ..Setup::default() })
}

fn plain(heap: &mut Heap, slots: usize) -> Word {
    heap.allocate(PLAIN, 1, slots).expect("room in eden")
}

fn clean(heap: &mut Heap, roots: &mut Vec<Word>) {
    assert_eq!(heap.verify(roots).violations, []);
}

#[test]
fn allocation_declines_with_its_reason_and_never_collects() {
    let mut heap = world().heap;
    let scavenges = heap.statistics().scavenges;
    while heap.allocate(PLAIN, 1, 3).is_some() {}
    assert_eq!(heap.why_declined(), Decline::EdenFull);
    assert!(!heap.room_for(32));
    assert_eq!(heap.allocate(PLAIN, 1, 1 << 45), None);
    assert_eq!(heap.why_declined(), Decline::TooLarge);
    assert_eq!(heap.allocate(PLAIN, 1, 1 << 22), None);
    assert_eq!(heap.why_declined(), Decline::OldFull);
    assert_eq!(heap.statistics().scavenges, scavenges);
    heap.scavenge(&mut ()).unwrap();
    assert!(heap.allocate(PLAIN, 1, 3).is_some());
}

#[test]
fn a_limit_declines_and_raising_it_lets_go_on() {
    let mut heap = world().heap;
    let limit = heap.used_bytes() + heap.eden_bytes() + 3 * BLOCK_BYTES;
    heap.set_limit_bytes(limit);
    let mut kept = vec![];
    while let Some(object) = heap.allocate_old(PLAIN, 1, 100) {
        kept.push(object);
    }
    assert_eq!(heap.why_declined(), Decline::Limit);
    assert!(heap.used_bytes() + heap.eden_bytes() <= limit);
    assert_eq!(heap.allocate(PLAIN, 1, 3000), None, "a large object keeps to the limit too");
    heap.set_limit_bytes(limit + 4 * BLOCK_BYTES);
    assert!(heap.allocate_old(PLAIN, 1, 100).is_some());
    heap.set_limit_bytes(limit - 2 * BLOCK_BYTES);
    assert_eq!(heap.allocate(PLAIN, 1, 3), None, "eden declines above the limit");
    assert_eq!(heap.why_declined(), Decline::Limit);
    heap.collect_full(&mut ()).unwrap();
    assert!(heap.allocate(PLAIN, 1, 3).is_some(), "and serves again when garbage is gone");
}

#[test]
fn memory_of_the_dead_is_used_again() {
    let mut heap = world().heap;
    let mut highest = 0;
    for round in 0..30 {
        let mut kept: Vec<Word> =
            (0..4000).map(|n| heap.allocate_old(PLAIN, 1, 2 + n % 40).expect("room")).collect();
        // Every third object stays through the collection, so that blocks keep holes.
        kept = kept.into_iter().step_by(3).collect();
        heap.collect_full(&mut kept).unwrap();
        clean(&mut heap, &mut kept);
        if round == 10 {
            highest = heap.root_word(root::BLOCK_LIMIT);
        }
    }
    heap.sync();
    let end = heap.root_word(root::BLOCK_LIMIT);
    assert!(end <= highest + 4, "blocks grew from {highest} to {end}");
}

#[test]
fn large_objects_keep_their_contents_and_their_blocks_come_back() {
    let mut heap = world().heap;
    let before = heap.used_bytes();
    for slots in [2047, 2048, 4094, 4095, 4096, 10_000, 60_000] {
        let mut roots = vec![heap.allocate(PLAIN, 1, slots).expect("room")];
        let young = plain(&mut heap, 1);
        heap.store(young, 0, Word::small(42));
        heap.store(roots[0], slots - 1, young);
        assert_eq!(heap.size(roots[0]), slots);
        heap.scavenge(&mut roots).unwrap();
        clean(&mut heap, &mut roots);
        let moved = heap.slot(roots[0], slots - 1);
        assert_eq!(heap.slot(moved, 0), Word::small(42));
        assert_eq!(heap.slot(roots[0], 0), heap.nil());
    }
    heap.collect_full(&mut ()).unwrap();
    heap.collect_full(&mut ()).unwrap();
    assert!(heap.used_bytes() <= before + 2 * BLOCK_BYTES, "{} {before}", heap.used_bytes());
}

#[test]
fn short_lived_objects_never_reach_old_space_however_often_it_flips() {
    let mut heap = world().heap;
    let mut roots = vec![heap.nil(); 4];
    for n in 0..400 {
        roots[n % 4] = plain(&mut heap, 20);
        heap.flip(&mut roots).unwrap();
        heap.thaw();
    }
    assert_eq!(heap.statistics().tenured_bytes, 0);
}

#[test]
fn what_lives_long_enough_is_tenured() {
    let mut world = World::new(1, Setup { tenure_bytes: 4096, ..Setup::default() });
    let heap = &mut world.heap;
    let mut roots = vec![plain(heap, 4)];
    for _ in 0..3 {
        for _ in 0..100 {
            plain(heap, 4);
        }
        heap.scavenge(&mut roots).unwrap();
    }
    assert!(!heap.is_young(roots[0]));
    let place = roots[0];
    heap.scavenge(&mut roots).unwrap();
    heap.collect_full(&mut roots).unwrap();
    assert_eq!(roots[0], place, "old objects stay where they are");
}

#[test]
fn a_pinned_object_stays_through_everything() {
    let mut heap = world().heap;
    let object = plain(&mut heap, 2);
    heap.store(object, 0, Word::small(7));
    let holder = plain(&mut heap, 1);
    heap.store(holder, 0, object);
    let pinned = heap.pin(object).unwrap();
    assert!(heap.is_pinned(pinned) && !heap.is_young(pinned));
    let mut roots = vec![pinned, holder];
    for _ in 0..3 {
        heap.scavenge(&mut roots).unwrap();
        heap.collect_full(&mut roots).unwrap();
    }
    assert_eq!(roots[0], pinned);
    assert_eq!(heap.resolve(heap.slot(roots[1], 0)), pinned);
    assert_eq!(heap.slot(pinned, 0), Word::small(7));
}

#[test]
fn become_forward_moves_references_and_the_hash_if_asked() {
    let mut heap = world().heap;
    let (a, b, holder) = (plain(&mut heap, 1), plain(&mut heap, 5), plain(&mut heap, 1));
    heap.store(holder, 0, a);
    let hash = heap.identity_hash(a);
    heap.become_forward(&[(a, b)], HashOf::Source);
    assert_eq!(heap.identity_hash(b), hash);
    assert_eq!(heap.resolve(a), b);
    assert_eq!(heap.class_index(a), KnownClass::Forwarder.index());
    let mut roots = vec![holder];
    heap.scavenge(&mut roots).unwrap();
    let target = heap.slot(roots[0], 0);
    assert_eq!(heap.size(target), 5, "a scavenge takes the short way");
    heap.become_forward(&[(target, Word::small(3))], HashOf::Target);
    assert_eq!(heap.resolve(heap.slot(roots[0], 0)), Word::small(3), "a number can be become");
    clean(&mut heap, &mut roots);
}

#[test]
fn a_class_that_becomes_another_is_that_other_for_its_instances() {
    let mut heap = world().heap;
    let [old, other, new] = [(); 3].map(|()| heap.allocate_old(PLAIN, 1, behavior::CLASS_INDEX + 1).expect("room"));
    let [index, of_other] = [old, other].map(|class| heap.register_class(class).expect("an index"));
    for (class, index) in [(old, index), (other, of_other), (new, index)] {
        heap.store(class, behavior::CLASS_INDEX, Word::small(index.0.into()));
    }
    let instance = heap.allocate(index, 1, 2).expect("room in eden");
    heap.become_forward(&[(old, new)], HashOf::Target);
    assert_eq!((heap.class_at(index), heap.class_at(of_other)), (new, other));
    assert_eq!(heap.class_of(instance), new);
    // One that only claims the index is in nobody's place.
    let claims = heap.allocate_old(PLAIN, 1, behavior::CLASS_INDEX + 1).expect("room");
    heap.store(claims, behavior::CLASS_INDEX, Word::small(of_other.0.into()));
    heap.become_forward(&[(claims, new)], HashOf::Target);
    assert_eq!(heap.class_at(of_other), other);
}

#[test]
fn what_points_to_a_young_object_is_found_though_a_mark_comes_first() {
    let config = HeapConfig { base: 0x3200_0000_0000, reserve: 1 << 30, ..HeapConfig::default() };
    let mut heap = Heap::create(&HostedMemory::default(), config.clone()).expect("a heap");
    make_known(&mut heap);
    heap.request_mark();
    let mut pages = flipped(&mut heap);
    while heap.wants().mark {
        heap.mark_step(1000);
    }
    assert_eq!(heap.finish(&mut (), None), Ok(Finish::Done));
    // The sweep is cut off.
    pages.extend(flipped(&mut heap));
    drop(heap);
    let source = std::sync::Arc::new(Counting { pages, asked: Default::default() });
    let mut heap = Heap::open(&HostedMemory::default(), config, source).expect("a heap");
    assert!(heap.holds_unknown_corpses());
    let (target, holder) = (plain(&mut heap, 1), plain(&mut heap, 1));
    heap.store(holder, 0, target);
    let mut roots = vec![holder];
    let found = heap.pointers_to(target, &mut roots).expect("a walk");
    assert_eq!(found, roots);
    assert!(!heap.holds_unknown_corpses());
}

#[test]
fn objects_of_different_sizes_exchange_identities() {
    let mut heap = world().heap;
    let (a, b) = (plain(&mut heap, 1), heap.allocate(KnownClass::ByteArray.index(), 16 + 3, 4).unwrap());
    heap.store(a, 0, Word::small(1));
    heap.write_bytes(b, 0, b"twenty-nine bytes in all here");
    heap.become_each_other(&[(a, b)]).unwrap();
    let (now_a, now_b) = (heap.resolve(a), heap.resolve(b));
    assert_eq!(heap.bytes_of(now_a), b"twenty-nine bytes in all here");
    assert_eq!(heap.slot(now_b, 0), Word::small(1));
}

#[test]
fn exchanges_that_find_no_room_change_nothing() {
    let mut heap = world().heap;
    let bytes = |heap: &mut Heap, slots| heap.allocate(KnownClass::ByteArray.index(), 16, slots).unwrap();
    let (a, b) = (bytes(&mut heap, 1), bytes(&mut heap, 2));
    let (small, large) = (bytes(&mut heap, 3), bytes(&mut heap, 1 << 15));
    let (c, d) = (bytes(&mut heap, 2), bytes(&mut heap, 2));
    heap.write_bytes(c, 0, b"c");
    heap.set_limit_bytes(heap.used_bytes() + heap.eden_bytes() + (1 << 16));
    assert!(heap.become_each_other(&[(c, d), (a, b), (small, large)]).is_none());
    for (object, size) in [(a, 1), (b, 2), (small, 3), (large, 1 << 15), (c, 2)] {
        assert_eq!(heap.resolve(object), object);
        assert_eq!(heap.size(object), size);
    }
    assert_eq!(heap.byte(c, 0), b'c');
    // An object that is named twice is exchanged twice.
    heap.become_each_other(&[(a, b), (b, small)]).unwrap();
    assert_eq!([a, b, small].map(|object| heap.size(heap.resolve(object))), [2, 3, 1]);
    assert!(heap.become_each_other(&[(a, large), (large, b)]).is_none());
    assert_eq!(heap.size(large), 1 << 15);
}

#[test]
fn weak_slots_follow_the_living_and_forget_the_dead() {
    let mut heap = world().heap;
    let (live, dead) = (plain(&mut heap, 1), plain(&mut heap, 1));
    let weak = heap.allocate(WEAK, 2, 6).unwrap();
    heap.store(weak, 0, Word::small(0));
    let strong = plain(&mut heap, 1);
    heap.store(weak, 1, strong);
    heap.store(weak, 2, live);
    heap.store(weak, 3, dead);
    heap.store(weak, 4, Word::small(9));
    let mut roots = vec![weak, live];
    heap.scavenge(&mut roots).unwrap();
    let weak = roots[0];
    assert_eq!(heap.slot(weak, 2), roots[1]);
    assert_eq!(heap.slot(weak, 3), heap.nil());
    assert_eq!(heap.slot(weak, 4), Word::small(9));
    assert_ne!(heap.slot(weak, 1), heap.nil(), "named slots are strong");
}

#[test]
fn what_fired_may_become_another_before_it_is_taken() {
    let mut heap = world().heap;
    let key = heap.allocate_old(crate::world::PLAIN, 1, 2).unwrap();
    let ephemeron = heap.allocate_old(crate::world::EPHEMERON, 3, 3).unwrap();
    let mut roots = vec![plain(&mut heap, 4), ephemeron];
    heap.store(roots[1], 0, key);
    heap.store_immediate(roots[1], 1, Word::small(7));
    heap.collect_full(&mut roots).unwrap();
    assert_eq!(heap.fired(), [roots[1]]);
    heap.become_forward(&[(roots[1], roots[0])], HashOf::Target);
    assert_eq!(heap.take_fired().iter().map(|word| heap.resolve(*word)).collect::<Vec<_>>(), [roots[0]]);
    clean(&mut heap, &mut roots);
    heap.collect_full(&mut roots).unwrap();
    clean(&mut heap, &mut roots);
    assert_eq!(heap.resolve(roots[1]), roots[0]);
}

#[test]
fn a_finish_past_its_budget_asks_for_a_flip_and_the_third_runs_to_its_end() {
    let mut heap = world().heap;
    let mut last = heap.nil();
    for _ in 0..3000 {
        let object = heap.allocate_old(PLAIN, 1, 3).unwrap();
        heap.store(object, 1, last);
        last = object;
    }
    let mut roots = vec![last];
    heap.request_mark();
    heap.flip(&mut roots).unwrap();
    heap.thaw();
    for _ in 0..2 {
        assert_eq!(heap.finish(&mut roots, Some(1)), Ok(Finish::OverBudget));
        assert!(heap.wants().flip || heap.wants().mark);
        heap.flip(&mut roots).unwrap();
        heap.thaw();
    }
    assert_eq!(heap.finish(&mut roots, Some(1)), Ok(Finish::Done));
    assert!(heap.wants().sweep);
    while !heap.sweep_step(3) {
        clean(&mut heap, &mut roots);
    }
    assert_eq!(heap.finish(&mut roots, None), Ok(Finish::NoCycle));
}

#[test]
fn stress_makes_allocation_decline_each_time() {
    let mut heap = world().heap;
    heap.set_stress(Stress { collect_every: 1, ..Stress::default() });
    for _ in 0..10 {
        assert!(heap.allocate(PLAIN, 1, 1).is_some());
        assert_eq!(heap.allocate(PLAIN, 1, 1), None);
        assert_eq!(heap.why_declined(), Decline::Stress);
        heap.scavenge(&mut ()).unwrap();
    }
}

#[test]
fn only_dirt_of_the_users_doing_asks_for_a_snapshot() {
    let mut heap = world().heap;
    let array = KnownClass::Array.index();
    let (quiet, old) = (heap.allocate_quiet(array, 1, 4).unwrap(), heap.allocate_old(array, 1, 4).unwrap());
    let mut roots = vec![quiet, old];
    heap.flip(&mut roots).unwrap();
    heap.thaw();
    heap.store(quiet, 1, Word::small(5));
    plain(&mut heap, 3);
    heap.scavenge(&mut roots).unwrap();
    heap.sync();
    assert!(!heap.space().dirty_pages().is_empty());
    assert!(!heap.asks_for_snapshot());
    heap.store(old, 1, Word::small(5));
    assert!(heap.asks_for_snapshot());
}

#[test]
fn two_heaps_at_two_bases_work_in_one_process() {
    let (mut a, mut b) = (world().heap, world().heap);
    assert_ne!(a.base(), b.base());
    let (mut x, mut y) = (vec![plain(&mut a, 1)], vec![plain(&mut b, 1)]);
    a.store(x[0], 0, Word::small(1));
    b.store(y[0], 0, Word::small(2));
    a.collect_full(&mut x).unwrap();
    b.collect_full(&mut y).unwrap();
    assert_eq!((a.slot(x[0], 0), b.slot(y[0], 0)), (Word::small(1), Word::small(2)));
}

/// The first oracle of the machine's own: pages that it saw written are on the dirty list.
#[test]
fn the_machines_write_tracking_finds_no_page_that_the_barrier_missed() {
    let config = HeapConfig {
        base: 0,
        reserve: BLOCKS_OFFSET + 512 * BLOCK_BYTES,
        eden_min: 64 << 10,
        eden_max: 64 << 10,
        ..HeapConfig::default()
    };
    let mut heap = Heap::create(&HostedMemory::with_oracle(), config).expect("a heap");
    let nil = heap.allocate_old(KnownClass::UndefinedObject.index(), 0, 0).unwrap();
    let known = heap.allocate_old(KnownClass::Array.index(), 1, KnownObject::ALL.len()).unwrap();
    (0..KnownObject::ALL.len()).for_each(|n| heap.store(known, n, nil));
    heap.set_known_objects(known);
    let class = ClassIndex(64);
    let mut roots = vec![nil; 50];
    heap.flip(&mut roots).unwrap();
    heap.thaw();
    if heap.space().region().written_since_last_asked().is_none() {
        println!("this machine cannot track writes");
        return;
    }
    let mut random = crate::random::Random::new(5);
    let mut seen = 0;
    for _ in 0..60 {
        for _ in 0..600 {
            let size = 1 + random.below(30);
            let Some(object) = heap.allocate(class, 1, size) else {
                heap.scavenge(&mut roots).unwrap();
                continue;
            };
            let at = random.below(50);
            heap.store(object, 0, roots[random.below(50)]);
            if roots[at] != nil {
                heap.store(roots[at], 0, object);
            }
            roots[at] = object;
        }
        if random.percent(30) {
            heap.collect_full(&mut roots).unwrap();
        }
        let frozen = heap.flip(&mut roots).unwrap();
        let written = heap.space().region().written_since_last_asked().unwrap();
        for page in written {
            let eden = EDEN_OFFSET / PAGE_BYTES..(EDEN_OFFSET + EDEN_MAX_BYTES) / PAGE_BYTES;
            let listed = frozen.page_numbers().contains(&image::PageIndex(page as u64));
            assert!(listed || eden.contains(&page), "page {page} was written, the barrier missed it");
            seen += 1;
        }
        heap.thaw();
    }
    assert!(seen > 100, "the oracle saw {seen} pages only");
}

/// Pages of a heap, and how many of them were asked for.
struct Counting {
    pages: std::collections::BTreeMap<usize, Box<[u8; PAGE_BYTES]>>,
    asked: std::sync::atomic::AtomicUsize,
}

impl platform::PageSource for Counting {
    fn fill(&self, page: usize, into: &mut [u8]) -> platform::Filled {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match self.pages.get(&page) {
            Some(bytes) => {
                into.copy_from_slice(&bytes[..]);
                platform::Filled::Bytes
            }
            None => platform::Filled::Zero,
        }
    }
}

/// Known objects that are all nil; answers nil.
fn make_known(heap: &mut Heap) -> Word {
    let nil = heap.allocate_old(KnownClass::UndefinedObject.index(), 0, 0).unwrap();
    let known = heap.allocate_old(KnownClass::Array.index(), 1, KnownObject::ALL.len()).unwrap();
    (0..KnownObject::ALL.len()).for_each(|n| heap.store(known, n, nil));
    heap.set_known_objects(known);
    nil
}

/// The pages that a flip freezes, as a store would have them.
fn flipped(heap: &mut Heap) -> std::collections::BTreeMap<usize, Box<[u8; PAGE_BYTES]>> {
    let frozen = heap.flip(&mut ()).unwrap();
    let mut pages = std::collections::BTreeMap::new();
    for (nth, page) in frozen.page_numbers().iter().enumerate() {
        let mut bytes = Box::new([0; PAGE_BYTES]);
        frozen.read_page(nth, &mut bytes);
        pages.insert(page.0 as usize, bytes);
    }
    heap.thaw();
    pages
}

#[test]
fn opening_asks_for_few_pages_however_large_the_heap_is() {
    let asked = [2_000, 200_000].map(|objects| {
        let config = HeapConfig { base: 0x3100_0000_0000, reserve: 1 << 30, ..HeapConfig::default() };
        let mut heap = Heap::create(&HostedMemory::default(), config.clone()).expect("a heap");
        let mut last = make_known(&mut heap);
        for n in 0..objects {
            let object = heap.allocate_old(PLAIN, 1, 6).unwrap();
            heap.store(object, n % 6, last);
            last = object;
        }
        heap.set_known(KnownObject::Smalltalk, last);
        let pages = flipped(&mut heap);
        drop(heap);
        let source = std::sync::Arc::new(Counting { pages, asked: Default::default() });
        let mut heap = Heap::open(&HostedMemory::default(), config, source.clone()).expect("a heap");
        assert_eq!(heap.known(KnownObject::Smalltalk), last);
        assert_eq!(heap.size(last), 6);
        assert!(heap.allocate_old(PLAIN, 1, 6).is_some(), "the saved cursor serves");
        source.asked.load(std::sync::atomic::Ordering::Relaxed)
    });
    println!("pages asked for at opening: {asked:?}");
    assert!(asked[1] <= 16 && asked[1] <= asked[0] + 2, "{asked:?}");
}
