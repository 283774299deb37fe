//! Interrupt vectors: page faults are served, devices are heard, everything else is an epitaph.
//!
//! Invariants
//! - T1 Every vector runs on an interrupt stack: the precompiled `core` keeps data below the stack
//!   pointer (red zone).
//! - T2 A stub saves all registers that Rust may use, SSE included, so what was interrupted goes on
//!   unharmed.
//! - T3 A page fault within a page fault gets the next part of the stack; deeper than
//!   [`FAULT_LEVELS`] is an epitaph. Devices are kept out meanwhile.
//!
//! Source: Intel SDM volume 3, chapter 6; the 8259A data sheet.

#![allow(unsafe_code, reason = "room: traps")]

use crate::boot::{CODE_SELECTOR, FAULT_LEVELS, FAULT_STACK_BYTES, TASK, TablePointer};
use crate::epitaph::{Ending, die};
use crate::{paging, ports, ps2, regions, serial};
use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

const PAGE_FAULT: usize = 14;
const DOUBLE_FAULT: usize = 8;
const FIRST_DEVICE: usize = 32;
const DEVICES: usize = 16;
const VECTORS: usize = FIRST_DEVICE + DEVICES;

const FAULT_STACK: u64 = 1;
const FATAL_STACK: u64 = 2;
const DEVICE_STACK: u64 = 3;
const INTERRUPT_GATE: u64 = 0x8e;

/// Lines of the interrupt controllers that are listened to: timer, keyboard, the second controller, first
/// serial line, pointer.
const LINES: u16 = 1 << TIMER_LINE | 1 << KEYBOARD_LINE | 1 << CASCADE_LINE | 1 << SERIAL_LINE | 1 << POINTER_LINE;
const KEYBOARD_LINE: u8 = 1;
const CASCADE_LINE: u8 = 2;
const POINTER_LINE: u8 = 12;
const TIMER_LINE: u8 = 0;
const SERIAL_LINE: u8 = 4;

struct Gates(UnsafeCell<[[u64; 2]; VECTORS]>);

// SAFETY: written once by `install`, then read by the processor.
unsafe impl Sync for Gates {}

static GATES: Gates = Gates(UnsafeCell::new([[0; 2]; VECTORS]));

/// How deep in page faults the processor is.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static trap_stubs: [u64; VECTORS];
}

/// Fills and loads the table of vectors, and sets the interrupt controllers up.
pub fn install() {
    for vector in 0..VECTORS {
        // SAFETY: the table stands in the stubs' assembly below, with an entry a vector.
        let stub = unsafe { trap_stubs[vector] };
        let stack = match vector {
            PAGE_FAULT => FAULT_STACK,
            0..FIRST_DEVICE => FATAL_STACK,
            _ => DEVICE_STACK,
        };
        let low = stub & 0xffff | u64::from(CODE_SELECTOR) << 16 | stack << 32 | INTERRUPT_GATE << 40 | (stub >> 16 & 0xffff) << 48;
        // SAFETY: once, before the table is loaded.
        unsafe { (*GATES.0.get())[vector] = [low, stub >> 32] };
    }
    let pointer = TablePointer { limit: (VECTORS * 16 - 1) as u16, base: GATES.0.get() as u64 };
    // SAFETY: the table is complete and never moves.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack)) };
    set_up_controllers();
}

/// Both controllers deliver from vector 32 on; all lines but ours are silent.
fn set_up_controllers() {
    for (port, words) in [(0x20u16, [0x11, FIRST_DEVICE as u8, 4, 1]), (0xa0, [0x11, FIRST_DEVICE as u8 + 8, 2, 1])] {
        ports::out8(port, words[0]);
        words[1..].iter().for_each(|word| ports::out8(port + 1, *word));
    }
    ports::out8(0x21, !(LINES as u8));
    ports::out8(0xa1, !((LINES >> 8) as u8));
}

