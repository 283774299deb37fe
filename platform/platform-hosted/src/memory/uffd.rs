//! userfaultfd and PAGEMAP_SCAN, as far as a pager needs them.
//!
//! Source: Linux `Documentation/admin-guide/mm/userfaultfd.rst` and `pagemap.rst`; the numbers are
//! the kernel's ABI for x86-64.

#![allow(unsafe_code, reason = "room: memory")]

use super::PAGE_BYTES;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

const fn ioctl_code(direction: u64, group: u64, number: u64, bytes: usize) -> u64 {
    (direction << 30) | ((bytes as u64) << 16) | (group << 8) | number
}

const API: u64 = 0xaa;
const UFFDIO_API: u64 = ioctl_code(3, API, 0x3f, size_of::<Api>());
const UFFDIO_REGISTER: u64 = ioctl_code(3, API, 0x00, size_of::<Register>());
const UFFDIO_COPY: u64 = ioctl_code(3, API, 0x03, size_of::<Copy>());
const UFFDIO_ZEROPAGE: u64 = ioctl_code(3, API, 0x04, size_of::<ZeroPage>());
const USERFAULTFD_IOC_NEW: u64 = ioctl_code(0, API, 0x00, 0);
const PAGEMAP_SCAN: u64 = ioctl_code(3, b'f' as u64, 16, size_of::<Scan>());

const USER_MODE_ONLY: libc::c_int = 1;
const FEATURE_SIGBUS: u64 = 1 << 7;
const FEATURE_WP_ASYNC: u64 = 1 << 15;
const MODE_MISSING: u64 = 1;
const MODE_WRITE_PROTECT: u64 = 2;
const COPY_WRITE_PROTECTED: u64 = 2;
const SCAN_WRITE_PROTECT: u64 = 1;
const SCAN_ASYNC_ONLY: u64 = 2;
const PAGE_IS_WRITTEN: u64 = 2;

#[repr(C)]
struct Api {
    api: u64,
    features: u64,
    ioctls: u64,
}

#[repr(C)]
struct Register {
    start: u64,
    bytes: u64,
    mode: u64,
    ioctls: u64,
}

#[repr(C)]
struct Copy {
    to: u64,
    from: u64,
    bytes: u64,
    mode: u64,
    copied: i64,
}

#[repr(C)]
struct ZeroPage {
    start: u64,
    bytes: u64,
    mode: u64,
    zeroed: i64,
}

#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    found: u64,
    found_length: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Found {
    start: u64,
    end: u64,
    categories: u64,
}

/// An open userfaultfd that delivers faults as SIGBUS.
pub struct Uffd {
    descriptor: OwnedFd,
    tracks_writes: bool,
}

impl Uffd {
    /// Opens one; with `track_writes` it also write-protects what it fills.
    pub fn open(track_writes: bool) -> io::Result<Uffd> {
        let descriptor = Self::descriptor()?;
        let features = FEATURE_SIGBUS | if track_writes { FEATURE_WP_ASYNC } else { 0 };
        let mut api = Api { api: API, features, ioctls: 0 };
        // SAFETY: `api` is the structure that this call wants.
        let result = unsafe { libc::ioctl(descriptor.as_raw_fd(), UFFDIO_API, &mut api) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Uffd { descriptor, tracks_writes: track_writes })
    }

    fn descriptor() -> io::Result<OwnedFd> {
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
        // SAFETY: a system call without pointers; the result is a descriptor or -1.
        let direct = unsafe { libc::syscall(libc::SYS_userfaultfd, flags | USER_MODE_ONLY) };
        if direct >= 0 {
            // SAFETY: a fresh descriptor that nobody else owns.
            return Ok(unsafe { OwnedFd::from_raw_fd(direct as i32) });
        }
        let refused = io::Error::last_os_error();
        let Ok(device) = std::fs::File::open("/dev/userfaultfd") else { return Err(refused) };
        // SAFETY: the request takes its flags by value.
        let made = unsafe { libc::ioctl(device.as_raw_fd(), USERFAULTFD_IOC_NEW, flags) };
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(unsafe { OwnedFd::from_raw_fd(made) })
    }

