//! Faults: what a disk, a kernel or a stranger may do to a store.
//!
//! Duty: name each fault as data, so that a case can be printed, counted and repeated; several may
//! be armed at once.
//!
//! Operations (write, grow, truncate, discard, flush) are counted from 0 in the order of the calls;
//! reads do not count, so that a verifier that reads more does not move the faults.
//!
//! Must not know: what the bytes mean.

use crate::Survivors;
use core::ops::Range;

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Times {
    /// The first time that it can.
    Once,
    /// The first so many times.
    Count(u32),
    /// Every time.
    Always,
}

impl Times {
    /// Whether a fault that struck so often strikes again.
    pub fn more(self, struck: u32) -> bool {
        match self {
            Self::Once => struck == 0,
            Self::Count(count) => struck < count,
            Self::Always => true,
        }
    }
}

/// Which calls an I/O error meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Calls {
    /// Reads only.
    Reads,
    /// Writes only.
    Writes,
    /// Both.
    Both,
}

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The power fails before this operation: it and every later call answers `Gone`.
    PowerCut {
        /// The operation that no longer happens.
        operation: usize,
    },
    /// Flushes from this operation on fail. Which of the pending writes reached the medium is said
    /// by `kept`; the rest never will.
    FlushFails {
        /// The first operation at which it may strike.
        operation: usize,
        /// How many flushes fail.
        times: Times,
        /// What reached the medium all the same.
        kept: Survivors,
    },
    /// Flushes from this operation on answer `Ok` and do nothing; the writes stay pending.
    FlushLies {
        /// The first operation at which it may strike.
        operation: usize,
        /// How many flushes lie.
        times: Times,
    },
    /// Reads or writes that touch the range fail.
    Io {
        /// The first operation at which it may strike (reads: after so many operations).
        operation: usize,
        /// Which calls.
        calls: Calls,
        /// Where.
        range: Range<u64>,
        /// How often.
        times: Times,
    },
    /// The medium holds no more than so many bytes: growing past it fails, and so does a write
    /// into a hole once they are used up.
    Full {
        /// The capacity.
        bytes: u64,
    },
    /// The write of this operation lands elsewhere on the medium; reads see it where it should be
    /// until the power is cut, because the cache holds it there.
    Misdirected {
        /// The operation; if it is no write, the next write.
        operation: usize,
        /// Where it lands.
        to: u64,
    },
    /// The write of this operation never reaches the medium, and every flush says that it did.
    Lost {
        /// The operation; if it is no write, the next write.
        operation: usize,
    },
    /// Bits flip on the medium before this operation, behind the cache's back: seen by reads at
    /// once and by every crash.
    Rot {
        /// When.
        operation: usize,
        /// The byte.
        offset: u64,
        /// The bits.
        mask: u8,
    },
    /// Somebody cuts the file before this operation.
    Shortened {
        /// When.
        operation: usize,
        /// What is left.
        bytes: u64,
    },
}

impl Fault {
    /// A short name of its kind, for tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PowerCut { .. } => "power cut",
            Self::FlushFails {
                times: Times::Always,
                ..
            } => "flush fails for ever",
            Self::FlushFails { .. } => "flush fails",
            Self::FlushLies { .. } => "flush lies",
            Self::Io {
                calls: Calls::Reads,
                times: Times::Always,
                ..
            } => "read error for ever",
            Self::Io {
                calls: Calls::Reads,
                ..
            } => "read error once",
            Self::Io {
                times: Times::Always,
                ..
            } => "write error for ever",
            Self::Io { .. } => "write error once",
            Self::Full { .. } => "disk full",
            Self::Misdirected { .. } => "misdirected write",
            Self::Lost { .. } => "lost write",
            Self::Rot { .. } => "bit rot",
            Self::Shortened { .. } => "file cut short",
        }
    }
}
