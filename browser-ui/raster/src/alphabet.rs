//! The letters of ASCII as small pictures of one size, for a machine that must show words when nothing
//! else works any more: without memory, without fonts.
//!
//! Invariant
//! - A1 Every letter from [`FIRST`] to [`LAST`] has a picture of `width` by `height` pixels.

use crate::canvas::Target;
use crate::fields::{Align, Coord, Extent, Face, Many, Paint, Span, Wrap};
use crate::geometry::Scale;
use crate::roles::{Role, Theme};
use crate::stream::{Command, Encoder, Header};
use crate::surface::{Surface, Workshop};
use alloc::vec;
use alloc::vec::Vec;

/// The first letter that has a picture.
pub const FIRST: u8 = b' ';
/// The last.
pub const LAST: u8 = b'~';
const COUNT: usize = (LAST - FIRST) as usize + 1;
const SIZE: u16 = 15;
const LINE: i32 = 22;
/// The widest that a letter may be.
const ROOM: i32 = 16;

/// The letters.
#[derive(Clone, Debug)]
pub struct Alphabet {
    /// Columns of a letter.
    pub width: usize,
    /// Rows of a letter.
    pub height: usize,
    /// The colour of the paper, `0xRRGGBB`.
    pub paper: u32,
    /// The pictures, one behind the other, row by row, `0xRRGGBB`.
    pixels: Vec<u32>,
}

fn layout(id: u32, text: &str) -> Command<'_> {
    let bytes = text.len() as u32;
    let span = Span { bytes, face: Face::Code, style: 0, size: SIZE * 64, weight: 400, paint: Paint::role(Role::Ink) };
    Command::Layout {
        id,
        width: Extent::default(),
        wrap: Wrap::None,
        align: Align::Start,
        line: Extent::whole(LINE),
        text,
        spans: Many(vec![span]),
    }
}

impl Alphabet {
    /// Draws the letters.
    pub fn draw(workshop: &mut Workshop, theme: Theme) -> Alphabet {
        let (across, down) = (ROOM, LINE * COUNT as i32);
        let mut surface = Surface::new(across, down, Scale::default());
        let header = Header { keyframe: true, tells: false, theme, surface: 0, number: 1 };
        let letters: Vec<[u8; 1]> = (FIRST..=LAST).map(|letter| [letter]).collect();
        let texts = || letters.iter().map(|letter| core::str::from_utf8(letter).unwrap_or("?")).enumerate();
        let mut encoder = Encoder::new(header);
        let (width, height) = (Extent::whole(across), Extent::whole(down));
        let paint = Paint::role(Role::Paper);
        encoder.push(&Command::Fill { x: Coord::whole(0), y: Coord::whole(0), width, height, corner: Extent::default(), paint });
        for (place, text) in texts() {
            let id = place as u32 + 1;
            encoder.push(&layout(id, text));
            encoder.push(&Command::Text { id, x: Coord::whole(0), y: Coord::whole(place as i32 * LINE) });
        }
        // The stream is this crate's own; were it refused, all letters would be blank.
        let _ = surface.present(&encoder.finish(), &mut workshop.fonts);
        let width = surface.layout(u32::from(b'0' - FIRST) + 1).map_or(0.0, |laid| laid.width);
        let width = (libm::ceilf(width) as i32).clamp(1, ROOM) as usize;
        let mut all = vec![0; (across * down) as usize];
        let mut target = Target { pixels: &mut all, stride: across as usize, width: across, height: down };
        surface.paint(&mut target, 0, workshop);
        let rows = all.chunks_exact(across as usize);
        let pixels = rows.flat_map(|row| row[..width].iter().copied()).collect();
        Alphabet { width, height: LINE as usize, paper: Role::Paper.colour(theme).pixel(), pixels }
    }

    /// A letter's picture, row by row; a question mark's for those that have none.
    pub fn letter(&self, letter: u8) -> &[u32] {
        let place = if (FIRST..=LAST).contains(&letter) { letter } else { b'?' } - FIRST;
        let bytes = self.width * self.height;
        &self.pixels[usize::from(place) * bytes..][..bytes]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fonts, Glyphs};

    #[test]
    fn every_letter_is_another_picture_and_a_blank_is_blank() {
        let mut workshop = Workshop { fonts: Fonts::new(None), glyphs: Glyphs::default() };
        for theme in [Theme::Light, Theme::Dark] {
            let alphabet = Alphabet::draw(&mut workshop, theme);
            assert!((7..=12).contains(&alphabet.width), "{}", alphabet.width);
            assert!(alphabet.letter(b' ').iter().all(|pixel| pixel & 0xff_ffff == alphabet.paper));
            for one in FIRST..=LAST {
                for other in one + 1..=LAST {
                    assert_ne!(alphabet.letter(one), alphabet.letter(other), "{} {}", one as char, other as char);
                }
            }
            assert_eq!(alphabet.letter(0xe4), alphabet.letter(b'?'));
        }
    }
}
