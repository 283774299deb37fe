//! A console whose input is given at once and whose output is kept.
//!
//! Invariants
//! - I1 A read takes what is there; at its end it answers that the input has ended, and never blocks.
//! - I2 Standard output and standard error come out in the order in which they were written.
//!
//! Knows: `platform`. Must not know: what is said.

use platform::operations::{ConsoleOperation, Fields, Packed};
use platform::{Refusal, Reply, Request, Service};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
struct Line {
    input: VecDeque<u8>,
    output: Vec<u8>,
}

/// Both ends of a console; clones share them.
#[derive(Clone, Default)]
pub struct SimConsole(Arc<Mutex<Line>>);

impl SimConsole {
    /// One in which this was typed, and nothing more comes.
    pub fn with_input(input: &[u8]) -> SimConsole {
        let console = SimConsole::default();
        console.line(|line| line.input.extend(input));
        console
    }

    fn line<T>(&self, work: impl FnOnce(&mut Line) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next line with its end, or what is left; `None` when all was read.
    pub fn take_line(&self) -> Option<Vec<u8>> {
        self.line(|line| {
            let end = line.input.iter().position(|byte| *byte == b'\n').map_or(line.input.len(), |at| at + 1);
            Some(line.input.drain(..end).collect()).filter(|taken: &Vec<u8>| !taken.is_empty())
        })
    }

    /// Writes beside the world.
    pub fn write(&self, bytes: &[u8]) {
        self.line(|line| line.output.extend_from_slice(bytes));
    }

    /// What was written so far.
    pub fn output(&self) -> Vec<u8> {
        self.line(|line| line.output.clone())
    }
}

impl Service for SimConsole {
    fn name(&self) -> &'static str {
        "console"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = ConsoleOperation::from_code(request.operation).ok_or(Refusal::UnknownOperation)?;
        if request.handle.is_some() {
            return Err(Refusal::Stale);
        }
        let mut fields = Fields::new(request.bytes);
        let bytes = match operation {
            ConsoleOperation::End => return Err(Refusal::Malformed("no handle".to_owned())),
            ConsoleOperation::Notices => vec![0],
            ConsoleOperation::Read => {
                let count = fields.u32()? as usize;
                self.line(|line| {
                    let end = count.min(line.input.len());
                    line.input.drain(..end).collect()
                })
            }
            ConsoleOperation::WriteOut | ConsoleOperation::WriteError => {
                self.write(fields.bytes());
                Vec::new()
            }
            ConsoleOperation::IsTerminal => {
                fields.u8()?;
                vec![0]
            }
            ConsoleOperation::Extent => Packed::default().u32(80).u32(24).finish(),
        };
        Ok(Reply { handle: None, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::SimConsole;

    #[test]
    fn conforms() {
        let mut console = SimConsole::default();
        crate::conformance::console(&mut console, "a line\n").unwrap();
        assert_eq!(console.output(), b"a line\n");
    }

    #[test]
    fn lines_are_taken_in_turn() {
        let console = SimConsole::with_input(b"a\n\nb");
        let lines: Vec<_> = std::iter::from_fn(|| console.take_line()).collect();
        assert_eq!(lines, [&b"a\n"[..], b"\n", b"b"]);
    }
}
