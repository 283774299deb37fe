//! Conformance: the suites of the crate `conformance`, and the store's, which needs threads.

mod store;

pub use conformance::{Suite, clock, entropy, memory};
pub use store::store;
