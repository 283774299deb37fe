//! Measures what the store costs: opening by heap size, write amplification, flips, thinning.
//!
//! `cargo run --release -p image --example measure -- FOLDER` writes worlds of about 100 MB there and
//! removes them. A heap of 4 GB is made with one page in each leaf of its map, so that the map is as
//! large as that of a full one while the file stays small.

use image::{
    BlockBytes, Budget, CreateOptions, Epoch, FrozenPages, HeapWords, Keep, OpenOptions, PageIndex,
    Progress, Snapshot, ThinPolicy, World,
};
use platform::{PageSource, Store, StoreError, StoreErrorKind};
use platform_sim::{Filling, Random, SimMemory};
use std::fs::{File, OpenOptions as FileOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A file as a store that counts what is written.
struct FileStore {
    file: File,
    written: Arc<AtomicU64>,
}

fn failed(error: std::io::Error) -> StoreError {
    let kind = match error.kind() {
        std::io::ErrorKind::UnexpectedEof => StoreErrorKind::OutOfRange,
        std::io::ErrorKind::StorageFull => StoreErrorKind::Full,
        _ => StoreErrorKind::Io,
    };
    StoreError { kind, message: error.to_string() }
}

impl Store for FileStore {
    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.file.metadata().map_err(failed)?.len())
    }
    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        self.file.set_len(bytes.max(self.len()?)).map_err(failed)
    }
    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        self.file.set_len(bytes).map_err(failed)
    }
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.file.read_exact_at(into, offset).map_err(failed)
    }
    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        self.written.fetch_add(from.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(from, offset).map_err(failed)
    }
    fn flush(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(failed)
    }
}

/// Pages whose bytes are made when they are asked for.
struct Made {
    pages: Vec<PageIndex>,
    salt: u64,
}

impl FrozenPages for Made {
    fn pages(&self) -> &[PageIndex] {
        &self.pages
    }
    fn read(&self, nth: usize, into: &mut BlockBytes) {
        let seed = (self.pages[nth].0 + 1).wrapping_mul(self.salt | 1);
        for (at, word) in into.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&seed.wrapping_add(at as u64).to_le_bytes());
        }
    }
}

struct Measured {
    world: World,
    written: Arc<AtomicU64>,
    epoch: u64,
    pages: u64,
}

impl Measured {
    fn make(path: &Path, pages: u64, spacing: u64) -> Measured {
        let _ = std::fs::remove_file(path);
        let (store, written) = file(path);
        World::create(&store, &CreateOptions::default()).expect("create");
        let (world, _) = World::open(store, &OpenOptions::default()).expect("open");
        let mut made = Measured { world, written, epoch: 0, pages };
        made.snapshot((0..pages).step_by(spacing as usize).collect(), Keep::No);
        made
    }

    fn snapshot(&mut self, pages: Vec<u64>, keep: Keep) -> (u64, u128, u128) {
        self.epoch += 1;
        let pages = pages.into_iter().map(PageIndex).collect();
        let frozen = Arc::new(Made { pages, salt: self.epoch });
        let heap = HeapWords { base: 0x2000_0000_0000, pages: self.pages, roots: [0; 8] };
        let wall_ns = self.epoch as i64 * 2_000_000_000;
        let before = self.written.load(Ordering::Relaxed);
        let start = Instant::now();
        let snapshot = Snapshot { epoch: Epoch(self.epoch), frozen, heap, wall_ns, keep };
        self.world.begin_snapshot(snapshot).expect("begin");
        let flip = start.elapsed().as_nanos();
        loop {
            match self.world.step(Budget(256)) {
                Progress::Working => {}
                Progress::Acknowledged { .. } => break,
                other => panic!("{other:?}"),
            }
        }
        let bytes = self.written.load(Ordering::Relaxed) - before;
        (bytes, start.elapsed().as_micros(), flip)
    }
}

