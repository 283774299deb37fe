//! Which methods run: noted for whoever watches a process and those that it makes.
//!
//! Every method counts its runs; that is one addition a send. Beside that somebody may watch: then
//! the first entry of each method by a watched process is noted, until what was met is taken; a
//! method that was noted already is entered by its usual way.
//!
//! Invariants
//! - N1 Only watched processes are noted: the one that began, and whatever a watched one makes.
//! - N2 `is_watched` says of the current process whether it is one; every switch decides it anew.
//! - N3 One watches at a time.
//!
//! Knows: processes, records. Must not know: what a test is.

use super::process::state;
use super::vm::{Handle, Vm};
use crate::layout::Word;
use alloc::vec::Vec;

impl Vm {
    /// The current process begins to watch itself; false if another does that already (N3).
    pub(crate) fn begin_watch(&mut self) -> bool {
        self.forget_ended_watched();
        if !self.watched.is_empty() {
            return false;
        }
        self.codes.watch(true);
        let process = self.hold(self.current.process);
        self.watched.push(process);
        self.is_watched = true;
        true
    }

    /// Nobody watches any more.
    pub(crate) fn end_watch(&mut self) {
        self.codes.watch(false);
        self.is_watched = false;
        for process in core::mem::take(&mut self.watched) {
            self.release(process);
        }
    }

    /// A process was made: it is watched if its maker is (N1).
    pub(crate) fn join_watch(&mut self, process: Word) {
        if self.is_watched {
            let process = self.hold(process);
            self.watched.push(process);
        }
    }

    /// Another process runs now (N2).
    pub(crate) fn settle_watch(&mut self) {
        let process = self.current.process;
        self.is_watched = self.watched.iter().any(|&watched| self.held(watched) == process);
    }

    /// The methods that were met since this was asked last.
    pub(crate) fn take_met(&mut self) -> Vec<Word> {
        self.forget_ended_watched();
        self.codes.take_met()
    }

    fn forget_ended_watched(&mut self) {
        let is_over = |vm: &Vm, process: Handle| vm.state_of(vm.held(process)) == state::TERMINATED;
        let (over, going): (Vec<_>, Vec<_>) =
            self.watched.iter().copied().partition(|&process| is_over(self, process));
        self.watched = going;
        over.into_iter().for_each(|process| self.release(process));
    }
}
