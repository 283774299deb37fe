//! What the program is doing, for whoever watches from outside: two bytes in a shared file.
//!
//! The kill tests ask for it (environment variable WARM_PHASE names the file), so that a histogram can
//! show which work each SIGKILL interrupted. Byte 0 is the mutator's (0 opening, 1 running,
//! 2 scavenging), byte 1 the writer's (0 idle, 1 writing, 2 flushing, 3 committing).

#![allow(unsafe_code, reason = "room: phase")]

use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

/// What the writer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Writer {
    /// Nothing.
    Idle = 0,
    /// It writes pages, map nodes, moments.
    Writing = 1,
    /// It waits for a flush.
    Flushing = 2,
    /// It writes commit records.
    Committing = 3,
}

static PLACES: OnceLock<Option<[&'static AtomicU8; 2]>> = OnceLock::new();

fn places() -> Option<[&'static AtomicU8; 2]> {
    *PLACES.get_or_init(|| {
        let path = std::env::var_os("WARM_PHASE")?;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path).ok()?;
        file.set_len(4096).ok()?;
        // SAFETY: a new shared mapping of a whole page that is never unmapped; both bytes are only
        // used as atomics.
        unsafe {
            let at = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            );
            if at == libc::MAP_FAILED {
                return None;
            }
            let bytes = at.cast::<AtomicU8>();
            Some([&*bytes, &*bytes.add(1)])
        }
    })
}

/// The mutator's byte, if somebody watches.
pub fn mutator() -> Option<&'static AtomicU8> {
    places().map(|[mutator, _]| mutator)
}

/// Tells what the writer does.
pub fn tell(writer: Writer) {
    if let Some([_, place]) = places() {
        place.store(writer as u8, Ordering::Relaxed);
    }
}
