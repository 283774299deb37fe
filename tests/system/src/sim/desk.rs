//! The desk without threads: commits are stepped between slices of the world.
//!
//! Invariant
//! - R1 At most one snapshot is in writing; its outcome is taken by the mutator exactly once.

use image::{Budget, ImageError, Progress, Snapshot, World};
use keeper::{Desk, Outcome};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blocks written between two slices of the world.
const STEP_BLOCKS: u32 = 64;

#[derive(Default)]
struct State {
    writing: bool,
    outcome: Option<Outcome>,
    journalled: bool,
    tended: bool,
}

/// Where the mutator meets the writer, who is itself a little later.
pub struct SimDesk {
    world: Mutex<World>,
    state: Mutex<State>,
}

impl SimDesk {
    /// A desk with a world on it.
    pub fn new(world: World) -> Arc<SimDesk> {
        Arc::new(SimDesk { world: Mutex::new(world), state: Mutex::default() })
    }

    /// The world.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on with what is to do; `false` if nothing is.
    pub fn step(&self) -> bool {
        if self.state().writing {
            self.write();
            return true;
        }
        if std::mem::take(&mut self.state().journalled) {
            // Written anew before the next flush, if this one fails.
            let failed = self.world().journal_flush().is_err();
            self.state().journalled = failed;
            return true;
        }
        if self.state().tended {
            return false;
        }
        let more = matches!(self.world().tend(Budget(STEP_BLOCKS)), Ok(true));
        self.state().tended = !more;
        true
    }

    fn write(&self) {
        let outcome = match self.world().step(Budget(STEP_BLOCKS)) {
            Progress::Idle | Progress::Acknowledged { epoch: Some(_), .. } => Ok(()),
            Progress::Abandoned { epoch: Some(_), error } => Err(error),
            Progress::Working | Progress::Acknowledged { .. } | Progress::Abandoned { .. } => return,
        };
        let mut state = self.state();
        (state.writing, state.outcome) = (false, Some(outcome));
    }
}

impl Desk for SimDesk {
    fn begin(&self, snapshot: Snapshot) -> Result<(), ImageError> {
        self.world().begin_snapshot(snapshot)?;
        self.state().writing = true;
        Ok(())
    }

    fn take_outcome(&self) -> Option<Outcome> {
        self.state().outcome.take()
    }

    fn wait(&self) -> Outcome {
        loop {
            if let Some(outcome) = self.take_outcome() {
                return outcome;
            }
            if !self.state().writing {
                return Err(ImageError::Busy);
            }
            self.write();
        }
    }

    fn is_busy(&self) -> bool {
        let state = self.state();
        state.writing || state.outcome.is_some()
    }

    fn with_world(&self, work: &mut dyn FnMut(&mut World)) {
        work(&mut self.world());
    }

    fn with_still_world(&self, work: &mut dyn FnMut(&mut World)) {
        work(&mut self.world());
    }

    fn note_journalled(&self) {
        self.state().journalled = true;
    }
}
