//! Clock, entropy, services, store, collections, the machine's own tables.

use super::{Entries, Outcome, PRIMITIVES, RANGE, Reason, WRONG, made};
use crate::bytecode::Opcode;
use crate::interpret::{HostValue, JournalRefusal, Vm};
use crate::layout::{KnownClass, KnownObject, Word};
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use platform::{Handle, Refusal, Request};

pub(super) const ENTRIES: Entries = &[
    ("clockMonotonicNs", |vm, _| number(vm.clock.monotonic_ns() as i64)),
    ("clockWallNs", |vm, _| number(vm.clock.wall_ns())),
    ("clockUtcOffset", |vm, _| number(vm.clock.utc_offset_s(vm.clock.wall_ns()) as i64)),
    ("clockThreadCpuNs", |vm, _| number(vm.clock.thread_cpu_ns() as i64)),
    ("entropy", entropy),
    ("serviceCall", service_call),
    ("snapshot", snapshot),
    ("storeCall", store_call),
    ("journalAppend", journal_append),
    ("collectYoung", collect_young),
    ("collectFull", collect_full),
    ("statistics", statistics),
    ("exitSession", exit_session),
    ("knownObject", known_object),
    ("setKnownObject", set_known_object),
    ("machineTable", machine_table),
    ("debugPrint", debug_print),
    ("quotas", quotas),
    ("ephemeronsFired", ephemerons_fired),
    ("sessionProcesses", session_processes),
    ("refusalText", refusal_text),
    ("runCount", run_count),
    ("runCounts", run_counts),
    ("decodedMethods", decoded_methods),
    ("countRuns", count_runs),
];

fn number(value: i64) -> Outcome {
    Word::integer(value).map_or(RANGE, Outcome::Value)
}

fn entropy(vm: &mut Vm, _: usize) -> Outcome {
    let count = vm.top(0);
    if !count.is_integer() || !(0..=1 << 20).contains(&count.as_integer()) {
        return RANGE;
    }
    let Some(source) = vm.entropy.clone() else { return Outcome::Decline(Reason::Named("notGranted")) };
    let mut bytes = vec![0; count.as_integer() as usize];
    source.fill(&mut bytes);
    made(vm.new_bytes(KnownClass::ByteArray, &bytes), bytes.len() + 64)
}

/// A primitive with an effect outside declines once after a page was found lost: what it was given may
/// come from there.
const LOST: Outcome = Outcome::Decline(Reason::Named("lostData"));

/// Makes something of what came from outside, collecting if need be: what happened there can't be
/// done a second time. The arguments are on the stack, so no word is held meanwhile.
fn build(vm: &mut Vm, value: &HostValue) -> Outcome {
    vm.built(value).map_or(Outcome::Decline(Reason::Named("memory")), Outcome::Value)
}

fn value_bytes(value: &HostValue) -> usize {
    match value {
        HostValue::Text(text) => text.len() * 4 + 64,
        HostValue::Bytes(bytes) => bytes.len() + 64,
        HostValue::List(items) => items.len() * 8 + 64 + items.iter().map(value_bytes).sum::<usize>(),
        _ => 64,
    }
}

impl Vm {
    /// The object that a value from outside becomes, after collecting if need be; `None` if memory is
    /// full. The answer is good until the next allocation.
    pub(crate) fn built(&mut self, value: &HostValue) -> Option<Word> {
        let bytes = value_bytes(value);
        for _ in 0..3 {
            if (self.heap.room_for(bytes) || bytes > crate::layout::LARGE_OBJECT_BYTES)
                && let Some(word) = self.host_object(value)
            {
                return Some(word);
            }
            if !self.make_room(bytes) {
                break;
            }
        }
        None
    }

    /// The object that a value from outside becomes; `None` if there is no room.
    fn host_object(&mut self, value: &HostValue) -> Option<Word> {
        Some(match value {
            HostValue::Nil => self.nil,
            HostValue::Boolean(value) => self.boolean(*value),
            HostValue::Integer(value) => match Word::integer(*value) {
                Some(word) => word,
                None => match self.integer_object(&super::big::Big::from(*value)) {
                    Outcome::Value(word) => word,
                    _ => return None,
                },
            },
            HostValue::Text(text) => self.new_string(text)?,
            HostValue::Bytes(bytes) => self.new_bytes(KnownClass::ByteArray, bytes)?,
            HostValue::List(items) => {
                // Large parts come first: nothing here collects, so the words stay good.
                let mut words = Vec::with_capacity(items.len());
                for item in items {
                    words.push(self.host_object(item)?);
                }
                let array = self.new_array(words.len())?;
                for (n, word) in words.into_iter().enumerate() {
                    self.put(array, n, word);
                }
                array
            }
        })
    }

