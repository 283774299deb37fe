//! How processes end: with a value, terminated, given up, out of stack; and one step at a time.
//!
//! Knows: stacks, the scheduler. Must not know: the loop's registers.

use super::process::state;
use super::vm::{Ended, Next, RunEnd, Vm};
use crate::layout::{KnownObject, Word, process};
use alloc::format;

impl Vm {
    /// The bottom frame has its result on top.
    pub(super) fn finish_process(&mut self) -> Next {
        let value = self.top(0);
        let handle = self.hold(value);
        let serial = self.current_serial;
        self.note_ended(serial, Ended::Value(handle));
        self.end_current()
    }

    /// Remembers how a process ended, for whoever waits for it.
    pub(super) fn note_ended(&mut self, serial: i64, ended: Ended) {
        if self.awaited != serial && !self.attended.contains(&serial) {
            if let Ended::Value(handle) = ended {
                self.release(handle);
            }
            return;
        }
        if let Some(Ended::Value(old)) = self.ended.insert(serial, ended) {
            self.release(old);
        }
        self.end = Some(RunEnd::Finished);
    }

    /// Takes the current process away for good and goes on with another.
    fn end_current(&mut self) -> Next {
        let process = self.current.process;
        self.drop_frames_of_current();
        if self.is_process(process) {
            let nil = self.nil;
            self.set_state(process, state::TERMINATED);
            self.put(process, process::STACK, nil);
        }
        self.put_away_current();
        if self.end.is_some() {
            return Next::Leave;
        }
        self.leave_current()
    }

    fn drop_frames_of_current(&mut self) {
        self.cut_to(0);
        let rest: alloc::vec::Vec<Word> =
            self.current.contexts.values().map(|reified| reified.context).collect();
        for context in rest {
            self.detach(context);
        }
        self.current.contexts.clear();
    }

    /// Ends the current process without unwinding.
    pub(crate) fn terminate_current(&mut self) -> Next {
        let serial = self.current_serial;
        self.note_ended(serial, Ended::Terminated);
        self.end_current()
    }

    /// Drops the frames of a process that does not run.
    pub(crate) fn terminate_other(&mut self, process: Word) {
        self.unlink(process);
        let serial = self.integer_of(process, process::SERIAL).unwrap_or(0);
        if self.stacks.get(&serial).is_some_and(|stack| stack.process == process)
            && let Some(stack) = self.stacks.remove(&serial)
        {
            for reified in stack.contexts.values() {
                self.detach(reified.context);
            }
        }
        let nil = self.nil;
        self.put(process, process::STACK, nil);
        self.set_state(process, state::TERMINATED);
        self.note_ended(serial, Ended::Terminated);
    }

    /// The world can't go on with the current process: it ends, with a trace.
    pub(crate) fn give_up(&mut self, reason: &str) -> Next {
        let trace = format!("{reason}\n{}", self.emergency_trace());
        self.log(&trace);
        let serial = self.current_serial;
        self.note_ended(serial, Ended::Failed(trace));
        self.end_current()
    }

    /// The calling session ends; its process does not go on.
    pub(crate) fn exit(&mut self, status: i64) -> Next {
        self.store.session_exit(status);
        self.terminate_current();
        self.end = Some(RunEnd::Exit(status));
        Next::Leave
    }

    /// Lets a process that does not run do one instruction; the current one goes on afterwards.
    pub(crate) fn step_other(&mut self, other: Word) -> Next {
        let me = self.current.process;
        let (me, other) = (self.hold(me), self.hold(other));
        self.make_ready(self.held(me), true);
        self.put_away_current();
        let stepped = self.held(other);
        self.unlink(stepped);
        self.take_up(stepped);
        let wanted = self.current_serial;
        self.fuel = u32::MAX;
        self.execute::<true>();
        self.refuel();
        if self.current_serial == wanted {
            self.put_away_current();
            let word = self.held(me);
            self.unlink(word);
            self.take_up(word);
        }
        self.release(me);
        self.release(other);
        Next::Go
    }

    /// The machine has no memory for a stack.
    pub(crate) fn stack_exhausted(&mut self) -> Next {
        self.give_up("no memory for the stack")
    }

    /// A stack is deeper than it may be: the world is told, and may go on a quarter deeper.
    pub(super) fn stack_overflow(&mut self) -> Next {
        if self.current.allowed > self.stack_words.saturating_mul(2) {
            return self.give_up("stack overflow");
        }
        self.current.allowed += self.stack_words / 4;
        let receiver = self.current.process;
        let (selector, nil) = (self.known(KnownObject::SelectorStackOverflow), self.nil);
        let class = self.class_index(receiver);
        if self.arity_of(selector) != Some(0) || self.lookup(class, selector).is_null() {
            return self.give_up("stack overflow");
        }
        self.interlude(receiver, selector, nil)
    }
}
