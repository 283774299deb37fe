//! The contract's suites on this machine, when the command line asks for them (`conformance`).

use crate::clock::{BareClock, BareEntropy};
use crate::epitaph::{Ending, die, leave, say};
use crate::regions::BareMemory;
use alloc::string::String;

/// Runs the suites of memory, clock and entropy, says how many checks held, and ends the machine.
pub fn run() -> ! {
    let suites: [(&str, Result<usize, String>); 3] = [
        ("memory", conformance::memory(&BareMemory)),
        ("clock", conformance::clock(&BareClock)),
        ("entropy", conformance::entropy(&BareEntropy)),
    ];
    for (name, result) in suites {
        match result {
            Ok(checks) => say(format_args!("{name} conforms, {checks} checks")),
            Err(rule) => die(Ending::Program, format_args!("{name} does not conform: {rule}")),
        }
    }
    leave(0)
}
