//! One frame as a list of shapes in device pixels, and how two frames differ.
//!
//! Invariants
//! - F1 A shape paints nothing outside its bounds, and these lie within its clip.
//! - F2 A pixel outside the difference of two frames is covered by the same shapes in the same order in
//!   both.
//! - F3 All bounds together have at most [`MOST_OVERDRAW`] times the surface's pixels; shapes beyond are
//!   left out.
//!
//! Must not know: the stream's bytes, how shapes are painted.

use crate::canvas::Clip;
use crate::damage::Region;
use crate::geometry::Rect;
use crate::roles::{Colour, Theme};
use crate::text::Laid;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

/// How often each pixel may be painted over by one frame.
pub const MOST_OVERDRAW: u64 = 256;

/// An image that was defined.
#[derive(Debug)]
pub struct Bitmap {
    /// Its columns.
    pub width: i32,
    /// Its rows.
    pub height: i32,
    /// Red, green, blue, opacity of each pixel.
    pub rgba: Vec<u8>,
    /// What tells it from other images.
    pub key: u64,
}

/// What is painted.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A rectangle.
    Fill {
        /// Where.
        rect: Rect,
        /// The corners' radius.
        radius: i32,
        /// With what.
        colour: Colour,
    },
    /// What says where text goes: a rectangle that a window hides and shows by turns.
    Caret {
        /// Where.
        rect: Rect,
        /// With what.
        colour: Colour,
    },
    /// A border inside a rectangle.
    Border {
        /// Where.
        rect: Rect,
        /// The corners' outer radius.
        radius: i32,
        /// How thick.
        thickness: i32,
        /// With what.
        colour: Colour,
    },
    /// A shadow around a rectangle.
    Shadow {
        /// Around what.
        rect: Rect,
        /// The corners' radius.
        radius: i32,
        /// How far it reaches.
        blur: i32,
        /// With what.
        colour: Colour,
    },
    /// A shape with an outline.
    Path {
        /// The outline, in device pixels.
        path: tiny_skia::Path,
        /// With what.
        colour: Colour,
    },
    /// Text.
    Text {
        /// What was laid out.
        laid: Arc<Laid>,
        /// Its left edge in 1/64 logical pixels.
        x: i64,
        /// Its top.
        y: i64,
        /// For its colours.
        theme: Theme,
    },
    /// An image.
    Image {
        /// Which.
        bitmap: Arc<Bitmap>,
        /// Where.
        rect: Rect,
    },
}

impl Shape {
    fn digest(&self, to: &mut Digest) {
        core::mem::discriminant(self).hash(to);
        match self {
            Shape::Fill { rect, radius, colour } => (rect, radius, colour).hash(to),
            Shape::Caret { rect, colour } => (rect, colour).hash(to),
            Shape::Border { rect, radius, thickness, colour } => (rect, radius, thickness, colour).hash(to),
            Shape::Shadow { rect, radius, blur, colour } => (rect, radius, blur, colour).hash(to),
            Shape::Path { path, colour } => {
                colour.hash(to);
                path.points().iter().for_each(|point| (point.x.to_bits(), point.y.to_bits()).hash(to));
            }
            Shape::Text { laid, x, y, theme } => (laid.key, x, y, theme).hash(to),
            Shape::Image { bitmap, rect } => (bitmap.key, rect).hash(to),
        }
    }
}

/// A shape in its place.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it paints at most (F1).
    pub bounds: Rect,
    /// Which of the frame's clips bounds it.
    pub clip: u32,
    /// What it paints.
    pub shape: Shape,
    key: u64,
}

/// A 64-bit hash that is the same everywhere (FNV-1a, with a last mixing).
#[derive(Clone, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Digest {
        Digest(0xCBF2_9CE4_8422_2325)
    }
}

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        mixed ^ mixed >> 32
    }
}

impl Digest {
    /// The digest of bytes.
    pub fn of(bytes: &[u8]) -> u64 {
        let mut digest = Digest::default();
        digest.write(bytes);
        digest.finish()
    }
}

/// The shapes of a frame, from back to front.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    /// The shapes.
    pub items: Vec<Item>,
    /// The clips that bound them.
    pub clips: Vec<Clip>,
    overdraw: u64,
    /// Shapes that were left out (F3).
    pub left_out: usize,
}

impl Frame {
    /// Adds a clip; its place.
    pub fn add_clip(&mut self, clip: Clip) -> u32 {
        self.clips.push(clip);
        (self.clips.len() - 1) as u32
    }

    /// Adds a shape that paints at most `bounds`, on a surface of so many pixels.
    pub fn add(&mut self, bounds: Rect, clip: u32, shape: Shape, pixels: u64) {
        let Some(within) = self.clips.get(clip as usize) else { return };
        let bounds = bounds.intersection(&within.rect);
        if bounds.is_empty() {
            return;
        }
        if self.overdraw.saturating_add(bounds.area()) > pixels.saturating_mul(MOST_OVERDRAW) {
            self.left_out += 1;
            return;
        }
        self.overdraw += bounds.area();
        let mut digest = Digest::default();
        within.rounded.hash(&mut digest);
        // A clip's rectangle matters as far as it bounds the shape.
        bounds.hash(&mut digest);
        shape.digest(&mut digest);
        self.items.push(Item { bounds, clip, shape, key: digest.finish() });
    }

    /// What its carets paint.
    pub fn carets(&self) -> impl Iterator<Item = Rect> {
        let carets = self.items.iter().filter(|item| matches!(item.shape, Shape::Caret { .. }));
        carets.map(|item| item.bounds)
    }

    /// Where another frame shows something else (F2).
    pub fn difference(&self, other: &Frame) -> Region {
        let mut region = Region::default();
        let (old, new) = (self.items.as_slice(), other.items.as_slice());
        let alike = |(a, b): &(&Item, &Item)| a.key == b.key;
        let front = old.iter().zip(new).take_while(alike).count();
        let (old, new) = (old.get(front..).unwrap_or_default(), new.get(front..).unwrap_or_default());
        let back = old.iter().rev().zip(new.iter().rev()).take_while(alike).count();
        let old = old.get(..old.len() - back).unwrap_or_default();
        let new = new.get(..new.len() - back).unwrap_or_default();
        if old.is_empty() || new.is_empty() {
            old.iter().chain(new).for_each(|item| region.add(item.bounds));
            return region;
        }
        let mut places: HashMap<u64, Vec<usize>, FxBuildHasher> = HashMap::default();
        for (place, item) in old.iter().enumerate().rev() {
            places.entry(item.key).or_default().push(place);
        }
        let mut next = 0;
        for item in new {
            // The first place not before `next`: shapes that stay keep their order.
            let stays = places.get_mut(&item.key).and_then(|left| {
                while left.last().is_some_and(|place| *place < next) {
                    left.pop();
                }
                left.pop()
            });
            match stays {
                Some(place) => {
                    gone(old, next..place, &mut region);
                    next = place + 1;
                }
                None => region.add(item.bounds),
            }
        }
        gone(old, next..old.len(), &mut region);
        region
    }
}

fn gone(old: &[Item], places: core::ops::Range<usize>, region: &mut Region) {
    old.get(places).unwrap_or_default().iter().for_each(|item| region.add(item.bounds));
}
