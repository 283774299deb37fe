//! A display without a screen (Xvfb): its pixels stand in a file, where they are looked at; keys and
//! the pointer come from xdotool.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::time::{wait_for, wait_until};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A display; it goes with its test.
pub struct Screen {
    server: Child,
    folder: PathBuf,
    /// What DISPLAY is to be.
    pub name: String,
}

/// The picture: words of 24 bits, row by row.
#[derive(PartialEq)]
pub struct Picture {
    width: usize,
    pixels: Vec<u32>,
}

impl Screen {
    /// Starts one that keeps its files in a folder of its own below `folder`. Held keys do not repeat:
    /// on a busy machine the release of a key may come late.
    pub fn start(folder: &Path, width: u32, height: u32) -> Screen {
        let folder = folder.join("screen");
        std::fs::create_dir_all(&folder).expect("a folder for the screen");
        let number = folder.join("number");
        let shell = format!(
            "exec Xvfb -displayfd 3 -screen 0 {width}x{height}x24 -fbdir '{}' -nolisten tcp -noreset -r 3>'{}'",
            folder.display(),
            number.display()
        );
        let server = Command::new("sh").args(["-c", &shell]).stderr(Stdio::null()).spawn().expect("sh starts");
        let name = wait_for("a display (is Xvfb installed?)", || {
            let text = std::fs::read_to_string(&number).ok()?;
            text.ends_with('\n').then(|| format!(":{}", text.trim()))
        });
        Screen { server, folder, name }
    }

    /// What is on it now.
    pub fn picture(&self) -> Picture {
        let file = std::fs::read(self.folder.join("Xvfb_screen0")).expect("the screen's file");
        // The format of xwd: big-endian words; the header's length, colours of 12 bytes, then rows.
        let word = |n: usize| u32::from_be_bytes(file[4 * n..4 * n + 4].try_into().expect("four bytes")) as usize;
        let (header, width, height, stride, colours) = (word(0), word(4), word(5), word(12), word(19));
        let start = header + colours * 12;
        let rows = (0..height).map(|y| &file[start + y * stride..start + y * stride + width * 4]);
        // The bytes of a pixel are in the server's order, which is the processor's.
        let pixel = |four: &[u8]| u32::from_le_bytes(four.try_into().expect("four bytes")) & 0xFF_FFFF;
        Picture { width, pixels: rows.flat_map(|row| row.chunks_exact(4).map(pixel)).collect() }
    }

    /// Waits until a pixel has a colour.
    #[track_caller]
    pub fn wait_for_pixel(&self, (x, y): (usize, usize), expected: u32) {
        wait_until(&format!("{expected:06X} at {x}, {y}"), || self.picture().pixel(x, y) == expected);
    }

    /// What xdotool says, if it succeeds.
    pub fn tool(&self, words: &[&str]) -> Option<String> {
        let run = Command::new("xdotool").args(words).env("DISPLAY", &self.name).output();
        let output = run.expect("xdotool is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Does something by xdotool.
    #[track_caller]
    pub fn does(&self, words: &[&str]) {
        assert!(self.tool(words).is_some(), "xdotool {words:?}");
    }

    /// The windows that xdotool finds.
    pub fn windows(&self, words: &[&str]) -> Vec<String> {
        let found = self.tool(&[&["search", "--onlyvisible"], words].concat()).unwrap_or_default();
        found.lines().map(str::to_owned).collect()
    }
}

impl Picture {
    /// A pixel of it.
    pub fn pixel(&self, x: usize, y: usize) -> u32 {
        self.pixels[y * self.width + x]
    }

    /// How many colours it has.
    pub fn colours(&self) -> usize {
        self.pixels.iter().collect::<BTreeSet<_>>().len()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
