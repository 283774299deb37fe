//! The window system's loop: windows, their buffers, their events.
//!
//! Invariants
//! - R1 What a window shows is its surface's frame: each painting asks the surface what a buffer of that
//!   age needs, and presents that.
//! - R2 A window that cannot be made or painted is told to the world as Failed and dropped; the program
//!   lives on.
//!
//! Must not know: what the world does with an event.

use super::caret;
use super::input::{self, Clicks};
use super::Order;
use parking_lot::Mutex;
use platform::Handle;
use platform::events::Event;
use raster::{Display, Feel, Scale, Target, WindowWish};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use winit::application::ApplicationHandler;
use winit::dpi::{LogicalPosition, LogicalSize, PhysicalPosition};
use winit::event::{ElementState, Ime, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, OwnedDisplayHandle};
use winit::keyboard::ModifiersState;
use winit::window::{CursorIcon, Theme, UserAttentionType, Window, WindowId};

type Context = softbuffer::Context<OwnedDisplayHandle>;
type Buffers = softbuffer::Surface<OwnedDisplayHandle, Rc<Window>>;

/// The name by which a desktop knows the program.
const APPLICATION: &str = "warm";

/// One window.
struct Pane {
    handle: Handle,
    window: Rc<Window>,
    buffers: Buffers,
    modifiers: ModifiersState,
    pointer: (f64, f64),
    buttons: u8,
    clicks: Clicks,
    /// Whether the machine asked for the next painting; else the window system did.
    asked: bool,
    /// Whether it has the keyboard, as far as it was told, and since when.
    keyboard: (bool, Instant),
}

/// All windows, and the surfaces that they show.
#[derive(Default)]
pub struct Shower {
    surfaces: Option<Arc<Mutex<Display>>>,
    context: Option<Context>,
    panes: HashMap<WindowId, Pane>,
    /// How many there are, for the machine's thread.
    shown: Arc<AtomicUsize>,
}

/// The scale of a window as the surfaces know it.
fn scale(window: &Window) -> Scale {
    Scale::new((window.scale_factor() * 64.0).round().clamp(1.0, 1e6) as u32)
}

fn theme(theme: Theme) -> u8 {
    u8::from(theme == Theme::Dark)
}

/// Whether a window system's name is an X11 one; the application's name is given in its own way to each.
fn named(wish: &WindowWish) -> winit::window::WindowAttributes {
    let attributes = Window::default_attributes()
        .with_title(&wish.title)
        .with_visible(true)
        .with_inner_size(LogicalSize::new(wish.width, wish.height));
    let attributes =
        winit::platform::wayland::WindowAttributesExtWayland::with_name(attributes, APPLICATION, APPLICATION);
    winit::platform::x11::WindowAttributesExtX11::with_name(attributes, APPLICATION, APPLICATION)
}

/// A wish for a window that fits the screen, as far as the window system tells its size.
fn fitting(event_loop: &ActiveEventLoop, wish: &WindowWish) -> WindowWish {
    let mut wish = wish.clone();
    let screen = event_loop.primary_monitor().or_else(|| event_loop.available_monitors().next());
    if let Some(screen) = screen {
        let size = screen.size().to_logical::<f64>(screen.scale_factor());
        let most = |side: f64| if side >= 1.0 { side as u32 } else { u32::MAX };
        (wish.width, wish.height) = (wish.width.min(most(size.width)), wish.height.min(most(size.height)));
    }
    wish
}

impl Shower {
    /// No windows yet; `shown` is kept at their number.
    pub fn counting(shown: Arc<AtomicUsize>) -> Shower {
        Shower { shown, ..Shower::default() }
    }

    fn count(&self) {
        self.shown.store(self.panes.len(), Ordering::SeqCst);
    }

    fn post(&self, handle: Handle, event: Event) {
        if let Some(surfaces) = &self.surfaces {
            surfaces.lock().post(handle, event);
        }
    }

    /// The display went away: every window is told.
    pub fn lost(&mut self, reason: &str) {
        if let Some(surfaces) = &self.surfaces {
            let mut surfaces = surfaces.lock();
            for handle in surfaces.windows() {
                surfaces.fail(handle, reason);
            }
        }
        self.panes.clear();
    }

