//! A deterministic machine that injects faults: the contract of `platform`, simulated.
//!
//! Duty: a store that forgets, tears, lies and fails on demand; memory, clock and entropy that do
//! the same thing at every run; and the conformance suites that every port of the contract runs.
//!
//! Invariants
//! - I1 *Same seed, same run.* Nothing here reads the time, an address or a thread's order.
//! - I2 *A fault that did not strike is not a case.* Each armed fault counts its strikes.
//! - I3 *Copies are cheap.* A [`Medium`] is a persistent map of blocks: cloning one is O(1), and a
//!   case of a crash matrix copies only the blocks that it writes.
//!
//! Knows: `platform`. Must not know: file formats, pages of a heap, objects.
//!
//! Model: the write cache follows the store's invariants S1–S3 and what Linux does after a failed
//! `fsync` (the pages are marked clean: the error is told once, a second flush proves nothing).

mod cache;
mod clock;
pub mod conformance;
mod console;
mod fault;
mod medium;
mod memory;
mod random;
mod recording;
mod store;
mod survivors;

pub use cache::{Change, Pending, WriteCache};
pub use clock::{SimClock, SimEntropy};
pub use console::SimConsole;
pub use fault::{Calls, Fault, Times};
pub use medium::{BLOCK_BYTES, Medium, SECTOR_BYTES};
pub use memory::{Filling, SimMemory, SimRegion};
pub use random::Random;
pub use recording::{CrashPoint, Recording, Step};
pub use store::SimStore;
pub use survivors::Survivors;
