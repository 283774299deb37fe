//! The store of a world: keeps the pages of one heap in a file or raw disk, so that an acknowledged
//! snapshot survives any crash.
//!
//! Principles
//! - I1 *Shadow pages.* No block that the head, its parent or a kept moment reaches is ever written.
//! - I2 *Sums in the parent.* A block is used only if its parent holds its CRC-32; the tree hangs on
//!   one commit record, kept twice.
//! - I3 *Claimed, then true.* Bytes from the medium are claims until verified; forged ones neither
//!   panic nor loop.
//! - I4 *Failures are named.* What was lost is in the report of opening, in the commits, in `check`.
//! - I5 *Steps, not threads.* Writer, verification and sweep are state machines driven by `step`;
//!   the pager alone is called from elsewhere, and it neither locks nor allocates.
//!
//! Where to read: [`World`] is the façade; `format` the records (`FORMAT.md` for people); `recover`
//! says what opens; `writer` the order of writes; `alloc_blocks` when a block may be used again;
//! `moments` what is kept; `journal` what is too small for a snapshot; `pager` the way back.
//!
//! Knows: pages, eight opaque words, a fill pattern. Must not know: objects, windows, threads.
//!


#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod alloc_blocks;
mod difference;
mod disk;
mod error;
mod extents;
mod faults;
mod format;
mod frozen;
mod journal;
mod kinds;
mod lists;
mod map;
mod moments;
mod outlet;
mod pager;
mod reader;
mod recover;
pub mod space;
mod sweep;
mod world;
mod writer;

pub use error::{Damage, Fault, ImageError, Place};
pub use faults::Faults;
pub use format::{Commit, Geometry, JournalMark, LostRun, SummedExtent, TreeRoot, VERSION};
pub use frozen::{FrozenPages, HeapWords, ROOT_WORDS, Snapshot};
pub use journal::JournalRecord;
pub use kinds::{
    BLOCK_BYTES, BlockBytes, BlockNumber, Budget, Bytes, CommitNumber, Epoch, JournalPlace,
    MomentId, PageIndex, crc32,
};
pub use map::{Entry, MapRoot};
pub use moments::{Keep, MAX_NAME_BYTES, Moment, Origin, Policy, ThinPolicy, ThinStep};
pub use pager::Pager;
pub use reader::MomentReader;
pub use recover::OpenReport;
pub use world::{
    CreateOptions, FlushTicket, Flushed, JournalFlushed, JournalLoss, JournalTicket, OpenOptions, Progress,
    SCRIPT_LINE, Thinning, World,
};
