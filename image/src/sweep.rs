//! The walk over all that can be reached: for the sweep after a crash, and for `check`.
//!
//! Invariants
//! - I1 Every block is visited once, so forged maps and trees end; what is shared is walked once.
//! - I2 A walk that met damage says so; then nothing is freed by it.
//! - I3 The walk reads only what was committed when it began; until it is done the allocator reuses
//!   nothing (I3 of `alloc_blocks`), so no node is overwritten under it.
//! - I4 It takes memory in proportion to what it visits, not to what a file says of its length.
//!
//! Knows: commits, maps, trees, lists. Must not know: who asked.

use crate::disk::Disk;
use crate::error::{Damage, Fault, Place};
use crate::extents::{Extents, Run};
use crate::format::{Commit, ListKind};
use crate::kinds::{BlockNumber, CommitNumber, PageIndex};
use crate::lists::{Row, read_list};
use crate::map::{Entry, FANOUT, MapRoot, Node, covered_pages};
use crate::moments::node::TreeNode;
use crate::moments::tree::load_node;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What is still to be visited.
enum Item {
    /// A map node (level ≥ 1) or page (level 0) and its index on its level.
    Map(Entry, u32, u64),
    /// A node of the moments tree.
    Tree(Entry, u32),
    /// A list.
    List(ListKind, Entry),
    /// The second copy of a map's topmost node.
    Copy(Entry),
}

/// How deep a walk looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Nodes and lists; pages are taken to be there.
    Nodes,
    /// Every page is read and summed, and every block must be used in one place only.
    Pages,
}

/// A walk.
pub(crate) struct Walk {
    depth: Depth,
    limit: BlockNumber,
    marks: Marks,
    /// By block: level and index where it is used, plus one. Empty when only nodes are walked.
    uses: BTreeMap<u64, Box<[u64; USES]>>,
    waiting: Vec<Item>,
    /// What is visited when nothing else is left: what only the parent of the head reaches.
    waiting_longer: Vec<Item>,
    /// Blocks that were reached by what waited longer only.
    pub(crate) passing: Extents,
    is_passing: bool,
    /// What was found.
    pub(crate) damages: Vec<Damage>,
    /// Blocks that were visited.
    pub(crate) visited: u64,
}

impl Walk {
    /// A walk over blocks below `limit`.
    pub(crate) fn new(depth: Depth, limit: BlockNumber, disk: &Disk) -> Walk {
        let limit = BlockNumber(limit.0.min(disk.blocks().unwrap_or(limit.0)));
        Walk {
            depth,
            limit,
            marks: Marks::default(),
            uses: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_longer: Vec::new(),
            passing: Extents::default(),
            is_passing: false,
            damages: Vec::new(),
            visited: 0,
        }
    }

    /// Adds what a commit reaches. Its moments are left out if a seeded bug says so.
    pub(crate) fn add(&mut self, commit: &Commit, disk: &Disk) {
        self.add_map(commit.map);
        self.waiting.extend(commit.copy_entry().map(Item::Copy));
        self.waiting.push(Item::List(ListKind::Extents, commit.extent_list));
        self.waiting.push(Item::List(ListKind::Lost, commit.lost_list));
        self.waiting.push(Item::List(ListKind::Free, commit.free_list));
        if !(disk.faults.sweep_forgets_moments && self.depth == Depth::Nodes) {
            self.waiting.push(Item::Tree(commit.tree.entry, commit.tree.levels));
        }
    }

    /// Adds the pages of one map.
    pub(crate) fn add_map(&mut self, map: MapRoot) {
        self.waiting.push(Item::Map(map.entry, map.levels, 0));
    }

    /// Adds what a commit reaches that will soon be neither the head nor its parent.
    pub(crate) fn add_passing(&mut self, commit: &Commit, disk: &Disk) {
        let waiting = core::mem::take(&mut self.waiting);
        self.add(commit, disk);
        let mut added = core::mem::replace(&mut self.waiting, waiting);
        self.waiting_longer.append(&mut added);
    }