    fn open(&mut self, event_loop: &ActiveEventLoop, handle: Handle, wish: &WindowWish) {
        let made = self.make(event_loop, handle, wish);
        match made {
            Ok(pane) => {
                self.fit(&pane);
                if let Some(shown) = pane.window.theme() {
                    self.post(handle, Event::ThemeChanged { theme: theme(shown) });
                }
                pane.window.request_redraw();
                self.panes.insert(pane.window.id(), pane);
            }
            Err(reason) => self.post(handle, Event::Failed { reason }),
        }
    }

    fn make(&mut self, event_loop: &ActiveEventLoop, handle: Handle, wish: &WindowWish) -> Result<Pane, String> {
        let window = event_loop.create_window(named(&fitting(event_loop, wish))).map_err(|error| format!("no window: {error}"))?;
        // Until the world says otherwise; without it, X11 shows that of the empty screen.
        window.set_cursor(CursorIcon::Default);
        let window = Rc::new(window);
        let told = |error: softbuffer::SoftBufferError| format!("no buffer for the window: {error}");
        if self.context.is_none() {
            self.context = Some(Context::new(event_loop.owned_display_handle()).map_err(told)?);
        }
        let Some(context) = &self.context else { return Err("no display".to_owned()) };
        let buffers = Buffers::new(context, window.clone()).map_err(told)?;
        Ok(Pane {
            handle,
            window,
            buffers,
            modifiers: ModifiersState::empty(),
            pointer: (0.0, 0.0),
            buttons: 0,
            clicks: Clicks::default(),
            asked: false,
            keyboard: (true, Instant::now()),
        })
    }

    /// Tells a surface how large its window is.
    fn fit(&self, pane: &Pane) {
        let size = pane.window.inner_size();
        if let Some(surfaces) = &self.surfaces {
            let side = |pixels: u32| pixels.min(raster::MOST_SIDE as u32) as i32;
            let size = (side(size.width), side(size.height), scale(&pane.window));
            surfaces.lock().fit(pane.handle, Some(size));
        }
    }

    fn pane(&mut self, handle: Handle) -> Option<&mut Pane> {
        self.panes.values_mut().find(|pane| pane.handle == handle)
    }

    /// Paints what changed (R1).
    fn paint(&mut self, id: WindowId) {
        let (Some(pane), Some(surfaces)) = (self.panes.get_mut(&id), &self.surfaces) else { return };
        if let Err(error) = paint(pane, surfaces) {
            let handle = pane.handle;
            self.panes.remove(&id);
            self.count();
            self.post(handle, Event::Failed { reason: format!("the window cannot be painted: {error}") });
        }
    }

    /// Lets carets come and go; answers when that is to be asked again.
    fn turn_carets(&mut self) -> Option<Duration> {
        let mut surfaces = self.surfaces.as_ref()?.lock();
        let blink = Duration::from_millis(Feel::default().blink_ms.into());
        let mut next: Option<Duration> = None;
        for pane in self.panes.values_mut() {
            let Some(rest) = surfaces.caret_rest(pane.handle) else { continue };
            let (has_keyboard, since) = pane.keyboard;
            let (seen, again) = caret::look(Duration::from_nanos(rest).min(since.elapsed()), blink, has_keyboard);
            if surfaces.show_caret(pane.handle, seen) {
                pane.asked = true;
                pane.window.request_redraw();
            }
            next = [next, again].into_iter().flatten().min();
        }
        next
    }

