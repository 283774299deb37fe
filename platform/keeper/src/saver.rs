//! When a world is saved.
//!
//! Invariants
//! - V1 A snapshot is asked for every two seconds while there is something to save, when much is
//!   dirty, and at the end; between two requests the world runs.
//! - V2 [`Saver::save`] returns `Ok` only if everything that was done is durable (K2).
//! - V3 A [`Ticket`] is kept only by a snapshot that was begun after it was asked for, or when there
//!   was nothing to save; nobody waits for it, and one snapshot serves all that were asked for.
//! - V4 Moments are thinned when it is time ([`Thinner`]).
//! - V5 A world is not closed while a collection is overdue: a world of short sessions has no other time
//!   for it. What was done is durable before.
//! - V6 A world that nobody has touched since its last snapshot, and whose timers did little, is saved
//!   without a moment to go back to, but for one a day, and what its timers left behind is collected: a
//!   clock that ticks beside its owner does not fill the disk. Each snapshot is as durable as any other.

use crate::desk::{Desk, Outcome};
use crate::host::{Log, settle, snapshot_of};
use crate::thinning::{Thinner, commits, made_room};
use alloc::format;
use alloc::sync::Arc;
use image::{ImageError, Keep};
use platform::Clock;
use vm::heap::HeapError;
use vm::interpret::Vm;
use vm::layout::PAGE_BYTES;

/// How often a world is saved while it changes.
const SAVE_EVERY_NS: u64 = 2_000_000_000;
/// Dirty bytes beyond which the world waits for the writer.
const TOO_DIRTY_BYTES: usize = 256 << 20;
/// How often a world that nobody touches gets a moment, while its timers change little.
const UNTOUCHED_MOMENT_EVERY_NS: u64 = 24 * 3_600_000_000_000;
/// What is little: pages changed, and polls of the machine (of some 30 µs each), so that a program that runs
/// on and on in its small world leaves moments.
const LITTLE_PAGES: usize = 128;
const LITTLE_POLLS: u64 = 8_000;
/// By how much an untouched heap may grow before it is collected: bytes, and a part of what it has.
const UNTOUCHED_GROWTH_BYTES: usize = 256 << 10;
const UNTOUCHED_GROWTH_PART: usize = 64;
/// A snapshot in writing may be older than what was done since; a failed one is tried once more.
const TRIES: usize = 3;

/// Why a world could not be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The heap could not be flipped.
    Heap(HeapError),
    /// What was done is not durable.
    NotSaved(ImageError),
}

/// That what was done before it was asked for is to be durable (V3): the epoch that it was done in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u32);

/// Decides when snapshots are made, and knows what became of them.
pub struct Saver {
    desk: Option<Arc<dyn Desk>>,
    clock: Arc<dyn Clock>,
    saved_ns: u64,
    thinner: Thinner,
    failed: Option<ImageError>,
    /// The one that failed found no room, and room was made since.
    has_room: bool,
    told: bool,
    tell: Log,
    /// Epochs: the last whose snapshot was begun here, that failed, that is wanted.
    begun: u32,
    lost: u32,
    wanted: u32,
    /// How often the world had been touched at its last snapshot, and when the last one began that left a
    /// moment.
    touches: u64,
    moment_ns: u64,
    /// How often the machine had polled at the last snapshot.
    polls: u64,
    /// The least that an untouched heap has held.
    rest_bytes: usize,
}

impl Saver {
    /// A saver at a desk, or without one: then nothing is saved. `tell` shows a line to the user.
    pub fn new(desk: Option<Arc<dyn Desk>>, clock: Arc<dyn Clock>, tell: Log) -> Saver {
        let now = clock.monotonic_ns();
        let thinner = Thinner::new(&*clock, desk.as_ref().map_or(0, commits));
        Saver {
            desk,
            clock,
            saved_ns: now,
            thinner,
            failed: None,
            has_room: false,
            told: false,
            tell,
            begun: 0,
            lost: 0,
            wanted: 0,
            touches: 0,
            moment_ns: now,
            polls: 0,
            rest_bytes: 0,
        }
    }

    /// When the world wants to be saved next, if it does, in monotonic nanoseconds: not for what
    /// timers and the scheduler change.
    pub fn next_save_ns(&self, vm: &Vm) -> Option<u64> {
        let asks = self.desk.is_some() && vm.heap.asks_for_snapshot();
        asks.then_some(self.saved_ns + SAVE_EVERY_NS)
    }

