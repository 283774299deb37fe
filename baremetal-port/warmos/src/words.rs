//! Words on the screen when nothing else works: why the machine cannot go on.
//!
//! Invariants
//! - W1 The letters are drawn while there is memory; showing them allocates nothing and takes no lock, so
//!   it may be done from a fault handler.
//! - W2 What is shown stays until somebody presses a key or the power button, or types on the serial line,
//!   but no longer than [`LONGEST_NS`]: a machine that nobody looks at ends.

#![allow(unsafe_code, reason = "room: words")]

use crate::clock::BareClock;
use crate::framebuffer::Framebuffer;
use crate::{power, ps2, serial};
use core::cell::UnsafeCell;
use core::fmt::{Arguments, Write};
use platform::Clock;
use raster::Alphabet;

/// How long words stay.
const LONGEST_NS: u64 = 60_000_000_000;
/// What stays free around them, in pixels.
const SIDE: usize = 40;

/// The screen, and the letters to write on it.
struct Sheet {
    framebuffer: Framebuffer,
    alphabet: Alphabet,
}

struct Place(UnsafeCell<Option<Sheet>>);

// SAFETY: set once, before anybody may read; written to by the machine's end alone, which comes once.
unsafe impl Sync for Place {}

static SHEET: Place = Place(UnsafeCell::new(None));

/// From now on words can be shown.
pub fn learn(framebuffer: Framebuffer, alphabet: Alphabet) {
    // SAFETY: see `Place`.
    unsafe { *SHEET.0.get() = Some(Sheet { framebuffer, alphabet }) };
}

/// Whether words can be shown.
pub fn are_known() -> bool {
    // SAFETY: see `Place`.
    unsafe { (*SHEET.0.get()).is_some() }
}

/// Writes letters, line by line.
struct Pen<'a> {
    sheet: &'a mut Sheet,
    column: usize,
    row: usize,
}

impl Pen<'_> {
    fn put(&mut self, letter: u8) {
        let Sheet { framebuffer, alphabet } = &mut *self.sheet;
        let (width, height) = (alphabet.width, alphabet.height);
        let columns = framebuffer.width.saturating_sub(2 * SIDE) / width;
        if letter == b'\n' || self.column >= columns {
            (self.column, self.row) = (0, self.row + 1);
        }
        if letter == b'\n' {
            return;
        }
        let (left, top) = (SIDE + self.column * width, SIDE + self.row * height);
        for (place, pixel) in alphabet.letter(letter).iter().enumerate() {
            framebuffer.set(left + place % width, top + place / width, *pixel);
        }
        self.column += 1;
    }
}

impl Write for Pen<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // A character beyond ASCII is one question mark, however many bytes it has.
        let first_bytes = text.bytes().filter(|byte| byte & 0xc0 != 0x80);
        first_bytes.for_each(|byte| self.put(byte));
        Ok(())
    }
}

/// Shows why the machine ends, if words can be shown, and waits (W2).
pub fn show(why: Arguments<'_>) {
    // SAFETY: see `Place`; the machine ends once.
    let Some(sheet) = (unsafe { (*SHEET.0.get()).as_mut() }) else { return };
    let (width, height, paper) = (sheet.framebuffer.width, sheet.framebuffer.height, sheet.alphabet.paper);
    for y in 0..height {
        for x in 0..width {
            sheet.framebuffer.set(x, y, paper);
        }
    }
    let mut pen = Pen { sheet, column: 0, row: 0 };
    // The pen never fails.
    let _ = write!(pen, "Warm cannot go on.\n\n{why}\n\nPress a key to switch the machine off.");
    wait();
}

fn wait() {
    serial::drain();
    // A press that brought the machine here is no answer to what is shown.
    let _ = power::is_pressed();
    power::forget();
    while ps2::take_at_once().is_some() {}
    let until = BareClock.monotonic_ns() + LONGEST_NS;
    while BareClock.monotonic_ns() < until {
        if ps2::take_at_once().is_some_and(ps2::is_press) || serial::has_byte() || power::is_pressed() {
            return;
        }
        core::hint::spin_loop();
    }
}
