//! What a running world asks of its store: snapshots, moments, the journal.
//!
//! Keeps K1 and K3.

use crate::calendar::date_text;
use crate::desk::{Desk, Outcome};
use crate::thinning::{Thinner, commits, made_room};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use image::space::Frozen;
use image::{
    Epoch, FrozenPages, HeapWords, ImageError, JournalRecord, Keep, Moment, MomentId, Policy, Snapshot, World,
};
use platform::Clock;
use vm::heap::{Heap, Roots};
use vm::interpret::{HostValue, JournalRefusal, StoreHost};
use vm::layout::{BLOCK_BYTES, PAGE_BYTES, root};

/// The store of a world that is kept, or of one that is not.
pub struct Host {
    desk: Option<Arc<dyn Desk>>,
    clock: Arc<dyn Clock>,
    log: Log,
    tell: Log,
    /// Edits that no snapshot covers, as opening found them: they belong to the world whether it is
    /// saved here or not.
    edits: Vec<JournalRecord>,
    /// For what a program's own snapshots leave.
    thinner: Option<Thinner>,
}

/// Where a line of the machine's own log goes.
pub type Log = Box<dyn FnMut(&str)>;

/// The words of a commit that say where the heap stands and how far it reaches.
pub fn heap_words(heap: &Heap) -> HeapWords {
    let end = heap.root_word(root::BLOCK_LIMIT) * (BLOCK_BYTES / PAGE_BYTES) as u64;
    HeapWords { base: heap.base() as u64, pages: end, ..HeapWords::default() }
}

/// The frozen epoch as a snapshot to be written and kept.
pub fn snapshot_of(heap: &Heap, frozen: Arc<Frozen>, clock: &dyn Clock, keep: Keep) -> Snapshot {
    Snapshot {
        epoch: Epoch(frozen.epoch().into()),
        frozen: frozen as Arc<dyn FrozenPages>,
        heap: heap_words(heap),
        wall_ns: clock.wall_ns(),
        keep,
    }
}

/// Thaws or abandons the heap's frozen epoch, as its outcome says (K3).
pub fn settle(heap: &mut Heap, outcome: Outcome) -> Outcome {
    match outcome {
        Ok(()) => heap.thaw(),
        Err(_) => heap.abandon(),
    }
    outcome
}

impl Host {
    /// A host with a desk, or without one: then nothing is saved. `tell` shows a line to the user.
    pub fn new(desk: Option<Arc<dyn Desk>>, clock: Arc<dyn Clock>, log: Log, tell: Log) -> Host {
        let thinner = desk.as_ref().map(|desk| Thinner::new(&*clock, commits(desk)));
        Host { desk, clock, log, tell, edits: Vec::new(), thinner }
    }

    /// With the edits that the world's drafts take when they are woken.
    pub fn with_edits(mut self, edits: Vec<JournalRecord>) -> Host {
        self.edits = edits;
        self
    }

    fn pending_edits(&self) -> HostValue {
        let rows = self.edits.iter().map(|record| {
            HostValue::List(vec![
                HostValue::Integer(record.serial as i64),
                HostValue::Integer(record.kind.into()),
                HostValue::Bytes(record.bytes.clone()),
            ])
        });
        HostValue::List(rows.collect())
    }

    fn desk(&self) -> Result<&Arc<dyn Desk>, String> {
        self.desk.as_ref().ok_or_else(|| "this world is not saved here".to_owned())
    }
}

/// A moment by its name or number.
pub fn find_moment(moments: &[Moment], text: &str) -> Option<MomentId> {
    let named = moments.iter().find(|moment| !text.is_empty() && moment.name == text);
    let numbered = || {
        let number = text.parse::<u64>().ok()?;
        moments.iter().find(|moment| moment.id.0 == number)
    };
    named.or_else(numbered).map(|moment| moment.id)
}

/// A row of the history: {number. parent. wall nanoseconds. name. kind}.
fn row(moment: &Moment) -> HostValue {
    let number = |n: u64| HostValue::Integer(n as i64);
    let name = if moment.name.is_empty() { HostValue::Nil } else { HostValue::Text(moment.name.clone()) };
    HostValue::List(vec![
        number(moment.id.0),
        number(moment.parent.0),
        HostValue::Integer(moment.wall_ns),
        name,
        HostValue::Text(kind(moment).to_owned()),
    ])
}

/// Why a moment is kept, in a word.
pub fn kind(moment: &Moment) -> &'static str {
    match moment.policy {
        Policy::Automatic => "automatic",
        Policy::Named => "named",
        Policy::Pinned => "pinned",
        Policy::Branch => "branch",
        Policy::Structural => "structural",
    }
}

