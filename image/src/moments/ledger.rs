//! All moments of a world in memory, and what deleting some of them comes to.
//!
//! Invariants
//! - I1 A moment's children are the moments made on its line, and the head if it is on it.
//! - I2 Deleting a moment with one child frees what it has alone: blocks born after its parent's
//!   commit that its child does not have in the same place. With no child, all of those. With
//!   several, it only loses its name and goes when one is left.
//!
//! Knows: moments, maps. Must not know: how a commit is written.

use super::{Moment, Policy, ThinPolicy};
use crate::difference::Difference;
use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::extents::Extents;
use crate::format::{Commit, TreeRoot};
use crate::kinds::{BLOCK_BYTES, BlockNumber, CommitNumber, MomentId};
use crate::map::MapRoot;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

const NS_PER_S: u64 = 1_000_000_000;

/// All moments.
#[derive(Clone, Default)]
pub(crate) struct Ledger {
    /// By number.
    pub(crate) moments: BTreeMap<MomentId, Moment>,
    /// The nodes of the tree that they were read from.
    pub(crate) tree_blocks: Vec<BlockNumber>,
}

/// What a deletion comes to.
pub(crate) struct Deletion {
    /// The moments that change or go.
    pub(crate) changes: BTreeMap<MomentId, Option<Moment>>,
    /// The blocks that nobody else has.
    pub(crate) freed: Extents,
    /// The head's line afterwards.
    pub(crate) line: (MomentId, CommitNumber),
    /// How many moments went.
    pub(crate) gone: usize,
}

impl Ledger {
    /// Reads all moments of a tree.
    pub(crate) fn load(disk: &Disk, tree: TreeRoot) -> Result<Ledger, Damage> {
        let mut ledger = Ledger::default();
        let mut seen = BTreeSet::new();
        let mut twice = None;
        let mut block = |block: BlockNumber| {
            let fresh = seen.insert(block);
            if !fresh {
                twice = Some(Damage::new(Place::MomentsNode(block), Fault::UsedTwice));
            }
            fresh
        };
        let moments = &mut ledger.moments;
        super::tree::walk(disk, tree, &mut block, &mut |moment| drop(moments.insert(moment.id, moment)))?;
        ledger.tree_blocks = seen.into_iter().collect();
        twice.map_or(Ok(ledger), Err)
    }

    /// The moment `id`.
    pub(crate) fn get(&self, id: MomentId) -> Result<&Moment, ImageError> {
        self.moments.get(&id).ok_or(ImageError::NoSuchMoment(id))
    }

    /// Whether another moment has the name.
    pub(crate) fn named(&self, name: &str) -> Option<MomentId> {
        self.moments.values().find(|moment| moment.name == name).map(|moment| moment.id)
    }

    /// Takes over what a commit did.
    pub(crate) fn apply(&mut self, changes: &BTreeMap<MomentId, Option<Moment>>) {
        for (id, change) in changes {
            match change {
                Some(moment) => drop(self.moments.insert(*id, moment.clone())),
                None => drop(self.moments.remove(id)),
            }
        }
    }

    /// The automatic moments that a policy does not keep, oldest first.
    pub(crate) fn thinned(&self, policy: &ThinPolicy, now_ns: i64, any: bool) -> Vec<MomentId> {
        let mut kept = BTreeSet::new();
        let mut victims = Vec::new();
        for moment in self.moments.values().rev() {
            if moment.policy != Policy::Automatic && !any {
                continue;
            }
            let age_s = now_ns.saturating_sub(moment.wall_ns).max(0) as u64 / NS_PER_S;
            let step = policy.steps.iter().find(|step| age_s < step.younger_than_s).or(policy.steps.last());
            let span = step.map_or(0, |step| step.one_per_s);
            let bucket = moment.wall_ns.max(0) as u64 / NS_PER_S / span.max(1);
            if span > 0 && !kept.insert((span, bucket)) {
                victims.push(moment.id);
            }
        }
        victims.reverse();
        victims
    }

    /// The automatic moments, oldest first.
    pub(crate) fn automatic(&self) -> impl Iterator<Item = MomentId> + '_ {
        let automatic = self.moments.values().filter(|moment| moment.policy == Policy::Automatic);
        automatic.map(|moment| moment.id)
    }
}

/// A deletion being planned over a copy of the ledger.
pub(crate) struct Plan<'a> {
    disk: &'a Disk,
    ledger: Ledger,
    children: BTreeMap<MomentId, BTreeSet<Child>>,
    head_map: MapRoot,
    deletion: Deletion,
}

/// A child of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Child {
    Moment(MomentId),
    Head,
}

