//! The window of a world: winit and softbuffer on the main thread, the machine on its own.
//!
//! Duty: show what a world draws, tell it what its user does, and carry text to and from the clipboard.
//!
//! Invariants
//! - W1 The main thread runs the window system's loop and paints; the machine runs on another thread and
//!   never waits for it. They meet in one lock on the surfaces, held as long as a frame takes.
//! - W2 Headless use starts nothing of this: no connection, no thread, no window.
//! - W3 What the machine's command answers is what [`lead`] answers, whatever became of the display.
//!
//! Rooms: `shower` (the window system's loop), `input` (its events as the world's), `screen` (what the
//! machine asks for), `caret` (when it is seen), `clipboard`, `fonts` (letters of the system). Must not know: what a view is.

mod caret;
mod clipboard;
mod fonts;
mod input;
mod screen;
mod service;
mod shower;

pub use service::DisplayService;

use crate::keeper::block_signals;
use shower::Shower;
use parking_lot::Mutex;
use raster::{Display, WindowWish};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use winit::event_loop::{EventLoop, EventLoopProxy};

/// What the machine's thread tells the window's.
enum Order {
    /// The surfaces, once they are there.
    Surfaces(Arc<Mutex<Display>>),
    /// Open a window.
    Open(platform::Handle, WindowWish),
    /// Close it.
    Close(platform::Handle),
    /// Paint it.
    Paint(platform::Handle),
    /// Set its title.
    Title(platform::Handle, String),
    /// Bring it to the front.
    Raise(platform::Handle),
    /// Bring all of them there.
    RaiseAll,
    /// The pointer's shape.
    Pointer(platform::Handle, u8),
    /// Where text is awaited, in 1/64 logical pixels.
    Input(platform::Handle, bool, [i32; 4]),
    /// The machine is done.
    End,
}

/// Where a machine shows its windows, or why it cannot.
#[derive(Clone)]
pub struct Port {
    proxy: Result<EventLoopProxy<Order>, String>,
    /// How many windows are shown.
    shown: Arc<AtomicUsize>,
    /// The surfaces of the world that shows windows here, once it has any.
    surfaces: Arc<Mutex<Option<Arc<Mutex<Display>>>>>,
    /// What the titles of windows say behind the world's own words.
    remark: Arc<Mutex<String>>,
}

impl std::fmt::Debug for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Port({:?})", self.availability())
    }
}

impl Port {
    /// A port without a display.
    pub fn none(why: impl Into<String>) -> Port {
        Port::new(Err(why.into()))
    }

    fn new(proxy: Result<EventLoopProxy<Order>, String>) -> Port {
        Port { proxy, shown: Arc::default(), surfaces: Arc::default(), remark: Arc::default() }
    }

    /// Brings the windows that are shown to the front; `false` if there are none.
    pub fn raise(&self) -> bool {
        let Ok(proxy) = &self.proxy else { return false };
        self.shown.load(Ordering::SeqCst) > 0 && proxy.send_event(Order::RaiseAll).is_ok()
    }

    /// Lets the titles of windows say something behind the world's own words.
    pub fn set_remark(&self, remark: &str) {
        remark.clone_into(&mut self.remark.lock());
    }

    /// A title with the remark, if there is one.
    fn title(&self, title: &str) -> String {
        let remark = self.remark.lock();
        if remark.is_empty() { title.to_owned() } else { format!("{title} ({remark})") }
    }

    /// The surfaces of the world that shows windows here, once it has any.
    pub(crate) fn surfaces(&self) -> Option<Arc<Mutex<Display>>> {
        self.surfaces.lock().clone()
    }

    /// Whether there is a display, or why not.
    pub fn availability(&self) -> Result<(), &str> {
        self.proxy.as_ref().map(|_| ()).map_err(String::as_str)
    }
}

/// Whether a variable of the environment names something.
fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty())
}

/// What a message of the window system's library says, without the place in its sources.
fn plain(message: &str) -> &str {
    let behind = message.rsplit_once(".rs:").and_then(|(_, rest)| rest.split_once(": "));
    behind.map_or(message, |(_, said)| said)
}

/// The window system's loop, or why there is none.
fn event_loop() -> Result<EventLoop<Order>, String> {
    if !is_set("WAYLAND_DISPLAY") && !is_set("WAYLAND_SOCKET") && !is_set("DISPLAY") {
        return Err("neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned());
    }
    let built = EventLoop::<Order>::with_user_event().build();
    built.map_err(|error| {
        let name = |name| std::env::var(name).unwrap_or_default();
        let (wayland, x11) = (name("WAYLAND_DISPLAY"), name("DISPLAY"));
        format!("no display answers (WAYLAND_DISPLAY={wayland}, DISPLAY={x11}): {}", plain(&error.to_string()))
    })
}

/// Runs a command that may show windows, with the port for them, and answers what it answers. With a
/// display the command runs on a thread of its own; without one, here.
pub fn lead<T: Send + 'static>(command: impl FnOnce(Port) -> T + Send + 'static) -> T {
    let event_loop = match event_loop() {
        Ok(event_loop) => event_loop,
        Err(why) => return command(Port::none(why)),
    };
    // Before the thread starts: it inherits what is blocked, and takes signals by a thread of its own.
    block_signals();
    let proxy = event_loop.create_proxy();
    let port = Port::new(Ok(proxy.clone()));
    let (shown, at_end) = (port.shown.clone(), proxy);
    let body = move || {
        let answer = command(port);
        // A loop that is gone needs no end.
        let _ = at_end.send_event(Order::End);
        answer
    };
    // As deep as a program's own stack.
    let thread = std::thread::Builder::new().name("warm-machine".to_owned()).stack_size(8 << 20);
    let machine = match thread.spawn(body) {
        Ok(machine) => machine,
        Err(error) => {
            crate::cli::Failure::new(crate::cli::Exit::Io, format!("no thread: {error}")).report();
            std::process::exit(crate::cli::Exit::Io.number().into());
        }
    };
    let mut shower = Shower::counting(shown);
    if let Err(error) = event_loop.run_app(&mut shower) {
        shower.lost(&error.to_string());
    }
    drop(shower);
    match machine.join() {
        Ok(answer) => answer,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn places_in_the_librarys_sources_are_not_told() {
        let told = "os error at /a/b.rs:788: Failed to open: no such file";
        assert_eq!(super::plain(told), "Failed to open: no such file");
        assert_eq!(super::plain("not supported"), "not supported");
    }
}
