//! The crash matrix: scripts × faults × crashes × what survives.
//!
//! Read in this order: `script` (what is done), `outside` (what must be there), `rig` (doing it on a
//! simulated store), `judge` (looking at what a crash left), `matrix` (all of it, counted).

mod blocks;
mod judge;
mod matrix;
mod outside;
mod pages;
mod rig;
mod script;

pub use blocks::{BlockKind, kind_of_block};
pub use judge::{Expectation, Failure, judge};
pub use matrix::{Column, Findings, Table, crash_everywhere, rot_everywhere, with_faults};
pub use outside::{Known, Knowledge, State};
pub use rig::Rig;
pub use script::{Act, Script, Verb};
