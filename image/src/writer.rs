//! One commit on its way to the disk: a state machine that `step` drives.
//!
//! Invariants
//! - I1 The order is: pages, map nodes from the leaves up, moments, lists; FLUSH; record to ring A,
//!   then to ring B; FLUSH; only then is the commit acknowledged.
//! - I2 Everything goes to blocks that neither the head, nor its parent, nor a moment reaches.
//! - I3 A try that fails is given up whole: no block of it is written or flushed a second time, and
//!   if its record may have reached the disk, its number is not used again.
//! - I4 The commit covers the journal as it was at the flip, not as it is when the record is written.
//!
//! Knows: frozen pages, the map, the moments tree, lists. Must not know: when to snapshot.
//!
//! Source: shadow paging (Lorie 1977); order and failure rules as tested in the prototype that
//! DESIGN section 4 cites.

use crate::alloc_blocks::{Allocator, Purpose};
use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::extents::Extents;
use crate::format::{
    Commit, INLINE_EXTENTS, INLINE_LOST, ListKind, LostRun, zero_block,
};
use crate::faults::Faults;
use crate::frozen::FrozenPages;
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, CommitNumber, Epoch, MomentId, PageIndex};
use crate::lists::{Row, list_blocks, write_list, write_list_at};
use crate::map::{Entry, FANOUT, MapRoot, Node, covered_pages, index_on, levels_for};
use crate::moments::tree::{self, Changes, Edit};
use crate::moments::{Keep, Moment, Origin, Policy};
use crate::outlet::Outlet;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use platform::StoreError;

/// What a job works with, lent by the world for one step.
pub(crate) struct Desk<'a> {
    /// The store.
    pub(crate) disk: &'a Disk,
    /// Its blocks.
    pub(crate) blocks: &'a mut Allocator,
    /// The journal's end, for a seeded bug only.
    pub(crate) journal_end: crate::format::JournalMark,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Order,
    Pages,
    Nodes,
    Moments,
    Lists,
    FlushBefore,
    Record,
    FlushAfter,
    Done,
}

/// What a commit changes beside pages.
#[derive(Clone, Default)]
pub(crate) struct Orders {
    /// Moments to put or remove.
    pub(crate) changes: Changes,
    /// All moments, if the tree is to be written anew.
    pub(crate) rebuild: Option<Vec<Moment>>,
    /// Blocks that deleted moments held.
    pub(crate) freed: Extents,
    /// Whether the free extents are stored: a clean close.
    pub(crate) close: bool,
    /// Blocks of the head's lists, which this commit no longer reaches.
    pub(crate) old_lists: Vec<BlockNumber>,
    /// Nodes of the old moments tree that a rebuilt tree no longer reaches.
    pub(crate) old_tree: Vec<BlockNumber>,
}

/// A commit in writing.
pub(crate) struct Job {
    /// The commit as far as it is known.
    pub(crate) commit: Commit,
    /// The epoch, of a snapshot.
    pub(crate) epoch: Option<Epoch>,
    /// Entries that changed, by level (0: pages), for the pager.
    pub(crate) changed: Vec<Vec<(u64, Entry)>>,
    /// Blocks of this commit's own lists.
    pub(crate) list_blocks: Vec<BlockNumber>,
    /// A moment that this snapshot becomes, once the record is written.
    pub(crate) kept: Option<Moment>,
    /// Damage that the job met and worked around.
    pub(crate) damages: Vec<Damage>,
    /// Pages that were found lost on the way.
    pub(crate) found_lost: Vec<LostRun>,
    /// What it changes beside pages.
    pub(crate) orders: Orders,
    /// What replaces what: blocks that this commit no longer reaches and no moment does.
    pub(crate) replaced: Extents,
    keep: Keep,
    frozen: Option<Arc<dyn FrozenPages>>,
    order: Vec<usize>,
    old_map: MapRoot,
    outlet: Outlet,
    path: Vec<Option<(u64, Node)>>,
    level: u32,
    cursor: usize,
    dirty: Vec<(u64, Entry)>,
    raised: Vec<(u64, Entry)>,
    phase: Phase,
    /// The topmost map node that this commit wrote.
    root_bytes: Option<Box<BlockBytes>>,
    /// What a flush that somebody else waited for came to.
    flushed: Option<Result<(), StoreError>>,
    record_may_be_there: bool,
}

