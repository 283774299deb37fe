//! The store's suites: S1–S4 as far as they can be seen without cutting the power.
//!
//! [`store`] is for stores that grow, [`disk`] for those of a fixed length; both look at the same
//! content. What several threads at once may do stands in `platform-sim`, for a bare machine has none.

use crate::Suite;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use platform::{Store, StoreError, StoreErrorKind};

/// Runs the suite; `make` gives a new empty store at each call.
pub fn store(make: &mut dyn FnMut() -> Arc<dyn Store>) -> Result<usize, String> {
    let mut suite = Suite::new();
    lengths(&mut suite, &*make())?;
    let ranged = make();
    ok(ranged.grow(4_096), "grow")?;
    ranges(&mut suite, &*ranged)?;
    let written = make();
    ok(written.grow(CONTENT_BYTES), "grow")?;
    content(&mut suite, &*written)?;
    suite.done()
}

/// Runs the suite on a store that never changes its length (S4), of at least [`CONTENT_BYTES`]; what it
/// holds is lost.
pub fn disk(disk: &dyn Store) -> Result<usize, String> {
    let mut suite = Suite::new();
    let length = ok(disk.len(), "len")?;
    suite.check(length >= CONTENT_BYTES, "the disk is long enough for the suite")?;
    ok(disk.grow(length), "grow")?;
    ok(disk.grow(1), "grow")?;
    suite.check(
        kind(disk.grow(length + 1)) == Some(StoreErrorKind::Full),
        "growing a disk beyond its length is Full",
    )?;
    ok(disk.truncate(4_096), "truncate")?;
    suite.check(ok(disk.len(), "len")? == length, "a disk keeps its length")?;
    let mut start = 0;
    let zeroes = vec![0; 65_536];
    while start < length.min(CONTENT_BYTES) {
        let bytes = (length - start).min(zeroes.len() as u64);
        ok(disk.write_at(start, &zeroes[..bytes as usize]), "write_at")?;
        start += bytes;
    }
    ok(disk.write_at(length - 4_096, &zeroes[..4_096]), "write_at")?;
    ranges(&mut suite, disk)?;
    content(&mut suite, disk)?;
    suite.done()
}

/// Runs the suite on a store that may only be read.
pub fn read_only(store: &dyn Store) -> Result<usize, String> {
    let mut suite = Suite::new();
    let length = ok(store.len(), "len")?;
    let mut before = [0; 512];
    suite.check(length >= 512, "the store is long enough for the suite")?;
    ok(store.read_at(0, &mut before), "read_at")?;
    let refused = Some(StoreErrorKind::ReadOnly);
    suite.check(kind(store.write_at(0, &[0x5a; 512])) == refused, "writing is refused as ReadOnly")?;
    suite.check(store.grow(length + 4_096).is_err(), "growing is refused")?;
    let mut after = [0; 512];
    ok(store.read_at(0, &mut after), "read_at")?;
    suite.check(before == after, "a refused write changes nothing")?;
    suite.check(ok(store.len(), "len")? == length, "a refused call keeps the length")?;
    suite.done()
}

/// How much of a store is written and read.
pub const CONTENT_BYTES: u64 = 300_032;

fn ok<T>(result: Result<T, StoreError>, call: &str) -> Result<T, String> {
    result.map_err(|error| format!("{call} failed: {error}"))
}

fn kind(result: Result<(), StoreError>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind)
}

fn lengths(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    suite.check(ok(store.is_empty(), "is_empty")?, "a new store is empty")?;
    ok(store.grow(10_000), "grow")?;
    suite.check(ok(store.len(), "len")? == 10_000, "grow makes the store that long")?;
    ok(store.grow(5_000), "grow")?;
    suite.check(ok(store.len(), "len")? == 10_000, "grow never shortens")?;
    let mut bytes = [7; 100];
    ok(store.read_at(9_900, &mut bytes), "read_at")?;
    suite.check(bytes == [0; 100], "new bytes read as zero")?;
    ok(store.write_at(8_000, &[9; 2_000]), "write_at")?;
    ok(store.truncate(8_100), "truncate")?;
    suite.check(ok(store.len(), "len")? == 8_100, "truncate makes the store that short")?;
    ok(store.truncate(9_000), "truncate")?;
    suite.check(ok(store.len(), "len")? == 8_100, "truncate never grows")?;
    ok(store.grow(10_000), "grow")?;
    ok(store.read_at(8_050, &mut bytes), "read_at")?;
    suite.check(bytes[..50] == [9; 50] && bytes[50..] == [0; 50], "growing again shows nothing old")
}

/// The ends of a store whose last page is zero.
fn ranges(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    let length = ok(store.len(), "len")?;
    let behind = Some(StoreErrorKind::OutOfRange);
    let near = length - 96;
    suite.check(kind(store.read_at(near, &mut [0; 97])) == behind, "reading over the end is OutOfRange")?;
    suite.check(kind(store.write_at(near, &[1; 97])) == behind, "writing over the end is OutOfRange")?;
    suite.check(
        kind(store.read_at(u64::MAX - 2, &mut [0; 97])) == behind,
        "an overflowing read is OutOfRange",
    )?;
    suite.check(
        kind(store.write_at(u64::MAX - 2, &[0; 97])) == behind,
        "an overflowing write is OutOfRange",
    )?;
    suite.check(ok(store.len(), "len")? == length, "a refused write does not grow the store")?;
    let mut bytes = [1; 96];
    ok(store.read_at(near, &mut bytes), "read_at")?;
    suite.check(bytes == [0; 96], "a refused write changes nothing")?;
    suite.check(kind(store.read_at(length, &mut [])).is_none(), "an empty read at the end is good")?;
    suite.check(kind(store.write_at(length, &[])).is_none(), "an empty write at the end is good")
}

/// Writes and reads of every length and place, beside a plain copy; the first [`CONTENT_BYTES`] are zero.
fn content(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    let mut plain = vec![0; CONTENT_BYTES as usize];
    let mut state = 1u64;
    let mut below = |bound: usize| {
        // Any sequence does that meets odd places; this is Knuth's, of which the upper bits are good.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    for round in 0..400u32 {
        let bytes = 1 + below(if round % 8 == 0 { 290_000 } else { 9_000 });
        let offset = below(plain.len() - bytes);
        let from = vec![round as u8 ^ 0x5a; bytes];
        ok(store.write_at(offset as u64, &from), "write_at")?;
        plain[offset..offset + bytes].copy_from_slice(&from);
        match round % 50 {
            0 => ok(store.flush(), "flush")?,
            25 => ok(store.flush_beside(), "flush_beside")?,
            _ => {}
        }
        let at = below(plain.len() - 5_000);
        let mut read = vec![0; 5_000];
        ok(store.read_at(at as u64, &mut read), "read_at")?;
        suite.check(read == plain[at..at + 5_000], "reads see every earlier write")?;
    }
    let mut all = vec![0; plain.len()];
    ok(store.read_at(0, &mut all), "read_at")?;
    suite.check(all == plain, "nothing was written but what was given")?;
    ok(store.discard(8_192, 4_096), "discard")?;
    ok(store.read_at(0, &mut all), "read_at")?;
    let beside = all[..8_192] == plain[..8_192] && all[12_288..] == plain[12_288..];
    suite.check(beside, "discard leaves its neighbours alone")
}
