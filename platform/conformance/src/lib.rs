//! Conformance: what every port of the contract must pass.
//!
//! Duty: turn the invariants of `platform` into checks that a simulator, a hosted system and a bare
//! machine run alike. Each suite takes the trait, never a concrete machine, and answers the number
//! of checks that held or one line that names the rule that did not. (What a store owes to several
//! threads stands in `platform-sim`.)
//!
//! Knows: `platform`. Must not know: how a port is made.

#![no_std]

extern crate alloc;

mod channel;
mod memory;
mod service;
mod store;
mod time;

pub use channel::channel;
pub use memory::{code_memory, memory};
pub use service::{console, display, service};
pub use store::{CONTENT_BYTES, disk, read_only, store};
pub use time::{clock, entropy};

use alloc::format;
use alloc::string::String;

/// Counts checks and names the first that fails.
pub struct Suite {
    held: usize,
}

impl Suite {
    /// A suite of which nothing was checked.
    #[allow(clippy::new_without_default, reason = "a suite is begun on purpose")]
    pub fn new() -> Self {
        Self { held: 0 }
    }

    /// Counts a rule that holds; the line for one that does not.
    pub fn check(&mut self, holds: bool, rule: &str) -> Result<(), String> {
        if !holds {
            return Err(format!("broken after {} checks: {rule}", self.held));
        }
        self.held += 1;
        Ok(())
    }

    /// How many checks held.
    pub fn done(self) -> Result<usize, String> {
        Ok(self.held)
    }
}
