//! Text that was laid out: lines and the places of letters, in logical pixels.
//!
//! Duty: from a Layout command to [`Laid`], which painting and questions of place read.
//!
//! Invariants
//! - X1 Lines and glyphs name bytes of the text as it was given, whatever was shown instead.
//! - X2 A line's baseline follows from its height and its largest letters alone, so that rows of
//!   different faces and scripts stand on one line.
//! - X3 Laying out does not depend on the scale.
//! - X4 The time grows with the text's length, not with its square: faces are chosen before shaping,
//!   so the shaper never looks for missing letters.
//!
//! Must not know: pixels, surfaces.

use crate::fields::{Align, Extent, Face, Many, Span, UNITS, Wrap};
use crate::fonts::Fonts;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use cosmic_text::fontdb::ID;
use cosmic_text::{
    Attrs, AttrsList, BufferLine, CacheKeyFlags, Ellipsize, Family, FeatureTag, FontFeatures, Hinting, LayoutLine,
    LineEnding, Metrics, Shaping,
};

/// Columns of a tab.
const TAB: u16 = 4;
/// The height of capital letters, in parts of the size: the same in both faces.
const CAPITAL: f32 = 0.728;
/// What is shown instead of a character that nobody has letters for.
const UNKNOWN: char = '\u{FFFD}';
/// The bit of [`Span::style`] for slanted letters.
const SLANTED: u8 = 1;

/// What a Layout command says.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Where lines are broken; 0: nowhere.
    pub width: Extent,
    /// How.
    pub wrap: Wrap,
    /// Where lines stand.
    pub align: Align,
    /// The height of a line.
    pub line: Extent,
    /// The text.
    pub text: &'a str,
    /// How its letters look.
    pub spans: &'a Many<Span>,
}

/// A letter in its place.
#[derive(Clone, Copy, Debug)]
pub struct Glyph {
    /// The first byte of what it shows.
    pub from: u32,
    /// The byte behind it.
    pub to: u32,
    /// Where it begins on its line, from the layout's left.
    pub x: f32,
    /// How far to the right.
    pub width: f32,
    /// Where its picture stands from there.
    pub dx: f32,
    /// And above the baseline.
    pub dy: f32,
    /// Its size.
    pub size: f32,
    /// Its font.
    pub font: ID,
    /// Its number there.
    pub number: u16,
    /// How it is drawn.
    pub flags: CacheKeyFlags,
    /// Its span.
    pub span: u32,
    /// Whether it runs from right to left.
    pub leftward: bool,
}

/// A line in its place.
#[derive(Clone, Debug)]
pub struct Line {
    /// The first byte.
    pub from: u32,
    /// The byte behind the last, line end included.
    pub to: u32,
    /// The byte behind the last that is shown.
    pub shown: u32,
    /// Where it begins, from the layout's top.
    pub top: f32,
    /// Its height.
    pub height: f32,
    /// Its baseline, from the layout's top.
    pub baseline: f32,
    /// Where its letters begin.
    pub left: f32,
    /// How far they reach from there.
    pub width: f32,
    /// Its glyphs, from left to right.
    pub glyphs: Range<usize>,
    /// Whether it runs from right to left.
    pub leftward: bool,
    /// The size of its largest letters.
    pub size: f32,
}

/// Text that was laid out.
#[derive(Clone, Debug)]
pub struct Laid {
    /// The text as it was given.
    pub text: String,
    /// Its spans.
    pub spans: Vec<Span>,
    /// Its lines, at least one.
    pub lines: Vec<Line>,
    /// The glyphs of all lines.
    pub glyphs: Vec<Glyph>,
    /// The width of its widest line.
    pub width: f32,
    /// The height of all lines.
    pub height: f32,
    /// What tells it from other layouts.
    pub key: u64,
}

/// Units as logical pixels.
fn pixels(units: i32) -> f32 {
    units as f32 / UNITS as f32
}

/// The paragraphs of a text: where each begins, where it ends, and where the next one begins.
fn paragraphs(text: &str) -> Vec<(usize, usize, usize)> {
    let mut all = Vec::new();
    let mut start = 0;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let next = match byte {
            b'\r' if bytes.next_if(|(_, next)| *next == b'\n').is_some() => at + 2,
            b'\r' | b'\n' => at + 1,
            _ => continue,
        };
        all.push((start, at, next));
        start = next;
    }
    all.push((start, text.len(), text.len()));
    all
}

