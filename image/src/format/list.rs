//! A block of a list of 16-byte rows.

use super::table::list as field;
use super::{Record, at_most, get_entry, put_entry};
use crate::error::Fault;
use crate::kinds::{BLOCK_BYTES, BlockBytes, CommitNumber};
use crate::map::Entry;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"WarmList";
const ROW_BYTES: usize = 16;
/// Rows that fit a list block.
pub(crate) const LIST_ITEMS: usize = (BLOCK_BYTES - field::BYTES) / ROW_BYTES;

/// What the rows of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum ListKind {
    /// Extents that a commit wrote.
    Extents = 1,
    /// Runs of lost pages.
    Lost = 2,
    /// Free extents.
    Free = 3,
}

/// A decoded list block.
pub(crate) struct ListBlock {
    /// The rows.
    pub(crate) rows: Vec<[u8; ROW_BYTES]>,
    /// The next block, or a hole.
    pub(crate) next: Entry,
}

impl Record for ListBlock {
    type Context = ListKind;

    fn verify(bytes: &BlockBytes, kind: &ListKind) -> Result<Self, Fault> {
        if field::MAGIC.get(bytes) != MAGIC {
            return Err(Fault::Magic);
        }
        let found = field::KIND.get(bytes);
        if found != *kind as u32 {
            let (value, bound) = (u64::from(found), *kind as u64);
            return Err(Fault::Field { name: "kind", value, bound });
        }
        let count = at_most("count", u64::from(field::COUNT.get(bytes)), LIST_ITEMS as u64)?;
        let body = &bytes[field::BYTES..field::BYTES + count as usize * ROW_BYTES];
        let mut rows = Vec::with_capacity(count as usize);
        for row in body.chunks_exact(ROW_BYTES) {
            rows.push(row.try_into().unwrap_or([0; ROW_BYTES]));
        }
        Ok(ListBlock { rows, next: get_entry(bytes, field::NEXT.offset) })
    }
}

impl ListBlock {
    /// The bytes of a list block.
    pub(crate) fn encode(
        kind: ListKind,
        rows: &[[u8; ROW_BYTES]],
        next: Entry,
        commit: CommitNumber,
        bytes: &mut BlockBytes,
    ) {
        bytes.fill(0);
        field::MAGIC.put(bytes, &MAGIC);
        field::KIND.put(bytes, kind as u32);
        field::COUNT.put(bytes, rows.len().min(LIST_ITEMS) as u32);
        put_entry(bytes, field::NEXT.offset, next);
        field::COMMIT.put(bytes, u64::from(commit.0));
        for (place, row) in bytes[field::BYTES..].chunks_exact_mut(ROW_BYTES).zip(rows) {
            place.copy_from_slice(row);
        }
    }
}
