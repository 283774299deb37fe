//! One machine: heap, processes, code records, caches, and the door to the outside.
//!
//! Invariants
//! - V4 Between operations every word that the machine holds is in a stack, a record, a handle or a
//!   field that [`Vm::roots`] visits.
//! - V5 The poll word is `fuel`: it counts down at sends and backward jumps; what arrives from
//!   outside (the [`Doorbell`]) is seen when it is spent, at most [`QUANTUM`] of them later.
//!
//! Knows: everything in `interpret`. Must not know: files, source text.

use super::code::{Code, OwnCode};
use super::codes::{Cache, Codes};
use super::stack::Stack;
use crate::heap::{Heap, HeapError, Roots};
use crate::layout::{KnownObject, Word, root};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::null;
use core::sync::atomic::{AtomicU64, Ordering};
use platform::{Clock, Entropy, Service};

/// Sends and backward jumps between two looks at the doorbell and the clock.
pub const QUANTUM: u32 = 1000;
/// What a process that met the memory limit may use beyond it to tell.
const LENT_BYTES: usize = 16 << 20;
/// What a stack may hold before the world is asked, in words.
pub const STACK_WORDS: usize = 16 << 20;

/// What a slow path tells the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Load the registers of the current stack and go on.
    Go,
    /// Leave the loop: there is nothing to run, or somebody wants to see why.
    Leave,
}

/// Rung from any thread, answered at the next poll.
#[derive(Default)]
pub struct Doorbell {
    bits: AtomicU64,
    semaphores: [AtomicU64; 16],
    touches: AtomicU64,
}

impl Doorbell {
    pub(super) const INTERRUPT: u64 = 1;
    pub(super) const SEMAPHORES: u64 = 2;
    pub(super) const STOP: u64 = 4;

    /// The interrupt key.
    pub fn interrupt(&self) {
        self.touch();
        self.bits.fetch_or(Self::INTERRUPT, Ordering::Release);
    }

    /// Signals the external semaphore with an index below 1024 (1-based, as in the world's table).
    pub fn signal(&self, index: u32) {
        if let Some(word) = self.semaphores.get(index as usize / 64) {
            self.touch();
            word.fetch_or(1 << (index % 64), Ordering::Release);
            self.bits.fetch_or(Self::SEMAPHORES, Ordering::Release);
        }
    }

    /// Somebody outside did something to the world.
    pub(super) fn touch(&self) {
        self.touches.fetch_add(1, Ordering::Relaxed);
    }

    /// How often somebody outside did something to the world: a key, a byte, a message from the port. What
    /// its own timers do is not counted.
    pub fn touches(&self) -> u64 {
        self.touches.load(Ordering::Relaxed)
    }

    /// Makes `run` return soon.
    pub fn stop(&self) {
        self.bits.fetch_or(Self::STOP, Ordering::Release);
    }

    /// Takes what waits.
    pub(super) fn take(&self) -> u64 {
        if self.is_rung() { self.bits.swap(0, Ordering::AcqRel) } else { 0 }
    }

    /// Takes the signals of 64 semaphores.
    pub(super) fn take_semaphores(&self, word: usize) -> u64 {
        self.semaphores.get(word).map_or(0, |w| w.swap(0, Ordering::AcqRel))
    }

    /// Whether anything waits.
    pub fn is_rung(&self) -> bool {
        self.bits.load(Ordering::Acquire) != 0
    }
}

/// Why an edit was not journalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalRefusal {
    /// The world is not saved here: nothing is journalled.
    NoStore,
    /// The journal has no room until the next snapshot.
    Full,
    /// Anything else: the edit is not safe.
    Failed(String),
}

/// What the port does for a world's store. Every method answers at a safepoint, without objects.
pub trait StoreHost {
    /// Flips the heap and makes durable what that froze; frames are in StackImages already.
    fn snapshot(&mut self, heap: &mut Heap, roots: &mut dyn Roots) -> Result<(), String> {
        let _ = (heap, roots);
        Err("no store".to_string())
    }
    /// Whether what a flip freezes must be written. Then the port alone flips, and the machine
    /// never does on its own.
    fn is_durable(&self) -> bool {
        true
    }
    /// Carries out a command of the store: names, branches, history; text in, text out.
    fn store_call(&mut self, operation: &str, arguments: &[HostValue]) -> Result<HostValue, String> {
        let _ = arguments;
        Err(alloc::format!("no store for {operation}"))
    }
    /// Journals an edit.
    fn journal_append(&mut self, draft: u64, kind: u32, bytes: &[u8]) -> Result<(), JournalRefusal> {
        let _ = (draft, kind, bytes);
        Err(JournalRefusal::NoStore)
    }
    /// A session ended.
    fn session_exit(&mut self, status: i64) {
        let _ = status;
    }
    /// A line of the machine's own log.
    fn log(&mut self, line: &str) {
        let _ = line;
    }
}

