//! Serving guests: each gets a session in the world, beside the owner's.
//!
//! Invariants
//! - G1 A guest's session runs in processes of the world; nothing here waits for one.
//! - G2 "Ended well" is said after a save that began when the session had ended (A5); the world runs
//!   on meanwhile, and guests that end together share one.
//! - G3 A command of the store happens between two steps of the writer, on what was saved first.
//!
//! Must not know: sockets, frames.

use super::chronicle::{self, Done};
use super::living::{Ending, Living};
use crate::attach::{Answer, Event, Hello, Question, ToGuest};
use crate::cli::{Exit, Failure};
use ::keeper::Ticket;
use platform::{Clock, Handle as GuestHandle};
use std::sync::atomic::Ordering;
use vm::interpret::{Ended, Handle, HostValue};
use vm::layout::KnownObject;

/// How long whoever comes when the owner's session is over waits for the file; less than a command has
/// patience for.
const PATIENCE_NS: u64 = 700_000_000;

/// A guest whose session is under way.
pub(super) struct Visit {
    guest: GuestHandle,
    /// The process whose end is looked for.
    serial: i64,
    stage: Stage,
    /// Whom the guest talks to, once its session said so.
    conversation: Option<Handle>,
    /// For which session the conversation's processes work, from their first instruction.
    session: Option<Handle>,
}

/// A guest whose session ended, and who is told so once what it did is durable.
pub(super) struct Leaving {
    guest: GuestHandle,
    status: u8,
    ticket: Ticket,
    /// How often it was asked for.
    tries: u32,
}

/// How often what a guest did is tried to be saved before it is told that it is not.
const TRIES: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The session's main process runs.
    Started,
    /// The conversation was asked for its session.
    Greeted,
    /// The conversation thinks.
    Asked(Question),
    /// Nothing is asked.
    Quiet,
}

/// {what it is about. arguments. working folder. nil. the guest's console}, as `Session class >>
/// start:with:` takes it.
fn orders(hello: &Hello, guest: GuestHandle) -> Vec<HostValue> {
    let text = |text: &Option<String>| text.clone().map_or(HostValue::Nil, HostValue::Text);
    let words = hello.words.iter().cloned().map(HostValue::Text).collect();
    let console = [&guest.session.to_le_bytes()[..], &guest.slot.to_le_bytes(), &guest.generation.to_le_bytes()];
    let console = HostValue::Bytes(console.concat());
    vec![text(&hello.subject), HostValue::List(words), text(&hello.folder), HostValue::Nil, console]
}

fn refused(failure: Failure) -> ToGuest {
    ToGuest::Refused(failure.exit.number(), failure.message)
}

impl Living {
    /// Lets guests in from now on. A world without a door is not worse for it: others are told of the
    /// lock. So is a world of before that knows nothing of guests: it would take them for its user.
    pub(super) fn open_door(&mut self) {
        let Some(main) = self.vm.known_handle(KnownObject::MainProcessStart) else { return };
        let knows_guests = self.vm.understands(main, "hangUpAt:");
        self.vm.release(main);
        if !knows_guests {
            return;
        }
        let Some(identity) = self.store.as_ref().and_then(|store| store.identity().ok()) else { return };
        if let Err(error) = self.guests.open_door(identity)
            && std::env::var_os("WARM_LOG").is_some()
        {
            eprintln!("warm: no socket for guests: {error}");
        }
    }

    /// Sees to what guests want, and to their processes that ended.
    pub(super) fn serve(&mut self) {
        while let Some(event) = self.guests.next_event() {
            match event {
                Event::Arrived(guest, hello) => {
                    if let Err(failure) = self.receive(guest, hello) {
                        self.guests.dismiss(guest, &refused(failure));
                    }
                }
                Event::Asked(guest, question, text) => self.pass_on(guest, question, &text),
                Event::Ended(guest, status) => self.see_off(guest, status.clamp(0, 255) as u8),
                Event::Left(guest) => self.forget(guest),
            }
        }
        let ended: Vec<(GuestHandle, Ended)> = self
            .visits
            .iter()
            .filter_map(|visit| self.vm.take_ended(visit.serial).map(|ended| (visit.guest, ended)))
            .collect();
        for (guest, ended) in ended {
            self.note_end(guest, ended);
        }
    }

