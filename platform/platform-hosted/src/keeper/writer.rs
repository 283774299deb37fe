//! The writer's thread, and the desk at which it meets the mutator.
//!
//! Invariants
//! - R1 At most one snapshot is in writing; its outcome is taken by the mutator exactly once.
//! - R2 The desk's lock is held for one short step at a time, so that an edit is journalled and a
//!   snapshot begun without waiting for a disk.
//! - R3 A panic of the writer, or its end, is an outcome like any other: nobody waits for ever.

use crate::phase::{self, Writer};
use image::{Budget, ImageError, Progress, Snapshot, World};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Blocks written between two looks at who waits for the desk.
const STEP_BLOCKS: u32 = 64;

/// What became of a snapshot.
pub type Outcome = Result<(), ImageError>;

/// Where mutator and writer meet.
pub struct Desk {
    world: Mutex<World>,
    /// Held while a flush is waited for without the world, and by whoever might step a commit
    /// meanwhile: of two flushes at once only one is told of a failure.
    flushes: Mutex<()>,
    state: Mutex<State>,
    bell: Condvar,
    /// Called when an outcome is there, from the writer's thread.
    on_outcome: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    writing: bool,
    outcome: Option<Outcome>,
    ending: bool,
    journal_since: Option<Instant>,
    /// Whether verification and the sweep after a crash are done, or cannot go on.
    tended: bool,
}

/// How long an edit may wait for its flush.
const JOURNAL_FLUSH_WITHIN: Duration = Duration::from_millis(80);

impl Desk {
    /// A desk with a world on it.
    pub fn new(world: World, on_outcome: Box<dyn Fn() + Send + Sync>) -> Arc<Desk> {
        let state = Mutex::new(State::default());
        Arc::new(Desk { world: Mutex::new(world), flushes: Mutex::new(()), state, bell: Condvar::new(), on_outcome })
    }

    /// The world, between two steps of the writer.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// The world, for a commit of its own (a name, a deletion): no flush is under way meanwhile.
    pub fn still(&self) -> (MutexGuard<'_, ()>, MutexGuard<'_, World>) {
        let flushes = self.flushes.lock();
        (flushes, self.world.lock())
    }

    /// Whether a snapshot is in writing, or its outcome was not taken yet.
    pub fn is_busy(&self) -> bool {
        let state = self.state.lock();
        state.writing || state.outcome.is_some()
    }

    /// Hands a snapshot over.
    pub fn begin(&self, snapshot: Snapshot) -> Result<(), ImageError> {
        self.world().begin_snapshot(snapshot)?;
        self.state.lock().writing = true;
        self.bell.notify_all();
        Ok(())
    }

    /// The outcome of the last snapshot, if it is there; it is taken.
    pub fn take_outcome(&self) -> Option<Outcome> {
        self.state.lock().outcome.take()
    }

    /// Waits for the outcome.
    pub fn wait(&self) -> Outcome {
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = state.outcome.take() {
                return outcome;
            }
            if !state.writing {
                return Ok(());
            }
            self.bell.wait(&mut state);
        }
    }

    /// An edit was journalled; it is flushed soon.
    pub fn note_journalled(&self) {
        let mut state = self.state.lock();
        state.journal_since.get_or_insert_with(Instant::now);
        self.bell.notify_all();
    }

    /// Asks the writer to end, after what it has in writing.
    pub fn end(&self) {
        self.state.lock().ending = true;
        self.bell.notify_all();
    }

    /// Starts the writer.
    pub fn start(self: &Arc<Desk>) -> std::io::Result<JoinHandle<()>> {
        let desk = self.clone();
        std::thread::Builder::new().name("warm-writer".to_owned()).spawn(move || {
            crate::memory::prepare_thread();
            let _unbarred = Unbar(&desk);
            while desk.work() {}
        })
    }

    /// One round of the writer; `false` at the end.
    fn work(&self) -> bool {
        {
            let mut state = self.state.lock();
            if !state.writing {
                if state.ending {
                    return false;
                }
                let due = state.journal_since.map(|since| since + JOURNAL_FLUSH_WITHIN);
                match due {
                    Some(due) if Instant::now() < due => {
                        self.bell.wait_until(&mut state, due);
                        return true;
                    }
                    Some(_) => state.journal_since = None,
                    None if !state.tended => {
                        drop(state);
                        self.tend();
                        return true;
                    }
                    None => {
                        self.bell.wait(&mut state);
                        return true;
                    }
                }
            }
        }
        if !self.state.lock().writing {
            let flushed = self.world().journal_flush();
            if flushed.is_err() {
                // The records are written anew before the next flush, which must not wait for an edit.
                self.state.lock().journal_since.get_or_insert_with(Instant::now);
            }
            return true;
        }
        let _flushes = self.flushes.lock();
        let ticket = self.world().flush_ticket();
        let flushes = ticket.is_some();
        if let Some(ticket) = ticket {
            phase::tell(Writer::Flushing);
            let flushed = ticket.wait();
            self.world().flushed(flushed);
        }
        phase::tell(if flushes { Writer::Committing } else { Writer::Writing });
        let progress = self.world().step(Budget(STEP_BLOCKS));
        match progress {
            Progress::Working => {}
            Progress::Idle => self.settle(Ok(())),
            Progress::Acknowledged { epoch: Some(_), .. } => self.settle(Ok(())),
            Progress::Abandoned { epoch: Some(_), error } => self.settle(Err(error)),
            // Commits of names and thinning are stepped where they are asked for.
            Progress::Acknowledged { .. } | Progress::Abandoned { .. } => {}
        }
        true
    }

    /// Upkeep while nothing else is to do: until a world that was killed is swept, no block is reused.
    fn tend(&self) {
        let more = self.world().tend(Budget(STEP_BLOCKS));
        self.state.lock().tended = !matches!(more, Ok(true));
    }

    fn settle(&self, outcome: Outcome) {
        phase::tell(Writer::Idle);
        let mut state = self.state.lock();
        state.writing = false;
        state.outcome = Some(outcome);
        self.bell.notify_all();
        drop(state);
        (self.on_outcome)();
    }
}

impl keeper::Desk for Desk {
    fn begin(&self, snapshot: Snapshot) -> Result<(), ImageError> {
        Desk::begin(self, snapshot)
    }

    fn take_outcome(&self) -> Option<Outcome> {
        Desk::take_outcome(self)
    }

    fn wait(&self) -> Outcome {
        Desk::wait(self)
    }

    fn is_busy(&self) -> bool {
        Desk::is_busy(self)
    }

    fn with_world(&self, work: &mut dyn FnMut(&mut World)) {
        work(&mut self.world());
    }

    fn with_still_world(&self, work: &mut dyn FnMut(&mut World)) {
        let (_flushes, mut world) = self.still();
        work(&mut world);
    }

    fn note_journalled(&self) {
        Desk::note_journalled(self);
    }
}

/// R3: whoever waits is told when the writer is gone.
struct Unbar<'a>(&'a Desk);

impl Drop for Unbar<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.writing {
            state.writing = false;
            state.outcome = Some(Err(ImageError::Busy));
        }
        self.0.bell.notify_all();
    }
}
