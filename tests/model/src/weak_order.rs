//! The hand-over protocols under every reordering that their memory orders permit.
//!
//! Duty: run small programs of two threads in every order in which a machine may carry them out, and
//! ask a judge about each end.
//!
//! The machine: one memory, and threads that may carry out an instruction before earlier ones of
//! their own, unless (W1) both touch one location, (W2) the later one needs a register that the
//! earlier one writes, (W3) the earlier one acquires, or (W4) the later one releases. A load behind
//! a branch may be carried out before the branch is known (so branches are only seen by stores).
//! This covers store buffers, load buffering and early loads, as on machines whose stores become
//! visible to all others at once (x86-64, ARMv8, RISC-V).
//!
//! The search is exhaustive: states are remembered, so it ends when all have been seen.

use std::collections::HashSet;

/// The order that an access asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(missing_docs, reason = "the names of C++ and Rust")]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

impl Order {
    fn acquires(self) -> bool {
        matches!(self, Self::Acquire | Self::AcqRel)
    }

    fn releases(self) -> bool {
        matches!(self, Self::Release | Self::AcqRel)
    }
}

/// What a store writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Value {
    /// A constant.
    Is(u8),
    /// What a register holds.
    Of(usize),
}

/// One access. Locations and registers are numbers below 8; each register is written once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[allow(
    missing_docs,
    reason = "location, register, order, value: as everywhere here"
)]
pub enum Access {
    Load {
        from: usize,
        into: usize,
        order: Order,
    },
    Store {
        to: usize,
        value: Value,
        order: Order,
    },
    /// Compare with `expected`; if equal store `new`. The register gets what was found.
    Swap {
        at: usize,
        expected: u8,
        new: u8,
        into: usize,
        order: Order,
    },
}

impl Access {
    fn location(self) -> usize {
        match self {
            Self::Load { from: at, .. } | Self::Store { to: at, .. } | Self::Swap { at, .. } => at,
        }
    }

    fn order(self) -> Order {
        match self {
            Self::Load { order, .. } | Self::Store { order, .. } | Self::Swap { order, .. } => {
                order
            }
        }
    }

    fn writes_register(self) -> Option<usize> {
        match self {
            Self::Load { into, .. } | Self::Swap { into, .. } => Some(into),
            Self::Store { .. } => None,
        }
    }

    fn needs_register(self) -> Option<usize> {
        match self {
            Self::Store {
                value: Value::Of(register),
                ..
            } => Some(register),
            _ => None,
        }
    }

    /// Whether it may be carried out before an earlier access of its thread.
    fn may_pass(self, earlier: Access) -> bool {
        let same_place = self.location() == earlier.location();
        let needs = self
            .needs_register()
            .is_some_and(|register| earlier.writes_register() == Some(register));
        !same_place && !needs && !earlier.order().acquires() && !self.order().releases()
    }
}

/// Registers of a thread at the end.
pub type Registers = [u8; 8];

/// A question about two threads.
#[derive(Clone)]
pub struct Litmus {
    /// What each thread does, in program order.
    pub threads: [Vec<Access>; 2],
    /// Memory at the start.
    pub memory: [u8; 8],
    /// Whether an end is right.
    pub judge: fn(&[Registers; 2]) -> bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    memory: [u8; 8],
    registers: [Registers; 2],
    left: [Vec<Access>; 2],
}

/// What an exhaustive search found.
#[derive(Debug)]
pub struct Found {
    /// States that were reached.
    pub states: usize,
    /// The accesses of the first wrong end, in the order in which they were carried out.
    pub wrong: Option<Vec<(usize, Access)>>,
}

/// Tries every order.
pub fn explore(litmus: &Litmus) -> Found {
    let start = State {
        memory: litmus.memory,
        registers: [[0; 8]; 2],
        left: litmus.threads.clone(),
    };
    let mut seen = HashSet::from([start.clone()]);
    let mut work = vec![(start, Vec::new())];
    while let Some((state, done)) = work.pop() {
        if state.left.iter().all(Vec::is_empty) && !(litmus.judge)(&state.registers) {
            return Found {
                states: seen.len(),
                wrong: Some(done),
            };
        }
        for thread in 0..2 {
            let left = &state.left[thread];
            for nth in 0..left.len() {
                if left[..nth]
                    .iter()
                    .all(|earlier| left[nth].may_pass(*earlier))
                {
                    let next = state.after(thread, nth);
                    if seen.insert(next.clone()) {
                        let mut trace = done.clone();
                        trace.push((thread, left[nth]));
                        work.push((next, trace));
                    }
                }
            }
        }
    }
    Found {
        states: seen.len(),
        wrong: None,
    }
}

impl State {
    fn after(&self, thread: usize, nth: usize) -> State {
        let mut next = self.clone();
        let registers = &mut next.registers[thread];
        match next.left[thread].remove(nth) {
            Access::Load { from, into, .. } => registers[into] = next.memory[from],
            Access::Store {
                to,
                value: Value::Is(value),
                ..
            } => next.memory[to] = value,
            Access::Store {
                to,
                value: Value::Of(register),
                ..
            } => next.memory[to] = registers[register],
            Access::Swap {
                at,
                expected,
                new,
                into,
                ..
            } => {
                registers[into] = next.memory[at];
                if next.memory[at] == expected {
                    next.memory[at] = new;
                }
            }
        }
        next
    }
}

