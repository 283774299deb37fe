//! The heap's pages in memory: which are dirty, which are frozen, and who copies what when.
//!
//! Duty: keep, for one heap, the epoch in which each page was last dirtied, the list of pages
//! dirtied in the running epoch, and at most one frozen epoch that a writer reads while the mutator
//! goes on.
//!
//! Invariants
//! - I1 Only the mutator (whoever holds `&mut Space`) changes P, the dirty list and heap pages.
//! - I2 A page with `P = current epoch` stands exactly once on the dirty list; no other does.
//! - I3 At most one epoch is frozen. A frozen page that the mutator writes was copied aside before
//!   the first store, unless the writer had already taken it: who wins the swap of the page's mark
//!   (0 to ASIDE by the mutator, 0 to DONE by the writer, both acquire-release) decides which copy
//!   is read. Nobody waits.
//! - I4 An abandoned epoch loses nothing: its pages are dirty in the current one.
//! - I5 Arrays over pages are reserved address space: what was never touched costs nothing.
//!
//! Knows: pages and words. Must not know: objects, cards, files.
//! Source: DESIGN section 3; the marks are those of a copy-on-write snapshot with a writer that
//! races the mutator page by page.

mod frozen;
mod side;
mod words;

pub use frozen::Frozen;
pub use side::{SideBytes, SideHalves, SideWords};
pub use words::Words;

use crate::kinds::PageIndex;
use alloc::sync::Arc;
use alloc::vec::Vec;
use platform::{Memory, PageSource, Region, ReserveError};

/// The size of a page in bytes: the unit of dirtiness and of images.
pub const PAGE_BYTES: usize = crate::kinds::BLOCK_BYTES;

/// Seeded bugs, all off by default; tests switch one on and must notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceFaults {
    /// The mutator writes a frozen page without copying it aside.
    pub skip_copy_aside: bool,
    /// The writer takes a page without swapping its mark.
    pub writer_skips_swap: bool,
    /// The mutator's copy is made but its mark is not swapped.
    pub mutator_skips_swap: bool,
    /// An abandoned epoch's pages do not join the dirty list.
    pub abandon_forgets_pages: bool,
    /// P is not set to the current epoch for the pages of an abandoned epoch.
    pub abandon_forgets_epoch: bool,
    /// Every sixteenth page that is dirtied is not listed.
    pub drop_from_dirty_list: bool,
}

/// Why an epoch could not be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlipRefusal {
    /// The epoch before is still frozen: ask again when it is thawed or abandoned.
    StillFrozen,
}

/// The pages of one heap.
pub struct Space {
    region: Arc<dyn Region>,
    words: Words,
    /// P: the epoch in which a page was last dirtied; 0 is never.
    epochs: SideHalves,
    /// Where a page stands on the list of the epoch in which it was last dirtied.
    places: SideHalves,
    dirty: Vec<PageIndex>,
    epoch: u32,
    thawed: u32,
    frozen: Option<Arc<Frozen>>,
    faults: SpaceFaults,
    copied_aside: u64,
    dirtied: u64,
}

impl Space {
    /// Reserves `bytes` of address space, at `preferred` if it is free (the caller compares
    /// [`Space::base`]), with pages from `source`, or zero.
    pub fn reserve(
        memory: &dyn Memory,
        preferred: usize,
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
    ) -> Result<Space, ReserveError> {
        let region: Arc<dyn Region> = Arc::from(memory.reserve(preferred, bytes, source)?);
        let words = Words::over(region.as_ref());
        let pages = bytes.div_ceil(PAGE_BYTES);
        Ok(Space {
            words,
            region,
            epochs: SideHalves::reserve(memory, pages)?,
            places: SideHalves::reserve(memory, pages)?,
            dirty: Vec::new(),
            epoch: 1,
            thawed: 0,
            frozen: None,
            faults: SpaceFaults::default(),
            copied_aside: 0,
            dirtied: 0,
        })
    }

