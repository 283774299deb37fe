//! What can go wrong, as values: damage found on the medium, and why an operation was declined.
//!
//! Invariant: every message is one lowercase line that carries the value and, where there is one,
//! the bound.

use crate::kinds::{BlockNumber, CommitNumber, MomentId, PageIndex};
use alloc::string::String;
use core::fmt;
use platform::{StoreError, StoreErrorKind};

/// A place in a world file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The superblock (false) or its mirror (true).
    Superblock {
        /// Whether it is the mirror.
        mirror: bool,
    },
    /// A slot of a commit ring.
    Record {
        /// The slot.
        slot: u32,
        /// Whether it is in the mirror ring.
        mirror: bool,
    },
    /// A block somewhere.
    Block(BlockNumber),
    /// An extent that a commit names.
    Extent {
        /// Its first block.
        first: BlockNumber,
        /// Its length in blocks.
        blocks: u64,
    },
    /// A run of pages of a commit's heap.
    Pages {
        /// The first page.
        first: PageIndex,
        /// How many.
        count: u64,
    },
    /// A moment.
    Moment(MomentId),
    /// A node of the moments tree.
    MomentsNode(BlockNumber),
    /// A block of a list (extents, lost pages, free extents).
    ListBlock(BlockNumber),
    /// The journal ring.
    Journal,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Superblock { mirror: false } => write!(out, "superblock"),
            Place::Superblock { mirror: true } => write!(out, "mirror of the superblock"),
            Place::Record { slot, mirror: false } => write!(out, "commit slot {slot}"),
            Place::Record { slot, mirror: true } => write!(out, "mirror of commit slot {slot}"),
            Place::Block(block) => write!(out, "block {block}"),
            Place::Extent { first, blocks } => write!(out, "extent of {blocks} blocks at {first}"),
            Place::Pages { first, count } => write!(out, "{count} pages from page {first}"),
            Place::Moment(id) => write!(out, "moment {id}"),
            Place::MomentsNode(block) => write!(out, "moments node in block {block}"),
            Place::ListBlock(block) => write!(out, "list block {block}"),
            Place::Journal => write!(out, "journal"),
        }
    }
}

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The checksum does not fit.
    Checksum,
    /// The magic number is not the one of this kind of block.
    Magic,
    /// A field holds a value that it cannot hold: its name, the value, the bound.
    Field {
        /// The field.
        name: &'static str,
        /// What it holds.
        value: u64,
        /// The least or greatest that it may hold.
        bound: u64,
    },
    /// The medium could not be read after retries.
    Unreadable,
    /// It is not the same as its mirror.
    Differs,
    /// It is used twice.
    UsedTwice,
    /// It is in use, and free as well.
    FreeButUsed,
    /// It is neither in use nor free.
    Leaked,
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Checksum => write!(out, "wrong checksum"),
            Fault::Magic => write!(out, "wrong magic number"),
            Fault::Field { name, value, bound } => {
                write!(out, "{name} is {value}, the bound is {bound}")
            }
            Fault::Unreadable => write!(out, "cannot be read"),
            Fault::Differs => write!(out, "differs from its mirror"),
            Fault::UsedTwice => write!(out, "is used twice"),
            Fault::FreeButUsed => write!(out, "is listed as free but in use"),
            Fault::Leaked => write!(out, "is neither in use nor free"),
        }
    }
}

/// Damage: a place and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Damage {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

impl Damage {
    /// Damage at a place.
    pub const fn new(place: Place, fault: Fault) -> Damage {
        Damage { place, fault }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.place, self.fault)
    }
}

/// Why an operation on a world was declined or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// The store failed.
    Store(StoreError),
    /// There is no superblock: this is not a world.
    NotAWorld,
    /// The world was made by a later version of the format.
    NewerVersion {
        /// Its version.
        found: u32,
        /// The newest that this program reads.
        known: u32,
    },
    /// Nothing whole is left to open.
    Damaged(Damage),
    /// The store already holds something.
    NotEmpty(u64),
    /// The world was opened for reading only.
    ReadOnly,
    /// A snapshot is being written.
    Busy,
    /// There is no moment of this number.
    NoSuchMoment(MomentId),
    /// Another moment has this name.
    NameTaken(MomentId),
    /// The name is empty, too long or holds a control character; its length and the bound.
    BadName {
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length.
        bound: usize,
    },
    /// The journal has no room until another snapshot is acknowledged.
    JournalFull,
    /// A journal record is longer than the ring can take.
    RecordTooLong {
        /// Its length.
        bytes: usize,
        /// The greatest length.
        bound: usize,
    },
    /// A flush failed while the snapshot was in writing.
    FlushFailed(StoreError),
    /// Pages are lost; the user must accept the loss first.
    LostPages(u64),
    /// A page lies behind the range that can be addressed.
    OutOfRange {
        /// The page.
        page: PageIndex,
        /// The bound.
        bound: u64,
    },
    /// All commit numbers are used up.
    Exhausted(CommitNumber),
    /// The sizes asked for cannot be used; which, its value and bound.
    BadGeometry {
        /// The field.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The bound.
        bound: u64,
    },
    /// Address space could not be had.
    NoAddressSpace(String),
}

impl ImageError {
    /// Whether the store said that no room is left.
    pub fn is_full(&self) -> bool {
        match self {
            ImageError::Store(error) | ImageError::FlushFailed(error) => {
                error.kind == StoreErrorKind::Full
            }
            _ => false,
        }
    }
}

impl From<StoreError> for ImageError {
    fn from(error: StoreError) -> Self {
        ImageError::Store(error)
    }
}

impl From<Damage> for ImageError {
    fn from(damage: Damage) -> Self {
        ImageError::Damaged(damage)
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ImageError::Store(error) => write!(out, "{error}"),
            ImageError::NotAWorld => write!(out, "not a world: no superblock found"),
            ImageError::NewerVersion { found, known } => {
                write!(out, "made by a later version: format {found}, this program reads up to {known}")
            }
            ImageError::Damaged(damage) => write!(out, "damaged: {damage}"),
            ImageError::NotEmpty(bytes) => write!(out, "store is not empty: {bytes} bytes"),
            ImageError::ReadOnly => write!(out, "world is open for reading only"),
            ImageError::Busy => write!(out, "a snapshot is being written"),
            ImageError::NoSuchMoment(id) => write!(out, "no moment {id}"),
            ImageError::NameTaken(id) => write!(out, "name is taken by moment {id}"),
            ImageError::BadName { bytes, bound } => {
                write!(out, "name of {bytes} bytes is empty, over {bound} bytes or not printable")
            }
            ImageError::JournalFull => write!(out, "journal is full until the next snapshot"),
            ImageError::RecordTooLong { bytes, bound } => {
                write!(out, "journal record of {bytes} bytes is over {bound}")
            }
            ImageError::FlushFailed(error) => write!(out, "flush failed: {error}"),
            ImageError::LostPages(count) => {
                write!(out, "{count} pages are lost; accept the loss first")
            }
            ImageError::OutOfRange { page, bound } => {
                write!(out, "page {page} is behind the bound {bound}")
            }
            ImageError::Exhausted(last) => write!(out, "commit numbers are used up at {last}"),
            ImageError::BadGeometry { name, value, bound } => {
                write!(out, "{name} of {value} cannot be used, the bound is {bound}")
            }
            ImageError::NoAddressSpace(message) => write!(out, "{message}"),
        }
    }
}

impl core::error::Error for ImageError {}
