//! The writer's thread, the journal's thread, and the desk at which they meet the mutator.
//!
//! Invariants
//! - R1 At most one snapshot is in writing; its outcome is taken by the mutator exactly once.
//! - R2 The desk's lock is held for one short step at a time, so that an edit is journalled and a
//!   snapshot begun without waiting for a disk.
//! - R3 A panic of the writer, or its end, is an outcome like any other: nobody waits for ever, and
//!   nobody takes silence for success.
//! - R4 An edit is flushed within 100 ms, whatever else is in writing: the journal's thread waits for
//!   a flush of its own, beside that of a snapshot.

use crate::phase::{self, Writer};
use image::{Budget, ImageError, Progress, Snapshot, ThinPolicy, World};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Blocks written between two looks at who waits for the desk.
const STEP_BLOCKS: u32 = 64;

/// What became of a snapshot.
pub type Outcome = Result<(), ImageError>;

/// Where mutator, writer and journal meet.
pub struct Desk {
    world: Mutex<World>,
    /// Held by the writer while it waits for a commit's flush, and by whoever might step a commit
    /// meanwhile.
    flushes: Mutex<()>,
    state: Mutex<State>,
    bell: Condvar,
    edits: Mutex<Edits>,
    edit_bell: Condvar,
    /// Called when an outcome is there, from the writer's thread.
    on_outcome: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct State {
    /// A snapshot is in writing.
    writing: bool,
    /// A commit of upkeep may be in writing, or wanted.
    upkeep: bool,
    outcome: Option<Outcome>,
    ending: bool,
    /// The writer has ended; nothing that is begun will ever be written.
    gone: bool,
    /// Moments are to be thinned, until nothing is left to let go.
    thinning: Option<(ThinPolicy, i64)>,
    /// Whether verification and the sweep after a crash are done, or cannot go on.
    tended: bool,
}

/// What the journal's thread knows.
#[derive(Default)]
struct Edits {
    since: Option<Instant>,
    /// How often the flush failed since it last succeeded.
    failures: u32,
    ending: bool,
}

/// How long an edit may wait for its flush.
const JOURNAL_FLUSH_WITHIN: Duration = Duration::from_millis(60);
/// The longest pause between two tries of a flush that fails.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the writer does next.
enum Work {
    Commit,
    Thin(ThinPolicy, i64),
    Tend,
    Wait,
    End,
}

impl Desk {
    /// A desk with a world on it.
    pub fn new(world: World, on_outcome: Box<dyn Fn() + Send + Sync>) -> Arc<Desk> {
        Arc::new(Desk {
            world: Mutex::new(world),
            flushes: Mutex::new(()),
            state: Mutex::new(State::default()),
            bell: Condvar::new(),
            edits: Mutex::new(Edits::default()),
            edit_bell: Condvar::new(),
            on_outcome,
        })
    }

    /// The world, between two steps of the writer.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// The world, for a commit of its own (a name, a deletion): no commit's flush is under way
    /// meanwhile.
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
        if self.state.lock().gone {
            return Err(ImageError::Busy);
        }
        self.world().begin_snapshot(snapshot)?;
        self.state.lock().writing = true;
        self.bell.notify_all();
        Ok(())
    }

    /// The outcome of the last snapshot, if it is there; it is taken.
    pub fn take_outcome(&self) -> Option<Outcome> {
        self.state.lock().outcome.take()
    }

