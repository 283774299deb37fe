//! The machine that runs class initialisers while a world is built: no grants, a clock that stands
//! still.

use super::vm::{Ended, Vm, VmConfig};
use crate::archive::Machine;
use crate::heap::Heap;
use crate::layout::{KnownObject, Word};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use platform::Clock;

/// A clock that stands still, so that every building of a world does the same.
pub struct StillClock;

impl Clock for StillClock {
    fn monotonic_ns(&self) -> u64 {
        0
    }
    fn wall_ns(&self) -> i64 {
        0
    }
    fn sleep_until(&self, _: u64) {}
    fn wake(&self) {}
}

/// See [`Machine`].
pub struct Initializers;

impl Machine for Initializers {
    fn send_all(&mut self, heap: Heap, sends: &[(Word, Word)]) -> Result<Heap, String> {
        let mut vm = Vm::new(heap, VmConfig::new(Arc::new(StillClock)))?;
        vm.send_all(sends)?;
        vm.into_heap()
    }
}

impl Vm {
    /// Sends the selectors to the receivers, one after the other, each in a process of its own.
    pub fn send_all(&mut self, sends: &[(Word, Word)]) -> Result<(), String> {
        let held: alloc::vec::Vec<_> =
            sends.iter().map(|&(receiver, selector)| (self.hold(receiver), self.hold(selector))).collect();
        for &(receiver, selector) in &held {
            let serial = self.spawn_selector(receiver, selector, &[], None)?;
            match self.await_end(serial)? {
                Ended::Value(value) => self.release(value),
                other => {
                    let name = self.text(self.held(selector)).unwrap_or_default();
                    let class = self.class_name(self.held(receiver));
                    let why = match other {
                        Ended::Failed(trace) => trace,
                        _ => String::from("it was terminated"),
                    };
                    return Err(format!("{class} {name}: {why}"));
                }
            }
        }
        for (receiver, selector) in held {
            self.release(receiver);
            self.release(selector);
        }
        Ok(())
    }

    /// Gives the heap back: nothing runs, eden is empty.
    pub fn into_heap(mut self) -> Result<Heap, String> {
        let scheduler = self.known(KnownObject::Processor);
        if self.has_named(scheduler, 2) {
            let nil = self.nil;
            self.put(scheduler, 1, nil);
        }
        self.scavenge().map_err(|error| format!("{error:?}"))?;
        Ok(self.heap)
    }
}
