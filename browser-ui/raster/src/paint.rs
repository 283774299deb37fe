//! Shapes to pixels.
//!
//! Invariant
//! - N1 What a shape paints on a pixel depends on the shape alone, not on the piece that is painted.
//!
//! Must not know: where shapes come from.

use crate::canvas::{Canvas, corner_coverage};
use crate::fields::Span;
use crate::fonts::Fonts;
use crate::frame::{Bitmap, Shape};
use crate::geometry::{Rect, Scale};
use crate::glyphs::Glyphs;
use crate::roles::{Colour, Theme};
use crate::text::{Glyph, Laid, Line};
use cosmic_text::{CacheKey, CacheKeyFlags};
use tiny_skia::{FillRule, Mask, Transform};

/// The bits of [`Span::style`] that draw lines.
const UNDERLINED: u8 = 2;
const STRUCK: u8 = 4;
const WAVED: u8 = 8;
/// Letters larger than this many pixels are not painted.
const MOST_PIXELS: f32 = 2048.0;
/// Letters of up to so many pixels are fitted to the rows of the screen.
const FITTED: f32 = 0.0;

/// What letters are painted with.
pub struct Letters<'a> {
    /// The fonts.
    pub fonts: &'a mut Fonts,
    /// Their pictures.
    pub glyphs: &'a mut Glyphs,
    /// Device pixels a logical one.
    pub scale: Scale,
}

/// Paints a shape that paints at most `bounds`.
pub fn shape(canvas: &mut Canvas<'_, '_>, shape: &Shape, bounds: Rect, letters: &mut Letters<'_>) {
    match shape {
        Shape::Fill { rect, radius, colour } => fill(canvas, *rect, *radius, *colour),
        Shape::Caret { rect, colour } => fill(canvas, *rect, 0, *colour),
        Shape::Border { rect, radius, thickness, colour } => border(canvas, *rect, *radius, *thickness, *colour),
        Shape::Shadow { rect, radius, blur, colour } => shadow(canvas, *rect, *radius, *blur, *colour),
        Shape::Path { path: outline, colour } => path(canvas, outline, bounds, *colour),
        Shape::Text { laid, x, y, theme } => text(canvas, laid, (*x, *y), *theme, letters),
        Shape::Image { bitmap, rect } => image(canvas, bitmap, *rect),
    }
}

/// The distances of a pixel from the nearest two sides of a rectangle it lies in.
fn depths(rect: &Rect, x: i32, y: i32) -> (i32, i32) {
    ((x - rect.left).min(rect.right - 1 - x), (y - rect.top).min(rect.bottom - 1 - y))
}

fn fill(canvas: &mut Canvas<'_, '_>, rect: Rect, radius: i32, colour: Colour) {
    if radius <= 0 {
        return canvas.fill(rect, colour);
    }
    let middle = Rect { top: rect.top + radius, bottom: rect.bottom - radius, ..rect };
    canvas.fill(middle, colour);
    let covered = |x, y| {
        let (across, down) = depths(&rect, x, y);
        corner_coverage(radius, across, down)
    };
    for (top, bottom) in [(rect.top, middle.top), (middle.bottom, rect.bottom)] {
        let (left, right) = (rect.left + radius, rect.right - radius);
        canvas.fill(Rect { left, top, right, bottom }, colour);
        canvas.shade(Rect { left: rect.left, top, right: left, bottom }, colour, covered);
        canvas.shade(Rect { left: right, top, right: rect.right, bottom }, colour, covered);
    }
}

fn border(canvas: &mut Canvas<'_, '_>, rect: Rect, radius: i32, thickness: i32, colour: Colour) {
    let inner = rect.grown(-thickness);
    if inner.is_empty() {
        return fill(canvas, rect, radius, colour);
    }
    let covered = |x, y| {
        let (across, down) = depths(&rect, x, y);
        let outer = corner_coverage(radius, across, down);
        let (across, down) = (across - thickness, down - thickness);
        if across < 0 || down < 0 {
            return outer;
        }
        outer.saturating_sub(corner_coverage(radius - thickness, across, down))
    };
    let corner = radius.max(thickness);
    for (top, bottom, from, to) in [
        (rect.top, rect.top + corner, rect.top, rect.top + thickness),
        (rect.bottom - corner, rect.bottom, rect.bottom - thickness, rect.bottom),
    ] {
        let (left, right) = (rect.left + corner, rect.right - corner);
        canvas.fill(Rect { left, top: from, right, bottom: to }, colour);
        canvas.shade(Rect { left: rect.left, top, right: left, bottom }, colour, covered);
        canvas.shade(Rect { left: right, top, right: rect.right, bottom }, colour, covered);
    }
    let (top, bottom) = (rect.top + corner, rect.bottom - corner);
    canvas.fill(Rect { left: rect.left, top, right: rect.left + thickness, bottom }, colour);
    canvas.fill(Rect { left: rect.right - thickness, top, right: rect.right, bottom }, colour);
}

