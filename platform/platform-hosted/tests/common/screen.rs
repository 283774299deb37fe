//! A display without a screen (Xvfb), driven from outside as a person would: keys, pointer, pictures of
//! what is shown.
//!
//! Invariant
//! - X1 Whoever waits here waits for something that happens. [`PATIENCE`] is only for what never comes,
//!   so a machine that is busy makes a test slow, never wrong.

#![allow(dead_code, reason = "each test program uses its part")]

use crate::common::{Folder, command, warm};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// After which what has not come never will.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Tries until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Where pictures and transcripts are kept for people to look at.
pub fn artefacts() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join("artefacts");
    std::fs::create_dir_all(&folder).expect("a folder for artefacts");
    folder
}

/// What a screen shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    pixels: Vec<u32>,
}

impl Picture {
    /// The format of xwd: words, the most significant byte first; then colours of 12 bytes, then rows.
    fn read(file: &[u8]) -> Option<Picture> {
        let word = |n: usize| file.get(4 * n..4 * n + 4).map(|four| u32::from_be_bytes(four.try_into().unwrap()) as usize);
        let (header, width, height, stride, colours) = (word(0)?, word(4)?, word(5)?, word(12)?, word(19)?);
        let rows = file.get(header + colours * 12..)?;
        let row = |y: usize| rows.get(y * stride..y * stride + width * 4);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            let four = |four: &[u8]| u32::from_le_bytes(four.try_into().unwrap()) & 0xFF_FFFF;
            pixels.extend(row(y)?.chunks_exact(4).map(four));
        }
        Some(Picture { width, pixels })
    }

    /// The colour at a place.
    pub fn at(&self, (x, y): (usize, usize)) -> u32 {
        self.pixels[y * self.width + x]
    }

    /// How many pixels have a colour.
    pub fn count(&self, colour: u32) -> usize {
        self.pixels.iter().filter(|pixel| **pixel == colour).count()
    }

    /// Writes it as a PNG.
    pub fn save(&self, path: &Path) {
        let height = self.pixels.len() / self.width;
        let png = raster::encode_png(&self.pixels, self.width as u32, height as u32);
        std::fs::write(path, png).expect("a picture is written");
    }
}

/// A display; it goes with the test.
pub struct Screen {
    server: Child,
    memory: PathBuf,
    /// As X11 names it.
    pub name: String,
}

impl Screen {
    /// One of this size, whose memory stands in the folder.
    pub fn start(folder: &Folder, width: u32, height: u32) -> Screen {
        let (number, memory) = (folder.path("display"), folder.path("screen"));
        std::fs::create_dir_all(&memory).expect("a folder for the screen");
        // -r: a key that stays down for long because the machine is busy does not repeat.
        let shell = format!(
            "exec Xvfb -displayfd 3 -screen 0 {width}x{height}x24 -fbdir '{}' -r -nolisten tcp -noreset 3>'{}'",
            memory.display(),
            number.display()
        );
        let server = Command::new("sh").args(["-c", &shell]).stderr(Stdio::null()).spawn().expect("sh starts");
        let name = wait_for("a display (is Xvfb installed?)", || {
            let text = std::fs::read_to_string(&number).ok()?;
            text.ends_with('\n').then(|| format!(":{}", text.trim()))
        });
        Screen { server, memory, name }
    }

