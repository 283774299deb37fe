//! The contract's suites on this machine, when the command line asks for them (`conformance`).
//!
//! Invariant
//! - T1 Only a disk that begins with [`LABEL`] is written to: a world that is attached by mistake is
//!   left alone.

use crate::clock::{BareClock, BareEntropy};
use crate::console::Console;
use crate::desktop::Desktop;
use crate::disk::Disk;
use crate::epitaph::{Ending, die, leave, say};
use crate::pci;
use crate::regions::BareMemory;
use crate::serial::Serial;
use alloc::string::{String, ToString};
use platform::Store;

/// What a scratch disk begins with.
const LABEL: &[u8] = b"warm: scratch disk";

fn tell(name: &str, result: Result<usize, String>) {
    match result {
        Ok(checks) => say(format_args!("{name} conforms, {checks} checks")),
        Err(rule) => die(Ending::Program, format_args!("{name} does not conform: {rule}")),
    }
}

/// Runs the suites, says how many checks held, and ends the machine.
pub fn run() -> ! {
    tell("Memory", conformance::memory(&BareMemory));
    tell("Clock", conformance::clock(&BareClock));
    tell("Entropy", conformance::entropy(&BareEntropy));
    tell("Channel", conformance::channel(&mut Serial, "a line through the channel\n"));
    let mut console = Console { is_terminal: false };
    tell("Service console", conformance::console(&mut console, "a line through the console\n"));
    match Desktop::open(1) {
        None => say(format_args!("no framebuffer: the display is left out")),
        Some((mut desktop, mut service)) => {
            let turn = &mut || {
                desktop.turn();
            };
            tell("Service display", conformance::display(&mut service, turn));
        }
    }
    pci::block_devices().into_iter().map(Disk::open).for_each(|disk| match disk {
        Ok(disk) => on_disk(&disk),
        Err(error) => die(Ending::Machine, format_args!("{error}")),
    });
    leave(0)
}

fn on_disk(disk: &Disk) {
    let mut begin = [0; LABEL.len()];
    match disk.read_at(0, &mut begin) {
        Ok(()) if begin != *LABEL => say(format_args!("passing over {}: it is no scratch disk", disk.place())),
        Ok(()) if disk.is_read_only() => tell("Store, read-only", conformance::read_only(disk)),
        Ok(()) => tell("Store", conformance::disk(disk)),
        Err(error) => tell("Store", Err(error.to_string())),
    }
}
