//! A store that is a file (or a raw disk): `pread`, `pwrite`, `fdatasync`, and the lock.
//!
//! Invariants
//! - F1 A file that was refused is untouched: opening creates, truncates and writes nothing.
//! - F2 The lock belongs to the open file (the inode), so a renamed file stays locked. A reader
//!   beside a writer takes no part in it; it shows itself before it reads a byte, and the writer
//!   looks for readers before it uses a block again.
//! - F3 A failed flush is reported once and never retried here (S2 of the contract). Flushes at the same
//!   time go through two descriptors that were opened apart, for the kernel reports to each once.

use crate::sys::{self, LockKind};
use platform::{Store, StoreError, StoreErrorKind};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file as a store.
pub struct FileStore {
    file: File,
    /// The same file, opened a second time: the kernel tells each of the two of a failed flush.
    beside: Option<File>,
    path: PathBuf,
    writable: bool,
    is_device: bool,
    read: AtomicU64,
}

/// How a file is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Made anew; it is an error if the path exists.
    Create,
    /// For one writer: locked; it is an error if another holds it.
    Write,
    /// For reading, while others may read too.
    Read,
    /// For reading the last committed state, also while a writer goes on: it is shown that somebody
    /// reads, so that the writer leaves the blocks alone.
    Beside,
}

/// The byte, far behind the end of any file, that readers beside a writer hold.
const READERS_BYTE: i64 = 1 << 62;

fn store_error(what: &str, path: &Path, error: &io::Error) -> StoreError {
    let kind = match (error.kind(), error.raw_os_error()) {
        (_, Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => StoreErrorKind::Full,
        (_, Some(libc::EROFS | libc::EBADF)) => StoreErrorKind::ReadOnly,
        (_, Some(libc::ENODEV | libc::ENXIO | libc::ESTALE)) => StoreErrorKind::Gone,
        (ErrorKind::UnexpectedEof, _) => StoreErrorKind::OutOfRange,
        _ => StoreErrorKind::Io,
    };
    StoreError { kind, message: format!("cannot {what} {}: {}", path.display(), plain(error)) }
}

/// An operating system's error without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

impl FileStore {
    /// Opens `path`, following F1. Errors are one line for the user.
    pub fn open(path: &Path, access: Access) -> Result<FileStore, StoreError> {
        let mut options = OpenOptions::new();
        // Not to wait for the other end of a pipe, which is no world.
        options.read(true).custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK);
        match access {
            // A world can be executed: its first line says by what.
            Access::Create => options.write(true).create_new(true).mode(0o755),
            Access::Write => options.write(true),
            Access::Read | Access::Beside => &mut options,
        };
        let file = options.open(path).map_err(|error| {
            let what = if access == Access::Create { "create" } else { "open" };
            store_error(what, path, &error)
        })?;
        let data = file.metadata().map_err(|error| store_error("examine", path, &error))?;
        let is_device = data.file_type().is_block_device();
        if !data.is_file() && !is_device {
            return Err(StoreError {
                kind: StoreErrorKind::Io,
                message: format!("cannot open {}: not a file", path.display()),
            });
        }
        let writable = matches!(access, Access::Create | Access::Write);
        let mut store = FileStore { file, beside: None, path: path.to_owned(), writable, is_device, read: AtomicU64::new(0) };
        let granted = if access == Access::Beside { store.show_reader()? } else { store.try_lock()? };
        if !granted {
            return Err(StoreError {
                kind: StoreErrorKind::Locked,
                message: format!(
                    "{} is open in another process; close it there, or use a copy",
                    path.display()
                ),
            });
        }
        store.beside = store.opened_again()?;
        Ok(store)
    }

    /// The file by a descriptor of its own, whatever its name is by now; `None` if nobody writes.
    fn opened_again(&self) -> Result<Option<File>, StoreError> {
        use std::os::fd::AsRawFd;
        if !self.writable {
            return Ok(None);
        }
        let link = PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK);
        let again = options.open(link).or_else(|_| options.open(&self.path));
        let again = again.map_err(|error| self.error("open again", &error))?;
        let identity = |file: &File| file.metadata().map(|data| (data.dev(), data.ino())).ok();
        if identity(&again) != identity(&self.file) {
            let message = format!("{} was replaced while it was opened", self.path.display());
            return Err(StoreError { kind: StoreErrorKind::Gone, message });
        }
        Ok(Some(again))
    }

    fn try_lock(&self) -> Result<bool, StoreError> {
        let kind = if self.writable { LockKind::Exclusive } else { LockKind::Shared };
        sys::try_lock(&self.file, kind)
            .map_err(|error| store_error("lock", &self.path, &error))
    }

    /// How many bytes were read since it was opened.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The path by which it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Device and inode: what the file is, whatever its name.
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        self.file.metadata().map(|data| (data.dev(), data.ino()))
    }

    /// `None` while the path still names this file; else what happened to it, for a message.
    pub fn moved(&self) -> Option<String> {
        let ours = self.identity().ok()?;
        match std::fs::metadata(&self.path) {
            Ok(data) if (data.dev(), data.ino()) == ours => None,
            Ok(_) => Some(format!("{} was replaced by another file", self.path.display())),
            Err(_) => Some(format!("{} was moved or deleted", self.path.display())),
        }
    }

    /// Shows that somebody reads, until the file is closed (DECISIONS 22: a sign of life that goes
    /// with its process).
    fn show_reader(&self) -> Result<bool, StoreError> {
        let held = sys::try_range_lock(&self.file, LockKind::Shared, READERS_BYTE, 1);
        held.map_err(|error| store_error("lock", &self.path, &error))
    }

    fn error(&self, what: &str, error: &io::Error) -> StoreError {
        store_error(what, &self.path, error)
    }

    fn beyond(&self, offset: u64, bytes: usize) -> StoreError {
        let message = format!("{bytes} bytes at {offset} reach beyond the end of {}", self.path.display());
        StoreError { kind: StoreErrorKind::OutOfRange, message }
    }
}

