//! The clipboard and the primary selection.
//!
//! Invariants
//! - C1 The machine waits [`PATIENCE`] for a clipboard's owner, no longer: another program may hang. A
//!   thread waits on.
//! - C2 Without a display there is a clipboard all the same, of this program alone.
//!
//! Must not know: what the text is.

use arboard::{GetExtLinux, LinuxClipboardKind, SetExtLinux};
use parking_lot::Mutex;
use platform::Refusal;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// How long another program may take.
const PATIENCE: Duration = Duration::from_millis(300);

/// What the thread is asked.
enum Wish {
    Text(LinuxClipboardKind, Sender<Result<String, arboard::Error>>),
    SetText(LinuxClipboardKind, String),
}

/// The clipboard, reached when it is first asked for.
#[derive(Default)]
pub struct Clipboard {
    own: Arc<Mutex<[String; 2]>>,
    thread: Option<Sender<Wish>>,
}

fn kind(primary: bool) -> LinuxClipboardKind {
    if primary { LinuxClipboardKind::Primary } else { LinuxClipboardKind::Clipboard }
}

fn failed(code: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::Failed { code, message: message.into() }
}

fn refusal(error: &arboard::Error) -> Refusal {
    match error {
        arboard::Error::ConversionFailure => failed("malformed", "the clipboard holds text that is not UTF-8"),
        other => failed("io", format!("the clipboard: {other}")),
    }
}

/// The thread's body: it owns the connection, and what was copied here.
fn serve(wishes: &std::sync::mpsc::Receiver<Wish>) {
    let mut clipboard = None;
    while let Ok(wish) = wishes.recv() {
        if clipboard.is_none() {
            clipboard = arboard::Clipboard::new().ok();
        }
        match (wish, &mut clipboard) {
            (Wish::Text(kind, answer), Some(clipboard)) => {
                // Who asked may have gone on.
                let _ = answer.send(clipboard.get().clipboard(kind).text());
            }
            (Wish::SetText(kind, text), Some(clipboard)) => {
                let _ = clipboard.set().clipboard(kind).text(text);
            }
            // The sender is dropped unanswered.
            (_, None) => {}
        }
    }
}

impl Clipboard {
    fn wish(&mut self, wish: Wish) -> bool {
        let thread = self.thread.get_or_insert_with(|| {
            let (sender, wishes) = channel();
            // Without the thread every wish fails, and the program's own clipboard is left.
            let _ = std::thread::Builder::new().name("warm-clipboard".to_owned()).spawn(move || serve(&wishes));
            sender
        });
        thread.send(wish).is_ok()
    }

    /// The text that was copied; empty if there is none.
    pub fn text(&mut self, primary: bool, shown: bool) -> Result<String, Refusal> {
        let own = || self.own.lock()[usize::from(primary)].clone();
        if !shown {
            return Ok(own());
        }
        let (sender, answer) = channel();
        if !self.wish(Wish::Text(kind(primary), sender)) {
            return Ok(self.own.lock()[usize::from(primary)].clone());
        }
        match answer.recv_timeout(PATIENCE) {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(arboard::Error::ContentNotAvailable)) => Ok(String::new()),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(RecvTimeoutError::Disconnected) => Ok(self.own.lock()[usize::from(primary)].clone()),
            Err(RecvTimeoutError::Timeout) => Err(failed("io", "the program that holds the clipboard does not answer")),
        }
    }

    /// Offers a text.
    pub fn set_text(&mut self, primary: bool, text: String, shown: bool) -> Result<(), Refusal> {
        self.own.lock()[usize::from(primary)].clone_from(&text);
        if shown {
            self.wish(Wish::SetText(kind(primary), text));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_display_the_program_has_a_clipboard_of_its_own() {
        let mut clipboard = Clipboard::default();
        assert_eq!(clipboard.text(false, false), Ok(String::new()));
        clipboard.set_text(false, "one".to_owned(), false).unwrap();
        clipboard.set_text(true, "two".to_owned(), false).unwrap();
        assert_eq!(clipboard.text(false, false), Ok("one".to_owned()));
        assert_eq!(clipboard.text(true, false), Ok("two".to_owned()));
        assert!(clipboard.thread.is_none(), "nothing was started");
    }
}
