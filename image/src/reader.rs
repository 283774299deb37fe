//! A reader of an old moment: its pages, and its addresses translated to them.
//!
//! Invariant: an older moment is never mapped, for its objects have the addresses of live ones; who
//! follows a reference of it asks [`MomentReader::page_of`] and reads the page here.
//!
//! Must not know: objects.

use crate::disk::Disk;
use crate::error::{Damage, Fault, Place};
use crate::frozen::HeapWords;
use crate::kinds::{BLOCK_BYTES, BlockBytes, PageIndex};
use crate::map::{Entry, FANOUT, MapRoot, Node, index_on};

/// Reads a moment's pages; the moment must stay while it is read.
pub struct MomentReader {
    disk: Disk,
    map: MapRoot,
    heap: HeapWords,
    /// The leaf that was read last, by its index: neighbours are asked for together.
    leaf: Option<(u64, Node)>,
}

impl MomentReader {
    pub(crate) fn new(disk: Disk, map: MapRoot, heap: HeapWords) -> MomentReader {
        MomentReader { disk, map, heap, leaf: None }
    }

    /// The heap's words at that moment.
    pub fn heap(&self) -> HeapWords {
        self.heap
    }

    /// The page on which an address of that moment lies, and the offset in it.
    pub fn page_of(&self, address: u64) -> Option<(PageIndex, usize)> {
        let offset = address.checked_sub(self.heap.base)?;
        let page = PageIndex(offset / BLOCK_BYTES as u64);
        (page.0 < self.heap.pages).then_some((page, (offset % BLOCK_BYTES as u64) as usize))
    }

    /// Reads a page as it was.
    pub fn read_page(&mut self, page: PageIndex, into: &mut BlockBytes) -> Result<(), Damage> {
        let damage = |fault, count| Damage::new(Place::Pages { first: page, count }, fault);
        if page.0 >= self.heap.pages {
            into.fill(0);
            return Ok(());
        }
        let entry = self.entry(page.0).map_err(|(fault, count)| damage(fault, count))?;
        if entry.is_hole() {
            into.fill(0);
            return Ok(());
        }
        if entry.is_lost() {
            return Err(damage(Fault::Checksum, 1));
        }
        self.disk.read_summed_into(entry, into).map_err(|fault| damage(fault, 1))
    }

    /// The entry of a page, or what is wrong on the way and how many pages share that fate.
    fn entry(&mut self, page: u64) -> Result<Entry, (Fault, u64)> {
        let wanted = index_on(1, page);
        if let Some((index, leaf)) = &self.leaf
            && *index == wanted
        {
            return Ok(leaf.0[(page % FANOUT) as usize]);
        }
        let leaf = self.map.leaf_of(&self.disk, page)?;
        let entry = leaf.0[(page % FANOUT) as usize];
        self.leaf = Some((wanted, leaf));
        Ok(entry)
    }
}