    /// What an object means outside; Arrays to a depth of eight.
    pub(crate) fn host_value(&self, word: Word, depth: usize) -> Option<HostValue> {
        let word = self.heap.resolve(word);
        if word == self.nil {
            return Some(HostValue::Nil);
        }
        if word == self.true_word || word == self.false_word {
            return Some(HostValue::Boolean(word == self.true_word));
        }
        if let Some(big) = self.big_of(word) {
            return big.to_i64().map(HostValue::Integer);
        }
        if !word.is_reference() {
            return None;
        }
        if self.is_a(word, KnownClass::ByteArray) {
            return Some(HostValue::Bytes(self.heap.bytes_of(word)));
        }
        if self.is_a(word, KnownClass::Array) && depth > 0 {
            let items = (0..self.slot_count(word)).map(|n| self.host_value(self.slot(word, n), depth - 1));
            return items.collect::<Option<Vec<_>>>().map(HostValue::List);
        }
        if self.holds_characters(word) { self.text(word).map(HostValue::Text) } else { None }
    }
}

fn service_call(vm: &mut Vm, _: usize) -> Outcome {
    if vm.has_used_lost_data() {
        return LOST;
    }
    let (name, operation) = (vm.heap.resolve(vm.top(4)), vm.top(3));
    let (handle, bytes, semaphore) = (vm.heap.resolve(vm.top(2)), vm.heap.resolve(vm.top(1)), vm.top(0));
    let Some(name) = vm.text(name) else { return WRONG };
    let (Some(handle), Some(operation)) = (handle_of(vm, handle), unsigned32(operation)) else {
        return WRONG;
    };
    if !bytes.is_reference() || !vm.header(bytes).is_bytes() {
        return WRONG;
    }
    let semaphore = if semaphore == vm.nil { None } else { unsigned32(semaphore) };
    let bytes = vm.heap.bytes_of(bytes);
    let Some(service) = vm.services.iter_mut().find(|service| service.name() == name) else {
        return Outcome::Decline(Reason::Named("notGranted"));
    };
    match service.call(Request { operation, handle, bytes: &bytes, semaphore }) {
        Ok(reply) => {
            let handle = reply.handle.map_or(HostValue::Nil, |h| HostValue::Bytes(handle_bytes(h)));
            build(vm, &HostValue::List(vec![handle, HostValue::Bytes(reply.bytes)]))
        }
        Err(refusal) => {
            if refusal == Refusal::WouldBlock {
                vm.owed.extend(semaphore);
            }
            Outcome::Decline(Reason::Named(refusal_code(vm, &refusal)))
        }
    }
}

fn unsigned32(word: Word) -> Option<u32> {
    if word.is_integer() { u32::try_from(word.as_integer()).ok() } else { None }
}

fn handle_of(vm: &Vm, word: Word) -> Option<Option<Handle>> {
    if word == vm.nil {
        return Some(None);
    }
    if !word.is_reference() || !vm.header(word).is_bytes() || vm.byte_count(word) != 16 {
        return None;
    }
    let bytes = vm.heap.bytes_of(word);
    let part = |from: usize, to: usize| {
        bytes.get(from..to).map_or(0, |part| part.iter().rev().fold(0u64, |v, &b| v << 8 | b as u64))
    };
    Some(Some(Handle {
        session: part(0, 8),
        slot: part(8, 12) as u32,
        generation: part(12, 16) as u32,
    }))
}

fn handle_bytes(handle: Handle) -> Vec<u8> {
    let mut bytes = handle.session.to_le_bytes().to_vec();
    bytes.extend_from_slice(&handle.slot.to_le_bytes());
    bytes.extend_from_slice(&handle.generation.to_le_bytes());
    bytes
}

/// The name of a refusal; what it says for the user is kept in the log.
fn refusal_code(vm: &mut Vm, refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Stale => "stale",
        Refusal::UnknownOperation => "unknownOperation",
        Refusal::Malformed(_) => "malformed",
        Refusal::NotGranted => "notGranted",
        Refusal::WouldBlock => "wouldBlock",
        Refusal::Failed { code, message } => {
            vm.last_refusal = message.clone();
            code
        }
    }
}

fn snapshot(vm: &mut Vm, arguments: usize) -> Outcome {
    if vm.has_used_lost_data() {
        return LOST;
    }
    let resumed = vm.symbol("resumed");
    let saved = vm.hold(resumed);
    let result = vm.take_snapshot(arguments, saved);
    vm.release(saved);
    match result {
        Ok(()) => Outcome::Value(vm.symbol("saved")),
        Err(message) => {
            vm.last_refusal = message;
            Outcome::Decline(Reason::Named("noStore"))
        }
    }
}

