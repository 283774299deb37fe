//! The power button: somebody outside asks the machine to end well.
//!
//! Invariant
//! - W1 A press is remembered until the machine ends, or it is forgotten on purpose: whoever asks later
//!   learns of it too.
//!
//! Source: ACPI 6.4, section 4.8.3 (PM1 event registers); the q35 board has them at 0x600.

use crate::ports::{in16, out16};
use core::sync::atomic::{AtomicBool, Ordering};

const STATUS: u16 = 0x600;
const ENABLE: u16 = 0x602;
const BUTTON: u16 = 1 << 8;
/// What a port reads as that nobody answers.
const NOBODY: u16 = 0xffff;

static PRESSED: AtomicBool = AtomicBool::new(false);

/// Lets the button be seen.
pub fn set_up() {
    out16(ENABLE, BUTTON);
}

/// Whether it was pressed (W1).
pub fn is_pressed() -> bool {
    let status = in16(STATUS);
    if status != NOBODY && status & BUTTON != 0 {
        out16(STATUS, BUTTON);
        PRESSED.store(true, Ordering::Relaxed);
    }
    PRESSED.load(Ordering::Relaxed)
}

/// Forgets a press that was dealt with: the next one means something else.
pub fn forget() {
    PRESSED.store(false, Ordering::Relaxed);
}
