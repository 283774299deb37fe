//! What the snapshot writer is given: the pages of one closed epoch, and the words of its commit.
//!
//! Knows: pages and opaque words. Must not know: how the heap keeps a frozen page's bytes.

use crate::kinds::{BlockBytes, Epoch, PageIndex};
use crate::moments::Keep;
use alloc::sync::Arc;

/// How many opaque words a commit and a moment carry for the heap.
pub const ROOT_WORDS: usize = 8;

/// The pages that one flip froze.
///
/// The order of [`FrozenPages::pages`] is free, but no page stands in it twice. `read` may be called
/// from another thread than the mutator's, and more than once for a page (a try that is abandoned).
pub trait FrozenPages: Send + Sync {
    /// The pages that were dirty at the flip.
    fn pages(&self) -> &[PageIndex];

    /// Copies the bytes that page `pages()[nth]` had at the flip into `into`: by relaxed loads and
    /// then the swap of W from 0 to DONE, or, if the mutator was first, from the aside copy.
    fn read(&self, nth: usize, into: &mut BlockBytes);
}

/// What the heap says about itself at a flip; it comes back on opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapWords {
    /// The address at which the heap stood: references in its pages are made for it.
    pub base: u64,
    /// How many pages the heap has; a page at or behind it reads as zero.
    pub pages: u64,
    /// Words whose meaning is the heap's own.
    pub roots: [u64; ROOT_WORDS],
}

/// A snapshot to be written: made in the pause, right after the flip.
pub struct Snapshot {
    /// The epoch that the flip closed; reported back when the snapshot is acknowledged or abandoned.
    pub epoch: Epoch,
    /// The frozen pages.
    pub frozen: Arc<dyn FrozenPages>,
    /// The heap's words at the flip.
    pub heap: HeapWords,
    /// Wall clock at the flip, in nanoseconds since 1970.
    pub wall_ns: i64,
    /// Whether the snapshot also becomes a moment, and of which kind.
    pub keep: Keep,
}