/// No store.
pub struct NoStore;
impl StoreHost for NoStore {
    fn is_durable(&self) -> bool {
        false
    }
}

/// A value that crosses to the store host.
#[derive(Clone, Debug, PartialEq)]
pub enum HostValue {
    /// nil.
    Nil,
    /// true or false.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A string or symbol.
    Text(String),
    /// A ByteArray.
    Bytes(Vec<u8>),
    /// An Array.
    List(Vec<HostValue>),
}

/// What a machine is made with.
pub struct VmConfig {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes; none while a world is built.
    pub entropy: Option<Arc<dyn Entropy>>,
    /// Doors to the outside.
    pub services: Vec<Box<dyn Service>>,
    /// The store.
    pub store: Box<dyn StoreHost>,
    /// What other threads ring; services are made with it before the machine is.
    pub doorbell: Arc<Doorbell>,
    /// Words that a stack may hold before the world is asked.
    pub stack_words: usize,
}

impl VmConfig {
    /// A machine with a clock and nothing else.
    pub fn new(clock: Arc<dyn Clock>) -> VmConfig {
        VmConfig {
            clock,
            entropy: None,
            services: Vec::new(),
            store: Box::new(NoStore),
            doorbell: Arc::new(Doorbell::default()),
            stack_words: STACK_WORDS,
        }
    }
}

/// Switches that make rare things happen all the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct VmStress {
    /// Capture and restore all stacks every so many polls; 0 is never.
    pub capture_every: u32,
    /// Reify the running frame at every poll.
    pub reify: bool,
    /// Scavenge at every poll.
    pub scavenge: bool,
    /// Read all roots after each collection: see [`Vm::stale_root`].
    pub check_roots: bool,
    /// A seeded bug: frames that run again are not read by the next scavenge.
    pub keep_scanned: bool,
}

impl VmStress {
    fn is_on(&self) -> bool {
        self.capture_every > 0 || self.reify || self.scavenge
    }
}

/// Why [`Vm::run`] returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunEnd {
    /// The polls that it was given are spent, or it was asked to stop.
    Budget,
    /// Every process waits; the timer's deadline in monotonic nanoseconds, if one is set.
    Idle(Option<u64>),
    /// A session ended with a status.
    Exit(i64),
    /// The process that the caller waits for has ended.
    Finished,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With a value: a handle to it, to be released.
    Value(Handle),
    /// The machine gave it up: the reason and a stack trace.
    Failed(String),
    /// It was terminated.
    Terminated,
}

/// Names a word that is kept for the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub(crate) usize);

/// Counters of the interpreter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Polls that found the fuel spent.
    pub polls: u64,
    /// Switches from one process to another.
    pub switches: u64,
    /// Contexts made.
    pub contexts: u64,
    /// Frames copied into StackImages.
    pub captured_frames: u64,
    /// Lookups that the inline caches did not know.
    pub misses: u64,
}