    /// Goes on for `budget` blocks; answers whether the walk is done.
    pub(crate) fn step(&mut self, disk: &Disk, budget: u32) -> bool {
        for _ in 0..budget {
            if self.waiting.is_empty() {
                core::mem::swap(&mut self.waiting, &mut self.waiting_longer);
                self.is_passing = true;
            }
            let Some(item) = self.waiting.pop() else { return true };
            match item {
                Item::Map(entry, level, index) => self.visit_map(disk, entry, level, index),
                Item::Tree(entry, level) => self.visit_tree(disk, entry, level),
                Item::List(kind, entry) => self.visit_list(disk, kind, entry),
                Item::Copy(entry) => self.visit_copy(disk, entry),
            }
        }
        self.waiting.is_empty() && self.waiting_longer.is_empty()
    }

    /// The first block of a run that was visited.
    pub(crate) fn first_marked(&self, run: Run) -> Option<BlockNumber> {
        self.marks.blocks_from(run.first.0).next().map(BlockNumber).filter(|&block| block < run.end())
    }

    /// Where a block is used, plus one; 0 if nowhere yet.
    fn used(&mut self, block: BlockNumber) -> &mut u64 {
        let part = self.uses.entry(block.0 / USES as u64).or_insert_with(|| Box::new([0; USES]));
        &mut part[(block.0 % USES as u64) as usize]
    }

    fn claim(&mut self, disk: &Disk, place: Place, block: BlockNumber, used_as: u64) -> bool {
        if block < disk.geometry.first_data || block >= self.limit {
            let bound = self.limit.0;
            self.damages.push(Damage::new(place, Fault::Field { name: "block", value: block.0, bound }));
            return false;
        }
        let fresh = self.marks.add(block.0);
        if self.depth == Depth::Pages {
            let used = self.used(block);
            if fresh {
                *used = used_as;
            } else if *used != used_as {
                self.damages.push(Damage::new(Place::Block(block), Fault::UsedTwice));
            }
        }
        if fresh && self.is_passing {
            self.passing.insert_block(block);
        }
        self.visited += u64::from(fresh);
        fresh
    }

    fn visit_map(&mut self, disk: &Disk, entry: Entry, level: u32, index: u64) {
        if !entry.is_block() {
            return;
        }
        let pages = covered_pages(level);
        let place = Place::Pages { first: PageIndex(index.saturating_mul(pages)), count: pages };
        let used_as = (u64::from(level) << 56) + index + 1;
        if !self.claim(disk, place, entry.block, used_as) {
            return;
        }
        if level == 0 {
            if self.depth == Depth::Pages
                && let Err(fault) = disk.read_summed(entry)
            {
                self.damages.push(Damage::new(place, fault));
            }
            return;
        }
        match Node::load(disk, entry) {
            Ok(node) => self.wait_for_children(&node, level, index, disk),
            Err(fault) => self.damages.push(Damage::new(place, fault)),
        }
    }

    fn wait_for_children(&mut self, node: &Node, level: u32, index: u64, disk: &Disk) {
        for (nth, &child) in node.0.iter().enumerate().rev() {
            if !child.is_block() {
                continue;
            }
            let item = Item::Map(child, level - 1, index * FANOUT + nth as u64);
            if level == 1 && self.depth == Depth::Nodes {
                self.visit_map(disk, child, 0, index * FANOUT + nth as u64);
            } else {
                self.waiting.push(item);
            }
        }
    }

    fn visit_tree(&mut self, disk: &Disk, entry: Entry, level: u32) {
        if level == 0 || !self.claim(disk, Place::MomentsNode(entry.block), entry.block, u64::MAX - u64::from(level)) {
            return;
        }
        match load_node(disk, entry, level) {
            Ok(TreeNode::Branches(children)) => {
                self.waiting.extend(children.iter().map(|&(_, child)| Item::Tree(child, level - 1)));
            }
            Ok(TreeNode::Leaf(moments)) => {
                let maps = moments.iter().map(|moment| Item::Map(moment.map.entry, moment.map.levels, 0));
                self.waiting.extend(maps);
            }
            Err(damage) => self.damages.push(damage),
        }
    }

