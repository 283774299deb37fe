//! What a port needs of a machine: values in and out, the known starting point, collection in slices,
//! and what happens to processes when a world is opened again.
//!
//! Invariants
//! - U1 After an opening, processes of the world go on; a process of a session stays suspended until
//!   somebody resumes it by hand: whoever it worked for is gone.
//! - U2 `tend` keeps within its budget but for a finish that was put off twice.
//!
//! Knows: the heap's cycle, ready lists. Must not know: files, what a session does.

use super::process::{PRIORITIES, state};
use super::vm::{Handle, HostValue, Vm};
use crate::heap::{MarkStep, Wants};
use crate::layout::{KnownObject, Word, process};
use alloc::vec::Vec;

/// Words that one slice of marking follows.
const MARK_WORDS: usize = 20_000;
/// Words that a finish may scan before it is put off.
const FINISH_WORDS: usize = 200_000;
/// Blocks that one slice of sweeping sees.
const SWEEP_BLOCKS: usize = 16;

impl Vm {
    /// Makes an object of a value, collecting if need be; `None` if memory is full.
    pub fn make(&mut self, value: &HostValue) -> Option<Handle> {
        let word = self.built(value)?;
        Some(self.hold(word))
    }

    /// What the object of a handle means outside, if anything: numbers, texts, bytes, Arrays of them.
    pub fn value_of(&self, handle: Handle) -> Option<HostValue> {
        self.host_value(self.held(handle), 8)
    }

    /// A handle on a known object; `None` while the world has none.
    pub fn known_handle(&mut self, known: KnownObject) -> Option<Handle> {
        let word = self.known(known);
        (word.is_reference() && word != self.nil).then(|| self.hold(word))
    }

    /// Handles on the elements of a known Array.
    pub fn known_elements(&mut self, known: KnownObject) -> Vec<Handle> {
        let array = self.known(known);
        let mut handles = Vec::new();
        while let Some(word) = self.slot_of(array, handles.len()) {
            let handle = self.hold(word);
            handles.push(handle);
        }
        handles
    }

    /// Makes [`Vm::run`] return when the process ends; its end is kept for [`Vm::take_ended`].
    pub fn watch(&mut self, serial: i64) {
        self.awaited = serial;
    }

    /// A slice of the collection that runs, if one does; answers what else the heap wants.
    pub fn tend(&mut self) -> Wants {
        let wants = self.heap.wants();
        if wants.mark {
            while self.heap.mark_step(MARK_WORDS) == MarkStep::Working {
                if self.doorbell.is_rung() {
                    break;
                }
            }
        }
        if wants.finish {
            let finished = self.with_roots(false, |heap, roots| heap.finish(roots, Some(FINISH_WORDS)));
            if finished.is_ok() {
                self.settle_symbols();
            }
        }
        if wants.sweep {
            self.heap.sweep_step(SWEEP_BLOCKS);
        }
        self.heap.wants()
    }

    /// After an opening, before anything runs (U1).
    pub fn reopen(&mut self) {
        self.earlier_serials = self.next_process_serial;
        for priority in 1..=PRIORITIES {
            for item in self.ready_at(priority) {
                if self.is_of_earlier_session(item) {
                    self.unlink(item);
                    self.set_state(item, state::SUSPENDED);
                }
            }
        }
        let scheduler = self.known(KnownObject::Processor);
        let Some(active) = self.slot_of(scheduler, 1).filter(|word| self.is_process(*word)) else {
            return;
        };
        if self.state_of(active) == state::RUNNING {
            if self.is_of_earlier_session(active) {
                self.set_state(active, state::SUSPENDED);
            } else {
                self.make_ready(active, true);
            }
        }
    }

    /// Whether a process worked for a session of an earlier opening and was not resumed since.
    pub(crate) fn is_of_earlier_session(&self, item: Word) -> bool {
        let serial = self.integer_of(item, process::SERIAL).unwrap_or(0);
        let session = self.slot_of(item, process::SESSION).unwrap_or(self.nil);
        serial < self.earlier_serials && !self.is_nil(session) && !self.revived.contains(&serial)
    }

    /// Somebody resumed a process by hand: it is of this opening from now on.
    pub(crate) fn revive(&mut self, item: Word) {
        if self.is_of_earlier_session(item) {
            let serial = self.integer_of(item, process::SERIAL).unwrap_or(0);
            self.revived.insert(serial);
        }
    }
}
