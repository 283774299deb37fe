//! Which pixels must be painted again: a few rectangles that do not overlap, and their history.
//!
//! Invariants
//! - D1 The rectangles of a region do not overlap, and there are at most [`MOST`] of them.
//! - D2 A region covers everything that was added; it may cover more.
//! - D3 A buffer that is `age` frames old needs the regions of the last `age` frames.
//!
//! Must not know: why something changed.

use crate::geometry::Rect;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// The most rectangles of a region.
const MOST: usize = 16;
/// How many frames the history goes back.
const FRAMES: usize = 4;

/// A set of pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Region(Vec<Rect>);

impl Region {
    /// The region of one rectangle.
    pub fn of(rect: Rect) -> Region {
        let mut region = Region::default();
        region.add(rect);
        region
    }

    /// Its rectangles.
    pub fn rects(&self) -> &[Rect] {
        &self.0
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a rectangle; one that overlaps others or hardly enlarges one is melted with it.
    pub fn add(&mut self, rect: Rect) {
        if rect.is_empty() {
            return;
        }
        let mut whole = rect;
        while let Some(at) = self.0.iter().position(|one| one.meets(&whole) || pays(one, &whole)) {
            whole = whole.union(&self.0.swap_remove(at));
        }
        if self.0.len() < MOST {
            self.0.push(whole);
            return;
        }
        // Full: melt with the one that grows least, which may then meet others.
        let growth = |one: &Rect| one.union(&whole).area() - one.area();
        let nearest = (0..self.0.len()).min_by_key(|&at| self.0.get(at).map_or(u64::MAX, growth));
        if let Some(at) = nearest {
            let melted = whole.union(&self.0.swap_remove(at));
            self.add(melted);
        }
    }

    /// Adds all of another region.
    pub fn add_all(&mut self, other: &Region) {
        other.0.iter().for_each(|rect| self.add(*rect));
    }
}

/// Whether one rectangle around both has few pixels more than the two.
fn pays(one: &Rect, other: &Rect) -> bool {
    one.union(other).area() <= (one.area() + other.area()) / 8 * 9 + 256
}

/// What was painted in the last frames.
#[derive(Clone, Debug, Default)]
pub struct History {
    frames: VecDeque<Region>,
}

impl History {
    /// Remembers a frame's region.
    pub fn push(&mut self, region: Region) {
        self.frames.truncate(FRAMES - 1);
        self.frames.push_front(region);
    }

    /// Forgets everything: the next buffer must be painted whole.
    pub fn clear(&mut self) {
        self.frames.clear();
    }

    /// What a buffer needs that holds the picture of `age` frames ago (D3); `None`: all of it.
    pub fn since(&self, age: u8) -> Option<Region> {
        let age = usize::from(age);
        if age == 0 || age > self.frames.len() {
            return None;
        }
        let mut region = Region::default();
        self.frames.iter().take(age).for_each(|one| region.add_all(one));
        Some(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_covers_what_was_added_and_never_twice() {
        let mut state = 7u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for _ in 0..200 {
            let mut region = Region::default();
            let mut added = Vec::new();
            for _ in 0..60 {
                let (left, top) = (next(500) as i32, next(500) as i32);
                let rect = Rect::new(left, top, left + next(40) as i32, top + next(40) as i32);
                region.add(rect);
                added.push(rect);
            }
            let rects = region.rects();
            assert!(rects.len() <= MOST);
            for (n, one) in rects.iter().enumerate() {
                assert!(rects[n + 1..].iter().all(|other| !one.meets(other)), "{one:?} meets another");
            }
            let inside = |rect: &Rect| rects.iter().any(|one| one.union(rect) == *one);
            assert!(added.iter().all(|rect| rect.is_empty() || inside(rect)));
        }
    }

    #[test]
    fn an_older_buffer_needs_more_frames() {
        let mut history = History::default();
        assert_eq!(history.since(1), None);
        let at = |n: i32| Rect::new(100 * n, 0, 100 * n + 10, 10);
        history.push(Region::of(at(1)));
        history.push(Region::of(at(2)));
        assert_eq!(history.since(0), None);
        assert_eq!(history.since(1), Some(Region::of(at(2))));
        let both = history.since(2).unwrap_or_default();
        assert_eq!(both.rects().len(), 2);
        assert_eq!(history.since(3), None);
    }
}
