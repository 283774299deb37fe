//! What a port needs of a machine: values in and out, the known starting point, collection in slices.
//!
//! Invariant
//! - U1 `tend` keeps within its budget but for a finish that was put off twice.
//!
//! Knows: the heap's cycle. Must not know: files, what a session does.

use super::vm::{Handle, HostValue, Vm};
use crate::heap::Wants;
use crate::layout::KnownObject;
use alloc::vec::Vec;
use image::PageIndex;

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

    /// Whether an object understands a message: what a port asks of a world that may be older than it.
    pub fn understands(&mut self, handle: Handle, selector: &str) -> bool {
        let selector = self.symbol(selector);
        let class = self.class_index(self.held(handle));
        selector != self.nil && !self.lookup(class, selector).is_null()
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

    /// Keeps the end of one more process for [`Vm::take_ended`], whichever is watched.
    pub fn attend(&mut self, serial: i64) {
        self.attended.insert(serial);
    }

    /// Wants to know no longer how a process ends.
    pub fn forsake(&mut self, serial: i64) {
        self.attended.remove(&serial);
        if let Some(super::vm::Ended::Value(handle)) = self.ended.remove(&serial) {
            self.release(handle);
        }
    }

    /// Makes lost objects of what stands on pages that were found lost, before anything else happens;
    /// answers whether there were any.
    pub(crate) fn settle_losses(&mut self) -> bool {
        if !self.heap.has_new_losses() {
            return false;
        }
        let pages = self.heap.take_losses();
        self.forget_lookups();
        self.lost_pages.extend(pages);
        true
    }

    /// Before an effect outside: whether the running process may have computed with lost data. It is
    /// told at its next send.
    pub(crate) fn has_used_lost_data(&mut self) -> bool {
        let found = self.settle_losses();
        if found {
            self.loss_untold = true;
            self.fuel = 1;
        }
        found
    }

    /// The pages that were found lost since the last call.
    pub fn take_lost_pages(&mut self) -> Vec<PageIndex> {
        self.settle_losses();
        core::mem::take(&mut self.lost_pages)
    }

    /// Whether something outside may still ring for a process: a service owes a signal, or may send
    /// one unasked. What a timer will do, `run` says itself.
    pub fn may_be_rung(&self) -> bool {
        !self.owed.is_empty() || self.services.iter().any(|service| service.may_ring())
    }

    /// How often processes looked around so far: a measure of how much ran.
    pub fn polls(&self) -> u64 {
        self.counters.polls
    }

    /// A slice of the collection that runs, if one does; answers what else the heap wants.
    pub fn tend(&mut self) -> Wants {
        loop {
            let wants = self.collect_slice();
            if !wants.mark || self.doorbell.is_rung() {
                return wants;
            }
        }
    }

    /// One step of what the heap asks for; answers what it asks for then.
    pub fn collect_slice(&mut self) -> Wants {
        let wants = self.heap.wants();
        if wants.sweep {
            self.heap.sweep_step(SWEEP_BLOCKS);
        }
        if wants.mark {
            self.heap.mark_step(MARK_WORDS);
        }
        self.settle_losses();
        if wants.finish {
            let _ = self.with_roots(|heap, roots| heap.finish(roots, Some(FINISH_WORDS)));
        }
        self.heap.wants()
    }
}