    fn pointer(&mut self, id: WindowId, event: &WindowEvent) {
        let Some(surfaces) = self.surfaces.clone() else { return };
        let Some(pane) = self.panes.get_mut(&id) else { return };
        let mut surfaces = surfaces.lock();
        if let WindowEvent::CursorMoved { position: PhysicalPosition { x, y }, .. } = event {
            pane.pointer = (*x, *y);
        }
        let (x, y) = surfaces.place(pane.handle, pane.pointer.0, pane.pointer.1);
        let modifiers = input::modifiers(pane.modifiers);
        let event = match event {
            WindowEvent::CursorMoved { .. } => Event::PointerMoved { x, y, buttons: pane.buttons, modifiers },
            WindowEvent::MouseInput { state, button, .. } => {
                let button = input::button(*button);
                if *state == ElementState::Pressed {
                    pane.buttons |= button;
                    let clicks = pane.clicks.press(button, pane.pointer, Instant::now());
                    Event::PointerDown { x, y, button, clicks, buttons: pane.buttons, modifiers }
                } else {
                    pane.buttons &= !button;
                    Event::PointerUp { x, y, button, buttons: pane.buttons, modifiers }
                }
            }
            WindowEvent::MouseWheel { delta, .. } => {
                let (dx, dy, precise) = input::wheel(*delta, pane.window.scale_factor());
                Event::Wheel { x, y, dx, dy, precise, modifiers }
            }
            WindowEvent::DroppedFile(path) => Event::Dropped { path: path.to_string_lossy().into_owned(), x, y },
            _ => Event::PointerLeft {},
        };
        surfaces.post(pane.handle, event);
    }

    fn composed(&self, handle: Handle, ime: Ime) {
        match ime {
            Ime::Preedit(text, caret) => {
                let none = (u32::MAX as usize, u32::MAX as usize);
                let (from, to) = caret.unwrap_or(none);
                self.post(handle, Event::Preedit { text, from: from as u32, to: to as u32 });
            }
            Ime::Commit(text) => self.post(handle, Event::Commit { text }),
            Ime::Enabled => {}
            Ime::Disabled => self.post(handle, Event::Preedit { text: String::new(), from: 0, to: 0 }),
        }
    }
}

fn paint(pane: &mut Pane, lock: &Mutex<Display>) -> Result<(), softbuffer::SoftBufferError> {
    let size = pane.window.inner_size();
    // A window without pixels shows nothing; it is painted when it has some.
    let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
        return Ok(());
    };
    if size.width > raster::MOST_SIDE as u32 || size.height > raster::MOST_SIDE as u32 {
        return Ok(());
    }
    // Nothing is shown before the world's first frame: an empty ground would flash.
    if !lock.lock().has_frame(pane.handle) {
        return Ok(());
    }
    pane.buffers.resize(width, height)?;
    let mut buffer = pane.buffers.buffer_mut()?;
    let (columns, rows) = (size.width as i32, size.height as i32);
    let mut surfaces = lock.lock();
    if surfaces.extent(pane.handle) != Some((columns, rows)) {
        surfaces.fit(pane.handle, Some((columns, rows, scale(&pane.window))));
    }
    let age = buffer.age();
    let mut target = Target { stride: size.width as usize, width: columns, height: rows, pixels: &mut buffer };
    let painted = surfaces.paint(pane.handle, &mut target, age);
    drop(surfaces);
    let damage: Vec<softbuffer::Rect> = painted
        .into_iter()
        .filter_map(|(x, y, width, height)| {
            let (width, height) = (NonZeroU32::new(width)?, NonZeroU32::new(height)?);
            Some(softbuffer::Rect { x, y, width, height })
        })
        .collect();
    pane.window.pre_present_notify();
    let shown = if std::mem::take(&mut pane.asked) && age != 0 {
        // Nothing to show: the frame was as the one before.
        if damage.is_empty() { Ok(()) } else { buffer.present_with_damage(&damage) }
    } else {
        // The window system lost the picture, or never had one.
        buffer.present()
    };
    lock.lock().shown(pane.handle);
    shown
}

impl ApplicationHandler<Order> for Shower {
    fn resumed(&mut self, _event_loop: &ActiveEventLoop) {}

