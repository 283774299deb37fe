//! The journal: a ring of records for what a snapshot is too coarse for.
//!
//! Invariants
//! - I1 Each record's checksum continues its predecessor's, so replay ends at the first record that
//!   was lost, torn or left over from an earlier lap or session.
//! - I2 A record that was flushed shares no block with one written later: after a flush the next
//!   record starts a new block, so no torn write can reach an acknowledged one.
//! - I3 A place that two commits do not cover yet is never overwritten.
//! - I4 After a failed flush, the records since the last good one are written anew before the next;
//!   so are those that an earlier process left, for its last flush may have failed.
//! - I5 A session's first record carries a number that no other session has, so that leftovers of
//!   an older session never continue the chain, even if the same keys are typed again.
//!
//! Knows: records. Must not know: what a kind means (but 0, which opens a session).

use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::format::table::journal as field;
use crate::format::JournalMark;
use crate::kinds::{BLOCK_BYTES, BlockNumber, JournalPlace, crc32_after};
use alloc::vec;
use alloc::vec::Vec;
use platform::StoreError;

const MARK: u16 = 0x4A57;
const OPENING: u16 = 0;
const ALIGNMENT: u64 = 8;

/// A record that replay found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// Its number, one more than its predecessor's.
    pub sequence: u64,
    /// The serial of the draft (or whatever) that it is about.
    pub serial: u64,
    /// Its kind; unknown kinds are skipped.
    pub kind: u16,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// What replay found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    /// The records, by number.
    pub(crate) records: Vec<JournalRecord>,
    /// Where the next one belongs.
    pub(crate) end: JournalMark,
    /// Whether the medium refused to be read.
    pub(crate) damage: Option<Damage>,
}

/// The journal of an open world.
pub(crate) struct Journal {
    next: JournalMark,
    needed_from: JournalPlace,
    /// The bytes from `unflushed_from` on that no good flush covers.
    unflushed: Vec<u8>,
    unflushed_from: JournalPlace,
    /// Whether what was written of them may never reach the medium (I4).
    suspect: bool,
    /// How often that was found: a flush that began before proves nothing.
    doubts: u64,
    opened: bool,
    salt: u64,
}

fn block_start(place: u64) -> u64 {
    place / BLOCK_BYTES as u64 * BLOCK_BYTES as u64
}

fn block_end(place: u64) -> u64 {
    place.next_multiple_of(BLOCK_BYTES as u64)
}

impl Journal {
    /// A journal that goes on behind what replay found from `from` on; what stands from `needed_from`
    /// on must stay. The session before may have been killed before it flushed: what it wrote is
    /// unflushed still.
    pub(crate) fn new(disk: &Disk, from: JournalMark, end: JournalMark, needed_from: JournalPlace, salt: u64) -> Journal {
        let place = JournalPlace(block_end(end.place.0));
        let mut journal = Journal {
            next: JournalMark { place, ..end },
            needed_from,
            unflushed: Vec::new(),
            unflushed_from: place,
            suspect: !disk.faults.trust_inherited_records,
            doubts: 0,
            opened: false,
            salt,
        };
        if end.place > from.place {
            let mut bytes = vec![0; (place.0 - from.place.0).min(disk.geometry.journal_bytes()) as usize];
            if read_ring(disk, from.place, &mut bytes).is_ok() {
                journal.unflushed = bytes;
                journal.unflushed_from = from.place;
            }
        }
        journal
    }

    /// Where the next record goes: what a flip covers is before it.
    pub(crate) fn mark(&self) -> JournalMark {
        self.next
    }

    /// Two commits cover everything before `place`.
    pub(crate) fn covered_up_to(&mut self, place: JournalPlace) {
        self.needed_from = self.needed_from.max(place.min(self.next.place));
    }

    /// Whether more than half of the ring must stay.
    pub(crate) fn is_pressed(&self, disk: &Disk) -> bool {
        self.next.place.0 - block_start(self.needed_from.0) > disk.geometry.journal_bytes() / 2
    }

    /// The longest payload: a quarter of the ring, a megabyte at most.
    pub(crate) fn longest(disk: &Disk) -> usize {
        (disk.geometry.journal_bytes() / 4).min(1 << 20) as usize - field::BYTES
    }

