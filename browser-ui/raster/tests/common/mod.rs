//! A writer of frames for tests: whole logical pixels in, a stream out.

#![allow(dead_code, reason = "each test program uses a part")]

use raster::fields::{Align, Coord, Extent, Face, Many, Paint, Point, Span, Wrap};
use raster::roles::{Role, Theme};
use raster::stream::{Command, Encoder, Header};

/// A frame in the making.
pub struct Page {
    encoder: Encoder,
    next: u32,
}

/// Letters: face, size, weight, colour.
pub type Letters = (Face, u16, u16, Role);

pub const INK: Letters = (Face::Words, 13, 400, Role::Ink);
pub const STRONG: Letters = (Face::Words, 13, 600, Role::Ink);
pub const SOFT: Letters = (Face::Words, 13, 400, Role::Soft);
pub const CODE: Letters = (Face::Code, 13, 400, Role::Ink);

pub const fn coord(pixels: i32) -> Coord {
    Coord::whole(pixels)
}

pub const fn extent(pixels: i32) -> Extent {
    Extent::whole(pixels)
}

pub fn span(bytes: usize, (face, size, weight, role): Letters) -> Span {
    Span { bytes: bytes as u32, face, style: 0, size: size * 64, weight, paint: Paint::role(role) }
}

impl Page {
    pub fn keyframe(theme: Theme) -> Page {
        Page { encoder: Encoder::new(Header { keyframe: true, theme, ..Header::default() }), next: 1 }
    }

    pub fn next_frame(theme: Theme, next: u32) -> Page {
        Page { encoder: Encoder::new(Header { theme, ..Header::default() }), next }
    }

    pub fn push(&mut self, command: &Command<'_>) -> &mut Page {
        self.encoder.push(command);
        self
    }

    pub fn fill(&mut self, (x, y, width, height): (i32, i32, i32, i32), corner: i32, role: Role) -> &mut Page {
        self.push(&Command::Fill {
            x: coord(x),
            y: coord(y),
            width: extent(width),
            height: extent(height),
            corner: extent(corner),
            paint: Paint::role(role),
        })
    }

    pub fn border(&mut self, (x, y, width, height): (i32, i32, i32, i32), corner: i32, role: Role) -> &mut Page {
        self.push(&Command::Border {
            x: coord(x),
            y: coord(y),
            width: extent(width),
            height: extent(height),
            corner: extent(corner),
            thickness: extent(0),
            paint: Paint::role(role),
        })
    }

    pub fn line(&mut self, from: (i32, i32), to: (i32, i32), role: Role) -> &mut Page {
        let point = |(x, y)| Point { x: coord(x), y: coord(y) };
        let (from, to) = (point(from), point(to));
        self.push(&Command::Line { from, to, thickness: extent(0), paint: Paint::role(role) })
    }

    pub fn rich(&mut self, x: i32, y: i32, width: i32, parts: &[(&str, Letters)]) -> u32 {
        let text: String = parts.iter().map(|(text, _)| *text).collect();
        let spans = Many(parts.iter().map(|(text, letters)| span(text.len(), *letters)).collect());
        let id = self.next;
        self.next += 1;
        self.push(&Command::Layout {
            id,
            width: extent(width),
            wrap: Wrap::Words,
            align: Align::Start,
            line: extent(20),
            text: &text,
            spans,
        });
        self.push(&Command::Text { id, x: coord(x), y: coord(y) });
        id
    }

    pub fn text(&mut self, x: i32, y: i32, text: &str, letters: Letters) -> u32 {
        self.rich(x, y, 0, &[(text, letters)])
    }

    pub fn finish(self) -> Vec<u8> {
        self.encoder.finish()
    }
}

/// A small desk: panes with titles, lists, code, notes, a time line.
pub fn desk(theme: Theme) -> Vec<u8> {
    let mut page = Page::keyframe(theme);
    page.text(16, 10, "garden.world", STRONG);
    page.fill((115, 17, 7, 7), 4, Role::Good);
    page.text(130, 10, "saved", SOFT);
    page.fill((300, 6, 260, 28), 6, Role::Paper).border((300, 6, 260, 28), 6, Role::Line);
    page.text(312, 10, "Find or do anything", SOFT);
    let pane = (8, 40, 544, 408);
    page.push(&Command::Shadow {
        x: coord(8),
        y: coord(41),
        width: extent(544),
        height: extent(408),
        corner: extent(8),
        blur: extent(6),
        paint: Paint::Role(Role::Shadow, 26),
    });
    let (x, y, width, height) = pane;
    let corner = extent(8);
    page.push(&Command::Clip { x: coord(x), y: coord(y), width: extent(width), height: extent(height), corner });
    page.fill(pane, 0, Role::Paper).fill((8, 40, 544, 32), 0, Role::Panel).line((8, 72), (552, 72), Role::Line);
    page.rich(20, 46, 0, &[
        ("Browser", STRONG),
        ("  /  ", (Face::Words, 13, 400, Role::Faint)),
        ("Collections", INK),
        ("  /  ", (Face::Words, 13, 400, Role::Faint)),
        ("OrderedCollection", INK),
    ]);
    for (row, name) in ["Kernel", "Kernel-Numbers", "Collections", "Collections-Streams", "Compiler"].iter().enumerate() {
        let top = 76 + 24 * row as i32;
        if row == 2 {
            page.fill((8, top, 200, 24), 0, Role::Selection).fill((8, top, 3, 24), 0, Role::Accent);
        }
        page.text(20, top + 2, name, INK);
        page.text(180, top + 2, "91", (Face::Words, 12, 400, Role::Faint));
    }
    page.line((208, 72), (208, 196), Role::Line).line((8, 196), (552, 196), Role::Line);
    let code = |role| (Face::Code, 13, 400, role);
    page.rich(24, 210, 0, &[
        ("removeFirst\n", code(Role::Selector)),
        ("\"Remove and answer my first element; fail if I am empty.\n   (OrderedCollection with: 7 with: 8) removeFirst >>> 7\"\n\n", code(Role::Comment)),
        ("  | first |\n  ", CODE),
        ("self", code(Role::Selector)),
        (" emptyCheck.\n  first := array at: firstIndex.\n  array at: firstIndex put: ", CODE),
        ("nil", code(Role::Reserved)),
        (".\n  firstIndex := firstIndex + ", CODE),
        ("1", code(Role::Number)),
        (".\n  ^ first", CODE),
    ]);
    page.push(&Command::Pop {});
    page.border(pane, 8, Role::Accent);
    page.fill((20, 410, 62, 26), 6, Role::Accent);
    page.text(30, 413, "Accept", (Face::Words, 13, 600, Role::OnAccent));
    page.line((16, 480), (616, 480), Role::Line);
    for tick in 0..60 {
        let height = 3 + (tick * 7919) % 11;
        page.line((20 + tick * 9, 480 - height), (20 + tick * 9, 480), Role::Faint);
    }
    let diamond = |x: i32, y: i32| {
        [(x - 5, y), (x, y - 5), (x + 5, y), (x, y + 5)].map(|(x, y)| Point { x: coord(x), y: coord(y) }).to_vec()
    };
    page.push(&Command::Polygon { points: Many(diamond(200, 480)), paint: Paint::role(Role::Paper) });
    page.push(&Command::Path {
        points: Many(diamond(200, 480)),
        closed: 1,
        thickness: extent(0),
        paint: Paint::role(Role::Soft),
    });
    page.fill((560, 477, 7, 7), 4, Role::Accent);
    page.finish()
}
