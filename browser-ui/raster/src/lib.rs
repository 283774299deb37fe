//! Pixels and text layout from command buffers.
//!
//! (being built)

#![no_std]
