//! The kinds of fields in a command stream: how each is written, read and bounded.
//!
//! Duty: a reader that never goes past its bytes, and one type a kind of field.
//!
//! Invariants
//! - F1 Reading answers a value within the bounds below, or a [`Damage`] that names the place.
//! - F2 What was read and written again gives the same bytes.
//!
//! Must not know: which command a field belongs to.

use crate::roles::{Colour, Role, Theme};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Units in one logical pixel.
pub const UNITS: i32 = 64;
/// The longest text of one layout, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// The most points of a polygon or path.
pub const MAX_POINTS: usize = 4096;
/// The greatest width and height of an image, in its own pixels.
pub const MAX_IMAGE_SIDE: u32 = 4096;
/// The largest letters, in logical pixels.
pub const MAX_TEXT_SIZE: i32 = 256;

/// Why a stream is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The byte where the command, field or header begins that is wrong.
    pub at: usize,
    /// What is wrong: the value and its bound.
    pub what: String,
}

impl core::fmt::Display for Damage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "byte {}: {}", self.at, self.what)
    }
}

/// A reader of fields.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader from the beginning of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Whether nothing is left.
    pub const fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What was read since `start`.
    pub fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// A damage at the present place.
    pub fn damage<T>(&self, what: String) -> Result<T, Damage> {
        Err(Damage { at: self.at, what })
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Damage> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        match rest.get(..count) {
            Some(taken) => {
                self.at += count;
                Ok(taken)
            }
            None => self.damage(format!("cut off: {} of {count} bytes", rest.len())),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

/// A kind of field.
pub trait Field<'a>: Sized {
    /// Its name in the table.
    const KIND: &'static str;
    /// Reads one, within bounds (F1).
    fn read(reader: &mut Reader<'a>) -> Result<Self, Damage>;
    /// Appends one.
    fn write(&self, to: &mut Vec<u8>);
}

macro_rules! number_fields {
    ($($number:ident)*) => { $(
        impl Field<'_> for $number {
            const KIND: &'static str = stringify!($number);
            fn read(reader: &mut Reader<'_>) -> Result<$number, Damage> {
                reader.array().map($number::from_le_bytes)
            }
            fn write(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }
        }
    )* };
}

number_fields! { u8 u16 u32 }

/// A place on an axis, in 1/64 logical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coord(pub i32);

impl Coord {
    /// A place in whole logical pixels.
    pub const fn whole(pixels: i32) -> Coord {
        Coord(pixels.saturating_mul(UNITS))
    }
}

impl Field<'_> for Coord {
    const KIND: &'static str = "coord";
    fn read(reader: &mut Reader<'_>) -> Result<Coord, Damage> {
        reader.array().map(i32::from_le_bytes).map(Coord)
    }
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0.to_le_bytes());
    }
}

/// A length in 1/64 logical pixels, not negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extent(i32);

impl Extent {
    /// A length; what is below zero counts as zero.
    pub const fn new(units: i32) -> Extent {
        Extent(if units < 0 { 0 } else { units })
    }

    /// A length in whole logical pixels.
    pub const fn whole(pixels: i32) -> Extent {
        Extent::new(pixels.saturating_mul(UNITS))
    }

    /// The length in units.
    pub const fn units(self) -> i32 {
        self.0
    }
}

impl Field<'_> for Extent {
    const KIND: &'static str = "extent";
    fn read(reader: &mut Reader<'_>) -> Result<Extent, Damage> {
        let units = i32::from_le_bytes(reader.array()?);
        if units < 0 {
            return reader.damage(format!("extent {units} is below 0"));
        }
        Ok(Extent(units))
    }
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.0.to_le_bytes());
    }
}

impl<'a> Field<'a> for &'a str {
    const KIND: &'static str = "text";
    fn read(reader: &mut Reader<'a>) -> Result<&'a str, Damage> {
        let length = u32::read(reader)? as usize;
        if length > MAX_TEXT_BYTES {
            return reader.damage(format!("text of {length} bytes is above {MAX_TEXT_BYTES}"));
        }
        let at = reader.position();
        core::str::from_utf8(reader.take(length)?)
            .map_err(|error| Damage { at, what: format!("text is not UTF-8: {error}") })
    }
    fn write(&self, to: &mut Vec<u8>) {
        (self.len() as u32).write(to);
        to.extend_from_slice(self.as_bytes());
    }
}

