//! A virtio block device as a store.
//!
//! Invariants
//! - K1 One request at a time, polled. A request that the device does not answer within
//!   [`PATIENCE_NS`] makes the disk dead: everything later is [`StoreErrorKind::Gone`] (B2).
//! - K2 Reading and writing neither lock nor allocate: bytes go through a buffer for devices that was
//!   taken when the disk was found. A request within a request is refused, never nested.
//! - K3 A flush that returns `Ok` was answered `OK` by the device; a device without a cache to flush
//!   says so by not offering it.
//! - K4 A disk never grows.
//!
//! Source: OASIS Virtual I/O Device 1.2, sections 2.7 and 5.2.

#![allow(unsafe_code, reason = "room: disk")]

use crate::clock::BareClock;
use crate::frames::{self, FRAME_BYTES};
use crate::{paging, pci};
use alloc::format;
use alloc::string::{String, ToString};
use core::cell::UnsafeCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};
use platform::{Clock, Store, StoreError, StoreErrorKind};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::pci::bus::{DeviceFunction, PciRoot};
use virtio_drivers::transport::{DeviceStatus, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

const SECTOR_BYTES: u64 = 512;
const QUEUE: u16 = 0;
const QUEUE_SIZE: usize = 8;
const BUFFER_BYTES: usize = 256 * 1024;
/// How long a request may take.
const PATIENCE_NS: u64 = 60_000_000_000;

const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_VERSION_1: u64 = 1 << 32;

const READ: u32 = 0;
const WRITE: u32 = 1;
const FLUSH: u32 = 4;
const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;

/// Memory for devices: identity-mapped frames.
struct Frames;

// SAFETY: frames are handed out once, aligned and zeroed; the identity map reaches all of them, and
// the only buffers that are shared are in such frames.
unsafe impl Hal for Frames {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let Some(first) = frames::take_run(pages) else { return (0, NonNull::dangling()) };
        // SAFETY: `pages` frames of our own.
        unsafe { core::ptr::write_bytes(first as *mut u8, 0, pages * FRAME_BYTES as usize) };
        (first, NonNull::new(first as *mut u8).unwrap_or(NonNull::dangling()))
    }

    unsafe fn dma_dealloc(first: PhysAddr, _at: NonNull<u8>, pages: usize) -> i32 {
        (0..pages as u64).for_each(|nth| frames::give(first + nth * FRAME_BYTES));
        0
    }

    unsafe fn mmio_phys_to_virt(address: PhysAddr, bytes: usize) -> NonNull<u8> {
        paging::map_identity(address..address + bytes as u64);
        NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr() as PhysAddr
    }

    unsafe fn unshare(_address: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}

/// What a device reads and writes: header, status, and room for data, in frames for devices.
#[repr(C)]
struct Exchange {
    kind: u32,
    reserved: u32,
    sector: u64,
    status: u8,
    padding: [u8; FRAME_BYTES as usize - 17],
    data: [u8; BUFFER_BYTES],
}

struct Device {
    transport: PciTransport,
    queue: VirtQueue<Frames, QUEUE_SIZE>,
    exchange: &'static mut Exchange,
}

/// A disk.
pub struct Disk {
    device: UnsafeCell<Device>,
    busy: AtomicBool,
    dead: AtomicBool,
    bytes: u64,
    read_only: bool,
    flushes: bool,
    place: String,
    clock: BareClock,
}

// SAFETY: one processor; `busy` keeps requests apart, also one from a page fault (K2).
unsafe impl Sync for Disk {}
// SAFETY: as above.
unsafe impl Send for Disk {}

fn error(kind: StoreErrorKind, message: String) -> StoreError {
    StoreError { kind, message }
}

impl Disk {
    /// Takes a device into use.
    pub fn open(function: DeviceFunction) -> Result<Disk, String> {
        let place = format!("the disk at {function}");
        let told = |what: String| format!("{place}: {what}");
        let mut root = PciRoot::new(pci::Ports);
        let transport = PciTransport::new::<Frames, _>(&mut root, function);
        let mut transport = transport.map_err(|error| told(error.to_string()))?;
        transport.set_status(DeviceStatus::empty());
        let awake = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
        transport.set_status(awake);
        let offered = transport.read_device_features();
        let taken = offered & (FEATURE_READ_ONLY | FEATURE_FLUSH | FEATURE_VERSION_1);
        transport.write_driver_features(taken);
        transport.set_status(awake | DeviceStatus::FEATURES_OK);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            return Err(told(format!("it does not accept features {taken:#x} of {offered:#x}")));
        }
        let half = |at| transport.read_config_space::<u32>(at).map_err(|error| told(error.to_string()));
        let sectors = u64::from(half(0)?) | u64::from(half(4)?) << 32;
        let queue = VirtQueue::new(&mut transport, QUEUE, false, false).map_err(|error| told(error.to_string()))?;
        transport.set_status(awake | DeviceStatus::FEATURES_OK | DeviceStatus::DRIVER_OK);
        let frames = size_of::<Exchange>() / FRAME_BYTES as usize;
        let exchange = frames::take_run(frames).ok_or_else(|| told("no memory for its buffer".to_string()))?;
        // SAFETY: frames of our own, of the right size; every bit pattern is an exchange.
        let exchange = unsafe { &mut *(exchange as *mut Exchange) };
        Ok(Disk {
            device: UnsafeCell::new(Device { transport, queue, exchange }),
            busy: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            bytes: sectors.saturating_mul(SECTOR_BYTES),
            read_only: taken & FEATURE_READ_ONLY != 0,
            flushes: taken & FEATURE_FLUSH != 0,
            place,
            clock: BareClock,
        })
    }

    /// Whether it may only be read.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Where it is, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Carries out `work` with the device, alone with it.
    fn with<T>(&self, what: &str, work: impl FnOnce(&mut Device) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(error(StoreErrorKind::Gone, format!("{} answers no more", self.place)));
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return Err(error(StoreErrorKind::Io, format!("{} was asked to {what} within another request", self.place)));
        }
        // SAFETY: `busy` was ours to set.
        let result = work(unsafe { &mut *self.device.get() });
        self.busy.store(false, Ordering::Release);
        result
    }

    /// One request with `bytes` of data from or into the exchange's buffer (K1).
    fn request(&self, device: &mut Device, kind: u32, sector: u64, bytes: usize) -> Result<(), StoreError> {
        let Device { transport, queue, exchange } = device;
        exchange.kind = kind;
        exchange.reserved = 0;
        exchange.sector = sector;
        exchange.status = 0xff;
        let base = &raw mut **exchange;
        // SAFETY: three parts of the exchange that do not overlap; nobody else touches it until the
        // request is answered, or ever again if it is not (the disk is dead then).
        let (header, data, status) = unsafe {
            (
                core::slice::from_raw_parts(base.cast::<u8>(), 16),
                core::slice::from_raw_parts_mut(&raw mut (*base).data as *mut u8, bytes),
                core::slice::from_raw_parts_mut(&raw mut (*base).status, 1),
            )
        };
        let failed = |what: &str| error(StoreErrorKind::Io, format!("{}: {what}, sector {sector}", self.place));
        let (mut inputs, mut outputs): ([&[u8]; 2], [&mut [u8]; 2]) = ([header, &[]], [&mut [], status]);
        let (input_count, first_output) = match kind {
            READ => {
                outputs[0] = data;
                (1, 0)
            }
            WRITE => {
                inputs[1] = data;
                (2, 1)
            }
            _ => (1, 1),
        };
        let (inputs, outputs) = (&inputs[..input_count], &mut outputs[first_output..]);
        // SAFETY: as above; the same parts are given to `pop_used`.
        let token = unsafe { queue.add(inputs, outputs) }.map_err(|_| failed("its queue is full"))?;
        if queue.should_notify() {
            transport.notify(QUEUE);
        }
        let deadline = self.clock.monotonic_ns() + PATIENCE_NS;
        let mut tries = 0u32;
        while !queue.can_pop() {
            core::hint::spin_loop();
            tries = tries.wrapping_add(1);
            if tries.is_multiple_of(4096) && self.clock.monotonic_ns() > deadline {
                self.dead.store(true, Ordering::Relaxed);
                let seconds = PATIENCE_NS / 1_000_000_000;
                return Err(error(StoreErrorKind::Gone, format!("{} did not answer for {seconds} s", self.place)));
            }
        }
        // SAFETY: the parts that were added.
        unsafe { queue.pop_used(token, inputs, outputs) }.map_err(|_| failed("its queue is confused"))?;
        // SAFETY: the device wrote it; the exchange is ours again.
        match unsafe { (&raw const (*base).status).read_volatile() } {
            STATUS_OK => Ok(()),
            STATUS_UNSUPPORTED => Err(failed("it does not support the request")),
            _ => Err(failed("I/O error")),
        }
    }

    fn check_range(&self, offset: u64, bytes: usize) -> Result<(), StoreError> {
        match offset.checked_add(bytes as u64) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(error(
                StoreErrorKind::OutOfRange,
                format!("{bytes} bytes at {offset} reach beyond {}, which has {}", self.place, self.bytes),
            )),
        }
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        if self.read_only {
            return Err(error(StoreErrorKind::ReadOnly, format!("{} is read-only", self.place)));
        }
        Ok(())
    }
}

