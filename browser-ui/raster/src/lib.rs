//! Pixels and text layout from command buffers.
//!
//! Duty: turn one frame's commands into pixels, for whatever shows them: a window, a bare framebuffer,
//! a picture file. The room is open and empty: the stream's format and the renderer come with the first
//! window.
//!
//! Invariants
//! - P1 The command stream is versioned and self-contained, so that it replays anywhere.
//! - P2 No oop comes here: text and spans are handed over by value, layouts by handle.
//!
//! Must not know: objects, what a view is.

#![no_std]