    /// What xdotool says, if it succeeds.
    pub fn tool(&self, words: &[&str]) -> Option<String> {
        let run = Command::new("xdotool").args(words).env("DISPLAY", &self.name).output();
        let output = run.expect("xdotool is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[track_caller]
    fn does(&self, words: &[&str]) {
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

    /// What is shown now.
    pub fn picture(&self) -> Picture {
        wait_for("the screen's memory", || Picture::read(&std::fs::read(self.memory.join("Xvfb_screen0")).ok()?))
    }

    /// Waits until the picture is as wanted.
    #[track_caller]
    pub fn shows(&self, what: &str, wanted: impl Fn(&Picture) -> bool) -> Picture {
        wait_for(what, || Some(self.picture()).filter(|picture| wanted(picture)))
    }

    /// Keeps a picture of what is shown, once it does not change for a moment, or blinks only.
    #[track_caller]
    pub fn keep(&self, path: &Path) -> Picture {
        let mut seen = self.picture();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(400));
            let now = self.picture();
            if now == seen {
                break;
            }
            seen = now;
        }
        seen.save(path);
        seen
    }

    fn windows(&self, title: &str) -> Vec<String> {
        let found = self.tool(&["search", "--onlyvisible", "--name", title]).unwrap_or_default();
        found.lines().map(str::to_owned).collect()
    }

    /// Waits for a window whose title has this in it, which then has the keyboard.
    pub fn awaits_window(&self, title: &str) -> String {
        self.awaits_another_window(title, "")
    }

    /// The same, for one that opens instead of another.
    pub fn awaits_another_window(&self, title: &str, old: &str) -> String {
        let window = wait_for("the window", || {
            let found = self.windows(title);
            if found.iter().any(|one| one == old) { None } else { found.into_iter().next() }
        });
        // The world has drawn itself: nothing else on this display is not black.
        self.shows("the first frame", |picture| picture.at((2, 2)) != 0);
        self.does(&["windowfocus", "--sync", &window]);
        window
    }

    /// Opens a world and waits until its window takes keys. What it writes comes by lines.
    pub fn open(&self, world: &str) -> Open {
        self.begin(command(&["open", world]), world)
    }

    /// The same, by a command of one's own.
    pub fn begin(&self, mut command: Command, world: &str) -> Open {
        command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY").stdout(Stdio::piped());
        let mut child = command.spawn().expect("warm starts");
        let (send, lines) = channel();
        let out = child.stdout.take().expect("its output");
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        let title = Path::new(world).file_name().expect("a name").to_string_lossy().into_owned();
        let memory = self.memory.clone();
        let mut open = Open { child, lines, world: world.to_owned(), title, window: String::new(), memory };
        open.window = self.awaits_window(&open.title);
        open
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A world that is open in a window.
pub struct Open {
    child: Child,
    lines: Receiver<String>,
    world: String,
    title: String,
    window: String,
    /// Of the screen where it is shown.
    memory: PathBuf,
}

impl Open {
    /// Waits until the program writes this line.
    #[track_caller]
    pub fn awaits_line(&self, wanted: &str) {
        let start = Instant::now();
        let left = || PATIENCE.saturating_sub(start.elapsed());
        while let Ok(line) = self.lines.recv_timeout(left()) {
            if line == wanted {
                return;
            }
        }
        panic!("the program never wrote {wanted:?}");
    }

    /// Waits until the world, as it was saved last, answers so. It is saved every two seconds while
    /// there is something to save, and asked beside the program that has it open.
    #[track_caller]
    pub fn awaits(&self, question: &str, answer: &str) {
        let mut last = String::new();
        let start = Instant::now();
        while last != answer {
            assert!(start.elapsed() < PATIENCE, "{question} answers {last:?}, never {answer:?}");
            last = self.answer(question);
            // The program that is asked about gets the processor meanwhile.
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the world says, as it was saved last; or why it says nothing.
    pub fn answer(&self, question: &str) -> String {
        let run = warm(&["eval", &self.world, question, "--no-save"]);
        if run.status == 0 { run.out.trim().trim_matches('\'').to_owned() } else { run.err }
    }

    /// Waits until it has opened another window instead of the one that it had.
    pub fn awaits_another_window(&mut self, screen: &Screen) {
        self.window = screen.awaits_another_window(&self.title, &self.window);
    }

    /// Kills it, as a power cut would; its window is gone then.
    pub fn kill(mut self, screen: &Screen) {
        self.child.kill().expect("a child to kill");
        self.child.wait().expect("a child to wait for");
        wait_for("the window's end", || screen.windows(&self.title).is_empty().then_some(()));
    }

    /// Waits for its end, which must be a good one.
    #[track_caller]
    pub fn ends_well(mut self) {
        let status = wait_for("the end of the program", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "{status}");
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What there was to see when the test failed.
            let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
            if let Some(picture) = std::fs::read(self.memory.join("Xvfb_screen0")).ok().and_then(|file| Picture::read(&file)) {
                picture.save(&artefacts().join(format!("failed-{name}.png")));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a world that nobody has open.
#[track_caller]
pub fn asks(world: &str, question: &str) -> String {
    let run = warm(&["eval", world, question]);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out.trim().trim_matches('\'').to_owned()
}