/// A machine.
pub struct Vm {
    /// Its objects.
    pub heap: Heap,
    pub(crate) fuel: u32,
    pub(crate) nil: Word,
    pub(crate) true_word: Word,
    pub(crate) false_word: Word,
    /// Whether there may be forwarders in the heap.
    pub(crate) forwarders: bool,
    pub(crate) current: Box<Stack>,
    pub(crate) current_serial: i64,
    pub(crate) stacks: BTreeMap<i64, Box<Stack>>,
    pub(crate) codes: Codes,
    pub(crate) cache: Cache,
    /// The processes whose methods are noted, and whether the current one is among them.
    pub(crate) watched: Vec<Handle>,
    pub(crate) is_watched: bool,
    own_codes: [Box<Code>; 2],
    handles: Vec<Word>,
    free_handles: Vec<usize>,
    pub(crate) next_frame_serial: i64,
    /// Primitives that run inside one another now.
    pub(crate) nesting: u32,
    pub(crate) next_process_serial: i64,
    /// Processes with lower serials are from before this opening.
    pub(crate) opening_serial: i64,
    pub(crate) ended: BTreeMap<i64, Ended>,
    pub(crate) awaited: i64,
    /// Serials of further processes whose end somebody wants to know.
    pub(crate) attended: alloc::collections::BTreeSet<i64>,
    pub(crate) end: Option<RunEnd>,
    pub(crate) budget: Option<u64>,
    pub(crate) timer: Option<u64>,
    pub(crate) timer_semaphore: Word,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Option<Arc<dyn Entropy>>,
    pub(crate) services: Vec<Box<dyn Service>>,
    pub(crate) store: Box<dyn StoreHost>,
    pub(crate) doorbell: Arc<Doorbell>,
    /// Pages that were found lost, until the port takes them.
    pub(crate) lost_pages: Vec<image::PageIndex>,
    /// The process that runs is to be told of a lost page.
    pub(crate) loss_untold: bool,
    /// External semaphores that a service said it would have signalled.
    pub(crate) owed: BTreeSet<u32>,
    pub(crate) stack_words: usize,
    pub(crate) stress: VmStress,
    pub(crate) stress_count: u32,
    pub(crate) counters: Counters,
    pub(crate) quantum_given: u32,
    /// Bytes allocated, and bytes asked for, when room was made last; and how often since then
    /// nothing was allocated.
    last_room: (u64, usize),
    room_tries: u32,
    memory_limit: usize,
    /// The process that runs is to be told that memory is short.
    pub(crate) memory_short: bool,
    marks_seen: u64,
    pub(crate) quotas: Vec<super::quota::Quota>,
    pub(crate) log_lines: VecDeque<String>,
    stale_root: Option<Word>,
    /// What the last refusal said for the user.
    pub(crate) last_refusal: String,
}

/// What a collection visits.
struct VmRoots<'a> {
    current: &'a mut Stack,
    stacks: &'a mut BTreeMap<i64, Box<Stack>>,
    codes: &'a mut Codes,
    own: &'a mut [Box<Code>; 2],
    handles: &'a mut Vec<Word>,
    quotas: &'a mut Vec<super::quota::Quota>,
    words: [&'a mut Word; 4],
}

impl Roots for VmRoots<'_> {
    fn visit(&mut self, visit: &mut dyn FnMut(&mut Word)) {
        let mut f = |word: &mut Word| {
            if word.is_reference() {
                visit(word);
            }
        };
        self.current.visit(&mut f);
        self.stacks.values_mut().for_each(|stack| stack.visit(&mut f));
        self.codes.visit(false, &mut f);
        self.visit_fields(&mut f);
    }

    fn visit_young(&mut self, visit: &mut dyn FnMut(&mut Word) -> bool) {
        let mut f = |word: &mut Word| word.is_reference() && visit(word);
        self.current.visit_young(&mut f);
        self.stacks.values_mut().for_each(|stack| stack.visit_young(&mut f));
        let mut f = |word: &mut Word| {
            f(word);
        };
        self.codes.visit(true, &mut f);
        self.visit_fields(&mut f);
    }
}

impl VmRoots<'_> {
    fn visit_fields(&mut self, f: &mut dyn FnMut(&mut Word)) {
        self.own.iter_mut().for_each(|code| code.visit(&mut *f));
        self.handles.iter_mut().for_each(&mut *f);
        self.quotas.iter_mut().for_each(|quota| f(&mut quota.session));
        self.words.iter_mut().for_each(|word| f(word));
    }
}

impl Vm {
    /// A machine over a heap that holds a world, or that will once it is loaded.
    pub fn new(heap: Heap, config: VmConfig) -> Result<Vm, String> {
        let nil = heap.nil();
        let stack = Stack::new(nil).ok_or("no memory for a stack")?;
        let memory_limit = heap.limit_bytes();
        let mut vm = Vm {
            heap,
            fuel: QUANTUM,
            nil,
            true_word: nil,
            false_word: nil,
            forwarders: false,
            current: Box::new(stack),
            current_serial: 0,
            stacks: BTreeMap::new(),
            codes: Codes::new(),
            cache: Cache::new(),
            watched: Vec::new(),
            is_watched: false,
            own_codes: [Box::new(OwnCode::Start.code(nil)), Box::new(OwnCode::Interlude.code(nil))],
            handles: Vec::new(),
            free_handles: Vec::new(),
            next_frame_serial: 1,
            nesting: 0,
            next_process_serial: 1,
            opening_serial: 0,
            ended: BTreeMap::new(),
            awaited: 0,
            attended: alloc::collections::BTreeSet::new(),
            end: None,
            budget: None,
            timer: None,
            timer_semaphore: nil,
            clock: config.clock,
            entropy: config.entropy,
            services: config.services,
            store: config.store,
            doorbell: config.doorbell,
            lost_pages: Vec::new(),
            loss_untold: false,
            owed: BTreeSet::new(),
            stack_words: config.stack_words,
            stress: VmStress::default(),
            stress_count: 0,
            counters: Counters::default(),
            quantum_given: QUANTUM,
            last_room: (0, 0),
            room_tries: 0,
            memory_limit,
            memory_short: false,
            marks_seen: 0,
            quotas: Vec::new(),
            log_lines: VecDeque::new(),
            stale_root: None,
            last_refusal: String::new(),
        };
        vm.refresh();
        Ok(vm)
    }

