//! The moments tree: a copy-on-write B-tree by moment number.
//!
//! Invariants
//! - I1 A change writes the nodes on its path anew; what it replaces is reported, never reused here.
//! - I2 The height is bounded, so the walk down may recurse.
//! - I3 Numbers rise, so new moments fill the last leaf; a tree that deletions have thinned out is
//!   written anew as a whole ([`write_all`]).
//!
//! Knows: moments. Must not know: when a block may be used again.

use super::Moment;
use super::node::{
    LEAF_BYTES, MAX_BRANCHES, TreeNode, encode_branches, encode_leaf, moment_bytes,
};
use crate::alloc_blocks::Allocator;
use crate::disk::Disk;
use crate::error::{Damage, Fault, ImageError, Place};
use crate::format::{Claimed, TreeRoot, zero_block};
use crate::kinds::{BlockNumber, MomentId};
use crate::map::Entry;
use crate::outlet::Outlet;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a commit does to the moments: a new state, or removal.
pub(crate) type Changes = BTreeMap<MomentId, Option<Moment>>;

/// Branches to nodes of one level.
type Branches = Vec<(MomentId, Entry)>;

/// What an edit needs of the commit it belongs to.
pub(crate) struct Edit<'a> {
    /// Where new nodes go.
    pub(crate) outlet: &'a mut Outlet,
    /// Where old ones are.
    pub(crate) disk: &'a Disk,
    /// Which blocks may be written.
    pub(crate) blocks: &'a mut Allocator,
    /// Nodes that the new tree no longer reaches.
    pub(crate) replaced: &'a mut Vec<BlockNumber>,
}

/// Reads a node.
pub(crate) fn load_node(disk: &Disk, entry: Entry, level: u32) -> Result<TreeNode, Damage> {
    let damage = |fault| Damage::new(Place::MomentsNode(entry.block), fault);
    if !entry.is_block() {
        return Err(damage(Fault::Field { name: "block", value: entry.block.0, bound: 1 }));
    }
    let node = Claimed::<TreeNode>::new(disk.read_summed(entry).map_err(damage)?);
    node.verify(&level).map_err(damage)
}

/// Applies `changes`; answers the new tree.
pub(crate) fn apply(root: TreeRoot, changes: &Changes, edit: &mut Edit<'_>) -> Result<TreeRoot, ImageError> {
    if changes.is_empty() {
        return Ok(root);
    }
    let changed: Vec<(MomentId, Option<&Moment>)> =
        changes.iter().map(|(&id, change)| (id, change.as_ref())).collect();
    if root.levels == 0 {
        let moments: Vec<&Moment> = changed.iter().filter_map(|(_, moment)| *moment).collect();
        return write_all(&moments, edit);
    }
    let branches = edit_node(root.entry, root.levels, &changed, edit)?;
    raise(branches, root.levels, edit)
}

/// Writes a tree of all of `moments` (by number), replacing nothing.
pub(crate) fn write_all(moments: &[&Moment], edit: &mut Edit<'_>) -> Result<TreeRoot, ImageError> {
    let owned: Vec<Moment> = moments.iter().map(|&moment| moment.clone()).collect();
    let leaves = write_leaves(&owned, edit)?;
    raise(leaves, 1, edit)
}

/// Puts levels on top until one node is left.
fn raise(mut branches: Branches, mut levels: u32, edit: &mut Edit<'_>) -> Result<TreeRoot, ImageError> {
    while branches.len() > 1 {
        levels += 1;
        branches = write_branches(levels, &branches, edit)?;
    }
    Ok(match branches.first() {
        Some(&(_, entry)) => TreeRoot { entry, levels },
        None => TreeRoot::default(),
    })
}

fn edit_node(
    entry: Entry,
    level: u32,
    changes: &[(MomentId, Option<&Moment>)],
    edit: &mut Edit<'_>,
) -> Result<Branches, ImageError> {
    let node = load_node(edit.disk, entry, level)?;
    edit.replaced.push(entry.block);
    match node {
        TreeNode::Leaf(moments) => write_leaves(&merged(moments, changes), edit),
        TreeNode::Branches(children) => {
            let mut branches = Vec::with_capacity(children.len() + 1);
            let mut rest = changes;
            for (nth, &(first, child)) in children.iter().enumerate() {
                let next = children.get(nth + 1).map_or(MomentId(u64::MAX), |next| next.0);
                let mine = rest.partition_point(|(id, _)| *id < next);
                let (here, behind) = rest.split_at(mine);
                rest = behind;
                if here.is_empty() {
                    branches.push((first, child));
                } else {
                    branches.extend(edit_node(child, level - 1, here, edit)?);
                }
            }
            write_branches(level, &branches, edit)
        }
    }
}

fn merged(moments: Vec<Moment>, changes: &[(MomentId, Option<&Moment>)]) -> Vec<Moment> {
    let mut by_id: BTreeMap<MomentId, Moment> =
        moments.into_iter().map(|moment| (moment.id, moment)).collect();
    for (id, change) in changes {
        match change {
            Some(moment) => drop(by_id.insert(*id, (*moment).clone())),
            None => drop(by_id.remove(id)),
        }
    }
    by_id.into_values().collect()
}

fn write_leaves(moments: &[Moment], edit: &mut Edit<'_>) -> Result<Branches, ImageError> {
    let mut branches = Vec::new();
    let mut bytes = zero_block();
    let mut rest = moments;
    while let Some(first) = rest.first() {
        let mut room = LEAF_BYTES;
        let fits = rest.iter().take_while(|moment| {
            let fits = moment_bytes(moment) <= room;
            room = room.saturating_sub(moment_bytes(moment));
            fits
        });
        let (here, behind) = rest.split_at(fits.count().max(1));
        encode_leaf(here, &mut bytes);
        branches.push((first.id, edit.outlet.send(edit.disk, edit.blocks, &bytes)?));
        rest = behind;
    }
    Ok(branches)
}

fn write_branches(level: u32, children: &[(MomentId, Entry)], edit: &mut Edit<'_>) -> Result<Branches, ImageError> {
    let mut branches = Vec::new();
    let mut bytes = zero_block();
    for here in children.chunks(MAX_BRANCHES) {
        encode_branches(level, here, &mut bytes);
        let entry = edit.outlet.send(edit.disk, edit.blocks, &bytes)?;
        branches.extend(here.first().map(|&(first, _)| (first, entry)));
    }
    Ok(branches)
}

/// Walks a tree: every moment to `moment`, every node's block to `block`, which answers whether to
/// go on below it.
pub(crate) fn walk(
    disk: &Disk,
    root: TreeRoot,
    block: &mut dyn FnMut(BlockNumber) -> bool,
    moment: &mut dyn FnMut(Moment),
) -> Result<(), Damage> {
    let mut waiting = Vec::new();
    if root.levels > 0 {
        waiting.push((root.entry, root.levels));
    }
    while let Some((entry, level)) = waiting.pop() {
        if !block(entry.block) {
            continue;
        }
        match load_node(disk, entry, level)? {
            TreeNode::Leaf(moments) => moments.into_iter().for_each(&mut *moment),
            TreeNode::Branches(children) => {
                waiting.extend(children.iter().rev().map(|&(_, child)| (child, level - 1)));
            }
        }
    }
    Ok(())
}