/// What something is painted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Paint {
    /// A colour of the look with an opacity.
    Role(Role, u8),
    /// A colour as it is.
    Colour(Colour),
}

impl Paint {
    /// A role's colour, opaque.
    pub const fn role(role: Role) -> Paint {
        Paint::Role(role, 255)
    }

    /// The colour in a theme.
    pub const fn colour(self, theme: Theme) -> Colour {
        match self {
            Paint::Role(role, alpha) => Colour { alpha, ..role.colour(theme) },
            Paint::Colour(colour) => colour,
        }
    }
}

impl Field<'_> for Paint {
    const KIND: &'static str = "paint";
    fn read(reader: &mut Reader<'_>) -> Result<Paint, Damage> {
        let at = reader.position();
        let [role, red, green, blue, alpha] = reader.array()?;
        if role == 0 {
            return Ok(Paint::Colour(Colour { red, green, blue, alpha }));
        }
        if [red, green, blue] != [0; 3] {
            return Err(Damage { at, what: format!("role {role} with a colour beside it") });
        }
        match Role::from_code(role) {
            Some(role) => Ok(Paint::Role(role, alpha)),
            None => Err(Damage { at, what: format!("role {role} is unknown") }),
        }
    }
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&match *self {
            Paint::Role(role, alpha) => [role as u8, 0, 0, 0, alpha],
            Paint::Colour(Colour { red, green, blue, alpha }) => [0, red, green, blue, alpha],
        });
    }
}

macro_rules! choices {
    ($($(#[$meta:meta])* $name:ident $kind:literal { $($code:literal $choice:ident $doc:literal;)* })*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = $doc] $choice = $code,)* }

        impl $name {
            /// Rows for the mirror: code, name, meaning.
            pub const TABLE: &'static [(u8, &'static str, &'static str)] =
                &[$(($code, stringify!($choice), $doc)),*];
        }

        impl Field<'_> for $name {
            const KIND: &'static str = $kind;
            fn read(reader: &mut Reader<'_>) -> Result<$name, Damage> {
                let at = reader.position();
                match u8::read(reader)? {
                    $($code => Ok($name::$choice),)*
                    other => Err(Damage { at, what: format!(concat!($kind, " {} is unknown"), other) }),
                }
            }
            fn write(&self, to: &mut Vec<u8>) {
                to.push(*self as u8);
            }
        }
    )* };
}

choices! {
    /// Which letters.
    Face "face" {
        0 Words "the face for words: Inter";
        1 Code "the face for code: JetBrains Mono";
    }
    /// Where a line that is too long is broken.
    Wrap "wrap" {
        0 None "nowhere";
        1 Words "between words, inside one only if it is longer than a line";
        2 Anywhere "between any two letters";
    }
    /// Where a line stands in the layout's width.
    Align "align" {
        0 Start "where its script begins";
        1 Middle "in the middle";
        2 End "where its script ends";
    }
    /// What a part of the picture is for those who do not see it.
    NodeRole "node role" {
        1 Window "a window";
        2 Pane "a pane of the desk";
        3 Heading "a title";
        4 Label "text that cannot be changed";
        5 Button "something to press";
        6 Input "one line of text to edit";
        7 Document "text of several lines to edit";
        8 List "a list";
        9 Item "an item of a list";
        10 Tree "a list with levels";
        11 TreeItem "an item of a tree";
        12 TabList "tabs";
        13 Tab "one of them";
        14 Menu "a menu";
        15 MenuItem "one of its commands";
        16 Link "text that leads somewhere";
        17 Table "rows and columns";
        18 Cell "one cell of a table";
        19 Slider "a value to drag";
        20 Image "a picture";
        21 Scrollbar "what moves a list or text";
        22 Splitter "what divides two panes";
        23 Check "something on or off";
        24 Alert "a message that wants attention";
    }
}

/// One run of letters that look the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// How many bytes of the text it covers.
    pub bytes: u32,
    /// Which letters.
    pub face: Face,
    /// 1 slanted, 2 underlined, 4 struck through, 8 underlined with a wave.
    pub style: u8,
    /// Their size in 1/64 logical pixels.
    pub size: u16,
    /// Their weight: 400 regular, 600 for names in words.
    pub weight: u16,
    /// Their colour.
    pub paint: Paint,
}

/// The bits of [`Span::style`] that have a meaning.
pub const STYLES: u8 = 15;

