//! A piece of a picture that is painted on: blending of coverage and colour, within a clip.
//!
//! Invariants
//! - B1 Only pixels inside the clip's rectangle change, and that lies inside the picture.
//! - B2 A pixel's result depends on the commands that cover it, not on how the picture is cut into
//!   pieces to be painted.
//!
//! Pixels are `0x00RRGGBB`, as windows and framebuffers take them. Blending is in the encoded colour
//! space, rounded to nearest.
//!
//! Must not know: commands, units.

use crate::geometry::Rect;
use crate::roles::Colour;
use alloc::vec::Vec;

/// A picture in memory.
#[derive(Debug)]
pub struct Target<'a> {
    /// The pixels, row by row.
    pub pixels: &'a mut [u32],
    /// Pixels from one row to the next.
    pub stride: usize,
    /// Columns that are shown.
    pub width: i32,
    /// Rows that are shown.
    pub height: i32,
}

/// A rectangle with rounded corners that bounds what is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rounded {
    /// The rectangle.
    pub rect: Rect,
    /// The corners' radius in pixels.
    pub radius: i32,
}

/// Where painting is let through: a rectangle, and the rounded ones around it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Clip {
    /// The intersection of all rectangles.
    pub rect: Rect,
    /// Those with corners that cut into `rect`.
    pub rounded: Vec<Rounded>,
}

/// `a * b / 255`, rounded to nearest.
pub const fn times(a: u32, b: u32) -> u32 {
    let product = a * b + 128;
    (product + (product >> 8)) >> 8
}

/// A colour over a pixel, with a coverage.
fn over(pixel: u32, colour: u32, alpha: u32) -> u32 {
    let rest = 255 - alpha;
    // Two channels in one multiplication; the rounding of `times` in both halves.
    let pair = |below: u32, above: u32| {
        let sum = (below & 0x00FF_00FF) * rest + (above & 0x00FF_00FF) * alpha + 0x0080_0080;
        ((sum + ((sum >> 8) & 0x00FF_00FF)) >> 8) & 0x00FF_00FF
    };
    pair(pixel, colour) | pair(pixel >> 8, colour >> 8) << 8
}

/// How much of the pixel at (`x`, `y`), counted from the corner of a rectangle, lies inside the round
/// corner of `radius`: 0 to 255.
pub const fn corner_coverage(radius: i32, x: i32, y: i32) -> u32 {
    if x >= radius || y >= radius || radius <= 0 {
        return 255;
    }
    // Distance from the corner's centre to the pixel's, in 1/32 pixels.
    let (dx, dy) = ((radius - x) as u64 * 32 - 16, (radius - y) as u64 * 32 - 16);
    let distance = (dx * dx + dy * dy).isqrt() as i64;
    let inside = radius as i64 * 32 + 16 - distance;
    if inside <= 0 {
        0
    } else if inside >= 32 {
        255
    } else {
        (inside * 255 / 32) as u32
    }
}

impl Rounded {
    /// How much of a pixel inside `rect` the corners leave.
    pub fn coverage(&self, x: i32, y: i32) -> u32 {
        let from_side = (x - self.rect.left).min(self.rect.right - 1 - x);
        let from_end = (y - self.rect.top).min(self.rect.bottom - 1 - y);
        if from_side < 0 || from_end < 0 {
            return 0;
        }
        corner_coverage(self.radius, from_side, from_end)
    }

    fn cuts(&self, row: i32) -> bool {
        row < self.rect.top + self.radius || row >= self.rect.bottom - self.radius
    }
}

impl Clip {
    /// The clip of a rectangle.
    pub const fn of(rect: Rect) -> Clip {
        Clip { rect, rounded: Vec::new() }
    }

    /// The clip within a rectangle with rounded corners.
    pub fn within(&self, rounded: Rounded) -> Clip {
        let rect = self.rect.intersection(&rounded.rect);
        let mut all = self.rounded.clone();
        let inner = rounded.rect.grown(-rounded.radius);
        if rounded.radius > 0 && rect.union(&inner) != inner {
            all.push(rounded);
        }
        Clip { rect, rounded: all }
    }

    fn cuts(&self, row: i32) -> bool {
        self.rounded.iter().any(|one| one.cuts(row))
    }

    fn coverage(&self, x: i32, y: i32) -> u32 {
        self.rounded.iter().fold(255, |coverage, one| times(coverage, one.coverage(x, y)))
    }
}

/// A target with a clip.
#[derive(Debug)]
pub struct Canvas<'a, 'b> {
    target: &'b mut Target<'a>,
    clip: &'b Clip,
    bounds: Rect,
}

impl<'a, 'b> Canvas<'a, 'b> {
    /// A canvas on which `clip` and `piece` bound what is painted.
    pub fn new(target: &'b mut Target<'a>, clip: &'b Clip, piece: Rect) -> Canvas<'a, 'b> {
        let whole = Rect::new(0, 0, target.width, target.height);
        let bounds = clip.rect.intersection(&piece).intersection(&whole);
        Canvas { target, clip, bounds }
    }

