//! `warm boot`: the same world on a bare machine.
//!
//! Invariants
//! - B1 The file is locked for as long as the machine runs, and checked before it starts.
//! - B3 SIGTERM, SIGHUP and, in a pipe, SIGINT press the power button: the world is saved, then the
//!   machine is off.
//! - B2 A virtual disk cannot grow: the file is given room in advance, as a hole, and cut back to the last
//!   block that was written afterwards.

use super::path;
use crate::cli::{Arguments, Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::{Access, FileStore};
use crate::keeper::{failure, parse_bytes, signals};
use crate::qemu::{self, Control, Machine};
use crate::sys;
use image::{OpenOptions, World};
use platform::{Clock, Store};
use std::io::{IsTerminal, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Room for growth that a disk is given, in bytes; halved until the file system can.
const ROOM_BYTES: u64 = 64 << 30;
const LEAST_ROOM_BYTES: u64 = 1 << 20;
const USUAL_MEMORY_MB: u64 = 1024;
const LEAST_MEMORY_MB: u64 = 64;
/// Ends a conversation on a line without an end of its own (Ctrl-D).
const END: u8 = 4;

fn io_failure(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Io, format!("{what}: {}", crate::file_store::plain(error)))
}

/// `warm boot FILE --serial`
pub fn boot(arguments: &Arguments) -> Result<Exit, Failure> {
    let memory_mb = memory_mb(arguments)?;
    let missing = format!("warm boot needs {}; install it (on Debian: apt install qemu-system-x86)", qemu::PROGRAM);
    let qemu = qemu::find().ok_or_else(|| Failure::new(Exit::Missing, missing))?;
    let display = display(arguments, &qemu)?;
    let kernel = kernel::kernel().map_err(|reason| Failure::new(Exit::Missing, reason))?;
    let file = path(arguments, 0);
    let disk = Disk::prepare(&file)?;
    let kernel = qemu::kernel_file(&kernel).map_err(|error| io_failure("the kernel", &error))?;
    let machine = Machine { memory_mb, drives: vec![qemu::file_drive(&absolute(&file)?)], orders: orders(arguments), display };
    let mut command = machine.command(&qemu, &kernel);
    let is_terminal = std::io::stdin().is_terminal();
    if !is_terminal {
        // Away from the keys of our terminal, if we have one: they reach this program, which presses the
        // power button.
        command.stdin(Stdio::piped()).process_group(0);
    }
    let terminal = sys::terminal_state();
    let unstarted = |error: std::io::Error| io_failure("QEMU cannot be started", &error);
    let control = Control::of(&mut command).map_err(unstarted)?;
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(unstarted)?;
    let button = Arc::new(control.connected());
    let other = button.clone();
    let wish = signals::route(move || button.press(), move || other.press());
    if let Some(line) = child.stdin.take() {
        // It ends with the program: a machine that is off reads no more.
        let _ = std::thread::Builder::new().name("warm-line".to_owned()).spawn(move || feed(line));
    }
    let ended = wait(&mut child);
    if let Some(state) = terminal {
        sys::set_terminal_state(&state);
    }
    let trimmed = disk.trim();
    let exit = ended?;
    let signal = wish.load(Ordering::SeqCst);
    let exit = if exit == Exit::Success && signal != 0 { Exit::World(128 + signal as u8) } else { exit };
    trimmed.map(|()| exit)
}

/// How QEMU shows the machine's window; without one there is the serial line alone.
fn display(arguments: &Arguments, qemu: &Path) -> Result<Option<String>, Failure> {
    match (arguments.has("--serial"), value_of(arguments, "--display")) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(Failure::new(Exit::Usage, "--serial shows no window, so it takes no --display")),
        (false, Some(name)) => Ok(Some(name.into_owned())),
        (false, None) => window(qemu).map(Some),
    }
}

/// What was given with an option.
fn value_of<'a>(arguments: &'a Arguments, option: &str) -> Option<std::borrow::Cow<'a, str>> {
    let (_, value) = arguments.options.iter().find(|(name, _)| *name == option)?;
    value.as_ref().map(|value| value.to_string_lossy())
}

