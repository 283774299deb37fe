//! Where in a text: carets, hits, marks.
//!
//! Invariants
//! - H1 A caret stands between two graphemes, never inside one.
//! - H2 The caret of a byte that a hit answered is at most half a grapheme from the hit, on its line.
//!
//! Must not know: how the text was laid out.

use crate::text::{Glyph, Laid, Line};
use alloc::vec::Vec;
use unicode_segmentation::UnicodeSegmentation;

/// A rectangle in logical pixels: x, y, width, height.
pub type Place = (f32, f32, f32, f32);

/// How far a mark reaches behind a line whose end it holds, in parts of the letters' size.
const LINE_END: f32 = 0.4;

/// Where each grapheme of a glyph's text begins, with the end behind the last.
fn graphemes(laid: &Laid, glyph: &Glyph) -> Vec<usize> {
    let (from, to) = (glyph.from as usize, glyph.to as usize);
    let cluster = laid.text.get(from..to).unwrap_or_default();
    let starts = cluster.grapheme_indices(true).map(|(at, _)| from + at);
    starts.chain(core::iter::once(to)).collect()
}

/// Where the edge before a byte of a glyph is.
fn edge(laid: &Laid, glyph: &Glyph, byte: usize) -> f32 {
    let starts = graphemes(laid, glyph);
    let count = starts.len().saturating_sub(1).max(1) as f32;
    let before = starts.iter().skip(1).filter(|start| **start <= byte).count() as f32;
    let part = glyph.width * before / count;
    if glyph.leftward { glyph.x + glyph.width - part } else { glyph.x + part }
}

impl Laid {
    /// The line at a height.
    fn line_at(&self, y: f32) -> Option<&Line> {
        let behind = self.lines.partition_point(|line| line.top <= y);
        self.lines.get(behind.saturating_sub(1))
    }

    /// The line that a byte's caret is on.
    fn line_of(&self, byte: usize) -> Option<&Line> {
        let behind = self.lines.partition_point(|line| line.from as usize <= byte);
        self.lines.get(behind.saturating_sub(1))
    }

    /// The nearest place of a caret at or before a byte (H1).
    fn boundary(&self, byte: usize) -> usize {
        let byte = (0..=byte.min(self.text.len())).rev().find(|at| self.text.is_char_boundary(*at));
        byte.unwrap_or(0)
    }

    fn caret_x(&self, line: &Line, byte: usize) -> f32 {
        let glyphs = self.glyphs_of(line);
        let inside = |glyph: &&Glyph| (glyph.from as usize) <= byte && byte < glyph.to as usize;
        if let Some(glyph) = glyphs.iter().find(inside) {
            return edge(self, glyph, byte);
        }
        match glyphs.iter().max_by_key(|glyph| glyph.to) {
            Some(last) if last.leftward => last.x,
            Some(last) => last.x + last.width,
            None => line.left,
        }
    }

    /// The caret before a byte: one pixel wide.
    pub fn caret(&self, byte: usize) -> Place {
        let byte = self.boundary(byte);
        match self.line_of(byte) {
            Some(line) => (self.caret_x(line, byte), line.top, 1.0, line.height),
            None => (0.0, 0.0, 1.0, self.height),
        }
    }

    /// The byte before which a caret goes that is set at a place, and whether there is text there.
    pub fn hit(&self, x: f32, y: f32) -> (usize, bool) {
        let Some(line) = self.line_at(y) else { return (0, false) };
        let on_line = y >= line.top && y < line.top + line.height;
        let glyphs = self.glyphs_of(line);
        let over = glyphs.iter().find(|glyph| x >= glyph.x && x < glyph.x + glyph.width);
        if let Some(glyph) = over {
            return (self.nearest(line, glyph, x), on_line);
        }
        let before = glyphs.first().is_some_and(|first| x < first.x);
        let nearest = if before { glyphs.first() } else { glyphs.last() };
        let byte = nearest.map_or(line.from as usize, |glyph| {
            // Its outer edge is the beginning or the end of what it shows.
            let at = if before == glyph.leftward { glyph.to } else { glyph.from };
            self.on_line(line, at as usize)
        });
        (byte, false)
    }

    fn nearest(&self, line: &Line, glyph: &Glyph, x: f32) -> usize {
        let distance = |byte: usize| (edge(self, glyph, byte) - x).abs();
        let starts = graphemes(self, glyph);
        let nearest = starts.into_iter().min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        self.on_line(line, nearest.unwrap_or(glyph.from as usize))
    }

    /// A byte whose caret is on the line: the end of a line that was broken belongs to the next one, so
    /// the caret goes before its last grapheme.
    fn on_line(&self, line: &Line, byte: usize) -> usize {
        let is_broken = line.shown == line.to && (line.to as usize) < self.text.len();
        if !is_broken || byte < line.to as usize {
            return byte;
        }
        let shown = self.text.get(line.from as usize..line.to as usize).unwrap_or_default();
        shown.grapheme_indices(true).next_back().map_or(byte, |(at, _)| line.from as usize + at)
    }

    /// What covers the text between two bytes.
    pub fn marks(&self, from: usize, to: usize) -> Vec<Place> {
        let (from, to) = (self.boundary(from.min(to)), self.boundary(from.max(to)));
        let mut marks = Vec::new();
        if from == to {
            return marks;
        }
        let first = self.lines.partition_point(|line| line.to as usize <= from);
        let rest = self.lines.get(first..).unwrap_or_default();
        for line in rest.iter().take_while(|line| (line.from as usize) < to) {
            self.marks_of(line, from, to, &mut marks);
        }
        marks
    }

    fn marks_of(&self, line: &Line, from: usize, to: usize, marks: &mut Vec<Place>) {
        let mut open: Option<(f32, f32)> = None;
        let mut put = |piece: Option<(f32, f32)>| {
            if let Some((left, right)) = piece
                && right > left
            {
                marks.push((left, line.top, right - left, line.height));
            }
        };
        for glyph in self.glyphs_of(line) {
            let (begins, ends) = (from.max(glyph.from as usize), to.min(glyph.to as usize));
            if begins >= ends {
                put(open.take());
                continue;
            }
            let (one, other) = (edge(self, glyph, begins), edge(self, glyph, ends));
            let (left, right) = (one.min(other), one.max(other));
            match &mut open {
                Some((_, end)) if left <= *end + 0.5 => *end = right.max(*end),
                _ => put(open.replace((left, right))),
            }
        }
        // The line's end is marked too: a little space behind it.
        let holds_end = line.to > line.shown && to > line.shown as usize && from <= line.shown as usize;
        if holds_end {
            let at = self.caret_x(line, line.shown as usize);
            let behind = if line.leftward { (at - line.size * LINE_END, at) } else { (at, at + line.size * LINE_END) };
            match &mut open {
                Some((_, end)) if (behind.0 - *end).abs() < 0.5 => *end = behind.1,
                _ => put(open.replace(behind)),
            }
        }
        put(open);
    }
}