    /// What can be painted.
    pub const fn bounds(&self) -> Rect {
        self.bounds
    }

    fn row(&mut self, row: i32, left: i32, right: i32) -> &mut [u32] {
        let start = row.max(0) as usize * self.target.stride;
        let (from, to) = (start + left.max(0) as usize, start + right.max(0) as usize);
        self.target.pixels.get_mut(from..to).unwrap_or_default()
    }

    /// Fills a rectangle.
    pub fn fill(&mut self, rect: Rect, colour: Colour) {
        let rect = rect.intersection(&self.bounds);
        if rect.is_empty() || colour.alpha == 0 {
            return;
        }
        let (pixel, alpha) = (colour.pixel(), u32::from(colour.alpha));
        for row in rect.top..rect.bottom {
            if self.clip.cuts(row) {
                for x in rect.left..rect.right {
                    self.dot(x, row, pixel, alpha);
                }
                continue;
            }
            let pixels = self.row(row, rect.left, rect.right);
            if alpha == 255 {
                pixels.fill(pixel);
            } else {
                pixels.iter_mut().for_each(|under| *under = over(*under, pixel, alpha));
            }
        }
    }

    /// One pixel through the rounded corners of the clip. Inside `bounds` only.
    fn dot(&mut self, x: i32, y: i32, pixel: u32, alpha: u32) {
        let alpha = times(alpha, self.clip.coverage(x, y));
        if alpha == 0 {
            return;
        }
        if let Some(under) = self.row(y, x, x + 1).first_mut() {
            *under = over(*under, pixel, alpha);
        }
    }

    /// Paints a colour where `coverage` (of `rect`, row by row) lets it.
    pub fn mask(&mut self, rect: Rect, coverage: &[u8], colour: Colour) {
        let stride = rect.width() as usize;
        let (pixel, alpha) = (colour.pixel(), u32::from(colour.alpha));
        self.rows(rect, |canvas, row, left, right| {
            let start = (row - rect.top) as usize * stride + (left - rect.left) as usize;
            let Some(covered) = coverage.get(start..start + (right - left) as usize) else { return };
            if canvas.clip.cuts(row) {
                for (x, part) in (left..right).zip(covered) {
                    canvas.dot(x, row, pixel, times(u32::from(*part), alpha));
                }
                return;
            }
            for (under, part) in canvas.row(row, left, right).iter_mut().zip(covered) {
                match times(u32::from(*part), alpha) {
                    0 => {}
                    255 => *under = pixel,
                    part => *under = over(*under, pixel, part),
                }
            }
        });
    }

    /// Paints coloured pixels: red, green, blue, opacity; `rgba` gives the four bytes of a place in
    /// `rect`, counted from its corner.
    pub fn image(&mut self, rect: Rect, mut rgba: impl FnMut(i32, i32) -> [u8; 4]) {
        self.rows(rect, |canvas, row, left, right| {
            for x in left..right {
                let [red, green, blue, alpha] = rgba(x - rect.left, row - rect.top);
                let colour = Colour { red, green, blue, alpha };
                canvas.dot(x, row, colour.pixel(), u32::from(alpha));
            }
        });
    }

    /// Paints where a function of the place says how much, within `rect`.
    pub fn shade(&mut self, rect: Rect, colour: Colour, mut coverage: impl FnMut(i32, i32) -> u32) {
        let (pixel, alpha) = (colour.pixel(), u32::from(colour.alpha));
        self.rows(rect, |canvas, row, left, right| {
            for x in left..right {
                let part = times(coverage(x, row), alpha);
                if part > 0 {
                    canvas.dot(x, row, pixel, part);
                }
            }
        });
    }

    fn rows(&mut self, rect: Rect, mut paint: impl FnMut(&mut Self, i32, i32, i32)) {
        let inside = rect.intersection(&self.bounds);
        if inside.is_empty() {
            return;
        }
        for row in inside.top..inside.bottom {
            paint(self, row, inside.left, inside.right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blending_is_rounded_and_keeps_the_ends() {
        for below in [0u32, 1, 127, 254, 255] {
            for above in [0u32, 1, 128, 255] {
                for alpha in 0..=255u32 {
                    let exact = (f64::from(below * (255 - alpha) + above * alpha) / 255.0).round() as u32;
                    let grey = |v: u32| v << 16 | v << 8 | v;
                    let found = over(grey(below), grey(above), alpha);
                    assert_eq!(found, grey(exact), "{below} {above} {alpha}");
                }
            }
        }
    }

    #[test]
    fn corners_are_round_and_even() {
        let radius = 8;
        let mut total = 0;
        for y in 0..radius {
            for x in 0..radius {
                let one = corner_coverage(radius, x, y);
                assert_eq!(one, corner_coverage(radius, y, x));
                total += one;
            }
        }
        // A quarter of a disk of radius 8 has 50.3 pixels.
        let pixels = f64::from(total) / 255.0;
        assert!((49.8..50.8).contains(&pixels), "{pixels}");
        assert_eq!(corner_coverage(8, 0, 0), 0);
        assert_eq!(corner_coverage(8, 8, 0), 255);
    }
}
