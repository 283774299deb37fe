//! The commit record: everything that one acknowledged state of a world hangs on.

use super::table::{commit as field, extent, lost_run};
use super::{Record, at_most, get_entry, put_entry};
use crate::error::Fault;
use crate::frozen::{HeapWords, ROOT_WORDS};
use crate::kinds::{
    BlockBytes, BlockNumber, CommitNumber, JournalPlace, MomentId, PageIndex, crc32,
};
use crate::map::{Entry, MAX_LEVELS, MapRoot};
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"WarmComm";
const CLEAN: u32 = 1;
/// Rows of extents in the record itself.
pub(crate) const INLINE_EXTENTS: usize = 200;
/// Runs of lost pages in the record itself.
pub(crate) const INLINE_LOST: usize = 32;
/// The greatest number of moments, journal records and journal bytes: far off, and safe to add to.
const FAR: u64 = 1 << 60;
/// A moments tree cannot be higher.
pub(crate) const MAX_TREE_LEVELS: u32 = 12;

/// A run of blocks that a commit wrote, with the sum of all its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummedExtent {
    /// Its first block.
    pub first: BlockNumber,
    /// Its length in blocks.
    pub blocks: u32,
    /// The CRC-32 of its bytes.
    pub crc: u32,
}

impl SummedExtent {
    /// The row of a list.
    pub(crate) fn to_row(self) -> [u8; 16] {
        let mut row = [0; 16];
        extent::FIRST.put(&mut row, self.first.0);
        extent::BLOCKS.put(&mut row, self.blocks);
        extent::CRC.put(&mut row, self.crc);
        row
    }

    /// The extent of a row.
    pub(crate) fn from_row(row: &[u8]) -> SummedExtent {
        SummedExtent {
            first: BlockNumber(extent::FIRST.get(row)),
            blocks: extent::BLOCKS.get(row),
            crc: extent::CRC.get(row),
        }
    }
}

/// A run of lost pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostRun {
    /// The first page.
    pub first: PageIndex,
    /// How many.
    pub pages: u64,
}

impl LostRun {
    /// The row of a list.
    pub(crate) fn to_row(self) -> [u8; 16] {
        let mut row = [0; 16];
        lost_run::FIRST.put(&mut row, self.first.0);
        lost_run::PAGES.put(&mut row, self.pages);
        row
    }

    /// The run of a row.
    pub(crate) fn from_row(row: &[u8]) -> LostRun {
        LostRun { first: PageIndex(lost_run::FIRST.get(row)), pages: lost_run::PAGES.get(row) }
    }
}

/// The moments tree of a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeRoot {
    /// Its root node.
    pub entry: Entry,
    /// Levels of nodes; 0 is an empty tree.
    pub levels: u32,
}

/// How far the journal is covered: where the first record stands that is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JournalMark {
    /// Its number.
    pub sequence: u64,
    /// Its place.
    pub place: JournalPlace,
    /// The checksum that it continues.
    pub chain: u32,
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its number.
    pub number: CommitNumber,
    /// The commit that it follows.
    pub parent: CommitNumber,
    /// The world's identity; zero until stamped.
    pub identity: [u8; 16],
    /// Wall clock at the flip.
    pub wall_ns: i64,
    /// The heap's words.
    pub heap: HeapWords,
    /// The heap's pages.
    pub map: MapRoot,
    /// The block of a second copy of the topmost map node, or a hole: all pages hang on that node.
    pub map_copy: BlockNumber,
    /// The moments.
    pub tree: TreeRoot,
    /// The number of the next moment.
    pub next_moment: MomentId,
    /// The moment on whose line the head is.
    pub line: MomentId,
    /// The commit that made that moment.
    pub line_bound: CommitNumber,
    /// Blocks from here on were never written.
    pub high_water: BlockNumber,
    /// Estimate of the blocks that only moments reach.
    pub held_blocks: u64,
    /// What of the journal is covered.
    pub journal: JournalMark,
    /// Whether the world was closed with this commit.
    pub clean: bool,
    /// First list block of free extents.
    pub free_list: Entry,
    /// First list block of further extents.
    pub extent_list: Entry,
    /// First list block of further runs of lost pages.
    pub lost_list: Entry,
    /// Extents in the record.
    pub extents: Vec<SummedExtent>,
    /// Runs of lost pages in the record.
    pub lost: Vec<LostRun>,
}

