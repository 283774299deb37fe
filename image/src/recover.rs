//! Opening: which commit a world is at, and what was lost on the way there.
//!
//! Invariants
//! - I1 The newest commit whose record verifies (in either ring) is opened, if its newest extents,
//!   its map's root and its moments' root verify; else its parent; else the newest moment that is
//!   whole; else the newest older commit of which everything is still whole; else the newest commit
//!   whose map can be entered at all, with lost pages.
//! - I2 Opening reads the rings, the newest extents (16 MB at most) and no more of the map than its
//!   root, however large the heap is.
//! - I3 Opening writes nothing.
//! - I4 Whatever could not be opened is named.
//!
//! Knows: records. Must not know: how to write one.

use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::faults::Faults;
use crate::format::{
    Claimed, Commit, Geometry, ListKind, LostRun, SummedExtent, Superblock, VERSION, zero_block,
};
use crate::journal;
use crate::kinds::{BLOCK_BYTES, BlockBytes, BlockNumber, CommitNumber, MomentId, crc32_after};
use crate::lists::read_list;
use crate::map::{Entry, Node};
use crate::moments::ledger::Ledger;
use crate::moments::tree::load_node;
use crate::sweep::{Depth, Walk};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use platform::Store;

/// Where a store may start: in an ordinary world, and in a bootable one.
pub(crate) const STORE_STARTS: [u64; 2] = [1 << 20, 36 << 20];
/// How many blocks of the newest extents are verified before a world opens: 16 MB.
const VERIFIED_BLOCKS: u64 = 4096;
/// Blocks that are read at once when extents are verified.
const READ_BLOCKS: usize = 64;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The commit that was opened.
    pub opened: CommitNumber,
    /// Its wall clock.
    pub opened_wall_ns: i64,
    /// The moment that was opened in the stead of commits that are all damaged.
    pub opened_moment: Option<MomentId>,
    /// Newer commits that could not be opened, newest first: number, wall clock, and the damage.
    pub lost_commits: Vec<(CommitNumber, i64, Damage)>,
    /// Pages that the opened commit already names as lost.
    pub lost_pages: Vec<LostRun>,
    /// Other damage that opening met (a rotten mirror, an unreadable record).
    pub damages: Vec<Damage>,
    /// Records that a crash may have torn while they were written; if the disk kept its word, nothing
    /// acknowledged is among them.
    pub unfinished: Vec<Damage>,
    /// Whether the last session closed cleanly.
    pub clean: bool,
}

/// A commit that may be opened.
struct Examined {
    list_blocks: Vec<BlockNumber>,
    lost: Vec<LostRun>,
    unverified: Vec<SummedExtent>,
    /// The topmost map node could not be read, and its copy stands in for it.
    mended: Option<Damage>,
}

/// What opening hands to the world.
pub(crate) struct Found {
    pub(crate) disk: Disk,
    pub(crate) head: Commit,
    pub(crate) parent: Option<Commit>,
    pub(crate) newer: Vec<Commit>,
    pub(crate) highest: CommitNumber,
    pub(crate) high_water: BlockNumber,
    pub(crate) list_blocks: Vec<BlockNumber>,
    pub(crate) lost: Vec<LostRun>,
    pub(crate) unverified: Vec<SummedExtent>,
    pub(crate) report: OpenReport,
}

/// Finds the superblock.
pub(crate) fn locate(store: &Arc<dyn Store>, faults: Faults) -> Result<(Disk, Vec<Damage>), ImageError> {
    let mut trouble = None;
    for start in STORE_STARTS {
        let blank = Geometry::laid_out(4, 4, 0)?;
        let mut disk = Disk::new(store.clone(), start, blank, faults);
        let mut damages = Vec::new();
        let mut found = None;
        for (nth, mirror) in [(0, false), (1, true)] {
            match read_superblock(&disk, BlockNumber(nth), mirror) {
                Ok(geometry) => found = found.or(Some(geometry)),
                Err(ImageError::Damaged(damage)) => damages.push(damage),
                Err(error) => return Err(error),
            }
        }
        if let Some(geometry) = found {
            disk.geometry = geometry;
            return Ok((disk, damages));
        }
        trouble = trouble.or(damages.into_iter().find(is_trouble));
    }
    Err(trouble.map_or(ImageError::NotAWorld, ImageError::Damaged))
}

/// Whether damage at a superblock's place says more than that there is no superblock.
fn is_trouble(damage: &Damage) -> bool {
    match damage.fault {
        Fault::Magic => false,
        Fault::Field { name, .. } => name != "block",
        _ => true,
    }
}

