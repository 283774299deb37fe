//! What must be there: states of the world as the asker knows them.
//!
//! Invariants
//! - I1 A state is pushed before it is asked for, and becomes certain when it is acknowledged.
//! - I2 A state that was asked for and not acknowledged may or may not be on the medium, until a
//!   later one is acknowledged: then it is gone.

use super::pages::Pages;
use image::MomentId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A kept moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// Its pages.
    pub pages: Arc<Pages>,
    /// Its name, or empty.
    pub name: String,
    /// Whether it is pinned.
    pub pinned: bool,
}

/// What one commit leaves behind.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// The number of the snapshot in the head, as it stands in the heap's first root word.
    pub serial: u64,
    /// The pages of the head.
    pub pages: Arc<Pages>,
    /// The moments.
    pub moments: BTreeMap<MomentId, Known>,
    /// Moments that may be gone, or there without a name.
    pub optional: BTreeSet<MomentId>,
    /// How many journal records it covers.
    pub covered: usize,
}

/// Everything that the asker knows at an instant.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// All states that were asked for, in order, whatever came of them.
    pub states: Vec<Arc<State>>,
    /// The last that was acknowledged.
    pub certain: usize,
    /// Those that were asked for since and may be there.
    pub possible: Vec<usize>,
    /// The last that was acknowledged when nothing was pending in the store: what a disk that lied
    /// later cannot have taken back.
    pub settled: usize,
    /// The journal's records, by serial; each has its own.
    pub journal: Vec<u64>,
    /// How many of them are durable.
    pub flushed: usize,
    /// How many of them were durable when the store was settled.
    pub settled_journal: usize,
    /// Whether a process took over what an earlier one could not make durable, so that the kernel's
    /// cache shows more than the medium will ever hold.
    pub inherited_doubt: bool,
    /// Whether an opening could not read all of the journal, or read more than was known.
    pub journal_in_doubt: bool,
    /// All pages that were ever written.
    pub universe: BTreeSet<u64>,
}

impl Knowledge {
    /// Of a world that is empty.
    pub fn new() -> Knowledge {
        Knowledge {
            states: vec![Arc::new(State::default())],
            certain: 0,
            possible: Vec::new(),
            settled: 0,
            journal: Vec::new(),
            flushed: 0,
            settled_journal: 0,
            inherited_doubt: false,
            journal_in_doubt: false,
            universe: BTreeSet::new(),
        }
    }

    /// The state that is certain.
    pub fn now(&self) -> &State {
        &self.states[self.certain]
    }

    /// Something is asked for that would lead here.
    pub fn intend(&mut self, state: State) -> usize {
        self.universe.extend(state.pages.keys());
        self.states.push(Arc::new(state));
        self.possible.push(self.states.len() - 1);
        self.states.len() - 1
    }

    /// What was asked for last was acknowledged.
    pub fn acknowledge(&mut self, state: usize) {
        self.certain = state;
        self.possible.clear();
    }

    /// Nothing is pending in the store: what is certain is beyond the reach of a lie.
    pub fn settle(&mut self) {
        self.settled = self.certain;
        self.settled_journal = self.flushed;
    }
}

impl Default for Knowledge {
    fn default() -> Self {
        Self::new()
    }
}
