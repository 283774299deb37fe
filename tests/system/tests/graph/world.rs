//! A heap and its model, side by side, and the operations that change both.

use crate::arena::{Arena, PAGE};
use crate::disk::{Disk, Mirror, Writer};
use crate::model::{Kind, Model, Node, Val, id_slot};
use crate::random::Random;
use crate::real::{RealStore, Written};
use crate::threads::Threads;
use platform::PageSource;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use vm::heap::{Both, Faults, Finish, Heap, HeapConfig, HeapError, Stress};
use vm::layout::{
    BLOCK_BYTES, BLOCK_TABLE_OFFSET, BLOCKS_OFFSET, CLASS_TABLE_OFFSET, ClassIndex, EDEN_OFFSET,
    Format, KnownClass, KnownObject, ROOT_BYTES, Word, behavior, root,
};

pub const BLOCKS: usize = 160;
const EDEN: usize = 16 << 10;
pub const REGISTERS: usize = 6;
pub const TABLE: usize = 10;

/// Classes that every test world has, besides the known ones.
pub const META: ClassIndex = ClassIndex(64);
pub const PLAIN: ClassIndex = ClassIndex(65);
pub const WEAK: ClassIndex = ClassIndex(66);
pub const EPHEMERON: ClassIndex = ClassIndex(67);

/// Why a run ended early.
#[derive(Debug)]
pub enum End {
    /// The small heap is full: no error.
    Full,
    /// Something is wrong.
    Wrong(String),
}

impl From<String> for End {
    fn from(what: String) -> End {
        End::Wrong(what)
    }
}

pub type Done = Result<(), End>;

#[derive(Clone, Copy, Debug, Default)]
pub struct Setup {
    pub stress: Stress,
    pub faults: Faults,
    pub space_faults: image::space::SpaceFaults,
    pub tenure_bytes: usize,
    /// Collects everything at every allocation.
    pub collect_full_always: bool,
    /// Flips at every so many allocations (0: only when drawn).
    pub flip_every: usize,
    /// One object holds most of the heap, so that there is little room for the others.
    pub hoard: bool,
    /// Commits go to the real store, on a simulated disk.
    pub real_store: bool,
    /// Writer and marker run on threads of their own.
    pub threads: bool,
}

/// The model as a commit has it.
pub struct Saved {
    model: Model,
}

pub struct World {
    /// Ended before the heap goes.
    threads: Option<Threads>,
    pub heap: Heap,
    pub arena: Arc<Arena>,
    pub model: Model,
    pub registers: Vec<Word>,
    pub disk: Disk,
    pub mirror: Mirror,
    pub writer: Option<(Writer, Model)>,
    pub saved: Option<Saved>,
    /// The real store, and whether it writes.
    real: Option<RealStore>,
    writing: bool,
    threads_model: Option<Model>,
    pub setup: Setup,
    pub random: Random,
    pub log: Vec<String>,
    pub counts: BTreeMap<&'static str, usize>,
    allocations: usize,
    /// Class indices that a lookup cache knows.
    pub cached: BTreeSet<u32>,
    /// Objects that are no nodes.
    pub permanent: usize,
    /// Where pinned nodes stand.
    pub pins: BTreeMap<usize, Word>,
}

pub fn used_ranges() -> Vec<std::ops::Range<usize>> {
    let table = BLOCK_TABLE_OFFSET + BLOCKS_OFFSET / BLOCK_BYTES * 32;
    [
        (0, ROOT_BYTES),
        (EDEN_OFFSET, EDEN),
        (CLASS_TABLE_OFFSET, 2 * PAGE),
        (table, 2 * PAGE),
        (BLOCKS_OFFSET, BLOCKS * BLOCK_BYTES),
    ]
    .map(|(from, bytes)| from / PAGE..(from + bytes) / PAGE)
    .to_vec()
}

/// Memory for a test's heap, at an address of its own.
pub fn new_arena() -> Arc<Arena> {
    Arc::new(Arena::new(BLOCKS_OFFSET + BLOCKS * BLOCK_BYTES, used_ranges()))
}

pub fn config(setup: &Setup) -> HeapConfig {
    HeapConfig {
        base: 0,
        reserve: BLOCKS_OFFSET + BLOCKS * BLOCK_BYTES,
        eden_min: EDEN,
        eden_max: EDEN,
        tenure_bytes: Some(setup.tenure_bytes),
        mark_after_bytes: 256 << 10,
        ..HeapConfig::default()
    }
}

