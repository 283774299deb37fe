//! Making a world: boot area, rings with commit 0, superblock and mirror, in this order.
//!
//! Invariant: a valid superblock implies a valid commit, so what a crash leaves behind is either no
//! world or an empty one.

use super::World;
use crate::disk::Disk;
use crate::error::ImageError;
use crate::faults::Faults;
use crate::format::{Commit, Geometry, Superblock, zero_block};
use crate::kinds::{BLOCK_BYTES, BlockNumber};
use crate::recover::STORE_STARTS;
use alloc::sync::Arc;
use alloc::vec;
use platform::Store;

/// The first line of a world file: it can be executed.
pub const SCRIPT_LINE: &[u8] = b"#!/usr/bin/env -S warm open\n";
/// Blocks that are written at once when parts are blanked.
const BLANK_BLOCKS: usize = 64;

/// How a world is made; all sizes go into its superblock.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Where the store starts, in bytes: 1 MiB, or 36 MiB in a bootable world.
    pub store_start: u64,
    /// Slots in each commit ring.
    pub ring_slots: u32,
    /// The journal ring, in blocks.
    pub journal_blocks: u32,
    /// Blocks kept back for commits that free space on a full disk.
    pub reserve_blocks: u32,
    /// Seeded bugs, for tests.
    pub faults: Faults,
}

impl Default for CreateOptions {
    fn default() -> Self {
        CreateOptions {
            store_start: STORE_STARTS[0],
            ring_slots: 32,
            journal_blocks: 256,
            reserve_blocks: 64,
            faults: Faults::default(),
        }
    }
}

impl World {
    /// Makes an empty world in an empty store.
    pub fn create(store: &Arc<dyn Store>, options: &CreateOptions) -> Result<(), ImageError> {
        let length = store.len()?;
        if length > 0 {
            return Err(ImageError::NotEmpty(length));
        }
        if !STORE_STARTS.contains(&options.store_start) {
            let (value, bound) = (options.store_start, STORE_STARTS[0]);
            return Err(ImageError::BadGeometry { name: "store_start", value, bound });
        }
        let geometry =
            Geometry::laid_out(options.ring_slots, options.journal_blocks, options.reserve_blocks)?;
        let disk = Disk::new(store.clone(), options.store_start, geometry, options.faults);
        let end = geometry.first_data.plus(geometry.reserve_blocks.into());
        disk.grow_to(end)?;
        store.write_at(0, SCRIPT_LINE)?;
        blank(&disk, geometry.ring_a, end)?;
        if options.faults.superblock_before_commit {
            write_superblocks(&disk)?;
        }
        let mut record = zero_block();
        Commit::empty(end).encode(&mut record);
        disk.write(geometry.ring_a, &*record)?;
        disk.write(geometry.ring_b, &*record)?;
        disk.flush()?;
        write_superblocks(&disk)
    }
}

/// Writes zeros: the reserve and the journal are there on the medium, not only promised.
fn blank(disk: &Disk, first: BlockNumber, end: BlockNumber) -> Result<(), ImageError> {
    let zeros = vec![0; BLANK_BLOCKS * BLOCK_BYTES];
    let mut at = first;
    while at < end {
        let blocks = (end.0 - at.0).min(BLANK_BLOCKS as u64);
        disk.write(at, &zeros[..blocks as usize * BLOCK_BYTES])?;
        at = at.plus(blocks);
    }
    Ok(())
}

fn write_superblocks(disk: &Disk) -> Result<(), ImageError> {
    let mut bytes = zero_block();
    Superblock(disk.geometry).encode(&mut bytes);
    for block in [BlockNumber(0), BlockNumber(1)] {
        disk.write(block, &*bytes)?;
        disk.flush()?;
    }
    Ok(())
}