    fn visit_list(&mut self, disk: &Disk, kind: ListKind, first: Entry) {
        match read_list(disk, kind, first) {
            Ok((_, places)) => {
                for block in places {
                    self.claim(disk, Place::ListBlock(block), block, u64::MAX / 2 + kind as u64);
                }
            }
            Err(damage) => self.damages.push(damage),
        }
    }

    fn visit_copy(&mut self, disk: &Disk, entry: Entry) {
        let place = Place::Block(entry.block);
        if self.claim(disk, place, entry.block, u64::MAX / 2 - 1)
            && self.depth == Depth::Pages
            && let Err(fault) = disk.read_summed(entry)
        {
            self.damages.push(Damage::new(place, fault));
        }
    }

    /// The blocks from `first` to the limit that were not visited.
    pub(crate) fn unmarked(&self, first: BlockNumber) -> Extents {
        let mut free = Extents::default();
        let mut from = first.0;
        let mut insert = |from: u64, end: u64| {
            if from < end {
                free.insert(Run::new(BlockNumber(from), end - from));
            }
        };
        for marked in self.marks.blocks_from(first.0) {
            insert(from, marked);
            from = marked + 1;
        }
        insert(from, self.limit.0);
        free
    }
}

/// Which blocks were visited: memory in proportion to them, for a forged or sparse file may have any
/// length (I4).
#[derive(Default)]
struct Marks {
    parts: BTreeMap<u64, Box<[u64; MARK_WORDS]>>,
}

/// Words of one part of the marks; a part covers 64 blocks a word.
const MARK_WORDS: usize = 64;
/// Blocks that one part of the uses covers.
const USES: usize = 512;

impl Marks {
    fn place(block: u64) -> (u64, usize, u64) {
        (block / 64 / MARK_WORDS as u64, (block / 64) as usize % MARK_WORDS, 1 << (block % 64))
    }

    /// Adds a block; answers whether it was not there yet.
    fn add(&mut self, block: u64) -> bool {
        let (part, word, bit) = Marks::place(block);
        let words = self.parts.entry(part).or_insert_with(|| Box::new([0; MARK_WORDS]));
        let fresh = words[word] & bit == 0;
        words[word] |= bit;
        fresh
    }

    /// The blocks from `first` on, in order.
    fn blocks_from(&self, first: u64) -> impl Iterator<Item = u64> + '_ {
        self.all_from(Marks::place(first).0).filter(move |&block| block >= first)
    }

    fn all_from(&self, part: u64) -> impl Iterator<Item = u64> + '_ {
        self.parts.range(part..).flat_map(|(part, words)| {
            let first = part * MARK_WORDS as u64 * 64;
            words.iter().enumerate().flat_map(move |(nth, &word)| {
                let bits = (0..64).filter(move |bit| word >> bit & 1 != 0);
                bits.map(move |bit| first + nth as u64 * 64 + bit)
            })
        })
    }
}

/// The rows that stand for a free run: more than one if it is very long.
pub(crate) fn free_rows(run: Run, by: CommitNumber) -> Vec<Row> {
    use crate::format::table::free_extent as field;
    let mut rows = Vec::new();
    let mut rest = run;
    while rest.blocks > 0 {
        let blocks = rest.blocks.min(u64::from(u32::MAX));
        let mut row = Row::default();
        field::FIRST.put(&mut row, rest.first.0);
        field::BLOCKS.put(&mut row, blocks as u32);
        field::FREED_BY.put(&mut row, by.0);
        rows.push(row);
        rest = Run::new(rest.first.plus(blocks), rest.blocks - blocks);
    }
    rows
}

/// The run of a row, and the commit that freed it.
pub(crate) fn free_run(row: &Row) -> (Run, CommitNumber) {
    use crate::format::table::free_extent as field;
    let run = Run::new(BlockNumber(field::FIRST.get(row)), u64::from(field::BLOCKS.get(row)));
    (run, CommitNumber(field::FREED_BY.get(row)))
}