impl Field<'_> for Span {
    const KIND: &'static str = "span";
    fn read(reader: &mut Reader<'_>) -> Result<Span, Damage> {
        let at = reader.position();
        let bytes = u32::read(reader)?;
        let face = Face::read(reader)?;
        let style = u8::read(reader)?;
        let (size, weight) = (u16::read(reader)?, u16::read(reader)?);
        let paint = Paint::read(reader)?;
        let wrong = |what: String| Err(Damage { at, what });
        if bytes == 0 {
            return wrong(String::from("a span of 0 bytes"));
        }
        if style > STYLES {
            return wrong(format!("style {style} is above {STYLES}"));
        }
        if i32::from(size) < UNITS || i32::from(size) > MAX_TEXT_SIZE * UNITS {
            return wrong(format!("letters of {size}/64 pixels are not 1 to {MAX_TEXT_SIZE} pixels"));
        }
        if !(1..=1000).contains(&weight) {
            return wrong(format!("weight {weight} is not 1 to 1000"));
        }
        Ok(Span { bytes, face, style, size, weight, paint })
    }
    fn write(&self, to: &mut Vec<u8>) {
        self.bytes.write(to);
        self.face.write(to);
        self.style.write(to);
        self.size.write(to);
        self.weight.write(to);
        self.paint.write(to);
    }
}

/// Several fields of one kind, with their count (32 bits) before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Many<T>(pub Vec<T>);

impl<'a, T: Field<'a>> Many<T> {
    fn read_bounded(reader: &mut Reader<'a>, most: usize, what: &str) -> Result<Many<T>, Damage> {
        let at = reader.position();
        let count = u32::read(reader)? as usize;
        if count > most {
            return Err(Damage { at, what: format!("{count} {what} are above {most}") });
        }
        // What is reserved is bounded by what is there: each takes a byte at least.
        let mut many = Vec::with_capacity(count.min(reader.bytes.len().saturating_sub(reader.at)));
        for _ in 0..count {
            many.push(T::read(reader)?);
        }
        Ok(Many(many))
    }

    fn write_all(&self, to: &mut Vec<u8>) {
        (self.0.len() as u32).write(to);
        self.0.iter().for_each(|one| one.write(to));
    }
}

impl Field<'_> for Many<Span> {
    const KIND: &'static str = "spans";
    fn read(reader: &mut Reader<'_>) -> Result<Many<Span>, Damage> {
        Many::read_bounded(reader, MAX_TEXT_BYTES / 4, "spans")
    }
    fn write(&self, to: &mut Vec<u8>) {
        self.write_all(to);
    }
}

/// A point, in 1/64 logical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// To the right.
    pub x: Coord,
    /// Down.
    pub y: Coord,
}

impl Field<'_> for Point {
    const KIND: &'static str = "point";
    fn read(reader: &mut Reader<'_>) -> Result<Point, Damage> {
        Ok(Point { x: Coord::read(reader)?, y: Coord::read(reader)? })
    }
    fn write(&self, to: &mut Vec<u8>) {
        self.x.write(to);
        self.y.write(to);
    }
}

impl Field<'_> for Many<Point> {
    const KIND: &'static str = "points";
    fn read(reader: &mut Reader<'_>) -> Result<Many<Point>, Damage> {
        Many::read_bounded(reader, MAX_POINTS, "points")
    }
    fn write(&self, to: &mut Vec<u8>) {
        self.write_all(to);
    }
}

/// The pixels of an image: width and height (16 bits each), then red, green, blue, opacity of each,
/// row by row from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pixels<'a> {
    /// Pixels in a row.
    pub width: u16,
    /// Rows.
    pub height: u16,
    /// Four bytes a pixel, opacity not multiplied.
    pub rgba: &'a [u8],
}

impl<'a> Field<'a> for Pixels<'a> {
    const KIND: &'static str = "pixels";
    fn read(reader: &mut Reader<'a>) -> Result<Pixels<'a>, Damage> {
        let (width, height) = (u16::read(reader)?, u16::read(reader)?);
        let sides = 1..=MAX_IMAGE_SIDE;
        if !sides.contains(&u32::from(width)) || !sides.contains(&u32::from(height)) {
            return reader.damage(format!("an image of {width} by {height} is not 1 to {MAX_IMAGE_SIDE}"));
        }
        let rgba = reader.take(usize::from(width) * usize::from(height) * 4)?;
        Ok(Pixels { width, height, rgba })
    }
    fn write(&self, to: &mut Vec<u8>) {
        self.width.write(to);
        self.height.write(to);
        to.extend_from_slice(self.rgba);
    }
}
