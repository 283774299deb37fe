//! The owner's side: a door where guests come in, and what they are to the machine and its console.
//!
//! Invariants
//! - O1 A guest has a handle (DESIGN: session, slot, generation); one that left has none, and its handle
//!   is stale for ever.
//! - O2 What a guest says reaches the machine as an [`Event`], in order; the machine is woken for it.
//! - O3 A guest that leaves before it was dismissed is told to the world (a notice), once.
//!
//! Must not know: what a session is.

use super::frame::{self, Hello, Question, ToGuest, ToOwner};
use super::guest::Guest;
use super::place::{self, Identity};
use crate::cli::Exit;
use crate::clock::HostedClock;
use crate::services::Bell;
use crate::sys;
use parking_lot::Mutex;
use platform::operations::Packed;
use platform::{Clock, Handle, Refusal, Slots};
use std::collections::VecDeque;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vm::interpret::Doorbell;

/// The most guests at once.
const MOST_GUESTS: usize = 128;
/// How long a guest may take to say who it is.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// What happened at the door, for the machine.
#[derive(Debug)]
pub enum Event {
    /// A guest came.
    Arrived(Handle, Hello),
    /// It asks its conversation something.
    Asked(Handle, Question, String),
    /// Its session ended, says the world.
    Ended(Handle, i64),
    /// It went away.
    Left(Handle),
}

/// What the world's watcher is told.
#[derive(Clone, Copy)]
enum Notice {
    /// The interrupt key of this process's own terminal.
    OwnKey,
    /// That of a guest.
    Key(Handle),
    /// A guest went away.
    Left(Handle),
}

/// What somebody meets at the door.
enum Entry {
    /// A place.
    Free(Handle),
    /// None is left.
    Full,
    /// The door is closed behind them.
    Closed,
}

struct State {
    guests: Slots<Arc<Guest>>,
    events: VecDeque<Event>,
    notices: Vec<Notice>,
    doorbell: Option<Arc<Doorbell>>,
    bell: Option<Bell>,
    door: Option<PathBuf>,
}

/// The guests of a world.
pub struct Guests {
    clock: Arc<HostedClock>,
    state: Mutex<State>,
    closed: AtomicBool,
}

impl Guests {
    /// Nobody, and no door yet.
    pub fn new(session: u64, clock: Arc<HostedClock>) -> Arc<Guests> {
        let state = State {
            guests: Slots::new(session),
            events: VecDeque::new(),
            notices: Vec::new(),
            doorbell: None,
            bell: None,
            door: None,
        };
        Arc::new(Guests { clock, state: Mutex::new(state), closed: AtomicBool::new(true) })
    }

    /// Knows the machine from now on: its bell for semaphores, its doorbell.
    pub fn know(&self, bell: Bell, doorbell: Arc<Doorbell>) {
        let mut state = self.state.lock();
        (state.bell, state.doorbell) = (Some(bell), Some(doorbell));
    }

    /// Opens the door for guests of the file, for the first time or again.
    pub fn open_door(self: &Arc<Guests>, identity: Identity) -> std::io::Result<()> {
        let (listener, path) = place::listen(identity)?;
        self.state.lock().door = Some(path);
        self.closed.store(false, Ordering::SeqCst);
        let guests = self.clone();
        std::thread::Builder::new().name("warm-door".to_owned()).spawn(move || guests.receive(&listener))?;
        Ok(())
    }

