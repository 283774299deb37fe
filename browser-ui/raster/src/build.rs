//! From a verified stream and what a surface knows to a frame.
//!
//! Invariants
//! - U1 Building cannot fail: what could be refused was checked before.
//! - U2 Clips and moves are resolved here; a shape's place is final.
//!
//! Must not know: the frame before, pixels.

use crate::canvas::{Clip, Rounded};
use crate::fields::{Coord, Extent, Paint, Point};
use crate::frame::{Bitmap, Frame, Shape};
use crate::geometry::{Rect, Scale};
use crate::paint::path_bounds;
use crate::roles::Theme;
use crate::stream::Command;
use crate::text::Laid;
use alloc::sync::Arc;
use alloc::vec::Vec;
use tiny_skia::{LineCap, LineJoin, PathBuilder, Stroke};

/// The widest corner and thickest line in device pixels.
const MOST_CORNER: i32 = 4096;
/// The farthest reach of a shadow.
const MOST_BLUR: i32 = 256;
/// How far outside the screen outlines are kept as they are.
const FAR: f32 = 20_000.0;

/// What a surface has defined.
pub trait Defined {
    /// The layout of a number.
    fn layout(&self, id: u32) -> Option<Arc<Laid>>;
    /// The image of a number.
    fn bitmap(&self, id: u32) -> Option<Arc<Bitmap>>;
}

/// A frame in the making.
pub struct Builder {
    frame: Frame,
    scale: Scale,
    theme: Theme,
    pixels: u64,
    clip: u32,
    dx: i64,
    dy: i64,
    open: Vec<(u32, i64, i64)>,
}

impl Builder {
    /// A builder for a surface of `width` by `height` device pixels.
    pub fn new(theme: Theme, scale: Scale, width: i32, height: i32) -> Builder {
        let mut frame = Frame::default();
        let whole = Rect::new(0, 0, width, height);
        let clip = frame.add_clip(Clip::of(whole));
        let pixels = whole.area();
        Builder { frame, scale, theme, pixels, clip, dx: 0, dy: 0, open: Vec::new() }
    }

    /// The frame.
    pub fn finish(self) -> Frame {
        self.frame
    }

    fn rect(&self, x: Coord, y: Coord, width: Extent, height: Extent) -> Rect {
        let (left, top) = (self.dx + i64::from(x.0), self.dy + i64::from(y.0));
        let edge = |units| self.scale.edge(units);
        Rect::new(
            edge(left),
            edge(top),
            edge(left + i64::from(width.units())),
            edge(top + i64::from(height.units())),
        )
    }

    /// A corner's radius in a rectangle: at most half its sides.
    fn radius(&self, corner: Extent, rect: &Rect) -> i32 {
        let wished = self.scale.edge(corner.units().into());
        wished.min(rect.width() / 2).min(rect.height() / 2).clamp(0, MOST_CORNER)
    }

    fn add(&mut self, bounds: Rect, shape: Shape) {
        self.frame.add(bounds, self.clip, shape, self.pixels);
    }

    /// Takes a command; those that define are the surface's affair.
    pub fn take(&mut self, command: &Command<'_>, defined: &impl Defined) {
        match command {
            Command::Clip { x, y, width, height, corner } => {
                self.open.push((self.clip, self.dx, self.dy));
                let rect = self.rect(*x, *y, *width, *height);
                let rounded = Rounded { rect, radius: self.radius(*corner, &rect) };
                let outer = self.frame.clips.get(self.clip as usize).cloned().unwrap_or_default();
                self.clip = self.frame.add_clip(outer.within(rounded));
            }
            Command::Move { dx, dy } => {
                self.open.push((self.clip, self.dx, self.dy));
                self.dx += i64::from(dx.0);
                self.dy += i64::from(dy.0);
            }
            Command::Pop {} => {
                if let Some(outer) = self.open.pop() {
                    (self.clip, self.dx, self.dy) = outer;
                }
            }
            Command::Text { id, x, y } => {
                if let Some(laid) = defined.layout(*id) {
                    self.text(laid, *x, *y);
                }
            }
            Command::Image { id, x, y, width, height } => {
                if let Some(bitmap) = defined.bitmap(*id) {
                    let rect = self.rect(*x, *y, *width, *height);
                    self.add(rect, Shape::Image { bitmap, rect });
                }
            }
            other => self.shape(other),
        }
    }

