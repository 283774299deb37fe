//! Every record on the medium: one table of fields, and types that only verification makes usable.
//!
//! Invariants
//! - I1 A fact about the layout stands in [`table`] and nowhere else; `FORMAT.md` repeats it for
//!   readers and a test compares the two.
//! - I2 Bytes from the medium are [`Claimed`] until [`Claimed::verify`] made a record of them; a
//!   record that was verified holds only values that every later computation can bear.
//! - I3 All numbers are little endian.
//!
//! Knows: bytes. Must not know: where a block lies, who may reuse it.
//!
//! Source: checksums in the parent as in ZFS; the claim-then-verify types as in redb.

mod commit;
mod field;
mod list;
mod superblock;
pub(crate) mod table;

pub(crate) use commit::{INLINE_EXTENTS, INLINE_LOST, roots_from, roots_to};
pub use commit::{LostRun, Commit, JournalMark, SummedExtent, TreeRoot};
pub(crate) use list::{LIST_ITEMS, ListBlock, ListKind};
pub use superblock::Geometry;
pub(crate) use superblock::Superblock;

use crate::error::Fault;
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, CommitNumber};
use crate::map::Entry;
use alloc::boxed::Box;
use core::marker::PhantomData;

/// The newest version of the format that this crate reads and the one that it writes.
pub const VERSION: u32 = 1;

/// A block full of zeros.
pub(crate) fn zero_block() -> Box<BlockBytes> {
    Box::new([0; BLOCK_BYTES])
}

/// A record that can be made of a verified block.
pub(crate) trait Record: Sized {
    /// What verification must know from elsewhere (where the block was read).
    type Context;
    /// Decodes the block, or says what is wrong with it.
    fn verify(bytes: &BlockBytes, context: &Self::Context) -> Result<Self, Fault>;
}

/// A block that claims to hold a `T`.
pub(crate) struct Claimed<T> {
    bytes: Box<BlockBytes>,
    kind: PhantomData<T>,
}

impl<T: Record> Claimed<T> {
    /// Takes bytes from the medium.
    pub(crate) fn new(bytes: Box<BlockBytes>) -> Self {
        Claimed { bytes, kind: PhantomData }
    }

    /// The record, if all of it is as it must be.
    pub(crate) fn verify(&self, context: &T::Context) -> Result<T, Fault> {
        T::verify(&self.bytes, context)
    }

    /// Whether no byte was ever written here.
    pub(crate) fn is_blank(&self) -> bool {
        self.bytes.iter().all(|&byte| byte == 0)
    }
}

/// Declines a value above a bound.
pub(crate) fn at_most(name: &'static str, value: u64, bound: u64) -> Result<u64, Fault> {
    if value <= bound { Ok(value) } else { Err(Fault::Field { name, value, bound }) }
}

/// Declines a value below a bound.
pub(crate) fn at_least(name: &'static str, value: u64, bound: u64) -> Result<u64, Fault> {
    if value >= bound { Ok(value) } else { Err(Fault::Field { name, value, bound }) }
}

/// Reads the map entry at `offset`; bytes behind the end read as zero.
pub(crate) fn get_entry(bytes: &[u8], offset: usize) -> Entry {
    use table::map_entry as field;
    let at = bytes.get(offset..).unwrap_or(&[]);
    Entry {
        block: BlockNumber(field::BLOCK.get(at)),
        crc: field::CRC.get(at),
        birth: CommitNumber(field::BIRTH.get(at)),
    }
}

/// Writes a map entry at `offset`.
pub(crate) fn put_entry(bytes: &mut [u8], offset: usize, entry: Entry) {
    use table::map_entry as field;
    if let Some(at) = bytes.get_mut(offset..) {
        field::BLOCK.put(at, entry.block.0);
        field::CRC.put(at, entry.crc);
        field::BIRTH.put(at, entry.birth.0);
    }
}