impl<'a> Plan<'a> {
    /// A plan that deletes nothing yet.
    pub(crate) fn new(disk: &'a Disk, ledger: &Ledger, head: &Commit) -> Plan<'a> {
        let mut children: BTreeMap<MomentId, BTreeSet<Child>> = BTreeMap::new();
        for moment in ledger.moments.values() {
            children.entry(moment.parent).or_default().insert(Child::Moment(moment.id));
        }
        children.entry(head.line).or_default().insert(Child::Head);
        let line = (head.line, head.line_bound);
        Plan {
            disk,
            ledger: ledger.clone(),
            children,
            head_map: head.map,
            deletion: Deletion { changes: BTreeMap::new(), freed: Extents::default(), line, gone: 0 },
        }
    }

    /// Blocks freed so far.
    pub(crate) fn freed_blocks(&self) -> u64 {
        self.deletion.freed.blocks()
    }

    /// How many moments go.
    pub(crate) fn gone(&self) -> usize {
        self.deletion.gone
    }

    /// Whether a moment is still there.
    pub(crate) fn has(&self, id: MomentId) -> bool {
        self.ledger.moments.contains_key(&id)
    }

    /// What was planned.
    pub(crate) fn finish(self) -> Deletion {
        self.deletion
    }

    /// Deletes a moment, and then what only it kept there.
    pub(crate) fn delete(&mut self, id: MomentId) -> Result<(), ImageError> {
        self.ledger.get(id)?;
        let mut next = Some(id);
        while let Some(id) = next.take() {
            let Some(moment) = self.ledger.moments.get(&id).cloned() else { return Ok(()) };
            let children = self.children.get(&id).cloned().unwrap_or_default();
            if children.len() > 1 && !self.disk.faults.delete_moment_with_two_children {
                self.put(Moment { policy: Policy::Structural, name: String::new(), holder: 0, ..moment });
                return Ok(());
            }
            self.remove(&moment, &children)?;
            let parent = self.ledger.moments.get(&moment.parent);
            next = parent.filter(|parent| self.is_idle(parent)).map(|parent| parent.id);
        }
        Ok(())
    }

    /// Whether a moment is only there for children, of which one at most is left.
    fn is_idle(&self, moment: &Moment) -> bool {
        let children = self.children.get(&moment.id).map_or(0, BTreeSet::len);
        moment.policy == Policy::Structural && children <= 1
    }

    fn remove(&mut self, moment: &Moment, children: &BTreeSet<Child>) -> Result<(), ImageError> {
        let parent_bound = self.ledger.moments.get(&moment.parent).map_or(CommitNumber::FIRST, |parent| parent.commit);
        let child_map = match children.first() {
            Some(Child::Head) => self.head_map,
            Some(Child::Moment(child)) => self.ledger.get(*child)?.map,
            None => MapRoot::default(),
        };
        self.free_own(moment.map, child_map, parent_bound)?;
        for &child in children {
            self.hand_on(child, moment.parent, parent_bound)?;
        }
        let siblings = self.children.entry(moment.parent).or_default();
        siblings.remove(&Child::Moment(moment.id));
        siblings.extend(children);
        self.children.remove(&moment.id);
        self.ledger.moments.remove(&moment.id);
        self.deletion.changes.insert(moment.id, None);
        self.deletion.gone += 1;
        Ok(())
    }

    /// A child of a moment that goes becomes a child of that moment's parent.
    fn hand_on(&mut self, child: Child, parent: MomentId, bound: CommitNumber) -> Result<(), ImageError> {
        match child {
            Child::Head => self.deletion.line = (parent, bound),
            Child::Moment(id) => {
                let moment = self.ledger.get(id)?.clone();
                self.put(Moment { parent, ..moment });
            }
        }
        Ok(())
    }

    fn put(&mut self, moment: Moment) {
        self.ledger.moments.insert(moment.id, moment.clone());
        self.deletion.changes.insert(moment.id, Some(moment));
    }

    fn free_own(&mut self, map: MapRoot, child: MapRoot, bound: CommitNumber) -> Result<(), ImageError> {
        let faults = &self.disk.faults;
        let child = if faults.delete_ignores_child { MapRoot::default() } else { child };
        let bound = if faults.delete_ignores_parent { CommitNumber::FIRST } else { bound };
        let freed = &mut self.deletion.freed;
        let mut own = |place: crate::difference::Differing| {
            if place.first.is_block() && place.first.birth > bound {
                freed.insert_block(place.first.block);
            }
        };
        Difference::within(map, child, bound).step(self.disk, u32::MAX, &mut own)?;
        Ok(())
    }
}

/// How many bytes blocks take.
pub(crate) fn bytes_of(blocks: u64) -> u64 {
    blocks.saturating_mul(BLOCK_BYTES as u64)
}