extern "C" fn on_page_fault(address: u64, error: u64, at: u64) {
    let depth = DEPTH.fetch_add(1, Ordering::Relaxed);
    if depth >= FAULT_LEVELS {
        die(Ending::Machine, format_args!("page faults nest too deep, at {at:#x} for {address:#x}"));
    }
    if error & 1 != 0 || !regions::serve(address as usize, depth) {
        die(Ending::Machine, format_args!("page fault at {at:#x} for {address:#x}, error {error:#x}"));
    }
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}

extern "C" fn on_interrupt(vector: u64, error: u64, at: u64) {
    let vector = vector as usize;
    if vector < FIRST_DEVICE {
        let what = if vector == DOUBLE_FAULT { "double fault" } else { "exception" };
        let address = paging::fault_address();
        die(Ending::Machine, format_args!("{what} {vector} at {at:#x}, error {error:#x}, last page fault for {address:#x}"));
    }
    let line = (vector - FIRST_DEVICE) as u8;
    match line {
        SERIAL_LINE => serial::on_interrupt(),
        KEYBOARD_LINE | POINTER_LINE => ps2::on_interrupt(),
        _ => {}
    }
    if line >= 8 {
        ports::out8(0xa0, 0x20);
    }
    ports::out8(0x20, 0x20);
}

// A stub pushes the vector (and a zero where the processor pushed no error), then goes to the common
// part. Frame above `rbp` there: 11 registers, vector, error, rip.
global_asm!(
    ".macro trap_stub number",
    "trap_stub_\\number:",
    ".if !(\\number == 8 || (\\number >= 10 && \\number <= 14) || \\number == 17 || \\number == 21 || \\number == 29 || \\number == 30)",
    "push 0",
    ".endif",
    "push \\number",
    ".if \\number == 14",
    "jmp page_fault_common",
    ".else",
    "jmp trap_common",
    ".endif",
    ".endm",
    ".macro save_registers",
    "push rax; push rcx; push rdx; push rbx; push rsi; push rdi",
    "push r8; push r9; push r10; push r11; push rbp",
    "mov rbp, rsp",
    "and rsp, -16",
    "sub rsp, 512",
    "fxsave64 [rsp]",
    "cld",
    ".endm",
    ".macro restore_registers",
    "fxrstor64 [rsp]",
    "mov rsp, rbp",
    "pop rbp; pop r11; pop r10; pop r9; pop r8",
    "pop rdi; pop rsi; pop rbx; pop rdx; pop rcx; pop rax",
    "add rsp, 16",
    "iretq",
    ".endm",
    ".text",
    "trap_common:",
    "save_registers",
    "mov rdi, [rbp + 88]",
    "mov rsi, [rbp + 96]",
    "mov rdx, [rbp + 104]",
    "call {interrupt}",
    "restore_registers",
    "page_fault_common:",
    "save_registers",
    "sub qword ptr [{task} + 36], {level}",
    "mov rdi, cr2",
    "mov rsi, [rbp + 96]",
    "mov rdx, [rbp + 104]",
    "call {fault}",
    "add qword ptr [{task} + 36], {level}",
    "restore_registers",
    ".altmacro",
    ".set n, 0",
    ".rept {vectors}",
    "trap_stub %n",
    ".set n, n + 1",
    ".endr",
    ".noaltmacro",
    ".section .rodata.traps, \"a\", @progbits",
    ".balign 8",
    ".global trap_stubs",
    "trap_stubs:",
    ".altmacro",
    ".macro stub_address number",
    ".quad trap_stub_\\number",
    ".endm",
    ".set n, 0",
    ".rept {vectors}",
    "stub_address %n",
    ".set n, n + 1",
    ".endr",
    ".noaltmacro",
    ".text",
    interrupt = sym on_interrupt,
    fault = sym on_page_fault,
    task = sym TASK,
    level = const FAULT_STACK_BYTES,
    vectors = const VECTORS,
);
