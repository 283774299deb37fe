//! Rectangles of device pixels, and the way from logical units to them.
//!
//! Invariants
//! - G1 No arithmetic overflows: units are added as 64-bit numbers, device places are cut at ±2^29.
//! - G2 Two rectangles that touch in units touch in pixels: an edge's place alone says where it goes.
//!
//! Must not know: what is painted.

use crate::fields::UNITS;

/// The farthest device place.
const FAR: i64 = 1 << 29;

/// Device pixels in one logical pixel, in 1/64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scale(u32);

/// The smallest and greatest scale, in 1/64.
const SCALES: (u32, u32) = (16, 1024);

impl Default for Scale {
    fn default() -> Scale {
        Scale(UNITS as u32)
    }
}

impl Scale {
    /// A scale in 1/64, brought within 1/4 to 16.
    pub const fn new(sixty_fourths: u32) -> Scale {
        Scale(if sixty_fourths < SCALES.0 {
            SCALES.0
        } else if sixty_fourths > SCALES.1 {
            SCALES.1
        } else {
            sixty_fourths
        })
    }

    /// The scale in 1/64.
    pub const fn sixty_fourths(self) -> u32 {
        self.0
    }

    /// The scale as a factor.
    pub fn factor(self) -> f32 {
        self.0 as f32 / UNITS as f32
    }

    /// The device pixel edge nearest to a place in units.
    pub const fn edge(self, units: i64) -> i32 {
        let unit = (UNITS * UNITS) as i64;
        let scaled = units.saturating_mul(self.0 as i64).saturating_add(unit / 2);
        let pixels = scaled.div_euclid(unit);
        (if pixels > FAR {
            FAR
        } else if pixels < -FAR {
            -FAR
        } else {
            pixels
        }) as i32
    }

    /// A thickness in device pixels, one at least.
    pub const fn thickness(self, units: i32) -> i32 {
        let pixels = self.edge(units as i64);
        if pixels < 1 { 1 } else { pixels }
    }

    /// How many units so many device pixels are.
    pub const fn units(self, pixels: i32) -> i32 {
        let units = pixels as i64 * (UNITS * UNITS) as i64 / self.0 as i64;
        (if units > i32::MAX as i64 { i32::MAX as i64 } else { units }) as i32
    }
}

/// A rectangle of device pixels; empty if an end is not behind its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// The first column.
    pub left: i32,
    /// The first row.
    pub top: i32,
    /// The column behind the last.
    pub right: i32,
    /// The row behind the last.
    pub bottom: i32,
}

impl Rect {
    /// From its four edges.
    pub const fn new(left: i32, top: i32, right: i32, bottom: i32) -> Rect {
        Rect { left, top, right, bottom }
    }

    /// Whether no pixel is in it.
    pub const fn is_empty(&self) -> bool {
        self.right <= self.left || self.bottom <= self.top
    }

    /// Its columns.
    pub const fn width(&self) -> i32 {
        if self.is_empty() { 0 } else { self.right - self.left }
    }

    /// Its rows.
    pub const fn height(&self) -> i32 {
        if self.is_empty() { 0 } else { self.bottom - self.top }
    }

    /// How many pixels it has.
    pub const fn area(&self) -> u64 {
        self.width() as u64 * self.height() as u64
    }

    /// What both have.
    pub fn intersection(&self, other: &Rect) -> Rect {
        Rect {
            left: self.left.max(other.left),
            top: self.top.max(other.top),
            right: self.right.min(other.right),
            bottom: self.bottom.min(other.bottom),
        }
    }

    /// Whether a pixel is in both.
    pub fn meets(&self, other: &Rect) -> bool {
        !self.intersection(other).is_empty()
    }

    /// The smallest rectangle around both.
    pub fn union(&self, other: &Rect) -> Rect {
        if self.is_empty() {
            return *other;
        }
        if other.is_empty() {
            return *self;
        }
        Rect {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// The rectangle with its edges so many pixels farther out.
    pub const fn grown(&self, by: i32) -> Rect {
        Rect {
            left: self.left.saturating_sub(by),
            top: self.top.saturating_sub(by),
            right: self.right.saturating_add(by),
            bottom: self.bottom.saturating_add(by),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_that_touch_in_units_touch_in_pixels() {
        for scale in [48, 64, 80, 96, 128, 111] {
            let scale = Scale::new(scale);
            let mut last = scale.edge(-640);
            for units in -639..640 {
                let next = scale.edge(units);
                assert!(next == last || next == last + 1, "monotone, without gaps");
                last = next;
            }
        }
        assert_eq!(Scale::new(96).edge(64), 2);
        assert_eq!(Scale::new(64).edge(-32), 0);
        assert_eq!(Scale::new(64).edge(i64::MAX), 1 << 29);
        assert_eq!(Scale::new(128).units(100), 50 * 64);
        assert_eq!(Scale::new(128).thickness(0), 1);
    }
}