/// The whole sectors around a range: the first sector, bytes before the range in it, bytes in all.
fn sectors_around(offset: u64, bytes: usize) -> (u64, usize, usize) {
    let first = offset / SECTOR_BYTES;
    let skip = (offset % SECTOR_BYTES) as usize;
    (first, skip, (skip + bytes).next_multiple_of(SECTOR_BYTES as usize))
}

/// The most bytes of a range that go through the buffer at once.
const MOST: usize = BUFFER_BYTES - 2 * SECTOR_BYTES as usize;

impl Store for Disk {
    fn len(&self) -> Result<u64, StoreError> {
        Ok(self.bytes)
    }

    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        if bytes <= self.bytes {
            return Ok(());
        }
        Err(error(StoreErrorKind::Full, format!("{} has {} bytes and cannot grow to {bytes}", self.place, self.bytes)))
    }

    fn truncate(&self, _bytes: u64) -> Result<(), StoreError> {
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.check_range(offset, into.len())?;
        self.with("read", |device| {
            let mut at = offset;
            for part in into.chunks_mut(MOST) {
                let (sector, skip, bytes) = sectors_around(at, part.len());
                self.request(device, READ, sector, bytes)?;
                part.copy_from_slice(&device.exchange.data[skip..skip + part.len()]);
                at += part.len() as u64;
            }
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        self.check_writable()?;
        self.check_range(offset, from.len())?;
        self.with("write", |device| {
            let mut at = offset;
            for part in from.chunks(MOST) {
                let (sector, skip, bytes) = sectors_around(at, part.len());
                if bytes != part.len() {
                    // Parts of sectors are kept as they are.
                    self.request(device, READ, sector, bytes)?;
                }
                device.exchange.data[skip..skip + part.len()].copy_from_slice(part);
                self.request(device, WRITE, sector, bytes)?;
                at += part.len() as u64;
            }
            Ok(())
        })
    }

    fn flush(&self) -> Result<(), StoreError> {
        if !self.flushes {
            return Ok(());
        }
        self.with("flush", |device| self.request(device, FLUSH, 0, 0))
    }
}
