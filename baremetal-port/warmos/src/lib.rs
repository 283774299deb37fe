//! The contract of `platform` on bare x86-64, without an operating system, and the kernel that runs a
//! world on it.
//!
//! Duty: offer a world its store, memory, clock, entropy, console and display from the devices alone.
//!
//! Invariants
//! - B1 Nothing here knows objects; the same `vm`, `image` and `keeper` run as hosted.
//! - B2 A device that does not answer is a refusal or an epitaph, never an endless wait.
//!
//! What only a kernel may do stands behind the feature `kernel`; the rest is tested as any library.
//! Boot order: `boot`, `start`. Unsafe rooms: those modules that say so.

#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod calendar;
pub mod keys;
pub mod line;
pub mod memory_map;
pub mod ring;
pub mod size_class;

#[cfg(feature = "kernel")]
pub mod allocator;
#[cfg(feature = "kernel")]
pub mod alone;
#[cfg(feature = "kernel")]
pub mod boot;
#[cfg(feature = "kernel")]
pub mod clock;
#[cfg(feature = "kernel")]
pub mod console;
#[cfg(feature = "kernel")]
pub mod desk;
#[cfg(feature = "kernel")]
pub mod desktop;
#[cfg(feature = "kernel")]
pub mod disk;
#[cfg(feature = "kernel")]
pub mod epitaph;
#[cfg(feature = "kernel")]
pub mod framebuffer;
#[cfg(feature = "kernel")]
pub mod frames;
#[cfg(feature = "kernel")]
pub mod living;
#[cfg(feature = "kernel")]
mod mem_functions;
#[cfg(feature = "kernel")]
pub mod paging;
#[cfg(feature = "kernel")]
pub mod pci;
#[cfg(feature = "kernel")]
pub mod ports;
#[cfg(feature = "kernel")]
pub mod power;
#[cfg(feature = "kernel")]
pub mod ps2;
#[cfg(feature = "kernel")]
pub mod regions;
#[cfg(feature = "kernel")]
pub mod serial;
#[cfg(feature = "kernel")]
pub mod start;
#[cfg(feature = "kernel")]
pub mod talk;
#[cfg(feature = "kernel")]
pub mod traps;
#[cfg(feature = "kernel")]
pub mod trial;
#[cfg(feature = "kernel")]
pub mod words;