/// One paragraph as the shaper gets it.
struct Shaped {
    text: String,
    attrs: AttrsList,
    /// Where its bytes come from, if characters were replaced: pairs {byte here, byte in the text}.
    origins: Vec<(usize, usize)>,
    start: usize,
}

impl Shaped {
    /// The byte of the whole text for a byte of the paragraph.
    fn origin(&self, at: usize) -> usize {
        match self.origins.partition_point(|(here, _)| *here <= at).checked_sub(1) {
            Some(n) => self.origins.get(n).map_or(at, |(here, there)| there + at.saturating_sub(*here)),
            None => self.start + at,
        }
    }
}

/// Which span a byte belongs to.
struct SpanWalk<'a> {
    spans: &'a [Span],
    at: usize,
    end: usize,
}

impl SpanWalk<'_> {
    /// The place of the span of a byte; bytes are asked for in order.
    fn of(&mut self, byte: usize) -> usize {
        while byte >= self.end && self.at + 1 < self.spans.len() {
            self.at += 1;
            self.end += self.spans.get(self.at).map_or(0, |span| span.bytes as usize);
        }
        self.at
    }
}

/// Code is shown as it is written: no two of its letters are drawn as one.
fn features(face: Face) -> FontFeatures {
    let mut features = FontFeatures::new();
    if face == Face::Code {
        features.disable(FeatureTag::CONTEXTUAL_ALTERNATES);
    }
    features
}

fn attrs<'f>(span: &Span, place: usize, family: &'f str, line: f32) -> Attrs<'f> {
    let flags = if span.style & SLANTED == 0 { CacheKeyFlags::empty() } else { CacheKeyFlags::FAKE_ITALIC };
    Attrs::new()
        .family(Family::Name(family))
        .weight(Fonts::weight())
        .metadata(place)
        .metrics(Metrics::new(pixels(span.size.into()), line))
        .cache_key_flags(flags)
        .font_features(features(span.face))
}

fn shape(fonts: &mut Fonts, wish: &Wish<'_>, walk: &mut SpanWalk<'_>, start: usize, end: usize) -> Shaped {
    let source = wish.text.get(start..end).unwrap_or_default();
    let line = pixels(wish.line.units());
    let mut shaped = Shaped {
        text: String::with_capacity(source.len()),
        attrs: AttrsList::new(&Attrs::new().family(Family::Name("f0")).weight(Fonts::weight())),
        origins: Vec::new(),
        start,
    };
    // The run that is open: {where it begins, span, face}.
    let mut run = (0usize, usize::MAX, 0usize);
    let mut characters = source.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let place = walk.of(start + at);
        let Some(span) = wish.spans.0.get(place) else { break };
        let main = Fonts::main(span.face, span.weight);
        let before = if run.1 == usize::MAX { main } else { run.2 };
        let picture = characters.peek().is_some_and(|(_, next)| *next == '\u{FE0F}');
        let chosen = fonts.face_for(character, picture, main, before);
        let unknown = || fonts.face_for(UNKNOWN, false, main, main).unwrap_or(main);
        let face = chosen.unwrap_or_else(unknown);
        if (place, face) != (run.1, run.2) {
            close(fonts, wish, &mut shaped, run, line);
            run = (shaped.text.len(), place, face);
        }
        shaped.text.push(if chosen.is_some() { character } else { UNKNOWN });
        if chosen.is_none() {
            let behind = start + at + character.len_utf8();
            shaped.origins.push((shaped.text.len() - UNKNOWN.len_utf8(), start + at));
            shaped.origins.push((shaped.text.len(), behind));
        }
    }
    close(fonts, wish, &mut shaped, run, line);
    shaped
}

fn close(fonts: &Fonts, wish: &Wish<'_>, shaped: &mut Shaped, run: (usize, usize, usize), line: f32) {
    let end = shaped.text.len();
    if let Some(span) = wish.spans.0.get(run.1)
        && run.0 < end
    {
        shaped.attrs.add_span(run.0..end, &attrs(span, run.1, fonts.family(run.2), line));
    }
}

