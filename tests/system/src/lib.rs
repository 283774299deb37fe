//! System tests: what only shows when rooms work together on a machine that fails.
//!
//! Duty: the crash matrix (a grammar of scripts, a judge outside, a table of what was tried), a whole
//! machine of simulated parts, and the tools that other system tests share.
//!
//! Invariants
//! - I1 *The judge stands outside.* What must be on the medium is known from what was asked and
//!   what was acknowledged, never from the code under test.
//! - I2 *Everything has a seed.* A failing case prints script, fault and survivors, and these give
//!   the same case again.
//!
//! Knows: everything under test. Nobody knows it.

pub mod crash;
pub mod sim;