fn shadow(canvas: &mut Canvas<'_, '_>, rect: Rect, radius: i32, blur: i32, colour: Colour) {
    let outer = rect.grown(blur);
    // From the rounded rectangle's edge outwards, in 1/16 pixels; its centre line is `radius` inside.
    let core = rect.grown(-radius);
    let reach = (blur * 16).max(1) as u32;
    let covered = |x: i32, y: i32| {
        let beyond = |at: i32, low: i32, high: i32| {
            (2 * low - (2 * at + 1)).max(2 * at + 1 - 2 * high).max(0) as u64 * 8
        };
        let (dx, dy) = (beyond(x, core.left, core.right), beyond(y, core.top, core.bottom));
        let distance = ((dx * dx + dy * dy).isqrt() as i64 - i64::from(radius) * 16).max(0) as u32;
        if distance >= reach {
            return 0;
        }
        let left = 255 * (reach - distance) / reach;
        let outside = 255 - inside(&rect, radius, x, y);
        left * left / 255 * outside / 255
    };
    let corner = radius.max(0);
    let (top, bottom) = (rect.top + corner, rect.bottom - corner);
    canvas.shade(Rect { bottom: top, ..outer }, colour, covered);
    canvas.shade(Rect { top: bottom, ..outer }, colour, covered);
    canvas.shade(Rect { left: outer.left, top, right: rect.left, bottom }, colour, covered);
    canvas.shade(Rect { left: rect.right, top, right: outer.right, bottom }, colour, covered);
}

fn inside(rect: &Rect, radius: i32, x: i32, y: i32) -> u32 {
    let (across, down) = depths(rect, x, y);
    if across < 0 || down < 0 { 0 } else { corner_coverage(radius, across, down) }
}

/// The pixels that an outline may cover.
pub fn path_bounds(path: &tiny_skia::Path) -> Rect {
    let bounds = path.bounds();
    let whole = |value: f32| value.clamp(-1e6, 1e6) as i32;
    Rect::new(
        whole(bounds.left()) - 1,
        whole(bounds.top()) - 1,
        whole(bounds.right()) + 2,
        whole(bounds.bottom()) + 2,
    )
}

fn path(canvas: &mut Canvas<'_, '_>, path: &tiny_skia::Path, bounds: Rect, colour: Colour) {
    // All of it, whichever piece is painted: cut elsewhere, edges are rounded differently (N1).
    let Some(mut mask) = Mask::new(bounds.width() as u32, bounds.height() as u32) else { return };
    let moved = Transform::from_translate(-bounds.left as f32, -bounds.top as f32);
    mask.fill_path(path, FillRule::Winding, true, moved);
    canvas.mask(bounds, mask.data(), colour);
}

fn image(canvas: &mut Canvas<'_, '_>, bitmap: &Bitmap, rect: Rect) {
    let (width, height) = (i64::from(rect.width()), i64::from(rect.height()));
    if width == 0 || height == 0 {
        return;
    }
    let at = |x: i32, y: i32| -> [u8; 4] {
        let place = (y.clamp(0, bitmap.height - 1) * bitmap.width + x.clamp(0, bitmap.width - 1)) as usize * 4;
        let four = bitmap.rgba.get(place..place + 4).unwrap_or(&[0; 4]);
        four.try_into().unwrap_or_default()
    };
    let same = (bitmap.width, bitmap.height) == (rect.width(), rect.height());
    canvas.image(rect, |x, y| {
        if same {
            return at(x, y);
        }
        // The pixel's middle in the image, in 1/256 of its pixels, between four of them.
        let u = ((2 * i64::from(x) + 1) * 128 * i64::from(bitmap.width) / width - 128) as i32;
        let v = ((2 * i64::from(y) + 1) * 128 * i64::from(bitmap.height) / height - 128) as i32;
        let (x, y) = (u.div_euclid(256), v.div_euclid(256));
        let (right, down) = (u.rem_euclid(256) as u32, v.rem_euclid(256) as u32);
        let corners = [
            (at(x, y), (256 - right) * (256 - down)),
            (at(x + 1, y), right * (256 - down)),
            (at(x, y + 1), (256 - right) * down),
            (at(x + 1, y + 1), right * down),
        ];
        mixed(&corners)
    });
}

/// Four colours by their weights (which sum to 65536); what cannot be seen lends no colour.
fn mixed(corners: &[([u8; 4], u32); 4]) -> [u8; 4] {
    let alpha = corners.iter().map(|([.., alpha], weight)| u64::from(*alpha) * u64::from(*weight)).sum::<u64>();
    if alpha == 0 {
        return [0; 4];
    }
    let mut result = [0, 0, 0, (alpha >> 16) as u8];
    for (n, channel) in result.iter_mut().take(3).enumerate() {
        let sum: u64 = corners
            .iter()
            .map(|(colour, weight)| u64::from(colour[n]) * u64::from(colour[3]) * u64::from(*weight))
            .sum();
        *channel = ((sum + alpha / 2) / alpha) as u8;
    }
    result
}

