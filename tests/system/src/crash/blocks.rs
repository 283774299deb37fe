//! What a block of a world file is, judged by place and contents, for the table of rot.

use super::pages::number_of;
use image::{BLOCK_BYTES, BlockBytes, Geometry};
use platform_sim::Medium;

/// The kinds of blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "named as in FORMAT.md")]
pub enum BlockKind {
    BootArea,
    Superblock,
    Mirror,
    RingA,
    RingB,
    Journal,
    Page,
    MapNode,
    MomentsNode,
    ListBlock,
    Blank,
}

impl BlockKind {
    /// All but the blank ones.
    pub const ALL: [BlockKind; 10] = [
        BlockKind::BootArea,
        BlockKind::Superblock,
        BlockKind::Mirror,
        BlockKind::RingA,
        BlockKind::RingB,
        BlockKind::Journal,
        BlockKind::Page,
        BlockKind::MapNode,
        BlockKind::MomentsNode,
        BlockKind::ListBlock,
    ];
}

/// The start of the store in the worlds of these tests.
pub const STORE_START: u64 = 1 << 20;

/// What stands at an offset.
pub fn kind_of_block(medium: &Medium, geometry: &Geometry, offset: u64) -> BlockKind {
    let mut bytes: BlockBytes = [0; BLOCK_BYTES];
    medium.read(offset / BLOCK_BYTES as u64 * BLOCK_BYTES as u64, &mut bytes);
    if bytes.iter().all(|byte| *byte == 0) {
        return BlockKind::Blank;
    }
    let Some(block) = offset.checked_sub(STORE_START).map(|within| within / BLOCK_BYTES as u64) else {
        return BlockKind::BootArea;
    };
    match block {
        0 => BlockKind::Superblock,
        1 => BlockKind::Mirror,
        _ if block < geometry.ring_b.0 => BlockKind::RingA,
        _ if block < geometry.journal.0 => BlockKind::RingB,
        _ if block < geometry.first_data.0 => BlockKind::Journal,
        _ if number_of(&bytes).is_some() => BlockKind::Page,
        _ if bytes.starts_with(b"WarmList") => BlockKind::ListBlock,
        _ if bytes.starts_with(b"WarmTree") => BlockKind::MomentsNode,
        _ => BlockKind::MapNode,
    }
}

/// The offsets of all blocks that hold something.
pub fn blocks_in_use(medium: &Medium) -> Vec<u64> {
    let bytes = BLOCK_BYTES as u64;
    (0..medium.len() / bytes).map(|block| block * bytes).filter(|offset| medium.holes_in(*offset, 1) == 0).collect()
}
