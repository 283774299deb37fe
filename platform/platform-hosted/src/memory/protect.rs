//! The fallback where userfaultfd is not to be had: page protection, units that grow.
//!
//! Invariants
//! - U1 The region is mapped twice from one memory file: the *public* view without access until a
//!   unit is filled, the *alias* writable always and used only here.
//! - U2 A unit is filled through the alias by exactly one thread (its state goes absent → filling by
//!   compare-and-swap), then its public view is made accessible, then its state becomes present.
//! - U3 Units start at 64 KiB; when so many mappings exist that the kernel's limit (65,530) could be
//!   met, whole spans of 2 MiB are filled at once, so that neighbouring mappings merge.

#![allow(unsafe_code, reason = "room: memory")]

use super::{PAGE_BYTES, faults, resident_bytes};
use platform::{Filled, PageSource, Region, ReserveError};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

const UNIT_BYTES: usize = 64 * 1024;
const SPAN_UNITS: usize = 32;
/// Above this many separate fills, whole spans are filled.
const MANY_FILLS: usize = 16_000;

const ABSENT: u8 = 0;
const FILLING: u8 = 1;
const PRESENT: u8 = 2;

/// The units of a region.
pub struct Units {
    public: usize,
    alias: usize,
    bytes: usize,
    states: Box<[AtomicU8]>,
    fills: AtomicUsize,
    file: File,
}

impl Units {
    fn unit_bytes(&self, unit: usize) -> usize {
        UNIT_BYTES.min(self.bytes - unit * UNIT_BYTES)
    }

    /// Makes the page present. Called from the fault handler.
    pub fn serve(&self, page: usize, source: &dyn PageSource) {
        let unit = page * PAGE_BYTES / UNIT_BYTES;
        if self.fills.load(Ordering::Relaxed) < MANY_FILLS {
            self.serve_unit(unit, source);
            return;
        }
        let span = unit / SPAN_UNITS * SPAN_UNITS;
        for unit in span..(span + SPAN_UNITS).min(self.states.len()) {
            self.serve_unit(unit, source);
        }
    }

    fn serve_unit(&self, unit: usize, source: &dyn PageSource) {
        loop {
            let state = &self.states[unit];
            match state.compare_exchange(ABSENT, FILLING, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(PRESENT) => return,
                Err(_) => std::hint::spin_loop(),
            }
        }
        let pages = self.unit_bytes(unit) / PAGE_BYTES;
        for page in 0..pages {
            self.fill_page(unit * UNIT_BYTES / PAGE_BYTES + page, source);
        }
        self.protect(unit, libc::PROT_READ | libc::PROT_WRITE);
        self.fills.fetch_add(1, Ordering::Relaxed);
        self.states[unit].store(PRESENT, Ordering::Release);
    }

    fn fill_page(&self, page: usize, source: &dyn PageSource) {
        let at = self.alias + page * PAGE_BYTES;
        // SAFETY: U2: this thread alone fills the unit, and nobody reads the alias.
        let into = unsafe { std::slice::from_raw_parts_mut(at as *mut u8, PAGE_BYTES) };
        match source.fill(page, into) {
            Filled::Bytes | Filled::Lost | Filled::Zero => {}
            Filled::Failed => faults::give_up(page),
        }
    }

    fn protect(&self, unit: usize, protection: libc::c_int) {
        let start = (self.public + unit * UNIT_BYTES) as *mut libc::c_void;
        // SAFETY: inside the public view, which this region owns.
        if unsafe { libc::mprotect(start, self.unit_bytes(unit), protection) } != 0 {
            faults::give_up(unit * UNIT_BYTES / PAGE_BYTES);
        }
    }

