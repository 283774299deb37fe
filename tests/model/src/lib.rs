//! A small model of DESIGN section 3, run by the million of steps.
//!
//! Duty: an executable statement of how cards, epochs, young blocks, copy-aside, writer, marker,
//! sweeper, frames, paging, crash and reopening work together, small enough that random
//! interleavings reach every corner, with every rule a switch whose absence must be noticed.
//!
//! Invariants
//! - I1 *No shared code.* Nothing of `vm` or `image` is used; the model can be wrong only by itself.
//! - I2 *One rule, one switch.* [`Rule`] is the table; each is consulted where it acts, and with
//!   all on the model never fails.
//! - I3 *A history is data.* A run is a list of operations, each with its own seed; it replays
//!   exactly, and shrinks by leaving operations out.
//! - I4 *The ghost judges.* Beside the heap stands what every object should hold; only checks read
//!   it, no rule does.
//!
//! Geometry: 4 words a card, 8 a page, 16 a block, 16 blocks, an eden of 16 words. Source: DESIGN 3;
//! Boehm, Demers, Shenker 1991 for the marker.
//!
//! Read in this order: `rules`, `word`, `machine`, `barrier`, `allocate`, `scavenge`, `mark`,
//! `finish`, `sweep`, `snapshot`, `reopen`, `check`, `mutate`, `climate`, `driver`. `weak_order` stands apart:
//! the hand-over protocols under every reordering that release and acquire permit.

mod allocate;
mod barrier;
mod check;
mod climate;
mod driver;
mod finish;
mod machine;
mod mark;
mod mutate;
mod random;
mod reopen;
mod rules;
mod scavenge;
mod snapshot;
mod sweep;
pub mod weak_order;
mod word;

pub use climate::CLIMATES;
pub use driver::{Failure, Tally, hunt, replay, run, shrink};
pub use machine::{Counts, Stop};
pub use mutate::{Action, Operation};
pub use rules::{Rule, Rules};
