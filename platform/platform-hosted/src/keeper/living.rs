//! A world that lives: its machine is driven, collected and saved.
//!
//! When it is saved is decided by the crate `keeper` (`Saver`, V1), as on every machine.
//!
//! Invariant
//! - V2 `finish` returns `Ok` only if everything that was done is durable (K2).

use super::emergency::Watch;
use super::offer::Offer;
use super::opened::{Opened, clock_text, heap_failure};
use super::serving::{Leaving, Visit};
use super::signals::{self, Wish};
use super::writer::Desk;
use crate::attach::{Guests, ToGuest};
use crate::cli::{Exit, Failure};
use crate::clock::{HostedClock, HostedEntropy};
use crate::file_store::FileStore;
use crate::services::Bell;
use crate::window::Port;
use image::MomentId;
use keeper::{Host, Saver, Trouble};
use platform::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use vm::heap::Heap;
use vm::interpret::{Ended, Handle, HostValue, Vm, VmConfig};
use vm::layout::KnownObject;

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
    pub(super) saver: Saver,
    pub(super) guests: Arc<Guests>,
    pub(super) visits: Vec<Visit>,
    pub(super) leaving: Vec<Leaving>,
    pub(super) port: Port,
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
    Host::new(desk, clock, Box::new(log), Box::new(tell))
}

/// Shows a line to the user.
fn tell(line: &str) {
    eprintln!("warm: {line}");
}

/// What decides when the world is saved.
fn saver(desk: Option<&Arc<Desk>>, clock: &Arc<HostedClock>) -> Saver {
    let desk = desk.map(|desk| desk.clone() as Arc<dyn keeper::Desk>);
    Saver::new(desk, clock.clone(), Box::new(tell))
}