    /// Drops whole units inside a page range; smaller pieces stay.
    fn forget(&self, first_page: usize, pages: usize) {
        let start = (first_page * PAGE_BYTES).div_ceil(UNIT_BYTES);
        let end = (first_page.saturating_add(pages).min(self.bytes / PAGE_BYTES) * PAGE_BYTES / UNIT_BYTES).min(self.states.len());
        for unit in start..end {
            if self.states[unit].load(Ordering::Acquire) == PRESENT {
                self.protect(unit, libc::PROT_NONE);
                let (at, bytes) = ((unit * UNIT_BYTES) as u64, self.unit_bytes(unit) as u64);
                // Pages that stay allocated are overwritten or read as zero at the next fill.
                if crate::sys::punch_hole(&self.file, at, bytes).is_ok() {
                    self.states[unit].store(ABSENT, Ordering::Release);
                } else {
                    self.protect(unit, libc::PROT_READ | libc::PROT_WRITE);
                }
            }
        }
    }
}

impl Drop for Units {
    fn drop(&mut self) {
        // SAFETY: both views were mapped by `ProtectedRegion::new` with this length.
        unsafe {
            libc::munmap(self.public as *mut libc::c_void, self.bytes);
            libc::munmap(self.alias as *mut libc::c_void, self.bytes);
        }
    }
}

/// A region that fills by page protection.
pub struct ProtectedRegion {
    base: usize,
    bytes: usize,
    pager: Arc<faults::Pager>,
    units: Arc<Units>,
    slot: faults::Slot,
}

fn view(at: usize, bytes: usize, protection: libc::c_int, file: &File) -> Result<usize, String> {
    // SAFETY: a new shared mapping; `at` is a hint, nothing mapped is replaced.
    let address = unsafe {
        libc::mmap(
            at as *mut libc::c_void,
            bytes,
            protection,
            libc::MAP_SHARED | libc::MAP_NORESERVE,
            file.as_raw_fd(),
            0,
        )
    };
    if address == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().to_string());
    }
    Ok(address as usize)
}

impl ProtectedRegion {
    /// Reserves a region near `preferred`.
    pub fn new(
        preferred: usize,
        bytes: usize,
        source: Arc<dyn PageSource>,
    ) -> Result<ProtectedRegion, ReserveError> {
        let failed = |error: String| ReserveError {
            message: format!("cannot reserve {bytes} bytes of address space: {error}"),
        };
        // SAFETY: the name is a constant C string; a descriptor or -1 comes back.
        let descriptor = unsafe { libc::memfd_create(c"warm-heap".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(failed(std::io::Error::last_os_error().to_string()));
        }
        // SAFETY: a fresh descriptor that nobody else owns.
        let file = unsafe { File::from_raw_fd(descriptor) };
        file.set_len(bytes as u64).map_err(|error| failed(error.to_string()))?;
        let public = view(preferred, bytes, libc::PROT_NONE, &file).map_err(failed)?;
        let alias = match view(0, bytes, libc::PROT_READ | libc::PROT_WRITE, &file) {
            Ok(alias) => alias,
            Err(error) => {
                // SAFETY: just mapped, with this length.
                unsafe { libc::munmap(public as *mut libc::c_void, bytes) };
                return Err(failed(error));
            }
        };
        let states = (0..bytes.div_ceil(UNIT_BYTES)).map(|_| AtomicU8::new(ABSENT)).collect();
        let fills = AtomicUsize::new(0);
        let units = Arc::new(Units { public, alias, bytes, states, fills, file });
        let way = faults::Way::Protection(units.clone());
        let pager = Arc::new(faults::Pager::new(public, bytes, source, way));
        let slot = faults::enter(&pager).map_err(|error| failed(error.to_string()))?;
        Ok(ProtectedRegion { base: public, bytes, pager, units, slot })
    }
}

impl Drop for ProtectedRegion {
    fn drop(&mut self) {
        faults::leave(&self.slot);
    }
}

impl Region for ProtectedRegion {
    fn base(&self) -> usize {
        self.base
    }
    fn bytes(&self) -> usize {
        self.bytes
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn forget(&self, first_page: usize, pages: usize) {
        self.units.forget(first_page, pages);
    }
    fn prefetch(&self, first_page: usize, pages: usize) {
        self.pager.prefetch(first_page, pages);
    }
    fn resident_bytes(&self) -> usize {
        resident_bytes(self.base, self.bytes)
    }
}
