//! The rig: carries a script out on a world over a simulated store, and keeps the outside model.
//!
//! An act may fail (a fault is armed). Then nothing changes in the model but what is possible; the
//! pages of an abandoned snapshot are dirty again, as in the heap.

use super::outside::{Known, Knowledge, State};
use super::pages::{Frozen, Pages};
use super::script::{Act, Kept, Script, Verb};
use image::{
    Budget, CreateOptions, Epoch, Faults, Geometry, HeapWords, ImageError, Keep, Moment, MomentId, OpenOptions, Progress, Snapshot,
    ThinPolicy, ThinStep, World,
};
use platform::Store;
use platform_sim::{Medium, SimStore};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The heap's base in all cases.
pub const BASE: u64 = 0x2000_0000_0000;
/// The most steps that anything may take before it counts as hanging.
const PATIENCE: usize = 20_000;

/// A world, its store, and what is known of it.
pub struct Rig {
    /// The store.
    pub store: SimStore,
    /// The world; `None` when it could not be opened again.
    pub world: Option<World>,
    /// The outside model.
    pub known: Knowledge,
    /// What was known at each note in the store's recording.
    pub notes: Vec<Knowledge>,
    /// Something that no fault excuses.
    pub wrong: Option<String>,
    faults: Faults,
    dirty: Pages,
    serial: u64,
    epoch: u64,
    salt: u64,
    now_ns: i64,
}

/// How cases open a world.
pub fn options(salt: u64, faults: Faults) -> OpenOptions {
    OpenOptions { identity: [7; 16], salt, faults, ..OpenOptions::default() }
}

/// Small rings, so that they wrap within a script.
pub fn small(faults: Faults) -> CreateOptions {
    CreateOptions { ring_slots: 5, journal_blocks: 6, reserve_blocks: 4, faults, ..CreateOptions::default() }
}

/// Where things stand in these small worlds.
pub fn geometry() -> Result<Geometry, ImageError> {
    let CreateOptions { ring_slots, journal_blocks, reserve_blocks, .. } = small(Faults::default());
    Geometry::laid_out(ring_slots, journal_blocks, reserve_blocks)
}

impl Rig {
    /// An empty world on a new store.
    pub fn new(faults: Faults) -> Result<Rig, ImageError> {
        let store = SimStore::new();
        let shared: Arc<dyn Store> = Arc::new(store.clone());
        World::create(&shared, &small(faults))?;
        let (world, _) = World::open(shared, &options(1, faults))?;
        Ok(Rig {
            store,
            world: Some(world),
            known: Knowledge::new(),
            notes: Vec::new(),
            wrong: None,
            faults,
            dirty: Pages::new(),
            serial: 0,
            epoch: 0,
            salt: 1,
            now_ns: 1_000_000_000,
        })
    }

    /// A rig around a medium that holds what `known` says.
    pub fn on(medium: Medium, known: Knowledge, salt: u64, faults: Faults) -> Result<Rig, ImageError> {
        let store = SimStore::on(medium);
        let (world, _) = World::open(Arc::new(store.clone()), &options(salt, faults))?;
        let serial = world.heap().roots[0] + 1_000_000;
        let now_ns = 500_000_000_000;
        let dirty = Pages::new();
        Ok(Rig { store, world: Some(world), known, notes: Vec::new(), wrong: None, faults, dirty, serial, epoch: 0, salt, now_ns })
    }

    /// What opening replayed belongs to the past; records appended from now on are counted anew.
    pub fn forget_journal(&mut self) {
        self.known.journal.clear();
        self.known.flushed = 0;
    }

    /// Carries out the first snapshot, after which cases count.
    pub fn begin(&mut self, script: &Script) {
        if let Some(first) = script.acts.first() {
            self.act(first);
        }
    }

    /// Carries out one act.
    pub fn act(&mut self, act: &Act) {
        if self.world.is_none() || self.wrong.is_some() {
            return;
        }
        self.now_ns += 2_000_000_000;
        match act {
            Act::Snapshot { dirty, kept, record } => self.snapshot(dirty, *kept, *record),
            Act::Grow { dirty } => self.snapshot(dirty, Kept::No, None),
            Act::Name => self.name(),
            Act::Branch(nth) => self.branch(*nth),
            Act::Restore(nth) => self.restore(*nth),
            Act::Delete(nth) => self.delete(*nth),
            Act::Thin => self.thin(),
            Act::Pin(nth) => self.pin(*nth),
            Act::Journal { records, flush } => self.journal(records, *flush),
            Act::Sweep(budget) => self.sweep(*budget),
            Act::Reopen => self.reopen(),
            Act::Close => {
                let now = self.now_ns;
                let closed = self.world.as_mut().map(|world| world.close(now));
                if let Some(Ok(())) = closed {
                    self.known.flushed = self.known.journal.len();
                    self.settle_if_quiet();
                }
                self.reopen();
            }
        }
    }

