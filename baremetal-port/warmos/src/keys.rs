//! From what a keyboard sends to keys as the contract tells them: a US board, scan codes of set 1.
//!
//! Invariants
//! - Y1 A release gives the key that its press gave, whatever the modifiers are by then.
//! - Y2 A key's text is what it types: nothing while control or super is held.
//!
//! Source: the scan codes of the IBM PC/AT keyboard after the controller's translation.

use alloc::string::{String, ToString};
use platform::events::Event;

const SHIFT: u8 = 1;
const CONTROL: u8 = 2;
const ALT: u8 = 4;
const SUPER: u8 = 8;
const RELEASE: u8 = 0x80;
const EXTENDED: u8 = 0xe0;
const PAUSE: u8 = 0xe1;

/// Keys that type: code, place on the board, character, character with shift.
const TYPING: &[(u8, &str, char, char)] = &[
    (0x02, "Digit1", '1', '!'), (0x03, "Digit2", '2', '@'), (0x04, "Digit3", '3', '#'), (0x05, "Digit4", '4', '$'),
    (0x06, "Digit5", '5', '%'), (0x07, "Digit6", '6', '^'), (0x08, "Digit7", '7', '&'), (0x09, "Digit8", '8', '*'),
    (0x0a, "Digit9", '9', '('), (0x0b, "Digit0", '0', ')'), (0x0c, "Minus", '-', '_'), (0x0d, "Equal", '=', '+'),
    (0x10, "KeyQ", 'q', 'Q'), (0x11, "KeyW", 'w', 'W'), (0x12, "KeyE", 'e', 'E'), (0x13, "KeyR", 'r', 'R'),
    (0x14, "KeyT", 't', 'T'), (0x15, "KeyY", 'y', 'Y'), (0x16, "KeyU", 'u', 'U'), (0x17, "KeyI", 'i', 'I'),
    (0x18, "KeyO", 'o', 'O'), (0x19, "KeyP", 'p', 'P'), (0x1a, "BracketLeft", '[', '{'), (0x1b, "BracketRight", ']', '}'),
    (0x1e, "KeyA", 'a', 'A'), (0x1f, "KeyS", 's', 'S'), (0x20, "KeyD", 'd', 'D'), (0x21, "KeyF", 'f', 'F'),
    (0x22, "KeyG", 'g', 'G'), (0x23, "KeyH", 'h', 'H'), (0x24, "KeyJ", 'j', 'J'), (0x25, "KeyK", 'k', 'K'),
    (0x26, "KeyL", 'l', 'L'), (0x27, "Semicolon", ';', ':'), (0x28, "Quote", '\'', '"'), (0x29, "Backquote", '`', '~'),
    (0x2b, "Backslash", '\\', '|'), (0x2c, "KeyZ", 'z', 'Z'), (0x2d, "KeyX", 'x', 'X'), (0x2e, "KeyC", 'c', 'C'),
    (0x2f, "KeyV", 'v', 'V'), (0x30, "KeyB", 'b', 'B'), (0x31, "KeyN", 'n', 'N'), (0x32, "KeyM", 'm', 'M'),
    (0x33, "Comma", ',', '<'), (0x34, "Period", '.', '>'), (0x35, "Slash", '/', '?'), (0x39, "Space", ' ', ' '),
    (0x37, "NumpadMultiply", '*', '*'), (0x4a, "NumpadSubtract", '-', '-'), (0x4e, "NumpadAdd", '+', '+'),
    (0x56, "IntlBackslash", '\\', '|'),
];

/// Keys that do something: code, place, what the layout says it is.
const ACTING: &[(u8, &str, &str)] = &[
    (0x01, "Escape", "Escape"), (0x0e, "Backspace", "Backspace"), (0x0f, "Tab", "Tab"), (0x1c, "Enter", "Enter"),
    (0x1d, "ControlLeft", "Control"), (0x2a, "ShiftLeft", "Shift"), (0x36, "ShiftRight", "Shift"),
    (0x38, "AltLeft", "Alt"), (0x3a, "CapsLock", "CapsLock"), (0x3b, "F1", "F1"), (0x3c, "F2", "F2"), (0x3d, "F3", "F3"),
    (0x3e, "F4", "F4"), (0x3f, "F5", "F5"), (0x40, "F6", "F6"), (0x41, "F7", "F7"), (0x42, "F8", "F8"),
    (0x43, "F9", "F9"), (0x44, "F10", "F10"), (0x57, "F11", "F11"), (0x58, "F12", "F12"),
    (0x47, "Numpad7", "Home"), (0x48, "Numpad8", "ArrowUp"), (0x49, "Numpad9", "PageUp"), (0x4b, "Numpad4", "ArrowLeft"),
    (0x4d, "Numpad6", "ArrowRight"), (0x4f, "Numpad1", "End"), (0x50, "Numpad2", "ArrowDown"), (0x51, "Numpad3", "PageDown"),
    (0x52, "Numpad0", "Insert"), (0x53, "NumpadDecimal", "Delete"),
];

