//! What a store owes to several threads (S3).

use super::Suite;
use platform::{Store, StoreError};
use std::sync::Arc;

/// Runs the store's whole suite; `make` gives a new empty store at each call.
pub fn store(make: &mut dyn FnMut() -> Arc<dyn Store>) -> Result<usize, String> {
    Ok(conformance::store(make)? + threads(make())?)
}

fn ok<T>(result: Result<T, StoreError>, call: &str) -> Result<T, String> {
    result.map_err(|error| format!("{call} failed: {error}"))
}

/// One store, several threads, ranges apart.
pub fn threads(store: Arc<dyn Store>) -> Result<usize, String> {
    let mut suite = Suite::new();
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
    suite.done()
}

#[cfg(test)]
mod tests {
    use crate::{Medium, SimStore};
    use platform::Store;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_simulated_store_conforms() {
        assert!(super::store(&mut || Arc::new(SimStore::new())).unwrap() > 400);
    }

    #[test]
    fn a_simulated_store_that_may_only_be_read_conforms() {
        let store = SimStore::on(Medium::new(8_192));
        store.set_read_only(true);
        assert!(conformance::read_only(&store).unwrap() > 4);
    }

    /// A store with one thing wrong; each must be found.
    struct Wrong {
        bytes: Mutex<Vec<u8>>,
        what: &'static str,
    }

    impl Store for Wrong {
        fn len(&self) -> Result<u64, platform::StoreError> {
            Ok(self.bytes.lock().unwrap().len() as u64)
        }
        fn grow(&self, bytes: u64) -> Result<(), platform::StoreError> {
            let mut all = self.bytes.lock().unwrap();
            let length = all.len().max(bytes as usize);
            if self.what != "grows nothing" {
                all.resize(length, 0);
            }
            Ok(())
        }
        fn truncate(&self, bytes: u64) -> Result<(), platform::StoreError> {
            if self.what != "truncates nothing" {
                self.bytes.lock().unwrap().truncate(bytes as usize);
            }
            Ok(())
        }
        fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), platform::StoreError> {
            let all = self.bytes.lock().unwrap();
            let end = offset.checked_add(into.len() as u64).filter(|end| *end <= all.len() as u64);
            if end.is_none() {
                return Err(behind());
            }
            into.copy_from_slice(&all[offset as usize..][..into.len()]);
            Ok(())
        }
        fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), platform::StoreError> {
            let mut all = self.bytes.lock().unwrap();
            let end = offset.checked_add(from.len() as u64).filter(|end| *end <= all.len() as u64);
            let Some(end) = end else { return Err(behind()) };
            let skipped = usize::from(self.what == "loses last bytes" && from.len() > 200_000);
            let kept = from.len() - skipped;
            all[offset as usize..end as usize][..kept].copy_from_slice(&from[..kept]);
            if self.what == "writes on" && end + 512 < all.len() as u64 && !end.is_multiple_of(512) {
                let at = end.next_multiple_of(512) as usize - 1;
                all[at] = all[at].wrapping_add(1);
            }
            Ok(())
        }
        fn flush(&self) -> Result<(), platform::StoreError> {
            Ok(())
        }
    }

    fn behind() -> platform::StoreError {
        let message = "behind the end".to_owned();
        platform::StoreError { kind: platform::StoreErrorKind::OutOfRange, message }
    }

    #[test]
    fn the_suite_finds_what_is_wrong() {
        let run = |what: &'static str| {
            conformance::store(&mut || Arc::new(Wrong { bytes: Mutex::default(), what }))
        };
        run("nothing").expect("nothing is wrong");
        for what in ["grows nothing", "truncates nothing", "loses last bytes", "writes on"] {
            run(what).expect_err(what);
        }
    }
}
