//! Keeping a world alive: opened from its file, run, saved every two seconds and at the end.
//!
//! Rooms: `opened` (file, image, heap), `writer` (the thread that writes snapshots), `living` (the
//! machine), `driving` (its slices and sleeps), `serving` (guests), `chronicle` (commands on moments),
//! `emergency` (a world that cannot show itself), `make` (a new world), `signals`. What every machine
//! does alike, when a world is saved above all, is in the crate `keeper`.
//!
//! Invariants
//! - K1 The mutator's thread alone flips, thaws and abandons; the writer's thread alone steps a
//!   commit. They meet in `writer::Desk`.
//! - K2 Nothing is reported as saved before the commit that holds it is acknowledged.

pub(crate) mod chronicle;
mod driving;
mod emergency;
mod errors;
mod living;
mod make;
mod offer;
mod opened;
mod serving;
pub(crate) mod signals;
mod writer;

pub use errors::failure;
pub use ::keeper::{find_moment, kind};
pub use living::{Ending, Living, Saving};
pub use make::{make, scratch};
pub use offer::Offer;
pub use opened::{Opened, clock_text, give_up_journal, heap_failure, is_table, open, parse_bytes, seed_faults, tables_lost};
pub use signals::block as block_signals;
