//! Standard input as a world reads it: one piece at hand, and who waits for the next.
//!
//! Invariants
//! - I1 A piece is asked for only when somebody wants it and the last one was taken.
//! - I2 Whoever waits is named to whoever brings the piece, once.
//!
//! Must not know: where the pieces come from.

use platform::Refusal;

/// What was read and not taken, and who waits for more.
#[derive(Default)]
pub struct Input {
    bytes: Vec<u8>,
    taken: usize,
    ended: bool,
    wanted: bool,
    waiting: Vec<u32>,
}

impl Input {
    /// At most so many bytes, none at the end; would block while there are none, unless none are asked for.
    /// Then the next piece is wanted, and `ask` is called if it was not yet.
    pub fn take(&mut self, count: usize, semaphore: Option<u32>, ask: impl FnOnce()) -> Result<Vec<u8>, Refusal> {
        if self.taken == self.bytes.len() && !self.ended && count > 0 {
            self.waiting.extend(semaphore);
            if !std::mem::replace(&mut self.wanted, true) {
                ask();
            }
            return Err(Refusal::WouldBlock);
        }
        let end = self.bytes.len().min(self.taken.saturating_add(count));
        let bytes = self.bytes[self.taken..end].to_vec();
        self.taken = end;
        Ok(bytes)
    }

    /// Whether a piece is wanted.
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// The next piece, empty at the end; answers the semaphores of those who wait.
    pub fn put(&mut self, bytes: Vec<u8>) -> Vec<u32> {
        self.wanted = false;
        self.ended = bytes.is_empty();
        (self.bytes, self.taken) = (bytes, 0);
        std::mem::take(&mut self.waiting)
    }

    /// Nothing more comes; answers the semaphores of those who wait.
    pub fn end(&mut self) -> Vec<u32> {
        self.ended = true;
        std::mem::take(&mut self.waiting)
    }
}
