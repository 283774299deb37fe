//! Green processes: who runs, who waits, what arrives from outside.
//!
//! The ready queues are linked lists in the heap, one a priority, where the world sees them; only
//! stacks live outside. Within a priority a process runs until it waits, yields or ends; one of a
//! higher priority takes over at once, and who was taken over stays first in its queue.
//!
//! Invariants
//! - Q1 The running process is in no list and its STATE is running; a stack outside `current` belongs
//!   to a process that does not run.
//! - Q2 Switches happen between instructions only: the registers are saved and the answer of the
//!   primitive that switched is on the stack already.
//!
//! Knows: stacks, the slots of Process and Semaphore. Must not know: the loop's registers.

use super::code::OwnCode;
use super::stack::Stack;
use super::vm::{Doorbell, Ended, Handle, Next, RunEnd, Vm};
use crate::layout::{Format, KnownClass, KnownObject, Word, compiled_code, process, root};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::replace;

/// Slots of a list of processes: a Semaphore, or any list whose first two slots are these.
pub(crate) mod list {
    pub const FIRST: usize = 0;
    pub const LAST: usize = 1;
    /// Of a Semaphore.
    pub const EXCESS: usize = 2;
}

/// States of a process.
pub(crate) mod state {
    pub const NEW: i64 = 0;
    pub const READY: i64 = 1;
    pub const RUNNING: i64 = 2;
    pub const WAITING: i64 = 3;
    pub const SUSPENDED: i64 = 4;
    pub const TERMINATED: i64 = 5;
}

/// The highest priority.
pub(crate) const PRIORITIES: i64 = 100;
/// No more processes of a list are looked at: one that is a ring ends here.
const MOST_LISTED: usize = 1_000_000;
/// Polls between two looks at what the heap asks for.
const TEND_EVERY: u64 = 16;
/// Polls between two looks at the ready queues when nothing arrived: whoever makes a process ready
/// looks at once; this is for a world that changes its queues itself.
const PREEMPT_EVERY: u64 = 16;
/// The priority of a process that is started from outside.
pub(super) const USER_PRIORITY: i64 = 40;

impl Vm {
    // ---- polls

    /// The fuel is spent: sees to whatever waits.
    pub(super) fn poll(&mut self) -> Next {
        self.counters.polls += 1;
        let given = u64::from(self.quantum_given);
        if let Some(budget) = self.budget {
            let left = budget.saturating_sub(given);
            self.budget = Some(left);
            if left == 0 {
                self.end = Some(RunEnd::Budget);
                self.refuel();
                return Next::Leave;
            }
        }
        self.refuel();
        if self.codes.is_purge_due() {
            self.purge_unused_records();
        }
        self.apply_stress();
        if self.counters.polls % TEND_EVERY == 0 {
            self.tend_heap();
        }
        self.current.shrink();
        if self.current.sp < self.stack_words / 2 {
            self.current.allowed = self.stack_words;
        }
        if self.settle_losses() || core::mem::take(&mut self.loss_untold) {
            self.loss_untold = false;
            // Methods are verified again; who ran may have computed with what is not there.
            self.purge_records(&self.used_records());
            let (receiver, selector, nil) = (self.current.process, self.symbol("lostPage"), self.nil);
            if !self.lookup(self.class_index(receiver), selector).is_null() {
                return self.interlude(receiver, selector, nil);
            }
        }
        if core::mem::take(&mut self.memory_short) {
            let (receiver, selector, nil) = (self.current.process, self.symbol("outOfMemory"), self.nil);
            let class = self.class_index(receiver);
            if !self.lookup(class, selector).is_null() {
                return self.interlude(receiver, selector, nil);
            }
        }
        if let Some(next) = self.charge(given) {
            return next;
        }
        self.see_to_arrivals()
    }