    /// Nobody comes in any more; who is here stays.
    pub fn close_door(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(path) = self.state.lock().door.take() {
            // The thread at the door wakes and sees that it is closed.
            let _ = UnixStream::connect(&path);
            // P3: it is ours as long as the file is locked.
            let _ = std::fs::remove_file(&path);
        }
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many are here.
    pub fn count(&self) -> usize {
        self.state.lock().guests.len()
    }

    fn receive(self: Arc<Guests>, listener: &UnixListener) {
        for stream in listener.incoming() {
            if self.closed.load(Ordering::SeqCst) {
                return;
            }
            let Ok(stream) = stream else {
                // Out of descriptors: not to spin until there are some.
                std::thread::sleep(Duration::from_millis(50));
                continue;
            };
            let guests = self.clone();
            // A guest for whom there is no thread sees the line closed, and opens or is told of the lock.
            let _ = std::thread::Builder::new().name("warm-guest".to_owned()).spawn(move || guests.attend(stream));
        }
    }

    /// The body of a guest's thread.
    fn attend(&self, mut stream: UnixStream) {
        let refuse = |why: String| {
            let frame = ToGuest::Refused(Exit::Locked.number(), why).encoded();
            let _ = std::io::Write::write_all(&mut &stream, &frame);
        };
        if sys::peer(&stream).ok().map(|(user, _)| user) != Some(sys::user()) {
            return;
        }
        let _ = stream.set_read_timeout(Some(INTRODUCTION));
        let hello = match frame::read(&mut &stream).map(|frame| frame.map(|frame| frame.to_owner())) {
            Ok(Some(Ok(ToOwner::Hello(hello)))) => hello,
            Ok(Some(Err(why))) => return refuse(why),
            Ok(Some(Ok(_))) => return refuse("a guest introduces itself first".to_owned()),
            Ok(None) | Err(_) => return,
        };
        let _ = stream.set_read_timeout(None);
        let (Ok(sending), Some(bell)) = (stream.try_clone(), self.state.lock().bell.clone()) else { return };
        let guest = Arc::new(Guest::new(hello.terminals, hello.extent));
        let handle = match self.enter(guest.clone()) {
            Entry::Free(handle) => handle,
            Entry::Full => return refuse(format!("{MOST_GUESTS} sessions are at work in this world already")),
            // It sees the line closed, and asks again.
            Entry::Closed => return,
        };
        guest.tell(&ToGuest::Welcome);
        let (sender, ring) = (guest.clone(), bell.clone());
        let sends = std::thread::Builder::new().name("warm-guest-out".to_owned());
        if sends.spawn(move || sender.send_all(sending, &ring)).is_err() {
            return self.leave(handle);
        }
        self.announce(Event::Arrived(handle, hello));
        while let Ok(Some(frame)) = frame::read(&mut stream) {
            let understood = match frame.to_owner() {
                Ok(ToOwner::Input(bytes)) => guest.take_input(bytes, &bell),
                Ok(ToOwner::Interrupt) => {
                    self.notice(Notice::Key(handle));
                    Ok(())
                }
                Ok(ToOwner::Ask(question, text)) => {
                    self.announce(Event::Asked(handle, question, text));
                    Ok(())
                }
                Ok(ToOwner::Hello(_)) => Err("a guest introduces itself once".to_owned()),
                Err(why) => Err(why),
            };
            if understood.is_err() {
                break;
            }
        }
        self.leave(handle);
    }

    fn enter(&self, guest: Arc<Guest>) -> Entry {
        let mut state = self.state.lock();
        if self.closed.load(Ordering::SeqCst) {
            return Entry::Closed;
        }
        if state.guests.len() >= MOST_GUESTS {
            return Entry::Full;
        }
        Entry::Free(state.guests.insert(guest))
    }

    fn remove(&self, handle: Handle) -> Option<Arc<Guest>> {
        self.state.lock().guests.remove(handle)
    }

    /// The guest went away (O3).
    fn leave(&self, handle: Handle) {
        let Some(guest) = self.remove(handle) else { return };
        if let Some(bell) = self.bell() {
            guest.close(true, &bell);
        }
        self.announce(Event::Left(handle));
        self.notice(Notice::Left(handle));
    }

    /// The guest is told the last thing, and has no handle any more.
    pub fn dismiss(&self, handle: Handle, last: &ToGuest) {
        if let (Some(guest), Some(bell)) = (self.remove(handle), self.bell()) {
            guest.tell(last);
            guest.close(false, &bell);
        }
    }

    /// Everybody is dismissed with the same word.
    pub fn dismiss_all(&self, last: &ToGuest) {
        let handles: Vec<Handle> = self.state.lock().guests.iter().map(|(handle, _)| handle).collect();
        handles.into_iter().for_each(|handle| self.dismiss(handle, last));
    }

    /// Tells a guest something; one that left hears nothing.
    pub fn tell(&self, handle: Handle, told: &ToGuest) {
        if let Ok(guest) = self.guest(handle) {
            guest.tell(told);
        }
    }

    fn bell(&self) -> Option<Bell> {
        self.state.lock().bell.clone()
    }

    fn announce(&self, event: Event) {
        let mut state = self.state.lock();
        state.events.push_back(event);
        if let Some(doorbell) = &state.doorbell {
            doorbell.stop();
        }
        drop(state);
        self.clock.wake();
    }

    fn notice(&self, notice: Notice) {
        let mut state = self.state.lock();
        state.notices.push(notice);
        if let Some(doorbell) = &state.doorbell {
            doorbell.interrupt();
        }
        drop(state);
        self.clock.wake();
    }

    /// The world is told that a guest left: it was shown out, or nothing is left to end its session.
    pub fn note_left(&self, handle: Handle) {
        self.notice(Notice::Left(handle));
    }

    /// The interrupt key of this process's own terminal was pressed.
    pub fn press_own_key(&self) {
        self.notice(Notice::OwnKey);
    }

    /// The next thing that happened.
    pub fn next_event(&self) -> Option<Event> {
        self.state.lock().events.pop_front()
    }

    fn guest(&self, handle: Handle) -> Result<Arc<Guest>, Refusal> {
        self.state.lock().guests.get(handle).cloned().ok_or(Refusal::Stale)
    }

    /// Standard input of a guest.
    pub fn read(&self, handle: Handle, count: usize, semaphore: Option<u32>) -> Result<Vec<u8>, Refusal> {
        self.guest(handle)?.read(count, semaphore)
    }

    /// Standard output of a guest, or standard error.
    pub fn write(&self, handle: Handle, is_error: bool, bytes: &[u8], semaphore: Option<u32>) -> Result<(), Refusal> {
        let frame = if is_error { ToGuest::Err } else { ToGuest::Out };
        self.guest(handle)?.write(bytes, frame, semaphore)
    }

    /// Whether a person sits at its input (0), output (1), errors (2).
    pub fn is_terminal(&self, handle: Handle, stream: usize) -> Result<bool, Refusal> {
        let unknown = || Refusal::Malformed(format!("stream {stream} is not 0 to 2"));
        self.guest(handle)?.terminals.get(stream).copied().ok_or_else(unknown)
    }

    /// Columns and rows of its terminal.
    pub fn extent(&self, handle: Handle) -> Result<(u32, u32), Refusal> {
        self.guest(handle).map(|guest| guest.extent)
    }

    /// The world says that a guest's session ended.
    pub fn end(&self, handle: Handle, status: i64) -> Result<(), Refusal> {
        self.guest(handle)?;
        self.announce(Event::Ended(handle, status));
        Ok(())
    }

    /// What the world's watcher is to know, once: `u8` kind (0 own key, 1 a guest's key, 2 a guest left)
    /// and, for a guest's, its handle.
    pub fn take_notices(&self) -> Vec<u8> {
        let notices = std::mem::take(&mut self.state.lock().notices);
        let put = |packed: Packed, kind: u8, handle: Handle| {
            packed.u8(kind).u64(handle.session).u32(handle.slot).u32(handle.generation)
        };
        let packed = notices.into_iter().fold(Packed::default(), |packed, notice| match notice {
            Notice::OwnKey => packed.u8(0),
            Notice::Key(handle) => put(packed, 1, handle),
            Notice::Left(handle) => put(packed, 2, handle),
        });
        packed.finish()
    }
}
