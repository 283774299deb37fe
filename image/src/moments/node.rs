//! Nodes of the moments tree, as bytes.

use super::{MAX_NAME_BYTES, Moment, Origin, Policy};
use crate::error::Fault;
use crate::format::table::{moment as field, tree as head, tree_branch as branch};
use crate::format::{Record, at_least, at_most, get_entry, put_entry, roots_from, roots_to};
use crate::frozen::HeapWords;
use crate::kinds::{BLOCK_BYTES, BlockBytes, CommitNumber, MomentId};
use crate::map::{Entry, MAX_LEVELS, MapRoot};
use alloc::string::String;
use alloc::vec::Vec;

const MAGIC: [u8; 8] = *b"WarmTree";
/// Branches that fit a node.
pub(crate) const MAX_BRANCHES: usize = (BLOCK_BYTES - head::BYTES) / branch::BYTES;
/// Bytes of moments that fit a leaf.
pub(crate) const LEAF_BYTES: usize = BLOCK_BYTES - head::BYTES;

/// A decoded node.
pub(crate) enum TreeNode {
    /// Moments, by number.
    Leaf(Vec<Moment>),
    /// The least number below, and the entry of the node below, by number.
    Branches(Vec<(MomentId, Entry)>),
}

impl Record for TreeNode {
    /// The level on which the node must be.
    type Context = u32;

    fn verify(bytes: &BlockBytes, &level: &u32) -> Result<Self, Fault> {
        if head::MAGIC.get(bytes) != MAGIC {
            return Err(Fault::Magic);
        }
        let found = u64::from(head::LEVEL.get(bytes));
        at_most("level", found, u64::from(level))?;
        at_least("level", found, u64::from(level))?;
        let count = head::COUNT.get(bytes) as usize;
        let body = &bytes[head::BYTES..];
        if level == 1 { decode_leaf(body, count) } else { decode_branches(body, count) }
    }
}

fn rising(last: &mut u64, id: u64) -> Result<MomentId, Fault> {
    *last = at_least("moment", id, last.saturating_add(1))?;
    at_most("moment", id, 1 << 60)?;
    Ok(MomentId(id))
}

fn decode_branches(body: &[u8], count: usize) -> Result<TreeNode, Fault> {
    at_most("branches", count as u64, MAX_BRANCHES as u64)?;
    let mut last = 0;
    let mut branches = Vec::with_capacity(count);
    for row in body.chunks_exact(branch::BYTES).take(count) {
        let id = rising(&mut last, branch::FIRST.get(row))?;
        branches.push((id, get_entry(row, branch::ENTRY.offset)));
    }
    Ok(TreeNode::Branches(branches))
}

fn decode_leaf(body: &[u8], count: usize) -> Result<TreeNode, Fault> {
    at_most("moments", count as u64, (LEAF_BYTES / field::BYTES) as u64)?;
    let (mut last, mut place) = (0, 0);
    let mut moments = Vec::with_capacity(count);
    for _ in 0..count {
        let rest = body.get(place..).unwrap_or(&[]);
        let moment = decode_moment(rest)?;
        rising(&mut last, moment.id.0)?;
        place += field::RECORD_BYTES.get(rest) as usize;
        moments.push(moment);
    }
    Ok(TreeNode::Leaf(moments))
}

