//! A store: numbered bytes that outlive the power, behind a write cache that may not.
//!
//! Invariants
//! - S1 A write that returned may be lost, torn at 512-byte sectors or reordered until a later
//!   [`Store::flush`] returned `Ok`; after that it is there.
//! - S2 A flush that failed says nothing about any write since the last good flush, and a second
//!   flush of the same blocks proves nothing (the kernel reports an error once): write anew.
//! - S3 All methods take `&self`: the pager, the snapshot writer and the journal share one store
//!   from several threads. Overlapping concurrent writes are the caller's error.
//! - S4 A store may have a fixed length, as a disk has: growing it within that length does nothing,
//!   beyond it is [`StoreErrorKind::Full`]; truncating it does nothing.

use alloc::string::String;

/// Why a store operation failed, coarse enough to decide on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreErrorKind {
    /// The medium or the kernel reported an I/O error.
    Io,
    /// No space is left to grow into.
    Full,
    /// Somebody else holds the store.
    Locked,
    /// The store may only be read.
    ReadOnly,
    /// The range lies behind the end of the store.
    OutOfRange,
    /// The medium is gone (file removed from under us, device unplugged).
    Gone,
}

/// A failed store operation: kind, and one line for the user (lowercase, with value and bound).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    /// What to decide on.
    pub kind: StoreErrorKind,
    /// What to show.
    pub message: String,
}

impl core::fmt::Display for StoreError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.message)
    }
}

/// Bytes that outlive the power. Offsets and lengths are in bytes.
pub trait Store: Send + Sync {
    /// The length of the store in bytes.
    fn len(&self) -> Result<u64, StoreError>;

    /// Whether the store holds no byte at all.
    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.len()? == 0)
    }

    /// Makes the store at least `bytes` long; new bytes read as zero (sparse where possible).
    fn grow(&self, bytes: u64) -> Result<(), StoreError>;

    /// Makes the store at most `bytes` long.
    fn truncate(&self, bytes: u64) -> Result<(), StoreError>;

    /// Fills `into` from `offset`; a range behind the end is [`StoreErrorKind::OutOfRange`].
    ///
    /// Called from the pager's fault handler: it must neither lock nor allocate when it succeeds.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError>;

    /// Writes `from` at `offset`, within the length.
    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError>;

    /// Returns when everything written before the call is durable (S1, S2).
    fn flush(&self) -> Result<(), StoreError>;

    /// As [`Store::flush`], and may run at the same time as one from another thread: a failure that
    /// concerns what was written before both calls is told to both.
    fn flush_beside(&self) -> Result<(), StoreError> {
        self.flush()
    }

    /// Whether anybody else reads the store now, without a lock that would keep this writer out:
    /// what such a reader may reach is not written over. A reader shows itself before it reads.
    fn has_readers(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Says that the range's content is no longer needed; it may read as zero afterwards.
    fn discard(&self, offset: u64, bytes: u64) -> Result<(), StoreError> {
        let _ = (offset, bytes);
        Ok(())
    }
}
