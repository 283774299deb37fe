//! The one table of what words, headers, objects and the space look like.
//!
//! Everything that reads or writes an object, in whatever crate, takes its numbers from here: the
//! heap, the interpreter, `seed`, the verifier, the documentation.

mod block;
mod hash;
mod header;
mod known;
mod space;
mod word;

pub use block::{BlockEntry, BlockKind, PAGES_PER_BLOCK};
pub use hash::{string_hash, table_capacity};
pub use header::{
    Extent, FILLER_WORD, Format, Header, IMMUTABLE, LOST_WORD, MAX_FILLER_SLOTS, MAX_SLOTS,
    MAX_SMALL_SLOTS, OVERSIZE, PINNED, SizeWord,
};
pub use known::{
    ClassIndex, FIRST_FREE_CLASS, Known, KnownClass, KnownObject, behavior, block_closure, class,
    compiled_code, context, method_dictionary, process,
};
pub use space::*;
pub use word::{MAX_SMALL_INTEGER, MIN_SMALL_INTEGER, Word};
