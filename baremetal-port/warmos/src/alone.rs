//! A value for one user at a time on a machine with one processor.
//!
//! Invariant
//! - A1 Whoever works on the value is alone with it; asking again from within is a mistake of ours and
//!   ends the machine.

#![allow(unsafe_code, reason = "room: alone")]

use crate::epitaph::{Ending, die};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// The value.
pub struct Alone<T> {
    value: UnsafeCell<T>,
    used: AtomicBool,
}

// SAFETY: A1.
unsafe impl<T: Send> Sync for Alone<T> {}

impl<T> Alone<T> {
    /// A value that nobody uses.
    pub const fn new(value: T) -> Alone<T> {
        Alone { value: UnsafeCell::new(value), used: AtomicBool::new(false) }
    }

    /// Works on the value.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        if self.used.swap(true, Ordering::Acquire) {
            die(Ending::Machine, format_args!("a value is used twice at once"));
        }
        // SAFETY: A1: `used` was ours to set.
        let result = work(unsafe { &mut *self.value.get() });
        self.used.store(false, Ordering::Release);
        result
    }
}
