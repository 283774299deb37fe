//! The service `display` on the bare machine: one window, which is the whole framebuffer, the keyboard
//! and the pointer.
//!
//! Invariants
//! - D1 What is shown is painted between two slices of the world, at most once for what was presented.
//! - D2 The pointer's picture lies over the window's: where it was, the window's is put back.
//! - D3 Fonts are read when the world first asks for the display.
//!
//! Knows: `raster`. Must not know: what is drawn.

use crate::alone::Alone;
use crate::clock::BareClock;
use crate::console;
use crate::framebuffer::Framebuffer;
use crate::keys::{Keyboard, Moved, Pointer};
use crate::{ps2, words};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use platform::events::Event;
use platform::{Clock, Handle, Refusal, Reply, Request, Service};
use raster::emergency::Choice;
use raster::roles::Theme;
use raster::{Display, Feel, Scale, Screen, Target, WindowWish};

/// The mode that is set.
const WIDTH: u16 = 1280;
const HEIGHT: u16 = 800;
/// Within which two presses are a double click, in nanoseconds and pixels.
const DOUBLE_NS: u64 = 400_000_000;
const NEAR: i32 = 5;
/// How far one notch of a wheel moves, in 1/64 logical pixels.
const NOTCH: i32 = 60 * 64;
/// The arrow: a row a byte pair; `X` edge, `.` inside.
const ARROW: [&[u8]; 16] = [
    b"X", b"XX", b"X.X", b"X..X", b"X...X", b"X....X", b"X.....X", b"X......X", b"X.......X", b"X........X",
    b"X.....XXXXX", b"X..X..X", b"X.X X..X", b"XX  X..X", b"X    X..X", b"     XXX",
];
const ARROW_WIDTH: usize = 11;

/// What the screen is asked for, until the next turn.
#[derive(Default)]
struct Wishes {
    window: Option<Handle>,
    is_new: bool,
    is_damaged: bool,
    clipboard: String,
}

struct BareScreen {
    wishes: Arc<Alone<Wishes>>,
}

impl Screen for BareScreen {
    fn availability(&self) -> Result<(), String> {
        Ok(())
    }

    fn open(&mut self, handle: Handle, _wish: WindowWish) -> Result<(), Refusal> {
        self.wishes.with(|wishes| {
            if wishes.window.is_some() {
                return Err(Refusal::Failed { code: "noDisplay", message: "this machine shows one window".to_string() });
            }
            (wishes.window, wishes.is_new, wishes.is_damaged) = (Some(handle), true, true);
            Ok(())
        })
    }

    fn close(&mut self, handle: Handle) {
        self.wishes.with(|wishes| wishes.window = wishes.window.filter(|window| *window != handle));
    }

    fn damaged(&mut self, handle: Handle) {
        self.wishes.with(|wishes| wishes.is_damaged |= wishes.window == Some(handle));
    }

    fn set_title(&mut self, _handle: Handle, _title: &str) {}

    fn raise(&mut self, _handle: Handle) {}

    fn set_pointer(&mut self, _handle: Handle, _shape: u8) {}

    fn set_input(&mut self, _handle: Handle, _awaited: bool, _place: [i32; 4]) {}

    fn clipboard(&mut self, _primary: bool) -> Result<String, Refusal> {
        Ok(self.wishes.with(|wishes| wishes.clipboard.clone()))
    }

    fn set_clipboard(&mut self, _primary: bool, text: String) -> Result<(), Refusal> {
        self.wishes.with(|wishes| wishes.clipboard = text);
        Ok(())
    }

    fn feel(&self) -> Feel {
        Feel::default()
    }

    fn milliseconds(&self) -> u32 {
        (BareClock.monotonic_ns() / 1_000_000) as u32
    }

    fn nanoseconds(&self) -> u64 {
        BareClock.monotonic_ns()
    }

    fn ring(&mut self, semaphore: u32) {
        console::ring(semaphore);
    }
}

