//! What a machine must offer to run a world: the contract that every port keeps.
//!
//! Duty: name the services (store, memory, code memory, clock, entropy, display, input,
//! network, channel) as traits that a hosted system, a bare machine and a simulator implement.
//!
//! Invariants
//! - I1 *No oop crosses it.* Every operation takes and gives plain bytes, numbers and handles; a
//!   service never sees an address inside a heap, so no device meets an absent or frozen page.
//! - I2 *Handles age.* A [`Handle`] names {session, slot, generation}; one from an earlier session
//!   declines with [`Refusal::Stale`] and its owner makes a new one.
//! - I3 *Errors are values.* Nothing here panics, blocks for ever or retries on its own.
//!
//! Knows: nothing but `core` and `alloc`. Must not know: objects, pages of a heap, file formats.
//!
//! Each trait has a room of its own; a conformance suite for each stands in `conformance` (what a store
//! owes to several threads in `platform-sim`).

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod channel;
mod clock;
pub mod events;
mod handle;
mod memory;
pub mod operations;
mod service;
mod slots;
mod store;

pub use channel::{Channel, ChannelEvent};
pub use clock::{Clock, Entropy};
pub use handle::{Handle, Refusal};
pub use memory::{CodeMemory, Filled, Memory, PageSource, Region, ReserveError};
pub use service::{Reply, Request, Service};
pub use slots::Slots;
pub use store::{Store, StoreError, StoreErrorKind};
