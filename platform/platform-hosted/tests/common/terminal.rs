//! The program at a terminal of its own, as a person would use it.

#![allow(unsafe_code, reason = "room: a pseudo-terminal for tests")]
#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::time::PATIENCE;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A program whose standard input, output and error are a terminal.
pub struct Terminal {
    /// The program.
    pub child: Child,
    keys: File,
    /// The other end, kept so that its mode can be looked at.
    line: File,
    pieces: Receiver<Vec<u8>>,
    /// All that was shown so far.
    pub shown: String,
    /// How much of it was looked at.
    seen: usize,
}

fn pair() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let none = std::ptr::null_mut::<u8>();
    // SAFETY: two valid out-pointers; name, mode and size are not asked for.
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, none.cast(), std::ptr::null(), std::ptr::null()) };
    assert_eq!(opened, 0, "no pseudo-terminal");
    // A program that inherited an end would keep the terminal from hanging up.
    for end in [ours, theirs] {
        // SAFETY: plain numbers; the descriptors are new and open.
        assert_eq!(unsafe { libc::fcntl(end, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
    }
    // SAFETY: both descriptors are new and owned by nobody else.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

impl Terminal {
    /// Starts a program there.
    pub fn start(mut command: Command) -> Terminal {
        let (keys, line) = pair();
        let end = || Stdio::from(line.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm");
        // SAFETY: only calls that may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        let child = command.spawn().unwrap();
        let mut from = keys.try_clone().unwrap();
        let (send, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                if send.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal { child, keys, line, pieces, shown: String::new(), seen: 0 }
    }

    /// Types.
    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line and waits until the editor has taken it.
    #[track_caller]
    pub fn enter(&mut self, line: &str) {
        self.type_keys(line);
        self.type_keys("\r");
        self.await_text("\x1b[?2004l");
    }

    /// Waits until a text is shown behind what was waited for before; answers how long that took.
    #[track_caller]
    pub fn await_text(&mut self, text: &str) -> Duration {
        let began = Instant::now();
        loop {
            if let Some(at) = self.shown[self.seen..].find(text) {
                self.seen += at + text.len();
                return began.elapsed();
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.shown.push_str(&String::from_utf8_lossy(&piece)),
                Err(_) => panic!("{text:?} was not shown in {:?}", self.shown),
            }
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: plain numbers; the child was not waited for, so its number is its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Whether lines are echoed and edited by the terminal itself, as it was found.
    pub fn is_as_found(&self) -> bool {
        // SAFETY: plain data and an out-pointer; the descriptor is open.
        let mode = unsafe {
            let mut mode: libc::termios = std::mem::zeroed();
            assert_eq!(libc::tcgetattr(self.line.as_raw_fd(), &mut mode), 0);
            mode
        };
        let usual = libc::ICANON | libc::ECHO | libc::ISIG;
        mode.c_lflag & usual == usual
    }

    /// Waits for the program's end; answers its exit status.
    #[track_caller]
    pub fn await_end(&mut self) -> i32 {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        panic!("it did not end: {:?}", self.shown);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