fn read_superblock(disk: &Disk, block: BlockNumber, mirror: bool) -> Result<Geometry, ImageError> {
    let damage = |fault| ImageError::Damaged(Damage::new(Place::Superblock { mirror }, fault));
    let mut bytes = zero_block();
    disk.read(block, &mut *bytes).map_err(damage)?;
    let version = Superblock::claimed_version(&bytes);
    match Claimed::<Superblock>::new(bytes).verify(&()) {
        Ok(superblock) => Ok(superblock.0),
        Err(Fault::Field { name: "version", .. }) => {
            Err(ImageError::NewerVersion { found: version.unwrap_or(0), known: VERSION })
        }
        Err(fault) => Err(damage(fault)),
    }
}

/// The commits of both rings by number, and the damage of slots.
pub(crate) struct Ring {
    pub(crate) commits: BTreeMap<CommitNumber, Commit>,
    /// Slots that are unreadable in both rings.
    pub(crate) unreadable: Vec<Damage>,
    /// Slots of which one copy is bad or the copies differ: the damage, and the copy that is good.
    pub(crate) one_sided: Vec<(Damage, Option<Commit>)>,
}

/// Reads both rings.
pub(crate) fn read_rings(disk: &Disk) -> Ring {
    let mut ring = Ring { commits: BTreeMap::new(), unreadable: Vec::new(), one_sided: Vec::new() };
    let slots = disk.geometry.ring_slots;
    let copies = read_ring(disk, disk.geometry.ring_a, slots).into_iter();
    let mirrors = read_ring(disk, disk.geometry.ring_b, slots);
    for (slot, pair) in copies.zip(mirrors).enumerate() {
        ring.judge(slot as u32, pair);
    }
    ring
}

type Copy = Result<Option<Commit>, Fault>;

fn read_ring(disk: &Disk, first: BlockNumber, slots: u32) -> Vec<Copy> {
    let mut bytes = vec![0; slots as usize * BLOCK_BYTES];
    let whole = disk.read(first, &mut bytes).is_ok();
    let copy = |(slot, part): (usize, &[u8])| {
        let mut block = zero_block();
        block.copy_from_slice(part);
        if !whole {
            disk.read(first.plus(slot as u64), &mut *block)?;
        }
        let claimed = Claimed::<Commit>::new(block);
        if claimed.is_blank() { Ok(None) } else { claimed.verify(&(slot as u32, slots)).map(Some) }
    };
    bytes.chunks_exact(BLOCK_BYTES).enumerate().map(copy).collect()
}

impl Ring {
    fn judge(&mut self, slot: u32, (copy, mirror): (Copy, Copy)) {
        let at = |mirror, fault| Damage::new(Place::Record { slot, mirror }, fault);
        match (&copy, &mirror) {
            (Err(fault), Err(_)) => self.unreadable.push(at(false, *fault)),
            (Err(fault), Ok(good)) => self.one_sided.push((at(false, *fault), good.clone())),
            (Ok(good), Err(fault)) => self.one_sided.push((at(true, *fault), good.clone())),
            (Ok(copy), Ok(mirror)) if copy != mirror => {
                let number = |commit: &Option<Commit>| commit.as_ref().map(|commit| commit.number);
                let mirror_is_old = number(copy) >= number(mirror);
                let good = if mirror_is_old { copy } else { mirror };
                self.one_sided.push((at(mirror_is_old, Fault::Differs), good.clone()));
            }
            (Ok(_), Ok(_)) => {}
        }
        // The copy in ring A is put last: where both have the same number, it wins.
        for commit in [mirror, copy].into_iter().flatten().flatten() {
            self.commits.insert(commit.number, commit);
        }
    }

    /// Damage that no crash explains, and what a crash may have left: a bad copy in the slot of the
    /// newest commit or of the next one, or both copies in the slot of the next one.
    pub(crate) fn explained(&self, slots: u32) -> (Vec<Damage>, Vec<Damage>) {
        let newest = self.commits.last_key_value().map_or(0, |(number, _)| number.0);
        let (here, next) = (newest % slots, newest.wrapping_add(1) % slots);
        let in_slot = |damage: &Damage, slots: &[u32]| match damage.place {
            Place::Record { slot, .. } => slots.contains(&slot),
            _ => false,
        };
        let one_sided = self.one_sided.iter().map(|(damage, _)| *damage);
        let (mut by_crash, mut others): (Vec<_>, Vec<_>) = one_sided.partition(|damage| in_slot(damage, &[here, next]));
        for damage in &self.unreadable {
            let target = if in_slot(damage, &[next]) { &mut by_crash } else { &mut others };
            target.push(*damage);
        }
        (others, by_crash)
    }

