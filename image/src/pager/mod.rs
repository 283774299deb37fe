//! The pager: answers a missing page of the heap from the head's map.
//!
//! Invariants
//! - I1 [`Pager::fill_run`] neither locks nor allocates: nodes go to tables reserved when the pager
//!   was made, buffers are on the handler's own stack.
//! - I2 A page is given out only with the sum that its parent holds; else it is filled with the lost
//!   word and reported. What the medium refuses to read is never filled ([`Filled::Failed`]).
//! - I3 A page that was never dirtied since the head's commit is absent or equal to it; a page whose
//!   entry is being replaced is present. So an entry that changes under a fill belongs to a page that
//!   nobody waits for, and a sum that fails is believed only if the entry is still the same.
//!
//! Knows: the map. Must not know: objects; the lost word is the caller's.

mod cells;
mod nodes;

use crate::disk::Disk;
use crate::error::{Fault, ImageError};
use crate::kinds::{BLOCK_BYTES, BlockBytes, PageIndex, crc32};
use crate::map::{Entry, FANOUT, MapRoot, index_on};
use alloc::vec::Vec;
use cells::Cells;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use nodes::{Nodes, entry_of};
use platform::{Filled, Memory, PageSource};

/// How often a fill begins anew because the map moved on under it.
const MOVED_TRIES: usize = 64;

/// Answers a missing heap page from the head commit's map.
pub struct Pager {
    disk: Disk,
    nodes: Nodes,
    lost_word: u64,
    reserve_pages: u64,
    heap_pages: AtomicU64,
    lost: Cells,
    lost_count: AtomicUsize,
}

/// Why a page has no entry.
enum Trouble {
    Lost,
    Unreadable,
    Moved,
}

impl Pager {
    pub(crate) fn new(
        disk: Disk,
        memory: &dyn Memory,
        reserve_pages: u64,
        (root, heap_pages): (MapRoot, u64),
        lost_word: u64,
    ) -> Result<Pager, ImageError> {
        if heap_pages > reserve_pages {
            let page = PageIndex(heap_pages.saturating_sub(1));
            return Err(ImageError::OutOfRange { page, bound: reserve_pages });
        }
        Ok(Pager {
            disk,
            nodes: Nodes::reserve(memory, reserve_pages, root)?,
            lost_word,
            reserve_pages,
            heap_pages: AtomicU64::new(heap_pages),
            lost: Cells::reserve(memory, reserve_pages.max(1) as usize)?,
            lost_count: AtomicUsize::new(0),
        })
    }

    /// A commit is durable: its map is the one to read from.
    pub(crate) fn publish(&self, root: MapRoot, heap_pages: u64, changed: &[Vec<(u64, Entry)>]) {
        self.nodes.publish(root, changed);
        self.heap_pages.fetch_max(heap_pages.min(self.reserve_pages), Ordering::SeqCst);
    }

    /// Fills `into` (a multiple of the block size) with the page and as many of its neighbours as
    /// are physically contiguous; answers how the first was filled, and how many pages `into` holds.
    pub fn fill_run(&self, first: PageIndex, into: &mut [u8]) -> (Filled, usize) {
        for _ in 0..MOVED_TRIES {
            let entry = match self.find(first.0) {
                Ok(entry) => entry,
                Err(Trouble::Moved) => continue,
                Err(Trouble::Lost) => return (self.lose(first, into), 1),
                Err(Trouble::Unreadable) => return (Filled::Failed, 1),
            };
            if entry.is_hole() {
                return (Filled::Zero, 1);
            }
            if entry.is_lost() {
                return (self.lose(first, into), 1);
            }
            match self.read_run(first.0, entry, into) {
                Ok(pages) => return (Filled::Bytes, pages),
                Err(Trouble::Moved) => {}
                Err(Trouble::Lost) => return (self.lose(first, into), 1),
                Err(Trouble::Unreadable) => return (Filled::Failed, 1),
            }
        }
        (Filled::Failed, 1)
    }

    /// How many pages were found lost so far.
    pub fn lost_count(&self) -> usize {
        self.lost_count.load(Ordering::Acquire)
    }

    /// The pages found lost behind the first `seen`, for the mutator to ask now and then.
    pub fn lost_since(&self, seen: usize) -> Vec<PageIndex> {
        let places = (seen..self.lost_count()).filter_map(|nth| self.lost.at(nth));
        // A place that is claimed and not yet written reads as 0; it is there the next time.
        let pages = places.map(|cell| cell.load(Ordering::Acquire)).take_while(|&page| page != 0);
        pages.map(|page| PageIndex(page - 1)).collect()
    }

    fn lose(&self, page: PageIndex, into: &mut [u8]) -> Filled {
        for word in into.chunks_exact_mut(8).take(BLOCK_BYTES / 8) {
            word.copy_from_slice(&self.lost_word.to_le_bytes());
        }
        if self.nodes.report_once(page.0) {
            let nth = self.lost_count.fetch_add(1, Ordering::AcqRel);
            if let Some(cell) = self.lost.at(nth) {
                cell.store(page.0 + 1, Ordering::Release);
            }
        }
        Filled::Lost
    }

