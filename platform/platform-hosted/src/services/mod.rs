//! The services that the hosted machine offers to a world: files, the console, scratch branches.

mod branch;
mod console;
mod file;
mod input;

pub use branch::BranchService;
pub use console::{Bell, ConsoleService};
pub use file::FileService;
pub(crate) use input::Input;

use platform::Refusal;
use std::io::{Error, ErrorKind};

/// What the outside said, by a code that is the same on every machine.
fn refusal(what: &str, error: &Error) -> Refusal {
    let code = match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => "notFound",
        (ErrorKind::AlreadyExists, _) => "exists",
        (ErrorKind::PermissionDenied, _) => "denied",
        (ErrorKind::IsADirectory, _) => "isFolder",
        (ErrorKind::NotADirectory, _) => "notFolder",
        (ErrorKind::DirectoryNotEmpty, _) => "notEmpty",
        (ErrorKind::BrokenPipe, _) => "closed",
        (_, Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => "full",
        (_, Some(libc::EROFS)) => "readOnly",
        _ => "io",
    };
    Refusal::Failed { code, message: format!("{what}: {}", crate::file_store::plain(error)) }
}
