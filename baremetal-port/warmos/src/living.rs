//! A world that lives on the bare machine: driven, collected, saved.
//!
//! Invariants
//! - V1 Between two slices of the world the writer gets a step; when the world idles, it gets all the
//!   time there is, then the processor halts until a timer or the serial line.
//! - V3 When frames run short, pages of the heap that are as they stand on the disk are given up at a
//!   safepoint, in turn; what is dirty is saved first.
//! - V2 `finish` returns only when everything is durable and the file is closed, or says why not.

use crate::clock::{BareClock, BareEntropy};
use crate::console::{self, Console};
use crate::desk::SoloDesk;
use crate::desktop::{Desktop, DisplayService};
use crate::disk::Disk;
use crate::epitaph::{self, Ending, die, say};
use crate::regions::BareMemory;
use crate::{frames, paging, power, ps2, regions, serial};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use image::{ImageError, OpenReport, World};
use keeper::{Desk, Host, Saver, Trouble, date_text};
use platform::{Clock, Service};
use raster::emergency::Choice;
use vm::heap::{Heap, HeapConfig, HeapError};
use vm::interpret::{Ended, Handle, HostValue, RunEnd, Vm, VmConfig};
use vm::layout::{BLOCKS_OFFSET, KnownObject, LOST_WORD, PAGE_BYTES};

/// Sends and backward jumps between two looks at the store.
const SLICE: u64 = 100_000;

/// How a process that was waited for came to its end, or the session.
pub enum Came {
    /// The process ended.
    Ended(Ended),
    /// The session ended with a status.
    Exit(i64),
}

/// A world that lives.
pub struct Living {
    /// Its machine.
    pub vm: Vm,
    desk: Option<Arc<SoloDesk>>,
    saver: Saver,
    /// The page at which the next search for pages to give up begins.
    hand: usize,
    keeps: bool,
    desktop: Option<Desktop>,
    is_timed: bool,
}

/// What of the outside a world is given.
pub struct Outside {
    /// Whether a person sits at the serial line.
    pub is_terminal: bool,
    /// Whether times of the boot are told.
    pub is_timed: bool,
    /// Framebuffer, keyboard and pointer.
    pub desktop: Option<(Desktop, DisplayService)>,
}

/// What the bytes on the disk could not be opened for, as an ending.
pub fn ending_of(error: &ImageError) -> Ending {
    match error {
        ImageError::NewerVersion { .. } => Ending::Newer,
        ImageError::Store(_) => Ending::Machine,
        _ => Ending::Damaged,
    }
}

/// Says what could not be opened.
fn tell_losses(report: &OpenReport) {
    let date = |wall_ns| date_text(wall_ns, BareClock.utc_offset_s(wall_ns));
    for (commit, wall_ns, damage) in &report.lost_commits {
        let (lost, opened) = (date(*wall_ns), date(report.opened_wall_ns));
        say(format_args!("snapshot {} of {lost} is damaged ({damage}); opened {} of {opened}", commit.0, report.opened.0));
    }
    if !report.lost_pages.is_empty() {
        let pages = report.lost_pages.iter().fold(0u64, |sum, run| sum.saturating_add(run.pages));
        say(format_args!("{pages} pages of the heap are lost; warm check names them"));
    }
}

fn told(error: HeapError) -> String {
    match error {
        HeapError::Reserve(error) => error.message,
        HeapError::NotAHeap(what) => format!("the heap's root is damaged: {what}"),
        HeapError::Exhausted => "memory is full".to_string(),
        HeapError::StillFrozen => "a snapshot is still being written".to_string(),
    }
}

/// The heap of an opened world; its pages come from the disk as they are touched.
fn heap(world: &mut World, clock: Arc<dyn Clock>) -> Heap {
    let (_, frames) = frames::counts();
    let memory = frames * PAGE_BYTES;
    let config = HeapConfig {
        base: world.heap().base as usize,
        // What there is may be larger than the memory; what is added shall fit it.
        limit_bytes: (world.heap().pages as usize * PAGE_BYTES).saturating_sub(BLOCKS_OFFSET) + memory / 2,
        flip_after_bytes: (memory / 8).min(64 << 20),
        clock: Some(clock),
        ..HeapConfig::default()
    };
    let pages = (config.reserve / PAGE_BYTES) as u64;
    let pager = world.pager(&BareMemory, pages, LOST_WORD);
    let pager = pager.unwrap_or_else(|error| die(ending_of(&error), format_args!("{error}")));
    Heap::open(&BareMemory, config, pager).unwrap_or_else(|error| {
        let ending = if matches!(error, HeapError::NotAHeap(_)) { Ending::Damaged } else { Ending::Machine };
        die(ending, format_args!("{}", told(error)))
    })
}