    /// Whether fills are tracked.
    pub fn tracks_writes(&self) -> bool {
        self.tracks_writes
    }

    /// Watches a range for missing pages.
    pub fn register(&self, start: usize, bytes: usize) -> io::Result<()> {
        let mode = MODE_MISSING | if self.tracks_writes { MODE_WRITE_PROTECT } else { 0 };
        let mut request =
            Register { start: start as u64, bytes: bytes as u64, mode, ioctls: 0 };
        // SAFETY: `request` is the structure that this call wants.
        let result =
            unsafe { libc::ioctl(self.descriptor.as_raw_fd(), UFFDIO_REGISTER, &mut request) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Puts pages in place at once; answers how many bytes were placed before a page was met that
    /// is there already (`Ok(0)`: the first was). Safe to call from a signal handler.
    pub fn copy(&self, to: usize, from: &[u8]) -> Result<usize, i32> {
        loop {
            let mode = if self.tracks_writes { COPY_WRITE_PROTECTED } else { 0 };
            let mut request = Copy {
                to: to as u64,
                from: from.as_ptr() as u64,
                bytes: from.len() as u64,
                mode,
                copied: 0,
            };
            // SAFETY: `from` is readable for its length; the kernel checks the target range.
            let result =
                unsafe { libc::ioctl(self.descriptor.as_raw_fd(), UFFDIO_COPY, &mut request) };
            if result == 0 {
                return Ok(from.len());
            }
            if request.copied > 0 {
                return Ok(request.copied as usize);
            }
            match errno() {
                libc::EEXIST => return Ok(0),
                libc::EAGAIN => {}
                other => return Err(other),
            }
        }
    }

    /// Puts one zero page in place. Safe to call from a signal handler.
    pub fn zero(&self, to: usize) -> Result<(), i32> {
        if self.tracks_writes {
            // A zero page that the kernel maps would count as written.
            static ZEROES: [u8; PAGE_BYTES] = [0; PAGE_BYTES];
            return self.copy(to, &ZEROES).map(|_| ());
        }
        loop {
            let mut request =
                ZeroPage { start: to as u64, bytes: PAGE_BYTES as u64, mode: 0, zeroed: 0 };
            // SAFETY: the kernel checks the target range.
            let result =
                unsafe { libc::ioctl(self.descriptor.as_raw_fd(), UFFDIO_ZEROPAGE, &mut request) };
            match if result == 0 { 0 } else { errno() } {
                0 | libc::EEXIST => return Ok(()),
                libc::EAGAIN => {}
                other => return Err(other),
            }
        }
    }
}

/// The calling thread's last error number.
pub fn errno() -> i32 {
    // SAFETY: the C library's own thread-local.
    unsafe { *libc::__errno_location() }
}

/// The pages of a range (counted from its start) that were written since they were last protected;
/// protects them again. `None` where the kernel cannot tell.
pub fn take_written(start: usize, bytes: usize) -> Option<Vec<usize>> {
    let pagemap = std::fs::File::open("/proc/self/pagemap").ok()?;
    let mut pages = Vec::new();
    let mut found = vec![Found::default(); 1024];
    let end = (start + bytes) as u64;
    let mut at = start as u64;
    while at < end {
        let mut request = Scan {
            size: size_of::<Scan>() as u64,
            flags: SCAN_WRITE_PROTECT | SCAN_ASYNC_ONLY,
            start: at,
            end,
            found: found.as_mut_ptr() as u64,
            found_length: found.len() as u64,
            category_mask: PAGE_IS_WRITTEN,
            return_mask: PAGE_IS_WRITTEN,
            ..Scan::default()
        };
        // SAFETY: `request` names a buffer of `found_length` entries that lives through the call.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut request) };
        if count < 0 {
            return None;
        }
        for part in &found[..count as usize] {
            let first = (part.start as usize - start) / PAGE_BYTES;
            let last = (part.end as usize - start) / PAGE_BYTES;
            pages.extend(first..last);
        }
        at = request.walk_end;
        if count == 0 {
            break;
        }
    }
    Some(pages)
}
