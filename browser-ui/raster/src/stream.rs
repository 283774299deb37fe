//! The command stream: what one frame of a surface shows, as bytes.
//!
//! Duty: one table of commands, from which encoder, decoder, verifier and the table in `STREAM.md`
//! are made.
//!
//! Invariants
//! - S1 Bytes from outside are [`Claimed`]; only [`Claimed::verify`] makes a [`Stream`] of them.
//! - S2 A stream is whole and self-contained from a keyframe on: it says everything that is shown, in
//!   the order in which it is painted; what it draws by number was defined since the last keyframe.
//! - S3 Pushes and pops are balanced, and no deeper than [`MAX_DEPTH`].
//! - S4 Encoding a decoded command gives its bytes.
//!
//! Must not know: pixels, fonts, the scale.

use crate::fields::{Align, Coord, Damage, Extent, Field, Many, NodeRole, Paint, Pixels, Point, Reader, Span, Wrap};
use crate::roles::Theme;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// What a stream begins with.
pub const MAGIC: [u8; 4] = *b"WPIX";
/// The version that is written and read.
pub const VERSION: u16 = 1;
/// The length of the header in bytes.
pub const HEADER_BYTES: usize = 16;
/// The longest stream in bytes.
pub const MAX_BYTES: usize = 64 << 20;
/// The most commands of one stream.
pub const MAX_COMMANDS: usize = 1 << 17;
/// How deep clips and moves may be nested.
pub const MAX_DEPTH: usize = 256;

/// What stands before the commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Whether everything that is drawn is defined here, and all earlier definitions are forgotten.
    pub keyframe: bool,
    /// Whether an event shall tell when the frame was shown.
    pub tells: bool,
    /// Light or dark.
    pub theme: Theme,
    /// Which of the world's surfaces it is for; chosen by the world, for replays and tests.
    pub surface: u32,
    /// The frame's number, chosen by the world.
    pub number: u32,
}

const KEYFRAME: u8 = 1;
const TELLS: u8 = 2;

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Header, Damage> {
        let magic = reader.take(4)?;
        if magic != MAGIC {
            return Err(Damage { at: 0, what: format!("{magic:?} is no command stream") });
        }
        let version = u16::read(reader)?;
        if version != VERSION {
            return Err(Damage { at: 4, what: format!("version {version} is not {VERSION}") });
        }
        let flags = u8::read(reader)?;
        if flags & !(KEYFRAME | TELLS) != 0 {
            return Err(Damage { at: 6, what: format!("flags {flags} are above {}", KEYFRAME | TELLS) });
        }
        let theme = u8::read(reader)?;
        let Some(theme) = Theme::from_code(theme) else {
            return Err(Damage { at: 7, what: format!("theme {theme} is not 0 or 1") });
        };
        let (surface, number) = (u32::read(reader)?, u32::read(reader)?);
        Ok(Header { keyframe: flags & KEYFRAME != 0, tells: flags & TELLS != 0, theme, surface, number })
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&MAGIC);
        VERSION.write(to);
        to.push(if self.keyframe { KEYFRAME } else { 0 } | if self.tells { TELLS } else { 0 });
        to.push(self.theme as u8);
        self.surface.write(to);
        self.number.write(to);
    }
}

