//! The service `model`: a world's questions, each with threads of its own.
//!
//! One thread talks to the network; another listens to it and to the clock, so that a question can
//! be given up, or found silent, while the first still waits for a byte. The first then ends at its
//! own time limit, heard by nobody.
//!
//! Invariants
//! - Q1 After a question's end nothing more comes for it; its end is told once.
//! - Q2 A handle of an earlier session, or of a closed question, is `Stale`.

use crate::address::Address;
use crate::answer::Failure;
use crate::question::{Question, Turn};
use crate::settings::SettingsSource;
use crate::transport;
use parking_lot::Mutex;
use platform::operations::{Fields, ModelOperation, Packed};
use platform::{Handle, Refusal, Reply, Request, Service, Slots};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Called with a semaphore's index when an operation may go on.
pub type Bell = Arc<dyn Fn(u32) + Send + Sync>;

/// Questions that may be open at once.
const MOST_QUESTIONS: usize = 16;
/// Bytes of answer that one question may bring at most.
const MOST_BYTES: u32 = 16 << 20;
/// How often a listener looks whether its question was given up.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Clone, Debug)]
enum Event {
    Piece(String),
    Done(String),
    Failed(Failure),
}

impl Event {
    const fn is_end(&self) -> bool {
        !matches!(self, Event::Piece(_))
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    ended: bool,
    waiting: Vec<u32>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    given_up: AtomicBool,
}

impl Shared {
    /// Enters an event and rings (Q1).
    fn enter(&self, event: Event, bell: &Bell) {
        let waiting = {
            let mut queue = self.queue.lock();
            if queue.ended {
                return;
            }
            queue.ended = event.is_end();
            queue.events.push_back(event);
            std::mem::take(&mut queue.waiting)
        };
        waiting.into_iter().for_each(|index| bell(index));
    }
}

/// The service `model`.
pub struct ModelService {
    settings: SettingsSource,
    bell: Bell,
    questions: Slots<Arc<Shared>>,
}

impl ModelService {
    /// The service of one session; `bell` is called from the listening threads.
    pub fn new(session: u64, settings: SettingsSource, bell: Bell) -> ModelService {
        ModelService { settings, bell, questions: Slots::new(session) }
    }

    fn keep(&mut self, question: Arc<Shared>) -> Result<Handle, Refusal> {
        if self.questions.len() < MOST_QUESTIONS {
            return Ok(self.questions.insert(question));
        }
        Err(Refusal::Failed { code: "full", message: format!("{MOST_QUESTIONS} questions are open already") })
    }

    /// What is configured; never the key (N1).
    fn told_settings(&self) -> Vec<u8> {
        let (configured, address, model, problem) = match self.settings.read() {
            Ok(Some(settings)) => (1, settings.address.to_string(), settings.model, String::new()),
            Ok(None) => (0, String::new(), String::new(), String::new()),
            Err(problem) => (0, String::new(), String::new(), problem),
        };
        Packed::default().u8(configured).text(&address).text(&model).text(&problem).finish()
    }

    /// The question of a request (N2).
    fn question(&self, fields: &mut Fields<'_>) -> Result<Question, Refusal> {
        let failed = |code, message: String| Refusal::Failed { code, message };
        let asked = fields.text()?;
        let model = fields.text()?;
        let (idle, total) = (fields.u32()?, fields.u32()?);
        let (most_bytes, most_tokens) = (fields.u32()?, fields.u32()?);
        let mut turns = Vec::new();
        while !fields.is_at_end() {
            turns.push(Turn { role: fields.text()?.to_owned(), text: fields.text()?.to_owned() });
        }
        let (address, key, usual) = if asked.is_empty() {
            let settings = self.settings.read().map_err(|why| failed("settings", why))?;
            let none = || failed("notConfigured", "no model is configured".to_owned());
            let settings = settings.ok_or_else(none)?;
            (settings.address.clone(), settings.key().map(str::to_owned), settings.model)
        } else {
            let address = Address::parse(asked).map_err(|why| failed("denied", why))?;
            if !address.is_local() {
                let why = format!("{address} is neither configured nor on this machine");
                return Err(failed("denied", why));
            }
            (address, None, String::new())
        };
        Ok(Question {
            address,
            key,
            model: if model.is_empty() { usual } else { model.to_owned() },
            turns,
            idle: Duration::from_millis(idle.into()),
            total: Duration::from_millis(total.into()),
            most_bytes: most_bytes.min(MOST_BYTES) as usize,
            most_tokens,
        })
    }

