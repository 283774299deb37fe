//! A world that lives: its machine is driven, collected and saved.
//!
//! Invariants
//! - V1 A snapshot is asked for every two seconds while there is something to save, when much is
//!   dirty, and at the end; between two requests the world runs.
//! - V2 `finish` returns `Ok` only if everything that was done is durable (K2).

use super::emergency::Watch;
use super::offer::Offer;
use super::opened::{Opened, clock_text, heap_failure};
use super::signals::{self, Wish};
use super::writer::Desk;
use crate::cli::{Exit, Failure};
use crate::clock::{HostedClock, HostedEntropy};
use crate::file_store::FileStore;
use crate::window::Port;
use image::{ImageError, Keep, MomentId, ThinPolicy};
use keeper::{Host, settle, snapshot_of};
use platform::Clock;
use std::sync::Arc;
use std::thread::JoinHandle;
use vm::heap::Heap;
use vm::interpret::{Ended, Handle, HostValue, Vm, VmConfig};
use vm::layout::{KnownObject, PAGE_BYTES};

/// How often a world is saved while it changes.
pub(super) const SAVE_EVERY_NS: u64 = 2_000_000_000;
/// How often moments are thinned.
const THIN_EVERY_NS: u64 = 60_000_000_000;
/// After how many commits at most they are thinned, whoever made them.
const THIN_EVERY_COMMITS: u64 = 16;
/// Dirty bytes beyond which the world waits for the writer.
const TOO_DIRTY_BYTES: usize = 256 << 20;

/// Whether a world is saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saving {
    /// Every two seconds and at the end.
    Automatic,
    /// Never: what it does is dropped.
    Never,
}

/// Why driving stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The process that was waited for ended.
    Ended(Ended),
    /// The session ended with a status.
    Exit(i64),
    /// Somebody chose to go back to a moment, where the world cannot be asked.
    GoBack(MomentId),
    /// Every process waits, for nothing that could come: the frames of the one that was waited for.
    Stuck(String),
    /// The system asked the program to end, by a signal.
    Signal(i32),
}

/// A world that lives.
pub struct Living {
    /// Its machine.
    pub vm: Vm,
    pub(super) desk: Option<Arc<Desk>>,
    writer: Vec<JoinHandle<()>>,
    pub(super) store: Option<Arc<FileStore>>,
    pub(super) clock: Arc<HostedClock>,
    pub(super) wish: Wish,
    pub(super) saved_ns: u64,
    thinned_ns: u64,
    /// How many times [`THIN_EVERY_COMMITS`] had been committed when it was last looked.
    rounds: u64,
    failed: Option<ImageError>,
    told: bool,
    /// Whether it was said that pages are lost.
    pub(super) told_lost: bool,
    /// The windows, and whether the world looks after them.
    pub(super) watch: Watch,
}

/// The store of a world; the machine's own log goes to standard error in a verbose run.
fn host(desk: Option<Arc<dyn keeper::Desk>>, clock: Arc<HostedClock>) -> Host {
    let verbose = std::env::var_os("WARM_LOG").is_some();
    let log = move |line: &str| {
        if verbose {
            eprintln!("warm: {line}");
        }
    };
    Host::new(desk, clock, Box::new(log))
}

/// A machine over a heap, with the services that it is offered.
fn machine(heap: Heap, host: Host, clock: Arc<HostedClock>, offer: &Offer) -> Result<(Vm, Wish), Failure> {
    let failed = |message: String| Failure::new(Exit::Io, message);
    let session = clock.wall_ns() as u64;
    let mut config = VmConfig::new(clock.clone());
    config.entropy = Some(Arc::new(HostedEntropy));
    config.store = Box::new(host);
    let bell = Arc::new(parking_lot::Mutex::new(None::<Arc<vm::interpret::Doorbell>>));
    let (ring, waker) = (bell.clone(), clock.clone());
    config.services = offer.services(session, Arc::new(move |index| {
        if let Some(doorbell) = &*ring.lock() {
            doorbell.signal(index);
        }
        waker.wake();
    }));
    let vm = Vm::new(heap, config).map_err(failed)?;
    *bell.lock() = Some(vm.doorbell());
    let wish = signals::route(vm.doorbell(), move || clock.wake());
    Ok((vm, wish))
}

