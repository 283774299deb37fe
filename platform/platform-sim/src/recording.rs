//! A recording: every operation of a run, to crash at each of them without running again.
//!
//! Duty: turn one run of a script into as many crash points as it had operations.
//!
//! Invariants
//! - I1 The crash point before operation n holds exactly what flushes before n covered as durable,
//!   and everything since as pending.
//!
//! Knows: changes and flushes. Must not know: what a script is; it keeps the script's notes as
//! numbers.

use crate::{Medium, Pending, WriteCache};

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Step {
    /// A change that the store accepted, as the medium will do it.
    Changed(Pending),
    /// A flush that kept its word.
    Flushed {
        /// The operation's number.
        operation: usize,
    },
    /// A flush that only said so.
    Lied {
        /// The operation's number.
        operation: usize,
    },
    /// The caller's remark, such as "snapshot 7 was acknowledged".
    Note(u64),
}

/// All steps of a run from a given medium on.
#[derive(Clone)]
pub struct Recording {
    /// The medium before the first step.
    pub start: Medium,
    /// The steps.
    pub steps: Vec<Step>,
}

/// The store at one instant of a recording.
pub struct CrashPoint<'a> {
    /// The number of the step that no longer happens.
    pub step: usize,
    /// What is certain and what is pending.
    pub cache: &'a WriteCache,
    /// The notes that were made before, oldest first.
    pub notes: &'a [u64],
}

impl Recording {
    /// Whether a step is a note.
    pub fn is_note(&self, step: usize) -> bool {
        matches!(self.steps.get(step), Some(Step::Note(_)))
    }

    /// Calls `visit` with the state before each operation, and after the last step.
    pub fn crash_points(&self, mut visit: impl FnMut(CrashPoint<'_>)) {
        self.instants(|point| {
            if !self.is_note(point.step) {
                visit(point);
            }
        });
    }

    /// Calls `visit` with the state before each step, and after the last. Where a note follows a
    /// note nothing happened in between; [`Recording::is_note`] tells.
    pub fn instants(&self, mut visit: impl FnMut(CrashPoint<'_>)) {
        let mut cache = WriteCache::new(self.start.clone());
        let mut notes = Vec::new();
        for (step, what) in self.steps.iter().enumerate() {
            visit(CrashPoint {
                    step,
                    cache: &cache,
                    notes: &notes,
                });
            match what {
                Step::Changed(pending) => cache.pending.push(pending.clone()),
                Step::Flushed { .. } => cache.flush(),
                Step::Lied { .. } => {}
                Step::Note(note) => notes.push(*note),
            }
        }
        visit(CrashPoint {
            step: self.steps.len(),
            cache: &cache,
            notes: &notes,
        });
    }
}
