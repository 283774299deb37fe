//! What happens at a surface: keys, text, pointer, size; one table for every port, mirrored in the world.
//!
//! An event is `u8 kind, u32 length of what follows, u32 milliseconds since the session began`, then
//! its fields as in [`crate::operations`]; whoever does not know a kind skips it by its length.
//!
//! Invariants
//! - V1 What was written is read as it was; bytes that are no event are refused, never guessed.
//! - V2 A kind's number and fields never change; new kinds are added at the end.
//!
//! Places are in 1/64 logical pixels from the surface's upper left corner. `modifiers`: 1 shift, 2
//! control, 4 alt, 8 super, 16 alt graph (what a layout used up to make the text is not among them).
//! `buttons` (held): 1 left, 2 right, 4 middle, 8 back, 16 forward; `button` (this one): the same bit.
//! `physical` is the place of the key by its name on a US board as the web names it (`KeyA`, `Digit1`,
//! `Enter`, `ArrowLeft`); empty if unknown. `logical` is what the user's layout says it is: the
//! character without control and alt (`a`, `A`, `ä`), else the web's name (`Enter`, `ArrowLeft`, `F1`,
//! `Dead`). `text` is what the key types, often empty.

use crate::Refusal;
use crate::operations::{Fields, Packed};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// A kind of field.
trait Part: Sized {
    const KIND: &'static str;
    fn read(fields: &mut Fields<'_>) -> Result<Self, Refusal>;
    fn write(&self, packed: Packed) -> Packed;
}

macro_rules! parts {
    ($($kind:ident $method:ident)*) => { $(
        impl Part for $kind {
            const KIND: &'static str = stringify!($kind);
            fn read(fields: &mut Fields<'_>) -> Result<$kind, Refusal> {
                fields.$method()
            }
            fn write(&self, packed: Packed) -> Packed {
                packed.$method(*self)
            }
        }
    )* };
}

parts! { u8 u8 u32 u32 i32 i32 u64 u64 }

impl Part for String {
    const KIND: &'static str = "text";
    fn read(fields: &mut Fields<'_>) -> Result<String, Refusal> {
        fields.text().map(String::from)
    }
    fn write(&self, packed: Packed) -> Packed {
        packed.text(self)
    }
}

/// A row of the table: code, name, fields {name, kind}, what it tells.
pub type EventRow = (u8, &'static str, &'static [(&'static str, &'static str)], &'static str);

macro_rules! events {
    ($($code:literal $event:ident { $($field:ident: $kind:ty,)* } $doc:literal;)*) => {
        /// What happened.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Event {
            $(#[doc = $doc] $event {
                $(#[doc = concat!("Field `", stringify!($field), "`.")] $field: $kind,)*
            },)*
        }

        impl Event {
            /// Rows for the mirror.
            pub const TABLE: &'static [EventRow] = &[
                $(($code, stringify!($event), &[$((stringify!($field), <$kind as Part>::KIND)),*], $doc)),*
            ];

            const fn code(&self) -> u8 {
                match self { $(Event::$event { .. } => $code,)* }
            }

            fn write_fields(&self, packed: Packed) -> Packed {
                match self {
                    $(Event::$event { $($field),* } => { $(let packed = $field.write(packed);)* packed })*
                }
            }

            fn read_fields(code: u8, fields: &mut Fields<'_>) -> Result<Option<Event>, Refusal> {
                match code {
                    $($code => Ok(Some(Event::$event { $($field: <$kind as Part>::read(fields)?),* })),)*
                    _ => Ok(None),
                }
            }
        }
    };
}

events! {
    1 KeyDown { physical: String, logical: String, text: String, modifiers: u8, repeated: u8, } "A key went down, or repeats.";
    2 KeyUp { physical: String, logical: String, modifiers: u8, } "A key went up.";
    3 Preedit { text: String, from: u32, to: u32, } "What an input method composes, with its caret or selection in bytes (all ones: none); empty ends it.";
    4 Commit { text: String, } "Text from an input method, or from dead keys.";
    5 PointerMoved { x: i32, y: i32, buttons: u8, modifiers: u8, } "The pointer moved.";
    6 PointerDown { x: i32, y: i32, button: u8, clicks: u8, buttons: u8, modifiers: u8, } "A button went down; clicks counts those in quick succession at one place.";
    7 PointerUp { x: i32, y: i32, button: u8, buttons: u8, modifiers: u8, } "A button went up.";
    8 Wheel { x: i32, y: i32, dx: i32, dy: i32, precise: u8, modifiers: u8, } "The wheel or touchpad: how far what is under it shall move; precise 1 is a touchpad.";
    9 PointerLeft { } "The pointer left the window.";
    10 Resized { width: i32, height: i32, scale: u32, } "The size, and device pixels in a logical one (in 1/64, zoom within).";
    11 Focused { has: u8, } "The window has the keyboard now, or has it no more.";
    12 CloseAsked { } "The user wants to close the window.";
    13 ThemeChanged { theme: u8, } "The desktop became light (0) or dark (1).";
    14 ClipboardChanged { } "There may be something else in the clipboard.";
    15 Shown { number: u32, nanoseconds: u64, } "A frame that asked to be told of was shown, so long after it was presented.";
    16 Dropped { path: String, x: i32, y: i32, } "A file was dropped on the window.";
    17 Asked { node: u32, action: u8, text: String, } "An accessibility tool asks a node for an action.";
    18 Hidden { is: u8, } "The window cannot be seen, or can be again.";
    19 Raised { } "The program was started again for this world.";
    20 Failed { reason: String, } "The window could not be made, or its display went away; it is closed.";
}

