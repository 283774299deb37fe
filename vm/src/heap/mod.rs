//! The heap: objects, allocation, the store barrier, scavenger, marker, sweeper, `become:`.
//!
//! Duty: keep the objects of one world in the pages of a [`Space`], and find out which are garbage.
//!
//! Invariants (those of one room stand in its file)
//! - H1 Only the mutator, whoever holds `&mut Heap`, writes heap words, tags and tables. The marker
//!   ([`Marker`]) reads words and sets mark bits; a writer of snapshots reads frozen pages.
//! - H2 Allocation never collects; collections happen when they are called. Who holds a reference
//!   across one registers it as a root ([`Roots`]).
//! - H3 Eden lies inside the address space but in no image; at a flip it is empty.
//! - H4 No statics: two heaps at two bases work in one process.
//!
//! Knows: words, headers, blocks (`layout`), pages and epochs (`image::space`). Must not know:
//! methods, processes, files.
//!
//! Papers: Ungar 1984 (generation scavenging), Boehm, Demers and Shenker 1991 (mostly parallel
//! marking), Hayes 1997 (ephemerons).
//!
//! Rooms: `shared` (what the marker sees), `blocks` (the block table), `allocate`,
//! `access`, `barrier`, `scavenge`, `mark` and `cycle` (a mark from
//! start to finish), `sweep`, `identity` (forwarders, pinning), `losses` (lost pages),
//! `classes`, `walk` (instances, pointers), `open` and `relocate` (opening at another address).

mod access;
mod allocate;
mod barrier;
mod blocks;
mod classes;
mod cycle;
mod faults;
mod identity;
mod lock;
mod losses;
mod mark;
mod open;
mod relocate;
mod scavenge;
mod shared;
mod stats;
mod sweep;
mod view;
mod walk;

pub use barrier::WriteKind;
pub use cycle::{Finish, Wants};
pub use faults::{Faults, Stress};
pub use identity::HashOf;
pub use mark::{MarkStep, Marker};
pub use open::{HeapConfig, HeapError};
pub use relocate::Relocation;
pub use stats::{Histogram, Statistics};
pub use walk::Both;

use crate::layout::{ClassIndex, Word};
use allocate::{Cursor, Eden};
use alloc::sync::Arc;
use alloc::vec::Vec;
use blocks::BlockPool;
use cycle::Cycle;
use image::PageIndex;
use image::space::{SideBytes, SideHalves, Space, Words};
use platform::{Clock, PageSource};
use scavenge::{Scavenger, YoungBlock};
use shared::Shared;

/// How many forwarders are followed before a ring is assumed.
pub const MAX_FORWARDING: usize = 64;

/// Visits words that keep objects: everything outside the heap that refers to them.
pub trait Roots {
    /// Calls `visit` with every such word; it may change the word.
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word));

    /// Calls `visit` with every such word that may refer to a young object; it may change the word,
    /// and answers whether it refers to a young object then.
    fn visit_young(&mut self, visit: &mut dyn FnMut(&mut Word) -> bool) {
        self.visit(&mut |word| {
            visit(word);
        });
    }
}

/// No roots but those in the heap itself.
impl Roots for () {
    fn visit(&mut self, _: &mut dyn FnMut(&mut Word)) {}
}

impl Roots for Vec<Word> {
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word)) {
        self.iter_mut().for_each(visit);
    }
}

impl Roots for [Word] {
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word)) {
        self.iter_mut().for_each(visit);
    }
}

impl<const N: usize> Roots for [Word; N] {
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word)) {
        self.iter_mut().for_each(visit);
    }
}

/// Why an allocation declined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decline {
    /// Eden is full: scavenge and try again.
    EdenFull,
    /// Old space has no room: collect, then give up.
    OldFull,
    /// The memory limit is reached: collect, then give up or raise it.
    Limit,
    /// A stress switch wants a collection now.
    Stress,
    /// No heap is large enough.
    TooLarge,
}

/// A world's objects.
pub struct Heap {
    space: Space,
    words: Words,
    base: usize,
    shared: Arc<Shared>,
    tags: SideBytes,
    remembered: SideBytes,
    remembered_cards: Vec<u32>,
    /// Of a young block, its place among those the scavenge moves.
    ordinals: SideHalves,
    /// Ephemerons that fired and were not taken yet.
    fired: Vec<Word>,
    stale_remembered: bool,
    eden: Eden,
    old: Cursor,
    overflow: Cursor,
    quiet: Cursor,
    hole_search: (usize, usize),
    late_filler: Option<(usize, usize)>,
    walk_failure: Option<usize>,
    pool: BlockPool,
    young: Vec<YoungBlock>,
    scavenger: Scavenger,
    cycle: Option<Cycle>,
    mark_requested: bool,
    lost_pages: Vec<PageIndex>,
    /// Where the pages come from, to ask which are lost; how many of those were seen.
    source: Option<Arc<dyn PageSource>>,
    lost_seen: usize,
    relocation: Option<Relocation>,
    last_mark: u32,
    last_sweep: u32,
    nil: Word,
    next_class: u32,
    free_classes: Vec<u32>,
    dropped_classes: Vec<ClassIndex>,
    allocated_before: u64,
    old_growth: usize,
    limit_bytes: usize,
    over_limit: bool,
    declined: Decline,
    before_flip_ns: u64,
    config: HeapConfig,
    stress: Stress,
    faults: Faults,
    statistics: Statistics,
    clock: Option<Arc<dyn Clock>>,
}

impl Heap {
    /// The pages.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The pages, for thawing and abandoning epochs and for faults.
    pub fn space_mut(&mut self) -> &mut Space {
        &mut self.space
    }

    /// The address at which the heap stands.
    pub fn base(&self) -> usize {
        self.base
    }

    /// nil, as the known objects have it; [`Word::NONE`] before they are set.
    #[inline(always)]
    pub fn nil(&self) -> Word {
        self.nil
    }

    /// Counters.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Switches stress on or off, from the next allocation on.
    pub fn set_stress(&mut self, stress: Stress) {
        self.stress = stress;
        self.eden.allowance = stress.collect_every;
        self.eden.end =
            if stress.collect_every > 0 || self.over_limit { self.eden.next } else { self.eden.top };
    }

    /// Switches seeded bugs on.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The most bytes that the heap may use, eden included.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Sets the limit; allocation declines beyond it with [`Decline::Limit`].
    pub fn set_limit_bytes(&mut self, bytes: usize) {
        self.limit_bytes = bytes;
        self.over_limit = self.used_bytes() + self.eden_bytes() > bytes;
        self.set_stress(self.stress);
    }

    /// The mutator's processor time, 0 without a clock.
    pub(crate) fn cpu_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock.thread_cpu_ns())
    }
}