impl Living {
    /// Brings an opened world to life, with all that this machine offers but windows.
    pub fn begin(opened: Opened, saving: Saving) -> Result<Living, Failure> {
        Living::begin_shown(opened, saving, Port::none("this command opens no windows"))
    }

    /// Brings an opened world to life, with all that this machine offers, windows where `port` can show them.
    pub fn begin_shown(opened: Opened, saving: Saving, port: Port) -> Result<Living, Failure> {
        let offer = Offer::Everything { world: Some(opened.store.path().to_owned()), port };
        Living::begin_with(opened, saving, &offer)
    }

    /// Brings an opened world to life, with what it is offered.
    pub fn begin_with(mut opened: Opened, saving: Saving, offer: &Offer) -> Result<Living, Failure> {
        let clock = Arc::new(HostedClock::default());
        let heap = opened.heap(clock.clone())?;
        let Opened { store, world, read_only, report } = opened;
        let keeps = saving == Saving::Automatic && !read_only;
        // A world that is not saved keeps its file open: its pages come from there.
        let waker = clock.clone();
        let edits = world.journal_replay();
        let edits = edits.map_err(|error| super::failure(store.path(), &error))?;
        let desk = Desk::new(world, Box::new(move || waker.wake()));
        let host = host(keeps.then(|| desk.clone() as Arc<dyn keeper::Desk>), clock.clone()).with_edits(edits);
        let (vm, wish) = machine(heap, host, clock.clone(), offer)?;
        let watch = Watch::of(offer);
        let writer = if keeps { desk.start() } else { Ok(Vec::new()) };
        let writer = writer.map_err(|error| Failure::new(Exit::Io, format!("no writer: {error}")))?;
        let now = clock.monotonic_ns();
        let rounds = u64::from(desk.world().head().number.0) / THIN_EVERY_COMMITS;
        let mut living = Living {
            vm,
            desk: keeps.then_some(desk),
            writer,
            store: Some(store),
            clock,
            wish,
            saved_ns: now,
            thinned_ns: now,
            rounds,
            failed: None,
            told: false,
            told_lost: !report.lost_pages.is_empty(),
            watch,
        };
        living.wake()?;
        Ok(living)
    }

    /// A world that exists in memory only.
    pub fn scratch(heap: Heap) -> Result<Living, Failure> {
        let clock = Arc::new(HostedClock::default());
        let offer = Offer::Everything { world: None, port: Port::none("this command opens no windows") };
        let (vm, wish) = machine(heap, host(None, clock.clone()), clock.clone(), &offer)?;
        let now = clock.monotonic_ns();
        let mut living = Living {
            vm,
            desk: None,
            writer: Vec::new(),
            store: None,
            clock,
            wish,
            saved_ns: now,
            thinned_ns: now,
            rounds: 0,
            failed: None,
            told: false,
            told_lost: false,
            watch: Watch::default(),
        };
        living.wake()?;
        Ok(living)
    }

    /// What the world does first: its owners of outside things are told that it was opened.
    fn wake(&mut self) -> Result<(), Failure> {
        self.vm.reopen();
        for owner in self.vm.known_elements(KnownObject::WakeList) {
            let serial = self.vm.spawn(owner, "wake", &[], None);
            let serial = serial.map_err(|message| Failure::new(Exit::Io, message))?;
            match self.drive(serial)? {
                Ending::Ended(Ended::Failed(trace)) => eprintln!("warm: waking failed: {trace}"),
                Ending::Signal(signal) => return Err(ended_by(signal)),
                _ => {}
            }
            self.vm.release(owner);
        }
        Ok(())
    }