impl Job {
    /// A commit that follows `head`; `commit` holds what is different already.
    pub(crate) fn new(
        head: &Commit,
        commit: Commit,
        orders: Orders,
        purpose: Purpose,
        faults: &Faults,
    ) -> Job {
        let mut commit = commit;
        commit.parent = head.number;
        if !faults.trust_stale_free_list {
            commit.clean = false;
            commit.free_list = Entry::HOLE;
        }
        commit.extent_list = Entry::HOLE;
        commit.lost_list = Entry::HOLE;
        commit.map_copy = BlockNumber::HOLE;
        commit.extents = Vec::new();
        let outlet = Outlet::new(commit.number, purpose, 4);
        Job {
            epoch: None,
            changed: Vec::new(),
            list_blocks: Vec::new(),
            kept: None,
            damages: Vec::new(),
            found_lost: Vec::new(),
            orders,
            replaced: Extents::default(),
            keep: Keep::No,
            frozen: None,
            order: Vec::new(),
            old_map: commit.map,
            outlet,
            path: Vec::new(),
            level: 0,
            cursor: 0,
            dirty: Vec::new(),
            raised: Vec::new(),
            phase: Phase::Moments,
            root_bytes: None,
            flushed: None,
            record_may_be_there: false,
            commit,
        }
    }

    /// Makes the commit a snapshot of frozen pages. O(1): the world stands still meanwhile.
    pub(crate) fn with_pages(mut self, epoch: Epoch, frozen: Arc<dyn FrozenPages>, keep: Keep) -> Job {
        self.frozen = Some(frozen);
        self.epoch = Some(epoch);
        self.keep = keep;
        self.phase = Phase::Order;
        self
    }

    /// Pages are written in the order of the map, so that neighbours lie together.
    fn put_in_order(&mut self) {
        self.phase = Phase::Pages;
        let Some(frozen) = self.frozen.as_ref() else { return };
        let pages = frozen.pages();
        let mut order: Vec<usize> = (0..pages.len()).collect();
        order.sort_unstable_by_key(|&nth| pages[nth]);
        let nodes = 8 + pages.len() as u64 / 16;
        self.outlet = Outlet::new(self.commit.number, Purpose::Keeping, pages.len() as u64 + nodes);
        self.order = order;
    }

    /// Whether the record may have reached the disk.
    pub(crate) fn outcome_is_unknown(&self) -> bool {
        self.record_may_be_there
    }

    /// Gives the job's blocks back as doubtful.
    pub(crate) fn give_up(mut self, blocks: &mut Allocator, disk: &Disk) {
        self.outlet.close(blocks);
        blocks.given_up(&self.outlet.taken, &disk.faults);
    }

    /// Goes on for about `budget` blocks, and stops before a flush, so that the caller may wait for that
    /// elsewhere; a step that begins at a flush does it. Answers whether the commit is durable.
    pub(crate) fn step(&mut self, desk: &mut Desk<'_>, budget: u32) -> Result<bool, ImageError> {
        let mut left = budget.max(1);
        while left > 0 && self.phase != Phase::Done {
            if left < budget.max(1) && self.is_about_to_flush() && !desk.disk.faults.flush_within_step {
                break;
            }
            left = left.saturating_sub(1);
            match self.phase {
                Phase::Order => self.put_in_order(),
                Phase::Pages => self.write_page(desk)?,
                Phase::Nodes => self.write_node(desk)?,
                Phase::Moments => self.write_moments(desk)?,
                Phase::Lists => self.write_lists(desk)?,
                Phase::FlushBefore => self.flush_before(desk)?,
                Phase::Record => self.write_record(desk)?,
                Phase::FlushAfter => self.flush_after(desk)?,
                Phase::Done => {}
            }
        }
        Ok(self.phase == Phase::Done)
    }

    /// Whether the next step flushes: the caller may wish to know before it takes the time.
    pub(crate) fn is_about_to_flush(&self) -> bool {
        self.next_flush().is_some() && self.flushed.is_none()
    }

    /// Which flush of this commit comes next, if it is the next thing to do.
    pub(crate) fn next_flush(&self) -> Option<u8> {
        match self.phase {
            Phase::FlushBefore => Some(1),
            Phase::FlushAfter => Some(2),
            _ => None,
        }
    }

    /// Takes over what the next flush came to.
    pub(crate) fn take_flushed(&mut self, result: Result<(), StoreError>) {
        self.flushed = Some(result);
    }

