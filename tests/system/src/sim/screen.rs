//! A display that nobody sees: one window, shown as soon as something is presented.
//!
//! Invariant
//! - S1 Nothing is painted; the world is told that its frames were shown, as by a real screen.

use platform::events::Event;
use platform::{Clock, Handle, Refusal, Reply, Request, Service};
use platform_sim::SimClock;
use raster::{Display, Feel, Scale, Screen, WindowWish};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const WIDTH: i32 = 1280;
const HEIGHT: i32 = 800;

#[derive(Default)]
struct Wishes {
    window: Option<Handle>,
    is_new: bool,
    is_damaged: bool,
    clipboard: String,
}

struct SimScreen {
    wishes: Arc<Mutex<Wishes>>,
    clock: Arc<SimClock>,
    bell: Box<dyn Fn(u32) + Send>,
}

impl SimScreen {
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen for SimScreen {
    fn availability(&self) -> Result<(), String> {
        Ok(())
    }
    fn open(&mut self, handle: Handle, _wish: WindowWish) -> Result<(), Refusal> {
        let mut wishes = self.wishes();
        if wishes.window.is_some() {
            return Err(Refusal::Failed { code: "noDisplay", message: "this machine shows one window".to_owned() });
        }
        (wishes.window, wishes.is_new, wishes.is_damaged) = (Some(handle), true, true);
        Ok(())
    }
    fn close(&mut self, handle: Handle) {
        let mut wishes = self.wishes();
        wishes.window = wishes.window.filter(|window| *window != handle);
    }
    fn damaged(&mut self, handle: Handle) {
        let mut wishes = self.wishes();
        wishes.is_damaged |= wishes.window == Some(handle);
    }
    fn set_title(&mut self, _: Handle, _: &str) {}
    fn raise(&mut self, _: Handle) {}
    fn set_pointer(&mut self, _: Handle, _: u8) {}
    fn set_input(&mut self, _: Handle, _: bool, _: [i32; 4]) {}
    fn clipboard(&mut self, _: bool) -> Result<String, Refusal> {
        Ok(self.wishes().clipboard.clone())
    }
    fn set_clipboard(&mut self, _: bool, text: String) -> Result<(), Refusal> {
        self.wishes().clipboard = text;
        Ok(())
    }
    fn feel(&self) -> Feel {
        Feel::default()
    }
    fn milliseconds(&self) -> u32 {
        (self.clock.monotonic_ns() / 1_000_000) as u32
    }
    fn nanoseconds(&self) -> u64 {
        self.clock.monotonic_ns()
    }
    fn ring(&mut self, semaphore: u32) {
        (self.bell)(semaphore);
    }
}

/// The machine's side of the display.
#[derive(Clone)]
pub struct SimDisplay {
    display: Arc<Mutex<Display>>,
    wishes: Arc<Mutex<Wishes>>,
}

/// A display by a clock; `bell` rings a semaphore.
pub fn display(clock: Arc<SimClock>, bell: Box<dyn Fn(u32) + Send>) -> SimDisplay {
    let wishes = Arc::<Mutex<Wishes>>::default();
    let screen = SimScreen { wishes: wishes.clone(), clock, bell };
    let display = Display::new(1, Box::new(screen), None);
    SimDisplay { display: Arc::new(Mutex::new(display)), wishes }
}

impl SimDisplay {
    fn display(&self) -> MutexGuard<'_, Display> {
        self.display.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a screen does between two slices of the world; whether it did anything.
    pub fn turn(&self) -> bool {
        let (window, is_new, is_damaged) = {
            let mut wishes = self.wishes();
            (wishes.window, std::mem::take(&mut wishes.is_new), std::mem::take(&mut wishes.is_damaged))
        };
        let Some(window) = window else { return false };
        let mut display = self.display();
        if is_new {
            display.fit(window, Some((WIDTH, HEIGHT, Scale::default())));
            display.post(window, Event::Focused { has: 1 });
        }
        if is_damaged && display.has_frame(window) {
            display.shown(window);
        }
        is_new || is_damaged
    }

    /// Lets something happen at the window; `false` without one.
    pub fn post(&self, event: Event) -> bool {
        let Some(window) = self.wishes().window else { return false };
        self.display().post(window, event);
        true
    }

    /// Whether a window has shown a frame.
    pub fn has_frame(&self) -> bool {
        let window = self.wishes().window;
        window.is_some_and(|window| self.display().has_frame(window))
    }

    /// What the world said when it could not show itself any more.
    pub fn trouble(&self) -> Option<String> {
        let (_, emergency) = self.display().take_call()?;
        Some(format!("{}: {}", emergency.title, emergency.error))
    }
}

impl Service for SimDisplay {
    fn name(&self) -> &'static str {
        "display"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        self.display().call(request)
    }
}