fn decode_moment(rest: &[u8]) -> Result<Moment, Fault> {
    let bytes = u64::from(field::RECORD_BYTES.get(rest));
    at_least("moment_bytes", bytes, field::BYTES as u64)?;
    at_most("moment_bytes", bytes, rest.len() as u64)?;
    let name_bytes = u64::from(field::NAME_BYTES.get(rest));
    let room = (bytes - field::BYTES as u64).min(MAX_NAME_BYTES as u64);
    let name_bytes = at_most("name_bytes", name_bytes, room)? as usize;
    let name = &rest[field::BYTES..field::BYTES + name_bytes];
    let name = core::str::from_utf8(name).map_err(|error| Fault::Field {
        name: "name",
        value: error.valid_up_to() as u64,
        bound: name_bytes as u64,
    })?;
    Ok(Moment {
        id: MomentId(field::ID.get(rest)),
        parent: MomentId(at_most("parent", field::PARENT.get(rest), field::ID.get(rest))?),
        commit: CommitNumber(field::COMMIT.get(rest)),
        map: MapRoot {
            entry: get_entry(rest, field::MAP.offset),
            levels: at_most("map_levels", u64::from(field::MAP_LEVELS.get(rest)), MAX_LEVELS.into())?
                as u32,
        },
        heap: HeapWords {
            base: field::HEAP_BASE.get(rest),
            pages: at_most("heap_pages", field::HEAP_PAGES.get(rest), 1 << 60)?,
            roots: roots_from(&field::ROOTS.get(rest)),
        },
        wall_ns: field::WALL.get(rest),
        policy: policy_of(field::POLICY.get(rest))?,
        origin: origin_of(field::ORIGIN.get(rest))?,
        holder: field::HOLDER.get(rest),
        name: String::from(name),
    })
}

fn policy_of(byte: u8) -> Result<Policy, Fault> {
    use Policy::*;
    let all = [Automatic, Named, Pinned, Branch, Structural];
    let found = all.into_iter().find(|policy| *policy as u8 == byte);
    found.ok_or(Fault::Field { name: "policy", value: byte.into(), bound: Structural as u64 })
}

fn origin_of(byte: u8) -> Result<Origin, Fault> {
    use Origin::*;
    let all = [Snapshot, Named, Branched, Replaced, Pinned];
    let found = all.into_iter().find(|origin| *origin as u8 == byte);
    found.ok_or(Fault::Field { name: "origin", value: byte.into(), bound: Pinned as u64 })
}

/// The length of a moment's record.
pub(crate) fn moment_bytes(moment: &Moment) -> usize {
    field::BYTES + moment.name.len().min(MAX_NAME_BYTES).next_multiple_of(8)
}

fn encode_moment(moment: &Moment, row: &mut [u8]) {
    let name = moment.name.as_bytes();
    let name = &name[..name.len().min(MAX_NAME_BYTES)];
    field::RECORD_BYTES.put(row, moment_bytes(moment) as u32);
    field::POLICY.put(row, moment.policy as u8);
    field::ORIGIN.put(row, moment.origin as u8);
    field::NAME_BYTES.put(row, name.len() as u16);
    field::ID.put(row, moment.id.0);
    field::PARENT.put(row, moment.parent.0);
    field::COMMIT.put(row, moment.commit.0);
    field::MAP_LEVELS.put(row, moment.map.levels);
    put_entry(row, field::MAP.offset, moment.map.entry);
    field::HEAP_BASE.put(row, moment.heap.base);
    field::HEAP_PAGES.put(row, moment.heap.pages);
    field::ROOTS.put(row, &roots_to(&moment.heap.roots));
    field::WALL.put(row, moment.wall_ns);
    field::HOLDER.put(row, moment.holder);
    if let Some(place) = row.get_mut(field::BYTES..field::BYTES + name.len()) {
        place.copy_from_slice(name);
    }
}

/// The bytes of a leaf.
pub(crate) fn encode_leaf(moments: &[Moment], bytes: &mut BlockBytes) {
    encode_head(1, moments.len(), bytes);
    let mut place = head::BYTES;
    for moment in moments {
        encode_moment(moment, &mut bytes[place..]);
        place += moment_bytes(moment);
    }
}

/// The bytes of a node above the leaves.
pub(crate) fn encode_branches(level: u32, branches: &[(MomentId, Entry)], bytes: &mut BlockBytes) {
    encode_head(level, branches.len(), bytes);
    for (row, (id, entry)) in bytes[head::BYTES..].chunks_exact_mut(branch::BYTES).zip(branches) {
        branch::FIRST.put(row, id.0);
        put_entry(row, branch::ENTRY.offset, *entry);
    }
}

fn encode_head(level: u32, count: usize, bytes: &mut BlockBytes) {
    bytes.fill(0);
    head::MAGIC.put(bytes, &MAGIC);
    head::LEVEL.put(bytes, level);
    head::COUNT.put(bytes, count as u32);
}
