//! Arrays beside the heap, one element a page, card or block: reserved address space that reads as
//! zero until it is written, so that an array over 64 GB costs what was touched (I5).
//!
//! Elements are atomic: the mutator writes them, others may read.
#![allow(unsafe_code, reason = "room: side arrays")]

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use platform::{Memory, Region, ReserveError};

macro_rules! side_array {
    ($(#[$doc:meta])* $name:ident $cell:ty, $value:ty) => {
        $(#[$doc])*
        pub struct $name {
            region: Box<dyn Region>,
            first: *const $cell,
            count: usize,
        }

        // SAFETY: the elements are atomics in memory that the region owns for as long as `self`.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}

        impl $name {
            /// Reserves an array of `count` zeroes.
            pub fn reserve(memory: &dyn Memory, count: usize) -> Result<$name, ReserveError> {
                let bytes = (count * size_of::<$value>()).next_multiple_of(super::PAGE_BYTES);
                let region = memory.reserve(0, bytes.max(super::PAGE_BYTES), None)?;
                let first = region.base() as *const $cell;
                Ok($name { region, first, count })
            }

            /// How many elements there are.
            pub fn len(&self) -> usize {
                self.count
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.count == 0
            }

            /// Resident bytes.
            pub fn resident_bytes(&self) -> usize {
                self.region.resident_bytes()
            }

            /// The element at `index`, which must be below `len`.
            #[inline(always)]
            pub fn cell(&self, index: usize) -> &$cell {
                debug_assert!(index < self.count, "element {index} of {}", self.count);
                // SAFETY: `reserve` made room for `count` elements and every caller's index comes
                // from an address inside the heap the array was sized for.
                unsafe { &*self.first.add(index) }
            }

            /// Reads an element.
            #[inline(always)]
            pub fn get(&self, index: usize) -> $value {
                self.cell(index).load(Ordering::Relaxed)
            }

            /// Writes an element.
            #[inline(always)]
            pub fn set(&self, index: usize, value: $value) {
                self.cell(index).store(value, Ordering::Relaxed);
            }

            /// Writes `count` elements from `first` on.
            pub fn fill(&self, first: usize, count: usize, value: $value) {
                for index in first..first + count {
                    self.set(index, value);
                }
            }
        }
    };
}

side_array! {
    /// One byte an element.
    SideBytes AtomicU8, u8
}
side_array! {
    /// 32 bits an element.
    SideHalves AtomicU32, u32
}
side_array! {
    /// 64 bits an element.
    SideWords AtomicU64, u64
}

impl SideBytes {
    /// The address at which the element of index 0 stands, for code that tests tags by address.
    #[inline(always)]
    pub fn address(&self) -> usize {
        self.first as usize
    }
}