/// How QEMU shows a window here.
fn window(qemu: &Path) -> Result<String, Failure> {
    let has_display = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let missing = |what: &str| Failure::new(Exit::Missing, format!("{what}; say --serial to talk to it in the terminal"));
    if !has_display {
        return Err(missing("there is no display to show the machine on"));
    }
    qemu::window(qemu).ok_or_else(|| missing("this QEMU shows no window (on Debian: apt install qemu-system-gui)"))
}

fn memory_mb(arguments: &Arguments) -> Result<u64, Failure> {
    let Some(text) = value_of(arguments, "--memory") else { return Ok(USUAL_MEMORY_MB) };
    match parse_bytes(&text) {
        Some(bytes) if bytes >> 20 >= LEAST_MEMORY_MB as usize => Ok(bytes as u64 >> 20),
        _ => Err(Failure::new(Exit::Usage, format!("--memory {text} is no size of at least {LEAST_MEMORY_MB}M; say 256M or 2G"))),
    }
}

fn absolute(file: &Path) -> Result<std::path::PathBuf, Failure> {
    std::path::absolute(file).map_err(|error| io_failure(&file.display().to_string(), &error))
}

/// What the kernel is told.
fn orders(arguments: &Arguments) -> String {
    let clock = HostedClock::default();
    let mut orders = format!("utc={}", clock.utc_offset_s(clock.wall_ns()));
    if !std::io::stdin().is_terminal() {
        orders.push_str(" pipe");
    }
    if !arguments.has("--serial") {
        orders.push_str(" desktop");
    }
    if arguments.has("--timed") {
        orders.push_str(" timed");
    }
    orders
}

/// Gives the machine what comes on standard input, and the end of it.
fn feed(mut line: ChildStdin) {
    let mut piece = vec![0; 16 * 1024];
    let mut input = std::io::stdin();
    loop {
        match input.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(count) if count > 0 => {
                if line.write_all(&piece[..count]).is_err() {
                    return;
                }
            }
            _ => break,
        }
    }
    // A machine that is off already needs no end.
    let _ = line.write_all(&[END]).and_then(|()| line.flush());
    loop {
        // The pipe stays open: its end would be the line's.
        std::thread::park();
    }
}

/// Waits for the machine's end; answers the status of the conversation.
fn wait(child: &mut Child) -> Result<Exit, Failure> {
    let mut said = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_string(&mut said);
    }
    let status = child.wait().map_err(|error| io_failure("QEMU", &error))?;
    match status.code().map(qemu::kernel_status) {
        Some(Some(0)) => Ok(Exit::Success),
        Some(Some(status)) => Ok(Exit::World(status)),
        _ => {
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
            Err(Failure::new(Exit::Io, format!("QEMU ended with {status}: {last}")))
        }
    }
}

/// A world's file made ready to be a disk.
struct Disk<'a> {
    path: &'a Path,
    store: Arc<FileStore>,
}

impl Disk<'_> {
    /// Locks the file, sees that it is a world, and gives it room.
    fn prepare(path: &Path) -> Result<Disk<'_>, Failure> {
        let opened = crate::keeper::open(path, Access::Write)?;
        let disk = Disk { path, store: opened.store.clone() };
        drop(opened);
        let length = disk.store.len()?;
        let mut room = ROOM_BYTES;
        while disk.store.grow((length + room).next_multiple_of(4096)).is_err() {
            room /= 2;
            if room < LEAST_ROOM_BYTES {
                disk.trim()?;
                return Err(Failure::new(Exit::Io, format!("{}: the file system gives it no room to grow", path.display())));
            }
        }
        Ok(disk)
    }

    /// Cuts the file back to what was written (B2).
    fn trim(&self) -> Result<(), Failure> {
        let store: Arc<dyn Store> = self.store.clone();
        let options = OpenOptions { read_only: true, ..OpenOptions::default() };
        let (world, report) = World::open(store, &options).map_err(|error| failure(self.path, &error))?;
        if report.lost_commits.is_empty() {
            self.store.truncate(world.store_end())?;
        }
        Ok(())
    }
}
