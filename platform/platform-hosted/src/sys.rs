//! The few calls of the C library that the standard library does not offer, made safe.
//!
//! Invariant
//! - Y1 Every function checks the return value and answers `io::Error`; no pointer leaves it.

#![allow(unsafe_code, reason = "room: sys")]

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What time a clock of the kernel shows, in nanoseconds.
pub fn clock_ns(id: libc::clockid_t) -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: Y1; `time` is a valid out-pointer for the whole call.
    unsafe { libc::clock_gettime(id, &mut time) };
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

/// Local offset from UTC in seconds at a wall time in seconds since 1970.
pub fn utc_offset_s(wall_s: i64) -> i32 {
    // SAFETY: Y1; `tm` is plain data for which all-zero bytes are a value, and an out-pointer.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        if libc::localtime_r(&wall_s, &mut tm).is_null() { 0 } else { tm.tm_gmtoff as i32 }
    }
}

/// How many columns the terminal at standard error has; 80 if it does not say.
pub fn terminal_width() -> usize {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: Y1; `size` is a valid out-pointer for the whole call.
    let result = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &mut size) };
    if checked(result).is_ok() && size.ws_col > 0 { size.ws_col.into() } else { 80 }
}

/// How a whole file is locked against a second writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// One holder, who writes.
    Exclusive,
    /// Many holders, who read.
    Shared,
}

/// Tries to lock a whole file: `flock`, or an open-file-description lock where that is not offered
/// (NFS). Answers `false` if somebody else holds it.
pub fn try_lock(file: &File, kind: LockKind) -> io::Result<bool> {
    let operation = match kind {
        LockKind::Exclusive => libc::LOCK_EX,
        LockKind::Shared => libc::LOCK_SH,
    };
    // SAFETY: Y1; the descriptor is open as long as `file` is borrowed.
    match checked(unsafe { libc::flock(file.as_raw_fd(), operation | libc::LOCK_NB) }) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EWOULDBLOCK) => Ok(false),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOLCK | libc::EOPNOTSUPP)) => {
            // Bytes that a file can have; what lies behind them has meanings of its own.
            try_range_lock(file, kind, 0, 1 << 62)
        }
        Err(error) => Err(error),
    }
}

fn range(kind: LockKind, offset: i64, bytes: i64) -> libc::flock {
    let l_type = match kind {
        LockKind::Exclusive => libc::F_WRLCK as i16,
        LockKind::Shared => libc::F_RDLCK as i16,
    };
    libc::flock { l_type, l_whence: libc::SEEK_SET as i16, l_start: offset, l_len: bytes, l_pid: 0 }
}

/// Whether anybody else holds a lock on bytes of a file, shared or not.
pub fn is_range_locked(file: &File, offset: i64, bytes: i64) -> io::Result<bool> {
    let mut lock = range(LockKind::Exclusive, offset, bytes);
    // SAFETY: Y1; `lock` is an in- and out-pointer that lives through the call.
    match checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) }) {
        Ok(()) => Ok(lock.l_type != libc::F_UNLCK as i16),
        // Where there are no such locks, nobody holds one.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOLCK | libc::EOPNOTSUPP | libc::ENOSYS)) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Tries to lock bytes of a file with an open-file-description lock (`bytes` 0: to the end).
pub fn try_range_lock(file: &File, kind: LockKind, offset: i64, bytes: i64) -> io::Result<bool> {
    let lock = range(kind, offset, bytes);
    // SAFETY: Y1; `lock` lives through the call.
    match checked(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &lock) }) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the blocks behind a range back to the file system; the range reads as zero.
pub fn punch_hole(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: Y1; plain numbers.
    checked(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset as i64, bytes as i64) })
}

