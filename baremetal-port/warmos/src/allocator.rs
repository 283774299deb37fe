//! The kernel's own heap: sizes in classes, in a window of addresses whose pages come on demand.
//!
//! Invariants
//! - A1 A piece is aligned to the lowest set bit of its class's size, or to a page; classes are powers of two and the middles
//!   between them, so at most a third is wasted.
//! - A2 A piece given back is chained in its class through its first word. Of a large one all pages
//!   but the first go back to the machine: addresses are plenty, memory is not.
//! - A3 One processor; interrupts of devices allocate nothing. A page fault inside, for a page of the
//!   window, takes frames only.

#![allow(unsafe_code, reason = "room: allocator")]

use crate::size_class::{CLASSES, class_of, size_of_class};
use crate::{frames, paging};
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ops::Range;
use core::ptr::null_mut;

/// The window.
pub const WINDOW: Range<usize> = 0x1000_0000_0000..0x1800_0000_0000;
/// Pieces at least so large give their pages back.
const LARGE_BYTES: usize = 256 << 10;

struct State {
    next: usize,
    free: [usize; CLASSES],
}

/// The allocator.
pub struct KernelHeap(UnsafeCell<State>);

// SAFETY: A3.
unsafe impl Sync for KernelHeap {}

impl KernelHeap {
    /// An empty heap.
    pub const fn new() -> KernelHeap {
        KernelHeap(UnsafeCell::new(State { next: WINDOW.start, free: [0; CLASSES] }))
    }
}

impl Default for KernelHeap {
    fn default() -> KernelHeap {
        KernelHeap::new()
    }
}

// SAFETY: pieces are disjoint: fresh addresses are handed out once, pieces given back once each; both
// have the class's size and alignment.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(class) = class_of(layout.size(), layout.align()) else { return null_mut() };
        // SAFETY: A3; a chained piece's first word is ours and mapped, or comes on demand.
        unsafe {
            let state = &mut *self.0.get();
            let piece = state.free[class];
            if piece != 0 {
                state.free[class] = *(piece as *const usize);
                return piece as *mut u8;
            }
            let size = size_of_class(class);
            let start = state.next.next_multiple_of((1 << size.trailing_zeros()).min(paging::PAGE_BYTES));
            if start + size > WINDOW.end {
                return null_mut();
            }
            state.next = start + size;
            start as *mut u8
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some(class) = class_of(layout.size(), layout.align()) else { return };
        let size = size_of_class(class);
        if size >= LARGE_BYTES {
            let pages = piece as usize + paging::PAGE_BYTES..piece as usize + size;
            paging::for_each_present(pages, &mut |page| {
                if let Some(frame) = paging::unmap(page) {
                    frames::give(frame);
                }
            });
        }
        // SAFETY: A3; the piece is the caller's to give.
        unsafe {
            let state = &mut *self.0.get();
            *piece.cast::<usize>() = state.free[class];
            state.free[class] = piece as usize;
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let class = class_of(layout.size(), layout.align());
        if class.is_some() && class == class_of(new_size, layout.align()) {
            return piece;
        }
        // SAFETY: the caller's promise; the common part is copied before the old piece goes.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !new.is_null() {
                core::ptr::copy_nonoverlapping(piece, new, layout.size().min(new_size));
                self.dealloc(piece, layout);
            }
            new
        }
    }
}