    /// Starts a session in the world (`start:with:` to its main object) and drives it to its end.
    pub fn session(&mut self, kind: &str, arguments: Vec<HostValue>) -> Result<Ending, Failure> {
        let missing = || Failure::new(Exit::Damaged, "this world has no main object to start with");
        let full = || Failure::new(Exit::Io, "memory is full");
        let main = self.vm.known_handle(KnownObject::MainProcessStart).ok_or_else(missing)?;
        let kind = self.vm.make(&HostValue::Text(kind.to_owned())).ok_or_else(full)?;
        let arguments = self.vm.make(&HostValue::List(arguments)).ok_or_else(full)?;
        let ending = self.send(main, "start:with:", &[kind, arguments])?;
        for handle in [main, kind, arguments] {
            self.vm.release(handle);
        }
        Ok(ending)
    }

    /// Sends a message in a process of its own, which works for the newest session if there is one
    /// (so it does not go on by itself after an opening), and drives it to its end.
    pub fn send(&mut self, to: Handle, selector: &str, arguments: &[Handle]) -> Result<Ending, Failure> {
        let serial = self.vm.spawn_for_newest_session(to, selector, arguments);
        self.drive(serial.map_err(|message| Failure::new(Exit::Io, message))?)
    }

    /// Whether something changed that is worth a snapshot of its own: not what timers and the
    /// scheduler change.
    pub(super) fn asks_for_saving(&self) -> bool {
        self.desk.is_some() && self.vm.heap.asks_for_snapshot()
    }

    fn has_something_to_save(&self) -> bool {
        self.desk.is_some() && !self.vm.heap.space().dirty_pages().is_empty()
    }

    /// Collection in slices, and the store's turn (V1).
    pub(super) fn tend(&mut self) -> Result<(), Failure> {
        let wants = self.vm.tend();
        let Some(desk) = self.desk.clone() else {
            if wants.flip {
                // Without a store a flip serves the collector alone.
                self.vm.flip().map_err(|error| self.heap_failed(error))?;
                self.vm.heap.thaw();
            }
            return Ok(());
        };
        if let Some(outcome) = desk.take_outcome() {
            let outcome = settle(&mut self.vm.heap, outcome);
            self.note(outcome);
        }
        let now = self.clock.monotonic_ns();
        let is_due = now.saturating_sub(self.saved_ns) >= SAVE_EVERY_NS && self.asks_for_saving();
        let dirty = self.vm.heap.space().dirty_pages().len() * PAGE_BYTES;
        if desk.is_busy() && dirty > TOO_DIRTY_BYTES {
            let outcome = settle(&mut self.vm.heap, desk.wait());
            self.note(outcome);
        }
        if now.saturating_sub(self.thinned_ns) >= THIN_EVERY_NS {
            self.thin(&desk);
        }
        if !desk.is_busy() && (is_due || wants.flip || desk.world().is_journal_pressed()) {
            self.begin_saving(&desk)?;
        }
        Ok(())
    }

    fn thin(&mut self, desk: &Arc<Desk>) {
        self.thinned_ns = self.clock.monotonic_ns();
        desk.ask_thinning(ThinPolicy::usual(self.vm.heap.used_bytes() as u64), self.clock.wall_ns());
    }

    fn begin_saving(&mut self, desk: &Arc<Desk>) -> Result<(), Failure> {
        self.saved_ns = self.clock.monotonic_ns();
        // This commit and the one that closes the file count too: the session may make no other.
        let rounds = (u64::from(desk.world().head().number.0) + 2) / THIN_EVERY_COMMITS;
        if rounds != std::mem::replace(&mut self.rounds, rounds) {
            self.thin(desk);
        }
        let frozen = self.vm.flip().map_err(|error| self.heap_failed(error))?;
        let snapshot = snapshot_of(&self.vm.heap, frozen, &*self.clock, Keep::Automatic);
        if let Err(error) = desk.begin(snapshot) {
            let outcome = settle(&mut self.vm.heap, Err(error));
            self.note(outcome);
        }
        Ok(())
    }

    /// Remembers a failed snapshot, and says so once until one succeeds.
    fn note(&mut self, outcome: Result<(), ImageError>) {
        match outcome {
            Ok(()) => (self.failed, self.told) = (None, false),
            Err(error) => {
                if !self.told {
                    eprintln!("warm: the world could not be saved: {error}; trying again");
                    self.told = true;
                }
                self.failed = Some(error);
            }
        }
    }

