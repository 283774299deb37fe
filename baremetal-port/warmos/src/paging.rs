//! Page tables: four levels, pages of 4 KiB for everything but the identity map.
//!
//! Invariants
//! - G1 Physical memory is mapped to itself, so a table is reached by its physical address.
//! - G2 A page is published by the store of its whole entry: before it the access faults, after it all
//!   bytes are there.
//!
//! Source: Intel SDM volume 3, chapter 4.

#![allow(unsafe_code, reason = "room: paging")]

use crate::frames;
use core::arch::asm;
use core::ops::Range;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 2;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const LEVELS: u32 = 4;
const LARGE_BYTES: u64 = 2 << 20;
/// What the boot code mapped to itself.
const BOOT_MAPPED: u64 = 4 << 30;

/// Bytes of a page.
pub const PAGE_BYTES: usize = 4096;

fn top() -> u64 {
    let top: u64;
    // SAFETY: reading the register changes nothing.
    unsafe { asm!("mov {}, cr3", out(reg) top, options(nomem, nostack, preserves_flags)) };
    top & ADDRESS
}

/// The address of the last page fault.
pub fn fault_address() -> u64 {
    let address: u64;
    // SAFETY: reading the register changes nothing.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    address
}

const fn index(address: usize, level: u32) -> usize {
    address >> (12 + 9 * (level - 1)) & 511
}

fn entry(table: u64, index: usize) -> *mut u64 {
    (table as *mut u64).wrapping_add(index)
}

/// Reads an entry of a table.
fn read(at: *mut u64) -> u64 {
    // SAFETY: G1; entries are read and written as whole words, one processor.
    unsafe { at.read_volatile() }
}

fn write(at: *mut u64, value: u64) {
    // SAFETY: as `read`.
    unsafe { at.write_volatile(value) }
}

/// The place of an address's entry on `level`, with the tables above it made if asked.
fn place(address: usize, level: u32, make: bool) -> Option<*mut u64> {
    let mut table = top();
    for above in (level + 1..=LEVELS).rev() {
        let at = entry(table, index(address, above));
        let mut value = read(at);
        if value & PRESENT == 0 {
            if !make {
                return None;
            }
            value = frames::take_zeroed()? | PRESENT | WRITABLE;
            write(at, value);
        }
        if value & LARGE != 0 {
            return None;
        }
        table = value & ADDRESS;
    }
    Some(entry(table, index(address, level)))
}

/// Maps a page to a frame (G2); `false` if there is no memory for a table.
pub fn map(address: usize, frame: u64) -> bool {
    let Some(at) = place(address, 1, true) else { return false };
    write(at, frame | PRESENT | WRITABLE);
    true
}

/// Whether a page is there.
pub fn is_present(address: usize) -> bool {
    place(address, 1, false).is_some_and(|at| read(at) & PRESENT != 0)
}

/// Takes a page away; answers its frame.
pub fn unmap(address: usize) -> Option<u64> {
    let at = place(address, 1, false)?;
    let value = read(at);
    if value & PRESENT == 0 {
        return None;
    }
    write(at, 0);
    // SAFETY: drops a cached translation.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
    Some(value & ADDRESS)
}

/// Whether a page was written since it was mapped or last asked about; `None` if it is absent.
pub fn take_dirty(address: usize) -> Option<bool> {
    let at = place(address, 1, false)?;
    let value = read(at);
    if value & PRESENT == 0 {
        return None;
    }
    if value & DIRTY != 0 {
        write(at, value & !DIRTY);
        // SAFETY: drops a cached translation, so that the next write sets the bit again.
        unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
    }
    Some(value & DIRTY != 0)
}

/// Calls `see` with the address of each present page in a range, stepping over absent tables.
pub fn for_each_present(range: Range<usize>, see: &mut dyn FnMut(usize)) {
    while_present(range, &mut |page| {
        see(page);
        true
    });
}

/// As [`for_each_present`], until `see` answers false.
pub fn while_present(range: Range<usize>, see: &mut dyn FnMut(usize) -> bool) {
    let mut address = range.start;
    while address < range.end {
        let missing = (2..=LEVELS).rev().find(|level| match place(address, *level, false) {
            Some(at) => read(at) & PRESENT == 0,
            None => true,
        });
        if let Some(level) = missing {
            let bytes = 1usize << (12 + 9 * (level - 1));
            address = (address / bytes + 1) * bytes;
            continue;
        }
        if is_present(address) && !see(address) {
            return;
        }
        address += PAGE_BYTES;
    }
}

/// Maps physical memory beyond what the boot code mapped to itself, in pages of 2 MiB.
pub fn map_identity(range: Range<u64>) -> bool {
    let mut address = (range.start / LARGE_BYTES * LARGE_BYTES).max(BOOT_MAPPED);
    while address < range.end {
        let Some(at) = place(address as usize, 2, true) else { return false };
        if read(at) & PRESENT == 0 {
            write(at, address | PRESENT | WRITABLE | LARGE);
        }
        address += LARGE_BYTES;
    }
    true
}
