//! Figures of the window: from the process's start to its first frame, from a key to its pixels.
//!
//! Xvfb keeps its screen in a file; keys go in by the X server's extension XTEST. So the times are those
//! of a user: from the key's arrival at the server until a pixel of the screen is another.

use super::program::{self, Folder};
use super::{Measured, Outcome};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WIDTH: usize = 1600;
const HEIGHT: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs of the program for its first frame.
const OPENINGS: usize = 7;
/// Keys that are timed.
const KEYS: usize = 200;

/// A display without a screen.
struct Server {
    child: Child,
    name: String,
    screen: File,
    /// Where the pixels begin in the screen's file, and the bytes of a row.
    start: u64,
    stride: u64,
}

/// Waits for something.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("{what} did not come within {PATIENCE:?}"));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
}

impl Server {
    fn start(folder: &Folder) -> Result<Server, String> {
        let number = folder.file("number");
        let screen = folder.file("Xvfb_screen0");
        let shell = format!(
            "exec Xvfb -displayfd 3 -screen 0 {WIDTH}x{HEIGHT}x24 -fbdir '{}' -nolisten tcp 3>'{}'",
            folder.file("").display(),
            number.display()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start Xvfb: {error}"))?;
        let named = || std::fs::read_to_string(&number).ok().filter(|text| text.ends_with('\n'));
        let name = format!(":{}", until("Xvfb", named)?.trim());
        let screen = File::open(&screen).map_err(|error| format!("the screen's file: {error}"))?;
        let mut header = [0; 100];
        screen.read_exact_at(&mut header, 0).map_err(|error| format!("the screen's file: {error}"))?;
        // As xwd writes it: big-endian words.
        let word = |n: usize| header[4 * n..4 * n + 4].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let (length, stride, colours) = (word(0), word(12), word(19));
        Ok(Server { child, name, screen, start: length + colours * 12, stride })
    }

    /// The bytes of some rows.
    fn rows(&self, from: usize, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count * self.stride as usize];
        // What cannot be read stays black.
        let _ = self.screen.read_exact_at(&mut bytes, self.start + from as u64 * self.stride);
        bytes
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of the X server that presses keys (X Window System Protocol, X11R6; XTEST 2.2).
struct Typist {
    socket: UnixStream,
    opcode: u8,
    root: u32,
}

const KEY_PRESS: u8 = 2;
const KEY_RELEASE: u8 = 3;
/// The key of the letter `a` in the server's usual numbering.
pub const KEY_A: u8 = 38;

impl Typist {
    fn new(display: &str) -> Result<Typist, String> {
        let path = format!("/tmp/.X11-unix/X{}", display.trim_start_matches(':'));
        let told = |error: std::io::Error| format!("{path}: {error}");
        let mut socket = UnixStream::connect(&path).map_err(told)?;
        // Little-endian, protocol 11.0, no authorization.
        socket.write_all(&[b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]).map_err(told)?;
        let mut head = [0; 8];
        socket.read_exact(&mut head).map_err(told)?;
        let mut rest = vec![0; usize::from(u16::from_le_bytes([head[6], head[7]])) * 4];
        socket.read_exact(&mut rest).map_err(told)?;
        if head[0] != 1 {
            return Err(format!("the X server declines: {}", String::from_utf8_lossy(&rest)));
        }
        // Behind the vendor's name and the formats of pixels stands the first screen; it begins with its root.
        let vendor = usize::from(u16::from_le_bytes([rest[16], rest[17]])).next_multiple_of(4);
        let at = 32 + vendor + 8 * usize::from(rest[21]);
        let root = rest.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
        let root = root.ok_or("the X server has no screen")?;
        // QueryExtension.
        let mut query = vec![98, 0, 4, 0, 5, 0, 0, 0];
        query.extend_from_slice(b"XTEST\0\0\0");
        socket.write_all(&query).map_err(told)?;
        let mut reply = [0; 32];
        socket.read_exact(&mut reply).map_err(told)?;
        if reply[8] == 0 {
            return Err("the X server has no XTEST".to_owned());
        }
        Ok(Typist { socket, opcode: reply[9], root })
    }

    /// Gives the keyboard to the newest window: QueryTree, SetInputFocus. Nobody manages windows here.
    fn focus(&mut self) -> Result<(), String> {
        let told = |error: std::io::Error| format!("the X server: {error}");
        let mut query = vec![15, 0, 2, 0];
        query.extend_from_slice(&self.root.to_le_bytes());
        self.socket.write_all(&query).map_err(told)?;
        let mut reply = [0; 32];
        self.socket.read_exact(&mut reply).map_err(told)?;
        let mut children = vec![0; 4 * usize::from(u16::from_le_bytes([reply[16], reply[17]]))];
        self.socket.read_exact(&mut children).map_err(told)?;
        let newest = children.last_chunk::<4>().ok_or("no window is open")?;
        let mut request = vec![42, 1, 3, 0];
        request.extend_from_slice(newest);
        request.extend_from_slice(&[0; 4]);
        self.socket.write_all(&request).map_err(told)
    }

    /// FakeInput.
    fn fake(&mut self, kind: u8, detail: u8) -> Result<(), String> {
        let mut request = [0; 36];
        request[..4].copy_from_slice(&[self.opcode, 2, 9, 0]);
        (request[4], request[5]) = (kind, detail);
        self.socket.write_all(&request).map_err(|error| format!("the X server: {error}"))
    }

    fn press(&mut self, key: u8) -> Result<(), String> {
        self.fake(KEY_PRESS, key)?;
        self.fake(KEY_RELEASE, key)
    }
}

/// The program with its window; it goes with its figure.
struct Shown(Child);

impl Shown {
    fn start(server: &Server, world: &Path) -> Result<Shown, String> {
        let mut command = Command::new(program::path());
        command.arg(world).env("DISPLAY", &server.name).env_remove("WAYLAND_DISPLAY");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Shown).map_err(|error| format!("cannot start warm: {error}"))
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is needed, in an order in which it can go away again.
struct Stage {
    server: Server,
    world: PathBuf,
    _folder: Folder,
}

fn stage() -> Result<Stage, String> {
    let folder = Folder::new()?;
    let world = folder.world("window.world")?;
    let server = Server::start(&folder)?;
    Ok(Stage { server, world, _folder: folder })
}

/// Whether anything of the program stands on the screen: without it, it is black.
fn is_painted(server: &Server) -> bool {
    server.rows(HEIGHT / 2, 1).iter().any(|byte| *byte != 0)
}

/// `first_frame_ms`.
pub fn first_frame() -> Outcome {
    let stage = stage()?;
    let mut times = Vec::new();
    for _ in 0..OPENINGS {
        until("an empty screen", || (!is_painted(&stage.server)).then_some(()))?;
        let start = Instant::now();
        let shown = Shown::start(&stage.server, &stage.world)?;
        until("a first frame", || is_painted(&stage.server).then_some(()))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        drop(shown);
    }
    Measured::of(times).ok_or_else(|| "no openings".to_owned())
}

/// Does something with a world whose window is open and painted.
pub fn while_shown<T>(work: impl FnOnce(&Path) -> Result<T, String>) -> Result<T, String> {
    let stage = stage()?;
    let _shown = Shown::start(&stage.server, &stage.world)?;
    until("a first frame", || is_painted(&stage.server).then_some(()))?;
    work(&stage.world)
}

/// The rows where typing shows: those that a key changes, and some below, so that a look is quick.
fn band(server: &Server, typist: &mut Typist) -> Result<(usize, usize), String> {
    let before = server.rows(0, HEIGHT);
    typist.press(KEY_A)?;
    let changed = || {
        let now = server.rows(0, HEIGHT);
        now.iter().zip(&before).position(|(one, other)| one != other)
    };
    let top = until("a key's pixels", changed)? / server.stride as usize;
    std::thread::sleep(Duration::from_millis(100));
    Ok((top, (HEIGHT - top).min(60)))
}

/// `key_to_pixels_p99_ms`: keys into whatever has the focus in a new world's window.
pub fn key_to_pixels() -> Outcome {
    let stage = stage()?;
    let _shown = Shown::start(&stage.server, &stage.world)?;
    until("a first frame", || is_painted(&stage.server).then_some(()))?;
    let mut typist = Typist::new(&stage.server.name)?;
    typist.focus()?;
    // Everything that a start brings is over, the caret's blinking aside.
    std::thread::sleep(Duration::from_secs(2));
    let (top, rows) = band(&stage.server, &mut typist)?;
    let mut times = Vec::new();
    for _ in 0..KEYS {
        let before = stage.server.rows(top, rows);
        let start = Instant::now();
        typist.press(KEY_A)?;
        until("a key's pixels", || (stage.server.rows(top, rows) != before).then_some(()))?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        std::thread::sleep(Duration::from_millis(30));
    }
    times.sort_by(f64::total_cmp);
    let (Some(least), Some(greatest)) = (times.first(), times.last()) else { return Err("no keys".to_owned()) };
    let value = times[(times.len() - 1) * 99 / 100];
    Ok(Measured { value, least: *least, greatest: *greatest })
}
