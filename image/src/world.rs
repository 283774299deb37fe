//! The façade (signatures; being filled).

use crate::error::{Damage, ImageError};
use crate::faults::Faults;
use crate::frozen::{HeapWords, Snapshot};
use crate::kinds::*;
use crate::moments::{Moment, ThinPolicy};
use crate::pager::Pager;
use alloc::sync::Arc;
use alloc::vec::Vec;
use platform::{Memory, Store};

/// How a world is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Never write a byte.
    pub read_only: bool,
    /// Stamped as the world's identity by the first commit, if it has none (16 random bytes).
    pub identity: [u8; 16],
    /// A number that no other opening has: it keeps this session's journal from fitting an older one's.
    pub salt: u64,
    /// Seeded bugs, for tests.
    pub faults: Faults,
}

/// How a world is made; all sizes go into its superblock.
#[derive(Clone, Copy, Debug)]
pub struct CreateOptions {
    /// Where the store starts, in bytes: 1 MiB, or 36 MiB in a bootable world.
    pub store_start: u64,
    /// Slots in each commit ring.
    pub ring_slots: u32,
    /// The journal ring, in blocks.
    pub journal_blocks: u32,
    /// Blocks kept back for commits that free space on a full disk.
    pub reserve_blocks: u32,
    /// Seeded bugs, for tests.
    pub faults: Faults,
}

impl Default for CreateOptions {
    fn default() -> Self {
        CreateOptions { store_start: 1 << 20, ring_slots: 32, journal_blocks: 256, reserve_blocks: 64, faults: Faults::default() }
    }
}

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// The commit that was opened.
    pub opened: CommitNumber,
    /// Its wall clock.
    pub opened_wall_ns: i64,
    /// Newer commits that could not be opened, newest first: number, wall clock, and the damage.
    pub lost_commits: Vec<(CommitNumber, i64, Damage)>,
    /// Pages that earlier commits already named as lost.
    pub lost_pages: Vec<PageIndex>,
    /// Other damage that opening met (a rotten mirror, an unreadable record).
    pub damages: Vec<Damage>,
    /// Whether the last session closed cleanly.
    pub clean: bool,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is in writing.
    Idle,
    /// There is more to do.
    Working,
    /// A commit is durable.
    Acknowledged {
        /// The commit.
        commit: CommitNumber,
        /// The epoch, if it was a snapshot.
        epoch: Option<Epoch>,
    },
    /// The try failed and left nothing behind: the space merges the epoch's pages (P = current).
    Abandoned {
        /// The epoch, if it was a snapshot.
        epoch: Option<Epoch>,
        /// Why.
        error: ImageError,
    },
}

/// A record that replay found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRecord {
    /// Its number, one more than its predecessor's.
    pub sequence: u64,
    /// The serial of the draft (or whatever) that it is about.
    pub serial: u64,
    /// Its kind; unknown kinds are skipped.
    pub kind: u16,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// An open world.
pub struct World {
    _store: Arc<dyn Store>,
}

#[allow(unused_variables, missing_docs)]
impl World {
    pub fn create(store: &Arc<dyn Store>, options: &CreateOptions) -> Result<(), ImageError> { Err(ImageError::NotAWorld) }
    pub fn open(store: Arc<dyn Store>, options: &OpenOptions) -> Result<(World, OpenReport), ImageError> { Err(ImageError::NotAWorld) }
    /// The heap's words of the opened (later: last acknowledged) commit.
    pub fn heap(&self) -> HeapWords { HeapWords::default() }
    pub fn identity(&self) -> [u8; 16] { [0; 16] }
    /// The source of the heap's pages. `lost_word` fills lost pages.
    pub fn pager(&mut self, memory: &dyn Memory, reserve_pages: u64, lost_word: u64) -> Result<Arc<Pager>, ImageError> { Err(ImageError::NotAWorld) }
    /// In the pause, right after the flip. O(1).
    pub fn begin_snapshot(&mut self, snapshot: Snapshot) -> Result<(), ImageError> { Err(ImageError::NotAWorld) }
    /// Goes on writing what is in writing.
    pub fn step(&mut self, budget: Budget) -> Progress { Progress::Idle }
    /// Goes on with verification and sweep; `false` when nothing is left to do.
    pub fn tend(&mut self, budget: Budget) -> Result<bool, ImageError> { Ok(false) }
    /// The last durable commit, and the last durable epoch of this session.
    pub fn acknowledged(&self) -> (CommitNumber, Option<Epoch>) { (CommitNumber::FIRST, None) }
    /// Keeps the last acknowledged snapshot under a name (a commit of its own).
    pub fn name(&mut self, name: &str, wall_ns: i64) -> Result<MomentId, ImageError> { Err(ImageError::NotAWorld) }
    /// Pins the last acknowledged snapshot.
    pub fn pin(&mut self, holder: u64, wall_ns: i64) -> Result<MomentId, ImageError> { Err(ImageError::NotAWorld) }
    /// Begins a branch at a moment; `restore` of the answer goes there.
    pub fn branch(&mut self, from: MomentId, name: &str, wall_ns: i64) -> Result<MomentId, ImageError> { Err(ImageError::NotAWorld) }
    /// The present becomes a moment (the answer); the head becomes the given moment. Make a new pager.
    pub fn restore(&mut self, to: MomentId, wall_ns: i64) -> Result<MomentId, ImageError> { Err(ImageError::NotAWorld) }
    pub fn delete(&mut self, id: MomentId, wall_ns: i64) -> Result<(), ImageError> { Err(ImageError::NotAWorld) }
    pub fn moments(&mut self) -> Result<Vec<Moment>, ImageError> { Err(ImageError::NotAWorld) }
    /// Deletes what the policy does not keep; answers how many moments went.
    pub fn thin(&mut self, policy: &ThinPolicy, wall_ns: i64) -> Result<usize, ImageError> { Err(ImageError::NotAWorld) }
    /// Appends a record and writes it (not yet flushed).
    pub fn journal_append(&mut self, serial: u64, kind: u16, bytes: &[u8]) -> Result<u64, ImageError> { Err(ImageError::NotAWorld) }
    pub fn journal_flush(&mut self) -> Result<(), ImageError> { Err(ImageError::NotAWorld) }
    /// The records behind what the opened commit covers.
    pub fn journal_replay(&self) -> Result<Vec<JournalRecord>, ImageError> { Err(ImageError::NotAWorld) }
    /// Verifies everything that can be reached; answers every damage.
    pub fn check(&mut self) -> Result<Vec<Damage>, ImageError> { Err(ImageError::NotAWorld) }
    /// The pages in which two moments differ (`MomentId::NONE` is the head).
    pub fn diff(&mut self, a: MomentId, b: MomentId) -> Result<Vec<PageIndex>, ImageError> { Err(ImageError::NotAWorld) }
    /// Writes a last commit with the free extents.
    pub fn close(&mut self, wall_ns: i64) -> Result<(), ImageError> { Err(ImageError::NotAWorld) }
}