fn store_call(vm: &mut Vm, _: usize) -> Outcome {
    if vm.has_used_lost_data() {
        return LOST;
    }
    let (operation, arguments) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    let Some(operation) = vm.text(operation) else { return WRONG };
    let Some(HostValue::List(arguments)) = vm.host_value(arguments, 8) else { return WRONG };
    match vm.store.store_call(&operation, &arguments) {
        Ok(value) => build(vm, &value),
        Err(message) => {
            vm.last_refusal = message;
            Outcome::Decline(Reason::Named("refused"))
        }
    }
}

fn journal_append(vm: &mut Vm, _: usize) -> Outcome {
    if vm.has_used_lost_data() {
        return LOST;
    }
    let (draft, kind, bytes) = (vm.top(2), vm.top(1), vm.heap.resolve(vm.top(0)));
    if !draft.is_integer() || draft.as_integer() < 0 || !bytes.is_reference() {
        return WRONG;
    }
    let Some(kind) = unsigned32(kind) else { return WRONG };
    if !vm.header(bytes).is_bytes() {
        return WRONG;
    }
    let bytes = vm.heap.bytes_of(bytes);
    match vm.store.journal_append(draft.as_integer() as u64, kind, &bytes) {
        Ok(()) => Outcome::Value(vm.top(3)),
        Err(JournalRefusal::NoStore) => Outcome::Decline(Reason::Named("noStore")),
        Err(JournalRefusal::Full) => Outcome::Decline(Reason::Named("journalFull")),
        Err(JournalRefusal::Failed(message)) => {
            vm.last_refusal = message;
            Outcome::Decline(Reason::Named("refused"))
        }
    }
}

fn collect_young(vm: &mut Vm, _: usize) -> Outcome {
    match vm.scavenge() {
        Ok(()) => Outcome::Value(vm.top(0)),
        Err(_) => Outcome::Decline(Reason::Named("memory")),
    }
}

fn collect_full(vm: &mut Vm, _: usize) -> Outcome {
    let freed = vm.collect_full();
    Outcome::Value(Word::small(freed as i64))
}

fn statistics(vm: &mut Vm, _: usize) -> Outcome {
    let rows = vm.statistic_rows();
    let rows = rows
        .into_iter()
        .map(|(name, value)| {
            HostValue::List(vec![HostValue::Text(name.to_string()), HostValue::Integer(value as i64)])
        })
        .collect();
    build(vm, &HostValue::List(rows))
}

fn exit_session(vm: &mut Vm, arguments: usize) -> Outcome {
    if vm.has_used_lost_data() {
        return LOST;
    }
    let status = vm.top(0);
    if !status.is_integer() {
        return WRONG;
    }
    let nil = vm.nil;
    vm.answer_primitive(arguments, nil);
    Outcome::Next(vm.exit(status.as_integer()))
}

fn known_named(vm: &Vm, depth: usize) -> Option<KnownObject> {
    let name = vm.text(vm.heap.resolve(vm.top(depth)))?;
    KnownObject::ALL.iter().copied().find(|known| known.name() == name)
}

fn known_object(vm: &mut Vm, _: usize) -> Outcome {
    match known_named(vm, 0) {
        Some(known) => Outcome::Value(vm.known(known)),
        None => RANGE,
    }
}

fn set_known_object(vm: &mut Vm, _: usize) -> Outcome {
    let value = vm.heap.resolve(vm.top(0));
    match known_named(vm, 1) {
        None => RANGE,
        Some(KnownObject::Nil | KnownObject::True | KnownObject::False) => WRONG,
        Some(known) => {
            vm.heap.set_known(known, value);
            Outcome::Value(value)
        }
    }
}

fn machine_table(vm: &mut Vm, _: usize) -> Outcome {
    let Some(name) = vm.text(vm.heap.resolve(vm.top(0))) else { return WRONG };
    let text = |s: &str| HostValue::Text(s.to_string());
    let number = |n: usize| HostValue::Integer(n as i64);
    let rows: Vec<Vec<HostValue>> = match name.as_str() {
        "primitives" => PRIMITIVES
            .iter()
            .map(|r| vec![text(r.name), text(r.family), number(r.arguments as usize), text(r.description)])
            .collect(),
        "bytecodes" => Opcode::ALL
            .iter()
            .map(|o| {
                let operands = format!("{:?}", o.operands());
                vec![number(*o as usize), text(o.mnemonic()), text(&operands), text(o.description())]
            })
            .collect(),
        "knownClasses" => {
            KnownClass::ALL.iter().map(|c| vec![number(*c as usize), text(c.name())]).collect()
        }
        "knownObjects" => {
            KnownObject::ALL.iter().map(|o| vec![number(*o as usize), text(o.name())]).collect()
        }
        "header" => [
            ("class", 2, 22, "class index"),
            ("format", 24, 5, "how the slots are to be read"),
            ("immutable", 29, 1, "stores are refused"),
            ("pinned", 30, 1, "never moved"),
            ("hash", 32, 22, "identity hash, 0 while none was given"),
            ("slots", 54, 10, "slot count; 1023: it stands before the header"),
        ]
        .iter()
        .map(|(n, bit, width, what)| vec![text(n), number(*bit), number(*width), text(what)])
        .collect(),
        _ => return RANGE,
    };
    build(vm, &HostValue::List(rows.into_iter().map(HostValue::List).collect()))
}

