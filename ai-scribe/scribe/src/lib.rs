//! Providers and transport for the scribe: text in, text out.
//!
//! Duty: carry a question to a model behind an address that the user configured, and its answer back.
//! The room is open and empty; facts and templates live in the world and need none of it.
//!
//! Must not know: oops, what a method means.
