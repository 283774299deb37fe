//! A collection of old space from its start to the end of its mark; flips.
//!
//! Invariants
//! - Y1 A cycle ends when its sweep is done; only then does the next begin.
//! - Y2 A finish runs a scavenge, then scans roots, young blocks and the pages dirtied since the last
//!   flip, traces to the end, settles ephemerons, then weak slots and the class table, in one pause.
//! - Y3 Past its budget it keeps what is grey, and asks again after the next flip; the third try runs
//!   to its end.
//! - Y4 A cycle needs flips, not commits. While a page is lost, none begins.
//! - Y5 What old space grew by counts until a sweep after it is done, over all openings: a world that lives
//!   in short sessions, of which none ends a cycle, learns that one is overdue.

use super::mark::{MarkState, MarkStep, Marker};
use super::shared::state;
use super::{Heap, HeapError, Roots};
use crate::layout::{
    BLOCK_TABLE_OFFSET, BLOCKS_OFFSET, BlockKind, CLASS_TABLE_OFFSET, ClassIndex, Extent,
    FIRST_FREE_CLASS, Format, Header, Word, behavior, root,
};
use alloc::sync::Arc;
use alloc::vec::Vec;
use image::space::Frozen;

/// Tries of a finish within its budget.
const FINISH_TRIES: u32 = 3;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Marking,
    Sweeping,
}

pub(super) struct Cycle {
    pub number: u32,
    pub phase: Phase,
    marker: Marker,
    tries: u32,
    /// A finish passed its budget: the next one comes after a flip.
    waits_for_flip: bool,
    /// What old space had grown by when it began (Y5).
    growth_before: usize,
    /// The next block to sweep.
    pub sweep_next: usize,
}

/// How a finish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The mark is finished; sweeping has begun.
    Done,
    /// It passed its budget.
    OverBudget,
    /// No cycle marks.
    NoCycle,
}

/// What the heap would like to be called for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// A flip: much is dirty, or a cycle waits for one.
    pub flip: bool,
    /// A step of the marker.
    pub mark: bool,
    /// A finish.
    pub finish: bool,
    /// A step of the sweep.
    pub sweep: bool,
}

impl Heap {
    /// Closes the epoch: scavenges, brings the tables up to date, freezes the dirty pages. Frame
    /// states were copied before. The caller gives the frozen pages to a writer, and then thaws or
    /// abandons them; without a store it thaws at once.
    pub fn flip(&mut self, roots: &mut dyn Roots) -> Result<Arc<Frozen>, HeapError> {
        if self.space.frozen().is_some() {
            return Err(HeapError::StillFrozen);
        }
        let began = self.cpu_ns();
        self.scavenge(roots)?;
        self.sync();
        let frozen = self.space.flip().map_err(|_| HeapError::StillFrozen)?;
        self.clear_tags(frozen.page_numbers());
        match &mut self.cycle {
            Some(cycle) if cycle.phase == Phase::Marking => {
                cycle.waits_for_flip = false;
                if !self.faults.skip_dirty_list {
                    cycle.marker.hand_over(frozen.page_list());
                }
            }
            Some(_) => {}
            None => {
                if self.wants_cycle() {
                    self.start_cycle(roots);
                }
            }
        }
        self.statistics.flips += 1;
        self.statistics.flipped_pages += frozen.page_numbers().len() as u64;
        let pause = self.cpu_ns() - began + core::mem::take(&mut self.before_flip_ns);
        self.statistics.flip_pauses.add(pause);
        Ok(frozen)
    }

    /// The frozen epoch is durable, or is not to be written.
    pub fn thaw(&mut self) {
        self.space.thaw();
    }

    /// The frozen epoch was not written: its pages are dirty again.
    pub fn abandon(&mut self) {
        self.space.abandon();
    }

    /// What would be useful now.
    pub fn wants(&self) -> Wants {
        let dirty = self.space.dirty_pages().len() * crate::layout::PAGE_BYTES;
        let mut wants = Wants { flip: dirty >= self.config.flip_after_bytes, ..Wants::default() };
        match &self.cycle {
            _ if self.is_lossy() => {}
            Some(cycle) if cycle.phase == Phase::Sweeping => wants.sweep = true,
            Some(cycle) => {
                let idle = cycle.marker.is_idle();
                wants.mark = !idle;
                wants.finish = idle && !cycle.waits_for_flip;
                wants.flip |= idle && cycle.waits_for_flip;
            }
            None => wants.flip |= self.wants_cycle(),
        }
        wants
    }

