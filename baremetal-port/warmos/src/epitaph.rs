//! The end: powering off when all is well, else one line on the serial line and the screen, and an exit code.
//!
//! Invariants
//! - E1 An epitaph allocates nothing and takes no lock: it may be written from a fault handler.
//! - E2 A machine that cannot go on ends; it never hangs silently.
//!
//! Source: QEMU `hw/misc/debugexit.c` (a byte v at port 0xf4 ends QEMU with status 2v + 1); the q35
//! board's ACPI power-management block at 0x600.

use crate::{ports, serial, words};
use core::fmt::Arguments;
use core::sync::atomic::{AtomicBool, Ordering};

const DEBUG_EXIT: u16 = 0xf4;
const POWER_CONTROL: u16 = 0x604;
const SLEEP_5: u16 = 0x2000;
/// The word for status 0 on a machine whose power does not go off.
const LEFT_WELL: u8 = 126;
const MOST_STATUS: u8 = 125;
/// Reads of a port, about a second of them.
const POWER_OFF_TRIES: u32 = 3_000_000;

/// Why the machine ends; the numbers are the exit statuses of `warm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The program in the world failed.
    Program = 1,
    /// The disk's content is not a world, or is damaged.
    Damaged = 65,
    /// There is no disk.
    Missing = 66,
    /// The machine failed: I/O error, no memory, a fault.
    Machine = 74,
    /// It ran, but could not be made durable.
    Unsaved = 75,
    /// The world was written by a newer version.
    Newer = 76,
}

/// Ends the machine with a status; those above [`MOST_STATUS`] are told as that, for the emulator's door
/// lets seven bits through.
pub fn leave(status: u8) -> ! {
    serial::drain();
    if status == 0 {
        ports::out16(POWER_CONTROL, SLEEP_5);
        // The power goes a little later.
        for _ in 0..POWER_OFF_TRIES {
            ports::in8(DEBUG_EXIT);
        }
    }
    ports::out8(DEBUG_EXIT, if status == 0 { LEFT_WELL } else { status.min(MOST_STATUS) });
    // A machine without either door.
    ports::halt()
}

/// Says a line that begins with the program's name.
pub fn say(line: Arguments<'_>) {
    serial::print(format_args!("warm: {line}\n"));
}

/// Says why the machine cannot go on, and ends it (E1, E2).
pub fn die(ending: Ending, why: Arguments<'_>) -> ! {
    static DYING: AtomicBool = AtomicBool::new(false);
    if !DYING.swap(true, Ordering::Relaxed) {
        say(why);
        // Nothing that comes in may be dealt with any more.
        ports::forbid_interrupts();
        words::show(why);
    }
    leave(ending as u8)
}
