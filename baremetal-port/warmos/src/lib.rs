//! The contract of `platform` on bare x86-64, without an operating system.
//!
//! Duty: offer a world its store, memory, clock, display and input from the devices alone. So far the
//! serial line stands; page tables, virtio-blk, framebuffer and input follow in rooms of their own.
//!
//! Invariants
//! - B1 Nothing here knows objects; the same `vm` and `image` run as hosted.
//! - B2 A device that does not answer is a refusal, never an endless wait.

#![no_std]

extern crate alloc;

pub mod serial;
