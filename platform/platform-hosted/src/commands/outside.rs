//! Before a world that is open elsewhere without a window: somebody who double-clicked on it sees who has
//! it, and gets it when that one is done.
//!
//! Invariants
//! - H1 Only who can see a window and cannot converse gets one; all others are told in a line, or talk.
//! - H2 The window goes by itself: it becomes the world as soon as the file is free.
//!
//! Must not know: what a world shows.

use crate::attach;
use crate::cli::{Exit, Failure};
use crate::file_store::Access;
use crate::keeper::{self, Opened};
use crate::services::Bell;
use crate::window::{DisplayService, Port};
use parking_lot::{Condvar, Mutex};
use platform::events::Event;
use platform::operations::{DisplayOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request, Service};
use raster::notice::{Notice, Said};
use raster::roles::Theme;
use std::io::IsTerminal;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often the file is tried.
const TRY_EVERY: Duration = Duration::from_millis(400);
const WIDTH: u32 = 640;

/// Whether this program was started where a window can be seen and nobody can converse: standard input
/// is no terminal, no pipe and no file (H1).
pub(super) fn only_sees() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let can_see = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"].into_iter().any(is_set);
    let talks = std::fs::metadata("/proc/self/fd/0").is_ok_and(|data| data.is_file() || data.file_type().is_fifo());
    can_see && !talks && !std::io::stdin().is_terminal()
}

/// Whether a world could not be opened because another program has it open.
pub(super) fn is_locked(failure: &Failure) -> bool {
    failure.exit.number() == Exit::Locked.number()
}

/// What a process was started as, and its number.
fn described(process: i32) -> String {
    let words = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let mut words: Vec<String> =
        words.split(|byte| *byte == 0).filter(|word| !word.is_empty()).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if let Some(first) = words.first_mut() {
        *first = Path::new(first.as_str()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    format!("process {process}: {}", words.join(" "))
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    if text.chars().all(is_plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn notice(path: &Path) -> Notice {
    let words = |text: &str| Said::Words(text.to_owned());
    let mut lines = Vec::new();
    match attach::owner(path) {
        Some(process) => {
            lines.push(words("Another program has it open, and shows no window:"));
            lines.push(Said::Code(described(process)));
            lines.push(words("This window becomes the world as soon as that program ends."));
            lines.push(words("To work in it before, converse with it in a terminal:"));
            lines.push(Said::Code(format!("warm repl {}", quoted(path))));
        }
        None => {
            lines.push(words("Another program has it open, and lets nobody in: a world that boots, perhaps."));
            lines.push(words("This window becomes the world as soon as that program ends."));
            lines.push(Said::Code(quoted(path)));
        }
    }
    lines.push(Said::Key("Esc".to_owned(), "Close this window".to_owned()));
    Notice { title: format!("{} is open elsewhere", name(path)), lines }
}

/// The window.
struct Outside {
    service: DisplayService,
    handle: Option<Handle>,
    notice: Notice,
    rung: Arc<(Mutex<bool>, Condvar)>,
}

impl Outside {
    fn open(port: &Port, path: &Path) -> Result<Outside, Refusal> {
        let rung: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let ring = rung.clone();
        let bell: Bell = Arc::new(move |_| {
            *ring.0.lock() = true;
            ring.1.notify_all();
        });
        let service = DisplayService::new(u64::from(std::process::id()), bell, port.clone());
        let notice = notice(path);
        let mut outside = Outside { service, handle: None, notice, rung };
        let wish = Packed::default().text(&name(path)).u32(WIDTH).u32(outside.notice.height() as u32).finish();
        outside.handle = outside.ask(DisplayOperation::OpenWindow, &wish)?.handle;
        Ok(outside)
    }

    fn ask(&mut self, operation: DisplayOperation, bytes: &[u8]) -> Result<Reply, Refusal> {
        self.service.call(Request { operation: operation as u32, handle: self.handle, bytes, semaphore: Some(0) })
    }

    /// Sees to what happened; whether the window is to go.
    fn is_left(&mut self) -> Result<bool, Refusal> {
        loop {
            let events = match self.ask(DisplayOperation::NextEvents, &[]) {
                Err(Refusal::WouldBlock) => return Ok(false),
                other => Event::unpack(&other?.bytes)?,
            };
            for (_, event) in events {
                match event {
                    Event::CloseAsked {} | Event::Failed { .. } => return Ok(true),
                    Event::KeyDown { logical, .. } if logical == "Escape" => return Ok(true),
                    Event::Resized { width, height, .. } => self.show((width / 64, height / 64))?,
                    _ => {}
                }
            }
        }
    }

    fn show(&mut self, extent: (i32, i32)) -> Result<(), Refusal> {
        let window = self.handle.take();
        let feel = self.ask(DisplayOperation::Feel, &[]);
        self.handle = window;
        let is_dark = feel.is_ok_and(|reply| Fields::new(&reply.bytes).u8() == Ok(1));
        let frame = self.notice.frame(extent, if is_dark { Theme::Dark } else { Theme::Light });
        self.ask(DisplayOperation::Present, &frame).map(|_| ())
    }

    /// Waits until something happens, but not for long.
    fn rest(&self) {
        let mut rung = self.rung.0.lock();
        if !*rung {
            self.rung.1.wait_for(&mut rung, TRY_EVERY);
        }
        *rung = false;
    }
}

/// Waits before a world until it can be opened (H2); `None` if the window was closed. Without a window
/// it is told as ever.
pub(super) fn wait(port: &Port, path: &Path, locked: Failure) -> Result<Option<Opened>, Failure> {
    if port.availability().is_err() {
        return Err(locked);
    }
    let told = |refusal: Refusal| Failure::new(Exit::Io, format!("the window: {refusal:?}"));
    let mut outside = Outside::open(port, path).map_err(told)?;
    let mut opened = None;
    while opened.is_none() && !outside.is_left().map_err(told)? {
        match keeper::open(path, Access::Write) {
            Ok(ours) => opened = Some(ours),
            Err(failure) if is_locked(&failure) => outside.rest(),
            Err(failure) => return Err(failure),
        }
    }
    outside.ask(DisplayOperation::Close, &[]).map_err(told)?;
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_a_shell_takes_it() {
        assert_eq!(quoted(Path::new("/a/b-c.world")), "/a/b-c.world");
        assert_eq!(quoted(Path::new("/my home/it's.world")), "'/my home/it'\\''s.world'");
    }
}
