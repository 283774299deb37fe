//! A display without a screen (Xvfb): its pixels stand in a file, where they are looked at; keys and
//! the pointer come from xdotool.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::time::{wait_for, wait_until};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A display; it goes with its test.
pub struct Screen {
    server: Child,
    folder: PathBuf,
    /// What DISPLAY is to be.
    pub name: String,
}

/// Where pictures and transcripts are kept for people to look at.
pub fn artefacts() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("artefacts");
    std::fs::create_dir_all(&folder).expect("a folder for artefacts");
    folder
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

    /// Waits until the picture is as wanted.
    #[track_caller]
    pub fn shows(&self, what: &str, wanted: impl Fn(&Picture) -> bool) {
        wait_until(what, || wanted(&self.picture()));
    }

    /// Keeps a picture of what is shown, once it does not change for a moment. What is seen on it
    /// decides nothing.
    pub fn keep(&self, path: &Path) {
        let mut seen = self.picture();
        for _ in 0..10 {
            std::thread::sleep(Duration::from_millis(400));
            let now = self.picture();
            if now == seen {
                break;
            }
            seen = now;
        }
        seen.save(path);
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

    /// Types letters.
    #[track_caller]
    pub fn types(&self, text: &str) {
        self.does(&["type", "--delay", "15", text]);
    }

    /// Presses keys together, as xdotool names them.
    #[track_caller]
    pub fn keys(&self, chord: &str) {
        self.does(&["key", chord]);
    }

    /// Presses the left button at a place.
    #[track_caller]
    pub fn click(&self, (x, y): (u32, u32)) {
        self.does(&["mousemove", &x.to_string(), &y.to_string(), "click", "1"]);
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

    /// Writes it as a PNG.
    pub fn save(&self, path: &Path) {
        let height = self.pixels.len() / self.width;
        let png = raster::encode_png(&self.pixels, self.width as u32, height as u32);
        std::fs::write(path, png).expect("a picture is written");
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
