//! A whole machine of simulated parts: a world lives on it as on any other, by a clock that a test
//! moves.
//!
//! Duty: compose `vm`, `image` and `keeper` over `platform-sim` (store, clock, entropy, console) and over
//! `raster` on a screen that nobody sees.
//!
//! Invariants
//! - M1 *Same world, same input, same run.* Time passes only where the world waits, and a little for each
//!   slice that it runs.
//! - M2 Nothing is written beside the store: what it holds at the end is what a disk would hold.
//!
//! Rooms: `desk` (commits in steps, without threads), `living` (driving a world), `talk` (the
//! conversation of a pipe), `screen` (the display), `growth` (how a disk fills over hours).

mod desk;
mod growth;
mod living;
mod screen;
mod talk;

pub use growth::{Grown, Pastime, grow};
pub use living::{Came, Machine, SimLiving};
pub use screen::{SimDisplay, display};
pub use talk::converse;
