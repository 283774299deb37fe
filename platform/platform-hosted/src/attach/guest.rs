//! One guest: what it is to be told, what it sent, and who waits for either.
//!
//! Invariants
//! - G1 At most [`MOST_QUEUED`] bytes of output wait for a guest, but for the frame that crosses the
//!   bound: who writes more waits (A3).
//! - G2 Input is asked for one piece at a time: what nobody wants stays with the guest.
//! - G3 Whoever waits is rung when it may go on, also when the guest is gone.
//!
//! Must not know: sessions, the machine.

use super::frame::ToGuest;
use crate::services::{Bell, Input};
use parking_lot::{Condvar, Mutex};
use platform::Refusal;
use std::collections::VecDeque;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// The bytes that wait for a guest before whoever writes has to.
const MOST_QUEUED: usize = 256 << 10;
/// The bytes of output in one frame.
const PIECE: usize = 64 << 10;

#[derive(Default)]
struct Output {
    frames: VecDeque<Vec<u8>>,
    queued: usize,
    closing: bool,
    waiting: Vec<u32>,
}

/// A guest's streams.
pub struct Guest {
    /// Whether standard input, output and error are terminals.
    pub terminals: [bool; 3],
    /// Columns and rows.
    pub extent: (u32, u32),
    input: Mutex<Input>,
    output: Mutex<Output>,
    more: Condvar,
}

impl Guest {
    /// A guest that said nothing yet and was told nothing.
    pub fn new(terminals: [bool; 3], extent: (u32, u32)) -> Guest {
        Guest { terminals, extent, input: Mutex::default(), output: Mutex::default(), more: Condvar::new() }
    }

    /// Something for the guest, whatever waits already.
    pub fn tell(&self, told: &ToGuest) {
        let mut output = self.output.lock();
        self.queue(&mut output, told.encoded());
    }

    fn queue(&self, output: &mut Output, frame: Vec<u8>) {
        if !output.closing {
            output.queued += frame.len();
            output.frames.push_back(frame);
            self.more.notify_one();
        }
    }

    /// Bytes for one of its streams; would block while too much waits.
    pub fn write(&self, bytes: &[u8], frame: fn(Vec<u8>) -> ToGuest, semaphore: Option<u32>) -> Result<(), Refusal> {
        let mut output = self.output.lock();
        if output.closing {
            return Err(Refusal::Failed { code: "closed", message: "nobody reads any longer".to_owned() });
        }
        if output.queued >= MOST_QUEUED {
            output.waiting.extend(semaphore);
            return Err(Refusal::WouldBlock);
        }
        for piece in bytes.chunks(PIECE) {
            self.queue(&mut output, frame(piece.to_vec()).encoded());
        }
        Ok(())
    }

    /// Some bytes of its standard input, none at the end; would block while there are none.
    pub fn read(&self, count: usize, semaphore: Option<u32>) -> Result<Vec<u8>, Refusal> {
        self.input.lock().take(count, semaphore, || self.tell(&ToGuest::Wanted))
    }

    /// What the guest sent because it was wanted; an error if it was not.
    pub fn take_input(&self, bytes: Vec<u8>, bell: &Bell) -> Result<(), String> {
        let mut input = self.input.lock();
        if !input.is_wanted() {
            return Err("input that nobody wanted".to_owned());
        }
        let waiting = input.put(bytes);
        drop(input);
        waiting.into_iter().for_each(|index| bell(index));
        Ok(())
    }

    /// No more is said to it; what waits is still sent, unless it went away.
    pub fn close(&self, is_gone: bool, bell: &Bell) {
        let mut output = self.output.lock();
        output.closing = true;
        if is_gone {
            output.frames.clear();
            output.queued = 0;
        }
        let mut waiting = std::mem::take(&mut output.waiting);
        self.more.notify_all();
        drop(output);
        waiting.append(&mut self.input.lock().end());
        waiting.into_iter().for_each(|index| bell(index));
    }

    /// The body of the thread that sends: until the guest is closed and all was sent, or it went away.
    pub fn send_all(&self, mut to: UnixStream, bell: &Bell) {
        loop {
            let mut output = self.output.lock();
            let frame = loop {
                if let Some(frame) = output.frames.pop_front() {
                    break frame;
                }
                if output.closing {
                    drop(output);
                    // Both ways: the thread that reads ends too.
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
                self.more.wait(&mut output);
            };
            drop(output);
            let sent = to.write_all(&frame);
            let mut output = self.output.lock();
            output.queued = output.queued.saturating_sub(frame.len());
            let may_go_on = output.queued < MOST_QUEUED || sent.is_err();
            let waiting = if may_go_on { std::mem::take(&mut output.waiting) } else { Vec::new() };
            drop(output);
            waiting.into_iter().for_each(|index| bell(index));
            if sent.is_err() {
                // The thread that reads sees it and says that the guest is gone.
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    fn bell() -> (Bell, std::sync::mpsc::Receiver<u32>) {
        let (ring, rung) = channel();
        (Arc::new(move |index| ring.send(index).unwrap_or(())), rung)
    }

    #[test]
    fn who_writes_to_a_guest_that_does_not_read_waits_and_is_rung_when_it_goes_on() {
        let (bell, rung) = bell();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let guest = Arc::new(Guest::new([false; 3], (80, 24)));
        let (sender, ring) = (guest.clone(), bell.clone());
        let thread = std::thread::spawn(move || sender.send_all(ours, &ring));
        let piece = vec![7; 100_000];
        let mut written = 0;
        while guest.write(&piece, ToGuest::Out, Some(5)).is_ok() {
            written += piece.len();
            assert!(written < 64 << 20, "nothing bounds it");
        }
        assert!(rung.try_recv().is_err());
        let reader = std::thread::spawn(move || {
            let mut got = 0;
            while let Ok(Some(frame)) = super::super::frame::read(&mut theirs) {
                let Ok(ToGuest::Out(bytes)) = frame.to_guest() else { panic!("not output") };
                got += bytes.len();
            }
            got
        });
        assert_eq!(rung.recv(), Ok(5));
        guest.close(false, &bell);
        thread.join().unwrap();
        assert_eq!(reader.join().unwrap(), written);
        assert!(matches!(guest.write(&piece, ToGuest::Out, None), Err(Refusal::Failed { code: "closed", .. })));
    }

    #[test]
    fn input_is_wanted_once_and_nobody_waits_for_one_who_left() {
        let (bell, rung) = bell();
        let guest = Guest::new([false; 3], (80, 24));
        assert!(guest.take_input(vec![1], &bell).is_err());
        assert_eq!(guest.read(9, Some(3)), Err(Refusal::WouldBlock));
        assert_eq!(guest.read(9, Some(4)), Err(Refusal::WouldBlock));
        assert_eq!(guest.output.lock().frames.len(), 1);
        guest.take_input(b"abc".to_vec(), &bell).unwrap();
        assert_eq!((rung.recv(), rung.recv()), (Ok(3), Ok(4)));
        assert_eq!(guest.read(2, None).unwrap(), b"ab");
        assert_eq!(guest.read(2, None).unwrap(), b"c");
        assert_eq!(guest.read(2, Some(6)), Err(Refusal::WouldBlock));
        guest.close(true, &bell);
        assert_eq!(rung.recv(), Ok(6));
        assert_eq!(guest.read(2, None).unwrap(), b"");
    }
}
