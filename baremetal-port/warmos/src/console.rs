//! The service `console` over the serial line, and who is rung when something comes in.
//!
//! Invariants
//! - O1 A read never waits: without bytes at hand it is told `WouldBlock`, and the bell rings when it
//!   may go on.
//! - O2 The interrupt only rings: it sets bits, allocates nothing.

#![allow(unsafe_code, reason = "room: bell")]

use crate::serial;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use platform::operations::{ConsoleOperation, Fields, Packed};
use platform::{Refusal, Reply, Request, Service};
use vm::interpret::Doorbell;

struct Bell(UnsafeCell<Option<Arc<Doorbell>>>);

// SAFETY: set once, with interrupts kept out; then only read.
unsafe impl Sync for Bell {}

static BELL: Bell = Bell(UnsafeCell::new(None));
/// The semaphore to signal when bytes come; 0 is none.
static WAITING: AtomicU32 = AtomicU32::new(0);
/// Whether the other side has ended the conversation (Ctrl-D in a pipe).
static ENDED: AtomicBool = AtomicBool::new(false);

/// Whom interrupts ring from now on.
pub fn set_bell(bell: Arc<Doorbell>) {
    crate::ports::forbid_interrupts();
    // SAFETY: nobody reads meanwhile.
    unsafe { *BELL.0.get() = Some(bell) };
    crate::ports::allow_interrupts();
}

fn bell() -> Option<&'static Doorbell> {
    // SAFETY: see `Bell`.
    unsafe { (*BELL.0.get()).as_deref() }
}

/// Whether a line is being typed at the prompt.
static AT_PROMPT: AtomicBool = AtomicBool::new(false);

/// At the prompt the interrupt key is the line's affair, not the world's.
pub fn set_at_prompt(is: bool) {
    AT_PROMPT.store(is, Ordering::Relaxed);
}

/// The interrupt key was pressed; from the interrupt.
pub fn interrupted() {
    if let Some(bell) = bell().filter(|_| !AT_PROMPT.load(Ordering::Relaxed)) {
        bell.interrupt();
    }
}

/// Signals a semaphore of the world's.
pub fn ring(semaphore: u32) {
    if let Some(bell) = bell() {
        bell.signal(semaphore);
    }
}

/// Memory runs short: the machine shall come to its next safepoint; from a page fault.
pub fn ask_to_stop() {
    if let Some(bell) = bell() {
        bell.stop();
    }
}

/// Something came in; from the interrupt.
pub fn arrived() {
    crate::clock::wake();
    let index = WAITING.swap(0, Ordering::Relaxed);
    if let Some(bell) = bell().filter(|_| index != 0) {
        bell.signal(index);
    }
}

/// The service.
pub struct Console {
    /// Whether a person sits at the line.
    pub is_terminal: bool,
}

/// Ends the input (Ctrl-D).
pub const END: u8 = 4;

impl Console {
    fn read(&self, count: usize, semaphore: Option<u32>) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        while bytes.len() < count && !ENDED.load(Ordering::Relaxed) {
            match serial::take() {
                Some(END) => note_end(),
                Some(b'\r') if self.is_terminal => bytes.push(b'\n'),
                Some(byte) => bytes.push(byte),
                None => break,
            }
        }
        if bytes.is_empty() && count > 0 && !ENDED.load(Ordering::Relaxed) {
            WAITING.store(semaphore.unwrap_or(0), Ordering::Relaxed);
            if serial::waiting() > 0 {
                arrived();
            }
            return Err(Refusal::WouldBlock);
        }
        Ok(bytes)
    }
}

/// The input has ended.
pub fn note_end() {
    ENDED.store(true, Ordering::Relaxed);
}

/// Whether the input has ended.
pub fn has_ended() -> bool {
    ENDED.load(Ordering::Relaxed)
}

impl Service for Console {
    fn name(&self) -> &'static str {
        "console"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = ConsoleOperation::from_code(request.operation);
        let operation = operation.ok_or(Refusal::UnknownOperation)?;
        if request.handle.is_some() {
            // There are no guests here.
            return Err(Refusal::Stale);
        }
        let mut fields = Fields::new(request.bytes);
        let bytes = match operation {
            ConsoleOperation::End => return Err(Refusal::Malformed("no handle".into())),
            // The interrupt key of the serial line is the only one.
            ConsoleOperation::Notices => vec![0],
            ConsoleOperation::Read => self.read(fields.u32()? as usize, request.semaphore)?,
            ConsoleOperation::WriteOut | ConsoleOperation::WriteError => {
                serial::write(fields.bytes());
                Vec::new()
            }
            ConsoleOperation::IsTerminal => {
                fields.u8()?;
                vec![u8::from(self.is_terminal)]
            }
            ConsoleOperation::Extent => Packed::default().u32(80).u32(24).finish(),
        };
        Ok(Reply { handle: None, bytes })
    }
}