    fn receive(&mut self, guest: GuestHandle, mut hello: Hello) -> Result<(), Failure> {
        match hello.kind.as_str() {
            "name" | "branch" | "delete" => {
                let done = self.chronicle(&hello)?;
                self.guests.tell(guest, &ToGuest::Answer(Answer::Text(done.to_string())));
                self.guests.dismiss(guest, &ToGuest::Exit(0));
                return Ok(());
            }
            "open" | "show" if self.port.raise() => {
                self.guests.dismiss(guest, &ToGuest::Exit(0));
                return Ok(());
            }
            "open" => hello.kind = "repl".to_owned(),
            // From somebody who can see a window but not converse.
            "show" => return Err(Failure::new(Exit::Locked, format!("{} is open without a window", self.path().display()))),
            "load" => self.name_moment("before load")?,
            "eval" | "run" | "repl" | "record" => {}
            other => return Err(Failure::new(Exit::Usage, format!("a guest cannot do {other}"))),
        }
        let serial = self.start(&hello.kind, orders(&hello, guest))?;
        self.vm.attend(serial);
        self.visits.push(Visit { guest, serial, stage: Stage::Started, conversation: None, session: None });
        Ok(())
    }

    /// A command of the store (G3).
    fn chronicle(&mut self, hello: &Hello) -> Result<Done, Failure> {
        self.save()?;
        let path = self.path();
        let closed = || Failure::new(Exit::Locked, format!("{} is not saved here", path.display()));
        let desk = self.desk.as_ref().ok_or_else(closed)?;
        let wall_ns = self.clock.wall_ns();
        let (_flushes, mut world) = desk.still();
        chronicle::carry_out(&mut world, &path, &hello.kind, &hello.words, wall_ns)
    }

    fn visit(&mut self, guest: GuestHandle) -> Option<&mut Visit> {
        self.visits.iter_mut().find(|visit| visit.guest == guest)
    }

    fn pass_on(&mut self, guest: GuestHandle, question: Question, text: &str) {
        let Some(visit) = self.visit(guest) else { return };
        let (Some(conversation), Stage::Quiet) = (visit.conversation, visit.stage) else {
            let why = "a guest asks one thing at a time, of a conversation".to_owned();
            self.guests.dismiss(guest, &ToGuest::Refused(Exit::Usage.number(), why));
            return self.abandon(guest);
        };
        let session = visit.session;
        let (selector, takes_text) = question.selector();
        let mut arguments = Vec::new();
        if takes_text {
            arguments.extend(self.vm.make(&HostValue::Text(text.to_owned())));
        }
        let spawned = if arguments.len() == usize::from(takes_text) {
            self.vm.spawn(conversation, selector, &arguments, session)
        } else {
            Err("memory is full".to_owned())
        };
        arguments.into_iter().for_each(|handle| self.vm.release(handle));
        match spawned {
            Ok(serial) => {
                self.vm.attend(serial);
                if let Some(visit) = self.visit(guest) {
                    (visit.serial, visit.stage) = (serial, Stage::Asked(question));
                }
            }
            Err(why) => self.guests.tell(guest, &ToGuest::Answer(Answer::Text(why))),
        }
    }

    /// Asks a conversation for which session it is led.
    fn greet(&mut self, guest: GuestHandle, conversation: Handle) {
        match self.vm.spawn(conversation, "session", &[], None) {
            Ok(serial) => {
                self.vm.attend(serial);
                if let Some(visit) = self.visit(guest) {
                    (visit.serial, visit.stage) = (serial, Stage::Greeted);
                }
            }
            Err(why) => {
                self.guests.dismiss(guest, &refused(Failure::new(Exit::Io, why)));
                self.abandon(guest);
            }
        }
    }

    /// A guest's process ended without its session having done so.
    fn note_end(&mut self, guest: GuestHandle, ended: Ended) {
        let Some(visit) = self.visit(guest) else { return };
        let stage = std::mem::replace(&mut visit.stage, Stage::Quiet);
        match (stage, ended) {
            (Stage::Started, Ended::Value(conversation)) => {
                visit.conversation = Some(conversation);
                self.greet(guest, conversation);
            }
            (Stage::Greeted, Ended::Value(session)) => {
                visit.session = Some(session);
                self.guests.tell(guest, &ToGuest::Talk);
            }
            // The world ends what else works for the session, if it does not already, and says so.
            (Stage::Started | Stage::Greeted | Stage::Asked(_), Ended::Terminated) => self.guests.note_left(guest),
            (Stage::Started | Stage::Greeted, Ended::Failed(trace)) => {
                let line = format!("warm: the machine gave a process up: {trace}\n");
                self.guests.tell(guest, &ToGuest::Err(line.into_bytes()));
                self.see_off(guest, Exit::Program.number());
                self.guests.note_left(guest);
            }
            (Stage::Asked(question), Ended::Value(value)) => {
                let answer = self.vm.value_of(value).map_or(Answer::Nothing, Answer::from);
                self.vm.release(value);
                self.answer(guest, question, answer);
            }
            (Stage::Asked(question), Ended::Failed(trace)) => {
                self.answer(guest, question, Answer::Text(format!("the machine gave it up: {trace}")));
            }
            (Stage::Quiet, Ended::Value(value)) => self.vm.release(value),
            (Stage::Quiet, _) => {}
        }
    }

