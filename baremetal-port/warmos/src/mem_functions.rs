//! The memory functions that the compiler calls, for a program without a C library.
//!
//! Invariant
//! - F1 They call no function that the compiler could turn back into themselves: loops are assembly.

#![allow(unsafe_code, reason = "room: memory functions")]

use core::arch::asm;

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise; F1. Sixteen bytes at a time, then by bytes.
    unsafe {
        asm!(
            "mov {n}, rcx", "shr {n}, 4", "jz 3f",
            "2:", "movups {x}, [rsi]", "movups [rdi], {x}", "add rsi, 16", "add rdi, 16", "dec {n}", "jnz 2b",
            "3:", "and ecx, 15", "rep movsb",
            n = out(reg) _, x = out(xmm_reg) _,
            inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _,
            options(nostack)
        );
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    // SAFETY: the caller's promise; a target that begins inside the source is copied from its end.
    unsafe {
        if (to as usize).wrapping_sub(from as usize) >= count {
            return memcpy(to, from, count);
        }
        asm!(
            "2:", "cmp rcx, 8", "jb 3f", "sub rcx, 8", "mov {n}, [rsi + rcx]", "mov [rdi + rcx], {n}", "jmp 2b",
            "3:", "test rcx, rcx", "jz 5f",
            "4:", "mov {n:l}, [rsi + rcx - 1]", "mov [rdi + rcx - 1], {n:l}", "dec rcx", "jnz 4b",
            "5:",
            n = out(reg_abcd) _, inout("rcx") count => _, in("rdi") to, in("rsi") from,
            options(nostack)
        );
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
    let word = u64::from(byte as u8) * 0x0101_0101_0101_0101;
    // SAFETY: the caller's promise; F1.
    unsafe {
        asm!(
            "mov {n}, rcx", "shr rcx, 3", "rep stosq", "mov rcx, {n}", "and ecx, 7", "rep stosb",
            n = out(reg) _, inout("rcx") count => _, inout("rdi") to => _, in("rax") word,
            options(nostack)
        );
    }
    to
}

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, count: usize) -> i32 {
    let mut at = 0;
    // SAFETY: the caller's promise; words while they are equal, then bytes.
    unsafe {
        while at + 8 <= count {
            let (x, y) = (a.add(at).cast::<u64>().read_unaligned(), b.add(at).cast::<u64>().read_unaligned());
            if x != y {
                break;
            }
            at += 8;
        }
        while at < count {
            let (x, y) = (core::ptr::read_volatile(a.add(at)), core::ptr::read_volatile(b.add(at)));
            if x != y {
                return i32::from(x) - i32::from(y);
            }
            at += 1;
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

/// # Safety
/// As the C function.
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut length = 0;
    // SAFETY: the caller's promise.
    while unsafe { core::ptr::read_volatile(text.add(length)) } != 0 {
        length += 1;
    }
    length
}
