//! The kinds of numbers that this crate counts with, so that a page is never taken for a block.
//!
//! Invariants
//! - I1 Conversions between kinds are spelled out; none is `From` another.
//! - I2 A [`BlockNumber`] is relative to the store's start inside the file or disk; 0 in a map entry
//!   means a hole, for block 0 is the superblock and never holds a page.
//!
//! Knows: the one block size of format version 1. Must not know: what a page holds.

use core::fmt;

/// The size of a block of the store and of a page of the heap, in bytes.
pub const BLOCK_BYTES: usize = 4096;

/// The bytes of one block.
pub type BlockBytes = [u8; BLOCK_BYTES];

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, "{}", self.0)
            }
        }
    };
}

kind! {
    /// A page of the heap, counted from the heap's base.
    PageIndex(u64)
}
kind! {
    /// A block of the store, counted from the store's start.
    BlockNumber(u64)
}
kind! {
    /// A commit. Births, records and the journal know commits only; a number is never used twice.
    CommitNumber(u32)
}
kind! {
    /// A flip of the heap, counted in memory; the disk never sees it.
    Epoch(u64)
}
kind! {
    /// A moment: a snapshot that is kept. Numbers are never reused in one world.
    MomentId(u64)
}
kind! {
    /// A length or place in bytes.
    Bytes(u64)
}
kind! {
    /// How many blocks a `step` may touch before it returns; a budget, not a promise.
    Budget(u32)
}
kind! {
    /// A place in the journal ring, in bytes since the world began (it never wraps).
    JournalPlace(u64)
}

impl Budget {
    /// No bound: run to the end.
    pub const ALL: Budget = Budget(u32::MAX);
}

impl BlockNumber {
    /// The place of a hole, which reads as zero.
    pub const HOLE: BlockNumber = BlockNumber(0);
    /// The place of a page whose content is known to be lost.
    pub const LOST: BlockNumber = BlockNumber(u64::MAX);
    /// Blocks behind this one cannot be addressed.
    pub const LIMIT: BlockNumber = BlockNumber(1 << 51);

    /// The block `count` further on.
    pub const fn plus(self, count: u64) -> BlockNumber {
        BlockNumber(self.0.saturating_add(count))
    }
}

impl CommitNumber {
    /// The commit that creation writes: an empty heap.
    pub const FIRST: CommitNumber = CommitNumber(0);
    /// The last number that a birth can hold.
    pub const LAST: CommitNumber = CommitNumber(u32::MAX - 1);
}

impl MomentId {
    /// No moment.
    pub const NONE: MomentId = MomentId(0);

    /// Whether this names a moment.
    pub const fn is_some(self) -> bool {
        self.0 != 0
    }
}

/// The CRC-32 (IEEE) of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The CRC-32 of `bytes` behind something whose CRC-32 is `before`.
pub fn crc32_after(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}