    /// Writes the bad copy of each slot anew from the good one. A crash in between leaves the good one.
    pub(crate) fn heal(&self, disk: &Disk) -> Result<(), ImageError> {
        for (damage, good) in &self.one_sided {
            let Place::Record { slot, mirror } = damage.place else { continue };
            let mut bytes = zero_block();
            if let Some(commit) = good {
                commit.encode(&mut bytes);
            }
            let ring = if mirror { disk.geometry.ring_b } else { disk.geometry.ring_a };
            disk.write(ring.plus(slot.into()), &*bytes)?;
        }
        Ok(())
    }

    /// The commit that `commit` follows.
    pub(crate) fn parent_of(&self, commit: &Commit) -> Option<&Commit> {
        self.commits.get(&commit.parent).filter(|parent| parent.number < commit.number)
    }
}

/// Writes a commit's record anew, as it is: whatever a power cut leaves of that, it says the same.
pub(crate) fn rewrite_record(disk: &Disk, commit: &Commit) -> Result<(), ImageError> {
    let slot = u64::from(commit.number.0 % disk.geometry.ring_slots);
    let mut bytes = zero_block();
    commit.encode(&mut bytes);
    disk.write(disk.geometry.ring_a.plus(slot), &*bytes)?;
    disk.write(disk.geometry.ring_b.plus(slot), &*bytes)
}

/// Blanks the slot of a commit that was given up, in both rings.
pub(crate) fn blank_slot(disk: &Disk, number: CommitNumber) -> Result<(), ImageError> {
    let slot = u64::from(number.0 % disk.geometry.ring_slots);
    let blank = zero_block();
    disk.write(disk.geometry.ring_a.plus(slot), &*blank)?;
    disk.write(disk.geometry.ring_b.plus(slot), &*blank)
}

/// Finds what to open.
pub(crate) fn find(store: &Arc<dyn Store>, faults: Faults) -> Result<Found, ImageError> {
    let (disk, mut damages) = locate(store, faults)?;
    let ring = read_rings(&disk);
    let (unexplained, unfinished) = ring.explained(disk.geometry.ring_slots);
    damages.extend(unexplained);
    let newest = match ring.commits.last_key_value() {
        Some((_, newest)) => newest.clone(),
        None => {
            let none = Damage::new(Place::Record { slot: 0, mirror: false }, Fault::Magic);
            return Err(ring.unreadable.first().copied().unwrap_or(none).into());
        }
    };
    let mut report = OpenReport { damages, unfinished, ..OpenReport::default() };
    let (head, examined) = choose(&disk, &ring, &newest, &mut report)?;
    report.opened = head.number;
    report.opened_wall_ns = head.wall_ns;
    report.lost_pages = examined.lost.clone();
    report.clean = examined.mended.is_none() && head.clean && head.number == newest.number && report.opened_moment.is_none();
    let newer = ring.commits.range(CommitNumber(head.number.0 + 1)..).map(|(_, commit)| commit.clone());
    let newer: Vec<Commit> = newer.collect();
    let marks = ring.commits.values().map(|commit| commit.high_water);
    let end = BlockNumber(disk.blocks()?);
    Ok(Found {
        parent: ring.parent_of(&head).cloned(),
        highest: newest.number,
        high_water: marks.max().unwrap_or(end).min(end).max(disk.geometry.first_data),
        list_blocks: examined.list_blocks,
        lost: examined.lost,
        unverified: examined.unverified,
        disk,
        head,
        newer,
        report,
    })
}