    /// Switches seeded bugs on and off.
    pub fn set_faults(&mut self, faults: SpaceFaults) {
        self.faults = faults;
        if let Some(frozen) = &self.frozen {
            frozen.set_faults(faults);
        }
    }

    /// The first address.
    pub fn base(&self) -> usize {
        self.region.base()
    }

    /// The length of the address space, in bytes.
    pub fn bytes(&self) -> usize {
        self.region.bytes()
    }

    /// The region, for prefetching, forgetting and the machine's own tracking of writes.
    pub fn region(&self) -> &Arc<dyn Region> {
        &self.region
    }

    /// The words of the region.
    #[inline(always)]
    pub fn words(&self) -> Words {
        self.words
    }

    /// The epoch that runs.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether `page` was dirtied in the running epoch.
    #[inline]
    pub fn is_dirty(&self, page: usize) -> bool {
        self.epochs.get(page) == self.epoch
    }

    /// The pages dirtied in the running epoch, in the order of their first dirtying.
    pub fn dirty_pages(&self) -> &[PageIndex] {
        &self.dirty
    }

    /// The frozen epoch, if there is one.
    pub fn frozen(&self) -> Option<&Arc<Frozen>> {
        self.frozen.as_ref()
    }

    /// Pages copied aside since the space was made.
    pub fn copied_aside(&self) -> u64 {
        self.copied_aside
    }

    /// Pages dirtied since the space was made, each once an epoch.
    pub fn dirtied(&self) -> u64 {
        self.dirtied
    }

    /// Must precede the first store to `page` in an epoch; cheap when it is dirty already.
    #[inline]
    pub fn prepare(&mut self, page: usize) {
        if self.epochs.get(page) != self.epoch {
            self.dirty_page(page);
        }
    }

    #[cold]
    fn dirty_page(&mut self, page: usize) {
        self.save_frozen(page);
        self.epochs.set(page, self.epoch);
        self.places.set(page, self.dirty.len() as u32);
        self.dirtied += 1;
        if self.faults.drop_from_dirty_list && self.dirtied.is_multiple_of(16) {
            return;
        }
        self.dirty.push(PageIndex(page as u64));
    }

    /// Copies a page of the frozen epoch aside, unless the writer has it.
    fn save_frozen(&mut self, page: usize) {
        let Some(frozen) = &self.frozen else { return };
        if self.epochs.get(page) != frozen.epoch() || self.faults.skip_copy_aside {
            return;
        }
        if frozen.copy_aside(self.places.get(page) as usize, page) {
            self.copied_aside += 1;
        }
    }

    /// Closes the running epoch: its pages are frozen for a writer, and a new epoch runs.
    pub fn flip(&mut self) -> Result<Arc<Frozen>, FlipRefusal> {
        if self.frozen.is_some() {
            return Err(FlipRefusal::StillFrozen);
        }
        let pages = core::mem::take(&mut self.dirty);
        let frozen = Arc::new(Frozen::new(self.region.clone(), self.epoch, pages, self.faults));
        self.frozen = Some(frozen.clone());
        self.epoch += 1;
        Ok(frozen)
    }

    /// The frozen epoch is durable, or nobody writes it: its copies may go.
    pub fn thaw(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            self.thawed = frozen.epoch();
        }
    }

    /// The newest epoch that was thawed, 0 before the first: what was stored up to its end is durable,
    /// where a store acknowledges before the thaw.
    pub fn thawed_epoch(&self) -> u32 {
        self.thawed
    }

    /// The frozen epoch was not written: its pages become dirty in the running one (I4).
    pub fn abandon(&mut self) {
        let Some(frozen) = self.frozen.take() else { return };
        for &index in frozen.page_numbers() {
            let page = index.0 as usize;
            let merges = self.epochs.get(page) == frozen.epoch();
            if !merges || self.faults.abandon_forgets_pages {
                continue;
            }
            if !self.faults.abandon_forgets_epoch {
                self.epochs.set(page, self.epoch);
            }
            self.places.set(page, self.dirty.len() as u32);
            self.dirty.push(index);
        }
    }
}
