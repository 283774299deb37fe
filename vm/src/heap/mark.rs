//! The marker: finds what is reachable in old blocks while the mutator runs.
//!
//! Invariants
//! - M1 The tri-colour one: white is unmarked, grey is marked and on the stack, black is marked and
//!   scanned. A black object that refers to a white one lies on a page that is dirty in the running
//!   epoch, or on a list that a flip handed over and that was not scanned yet.
//! - M2 A reference is followed only into a block that is old when the reference is loaded, in the
//!   same step.
//! - M3 It reads heap words and sets mark bits, nothing else. What it meets of weak objects and
//!   ephemerons it puts on lists; the finish settles them.
//! - M4 It meets the mutator through atomics and two short locks: one for its state, held for a
//!   step, and one for the lists that flips push.
//!
//! Paper: Boehm, Demers, Shenker 1991, with the dirty lists of the snapshots instead of page traps.

use super::lock::{Guard, SpinLock};
use super::shared::{Shared, state};
use crate::layout::{
    BLOCKS_OFFSET, CLASS_TABLE_OFFSET, ClassIndex, Format, Header, PAGE_BYTES, Word,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use image::PageIndex;

/// Slots of one object that are scanned at a time.
const CHUNK_SLOTS: usize = 1024;

/// How far a marker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkStep {
    /// There is more to do.
    Working,
    /// Nothing is left until the next flip or the finish.
    Idle,
}

/// A handle on the marker of a running cycle: whoever has time calls [`Marker::step`].
#[derive(Clone)]
pub struct Marker {
    cell: Arc<MarkerCell>,
}

struct MarkerCell {
    shared: Arc<Shared>,
    state: SpinLock<MarkState>,
    inbox: SpinLock<Vec<Arc<[PageIndex]>>>,
}

/// An object of which slots from `slot` on are still to be scanned.
#[derive(Clone, Copy)]
struct Grey {
    header: usize,
    slot: usize,
}

/// What a mark knows.
pub(super) struct MarkState {
    shared: Arc<Shared>,
    grey: Vec<Grey>,
    pages: Vec<(Arc<[PageIndex]>, usize)>,
    /// Headers of weak objects that were met.
    pub weak: Vec<usize>,
    /// Headers of ephemerons that were met.
    pub ephemerons: Vec<usize>,
    /// One bit a class index of which an instance was met.
    classes: Vec<u64>,
    /// Words scanned, for budgets.
    pub scanned: usize,
}

impl Marker {
    pub(super) fn new(shared: Arc<Shared>) -> Marker {
        let state = MarkState {
            shared: shared.clone(),
            grey: Vec::new(),
            pages: Vec::new(),
            weak: Vec::new(),
            ephemerons: Vec::new(),
            classes: Vec::new(),
            scanned: 0,
        };
        let cell =
            MarkerCell { shared, state: SpinLock::new(state), inbox: SpinLock::new(Vec::new()) };
        Marker { cell: Arc::new(cell) }
    }

    /// Scans about `budget` words. One caller at a time works; another one is told `Working`.
    pub fn step(&self, budget: usize) -> MarkStep {
        let Some(mut state) = self.cell.state.try_lock() else { return MarkStep::Working };
        self.cell.shared.step_begins();
        let idle = {
            self.take_lists(&mut state);
            state.work(budget);
            state.is_empty() && self.cell.inbox.lock().is_empty()
        };
        self.cell.shared.step_ends();
        if idle { MarkStep::Idle } else { MarkStep::Working }
    }

    /// Whether there is nothing to do.
    pub fn is_idle(&self) -> bool {
        self.cell.inbox.lock().is_empty()
            && self.cell.state.try_lock().is_some_and(|state| state.is_empty())
    }

    /// By a flip: the pages of the epoch that it closed.
    pub(super) fn hand_over(&self, pages: Arc<[PageIndex]>) {
        self.cell.inbox.lock().push(pages);
    }

    /// By the finish: the marker's state, with every list taken in. Waits for a running step.
    pub(super) fn take(&self) -> Guard<'_, MarkState> {
        let mut state = self.cell.state.lock();
        self.take_lists(&mut state);
        state
    }

    fn take_lists(&self, state: &mut MarkState) {
        let lists = core::mem::take(&mut *self.cell.inbox.lock());
        state.pages.extend(lists.into_iter().map(|list| (list, 0)));
    }
}

impl MarkState {
    fn is_empty(&self) -> bool {
        self.grey.is_empty() && self.pages.is_empty()
    }

    /// Traces until about `budget` more words were scanned or nothing is left. Answers whether
    /// nothing is.
    pub fn work(&mut self, budget: usize) -> bool {
        let end = self.scanned.saturating_add(budget);
        while self.scanned < end {
            if let Some(grey) = self.grey.pop() {
                self.scan_grey(grey);
            } else if !self.next_page() {
                return true;
            }
        }
        self.is_empty()
    }

