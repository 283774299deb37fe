//! The serial line: a 16550 at port 0x3f8; what comes in is gathered by interrupt, what goes out is
//! polled.
//!
//! Invariants
//! - L1 Bytes wait in a ring that the interrupt fills and one reader empties. While it is full, what
//!   comes is left in the line's own queue, where it holds the sender back; the reader fetches it.
//! - L2 The interrupt key (Ctrl-C) rings at once and is not put into the ring; what was typed on a
//!   terminal before it and not read yet is dropped with the line it belonged to.
//! - L3 A line that takes no byte counts as dead after [`PATIENCE`] tries: what is said to it is lost,
//!   nobody waits for ever (B2).
//!
//! Source: National Semiconductor PC16550D data sheet, sections 8.0 to 8.6.

use crate::ports::{allow_interrupts, forbid_interrupts, in8, out8};
use crate::ring::Ring;
use core::fmt::{Arguments, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use platform::{Channel, ChannelEvent, Refusal};

/// The first serial line's base port.
pub const COM1: u16 = 0x3f8;

const DATA: u16 = 0;
const INTERRUPTS: u16 = 1;
const FIFO: u16 = 2;
const LINE_CONTROL: u16 = 3;
const MODEM_CONTROL: u16 = 4;
const LINE_STATUS: u16 = 5;

const DATA_READY: u8 = 1;
const TRANSMITTER_EMPTY: u8 = 0x20;
const ON_RECEIVED: u8 = 1;
/// Data terminal ready, request to send, and the line that lets interrupts out.
const READY: u8 = 0xb;
const CTRL_C: u8 = 3;

/// How often a full transmitter is asked before the line counts as dead (L3).
const PATIENCE: u32 = 10_000_000;

const RING_BYTES: usize = 4096;

static INPUT: Ring<RING_BYTES> = Ring::new();
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// Bytes were left in the line's queue for want of room.
static HELD_BACK: AtomicBool = AtomicBool::new(false);
static DEAD: AtomicBool = AtomicBool::new(false);
/// Whether a line end is sent as carriage return and line feed: for terminals.
static FOR_TERMINAL: AtomicBool = AtomicBool::new(false);

/// Sets the line to 115,200 baud, eight bits, no parity. Its queues are switched on by a real machine
/// only: that empties them, and an emulator's line, which holds the sender back, may have begun.
pub fn set_up() {
    out8(COM1 + LINE_CONTROL, 3);
    gather();
    if !is_emulated() {
        out8(COM1 + FIFO, 0xc7);
    }
    for (register, value) in
        [(INTERRUPTS, 0), (LINE_CONTROL, 0x80), (DATA, 1), (INTERRUPTS, 0), (LINE_CONTROL, 3), (MODEM_CONTROL, READY)]
    {
        out8(COM1 + register, value);
    }
}

/// Whether the processor says that it is not the lowest layer.
fn is_emulated() -> bool {
    core::arch::x86_64::__cpuid(1).ecx & 1 << 31 != 0
}

/// Begins to gather what comes in.
pub fn listen() {
    out8(COM1 + INTERRUPTS, ON_RECEIVED);
}

/// Whether a person reads what is written.
pub fn set_for_terminal(is: bool) {
    FOR_TERMINAL.store(is, Ordering::Relaxed);
}

/// Gathers what has come; from the interrupt.
pub fn on_interrupt() {
    gather();
    crate::console::arrived();
}

fn gather() {
    while in8(COM1 + LINE_STATUS) & DATA_READY != 0 {
        if INPUT.is_full() {
            HELD_BACK.store(true, Ordering::Relaxed);
            return;
        }
        let byte = in8(COM1 + DATA);
        if byte == CTRL_C {
            if FOR_TERMINAL.load(Ordering::Relaxed) {
                INPUT.clear();
            }
            INTERRUPTED.store(true, Ordering::Relaxed);
            crate::console::interrupted();
        } else {
            INPUT.put(byte);
        }
    }
}

/// Bytes that came in and were not read yet.
pub fn waiting() -> usize {
    INPUT.len()
}

/// Whether a byte has come that nobody gathered yet; without the line's interrupt.
pub fn has_byte() -> bool {
    in8(COM1 + LINE_STATUS) & DATA_READY != 0
}

/// Whether the interrupt key was pressed since the last asking.
pub fn take_interrupt() -> bool {
    INTERRUPTED.swap(false, Ordering::Relaxed)
}

/// Reads one byte that has come.
pub fn take() -> Option<u8> {
    let byte = INPUT.take();
    if HELD_BACK.load(Ordering::Relaxed) && INPUT.len() < RING_BYTES / 2 {
        forbid_interrupts();
        HELD_BACK.store(false, Ordering::Relaxed);
        gather();
        allow_interrupts();
    }
    byte.or_else(|| INPUT.take())
}

fn put(byte: u8) {
    if DEAD.load(Ordering::Relaxed) {
        return;
    }
    for _ in 0..PATIENCE {
        if in8(COM1 + LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
            out8(COM1 + DATA, byte);
            return;
        }
    }
    DEAD.store(true, Ordering::Relaxed);
}

/// Waits until everything written has left.
pub fn drain() {
    const ALL_SENT: u8 = 0x40;
    for _ in 0..PATIENCE {
        if DEAD.load(Ordering::Relaxed) || in8(COM1 + LINE_STATUS) & ALL_SENT != 0 {
            return;
        }
    }
}

/// Writes bytes; a line end becomes two for a terminal.
pub fn write(bytes: &[u8]) {
    let for_terminal = FOR_TERMINAL.load(Ordering::Relaxed);
    for &byte in bytes {
        if byte == b'\n' && for_terminal {
            put(b'\r');
        }
        put(byte);
    }
}

struct Writer;

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

/// Writes formatted text.
pub fn print(text: Arguments<'_>) {
    // The writer never fails.
    let _ = Writer.write_fmt(text);
}

/// The line as a channel of the contract.
pub struct Serial;

impl Channel for Serial {
    fn read(&mut self, into: &mut [u8], wait: bool) -> Result<ChannelEvent, Refusal> {
        let mut count = 0;
        while count < into.len() {
            if take_interrupt() {
                return Ok(ChannelEvent::Interrupt);
            }
            match take() {
                Some(byte) => {
                    into[count] = byte;
                    count += 1;
                }
                None if count > 0 || !wait => break,
                None => crate::ports::wait_for_interrupt(),
            }
        }
        Ok(ChannelEvent::Bytes(count))
    }

    fn write(&mut self, from: &[u8]) -> Result<ChannelEvent, Refusal> {
        write(from);
        if DEAD.load(Ordering::Relaxed) {
            return Err(Refusal::Failed { code: "io", message: "the serial line takes no byte".into() });
        }
        Ok(ChannelEvent::Bytes(from.len()))
    }
}