    /// Reads the known objects anew: after a world was loaded into the heap, or `become:` changed one.
    pub fn refresh(&mut self) {
        self.heap.refresh_known();
        self.nil = self.heap.nil();
        self.forwarders |= self.heap.root_word(root::FORWARDERS) != 0;
        self.true_word = self.known(KnownObject::True);
        self.false_word = self.known(KnownObject::False);
        if !self.timer_semaphore.is_reference() {
            self.timer_semaphore = self.nil;
        }
        for code in &mut self.own_codes {
            code.method_class = self.nil;
        }
        if self.current_serial == 0 {
            self.current.process = self.nil;
        }
        let serial = |heap: &Heap, index| heap.root_word(index) as i64;
        self.next_frame_serial = serial(&self.heap, root::NEXT_FRAME_SERIAL).max(self.next_frame_serial);
        self.next_process_serial =
            serial(&self.heap, root::NEXT_PROCESS_SERIAL).max(self.next_process_serial);
    }

    /// What is rung from other threads.
    pub fn doorbell(&self) -> Arc<Doorbell> {
        self.doorbell.clone()
    }

    /// Gives the machine another store.
    pub fn set_store(&mut self, store: Box<dyn StoreHost>) {
        self.store = store;
    }

    /// Switches stress on or off.
    pub fn set_stress(&mut self, stress: VmStress) {
        self.stress = stress;
        self.refuel();
    }

    /// Under stress: a root that referred to no object after a collection, if one ever did.
    pub fn stale_root(&self) -> Option<Word> {
        self.stale_root
    }

    /// Counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many methods and blocks have records.
    pub fn record_count(&self) -> usize {
        self.codes.len()
    }

    pub(crate) fn refuel(&mut self) {
        let limited = self.budget.map_or(QUANTUM as u64, |b| b.clamp(1, QUANTUM as u64)) as u32;
        self.quantum_given = if self.stress.is_on() { 1 } else { limited };
        // One more than is to be given: the instruction that polled burns it when it goes on.
        self.fuel = self.quantum_given + 1;
    }

    #[allow(unsafe_code, reason = "room: interpreter loop")]
    pub(crate) fn own_code(&self, code: OwnCode) -> *const Code {
        match self.own_codes.get(code as usize) {
            Some(code) => &raw const **code,
            None => null(),
        }
    }

    // ---- words for the outside

    /// Keeps a word until it is released.
    pub fn hold(&mut self, word: Word) -> Handle {
        match self.free_handles.pop() {
            Some(index) => {
                self.handles[index] = word;
                Handle(index)
            }
            None => {
                self.handles.push(word);
                Handle(self.handles.len() - 1)
            }
        }
    }

    /// The word that a handle keeps, where it stands now.
    pub fn held(&self, handle: Handle) -> Word {
        self.handles.get(handle.0).copied().unwrap_or(self.nil)
    }

    /// Keeps another word by the same handle.
    pub fn set_held(&mut self, handle: Handle, word: Word) {
        if let Some(place) = self.handles.get_mut(handle.0) {
            *place = word;
        }
    }

    /// Keeps it no longer.
    pub fn release(&mut self, handle: Handle) {
        if let Some(place) = self.handles.get_mut(handle.0) {
            *place = Word::small(0);
            self.free_handles.push(handle.0);
        }
    }

