//! An address-free graph of objects, and how it becomes a world.
//!
//! Duty: what both builders of worlds emit ([`Archive`]), its verification, the loader that puts it
//! into an empty heap, and the canonical pass that ends every building.
//!
//! Invariants
//! - A1 Bytes are [`Claimed`] until [`Claimed::verify`] admitted them; the loader takes only a
//!   [`Verified`] one and then fails for want of room alone.
//! - A2 An archive holds no addresses, no identity hashes and no times; whatever depends on them
//!   (symbol table, method dictionaries) is laid out by the loader.
//! - A3 The canonical pass depends on the graph alone: two heaps with the same graph, the same
//!   class indices and the same order of slots give the same bytes.
//!
//! Knows: `layout`, the heap's interface. Must not know: source text, compilers, files.
//!
//! Building a world: [`load`] into a heap; class initialisers, by the interpreter; [`copy_world`]
//! with [`Hashes::Renumber`] into a second heap; what hashes by identity puts itself in order there
//! ([`rehash_sends`]); [`copy_world`] with [`Hashes::Keep`] into the heap that is
//! kept. [`build_world`] is that sequence, the two runs of Smalltalk given by the caller.

mod build;
mod canonical;
mod format;
mod load;
mod lookup;
mod tables;
mod verify;
mod walk;
mod worldhash;

pub use build::{BuildError, Machine, Phase, build_world};
pub use canonical::{CopyError, Hashes, copy_world};
pub use format::{Archive, ClassEntry, Entry, Initializer, MAGIC, Value, pack};
pub use load::{LoadError, Loaded, load};
pub use lookup::{find_class, find_symbol, rehash_sends};
pub use verify::{Claimed, Damage, Verified};
pub use worldhash::world_hash;
