//! The service `display`, but for what only a machine can do: surfaces, frames, text, events.
//!
//! Duty: carry out the operations of [`DisplayOperation`] over surfaces; ask a [`Screen`] for windows and
//! the clipboard. A hosted port and a bare one share it.
//!
//! Invariants
//! - Y1 A handle is valid from the operation that made it to its close, in one session.
//! - Y2 Whoever was told `WouldBlock` is rung once when there is an event.
//!
//! Must not know: window systems, threads.

use crate::alphabet::Alphabet;
use crate::canvas::Target;
use crate::emergency::{Choice, Emergency, Meaning, is_call};
use crate::fonts::{FontSource, Fonts};
use crate::geometry::Scale;
use crate::glyphs::Glyphs;
use crate::png;
use crate::roles::Theme;
use crate::slot::{Slot, scaled};
use crate::surface::{Surface, Workshop};
use crate::text::Laid;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use platform::events::Event;
use platform::operations::{DisplayOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request, Slots};

/// The most frames that wait to be told of.
const MOST_TOLD: usize = 64;
/// The largest window that a world may ask for, in logical pixels.
const MOST_LOGICAL: u32 = 16_384;

/// What a window shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowWish {
    /// Its title.
    pub title: String,
    /// Its width in logical pixels.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

/// What a desktop asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feel {
    /// 0 light, 1 dark, 2 unknown.
    pub theme: u8,
    /// How long a caret is shown, then hidden; 0: it does not blink.
    pub blink_ms: u32,
    /// Within which two presses are a double click.
    pub double_click_ms: u32,
}

impl Default for Feel {
    fn default() -> Feel {
        Feel { theme: 2, blink_ms: 530, double_click_ms: 400 }
    }
}

/// What only a machine can do. Nothing here waits for the window system.
pub trait Screen: Send {
    /// Whether windows can be opened, or why not.
    fn availability(&self) -> Result<(), String>;
    /// Opens a window for the surface of a handle.
    fn open(&mut self, handle: Handle, wish: WindowWish) -> Result<(), Refusal>;
    /// Closes it.
    fn close(&mut self, handle: Handle);
    /// Says that a surface has something to paint.
    fn damaged(&mut self, handle: Handle);
    /// Sets the title.
    fn set_title(&mut self, handle: Handle, title: &str);
    /// Brings the window to the front.
    fn raise(&mut self, handle: Handle);
    /// Sets the pointer's shape.
    fn set_pointer(&mut self, handle: Handle, shape: u8);
    /// Says where text is awaited, in 1/64 logical pixels without zoom.
    fn set_input(&mut self, handle: Handle, awaited: bool, place: [i32; 4]);
    /// The text in the clipboard (`primary`: the selection).
    fn clipboard(&mut self, primary: bool) -> Result<String, Refusal>;
    /// Puts a text there.
    fn set_clipboard(&mut self, primary: bool, text: String) -> Result<(), Refusal>;
    /// What the user's desktop asks for.
    fn feel(&self) -> Feel;
    /// Milliseconds since the session began.
    fn milliseconds(&self) -> u32;
    /// Nanoseconds since any fixed moment.
    fn nanoseconds(&self) -> u64;
    /// Rings a semaphore.
    fn ring(&mut self, semaphore: u32);
}

/// Surfaces and what they share.
pub struct Display {
    slots: Slots<Slot>,
    workshop: Workshop,
    screen: Box<dyn Screen>,
    /// What was chosen where the machine shows an emergency.
    choice: Option<(Handle, Choice)>,
}

fn failed(code: &'static str, message: String) -> Refusal {
    Refusal::Failed { code, message }
}

fn units(pixels: f32) -> i32 {
    libm::ceilf(pixels * 64.0) as i32
}

fn nearest(pixels: f32) -> i32 {
    libm::roundf(pixels * 64.0) as i32
}

fn places(all: impl IntoIterator<Item = (f32, f32, f32, f32)>) -> Vec<u8> {
    let put = |packed: Packed, (x, y, width, height)| {
        [x, y, width, height].into_iter().fold(packed, |packed: Packed, value| packed.i32(nearest(value)))
    };
    all.into_iter().fold(Packed::default(), put).finish()
}