impl World {
    pub fn new(seed: u64, setup: Setup) -> World {
        let arena = new_arena();
        let heap = Heap::create(arena.as_ref(), config(&setup)).expect("a heap");
        let mut world = World {
            threads: setup.threads.then(Threads::start),
            threads_model: None,
            heap,
            arena,
            model: Model::default(),
            registers: vec![],
            disk: Disk::default(),
            mirror: Mirror::default(),
            writer: None,
            saved: None,
            real: setup.real_store.then(RealStore::create),
            writing: false,
            setup,
            random: Random::new(seed),
            log: vec![],
            counts: BTreeMap::new(),
            allocations: 0,
            cached: BTreeSet::new(),
            permanent: 0,
            pins: BTreeMap::new(),
        };
        world.boot();
        world.arm();
        world
    }

    fn arm(&mut self) {
        self.heap.set_stress(self.setup.stress);
        self.heap.set_faults(self.setup.faults);
        self.heap.space_mut().set_faults(self.setup.space_faults);
    }

    pub fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// nil, the known objects, classes, the permanent table.
    fn boot(&mut self) {
        let heap = &mut self.heap;
        let nil = heap.allocate_old(KnownClass::UndefinedObject.index(), 0, 0).unwrap();
        let array = KnownClass::Array.index();
        let known = heap.allocate_old(array, 1, KnownObject::ALL.len()).unwrap();
        (0..KnownObject::ALL.len()).for_each(|n| heap.store(known, n, nil));
        heap.set_known_objects(known);
        let classes = [
            (KnownClass::UndefinedObject.index(), 0, 0),
            (array, 0, 1),
            (KnownClass::ByteArray.index(), 0, 16),
            (META, 4, 0),
            (PLAIN, 1, 1),
            (WEAK, 2, 2),
            (EPHEMERON, 2, 3),
        ];
        let kept = heap.allocate_old(array, 1, classes.len()).unwrap();
        heap.set_known(KnownObject::SymbolTable, kept);
        for (n, (index, named, format)) in classes.into_iter().enumerate() {
            let class = heap.allocate_old(META, 0, 5).unwrap();
            heap.store(class, behavior::FORMAT, Word::small(named | (format << 16)));
            heap.store(class, behavior::CLASS_INDEX, Word::small(index.0.into()));
            heap.set_class_at(index, class);
            heap.store(kept, n, class);
        }
        let table = heap.allocate_old(array, 1, TABLE).unwrap();
        heap.set_known(KnownObject::Smalltalk, table);
        let frames = heap.allocate_quiet(array, 1, REGISTERS).unwrap();
        heap.set_root(root::STACK_IMAGES, frames.0);
        self.permanent = 5 + classes.len();
        if self.setup.hoard {
            let words = (BLOCKS - 12) * BLOCK_BYTES / 8 - 2;
            let hoard = heap.allocate_old(KnownClass::ByteArray.index(), Format::Bytes as u8, words).unwrap();
            heap.set_known(KnownObject::Processor, hoard);
            self.permanent += 1;
        }
        self.registers = vec![nil; REGISTERS];
        self.model.registers = vec![None; REGISTERS];
        self.model.table = vec![None; TABLE];
    }

    pub fn table(&self) -> Word {
        self.heap.known(KnownObject::Smalltalk)
    }

    pub fn word_of(&self, value: Val, target: Option<Word>) -> Word {
        match value {
            Val::Nil => self.heap.nil(),
            Val::Int(n) => Word::small(n),
            Val::Ref(_) => target.unwrap(),
        }
    }

    // ---- picking

    /// An object that a register or the table holds, with its id.
    pub fn pick(&mut self) -> Option<(Word, usize)> {
        let n = self.random.below(REGISTERS + TABLE);
        let (id, word) = if n < REGISTERS {
            (self.model.registers[n], self.registers[n])
        } else {
            (self.model.table[n - REGISTERS], self.heap.slot(self.table(), n - REGISTERS))
        };
        Some((self.heap.resolve(word), self.model.resolve(id?)))
    }

    // ---- collections

    pub fn scavenge(&mut self) -> Done {
        self.count("scavenge");
        let result = self.heap.scavenge(&mut self.registers);
        self.collected(result)
    }

    pub fn collected<T>(&mut self, result: Result<T, HeapError>) -> Done {
        match result {
            Ok(_) => {}
            Err(HeapError::Exhausted) => return Err(End::Full),
            Err(other) => return Err(End::Wrong(format!("{other:?}"))),
        }
        self.see_fired()
    }