/// The commit to open, by I1.
fn choose(
    disk: &Disk,
    ring: &Ring,
    newest: &Commit,
    report: &mut OpenReport,
) -> Result<(Commit, Examined), ImageError> {
    let after = CommitNumber(newest.number.0 + 1);
    let damage = match examine(disk, newest) {
        Ok(examined) => return Ok((as_examined(newest, after, &examined, report), examined)),
        Err(damage) => damage,
    };
    report.lost_commits.push((newest.number, newest.wall_ns, damage));
    let parent = if disk.faults.fall_back_by_number {
        ring.commits.range(..newest.number).next_back().map(|(_, commit)| commit)
    } else {
        ring.parent_of(newest)
    };
    if let Some(parent) = parent.filter(|parent| parent.heap.pages > 0 || newest.heap.pages == 0) {
        match examine(disk, parent) {
            Ok(examined) => return Ok((as_examined(parent, after, &examined, report), examined)),
            Err(damage) => report.lost_commits.push((parent.number, parent.wall_ns, damage)),
        }
    }
    let candidates = [Some(newest), parent];
    for commit in candidates.into_iter().flatten() {
        if let Some((id, opened)) = whole_moment(disk, commit) {
            report.opened_moment = Some(id);
            let nothing = Examined { list_blocks: Vec::new(), lost: Vec::new(), unverified: Vec::new(), mended: None };
            return Ok((opened, nothing));
        }
    }
    if let Some(older) = parent.and_then(|parent| whole_ancestor(disk, ring, parent)) {
        return Ok((older.clone(), examine_lists(disk, older)));
    }
    let ancestors = core::iter::successors(parent, |commit| ring.parent_of(commit));
    for commit in core::iter::once(newest).chain(ancestors) {
        if commit.heap.pages > 0 && Node::load(disk, commit.map.entry).is_ok() {
            report.lost_commits.retain(|(number, _, damage)| {
                if *number == commit.number {
                    report.damages.push(*damage);
                }
                *number > commit.number
            });
            return Ok((commit.clone(), examine_lists(disk, commit)));
        }
    }
    Err(damage.into())
}

/// The commit as it can be opened: with the copy of its map's root in the stead of the root, as if the
/// next commit had written it, so that it is freed when it is replaced.
fn as_examined(commit: &Commit, after: CommitNumber, examined: &Examined, report: &mut OpenReport) -> Commit {
    let mut opened = commit.clone();
    if let (Some(damage), Some(copy)) = (examined.mended, commit.copy_entry()) {
        report.damages.push(damage);
        opened.map.entry = Entry { birth: after, ..copy };
        opened.map_copy = BlockNumber::HOLE;
        // The list of free extents does not know of it.
        opened.clean = false;
    }
    opened
}

/// The newest ancestor of a commit of which everything is still whole: its blocks were free to be
/// used again, so all of them are read.
fn whole_ancestor<'a>(disk: &Disk, ring: &'a Ring, from: &Commit) -> Option<&'a Commit> {
    let mut next = ring.parent_of(from);
    while let Some(commit) = next.filter(|commit| commit.heap.pages > 0) {
        let mut walk = Walk::new(Depth::Pages, commit.high_water, disk);
        walk.add(commit, disk);
        while !walk.step(disk, u32::MAX) {}
        if walk.damages.is_empty() && examine(disk, commit).is_ok() {
            return Some(commit);
        }
        next = ring.parent_of(commit);
    }
    None
}

/// The newest moment of a commit's tree that is whole, as a commit that restored it.
fn whole_moment(disk: &Disk, commit: &Commit) -> Option<(MomentId, Commit)> {
    let ledger = Ledger::load(disk, commit.tree).ok()?;
    for moment in ledger.moments.into_values().rev() {
        let opened = Commit {
            map: moment.map,
            map_copy: BlockNumber::HOLE,
            heap: moment.heap,
            line: moment.id,
            line_bound: moment.commit,
            journal: journal::replay(disk, commit.journal).end,
            lost: Vec::new(),
            clean: false,
            ..commit.clone()
        };
        let mut walk = Walk::new(Depth::Pages, commit.high_water, disk);
        walk.add_map(moment.map);
        while !walk.step(disk, u32::MAX) {}
        if walk.damages.is_empty() && moment.heap.pages > 0 {
            return Some((moment.id, opened));
        }
    }
    None
}

