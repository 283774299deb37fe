//! `warm try`: a text is evaluated where it can touch nothing.
//!
//! Invariant
//! - X1 The world is offered its output only, is never saved, and ends when its time is out, whoever
//!   started it.

use super::{path, running};
use crate::cli::{Arguments, Exit, Failure};
use crate::file_store::Access;
use crate::keeper::{self, Living, Offer, Saving};
use std::time::Duration;

/// The seconds that it may take, if nobody says otherwise.
const SECONDS: u64 = 60;
/// The memory that it may use, if nobody says otherwise, in bytes.
const BYTES: u64 = 1 << 30;
/// The status of one whose time was out, as timeout(1) has it.
const OUT_OF_TIME: i32 = 124;

fn number(arguments: &Arguments, option: &str, usual: u64) -> Result<u64, Failure> {
    let value = arguments.options.iter().find(|(name, _)| *name == option).and_then(|(_, value)| value.as_ref());
    let Some(value) = value else { return Ok(usual) };
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    let wrong = || Failure::new(Exit::Usage, format!("{option} needs a number above 0, not {}", value.to_string_lossy()));
    number.ok_or_else(wrong)
}

/// `warm try FILE [--seconds N] [--bytes N]`
pub fn attempt(arguments: &Arguments) -> Result<Exit, Failure> {
    let seconds = number(arguments, "--seconds", SECONDS)?;
    let bytes = number(arguments, "--bytes", BYTES)?;
    let source = running::standard_input()?;
    let watch = std::thread::Builder::new().name("warm-limit".to_owned());
    let watching = watch.spawn(move || {
        std::thread::sleep(Duration::from_secs(seconds));
        eprintln!("warm: {seconds} seconds are over");
        std::process::exit(OUT_OF_TIME);
    });
    watching.map_err(|error| Failure::new(Exit::Io, format!("no thread for the time limit: {error}")))?;
    let opened = keeper::open(&path(arguments, 0), Access::Beside)?;
    let mut living = Living::begin_with(opened, Saving::Never, &Offer::Output)?;
    living.vm.set_memory_limit(usize::try_from(bytes).unwrap_or(usize::MAX));
    let ending = living.session("eval", running::orders(running::text(source), &[]))?;
    running::conclude(living, ending)
}
