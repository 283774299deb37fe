//! The first world, as it is built into programs.
//!
//! Duty: hold the archive that `seed` made of the world's sources when this crate was built, and give
//! it out again. Who takes it verifies it (`vm::archive::Claimed`) as he would any other.
//!
//! Knows: bytes. Must not know: what is in them.

#![no_std]

extern crate alloc;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// The archive, compressed (LZ4 block behind its length in four little-endian bytes).
pub static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/world.lz4"));

include!(concat!(env!("OUT_DIR"), "/edition.rs"));

/// The archive's bytes.
pub fn archive() -> Result<Vec<u8>, String> {
    lz4_flex::decompress_size_prepended(COMPRESSED).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_archive_is_whole() {
        let bytes = super::archive().unwrap();
        assert!(super::COMPRESSED.len() * 2 < bytes.len(), "it compresses");
        assert_eq!(&bytes[..7], b"WarmArc");
    }
}
