//! The machine that keeps a world alive: objects, collector, bytecodes, processes, primitives.
//!
//! Duty: run the code of a world over a heap whose pages belong to `image`.
//!
//! Invariants
//! - V1 No statics: everything hangs on an instance, and a test runs two in one process.
//! - V2 Only the mutator writes heap, tags and object tables; marker, sweeper and writer are state
//!   machines with `step(budget)`.
//! - V3 What may arrive from a file or from image code (methods, headers, archives) is claimed
//!   until it was verified.
//!
//! Knows: `image` (pages, epochs, snapshots), `platform` (services). Must not know: files, pixels,
//! models, source text.

#![no_std]

extern crate alloc;

pub mod archive;
pub mod bytecode;
pub mod heap;
pub mod interpret;
pub mod layout;
pub mod primitive;
pub mod verify;
