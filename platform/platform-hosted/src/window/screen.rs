//! What the machine asks of the window system, as orders to its thread.
//!
//! Invariant
//! - Q1 Nothing here waits for the window system; a clipboard's owner is given a moment.
//!
//! Must not know: the loop.

use super::clipboard::Clipboard;
use super::{Order, Port};
use crate::services::Bell;
use platform::{Handle, Refusal};
use raster::{Feel, Screen, WindowWish};
use std::time::Instant;

/// A screen that may be there.
pub struct HostedScreen {
    port: Port,
    bell: Bell,
    clipboard: Clipboard,
    start: Instant,
}

impl HostedScreen {
    /// The screen behind a port.
    pub fn new(port: Port, bell: Bell) -> HostedScreen {
        HostedScreen { port, bell, clipboard: Clipboard::default(), start: Instant::now() }
    }

    fn order(&self, order: Order) {
        if let Ok(proxy) = &self.port.proxy {
            // A loop that has ended shows nothing any more; the world was told when it did.
            let _ = proxy.send_event(order);
        }
    }
}

impl Screen for HostedScreen {
    fn availability(&self) -> Result<(), String> {
        self.port.availability().map_err(str::to_owned)
    }

    fn open(&mut self, handle: Handle, mut wish: WindowWish) -> Result<(), Refusal> {
        wish.title = self.port.title(&wish.title);
        self.order(Order::Open(handle, wish));
        Ok(())
    }

    fn close(&mut self, handle: Handle) {
        self.order(Order::Close(handle));
    }

    fn damaged(&mut self, handle: Handle) {
        self.order(Order::Paint(handle));
    }

    fn set_title(&mut self, handle: Handle, title: &str) {
        self.order(Order::Title(handle, self.port.title(title)));
    }

    fn raise(&mut self, handle: Handle) {
        self.order(Order::Raise(handle));
    }

    fn set_pointer(&mut self, handle: Handle, shape: u8) {
        self.order(Order::Pointer(handle, shape));
    }

    fn set_input(&mut self, handle: Handle, awaited: bool, place: [i32; 4]) {
        self.order(Order::Input(handle, awaited, place));
    }

    fn clipboard(&mut self, primary: bool) -> Result<String, Refusal> {
        self.clipboard.text(primary, self.port.availability().is_ok())
    }

    fn set_clipboard(&mut self, primary: bool, text: String) -> Result<(), Refusal> {
        self.clipboard.set_text(primary, text, self.port.availability().is_ok())
    }

    fn feel(&self) -> Feel {
        Feel::default()
    }

    fn milliseconds(&self) -> u32 {
        self.start.elapsed().as_millis() as u32
    }

    fn nanoseconds(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    fn ring(&mut self, semaphore: u32) {
        (self.bell)(semaphore);
    }
}
