//! A world on a simulated store, and a model beside it that says what must be there.
//!
//! Duty: drive `World` the way a heap does, with pages that are made of one number each, so that the
//! model is a map from page to number and every comparison is exact.

#![allow(dead_code, reason = "each test program uses a part of it")]

use image::{
    BlockBytes, BLOCK_BYTES, Budget, CreateOptions, Epoch, Faults, FrozenPages, HeapWords, Keep, MomentId,
    OpenOptions, OpenReport, PageIndex, Progress, Snapshot, World,
};
use platform::Store;
use platform_sim::{Medium, SimStore};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The heap's base in all tests.
pub const BASE: u64 = 0x2000_0000_0000;
/// What fills a lost page.
pub const LOST: u64 = 0x10_57;

/// Pages by number; a page that is not there or 0 reads as zero.
pub type Pages = BTreeMap<u64, u64>;

/// The bytes of the page that a number stands for.
pub fn page_bytes(tag: u64) -> BlockBytes {
    let mut bytes = [0; BLOCK_BYTES];
    if tag != 0 {
        for (nth, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(tag.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ nth as u64).to_le_bytes());
        }
    }
    bytes
}

/// Frozen pages made of numbers.
pub struct Frozen {
    pages: Vec<PageIndex>,
    tags: Vec<u64>,
}

impl Frozen {
    /// The pages, in the order given.
    pub fn new(dirty: &[(u64, u64)]) -> Arc<Frozen> {
        let pages = dirty.iter().map(|&(page, _)| PageIndex(page)).collect();
        let tags = dirty.iter().map(|&(_, tag)| tag).collect();
        Arc::new(Frozen { pages, tags })
    }
}

impl FrozenPages for Frozen {
    fn pages(&self) -> &[PageIndex] {
        &self.pages
    }

    fn read(&self, nth: usize, into: &mut BlockBytes) {
        *into = page_bytes(self.tags[nth]);
    }
}

/// Small rings, so that they wrap within a test.
pub fn small() -> CreateOptions {
    CreateOptions { ring_slots: 5, journal_blocks: 6, reserve_blocks: 3, ..CreateOptions::default() }
}

/// How tests open.
pub fn options(salt: u64) -> OpenOptions {
    OpenOptions { identity: [7; 16], salt, ..OpenOptions::default() }
}

/// The heap's words at a number of pages.
pub fn heap(pages: u64, root: u64) -> HeapWords {
    HeapWords { base: BASE, pages, roots: [root, 0, 0, 0, 0, 0, 0, !root] }
}

/// A world on a simulated store.
pub struct Bench {
    /// The store.
    pub store: SimStore,
    /// The world.
    pub world: World,
    /// What the pages must be.
    pub pages: Pages,
    /// How many pages the heap has.
    pub heap_pages: u64,
    epoch: u64,
    /// The wall clock.
    pub now_ns: i64,
}

impl Bench {
    /// A new world in an empty store.
    pub fn new() -> Bench {
        Bench::with(&small(), Faults::default())
    }

    /// A new world, made and opened with seeded bugs.
    pub fn with(create: &CreateOptions, faults: Faults) -> Bench {
        let store = SimStore::new();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        World::create(&shared, &CreateOptions { faults, ..*create }).expect("create");
        let (world, _) = World::open(shared, &OpenOptions { faults, ..options(1) }).expect("open");
        Bench { store, world, pages: Pages::new(), heap_pages: 0, epoch: 0, now_ns: 1_000_000_000 }
    }

    /// A bench around a world that is open already.
    pub fn new_on(world: World, store: SimStore) -> Bench {
        let heap_pages = world.heap().pages;
        Bench { store, world, pages: Pages::new(), heap_pages, epoch: 1000, now_ns: 3_000_000_000 }
    }

    /// Opens what a medium holds.
    pub fn open(medium: Medium, salt: u64) -> Result<(Bench, OpenReport), image::ImageError> {
        let store = SimStore::on(medium);
        let (world, report) = World::open(Arc::new(store.clone()), &options(salt))?;
        let heap_pages = world.heap().pages;
        let bench = Bench { store, world, pages: Pages::new(), heap_pages, epoch: 0, now_ns: 2_000_000_000 };
        Ok((bench, report))
    }

