//! The store of a world: pages, epochs, snapshots, moments, journal, recovery.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod error;
mod faults;
mod frozen;
mod kinds;
mod map;
mod moments;
mod pager;
pub mod space;
mod world;

pub use error::{Damage, Fault, ImageError, Place};
pub use faults::Faults;
pub use frozen::{FrozenPages, HeapWords, ROOT_WORDS, Snapshot};
pub use kinds::{
    BLOCK_BYTES, BlockBytes, BlockNumber, Budget, Bytes, CommitNumber, Epoch, JournalPlace,
    MomentId, PageIndex, crc32,
};
pub use map::{Entry, MapRoot};
pub use moments::{Keep, MAX_NAME_BYTES, Moment, Origin, Policy, ThinPolicy, ThinStep};
pub use pager::Pager;
pub use world::{CreateOptions, JournalRecord, OpenOptions, OpenReport, Progress, World};