/// The display that service and desktop share.
struct Shared {
    display: Option<Display>,
    session: u64,
    wishes: Arc<Alone<Wishes>>,
}

impl Shared {
    /// D3.
    fn display(&mut self) -> &mut Display {
        let Shared { display, session, wishes } = self;
        display.get_or_insert_with(|| Display::new(*session, Box::new(BareScreen { wishes: wishes.clone() }), None))
    }
}

/// The service.
pub struct DisplayService(Arc<Alone<Shared>>);

impl Service for DisplayService {
    fn name(&self) -> &'static str {
        "display"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        self.0.with(|shared| shared.display().call(request))
    }
}

/// Framebuffer, keyboard and pointer.
pub struct Desktop {
    shared: Arc<Alone<Shared>>,
    wishes: Arc<Alone<Wishes>>,
    framebuffer: Framebuffer,
    picture: Vec<u32>,
    /// Whether the picture holds the frame before.
    is_painted: bool,
    keyboard: Keyboard,
    pointer: Pointer,
    place: (i32, i32),
    buttons: u8,
    /// The last press: its button, place and time, and how many came in a row.
    pressed: (u8, (i32, i32), u64, u8),
    told_first: bool,
}

impl Desktop {
    /// Takes the devices into use, if there is a framebuffer; interrupts are kept out meanwhile.
    pub fn open(session: u64) -> Option<(Desktop, DisplayService)> {
        let framebuffer = Framebuffer::open(WIDTH, HEIGHT)?;
        crate::ports::forbid_interrupts();
        let has_wheel = ps2::set_up();
        crate::ports::allow_interrupts();
        let wishes = Arc::new(Alone::new(Wishes::default()));
        let shared = Arc::new(Alone::new(Shared { display: None, session, wishes: wishes.clone() }));
        let picture = vec![0; framebuffer.width * framebuffer.height];
        let place = (framebuffer.width as i32 / 2, framebuffer.height as i32 / 2);
        let desktop = Desktop {
            shared: shared.clone(),
            wishes,
            framebuffer,
            picture,
            is_painted: false,
            keyboard: Keyboard::default(),
            pointer: Pointer::new(has_wheel),
            place,
            buttons: 0,
            pressed: (0, (0, 0), 0, 0),
            told_first: false,
        };
        Some((desktop, DisplayService(shared)))
    }

    /// Learns to show words when the machine must end; it costs fonts and some pictures.
    pub fn learn_words(&mut self) {
        if !words::are_known() {
            let alphabet = self.shared.with(|shared| shared.display().alphabet(Theme::Light));
            words::learn(self.framebuffer.twin(), alphabet);
        }
    }

    /// Takes input in, and shows what was presented (D1). Answers whether the first picture was shown
    /// just now.
    pub fn turn(&mut self) -> bool {
        let (window, is_new) = self.wishes.with(|wishes| (wishes.window, core::mem::take(&mut wishes.is_new)));
        let Some(window) = window else {
            while ps2::take_key().or_else(ps2::take_pointer).is_some() {}
            return false;
        };
        if is_new {
            let size = (self.framebuffer.width as i32, self.framebuffer.height as i32, Scale::default());
            self.is_painted = false;
            self.shared.with(|shared| {
                shared.display().fit(window, Some(size));
                shared.display().post(window, Event::Focused { has: 1 });
            });
        }
        self.hear(window);
        if self.wishes.with(|wishes| core::mem::take(&mut wishes.is_damaged)) {
            return self.paint(window) && !core::mem::replace(&mut self.told_first, true);
        }
        if self.told_first {
            self.learn_words();
        }
        false
    }

    /// Shows an emergency that the world, or the key for it, asked for; answers what was chosen in one,
    /// which is closed then.
    pub fn help(&mut self) -> Option<Choice> {
        self.shared.with(|shared| {
            let display = shared.display.as_mut()?;
            if let Some((window, emergency)) = display.take_call() {
                // One that somebody is reading is not replaced.
                if display.emergency(window).is_none() {
                    display.open_emergency(window, emergency);
                }
            }
            let (window, choice) = display.take_choice()?;
            display.close_emergency(window);
            Some(choice)
        })
    }