    /// Appends a record and writes it; it is durable after [`Journal::flush`].
    pub(crate) fn append(&mut self, disk: &Disk, serial: u64, kind: u16, bytes: &[u8]) -> Result<u64, ImageError> {
        let bound = Journal::longest(disk);
        if bytes.len() > bound {
            return Err(ImageError::RecordTooLong { bytes: bytes.len(), bound });
        }
        if kind == OPENING {
            return Err(ImageError::BadGeometry { name: "kind", value: 0, bound: 1 });
        }
        if !self.opened {
            self.write_record(disk, self.salt, OPENING, &[])?;
            self.opened = true;
        }
        self.write_record(disk, serial, kind, bytes)
    }

    fn write_record(&mut self, disk: &Disk, serial: u64, kind: u16, payload: &[u8]) -> Result<u64, ImageError> {
        let length = (field::BYTES + payload.len()) as u64;
        let record_bytes = length.next_multiple_of(ALIGNMENT);
        let end = self.next.place.0 + record_bytes;
        let room = disk.geometry.journal_bytes();
        if end - block_start(self.needed_from.0) > room && !disk.faults.journal_overwrites_uncovered {
            return Err(ImageError::JournalFull);
        }
        let mut record = vec![0; record_bytes as usize];
        field::SEQUENCE.put(&mut record, self.next.sequence);
        field::SERIAL.put(&mut record, serial);
        field::LENGTH.put(&mut record, payload.len() as u32);
        field::KIND.put(&mut record, kind);
        field::MARK.put(&mut record, MARK);
        let chain = chained(self.next.chain, &record, payload);
        field::CRC.put(&mut record, chain);
        record[field::BYTES..field::BYTES + payload.len()].copy_from_slice(payload);
        write_ring(disk, self.next.place, &record)?;
        self.unflushed.extend_from_slice(&record);
        let sequence = self.next.sequence;
        self.next = JournalMark { sequence: sequence + 1, place: JournalPlace(end), chain };
        Ok(sequence)
    }

    /// Prepares a flush: what is in doubt is written anew, and the next record starts a block of its
    /// own, whatever becomes of the flush. `None` if nothing waits for one.
    pub(crate) fn begin_flush(&mut self, disk: &Disk) -> Result<Option<JournalFlush>, ImageError> {
        if self.unflushed.is_empty() {
            return Ok(None);
        }
        if self.suspect {
            write_ring(disk, self.unflushed_from, &self.unflushed)?;
            self.suspect = false;
        }
        if !disk.faults.journal_shares_flushed_block {
            let place = block_end(self.next.place.0);
            self.next.place = JournalPlace(place);
            self.unflushed.resize((place - self.unflushed_from.0) as usize, 0);
        }
        Ok(Some(JournalFlush { up_to: self.next.place, doubts: self.doubts }))
    }

    /// Takes over what a flush came to.
    pub(crate) fn end_flush(&mut self, begun: &JournalFlush, result: Result<(), StoreError>) -> Result<(), ImageError> {
        if let Err(error) = result {
            self.suspect();
            return Err(ImageError::FlushFailed(error));
        }
        if begun.doubts == self.doubts && begun.up_to > self.unflushed_from {
            self.unflushed.drain(..(begun.up_to.0 - self.unflushed_from.0) as usize);
            self.unflushed_from = begun.up_to;
        }
        Ok(())
    }

    /// A flush of the file failed: what it covered is in doubt.
    pub(crate) fn suspect(&mut self) {
        self.suspect = true;
        self.doubts += 1;
    }
}

/// A flush of the journal under way.
pub(crate) struct JournalFlush {
    up_to: JournalPlace,
    doubts: u64,
}

fn chained(before: u32, record: &[u8], payload: &[u8]) -> u32 {
    let head = record.get(..field::CRC.offset).unwrap_or(&[]);
    crc32_after(crc32_after(before, head), payload)
}

/// The parts of the ring that `bytes` from `place` on fall on: block, skip, how many bytes.
fn ring_parts(disk: &Disk, place: JournalPlace, bytes: u64) -> [(BlockNumber, u64, u64); 2] {
    let ring = disk.geometry.journal_bytes();
    let at = place.0 % ring;
    let first = bytes.min(ring - at);
    let block = disk.geometry.journal.plus(at / BLOCK_BYTES as u64);
    [(block, at % BLOCK_BYTES as u64, first), (disk.geometry.journal, 0, bytes - first)]
}

fn write_ring(disk: &Disk, place: JournalPlace, bytes: &[u8]) -> Result<(), ImageError> {
    let mut rest = bytes;
    for (block, skip, count) in ring_parts(disk, place, bytes.len() as u64) {
        let (here, behind) = rest.split_at(count as usize);
        rest = behind;
        if !here.is_empty() {
            disk.write_at(block, skip, here)?;
        }
    }
    Ok(())
}