/// Lays text out.
pub fn lay(fonts: &mut Fonts, wish: &Wish<'_>, key: u64) -> Laid {
    let mut laid = Laid {
        text: String::from(wish.text),
        spans: wish.spans.0.clone(),
        lines: Vec::new(),
        glyphs: Vec::new(),
        width: 0.0,
        height: 0.0,
        key,
    };
    let mut walk = SpanWalk {
        spans: &wish.spans.0,
        at: 0,
        end: wish.spans.0.first().map_or(0, |span| span.bytes as usize),
    };
    let usual = wish.spans.0.first().map_or(13.0, |span| pixels(span.size.into()));
    for (start, end, next) in paragraphs(wish.text) {
        let mut shaped = shape(fonts, wish, &mut walk, start, end);
        let text = core::mem::take(&mut shaped.text);
        let attrs = core::mem::replace(&mut shaped.attrs, AttrsList::new(&Attrs::new()));
        let mut line = BufferLine::new(text, LineEnding::None, attrs, Shaping::Advanced);
        line.set_align(match wish.align {
            Align::Start => None,
            Align::Middle => Some(cosmic_text::Align::Center),
            Align::End => Some(cosmic_text::Align::End),
        });
        let width = (wish.width.units() > 0).then(|| pixels(wish.width.units()));
        let wrap = match wish.wrap {
            _ if width.is_none() => cosmic_text::Wrap::None,
            Wrap::None => cosmic_text::Wrap::None,
            Wrap::Words => cosmic_text::Wrap::WordOrGlyph,
            Wrap::Anywhere => cosmic_text::Wrap::Glyph,
        };
        let system = &mut fonts.system;
        let lines = line.layout(system, usual, width, wrap, Ellipsize::None, None, TAB, Hinting::Disabled);
        laid.take(&shaped, lines, (start, end, next), pixels(wish.line.units()), usual);
    }
    laid
}

impl Laid {
    /// Takes over the lines of one paragraph.
    fn take(&mut self, shaped: &Shaped, lines: &[LayoutLine], ends: (usize, usize, usize), height: f32, usual: f32) {
        let (start, end, next) = ends;
        let first = self.lines.len();
        let nothing = LayoutLine {
            w: 0.0,
            max_ascent: 0.0,
            max_descent: 0.0,
            line_height_opt: None,
            glyphs: Vec::new(),
            decorations: Vec::new(),
        };
        let lines = if lines.is_empty() { core::slice::from_ref(&nothing) } else { lines };
        for line in lines {
            let from = self.glyphs.len();
            self.glyphs.extend(line.glyphs.iter().map(|glyph| Glyph {
                from: shaped.origin(glyph.start) as u32,
                to: shaped.origin(glyph.end) as u32,
                x: glyph.x,
                width: glyph.w,
                dx: glyph.font_size * glyph.x_offset,
                dy: glyph.font_size * glyph.y_offset - glyph.y,
                size: glyph.font_size,
                font: glyph.font_id,
                number: glyph.glyph_id,
                flags: glyph.cache_key_flags,
                span: glyph.metadata as u32,
                leftward: glyph.level.is_rtl(),
            }));
            let mine = self.glyphs.get(from..).unwrap_or_default();
            let size = mine.iter().map(|glyph| glyph.size).fold(0.0, f32::max);
            let size = if size > 0.0 { size } else { usual };
            let least = mine.iter().map(|glyph| glyph.from).min();
            let begins = if self.lines.len() == first { start as u32 } else { least.unwrap_or(end as u32) };
            let left = mine.iter().map(|glyph| glyph.x).fold(f32::INFINITY, f32::min);
            let leftward = mine.iter().any(|glyph| glyph.leftward) && mine.first().is_some_and(|glyph| glyph.leftward);
            if let Some(last) = self.lines.get_mut(first..).and_then(<[Line]>::last_mut) {
                (last.to, last.shown) = (begins, begins);
            }
            self.width = self.width.max(line.w);
            self.lines.push(Line {
                from: begins,
                to: next as u32,
                shown: end as u32,
                top: self.height,
                height,
                baseline: self.height + height / 2.0 + size * CAPITAL / 2.0,
                left: if left.is_finite() { left } else { 0.0 },
                width: line.w,
                glyphs: from..self.glyphs.len(),
                leftward,
                size,
            });
            self.height += height;
        }
    }

    /// The glyphs of a line, from left to right.
    pub fn glyphs_of(&self, line: &Line) -> &[Glyph] {
        self.glyphs.get(line.glyphs.clone()).unwrap_or_default()
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.text.len()
            + self.spans.len() * size_of::<Span>()
            + self.lines.len() * size_of::<Line>()
            + self.glyphs.len() * size_of::<Glyph>()
    }
}