    fn user_event(&mut self, event_loop: &ActiveEventLoop, order: Order) {
        match order {
            Order::Surfaces(surfaces) => {
                // Of a world that was left without its closing them.
                self.panes.clear();
                self.surfaces = Some(surfaces);
            }
            Order::Open(handle, wish) => self.open(event_loop, handle, &wish),
            Order::Close(handle) => self.panes.retain(|_, pane| pane.handle != handle),
            Order::Paint(handle) => {
                if let Some(pane) = self.pane(handle) {
                    pane.asked = true;
                    pane.window.request_redraw();
                }
            }
            Order::Title(handle, title) => {
                if let Some(pane) = self.pane(handle) {
                    pane.window.set_title(&title);
                }
            }
            Order::Raise(handle) => {
                if let Some(pane) = self.pane(handle) {
                    pane.window.set_minimized(false);
                    pane.window.focus_window();
                }
            }
            Order::RaiseAll => {
                for pane in self.panes.values() {
                    pane.window.set_minimized(false);
                    pane.window.focus_window();
                    pane.window.request_user_attention(Some(UserAttentionType::Informational));
                }
            }
            Order::Pointer(handle, shape) => {
                if let Some(pane) = self.pane(handle) {
                    set_pointer(&pane.window, shape);
                }
            }
            Order::Input(handle, awaited, place) => {
                if let Some(pane) = self.pane(handle) {
                    set_input(&pane.window, awaited, place);
                }
            }
            Order::End => {
                self.panes.clear();
                event_loop.exit();
            }
        }
        self.count();
    }

    fn window_event(&mut self, _event_loop: &ActiveEventLoop, id: WindowId, event: WindowEvent) {
        let Some(pane) = self.panes.get_mut(&id) else { return };
        let handle = pane.handle;
        match event {
            WindowEvent::RedrawRequested => self.paint(id),
            WindowEvent::Resized(_) | WindowEvent::ScaleFactorChanged { .. } => {
                pane.window.request_redraw();
                if let Some(pane) = self.panes.get(&id) {
                    self.fit(pane);
                }
            }
            WindowEvent::KeyboardInput { event, is_synthetic, .. } => {
                let modifiers = pane.modifiers;
                // Keys that were held when the window got the keyboard were not pressed here.
                if !(is_synthetic && event.state == ElementState::Pressed) {
                    self.post(handle, input::key(&event, modifiers));
                }
            }
            WindowEvent::ModifiersChanged(modifiers) => pane.modifiers = modifiers.state(),
            WindowEvent::Ime(ime) => self.composed(handle, ime),
            WindowEvent::CursorMoved { .. }
            | WindowEvent::MouseInput { .. }
            | WindowEvent::MouseWheel { .. }
            | WindowEvent::DroppedFile(_)
            | WindowEvent::CursorLeft { .. } => self.pointer(id, &event),
            WindowEvent::CloseRequested => self.post(handle, Event::CloseAsked {}),
            WindowEvent::Focused(has) => {
                pane.buttons = 0;
                pane.keyboard = (has, Instant::now());
                self.post(handle, Event::Focused { has: has.into() });
                if has {
                    // What was copied elsewhere meanwhile.
                    self.post(handle, Event::ClipboardChanged {});
                }
            }
            WindowEvent::ThemeChanged(shown) => self.post(handle, Event::ThemeChanged { theme: theme(shown) }),
            WindowEvent::Occluded(is) => self.post(handle, Event::Hidden { is: is.into() }),
            _ => {}
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let next = self.turn_carets();
        event_loop.set_control_flow(next.map_or(ControlFlow::Wait, ControlFlow::wait_duration));
    }

    fn exiting(&mut self, _event_loop: &ActiveEventLoop) {
        self.panes.clear();
    }
}

fn set_pointer(window: &Window, shape: u8) {
    window.set_cursor_visible(shape != 6);
    window.set_cursor(match shape {
        1 => CursorIcon::Text,
        2 => CursorIcon::Pointer,
        3 => CursorIcon::ColResize,
        4 => CursorIcon::RowResize,
        5 => CursorIcon::Wait,
        _ => CursorIcon::Default,
    });
}

fn set_input(window: &Window, awaited: bool, [x, y, width, height]: [i32; 4]) {
    window.set_ime_allowed(awaited);
    let logical = |units: i32| f64::from(units) / 64.0;
    let size = LogicalSize::new(logical(width), logical(height));
    window.set_ime_cursor_area(LogicalPosition::new(logical(x), logical(y)), size);
}
