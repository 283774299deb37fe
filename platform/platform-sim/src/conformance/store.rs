//! The store's suite: S1–S3 as far as they can be seen without cutting the power.

use super::Suite;
use crate::Random;
use platform::{Store, StoreError, StoreErrorKind};
use std::sync::Arc;

/// Runs the suite; `make` gives a new empty store at each call.
pub fn store(make: &mut dyn FnMut() -> Arc<dyn Store>) -> Result<usize, String> {
    let mut suite = Suite::new();
    lengths(&mut suite, &*make())?;
    ranges(&mut suite, &*make())?;
    random_writes(&mut suite, &*make())?;
    threads(&mut suite, make())?;
    suite.done()
}

fn ok<T>(result: Result<T, StoreError>, call: &str) -> Result<T, String> {
    result.map_err(|error| format!("{call} failed: {error}"))
}

fn lengths(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    suite.check(ok(store.is_empty(), "is_empty")?, "a new store is empty")?;
    ok(store.grow(10_000), "grow")?;
    suite.check(
        ok(store.len(), "len")? == 10_000,
        "grow makes the store that long",
    )?;
    ok(store.grow(5_000), "grow")?;
    suite.check(ok(store.len(), "len")? == 10_000, "grow never shortens")?;
    let mut bytes = [7; 100];
    ok(store.read_at(9_900, &mut bytes), "read_at")?;
    suite.check(bytes == [0; 100], "new bytes read as zero")?;
    ok(store.write_at(8_000, &[9; 2_000]), "write_at")?;
    ok(store.truncate(8_100), "truncate")?;
    suite.check(
        ok(store.len(), "len")? == 8_100,
        "truncate makes the store that short",
    )?;
    ok(store.truncate(9_000), "truncate")?;
    suite.check(ok(store.len(), "len")? == 8_100, "truncate never grows")?;
    ok(store.grow(10_000), "grow")?;
    ok(store.read_at(8_050, &mut bytes), "read_at")?;
    suite.check(
        bytes[..50] == [9; 50] && bytes[50..] == [0; 50],
        "growing again shows nothing old",
    )?;
    ok(store.flush(), "flush")?;
    ok(store.discard(4_096, 4_096), "discard")?;
    ok(store.read_at(8_192, &mut bytes[..1]), "read_at")?;
    suite.check(bytes[0] == 0, "discard leaves its neighbours alone")
}

fn ranges(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    ok(store.grow(4_096), "grow")?;
    let kind = |result: Result<(), StoreError>| result.err().map(|error| error.kind);
    let behind = Some(StoreErrorKind::OutOfRange);
    suite.check(
        kind(store.read_at(4_000, &mut [0; 97])) == behind,
        "reading over the end is OutOfRange",
    )?;
    suite.check(
        kind(store.write_at(4_000, &[1; 97])) == behind,
        "writing over the end is OutOfRange",
    )?;
    suite.check(
        kind(store.read_at(u64::MAX - 2, &mut [0; 97])) == behind,
        "an overflowing read is OutOfRange",
    )?;
    suite.check(
        kind(store.write_at(u64::MAX - 2, &[0; 97])) == behind,
        "an overflowing write is OutOfRange",
    )?;
    suite.check(
        ok(store.len(), "len")? == 4_096,
        "a refused write does not grow the store",
    )?;
    let mut bytes = [1; 96];
    ok(store.read_at(4_000, &mut bytes), "read_at")?;
    suite.check(bytes == [0; 96], "a refused write changes nothing")?;
    suite.check(
        kind(store.read_at(4_096, &mut [])).is_none(),
        "an empty read at the end is good",
    )
}

fn random_writes(suite: &mut Suite, store: &dyn Store) -> Result<(), String> {
    const BYTES: usize = 300_000;
    let mut random = Random::new(1);
    let mut plain = vec![0; BYTES];
    ok(store.grow(BYTES as u64), "grow")?;
    for round in 0..400u32 {
        let bytes = 1 + random.below(9_000);
        let offset = random.below(BYTES - bytes);
        let from = vec![round as u8 ^ 0x5a; bytes];
        ok(store.write_at(offset as u64, &from), "write_at")?;
        plain[offset..offset + bytes].copy_from_slice(&from);
        if round % 50 == 0 {
            ok(store.flush(), "flush")?;
        }
        let at = random.below(BYTES - 5_000);
        let mut read = vec![0; 5_000];
        ok(store.read_at(at as u64, &mut read), "read_at")?;
        suite.check(
            read == plain[at..at + 5_000],
            "reads see every earlier write",
        )?;
    }
    Ok(())
}

/// S3: one store, several threads, ranges apart.
fn threads(suite: &mut Suite, store: Arc<dyn Store>) -> Result<(), String> {
    ok(store.grow(4 * 65_536), "grow")?;
    let workers: Vec<_> = (0..4u64)
        .map(|nth| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || -> Result<bool, StoreError> {
                let mut whole = true;
                for round in 0..100u8 {
                    store.write_at(nth * 65_536, &[round ^ nth as u8; 4_096])?;
                    store.flush()?;
                    let mut read = [0; 4_096];
                    store.read_at(nth * 65_536, &mut read)?;
                    whole &= read == [round ^ nth as u8; 4_096];
                }
                Ok(whole)
            })
        })
        .collect();
    for worker in workers {
        let whole = worker
            .join()
            .map_err(|_| "a thread on the store panicked".to_string())?;
        suite.check(
            ok(whole, "a thread's call")?,
            "threads on ranges apart do not disturb each other",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::SimStore;
    use std::sync::Arc;

    #[test]
    fn the_simulated_store_conforms() {
        assert!(super::store(&mut || Arc::new(SimStore::new())).unwrap() > 400);
    }
}
