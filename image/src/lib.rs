//! Pages, epochs, snapshots, moments, journal, recovery.

#![no_std]

extern crate alloc;

pub mod space;