impl Event {
    /// Appends the event with its time.
    pub fn pack(&self, milliseconds: u32, to: &mut Vec<u8>) {
        let body = self.write_fields(Packed::default().u32(milliseconds)).finish();
        let packed = Packed::default().u8(self.code()).u32(body.len() as u32).raw(&body);
        to.extend_from_slice(&packed.finish());
    }

    /// The events in `bytes`, each with its time; those of unknown kinds are left out.
    pub fn unpack(bytes: &[u8]) -> Result<Vec<(u32, Event)>, Refusal> {
        let mut rest = Fields::new(bytes);
        let mut events = Vec::new();
        while !rest.is_at_end() {
            let (code, length) = (rest.u8()?, rest.u32()? as usize);
            let left = rest.bytes();
            let Some((body, behind)) = left.split_at_checked(length) else {
                let message = format!("event cut off: {} of {length} bytes", left.len());
                return Err(Refusal::Malformed(message));
            };
            let mut fields = Fields::new(body);
            let milliseconds = fields.u32()?;
            if let Some(event) = Event::read_fields(code, &mut fields)? {
                if !fields.is_at_end() {
                    return Err(Refusal::Malformed(format!("event {code} is longer than its fields")));
                }
                events.push((milliseconds, event));
            }
            rest = Fields::new(behind);
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Event> {
        let text = String::from;
        let (x, y) = (-64, 1 << 20);
        alloc::vec![
            Event::KeyDown { physical: text("KeyA"), logical: text("ä"), text: text("ä"), modifiers: 5, repeated: 1 },
            Event::KeyUp { physical: text(""), logical: text("Dead"), modifiers: 0 },
            Event::Preedit { text: text("に"), from: 0, to: u32::MAX },
            Event::Commit { text: text("日本") },
            Event::PointerMoved { x, y, buttons: 1, modifiers: 0 },
            Event::PointerDown { x, y, button: 1, clicks: 2, buttons: 1, modifiers: 8 },
            Event::PointerUp { x, y, button: 2, buttons: 0, modifiers: 0 },
            Event::Wheel { x, y, dx: 0, dy: -192, precise: 1, modifiers: 2 },
            Event::PointerLeft {},
            Event::Resized { width: 0, height: 64, scale: 128 },
            Event::Focused { has: 1 },
            Event::CloseAsked {},
            Event::ThemeChanged { theme: 1 },
            Event::ClipboardChanged {},
            Event::Shown { number: 7, nanoseconds: u64::MAX },
            Event::Dropped { path: text("/a b"), x, y },
            Event::Asked { node: 3, action: 4, text: text("value") },
            Event::Hidden { is: 1 },
            Event::Raised {},
            Event::Failed { reason: text("no display") },
        ]
    }

    #[test]
    fn events_are_read_as_they_were_written() {
        let events = one_of_each();
        assert_eq!(events.len(), Event::TABLE.len());
        let mut bytes = Vec::new();
        for (n, event) in events.iter().enumerate() {
            event.pack(n as u32, &mut bytes);
        }
        let expected: Vec<_> = events.into_iter().enumerate().map(|(n, event)| (n as u32, event)).collect();
        assert_eq!(Event::unpack(&bytes), Ok(expected));
        for end in 1..bytes.len() {
            // Cut anywhere: whole events before the cut, or a refusal; never a panic.
            let _ = Event::unpack(&bytes[..end]);
        }
    }

    #[test]
    fn an_unknown_kind_is_skipped_and_a_long_one_refused() {
        let mut bytes = alloc::vec![200, 6, 0, 0, 0, 1, 2, 3, 4, 5, 6];
        Event::CloseAsked {}.pack(9, &mut bytes);
        assert_eq!(Event::unpack(&bytes), Ok(alloc::vec![(9, Event::CloseAsked {})]));
        let long = [12, 5, 0, 0, 0, 0, 0, 0, 0, 1];
        assert!(matches!(Event::unpack(&long), Err(Refusal::Malformed(_))));
    }
}