    fn flush(&mut self, disk: &Disk) -> Result<(), ImageError> {
        let result = self.flushed.take().unwrap_or_else(|| disk.flush());
        match result {
            Err(_) if disk.faults.retry_failed_flush && disk.flush().is_ok() => Ok(()),
            result => result.map_err(ImageError::FlushFailed),
        }
    }

    fn write_page(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let Some(&nth) = self.order.get(self.cursor) else {
            self.begin_nodes();
            return Ok(());
        };
        let Some(frozen) = self.frozen.as_ref() else { return Ok(()) };
        let page = frozen.pages().get(nth).copied().unwrap_or_default();
        if page.0 >= self.commit.heap.pages {
            return Err(ImageError::OutOfRange { page, bound: self.commit.heap.pages });
        }
        let mut bytes = zero_block();
        frozen.read(nth, &mut bytes);
        let entry = if *bytes == [0; BLOCK_BYTES] {
            Entry::HOLE
        } else {
            self.outlet.send(desk.disk, desk.blocks, &bytes)?
        };
        self.dirty.push((page.0, entry));
        self.cursor += 1;
        Ok(())
    }

    fn begin_nodes(&mut self) {
        self.cursor = 0;
        self.phase = if self.dirty.is_empty() { Phase::Moments } else { Phase::Nodes };
        self.old_map = self.commit.map;
        if self.phase == Phase::Nodes {
            self.commit.map.levels = self.old_map.levels.max(levels_for(self.commit.heap.pages));
        }
        self.path = (0..=self.old_map.levels).map(|_| None).collect();
        self.level = 1;
    }

    /// Writes the node that holds the next of the changed entries.
    fn write_node(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let Some(&(first, _)) = self.dirty.get(self.cursor) else {
            self.end_level();
            return Ok(());
        };
        let parent = first / FANOUT;
        let rest = &self.dirty[self.cursor..];
        let count = rest.partition_point(|&(index, _)| index / FANOUT == parent);
        let mut node = self.old_node(desk.disk, self.level, parent)?;
        if desk.disk.faults.node_forgets_old_entries {
            node = Node::filled(Entry::HOLE);
        }
        for nth in self.cursor..self.cursor + count {
            let (index, entry) = self.dirty[nth];
            let place = (index % FANOUT) as usize;
            let old = core::mem::replace(&mut node.0[place], entry);
            self.replace(old, &desk.disk.faults);
        }
        let mut bytes = zero_block();
        node.encode(&mut bytes);
        let entry = if *bytes == [0; BLOCK_BYTES] {
            Entry::HOLE
        } else {
            self.outlet.send(desk.disk, desk.blocks, &bytes)?
        };
        if self.level == self.commit.map.levels && entry.is_block() {
            self.root_bytes = Some(bytes);
        }
        self.raised.push((parent, entry));
        self.cursor += count;
        Ok(())
    }

    fn end_level(&mut self) {
        let done = core::mem::take(&mut self.dirty);
        self.changed.push(done);
        self.dirty = core::mem::take(&mut self.raised);
        self.cursor = 0;
        if self.level == self.old_map.levels {
            self.replace_old_root();
        }
        if self.level < self.commit.map.levels {
            self.level += 1;
            return;
        }
        if let Some(&(_, entry)) = self.dirty.first() {
            self.commit.map.entry = entry;
        }
        let top = core::mem::take(&mut self.dirty);
        self.changed.push(top);
        self.phase = Phase::Moments;
    }

    /// On the level of the old root: a new node stands in its place, or, in a map that grew and
    /// changed only behind it, it becomes the first of the nodes on its level.
    fn replace_old_root(&mut self) {
        let old = self.old_map.entry;
        if self.dirty.first().is_some_and(|&(index, _)| index == 0) {
            self.replace(old, &Faults::default());
        } else if !old.is_hole() {
            self.dirty.insert(0, (0, old));
        }
    }

    /// An entry is no longer in the map: its block is the head's own, or a moment holds it.
    fn replace(&mut self, old: Entry, faults: &Faults) {
        if !old.is_block() {
            return;
        }
        if old.birth > self.commit.line_bound || faults.free_block_of_moment {
            self.replaced.insert_block(old.block);
        } else {
            self.commit.held_blocks += 1;
        }
    }

