//! The linear framebuffer of a standard VGA as QEMU has it, with the interface that Bochs began.
//!
//! Invariant
//! - F1 Rows and columns are cut to the mode that was set; nothing is written outside it.
//!
//! Source: QEMU `docs/specs/standard-vga.rst`.

#![allow(unsafe_code, reason = "room: framebuffer")]

use crate::ports::{in16, out16};
use crate::{paging, pci};
use virtio_drivers::transport::pci::bus::{BarInfo, PciRoot};

const INDEX: u16 = 0x1ce;
const DATA: u16 = 0x1cf;
const ID: u16 = 0;
const WIDTH: u16 = 1;
const HEIGHT: u16 = 2;
const DEPTH: u16 = 3;
const ENABLE: u16 = 4;
const ENABLED_LINEAR: u16 = 0x41;
const VENDOR: u16 = 0x1234;
const DEVICE: u16 = 0x1111;

/// A framebuffer of 32-bit pixels.
pub struct Framebuffer {
    pixels: *mut u32,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

// SAFETY: device memory that this value alone writes; a twin does when the machine ends.
unsafe impl Send for Framebuffer {}

fn set(index: u16, value: u16) {
    out16(INDEX, index);
    out16(DATA, value);
}

fn get(index: u16) -> u16 {
    out16(INDEX, index);
    in16(DATA)
}

impl Framebuffer {
    /// Sets the mode, if the device is there and takes it.
    pub fn open(width: u16, height: u16) -> Option<Framebuffer> {
        let function = pci::find(VENDOR, DEVICE)?;
        let mut root = PciRoot::new(pci::Ports);
        let Ok(Some(BarInfo::Memory { address, size, .. })) = root.bar_info(function, 0) else { return None };
        if get(ID) & 0xfff0 != 0xb0c0 || u64::from(width) * u64::from(height) * 4 > size {
            return None;
        }
        set(ENABLE, 0);
        for (index, value) in [(WIDTH, width), (HEIGHT, height), (DEPTH, 32), (ENABLE, ENABLED_LINEAR)] {
            set(index, value);
        }
        if (get(WIDTH), get(HEIGHT)) != (width, height) || !paging::map_identity(address..address + size) {
            return None;
        }
        Some(Framebuffer { pixels: address as *mut u32, width: width.into(), height: height.into() })
    }

    /// The same device for whoever writes when nobody else does any more.
    pub fn twin(&self) -> Framebuffer {
        Framebuffer { pixels: self.pixels, width: self.width, height: self.height }
    }

    /// Copies a part of a picture of the mode's size (F1).
    pub fn copy(&mut self, from: &[u32], left: usize, top: usize, width: usize, height: usize) {
        let right = (left + width).min(self.width);
        for row in top..(top + height).min(self.height) {
            let Some(part) = from.get(row * self.width + left..row * self.width + right) else { return };
            // SAFETY: F1; the range lies in the device's memory, which is mapped.
            unsafe { core::ptr::copy_nonoverlapping(part.as_ptr(), self.pixels.add(row * self.width + left), part.len()) };
        }
    }

    /// Sets one pixel, if it is there (F1).
    pub fn set(&mut self, x: usize, y: usize, pixel: u32) {
        if x < self.width && y < self.height {
            // SAFETY: F1.
            unsafe { self.pixels.add(y * self.width + x).write_volatile(pixel) };
        }
    }
}