fn read_ring(disk: &Disk, place: JournalPlace, into: &mut [u8]) -> Result<(), Fault> {
    let mut rest = into;
    let bytes = rest.len() as u64;
    for (block, skip, count) in ring_parts(disk, place, bytes) {
        let (here, behind) = rest.split_at_mut(count as usize);
        rest = behind;
        if !here.is_empty() {
            disk.read_at(block, skip, here)?;
        }
    }
    Ok(())
}

/// Reads the records behind `from`, up to the first that does not fit.
pub(crate) fn replay(disk: &Disk, from: JournalMark) -> Replay {
    let mut found = Replay { end: from, ..Replay::default() };
    loop {
        if found.end.place.0 - from.place.0 > disk.geometry.journal_bytes() {
            return found;
        }
        match next_record(disk, found.end) {
            Ok(Some((record, end))) => {
                found.end = end;
                if record.kind != OPENING {
                    found.records.push(record);
                }
            }
            Ok(None) => return found,
            Err(fault) => {
                found.damage = Some(Damage::new(Place::Journal, fault));
                return found;
            }
        }
    }
}

/// The record that continues `mark`, where it ends, or at the start of the next block.
fn next_record(disk: &Disk, mark: JournalMark) -> Result<Option<(JournalRecord, JournalMark)>, Fault> {
    let next_block = block_end(mark.place.0);
    let found = record_at(disk, mark, mark.place)?;
    if found.is_some() || next_block == mark.place.0 {
        return Ok(found);
    }
    record_at(disk, mark, JournalPlace(next_block))
}

fn record_at(
    disk: &Disk,
    mark: JournalMark,
    place: JournalPlace,
) -> Result<Option<(JournalRecord, JournalMark)>, Fault> {
    let mut head = [0; field::BYTES];
    read_ring(disk, place, &mut head)?;
    let length = field::LENGTH.get(&head) as usize;
    let fits = field::MARK.get(&head) == MARK
        && field::SEQUENCE.get(&head) == mark.sequence
        && length <= Journal::longest(disk);
    if !fits {
        return Ok(None);
    }
    let mut payload = vec![0; length];
    read_ring(disk, JournalPlace(place.0 + field::BYTES as u64), &mut payload)?;
    let chain = field::CRC.get(&head);
    if chain != chained(mark.chain, &head, &payload) && !disk.faults.journal_chain_unchecked {
        return Ok(None);
    }
    let bytes = ((field::BYTES + length) as u64).next_multiple_of(ALIGNMENT);
    let end = JournalMark {
        sequence: mark.sequence + 1,
        place: JournalPlace(place.0 + bytes),
        chain,
    };
    let record = JournalRecord {
        sequence: mark.sequence,
        serial: field::SERIAL.get(&head),
        kind: field::KIND.get(&head),
        bytes: payload,
    };
    Ok(Some((record, end)))
}

/// The blocks of the ring that cannot be read.
pub(crate) fn unreadable_blocks(disk: &Disk) -> Vec<BlockNumber> {
    let mut bytes = [0; BLOCK_BYTES];
    let blocks = (0..disk.geometry.journal_bytes() / BLOCK_BYTES as u64).map(|nth| disk.geometry.journal.plus(nth));
    blocks.filter(|&block| disk.read(block, &mut bytes).is_err()).collect()
}

/// The records that stand behind `end` and do not continue it, for something between is missing: how
/// many, and the bytes of their payloads. At most: what an older session left there looks the same.
pub(crate) fn records_behind(disk: &Disk, end: JournalMark) -> Result<(u64, u64), Fault> {
    let ring = disk.geometry.journal_bytes();
    let mut bytes = vec![0; ring as usize];
    read_ring(disk, end.place, &mut bytes)?;
    let most = ring / field::BYTES as u64;
    let (mut at, mut count, mut payloads) = (0, 0, 0);
    while let Some(head) = bytes.get(at..at + field::BYTES) {
        let length = field::LENGTH.get(head) as usize;
        let sequence = field::SEQUENCE.get(head);
        let is_record = field::MARK.get(head) == MARK
            && (end.sequence..end.sequence.saturating_add(most)).contains(&sequence)
            && length <= Journal::longest(disk);
        if !is_record {
            at += ALIGNMENT as usize;
            continue;
        }
        if field::KIND.get(head) != OPENING {
            count += 1;
            payloads += length as u64;
        }
        at += (field::BYTES + length).next_multiple_of(ALIGNMENT as usize);
    }
    Ok((count, payloads))
}