    /// Whether something changed that is worth a snapshot: any page but those of the root block and
    /// the block table, of quiet blocks, and of young ones (what old objects refer to there was
    /// stored into an old page).
    pub fn asks_for_snapshot(&self) -> bool {
        self.space.dirty_pages().iter().any(|page| {
            let offset = page.0 as usize * crate::layout::PAGE_BYTES;
            if offset < BLOCKS_OFFSET {
                return (CLASS_TABLE_OFFSET..BLOCK_TABLE_OFFSET).contains(&offset);
            }
            let block = offset / crate::layout::BLOCK_BYTES;
            self.shared.states.get(block) == state::OLD
                && !matches!(self.shared.kind(block), BlockKind::Quiet | BlockKind::Free)
        })
    }

    /// Time of the mutator that belongs to the pause of the next flip: the copying of frames.
    pub fn add_to_next_flip(&mut self, ns: u64) {
        self.before_flip_ns += ns;
    }

    fn wants_cycle(&self) -> bool {
        // A marker of a heap without barrier would not hear of what changed.
        if !super::barrier::BARRIER {
            return false;
        }
        self.mark_requested || self.old_growth >= self.enough_growth()
    }

    /// Bytes that old space has to grow by before a mark starts.
    fn enough_growth(&self) -> usize {
        self.config.mark_after_bytes.max(self.used_bytes() / 4)
    }

    /// Bytes that old space grew by and no sweep has looked through yet (Y5).
    fn unswept_growth(&self) -> usize {
        let before = self.cycle.as_ref().map_or(0, |cycle| cycle.growth_before);
        self.old_growth.saturating_add(before)
    }

    /// The same for whoever opens the heap as it is: there, what is young now is old.
    pub(super) fn growth_for_next_opening(&self) -> usize {
        self.unswept_growth().saturating_add(self.young.len() * crate::layout::BLOCK_BYTES)
    }

    /// Whether a whole collection should be waited for before the world is closed: old space grew by twice
    /// of what starts one.
    pub fn is_collection_overdue(&self) -> bool {
        super::barrier::BARRIER && !self.is_lossy() && self.unswept_growth() / 2 >= self.enough_growth()
    }

    /// Asks for a mark, which begins at the next flip.
    pub fn request_mark(&mut self) {
        self.mark_requested = true;
    }

    /// Whether a mark or sweep runs.
    pub fn cycle_runs(&self) -> bool {
        self.cycle.is_some()
    }

    /// The marker of the running cycle, for a thread to drive; stale handles do nothing useful and
    /// no harm.
    pub fn marker(&self) -> Option<Marker> {
        let cycle = self.cycle.as_ref()?;
        (cycle.phase == Phase::Marking).then(|| cycle.marker.clone())
    }

    /// Lets the marker scan about `budget` words.
    pub fn mark_step(&mut self, budget: usize) -> MarkStep {
        self.marker().map_or(MarkStep::Idle, |marker| marker.step(budget))
    }

    fn start_cycle(&mut self, roots: &mut dyn Roots) {
        let marker = Marker::new(self.shared.clone());
        self.follow_roots(&mut marker.take(), roots);
        self.mark_requested = false;
        let growth_before = core::mem::take(&mut self.old_growth);
        self.cycle = Some(Cycle {
            number: self.last_mark + 1,
            phase: Phase::Marking,
            marker,
            tries: 0,
            waits_for_flip: false,
            growth_before,
            sweep_next: 0,
        });
    }

    fn follow_roots(&mut self, state: &mut MarkState, roots: &mut dyn Roots) {
        roots.visit(&mut |word| state.follow(*word));
        for index in [root::KNOWN_OBJECTS, root::STACK_IMAGES] {
            state.follow(Word(self.root_word(index)));
        }
        for class in 0..FIRST_FREE_CLASS.0 {
            state.follow(self.class_at(ClassIndex(class)));
        }
        for &fired in &self.fired {
            state.follow(fired);
            self.follow_slots(state, fired);
        }
    }

    /// Follows every slot of an object of references.
    fn follow_slots(&self, state: &mut MarkState, object: Word) {
        for index in 0..self.size(object) {
            state.follow(self.slot(object, index));
        }
        state.scanned += self.size(object);
    }

