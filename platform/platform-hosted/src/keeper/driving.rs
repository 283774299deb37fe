//! Driving a living world: slices of its machine, and the sleep between them.
//!
//! Invariants
//! - E1 While anything is waited for (a process, a line from a person) the world lives: its processes
//!   run, it is saved, a signal of the system is answered.
//! - E2 Nobody sleeps for ever: where no timer runs, nothing outside may ring and no collection is
//!   under way, a process that is waited for is told, and given up if it waits on.
//!
//! Must not know: what a process does.

use super::opened::{is_table, tables_lost};
use super::living::{Ending, Living};
use crate::cli::Failure;
use crate::clock::HostedClock;
use platform::Clock;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use vm::interpret::RunEnd;
use vm::layout::KnownObject;

/// Sends and backward jumps between two looks at the store.
const SLICE: u64 = 200_000;

/// What a slice of the machine came to.
enum Turn {
    /// There is more to do.
    More,
    /// Every process waits; the timer's deadline, if one is set.
    Idle(Option<u64>),
    /// The session, or the program, is to end.
    End(Ending),
}

impl Living {
    /// Runs until a process ends, and keeps the world meanwhile.
    pub fn drive(&mut self, serial: i64) -> Result<Ending, Failure> {
        self.vm.watch(serial);
        self.watch.serial = serial;
        let mut told = false;
        loop {
            if let Some(ended) = self.vm.take_ended(serial) {
                return Ok(Ending::Ended(ended));
            }
            match self.turn()? {
                Turn::More => {}
                Turn::End(ending) => return Ok(ending),
                Turn::Idle(None) if self.is_beyond_help() => {
                    if told {
                        return Ok(Ending::Stuck(self.vm.trace_of(serial)));
                    }
                    told = true;
                    self.tell_that_nothing_comes();
                }
                Turn::Idle(deadline) => self.sleep(deadline),
            }
        }
    }

    /// Lives on until `arrived` answers something, which another thread prepares and announces by
    /// the [`Living::waker`], or which is asked again at a time that is given.
    pub fn live_until<T>(
        &mut self,
        arrived: &mut dyn FnMut() -> Option<T>,
        again_ns: Option<u64>,
    ) -> Result<Result<T, Ending>, Failure> {
        self.vm.watch(0);
        loop {
            if let Some(arrived) = arrived() {
                return Ok(Ok(arrived));
            }
            match self.turn()? {
                Turn::More => {}
                Turn::End(ending) => return Ok(Err(ending)),
                Turn::Idle(deadline) => self.sleep([deadline, again_ns].into_iter().flatten().min()),
            }
        }
    }

    /// What ends this world's sleep, from any thread.
    pub fn waker(&self) -> Arc<HostedClock> {
        self.clock.clone()
    }

    fn turn(&mut self) -> Result<Turn, Failure> {
        let signal = self.wish.load(Ordering::SeqCst);
        if signal > 0 {
            return Ok(Turn::End(Ending::Signal(signal)));
        }
        self.serve();
        let end = self.vm.run(Some(SLICE));
        self.note_losses()?;
        if let Some(ending) = self.look_after_windows()? {
            return Ok(Turn::End(ending));
        }
        Ok(match end {
            RunEnd::Finished => Turn::More,
            RunEnd::Exit(status) => Turn::End(Ending::Exit(status)),
            RunEnd::Budget => {
                self.tend()?;
                self.see_out();
                if !self.visits.is_empty() {
                    self.vm.take_turns();
                }
                Turn::More
            }
            RunEnd::Idle(deadline) => {
                self.tend()?;
                // Somebody may wait for the last guest to be gone.
                if self.see_out() { Turn::More } else { Turn::Idle(deadline) }
            }
        })
    }

    /// Says, once, that a page was found lost. Without its tables a machine cannot go on.
    pub(super) fn note_losses(&mut self) -> Result<(), Failure> {
        let pages = self.vm.take_lost_pages();
        let Some(&first) = pages.first() else { return Ok(()) };
        let path = self.path();
        if let Some(&table) = pages.iter().find(|page| is_table(**page)) {
            return Err(tables_lost(&path, table));
        }
        if !std::mem::replace(&mut self.told_lost, true) {
            let file = path.display();
            eprintln!("warm: {file}: page {first} of the heap is lost; warm check names all that are");
        }
        Ok(())
    }

    /// Whether there is something to do though every process waits: a ring at the door, a collection
    /// to go on with, something that died to be told of.
    fn stirs(&self) -> bool {
        let wants = self.vm.heap.wants();
        let collects = wants.mark || wants.finish || wants.sweep;
        collects || self.vm.doorbell().is_rung() || self.vm.heap.has_fired()
    }

    /// Waits for whatever comes first: the world's timer, the next saving, a ring at the door.
    fn sleep(&mut self, deadline: Option<u64>) {
        if self.stirs() {
            return;
        }
        let save = self.saver.next_save_ns(&self.vm);
        let look = self.watch.next_look(self.clock.monotonic_ns());
        let until = [deadline, save, look].into_iter().flatten().min().unwrap_or(u64::MAX);
        self.clock.sleep_until(until);
    }

    /// Whether nothing can wake a process any more (E2); a collection may still fire an ephemeron, and
    /// goes on when a snapshot that is in writing is done.
    fn is_beyond_help(&self) -> bool {
        let writes = self.desk.as_ref().is_some_and(|desk| desk.is_busy());
        !writes && !self.stirs() && !self.vm.may_be_rung()
    }

    /// Has the world signal `EndlessWait` in the process that its newest session waits for. What
    /// cannot be told that way is seen when everything waits again.
    fn tell_that_nothing_comes(&mut self) {
        if let Some(main) = self.vm.known_handle(KnownObject::MainProcessStart) {
            let _ = self.vm.spawn(main, "nothingCanCome", &[], None);
            self.vm.release(main);
        }
    }
}
