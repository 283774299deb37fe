//! For whom a process works: sessions as the scheduler sees them.
//!
//! Invariants
//! - E1 A process of a session that ended with the program never goes on by itself.
//! - E2 Processes of one session never lose their turn; between sessions nobody keeps the rest from
//!   running ([`Vm::take_turns`]).
//!
//! Knows: the SESSION slot of a process. Must not know: what a session is.

use super::process::{PRIORITIES, state};
use super::vm::Vm;
use crate::layout::{KnownObject, Word, process};
use alloc::vec::Vec;

impl Vm {
    /// Whether a process works for a session that ended with the program.
    pub(super) fn is_of_earlier_session(&self, item: Word) -> bool {
        self.integer_of(item, process::SERIAL).unwrap_or(0) < self.opening_serial
            && self.slot_of(item, process::SESSION).is_some_and(|session| session != self.nil)
    }

    /// A world was opened: its own processes go on, those of earlier sessions stay suspended until
    /// somebody resumes them. Answers how many of those were ready or running.
    pub fn reopen(&mut self) -> usize {
        self.opening_serial = self.next_process_serial;
        let mut stale = 0;
        for priority in 1..=PRIORITIES {
            let Some(list) = self.ready_list(priority) else { continue };
            let mut kept = Vec::new();
            while let Some(item) = self.take_first(list) {
                if self.is_of_earlier_session(item) {
                    self.set_state(item, state::SUSPENDED);
                    stale += 1;
                } else {
                    kept.push(item);
                }
            }
            kept.into_iter().for_each(|item| self.append(list, item, false));
        }
        let active = self.slot_of(self.known(KnownObject::Processor), 1).unwrap_or(self.nil);
        if self.is_process(active) && self.state_of(active) == state::RUNNING {
            stale += usize::from(self.is_of_earlier_session(active));
            self.make_ready(active, true);
        }
        stale
    }

    /// Between two calls of [`Vm::run`]: where processes of other sessions wait for the current one's
    /// priority, they come before it and those that wait with it for the same session (E2).
    pub fn take_turns(&mut self) {
        if self.current_serial == 0 {
            return;
        }
        let me = self.current.process;
        let Some(list) = self.ready_list(self.priority_of(me)) else { return };
        let session = self.session_of(me);
        if self.listed(list).all(|item| self.session_of(item) == session) {
            return;
        }
        let mut mine = Vec::new();
        let mut others = Vec::new();
        while let Some(item) = self.take_first(list) {
            if self.session_of(item) == session { mine.push(item) } else { others.push(item) }
        }
        others.into_iter().for_each(|item| self.append(list, item, false));
        self.make_ready(me, false);
        mine.into_iter().for_each(|item| self.append(list, item, false));
        self.put_away_current();
    }

    fn session_of(&self, item: Word) -> Option<Word> {
        self.slot_of(item, process::SESSION).map(|word| self.heap.resolve(word))
    }

    /// The processes that would go on by themselves for a session: neither ended nor suspended, not the
    /// one that runs, and not the one whose end the machine waits for.
    pub(crate) fn workers_of(&self, session: Word) -> Vec<Word> {
        let works = |item: Word| {
            let is_awaited = self.awaited != 0 && self.integer_of(item, process::SERIAL) == Some(self.awaited);
            let goes_on = matches!(self.state_of(item), state::READY | state::WAITING);
            self.session_of(item) == Some(session) && goes_on && !is_awaited
        };
        let stacks = self.stacks.values().map(|stack| stack.process);
        let mut found: Vec<Word> = stacks.filter(|&item| self.is_process(item) && works(item)).collect();
        // Those that wait for their first turn have no stack yet.
        for priority in 1..=PRIORITIES {
            let Some(list) = self.ready_list(priority) else { continue };
            found.extend(self.listed(list).filter(|&item| works(item) && self.stack_of(item).is_none()));
        }
        found
    }
}
