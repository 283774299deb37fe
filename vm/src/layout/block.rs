//! An entry of the block table: what a block of the heap holds.
//!
//! ```text
//!   word 0   bits 0–7 kind · 32–63 free bytes: what its fillers cover (allocation cursors aside)
//!   word 1   bits 0–31 number of the last mark that swept it · 32–63 run: of a large object's
//!            first block the blocks of the run, of each further block its distance to the first
//!   word 2,3 eight 16-bit fields, one a page: where the first object or filler starts that starts
//!            on the page, in words from the page's start, plus 1; 0 if none starts there
//! ```
//!
//! That a block is young is no part of its entry: the running machine knows it, and forgetting it
//! is the tenuring of what the block holds.

use super::space::{BLOCK_BYTES, BLOCK_ENTRY_BYTES, PAGE_BYTES};

/// Pages of a block.
pub const PAGES_PER_BLOCK: usize = BLOCK_BYTES / PAGE_BYTES;

/// What a block is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum BlockKind {
    /// Nothing.
    Free = 0,
    /// Objects and fillers, from its first word to its last.
    Objects = 1,
    /// The first block of a large object.
    LargeHead = 2,
    /// A further block of a large object.
    LargeRest = 3,
    /// As `Objects`, for what changes without the user's doing: dirt in it asks for no snapshot.
    Quiet = 4,
    /// Its entry was on a page that is lost (the low byte of the lost word): it is left alone.
    Lost = 15,
}

impl BlockKind {
    /// The kind of an entry's byte.
    pub const fn from_byte(byte: u8) -> Option<BlockKind> {
        Some(match byte {
            0 => BlockKind::Free,
            1 => BlockKind::Objects,
            2 => BlockKind::LargeHead,
            3 => BlockKind::LargeRest,
            4 => BlockKind::Quiet,
            15 => BlockKind::Lost,
            _ => return None,
        })
    }

    /// Whether the block is walked object by object.
    pub const fn is_small(self) -> bool {
        matches!(self, BlockKind::Objects | BlockKind::Quiet)
    }
}

/// The four words of an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BlockEntry(pub [u64; 4]);

impl BlockEntry {
    /// Word 0 of a block of `kind` with `free` free bytes.
    pub const fn word0(kind: BlockKind, free: usize) -> u64 {
        kind as u64 | ((free as u64) << 32)
    }

    /// Word 1 of a block last swept by mark `swept`, with its run.
    pub const fn word1(swept: u32, run: u32) -> u64 {
        swept as u64 | ((run as u64) << 32)
    }

    /// The kind of word 0, if there is such a kind.
    pub const fn kind_of(word0: u64) -> Option<BlockKind> {
        BlockKind::from_byte(word0 as u8)
    }

    /// The free bytes of word 0.
    pub const fn free_of(word0: u64) -> usize {
        (word0 >> 32) as usize
    }

    /// The number of the mark of word 1.
    pub const fn swept_of(word1: u64) -> u32 {
        word1 as u32
    }

    /// The run of word 1.
    pub const fn run_of(word1: u64) -> u32 {
        (word1 >> 32) as u32
    }

    /// Which word of the entry holds the start of `page` (0 to 7), and at which bit.
    pub const fn start_place(page: usize) -> (usize, u32) {
        (2 + page / 4, (page % 4) as u32 * 16)
    }

    /// The first start on `page`, in words from the page's start.
    pub const fn start(&self, page: usize) -> Option<usize> {
        let (word, bit) = Self::start_place(page);
        match (self.0[word] >> bit) as u16 {
            0 => None,
            n => Some(n as usize - 1),
        }
    }

    /// Sets the first start on `page`.
    pub const fn set_start(&mut self, page: usize, words: Option<usize>) {
        let (word, bit) = Self::start_place(page);
        let field = match words {
            Some(n) => n as u64 + 1,
            None => 0,
        };
        self.0[word] = (self.0[word] & !(0xffff << bit)) | (field << bit);
    }

    /// Something starts at `offset` bytes from the block's start: the page's first start is there,
    /// or before.
    pub const fn note(&mut self, offset: usize) {
        let (page, words) = (offset / PAGE_BYTES, offset % PAGE_BYTES / 8);
        match self.start(page) {
            Some(first) if first <= words => {}
            _ => self.set_start(page, Some(words)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockEntry, BlockKind};

    #[test]
    fn an_entry_keeps_the_first_start_of_each_page() {
        let mut entry = BlockEntry::default();
        assert!((0..8).all(|page| entry.start(page).is_none()));
        for offset in [4096 * 3 + 800, 4096 * 3 + 80, 4096 * 3 + 160, 0, 4096 * 7 + 4088] {
            entry.note(offset);
        }
        let starts: [_; 8] = core::array::from_fn(|page| entry.start(page));
        assert_eq!(starts, [Some(0), None, None, Some(10), None, None, None, Some(511)]);
        entry.set_start(3, None);
        assert_eq!((entry.start(3), entry.start(7)), (None, Some(511)));
    }

    #[test]
    fn kind_and_free_bytes_share_a_word() {
        let word = BlockEntry::word0(BlockKind::Quiet, 32768);
        assert_eq!((BlockEntry::kind_of(word), BlockEntry::free_of(word)), (Some(BlockKind::Quiet), 32768));
        assert_eq!(BlockEntry::kind_of(crate::layout::LOST_WORD), Some(BlockKind::Lost));
        assert_eq!(BlockEntry::kind_of(7), None);
    }
}

const _: () = assert!(size_of::<BlockEntry>() == BLOCK_ENTRY_BYTES);
const _: () = assert!(PAGES_PER_BLOCK == 8 && PAGE_BYTES / 8 < 0xffff);
