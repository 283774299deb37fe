//! The page map: a radix tree of 256-entry nodes, each entry holding place, sum and birth.
//!
//! Invariants
//! - I1 The sum of a node or page stands in its parent, so a tree hangs on one verified entry.
//! - I2 Nodes are never changed in place: a new version of a page brings new nodes up to the root.
//! - I3 No block below an entry was born later than the entry's own birth.
//! - I4 A hole covers zero pages; a lost entry covers pages whose content is known to be lost.
//!
//! Knows: entries. Must not know: who allocates blocks.
//!
//! Source: the block pointers of ZFS (checksum and birth in the parent).

use crate::disk::Disk;
use crate::error::Fault;
use crate::format::{get_entry, put_entry};
use crate::kinds::{BlockBytes, BlockNumber, CommitNumber};
use alloc::boxed::Box;

/// Entries of a node.
pub(crate) const FANOUT: u64 = 256;
const FANOUT_BITS: u32 = 8;
/// A map cannot be higher: six levels cover more pages than there are addresses.
pub(crate) const MAX_LEVELS: u32 = 6;

/// One entry of a map node: where a block is, what it sums to, and when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// The block; `HOLE` reads as zero, `LOST` is known to be lost.
    pub block: BlockNumber,
    /// The CRC-32 of its 4096 bytes.
    pub crc: u32,
    /// The commit that wrote it.
    pub birth: CommitNumber,
}

impl Entry {
    /// Nothing is there: it reads as zero.
    pub const HOLE: Entry = Entry { block: BlockNumber::HOLE, crc: 0, birth: CommitNumber(0) };

    /// What was there is lost, as commit `birth` found.
    pub(crate) const fn lost(birth: CommitNumber) -> Entry {
        Entry { block: BlockNumber::LOST, crc: 0, birth }
    }

    /// Whether it reads as zero.
    pub const fn is_hole(self) -> bool {
        self.block.0 == BlockNumber::HOLE.0
    }

    /// Whether it is known to be lost.
    pub const fn is_lost(self) -> bool {
        self.block.0 == BlockNumber::LOST.0
    }

    /// Whether it names a block.
    pub(crate) const fn is_block(self) -> bool {
        !self.is_hole() && !self.is_lost()
    }

    /// Whether both stand for the same content, so that what is below needs no walk.
    pub(crate) fn same_block(self, other: Entry) -> bool {
        self.block == other.block && self.crc == other.crc
    }
}

/// A page map: its topmost node, and how many levels of nodes it has (0: the heap is empty).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapRoot {
    /// The topmost node.
    pub entry: Entry,
    /// Levels of nodes: 1 covers 1 MB, 2 covers 256 MB, 3 covers 64 GB, 4 covers 16 TB.
    pub levels: u32,
}

/// How many pages `levels` levels of nodes cover.
pub(crate) const fn covered_pages(levels: u32) -> u64 {
    1 << (FANOUT_BITS * levels)
}

/// The least number of levels that cover `pages`.
pub(crate) const fn levels_for(pages: u64) -> u32 {
    let mut levels = 1;
    while covered_pages(levels) < pages && levels < MAX_LEVELS {
        levels += 1;
    }
    levels
}

/// The index, on `level`, of the node (level 0: the page) that holds `page`.
pub(crate) const fn index_on(level: u32, page: u64) -> u64 {
    page >> (FANOUT_BITS * level)
}

/// The entries of a node.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Node(pub(crate) Box<[Entry; FANOUT as usize]>);

impl Node {
    /// A node that has `entry` everywhere.
    pub(crate) fn filled(entry: Entry) -> Node {
        Node(Box::new([entry; FANOUT as usize]))
    }

    /// Decodes a node; every content of 4096 bytes is one.
    pub(crate) fn decode(bytes: &BlockBytes) -> Node {
        let mut node = Node::filled(Entry::HOLE);
        for (nth, entry) in node.0.iter_mut().enumerate() {
            *entry = get_entry(bytes, nth * 16);
        }
        node
    }

    /// The bytes of the node.
    pub(crate) fn encode(&self, bytes: &mut BlockBytes) {
        for (nth, entry) in self.0.iter().enumerate() {
            put_entry(bytes, nth * 16, *entry);
        }
    }

    /// The node that `entry` stands for: of holes, of losses, or the one on disk.
    pub(crate) fn load(disk: &Disk, entry: Entry) -> Result<Node, Fault> {
        if entry.is_block() {
            Ok(Node::decode(&*disk.read_summed(entry)?))
        } else {
            Ok(Node::filled(entry))
        }
    }
}

impl MapRoot {
    /// The leaf that holds the entry of `page`, or what is wrong on the way and how many pages share
    /// that fate.
    pub(crate) fn leaf_of(self, disk: &Disk, page: u64) -> Result<Node, (Fault, u64)> {
        if self.levels == 0 || page >= covered_pages(self.levels) {
            return Ok(Node::filled(Entry::HOLE));
        }
        let mut entry = self.entry;
        for level in (2..=self.levels).rev() {
            let node = Node::load(disk, entry).map_err(|fault| (fault, covered_pages(level)))?;
            entry = node.0[(index_on(level - 1, page) % FANOUT) as usize];
        }
        Node::load(disk, entry).map_err(|fault| (fault, FANOUT))
    }
}