impl Living {
    /// Brings an opened world to life.
    pub fn begin(disk: &Disk, mut world: World, report: &OpenReport, outside: Outside) -> Living {
        tell_losses(report);
        let clock: Arc<dyn Clock> = Arc::new(BareClock);
        let heap = heap(&mut world, clock.clone());
        let edits = world.journal_replay();
        let edits = edits.unwrap_or_else(|error| die(ending_of(&error), format_args!("{error}")));
        // A world that is not saved keeps its disk: its pages come from there.
        let desk = SoloDesk::new(world);
        let keeps = !disk.is_read_only();
        if !keeps {
            say(format_args!("{} is read-only: nothing is saved", disk.place()));
        }
        let dyn_desk = || keeps.then(|| desk.clone() as Arc<dyn Desk>);
        let told = || Box::new(|line: &str| say(format_args!("{line}")));
        let host = Host::new(dyn_desk(), clock.clone(), Box::new(|_| {}), told()).with_edits(edits);
        let saver = Saver::new(dyn_desk(), clock.clone(), told());
        let mut config = VmConfig::new(clock);
        config.entropy = Some(Arc::new(BareEntropy));
        config.store = Box::new(host);
        let Outside { is_terminal, is_timed, desktop } = outside;
        let (desktop, display) = desktop.unzip();
        config.services = vec![Box::new(Console { is_terminal })];
        config.services.extend(display.map(|display| Box::new(display) as Box<dyn Service>));
        console::set_bell(config.doorbell.clone());
        let vm = Vm::new(heap, config).unwrap_or_else(|error| die(Ending::Machine, format_args!("{error}")));
        let mut living = Living { vm, desk: Some(desk), saver, hand: 0, keeps, desktop, is_timed };
        living.wake();
        living
    }

    /// What the world does first: its owners of outside things are told that it was opened.
    fn wake(&mut self) {
        self.vm.reopen();
        for owner in self.vm.known_elements(KnownObject::WakeList) {
            if let Came::Ended(Ended::Failed(trace)) = self.send(owner, "wake", &[], None) {
                say(format_args!("waking failed: {trace}"));
            }
            self.vm.release(owner);
        }
    }

    /// Starts a session in the world (`start:with:` to its main object) and drives it to its end.
    pub fn session(&mut self, kind: &str) -> Came {
        let missing = || die(Ending::Damaged, format_args!("this world has no main object to start with"));
        let main = self.vm.known_handle(KnownObject::MainProcessStart).unwrap_or_else(missing);
        let kind = self.make(&HostValue::Text(kind.to_string()));
        let orders = vec![HostValue::Nil, HostValue::List(Vec::new()), HostValue::Nil];
        let orders = self.make(&HostValue::List(orders));
        let came = self.send(main, "start:with:", &[kind, orders], None);
        [main, kind, orders].into_iter().for_each(|handle| self.vm.release(handle));
        came
    }

    /// An object of the world's for a value.
    pub fn make(&mut self, value: &HostValue) -> Handle {
        self.vm.make(value).unwrap_or_else(|| die(Ending::Machine, format_args!("memory is full")))
    }

    /// Sends a message in a process of its own, which works for a session if one is given (so it does
    /// not go on by itself after an opening), and drives it to its end.
    pub fn send(&mut self, to: Handle, selector: &str, arguments: &[Handle], session: Option<Handle>) -> Came {
        let serial = self.vm.spawn(to, selector, arguments, session);
        let serial = serial.unwrap_or_else(|error| die(Ending::Machine, format_args!("{error}")));
        self.vm.watch(serial);
        loop {
            if let Some(ended) = self.vm.take_ended(serial) {
                return Came::Ended(ended);
            }
            if let Some(status) = self.turn(false) {
                return Came::Exit(status);
            }
        }
    }

    /// Gives up pages while frames are short (V3).
    fn relieve(&mut self) {
        if !self.keeps || !frames::are_short() {
            return;
        }
        let saved = self.saver.settle(&mut self.vm);
        self.must(saved);
        self.give_up_pages();
        if frames::are_short() {
            // Too much is dirty.
            let saved = self.saver.save(&mut self.vm);
            self.must(saved);
            self.give_up_pages();
        }
    }