    /// The value of a global variable, held: by the layout of `BindingDictionary` (tally, keys,
    /// bindings; open addressing by string hash).
    pub fn global(&mut self, name: &str) -> Option<Handle> {
        let dictionary = self.known(KnownObject::Smalltalk);
        let (keys, bindings) = (self.slot_of(dictionary, 1)?, self.slot_of(dictionary, 2)?);
        let points: Vec<u32> = name.chars().map(|c| c as u32).collect();
        let symbol = self.find_symbol(&points)?;
        let capacity = if self.has_named(keys, 1) { self.slot_count(keys) } else { return None };
        let start = crate::layout::string_hash(points) as usize % capacity;
        let place = (0..capacity).map(|n| (start + n) % capacity).find(|&at| {
            let key = self.slot(keys, at);
            key == symbol || key == self.nil
        })?;
        let binding = self.slot_of(bindings, place)?;
        let value = self.slot_of(binding, 1)?;
        (self.slot(keys, place) == symbol).then(|| self.hold(value))
    }

    /// The text of a string or symbol that is held.
    pub fn text_of(&self, handle: Handle) -> Option<String> {
        self.text(self.held(handle))
    }

    /// A new string, held.
    pub fn string(&mut self, text: &str) -> Option<Handle> {
        loop {
            if let Some(word) = self.new_string(text) {
                return Some(self.hold(word));
            }
            if !self.make_room(text.len() * 4 + 64) {
                return None;
            }
        }
    }

    // ---- collections

    /// Runs a collection with all roots of the machine.
    pub(crate) fn with_roots<R>(
        &mut self,
        act: impl FnOnce(&mut Heap, &mut dyn Roots) -> R,
    ) -> R {
        let mut roots = VmRoots {
            current: &mut self.current,
            stacks: &mut self.stacks,
            codes: &mut self.codes,
            own: &mut self.own_codes,
            handles: &mut self.handles,
            quotas: &mut self.quotas,
            words: [&mut self.nil, &mut self.true_word, &mut self.false_word, &mut self.timer_semaphore],
        };
        let result = act(&mut self.heap, &mut roots);
        if self.stress.check_roots && self.stale_root.is_none() {
            let heap = &self.heap;
            let mut stale = None;
            roots.visit(&mut |word| stale = stale.or_else(|| heap.is_stale(*word).then_some(*word)));
            self.stale_root = stale;
        }
        // What the collector alone has touched, nobody has computed with.
        self.settle_losses();
        self.after_collection();
        result
    }

    fn after_collection(&mut self) {
        let heap = &self.heap;
        if self.codes.settle(&|word| heap.is_young(word)) {
            self.codes.rehash();
            self.cache.forget();
        }
        if !self.heap.take_dropped_classes().is_empty() {
            self.forget_lookups();
        }
        let marks = self.heap.statistics().marks;
        if marks != self.marks_seen {
            self.marks_seen = marks;
            self.settle_symbols();
        }
    }

    /// Does a slice of the work that the heap asks for. Where no port flips to write, flips too.
    pub(crate) fn tend_heap(&mut self) {
        let wants = self.collect_slice();
        if wants.flip && !self.store.is_durable() && self.heap.space().frozen().is_none() {
            let flipped = self.with_roots(|heap, roots| heap.flip(roots).is_ok());
            if flipped {
                self.heap.thaw();
            }
        }
    }

    /// Scavenges.
    pub fn scavenge(&mut self) -> Result<(), HeapError> {
        self.with_roots(|heap, roots| heap.scavenge(roots))
    }

    /// Makes room for so many bytes by collecting: a scavenge first, all of memory when that did
    /// not help. False when there is none: whoever asked gives up.
    pub(crate) fn make_room(&mut self, bytes: usize) -> bool {
        let allocated = self.heap.allocated_bytes();
        let again = core::mem::replace(&mut self.last_room, (allocated, bytes)) == (allocated, bytes);
        self.room_tries = if again { self.room_tries + 1 } else { 0 };
        let is_large = bytes > crate::layout::LARGE_OBJECT_BYTES;
        let fits = |vm: &Vm| is_large || vm.heap.room_for(bytes);
        match self.room_tries {
            0 => {
                if self.scavenge().is_ok() && fits(self) {
                    return true;
                }
                self.collect_full();
            }
            1 => {
                self.collect_full();
            }
            _ => return self.lend_memory(bytes),
        }
        fits(self) || self.lend_memory(bytes)
    }