    /// Tells what a conversation answered; what a line did is saved soon.
    fn answer(&mut self, guest: GuestHandle, question: Question, answer: Answer) {
        self.guests.tell(guest, &ToGuest::Answer(answer));
        if question == Question::Submit {
            self.saver.ask(&self.vm);
        }
    }

    /// A guest's session ended: it is told once what it did is durable (G2).
    fn see_off(&mut self, guest: GuestHandle, status: u8) {
        self.forget(guest);
        let ticket = self.saver.ask(&self.vm);
        self.leaving.push(Leaving { guest, status, ticket, tries: 1 });
        self.see_out();
    }

    /// Tells those who leave how their session ended, where it is known whether all was saved; answers
    /// whether anybody was told, or it is tried again.
    pub(super) fn see_out(&mut self) -> bool {
        let mut changed = false;
        for mut one in std::mem::take(&mut self.leaving) {
            match self.saver.kept(&self.vm, one.ticket) {
                None => {
                    self.leaving.push(one);
                    continue;
                }
                Some(Err(_)) if one.tries < TRIES => {
                    one.tries += 1;
                    one.ticket = self.saver.ask(&self.vm);
                    self.leaving.push(one);
                }
                Some(kept) => {
                    let kept = kept.map_err(|trouble| self.troubled(trouble));
                    self.dismiss(&one, kept);
                }
            }
            changed = true;
        }
        changed
    }

    /// As `see_out`, for all that are left: whether everything was saved is known.
    pub(super) fn see_all_out(&mut self, saved: &Result<(), Failure>) {
        for one in std::mem::take(&mut self.leaving) {
            self.dismiss(&one, saved.as_ref().map(|()| ()).map_err(|failure| Failure::new(failure.exit, &*failure.message)));
        }
    }

    fn dismiss(&self, one: &Leaving, kept: Result<(), Failure>) {
        let last = match (kept, one.status) {
            (Err(failure), 0) => refused(failure),
            (_, status) => ToGuest::Exit(status),
        };
        self.guests.dismiss(one.guest, &last);
    }

    fn forget(&mut self, guest: GuestHandle) {
        let Some(at) = self.visits.iter().position(|visit| visit.guest == guest) else { return };
        let visit = self.visits.swap_remove(at);
        self.vm.forsake(visit.serial);
        visit.conversation.into_iter().chain(visit.session).for_each(|handle| self.vm.release(handle));
    }

    /// The guest was shown out: its session ends as if it had left.
    fn abandon(&mut self, guest: GuestHandle) {
        self.guests.note_left(guest);
        self.forget(guest);
    }

    /// The owner's session is over: those of guests go on until they end or a signal comes. Who comes
    /// meanwhile waits at the door, for the file may be free in a moment; but not for long, and then is
    /// let in.
    pub fn outlast_guests(&mut self) -> Result<(), Failure> {
        self.guests.close_door();
        let is_alone = self.guests.is_empty();
        let asks = self.wish.compare_exchange(0, super::signals::ANY_KEY, Ordering::SeqCst, Ordering::SeqCst);
        if is_alone || asks.is_err() {
            return Ok(());
        }
        if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
            let (count, s) = match self.guests.count() {
                1 => ("another session is".to_owned(), "it"),
                more => (format!("{more} other sessions are"), "them"),
            };
            eprintln!("warm: {count} at work in this world; Ctrl-C ends {s}");
        }
        let until = self.clock.monotonic_ns() + PATIENCE_NS;
        let (guests, clock) = (self.guests.clone(), self.clock.clone());
        let mut soon = || (guests.is_empty() || clock.monotonic_ns() > until).then_some(());
        self.outlast(&mut soon, Some(until))?;
        if !self.guests.is_empty() && self.wish.load(Ordering::SeqCst) <= 0 {
            self.open_door();
            let guests = self.guests.clone();
            self.outlast(&mut || guests.is_empty().then_some(()), None)?;
        }
        Ok(())
    }

    /// Lives until something is so. A signal ends the wait, and the guests with it; an exit was that of
    /// what the owner's session had left behind.
    fn outlast(&mut self, is_so: &mut dyn FnMut() -> Option<()>, until: Option<u64>) -> Result<(), Failure> {
        while let Err(Ending::Exit(_)) = self.live_until(is_so, until)? {}
        Ok(())
    }
}