/// A machine over a heap, with the services that it is offered, and the guests that it may have.
fn machine(heap: Heap, host: Host, clock: Arc<HostedClock>, offer: &Offer) -> Result<(Vm, Wish, Arc<Guests>), Failure> {
    let failed = |message: String| Failure::new(Exit::Io, message);
    let session = clock.wall_ns() as u64;
    let guests = Guests::new(session, clock.clone());
    let mut config = VmConfig::new(clock.clone());
    config.entropy = Some(Arc::new(HostedEntropy));
    config.store = Box::new(host);
    let doorbell = Arc::new(parking_lot::Mutex::new(None::<Arc<vm::interpret::Doorbell>>));
    let (ring, waker) = (doorbell.clone(), clock.clone());
    let bell: Bell = Arc::new(move |index| {
        if let Some(doorbell) = &*ring.lock() {
            doorbell.signal(index);
        }
        waker.wake();
    });
    config.services = offer.services(session, bell.clone(), guests.clone());
    let vm = Vm::new(heap, config).map_err(failed)?;
    *doorbell.lock() = Some(vm.doorbell());
    guests.know(bell, vm.doorbell());
    let (presses, doorbell) = (guests.clone(), vm.doorbell());
    let stop = move || {
        doorbell.stop();
        clock.wake();
    };
    let wish = signals::route(move || presses.press_own_key(), stop);
    Ok((vm, wish, guests))
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
        let (vm, wish, guests) = machine(heap, host, clock.clone(), offer)?;
        let watch = Watch::of(offer);
        let writer = if keeps { desk.start() } else { Ok(Vec::new()) };
        let writer = writer.map_err(|error| Failure::new(Exit::Io, format!("no writer: {error}")))?;
        let desk = keeps.then_some(desk);
        let mut living = Living {
            vm,
            saver: saver(desk.as_ref(), &clock),
            guests,
            visits: Vec::new(),
            leaving: Vec::new(),
            port: offer.port(),
            desk,
            writer,
            store: Some(store),
            clock,
            wish,
            told_lost: !report.lost_pages.is_empty(),
            watch,
        };
        living.wake()?;
        if keeps {
            living.open_door();
        }
        Ok(living)
    }

    /// A world that exists in memory only.
    pub fn scratch(heap: Heap) -> Result<Living, Failure> {
        let clock = Arc::new(HostedClock::default());
        let offer = Offer::Everything { world: None, port: Port::none("this command opens no windows") };
        let (vm, wish, guests) = machine(heap, host(None, clock.clone()), clock.clone(), &offer)?;
        let mut living = Living {
            vm,
            saver: saver(None, &clock),
            guests,
            visits: Vec::new(),
            leaving: Vec::new(),
            port: offer.port(),
            desk: None,
            writer: Vec::new(),
            store: None,
            clock,
            wish,
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
    pub fn session(&mut self, kind: &str, orders: Vec<HostValue>) -> Result<Ending, Failure> {
        let serial = self.start(kind, orders)?;
        self.drive(serial)
    }

    /// Starts a session in the world; answers the serial of its process.
    pub(super) fn start(&mut self, kind: &str, orders: Vec<HostValue>) -> Result<i64, Failure> {
        let missing = || Failure::new(Exit::Damaged, "this world has no main object to start with");
        let main = self.vm.known_handle(KnownObject::MainProcessStart).ok_or_else(missing)?;
        let made = [HostValue::Text(kind.to_owned()), HostValue::List(orders)].map(|value| self.vm.make(&value));
        let spawned = match made {
            [Some(kind), Some(orders)] => self.vm.spawn(main, "start:with:", &[kind, orders], None),
            _ => Err("memory is full".to_owned()),
        };
        made.into_iter().flatten().chain([main]).for_each(|handle| self.vm.release(handle));
        spawned.map_err(|message| Failure::new(Exit::Io, message))
    }

    /// Sends a message in a process of its own, which works for a session if one is given (so it does
    /// not go on by itself after an opening, and ends with it), and drives it to its end.
    pub fn send(
        &mut self,
        to: Handle,
        selector: &str,
        arguments: &[Handle],
        session: Option<Handle>,
    ) -> Result<Ending, Failure> {
        let serial = self.vm.spawn(to, selector, arguments, session);
        self.drive(serial.map_err(|message| Failure::new(Exit::Io, message))?)
    }

    /// Collection in slices, and the store's turn.
    pub(super) fn tend(&mut self) -> Result<(), Failure> {
        let tended = self.saver.tend(&mut self.vm);
        tended.map_err(|trouble| self.troubled(trouble))
    }

    /// Makes everything durable that was done (V2); says why not, if it could not.
    pub fn save(&mut self) -> Result<(), Failure> {
        let saved = self.saver.save(&mut self.vm);
        saved.map_err(|trouble| self.troubled(trouble))
    }

    /// Begins a snapshot now, if there is something to save, after the one in writing.
    pub fn save_soon(&mut self) -> Result<(), Failure> {
        let begun = self.saver.save_soon(&mut self.vm);
        begun.map_err(|trouble| self.troubled(trouble))
    }

    /// The world's file; empty if it has none.
    pub(super) fn path(&self) -> PathBuf {
        self.store.as_ref().map(|store| store.path().to_owned()).unwrap_or_default()
    }

    pub(super) fn troubled(&self, trouble: Trouble) -> Failure {
        match trouble {
            Trouble::Heap(error) => heap_failure(&self.path(), error),
            Trouble::NotSaved(error) => {
                Failure::new(Exit::Unsaved, format!("{}: not saved: {error}", self.path().display()))
            }
        }
    }

    /// Keeps the present under a name with the time in it.
    pub fn name_moment(&mut self, what: &str) -> Result<(), Failure> {
        self.save()?;
        let Some(desk) = &self.desk else { return Ok(()) };
        let wall_ns = self.clock.wall_ns();
        let name = format!("{what} {}.{:03}", clock_text(wall_ns), wall_ns / 1_000_000 % 1000);
        let path = self.path();
        let (_flushes, mut world) = desk.still();
        let named = world.name(&name, wall_ns);
        named.map(|_| ()).map_err(|error| super::failure(&path, &error))
    }

    /// Saves, closes the file cleanly, and ends the writer.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.note_losses()?;
        let saved = self.save();
        self.guests.close_door();
        self.see_all_out(&saved);
        let kept = if saved.is_ok() { "what was done is saved" } else { "what was done is not saved" };
        let line = format!("{} was closed by the program that had it open; {kept}", self.path().display());
        self.guests.dismiss_all(&ToGuest::Refused(Exit::Io.number(), line));
        if let Err(failure) = saved {
            // Edits have room of their own in the file: they are kept where a snapshot is not.
            if let Some(desk) = &self.desk {
                let _ = desk.world().journal_flush();
            }
            return Err(failure);
        }
        while self.saver.collect(&mut self.vm).map_err(|trouble| self.troubled(trouble))? {}
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