    /// Limits the bytes that the heap may use.
    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.memory_limit = bytes;
        self.heap.set_limit_bytes(bytes);
    }

    /// The limit is reached: lends a little beyond it, once, and has the process told at its next
    /// poll (`outOfMemory`), where the world makes an exception of it. Answers whether what was
    /// lent is enough.
    fn lend_memory(&mut self, bytes: usize) -> bool {
        if self.memory_limit == usize::MAX || self.heap.limit_bytes() != self.memory_limit {
            return false;
        }
        if bytes > LENT_BYTES / 4 {
            return false;
        }
        // Survivors may have gone beyond the limit already.
        let used = self.heap.used_bytes() + self.heap.eden_bytes();
        self.heap.set_limit_bytes(self.memory_limit.max(used).saturating_add(LENT_BYTES));
        self.memory_short = true;
        self.fuel = 1;
        self.signal_known(KnownObject::LowSpaceSemaphore);
        bytes > crate::layout::LARGE_OBJECT_BYTES || self.heap.room_for(bytes)
    }

    /// Takes back what was lent, when enough is free.
    fn take_lent_memory(&mut self) {
        let used = self.heap.used_bytes() + self.heap.eden_bytes();
        if self.heap.limit_bytes() != self.memory_limit && used + LENT_BYTES < self.memory_limit {
            self.heap.set_limit_bytes(self.memory_limit);
        }
    }

    /// Marks and sweeps to the end; answers how many bytes that made free.
    pub fn collect_full(&mut self) -> usize {
        let freed = self.with_roots(|heap, roots| heap.collect_full(roots)).unwrap_or(0);
        self.take_lent_memory();
        freed
    }

    /// Identities were exchanged: what the machine holds refers to what things are now.
    pub(crate) fn after_become(&mut self) {
        self.forwarders = true;
        // What was old may be young now.
        self.current.forget_scanned();
        self.stacks.values_mut().for_each(|stack| stack.forget_scanned());
        self.codes.doubt_all();
        self.heap.set_root(root::FORWARDERS, 1);
        self.with_roots(|heap, roots| {
            roots.visit(&mut |word| {
                *word = heap.resolve(*word);
            });
        });
        self.codes.rehash();
        self.forget_lookups();
    }

    /// Forgets every cached lookup of a selector.
    pub(crate) fn forget_selector(&mut self, selector: Word) {
        self.cache.forget();
        self.codes.forget_selector(selector);
    }

    /// The machine's counters by name.
    pub(crate) fn statistic_rows(&self) -> Vec<(&'static str, u64)> {
        let heap = self.heap.statistics();
        alloc::vec![
            ("polls", self.counters.polls),
            ("processSwitches", self.counters.switches),
            ("contextsMade", self.counters.contexts),
            ("framesCaptured", self.counters.captured_frames),
            ("records", self.codes.len() as u64),
            ("allocatedBytes", self.heap.allocated_bytes()),
            ("usedBytes", self.heap.used_bytes() as u64),
            ("scavenges", heap.scavenges),
            ("scavengeP50Ns", heap.scavenge_pauses.percentile_ns(50)),
            ("scavengeP99Ns", heap.scavenge_pauses.percentile_ns(99)),
            ("scavengeLongestNs", heap.scavenge_pauses.longest_ns),
            ("scavengeTotalNs", heap.scavenge_pauses.total_ns),
            ("survivedBytes", heap.survived_bytes),
            ("tenuredBytes", heap.tenured_bytes),
            ("marks", heap.marks),
            ("sweeps", heap.sweeps),
            ("sweptBytes", heap.swept_bytes),
            ("flips", heap.flips),
            ("flippedPages", heap.flipped_pages),
            ("snapshotPauseP50Ns", heap.flip_pauses.percentile_ns(50)),
            ("snapshotPauseP99Ns", heap.flip_pauses.percentile_ns(99)),
            ("snapshotPauseLongestNs", heap.flip_pauses.longest_ns),
            ("finishes", heap.finish_pauses.count()),
            ("finishP99Ns", heap.finish_pauses.percentile_ns(99)),
            ("weakCleared", heap.weak_cleared),
            ("ephemeronsFired", heap.ephemerons_fired),
        ]
    }

    /// Forgets every cached lookup.
    pub(crate) fn forget_lookups(&mut self) {
        self.cache.forget();
        self.codes.forget_sites();
    }

    // ---- log

    /// Tells the port, and keeps the last lines for whoever asks.
    pub(crate) fn log(&mut self, line: &str) {
        self.store.log(line);
        if self.log_lines.len() == 100 {
            self.log_lines.pop_front();
        }
        self.log_lines.push_back(line.to_string());
    }

    /// The last lines of the machine's log.
    pub fn recent_log(&self) -> Vec<String> {
        self.log_lines.iter().cloned().collect()
    }
}