    /// Scans one more page of the lists; answers whether there was one.
    fn next_page(&mut self) -> bool {
        let Some((list, at)) = self.pages.last_mut() else { return false };
        let page = list.get(*at).copied();
        *at += 1;
        match page {
            Some(page) => self.rescan_page(page.0 as usize),
            None => {
                self.pages.pop();
            }
        }
        true
    }

    /// Follows a reference into an old block (M2): what it finds unmarked becomes grey.
    #[inline]
    pub fn follow(&mut self, word: Word) {
        let address = word.address();
        if !word.is_reference()
            || !self.shared.words.holds(address)
            || address < self.shared.base + BLOCKS_OFFSET
            || self.shared.state_of(address) != state::OLD
        {
            return;
        }
        if self.shared.mark(address) {
            self.grey.push(Grey { header: address, slot: 0 });
        }
    }

    /// Whether a reference is to an old object that is unmarked; every other word is alive.
    pub fn is_dead(&self, word: Word) -> bool {
        word.is_reference()
            && self.shared.words.holds(word.address())
            && self.shared.state_of(word.address()) == state::OLD
            && word.address() >= self.shared.base + BLOCKS_OFFSET
            && !self.shared.is_marked(word.address())
    }

    fn scan_grey(&mut self, grey: Grey) {
        let head = Header(self.shared.words.load_acquire(grey.header));
        if grey.slot == 0 {
            self.scanned += 2;
            self.meet(grey.header, head);
        }
        let slots = self.strong_slots(grey.header, head);
        let end = slots.min(grey.slot + CHUNK_SLOTS);
        if end < slots {
            self.grey.push(Grey { header: grey.header, slot: end });
        }
        self.scan_slots(grey.header + 8 + grey.slot * 8, grey.header + 8 + end * 8);
    }

    fn scan_slots(&mut self, from: usize, to: usize) {
        for address in (from..to).step_by(8) {
            self.follow(Word(self.shared.words.load(address)));
        }
        self.scanned += to.saturating_sub(from) / 8;
    }

    /// How many slots keep what they refer to, whatever else is alive.
    fn strong_slots(&self, header: usize, head: Header) -> usize {
        match head.format() {
            0 | 1 => self.shared.slots_of(header),
            f if f == Format::Forwarder as u8 => 1,
            _ => 0,
        }
    }

    /// Notes the class, and lists weak objects and ephemerons.
    fn meet(&mut self, header: usize, head: Header) {
        self.see_class(head.class());
        if head.format() == Format::Weak as u8 {
            self.weak.push(header);
        } else if head.format() == Format::Ephemeron as u8 {
            self.ephemerons.push(header);
        }
    }

    fn see_class(&mut self, class: ClassIndex) {
        let index = class.0 as usize / 64;
        let bit = 1 << (class.0 % 64);
        if index >= self.classes.len() {
            self.classes.resize(index + 1, 0);
        }
        if self.classes[index] & bit == 0 {
            self.classes[index] |= bit;
            self.follow_class(class.0 as usize);
        }
    }

    fn follow_class(&mut self, class: usize) {
        let entry = self.shared.base + CLASS_TABLE_OFFSET + class * 8;
        self.follow(Word(self.shared.words.load(entry)));
    }

    /// By the finish: a class may have been moved or replaced since its instance was met.
    pub fn follow_seen_classes(&mut self) {
        for index in 0..self.classes.len() {
            let mut bits = self.classes[index];
            while bits != 0 {
                self.follow_class(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }

    /// An object that is alive whatever its mark says, such as a young one: what it refers to is
    /// followed.
    pub fn visit(&mut self, header: usize) {
        let head = self.shared.header(header);
        self.meet(header, head);
        let slots = self.strong_slots(header, head);
        self.scan_slots(header + 8, header + 8 + slots * 8);
        self.scanned += 2;
    }

    /// Scans the marked objects on a page of old blocks once more.
    pub fn rescan_page(&mut self, page: usize) {
        let from = self.shared.base + page * PAGE_BYTES;
        let to = from + PAGE_BYTES;
        self.scanned += 1;
        if page * PAGE_BYTES < BLOCKS_OFFSET || self.shared.state_of(from) != state::OLD {
            return;
        }
        let shared = self.shared.clone();
        for header in shared.overlapping(from, to) {
            if !shared.is_marked(header) {
                continue;
            }
            let head = Header(shared.words.load_acquire(header));
            if header >= from {
                self.meet(header, head);
            }
            let first = header + 8;
            let end = first + self.strong_slots(header, head) * 8;
            self.scan_slots(first.max(from), end.min(to));
        }
    }

    /// By a finish that passed its budget: what was listed in young blocks may move or die.
    pub fn forget_young(&mut self) {
        let shared = self.shared.clone();
        self.weak.retain(|&header| shared.state_of(header) == state::OLD);
        self.ephemerons.retain(|&header| shared.state_of(header) == state::OLD);
    }

    /// Forgets what is still to be traced (a seeded bug).
    pub fn forget_grey(&mut self) {
        self.grey.clear();
    }
}
