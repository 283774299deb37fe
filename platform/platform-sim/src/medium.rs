//! A medium: bytes that can be copied for nothing.
//!
//! Duty: hold the contents of a simulated disk so that a hundred thousand crashed copies of it fit
//! in memory and cost microseconds each.
//!
//! Invariants
//! - I1 A block that was never written is absent and reads as zero.
//! - I2 Bytes behind the length are zero: growing after truncating shows nothing old.
//! - I3 Cloning shares everything; writing copies the block, its chunk and the list of chunks, each
//!   only if another copy still holds it.
//!
//! Knows: nothing. Must not know: caches, faults.

use std::sync::Arc;

/// Bytes of one block of a medium.
pub const BLOCK_BYTES: usize = 4096;
/// Bytes that a disk writes as one: what survives of a torn write is whole sectors.
pub const SECTOR_BYTES: usize = 512;
const CHUNK_BLOCKS: usize = 64;
const CHUNK_BYTES: u64 = (CHUNK_BLOCKS * BLOCK_BYTES) as u64;

type Block = [u8; BLOCK_BYTES];

#[derive(Clone)]
struct Chunk([Option<Arc<Block>>; CHUNK_BLOCKS]);

/// The contents of a simulated disk.
#[derive(Clone)]
pub struct Medium {
    length: u64,
    allocated: u64,
    chunks: Arc<Vec<Option<Arc<Chunk>>>>,
}

impl Medium {
    /// A medium of `bytes` zero bytes.
    pub fn new(bytes: u64) -> Self {
        Self {
            length: bytes,
            allocated: 0,
            chunks: Arc::new(Vec::new()),
        }
    }

    /// The length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no byte at all.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes of blocks that were ever written and not given back.
    pub fn allocated_bytes(&self) -> u64 {
        self.allocated * BLOCK_BYTES as u64
    }

    /// How many blocks of the range would have to be allocated for a write.
    pub fn holes_in(&self, offset: u64, bytes: usize) -> u64 {
        pieces(offset, bytes)
            .filter(|piece| self.block(piece.block).is_none())
            .count() as u64
    }

    /// Makes the length `bytes`; what falls off is zero if the medium grows again (I2).
    pub fn set_len(&mut self, bytes: u64) {
        if bytes < self.length {
            self.zero(bytes, self.length - bytes);
        }
        self.length = bytes;
    }

    /// Fills `into` from `offset`; bytes behind the length read as zero.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        for piece in pieces(offset, into.len()) {
            let part = &mut into[piece.from..piece.from + piece.bytes];
            match self.block(piece.block) {
                Some(block) => part.copy_from_slice(&block[piece.at..piece.at + piece.bytes]),
                None => part.fill(0),
            }
        }
    }

    /// Writes `from` at `offset` and grows to hold it.
    pub fn write(&mut self, offset: u64, from: &[u8]) {
        self.length = self.length.max(offset + from.len() as u64);
        for piece in pieces(offset, from.len()) {
            self.block_mut(piece.block)[piece.at..piece.at + piece.bytes]
                .copy_from_slice(&from[piece.from..piece.from + piece.bytes]);
        }
    }

    /// Makes the range zero; whole blocks are given back.
    pub fn zero(&mut self, offset: u64, bytes: u64) {
        let end = offset
            .saturating_add(bytes)
            .min(self.length.max(self.chunks.len() as u64 * CHUNK_BYTES));
        let mut at = offset;
        while at < end {
            let block = at / BLOCK_BYTES as u64;
            let next = ((block + 1) * BLOCK_BYTES as u64).min(end);
            if self.block(block).is_some() {
                if next - at == BLOCK_BYTES as u64 {
                    self.give_back(block);
                } else {
                    let first = (at % BLOCK_BYTES as u64) as usize;
                    self.block_mut(block)[first..first + (next - at) as usize].fill(0);
                }
            }
            at = next;
        }
    }

    /// Flips the bits of `mask` in one byte: what rot does.
    pub fn flip_bits(&mut self, offset: u64, mask: u8) {
        let mut byte = [0];
        self.read(offset, &mut byte);
        self.write(offset, &[byte[0] ^ mask]);
    }

    /// Whether both hold the same bytes.
    pub fn same_bytes(&self, other: &Medium) -> bool {
        let chunks = self.chunks.len().max(other.chunks.len()) as u64;
        self.length == other.length
            && (0..chunks * CHUNK_BLOCKS as u64).all(|n| match (self.block(n), other.block(n)) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b) || a == b,
                (Some(a), None) | (None, Some(a)) => a.iter().all(|byte| *byte == 0),
                (None, None) => true,
            })
    }

    fn block(&self, number: u64) -> Option<&Arc<Block>> {
        let chunk = self.chunks.get(number as usize / CHUNK_BLOCKS)?.as_ref()?;
        chunk.0[number as usize % CHUNK_BLOCKS].as_ref()
    }

    fn block_mut(&mut self, number: u64) -> &mut Block {
        let (nth, within) = (
            number as usize / CHUNK_BLOCKS,
            number as usize % CHUNK_BLOCKS,
        );
        let chunks = Arc::make_mut(&mut self.chunks);
        if chunks.len() <= nth {
            chunks.resize(nth + 1, None);
        }
        let chunk =
            chunks[nth].get_or_insert_with(|| Arc::new(Chunk([const { None }; CHUNK_BLOCKS])));
        let place = &mut Arc::make_mut(chunk).0[within];
        if place.is_none() {
            self.allocated += 1;
        }
        Arc::make_mut(place.get_or_insert_with(|| Arc::new([0; BLOCK_BYTES])))
    }

    fn give_back(&mut self, number: u64) {
        let (nth, within) = (
            number as usize / CHUNK_BLOCKS,
            number as usize % CHUNK_BLOCKS,
        );
        let chunks = Arc::make_mut(&mut self.chunks);
        if let Some(Some(chunk)) = chunks.get_mut(nth)
            && Arc::make_mut(chunk).0[within].take().is_some()
        {
            self.allocated -= 1;
        }
    }
}

