//! The kernel of the bare machine, as it is built into programs.
//!
//! Duty: hold the program that the build script made of `warmos`, and give it out again; or say why
//! there is none.
//!
//! Knows: bytes. Must not know: what is in them.

#![no_std]

extern crate alloc;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/kernel.lz4"));
static REASON: &str = include_str!(concat!(env!("OUT_DIR"), "/reason.txt"));

/// The kernel: a static ELF program with a PVH entry; or why this build has none.
pub fn kernel() -> Result<Vec<u8>, String> {
    if COMPRESSED.is_empty() {
        return Err(format!("this program was built without a kernel: {REASON}"));
    }
    lz4_flex::decompress_size_prepended(COMPRESSED).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_is_a_program_with_an_entry_for_pvh_and_no_path_of_the_machine() {
        let Ok(bytes) = super::kernel() else {
            assert!(!super::REASON.is_empty(), "no kernel, and no reason");
            return;
        };
        assert_eq!(&bytes[..4], b"\x7fELF");
        let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(holds(b"\x04\0\0\0\x08\0\0\0\x12\0\0\0Xen\0"), "a PVH note");
        assert!(!holds(b"/registry/src/") || !holds(b"/home/"), "a path of this machine");
        assert!(!holds(env!("CARGO_MANIFEST_DIR").as_bytes()));
    }
}