    /// Closes the process without a word and opens what the kernel holds.
    pub fn reopened(self, salt: u64) -> (Bench, OpenReport) {
        let (mut bench, report) = Bench::open(self.store.contents(), salt).expect("open again");
        bench.pages = self.pages;
        bench.now_ns = self.now_ns;
        (bench, report)
    }

    /// As [`Bench::reopened`], after a bit rotted at a byte.
    pub fn rotten(self, offset: u64) -> (Bench, OpenReport) {
        let mut medium = self.store.contents();
        medium.flip_bits(offset, 4);
        let (mut bench, report) = Bench::open(medium, 99).expect("open again");
        bench.pages = self.pages;
        bench.now_ns = self.now_ns;
        (bench, report)
    }

    /// Begins a snapshot of dirty pages.
    pub fn begin(&mut self, dirty: &[(u64, u64)], keep: Keep) {
        let end = dirty.iter().map(|&(page, _)| page + 1).max().unwrap_or(0);
        self.heap_pages = self.heap_pages.max(end);
        self.epoch += 1;
        self.now_ns += 2_000_000_000;
        let snapshot = Snapshot {
            epoch: Epoch(self.epoch),
            frozen: Frozen::new(dirty),
            heap: heap(self.heap_pages, self.epoch),
            wall_ns: self.now_ns,
            keep,
        };
        self.world.begin_snapshot(snapshot).expect("begin");
    }

    /// A snapshot that may be declined or fail.
    pub fn try_snapshot(&mut self, dirty: &[(u64, u64)]) -> Option<Progress> {
        self.epoch += 1;
        let end = dirty.iter().map(|&(page, _)| page + 1).max().unwrap_or(0);
        self.heap_pages = self.heap_pages.max(end);
        let snapshot = Snapshot {
            epoch: Epoch(self.epoch),
            frozen: Frozen::new(dirty),
            heap: heap(self.heap_pages, self.epoch),
            wall_ns: self.now_ns,
            keep: Keep::Automatic,
        };
        self.world.begin_snapshot(snapshot).ok()?;
        Some(self.finish(100))
    }

    /// The number of the last snapshot begun: its heap's first root word.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Steps until the snapshot is acknowledged or abandoned.
    pub fn finish(&mut self, budget: u32) -> Progress {
        loop {
            let progress = self.world.step(Budget(budget));
            if progress != Progress::Working {
                return progress;
            }
        }
    }

    /// A whole snapshot that must succeed.
    pub fn snapshot(&mut self, dirty: &[(u64, u64)], keep: Keep) {
        self.begin(dirty, keep);
        let progress = self.finish(7);
        assert!(matches!(progress, Progress::Acknowledged { epoch: Some(_), .. }), "{progress:?}");
        self.pages.extend(dirty.iter().copied());
    }

    /// Compares the head with what must be there.
    pub fn verify(&mut self) {
        let pages = self.pages.clone();
        assert_eq!(self.read_all(MomentId::NONE).expect("head"), trimmed(&pages));
    }

    /// All pages of a moment, as numbers.
    pub fn read_all(&mut self, id: MomentId) -> Result<Pages, String> {
        read_all(&mut self.world, id)
    }

    /// Nothing is damaged, leaked or used twice.
    pub fn check(&mut self) {
        assert_eq!(self.world.check().expect("check"), vec![]);
    }
}

/// Pages without those that are zero.
pub fn trimmed(pages: &Pages) -> Pages {
    pages.iter().filter(|&(_, &tag)| tag != 0).map(|(&page, &tag)| (page, tag)).collect()
}

/// All pages of a moment, as numbers; an error says which page is neither whole nor known to be lost.
pub fn read_all(world: &mut World, id: MomentId) -> Result<Pages, String> {
    let mut reader = world.reader(id).map_err(|error| error.to_string())?;
    let mut pages = Pages::new();
    let mut bytes = [0; BLOCK_BYTES];
    for page in 0..reader.heap().pages {
        reader.read_page(PageIndex(page), &mut bytes).map_err(|damage| damage.to_string())?;
        match tag_of(&bytes) {
            Some(0) => {}
            Some(tag) => drop(pages.insert(page, tag)),
            None => return Err(format!("page {page} holds what nobody wrote")),
        }
    }
    Ok(pages)
}

/// The number that a page's bytes stand for.
pub fn tag_of(bytes: &BlockBytes) -> Option<u64> {
    let first = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let tag = first.wrapping_mul(0xf1de_83e1_9937_733d);
    (page_bytes(tag) == *bytes).then_some(tag)
}
