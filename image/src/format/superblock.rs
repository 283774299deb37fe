//! The superblock: the sizes of a store, written once.

use super::table::superblock as field;
use super::{Record, VERSION, at_least, at_most};
use crate::error::{Fault, ImageError};
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, crc32};

const MAGIC: [u8; 8] = *b"WarmWrld";
const NODE_ENTRIES: u32 = 256;
/// Fewer slots could let a new record fall on the head or its parent.
const MIN_RING_SLOTS: u64 = 4;
const MAX_RING_SLOTS: u64 = 1 << 12;
const MIN_JOURNAL_BLOCKS: u64 = 4;
const MAX_JOURNAL_BLOCKS: u64 = 1 << 20;
const MAX_RESERVE_BLOCKS: u64 = 1 << 20;

/// The sizes of a store: data, not assumptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Slots in each commit ring.
    pub ring_slots: u32,
    /// Blocks kept back for commits that free space on a full disk.
    pub reserve_blocks: u32,
    /// First block of ring A.
    pub ring_a: BlockNumber,
    /// First block of ring B.
    pub ring_b: BlockNumber,
    /// First block of the journal ring.
    pub journal: BlockNumber,
    /// Blocks of the journal ring.
    pub journal_blocks: u64,
    /// First block that the allocator hands out.
    pub first_data: BlockNumber,
}

impl Geometry {
    /// Lays the parts out behind each other.
    pub fn laid_out(ring_slots: u32, journal_blocks: u32, reserve: u32) -> Result<Self, ImageError> {
        let ring_a = BlockNumber(2);
        let ring_b = ring_a.plus(u64::from(ring_slots));
        let journal = ring_b.plus(u64::from(ring_slots));
        let geometry = Geometry {
            ring_slots,
            reserve_blocks: reserve,
            ring_a,
            ring_b,
            journal,
            journal_blocks: u64::from(journal_blocks),
            first_data: journal.plus(u64::from(journal_blocks)),
        };
        match geometry.check() {
            Ok(()) => Ok(geometry),
            Err(Fault::Field { name, value, bound }) => {
                Err(ImageError::BadGeometry { name, value, bound })
            }
            Err(_) => Err(ImageError::NotAWorld),
        }
    }

    fn check(&self) -> Result<(), Fault> {
        let slots = u64::from(self.ring_slots);
        at_least("ring_slots", slots, MIN_RING_SLOTS)?;
        at_most("ring_slots", slots, MAX_RING_SLOTS)?;
        at_least("journal_blocks", self.journal_blocks, MIN_JOURNAL_BLOCKS)?;
        at_most("journal_blocks", self.journal_blocks, MAX_JOURNAL_BLOCKS)?;
        at_most("reserve_blocks", u64::from(self.reserve_blocks), MAX_RESERVE_BLOCKS)?;
        at_most("first_data", self.first_data.0, BlockNumber::LIMIT.0)?;
        at_least("ring_a", self.ring_a.0, 2)?;
        at_least("ring_b", self.ring_b.0, self.ring_a.0.saturating_add(slots))?;
        at_least("journal", self.journal.0, self.ring_b.0.saturating_add(slots))?;
        let journal_end = self.journal.0.saturating_add(self.journal_blocks);
        at_least("first_data", self.first_data.0, journal_end)?;
        Ok(())
    }

    /// The length of the journal ring in bytes.
    pub fn journal_bytes(&self) -> u64 {
        self.journal_blocks * BLOCK_BYTES as u64
    }
}

/// A superblock.
pub(crate) struct Superblock(pub(crate) Geometry);

/// What a block 0 may be.
impl Record for Superblock {
    type Context = ();

    fn verify(bytes: &BlockBytes, _: &()) -> Result<Self, Fault> {
        if field::MAGIC.get(bytes) != MAGIC {
            return Err(Fault::Magic);
        }
        if field::CRC.get(bytes) != crc32(&bytes[..field::CRC.offset]) {
            return Err(Fault::Checksum);
        }
        at_most("version", u64::from(field::VERSION.get(bytes)), u64::from(VERSION))?;
        at_least("version", u64::from(field::VERSION.get(bytes)), 1)?;
        let size = u64::from(field::BLOCK_SIZE.get(bytes));
        at_most("block_size", size, BLOCK_BYTES as u64)?;
        at_least("block_size", size, BLOCK_BYTES as u64)?;
        let entries = u64::from(field::NODE_ENTRIES.get(bytes));
        at_most("node_entries", entries, u64::from(NODE_ENTRIES))?;
        at_least("node_entries", entries, u64::from(NODE_ENTRIES))?;
        let geometry = Geometry {
            ring_slots: field::RING_SLOTS.get(bytes),
            reserve_blocks: field::RESERVE.get(bytes),
            ring_a: BlockNumber(field::RING_A.get(bytes)),
            ring_b: BlockNumber(field::RING_B.get(bytes)),
            journal: BlockNumber(field::JOURNAL.get(bytes)),
            journal_blocks: field::JOURNAL_BLOCKS.get(bytes),
            first_data: BlockNumber(field::FIRST_DATA.get(bytes)),
        };
        geometry.check()?;
        Ok(Superblock(geometry))
    }
}

impl Superblock {
    /// The version that a block claims, if it has the magic number.
    pub(crate) fn claimed_version(bytes: &BlockBytes) -> Option<u32> {
        (field::MAGIC.get(bytes) == MAGIC).then(|| field::VERSION.get(bytes))
    }

    /// The bytes of the superblock for a geometry.
    pub(crate) fn encode(&self, bytes: &mut BlockBytes) {
        bytes.fill(0);
        field::MAGIC.put(bytes, &MAGIC);
        field::VERSION.put(bytes, VERSION);
        field::BLOCK_SIZE.put(bytes, BLOCK_BYTES as u32);
        field::RING_SLOTS.put(bytes, self.0.ring_slots);
        field::RESERVE.put(bytes, self.0.reserve_blocks);
        field::RING_A.put(bytes, self.0.ring_a.0);
        field::RING_B.put(bytes, self.0.ring_b.0);
        field::JOURNAL.put(bytes, self.0.journal.0);
        field::JOURNAL_BLOCKS.put(bytes, self.0.journal_blocks);
        field::FIRST_DATA.put(bytes, self.0.first_data.0);
        field::NODE_ENTRIES.put(bytes, NODE_ENTRIES);
        let crc = crc32(&bytes[..field::CRC.offset]);
        field::CRC.put(bytes, crc);
    }
}