fn lines(laid: &Laid) -> Vec<u8> {
    let put = |packed: Packed, line: &crate::text::Line| {
        let lengths = [line.top, line.height, line.baseline, line.left, line.width];
        let packed = packed.u32(line.from).u32(line.to);
        lengths.into_iter().fold(packed, |packed, value| packed.i32(nearest(value)))
    };
    laid.lines.iter().fold(Packed::default(), put).finish()
}

impl Display {
    /// No surfaces yet.
    pub fn new(session: u64, screen: Box<dyn Screen>, source: Option<Box<dyn FontSource>>) -> Display {
        let workshop = Workshop { fonts: Fonts::new(source), glyphs: Glyphs::default() };
        Display { slots: Slots::new(session), workshop, screen, choice: None }
    }

    fn slot(&mut self, handle: Handle) -> Result<&mut Slot, Refusal> {
        self.slots.get_mut(handle).ok_or(Refusal::Stale)
    }

    fn layout(&mut self, handle: Handle, id: u32) -> Result<Arc<Laid>, Refusal> {
        let slot = self.slot(handle)?;
        slot.surface.layout(id).ok_or_else(|| failed("notFound", format!("layout {id} is not defined")))
    }

    /// Carries out a request.
    pub fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = DisplayOperation::from_code(request.operation).ok_or(Refusal::UnknownOperation)?;
        let mut fields = Fields::new(request.bytes);
        let made = match operation {
            DisplayOperation::OpenWindow => Some(self.open_window(&mut fields)?),
            DisplayOperation::OpenPicture => Some(self.open_picture(&mut fields)?),
            _ => None,
        };
        if made.is_some() {
            return Ok(Reply { handle: made, bytes: Vec::new() });
        }
        let bytes = match request.handle {
            None => self.without_handle(operation, &mut fields)?,
            Some(handle) => match operation {
                DisplayOperation::Lines
                | DisplayOperation::HitTest
                | DisplayOperation::CaretRectangle
                | DisplayOperation::Marks => self.in_layout(operation, handle, &mut fields)?,
                DisplayOperation::NextEvents => self.next_events(handle, request.semaphore)?,
                _ => self.with_surface(operation, handle, &mut fields)?,
            },
        };
        Ok(Reply { handle: None, bytes })
    }

    fn open_window(&mut self, fields: &mut Fields<'_>) -> Result<Handle, Refusal> {
        let (title, width, height) = (fields.text()?.into(), fields.u32()?, fields.u32()?);
        self.screen.availability().map_err(|why| failed("noDisplay", why))?;
        let (width, height) = (width.clamp(1, MOST_LOGICAL), height.clamp(1, MOST_LOGICAL));
        let base = Scale::default();
        let surface = Surface::new(width as i32, height as i32, base);
        let handle = self.slots.insert(Slot::new(surface, base, true));
        let opened = self.screen.open(handle, WindowWish { title, width, height });
        if opened.is_err() {
            self.forget(handle);
        }
        opened.map(|()| handle)
    }

    fn open_picture(&mut self, fields: &mut Fields<'_>) -> Result<Handle, Refusal> {
        let (width, height, base) = (fields.u32()?, fields.u32()?, Scale::new(fields.u32()?));
        let pixels = |logical: u32| base.edge(i64::from(logical.min(MOST_LOGICAL)) * 64);
        let mut slot = Slot::new(Surface::new(pixels(width), pixels(height), base), base, false);
        let resized = slot.resized();
        slot.take(self.screen.milliseconds(), resized);
        Ok(self.slots.insert(slot))
    }

    fn forget(&mut self, handle: Handle) {
        let _ = self.slots.remove(handle);
    }

    fn without_handle(&mut self, operation: DisplayOperation, fields: &mut Fields<'_>) -> Result<Vec<u8>, Refusal> {
        Ok(match operation {
            DisplayOperation::GetClipboard => {
                let text = self.screen.clipboard(fields.u8()? == 1)?;
                Packed::default().text(&text).finish()
            }
            DisplayOperation::SetClipboard => {
                let (primary, text) = (fields.u8()? == 1, fields.text()?);
                self.screen.set_clipboard(primary, text.into())?;
                Vec::new()
            }
            DisplayOperation::Availability => match self.screen.availability() {
                Ok(()) => Packed::default().u8(1).text("").finish(),
                Err(why) => Packed::default().u8(0).text(&why).finish(),
            },
            DisplayOperation::Feel => {
                let feel = self.screen.feel();
                Packed::default().u8(feel.theme).u32(feel.blink_ms).u32(feel.double_click_ms).finish()
            }
            _ => return Err(Refusal::Malformed(format!("{operation:?} without a handle"))),
        })
    }

    fn in_layout(&mut self, operation: DisplayOperation, handle: Handle, fields: &mut Fields<'_>) -> Result<Vec<u8>, Refusal> {
        let laid = self.layout(handle, fields.u32()?)?;
        Ok(match operation {
            DisplayOperation::HitTest => {
                let (x, y) = (fields.i32()? as f32 / 64.0, fields.i32()? as f32 / 64.0);
                let (byte, on_text) = laid.hit(x, y);
                Packed::default().u32(byte as u32).u8(on_text.into()).finish()
            }
            DisplayOperation::CaretRectangle => places([laid.caret(fields.u32()? as usize)]),
            DisplayOperation::Marks => {
                let (from, to) = (fields.u32()? as usize, fields.u32()? as usize);
                places(laid.marks(from, to))
            }
            _ => lines(&laid),
        })
    }

    fn next_events(&mut self, handle: Handle, semaphore: Option<u32>) -> Result<Vec<u8>, Refusal> {
        let slot = self.slot(handle)?;
        if slot.events.is_empty() {
            let known = semaphore.is_some_and(|one| slot.waiting.contains(&one));
            slot.waiting.extend(semaphore.filter(|_| !known));
            return Err(Refusal::WouldBlock);
        }
        slot.unanswered = None;
        let mut bytes = Vec::new();
        slot.events.drain(..).for_each(|(milliseconds, event)| event.pack(milliseconds, &mut bytes));
        Ok(bytes)
    }

    fn with_surface(&mut self, operation: DisplayOperation, handle: Handle, fields: &mut Fields<'_>) -> Result<Vec<u8>, Refusal> {
        // Stale handles never reach the screen.
        self.slot(handle)?;
        let nothing = Ok(Vec::new());
        match operation {
            DisplayOperation::Close => {
                if self.slot(handle)?.is_window {
                    self.screen.close(handle);
                }
                self.forget(handle);
                nothing
            }
            DisplayOperation::Present => self.present(handle, fields.bytes()),
            DisplayOperation::Measure => self.measure(handle, fields.bytes()),
            DisplayOperation::Post => {
                let events = Event::unpack(fields.bytes())?;
                events.into_iter().for_each(|(milliseconds, event)| self.post_at(handle, milliseconds, event));
                nothing
            }
            DisplayOperation::SetZoom => {
                let zoom = Scale::new(fields.u32()?);
                self.slot(handle)?.zoom = zoom;
                self.fit(handle, None);
                nothing
            }
            DisplayOperation::Extent => {
                let slot = self.slot(handle)?;
                let (width, height) = slot.surface.logical();
                let scale = slot.surface.scale().sixty_fourths();
                Ok(Packed::default().i32(width).i32(height).u32(scale).finish())
            }
            DisplayOperation::Picture => self.picture(handle),
            DisplayOperation::Replay => {
                let replay = self.slot(handle)?.surface.replay();
                replay.ok_or_else(|| failed("notFound", String::from("no frame was shown yet")))
            }
            DisplayOperation::Statistics => self.statistics(handle),
            DisplayOperation::Trouble => {
                let (error, stack) = (fields.text()?.into(), fields.text()?.into());
                self.slot(handle)?.call = Some(Emergency { error, stack, ..Emergency::default() });
                nothing
            }
            _ => self.with_window(operation, handle, fields),
        }
    }

    /// What only a window has; a surface that nobody sees agrees to all of it.
    fn with_window(&mut self, operation: DisplayOperation, handle: Handle, fields: &mut Fields<'_>) -> Result<Vec<u8>, Refusal> {
        let slot = self.slot(handle)?;
        let (is_window, zoom) = (slot.is_window, slot.zoom.sixty_fourths() as i64);
        match operation {
            DisplayOperation::SetTitle => {
                let title = fields.text()?;
                if is_window {
                    self.screen.set_title(handle, title);
                }
            }
            DisplayOperation::Raise => {
                if is_window {
                    self.screen.raise(handle);
                }
            }
            DisplayOperation::SetPointer => {
                let pointer = fields.u8()?;
                if is_window {
                    self.screen.set_pointer(handle, pointer);
                }
            }
            DisplayOperation::SetInput => {
                let awaited = fields.u8()? == 1;
                let place = [fields.i32()?, fields.i32()?, fields.i32()?, fields.i32()?];
                let place = place.map(|units| (i64::from(units) * zoom / 64).clamp(-1 << 30, 1 << 30) as i32);
                if is_window {
                    self.screen.set_input(handle, awaited, place);
                }
            }
            _ => return Err(Refusal::Malformed(format!("{operation:?} with a handle"))),
        }
        Ok(Vec::new())
    }

    fn measure(&mut self, handle: Handle, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let Display { slots, workshop, .. } = self;
        let slot = slots.get_mut(handle).ok_or(Refusal::Stale)?;
        let measured = slot.surface.measure(bytes, &mut workshop.fonts).map_err(Refusal::Malformed)?;
        let put = |packed: Packed, (id, laid): (u32, Arc<Laid>)| {
            packed.u32(id).u32(laid.lines.len() as u32).i32(units(laid.width)).i32(units(laid.height))
        };
        Ok(measured.into_iter().fold(Packed::default(), put).finish())
    }

    fn present(&mut self, handle: Handle, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let (now, milliseconds) = (self.screen.nanoseconds(), self.screen.milliseconds());
        let Display { slots, workshop, screen, .. } = self;
        let slot = slots.get_mut(handle).ok_or(Refusal::Stale)?;
        let carets: Vec<_> = slot.surface.carets().collect();
        let header = slot.surface.present(bytes, &mut workshop.fonts).map_err(Refusal::Malformed)?;
        if !slot.surface.carets().eq(carets) {
            slot.caret_came = now;
        }
        slot.framed();
        slot.presented = Some(now);
        if slot.emergency.as_ref().is_some_and(|(emergency, _)| emergency.passes) {
            // It was slow, and no more.
            self.close_emergency(handle);
            return self.present_told(handle, header.tells.then_some(header.number), now);
        }
        if !slot.is_window {
            slot.keys.show(screen.nanoseconds());
            if header.tells {
                slot.take(milliseconds, Event::Shown { number: header.number, nanoseconds: 0 });
                self.wake(handle);
            }
            return Ok(Vec::new());
        }
        self.present_told(handle, header.tells.then_some(header.number), now)
    }

    /// A frame was presented to a window; `told` if an event shall say when it is shown.
    fn present_told(&mut self, handle: Handle, told: Option<u32>, now: u64) -> Result<Vec<u8>, Refusal> {
        let slot = self.slot(handle)?;
        if let Some(number) = told {
            // A window that nobody sees is painted late; who waits for an old frame waits for this one.
            slot.told.truncate(MOST_TOLD - 1);
            slot.told.insert(0, (number, now));
        }
        if slot.surface.is_undrawn() || told.is_some() {
            self.screen.damaged(handle);
        }
        Ok(Vec::new())
    }

    fn picture(&mut self, handle: Handle) -> Result<Vec<u8>, Refusal> {
        let Display { slots, workshop, .. } = self;
        let slot = slots.get_mut(handle).ok_or(Refusal::Stale)?;
        let (width, height) = slot.surface.extent();
        if width == 0 || height == 0 {
            return Err(failed("notFound", format!("a surface of {width} by {height} pixels has no picture")));
        }
        let pixels = slot.surface.pixels(workshop);
        Ok(png::encode(&pixels, width as u32, height as u32))
    }

    fn statistics(&mut self, handle: Handle) -> Result<Vec<u8>, Refusal> {
        let (glyphs, glyph_bytes) = self.workshop.glyphs.kept();
        let slot = self.slot(handle)?;
        let figures = slot.surface.figures();
        let [keys, median, worst] = slot.keys.figures();
        let numbers = [
            figures.frames,
            figures.painted,
            slot.painted_ns,
            figures.pixels,
            glyphs as u64,
            glyph_bytes as u64,
            figures.layouts as u64,
            figures.layout_bytes as u64,
            keys,
            median,
            worst,
        ];
        Ok(numbers.into_iter().fold(Packed::default(), Packed::u64).finish())
    }

    fn wake(&mut self, handle: Handle) {
        let waiting = self.slot(handle).map(|slot| core::mem::take(&mut slot.waiting)).unwrap_or_default();
        waiting.into_iter().for_each(|semaphore| self.screen.ring(semaphore));
    }

    fn post_at(&mut self, handle: Handle, milliseconds: u32, event: Event) {
        let now = self.screen.nanoseconds();
        if self.is_for_the_machine(handle, &event) {
            return;
        }
        if let Ok(slot) = self.slot(handle) {
            if matches!(event, Event::KeyDown { .. }) {
                slot.keys.press(now);
            }
            slot.unanswered.get_or_insert(now);
            slot.take(milliseconds, event);
            self.wake(handle);
        }
    }

    /// Whether an event is no matter of the world's: it calls for an emergency, or chooses in one.
    fn is_for_the_machine(&mut self, handle: Handle, event: &Event) -> bool {
        let Ok(slot) = self.slot(handle) else { return false };
        let Some((emergency, _)) = &mut slot.emergency else {
            let is_call = slot.is_window && is_call(event);
            if is_call {
                let title = String::from("Beside the world");
                let error = String::from("Nothing failed: this was asked for.");
                slot.call = Some(Emergency { title, error, ..Emergency::default() });
            }
            return is_call;
        };
        match emergency.take(event) {
            Meaning::Nothing => return false,
            Meaning::Changed => self.draw_emergency(handle),
            Meaning::Chosen(choice) => self.choice = Some((handle, choice)),
        }
        true
    }

    /// What the world, or the key for it, asked the machine to show; once.
    pub fn take_call(&mut self) -> Option<(Handle, Emergency)> {
        self.windows().into_iter().find_map(|handle| Some((handle, self.slot(handle).ok()?.call.take()?)))
    }

    /// The window whose oldest event nobody has taken, and when it came.
    pub fn unanswered(&mut self) -> Option<(Handle, u64)> {
        self.windows().into_iter().find_map(|handle| Some((handle, self.slot(handle).ok()?.unanswered?)))
    }

    /// When the world presented a frame in a window last.
    pub fn presented(&mut self, handle: Handle) -> Option<u64> {
        self.slot(handle).ok()?.presented
    }

    /// The emergency that is shown there.
    pub fn emergency(&mut self, handle: Handle) -> Option<&Emergency> {
        self.slot(handle).ok()?.emergency.as_ref().map(|(emergency, _)| emergency)
    }

    /// Whether one is shown in any window.
    pub fn shows_emergency(&mut self) -> bool {
        self.windows().into_iter().any(|handle| self.emergency(handle).is_some())
    }

    /// What was chosen in an emergency; once.
    pub fn take_choice(&mut self) -> Option<(Handle, Choice)> {
        self.choice.take()
    }

    /// Shows an emergency instead of what the world shows, until it is closed.
    pub fn open_emergency(&mut self, handle: Handle, emergency: Emergency) {
        if let Ok(slot) = self.slot(handle) {
            let (width, height) = slot.surface.extent();
            let surface = Surface::new(width, height, slot.base);
            slot.emergency = Some((emergency, surface));
            self.draw_emergency(handle);
        }
    }

    fn draw_emergency(&mut self, handle: Handle) {
        let Display { slots, workshop, .. } = self;
        let Some(slot) = slots.get_mut(handle) else { return };
        let Some((emergency, surface)) = &mut slot.emergency else { return };
        let (width, height) = surface.logical();
        let theme = slot.surface.theme();
        // The stream is this crate's own; one that were refused would leave the last picture.
        let _ = surface.present(&emergency.frame((width / 64, height / 64), theme), &mut workshop.fonts);
        self.screen.damaged(handle);
    }

    /// Shows what the world shows again, and tells the world to draw.
    pub fn close_emergency(&mut self, handle: Handle) {
        if self.slot(handle).is_ok_and(|slot| slot.emergency.take().is_some()) {
            self.fit(handle, None);
            self.screen.damaged(handle);
        }
    }

    /// The letters of ASCII, for words when nothing else works.
    pub fn alphabet(&mut self, theme: Theme) -> Alphabet {
        Alphabet::draw(&mut self.workshop, theme)
    }

    /// Adds an event to a surface's; whoever waits for it is rung.
    pub fn post(&mut self, handle: Handle, event: Event) {
        let milliseconds = self.screen.milliseconds();
        self.post_at(handle, milliseconds, event);
    }

    /// The handles of all windows.
    pub fn windows(&self) -> Vec<Handle> {
        self.slots.iter().filter(|(_, slot)| slot.is_window).map(|(handle, _)| handle).collect()
    }

    /// Tells a surface its size in device pixels and its scale (`None`: as they are); posts Resized.
    pub fn fit(&mut self, handle: Handle, size: Option<(i32, i32, Scale)>) {
        let Ok(slot) = self.slot(handle) else { return };
        let (width, height) = slot.surface.extent();
        let (width, height, base) = size.unwrap_or((width, height, slot.base));
        slot.base = base;
        slot.surface.resize(width, height, scaled(base, slot.zoom));
        let event = slot.resized();
        if let Some((_, surface)) = &mut slot.emergency {
            surface.resize(width, height, base);
            self.draw_emergency(handle);
        }
        self.post(handle, event);
    }

    /// A place in device pixels as events tell it.
    pub fn place(&mut self, handle: Handle, x: f64, y: f64) -> (i32, i32) {
        let scale = self.slot(handle).map(|slot| slot.surface.scale()).unwrap_or_default();
        let factor = 4096.0 / f64::from(scale.sixty_fourths());
        ((x * factor) as i32, (y * factor) as i32)
    }

    /// For how many nanoseconds the caret of a surface has stood where it is; `None`: it shows none.
    pub fn caret_rest(&mut self, handle: Handle) -> Option<u64> {
        let now = self.screen.nanoseconds();
        let slot = self.slot(handle).ok()?;
        slot.shown().carets().next()?;
        Some(now.saturating_sub(slot.caret_came))
    }

    /// Shows the caret of a window or hides it; whether there is something to paint.
    pub fn show_caret(&mut self, handle: Handle, shown: bool) -> bool {
        let Ok(slot) = self.slot(handle) else { return false };
        let was_undrawn = slot.shown().is_undrawn();
        slot.shown().show_carets(shown);
        !was_undrawn && slot.shown().is_undrawn()
    }

    /// The size of a surface in device pixels.
    pub fn extent(&mut self, handle: Handle) -> Option<(i32, i32)> {
        self.slot(handle).ok().map(|slot| slot.surface.extent())
    }

    /// Whether a surface has a frame to paint.
    pub fn has_frame(&mut self, handle: Handle) -> bool {
        self.slot(handle).is_ok_and(|slot| slot.shown().has_frame())
    }

    /// Paints a window's surface into a buffer that holds the picture of `age` frames ago; answers the
    /// rectangles {left, top, width, height} that changed.
    pub fn paint(&mut self, handle: Handle, target: &mut Target<'_>, age: u8) -> Vec<(u32, u32, u32, u32)> {
        let start = self.screen.nanoseconds();
        let Display { slots, workshop, .. } = self;
        let Some(slot) = slots.get_mut(handle) else { return Vec::new() };
        let painted = slot.shown().paint(target, age, workshop);
        slot.painted_ns = self.screen.nanoseconds().saturating_sub(start);
        painted
    }

    /// Says that what was painted is on the screen.
    pub fn shown(&mut self, handle: Handle) {
        let now = self.screen.nanoseconds();
        let Ok(slot) = self.slot(handle) else { return };
        slot.keys.show(now);
        let told = core::mem::take(&mut slot.told);
        for (number, presented) in told.into_iter().rev() {
            self.post(handle, Event::Shown { number, nanoseconds: now.saturating_sub(presented) });
        }
    }

    /// The window's own scale was lost, or it could not be made: it is closed, and the world is told.
    pub fn fail(&mut self, handle: Handle, reason: &str) {
        self.post(handle, Event::Failed { reason: reason.into() });
    }
}
