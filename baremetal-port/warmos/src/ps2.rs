//! The keyboard and pointer behind the PS/2 controller: bytes gathered by interrupt.
//!
//! Invariant
//! - P1 A controller that does not answer is passed over: no wait is longer than [`PATIENCE`] looks.
//!
//! Source: IBM PS/2 hardware reference, keyboard and auxiliary device controller.

use crate::ports::{in8, out8};
use crate::ring::Ring;

const DATA: u16 = 0x60;
const CONTROL: u16 = 0x64;
const OUTPUT_FULL: u8 = 1;
const INPUT_FULL: u8 = 2;
const FROM_POINTER: u8 = 0x20;
const PATIENCE: u32 = 100_000;
const ACKNOWLEDGE: u8 = 0xfa;
const WHEEL_ID: u8 = 3;

static KEYS: Ring<256> = Ring::new();
static POINTER: Ring<1024> = Ring::new();

fn wait(bit: u8, set: bool) -> bool {
    (0..PATIENCE).any(|_| (in8(CONTROL) & bit != 0) == set)
}

fn command(byte: u8) {
    if wait(INPUT_FULL, false) {
        out8(CONTROL, byte);
    }
}

fn write(byte: u8) {
    if wait(INPUT_FULL, false) {
        out8(DATA, byte);
    }
}

fn read() -> Option<u8> {
    wait(OUTPUT_FULL, true).then(|| in8(DATA))
}

/// Tells the pointer something; whether it acknowledged.
fn tell_pointer(byte: u8) -> bool {
    command(0xd4);
    write(byte);
    read() == Some(ACKNOWLEDGE)
}

/// Switches both on; answers whether the pointer has a wheel. With interrupts kept out.
pub fn set_up() -> bool {
    for byte in [0xad, 0xa7] {
        command(byte);
    }
    while in8(CONTROL) & OUTPUT_FULL != 0 {
        in8(DATA);
    }
    for byte in [0xae, 0xa8] {
        command(byte);
    }
    // The firmware may have gone before it woke the keyboard: defaults, then scanning on.
    for byte in [0xf6, 0xf4] {
        write(byte);
        read();
    }
    // The knock by which a pointer with a wheel shows it.
    for rate in [200, 100, 80] {
        tell_pointer(0xf3);
        tell_pointer(rate);
    }
    let has_wheel = tell_pointer(0xf2) && read() == Some(WHEEL_ID);
    tell_pointer(0xf4);
    command(0x20);
    let config = read().unwrap_or(0);
    command(0x60);
    // Both interrupts, both clocks, translation to set 1.
    write(config & !0x30 | 0x43);
    has_wheel
}

/// Gathers what has come; from the interrupt.
pub fn on_interrupt() {
    loop {
        let status = in8(CONTROL);
        if status & OUTPUT_FULL == 0 || status == 0xff {
            break;
        }
        let ring_put: fn(u8) -> bool =
            if status & FROM_POINTER != 0 { |byte| POINTER.put(byte) } else { |byte| KEYS.put(byte) };
        // What finds no room is lost, as with any keyboard.
        ring_put(in8(DATA));
    }
    crate::clock::wake();
}

/// A byte of the keyboard's.
pub fn take_key() -> Option<u8> {
    KEYS.take()
}

/// A byte of the pointer's.
pub fn take_pointer() -> Option<u8> {
    POINTER.take()
}

/// What the controller has right now, without its interrupt: its byte, and whether it is the pointer's.
pub fn take_at_once() -> Option<(u8, bool)> {
    let status = in8(CONTROL);
    if status & OUTPUT_FULL == 0 || status == 0xff {
        return None;
    }
    Some((in8(DATA), status & FROM_POINTER != 0))
}

/// Whether that is a key going down.
pub fn is_press((byte, is_pointer): (u8, bool)) -> bool {
    !is_pointer && byte < 0x80
}

/// Whether anything waits.
pub fn has_input() -> bool {
    !KEYS.is_empty() || !POINTER.is_empty()
}
