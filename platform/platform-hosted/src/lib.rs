//! The contract on Linux (x86-64): files, memory, clock, terminal — and what the `warm` program is
//! made of.
//!
//! Invariants
//! - H1 Nothing here knows what an object or a method means; the world says what to do.
//! - H2 Statics exist only where a signal handler must find something (`memory::faults`), and for
//!   the one thread that takes signals (`keeper::signals`).
//!
//! Unsafe rooms: `memory` (mappings, userfaultfd, signal handlers), `sys` (calls of the C library),
//! `keeper::signals` (signals taken by a thread), `phase` (two bytes in a shared file),
//! `window::fonts` (mapped font files).

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("the hosted port runs on Linux on x86-64 only; see README, limits");

pub mod attach;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod file_store;
pub mod keeper;
pub mod memory;
pub mod phase;
pub mod qemu;
pub mod services;
mod sys;
pub mod window;
