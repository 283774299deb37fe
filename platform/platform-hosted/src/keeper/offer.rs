//! Which of this machine's services a world is offered.
//!
//! Invariant
//! - O1 A scratch branch is offered its output and nothing else: no files, no network, no window, no
//!   model, no branch of its own.

use crate::attach::Guests;
use crate::services::{Bell, BranchService, ConsoleService, FileService};
use crate::window::{DisplayService, Port};
use platform::Service;
use scribe::{ModelService, SettingsSource};
use std::path::PathBuf;
use std::sync::Arc;

/// What a world is offered.
#[derive(Clone, Debug)]
pub enum Offer {
    /// Everything there is.
    Everything {
        /// The world's file, if it has one.
        world: Option<PathBuf>,
        /// Where its windows are shown.
        port: Port,
    },
    /// What it writes is shown; it can touch nothing (O1).
    Output,
}

impl Offer {
    /// Where its windows are shown.
    pub fn port(&self) -> Port {
        match self {
            Offer::Everything { port, .. } => port.clone(),
            Offer::Output => Port::none("a scratch branch opens no windows"),
        }
    }

    /// The services; each rings `bell` with a semaphore's index.
    pub fn services(&self, session: u64, bell: Bell, guests: Arc<Guests>) -> Vec<Box<dyn Service>> {
        let console = Box::new(ConsoleService::new(bell.clone(), Some(guests)));
        match self {
            Offer::Output => vec![console],
            Offer::Everything { world, port } => vec![
                Box::new(FileService::new(session)),
                console,
                Box::new(ModelService::new(session, SettingsSource::usual(), bell.clone())),
                Box::new(BranchService::new(session, world.clone(), bell.clone())),
                Box::new(DisplayService::new(session, bell, port.clone())),
            ],
        }
    }
}
