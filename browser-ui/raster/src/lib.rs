//! Pixels and text layout from command buffers.
//!
//! Duty: turn one frame's commands into pixels, for whatever shows them: a window, a bare framebuffer,
//! a picture file. `STREAM.md` describes the commands.
//!
//! Invariants
//! - P1 The command stream is versioned and self-contained, so that it replays anywhere.
//! - P2 No oop comes here: text and spans are handed over by value, layouts by number.
//! - P3 The same bytes at the same scale give the same pixels, whatever was painted before.
//!
//! Knows: `platform`'s contract. Must not know: objects, what a view is, windows.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod alphabet;
mod build;
mod canvas;
mod damage;
mod display;
pub mod emergency;
pub mod fields;
mod fonts;
mod frame;
mod geometry;
mod glyphs;
pub mod notice;
mod page;
mod paint;
mod places;
mod png;
pub mod roles;
mod slot;
pub mod stream;
mod surface;
mod text;

pub use alphabet::Alphabet;
pub use canvas::Target;
pub use display::{Display, Feel, Screen, WindowWish};
pub use fonts::{FontBytes, FontSource, Fonts, Found, LICENCES};
pub use geometry::Scale;
pub use glyphs::Glyphs;
pub use png::{encode as encode_png, encode_with_opacity as encode_png_with_opacity};
pub use surface::{Figures, MOST_SIDE, Surface, Workshop};
pub use text::{Glyph, Laid, Line};