    /// A line for a failed case: the act that a script is in.
    pub fn verb(script: &Script, nth: usize) -> Verb {
        script.acts.get(nth).map_or(Verb::Reopen, Act::verb)
    }

    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("an act is carried out on an open world")
    }

    fn fail(&mut self, line: String) {
        self.wrong.get_or_insert(line);
    }

    /// Without a fault, nothing may be damaged, used twice or leaked while the world is open.
    pub fn check_in_session(&mut self) {
        let Some(world) = self.world.as_mut() else { return self.fail("the world does not open again".into()) };
        match world.check() {
            Ok(damages) if damages.is_empty() => {}
            other => self.fail(format!("check of the open world answers {other:?}")),
        }
    }

    /// What is known has changed; the recording remembers when.
    pub fn note(&mut self) {
        self.store.note(self.notes.len() as u64);
        self.notes.push(self.known.clone());
    }

    fn settle_if_quiet(&mut self) {
        if self.store.pending() == 0 {
            self.known.settle();
        }
        self.note();
    }

    fn intend(&mut self, next: State) -> usize {
        let state = self.known.intend(next);
        self.note();
        state
    }

    fn snapshot(&mut self, dirty: &Pages, kept: Kept, record: Option<usize>) {
        self.dirty.extend(dirty);
        self.serial += 1;
        self.epoch += 1;
        let mut next = self.known.now().clone();
        next.serial = self.serial;
        Arc::make_mut(&mut next.pages).extend(&self.dirty);
        next.covered = self.known.journal.len();
        let keep = match kept {
            Kept::No => Keep::No,
            Kept::Automatic => Keep::Automatic,
            Kept::Named => Keep::Named(format!("s{}", self.serial)),
        };
        if kept != Kept::No {
            let name = if let Keep::Named(name) = &keep { name.clone() } else { String::new() };
            let id = self.world().head().next_moment;
            next.moments.insert(id, Known { pages: next.pages.clone(), name, pinned: false });
        }
        let last = self.known.universe.last().copied().max(self.dirty.keys().next_back().copied());
        let heap = HeapWords {
            base: BASE,
            pages: last.map_or(0, |page| page + 1),
            roots: [self.serial, 0, 0, 0, 0, 0, 0, !self.serial],
        };
        let frozen = Frozen::of(&self.dirty);
        let snapshot = Snapshot { epoch: Epoch(self.epoch), frozen, heap, wall_ns: self.now_ns, keep };
        let state = self.intend(next);
        if self.world().begin_snapshot(snapshot).is_err() {
            return;
        }
        let mut progress = Progress::Working;
        if let Some(length) = record {
            progress = self.world().step(Budget(2));
            self.append(length);
        }
        if self.finish(state, progress) {
            self.dirty.clear();
        }
    }

    /// Steps until nothing is in writing; answers whether the snapshot was acknowledged.
    fn finish(&mut self, state: usize, first: Progress) -> bool {
        let epoch = Epoch(self.epoch);
        let mut progress = first;
        for _ in 0..PATIENCE {
            match progress {
                Progress::Working => {}
                Progress::Acknowledged { epoch: Some(done), .. } if done == epoch => {
                    self.known.acknowledge(state);
                    self.allow_for_damage();
                    self.settle_if_quiet();
                    self.run_idle();
                    return true;
                }
                Progress::Abandoned { epoch: Some(done), .. } if done == epoch => {
                    self.run_idle();
                    return false;
                }
                _ => {}
            }
            progress = self.world().step(Budget(3));
        }
        self.fail("a snapshot does not end".into());
        false
    }

    /// Where the tree of moments cannot be read, a snapshot is made all the same, but is not kept
    /// automatically; the damage says so.
    fn allow_for_damage(&mut self) {
        if self.world().damages().is_empty() {
            return;
        }
        let certain = self.known.certain;
        let state = Arc::make_mut(&mut self.known.states[certain]);
        let automatic = state.moments.iter().filter(|(_, moment)| moment.name.is_empty() && !moment.pinned);
        state.optional.extend(automatic.map(|(id, _)| *id).max());
    }

    /// Commits that only let the journal forget change nothing that is known.
    fn run_idle(&mut self) {
        for _ in 0..PATIENCE {
            // A commit that only relieves the journal may fail; it is tried again by later acts.
            if matches!(self.world().step(Budget::ALL), Progress::Idle | Progress::Abandoned { .. }) {
                return;
            }
        }
        self.fail("a world does not come to rest".into());
    }

    /// Carries out what commits at once.
    fn commit<T>(&mut self, next: State, ask: impl FnOnce(&mut World, i64) -> Result<T, ImageError>) -> bool {
        let state = self.intend(next);
        let now = self.now_ns;
        let before = self.world().head().number;
        let done = ask(self.world(), now).is_ok();
        // Asked for what is so already, a world commits nothing.
        let done = done && self.world().head().number != before;
        if done {
            self.known.acknowledge(state);
            self.settle_if_quiet();
        }
        self.run_idle();
        done
    }

    fn keep_present(&mut self, name: String, pinned: bool) -> State {
        let id = self.world().head().next_moment;
        let mut next = self.known.now().clone();
        next.moments.insert(id, Known { pages: next.pages.clone(), name, pinned });
        next
    }

    fn name(&mut self) {
        let name = format!("n{}", self.known.states.len());
        let next = self.keep_present(name.clone(), false);
        self.commit(next, |world, now| world.name(&name, now));
    }

    fn moment(&self, nth: usize) -> Option<MomentId> {
        let moments = &self.known.now().moments;
        moments.keys().nth(nth.checked_rem(moments.len())?).copied()
    }

    fn branch(&mut self, nth: usize) {
        let name = format!("b{}", self.known.states.len());
        let Some(from) = self.moment(nth) else {
            let next = self.keep_present(name.clone(), false);
            self.commit(next, |world, now| world.branch(MomentId::NONE, &name, now));
            return;
        };
        let mut next = self.known.now().clone();
        let pages = next.moments[&from].pages.clone();
        let id = self.world().head().next_moment;
        next.moments.insert(id, Known { pages, name: name.clone(), pinned: false });
        self.commit(next, |world, now| world.branch(from, &name, now));
    }

    fn restore(&mut self, nth: usize) {
        let Some(to) = self.moment(nth) else { return self.name() };
        let mut next = self.keep_present(String::new(), false);
        next.pages = next.moments[&to].pages.clone();
        next.covered = self.known.journal.len();
        let reader = self.world().reader(to).map(|reader| reader.heap().roots[0]);
        let Ok(serial) = reader else { return };
        next.serial = serial;
        if self.commit(next, |world, now| world.restore(to, now)) {
            self.dirty.clear();
        }
    }

    /// What may be gone after letting these moments go: they, and unnamed ones that held on to them.
    fn without(&self, gone: impl Fn(MomentId, &Known) -> bool) -> State {
        let mut next = self.known.now().clone();
        let optional: BTreeSet<MomentId> =
            next.moments.iter().filter(|(id, moment)| gone(**id, moment)).map(|(id, _)| *id).collect();
        next.optional.extend(optional);
        next
    }

    fn delete(&mut self, nth: usize) {
        let Some(id) = self.moment(nth) else { return self.name() };
        let next = self.without(|other, _| other == id);
        let done = self.commit(next, |world, now| world.delete(id, now));
        self.take_over(done);
    }

    fn thin(&mut self) {
        let steps =
            vec![ThinStep { younger_than_s: 6, one_per_s: 0 }, ThinStep { younger_than_s: u64::MAX, one_per_s: 8 }];
        let policy = ThinPolicy { steps, budget_bytes: 64 * 4096 };
        let next = self.without(|_, moment| moment.name.is_empty() && !moment.pinned);
        let done = self.commit(next, |world, now| world.thin(&policy, now));
        self.take_over(done);
    }

    fn pin(&mut self, nth: usize) {
        let pins: Vec<MomentId> =
            self.known.now().moments.iter().filter(|(_, moment)| moment.pinned).map(|(id, _)| *id).collect();
        if pins.is_empty() || nth % 3 == 0 {
            let next = self.keep_present(String::new(), true);
            self.commit(next, |world, now| world.pin(9, now));
        } else {
            let id = pins[nth % pins.len()];
            let next = self.without(|other, _| other == id);
            let done = self.commit(next, |world, now| world.unpin(id, now));
            self.take_over(done);
        }
    }

    /// After a deletion: which of the optional moments are left is the world's to say, no others.
    fn take_over(&mut self, done: bool) {
        if !done {
            return;
        }
        let Ok(listed) = self.world().moments() else { return };
        let certain = self.known.certain;
        let state = Arc::make_mut(&mut self.known.states[certain]);
        let mut left = std::collections::BTreeMap::new();
        let mut strange = None;
        for moment in listed {
            match state.moments.get(&moment.id) {
                Some(known) => {
                    left.insert(moment.id, Known { name: moment.name, ..known.clone() });
                }
                None => strange = Some(moment.id),
            }
        }
        let missing = state.moments.keys().find(|id| !left.contains_key(id) && !state.optional.contains(id)).copied();
        state.moments = left;
        if let Some(id) = strange {
            self.fail(format!("moment {id} appears from nowhere"));
        }
        if let Some(id) = missing {
            self.fail(format!("moment {id} is gone and nobody let it go"));
        }
    }

    fn append(&mut self, length: usize) {
        let serial = self.known.journal.len() as u64 + 1;
        if self.world().journal_append(serial, 3, &vec![serial as u8; length]).is_ok() {
            self.known.journal.push(serial);
            self.note();
        }
    }

    fn journal(&mut self, records: &[usize], flush: bool) {
        records.iter().for_each(|length| self.append(*length));
        if flush && self.world().journal_flush().is_ok() {
            self.known.flushed = self.known.journal.len();
            if self.store.pending() == 0 {
                self.known.settled_journal = self.known.flushed;
            }
            self.note();
        }
        self.run_idle();
    }

    fn sweep(&mut self, budget: u32) {
        for _ in 0..PATIENCE {
            match self.world().tend(Budget(budget)) {
                Ok(true) => {}
                Ok(false) | Err(_) => return,
            }
        }
        self.fail("verification and sweep do not end".into());
    }

    /// A new process on the same store. What the old one had not saved is gone.
    fn reopen(&mut self) {
        self.world = None;
        self.salt += 1;
        self.dirty.clear();
        let store = Arc::new(self.store.clone());
        let Ok((mut world, _)) = World::open(store, &options(self.salt, self.faults)) else { return };
        // Whatever was possible is decided now: the kernel shows the newest commit that was written.
        let serial = world.heap().roots[0];
        let candidates: Vec<usize> = self.known.possible.iter().rev().copied().chain([self.known.certain]).collect();
        let Ok(listed) = world.moments() else { return };
        let fits = |state: &State| {
            let known = |moment: &Moment| {
                let is_called = |known: &Known| known.name == moment.name || state.optional.contains(&moment.id);
                state.moments.get(&moment.id).is_some_and(is_called)
            };
            let there = |id: &MomentId| listed.iter().any(|moment| moment.id == *id);
            state.serial == serial
                && listed.iter().all(known)
                && state.moments.keys().all(|id| there(id) || state.optional.contains(id))
        };
        let replayed = world.journal_replay().map(|records| records.len()).unwrap_or(0);
        self.world = Some(world);
        let found = candidates.iter().copied().find(|state| fits(&self.known.states[*state]));
        if let Some(state) = found {
            let uncertain = self.known.possible.clone();
            if state != self.known.certain || !uncertain.is_empty() {
                self.settle_on(state);
            }
            self.compare_journal(replayed);
            self.note();
        } else {
            // The judge decides whether this was allowed; nothing more can be asked of this world.
            self.world = None;
        }
    }

    /// Only the process died: every record that was appended must be replayed, unless a fault struck.
    fn compare_journal(&mut self, replayed: usize) {
        let covered = self.known.now().covered;
        let wanted = self.known.journal.len().saturating_sub(covered);
        if replayed == wanted {
            return;
        }
        if self.store.strikes().iter().all(|struck| *struck == 0) {
            self.fail(format!("a killed process leaves {replayed} journal records of {wanted}"));
        }
        self.known.journal_in_doubt = true;
    }

    /// The world is at this state now, durable or not; until the next acknowledgement the others
    /// remain possible after a power cut.
    fn settle_on(&mut self, state: usize) {
        let mut possible = self.known.possible.clone();
        possible.push(self.known.certain);
        possible.retain(|other| *other != state);
        self.known.inherited_doubt |= state != self.known.certain;
        self.known.certain = state;
        self.known.possible = possible;
        self.serial = self.serial.max(self.known.now().serial);
        self.take_over(true);
    }
}
