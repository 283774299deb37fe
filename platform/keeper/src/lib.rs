//! Keeping a world alive, as far as every machine does it alike.
//!
//! Duty: what a world asks of its store ([`Host`]), when it is saved ([`Saver`]), and the desk at which
//! the mutator meets whoever writes ([`Desk`]): a thread on a hosted machine, the idle loop on a bare one.
//!
//! Invariants
//! - K1 The mutator alone flips, thaws and abandons; the desk alone steps a commit.
//! - K2 Nothing is reported as saved before the commit that holds it is acknowledged.
//! - K3 The heap is flipped only when no epoch is frozen: the outcome of the one before is taken
//!   first, and thaws or abandons it.
//!
//! Knows: `vm`'s heap and store host, `image`'s world. Must not know: files, threads, terminals.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod calendar;
mod desk;
mod host;
mod saver;
mod thinning;

pub use calendar::date_text;
pub use desk::{Desk, Outcome};
pub use host::{Host, Log, find_moment, heap_words, kind, settle, snapshot_of};
pub use saver::{Saver, Ticket, Trouble};
