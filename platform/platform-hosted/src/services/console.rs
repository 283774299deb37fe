//! Standard input, output and error, for a world.
//!
//! Invariants
//! - O1 A read never blocks the machine: a thread reads ahead; a request without bytes at hand is
//!   told `WouldBlock`, and the bell rings when it may go on.
//! - O3 A request with a handle is about a guest's console (`attach`), and touches nothing of ours.
//! - O2 The thread reads only after the first request, and one piece at a time, so what nobody asked
//!   for stays with the terminal.

use super::input::Input;
use super::refusal;
use crate::attach::Guests;
use parking_lot::{Condvar, Mutex};
use platform::operations::{ConsoleOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request, Service};
use std::io::{IsTerminal, Read, Write};
use std::sync::Arc;

/// Called with a semaphore's index when an operation may go on.
pub type Bell = Arc<dyn Fn(u32) + Send + Sync>;

#[derive(Default)]
struct Shared {
    input: Mutex<Input>,
    asked: Condvar,
}

/// The service `console`.
pub struct ConsoleService {
    shared: Arc<Shared>,
    bell: Bell,
    reading: bool,
    guests: Option<Arc<Guests>>,
}

impl ConsoleService {
    /// The service; `bell` is called from the reading thread.
    pub fn new(bell: Bell, guests: Option<Arc<Guests>>) -> ConsoleService {
        ConsoleService { shared: Arc::default(), bell, reading: false, guests }
    }

    fn read(&mut self, count: usize, semaphore: Option<u32>) -> Result<Vec<u8>, Refusal> {
        if !self.reading {
            self.reading = true;
            let (shared, bell) = (self.shared.clone(), self.bell.clone());
            let thread = std::thread::Builder::new().name("warm-input".to_owned());
            let started = thread.spawn(move || read_ahead(&shared, &bell, std::io::stdin()));
            started.map_err(|error| refusal("standard input", &error))?;
        }
        self.shared.input.lock().take(count, semaphore, || {
            self.shared.asked.notify_one();
        })
    }
}

/// The reading thread's body.
fn read_ahead(shared: &Shared, bell: &Bell, mut from: impl Read) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        {
            let mut input = shared.input.lock();
            while !input.is_wanted() {
                shared.asked.wait(&mut input);
            }
        }
        let read = loop {
            match from.read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                // A terminal that went away has ended; the world sees the end.
                other => break other.unwrap_or(0),
            }
        };
        let waiting = shared.input.lock().put(piece[..read].to_vec());
        waiting.into_iter().for_each(|index| bell(index));
        if read == 0 {
            return;
        }
    }
}

fn extent() -> (u32, u32) {
    crate::sys::terminal_extent().unwrap_or((80, 24))
}

impl Service for ConsoleService {
    fn name(&self) -> &'static str {
        "console"
    }

    fn may_ring(&self) -> bool {
        self.guests.as_ref().is_some_and(|guests| !guests.is_empty())
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = ConsoleOperation::from_code(request.operation);
        let operation = operation.ok_or(Refusal::UnknownOperation)?;
        let mut fields = Fields::new(request.bytes);
        if let Some(handle) = request.handle {
            let guests = self.guests.as_ref().ok_or(Refusal::Stale)?;
            let bytes = for_guest(guests, handle, operation, &mut fields, request.semaphore)?;
            return Ok(Reply { handle: None, bytes });
        }
        let bytes = match operation {
            ConsoleOperation::End => return Err(Refusal::Malformed("no handle".to_owned())),
            ConsoleOperation::Notices => self.guests.as_ref().map_or_else(|| vec![0], |guests| guests.take_notices()),
            ConsoleOperation::Read => self.read(fields.u32()? as usize, request.semaphore)?,
            ConsoleOperation::WriteOut => write(std::io::stdout(), fields.bytes())?,
            ConsoleOperation::WriteError => write(std::io::stderr(), fields.bytes())?,
            ConsoleOperation::IsTerminal => {
                let is = match fields.u8()? {
                    0 => std::io::stdin().is_terminal(),
                    1 => std::io::stdout().is_terminal(),
                    2 => std::io::stderr().is_terminal(),
                    other => return Err(Refusal::Malformed(format!("stream {other} is not 0 to 2"))),
                };
                vec![u8::from(is)]
            }
            ConsoleOperation::Extent => {
                let (columns, rows) = extent();
                Packed::default().u32(columns).u32(rows).finish()
            }
        };
        Ok(Reply { handle: None, bytes })
    }
}

/// The console of a guest (O3).
fn for_guest(
    guests: &Guests,
    handle: Handle,
    operation: ConsoleOperation,
    fields: &mut Fields<'_>,
    semaphore: Option<u32>,
) -> Result<Vec<u8>, Refusal> {
    match operation {
        ConsoleOperation::Read => guests.read(handle, fields.u32()? as usize, semaphore),
        ConsoleOperation::WriteOut => guests.write(handle, false, fields.bytes(), semaphore).map(|()| Vec::new()),
        ConsoleOperation::WriteError => guests.write(handle, true, fields.bytes(), semaphore).map(|()| Vec::new()),
        ConsoleOperation::IsTerminal => guests.is_terminal(handle, fields.u8()?.into()).map(|is| vec![is.into()]),
        ConsoleOperation::Extent => {
            let (columns, rows) = guests.extent(handle)?;
            Ok(Packed::default().u32(columns).u32(rows).finish())
        }
        ConsoleOperation::End => guests.end(handle, fields.u64()? as i64).map(|()| Vec::new()),
        ConsoleOperation::Notices => Err(Refusal::Malformed("notices are nobody's own".to_owned())),
    }
}

fn write(mut to: impl Write, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let told = |error| refusal("console", &error);
    to.write_all(bytes).map_err(told)?;
    to.flush().map_err(told)?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_read_would_block_and_rings_once_bytes_are_there() {
        let (ring, rung) = std::sync::mpsc::channel();
        let bell: Bell = Arc::new(move |index| ring.send(index).unwrap_or(()));
        let mut console = ConsoleService::new(bell.clone(), None);
        console.reading = true;
        assert_eq!(console.read(3, Some(9)), Err(Refusal::WouldBlock));
        let shared = console.shared.clone();
        let reader = std::thread::spawn(move || read_ahead(&shared, &bell, &b"hello"[..]));
        assert_eq!(rung.recv().unwrap(), 9);
        assert_eq!(console.read(3, None).unwrap(), b"hel");
        assert_eq!(console.read(3, None).unwrap(), b"lo");
        assert_eq!(console.read(3, Some(4)), Err(Refusal::WouldBlock));
        assert_eq!(rung.recv().unwrap(), 4);
        assert_eq!(console.read(3, None).unwrap(), b"");
        reader.join().unwrap();
    }
}
