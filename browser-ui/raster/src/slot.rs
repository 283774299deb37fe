//! A surface with what waits at it: events, those who wait for them, keys that are timed.
//!
//! Invariant
//! - Y3 At most [`MOST_EVENTS`] events wait; moves of the pointer and sizes that nobody took give way to
//!   the next.
//!
//! Must not know: requests, windows.

use crate::emergency::Emergency;
use crate::geometry::Scale;
use crate::surface::Surface;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use platform::events::Event;

/// The most events that wait at one surface.
pub const MOST_EVENTS: usize = 4096;

/// A window's scale with a zoom.
pub fn scaled(base: Scale, zoom: Scale) -> Scale {
    Scale::new(base.sixty_fourths() * zoom.sixty_fourths() / 64)
}

/// A surface with its events.
pub struct Slot {
    /// The surface.
    pub surface: Surface,
    /// Whether a window shows it.
    pub is_window: bool,
    /// The window's own scale, without zoom.
    pub base: Scale,
    /// By how much the user enlarges it.
    pub zoom: Scale,
    /// What nobody took yet, each with its time.
    pub events: VecDeque<(u32, Event)>,
    /// The semaphores of those who wait for an event.
    pub waiting: Vec<u32>,
    /// Frames to be told of: {number, presented at}.
    pub told: Vec<(u32, u64)>,
    /// How long the last painting took.
    pub painted_ns: u64,
    /// How long keys take.
    pub keys: Keys,
    /// When the oldest event came that nobody took yet.
    pub unanswered: Option<u64>,
    /// When the world presented a frame last.
    pub presented: Option<u64>,
    /// When the caret came where it is.
    pub caret_came: u64,
    /// What the world, or the key for it, asked the machine to show instead.
    pub call: Option<Emergency>,
    /// What is shown instead of the world's frame, and on what.
    pub emergency: Option<(Emergency, Surface)>,
}

/// How long keys take to the screen.
#[derive(Default)]
pub struct Keys {
    /// When the oldest key came that no frame has answered.
    pressed: Option<u64>,
    /// Whether a frame was presented since it was taken.
    answered: bool,
    /// The last times, in nanoseconds.
    times: VecDeque<u64>,
}

/// How many times of keys are kept.
const MOST_TIMES: usize = 1024;

impl Keys {
    /// A key came in.
    pub fn press(&mut self, now: u64) {
        self.pressed.get_or_insert(now);
    }

    /// A frame was presented when no key waits any more; `shows` if there is something to paint.
    pub fn answer(&mut self, shows: bool) {
        self.answered = self.pressed.is_some();
        if !shows {
            (self.pressed, self.answered) = (None, false);
        }
    }

    /// A frame is on the screen.
    pub fn show(&mut self, now: u64) {
        if !core::mem::take(&mut self.answered) {
            return;
        }
        if let Some(pressed) = self.pressed.take() {
            self.times.truncate(MOST_TIMES - 1);
            self.times.push_front(now.saturating_sub(pressed));
        }
    }

    /// How many were timed, their median and their 99th percentile.
    pub fn figures(&self) -> [u64; 3] {
        let mut times: Vec<u64> = self.times.iter().copied().collect();
        times.sort_unstable();
        let part = |hundredths: usize| times.get(times.len().saturating_sub(1) * hundredths / 100).copied();
        [times.len() as u64, part(50).unwrap_or(0), part(99).unwrap_or(0)]
    }
}

impl Slot {
    /// A surface without events.
    pub fn new(surface: Surface, base: Scale, is_window: bool) -> Slot {
        Slot {
            surface,
            is_window,
            base,
            zoom: Scale::default(),
            events: VecDeque::new(),
            waiting: Vec::new(),
            told: Vec::new(),
            painted_ns: 0,
            keys: Keys::default(),
            unanswered: None,
            presented: None,
            caret_came: 0,
            call: None,
            emergency: None,
        }
    }

    /// What is shown: the world's surface, or what stands before it.
    pub fn shown(&mut self) -> &mut Surface {
        match &mut self.emergency {
            Some((_, surface)) => surface,
            None => &mut self.surface,
        }
    }

    /// Notes that a frame was presented.
    pub fn framed(&mut self) {
        if !self.events.iter().any(|(_, event)| matches!(event, Event::KeyDown { .. })) {
            self.keys.answer(self.surface.is_undrawn() || !self.is_window);
        }
    }

    /// The event that tells its size.
    pub fn resized(&self) -> Event {
        let (width, height) = self.surface.logical();
        Event::Resized { width, height, scale: self.surface.scale().sixty_fourths() }
    }

    /// Takes an event in (Y3).
    pub fn take(&mut self, milliseconds: u32, event: Event) {
        let gives_way = match (self.events.back().map(|(_, event)| event), &event) {
            (
                Some(Event::PointerMoved { buttons: one, modifiers: two, .. }),
                Event::PointerMoved { buttons, modifiers, .. },
            ) => one == buttons && two == modifiers,
            (Some(Event::Resized { .. }), Event::Resized { .. }) => true,
            _ => false,
        };
        if gives_way {
            self.events.pop_back();
        }
        if self.events.len() >= MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back((milliseconds, event));
    }
}
