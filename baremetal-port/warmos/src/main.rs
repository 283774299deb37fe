//! The kernel: the library's modules, the allocator, and what happens when ours goes wrong.

#![no_std]
#![no_main]
#![allow(unsafe_code, reason = "room: kernel")]

use warmos::allocator::KernelHeap;
use warmos::epitaph::{Ending, die};

#[global_allocator]
static HEAP: KernelHeap = KernelHeap::new();

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    die(Ending::Machine, format_args!("the machine itself failed: {info}"))
}

/// Nothing unwinds here (panic = abort); precompiled code refers to it all the same.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// Never called, for the same reason.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    warmos::ports::halt()
}