    fn apply_stress(&mut self) {
        if self.stress.scavenge {
            let _ = self.scavenge();
        }
        if self.stress.reify && self.current.fp != 0 {
            let frame = self.current.fp;
            while self.reify_current(frame).is_none() && self.make_room(256) {}
        }
        if self.stress.capture_every > 0 {
            self.stress_count += 1;
            if self.stress_count >= self.stress.capture_every {
                self.stress_count = 0;
                self.capture_and_restore();
            }
        }
    }

    /// Looks at the doorbell and the clock.
    pub(crate) fn see_to_arrivals(&mut self) -> Next {
        let bits = self.doorbell.take();
        if bits & Doorbell::INTERRUPT != 0 {
            self.signal_known(KnownObject::InterruptSemaphore);
        }
        if bits & Doorbell::SEMAPHORES != 0 {
            self.signal_external();
        }
        let mut look = bits != 0 || self.heap.has_fired() || self.counters.polls % PREEMPT_EVERY == 0;
        if self.timer.is_some_and(|deadline| self.clock.monotonic_ns() >= deadline) {
            look = true;
            self.timer = None;
            let semaphore = replace(&mut self.timer_semaphore, self.nil);
            self.signal(semaphore);
        }
        if self.heap.has_fired() {
            self.signal_known(KnownObject::FinalizationSemaphore);
        }
        let next = if look { self.preempt() } else { Next::Go };
        if bits & Doorbell::STOP != 0 {
            self.end = Some(RunEnd::Budget);
            return Next::Leave;
        }
        next
    }

    pub(crate) fn signal_known(&mut self, which: KnownObject) {
        let semaphore = self.known(which);
        if semaphore.is_reference() && semaphore != self.nil {
            self.signal(semaphore);
        }
    }

