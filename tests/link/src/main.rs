//! A static program without standard library and C library that links `platform`, `image`, `vm` and
//! `raster`: the proof that they need no operating system. It starts, calls into each, says so by
//! two system calls, and ends.
//!
//! The memory functions that the compiler calls are its own: there is no C library to bring them.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "room: link proof")]

extern crate alloc;

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicUsize, Ordering};

const HEAP_BYTES: usize = 64 << 20;

#[repr(align(4096))]
struct Bump {
    bytes: core::cell::UnsafeCell<[u8; HEAP_BYTES]>,
    used: AtomicUsize,
}

// SAFETY: `used` hands each byte out once.
unsafe impl Sync for Bump {}

// SAFETY: pieces are disjoint, aligned and inside `bytes`.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let base = self.bytes.get() as usize;
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let start = (base + used).next_multiple_of(layout.align()) - base;
            let end = start + layout.size();
            if end > HEAP_BYTES {
                return core::ptr::null_mut();
            }
            match self.used.compare_exchange(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return (base + start) as *mut u8,
                Err(now) => used = now,
            }
        }
    }
    unsafe fn dealloc(&self, _piece: *mut u8, _layout: Layout) {}
}

#[global_allocator]
static HEAP: Bump =
    Bump { bytes: core::cell::UnsafeCell::new([0; HEAP_BYTES]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    say(b"link proof: panicked\n");
    exit(101)
}

fn say(text: &[u8]) {
    // SAFETY: write(1, text, length); the kernel reads the slice only.
    unsafe {
        asm!("syscall", inlateout("rax") 1usize => _, in("rdi") 1usize, in("rsi") text.as_ptr(),
            in("rdx") text.len(), out("rcx") _, out("r11") _);
    }
}

fn exit(status: usize) -> ! {
    // SAFETY: exit_group(status) does not return.
    unsafe { asm!("syscall", in("rax") 231usize, in("rdi") status, options(noreturn)) }
}

#[unsafe(naked)]
#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    naked_asm!("xor ebp, ebp", "and rsp, -16", "call {main}", "ud2", main = sym main)
}

extern "C" fn main() -> ! {
    let uses = [use_platform(), use_vm(), use_raster()];
    if uses.iter().all(|well| *well) {
        say(b"link proof: ok\n1 passed, 0 failed\n");
        exit(0)
    }
    say(b"link proof: a room answered wrongly\n0 passed, 1 failed\n");
    exit(1)
}

fn use_platform() -> bool {
    let packed = platform::operations::Packed::default().text("warm").finish();
    platform::operations::Fields::new(&packed).text() == Ok("warm")
}

fn use_vm() -> bool {
    let code = [vm::bytecode::Opcode::PushNil as u8];
    vm::bytecode::Instruction::decode(&code, 0).is_some_and(|one| one.length == 1)
}

/// A word is laid out, and paints some pixels of its colour on the desk's.
fn use_raster() -> bool {
    use raster::fields::{Align, Coord, Extent, Face, Many, Paint, Span, Wrap};
    use raster::roles::{Role, Theme};
    use raster::stream::{Command, Encoder, Header};
    use raster::{Fonts, Glyphs, Scale, Surface, Workshop};
    let paint = Paint::role(Role::Ink);
    let span = Span { bytes: 4, face: Face::Words, style: 0, size: 13 * 64, weight: 400, paint };
    let layout = Command::Layout {
        id: 1,
        width: Extent::default(),
        wrap: Wrap::None,
        align: Align::Start,
        line: Extent::whole(20),
        text: "warm",
        spans: Many(alloc::vec![span]),
    };
    let mut frame = Encoder::new(Header { keyframe: true, ..Header::default() });
    frame.push(&layout).push(&Command::Text { id: 1, x: Coord(0), y: Coord(0) });
    let mut workshop = Workshop { fonts: Fonts::new(None), glyphs: Glyphs::default() };
    let mut surface = Surface::new(48, 20, Scale::default());
    if surface.present(&frame.finish(), &mut workshop.fonts).is_err() {
        return false;
    }
    let pixels = surface.pixels(&mut workshop);
    let desk = Role::Desk.colour(Theme::Light).pixel();
    let inked = pixels.iter().filter(|pixel| **pixel != desk).count();
    (60..600).contains(&inked)
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _);
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise; a later target is copied from its end.
    unsafe {
        if (to as usize).wrapping_sub(from as usize) >= count {
            return memcpy(to, from, count);
        }
        asm!("std", "rep movsb", "cld", inout("rcx") count => _,
            inout("rdi") to.add(count).sub(1) => _, inout("rsi") from.add(count).sub(1) => _);
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8);
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    for i in 0..count {
        // SAFETY: the caller's promise.
        let (x, y) = unsafe { (core::ptr::read_volatile(a.add(i)), core::ptr::read_volatile(b.add(i))) };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    // SAFETY: the caller's promise.
    unsafe { memcmp(a, b, count) }
}

/// Nothing unwinds here (panic = abort); precompiled code refers to it all the same.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Never called, for the same reason.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    exit(102)
}
