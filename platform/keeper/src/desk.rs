//! The desk at which the mutator meets whoever writes snapshots.
//!
//! Invariants
//! - R1 At most one snapshot is in writing; its outcome is taken by the mutator exactly once.
//! - R2 Work on the world happens between two steps of the commit in writing.

use image::{ImageError, Snapshot, ThinPolicy, World};

/// What became of a snapshot.
pub type Outcome = Result<(), ImageError>;

/// Where mutator and writer meet.
pub trait Desk: Send + Sync {
    /// Hands a snapshot over.
    fn begin(&self, snapshot: Snapshot) -> Result<(), ImageError>;
    /// The outcome of the last snapshot, if it is there; it is taken.
    fn take_outcome(&self) -> Option<Outcome>;
    /// Waits for the outcome of what was handed over; an error if nothing was, for then nothing was saved.
    fn wait(&self) -> Outcome;
    /// Whether a snapshot is in writing, or its outcome was not taken yet.
    fn is_busy(&self) -> bool;
    /// Works on the world between two steps of the writer.
    fn with_world(&self, work: &mut dyn FnMut(&mut World));
    /// As `with_world`, for a commit of its own (a name, a deletion): no flush is under way meanwhile.
    fn with_still_world(&self, work: &mut dyn FnMut(&mut World));
    /// An edit was journalled; it is flushed soon.
    fn note_journalled(&self);
    /// Moments are to be thinned until nothing is left to let go; a desk with a thread does it there,
    /// beside the snapshots. What cannot be thinned now is thinned a minute later.
    fn ask_thinning(&self, policy: &ThinPolicy, wall_ns: i64) {
        self.with_still_world(&mut |world| while matches!(world.thin(policy, wall_ns), Ok(1..)) {});
    }
}
