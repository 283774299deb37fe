//! What a test run recorded, carried from the branch where the tests ran to the world itself.
//!
//! Invariants
//! - R1 The record stands in a folder of this process's own, which only its user can enter, and goes
//!   with it.
//! - R2 The tests' outcome is the command's: a record that cannot be kept is told in a line, no more.

use crate::cli::{Exit, Failure};
use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Where a test run leaves its record.
pub(super) struct Record {
    folder: PathBuf,
}

impl Record {
    /// An empty place for one.
    pub(super) fn new() -> Result<Record, Failure> {
        let mut failed = None;
        for attempt in 0..100 {
            let folder = std::env::temp_dir().join(format!("warm-record-{}-{attempt}", std::process::id()));
            match std::fs::DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Record { folder }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => failed = Some(error),
            }
        }
        let why = failed.map_or_else(|| "the places are taken".to_owned(), |error| error.to_string());
        Err(Failure::new(Exit::Io, format!("no folder for the record of the run: {why}")))
    }

    /// The file that the run may write.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join("coverage")
    }

    /// Hands it over, if the run left one; says in a line if that cannot be (R2).
    pub(super) fn deliver(&self, hand_over: impl FnOnce(&Path) -> Result<Exit, Failure>) {
        let path = self.path();
        if !path.exists() {
            return;
        }
        let why = match hand_over(&path) {
            Ok(Exit::Success | Exit::World(0)) => return,
            Ok(_) => "the world did not take it".to_owned(),
            Err(failure) => failure.message,
        };
        Failure::new(Exit::Success, format!("which tests ran what is not kept: {why}")).report();
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // What is left behind is in the folder for what may be forgotten.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The word by which a run is told of it; empty for none.
pub(super) fn word(record: Option<&Record>) -> OsString {
    record.map(|record| record.path().into_os_string()).unwrap_or_default()
}