    /// Gives clean pages up until a quarter of the memory is free.
    fn give_up_pages(&mut self) {
        let space = self.vm.heap.space();
        let base = space.base();
        let (first, end) = (BLOCKS_OFFSET / PAGE_BYTES, space.bytes() / PAGE_BYTES);
        let hand = self.hand.clamp(first, end);
        let mut next = hand;
        for (from, to) in [(hand, end), (first, hand)] {
            paging::while_present(base + from * PAGE_BYTES..base + to * PAGE_BYTES, &mut |address| {
                let page = (address - base) / PAGE_BYTES;
                let (free, total) = frames::counts();
                next = page;
                if free > total / 4 {
                    return false;
                }
                if !space.is_dirty(page) {
                    space.region().forget(page, 1);
                }
                true
            });
        }
        self.hand = next;
    }

    /// A slice of the world's life (V1); the status, if a session ended or the power button was pressed,
    /// which ends all of them. With `for_input` it does not
    /// sleep while bytes wait.
    pub fn turn(&mut self, for_input: bool) -> Option<i64> {
        if power::is_pressed() {
            return Some(0);
        }
        if self.desktop.as_mut().is_some_and(Desktop::turn) {
            if self.is_timed {
                let ms = BareClock.monotonic_ns() / 1_000_000;
                say(format_args!("desktop after {ms} ms, {} pages read", regions::brought()));
            }
        }
        if let Some(status) = self.help() {
            return Some(status);
        }
        let end = self.vm.run(Some(SLICE));
        self.relieve();
        match end {
            RunEnd::Finished => {}
            RunEnd::Exit(status) => return Some(status),
            RunEnd::Budget => {
                self.tend();
                self.step_desk();
            }
            RunEnd::Idle(deadline) => {
                self.tend();
                let has_input = for_input && serial::waiting() > 0 || self.desktop.is_some() && ps2::has_input();
                if !self.step_desk() && !self.vm.doorbell().is_rung() && !has_input {
                    self.sleep(deadline);
                }
            }
        }
        None
    }

    /// Helps a world that cannot show itself; the status, if it is to end. Moments are gone back to on a
    /// hosted machine only.
    fn help(&mut self) -> Option<i64> {
        match self.desktop.as_mut()?.help()? {
            Choice::Quit => return Some(0),
            Choice::TakeBack => {
                if let Some(main) = self.vm.known_handle(KnownObject::MainProcessStart) {
                    // Without memory for it, the emergency comes again.
                    let _ = self.vm.spawn_urgent(main, "takeBackLastChange");
                    self.vm.release(main);
                }
            }
            Choice::Retry | Choice::GoBack(_) => {}
        }
        None
    }

    fn step_desk(&self) -> bool {
        self.desk.as_ref().is_some_and(|desk| desk.step())
    }

    /// Waits for whatever comes first: the world's timer, the next saving, the journal, a byte.
    fn sleep(&self, deadline: Option<u64>) {
        let journal = self.desk.as_ref().and_then(|desk| desk.journal_due_ns());
        let due = [deadline, self.saver.next_save_ns(&self.vm), journal];
        BareClock.sleep_until(due.into_iter().flatten().min().unwrap_or(u64::MAX));
    }

    fn tend(&mut self) {
        let tended = self.saver.tend(&mut self.vm);
        self.must(tended);
    }

    /// Begins a snapshot of what was just done.
    pub fn save_soon(&mut self) {
        let begun = self.saver.save_soon(&mut self.vm);
        self.must(begun);
    }

    fn must(&self, result: Result<(), Trouble>) {
        match result {
            Ok(()) => {}
            Err(Trouble::Heap(error)) => die(Ending::Machine, format_args!("{}", told(error))),
            Err(Trouble::NotSaved(error)) => die(Ending::Unsaved, format_args!("not saved: {error}")),
        }
    }

    /// Saves, closes the world cleanly, and ends the machine (V2).
    pub fn finish(mut self, status: u8) -> ! {
        let saved = self.saver.save(&mut self.vm);
        if let Err(Trouble::NotSaved(_)) = &saved
            && let Some(desk) = &self.desk
        {
            // Edits have room of their own on the disk: they are kept where a snapshot is not.
            desk.with_world(&mut |world| drop(world.journal_flush()));
        }
        self.must(saved);
        loop {
            let collected = self.saver.collect(&mut self.vm);
            let more = collected.as_ref().is_ok_and(|more| *more);
            self.must(collected.map(|_| ()));
            if !more {
                break;
            }
            self.relieve();
        }
        if let Some(desk) = self.desk.take()
            && let Err(error) = desk.close(BareClock.wall_ns())
            && error != ImageError::ReadOnly
        {
            die(Ending::Unsaved, format_args!("the world is saved, but could not be closed cleanly: {error}"));
        }
        epitaph::leave(status)
    }
}
