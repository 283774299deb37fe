//! Moments: snapshots that are kept, and what keeps them.
//!
//! Invariants
//! - I1 A moment's `commit` bounds the births of every block that its map reaches; so a block born
//!   later than the head's own parent moment belongs to the head alone.
//! - I2 A moment with several children (the head counts) is never removed; deleting it takes its
//!   name away, and it goes when one child is left.
//!
//! Knows: maps by their root entry. Must not know: what a root word means.
//!
//! Source: the rules of reuse were found with a model checker (DESIGN, section 4).

pub(crate) mod ledger;
pub(crate) mod node;
pub(crate) mod tree;

use crate::frozen::HeapWords;
use crate::kinds::{CommitNumber, MomentId};
use crate::map::MapRoot;
use alloc::string::String;

/// The longest name of a moment, in bytes.
pub const MAX_NAME_BYTES: usize = 480;

/// Whether and how a snapshot is kept as a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// It is not kept: only the head and its parent hold it.
    #[default]
    No,
    /// It is kept until thinning removes it.
    Automatic,
    /// It is kept under a name until it is deleted.
    Named(String),
    /// It is kept while somebody holds it: the holder's number.
    Pinned(u64),
}

/// Why a moment is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Policy {
    /// Thinning decides.
    Automatic = 1,
    /// Somebody named it.
    Named = 2,
    /// Somebody holds it (a scratch branch, the moment of opening).
    Pinned = 3,
    /// It begins a branch.
    Branch = 4,
    /// It was deleted while it had several children; it goes when one is left.
    Structural = 5,
}

/// How a moment came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Origin {
    /// A snapshot was kept as it was written.
    Snapshot = 1,
    /// The present was named.
    Named = 2,
    /// A branch was begun at another moment.
    Branched = 3,
    /// It was the present when another moment was restored.
    Replaced = 4,
    /// The present was pinned.
    Pinned = 5,
}

/// A kept snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its number.
    pub id: MomentId,
    /// The moment on whose line it was made; none for the first.
    pub parent: MomentId,
    /// The commit that made it: no block of its map was born later.
    pub commit: CommitNumber,
    /// Its pages.
    pub map: MapRoot,
    /// The heap's words.
    pub heap: HeapWords,
    /// Wall clock, nanoseconds since 1970.
    pub wall_ns: i64,
    /// Why it is there.
    pub policy: Policy,
    /// How it came about.
    pub origin: Origin,
    /// Who holds it, of a pinned one.
    pub holder: u64,
    /// Its name, or empty.
    pub name: String,
}

/// One step of a thinning policy: of moments younger than `younger_than_s`, keep one per `one_per_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThinStep {
    /// The age up to which this step holds, in seconds.
    pub younger_than_s: u64,
    /// The span of which one moment is kept, in seconds; 0 keeps all.
    pub one_per_s: u64,
}

/// Which automatic moments stay. Data: the policy that is in force is an object in the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThinPolicy {
    /// The steps, by rising age; older than the last step is treated as the last.
    pub steps: alloc::vec::Vec<ThinStep>,
    /// How many bytes moments may hold beside the live heap; the oldest automatic ones go first.
    pub budget_bytes: u64,
}

impl ThinPolicy {
    /// All of ten minutes, one a minute for a day, one an hour for a month, then one a day; within
    /// the size of the live heap again, at least 256 MB.
    pub fn usual(heap_bytes: u64) -> ThinPolicy {
        let step = |younger_than_s, one_per_s| ThinStep { younger_than_s, one_per_s };
        ThinPolicy {
            steps: alloc::vec![
                step(600, 0),
                step(86_400, 60),
                step(30 * 86_400, 3_600),
                step(u64::MAX, 86_400),
            ],
            budget_bytes: heap_bytes.max(256 << 20),
        }
    }
}