/// Whether a commit may be opened: its lists, roots and newest extents.
fn examine(disk: &Disk, commit: &Commit) -> Result<Examined, Damage> {
    let mended = examine_root(disk, commit)?;
    if commit.tree.levels > 0 {
        load_node(disk, commit.tree.entry, commit.tree.levels)?;
    }
    let (extents, mut list_blocks) = read_list(disk, ListKind::Extents, commit.extent_list)?;
    let (lost, places) = read_list(disk, ListKind::Lost, commit.lost_list)?;
    list_blocks.extend(places);
    if mended.is_none() {
        list_blocks.extend(commit.copy_entry().map(|copy| copy.block));
    }
    let further = extents.iter().map(|row| SummedExtent::from_row(row));
    let all = commit.extents.iter().copied().chain(further);
    let written = all.clone().fold(0u64, |sum, extent| sum.saturating_add(extent.blocks.into()));
    let bound = disk.blocks().unwrap_or(u64::MAX);
    if written > bound {
        let place = Place::Extent { first: BlockNumber::HOLE, blocks: written };
        return Err(Damage::new(place, Fault::Field { name: "extents", value: written, bound }));
    }
    let mut unverified = Vec::new();
    let mut left = if disk.faults.skip_extent_verification { 0 } else { VERIFIED_BLOCKS };
    for extent in all {
        // What stands in for a root is known here only: then all is verified at once.
        if u64::from(extent.blocks) > left && mended.is_none() {
            unverified.push(extent);
            continue;
        }
        left = left.saturating_sub(u64::from(extent.blocks));
        let stand_in = mended.as_ref().map(|(_, bytes)| (commit.map.entry.block, &**bytes));
        verify_extent(disk, extent, stand_in)?;
    }
    if disk.faults.skip_extent_verification {
        unverified.clear();
    }
    let lost = lost.iter().map(|row| LostRun::from_row(row));
    let lost = commit.lost.iter().copied().chain(lost).collect();
    Ok(Examined { list_blocks, lost, unverified, mended: mended.map(|(damage, _)| damage) })
}

/// The topmost map node; where it cannot be read, what is wrong with it and the bytes of its copy.
fn examine_root(disk: &Disk, commit: &Commit) -> Result<Option<(Damage, Box<BlockBytes>)>, Damage> {
    let root = commit.map.entry;
    if !root.is_block() {
        return Ok(None);
    }
    let Err(fault) = disk.read_summed(root) else { return Ok(None) };
    let damage = Damage::new(Place::Block(root.block), fault);
    let copy = commit.copy_entry().ok_or(damage)?;
    disk.read_summed(copy).map(|bytes| Some((damage, bytes))).map_err(|_| damage)
}

/// What can be known of a commit that is opened in spite of damage.
fn examine_lists(disk: &Disk, commit: &Commit) -> Examined {
    let lost = read_list(disk, ListKind::Lost, commit.lost_list).map(|(rows, _)| rows).unwrap_or_default();
    let lost = lost.iter().map(|row| LostRun::from_row(row));
    let lost = commit.lost.iter().copied().chain(lost).collect();
    Examined { list_blocks: Vec::new(), lost, unverified: Vec::new(), mended: None }
}

/// Compares an extent with its sum; a block may be known from elsewhere.
pub(crate) fn verify_extent(
    disk: &Disk,
    extent: SummedExtent,
    stand_in: Option<(BlockNumber, &BlockBytes)>,
) -> Result<(), Damage> {
    let place = Place::Extent { first: extent.first, blocks: extent.blocks.into() };
    let damage = |fault| Damage::new(place, fault);
    if extent.first < disk.geometry.first_data {
        let (value, bound) = (extent.first.0, disk.geometry.first_data.0);
        return Err(damage(Fault::Field { name: "block", value, bound }));
    }
    let mut bytes = vec![0; READ_BLOCKS * BLOCK_BYTES];
    let (mut at, mut left, mut crc) = (extent.first, extent.blocks as usize, 0);
    while left > 0 {
        let blocks = left.min(READ_BLOCKS);
        let part = &mut bytes[..blocks * BLOCK_BYTES];
        read_with(disk, at, part, stand_in).map_err(damage)?;
        crc = crc32_after(crc, part);
        at = at.plus(blocks as u64);
        left -= blocks;
    }
    if crc == extent.crc { Ok(()) } else { Err(damage(Fault::Checksum)) }
}

/// Reads from block `at` on, block by block where one of them is known from elsewhere.
fn read_with(
    disk: &Disk,
    at: BlockNumber,
    into: &mut [u8],
    stand_in: Option<(BlockNumber, &BlockBytes)>,
) -> Result<(), Fault> {
    let end = at.plus((into.len() / BLOCK_BYTES) as u64);
    let Some((block, bytes)) = stand_in.filter(|(block, _)| (at..end).contains(block)) else {
        return disk.read(at, into);
    };
    for (nth, part) in into.chunks_exact_mut(BLOCK_BYTES).enumerate() {
        let here = at.plus(nth as u64);
        if here == block {
            part.copy_from_slice(bytes);
        } else {
            disk.read(here, part)?;
        }
    }
    Ok(())
}