const W: usize = 0;
const OLD: u8 = 1;
const NEW: u8 = 9;
const ASIDE: u8 = 2;
const DONE: u8 = 3;

/// The two swaps on W: the mutator copies a frozen page of two words aside, swaps 0 for ASIDE, then
/// stores; the writer reads the page, swaps 0 for DONE, and reads the copy if it lost. It must end
/// with the old words. The orders of both swaps are given.
pub fn two_swaps(mutator: Order, writer: Order) -> Litmus {
    let (page, copy) = ([1, 2], [3, 4]);
    let relaxed = Order::Relaxed;
    let load = |from, into| Access::Load {
        from,
        into,
        order: relaxed,
    };
    let store = |to, value| Access::Store {
        to,
        value,
        order: relaxed,
    };
    let mutator = vec![
        load(page[0], 0),
        load(page[1], 1),
        store(copy[0], Value::Of(0)),
        store(copy[1], Value::Of(1)),
        Access::Swap {
            at: W,
            expected: 0,
            new: ASIDE,
            into: 2,
            order: mutator,
        },
        store(page[0], Value::Is(NEW)),
        store(page[1], Value::Is(NEW)),
    ];
    let writer = vec![
        load(page[0], 0),
        load(page[1], 1),
        Access::Swap {
            at: W,
            expected: 0,
            new: DONE,
            into: 2,
            order: writer,
        },
        load(copy[0], 3),
        load(copy[1], 4),
    ];
    let judge = |ends: &[Registers; 2]| {
        let writer = &ends[1];
        let taken = if writer[2] == ASIDE {
            [writer[3], writer[4]]
        } else {
            [writer[0], writer[1]]
        };
        taken == [OLD, OLD]
    };
    Litmus {
        threads: [mutator, writer],
        memory: [0, OLD, OLD, 0, 0, 0, 0, 0],
        judge,
    }
}

/// Publishing an object in a hole: filler of the remainder, body, header; a marker that sees the
/// header must see body and filler. The orders of the header's store and load are given.
pub fn publish_object(store: Order, load: Order) -> Litmus {
    let (header, body, filler) = (0, 1, 2);
    let put = |to, order| Access::Store {
        to,
        value: Value::Is(NEW),
        order,
    };
    let get = |from, into, order| Access::Load { from, into, order };
    let mutator = vec![
        put(filler, Order::Relaxed),
        put(body, Order::Relaxed),
        put(header, store),
    ];
    let marker = vec![
        get(header, 0, load),
        get(body, 1, Order::Relaxed),
        get(filler, 2, Order::Relaxed),
    ];
    let judge = |ends: &[Registers; 2]| ends[1][0] != NEW || ends[1][1..3] == [NEW, NEW];
    Litmus {
        threads: [mutator, marker],
        memory: [OLD; 8],
        judge,
    }
}

#[cfg(test)]
mod tests {
    use super::Order::{AcqRel, Acquire, Relaxed, Release};
    use super::{Order, explore, publish_object, two_swaps};

    #[test]
    fn the_two_swaps_hold_with_acquire_and_release_and_with_nothing_less() {
        for mutator in [Relaxed, Acquire, Release, AcqRel] {
            for writer in [Relaxed, Acquire, Release, AcqRel] {
                let found = explore(&two_swaps(mutator, writer));
                let holds = found.wrong.is_none();
                println!(
                    "mutator {mutator:?}, writer {writer:?}: {} states, holds: {holds}",
                    found.states
                );
                assert_eq!(
                    holds,
                    mutator == AcqRel && writer == AcqRel,
                    "{:?}",
                    found.wrong
                );
            }
        }
    }

    #[test]
    fn a_published_object_is_whole_with_release_and_acquire_only() {
        for (store, load) in [
            (Relaxed, Relaxed),
            (Relaxed, Acquire),
            (Release, Relaxed),
            (Release, Acquire),
        ] {
            let holds = explore(&publish_object(store, load)).wrong.is_none();
            assert_eq!(
                holds,
                (store, load) == (Release, Acquire),
                "{store:?}, {load:?}"
            );
        }
    }

    #[test]
    fn without_the_swap_the_writer_takes_a_mixture() {
        let mut litmus = two_swaps(AcqRel, AcqRel);
        litmus.threads[0].retain(|access| !matches!(access, super::Access::Swap { .. }));
        assert!(explore(&litmus).wrong.is_some());
    }

    #[test]
    fn reordering_is_what_it_says() {
        // Two stores and two loads of relaxed order: all four ends are reached.
        let litmus = publish_object(Order::Relaxed, Order::Relaxed);
        let mut ends = std::collections::HashSet::new();
        for header in [super::OLD, super::NEW] {
            for body in [super::OLD, super::NEW] {
                let mut asks = litmus.clone();
                asks.judge = match (header, body) {
                    (super::OLD, super::OLD) => |ends| ends[1][..2] != [super::OLD, super::OLD],
                    (super::OLD, _) => |ends| ends[1][..2] != [super::OLD, super::NEW],
                    (_, super::OLD) => |ends| ends[1][..2] != [super::NEW, super::OLD],
                    _ => |ends| ends[1][..2] != [super::NEW, super::NEW],
                };
                if explore(&asks).wrong.is_some() {
                    ends.insert((header, body));
                }
            }
        }
        assert_eq!(ends.len(), 4);
    }
}