    /// Tries to finish the mark, scanning at most `budget` words (`None`: to its end).
    pub fn finish(
        &mut self,
        roots: &mut dyn Roots,
        budget: Option<usize>,
    ) -> Result<Finish, HeapError> {
        let Some(marker) = self.marker().filter(|_| !self.is_lossy()) else { return Ok(Finish::NoCycle) };
        let began = self.cpu_ns();
        self.scavenge(roots)?;
        let mut state = marker.take();
        let tries = self.cycle.as_ref().map_or(0, |cycle| cycle.tries);
        let budget = if tries + 1 >= FINISH_TRIES { None } else { budget };
        // A page that is found lost on the way refers to nothing any more (L2).
        let done = self.trace_to_end(&mut state, roots, budget) && !self.is_lossy();
        if done {
            self.settle(&mut state);
        } else {
            state.forget_young();
            if self.faults.over_budget_drops_grey {
                state.forget_grey();
            }
        }
        drop(state);
        self.end_finish(done);
        let pause = self.cpu_ns() - began;
        self.statistics.finish_pauses.add(pause);
        Ok(if done { Finish::Done } else { Finish::OverBudget })
    }

    fn end_finish(&mut self, done: bool) {
        let Some(cycle) = &mut self.cycle else { return };
        if done {
            cycle.phase = Phase::Sweeping;
            cycle.sweep_next = super::blocks::FIRST_BLOCK;
            self.last_mark = cycle.number;
            self.statistics.marks += 1;
        } else {
            cycle.tries += 1;
            cycle.waits_for_flip = true;
            self.statistics.finishes_over_budget += 1;
        }
    }

    /// Scans what may have changed since the marker saw it, and traces. Answers whether it came to
    /// the end within the budget.
    fn trace_to_end(
        &mut self,
        state: &mut MarkState,
        roots: &mut dyn Roots,
        budget: Option<usize>,
    ) -> bool {
        let end = budget.map_or(usize::MAX, |words| state.scanned.saturating_add(words));
        if !self.faults.skip_finish_roots {
            self.follow_roots(state, roots);
        }
        if !self.faults.skip_finish_young {
            for young in 0..self.young.len() {
                self.visit_young_block(state, self.young[young].block);
                if state.scanned >= end {
                    return false;
                }
            }
        }
        if !self.faults.skip_finish_dirty {
            for page in self.space.dirty_pages() {
                state.rescan_page(page.0 as usize);
                if state.scanned >= end {
                    return false;
                }
            }
        }
        state.follow_seen_classes();
        state.work(end.saturating_sub(state.scanned))
    }

    fn visit_young_block(&self, state: &mut MarkState, block: usize) {
        let from = self.shared.block_address(block);
        for header in self.shared.overlapping(from, from + crate::layout::BLOCK_BYTES) {
            state.visit(header);
        }
    }

    // ---- what is weak

    fn settle(&mut self, state: &mut MarkState) {
        self.settle_ephemerons(state);
        self.settle_weak(state);
        self.settle_classes(state);
    }

    /// The named slots of weak objects keep; they are followed here, where classes stand still.
    fn follow_named_slots(&self, state: &mut MarkState, done: &mut usize) {
        while *done < state.weak.len() {
            let object = Word::reference(state.weak[*done]);
            *done += 1;
            let named = self.named_slots_of(self.header(object)).min(self.size(object));
            for index in 0..named {
                state.follow(self.slot(object, index));
            }
            state.work(usize::MAX);
        }
    }

    fn named_slots_of(&self, header: Header) -> usize {
        let class = self.resolve(self.class_at(header.class()));
        if !class.is_reference() || self.size(class) <= behavior::FORMAT {
            return 0;
        }
        let format = self.slot(class, behavior::FORMAT);
        if format.is_integer() { (format.as_integer() & 0xffff) as usize } else { 0 }
    }

    /// Ephemerons to the fixpoint: one whose key is alive keeps its slots; then those that are left
    /// fire, and what they hold lives on for whoever finalizes.
    fn settle_ephemerons(&mut self, state: &mut MarkState) {
        let mut named = 0;
        let mut waiting = Vec::new();
        loop {
            self.follow_named_slots(state, &mut named);
            waiting.append(&mut state.ephemerons);
            waiting.sort_unstable();
            waiting.dedup();
            let before = waiting.len();
            waiting.retain(|&header| !self.keeps(state, header));
            state.work(usize::MAX);
            let settled = waiting.len() == before && state.ephemerons.is_empty();
            if !settled && !self.faults.ephemeron_once {
                continue;
            }
            if waiting.is_empty() {
                return;
            }
            self.fire(state, &waiting);
            waiting.clear();
        }
    }

    /// If the ephemeron's key is alive, follows its slots and answers true.
    fn keeps(&self, state: &mut MarkState, header: usize) -> bool {
        let object = Word::reference(header);
        if self.header(object).format() != Format::Ephemeron as u8 || self.size(object) == 0 {
            return true;
        }
        if state.is_dead(self.resolve_for_mark(self.slot(object, 0))) {
            return false;
        }
        self.follow_slots(state, object);
        true
    }

