//! The page map (being filled).

use crate::kinds::{BlockNumber, CommitNumber};

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

/// A page map: its topmost node, and how many levels of nodes it has (0: the heap is empty).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapRoot {
    /// The topmost node.
    pub entry: Entry,
    /// Levels of nodes: 1 covers 1 MB, 2 covers 256 MB, 3 covers 64 GB, 4 covers 16 TB.
    pub levels: u32,
}