fn debug_print(vm: &mut Vm, _: usize) -> Outcome {
    let text = vm.text(vm.heap.resolve(vm.top(0)));
    match text {
        Some(text) => {
            vm.log(&text);
            Outcome::Value(vm.top(1))
        }
        None => WRONG,
    }
}

fn quotas(vm: &mut Vm, _: usize) -> Outcome {
    let limits = vm.heap.resolve(vm.top(0));
    if !vm.is_a(limits, KnownClass::Array) || vm.slot_count(limits) != 2 {
        return WRONG;
    }
    let limit = |vm: &Vm, n| match vm.slot(limits, n) {
        word if word == vm.nil => Ok(None),
        word if word.is_integer() && word.as_integer() >= 0 => Ok(Some(word.as_integer() as u64)),
        _ => Err(()),
    };
    let (Ok(polls), Ok(bytes)) = (limit(vm, 0), limit(vm, 1)) else { return WRONG };
    vm.set_quota(polls);
    if let Some(bytes) = bytes {
        vm.heap.set_limit_bytes(bytes as usize);
    }
    Outcome::Value(vm.top(1))
}

fn ephemerons_fired(vm: &mut Vm, _: usize) -> Outcome {
    let fired: Vec<_> = vm.heap.take_fired().into_iter().map(|word| vm.hold(word)).collect();
    let words = |vm: &Vm| fired.iter().map(|&handle| vm.held(handle)).collect::<Vec<_>>();
    let list = words(vm);
    let mut outcome = vm.answer_list(&list);
    if let Outcome::NeedsRoom(bytes) = outcome
        && vm.make_room(bytes)
    {
        let list = words(vm);
        outcome = vm.answer_list(&list);
    }
    fired.into_iter().for_each(|handle| vm.release(handle));
    outcome
}

fn run_count(vm: &mut Vm, _: usize) -> Outcome {
    if !vm.codes.is_counting() {
        return Outcome::Decline(Reason::Named("notCounting"));
    }
    let code = vm.heap.resolve(vm.top(0));
    number(i64::try_from(vm.codes.runs(code)).unwrap_or(i64::MAX))
}

fn run_counts(vm: &mut Vm, _: usize) -> Outcome {
    if !vm.codes.is_counting() {
        return Outcome::Decline(Reason::Named("notCounting"));
    }
    let methods = vm.heap.resolve(vm.top(0));
    if !vm.is_a(methods, KnownClass::Array) {
        return WRONG;
    }
    let counts = (0..vm.slot_count(methods)).map(|n| {
        let runs = vm.codes.runs(vm.heap.resolve(vm.slot(methods, n)));
        HostValue::Integer(i64::try_from(runs).unwrap_or(i64::MAX))
    });
    let counts = HostValue::List(counts.collect());
    build(vm, &counts)
}

fn decoded_methods(vm: &mut Vm, _: usize) -> Outcome {
    let codes: Vec<Word> = vm.codes.objects().collect();
    vm.answer_list(&codes)
}

fn count_runs(vm: &mut Vm, _: usize) -> Outcome {
    let wanted = vm.top(0);
    let was = vm.codes.is_counting();
    if wanted == vm.boolean(true) {
        vm.codes.count_runs(true);
    } else if wanted == vm.boolean(false) {
        vm.codes.count_runs(false);
    } else {
        return WRONG;
    }
    Outcome::Value(vm.boolean(was))
}

fn session_processes(vm: &mut Vm, _: usize) -> Outcome {
    let session = vm.heap.resolve(vm.top(0));
    let processes = vm.workers_of(session);
    vm.answer_list(&processes)
}

fn refusal_text(vm: &mut Vm, _: usize) -> Outcome {
    let text = core::mem::take(&mut vm.last_refusal);
    build(vm, &if text.is_empty() { HostValue::Nil } else { HostValue::Text(text) })
}
