//! A surface: what it has defined, the frame it shows, and what of it must be painted.
//!
//! Invariants
//! - E1 A frame is refused as a whole, and then nothing has changed.
//! - E2 A frame paints only numbers that were defined in frames since the last keyframe.
//! - E3 Painted piece by piece, as the damage says, a surface has the pixels of one painted whole.
//! - E4 What is painted lies within the surface, whatever size it had before.
//! - E5 Texts and images are bounded by [`MOST_TEXT_BYTES`] and [`MOST_IMAGE_BYTES`].
//! - E6 Carets that are hidden are no part of what E3 paints; every change of that is damage.
//!
//! Must not know: windows, events.

use crate::build::{Builder, Defined};
use crate::canvas::{Canvas, Clip, Target};
use crate::damage::{History, Region};
use crate::fields::Extent;
use crate::fonts::Fonts;
use crate::frame::{Bitmap, Digest, Frame, Item, Shape};
use crate::geometry::{Rect, Scale};
use crate::glyphs::Glyphs;
use crate::paint::{Letters, shape};
use crate::roles::{Role, Theme};
use crate::stream::{Claimed, Command, Encoder, Header, Stream};
use crate::text::{Laid, Wish, lay};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// The most bytes of texts that a surface keeps, as they were defined.
pub const MOST_TEXT_BYTES: usize = 64 << 20;
/// The most bytes of images.
pub const MOST_IMAGE_BYTES: usize = 64 << 20;
/// The widest and highest surface in device pixels.
pub const MOST_SIDE: i32 = 16_384;

/// The fonts and pictures of letters that all surfaces share.
pub struct Workshop {
    /// The fonts.
    pub fonts: Fonts,
    /// The pictures.
    pub glyphs: Glyphs,
}

struct Layout {
    source: Vec<u8>,
    laid: Arc<Laid>,
    in_frames: bool,
}

struct Image {
    source: Vec<u8>,
    bitmap: Arc<Bitmap>,
}

/// What was defined by number.
#[derive(Default)]
struct Shelf {
    layouts: BTreeMap<u32, Layout>,
    images: BTreeMap<u32, Image>,
    text_bytes: usize,
    image_bytes: usize,
}

impl Defined for Shelf {
    fn layout(&self, id: u32) -> Option<Arc<Laid>> {
        self.layouts.get(&id).map(|layout| layout.laid.clone())
    }
    fn bitmap(&self, id: u32) -> Option<Arc<Bitmap>> {
        self.images.get(&id).map(|image| image.bitmap.clone())
    }
}

/// Figures of a surface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Frames that were presented.
    pub frames: u64,
    /// Times it was painted.
    pub painted: u64,
    /// Pixels of the last painting.
    pub pixels: u64,
    /// Layouts that are kept.
    pub layouts: usize,
    /// Their bytes, with the places of their letters.
    pub layout_bytes: usize,
}

/// A surface.
pub struct Surface {
    width: i32,
    height: i32,
    scale: Scale,
    shelf: Shelf,
    frame: Frame,
    header: Option<Header>,
    last: Vec<u8>,
    undrawn: Region,
    history: History,
    figures: Figures,
    hides_carets: bool,
}

impl Surface {
    /// A surface of so many device pixels.
    pub fn new(width: i32, height: i32, scale: Scale) -> Surface {
        let mut surface = Surface {
            width: 0,
            height: 0,
            scale,
            shelf: Shelf::default(),
            frame: Frame::default(),
            header: None,
            last: Vec::new(),
            undrawn: Region::default(),
            history: History::default(),
            figures: Figures::default(),
            hides_carets: false,
        };
        surface.resize(width, height, scale);
        surface
    }

    /// Its width and height in device pixels.
    pub const fn extent(&self) -> (i32, i32) {
        (self.width, self.height)
    }

    /// Its scale.
    pub const fn scale(&self) -> Scale {
        self.scale
    }

    /// Its width and height in 1/64 logical pixels.
    pub const fn logical(&self) -> (i32, i32) {
        (self.scale.units(self.width), self.scale.units(self.height))
    }

