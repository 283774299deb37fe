//! Conformance: what every port of the contract must pass.
//!
//! Duty: turn the invariants of `platform` into checks that a simulator, a hosted system and a bare
//! machine run alike. Each suite takes the trait, never a concrete machine, and answers the number
//! of checks that held or one line that names the rule that did not.
//!
//! Knows: `platform`. Must not know: how a port is made.

mod memory;
mod store;
mod time;

pub use memory::memory;
pub use store::store;
pub use time::{clock, entropy};

/// Counts checks and names the first that fails.
struct Suite {
    held: usize,
}

impl Suite {
    fn new() -> Self {
        Self { held: 0 }
    }

    fn check(&mut self, holds: bool, rule: &str) -> Result<(), String> {
        if !holds {
            return Err(format!("broken after {} checks: {rule}", self.held));
        }
        self.held += 1;
        Ok(())
    }

    fn done(self) -> Result<usize, String> {
        Ok(self.held)
    }
}