/// Fills `into` with unpredictable bytes.
pub fn random(into: &mut [u8]) -> io::Result<()> {
    let mut done = 0;
    while done < into.len() {
        let rest = &mut into[done..];
        // SAFETY: Y1; pointer and length are those of one slice.
        let got = unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) };
        match got {
            n if n > 0 => done += n as usize,
            _ => {
                let error = io::Error::last_os_error();
                if error.kind() != io::ErrorKind::Interrupted {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

/// A file that exists in memory only and that programs started from here inherit.
pub fn memory_file(name: &str) -> io::Result<File> {
    use std::os::fd::FromRawFd;
    let name = CString::new(name).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the name contains a NUL"))?;
    // SAFETY: Y1; the name is NUL-terminated; the result is a new descriptor or -1.
    let descriptor = unsafe { libc::memfd_create(name.as_ptr(), 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a fresh descriptor that nobody else owns.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Lets programs started from here have a descriptor under the same number.
pub fn let_inherit(of: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: Y1; plain numbers, and the descriptor is open while `of` is borrowed.
    checked(unsafe { libc::fcntl(of.as_raw_fd(), libc::F_SETFD, 0) })
}

/// Makes a program end when the thread that starts it does.
pub fn end_with_parent(command: &mut std::process::Command) {
    use std::os::unix::process::CommandExt;
    let ours = std::process::id();
    let ask = move || {
        // SAFETY: two system calls without pointers, allowed between fork and exec. If the parent was
        // gone before the first, nobody sends the signal.
        unsafe {
            checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM))?;
            if libc::getppid() as u32 != ours {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(ask) };
}

/// How the terminal on standard input behaves.
pub struct TerminalState(libc::termios);

/// The present state, if standard input is a terminal.
pub fn terminal_state() -> Option<TerminalState> {
    // SAFETY: `termios` is plain data and an out-pointer.
    unsafe {
        let mut state: libc::termios = std::mem::zeroed();
        (libc::tcgetattr(0, &mut state) == 0).then_some(TerminalState(state))
    }
}

/// Sets it back.
pub fn set_terminal_state(state: &TerminalState) {
    // SAFETY: a state that `tcgetattr` filled. A terminal that is gone needs none.
    unsafe { libc::tcsetattr(0, libc::TCSADRAIN, &state.0) };
}

/// Renames, unless something stands at the new path already.
pub fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<()> {
    let (here, there) = (c_path(from)?, c_path(to)?);
    let folder = libc::AT_FDCWD;
    // SAFETY: Y1; both texts are NUL-terminated and live through the call.
    let renamed =
        unsafe { libc::renameat2(folder, here.as_ptr(), folder, there.as_ptr(), libc::RENAME_NOREPLACE) };
    match checked(renamed) {
        // File systems that cannot: a second name is never given in place of another file.
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS)) => {
            std::fs::hard_link(from, to)?;
            std::fs::remove_file(from)
        }
        renamed => renamed,
    }
}

/// Lets a write beyond the limit on the size of files fail instead of ending the program.
pub fn survive_file_size_limit() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the path contains a NUL"))
}

/// Columns and rows of the terminal on standard output, if it is one.
pub fn terminal_extent() -> Option<(u32, u32)> {
    // SAFETY: Y1; `size` is plain data and an out-pointer of the right type for this request.
    unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        let known = libc::ioctl(1, libc::TIOCGWINSZ, &mut size) == 0 && size.ws_col > 0;
        known.then_some((size.ws_col.into(), size.ws_row.into()))
    }
}

/// How the terminal on standard input treats what is typed.
pub struct TerminalMode(libc::termios);

impl TerminalMode {
    /// The present one, if standard input is a terminal.
    pub fn of_input() -> Option<TerminalMode> {
        // SAFETY: Y1; `mode` is plain data and an out-pointer.
        unsafe {
            let mut mode: libc::termios = std::mem::zeroed();
            (libc::tcgetattr(0, &mut mode) == 0).then_some(TerminalMode(mode))
        }
    }

    /// Goes back to it. A terminal that went away needs none.
    pub fn restore(&self) {
        // SAFETY: Y1; the mode was read from the same terminal.
        unsafe { libc::tcsetattr(0, libc::TCSADRAIN, &self.0) };
    }
}

/// The user for whom this process works.
pub fn user() -> u32 {
    // SAFETY: no arguments, and it never fails.
    unsafe { libc::geteuid() }
}

/// The user at the other end of a local socket, and the process.
pub fn peer(of: &std::os::unix::net::UnixStream) -> io::Result<(u32, i32)> {
    // SAFETY: Y1; `peer` is plain data, and it and its length are valid for the whole call.
    unsafe {
        let mut peer: libc::ucred = std::mem::zeroed();
        let mut length = size_of::<libc::ucred>() as libc::socklen_t;
        let into = (&raw mut peer).cast();
        checked(libc::getsockopt(of.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, into, &mut length))?;
        Ok((peer.uid, peer.pid))
    }
}
