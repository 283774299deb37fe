//! What the boot loader says about the machine: memory that may be used, and the command line.
//!
//! Invariants
//! - M1 The map is a claim: ranges are cut to whole pages, sorted, and made disjoint, whatever it says.
//! - M2 No range reaches below `floor`, where the kernel stands.
//!
//! Source: Xen, `xen/include/public/arch-x86/hvm/start_info.h`.

use alloc::vec::Vec;
use core::ops::Range;

/// The start info's first word.
pub const MAGIC: u32 = 0x336e_c578;
/// The kind of an entry whose memory may be used.
pub const KIND_RAM: u32 = 1;
/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 24;
const PAGE: u64 = 4096;

/// The fields of the start info that are used, from its first 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// Where the command line stands, or 0.
    pub command_line: u64,
    /// Where the map stands.
    pub map: u64,
    /// How many entries it has.
    pub entries: u32,
}

/// Reads the start info.
pub fn start_info(bytes: &[u8; 56]) -> Option<StartInfo> {
    let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let long = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
    let has_map = word(0) == MAGIC && word(4) >= 1;
    has_map.then(|| StartInfo { command_line: long(24), map: long(40), entries: word(48) })
}

/// The usable ranges of a map's bytes above `floor`, sorted and disjoint (M1, M2).
pub fn usable(map: &[u8], floor: u64) -> Vec<Range<u64>> {
    let entry = |bytes: &[u8]| {
        let long = |at: usize| bytes.get(at..at + 8).and_then(|part| part.try_into().ok()).map(u64::from_le_bytes);
        let kind = bytes.get(16..20).and_then(|part| part.try_into().ok()).map(u32::from_le_bytes)?;
        let (start, size) = (long(0)?, long(8)?);
        let end = start.checked_add(size)? / PAGE * PAGE;
        let start = start.checked_next_multiple_of(PAGE)?.max(floor);
        (kind == KIND_RAM && start < end).then_some(start..end)
    };
    let mut ranges: Vec<Range<u64>> = map.chunks_exact(ENTRY_BYTES).filter_map(entry).collect();
    ranges.sort_by_key(|range| range.start);
    let mut disjoint: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match disjoint.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => disjoint.push(range),
        }
    }
    disjoint
}

/// What the command line asks for: `key` or `key=value`, parted by blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orders<'a> {
    /// Nobody sits at the serial line: no prompt, no echo, lines end with a line feed alone.
    pub is_piped: bool,
    /// Seconds east of UTC.
    pub utc_offset_s: i32,
    /// Times of the boot are told.
    pub is_timed: bool,
    /// The world is shown on the framebuffer, if there is one.
    pub wants_desktop: bool,
    /// The contract's suites are run, and nothing else.
    pub is_trial: bool,
    /// The rest, as it came.
    pub text: &'a str,
}

/// Reads a command line; what is unknown is passed over.
pub fn orders(text: &str) -> Orders<'_> {
    let mut orders = Orders { is_piped: false, utc_offset_s: 0, is_timed: false, is_trial: false, wants_desktop: false, text };
    for word in text.split_ascii_whitespace() {
        match word.split_once('=') {
            None if word == "pipe" => orders.is_piped = true,
            None if word == "timed" => orders.is_timed = true,
            None if word == "desktop" => orders.wants_desktop = true,
            None if word == "conformance" => orders.is_trial = true,
            Some(("utc", seconds)) => orders.utc_offset_s = seconds.parse().unwrap_or(0),
            _ => {}
        }
    }
    orders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(u64, u64, u32)]) -> Vec<u8> {
        let entry = |&(start, size, kind): &(u64, u64, u32)| {
            [&start.to_le_bytes()[..], &size.to_le_bytes(), &kind.to_le_bytes(), &[0; 4]].concat()
        };
        entries.iter().flat_map(entry).collect()
    }

    #[test]
    fn only_whole_pages_of_ram_above_the_floor_are_usable() {
        let bytes = map(&[(0x10_0000, 0x50_0800, 1), (0, 0x9_fc00, 1), (0xf000_0000, 0x1000, 2), (0x1_0000_0800, 0x2000, 1)]);
        assert_eq!(usable(&bytes, 0x40_0000), [0x40_0000..0x60_0000, 0x1_0000_1000..0x1_0000_2000]);
    }

    #[test]
    fn a_map_that_overlaps_or_overflows_gives_disjoint_ranges() {
        let bytes = map(&[(0x2000, 0x3000, 1), (0x1000, 0x2000, 1), (u64::MAX - 10, 100, 1), (0x9000, 0, 1), (0x9fff, 1, 1)]);
        assert_eq!(usable(&bytes, 0), [0x1000..0x5000]);
        assert_eq!(usable(&bytes[..bytes.len() - 1], 0), [0x1000..0x5000]);
        assert!(usable(&[], 0).is_empty());
    }

    #[test]
    fn a_start_info_needs_its_magic_and_a_map() {
        let mut bytes = [0; 56];
        assert_eq!(start_info(&bytes), None);
        bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
        assert_eq!(start_info(&bytes), None, "version 0 has no map");
        bytes[4] = 1;
        bytes[24] = 7;
        bytes[41] = 1;
        bytes[48] = 5;
        assert_eq!(start_info(&bytes), Some(StartInfo { command_line: 7, map: 256, entries: 5 }));
    }

    #[test]
    fn orders_are_read_and_nonsense_is_passed_over() {
        let text = "pipe utc=-3600 what=ever timed";
        assert_eq!(orders(text), Orders { is_piped: true, utc_offset_s: -3600, is_timed: true, is_trial: false, wants_desktop: false, text });
        assert_eq!(orders("utc=x"), Orders { is_piped: false, utc_offset_s: 0, is_timed: false, is_trial: false, wants_desktop: false, text: "utc=x" });
    }
}