fn file(path: &Path) -> (Arc<dyn Store>, Arc<AtomicU64>) {
    let file = FileOptions::new().read(true).write(true).create(true).truncate(false).open(path).expect("file");
    let written = Arc::new(AtomicU64::new(0));
    (Arc::new(FileStore { file, written: written.clone() }), written)
}

fn median(mut times: Vec<u128>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2] as f64 / 1000.0
}

/// Opening and reading the first page, in microseconds.
fn open_us(path: &Path, pages: u64) -> (f64, f64, bool) {
    let (mut opened, mut touched, mut clean) = (Vec::new(), Vec::new(), false);
    let memory = SimMemory::new(Filling::Told);
    for _ in 0..21 {
        let (store, _) = file(path);
        let start = Instant::now();
        let (mut world, report) = World::open(store, &OpenOptions::default()).expect("open");
        opened.push(start.elapsed().as_nanos());
        clean = report.clean;
        let pager = world.pager(&memory, 1 << 24, 3).expect("pager");
        let start = Instant::now();
        pager.fill((pages / 512 * 256) as usize, &mut [0; 4096]);
        touched.push(start.elapsed().as_nanos());
    }
    (median(opened), median(touched), clean)
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/tmp".into());
    let path = Path::new(&folder).join("measure.world");
    let mut random = Random::new(1);
    for (name, pages, spacing) in [("10 MB", 2560, 1), ("4 GB", 1 << 20, 256)] {
        let mut made = Measured::make(&path, pages, spacing);
        let (crash, touch, _) = open_us(&path, pages);
        println!("{name}: open after a crash {crash:.0} us, first page {touch:.0} us");
        let start = Instant::now();
        while made.world.tend(Budget(4096)).expect("tend") {}
        println!("{name}: sweep {:.1} ms", start.elapsed().as_secs_f64() * 1000.0);
        let report = |what: &str, dirty: Vec<u64>, made: &mut Measured| {
            let mut dirty = dirty;
            dirty.sort_unstable();
            dirty.dedup();
            let count = dirty.len() as f64 * 4096.0;
            let (bytes, us, flip) = made.snapshot(dirty, Keep::Automatic);
            let ratio = bytes as f64 / count;
            println!("{name}: {what}: {ratio:.2} bytes a dirty byte, {us} us, begin {flip} ns");
        };
        let uniform: Vec<u64> = (0..2560).map(|_| random.below(pages as usize) as u64).collect();
        report("2560 pages, uniform", uniform, &mut made);
        let clusters = (0..160).flat_map(|_| {
            let first = random.below(pages as usize - 16) as u64;
            first..first + 16
        });
        report("2560 pages in runs of 16", clusters.collect(), &mut made);
        report("2560 pages together", (0..2560).collect(), &mut made);
        report("1 page", vec![77], &mut made);
        made.world.close(1).expect("close");
        drop(made);
        let (clean, touch, was_clean) = open_us(&path, pages);
        assert!(was_clean);
        println!("{name}: open after a clean close {clean:.0} us, first page {touch:.0} us");
    }
    let mut made = Measured::make(&path, 2560, 1);
    while made.world.tend(Budget(4096)).expect("tend") {}
    let start = Instant::now();
    let policy = ThinPolicy::usual(10 << 20);
    for round in 0..10_000u64 {
        made.snapshot(vec![round % 2560, (round * 7) % 2560], Keep::Automatic);
        if round % 30 == 0 {
            made.world.thin(&policy, made.epoch as i64 * 2_000_000_000).expect("thin");
        }
    }
    let moments = made.world.moments().expect("moments").len();
    let (blocks, free) = made.world.block_counts();
    println!("aged: 10000 snapshots in {:.1} s, {moments} moments, {blocks} blocks of which {free} free", start.elapsed().as_secs_f64());
    drop(made);
    let (crash, touch, _) = open_us(&path, 2560);
    println!("aged 10 MB: open after a crash {crash:.0} us, first page {touch:.0} us");
    let _ = std::fs::remove_file(&path);
}
