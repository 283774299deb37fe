//! The store seen as numbered blocks, with sums on the way in and retries of failed reads.
//!
//! Invariants
//! - I1 A block that a parent names is used only if its CRC-32 is the one that the parent holds.
//! - I2 A read that the medium refuses is tried [`READ_TRIES`] times; writes and flushes are never
//!   repeated here, for a second flush of the same blocks proves nothing (S2 of the contract).
//! - I3 Reading neither locks nor allocates (the pager calls it from a fault handler).
//!
//! Knows: blocks. Must not know: what they hold.

use crate::error::{Fault, ImageError};
use crate::faults::Faults;
use crate::format::{Geometry, zero_block};
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, crc32};
use crate::map::Entry;
use alloc::boxed::Box;
use alloc::sync::Arc;
use platform::{Store, StoreError, StoreErrorKind};

/// How often a read is tried before the medium counts as unreadable there.
const READ_TRIES: usize = 4;
/// The file grows in steps of so many blocks at least, and by a part of what it has.
const GROWTH_BLOCKS: u64 = 64;
const GROWTH_PART: u64 = 16;

/// A store, from its start on.
#[derive(Clone)]
pub(crate) struct Disk {
    store: Arc<dyn Store>,
    start: u64,
    /// The sizes of its parts.
    pub(crate) geometry: Geometry,
    /// Seeded bugs.
    pub(crate) faults: Faults,
}

impl Disk {
    /// The disk whose block 0 stands at byte `start` of `store`.
    pub(crate) fn new(store: Arc<dyn Store>, start: u64, geometry: Geometry, faults: Faults) -> Self {
        Disk { store, start, geometry, faults }
    }

    /// The length of the store in whole blocks.
    pub(crate) fn blocks(&self) -> Result<u64, StoreError> {
        Ok(self.store.len()?.saturating_sub(self.start) / BLOCK_BYTES as u64)
    }

    /// Where `block` begins, in bytes of the store.
    pub(crate) fn end_of(&self, block: BlockNumber) -> u64 {
        self.offset(block).unwrap_or(u64::MAX)
    }

    fn offset(&self, block: BlockNumber) -> Option<u64> {
        if block >= BlockNumber::LIMIT {
            return None;
        }
        block.0.checked_mul(BLOCK_BYTES as u64)?.checked_add(self.start)
    }

    /// Reads from `block` on, without looking at sums.
    pub(crate) fn read(&self, block: BlockNumber, into: &mut [u8]) -> Result<(), Fault> {
        self.read_at(block, 0, into)
    }

    /// Reads from byte `skip` behind the start of `block` on.
    pub(crate) fn read_at(&self, block: BlockNumber, skip: u64, into: &mut [u8]) -> Result<(), Fault> {
        let bound = BlockNumber::LIMIT.0;
        let Some(offset) = self.offset(block) else {
            return Err(Fault::Field { name: "block", value: block.0, bound });
        };
        for _ in 0..READ_TRIES {
            match self.store.read_at(offset + skip, into) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind == StoreErrorKind::OutOfRange => {
                    return Err(Fault::Field { name: "block", value: block.0, bound });
                }
                Err(_) => {}
            }
        }
        Err(Fault::Unreadable)
    }

    /// Reads the block of `entry` into `into` and compares its sum.
    pub(crate) fn read_summed_into(&self, entry: Entry, into: &mut BlockBytes) -> Result<(), Fault> {
        if entry.block < self.geometry.first_data {
            let (value, bound) = (entry.block.0, self.geometry.first_data.0);
            return Err(Fault::Field { name: "block", value, bound });
        }
        self.read(entry.block, into)?;
        if crc32(into) == entry.crc || self.faults.accept_wrong_crc {
            Ok(())
        } else {
            Err(Fault::Checksum)
        }
    }

    /// The block of `entry`, if its sum is right.
    pub(crate) fn read_summed(&self, entry: Entry) -> Result<Box<BlockBytes>, Fault> {
        let mut bytes = zero_block();
        self.read_summed_into(entry, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes from `block` on.
    pub(crate) fn write(&self, block: BlockNumber, bytes: &[u8]) -> Result<(), ImageError> {
        self.write_at(block, 0, bytes)
    }

    /// Writes from byte `skip` behind the start of `block` on.
    pub(crate) fn write_at(&self, block: BlockNumber, skip: u64, bytes: &[u8]) -> Result<(), ImageError> {
        match self.offset(block) {
            Some(offset) => Ok(self.store.write_at(offset + skip, bytes)?),
            None => Err(ImageError::Damaged(crate::error::Damage::new(
                crate::error::Place::Block(block),
                Fault::Field { name: "block", value: block.0, bound: BlockNumber::LIMIT.0 },
            ))),
        }
    }

    /// Makes the store long enough for blocks below `end`, in steps.
    pub(crate) fn grow_to(&self, end: BlockNumber) -> Result<(), ImageError> {
        let have = self.blocks()?;
        if end.0 <= have {
            return Ok(());
        }
        let step = GROWTH_BLOCKS.max(have / GROWTH_PART);
        let length = |blocks: u64| self.offset(BlockNumber(blocks)).unwrap_or(u64::MAX);
        if self.store.grow(length(end.0.saturating_add(step))).is_ok() {
            return Ok(());
        }
        Ok(self.store.grow(length(end.0))?)
    }

    /// Whether somebody else reads the store; if that cannot be known, somebody does.
    pub(crate) fn is_read(&self) -> bool {
        self.store.has_readers().unwrap_or(true)
    }

    /// Makes everything written so far durable.
    pub(crate) fn flush(&self) -> Result<(), StoreError> {
        self.store.flush()
    }

    /// As [`Disk::flush`], at the same time as one.
    pub(crate) fn flush_beside(&self) -> Result<(), StoreError> {
        self.store.flush_beside()
    }
}