fn text_of(arguments: &[HostValue], index: usize) -> Result<String, String> {
    match arguments.get(index) {
        Some(HostValue::Text(text)) => Ok(text.clone()),
        Some(HostValue::Integer(number)) => Ok(number.to_string()),
        _ => Err(format!("argument {} must be a text", index + 1)),
    }
}

/// Carries out an operation of the store; `wall` is the time, also as a text.
fn call(
    world: &mut World,
    operation: &str,
    arguments: &[HostValue],
    (wall_ns, local): (i64, &str),
) -> Result<HostValue, String> {
    let told = |error: ImageError| error.to_string();
    match operation {
        "history" => {
            let moments = world.moments().map_err(told)?;
            Ok(HostValue::List(moments.iter().map(row).collect()))
        }
        "name" => {
            let name = text_of(arguments, 0)?;
            let id = world.name(&name, wall_ns).map_err(told)?;
            Ok(HostValue::Integer(id.0 as i64))
        }
        "delete" => {
            let moments = world.moments().map_err(told)?;
            let text = text_of(arguments, 0)?;
            let id = find_moment(&moments, &text).ok_or_else(|| format!("no moment {text}"))?;
            world.delete(id, wall_ns).map_err(told)?;
            Ok(HostValue::Nil)
        }
        "branch" => {
            let id = world.branch(MomentId::NONE, &text_of(arguments, 0)?, wall_ns).map_err(told)?;
            Ok(HostValue::Integer(id.0 as i64))
        }
        "statistics" => {
            let (used, free) = world.block_counts();
            let commit = u64::from(world.head().number.0);
            let numbers = [commit, used, free].map(|n| HostValue::Integer(n as i64));
            Ok(HostValue::List(numbers.to_vec()))
        }
        "time" => Ok(HostValue::Text(local.to_owned())),
        other => Err(format!("the store knows no {other}")),
    }
}

impl StoreHost for Host {
    fn snapshot(&mut self, heap: &mut Heap, roots: &mut dyn Roots) -> Result<(), String> {
        let desk = self.desk()?.clone();
        if let Some(thinner) = &mut self.thinner {
            thinner.ask_if_due(&desk, &*self.clock, heap, commits(&desk));
        }
        if heap.space().frozen().is_some() {
            // The one before fails or not: what it held is in this one too.
            let _ = settle(heap, desk.wait());
        }
        loop {
            let frozen = heap.flip(roots).map_err(|error| format!("{error:?}"))?;
            let snapshot = snapshot_of(heap, frozen, &*self.clock, Keep::Automatic);
            let outcome = match desk.begin(snapshot) {
                Ok(()) => desk.wait(),
                Err(error) => Err(error),
            };
            let outcome = settle(heap, outcome);
            match made_room(&outcome, &desk, &*self.clock) {
                Some(line) => (self.tell)(&line),
                None => return outcome.map_err(|error| error.to_string()),
            }
        }
    }

    fn store_call(&mut self, operation: &str, arguments: &[HostValue]) -> Result<HostValue, String> {
        if operation == "journalPending" {
            return Ok(self.pending_edits());
        }
        let wall_ns = self.clock.wall_ns();
        let local = date_text(wall_ns, self.clock.utc_offset_s(wall_ns));
        let mut answer = Err("the store did not answer".to_owned());
        // Some of these are commits of their own.
        self.desk()?.with_still_world(&mut |world| {
            answer = call(world, operation, arguments, (wall_ns, &local));
        });
        answer
    }

    fn journal_append(&mut self, draft: u64, kind: u32, bytes: &[u8]) -> Result<(), JournalRefusal> {
        let Some(desk) = &self.desk else { return Err(JournalRefusal::NoStore) };
        let too_high = |_| JournalRefusal::Failed(format!("kind {kind} is above 65535"));
        let kind = u16::try_from(kind).map_err(too_high)?;
        let mut appended = Ok(0);
        desk.with_world(&mut |world| appended = world.journal_append(draft, kind, bytes));
        if appended == Err(ImageError::JournalFull) {
            desk.with_still_world(&mut |world| {
                let made = world.make_journal_room();
                appended = made.and_then(|()| world.journal_append(draft, kind, bytes));
            });
        }
        match appended {
            Ok(_) => desk.note_journalled(),
            Err(ImageError::JournalFull) => return Err(JournalRefusal::Full),
            Err(error) => return Err(JournalRefusal::Failed(error.to_string())),
        }
        Ok(())
    }

    fn log(&mut self, line: &str) {
        (self.log)(line);
    }
}
