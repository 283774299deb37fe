//! The window system's events as the world knows them.
//!
//! Invariants
//! - I1 A key's text is what it types: nothing while control or super is held, never a control character.
//! - I2 Presses count as one click after another within [`DOUBLE_MS`] and [`NEAR`] pixels.
//!
//! Must not know: windows, surfaces.

use platform::events::Event;
use std::time::{Duration, Instant};
use winit::event::{ElementState, KeyEvent, MouseButton, MouseScrollDelta};
use winit::keyboard::{Key, ModifiersState, NamedKey, PhysicalKey};

/// Within which two presses are a double click.
const DOUBLE_MS: u64 = 400;
/// How far apart they may be, in device pixels.
const NEAR: f64 = 5.0;
/// How far one notch of a wheel moves, in 1/64 logical pixels: three rows of text.
const NOTCH: f32 = 60.0 * 64.0;

/// The bits of `modifiers`.
pub fn modifiers(state: ModifiersState) -> u8 {
    let bit = |is: bool, bit: u8| if is { bit } else { 0 };
    bit(state.shift_key(), 1) | bit(state.control_key(), 2) | bit(state.alt_key(), 4) | bit(state.super_key(), 8)
}

/// The bit of a button.
pub fn button(button: MouseButton) -> u8 {
    match button {
        MouseButton::Left => 1,
        MouseButton::Right => 2,
        MouseButton::Middle => 4,
        MouseButton::Back => 8,
        MouseButton::Forward => 16,
        MouseButton::Other(_) => 32,
    }
}

fn physical(key: PhysicalKey) -> String {
    match key {
        // Its name here is the web's.
        PhysicalKey::Code(code) => format!("{code:?}"),
        PhysicalKey::Unidentified(_) => String::new(),
    }
}

fn logical(key: &Key) -> String {
    match key {
        Key::Character(text) => text.to_string(),
        Key::Named(NamedKey::Space) => " ".to_owned(),
        Key::Named(named) => format!("{named:?}"),
        Key::Dead(_) => "Dead".to_owned(),
        Key::Unidentified(_) => String::new(),
    }
}

/// A key as the world knows it.
pub fn key(event: &KeyEvent, state: ModifiersState) -> Event {
    let (physical, logical) = (physical(event.physical_key), logical(&event.logical_key));
    let modifiers = modifiers(state);
    if event.state == ElementState::Released {
        return Event::KeyUp { physical, logical, modifiers };
    }
    let silent = state.control_key() || state.super_key();
    let text = event.text.as_deref().filter(|text| !silent && !text.contains(char::is_control));
    let text = text.unwrap_or_default().to_owned();
    Event::KeyDown { physical, logical, text, modifiers, repeated: event.repeat.into() }
}

/// How far the wheel moves what is under it, in 1/64 logical pixels, and whether it is a touchpad.
pub fn wheel(delta: MouseScrollDelta, scale: f64) -> (i32, i32, u8) {
    match delta {
        MouseScrollDelta::LineDelta(x, y) => ((x * NOTCH) as i32, (y * NOTCH) as i32, 0),
        MouseScrollDelta::PixelDelta(by) => {
            let units = |pixels: f64| (pixels * 64.0 / scale) as i32;
            (units(by.x), units(by.y), 1)
        }
    }
}

/// Counts presses.
#[derive(Default)]
pub struct Clicks {
    last: Option<(u8, f64, f64, Instant)>,
    count: u8,
}

impl Clicks {
    /// Takes a press; how many it is in a row (I2).
    pub fn press(&mut self, button: u8, (x, y): (f64, f64), now: Instant) -> u8 {
        let follows = self.last.is_some_and(|(last, left, top, then)| {
            let soon = now.duration_since(then) <= Duration::from_millis(DOUBLE_MS);
            last == button && soon && (left - x).abs() <= NEAR && (top - y).abs() <= NEAR
        });
        self.count = if follows { self.count.saturating_add(1) } else { 1 };
        self.last = Some((button, x, y, now));
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presses_in_quick_succession_at_one_place_are_counted() {
        let mut clicks = Clicks::default();
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        assert_eq!(clicks.press(1, (10.0, 10.0), start), 1);
        assert_eq!(clicks.press(1, (12.0, 9.0), after(200)), 2);
        assert_eq!(clicks.press(1, (12.0, 9.0), after(500)), 3);
        assert_eq!(clicks.press(1, (40.0, 9.0), after(600)), 1);
        assert_eq!(clicks.press(2, (40.0, 9.0), after(700)), 1);
        assert_eq!(clicks.press(2, (40.0, 9.0), after(1200)), 1);
    }

    #[test]
    fn modifiers_have_their_bits() {
        assert_eq!(modifiers(ModifiersState::CONTROL | ModifiersState::SHIFT), 3);
        assert_eq!(modifiers(ModifiersState::ALT | ModifiersState::SUPER), 12);
        assert_eq!(wheel(MouseScrollDelta::LineDelta(0.0, -1.0), 2.0), (0, -3840, 0));
    }
}
