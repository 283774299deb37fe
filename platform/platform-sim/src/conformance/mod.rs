//! Conformance: the suites of the crate `conformance`, and what a store owes to several threads.

mod threads;

pub use conformance::{
    CONTENT_BYTES, Suite, channel, clock, code_memory, console, disk, display, entropy, memory, read_only, service,
};
pub use threads::{store, threads};