    /// Waits for the outcome of the snapshot that was handed over. Without one, or without a writer
    /// (R3), that is an error.
    pub fn wait(&self) -> Outcome {
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = state.outcome.take() {
                return outcome;
            }
            if !state.writing || state.gone {
                return Err(ImageError::Busy);
            }
            self.bell.wait(&mut state);
        }
    }

    /// Asks that moments be thinned, beside whatever is written.
    pub fn ask_thinning(&self, policy: ThinPolicy, wall_ns: i64) {
        self.state.lock().thinning = Some((policy, wall_ns));
        self.bell.notify_all();
    }

    /// An edit was journalled; it is flushed soon.
    pub fn note_journalled(&self) {
        let mut edits = self.edits.lock();
        if edits.since.is_none() {
            edits.since = Some(Instant::now());
            self.edit_bell.notify_all();
        }
    }

    /// Asks both threads to end, after what they have in writing.
    pub fn end(&self) {
        self.state.lock().ending = true;
        self.bell.notify_all();
        self.edits.lock().ending = true;
        self.edit_bell.notify_all();
    }

    /// Starts writer and journal.
    pub fn start(self: &Arc<Desk>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let (desk, other) = (self.clone(), self.clone());
        let journal = std::thread::Builder::new().name("warm-journal".to_owned()).spawn(move || {
            crate::memory::prepare_thread();
            while other.flush_edits() {}
        })?;
        let writer = std::thread::Builder::new().name("warm-writer".to_owned()).spawn(move || {
            crate::memory::prepare_thread();
            let _unbarred = Unbar(&desk);
            while desk.work() {}
        });
        // A journal without a writer ends too.
        Ok(vec![journal, writer.inspect_err(|_| self.end())?])
    }

    /// One round of the journal's thread; `false` at the end.
    fn flush_edits(&self) -> bool {
        let mut edits = self.edits.lock();
        let Some(since) = edits.since else {
            if edits.ending {
                return false;
            }
            self.edit_bell.wait(&mut edits);
            return true;
        };
        let due = since + JOURNAL_FLUSH_WITHIN.saturating_mul(1 << edits.failures.min(10)).min(LONGEST_PAUSE);
        if Instant::now() < due && !edits.ending {
            self.edit_bell.wait_until(&mut edits, due);
            return true;
        }
        edits.since = None;
        let is_last = edits.ending;
        drop(edits);
        let ticket = self.world().journal_ticket();
        let flushed = match ticket {
            Ok(Some(ticket)) => {
                let flushed = ticket.wait();
                self.world().journal_flushed(flushed)
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        let mut edits = self.edits.lock();
        match flushed {
            Ok(()) => edits.failures = 0,
            Err(_) => {
                // The records are written anew before the next flush, which must not wait for an edit.
                edits.failures += 1;
                edits.since.get_or_insert_with(Instant::now);
            }
        }
        !is_last
    }

    fn next_work(&self, state: &mut State) -> Work {
        if state.writing || state.upkeep {
            return Work::Commit;
        }
        if state.ending {
            // One round of a thinning that was asked for is still done: a session may be too short for more.
            return state.thinning.take().map_or(Work::End, |(policy, wall_ns)| Work::Thin(policy, wall_ns));
        }
        match &state.thinning {
            Some((policy, wall_ns)) => Work::Thin(policy.clone(), *wall_ns),
            None if state.tended => Work::Wait,
            None => Work::Tend,
        }
    }

    /// One round of the writer; `false` at the end.
    fn work(&self) -> bool {
        let mut state = self.state.lock();
        match self.next_work(&mut state) {
            Work::End => return false,
            Work::Wait => self.bell.wait(&mut state),
            Work::Commit => {
                drop(state);
                self.go_on();
            }
            Work::Thin(policy, wall_ns) => {
                drop(state);
                self.thin(&policy, wall_ns);
            }
            Work::Tend => {
                drop(state);
                self.tend();
            }
        }
        true
    }

    /// A step of the commit in writing.
    fn go_on(&self) {
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
            Progress::Idle => self.rest(),
            Progress::Acknowledged { epoch: Some(_), .. } => self.settle(Ok(())),
            Progress::Abandoned { epoch: Some(_), error } => self.settle(Err(error)),
            Progress::Acknowledged { epoch: None, .. } => {}
            // What could not be thinned now is thinned a minute later.
            Progress::Abandoned { epoch: None, .. } => self.state.lock().thinning = None,
        }
    }

    /// Nothing is in writing: a snapshot that was asked for in between is next.
    fn rest(&self) {
        let is_writing = self.world().is_writing();
        let mut state = self.state.lock();
        state.upkeep = is_writing;
        if !state.writing {
            phase::tell(Writer::Idle);
        }
    }

    /// Begins to let go a few moments; the next steps write it, and then it is asked again.
    fn thin(&self, policy: &ThinPolicy, wall_ns: i64) {
        let _flushes = self.flushes.lock();
        self.begin_thinning(policy, wall_ns);
    }

    /// As `thin`, while no flush is under way.
    fn begin_thinning(&self, policy: &ThinPolicy, wall_ns: i64) {
        let begun = self.world().begin_thinning(policy, wall_ns);
        let mut state = self.state.lock();
        state.upkeep = true;
        match begun {
            // A snapshot came first, and thinning is next.
            Err(ImageError::Busy) => {}
            Ok(begun) if !begun.is_done => {}
            _ => state.thinning = None,
        }
    }

    /// Upkeep while nothing else is to do: until a world that was killed is swept, no block is reused.
    fn tend(&self) {
        let more = self.world().tend(Budget(STEP_BLOCKS));
        self.state.lock().tended = !matches!(more, Ok(true));
    }

    /// An outcome is there; what the journal wants of a further commit is looked for next.
    fn settle(&self, outcome: Outcome) {
        phase::tell(Writer::Idle);
        // Whoever waits may begin the next snapshot at once, and the next: a thinning has its turn before.
        let asked = self.state.lock().thinning.clone();
        if let Some((policy, wall_ns)) = asked {
            self.begin_thinning(&policy, wall_ns);
        }
        let mut state = self.state.lock();
        state.writing = false;
        state.upkeep = true;
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

    fn ask_thinning(&self, policy: &ThinPolicy, wall_ns: i64) {
        Desk::ask_thinning(self, policy.clone(), wall_ns);
    }
}

/// R3: whoever waits is told when the writer is gone.
struct Unbar<'a>(&'a Desk);

impl Drop for Unbar<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.gone = true;
        if state.writing {
            state.writing = false;
            state.outcome = Some(Err(ImageError::Busy));
        }
        self.0.bell.notify_all();
    }
}