    fn has_something_to_save(&self, vm: &Vm) -> bool {
        self.desk.is_some() && !vm.heap.space().dirty_pages().is_empty()
    }

    /// Collection in slices, and the store's turn (V1).
    pub fn tend(&mut self, vm: &mut Vm) -> Result<(), Trouble> {
        let wants = vm.tend();
        let Some(desk) = self.desk.clone() else {
            if wants.flip {
                // Without a store a flip serves the collector alone.
                vm.flip().map_err(Trouble::Heap)?;
                vm.heap.thaw();
            }
            return Ok(());
        };
        self.take_outcome(vm, &desk);
        let now = self.clock.monotonic_ns();
        let is_due = self.next_save_ns(vm).is_some_and(|due| due <= now);
        let dirty = vm.heap.space().dirty_pages().len() * PAGE_BYTES;
        if desk.is_busy() && dirty > TOO_DIRTY_BYTES {
            self.wait(vm, &desk);
        }
        self.thinner.ask_if_due(&desk, &*self.clock, &vm.heap, commits(&desk));
        let is_wanted = self.wanted >= vm.heap.space().epoch();
        if !desk.is_busy() && (is_due || wants.flip || is_wanted || is_journal_pressed(&desk)) {
            self.begin(vm, &desk)?;
        }
        Ok(())
    }

    fn begin(&mut self, vm: &mut Vm, desk: &Arc<dyn Desk>) -> Result<(), Trouble> {
        self.saved_ns = self.clock.monotonic_ns();
        // This commit and the one that closes the file count already: the session may make no other.
        self.thinner.ask_if_due(desk, &*self.clock, &vm.heap, commits(desk) + 2);
        let keep = self.keep(vm);
        let frozen = vm.flip().map_err(Trouble::Heap)?;
        self.begun = frozen.epoch();
        let snapshot = snapshot_of(&vm.heap, frozen, &*self.clock, keep);
        if let Err(error) = desk.begin(snapshot) {
            let outcome = settle(&mut vm.heap, Err(error));
            self.note(outcome);
        }
        Ok(())
    }

    /// Whether the snapshot that begins leaves a moment (V6).
    fn keep(&mut self, vm: &mut Vm) -> Keep {
        let (touches, now) = (vm.doorbell().touches(), self.clock.monotonic_ns());
        let untouched = touches == core::mem::replace(&mut self.touches, touches);
        let used = vm.heap.used_bytes();
        self.rest_bytes = if untouched { self.rest_bytes.min(used) } else { used };
        if used - self.rest_bytes > UNTOUCHED_GROWTH_BYTES.max(used / UNTOUCHED_GROWTH_PART) {
            self.rest_bytes = used;
            vm.heap.request_mark();
        }
        let ran = vm.polls() - core::mem::replace(&mut self.polls, vm.polls());
        let little = ran <= LITTLE_POLLS && vm.heap.space().dirty_pages().len() <= LITTLE_PAGES;
        if untouched && little && now.saturating_sub(self.moment_ns) < UNTOUCHED_MOMENT_EVERY_NS {
            return Keep::No;
        }
        self.moment_ns = now;
        Keep::Automatic
    }

    fn take_outcome(&mut self, vm: &mut Vm, desk: &Arc<dyn Desk>) {
        if let Some(outcome) = desk.take_outcome() {
            let outcome = settle(&mut vm.heap, outcome);
            self.note(outcome);
        }
    }

    fn wait(&mut self, vm: &mut Vm, desk: &Arc<dyn Desk>) {
        let outcome = desk.wait();
        if vm.heap.space().frozen().is_some() {
            let outcome = settle(&mut vm.heap, outcome);
            self.note(outcome);
        }
    }

    /// Waits for the snapshot in writing, if there is one: nothing is frozen then.
    pub fn settle(&mut self, vm: &mut Vm) -> Result<(), Trouble> {
        if let Some(desk) = self.desk.clone()
            && vm.heap.space().frozen().is_some()
        {
            self.wait(vm, &desk);
        }
        Ok(())
    }