    /// The node `index` of `level` as the old map has it. What is damaged is taken as lost.
    fn old_node(&mut self, disk: &Disk, level: u32, index: u64) -> Result<Node, ImageError> {
        if level > self.old_map.levels || index_on(self.old_map.levels - level, index) != 0 {
            return Ok(Node::filled(Entry::HOLE));
        }
        let mut from = level;
        let mut entry = self.old_map.entry;
        for above in level..=self.old_map.levels {
            let wanted = index_on(above - level, index);
            if let Some(Some((at, node))) = self.path.get(above as usize)
                && *at == wanted
            {
                if above == level {
                    return Ok(node.clone());
                }
                entry = node.0[(index_on(above - 1 - level, index) % FANOUT) as usize];
                from = above - 1;
                break;
            }
            from = above;
        }
        for at_level in (level..=from).rev() {
            let wanted = index_on(at_level - level, index);
            let node = self.load_old(disk, entry, at_level, wanted)?;
            if at_level > level {
                entry = node.0[(index_on(at_level - 1 - level, index) % FANOUT) as usize];
            }
            if let Some(place) = self.path.get_mut(at_level as usize) {
                *place = Some((wanted, node));
            }
        }
        match self.path.get(level as usize) {
            Some(Some((_, node))) => Ok(node.clone()),
            _ => Ok(Node::filled(Entry::HOLE)),
        }
    }

    fn load_old(&mut self, disk: &Disk, entry: Entry, level: u32, index: u64) -> Result<Node, ImageError> {
        let damage = match Node::load(disk, entry) {
            Ok(node) => return Ok(node),
            Err(fault) => Damage::new(Place::Block(entry.block), fault),
        };
        if damage.fault == Fault::Unreadable {
            return Err(damage.into());
        }
        self.damages.push(damage);
        let pages = covered_pages(level);
        let first = PageIndex(index.saturating_mul(pages));
        self.found_lost.push(LostRun { first, pages });
        if !disk.faults.drop_lost_names {
            self.commit.lost.push(LostRun { first, pages });
        }
        Ok(Node::filled(Entry::lost(self.commit.number)))
    }