/// The part of a range that lies in one block.
struct Piece {
    block: u64,
    /// Offset in the block.
    at: usize,
    /// Offset in the range.
    from: usize,
    bytes: usize,
}

fn pieces(offset: u64, bytes: usize) -> impl Iterator<Item = Piece> {
    let mut from = 0;
    core::iter::from_fn(move || {
        if from >= bytes {
            return None;
        }
        let place = offset + from as u64;
        let at = (place % BLOCK_BYTES as u64) as usize;
        let piece = Piece {
            block: place / BLOCK_BYTES as u64,
            at,
            from,
            bytes: (BLOCK_BYTES - at).min(bytes - from),
        };
        from += piece.bytes;
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::Medium;
    use crate::Random;

    #[test]
    fn agrees_with_a_plain_vector() {
        let mut random = Random::new(11);
        let (mut medium, mut plain) = (Medium::new(0), Vec::<u8>::new());
        for round in 0..2_000 {
            let offset = random.below(700_000);
            let bytes = random.below(20_000);
            match random.below(8) {
                0 => {
                    medium.set_len(offset as u64);
                    plain.resize(offset, 0);
                }
                1 => {
                    medium.zero(offset as u64, bytes as u64);
                    let end = (offset + bytes).min(plain.len());
                    if offset < end {
                        plain[offset..end].fill(0);
                    }
                }
                _ => {
                    let from = vec![round as u8 | 1; bytes];
                    medium.write(offset as u64, &from);
                    plain.resize(plain.len().max(offset + bytes), 0);
                    plain[offset..offset + bytes].copy_from_slice(&from);
                }
            }
            assert_eq!(
                medium.len(),
                plain.len() as u64,
                "length after round {round}"
            );
            let mut read = vec![7; 30_000];
            let at = random.below(plain.len() + 1);
            medium.read(at as u64, &mut read);
            let have = (plain.len() - at).min(read.len());
            assert_eq!(
                read[..have],
                plain[at..at + have],
                "bytes at {at} after round {round}"
            );
            assert!(
                read[have..].iter().all(|byte| *byte == 0),
                "behind the end after round {round}"
            );
        }
    }

    #[test]
    fn a_copy_does_not_see_later_writes() {
        let mut first = Medium::new(10_000);
        first.write(4_000, &[1; 300]);
        let mut second = first.clone();
        second.write(4_050, &[2; 10]);
        let mut byte = [0];
        first.read(4_055, &mut byte);
        assert_eq!(byte, [1]);
        assert!(!first.same_bytes(&second));
        second.write(4_050, &[1; 10]);
        assert!(first.same_bytes(&second));
        assert_eq!(first.allocated_bytes(), 8192);
    }
}