    fn fire(&mut self, state: &mut MarkState, headers: &[usize]) {
        for &header in headers {
            let object = Word::reference(header);
            if !self.faults.ephemeron_value_unmarked {
                self.follow_slots(state, object);
            }
            if !self.fired.contains(&object) {
                self.fired.push(object);
                self.statistics.ephemerons_fired += 1;
            }
        }
        state.work(usize::MAX);
    }

    /// The ephemerons that fired since this was last asked; they are ordinary objects from now on.
    /// They are roots until they are taken; if the world is closed before, they fire again.
    pub fn take_fired(&mut self) -> Vec<Word> {
        let fired = core::mem::take(&mut self.fired);
        for &object in &fired {
            let header = self.header(object);
            // What it has become since is not what fired.
            if header.format() == Format::Ephemeron as u8 {
                self.set_header(object, header.with_format(Format::Indexable as u8));
            }
        }
        fired
    }

    /// The ephemerons that wait to be taken.
    pub fn fired(&self) -> &[Word] {
        &self.fired
    }

    /// Whether ephemerons wait to be taken.
    pub fn has_fired(&self) -> bool {
        !self.fired.is_empty()
    }

    fn resolve_for_mark(&self, word: Word) -> Word {
        if self.faults.weak_ignores_forwarders { word } else { self.resolve(word) }
    }

    /// Weak slots that refer to unmarked old objects become nil; those that refer to forwarders get
    /// what they stand for.
    fn settle_weak(&mut self, state: &mut MarkState) {
        if self.faults.weak_not_cleared {
            return;
        }
        let mut weak = core::mem::take(&mut state.weak);
        weak.sort_unstable();
        weak.dedup();
        for header in weak {
            let object = Word::reference(header);
            let head = self.header(object);
            if head.format() != Format::Weak as u8 {
                continue;
            }
            for index in self.named_slots_of(head)..self.size(object) {
                let word = self.slot(object, index);
                let target = self.resolve_for_mark(word);
                if state.is_dead(target) {
                    self.collector_store(header + 8 + index * 8, self.nil.0);
                    self.statistics.weak_cleared += 1;
                } else if target != word {
                    self.store_pointer_at(header + 8 + index * 8, target.0);
                }
            }
        }
    }

    /// Classes that nothing refers to and that have no instance lose their index.
    fn settle_classes(&mut self, state: &MarkState) {
        for class in FIRST_FREE_CLASS.0..self.next_class {
            let class = ClassIndex(class);
            let word = self.class_at(class);
            if state.is_dead(word) {
                let target = self.resolve(word);
                if target != word && !state.is_dead(target) {
                    self.set_class_at(class, target);
                } else {
                    self.drop_class(class);
                }
            }
        }
    }

    // ---- whole collections

    /// Marks and sweeps to the end, in one pause. Answers how many bytes it made free.
    pub fn collect_full(&mut self, roots: &mut dyn Roots) -> Result<usize, HeapError> {
        if self.is_lossy() {
            self.scavenge(roots)?;
            return Ok(0);
        }
        if self.marker().is_some() {
            self.finish(roots, None)?;
        }
        self.complete_sweep();
        self.scavenge(roots)?;
        let before = self.statistics.swept_bytes;
        self.start_cycle(roots);
        while self.mark_step(usize::MAX) == MarkStep::Working {}
        self.finish(roots, None)?;
        self.complete_sweep();
        Ok((self.statistics.swept_bytes - before) as usize)
    }

    /// Whether the mark bits say that an old object is dead: in a block that the running sweep has
    /// not reached.
    pub fn is_corpse(&self, object: Word) -> bool {
        let address = object.address();
        match &self.cycle {
            Some(cycle) if cycle.phase == Phase::Sweeping => {
                let block = self.shared.block_of(address);
                block >= cycle.sweep_next.max(super::blocks::FIRST_BLOCK)
                    && self.shared.state_of(address) == state::OLD
                    && !self.shared.is_marked(address)
            }
            _ => false,
        }
    }

    /// Whether an earlier session ended in mid-sweep and no later sweep is done: what is dead is not
    /// known, and a mark has to come before questions about all objects.
    pub fn holds_unknown_corpses(&self) -> bool {
        self.last_mark > self.last_sweep
            && !self.cycle.as_ref().is_some_and(|cycle| cycle.phase == Phase::Sweeping)
    }
}

const _: () = assert!(Extent::of_object(0).words == 2);