    fn signal_external(&mut self) {
        for word in 0..16 {
            let mut bits = self.doorbell.take_semaphores(word);
            while bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                self.owed.remove(&(index as u32));
                let table = self.known(KnownObject::ExternalSemaphores);
                if let Some(semaphore) = index.checked_sub(1).and_then(|i| self.slot_of(table, i)) {
                    self.signal(semaphore);
                }
            }
        }
    }

    /// Drops the records that no frame uses, but for those of installed methods that ran: their counts
    /// stand in them.
    fn purge_unused_records(&mut self) {
        let mut kept = self.used_records();
        let counted: Vec<_> = self
            .codes
            .counted()
            .map(|code| (code as *const _ as usize, code.object, code.method_class))
            .collect();
        for (code, object, class) in counted {
            let selector = self.slot_of(object, compiled_code::SELECTOR);
            if selector.and_then(|selector| self.method_in(class, selector)) == Some(object) {
                kept.insert(code);
            }
        }
        self.purge_records(&kept);
    }

    fn used_records(&self) -> BTreeSet<usize> {
        let mut used = BTreeSet::new();
        for stack in self.stacks.values().map(|s| &**s).chain([&*self.current]) {
            for frame in stack.frames() {
                used.insert(stack.code(frame) as *const _ as usize);
            }
        }
        used
    }

    /// Drops the records that are not to be kept, by address.
    fn purge_records(&mut self, kept: &BTreeSet<usize>) {
        self.cache.forget();
        self.codes.purge(&|code| kept.contains(&(code as usize)));
    }

    // ---- lists

    /// The ready list of a priority; the scheduler's queues are made if the world has none.
    pub(super) fn ready_list(&self, priority: i64) -> Option<Word> {
        let scheduler = self.known(KnownObject::Processor);
        let lists = self.slot_of(scheduler, 0)?;
        self.slot_of(lists, (priority.clamp(1, PRIORITIES) - 1) as usize)
            .filter(|l| self.has_named(*l, 2))
    }

    /// Makes the scheduler's queues where they are missing. False if there is no room.
    pub(crate) fn make_ready_lists(&mut self) -> bool {
        let scheduler = self.known(KnownObject::Processor);
        if !self.has_named(scheduler, 2) {
            return true;
        }
        let slots = self.heap.fixed_slots_of_class(KnownClass::Semaphore.index()).max(3);
        if self.ready_list(1).is_some() && self.ready_list(PRIORITIES).is_some() {
            return true;
        }
        if !self.heap.room_for((slots + 2) * 8 * 101 + 1000) {
            return false;
        }
        let Some(lists) = self.new_array(PRIORITIES as usize) else { return false };
        for n in 0..PRIORITIES as usize {
            let Some(list) = self.new_object(KnownClass::Semaphore, Format::Fixed, slots) else {
                return false;
            };
            self.put(list, list::EXCESS, Word::small(0));
            self.put(lists, n, list);
        }
        self.put(scheduler, 0, lists);
        true
    }

    pub(super) fn append(&mut self, list: Word, item: Word, first: bool) {
        let nil = self.nil;
        let (head, tail) = (self.slot(list, list::FIRST), self.slot(list, list::LAST));
        self.put(item, process::MY_LIST, list);
        if !self.is_process(head) || !self.is_process(tail) {
            self.put(item, process::NEXT_LINK, nil);
            self.put(list, list::FIRST, item);
            self.put(list, list::LAST, item);
        } else if first {
            self.put(item, process::NEXT_LINK, head);
            self.put(list, list::FIRST, item);
        } else {
            self.put(item, process::NEXT_LINK, nil);
            self.put(tail, process::NEXT_LINK, item);
            self.put(list, list::LAST, item);
        }
    }

    /// The processes of a list, in their order.
    pub(super) fn listed(&self, list: Word) -> impl Iterator<Item = Word> + '_ {
        let resolved = |word: Word| Some(self.heap.resolve(word)).filter(|&item| self.is_process(item));
        let next = move |item: &Word| resolved(self.slot(*item, process::NEXT_LINK));
        core::iter::successors(resolved(self.slot(list, list::FIRST)), next).take(MOST_LISTED)
    }

    pub(super) fn take_first(&mut self, list: Word) -> Option<Word> {
        let nil = self.nil;
        let first = self.heap.resolve(self.slot(list, list::FIRST));
        if first == nil || !self.is_process(first) {
            return None;
        }
        let next = self.slot(first, process::NEXT_LINK);
        self.put(list, list::FIRST, next);
        if !self.is_process(next) {
            self.put(list, list::LAST, nil);
        }
        self.put(first, process::NEXT_LINK, nil);
        self.put(first, process::MY_LIST, nil);
        Some(first)
    }

    /// Takes a process out of the list that it is in.
    pub(crate) fn unlink(&mut self, item: Word) {
        let nil = self.nil;
        let list = self.heap.resolve(self.slot(item, process::MY_LIST));
        self.put(item, process::MY_LIST, nil);
        if !self.has_named(list, 2) {
            return;
        }
        let mut previous = nil;
        let mut at = self.heap.resolve(self.slot(list, list::FIRST));
        for _ in 0..MOST_LISTED {
            if !self.is_process(at) {
                return;
            }
            let next = self.heap.resolve(self.slot(at, process::NEXT_LINK));
            if at == item {
                if previous == nil {
                    self.put(list, list::FIRST, next);
                } else {
                    self.put(previous, process::NEXT_LINK, next);
                }
                if next == nil {
                    self.put(list, list::LAST, previous);
                }
                self.put(item, process::NEXT_LINK, nil);
                return;
            }
            (previous, at) = (at, next);
        }
    }

    /// Whether a word has the slots of a Process.
    pub(crate) fn is_process(&self, word: Word) -> bool {
        self.has_named(word, process::SERIAL + 1)
    }

    pub(crate) fn priority_of(&self, process: Word) -> i64 {
        self.integer_of(process, process::PRIORITY).unwrap_or(USER_PRIORITY).clamp(1, PRIORITIES)
    }

    pub(crate) fn state_of(&self, process: Word) -> i64 {
        self.integer_of(process, process::STATE).unwrap_or(state::TERMINATED)
    }

    pub(crate) fn set_state(&mut self, process: Word, state: i64) {
        self.put(process, process::STATE, Word::small(state));
    }

    // ---- semaphores

    /// Signals: the first that waits becomes ready, else the signal is kept.
    pub(crate) fn signal(&mut self, semaphore: Word) {
        let semaphore = self.heap.resolve(semaphore);
        if !self.has_named(semaphore, list::EXCESS + 1) {
            return;
        }
        match self.take_first(semaphore) {
            Some(waiting) => self.make_ready(waiting, false),
            None => {
                let excess = self.integer_of(semaphore, list::EXCESS).unwrap_or(0);
                let more = Word::integer(excess + 1).unwrap_or(Word::small(0));
                self.put(semaphore, list::EXCESS, more);
            }
        }
    }

    /// Waits; the primitive has answered already.
    pub(crate) fn wait(&mut self, semaphore: Word) -> Next {
        let excess = self.integer_of(semaphore, list::EXCESS).unwrap_or(0);
        if excess > 0 {
            self.put(semaphore, list::EXCESS, Word::small(excess - 1));
            return Next::Go;
        }
        let me = self.current.process;
        self.append(semaphore, me, false);
        self.set_state(me, state::WAITING);
        self.leave_current()
    }

    /// Puts a process into its ready list.
    pub(crate) fn make_ready(&mut self, item: Word, first: bool) {
        if self.state_of(item) == state::TERMINATED {
            return;
        }
        if self.is_of_earlier_session(item) {
            self.set_state(item, state::SUSPENDED);
            return;
        }
        let priority = self.priority_of(item);
        self.set_state(item, state::READY);
        if let Some(list) = self.ready_list(priority) {
            self.append(list, item, first);
        }
    }

    // ---- switching

    /// Lets a ready process of higher priority run at once.
    pub(crate) fn preempt(&mut self) -> Next {
        let mine = if self.current_serial == 0 { 0 } else { self.priority_of(self.current.process) };
        match self.best_ready(mine + 1) {
            None => Next::Go,
            Some(list) => {
                if self.current_serial != 0 {
                    let me = self.current.process;
                    self.make_ready(me, true);
                }
                self.run_first_of(list)
            }
        }
    }

    /// Lets others of the same priority run.
    pub(crate) fn yield_current(&mut self) -> Next {
        let me = self.current.process;
        let priority = self.priority_of(me);
        if self.best_ready(priority).is_none() {
            return Next::Go;
        }
        self.make_ready(me, false);
        self.leave_current()
    }

    /// The current process does not go on: runs another, or leaves the loop.
    pub(crate) fn leave_current(&mut self) -> Next {
        match self.best_ready(1) {
            Some(list) => self.run_first_of(list),
            None => {
                self.put_away_current();
                self.end = Some(RunEnd::Idle(self.timer));
                Next::Leave
            }
        }
    }

    /// The highest ready list, of at least a priority, that is not empty.
    fn best_ready(&mut self, least: i64) -> Option<Word> {
        for priority in (least.max(1)..=PRIORITIES).rev() {
            if let Some(list) = self.ready_list(priority) {
                let first = self.heap.resolve(self.slot(list, list::FIRST));
                if first != self.nil && self.is_process(first) {
                    return Some(list);
                }
            }
        }
        None
    }

    fn run_first_of(&mut self, list: Word) -> Next {
        self.put_away_current();
        match self.take_first(list) {
            Some(process) => self.take_up(process),
            None => self.leave_current(),
        }
    }

    /// Puts the current stack among the others.
    pub(crate) fn put_away_current(&mut self) {
        if self.current_serial == 0 {
            return;
        }
        let Some(empty) = Stack::new(self.nil) else { return };
        let stack = replace(&mut self.current, Box::new(empty));
        if self.state_of(stack.process) != state::TERMINATED {
            if self.state_of(stack.process) == state::RUNNING {
                self.set_state(stack.process, state::SUSPENDED);
            }
            self.stacks.insert(self.current_serial, stack);
        }
        self.current_serial = 0;
    }

    /// Makes a process the current one, with its stack or a new one.
    pub(super) fn take_up(&mut self, process: Word) -> Next {
        self.counters.switches += 1;
        let hold = self.hold(process);
        let found = self.stack_for(hold);
        let process = self.held(hold);
        self.release(hold);
        match found {
            Ok((serial, stack)) => {
                self.current = stack;
                self.current.clean = false;
                self.current_serial = serial;
                self.current.process = process;
                self.set_state(process, state::RUNNING);
                self.note_active(process);
                if self.codes.is_watching() {
                    self.settle_watch();
                }
                Next::Go
            }
            Err(reason) => {
                self.set_state(process, state::TERMINATED);
                self.log(&format!("a process can't go on: {reason}"));
                let serial = self.integer_of(process, process::SERIAL).unwrap_or(0);
                self.note_ended(serial, Ended::Failed(reason));
                if self.end.is_some() { Next::Leave } else { self.leave_current() }
            }
        }
    }

    fn note_active(&mut self, process: Word) {
        let scheduler = self.known(KnownObject::Processor);
        if self.has_named(scheduler, 2) {
            self.put(scheduler, 1, process);
        }
    }

    /// The stack of a process that is about to run.
    fn stack_for(&mut self, hold: Handle) -> Result<(i64, Box<Stack>), String> {
        let process = self.held(hold);
        let serial = self.integer_of(process, process::SERIAL).unwrap_or(0);
        let owned = self.stacks.get(&serial).is_some_and(|stack| stack.process == process);
        if let Some(stack) = owned.then(|| self.stacks.remove(&serial)).flatten() {
            return Ok((serial, stack));
        }
        let serial = self.new_process_serial();
        self.put(process, process::SERIAL, Word::small(serial));
        let image = self.slot(process, process::STACK);
        let stack = if self.is_a(image, KnownClass::StackImage) {
            self.restore(process, image)?
        } else {
            self.starting_stack(hold)?
        };
        Ok((serial, Box::new(stack)))
    }

    /// Whether a process has frames somewhere.
    pub(crate) fn stack_of(&self, process: Word) -> Option<&Stack> {
        if process == self.current.process && self.current_serial != 0 {
            return Some(&self.current);
        }
        let serial = self.integer_of(process, process::SERIAL)?;
        self.stacks.get(&serial).map(|stack| &**stack).filter(|stack| stack.process == process)
    }

    pub(crate) fn new_process_serial(&mut self) -> i64 {
        let serial = self.next_process_serial;
        self.next_process_serial += 1;
        self.heap.set_root(root::NEXT_PROCESS_SERIAL, self.next_process_serial as u64);
        serial
    }

    /// The stack of a new process: it is sent `run`, or, where the world has no such method, its
    /// closure is evaluated.
    pub(super) fn starting_stack(&mut self, hold: Handle) -> Result<Stack, String> {
        let process = self.held(hold);
        let run = self.known(KnownObject::SelectorRun);
        let class = self.class_index(process);
        let (receiver, selector) = if self.arity_of(run) == Some(0) && !self.lookup(class, run).is_null() {
            (process, run)
        } else {
            (self.slot(process, process::START), self.symbol("value"))
        };
        self.own_stack(process, receiver, selector, self.nil)
    }

    /// A stack with one frame of the machine's own code, which performs a message.
    pub(super) fn own_stack(
        &mut self,
        process: Word,
        receiver: Word,
        selector: Word,
        arguments: Word,
    ) -> Result<Stack, String> {
        let mut stack = Stack::new(process).ok_or("no memory for a stack")?;
        stack.allowed = self.stack_words;
        let nil = self.nil;
        for word in [nil, receiver, selector, arguments] {
            stack.push(word);
        }
        let code = self.own_code(OwnCode::Start);
        stack.push_bottom(code, nil);
        Ok(stack)
    }
}