fn text(canvas: &mut Canvas<'_, '_>, laid: &Laid, (x, y): (i64, i64), theme: Theme, letters: &mut Letters<'_>) {
    let factor = letters.scale.factor();
    let (left, top) = (x as f32 / 64.0 * factor, letters.scale.edge(y));
    let bounds = canvas.bounds();
    // Lines whose letters could reach into what is painted: one more on each side.
    let first = laid.lines.partition_point(|line| {
        top.saturating_add(((line.top + 2.0 * line.height) * factor) as i32) <= bounds.top
    });
    for line in laid.lines.get(first..).unwrap_or_default() {
        if top.saturating_add(((line.top - line.height) * factor) as i32) >= bounds.bottom {
            break;
        }
        let pen = Pen { left, baseline: baseline(letters.scale, y, line), factor };
        for glyph in laid.glyphs_of(line) {
            let Some(span) = laid.spans.get(glyph.span as usize) else { continue };
            let colour = span.paint.colour(theme);
            letter(canvas, glyph, pen, colour, letters);
        }
        decorate(canvas, laid, line, pen, theme);
    }
}

/// The device row of a line's baseline, for text whose top is at `y`.
fn baseline(scale: Scale, y: i64, line: &Line) -> i32 {
    scale.edge(y + (line.baseline * 64.0) as i64)
}

/// Where letters go.
#[derive(Clone, Copy)]
struct Pen {
    left: f32,
    baseline: i32,
    factor: f32,
}

fn letter(canvas: &mut Canvas<'_, '_>, glyph: &Glyph, pen: Pen, colour: Colour, letters: &mut Letters<'_>) {
    let size = glyph.size * pen.factor;
    let place = pen.left + (glyph.x + glyph.dx) * pen.factor;
    let bounds = canvas.bounds();
    let reach = 2.0 * size + glyph.width * pen.factor;
    if size > MOST_PIXELS || place + reach < bounds.left as f32 || place - reach > bounds.right as f32 {
        return;
    }
    let fitted = if size > FITTED { CacheKeyFlags::DISABLE_HINTING } else { CacheKeyFlags::empty() };
    let flags = glyph.flags | fitted;
    let raised = libm::roundf(glyph.dy * pen.factor) as i32;
    let weight = Fonts::weight();
    let (key, x, y) = CacheKey::new(glyph.font, glyph.number, size, (place, 0.0), weight, flags);
    let Some((picture, bytes)) = letters.glyphs.picture(&mut letters.fonts.system, key) else { return };
    let (left, top) = (x + picture.left, pen.baseline - raised + y - picture.top);
    let rect = Rect::new(left, top, left + picture.width, top + picture.height);
    if !picture.coloured {
        return canvas.mask(rect, bytes, colour);
    }
    canvas.image(rect, |x, y| {
        let at = (y * picture.width + x) as usize * 4;
        bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).unwrap_or_default()
    });
}

/// Underlines, waves and strokes through, span by span.
fn decorate(canvas: &mut Canvas<'_, '_>, laid: &Laid, line: &Line, pen: Pen, theme: Theme) {
    let glyphs = laid.glyphs_of(line);
    for run in glyphs.chunk_by(|one, other| one.span == other.span) {
        let Some(span) = run.first().and_then(|glyph| laid.spans.get(glyph.span as usize)) else { continue };
        if span.style & (UNDERLINED | STRUCK | WAVED) == 0 {
            continue;
        }
        let left = run.iter().map(|glyph| glyph.x).fold(f32::INFINITY, f32::min);
        let right = run.iter().map(|glyph| glyph.x + glyph.width).fold(0.0, f32::max);
        let place = |x: f32| libm::roundf(pen.left + x * pen.factor) as i32;
        strokes(canvas, span, (place(left), place(right)), pen, theme);
    }
}

fn strokes(canvas: &mut Canvas<'_, '_>, span: &Span, (left, right): (i32, i32), pen: Pen, theme: Theme) {
    let size = f32::from(span.size) / 64.0 * pen.factor;
    let thickness = (libm::roundf(size / 13.0) as i32).max(1);
    let colour = span.paint.colour(theme);
    let mut stroke = |above: f32| {
        let top = pen.baseline - libm::roundf(above) as i32;
        canvas.fill(Rect::new(left, top, right, top + thickness), colour);
    };
    if span.style & UNDERLINED != 0 {
        stroke(-size * 0.16);
    }
    if span.style & STRUCK != 0 {
        stroke(size * 0.28);
    }
    if span.style & WAVED == 0 {
        return;
    }
    // A triangle wave, smoothed: its height at a column, in 1/16 pixels.
    let period = (thickness * 4).max(4);
    let top = pen.baseline + libm::roundf(size * 0.12) as i32;
    let rect = Rect::new(left, top, right, top + thickness * 3);
    canvas.shade(rect, colour, |x, y| {
        let phase = (x - left).rem_euclid(period) * 2 * 16 / period;
        let rise = if phase < 16 { phase } else { 32 - phase };
        let middle = 8 * thickness + rise * thickness * 2 - thickness;
        let distance = (16 * (y - top) + 8 - middle).abs();
        (8 * thickness + 8 - distance).clamp(0, 16) as u32 * 255 / 16
    });
}