    /// What fired since this was last asked has a dead key. Now and then it waits to be taken.
    fn see_fired(&mut self) -> Done {
        if !self.heap.has_fired() {
            return Ok(());
        }
        let reach = self.model.reach();
        for word in self.heap.fired().to_vec() {
            let id = self.fired_id(word);
            if self.model.fired.iter().any(|&known| self.model.resolve(known) == id) {
                continue;
            }
            self.count("ephemeron fired");
            if self.model.nodes[id].kind != Kind::Ephemeron {
                return Err(End::Wrong(format!("#{id} fired and is no ephemeron")));
            }
            if reach[id] && self.model.key_lives(id, &reach) {
                return Err(End::Wrong(format!("ephemeron #{id} fired, its key is alive")));
            }
            self.model.fired.push(id);
        }
        if self.random.percent(50) { Ok(()) } else { self.take_fired() }
    }

    /// The identity of what fired, or of what it became since.
    fn fired_id(&self, word: Word) -> usize {
        let word = self.heap.resolve(word);
        let slot = usize::from(self.heap.header(word).class() == EPHEMERON);
        match self.heap.header(word).has_references() {
            true => self.heap.slot(word, slot).as_integer() as usize,
            false => self.heap.raw(word, 0) as usize,
        }
    }

    /// What fired is ordinary from now on, and held.
    pub fn take_fired(&mut self) -> Done {
        self.model.fired.clear();
        for word in self.heap.take_fired() {
            let id = self.fired_id(word);
            let format = self.heap.header(self.heap.resolve(word)).format();
            if self.model.nodes[id].kind == Kind::Ephemeron && format == Format::Indexable as u8 {
                self.model.nodes[id].kind = Kind::Fired;
            }
            let register = self.random.below(REGISTERS);
            self.registers[register] = word;
            self.model.registers[register] = Some(id);
        }
        Ok(())
    }

    pub fn finish(&mut self, budget: Option<usize>) -> Done {
        let result = self.heap.finish(&mut self.registers, budget);
        match result {
            Ok(Finish::Done) => self.count("finish"),
            Ok(Finish::OverBudget) => self.count("finish over budget"),
            _ => {}
        }
        self.collected(result)
    }

    pub fn collect_full(&mut self) -> Done {
        self.count("full collection");
        let result = self.heap.collect_full(&mut self.registers);
        self.collected(result)
    }

    // ---- epochs

    /// Saves the registers, as frame states are, and flips.
    pub fn flip(&mut self) -> Done {
        if self.is_writing() {
            return Ok(());
        }
        self.renew_frames();
        let frames = self.frames();
        for n in 0..REGISTERS {
            if self.heap.slot(frames, n) != self.registers[n] {
                self.heap.store(frames, n, self.registers[n]);
            }
        }
        let result = self.heap.flip(&mut self.registers);
        let frozen = match result {
            Ok(frozen) => frozen,
            Err(error) => return self.collected::<()>(Err(error)),
        };
        self.count("flip");
        self.mirror.flip(&self.arena, &frozen)?;
        if let Some(threads) = &mut self.threads {
            threads.write(frozen, &self.arena);
            threads.set_marker(self.heap.marker());
            self.threads_model = Some(self.model.clone());
            return self.see_fired();
        }
        match &mut self.real {
            Some(real) => {
                let pages = self.heap.root_word(root::BLOCK_LIMIT) * (BLOCK_BYTES / PAGE) as u64;
                real.arm(&mut self.random);
                real.begin(frozen, self.model.clone(), self.heap.base(), pages)?;
                self.writing = true;
            }
            None => {
                self.writer = Some((Writer::new(frozen, &self.arena), self.model.clone()));
            }
        }
        self.see_fired()
    }

    pub fn is_writing(&self) -> bool {
        self.writer.is_some()
            || self.writing
            || self.threads.as_ref().is_some_and(Threads::is_writing)
    }

    /// Takes what the writer's thread copied.
    fn take_copied(&mut self, wait: bool) -> Done {
        let Some(threads) = &mut self.threads else { return Ok(()) };
        let Some(copied) = threads.copied(wait) else { return Ok(()) };
        let pages = copied?;
        if self.random.percent(20) {
            self.count("abandon");
            self.heap.abandon();
        } else {
            self.count("commit");
            self.disk.commit(pages);
            self.saved = self.threads_model.take().map(|model| Saved { model });
            self.heap.thaw();
        }
        Ok(())
    }

