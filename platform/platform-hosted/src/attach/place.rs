//! Where the socket of an open world stands: in a folder of the user's own, by the file's device and
//! inode.
//!
//! Invariants
//! - P1 The folder belongs to the user and lets nobody else in, or it is not used.
//! - P2 A name is made of what the file is, not how it is called: a renamed file is found.
//! - P3 Whoever binds holds the file's lock, so a socket that stands there already is a dead one.

use crate::sys;
use std::io::{Error, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Device and inode of a file.
pub type Identity = (u64, u64);

/// The folders where a socket may stand, the best first: the user's runtime folder, also where the
/// environment does not name it (a job of cron's is a guest of the desktop), and one beside those of
/// others.
fn folders() -> Vec<PathBuf> {
    let named = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let usual = PathBuf::from(format!("/run/user/{}", sys::user()));
    let shared = PathBuf::from(format!("/tmp/warm-{}", sys::user()));
    let runtime = named.into_iter().chain([usual]).map(|folder| folder.join("warm"));
    runtime.chain([shared]).filter(|folder| folder.is_absolute()).collect()
}

fn name(identity: Identity) -> String {
    format!("{:x}-{:x}", identity.0, identity.1)
}

/// Whether a folder is as P1 wants it.
fn is_ours(folder: &Path) -> bool {
    std::fs::symlink_metadata(folder)
        .is_ok_and(|data| data.is_dir() && data.uid() == sys::user() && data.mode() & 0o077 == 0)
}

/// The folder, made if it is missing; an error if it is not the user's alone.
fn made(folder: &Path) -> Result<(), Error> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let open_to_others = || Error::new(ErrorKind::PermissionDenied, format!("{} is open to others", folder.display()));
    if is_ours(folder) { Ok(()) } else { Err(open_to_others()) }
}

/// Listens for guests of a file that this process has locked (P3).
pub fn listen(identity: Identity) -> Result<(UnixListener, PathBuf), Error> {
    let mut failed = Error::new(ErrorKind::NotFound, "no folder for a socket");
    for folder in folders() {
        let path = folder.join(name(identity));
        let listener = made(&folder).and_then(|()| {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            UnixListener::bind(&path)
        });
        match listener {
            Ok(listener) => return Ok((listener, path)),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// Calls the process that has a file open; `None` if nobody answers, or somebody else does (A1).
pub fn call(identity: Identity) -> Option<UnixStream> {
    let calls = folders().into_iter().filter(|folder| is_ours(folder)).filter_map(|folder| {
        let stream = UnixStream::connect(folder.join(name(identity))).ok()?;
        (sys::peer(&stream).ok()?.0 == sys::user()).then_some(stream)
    });
    { calls }.next()
}

/// The process that has a file open and lets guests in.
pub fn owner(path: &Path) -> Option<i32> {
    let data = std::fs::metadata(path).ok()?;
    sys::peer(&call((data.dev(), data.ino()))?).ok().map(|(_, process)| process)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_folder_that_others_can_enter_is_not_used() {
        let folder = std::env::temp_dir().join(format!("warm-place-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        made(&folder).unwrap();
        assert!(is_ours(&folder));
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o750)).unwrap();
        assert!(made(&folder).is_err() && !is_ours(&folder));
        let link = folder.with_extension("link");
        let _ = std::fs::remove_file(&link);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(!is_ours(&link));
        std::fs::remove_file(&link).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn names_tell_files_apart() {
        assert_ne!(name((1, 0x23)), name((0x12, 3)));
    }
}