    /// The entry of a page: down from the top, reading the nodes that were not seen yet.
    fn find(&self, page: u64) -> Result<Entry, Trouble> {
        if page >= self.heap_pages.load(Ordering::Acquire) {
            return Ok(Entry::HOLE);
        }
        let top = self.nodes.top();
        let mut entry = self.nodes.entry(top, 0);
        for level in (1..=top).rev() {
            let (index, child) = (index_on(level, page), index_on(level - 1, page));
            if self.nodes.is_ready(level, index) {
                entry = self.nodes.entry(level - 1, child);
                continue;
            }
            if !entry.is_block() {
                return Ok(entry);
            }
            entry = self.read_node(level, index, entry, (child % FANOUT) as usize)?;
        }
        Ok(entry)
    }

    fn read_node(&self, level: u32, index: u64, entry: Entry, child: usize) -> Result<Entry, Trouble> {
        let mut bytes: BlockBytes = [0; BLOCK_BYTES];
        match self.disk.read_summed_into(entry, &mut bytes) {
            Ok(()) => {
                self.nodes.fill(level, index, entry, |nth| entry_of(&bytes, nth));
                Ok(entry_of(&bytes, child))
            }
            Err(_) if !self.nodes.entry(level, index).same_block(entry) => Err(Trouble::Moved),
            Err(Fault::Unreadable) => Err(Trouble::Unreadable),
            Err(_) => Err(Trouble::Lost),
        }
    }

    /// Reads the page and the neighbours that lie behind it on the medium.
    fn read_run(&self, first: u64, entry: Entry, into: &mut [u8]) -> Result<usize, Trouble> {
        let most = into.len() / BLOCK_BYTES;
        let pages = self.run_length(first, entry, most);
        let (read, pages) = match self.read_pages(entry, into, pages) {
            Err(_) if pages > 1 => (self.read_pages(entry, into, 1), 1),
            read => (read, pages),
        };
        let moved = || !self.nodes_entry(first, entry).same_block(entry);
        match read {
            Ok(()) => {}
            Err(_) if moved() => return Err(Trouble::Moved),
            Err(Fault::Unreadable) => return Err(Trouble::Unreadable),
            Err(_) => return Err(Trouble::Lost),
        }
        let mut good = 0;
        for (nth, page) in into.chunks_exact(BLOCK_BYTES).take(pages).enumerate() {
            let expected = if nth == 0 { entry } else { self.nodes.entry(0, first + nth as u64) };
            if crc32(page) != expected.crc && !self.disk.faults.accept_wrong_crc {
                break;
            }
            good += 1;
        }
        match good {
            0 if moved() => Err(Trouble::Moved),
            0 => Err(Trouble::Lost),
            good => Ok(good),
        }
    }

    fn read_pages(&self, entry: Entry, into: &mut [u8], pages: usize) -> Result<(), Fault> {
        let bytes = pages * BLOCK_BYTES;
        let into = into.get_mut(..bytes).ok_or(Fault::Field {
            name: "buffer",
            value: bytes as u64,
            bound: BLOCK_BYTES as u64,
        })?;
        if entry.block < self.disk.geometry.first_data {
            return Err(Fault::Field { name: "block", value: entry.block.0, bound: 0 });
        }
        self.disk.read(entry.block, into)
    }

    /// The page's entry as the table has it, or `entry` if its node is not there.
    fn nodes_entry(&self, page: u64, entry: Entry) -> Entry {
        if self.nodes.is_ready(1, index_on(1, page)) { self.nodes.entry(0, page) } else { entry }
    }

    /// How many pages from `first` on lie behind each other, within its leaf and the heap.
    fn run_length(&self, first: u64, entry: Entry, most: usize) -> usize {
        if !self.nodes.is_ready(1, index_on(1, first)) {
            return 1;
        }
        let leaf_end = (index_on(1, first) + 1) * FANOUT;
        let end = leaf_end.min(self.heap_pages.load(Ordering::Acquire));
        let follows = |nth: &u64| {
            let next = self.nodes.entry(0, first + nth);
            next.is_block() && next.block == entry.block.plus(*nth)
        };
        let room = (most as u64).min(end.saturating_sub(first));
        1 + (1..room).take_while(follows).count()
    }
}

impl PageSource for Pager {
    /// Fills all 4096-byte pages of one page of the region.
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        let pages = into.len() / BLOCK_BYTES;
        let first = page as u64 * pages as u64;
        let mut worst = Filled::Zero;
        for (nth, part) in into.chunks_exact_mut(BLOCK_BYTES).enumerate() {
            match Pager::fill_run(self, PageIndex(first + nth as u64), part).0 {
                Filled::Zero if pages > 1 => part.fill(0),
                Filled::Zero => {}
                Filled::Bytes if worst == Filled::Zero => worst = Filled::Bytes,
                Filled::Bytes => {}
                Filled::Lost => worst = Filled::Lost,
                Filled::Failed => return Filled::Failed,
            }
        }
        worst
    }

    fn lost_count(&self) -> usize {
        Pager::lost_count(self)
    }

    fn lost_since(&self, seen: usize) -> Vec<usize> {
        Pager::lost_since(self, seen).into_iter().map(|page| page.0 as usize).collect()
    }

    fn fill_run(&self, page: usize, page_bytes: usize, into: &mut [u8]) -> (Filled, usize) {
        if page_bytes == BLOCK_BYTES {
            return Pager::fill_run(self, PageIndex(page as u64), into);
        }
        match into.get_mut(..page_bytes) {
            Some(part) => (self.fill(page, part), 1),
            None => (Filled::Failed, 1),
        }
    }
}
