//! How a world's disk fills over hours of simulated time.
//!
//! Invariants
//! - G1 The world is shown in a window, as to somebody who looks at it: what blinks and ticks does.
//! - G2 What is counted is the store's length, as the length of a file: from when the world was opened
//!   and settled to the end.

use super::living::{Machine, SimLiving};
use platform::events::Event;
use platform::{Memory, Store};
use platform_sim::{Medium, SimConsole};
use platform::Clock;

const SECOND_NS: u64 = 1_000_000_000;
/// Between two keys.
const KEY_EVERY_NS: u64 = SECOND_NS / 5;
const KEYS_PER_MINUTE: u64 = 300;
/// How long a world is given to settle.
const SETTLING_NS: u64 = 60 * SECOND_NS;
/// A day in the year 2026.
const WALL_NS: i64 = 1_780_000_000_000_000_000;

/// What is done meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pastime {
    /// Nothing.
    Idle,
    /// A key every 200 ms into the focused editor, and a method accepted each minute.
    Typing,
}

/// What became of the disk.
#[derive(Clone, Copy, Debug)]
pub struct Grown {
    /// Bytes at the beginning and at the end.
    pub bytes: (u64, u64),
    /// Commits made.
    pub commits: u64,
    /// Moments kept at the end.
    pub moments: usize,
    /// Bytes of blocks in use, at the beginning and at the end.
    pub used: (u64, u64),
    /// Keys typed.
    pub keys: u64,
}

/// Lets the world on a disk live for a time.
pub fn grow(medium: Medium, memory: &dyn Memory, pastime: Pastime, seconds: u64) -> Result<Grown, String> {
    let machine = Machine {
        medium,
        memory,
        reserve: 2 << 30,
        wall_ns: WALL_NS,
        console: SimConsole::default(),
        has_display: true,
    };
    let mut living = SimLiving::begin(machine)?;
    living.start("open")?;
    living.live_until(SETTLING_NS)?;
    let display = living.display.clone().ok_or("no display")?;
    if !display.has_frame() {
        return Err("the world shows no window".to_owned());
    }
    let length = |living: &SimLiving| living.store.len().map_err(|error| error.to_string());
    let (before, (commits, _, used)) = (length(&living)?, living.store_state()?);
    let end = living.clock.monotonic_ns() + seconds * SECOND_NS;
    let mut keys = 0;
    match pastime {
        Pastime::Idle => living.live_until(end)?,
        Pastime::Typing => {
            while living.clock.monotonic_ns() < end {
                let now = living.clock.monotonic_ns();
                type_key(&mut living, keys)?;
                keys += 1;
                living.live_until(now + KEY_EVERY_NS)?;
            }
        }
    }
    let (commits_then, moments, used_then) = living.store_state()?;
    let bytes = (before, length(&living)?);
    Ok(Grown { bytes, commits: commits_then - commits, moments, used: (used * 4096, used_then * 4096), keys })
}

/// The `nth` key; with each minute's last a method is accepted, and the editor emptied.
fn type_key(living: &mut SimLiving, nth: u64) -> Result<(), String> {
    let display = living.display.clone().ok_or("no display")?;
    let press = |physical: &str, logical: &str, text: &str, modifiers: u8| {
        let event = Event::KeyDown {
            physical: physical.to_owned(),
            logical: logical.to_owned(),
            text: text.to_owned(),
            modifiers,
            repeated: 0,
        };
        let up = Event::KeyUp { physical: physical.to_owned(), logical: logical.to_owned(), modifiers };
        if display.post(event) && display.post(up) { Ok(()) } else { Err("the window is gone".to_owned()) }
    };
    if nth % KEYS_PER_MINUTE == KEYS_PER_MINUTE - 1 {
        press("KeyA", "a", "", 2)?;
        press("Backspace", "Backspace", "", 0)?;
        return accept(living, nth);
    }
    match nth % 6 {
        5 => press("Space", " ", " ", 0),
        place => {
            let letter = char::from(b'a' + ((nth / 6 + place * 7) % 26) as u8);
            let name = format!("Key{}", letter.to_ascii_uppercase());
            press(&name, &letter.to_string(), &letter.to_string(), 0)
        }
    }
}

/// Accepts a method of some length, as a browser does: by the one path of change.
fn accept(living: &mut SimLiving, nth: u64) -> Result<(), String> {
    let body = "a line as one writes it. ".repeat(12);
    let source = format!("growthProbe \"{body}\" ^ {nth}");
    let class = living.vm.global("Integer").ok_or("no Integer")?;
    let text = living.vm.make(&vm::interpret::HostValue::Text(source)).ok_or("memory is full")?;
    let came = living.send(class, "compile:", &[text], None)?;
    [class, text].into_iter().for_each(|handle| living.vm.release(handle));
    match came {
        super::Came::Ended(vm::interpret::Ended::Value(value)) => {
            living.vm.release(value);
            Ok(())
        }
        super::Came::Ended(other) => Err(format!("the method was not accepted: {other:?}")),
        super::Came::Exit(status) => Err(format!("the session ended with status {status}")),
    }
}