    fn write_really(&mut self, steps: usize) -> Done {
        for _ in 0..steps.min(200) {
            let Some(real) = &mut self.real else { return Ok(()) };
            let written = if self.writing { real.step(8) } else { return Ok(()) };
            self.writing = written == Written::Working;
            match written {
                Written::Working => {}
                Written::Acknowledged => {
                    self.count("commit");
                    self.heap.thaw();
                }
                Written::Abandoned => {
                    self.count("abandon");
                    self.heap.abandon();
                }
            }
        }
        Ok(())
    }

    /// What the flips save the registers in.
    fn frames(&self) -> Word {
        Word(self.heap.root_word(root::STACK_IMAGES))
    }

    /// Now and then they go into a new object, a young one, to which a word of the root block refers.
    fn renew_frames(&mut self) {
        if self.random.percent(30)
            && let Some(frames) = self.heap.allocate(KnownClass::Array.index(), 1, REGISTERS)
        {
            self.heap.set_root(root::STACK_IMAGES, frames.0);
        }
    }

    /// What the last flip saved of the registers is of no use any more.
    pub fn clear_frames(&mut self) {
        let frames = self.frames();
        let nil = self.heap.nil();
        (0..REGISTERS).for_each(|n| self.heap.store(frames, n, nil));
    }

    pub fn write(&mut self, steps: usize) -> Done {
        if self.real.is_some() {
            return self.write_really(steps);
        }
        if self.threads.is_some() {
            return self.take_copied(steps > 1000);
        }
        for _ in 0..steps {
            let Some((writer, _)) = &mut self.writer else { return Ok(()) };
            if writer.step()? {
                return self.end_write();
            }
        }
        Ok(())
    }

    fn end_write(&mut self) -> Done {
        let Some((writer, model)) = self.writer.take() else { return Ok(()) };
        if self.random.percent(20) {
            self.log.push("abandon".into());
            self.count("abandon");
            self.heap.abandon();
        } else {
            self.log.push("commit".into());
            self.count("commit");
            self.disk.commit(writer.written);
            self.saved = Some(Saved { model });
            self.heap.thaw();
        }
        Ok(())
    }

    /// A crash, and the last commit opened, now and then at another address.
    pub fn reopen(&mut self) -> Done {
        if let Some(threads) = &mut self.threads
            && self.saved.is_some()
        {
            threads.set_marker(None);
            threads.copied(true);
        }
        let source: Arc<dyn PageSource> = match (&mut self.real, &self.saved) {
            (Some(real), _) if real.has_snapshot() => {
                let (model, source) = real.crash(self.arena.as_ref(), &mut self.random)?;
                self.model = model;
                source
            }
            (None, Some(saved)) => {
                self.model = saved.model.clone();
                Arc::new(self.disk.clone())
            }
            _ => return Ok(()),
        };
        self.writer = None;
        self.writing = false;
        self.cached.clear();
        self.pins.clear();
        self.model.fired.clear();
        if self.random.percent(30) {
            self.arena = new_arena();
        }
        let opened = Heap::open(self.arena.as_ref(), config(&self.setup), source);
        self.heap = opened.map_err(|error| End::Wrong(format!("reopen: {error:?}")))?;
        if self.setup.faults.forget_held_on_open {
            self.heap.forget_held();
        }
        self.arm();
        self.mirror.reopen(&self.arena);
        let frames = self.frames();
        self.registers = (0..REGISTERS).map(|n| self.heap.slot(frames, n)).collect();
        self.log.push("REOPEN".into());
        for class in 64..self.heap.next_class().0 {
            if self.heap.class_at(ClassIndex(class)) != Word::NONE {
                self.cached.insert(class);
            }
        }
        self.count(if self.heap.holds_unknown_corpses() { "reopen in mid-sweep" } else { "reopen" });
        if self.heap.relocation().is_some() {
            self.count("relocated");
        }
        Ok(())
    }

    // ---- objects

    /// Allocates, collecting when asked to.
    pub fn allocate(&mut self, class: ClassIndex, format: u8, size: usize) -> Result<Word, End> {
        self.allocations += 1;
        if self.setup.collect_full_always {
            self.collect_full()?;
        }
        if self.setup.flip_every > 0 && self.allocations.is_multiple_of(self.setup.flip_every) {
            self.flip()?;
        }
        let way = self.random.below(10);
        for attempt in 0..3 {
            let word = match way {
                0 => self.heap.allocate_old(class, format, size),
                1 => self.heap.allocate_quiet(class, format, size),
                _ => self.heap.allocate(class, format, size),
            };
            match word {
                Some(word) => return Ok(word),
                None if attempt == 0 => self.scavenge()?,
                None => self.collect_full()?,
            }
        }
        Err(End::Full)
    }

