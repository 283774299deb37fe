//! Measures the heap alone: what the store barrier costs, and how long scavenges stop the mutator.
//!
//! Duty: print figures, one a line; no judgement. Times are of this thread's processor time.
//! Run it as `cargo run --release -p system --bin heap_speed`.

use platform::Clock;
use platform_hosted::clock::HostedClock;
use platform_hosted::memory::HostedMemory;
use std::sync::Arc;
use vm::heap::{Heap, HeapConfig};
use vm::layout::{ClassIndex, Extent, KnownClass, KnownObject, Word};

const PLAIN: ClassIndex = ClassIndex(64);

fn world(clock: &Arc<HostedClock>) -> Heap {
    let config = HeapConfig { base: 0, clock: Some(clock.clone()), ..HeapConfig::default() };
    let mut heap = Heap::create(&HostedMemory::default(), config).expect("a heap");
    let nil = heap.allocate_old(KnownClass::UndefinedObject.index(), 0, 0).expect("room");
    let known = heap
        .allocate_old(KnownClass::Array.index(), 1, KnownObject::ALL.len())
        .expect("room");
    (0..KnownObject::ALL.len()).for_each(|n| heap.store(known, n, nil));
    heap.set_known_objects(known);
    heap
}

/// Nanoseconds a store, of `rounds` passes over `objects` old arrays of 62 slots.
fn stores(heap: &mut Heap, clock: &HostedClock, objects: &[Word], rounds: usize, barrier: bool) -> f64 {
    let words = heap.space().words();
    let value = heap.nil();
    let began = clock.thread_cpu_ns();
    for _ in 0..rounds {
        for &object in objects {
            for slot in 0..62 {
                if barrier {
                    heap.store(object, slot, value);
                } else {
                    words.store(object.address() + 8 + slot * 8, value.0);
                }
            }
        }
    }
    (clock.thread_cpu_ns() - began) as f64 / (rounds * objects.len() * 62) as f64
}

fn measure_stores(clock: &Arc<HostedClock>) {
    for (name, count, rounds) in [("32k", 64, 4000), ("8m", 16 << 10, 20), ("256m", 512 << 10, 2)] {
        let mut heap = world(clock);
        let objects: Vec<Word> =
            (0..count).map(|_| heap.allocate_old(PLAIN, 1, 62).expect("room")).collect();
        stores(&mut heap, clock, &objects, 1, true);
        let mut ratios = vec![];
        let (mut plain_ns, mut barrier_ns) = (f64::MAX, f64::MAX);
        for _ in 0..7 {
            let plain = stores(&mut heap, clock, &objects, rounds, false);
            let barrier = stores(&mut heap, clock, &objects, rounds, true);
            ratios.push(barrier / plain);
            plain_ns = plain_ns.min(plain);
            barrier_ns = barrier_ns.min(barrier);
        }
        ratios.sort_by(f64::total_cmp);
        println!("store_{name}_plain_ns {plain_ns:.3} ns");
        println!("store_{name}_barrier_ns {barrier_ns:.3} ns");
        println!("store_{name}_ratio {:.3} ratio (median of 7 pairs)", ratios[3]);
    }
}

/// Fills eden again and again with objects of mixed sizes of which `percent` survive one scavenge.
fn measure_scavenges(clock: &Arc<HostedClock>, percent: usize) {
    let mut heap = world(clock);
    let mut kept: Vec<Word> = vec![];
    let mut turn = 0usize;
    let (mut allocated, mut allocation_ns) = (0usize, 0);
    for _ in 0..60 {
        kept.clear();
        let began = clock.thread_cpu_ns();
        loop {
            turn = turn.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let size = [1, 2, 2, 3, 4, 4, 6, 12][(turn >> 33) % 8];
            let Some(object) = heap.allocate(PLAIN, 1, size) else { break };
            allocated += Extent::of_object(size).words * 8;
            if (turn >> 40) % 100 < percent {
                if let Some(&last) = kept.last() {
                    heap.store(object, 0, last);
                }
                kept.push(object);
            }
        }
        allocation_ns += clock.thread_cpu_ns() - began;
        let mut roots = kept.split_off(kept.len().saturating_sub(1));
        kept.clear();
        heap.scavenge(&mut roots).expect("room");
    }
    let statistics = heap.statistics();
    let pauses = &statistics.scavenge_pauses;
    let copied = statistics.survived_bytes + statistics.tenured_bytes;
    println!("allocation_ns_per_word {:.2} ns", allocation_ns as f64 / (allocated / 8) as f64);
    println!("scavenge_{percent}_mean_us {:.0} us", pauses.total_ns as f64 / 1000.0 / pauses.count() as f64);
    println!("scavenge_{percent}_max_us {:.0} us", pauses.longest_ns as f64 / 1000.0);
    println!("scavenge_{percent}_copied_mb_s {:.0} MB/s", copied as f64 * 1000.0 / pauses.total_ns as f64);
    println!("scavenge_{percent}_eden_bytes {} bytes (at the end)", heap.eden_bytes());
}

fn measure_marks(clock: &Arc<HostedClock>) {
    let mut heap = world(clock);
    let mut last = heap.nil();
    for n in 0..1_000_000 {
        let object = heap.allocate_old(PLAIN, 1, 5).expect("room");
        heap.store(object, n % 5, last);
        last = object;
    }
    let mut roots = [last];
    let began = clock.thread_cpu_ns();
    heap.collect_full(&mut roots).expect("room");
    let ns = clock.thread_cpu_ns() - began;
    println!("full_collection_48mb_ms {:.1} ms (one million live objects)", ns as f64 / 1e6);
}

fn main() {
    let clock = Arc::new(HostedClock::default());
    measure_stores(&clock);
    for percent in [9, 50] {
        measure_scavenges(&clock, percent);
    }
    measure_marks(&clock);
}
