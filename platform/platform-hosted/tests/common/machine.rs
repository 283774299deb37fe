//! A bare machine under QEMU, started by a test: its serial line, its screen, its power button.

#![allow(dead_code, reason = "each test program uses its part")]

use super::common::time::{PATIENCE, wait_for};
use platform_hosted::qemu::{self, Button, Control, Machine, file_drive};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// QEMU.
pub fn qemu_path() -> PathBuf {
    qemu::find().expect("qemu-system-x86_64 is missing: apt install qemu-system-x86, or cargo xtask test")
}

/// A machine that runs, and what it says.
pub struct Running {
    child: Child,
    /// Its power button.
    pub button: Button,
    pieces: Receiver<Vec<u8>>,
    said: String,
}

impl Running {
    /// Switches it on.
    pub fn start(memory_mb: u64, drives: Vec<OsString>, orders: &str) -> Running {
        Running::start_with(memory_mb, drives, orders, None)
    }

    /// Switches it on, with a screen of QEMU's.
    pub fn start_with(memory_mb: u64, drives: Vec<OsString>, orders: &str, display: Option<&str>) -> Running {
        let kernel = kernel::kernel().expect("a kernel");
        let kernel = qemu::kernel_file(&kernel).expect("a file in memory");
        let machine = Machine { memory_mb, drives, orders: orders.to_owned(), display: display.map(str::to_owned) };
        let mut command = machine.command(&qemu_path(), &kernel);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let control = Control::of(&mut command).expect("a line to QEMU");
        let mut child = command.spawn().expect("QEMU starts");
        let button = control.connected();
        let (send, pieces) = channel();
        let mut out = child.stdout.take().expect("its output");
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count) = out.read(&mut piece) {
                if count == 0 || send.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Running { child, button, pieces, said: String::new() }
    }

    /// Types on the serial line.
    pub fn type_in(&mut self, text: &str) {
        let line = self.child.stdin.as_mut().expect("its line");
        line.write_all(text.as_bytes()).expect("typing");
        line.flush().expect("typing");
    }

    /// Waits until it has said `text` behind what was awaited before.
    #[track_caller]
    pub fn await_text(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said.find(text) {
                self.said.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.said.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("{text:?} did not come ({error}); it said {:?}", self.said),
            }
        }
    }

    /// Waits for its end; answers the kernel's status and what else it said.
    #[track_caller]
    pub fn end(mut self) -> (Option<u8>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                break status;
            }
            while let Ok(piece) = self.pieces.try_recv() {
                self.said.push_str(&String::from_utf8_lossy(&piece));
            }
            assert!(Instant::now() < deadline, "it hangs; it said {:?}", self.said);
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(piece) = self.pieces.recv() {
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
        (status.code().and_then(qemu::kernel_status), std::mem::take(&mut self.said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file made as long as a disk that has room.
pub fn disk_of(world: &str) -> OsString {
    let file = std::fs::OpenOptions::new().write(true).open(world).expect("the world");
    file.set_len(256 << 20).expect("room");
    file_drive(Path::new(world))
}

/// The picture on the machine's screen: width, height, and its bytes (PPM, as QEMU writes it).
pub fn screen(running: &Running, file: &Path) -> Vec<u8> {
    let _ = std::fs::remove_file(file);
    let dump = format!("{{\"execute\":\"screendump\",\"arguments\":{{\"filename\":\"{}\"}}}}\n", file.display());
    running.button.say(&dump).expect("QEMU listens");
    wait_for("a whole picture", || std::fs::read(file).ok().filter(|bytes| is_whole(bytes)))
}

/// Whether as many bytes are there as the first three lines say.
fn is_whole(picture: &[u8]) -> bool {
    let words = picture.splitn(5, |byte| b" \n".contains(byte));
    let words: Vec<&str> = words.map(|word| std::str::from_utf8(word).unwrap_or_default()).collect();
    let numbers: Vec<usize> = words.iter().skip(1).map_while(|word| word.parse().ok()).collect();
    // What stands behind the fourth word are pixels.
    let [width, height, 255] = numbers[..] else { return false };
    let head: usize = words[..4].iter().map(|word| word.len() + 1).sum();
    picture.len() == head + width * height * 3
}

/// How many colours a picture has.
pub fn colours(picture: &[u8]) -> usize {
    let mut colours: Vec<&[u8]> = picture[16..].chunks_exact(3).collect();
    colours.sort_unstable();
    colours.dedup();
    colours.len()
}

/// How many pixels differ between two pictures.
pub fn differing(one: &[u8], other: &[u8]) -> usize {
    one.chunks(3).zip(other.chunks(3)).filter(|(a, b)| a != b).count()
}
