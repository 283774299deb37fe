//! Clock and entropy: the time-stamp counter measured against the timer chip, the clock chip for the
//! date, and the processor's random numbers.
//!
//! Invariants
//! - C1 Monotonic time is the counter since the kernel began, scaled once; it never goes back.
//! - C2 A sleep arms the timer chip for at most [`LONGEST_NAP_NS`] and halts; any interrupt ends it.
//!
//! Source: Intel 8254 data sheet; Motorola MC146818 data sheet; Intel SDM, RDRAND.

#![allow(unsafe_code, reason = "room: ports")]

use crate::calendar::{ChipTime, unix_seconds};
use crate::ports::{allow_interrupts, forbid_interrupts, in8, out8, ticks, wait_for_interrupt};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU64, Ordering};
use platform::{Clock, Entropy};

const TIMER_HZ: u64 = 1_193_182;
const TIMER_COMMAND: u16 = 0x43;
const TIMER_0: u16 = 0x40;
const TIMER_2: u16 = 0x42;
const TIMER_2_GATE: u16 = 0x61;
/// Ten milliseconds of the timer chip.
const MEASURE_TICKS: u64 = TIMER_HZ / 100;
const LONGEST_NAP_NS: u64 = 50_000_000;
const CHIP_INDEX: u16 = 0x70;
const CHIP_DATA: u16 = 0x71;

/// The counter when the kernel began.
static BEGAN: AtomicU64 = AtomicU64::new(0);
/// Nanoseconds a tick, in units of 2^-32.
static SCALE: AtomicU64 = AtomicU64::new(0);
/// Wall time at the beginning, in nanoseconds.
static WALL_AT_BEGIN: AtomicI64 = AtomicI64::new(0);
static UTC_OFFSET_S: AtomicI32 = AtomicI32::new(0);

/// Notes when the kernel began.
pub fn note_begin() {
    BEGAN.store(ticks(), Ordering::Relaxed);
}

/// Measures the counter, and reads the clock chip.
pub fn set_up() {
    let per_second = measure().max(1);
    SCALE.store((u128::from(1_000_000_000u64) << 32).div_euclid(u128::from(per_second)) as u64, Ordering::Relaxed);
    let seconds = unix_seconds(&read_chip()).unwrap_or(0);
    WALL_AT_BEGIN.store(seconds * 1_000_000_000 - now_ns() as i64, Ordering::Relaxed);
}

/// Seconds east of UTC, as the host says.
pub fn set_utc_offset(seconds: i32) {
    UTC_OFFSET_S.store(seconds, Ordering::Relaxed);
}

/// Ticks of the counter a second, by letting the timer chip's third channel run out once.
fn measure() -> u64 {
    out8(TIMER_2_GATE, in8(TIMER_2_GATE) & !3);
    out8(TIMER_COMMAND, 0xb0);
    out8(TIMER_2, MEASURE_TICKS as u8);
    out8(TIMER_2, (MEASURE_TICKS >> 8) as u8);
    let start = ticks();
    out8(TIMER_2_GATE, in8(TIMER_2_GATE) & !2 | 1);
    // A chip that never runs out would hang the boot: the counter is then taken for 1 GHz.
    for _ in 0..50_000_000u32 {
        if in8(TIMER_2_GATE) & 0x20 != 0 {
            return (ticks() - start) * TIMER_HZ / MEASURE_TICKS;
        }
    }
    1_000_000_000
}

fn now_ns() -> u64 {
    let since = ticks().saturating_sub(BEGAN.load(Ordering::Relaxed));
    (u128::from(since) * u128::from(SCALE.load(Ordering::Relaxed)) >> 32) as u64
}

fn chip(register: u8) -> u8 {
    out8(CHIP_INDEX, register);
    in8(CHIP_DATA)
}

/// Reads the clock chip between two updates: twice the same.
fn read_chip() -> ChipTime {
    let read = || {
        let is_updating = chip(0xa) & 0x80 != 0;
        let fields = [0, 2, 4, 7, 8, 9, 0x32].map(chip);
        (is_updating, ChipTime { fields, status_b: chip(0xb) })
    };
    let mut before = read();
    for _ in 0..100_000 {
        let again = read();
        if !again.0 && before == again {
            break;
        }
        before = again;
    }
    before.1
}

/// Ends the running or the next sleep.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// Ends the running or the next sleep; also from an interrupt.
pub fn wake() {
    WOKEN.store(true, Ordering::Relaxed);
}

/// The bare machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct BareClock;

/// Arms the timer chip to interrupt once.
fn arm(ns: u64) {
    let count = (ns.min(LONGEST_NAP_NS) * TIMER_HZ / 1_000_000_000).clamp(1, 0xffff);
    out8(TIMER_COMMAND, 0x30);
    out8(TIMER_0, count as u8);
    out8(TIMER_0, (count >> 8) as u8);
}

impl Clock for BareClock {
    fn monotonic_ns(&self) -> u64 {
        now_ns()
    }

    fn wall_ns(&self) -> i64 {
        WALL_AT_BEGIN.load(Ordering::Relaxed) + now_ns() as i64
    }

    fn utc_offset_s(&self, _wall_ns: i64) -> i32 {
        UTC_OFFSET_S.load(Ordering::Relaxed)
    }

    fn sleep_until(&self, monotonic_ns: u64) {
        // Kept out until the halt itself, so that no wake falls between the look and the sleep.
        forbid_interrupts();
        let now = now_ns();
        if WOKEN.swap(false, Ordering::Relaxed) || now >= monotonic_ns {
            allow_interrupts();
            return;
        }
        arm(monotonic_ns - now);
        wait_for_interrupt();
    }

    fn wake(&self) {
        wake();
    }
}

/// The processor's random numbers; where it has none, the counter's jitter.
#[derive(Clone, Copy, Debug, Default)]
pub struct BareEntropy;

fn has_random() -> bool {
    core::arch::x86_64::__cpuid(1).ecx & 1 << 30 != 0
}

/// A random word by RDRAND, which may have to be asked again.
fn random() -> Option<u64> {
    for _ in 0..32 {
        let (value, well): (u64, u8);
        // SAFETY: only where the processor has the instruction.
        unsafe { core::arch::asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) well, options(nomem, nostack)) };
        if well != 0 {
            return Some(value);
        }
    }
    None
}

/// A word mixed from the low bits of the counter around reads of a slow port.
fn jitter() -> u64 {
    (0..64).fold(0u64, |word, _| {
        in8(CHIP_INDEX);
        word.rotate_left(7) ^ ticks().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

impl Entropy for BareEntropy {
    fn fill(&self, into: &mut [u8]) {
        let has_random = has_random();
        for piece in into.chunks_mut(8) {
            let word = if has_random { random() } else { None }.unwrap_or_else(jitter);
            piece.copy_from_slice(&word.to_le_bytes()[..piece.len()]);
        }
    }
}