impl Record for Commit {
    /// The slot that it was read from, and the ring's length.
    type Context = (u32, u32);

    fn verify(bytes: &BlockBytes, &(slot, slots): &(u32, u32)) -> Result<Self, Fault> {
        if field::MAGIC.get(bytes) != MAGIC {
            return Err(Fault::Magic);
        }
        if field::CRC.get(bytes) != crc32(&bytes[..field::CRC.offset]) {
            return Err(Fault::Checksum);
        }
        let commit = Commit::decode(bytes)?;
        let found = u64::from(commit.number.0 % slots.max(1));
        if found != u64::from(slot) {
            return Err(Fault::Field { name: "slot", value: found, bound: u64::from(slot) });
        }
        Ok(commit)
    }
}

impl Commit {
    fn decode(bytes: &BlockBytes) -> Result<Commit, Fault> {
        let number = at_most("number", field::NUMBER.get(bytes), u64::from(CommitNumber::LAST.0))?;
        let parent = at_most("parent", field::PARENT.get(bytes), number)?;
        let map_levels = at_most("map_levels", u64::from(field::MAP_LEVELS.get(bytes)), MAX_LEVELS.into())?;
        let tree_levels = u64::from(field::TREE_LEVELS.get(bytes));
        let tree_levels = at_most("tree_levels", tree_levels, MAX_TREE_LEVELS.into())?;
        let bound = at_most("line_bound", field::LINE_BOUND.get(bytes), number)?;
        let far = |name, value| at_most(name, value, FAR);
        let extents = at_most("extent_count", u64::from(field::EXTENT_COUNT.get(bytes)), INLINE_EXTENTS as u64)?;
        let lost = at_most("lost_count", u64::from(field::LOST_COUNT.get(bytes)), INLINE_LOST as u64)?;
        let rows = |at: usize, count: u64| bytes[at..at + count as usize * 16].chunks_exact(16);
        Ok(Commit {
            number: CommitNumber(number as u32),
            parent: CommitNumber(parent as u32),
            identity: field::IDENTITY.get(bytes),
            wall_ns: field::WALL.get(bytes),
            heap: HeapWords {
                base: field::HEAP_BASE.get(bytes),
                pages: far("heap_pages", field::HEAP_PAGES.get(bytes))?,
                roots: roots_from(&field::ROOTS.get(bytes)),
            },
            map: MapRoot {
                entry: get_entry(bytes, field::MAP.offset),
                levels: map_levels as u32,
            },
            map_copy: BlockNumber(at_most("map_copy", field::MAP_COPY.get(bytes), BlockNumber::LIMIT.0)?),
            tree: TreeRoot { entry: get_entry(bytes, field::TREE.offset), levels: tree_levels as u32 },
            next_moment: MomentId(far("next_moment", field::NEXT_MOMENT.get(bytes))?),
            line: MomentId(far("line", field::LINE.get(bytes))?),
            line_bound: CommitNumber(bound as u32),
            high_water: BlockNumber(at_most(
                "high_water",
                field::HIGH_WATER.get(bytes),
                BlockNumber::LIMIT.0,
            )?),
            held_blocks: far("held", field::HELD.get(bytes))?,
            journal: JournalMark {
                sequence: far("journal_sequence", field::JOURNAL_SEQUENCE.get(bytes))?,
                place: JournalPlace(far("journal_place", field::JOURNAL_PLACE.get(bytes))?),
                chain: field::JOURNAL_CHAIN.get(bytes),
            },
            clean: field::FLAGS.get(bytes) & CLEAN != 0,
            free_list: get_entry(bytes, field::FREE.offset),
            extent_list: get_entry(bytes, field::EXTENTS.offset),
            lost_list: get_entry(bytes, field::LOST.offset),
            extents: rows(field::EXTENT_ROWS.offset, extents).map(SummedExtent::from_row).collect(),
            lost: rows(field::LOST_RUNS.offset, lost).map(LostRun::from_row).collect(),
        })
    }

    /// The entry of the map root's copy, if there is one.
    pub(crate) fn copy_entry(&self) -> Option<Entry> {
        let there = self.map.entry.is_block() && self.map_copy != BlockNumber::HOLE;
        there.then_some(Entry { block: self.map_copy, ..self.map.entry })
    }

