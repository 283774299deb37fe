//! Primitives: what the language cannot say, by name, in families.
//!
//! A method that names a primitive (`<primitive: #integerAdd>`) asks the machine first. A primitive
//! either answers, or *declines* with a reason (a Symbol) and the method's body runs: the body is
//! the meaning in Smalltalk, or says what was wrong. `<primitive: #name error: reason>` declares the
//! method's first temporary, where the machine leaves the reason.
//!
//! Invariants
//! - P1 A primitive that declines has changed nothing.
//! - P2 Allocation never collects inside a primitive: one that finds no room answers `NeedsRoom`
//!   with the bytes it wants, and is called again after the collection. So no primitive holds an oop
//!   across a collection.
//! - P3 A primitive trusts nothing of its arguments: classes, formats, ranges, immutability and
//!   forged headers are checked, and stores go through `prepare_write`.

pub mod big;
mod table;

pub use table::{PRIMITIVES, PrimitiveRow};