    pub fn make(&mut self, kind: Kind, size: usize) -> Done {
        self.count("allocate");
        let id = self.model.nodes.len();
        let mut class_node = None;
        let (index, format, size) = match kind {
            Kind::Plain => match self.pick_class(Format::Indexable) {
                Some((class, node)) => {
                    class_node = Some(node);
                    (class, Format::Indexable as u8, size)
                }
                None => (PLAIN, Format::Indexable as u8, size),
            },
            Kind::Bytes => (KnownClass::ByteArray.index(), Format::Bytes as u8, size),
            Kind::Weak => {
                let picked = self.pick_class(Format::Weak);
                class_node = picked.map(|(_, node)| node);
                (picked.map_or(WEAK, |(class, _)| class), Format::Weak as u8, size.max(4))
            }
            Kind::Ephemeron | Kind::Fired => (EPHEMERON, Format::Ephemeron as u8, size.max(3)),
            Kind::Class => (META, Format::Fixed as u8, 5),
        };
        // The class may go while the instance is allocated: keep it in a register.
        if let Some(node) = class_node {
            let (word, _) = self.find_class(node);
            self.registers[0] = word;
            self.model.registers[0] = Some(node);
        }
        let object = self.allocate(index, format, size)?;
        let node = Node {
            kind,
            size,
            slots: BTreeMap::new(),
            raw: if kind == Kind::Bytes { vec![0; size - 1] } else { vec![] },
            class: class_node,
            hash: None,
            alias: None,
        };
        self.model.nodes.push(node);
        self.name(object, id, kind, size);
        if kind == Kind::Class {
            let format = if self.random.percent(60) { 2 | (2 << 16) } else { 1 | (1 << 16) };
            self.heap.store(object, behavior::FORMAT, Word::small(format));
            let Some(class) = self.heap.register_class(object) else { return Err(End::Full) };
            if !self.cached.insert(class.0) {
                return Err(End::Wrong(format!("class index {} is given, caches know it", class.0)));
            }
            self.heap.store_immediate(object, behavior::CLASS_INDEX, Word::small(class.0.into()));
        }
        let register = self.random.below(REGISTERS);
        self.registers[register] = object;
        self.model.registers[register] = Some(id);
        self.log.push(format!("r{register} := new {kind:?} #{id} of {size} at {object:?}"));
        Ok(())
    }

    /// Writes the identity and something recognisable.
    fn name(&mut self, object: Word, id: usize, kind: Kind, size: usize) {
        if kind == Kind::Bytes {
            self.heap.store_raw(object, 0, id as u64);
            if size > 1 {
                self.heap.store_raw(object, size - 1, !id as u64);
                self.model.nodes[id].raw[size - 2] = !id as u64;
            }
        } else {
            self.heap.store_immediate(object, id_slot(kind), Word::small(id as i64));
        }
    }

    /// A class of a format among what is held, now and then.
    fn pick_class(&mut self, format: Format) -> Option<(ClassIndex, usize)> {
        if !self.random.percent(60) {
            return None;
        }
        let (word, id) = self.pick()?;
        if self.model.nodes[id].kind != Kind::Class {
            return None;
        }
        if self.heap.slot(word, behavior::FORMAT).as_integer() >> 16 != format as i64 {
            return None;
        }
        let index = self.heap.slot(word, behavior::CLASS_INDEX).as_integer();
        Some((ClassIndex(index as u32), id))
    }

    fn find_class(&self, id: usize) -> (Word, usize) {
        let held = self.model.registers.iter().position(|held| held.map(|h| self.model.resolve(h)) == Some(id));
        if let Some(n) = held {
            return (self.heap.resolve(self.registers[n]), id);
        }
        let n = self.model.table.iter().position(|held| held.map(|h| self.model.resolve(h)) == Some(id));
        (self.heap.resolve(self.heap.slot(self.table(), n.unwrap())), id)
    }

    /// Verifier, both oracles and the model.
    pub fn check(&mut self) -> Done {
        let mut roots = Both { first: &mut self.registers, second: &mut () };
        let verdict = self.heap.verify(&mut roots);
        if let Some(at) = self.heap.walk_failure() {
            return Err(End::Wrong(format!("a walker could not go on at {at:#x}")));
        }
        if let Some(first) = verdict.violations.first() {
            return Err(End::Wrong(format!(
                "verifier: {} at {:#x} (of {} violations)",
                first.what,
                first.offset,
                verdict.violations.len()
            )));
        }
        crate::compare::compare(self)
    }
}
