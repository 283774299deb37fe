//! The interpreter: frames, sends, processes, contexts.
//!
//! Duty: run bytecodes over the heap, one process at a time, and be the meaning that every faster
//! tier is compared with.
//!
//! Rooms: `code` and `codes` (methods made ready to run), `stack` (frames, drawn there), `run` (the
//! loop), `send` (lookup and activation), `returns` (`^`, unwinding), `contexts` (frames as
//! objects), `images` (frames in a snapshot), `process` (scheduling, polls), `sessions`
//! (for whom a process works), `start` and `outside` (what a port calls), `ends`, `quota`, `symbols`, `trace`, `watch` (which
//! methods run), `vm` (the machine itself).
//!
//! Must not know: files, source text, what a primitive does.

pub mod code;
mod codes;
mod contexts;
mod ends;
mod images;
mod initialize;
mod objects;
mod outside;
mod process;
mod quota;
mod returns;
mod run;
mod send;
mod sessions;
mod stack;
mod start;
mod symbols;
mod trace;
mod vm;
mod watch;

pub use initialize::{Initializers, StillClock};
pub use vm::{
    Counters, Doorbell, Ended, Handle, HostValue, JournalRefusal, Next, NoStore, QUANTUM, RunEnd, STACK_WORDS,
    StoreHost, Vm, VmConfig, VmStress,
};
pub(crate) use process::{list, state};
pub(crate) use stack::Stack;
