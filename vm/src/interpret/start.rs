//! Processes that are started and driven from outside.
//!
//! Knows: handles, the scheduler. Must not know: what a session is.

use super::process::{PRIORITIES, USER_PRIORITY, state};
use super::vm::{Ended, Handle, Next, RunEnd, Vm};
use crate::layout::{Format, KnownClass, KnownObject, Word, process};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};

impl Vm {
    /// Makes a process that sends a message, ready to run; answers its serial.
    ///
    /// Objects in handles, for the process may be made only after a collection.
    pub fn spawn(
        &mut self,
        receiver: Handle,
        selector: &str,
        arguments: &[Handle],
        session: Option<Handle>,
    ) -> Result<i64, String> {
        let selector = self.symbol(selector);
        if selector == self.nil {
            return Err("no memory for a selector".to_string());
        }
        let selector = self.hold(selector);
        let result = self.spawn_selector(receiver, selector, arguments, session);
        self.release(selector);
        result
    }

    /// As [`Vm::spawn`] without arguments or session, but it runs before all others.
    pub fn spawn_urgent(&mut self, receiver: Handle, selector: &str) -> Result<i64, String> {
        let selector = self.symbol(selector);
        if selector == self.nil {
            return Err("no memory for a selector".to_string());
        }
        let selector = self.hold(selector);
        let result = self.spawn_at(PRIORITIES, receiver, selector, &[], None);
        self.release(selector);
        result
    }

    /// As [`Vm::spawn`], with a Symbol.
    pub fn spawn_selector(
        &mut self,
        receiver: Handle,
        selector: Handle,
        arguments: &[Handle],
        session: Option<Handle>,
    ) -> Result<i64, String> {
        self.spawn_at(USER_PRIORITY, receiver, selector, arguments, session)
    }

    fn spawn_at(
        &mut self,
        priority: i64,
        receiver: Handle,
        selector: Handle,
        arguments: &[Handle],
        session: Option<Handle>,
    ) -> Result<i64, String> {
        self.doorbell().touch();
        let bytes = arguments.len() * 8 + 1024;
        let (process, array) = loop {
            let made = if self.make_ready_lists() { self.new_process(arguments) } else { None };
            match made {
                Some(made) => break made,
                None if self.make_room(bytes + 64 * 1024) => {}
                None => return Err("no memory for a process".to_string()),
            }
        };
        let serial = self.new_process_serial();
        self.put(process, process::SERIAL, Word::small(serial));
        self.put(process, process::PRIORITY, Word::small(priority));
        if let Some(session) = session {
            let word = self.held(session);
            self.put(process, process::SESSION, word);
        }
        let (receiver, selector) = (self.held(receiver), self.held(selector));
        let stack = self.own_stack(process, receiver, selector, array)?;
        self.stacks.insert(serial, Box::new(stack));
        self.make_ready(process, false);
        if self.known(KnownObject::Processor) == self.nil {
            // A world without a scheduler runs what it is given at once.
            self.put_away_current();
            self.take_up(process);
        }
        Ok(serial)
    }

    /// A process and the Array of its first message's arguments; `None` if there is no room.
    fn new_process(&mut self, arguments: &[Handle]) -> Option<(Word, Word)> {
        let slots = self.heap.fixed_slots_of_class(KnownClass::Process.index()).max(process::SERIAL + 1);
        let array = self.new_array(arguments.len())?;
        for (n, &argument) in arguments.iter().enumerate() {
            let word = self.held(argument);
            self.put(array, n, word);
        }
        let process = self.new_object(KnownClass::Process, Format::Fixed, slots)?;
        self.put(process, process::STATE, Word::small(state::READY));
        Some((process, array))
    }

    /// Sends a message in a process of its own and runs until it ends.
    pub fn call(&mut self, receiver: Handle, selector: &str, arguments: &[Handle]) -> Result<Ended, String> {
        let serial = self.spawn(receiver, selector, arguments, None)?;
        self.await_end(serial)
    }