/// Keys behind the prefix of the extended ones.
const EXTENDED_KEYS: &[(u8, &str, &str)] = &[
    (0x1c, "NumpadEnter", "Enter"), (0x1d, "ControlRight", "Control"), (0x38, "AltRight", "Alt"),
    (0x47, "Home", "Home"), (0x48, "ArrowUp", "ArrowUp"), (0x49, "PageUp", "PageUp"), (0x4b, "ArrowLeft", "ArrowLeft"),
    (0x4d, "ArrowRight", "ArrowRight"), (0x4f, "End", "End"), (0x50, "ArrowDown", "ArrowDown"),
    (0x51, "PageDown", "PageDown"), (0x52, "Insert", "Insert"), (0x53, "Delete", "Delete"),
    (0x5b, "MetaLeft", "Super"), (0x5c, "MetaRight", "Super"), (0x5d, "ContextMenu", "ContextMenu"),
];

/// A keyboard and what is held on it.
#[derive(Debug)]
pub struct Keyboard {
    extended: bool,
    /// Bytes of the one key with a sequence of its own that are still to come.
    skip: u8,
    /// Modifiers held, a bit a side: left in the low half, right in the high.
    held: u8,
    caps: bool,
    /// Which codes are down, extended ones behind the others.
    down: [bool; 256],
}

impl Default for Keyboard {
    fn default() -> Keyboard {
        Keyboard { extended: false, skip: 0, held: 0, caps: false, down: [false; 256] }
    }
}

struct Key {
    physical: &'static str,
    logical: String,
    text: String,
}

impl Keyboard {
    /// The modifiers that are held.
    pub fn modifiers(&self) -> u8 {
        (self.held | self.held >> 4) & 15
    }

    /// Takes a byte from the keyboard.
    pub fn take(&mut self, byte: u8) -> Option<Event> {
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        match byte {
            EXTENDED => {
                self.extended = true;
                return None;
            }
            PAUSE => {
                self.skip = 5;
                return None;
            }
            _ => {}
        }
        let extended = core::mem::take(&mut self.extended);
        let (code, is_release) = (byte & !RELEASE, byte & RELEASE != 0);
        let key = self.key(code, extended)?;
        let place = usize::from(code) + if extended { 128 } else { 0 };
        let repeated = core::mem::replace(&mut self.down[place], !is_release) && !is_release;
        self.hold(&key, is_release, repeated);
        let (physical, modifiers) = (key.physical.to_string(), self.modifiers());
        if is_release {
            return Some(Event::KeyUp { physical, logical: key.logical, modifiers });
        }
        let text = if modifiers & (CONTROL | SUPER) == 0 { key.text } else { String::new() };
        Some(Event::KeyDown { physical, logical: key.logical, text, modifiers, repeated: repeated.into() })
    }

    fn key(&self, code: u8, extended: bool) -> Option<Key> {
        let acting = if extended { EXTENDED_KEYS } else { ACTING };
        if let Some((_, physical, logical)) = acting.iter().find(|row| row.0 == code) {
            return Some(Key { physical, logical: (*logical).to_string(), text: String::new() });
        }
        if extended {
            let divide = || Key { physical: "NumpadDivide", logical: "/".to_string(), text: "/".to_string() };
            return (code == 0x35).then(divide);
        }
        let (_, physical, plain, shifted) = TYPING.iter().find(|row| row.0 == code)?;
        let shift = self.modifiers() & SHIFT != 0;
        let is_upper = shift != (self.caps && plain.is_ascii_alphabetic());
        let text = if is_upper { shifted } else { plain }.to_string();
        Some(Key { physical, logical: text.clone(), text })
    }

    fn hold(&mut self, key: &Key, is_release: bool, repeated: bool) {
        let bit = match key.logical.as_str() {
            "Shift" => SHIFT,
            "Control" => CONTROL,
            "Alt" => ALT,
            "Super" => SUPER,
            "CapsLock" if !is_release && !repeated => {
                self.caps = !self.caps;
                return;
            }
            _ => return,
        };
        let bit = if key.physical.ends_with("Right") { bit << 4 } else { bit };
        self.held = if is_release { self.held & !bit } else { self.held | bit };
    }
}

/// What a pointer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// To the right, in pixels.
    pub dx: i32,
    /// Down.
    pub dy: i32,
    /// Notches of the wheel, towards the user.
    pub wheel: i32,
    /// Buttons held, as the contract's bits.
    pub buttons: u8,
}

