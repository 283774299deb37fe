//! Where the blocks of one commit go: gathered into contiguous writes, summed as they pass.
//!
//! Invariants
//! - I1 Every block that a commit writes passes here once, and stands in `taken` from the moment it
//!   was allocated, so that a try that is given up keeps nothing back.
//! - I2 Blocks are written by [`Outlet::write_out`] at the latest before the flush that precedes the
//!   commit record.
//!
//! Knows: blocks. Must not know: what they hold.

use crate::alloc_blocks::{Allocator, Purpose};
use crate::disk::Disk;
use crate::error::ImageError;
use crate::extents::{Extents, Run};
use crate::format::SummedExtent;
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, CommitNumber, crc32, crc32_after};
use crate::map::Entry;
use alloc::vec::Vec;

/// Bytes that are gathered before they are written.
const GATHERED_BYTES: usize = 256 * 1024;
/// The longest extent that gets one sum: the unit of verification.
const EXTENT_BLOCKS: u32 = 1024;
/// The most blocks that are asked of the allocator at once.
const LONGEST_ASK: u64 = 16 * 1024;

/// The blocks of one commit on their way out.
pub(crate) struct Outlet {
    birth: CommitNumber,
    purpose: Purpose,
    expected: u64,
    room: Option<Run>,
    gathered: Vec<u8>,
    gathered_at: BlockNumber,
    held_back: Vec<(BlockNumber, Vec<u8>)>,
    /// What was written, with sums, by time.
    pub(crate) extents: Vec<SummedExtent>,
    /// Every block that was allocated and may have been written.
    pub(crate) taken: Extents,
}

impl Outlet {
    /// An outlet for about `expected` blocks of commit `birth`.
    pub(crate) fn new(birth: CommitNumber, purpose: Purpose, expected: u64) -> Outlet {
        Outlet {
            birth,
            purpose,
            expected,
            room: None,
            gathered: Vec::new(),
            gathered_at: BlockNumber::HOLE,
            held_back: Vec::new(),
            extents: Vec::new(),
            taken: Extents::default(),
        }
    }

    /// Sends a block out; answers the entry under which its parent knows it.
    pub(crate) fn send(
        &mut self,
        disk: &Disk,
        blocks: &mut Allocator,
        bytes: &BlockBytes,
    ) -> Result<Entry, ImageError> {
        let block = self.next_block(disk, blocks)?;
        self.send_to(disk, block, bytes)
    }

    /// Sends a block to a place that was taken beforehand.
    pub(crate) fn send_to(
        &mut self,
        disk: &Disk,
        block: BlockNumber,
        bytes: &BlockBytes,
    ) -> Result<Entry, ImageError> {
        let gathered_end = self.gathered_at.plus((self.gathered.len() / BLOCK_BYTES) as u64);
        if self.gathered.len() >= GATHERED_BYTES || gathered_end != block {
            self.write_out(disk)?;
            self.gathered_at = block;
        }
        self.taken.insert_block(block);
        self.gathered.extend_from_slice(bytes);
        self.sum(block, bytes);
        Ok(Entry { block, crc: crc32(bytes), birth: self.birth })
    }

    fn sum(&mut self, block: BlockNumber, bytes: &BlockBytes) {
        if let Some(last) = self.extents.last_mut() {
            let follows = last.first.plus(u64::from(last.blocks)) == block;
            if follows && last.blocks < EXTENT_BLOCKS {
                last.crc = crc32_after(last.crc, bytes);
                last.blocks += 1;
                return;
            }
        }
        self.extents.push(SummedExtent { first: block, blocks: 1, crc: crc32(bytes) });
    }

    fn next_block(&mut self, disk: &Disk, blocks: &mut Allocator) -> Result<BlockNumber, ImageError> {
        let run = match self.room.take() {
            Some(run) => run,
            None => self.ask(disk, blocks)?,
        };
        if run.blocks > 1 {
            self.room = Some(Run::new(run.first.plus(1), run.blocks - 1));
        }
        self.expected = self.expected.saturating_sub(1);
        Ok(run.first)
    }

    fn ask(&mut self, disk: &Disk, blocks: &mut Allocator) -> Result<Run, ImageError> {
        let run = blocks.take(self.expected.clamp(1, LONGEST_ASK), self.purpose);
        match disk.grow_to(run.end()) {
            Ok(()) => Ok(run),
            Err(error) => {
                blocks.give_back(run);
                blocks.full |= error.is_full();
                if run.blocks == 1 || !error.is_full() {
                    return Err(error);
                }
                self.expected = 1;
                self.ask_one(disk, blocks)
            }
        }
    }

    fn ask_one(&mut self, disk: &Disk, blocks: &mut Allocator) -> Result<Run, ImageError> {
        let run = blocks.take(1, self.purpose);
        disk.grow_to(run.end()).inspect_err(|_| blocks.give_back(run))?;
        Ok(run)
    }

    /// Writes what was gathered.
    pub(crate) fn write_out(&mut self, disk: &Disk) -> Result<(), ImageError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        if disk.faults.commit_before_pages {
            self.held_back.push((self.gathered_at, core::mem::take(&mut self.gathered)));
            return Ok(());
        }
        disk.write(self.gathered_at, &self.gathered)?;
        self.gathered.clear();
        Ok(())
    }

    /// Writes what a seeded bug held back.
    pub(crate) fn write_held_back(&mut self, disk: &Disk) -> Result<(), ImageError> {
        for (block, bytes) in core::mem::take(&mut self.held_back) {
            disk.write(block, &bytes)?;
        }
        Ok(())
    }

    /// Gives back what was taken and not used.
    pub(crate) fn close(&mut self, blocks: &mut Allocator) {
        if let Some(run) = self.room.take() {
            blocks.give_back(run);
        }
    }
}
