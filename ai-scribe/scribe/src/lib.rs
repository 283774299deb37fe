//! Providers and transport for the scribe: text in, text out.
//!
//! Duty: carry a question to a language model behind an address that the user configured, and its
//! answer back, piece by piece. Facts and templates live in the world and need none of it.
//!
//! Invariants
//! - N1 The key is read from a file of the user's, sent to the configured address and nowhere else,
//!   and told to nobody: not to the world, not in a message.
//! - N2 A world asks the configured address or one on this machine; it cannot choose another.
//! - N3 What comes from outside is bounded (line, answer, time) and is text until the world has
//!   judged it.
//! - N4 Nothing here blocks the machine: each question has threads of its own, and can be given up
//!   at any moment.
//!
//! Must not know: oops, what a method means.

pub mod address;
pub mod answer;
pub mod question;
pub mod service;
pub mod settings;
pub mod transport;

pub use service::ModelService;
pub use settings::{Settings, SettingsSource};
