//! The service `display` on this machine.
//!
//! Invariant
//! - D1 Fonts are read and surfaces made when the world first asks: what shows nothing pays nothing.
//!
//! Must not know: what is drawn.

use super::fonts::SystemFonts;
use super::screen::HostedScreen;
use super::{Order, Port};
use crate::services::Bell;
use parking_lot::Mutex;
use platform::{Refusal, Reply, Request, Service};
use raster::Display;
use std::sync::Arc;

/// Surfaces, shared with the window's thread if there is one.
pub struct DisplayService {
    session: u64,
    bell: Bell,
    port: Port,
    surfaces: Option<Arc<Mutex<Display>>>,
}

impl DisplayService {
    /// The service of one session; `bell` rings a semaphore.
    pub fn new(session: u64, bell: Bell, port: Port) -> DisplayService {
        DisplayService { session, bell, port, surfaces: None }
    }

    fn surfaces(&mut self) -> &Arc<Mutex<Display>> {
        self.surfaces.get_or_insert_with(|| {
            let screen = HostedScreen::new(self.port.clone(), self.bell.clone());
            let display = Display::new(self.session, Box::new(screen), Some(Box::<SystemFonts>::default()));
            let shared = Arc::new(Mutex::new(display));
            *self.port.surfaces.lock() = Some(shared.clone());
            if let Ok(proxy) = &self.port.proxy {
                // A loop that has ended shows nothing any more.
                let _ = proxy.send_event(Order::Surfaces(shared.clone()));
            }
            shared
        })
    }
}

impl Service for DisplayService {
    fn name(&self) -> &'static str {
        "display"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        self.surfaces().lock().call(request)
    }
}