    fn shape(&mut self, command: &Command<'_>) {
        match command {
            Command::Fill { x, y, width, height, corner, paint } => {
                let rect = self.rect(*x, *y, *width, *height);
                let (radius, colour) = (self.radius(*corner, &rect), paint.colour(self.theme));
                self.add(rect, Shape::Fill { rect, radius, colour });
            }
            Command::Caret { x, y, width, height, paint } => {
                let rect = self.rect(*x, *y, *width, *height);
                self.add(rect, Shape::Caret { rect, colour: paint.colour(self.theme) });
            }
            Command::Border { x, y, width, height, corner, thickness, paint } => {
                let rect = self.rect(*x, *y, *width, *height);
                let (radius, colour) = (self.radius(*corner, &rect), paint.colour(self.theme));
                let thickness = self.scale.thickness(thickness.units()).min(MOST_CORNER);
                self.add(rect, Shape::Border { rect, radius, thickness, colour });
            }
            Command::Shadow { x, y, width, height, corner, blur, paint } => {
                let rect = self.rect(*x, *y, *width, *height);
                let (radius, colour) = (self.radius(*corner, &rect), paint.colour(self.theme));
                let blur = self.scale.thickness(blur.units()).min(MOST_BLUR);
                self.add(rect.grown(blur), Shape::Shadow { rect, radius, blur, colour });
            }
            Command::Line { from, to, thickness, paint } => self.line(*from, *to, *thickness, *paint),
            Command::Polygon { points, paint } => {
                let outline = self.outline(&points.0, true);
                self.path(outline, *paint);
            }
            Command::Path { points, closed, thickness, paint } => {
                let outline = self.outline(&points.0, *closed == 1);
                let stroked = outline.and_then(|path| self.stroked(&path, *thickness));
                self.path(stroked, *paint);
            }
            _ => {}
        }
    }

    fn text(&mut self, laid: Arc<Laid>, x: Coord, y: Coord) {
        let (x, y) = (self.dx + i64::from(x.0), self.dy + i64::from(y.0));
        let units = |pixels: f32| (pixels * 64.0) as i64;
        // Letters may reach beyond their line and the layout's width.
        let size = laid.lines.iter().map(|line| line.size).fold(0.0, f32::max);
        let slop = units(size) / 2 + 64;
        // Lines that stand to the right or in the middle are not at the left edge.
        let right = laid.lines.iter().map(|line| line.left + line.width).fold(laid.width, f32::max);
        let left = laid.lines.iter().map(|line| line.left).fold(0.0, f32::min);
        let edge = |units| self.scale.edge(units);
        let bounds = Rect::new(
            edge(x + units(left) - slop),
            edge(y - slop),
            edge(x + units(right) + slop),
            edge(y + units(laid.height) + slop),
        );
        let theme = self.theme;
        self.add(bounds, Shape::Text { laid, x, y, theme });
    }

    fn line(&mut self, from: Point, to: Point, thickness: Extent, paint: Paint) {
        let wide = self.scale.thickness(thickness.units()).min(MOST_CORNER);
        let (x, y) = (self.dx, self.dy);
        let place = |at: Point| {
            let edge = |units| self.scale.edge(units);
            (edge(x + i64::from(at.x.0)), edge(y + i64::from(at.y.0)))
        };
        let ((x1, y1), (x2, y2)) = (place(from), place(to));
        // Sharp: the middle of the line on whole pixels, half of what is thick on each side.
        let before = wide / 2;
        let rect = if from.y == to.y {
            Rect::new(x1.min(x2), y1 - before, x1.max(x2), y1 - before + wide)
        } else if from.x == to.x {
            Rect::new(x1 - before, y1.min(y2), x1 - before + wide, y1.max(y2))
        } else {
            let outline = self.outline(&[from, to], false);
            let stroked = outline.and_then(|path| self.stroked(&path, thickness));
            return self.path(stroked, paint);
        };
        let colour = paint.colour(self.theme);
        self.add(rect, Shape::Fill { rect, radius: 0, colour });
    }

    fn outline(&self, points: &[Point], closed: bool) -> Option<tiny_skia::Path> {
        let factor = self.scale.factor() / 64.0;
        let place = |point: &Point| {
            let at = |base: i64, coord: Coord| ((base + i64::from(coord.0)) as f32 * factor).clamp(-FAR, FAR);
            (at(self.dx, point.x), at(self.dy, point.y))
        };
        let mut builder = PathBuilder::new();
        for (n, point) in points.iter().enumerate() {
            let (x, y) = place(point);
            if n == 0 {
                builder.move_to(x, y);
            } else {
                builder.line_to(x, y);
            }
        }
        if closed && points.len() > 1 {
            builder.close();
        }
        builder.finish()
    }

    fn stroked(&self, path: &tiny_skia::Path, thickness: Extent) -> Option<tiny_skia::Path> {
        let width = (thickness.units() as f32 / 64.0 * self.scale.factor()).clamp(1.0, MOST_CORNER as f32);
        let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        path.stroke(&stroke, 1.0)
    }

    fn path(&mut self, path: Option<tiny_skia::Path>, paint: Paint) {
        if let Some(path) = path {
            let colour = paint.colour(self.theme);
            self.add(path_bounds(&path), Shape::Path { path, colour });
        }
    }
}
