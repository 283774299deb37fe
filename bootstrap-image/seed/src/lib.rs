//! From source files to the first world, reproducibly.
//!
//! Duty: read Tonel sources, compile them by the rules of `bootstrap-image/COMPILING.md`, and emit
//! the archive from which `vm::archive` makes a world.
//!
//! For those who write sources:
//! - `cargo run -p seed -- check PATH…` parses and compiles every `.class.st` and `.extension.st`
//!   under the given folders (all folders together are one world) and reports
//!   `file:line:column: message`; the exit status says whether there were errors. Undeclared
//!   capitalised names and hidden variables are warnings (`-q` leaves them out).
//! - `cargo run -p seed -- dump PATH… Class selector` (`'Class class'` for the class side) prints
//!   the compiled method.
//!
//! Invariants
//! - D1 Deterministic: the same sources give the same bytes, whatever the order of directories,
//!   the time and the machine.
//! - D2 Input is never trusted: bad sources are errors with positions, never panics.
//! - D3 The formats of methods and objects are those of `vm::layout` and `vm::bytecode`; no number
//!   of theirs is repeated here.
//!
//! Knows: `vm`'s tables. Must not know: machines, files of worlds, the heap's addresses.
//! Source: the Smalltalk-80 syntax of the Blue Book as Pharo writes it; closures by copying and
//! temp vectors as in Cog (Miranda).

pub mod ast;
pub mod check;
pub mod classes;
pub mod code;
mod emit;
pub mod fuzz;
pub mod generator;
pub mod inline;
mod inplace;
pub mod listing;
pub mod manifest;
pub mod number;
pub mod objects;
pub mod parser;
pub mod problem;
pub mod scanner;
pub mod scope;
pub mod shapes;
pub mod sources;
pub mod ston;
pub mod tonel;
pub mod world;