    /// The bytes of the record.
    pub(crate) fn encode(&self, bytes: &mut BlockBytes) {
        bytes.fill(0);
        field::MAGIC.put(bytes, &MAGIC);
        field::NUMBER.put(bytes, u64::from(self.number.0));
        field::PARENT.put(bytes, u64::from(self.parent.0));
        field::IDENTITY.put(bytes, &self.identity);
        field::WALL.put(bytes, self.wall_ns);
        field::HEAP_BASE.put(bytes, self.heap.base);
        field::HEAP_PAGES.put(bytes, self.heap.pages);
        put_entry(bytes, field::MAP.offset, self.map.entry);
        field::MAP_LEVELS.put(bytes, self.map.levels);
        field::MAP_COPY.put(bytes, self.map_copy.0);
        field::TREE_LEVELS.put(bytes, self.tree.levels);
        put_entry(bytes, field::TREE.offset, self.tree.entry);
        field::NEXT_MOMENT.put(bytes, self.next_moment.0);
        field::LINE.put(bytes, self.line.0);
        field::LINE_BOUND.put(bytes, u64::from(self.line_bound.0));
        field::HIGH_WATER.put(bytes, self.high_water.0);
        field::HELD.put(bytes, self.held_blocks);
        field::JOURNAL_SEQUENCE.put(bytes, self.journal.sequence);
        field::JOURNAL_PLACE.put(bytes, self.journal.place.0);
        field::JOURNAL_CHAIN.put(bytes, self.journal.chain);
        field::FLAGS.put(bytes, if self.clean { CLEAN } else { 0 });
        put_entry(bytes, field::FREE.offset, self.free_list);
        put_entry(bytes, field::EXTENTS.offset, self.extent_list);
        put_entry(bytes, field::LOST.offset, self.lost_list);
        field::EXTENT_COUNT.put(bytes, self.extents.len().min(INLINE_EXTENTS) as u32);
        field::LOST_COUNT.put(bytes, self.lost.len().min(INLINE_LOST) as u32);
        field::ROOTS.put(bytes, &roots_to(&self.heap.roots));
        let rows = bytes[field::EXTENT_ROWS.offset..].chunks_exact_mut(16).take(INLINE_EXTENTS);
        rows.zip(&self.extents).for_each(|(place, row)| place.copy_from_slice(&row.to_row()));
        let rows = bytes[field::LOST_RUNS.offset..].chunks_exact_mut(16).take(INLINE_LOST);
        rows.zip(&self.lost).for_each(|(place, row)| place.copy_from_slice(&row.to_row()));
        let crc = crc32(&bytes[..field::CRC.offset]);
        field::CRC.put(bytes, crc);
    }

    /// The commit that creation writes: an empty heap on `first_data`.
    pub(crate) fn empty(high_water: BlockNumber) -> Commit {
        Commit {
            number: CommitNumber::FIRST,
            parent: CommitNumber::FIRST,
            identity: [0; 16],
            wall_ns: 0,
            heap: HeapWords::default(),
            map: MapRoot::default(),
            map_copy: BlockNumber::HOLE,
            tree: TreeRoot::default(),
            next_moment: MomentId(1),
            line: MomentId::NONE,
            line_bound: CommitNumber::FIRST,
            high_water,
            held_blocks: 0,
            journal: JournalMark::default(),
            clean: false,
            free_list: Entry::default(),
            extent_list: Entry::default(),
            lost_list: Entry::default(),
            extents: Vec::new(),
            lost: Vec::new(),
        }
    }
}

/// The root words of 64 bytes.
pub(crate) fn roots_from(bytes: &[u8; 64]) -> [u64; ROOT_WORDS] {
    let mut roots = [0; ROOT_WORDS];
    for (root, word) in roots.iter_mut().zip(bytes.chunks_exact(8)) {
        *root = u64::from_le_bytes(word.try_into().unwrap_or([0; 8]));
    }
    roots
}

/// The 64 bytes of root words.
pub(crate) fn roots_to(roots: &[u64; ROOT_WORDS]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (place, root) in bytes.chunks_exact_mut(8).zip(roots) {
        place.copy_from_slice(&root.to_le_bytes());
    }
    bytes
}
