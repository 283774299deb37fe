//! The emergency debugger: when a world cannot show itself, the machine says what happened, and does
//! what is chosen.
//!
//! Duty: see that a window is neglected, take the world's own call for help, fill in the stack and the
//! moments, and carry out the choice. How it looks is `raster::emergency`'s.
//!
//! Invariants
//! - M1 No code of the world runs between a call and the picture, nor for going back or ending.
//! - M2 Only time in which the machine ran counts as neglect: whoever was not given the processor
//!   neglected nothing.
//! - M3 A picture that came for neglect goes by itself when the world shows a frame.
//!
//! Must not know: what a view is.

use super::living::{Ending, Living};
use super::offer::Offer;
use super::opened::clock_text;
use crate::cli::{Exit, Failure};
use crate::window::Port;
use image::MomentId;
use parking_lot::Mutex;
use platform::{Clock, Handle};
use raster::Display;
use raster::emergency::{Choice, Emergency, Past};
use std::sync::Arc;
use vm::layout::KnownObject;

/// For how long an event may wait before the machine says that nobody takes it.
const NEGLECT_NS: u64 = 8_000_000_000;
/// The most of one look that counts (M2).
const MOST_A_LOOK_NS: u64 = 250_000_000;
/// How often a machine that sleeps looks after its windows, though nothing rang.
const LOOK_EVERY_NS: u64 = NEGLECT_NS;
/// How often it looks while an event waits, or an emergency is shown.
const LOOK_SOON_NS: u64 = 100_000_000;
/// How many moments are offered.
const MOMENTS: usize = 64;
/// The most lines of a stack.
const STACK_LINES: usize = 200;

/// The windows of a world, and how long an event has been waiting in them.
#[derive(Default)]
pub(super) struct Watch {
    port: Option<Port>,
    /// The process that is driven: the one that keeps the window alive.
    pub(super) serial: i64,
    looked_ns: u64,
    /// When the event came that waits, and for how much of the machine's time it has.
    waiting: Option<(u64, u64)>,
    /// Whether the next look is soon.
    looks_soon: bool,
}

impl Watch {
    /// The windows that a world is offered.
    pub(super) fn of(offer: &Offer) -> Watch {
        let port = match offer {
            Offer::Everything { port, .. } if port.availability().is_ok() => Some(port.clone()),
            _ => None,
        };
        Watch { port, ..Watch::default() }
    }

    fn surfaces(&self) -> Option<Arc<Mutex<Display>>> {
        self.port.as_ref()?.surfaces()
    }

    /// Until when a machine with nothing else to do may sleep.
    pub(super) fn next_look(&self, now: u64) -> Option<u64> {
        self.surfaces()?;
        Some(now + if self.looks_soon { LOOK_SOON_NS } else { LOOK_EVERY_NS })
    }

    /// Whether an event has waited too long by now (M2).
    fn is_neglected(&mut self, unanswered: Option<u64>, now: u64) -> bool {
        let passed = now.saturating_sub(self.looked_ns).min(MOST_A_LOOK_NS);
        self.looked_ns = now;
        self.waiting = unanswered.map(|came| match self.waiting {
            Some((before, waited)) if before == came => (came, waited + passed),
            _ => (came, 0),
        });
        self.waiting.is_some_and(|(_, waited)| waited > NEGLECT_NS)
    }
}

