//! The serial line: a 16550 at port 0x3f8, polled, as a channel.
//!
//! Source: National Semiconductor PC16550D data sheet, sections 8.0 to 8.6.

#![allow(unsafe_code, reason = "room: ports")]

use core::arch::asm;
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
const CTRL_C: u8 = 3;

/// How often a full transmitter is asked before the line counts as dead (B2).
const PATIENCE: u32 = 10_000_000;

/// A serial line.
pub struct Serial {
    base: u16,
}

fn output(port: u16, value: u8) {
    // SAFETY: writing the registers of a serial line changes no memory.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack)) }
}

fn input(port: u16) -> u8 {
    let value;
    // SAFETY: reading the registers of a serial line changes no memory.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nomem, nostack)) }
    value
}

impl Serial {
    /// Sets the line at `base` to 115,200 baud, eight bits, no parity, with its queue on.
    pub fn new(base: u16) -> Serial {
        let serial = Serial { base };
        for (register, value) in [
            (INTERRUPTS, 0),
            (LINE_CONTROL, 0x80),
            (DATA, 1),
            (INTERRUPTS, 0),
            (LINE_CONTROL, 3),
            (FIFO, 0xc7),
            (MODEM_CONTROL, 3),
        ] {
            output(serial.base + register, value);
        }
        serial
    }

    fn put(&self, byte: u8) -> Result<(), Refusal> {
        for _ in 0..PATIENCE {
            if input(self.base + LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
                output(self.base + DATA, byte);
                return Ok(());
            }
        }
        Err(Refusal::Failed { code: "io", message: "the serial line does not take a byte".into() })
    }
}

impl Channel for Serial {
    fn read(&mut self, into: &mut [u8], wait: bool) -> Result<ChannelEvent, Refusal> {
        let mut count = 0;
        while count < into.len() {
            if input(self.base + LINE_STATUS) & DATA_READY == 0 {
                if count > 0 || !wait {
                    break;
                }
                core::hint::spin_loop();
                continue;
            }
            let byte = input(self.base + DATA);
            if byte == CTRL_C && count == 0 {
                return Ok(ChannelEvent::Interrupt);
            }
            into[count] = byte;
            count += 1;
        }
        Ok(ChannelEvent::Bytes(count))
    }

    fn write(&mut self, from: &[u8]) -> Result<ChannelEvent, Refusal> {
        from.iter().try_for_each(|byte| self.put(*byte))?;
        Ok(ChannelEvent::Bytes(from.len()))
    }
}