/// A pointer whose packets are being gathered.
#[derive(Debug, Default)]
pub struct Pointer {
    packet: [u8; 4],
    count: usize,
    /// Whether packets have a fourth byte, for the wheel.
    has_wheel: bool,
}

impl Pointer {
    /// A pointer that has sent nothing.
    pub fn new(has_wheel: bool) -> Pointer {
        Pointer { has_wheel, ..Pointer::default() }
    }

    /// Takes a byte of a packet; answers what a whole one says.
    pub fn take(&mut self, byte: u8) -> Option<Moved> {
        // The first byte of a packet has bit 3: what is out of step is passed over.
        if self.count == 0 && byte & 8 == 0 {
            return None;
        }
        self.packet[self.count] = byte;
        self.count += 1;
        if self.count < if self.has_wheel { 4 } else { 3 } {
            return None;
        }
        self.count = 0;
        let [flags, x, y, wheel] = self.packet;
        if flags & 0xc0 != 0 {
            return None;
        }
        let signed = |value: u8, sign: u8| i32::from(value) - if flags & sign != 0 { 256 } else { 0 };
        let wheel = if self.has_wheel { i32::from((wheel << 4) as i8 >> 4) } else { 0 };
        Some(Moved { dx: signed(x, 0x10), dy: -signed(y, 0x20), wheel, buttons: flags & 7 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use std::format;

    fn check(bytes: &[u8], expect: &[&str]) {
        let mut keyboard = Keyboard::default();
        let events: Vec<String> = bytes
            .iter()
            .filter_map(|byte| keyboard.take(*byte))
            .map(|event| match event {
                Event::KeyDown { physical, logical, text, modifiers, repeated } => {
                    format!("+{physical} {logical} {text:?} {modifiers} {repeated}")
                }
                Event::KeyUp { physical, logical, modifiers } => format!("-{physical} {logical} {modifiers}"),
                other => format!("{other:?}"),
            })
            .collect();
        assert_eq!(events, expect);
    }

    #[test]
    fn letters_have_a_text_and_repeat() {
        check(&[0x1e, 0x1e, 0x9e], &["+KeyA a \"a\" 0 0", "+KeyA a \"a\" 0 1", "-KeyA a 0"]);
        check(&[0x36, 0x02, 0x82, 0xb6], &["+ShiftRight Shift \"\" 1 0", "+Digit1 ! \"!\" 1 0", "-Digit1 ! 1", "-ShiftRight Shift 0"]);
        check(&[0x3a, 0xba, 0x1e, 0x02], &["+CapsLock CapsLock \"\" 0 0", "-CapsLock CapsLock 0", "+KeyA A \"A\" 0 0", "+Digit1 1 \"1\" 0 0"]);
    }

    #[test]
    fn with_control_a_key_types_nothing() {
        check(&[0x1d, 0x1f, 0x9d, 0x1f], &["+ControlLeft Control \"\" 2 0", "+KeyS s \"\" 2 0", "-ControlLeft Control 0", "+KeyS s \"s\" 0 1"]);
    }

    #[test]
    fn extended_keys_are_told_from_the_others_and_pause_is_passed_over() {
        check(&[0xe0, 0x4b, 0xe0, 0xcb, 0x4b], &["+ArrowLeft ArrowLeft \"\" 0 0", "-ArrowLeft ArrowLeft 0", "+Numpad4 ArrowLeft \"\" 0 0"]);
        check(&[0xe1, 0x1d, 0x45, 0xe1, 0x9d, 0xc5, 0x01], &["+Escape Escape \"\" 0 0"]);
        check(&[0xe0, 0x38, 0x38, 0xe0, 0xb8], &["+AltRight Alt \"\" 4 0", "+AltLeft Alt \"\" 4 0", "-AltRight Alt 4"]);
        check(&[0x7e, 0xe0, 0x2a], &[]);
    }

    #[test]
    fn packets_of_a_pointer_say_where_it_goes() {
        let mut pointer = Pointer::default();
        let mut feed = |bytes: &[u8]| bytes.iter().filter_map(|byte| pointer.take(*byte)).collect::<Vec<_>>();
        let moved = |dx, dy, wheel, buttons| Moved { dx, dy, wheel, buttons };
        assert_eq!(feed(&[0x08, 5, 3]), [moved(5, -3, 0, 0)]);
        assert_eq!(feed(&[0x00, 0x39, 0xff, 0xfe]), [moved(-1, 2, 0, 1)], "what is out of step is passed over");
        assert_eq!(feed(&[0x48, 255, 0]), [], "an overflow says nothing");
        let mut pointer = Pointer::new(true);
        let all: Vec<_> = [0x08, 0, 0, 0x0f, 0x0a, 1, 0, 1].iter().filter_map(|byte| pointer.take(*byte)).collect();
        assert_eq!(all, [moved(0, 0, -1, 0), moved(1, 0, 1, 2)]);
    }
}
