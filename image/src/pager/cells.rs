//! A table of atomic words in reserved address space.
//!
//! Duty: give the pager memory that is never allocated while it serves a fault: the machine brings
//! zero pages as cells are touched.
//!
//! Invariants
//! - I1 The region lives as long as the table and is written through these cells only.
//! - I2 A cell that was never written reads as zero.
//!
//! Must not know: what a cell means.

#![allow(unsafe_code, reason = "room: pager cells")]

use crate::error::ImageError;
use alloc::boxed::Box;
use alloc::string::ToString;
use core::sync::atomic::AtomicU64;
use platform::{Memory, Region};

const CELL_BYTES: usize = size_of::<AtomicU64>();

/// Atomic words, zero at first.
pub(super) struct Cells {
    region: Box<dyn Region>,
    count: usize,
}

impl Cells {
    /// Reserves `count` cells.
    pub(super) fn reserve(memory: &dyn Memory, count: usize) -> Result<Cells, ImageError> {
        let too_many = || ImageError::NoAddressSpace("page map is too large to reserve".to_string());
        let bytes = count.checked_mul(CELL_BYTES).and_then(|bytes| bytes.checked_next_multiple_of(1 << 16));
        let bytes = bytes.ok_or_else(too_many)?;
        let region =
            memory.reserve(0, bytes, None).map_err(|error| ImageError::NoAddressSpace(error.message))?;
        let fits = region.bytes() >= bytes && region.base().is_multiple_of(CELL_BYTES) && region.base() != 0;
        if fits { Ok(Cells { region, count }) } else { Err(too_many()) }
    }

    /// The cell `index`, if there is one.
    pub(super) fn at(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.count {
            return None;
        }
        let address = self.region.base() + index * CELL_BYTES;
        let pointer = core::ptr::with_exposed_provenance::<AtomicU64>(address);
        // SAFETY: by I1 the region is mapped, readable and writable while `self` lives and is touched
        // only as atomic words; `reserve` checked that `count` aligned cells lie within it, and every
        // bit pattern is an AtomicU64.
        Some(unsafe { &*pointer })
    }
}
