//! A world that lives on the simulated machine.
//!
//! Invariants
//! - V1 Between two slices of the world the writer gets a step; when all wait, the clock goes on to what
//!   comes first.
//! - V2 [`SimLiving::finish`] returns the store's content only if everything is durable and the world is
//!   closed.

use super::desk::SimDesk;
use super::screen::{SimDisplay, display};
use image::{OpenOptions, World};
use keeper::{Desk, Host, Saver};
use platform::{Clock, Memory, Service, Store};
use platform_sim::{Medium, SimClock, SimConsole, SimEntropy, SimStore, Survivors};
use std::sync::Arc;
use vm::heap::{Heap, HeapConfig};
use vm::interpret::{Ended, Handle, HostValue, RunEnd, Vm, VmConfig};
use vm::layout::{KnownObject, LOST_WORD, PAGE_BYTES};

/// Sends and backward jumps between two looks at the store.
const SLICE: u64 = 100_000;
/// How long a slice counts as.
const SLICE_NS: u64 = 1_000_000;

/// What the machine is made of.
pub struct Machine<'a> {
    /// The disk.
    pub medium: Medium,
    /// The memory.
    pub memory: &'a dyn Memory,
    /// Address space for the heap, in bytes.
    pub reserve: usize,
    /// Wall time at the beginning.
    pub wall_ns: i64,
    /// The console.
    pub console: SimConsole,
    /// Whether there is a display.
    pub has_display: bool,
}

/// How a process that was waited for came to its end, or the session.
pub enum Came {
    /// The process ended.
    Ended(Ended),
    /// The session ended with a status.
    Exit(i64),
}

