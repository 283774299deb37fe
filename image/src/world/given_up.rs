//! Giving up what no read brings back of the journal, so that the world opens for writing again.
//!
//! Invariants
//! - I1 Only blocks of the ring that cannot be read are written, with zeros; every record that replay
//!   takes before them stays, and so do those behind a block that held none.
//! - I2 What is given up is counted.
//!
//! Knows: the journal's ring. Must not know: what an edit is of.

use super::World;
use crate::error::{Damage, ImageError, Place};
use crate::faults::Faults;
use crate::format::zero_block;
use crate::{journal, recover};
use alloc::sync::Arc;
use platform::Store;

/// What was given up of a journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalLoss {
    /// Bytes of the ring that could not be read.
    pub unreadable_bytes: u64,
    /// Edits that can be read and follow upon what is missing: they are given up with it. At most, for
    /// leftovers of an older session look like them.
    pub edits: u64,
    /// The bytes of those edits.
    pub edit_bytes: u64,
}

impl World {
    /// Gives up what of the journal in `store` cannot be read: the world opens afterwards, with the
    /// edits before that. Nothing is written, and the loss is none, if all of it can be read.
    pub fn give_up_journal(store: &Arc<dyn Store>) -> Result<JournalLoss, ImageError> {
        let found = recover::find(store, Faults::default())?;
        let disk = &found.disk;
        if journal::replay(disk, found.head.journal).damage.is_none() {
            return Ok(JournalLoss::default());
        }
        let blocks = journal::unreadable_blocks(disk);
        let zeros = zero_block();
        for &block in &blocks {
            disk.write(block, &zeros[..])?;
        }
        disk.flush().map_err(ImageError::FlushFailed)?;
        let replay = journal::replay(disk, found.head.journal);
        if let Some(damage) = replay.damage {
            return Err(damage.into());
        }
        let behind = journal::records_behind(disk, replay.end);
        let (edits, edit_bytes) = behind.map_err(|fault| Damage::new(Place::Journal, fault))?;
        Ok(JournalLoss { unreadable_bytes: blocks.len() as u64 * zeros.len() as u64, edits, edit_bytes })
    }
}