impl Store for FileStore {
    fn len(&self) -> Result<u64, StoreError> {
        if self.is_device {
            use std::io::{Seek, SeekFrom};
            let end = (&self.file).seek(SeekFrom::End(0));
            return end.map_err(|error| self.error("measure", &error));
        }
        self.file.metadata().map(|data| data.len()).map_err(|error| self.error("measure", &error))
    }

    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        if self.len()? >= bytes {
            return Ok(());
        }
        if self.is_device {
            return Err(StoreError {
                kind: StoreErrorKind::Full,
                message: format!("{} is a disk and cannot grow to {bytes} bytes", self.path.display()),
            });
        }
        self.file.set_len(bytes).map_err(|error| self.error("grow", &error))
    }

    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        if self.is_device || self.len()? <= bytes {
            return Ok(());
        }
        self.file.set_len(bytes).map_err(|error| self.error("shorten", &error))
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        self.read.fetch_add(into.len() as u64, Ordering::Relaxed);
        if offset.checked_add(into.len() as u64).is_none_or(|end| end > i64::MAX as u64) {
            // The system has another word for this.
            return Err(self.beyond(offset, into.len()));
        }
        self.file.read_exact_at(into, offset).map_err(|error| self.error("read", &error))
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        // The system would make a file longer.
        let length = self.len()?;
        if offset.checked_add(from.len() as u64).is_none_or(|end| end > length) {
            return Err(self.beyond(offset, from.len()));
        }
        self.file.write_all_at(from, offset).map_err(|error| self.error("write", &error))
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.file.sync_data().map_err(|error| self.error("flush", &error))
    }

    fn flush_beside(&self) -> Result<(), StoreError> {
        let file = self.beside.as_ref().unwrap_or(&self.file);
        file.sync_data().map_err(|error| self.error("flush", &error))
    }

    fn has_readers(&self) -> Result<bool, StoreError> {
        sys::is_range_locked(&self.file, READERS_BYTE, 1).map_err(|error| self.error("examine the locks of", &error))
    }

    fn discard(&self, offset: u64, bytes: u64) -> Result<(), StoreError> {
        // A file system without holes keeps the bytes; nothing is wrong with that.
        let _ = sys::punch_hole(&self.file, offset, bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("warm-file-store-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder.join(name)
    }

    #[test]
    fn a_second_writer_is_refused_also_under_another_name() {
        let (first, second) = (scratch("lock-a"), scratch("lock-b"));
        let store = FileStore::open(&first, Access::Create).unwrap();
        std::fs::rename(&first, &second).unwrap();
        assert!(store.moved().unwrap().contains("moved or deleted"));
        let refused = FileStore::open(&second, Access::Write).err().unwrap();
        assert!(refused.message.contains("another process"), "{}", refused.message);
        assert!(FileStore::open(&second, Access::Read).is_err());
        drop(store);
        let readers = [0, 1].map(|_| FileStore::open(&second, Access::Read));
        assert!(readers.iter().all(Result::is_ok));
        drop(readers);
        assert!(FileStore::open(&second, Access::Write).is_ok());
    }

    #[test]
    fn a_reader_beside_a_writer_is_seen_until_it_is_gone() {
        let path = scratch("beside");
        let writer = FileStore::open(&path, Access::Create).unwrap();
        assert!(!writer.has_readers().unwrap());
        let readers = [0, 1].map(|_| FileStore::open(&path, Access::Beside).unwrap());
        assert!(writer.has_readers().unwrap());
        let [first, second] = readers;
        drop(first);
        assert!(writer.has_readers().unwrap());
        drop(second);
        assert!(!writer.has_readers().unwrap());
        drop(writer);
        let reader = FileStore::open(&path, Access::Beside).unwrap();
        let writer = FileStore::open(&path, Access::Write).unwrap();
        assert!(writer.has_readers().unwrap());
        drop(reader);
    }

    #[test]
    fn creating_refuses_what_exists_and_opening_refuses_a_folder() {
        let path = scratch("exists");
        std::fs::write(&path, b"mine").unwrap();
        assert!(FileStore::open(&path, Access::Create).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let folder = FileStore::open(path.parent().unwrap(), Access::Read).err().unwrap();
        assert!(folder.message.contains("not a file"));
    }

    #[test]
    fn a_pipe_is_refused_at_once() {
        let path = scratch("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let refused = FileStore::open(&path, Access::Read).err().unwrap();
        assert!(refused.message.contains("not a file"), "{}", refused.message);
    }

    #[test]
    fn bytes_come_back_and_reading_behind_the_end_is_out_of_range() {
        let store = FileStore::open(&scratch("bytes"), Access::Create).unwrap();
        store.grow(8192).unwrap();
        store.write_at(4000, &[7; 200]).unwrap();
        store.flush().unwrap();
        let mut back = [0; 200];
        store.read_at(4000, &mut back).unwrap();
        assert_eq!(back, [7; 200]);
        let error = store.read_at(8100, &mut back).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::OutOfRange);
        store.discard(0, 8192).unwrap();
        store.truncate(4096).unwrap();
        assert_eq!(store.len().unwrap(), 4096);
    }
}
