//! Pages of plain lines that the machine draws by itself, without any view of a world.
//!
//! Invariant
//! - L1 A line that is too long is cut between two letters, at the right side; nothing is painted there.
//!
//! Must not know: what they say.

use crate::fields::{Align, Coord, Extent, Face, Many, Paint, Span, Wrap};
use crate::roles::{Role, Theme};
use crate::stream::{Command, Encoder, Header};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The height of a line.
pub const LINE: i32 = 20;
/// How far in lines begin.
pub const SIDE: i32 = 40;

/// Letters: face, size, weight, colour.
pub type Letters = (Face, u16, u16, Role);
/// The title.
pub const TITLE: Letters = (Face::Words, 20, 600, Role::Ink);
/// What is read.
pub const WORDS: Letters = (Face::Words, 13, 400, Role::Ink);
/// An error.
pub const WRONG: Letters = (Face::Words, 13, 600, Role::Wrong);
/// What is said beside.
pub const SOFT: Letters = (Face::Words, 13, 400, Role::Soft);
/// A key.
pub const KEY: Letters = (Face::Code, 13, 400, Role::Accent);
/// Code, paths, commands.
pub const CODE: Letters = (Face::Code, 13, 400, Role::Ink);

/// A page of lines in the making.
pub struct Page {
    encoder: Encoder,
    next: u32,
    width: i32,
}

impl Page {
    /// A page of so many logical pixels, with a stripe of a colour at its top.
    pub fn new((width, height): (i32, i32), stripe: Role, theme: Theme) -> Page {
        let header = Header { keyframe: true, tells: false, theme, surface: 0, number: 1 };
        let mut page = Page { encoder: Encoder::new(header), next: 1, width };
        page.fill((0, 0, width, height), Role::Paper);
        page.fill((0, 0, width, 4), stripe);
        page
    }

    /// Its frame.
    pub fn finish(self) -> Vec<u8> {
        self.encoder.finish()
    }

    /// A line of text at a place; as much of it as there is room for (L1).
    pub fn line(&mut self, x: i32, y: i32, text: &str, (face, size, weight, role): Letters) {
        let room = self.width - x - SIDE / 2;
        if text.is_empty() || room <= 0 {
            return;
        }
        let bytes = text.len() as u32;
        let span = Span { bytes, face, style: 0, size: size * 64, weight, paint: Paint::role(role) };
        let (width, line) = (Extent::whole(room), Extent::whole(if size > 13 { 28 } else { LINE }));
        let (wrap, align, spans) = (Wrap::Anywhere, Align::Start, Many(vec![span]));
        self.encoder.push(&Command::Layout { id: self.next, width, wrap, align, line, text, spans });
        // What does not fit stands in further lines of the layout, which the clip hides whole.
        let (left, top, corner) = (Coord::whole(x - 2), Coord::whole(y), Extent::default());
        self.encoder.push(&Command::Clip { x: left, y: top, width: Extent::whole(room + 4), height: line, corner });
        self.encoder.push(&Command::Text { id: self.next, x: Coord::whole(x), y: top });
        self.encoder.push(&Command::Pop {});
        self.next += 1;
    }

    /// A box: left, top, width, height.
    pub fn fill(&mut self, (x, y, width, height): (i32, i32, i32, i32), role: Role) {
        self.encoder.push(&Command::Fill {
            x: Coord::whole(x),
            y: Coord::whole(y),
            width: Extent::whole(width),
            height: Extent::whole(height),
            corner: Extent::default(),
            paint: Paint::role(role),
        });
    }
}

/// As much of a line as may be shown; tabs become blanks.
pub fn plain(line: &str) -> String {
    let seen = |c: char| if c == '\t' { ' ' } else { c };
    line.trim().chars().map(seen).filter(|c| !c.is_control()).take(400).collect()
}