    /// Gives it another size; the frame stays until the world shows one that fits.
    pub fn resize(&mut self, width: i32, height: i32, scale: Scale) {
        (self.width, self.height) = (width.clamp(0, MOST_SIDE), height.clamp(0, MOST_SIDE));
        self.scale = scale;
        self.history.clear();
        self.undrawn = Region::of(self.whole());
    }

    const fn whole(&self) -> Rect {
        Rect::new(0, 0, self.width, self.height)
    }

    /// Lays out the layouts of a stream; answers them in order.
    pub fn measure(&mut self, bytes: &[u8], fonts: &mut Fonts) -> Result<Vec<(u32, Arc<Laid>)>, String> {
        let stream = Claimed::new(bytes).verify().map_err(|damage| format!("{damage}"))?;
        let is_layout = |(command, _): &(Command<'_>, &[u8])| matches!(command, Command::Layout { .. });
        if let Some((command, _)) = stream.commands.iter().find(|one| !is_layout(one)) {
            return Err(format!("{command:?} is not a Layout"));
        }
        self.check(&stream, false)?;
        let mut measured = Vec::new();
        for (command, source) in &stream.commands {
            if let Command::Layout { id, .. } = command {
                self.define(command, source, false, fonts);
                measured.extend(self.shelf.layout(*id).map(|laid| (*id, laid)));
            }
        }
        Ok(measured)
    }

    /// A layout by its number.
    pub fn layout(&self, id: u32) -> Option<Arc<Laid>> {
        self.shelf.layout(id)
    }

    /// Shows a frame (E1); answers its header.
    pub fn present(&mut self, bytes: &[u8], fonts: &mut Fonts) -> Result<Header, String> {
        let stream = Claimed::new(bytes).verify().map_err(|damage| format!("{damage}"))?;
        let header = stream.header;
        if self.header.is_none() && !header.keyframe {
            return Err(String::from("the first frame of a surface must be a keyframe"));
        }
        self.check(&stream, true)?;
        if header.keyframe {
            self.shelf.layouts.values_mut().for_each(|layout| layout.in_frames = false);
            self.shelf.images.clear();
            self.shelf.image_bytes = 0;
        }
        let mut builder = Builder::new(header.theme, self.scale, self.width, self.height);
        for (command, source) in &stream.commands {
            match command {
                Command::Layout { .. }
                | Command::Picture { .. }
                | Command::DropLayout { .. }
                | Command::DropPicture { .. } => self.define(command, source, true, fonts),
                other => builder.take(other, &self.shelf),
            }
        }
        let frame = builder.finish();
        // A caret that moved is seen where it goes.
        if self.hides_carets && !self.frame.carets().eq(frame.carets()) {
            self.show_carets(true);
        }
        if self.header.is_none_or(|last| last.theme != header.theme) {
            self.undrawn = Region::of(self.whole());
        } else {
            self.undrawn.add_all(&self.frame.difference(&frame));
        }
        self.frame = frame;
        self.header = Some(header);
        self.last.clear();
        self.last.extend_from_slice(bytes);
        self.figures.frames += 1;
        Ok(header)
    }

    /// Whether a stream's numbers are defined when they are painted, and its definitions fit (E2, E5).
    fn check(&self, stream: &Stream<'_>, in_frames: bool) -> Result<(), String> {
        // What the stream itself defines and drops: {known, bytes}.
        let mut layouts: BTreeMap<u32, (bool, usize)> = BTreeMap::new();
        let mut images: BTreeMap<u32, (bool, usize)> = BTreeMap::new();
        let keyframe = stream.header.keyframe && in_frames;
        let (mut text_bytes, mut image_bytes) = (self.shelf.text_bytes, self.shelf.image_bytes);
        if keyframe {
            image_bytes = 0;
        }
        let old_layout = |id: &u32| self.shelf.layouts.get(id).map_or(0, |one| one.source.len());
        let old_image = |id: &u32| {
            if keyframe { 0 } else { self.shelf.images.get(id).map_or(0, |one| one.source.len()) }
        };
        for (command, source) in &stream.commands {
            match command {
                Command::Layout { id, .. } => {
                    let old = layouts.insert(*id, (true, source.len())).map_or_else(|| old_layout(id), |old| old.1);
                    text_bytes = (text_bytes + source.len()).saturating_sub(old);
                }
                Command::DropLayout { id } => {
                    let old = layouts.insert(*id, (false, 0)).map_or_else(|| old_layout(id), |old| old.1);
                    text_bytes = text_bytes.saturating_sub(old);
                }
                Command::Picture { id, .. } => {
                    let old = images.insert(*id, (true, source.len())).map_or_else(|| old_image(id), |old| old.1);
                    image_bytes = (image_bytes + source.len()).saturating_sub(old);
                }
                Command::DropPicture { id } => {
                    let old = images.insert(*id, (false, 0)).map_or_else(|| old_image(id), |old| old.1);
                    image_bytes = image_bytes.saturating_sub(old);
                }
                Command::Text { id, .. } => {
                    let before = || !keyframe && self.shelf.layouts.get(id).is_some_and(|one| one.in_frames);
                    if !layouts.get(id).map_or_else(before, |(known, _)| *known) {
                        return Err(format!("layout {id} is painted but not defined since the keyframe"));
                    }
                }
                Command::Image { id, .. } => {
                    let before = || !keyframe && self.shelf.images.contains_key(id);
                    if !images.get(id).map_or_else(before, |(known, _)| *known) {
                        return Err(format!("image {id} is painted but not defined since the keyframe"));
                    }
                }
                _ => {}
            }
            if text_bytes > MOST_TEXT_BYTES || image_bytes > MOST_IMAGE_BYTES {
                return Err(format!(
                    "{text_bytes} bytes of texts, {image_bytes} of images: above {MOST_TEXT_BYTES} or {MOST_IMAGE_BYTES}"
                ));
            }
        }
        Ok(())
    }

    fn define(&mut self, command: &Command<'_>, source: &[u8], in_frames: bool, fonts: &mut Fonts) {
        let shelf = &mut self.shelf;
        match command {
            Command::Layout { id, width, wrap, align, line, text, spans } => {
                if let Some(known) = shelf.layouts.get_mut(id)
                    && known.source == source
                {
                    known.in_frames |= in_frames;
                    return;
                }
                let (width, line): (Extent, Extent) = (*width, *line);
                let wish = Wish { width, wrap: *wrap, align: *align, line, text, spans };
                let laid = Arc::new(lay(fonts, &wish, Digest::of(source)));
                let layout = Layout { source: source.to_vec(), laid, in_frames };
                shelf.text_bytes += source.len();
                if let Some(old) = shelf.layouts.insert(*id, layout) {
                    shelf.text_bytes -= old.source.len();
                }
            }
            Command::DropLayout { id } => {
                if let Some(old) = shelf.layouts.remove(id) {
                    shelf.text_bytes -= old.source.len();
                }
            }
            Command::Picture { id, pixels } => {
                let (width, height) = (i32::from(pixels.width), i32::from(pixels.height));
                let key = Digest::of(source);
                let bitmap = Arc::new(Bitmap { width, height, rgba: pixels.rgba.to_vec(), key });
                shelf.image_bytes += source.len();
                if let Some(old) = shelf.images.insert(*id, Image { source: source.to_vec(), bitmap }) {
                    shelf.image_bytes -= old.source.len();
                }
            }
            Command::DropPicture { id } => {
                if let Some(old) = shelf.images.remove(id) {
                    shelf.image_bytes -= old.source.len();
                }
            }
            _ => {}
        }
    }

    /// Whether a frame was presented yet.
    pub const fn has_frame(&self) -> bool {
        self.header.is_some()
    }

    /// Where its frame's carets stand, in device pixels.
    pub fn carets(&self) -> impl Iterator<Item = Rect> {
        self.frame.carets()
    }

    /// Shows the carets of its frame, or hides them (E6).
    pub fn show_carets(&mut self, shown: bool) {
        if self.hides_carets == shown {
            self.hides_carets = !shown;
            let (undrawn, frame) = (&mut self.undrawn, &self.frame);
            frame.carets().for_each(|bounds| undrawn.add(bounds));
        }
    }

    /// Whether something must be painted.
    pub fn is_undrawn(&self) -> bool {
        !self.undrawn.is_empty()
    }

    /// Paints what a buffer needs that holds the picture of `age` frames ago (0: none of it); answers
    /// the rectangles {left, top, width, height} that were painted.
    pub fn paint(&mut self, target: &mut Target<'_>, age: u8, workshop: &mut Workshop) -> Vec<(u32, u32, u32, u32)> {
        self.history.push(core::mem::take(&mut self.undrawn));
        let whole = self.whole();
        let region = self.history.since(age).unwrap_or_else(|| Region::of(whole));
        // What an earlier, larger size showed is gone.
        let inside = region.rects().iter().map(|rect| rect.intersection(&whole));
        let pieces: Vec<Rect> = inside.filter(|rect| !rect.is_empty()).collect();
        self.figures.painted += 1;
        self.figures.pixels = pieces.iter().map(Rect::area).sum();
        for piece in &pieces {
            self.paint_piece(target, *piece, workshop);
        }
        let shown = |rect: &Rect| (rect.left as u32, rect.top as u32, rect.width() as u32, rect.height() as u32);
        pieces.iter().map(shown).collect()
    }

    fn paint_piece(&self, target: &mut Target<'_>, piece: Rect, workshop: &mut Workshop) {
        let ground = Clip::of(piece);
        let desk = Role::Desk.colour(self.theme());
        Canvas::new(target, &ground, piece).fill(piece, desk);
        let mut letters = Letters { fonts: &mut workshop.fonts, glyphs: &mut workshop.glyphs, scale: self.scale };
        let hides = |item: &Item| self.hides_carets && matches!(item.shape, Shape::Caret { .. });
        for item in self.frame.items.iter().filter(|item| item.bounds.meets(&piece) && !hides(item)) {
            let Some(clip) = self.frame.clips.get(item.clip as usize) else { continue };
            let mut canvas = Canvas::new(target, clip, piece.intersection(&item.bounds));
            shape(&mut canvas, &item.shape, item.bounds, &mut letters);
        }
    }

    /// Light or dark, as its frame says.
    pub fn theme(&self) -> Theme {
        self.header.map_or(Theme::Light, |header| header.theme)
    }

    /// The picture as it is shown, whole; damage is left as it is.
    pub fn pixels(&self, workshop: &mut Workshop) -> Vec<u32> {
        let mut pixels = vec![0; self.width as usize * self.height as usize];
        let stride = self.width as usize;
        let mut target = Target { pixels: &mut pixels, stride, width: self.width, height: self.height };
        self.paint_piece(&mut target, self.whole(), workshop);
        pixels
    }

    /// The last frame as a keyframe with all its definitions; `None` before the first.
    pub fn replay(&self) -> Option<Vec<u8>> {
        let last = Claimed::new(&self.last).verify().ok()?;
        let mut bytes = Encoder::new(Header { keyframe: true, ..last.header }).finish();
        let layouts = self.shelf.layouts.values().filter(|layout| layout.in_frames);
        layouts.for_each(|layout| bytes.extend_from_slice(&layout.source));
        self.shelf.images.values().for_each(|image| bytes.extend_from_slice(&image.source));
        for (command, source) in &last.commands {
            let defines = matches!(
                command,
                Command::Layout { .. }
                    | Command::Picture { .. }
                    | Command::DropLayout { .. }
                    | Command::DropPicture { .. }
            );
            if !defines {
                bytes.extend_from_slice(source);
            }
        }
        Some(bytes)
    }

    /// Its figures.
    pub fn figures(&self) -> Figures {
        let layout_bytes = self.shelf.layouts.values().map(|layout| layout.source.len() + layout.laid.bytes()).sum();
        Figures { layouts: self.shelf.layouts.len(), layout_bytes, ..self.figures }
    }
}