    /// Runs until a process ends; waits for the timer where all processes do.
    pub fn await_end(&mut self, serial: i64) -> Result<Ended, String> {
        self.awaited = serial;
        let result = loop {
            if let Some(ended) = self.ended.remove(&serial) {
                break Ok(ended);
            }
            match self.run(None) {
                RunEnd::Idle(None) => break Err("every process waits, for nothing".to_string()),
                RunEnd::Idle(Some(deadline)) => self.clock.sleep_until(deadline),
                RunEnd::Exit(status) => break Err(format!("the session ended with status {status}")),
                RunEnd::Budget => break Err("stopped".to_string()),
                RunEnd::Finished => {}
            }
        };
        self.awaited = 0;
        result
    }

    /// How a process ended, if it has.
    pub fn take_ended(&mut self, serial: i64) -> Option<Ended> {
        let ended = self.ended.remove(&serial);
        if ended.is_some() {
            self.attended.remove(&serial);
        }
        ended
    }

    /// Runs processes until the budget (in polls: sends and backward jumps) is spent, all of them
    /// wait, or one ends that somebody waits for.
    pub fn run(&mut self, budget: Option<u64>) -> RunEnd {
        self.budget = budget;
        self.end = None;
        self.refuel();
        let mut next = self.see_to_arrivals();
        if next == Next::Go && self.current_serial == 0 {
            next = self.leave_current();
        }
        if next == Next::Go && self.current_serial != 0 {
            self.execute::<false>();
        }
        self.end.take().unwrap_or(RunEnd::Idle(self.timer))
    }

    /// Sends `wake` to what stands in the world's list, in order: after each opening, before
    /// anything else runs. What fails is told in the log and does not stop the others.
    pub fn wake(&mut self) {
        let list = self.known(KnownObject::WakeList);
        let count = if self.is_a(list, KnownClass::Array) { self.slot_count(list) } else { 0 };
        for n in 0..count {
            let list = self.known(KnownObject::WakeList);
            let Some(owner) = self.slot_of(list, n) else { continue };
            let owner = self.hold(owner);
            match self.call(owner, "wake", &[]) {
                Ok(Ended::Value(value)) => self.release(value),
                Ok(_) => {}
                Err(reason) => self.log(&format!("wake: {reason}")),
            }
            self.release(owner);
        }
    }

    /// The frames of a process by its serial, a line each.
    pub fn trace_of(&self, serial: i64) -> String {
        if serial == self.current_serial {
            return self.trace(&self.current);
        }
        self.stacks.get(&serial).map_or_else(String::new, |stack| self.trace(stack))
    }

    /// Makes the first frame of the world for a process that was never run. False if that is not
    /// possible.
    pub(crate) fn begin(&mut self, other: Word) -> bool {
        let is_new = self.stack_of(other).is_some_and(|stack| {
            let code = stack.code(stack.fp);
            code.object == Word::small(0) && stack.ip == code.operations.as_ptr()
        });
        if !is_new {
            return true;
        }
        let run = self.known(KnownObject::SelectorRun);
        let class = self.class_index(other);
        let serial = self.integer_of(other, process::SERIAL).unwrap_or(0);
        if self.arity_of(run) != Some(0) || self.lookup(class, run).is_null() {
            return false;
        }
        let Some(stack) = self.stacks.remove(&serial) else { return false };
        let mine = core::mem::replace(&mut self.current, stack);
        let mine_serial = core::mem::replace(&mut self.current_serial, serial);
        self.stacks.insert(-1, mine);
        let fuel = core::mem::replace(&mut self.fuel, u32::MAX);
        // Three pushes and the send.
        for _ in 0..4 {
            self.execute::<true>();
        }
        self.fuel = fuel;
        if let Some(mine) = self.stacks.remove(&-1) {
            let other = core::mem::replace(&mut self.current, mine);
            self.stacks.insert(serial, other);
        }
        self.current_serial = mine_serial;
        true
    }
}
