//! The desk without threads: commits are stepped in the idle loop and between slices of the world.
//!
//! Invariants
//! - R1 At most one snapshot is in writing; its outcome is taken by the mutator exactly once.
//! - R3 An edit is flushed within [`JOURNAL_FLUSH_WITHIN_NS`] while the world runs or idles.

use crate::alone::Alone;
use crate::clock::BareClock;
use alloc::sync::Arc;
use image::{Budget, ImageError, Progress, Snapshot, World};
use keeper::{Desk, Outcome};
use platform::Clock;

/// Blocks written between two slices of the world.
const STEP_BLOCKS: u32 = 64;
/// How long an edit may wait for its flush.
const JOURNAL_FLUSH_WITHIN_NS: u64 = 80_000_000;

#[derive(Default)]
struct State {
    writing: bool,
    outcome: Option<Outcome>,
    journal_due_ns: Option<u64>,
    /// Whether verification and the sweep after a crash are done, or cannot go on.
    tended: bool,
}

/// Where the mutator meets the writer, who is itself a little later.
pub struct SoloDesk {
    world: Alone<World>,
    state: Alone<State>,
}

impl SoloDesk {
    /// A desk with a world on it.
    pub fn new(world: World) -> Arc<SoloDesk> {
        Arc::new(SoloDesk { world: Alone::new(world), state: Alone::new(State::default()) })
    }

    /// When the journal wants its flush, in monotonic nanoseconds.
    pub fn journal_due_ns(&self) -> Option<u64> {
        self.state.with(|state| state.journal_due_ns)
    }

    /// Goes on with what is to do, for a moment; `false` if nothing is.
    pub fn step(&self) -> bool {
        if self.state.with(|state| state.writing) {
            self.write();
            return true;
        }
        let now = BareClock.monotonic_ns();
        if self.state.with(|state| state.journal_due_ns.take_if(|due| *due <= now)).is_some() {
            self.flush_journal(now);
            return true;
        }
        if self.state.with(|state| state.tended) {
            return false;
        }
        let more = matches!(self.world.with(|world| world.tend(Budget(STEP_BLOCKS))), Ok(true));
        self.state.with(|state| state.tended = !more);
        true
    }

    fn flush_journal(&self, now: u64) {
        if self.world.with(World::journal_flush).is_err() {
            // The records are written anew before the next flush, which must not wait for an edit.
            self.state.with(|state| state.journal_due_ns = Some(now + JOURNAL_FLUSH_WITHIN_NS));
        }
    }

    fn write(&self) {
        let outcome = match self.world.with(|world| world.step(Budget(STEP_BLOCKS))) {
            Progress::Idle | Progress::Acknowledged { epoch: Some(_), .. } => Ok(()),
            Progress::Abandoned { epoch: Some(_), error } => Err(error),
            // Commits of names and thinning are stepped where they are asked for.
            Progress::Working | Progress::Acknowledged { .. } | Progress::Abandoned { .. } => return,
        };
        self.state.with(|state| (state.writing, state.outcome) = (false, Some(outcome)));
    }

    /// Closes the world cleanly.
    pub fn close(&self, wall_ns: i64) -> Result<(), ImageError> {
        self.world.with(|world| world.close(wall_ns))
    }
}

impl Desk for SoloDesk {
    fn begin(&self, snapshot: Snapshot) -> Result<(), ImageError> {
        self.world.with(|world| world.begin_snapshot(snapshot))?;
        self.state.with(|state| state.writing = true);
        Ok(())
    }

    fn take_outcome(&self) -> Option<Outcome> {
        self.state.with(|state| state.outcome.take())
    }

    fn wait(&self) -> Outcome {
        loop {
            if let Some(outcome) = self.take_outcome() {
                return outcome;
            }
            if !self.state.with(|state| state.writing) {
                return Err(ImageError::Busy);
            }
            self.write();
        }
    }

    fn is_busy(&self) -> bool {
        self.state.with(|state| state.writing || state.outcome.is_some())
    }

    fn with_world(&self, work: &mut dyn FnMut(&mut World)) {
        self.world.with(work);
    }

    fn with_still_world(&self, work: &mut dyn FnMut(&mut World)) {
        self.world.with(work);
    }

    fn note_journalled(&self) {
        let due = BareClock.monotonic_ns() + JOURNAL_FLUSH_WITHIN_NS;
        self.state.with(|state| *state.journal_due_ns.get_or_insert(due));
    }
}