    fn write_moments(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        self.phase = Phase::Lists;
        self.write_map_copy(desk)?;
        let kept = self.moment_of_this();
        if let Some(moment) = &kept {
            self.orders.changes.insert(moment.id, Some(moment.clone()));
        }
        match self.edit_tree(desk) {
            Ok(()) => {}
            Err(ImageError::Damaged(damage)) if self.keep == Keep::Automatic => {
                self.damages.push(damage);
                self.orders.changes.clear();
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        if let Some(moment) = kept {
            self.commit.next_moment = MomentId(moment.id.0 + 1);
            self.commit.line = moment.id;
            self.commit.line_bound = moment.commit;
            self.kept = Some(moment);
        }
        Ok(())
    }

    /// All pages hang on the topmost node of the map: it stands twice. Where there is no room, or the
    /// node of a map that did not change cannot be read, the commit goes without.
    fn write_map_copy(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let root = self.commit.map.entry;
        if !root.is_block() || desk.disk.faults.skip_map_copy {
            return Ok(());
        }
        let written = self.root_bytes.take();
        let Some(bytes) = written.or_else(|| desk.disk.read_summed(root).ok()) else { return Ok(()) };
        match self.outlet.send(desk.disk, desk.blocks, &bytes) {
            Ok(copy) => {
                self.commit.map_copy = copy.block;
                self.list_blocks.push(copy.block);
                Ok(())
            }
            Err(error) if error.is_full() => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn edit_tree(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let mut replaced = Vec::new();
        let mut edit = Edit {
            outlet: &mut self.outlet,
            disk: desk.disk,
            blocks: desk.blocks,
            replaced: &mut replaced,
        };
        self.commit.tree = match &self.orders.rebuild {
            Some(all) => {
                let all: Vec<&Moment> = all.iter().collect();
                edit.replaced.extend(self.orders.old_tree.iter().copied());
                tree::write_all(&all, &mut edit)?
            }
            None => tree::apply(self.commit.tree, &self.orders.changes, &mut edit)?,
        };
        replaced.into_iter().for_each(|block| self.replaced.insert_block(block));
        Ok(())
    }

    /// The moment that this snapshot is to be kept as.
    fn moment_of_this(&self) -> Option<Moment> {
        let (policy, holder, name) = match &self.keep {
            Keep::No => return None,
            Keep::Automatic => (Policy::Automatic, 0, String::new()),
            Keep::Named(name) => (Policy::Named, 0, name.clone()),
            Keep::Pinned(holder) => (Policy::Pinned, *holder, String::new()),
        };
        Some(Moment {
            id: self.commit.next_moment,
            parent: self.commit.line,
            commit: self.commit.number,
            map: self.commit.map,
            heap: self.commit.heap,
            wall_ns: self.commit.wall_ns,
            policy,
            origin: Origin::Snapshot,
            holder,
            name,
        })
    }

    fn write_lists(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        self.phase = Phase::FlushBefore;
        let old_lists = core::mem::take(&mut self.orders.old_lists);
        old_lists.into_iter().for_each(|block| self.replaced.insert_block(block));
        self.commit.lost.sort_unstable();
        self.commit.lost.dedup();
        let lost: Vec<Row> = self.commit.lost.iter().skip(INLINE_LOST).map(|run| run.to_row()).collect();
        self.commit.lost_list = self.write_list(desk, ListKind::Lost, &lost)?;
        self.commit.extents = core::mem::take(&mut self.outlet.extents);
        if desk.disk.faults.forget_extents {
            self.commit.extents.clear();
        }
        let further = self.commit.extents.iter().skip(INLINE_EXTENTS);
        let further: Vec<Row> = further.map(|extent| extent.to_row()).collect();
        self.commit.extent_list = self.write_list(desk, ListKind::Extents, &further)?;
        self.outlet.close(desk.blocks);
        if self.orders.close {
            self.write_free_list(desk)?;
        }
        self.outlet.write_out(desk.disk)?;
        self.commit.high_water = desk.blocks.high_water();
        Ok(())
    }

    fn write_list(&mut self, desk: &mut Desk<'_>, kind: ListKind, rows: &[Row]) -> Result<Entry, ImageError> {
        let number = self.commit.number;
        let to = (&mut self.outlet, desk.disk, &mut *desk.blocks);
        write_list(kind, rows, number, to, &mut self.list_blocks)
    }

    /// Stores what is free once this commit is the head: the list itself stands behind all else, so
    /// that writing it takes nothing from what it lists.
    fn write_free_list(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let number = self.commit.number;
        let mine = self.replaced.runs().chain(self.orders.freed.runs()).map(|run| (run, number));
        let listed: Vec<_> = desk.blocks.listed(self.commit.number).into_iter().chain(mine).collect();
        let rows: Vec<Row> = listed.iter().flat_map(|&(run, by)| crate::sweep::free_rows(run, by)).collect();
        let run = desk.blocks.take_behind(list_blocks(rows.len()));
        let grown = desk.disk.grow_to(run.end());
        grown.inspect_err(|_| desk.blocks.give_back(run))?;
        let to = (&mut self.outlet, desk.disk);
        let places = &mut self.list_blocks;
        self.commit.free_list = write_list_at(ListKind::Free, &rows, number, to, run.first, places)?;
        self.commit.clean = true;
        Ok(())
    }

    fn flush_before(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        let faults = &desk.disk.faults;
        self.phase = Phase::Record;
        if faults.skip_flush_before_record || faults.commit_before_pages {
            return Ok(());
        }
        self.flush(desk.disk)
    }

    fn write_record(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        if desk.disk.faults.journal_covers_too_much {
            self.commit.journal = desk.journal_end;
        }
        let geometry = desk.disk.geometry;
        let mut record = self.commit.clone();
        if desk.disk.faults.wrong_parent {
            record.parent = CommitNumber(record.parent.0.saturating_sub(1));
        }
        let mut bytes = zero_block();
        record.encode(&mut bytes);
        let slot = u64::from(self.commit.number.0 % geometry.ring_slots);
        self.record_may_be_there = true;
        desk.disk.write(geometry.ring_a.plus(slot), &*bytes)?;
        if !desk.disk.faults.skip_mirror {
            desk.disk.write(geometry.ring_b.plus(slot), &*bytes)?;
        }
        self.outlet.write_held_back(desk.disk)?;
        self.phase = Phase::FlushAfter;
        Ok(())
    }

    fn flush_after(&mut self, desk: &mut Desk<'_>) -> Result<(), ImageError> {
        self.phase = Phase::Done;
        let faults = &desk.disk.faults;
        if faults.ack_before_last_flush {
            return Ok(());
        }
        self.flush(desk.disk)
    }
}