    fn heap_failed(&self, error: vm::heap::HeapError) -> Failure {
        let path = self.store.as_ref().map(|store| store.path().to_owned()).unwrap_or_default();
        heap_failure(&path, error)
    }

    /// Makes everything durable that was done (V2); says why not, if it could not.
    pub fn save(&mut self) -> Result<(), Failure> {
        let Some(desk) = self.desk.clone() else { return Ok(()) };
        // A snapshot in writing may be older than what was done since; a failed one is tried once more.
        for attempt in 0..3 {
            if self.vm.heap.space().frozen().is_some() {
                let outcome = settle(&mut self.vm.heap, desk.wait());
                self.note(outcome);
            }
            let is_saved = self.failed.is_none() && !self.has_something_to_save();
            if is_saved && (attempt > 0 || desk.world().is_settled()) {
                break;
            }
            self.begin_saving(&desk)?;
            let outcome = desk.wait();
            if self.vm.heap.space().frozen().is_some() {
                let outcome = settle(&mut self.vm.heap, outcome);
                self.note(outcome);
            }
            if self.failed.is_none() {
                break;
            }
        }
        match &self.failed {
            None => Ok(()),
            Some(error) => {
                let path = self.store.as_ref().map(|store| store.path().display().to_string());
                let message = format!("{}: not saved: {error}", path.unwrap_or_default());
                Err(Failure::new(Exit::Unsaved, message))
            }
        }
    }

    /// Begins a snapshot now, if there is something to save, after the one in writing.
    pub fn save_soon(&mut self) -> Result<(), Failure> {
        let Some(desk) = self.desk.clone() else { return Ok(()) };
        if let Some(outcome) = desk.take_outcome() {
            let outcome = settle(&mut self.vm.heap, outcome);
            self.note(outcome);
        }
        if self.vm.heap.space().frozen().is_some() {
            // It may be older than what was done since, and nobody looks again before the next line.
            let outcome = settle(&mut self.vm.heap, desk.wait());
            self.note(outcome);
        }
        if !self.has_something_to_save() {
            return Ok(());
        }
        self.begin_saving(&desk)
    }

    /// Keeps the present under a name with the time in it.
    pub fn name_moment(&mut self, what: &str) -> Result<(), Failure> {
        self.save()?;
        let Some(desk) = &self.desk else { return Ok(()) };
        let wall_ns = self.clock.wall_ns();
        let name = format!("{what} {}.{:03}", clock_text(wall_ns), wall_ns / 1_000_000 % 1000);
        let path = self.store.as_ref().map(|store| store.path().to_owned()).unwrap_or_default();
        let (_flushes, mut world) = desk.still();
        let named = world.name(&name, wall_ns);
        named.map(|_| ()).map_err(|error| super::failure(&path, &error))
    }

    /// Saves, closes the file cleanly, and ends the writer.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.note_losses()?;
        if let Err(failure) = self.save() {
            // Edits have room of their own in the file: they are kept where a snapshot is not.
            if let Some(desk) = &self.desk {
                let _ = desk.world().journal_flush();
            }
            return Err(failure);
        }
        let moved = self.store.as_ref().and_then(|store| store.moved());
        if let Some(desk) = self.desk.take() {
            desk.end();
            for thread in self.writer.drain(..) {
                let _ = thread.join();
            }
            let wall_ns = self.clock.wall_ns();
            desk.world().close(wall_ns).map_err(|error| {
                Failure::new(Exit::Unsaved, format!("the world is saved, but could not be closed cleanly: {error}"))
            })?;
        }
        match moved {
            Some(moved) => Err(Failure::new(
                Exit::Unsaved,
                format!("{moved} while it was open; what was done is saved in the file that was open"),
            )),
            None => Ok(()),
        }
    }
}

/// The failure of a program that was asked to end before it had begun.
fn ended_by(signal: i32) -> Failure {
    Failure::new(Exit::World(128 + signal as u8), "ended by a signal")
}