impl Living {
    /// Shows an emergency if there is one, and does what was chosen in it.
    pub(super) fn look_after_windows(&mut self) -> Result<Option<Ending>, Failure> {
        let Some(surfaces) = self.watch.surfaces() else { return Ok(None) };
        // Whoever paints holds it for a moment.
        self.watch.looks_soon = true;
        let Some(mut display) = surfaces.try_lock() else { return Ok(None) };
        if let Some((handle, choice)) = display.take_choice() {
            let neglected = display.emergency(handle).is_some_and(|emergency| emergency.passes);
            drop(display);
            return self.carry_out(&surfaces, handle, choice, neglected);
        }
        let called = display.take_call();
        // One that somebody is reading is not replaced.
        let called = called.filter(|(handle, _)| display.emergency(*handle).is_none());
        let unanswered = display.unanswered();
        self.watch.looks_soon = unanswered.is_some() || display.shows_emergency();
        let now = self.clock.monotonic_ns();
        let neglected = self.watch.is_neglected(unanswered.map(|(_, came)| came), now);
        let (handle, mut emergency) = match (called, unanswered) {
            (Some(called), _) => called,
            (None, Some((handle, _))) if neglected && display.emergency(handle).is_none() => (handle, Emergency {
                title: "The world does not answer.".to_owned(),
                error: format!("Its window has not answered for {} seconds.", NEGLECT_NS / 1_000_000_000),
                passes: true,
                ..Emergency::default()
            }),
            _ => return Ok(None),
        };
        if emergency.stack.is_empty() {
            let trace = self.vm.trace_of(self.watch.serial);
            emergency.stack = trace.lines().take(STACK_LINES).collect::<Vec<_>>().join("\n");
        }
        let last_good = display.presented(handle);
        self.offer_moments(&mut emergency, last_good);
        display.open_emergency(handle, emergency);
        self.watch.looks_soon = true;
        Ok(None)
    }

    /// The moments that can be gone back to; the chosen one is the newest from before the last frame.
    fn offer_moments(&self, emergency: &mut Emergency, last_good: Option<u64>) {
        let Some(desk) = &self.desk else { return };
        let mut moments = desk.world().moments().unwrap_or_default();
        moments.sort_by_key(|moment| std::cmp::Reverse(moment.id.0));
        moments.truncate(MOMENTS);
        let ago = last_good.map_or(0, |then| self.clock.monotonic_ns().saturating_sub(then));
        let before = self.clock.wall_ns() - ago as i64;
        emergency.chosen = moments.iter().position(|moment| moment.wall_ns < before).unwrap_or_default();
        emergency.moments = moments.iter().map(|moment| {
            let what = if moment.name.is_empty() { super::kind(moment) } else { moment.name.as_str() };
            Past { moment: moment.id.0, label: format!("{}, {what}", clock_text(moment.wall_ns)) }
        }).collect();
    }

    /// `neglected`: the window's process runs somewhere and has to be told to leave what was taken back.
    fn carry_out(
        &mut self,
        surfaces: &Mutex<Display>,
        handle: Handle,
        choice: Choice,
        neglected: bool,
    ) -> Result<Option<Ending>, Failure> {
        self.watch.waiting = None;
        match choice {
            Choice::Quit => return Ok(Some(Ending::Exit(0))),
            Choice::GoBack(moment) => return Ok(Some(Ending::GoBack(MomentId(moment)))),
            Choice::Retry => {}
            Choice::TakeBack if neglected => self.tell_the_world("takeBackLastChangeAndLeave")?,
            Choice::TakeBack => self.tell_the_world("takeBackLastChange")?,
        }
        surfaces.lock().close_emergency(handle);
        Ok(None)
    }

    /// Sends a message to the world's main object, which runs before all else.
    fn tell_the_world(&mut self, selector: &str) -> Result<(), Failure> {
        let Some(main) = self.vm.known_handle(KnownObject::MainProcessStart) else { return Ok(()) };
        let spawned = self.vm.spawn_urgent(main, selector);
        self.vm.release(main);
        spawned.map(|_| ()).map_err(|message| Failure::new(Exit::Io, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: u64 = 100_000_000;

    #[test]
    fn an_event_that_nobody_takes_is_neglect() {
        let mut watch = Watch::default();
        let looks = NEGLECT_NS / LOOK;
        let found = (0..=looks + 1).position(|n| watch.is_neglected(Some(5), n * LOOK));
        assert_eq!(found, Some(looks as usize + 1));
        assert!(!watch.is_neglected(None, (looks + 2) * LOOK));
    }

    #[test]
    fn events_that_are_taken_one_after_another_are_not() {
        let mut watch = Watch::default();
        assert!((0..10_000).all(|n| !watch.is_neglected(Some(n / 40), n * LOOK)));
    }

    #[test]
    fn time_that_the_machine_was_not_given_does_not_count() {
        let mut watch = Watch::default();
        // Ten looks, an hour apart.
        assert!((0..10).all(|n| !watch.is_neglected(Some(5), n * 3_600_000_000_000)));
    }
}