    /// Remembers a failed snapshot, and says so once until one succeeds.
    fn note(&mut self, outcome: Outcome) {
        let room = self.desk.as_ref().and_then(|desk| made_room(&outcome, desk, &*self.clock));
        self.has_room = room.is_some();
        if let Some(line) = room {
            (self.tell)(&line);
        }
        match outcome {
            Ok(()) => (self.failed, self.told) = (None, false),
            Err(error) => {
                if !self.told && !self.has_room {
                    (self.tell)(&format!("the world could not be saved: {error}; trying again"));
                    self.told = true;
                }
                (self.failed, self.lost) = (Some(error), self.begun);
            }
        }
    }

    /// Makes everything durable that was done (V2); says why not, if it could not.
    pub fn save(&mut self, vm: &mut Vm) -> Result<(), Trouble> {
        let Some(desk) = self.desk.clone() else { return Ok(()) };
        let mut attempt = 0;
        while attempt < TRIES {
            if vm.heap.space().frozen().is_some() {
                self.wait(vm, &desk);
            }
            if self.failed.is_none() && !self.has_something_to_save(vm) && (attempt > 0 || is_settled(&desk)) {
                break;
            }
            self.begin(vm, &desk)?;
            self.wait(vm, &desk);
            if self.failed.is_none() {
                break;
            }
            // Moments that give way are fewer each time.
            attempt += usize::from(!self.has_room);
        }
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(Trouble::NotSaved(error.clone())),
        }
    }

    /// A slice of a collection that is overdue, for a world that is about to be closed and is saved (V5);
    /// answers whether there is more to do. When there is not, what was freed is durable; where that fails,
    /// nothing is lost but the work.
    pub fn collect(&mut self, vm: &mut Vm) -> Result<bool, Trouble> {
        let Some(desk) = self.desk.clone().filter(|_| vm.heap.is_collection_overdue()) else { return Ok(false) };
        if vm.collect_slice().flip {
            self.begin(vm, &desk)?;
            self.wait(vm, &desk);
        }
        if self.failed.is_some() || vm.heap.is_collection_overdue() {
            return Ok(self.failed.is_none());
        }
        match self.save(vm) {
            Err(Trouble::Heap(error)) => Err(Trouble::Heap(error)),
            Ok(()) | Err(Trouble::NotSaved(_)) => Ok(false),
        }
    }

    /// Asks that what was done so far be durable soon; the world runs on, and [`Saver::kept`] tells.
    pub fn ask(&mut self, vm: &Vm) -> Ticket {
        let Some(desk) = self.desk.clone() else { return Ticket(0) };
        let space = vm.heap.space();
        if self.failed.is_none() && !self.has_something_to_save(vm) && is_settled(&desk) {
            return Ticket(space.frozen().map_or(0, |frozen| frozen.epoch()));
        }
        self.wanted = space.epoch();
        Ticket(self.wanted)
    }

    /// Whether a ticket was kept, or why not; `None` while that is not known.
    pub fn kept(&self, vm: &Vm, Ticket(epoch): Ticket) -> Option<Result<(), Trouble>> {
        if vm.heap.space().thawed_epoch() >= epoch {
            return Some(Ok(()));
        }
        // The snapshot of a program in the world may have taken it up since: then that one counts.
        let failed = self.failed.as_ref().filter(|_| self.lost >= epoch);
        failed.map(|error| Err(Trouble::NotSaved(error.clone())))
    }

    /// Begins a snapshot now, if there is something to save, after the one in writing.
    pub fn save_soon(&mut self, vm: &mut Vm) -> Result<(), Trouble> {
        let Some(desk) = self.desk.clone() else { return Ok(()) };
        self.take_outcome(vm, &desk);
        if vm.heap.space().frozen().is_some() {
            // It may be older than what was done since, and nobody looks again before the next line.
            self.wait(vm, &desk);
        }
        if self.has_something_to_save(vm) { self.begin(vm, &desk) } else { Ok(()) }
    }
}

/// Whether the journal should be relieved by a snapshot.
fn is_journal_pressed(desk: &Arc<dyn Desk>) -> bool {
    let mut pressed = false;
    desk.with_world(&mut |world| pressed = world.is_journal_pressed());
    pressed
}

/// Whether what was opened, or saved last, is durable for certain.
fn is_settled(desk: &Arc<dyn Desk>) -> bool {
    let mut settled = false;
    desk.with_world(&mut |world| settled = world.is_settled());
    settled
}
