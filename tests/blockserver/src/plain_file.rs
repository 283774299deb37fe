//! The least store that a file makes: positioned reads and writes, `fdatasync`, no lock.
//!
//! For the victim only; the program has its own in `platform-hosted`.

use platform::{Store, StoreError, StoreErrorKind};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file as a store.
pub struct PlainFile {
    file: File,
}

fn store_error(error: &io::Error) -> StoreError {
    let kind = match error.kind() {
        ErrorKind::StorageFull => StoreErrorKind::Full,
        ErrorKind::UnexpectedEof => StoreErrorKind::OutOfRange,
        _ => StoreErrorKind::Io,
    };
    StoreError { kind, message: error.to_string().to_lowercase() }
}

impl PlainFile {
    /// Opens a file that is there, for reading and writing.
    pub fn open(path: &Path) -> Result<PlainFile, StoreError> {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map(|file| PlainFile { file }).map_err(|error| store_error(&error))
    }

    fn within(&self, offset: u64, bytes: usize) -> Result<(), StoreError> {
        let length = self.len()?;
        if offset.checked_add(bytes as u64).is_some_and(|end| end <= length) {
            return Ok(());
        }
        let message = format!("range {offset}+{bytes} lies behind the end {length}");
        Err(StoreError { kind: StoreErrorKind::OutOfRange, message })
    }
}

impl Store for PlainFile {
    fn len(&self) -> Result<u64, StoreError> {
        self.file.metadata().map(|data| data.len()).map_err(|error| store_error(&error))
    }

    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        if self.len()? < bytes { self.file.set_len(bytes).map_err(|error| store_error(&error)) } else { Ok(()) }
    }

    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        if self.len()? > bytes { self.file.set_len(bytes).map_err(|error| store_error(&error)) } else { Ok(()) }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.within(offset, into.len())?;
        self.file.read_exact_at(into, offset).map_err(|error| store_error(&error))
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        self.within(offset, from.len())?;
        self.file.write_all_at(from, offset).map_err(|error| store_error(&error))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| store_error(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::PlainFile;
    use std::sync::Arc;

    #[test]
    fn conforms() {
        let mut made = 0;
        let folder = std::env::temp_dir().join(format!("plain-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let checks = platform_sim::conformance::store(&mut || {
            made += 1;
            let path = folder.join(made.to_string());
            std::fs::write(&path, b"").unwrap();
            Arc::new(PlainFile::open(&path).unwrap())
        });
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(checks.unwrap() > 400);
    }
}
