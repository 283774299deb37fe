//! Instructions that only a kernel may execute, made into functions.
//!
//! Invariant
//! - O1 None of them touches memory that Rust knows of; what a port does to a device is its caller's
//!   affair.

#![allow(unsafe_code, reason = "room: ports")]

use core::arch::asm;

/// Writes a byte to a port.
pub fn out8(port: u16, value: u8) {
    // SAFETY: O1.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads a byte from a port.
pub fn in8(port: u16) -> u8 {
    let value;
    // SAFETY: O1.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Reads 16 bits from a port.
pub fn in16(port: u16) -> u16 {
    let value;
    // SAFETY: O1.
    unsafe { asm!("in ax, dx", in("dx") port, out("ax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Writes 16 bits to a port.
pub fn out16(port: u16, value: u16) {
    // SAFETY: O1.
    unsafe { asm!("out dx, ax", in("dx") port, in("ax") value, options(nomem, nostack, preserves_flags)) }
}

/// Writes 32 bits to a port.
pub fn out32(port: u16, value: u32) {
    // SAFETY: O1.
    unsafe { asm!("out dx, eax", in("dx") port, in("eax") value, options(nomem, nostack, preserves_flags)) }
}

/// Reads 32 bits from a port.
pub fn in32(port: u16) -> u32 {
    let value;
    // SAFETY: O1.
    unsafe { asm!("in eax, dx", in("dx") port, out("eax") value, options(nomem, nostack, preserves_flags)) }
    value
}

/// Ticks of the processor's time-stamp counter.
pub fn ticks() -> u64 {
    // SAFETY: reading the counter changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Lets interrupts in.
pub fn allow_interrupts() {
    // SAFETY: handlers are in place before anybody calls this (`traps::install`).
    unsafe { asm!("sti", options(nomem, nostack)) }
}

/// Keeps interrupts out.
pub fn forbid_interrupts() {
    // SAFETY: changes the flag only.
    unsafe { asm!("cli", options(nomem, nostack)) }
}

/// Waits for an interrupt: lets them in and halts in one step, so that none is missed between.
pub fn wait_for_interrupt() {
    // SAFETY: as `allow_interrupts`.
    unsafe { asm!("sti", "hlt", options(nomem, nostack)) }
}

/// Halts for ever.
pub fn halt() -> ! {
    loop {
        // SAFETY: nothing runs after it.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
