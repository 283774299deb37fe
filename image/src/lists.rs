//! Lists of 16-byte rows that do not fit a commit record: chains of list blocks.
//!
//! Invariant: a chain is written from its end, so that each block can hold its successor's sum.

use crate::alloc_blocks::Allocator;
use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::format::{Claimed, LIST_ITEMS, ListBlock, ListKind, zero_block};
use crate::kinds::{BlockNumber, CommitNumber};
use crate::map::Entry;
use crate::outlet::Outlet;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A row of a list.
pub(crate) type Row = [u8; 16];

/// How many blocks a list of `rows` rows takes.
pub(crate) fn list_blocks(rows: usize) -> u64 {
    rows.div_ceil(LIST_ITEMS) as u64
}

/// Writes a list; answers the entry of its first block, and adds its blocks to `places`.
pub(crate) fn write_list(
    kind: ListKind,
    rows: &[Row],
    commit: CommitNumber,
    (outlet, disk, blocks): (&mut Outlet, &Disk, &mut Allocator),
    places: &mut Vec<BlockNumber>,
) -> Result<Entry, ImageError> {
    let mut next = Entry::HOLE;
    let mut bytes = zero_block();
    for part in rows.chunks(LIST_ITEMS).rev() {
        ListBlock::encode(kind, part, next, commit, &mut bytes);
        next = outlet.send(disk, blocks, &bytes)?;
        places.push(next.block);
    }
    Ok(next)
}

/// Writes a list into blocks that were taken beforehand, [`list_blocks`] of them from `first` on.
pub(crate) fn write_list_at(
    kind: ListKind,
    rows: &[Row],
    commit: CommitNumber,
    (outlet, disk): (&mut Outlet, &Disk),
    first: BlockNumber,
    places: &mut Vec<BlockNumber>,
) -> Result<Entry, ImageError> {
    let mut next = Entry::HOLE;
    let mut bytes = zero_block();
    for (nth, part) in rows.chunks(LIST_ITEMS).enumerate().rev() {
        ListBlock::encode(kind, part, next, commit, &mut bytes);
        next = outlet.send_to(disk, first.plus(nth as u64), &bytes)?;
        places.push(next.block);
    }
    Ok(next)
}

/// Reads a list: its rows, and the blocks that it stands in.
pub(crate) fn read_list(
    disk: &Disk,
    kind: ListKind,
    first: Entry,
) -> Result<(Vec<Row>, Vec<BlockNumber>), Damage> {
    let (mut rows, mut places) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut next = first;
    while next.is_block() {
        let damage = |fault| Damage::new(Place::ListBlock(next.block), fault);
        if !seen.insert(next.block) {
            return Err(damage(Fault::UsedTwice));
        }
        let block = Claimed::<ListBlock>::new(disk.read_summed(next).map_err(damage)?);
        let block = block.verify(&kind).map_err(damage)?;
        rows.extend_from_slice(&block.rows);
        places.push(next.block);
        next = block.next;
    }
    Ok((rows, places))
}
