//! Pictures of letters, made once.
//!
//! Invariants
//! - A1 A picture is found by font, glyph, size, style and the quarter of a pixel at which it stands.
//! - A2 The cache keeps at most [`MOST_BYTES`] and one picture more; it is emptied as a whole.
//!
//! Must not know: layouts, surfaces.

use alloc::vec::Vec;
use cosmic_text::{CacheKey, FontSystem, SwashCache, SwashContent};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

/// How many bytes of pictures are kept.
const MOST_BYTES: usize = 16 << 20;

/// A letter's picture.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    /// From the pen to its first column.
    pub left: i32,
    /// From the baseline up to its first row.
    pub top: i32,
    /// Its columns.
    pub width: i32,
    /// Its rows.
    pub height: i32,
    /// Whether it has its own colours: four bytes a pixel, else one of coverage.
    pub coloured: bool,
    start: usize,
}

/// Pictures of letters.
pub struct Glyphs {
    known: HashMap<CacheKey, Option<Picture>, FxBuildHasher>,
    bytes: Vec<u8>,
    drawer: SwashCache,
}

impl Default for Glyphs {
    fn default() -> Glyphs {
        Glyphs { known: HashMap::default(), bytes: Vec::new(), drawer: SwashCache::new() }
    }
}

impl Glyphs {
    /// A letter's picture, and its bytes; `None` if there is nothing to see.
    pub fn picture(&mut self, system: &mut FontSystem, key: CacheKey) -> Option<(Picture, &[u8])> {
        let picture = match self.known.get(&key) {
            Some(known) => *known,
            None => self.draw(system, key),
        };
        let picture = picture?;
        let size = (picture.width * picture.height) as usize * if picture.coloured { 4 } else { 1 };
        Some((picture, self.bytes.get(picture.start..picture.start + size)?))
    }

    fn draw(&mut self, system: &mut FontSystem, key: CacheKey) -> Option<Picture> {
        if self.bytes.len() > MOST_BYTES {
            self.known.clear();
            self.bytes.clear();
        }
        let drawn = self.drawer.get_image_uncached(system, key);
        let picture = drawn.and_then(|image| {
            let place = image.placement;
            let coloured = image.content == SwashContent::Color;
            // Coverage a channel is asked for nowhere.
            let usable = coloured || image.content == SwashContent::Mask;
            if !usable || place.width == 0 || place.height == 0 {
                return None;
            }
            let picture = Picture {
                left: place.left,
                top: place.top,
                width: place.width as i32,
                height: place.height as i32,
                coloured,
                start: self.bytes.len(),
            };
            self.bytes.extend_from_slice(&image.data);
            Some(picture)
        });
        self.known.insert(key, picture);
        picture
    }

    /// How many pictures are kept, and their bytes.
    pub fn kept(&self) -> (usize, usize) {
        (self.known.len(), self.bytes.len())
    }
}