    fn hear(&mut self, window: Handle) {
        while let Some(byte) = ps2::take_key() {
            if let Some(event) = self.keyboard.take(byte) {
                self.shared.with(|shared| shared.display().post(window, event));
            }
        }
        let before = self.place;
        while let Some(byte) = ps2::take_pointer() {
            if let Some(moved) = self.pointer.take(byte) {
                self.follow(window, moved);
            }
        }
        if before != self.place {
            self.put_back(before);
            self.draw_arrow();
        }
    }

    fn follow(&mut self, window: Handle, moved: Moved) {
        let most = (self.framebuffer.width as i32 - 1, self.framebuffer.height as i32 - 1);
        self.place = ((self.place.0 + moved.dx).clamp(0, most.0), (self.place.1 + moved.dy).clamp(0, most.1));
        let (x, y) = self.place;
        let (x, y) = self.shared.with(|shared| shared.display().place(window, x.into(), y.into()));
        let modifiers = self.keyboard.modifiers();
        let mut events = Vec::new();
        if (moved.dx, moved.dy) != (0, 0) {
            events.push(Event::PointerMoved { x, y, buttons: self.buttons, modifiers });
        }
        for button in [1, 2, 4] {
            let (was, is) = (self.buttons & button != 0, moved.buttons & button != 0);
            if is && !was {
                self.buttons |= button;
                let clicks = self.count_clicks(button);
                events.push(Event::PointerDown { x, y, button, clicks, buttons: self.buttons, modifiers });
            } else if was && !is {
                self.buttons &= !button;
                events.push(Event::PointerUp { x, y, button, buttons: self.buttons, modifiers });
            }
        }
        if moved.wheel != 0 {
            events.push(Event::Wheel { x, y, dx: 0, dy: -moved.wheel * NOTCH, precise: 0, modifiers });
        }
        self.shared.with(|shared| events.into_iter().for_each(|event| shared.display().post(window, event)));
    }

    fn count_clicks(&mut self, button: u8) -> u8 {
        let now = BareClock.monotonic_ns();
        let (last, (x, y), then, count) = self.pressed;
        let near = (x - self.place.0).abs() <= NEAR && (y - self.place.1).abs() <= NEAR;
        let follows = last == button && near && now.saturating_sub(then) <= DOUBLE_NS;
        let count = if follows { count.saturating_add(1) } else { 1 };
        self.pressed = (button, self.place, now, count);
        count
    }

    /// Paints what changed; whether anything did.
    fn paint(&mut self, window: Handle) -> bool {
        let (width, height) = (self.framebuffer.width, self.framebuffer.height);
        let (picture, age) = (&mut self.picture, u8::from(self.is_painted));
        let changed = self.shared.with(|shared| {
            let mut target = Target { pixels: picture, stride: width, width: width as i32, height: height as i32 };
            let changed = shared.display().paint(window, &mut target, age);
            shared.display().shown(window);
            changed
        });
        self.is_painted = true;
        for (left, top, width, height) in &changed {
            self.framebuffer.copy(&self.picture, *left as usize, *top as usize, *width as usize, *height as usize);
        }
        self.draw_arrow();
        !changed.is_empty()
    }

    /// Puts the window's picture back where the arrow was (D2).
    fn put_back(&mut self, (x, y): (i32, i32)) {
        self.framebuffer.copy(&self.picture, x as usize, y as usize, ARROW_WIDTH, ARROW.len());
    }

    fn draw_arrow(&mut self) {
        let (x, y) = (self.place.0 as usize, self.place.1 as usize);
        for (row, line) in ARROW.iter().enumerate() {
            for (column, dot) in line.iter().enumerate() {
                match dot {
                    b'X' => self.framebuffer.set(x + column, y + row, 0x0010_1010),
                    b'.' => self.framebuffer.set(x + column, y + row, 0x00ff_ffff),
                    _ => {}
                }
            }
        }
    }
}