/// A world that lives.
pub struct SimLiving {
    /// Its machine.
    pub vm: Vm,
    /// Its disk.
    pub store: SimStore,
    /// Its time.
    pub clock: Arc<SimClock>,
    /// Its window, if it has one.
    pub display: Option<SimDisplay>,
    desk: Arc<SimDesk>,
    saver: Saver,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl SimLiving {
    /// Brings the world on the machine's disk to life.
    pub fn begin(machine: Machine<'_>) -> Result<SimLiving, String> {
        let Machine { medium, memory, reserve, wall_ns, console, has_display } = machine;
        let store = SimStore::on(medium);
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        let (mut world, _) = World::open(shared, &OpenOptions::default()).map_err(text)?;
        let clock = Arc::new(SimClock::new(wall_ns));
        let base = world.heap().base as usize;
        let config = HeapConfig { base, reserve, clock: Some(clock.clone()), ..HeapConfig::default() };
        let pager = world.pager(memory, (reserve / PAGE_BYTES) as u64, LOST_WORD).map_err(text)?;
        let heap = Heap::open(memory, config, pager).map_err(|error| format!("{error:?}"))?;
        let edits = world.journal_replay().map_err(text)?;
        let desk = SimDesk::new(world);
        let shared = || Some(desk.clone() as Arc<dyn Desk>);
        let mut config = VmConfig::new(clock.clone());
        config.entropy = Some(Arc::new(SimEntropy::new(1)));
        config.store = Box::new(Host::new(shared(), clock.clone(), Box::new(|_| {}), Box::new(|line| eprintln!("{line}"))).with_edits(edits));
        let bell = config.doorbell.clone();
        let display = has_display.then(|| display(clock.clone(), Box::new(move |index| bell.signal(index))));
        config.services = vec![Box::new(console)];
        config.services.extend(display.clone().map(|display| Box::new(display) as Box<dyn Service>));
        let saver = Saver::new(shared(), clock.clone(), Box::new(|line| eprintln!("{line}")));
        let vm = Vm::new(heap, config)?;
        let mut living = SimLiving { vm, store, clock, display, desk, saver };
        living.wake()?;
        Ok(living)
    }

    fn wake(&mut self) -> Result<(), String> {
        self.vm.reopen();
        for owner in self.vm.known_elements(KnownObject::WakeList) {
            if let Came::Ended(Ended::Failed(trace)) = self.send(owner, "wake", &[], None)? {
                return Err(format!("waking failed: {trace}"));
            }
            self.vm.release(owner);
        }
        Ok(())
    }

    /// Starts a session of a kind (`start:with:` to the world's main object); answers its process.
    pub fn start(&mut self, kind: &str) -> Result<i64, String> {
        let main = self.vm.known_handle(KnownObject::MainProcessStart).ok_or("no main object")?;
        let orders = HostValue::List(vec![HostValue::Nil, HostValue::List(Vec::new()), HostValue::Nil]);
        let made = [HostValue::Text(kind.to_owned()), orders].map(|value| self.vm.make(&value));
        let [Some(kind), Some(orders)] = made else { return Err("memory is full".to_owned()) };
        let serial = self.vm.spawn(main, "start:with:", &[kind, orders], None)?;
        [main, kind, orders].into_iter().for_each(|handle| self.vm.release(handle));
        Ok(serial)
    }

    /// Sends a message in a process of its own, and drives it to its end.
    pub fn send(
        &mut self,
        to: Handle,
        selector: &str,
        arguments: &[Handle],
        session: Option<Handle>,
    ) -> Result<Came, String> {
        let serial = self.vm.spawn(to, selector, arguments, session)?;
        self.drive(serial)
    }

    /// Runs until a process ends.
    pub fn drive(&mut self, serial: i64) -> Result<Came, String> {
        self.vm.watch(serial);
        loop {
            if let Some(ended) = self.vm.take_ended(serial) {
                return Ok(Came::Ended(ended));
            }
            if let Some(status) = self.turn(u64::MAX)? {
                return Ok(Came::Exit(status));
            }
        }
    }

    /// Lets the world live until a time; an error if its session ends.
    pub fn live_until(&mut self, monotonic_ns: u64) -> Result<(), String> {
        self.vm.watch(0);
        while self.clock.monotonic_ns() < monotonic_ns {
            if let Some(status) = self.turn(monotonic_ns)? {
                return Err(format!("the session ended with status {status}"));
            }
        }
        Ok(())
    }

    /// A slice of the world's life (V1), or a sleep until `limit_ns` at most; the status, if the session
    /// ended.
    fn turn(&mut self, limit_ns: u64) -> Result<Option<i64>, String> {
        let shown = self.display.as_ref().is_some_and(SimDisplay::turn);
        if let Some(trouble) = self.display.as_ref().and_then(SimDisplay::trouble) {
            return Err(trouble);
        }
        match self.vm.run(Some(SLICE)) {
            RunEnd::Finished => {}
            RunEnd::Exit(status) => return Ok(Some(status)),
            RunEnd::Budget => {
                self.clock.advance(SLICE_NS);
                self.tend()?;
                self.desk.step();
            }
            RunEnd::Idle(deadline) => {
                self.tend()?;
                if !self.desk.step() && !shown && !self.stirs() {
                    let due = [deadline, self.saver.next_save_ns(&self.vm), Some(limit_ns)];
                    let until = due.into_iter().flatten().min().unwrap_or(u64::MAX);
                    if until == u64::MAX {
                        return Err("every process waits, and nothing can come".to_owned());
                    }
                    self.clock.sleep_until(until);
                }
            }
        }
        Ok(None)
    }

    fn stirs(&self) -> bool {
        let wants = self.vm.heap.wants();
        let collects = wants.mark || wants.finish || wants.sweep;
        collects || self.vm.doorbell().is_rung() || self.vm.heap.has_fired()
    }

    fn tend(&mut self) -> Result<(), String> {
        self.saver.tend(&mut self.vm).map_err(|trouble| format!("{trouble:?}"))
    }

    /// Begins a snapshot of what was just done.
    pub fn save_soon(&mut self) -> Result<(), String> {
        self.saver.save_soon(&mut self.vm).map_err(|trouble| format!("{trouble:?}"))
    }

    /// What the store says of itself: commits, moments, blocks in use.
    pub fn store_state(&self) -> Result<(u64, usize, u64), String> {
        let mut world = self.desk.world();
        let moments = world.moments().map_err(text)?.len();
        Ok((u64::from(world.head().number.0), moments, world.block_counts().0))
    }

    /// Saves and closes the world; answers the disk.
    pub fn finish(mut self) -> Result<Medium, String> {
        self.saver.save(&mut self.vm).map_err(|trouble| format!("{trouble:?}"))?;
        self.desk.world().close(self.clock.wall_ns()).map_err(text)?;
        Ok(self.store.cut(&Survivors::Nothing))
    }
}
