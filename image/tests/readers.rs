//! Readers beside the writer: what they may reach is not written over while they are there.

mod common;

use common::{Bench, Pages, read_all, small, trimmed};
use image::{Faults, Keep, MomentId, OpenOptions, World};
use platform::{Store, StoreError};
use platform_sim::SimStore;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store at which readers can be seen.
#[derive(Clone)]
struct Watched {
    store: SimStore,
    is_read: Arc<AtomicBool>,
}

impl Store for Watched {
    fn len(&self) -> Result<u64, StoreError> {
        self.store.len()
    }
    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        self.store.grow(bytes)
    }
    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        self.store.truncate(bytes)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.store.read_at(offset, into)
    }
    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        self.store.write_at(offset, from)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }
    fn has_readers(&self) -> Result<bool, StoreError> {
        Ok(self.is_read.load(Ordering::SeqCst))
    }
}

fn bench() -> (Bench, Watched) {
    let made = Bench::with(&small(), Faults::default());
    let watched = Watched { store: made.store.clone(), is_read: Arc::default() };
    let mut bench = on(&watched, 2);
    while bench.world.tend(image::Budget::ALL).expect("tended") {}
    (bench, watched)
}

fn on(watched: &Watched, salt: u64) -> Bench {
    let (world, _) = World::open(Arc::new(watched.clone()), &common::options(salt)).expect("open");
    Bench::new_on(world, watched.store.clone())
}

fn reader(watched: &Watched) -> World {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    World::open(Arc::new(watched.clone()), &options).expect("a reader").0
}

/// Writes every page anew, many times, keeping nothing; answers how long the file is.
fn churn(bench: &mut Bench, from: u64) -> u64 {
    for tag in from..from + 30 {
        let dirty: Vec<(u64, u64)> = (0..40).map(|page| (page, tag * 100 + page)).collect();
        bench.snapshot(&dirty, Keep::No);
    }
    bench.store.len().expect("a length")
}

fn first_pages() -> Vec<(u64, u64)> {
    (0..40).map(|page| (page, page + 1)).collect()
}

#[test]
fn a_reader_goes_on_reading_what_it_opened_while_the_writer_goes_on() {
    let (mut bench, watched) = bench();
    bench.snapshot(&first_pages(), Keep::No);
    watched.is_read.store(true, Ordering::SeqCst);
    let mut reader = reader(&watched);
    churn(&mut bench, 10);
    let there = Pages::from_iter(first_pages());
    assert_eq!(read_all(&mut reader, MomentId::NONE), Ok(trimmed(&there)));
    bench.check();
    // When it is gone, its blocks serve again: the file does not grow any more.
    watched.is_read.store(false, Ordering::SeqCst);
    let length = churn(&mut bench, 50);
    assert_eq!(churn(&mut bench, 90), length);
    assert!(read_all(&mut reader, MomentId::NONE).is_err(), "the blocks were not used again");
    bench.check();
}

#[test]
fn a_writer_that_comes_later_leaves_a_reader_its_blocks() {
    for clean in [true, false] {
        let (mut bench, watched) = bench();
        bench.snapshot(&first_pages(), Keep::No);
        watched.is_read.store(true, Ordering::SeqCst);
        let mut reader = reader(&watched);
        churn(&mut bench, 10);
        if clean {
            bench.world.close(1).expect("closed");
        }
        let mut bench = on(&watched, 3);
        while bench.world.tend(image::Budget::ALL).expect("tended") {}
        churn(&mut bench, 50);
        let there = Pages::from_iter(first_pages());
        assert_eq!(read_all(&mut reader, MomentId::NONE), Ok(trimmed(&there)), "clean: {clean}");
        watched.is_read.store(false, Ordering::SeqCst);
        let length = churn(&mut bench, 90);
        assert_eq!(churn(&mut bench, 130), length, "clean: {clean}");
    }
}

#[test]
fn a_reader_knows_the_free_blocks_of_a_clean_close() {
    let (mut bench, watched) = bench();
    churn(&mut bench, 10);
    bench.world.close(1).expect("closed");
    let (used, free) = bench.world.block_counts();
    let mut reader = reader(&watched);
    let (read_used, read_free) = reader.block_counts();
    assert_eq!(used, read_used);
    assert!(free > 30 && read_free + 5 >= free && read_free <= free, "{free} {read_free}");
    assert_eq!(reader.check().expect("check"), []);
}