    fn ask(&mut self, question: Question) -> Result<Handle, Refusal> {
        let shared = Arc::new(Shared::default());
        let handle = self.keep(shared.clone())?;
        let bell = self.bell.clone();
        let listener = std::thread::Builder::new().name("warm-model".to_owned());
        let started = listener.spawn(move || listen(question, &shared, &bell));
        if let Err(error) = started {
            self.close(handle);
            return Err(Refusal::Failed { code: "io", message: format!("no thread to ask with: {error}") });
        }
        Ok(handle)
    }

    fn close(&mut self, handle: Handle) {
        if let Some(question) = self.questions.remove(handle) {
            question.given_up.store(true, Ordering::Relaxed);
        }
    }
}

/// The listening thread's body.
fn listen(question: Question, shared: &Arc<Shared>, bell: &Bell) {
    let (tell, told) = mpsc::channel();
    let (idle, total) = (question.idle, question.total);
    let asking = shared.clone();
    let asker = std::thread::Builder::new().name("warm-model-network".to_owned());
    let started = asker.spawn(move || {
        let mut hear = |text| !asking.given_up.load(Ordering::Relaxed) && tell.send(Event::Piece(text)).is_ok();
        let end = match transport::ask(&question, &mut hear) {
            Ok(reason) => Event::Done(reason),
            Err(failure) => Event::Failed(failure),
        };
        // Nobody may be listening any more.
        let _ = tell.send(end);
    });
    if let Err(error) = started {
        return shared.enter(Event::Failed(Failure::new("io", format!("no thread to ask with: {error}"))), bell);
    }
    let began = Instant::now();
    let mut heard = began;
    loop {
        let event = match told.recv_timeout(LOOK) {
            Ok(event) => event,
            Err(RecvTimeoutError::Timeout) => match overdue(shared, began.elapsed() >= total, heard.elapsed() >= idle) {
                Some(failure) => Event::Failed(failure),
                None => continue,
            },
            Err(RecvTimeoutError::Disconnected) => Event::Failed(Failure::new("cut", "the answer broke off")),
        };
        heard = Instant::now();
        let is_end = event.is_end();
        shared.enter(event, bell);
        if is_end {
            // The asker stops at its next piece.
            shared.given_up.store(true, Ordering::Relaxed);
            return;
        }
    }
}

fn overdue(shared: &Shared, is_late: bool, is_silent: bool) -> Option<Failure> {
    if shared.given_up.load(Ordering::Relaxed) {
        Some(transport::cancelled())
    } else if is_late {
        Some(Failure::new("timeout", "the answer took too long"))
    } else if is_silent {
        Some(Failure::new("silent", "nothing came for too long"))
    } else {
        None
    }
}

fn packed(event: Event) -> Vec<u8> {
    let packed = Packed::default();
    match event {
        Event::Piece(text) => packed.u8(1).text(&text),
        Event::Done(reason) => packed.u8(2).text(&reason),
        Event::Failed(failure) => {
            packed.u8(3).text(failure.code).text(&failure.message).u32(failure.retry_after_ms)
        }
    }
    .finish()
}

impl Service for ModelService {
    fn name(&self) -> &'static str {
        "model"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = ModelOperation::from_code(request.operation).ok_or(Refusal::UnknownOperation)?;
        let mut fields = Fields::new(request.bytes);
        let bytes = match operation {
            ModelOperation::Settings => self.told_settings(),
            ModelOperation::Ask => {
                let question = self.question(&mut fields)?;
                let handle = self.ask(question)?;
                return Ok(Reply { handle: Some(handle), bytes: Vec::new() });
            }
            ModelOperation::Next => {
                let question = self.questions.asked(request.handle)?;
                let mut queue = question.queue.lock();
                match queue.events.pop_front() {
                    Some(event) => packed(event),
                    None if queue.ended => {
                        return Err(Refusal::Failed { code: "closed", message: "the answer has ended".to_owned() });
                    }
                    None => {
                        queue.waiting.extend(request.semaphore);
                        return Err(Refusal::WouldBlock);
                    }
                }
            }
            ModelOperation::GiveUp => {
                let question = self.questions.asked(request.handle)?.clone();
                question.given_up.store(true, Ordering::Relaxed);
                question.enter(Event::Failed(transport::cancelled()), &self.bell);
                Vec::new()
            }
            ModelOperation::Close => {
                self.questions.asked(request.handle)?;
                if let Some(handle) = request.handle {
                    self.close(handle);
                }
                Vec::new()
            }
        };
        Ok(Reply { handle: None, bytes })
    }
}

impl Drop for ModelService {
    fn drop(&mut self) {
        for (_, question) in self.questions.iter() {
            question.given_up.store(true, Ordering::Relaxed);
        }
    }
}