/// A row of the table: code, name, fields {name, kind}, what it does.
pub type Row = (u8, &'static str, &'static [(&'static str, &'static str)], &'static str);

macro_rules! commands {
    ($($code:literal $command:ident { $($field:ident: $kind:ty,)* } $doc:literal;)*) => {
        /// One command.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum Command<'a> {
            $(#[doc = $doc] $command {
                $(#[doc = concat!("Field `", stringify!($field), "`.")] $field: $kind,)*
            },)*
        }

        impl<'a> Command<'a> {
            /// Rows for the mirror and for `STREAM.md`.
            pub const TABLE: &'static [Row] = &[
                $(($code, stringify!($command), &[$((stringify!($field), <$kind as Field>::KIND)),*], $doc)),*
            ];

            fn read(reader: &mut Reader<'a>) -> Result<Command<'a>, Damage> {
                let at = reader.position();
                match u8::read(reader)? {
                    $($code => Ok(Command::$command { $($field: <$kind as Field<'a>>::read(reader)?),* }),)*
                    other => Err(Damage { at, what: format!("command {other} is unknown") }),
                }
            }

            /// Appends the command's bytes.
            pub fn write(&self, to: &mut Vec<u8>) {
                match self {
                    $(Command::$command { $($field),* } => {
                        to.push($code);
                        $($field.write(to);)*
                    })*
                }
            }
        }
    };
}

commands! {
    1 Clip { x: Coord, y: Coord, width: Extent, height: Extent, corner: Extent, }
        "Until its Pop only what is inside this rectangle is painted; corners are rounded.";
    2 Move { dx: Coord, dy: Coord, }
        "Until its Pop everything is moved.";
    3 Pop { }
        "Ends the last Clip or Move.";
    4 Fill { x: Coord, y: Coord, width: Extent, height: Extent, corner: Extent, paint: Paint, }
        "A rectangle.";
    5 Border { x: Coord, y: Coord, width: Extent, height: Extent, corner: Extent, thickness: Extent, paint: Paint, }
        "A border just inside a rectangle. Thickness 0 is one device pixel.";
    6 Line { from: Point, to: Point, thickness: Extent, paint: Paint, }
        "A line. Thickness 0 is one device pixel; upright and level ones are sharp.";
    7 Polygon { points: Many<Point>, paint: Paint, }
        "A filled shape with straight sides (non-zero winding).";
    8 Path { points: Many<Point>, closed: u8, thickness: Extent, paint: Paint, }
        "Lines from point to point, joined; closed 1 leads back to the first.";
    9 Shadow { x: Coord, y: Coord, width: Extent, height: Extent, corner: Extent, blur: Extent, paint: Paint, }
        "A soft shadow around a rectangle; nothing is painted inside of it.";
    10 Layout { id: u32, width: Extent, wrap: Wrap, align: Align, line: Extent, text: &'a str, spans: Many<Span>, }
        "Defines text: broken at this width (0: never), each line so high; the spans cover every byte. Lines end at LF, CR or both. Defining the same again costs nothing.";
    11 DropLayout { id: u32, }
        "Forgets a layout.";
    12 Text { id: u32, x: Coord, y: Coord, }
        "Paints a layout; its upper left corner is at x, y.";
    13 Picture { id: u32, pixels: Pixels<'a>, }
        "Defines an image.";
    14 DropPicture { id: u32, }
        "Forgets an image.";
    15 Image { id: u32, x: Coord, y: Coord, width: Extent, height: Extent, }
        "Paints an image, scaled to the rectangle.";
    16 Node { id: u32, parent: u32, role: NodeRole, states: u8, actions: u8, x: Coord, y: Coord, width: Extent, height: Extent, label: &'a str, value: &'a str, }
        "What a part of the picture is, for those who do not see it, and for tests. Parent 0 is the surface. States: 1 focused, 2 selected, 4 expanded, 8 disabled, 16 read only. Actions: 1 press, 2 focus, 4 set value, 8 more, 16 less, 32 expand, 64 show.";
    17 Caret { x: Coord, y: Coord, width: Extent, height: Extent, paint: Paint, }
        "A rectangle that says where text goes. In a window that has the keyboard it comes and goes by itself, in one that has lost it it is not seen; a picture shows it.";
}

/// Bytes that claim to be a command stream.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a>(&'a [u8]);

/// A verified command stream (S1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// What stands before the commands.
    pub header: Header,
    /// The commands, each with its bytes.
    pub commands: Vec<(Command<'a>, &'a [u8])>,
}

impl<'a> Claimed<'a> {
    /// Takes bytes from outside.
    pub const fn new(bytes: &'a [u8]) -> Claimed<'a> {
        Claimed(bytes)
    }

    /// The stream, if everything in it is as the table says and within bounds. What depends on a
    /// surface's state (numbers drawn but never defined) is for the surface to check.
    pub fn verify(self) -> Result<Stream<'a>, Damage> {
        if self.0.len() > MAX_BYTES {
            return Err(Damage { at: 0, what: format!("{} bytes are above {MAX_BYTES}", self.0.len()) });
        }
        let mut reader = Reader::new(self.0);
        let header = Header::read(&mut reader)?;
        let mut commands = Vec::new();
        let mut depth = 0usize;
        while !reader.is_at_end() {
            let at = reader.position();
            let wrong = |what| Err(Damage { at, what });
            if commands.len() == MAX_COMMANDS {
                return wrong(format!("more than {MAX_COMMANDS} commands"));
            }
            let command = Command::read(&mut reader)?;
            match &command {
                Command::Clip { .. } | Command::Move { .. } => depth += 1,
                Command::Pop {} if depth == 0 => return wrong(String::from("a Pop without a Clip or Move")),
                Command::Pop {} => depth -= 1,
                other => check(other).map_err(|what| Damage { at, what })?,
            }
            if depth > MAX_DEPTH {
                return wrong(format!("nested deeper than {MAX_DEPTH}"));
            }
            commands.push((command, reader.since(at)));
        }
        match depth {
            0 => Ok(Stream { header, commands }),
            open => reader.damage(format!("{open} Clips or Moves without a Pop")),
        }
    }
}

/// What a command's fields must keep together.
fn check(command: &Command<'_>) -> Result<(), String> {
    match command {
        Command::Layout { text, spans, line, .. } => {
            if line.units() == 0 {
                return Err(String::from("lines of height 0"));
            }
            covers(text, spans)
        }
        Command::Path { closed, .. } if *closed > 1 => Err(format!("closed {closed} is not 0 or 1")),
        Command::Node { id: 0, .. } => Err(String::from("node 0 is the surface itself")),
        _ => Ok(()),
    }
}

/// Whether the spans cover the text, each ending between two characters.
fn covers(text: &str, spans: &Many<Span>) -> Result<(), String> {
    let mut end = 0usize;
    for span in &spans.0 {
        end = end.saturating_add(span.bytes as usize);
        if !text.is_char_boundary(end) {
            return Err(format!("a span ends at byte {end}, inside a character or behind the text's {}", text.len()));
        }
    }
    if end != text.len() {
        return Err(format!("spans cover {end} bytes of {}", text.len()));
    }
    Ok(())
}

/// Writes a stream.
#[derive(Clone, Debug)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder that has written its header.
    pub fn new(header: Header) -> Encoder {
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        Encoder { bytes }
    }

    /// Appends a command.
    pub fn push(&mut self, command: &Command<'_>) -> &mut Encoder {
        command.write(&mut self.bytes);
        self
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// The body of the fuzz target: no bytes make the verifier panic, and what it lets through is written
/// again as it was.
pub fn check_bytes(bytes: &[u8]) {
    let Ok(stream) = Claimed::new(bytes).verify() else { return };
    let mut encoder = Encoder::new(stream.header);
    for (command, _) in &stream.commands {
        encoder.push(command);
    }
    assert_eq!(encoder.finish(), bytes, "a stream that verifies is written as it was");
}
