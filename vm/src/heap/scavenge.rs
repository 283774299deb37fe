//! The scavenger: eden and the young blocks are emptied, survivors move.
//!
//! Invariants
//! - G1 Whatever a root, a card in R or a survivor refers to survives; all references to it are
//!   updated. Weak slots are not followed; ephemerons count as strong.
//! - G2 Age is counted in bytes allocated in eden since. Survivors younger than the threshold go to
//!   young blocks, which keep the stamp of what they hold; the others to old blocks. Where many survived
//!   the last scavenge of the least eden, whoever survives a second one is old: pauses are made of copies.
//! - G3 Forwarding lives in a side table (in eden, in the header): young blocks are pages of the
//!   image, and may be frozen.
//! - G4 After a scavenge R holds exactly the cards that refer to young objects, those of newly old
//!   objects among them.
//! - G5 It either has room for the worst case before it begins, or changes nothing.
//!
//! Papers: Ungar 1984, Cheney 1970 (with a stack instead of the queue), Ungar and Jackson 1988 (tenuring by
//! feedback).

use super::shared::state;
use super::{Heap, HeapError, Roots};
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockKind, CARD_BYTES, CLASS_TABLE_OFFSET, Extent, Format, Header, PINNED, Word,
    behavior, root,
};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Groups of age among the young blocks.
const AGE_GROUPS: u64 = 4;
/// Survivors of a scavenge above which eden shrinks, and below which it grows, in bytes.
const MANY_SURVIVORS: usize = 192 << 10;
const FEW_SURVIVORS: usize = 128 << 10;

/// Forwarding addresses of one young block: objects are at least two words apart.
type ForwardTable = [u64; BLOCK_BYTES / 16];

/// A block of young objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct YoungBlock {
    pub block: usize,
    /// Bytes allocated in eden when what it holds was allocated, or a little later.
    pub stamp: u64,
    /// Its allocation cursor, while a scavenge fills it.
    at: usize,
    end: usize,
}

/// What a scavenge works with, kept between scavenges to be used again.
#[derive(Default)]
pub(super) struct Scavenger {
    /// Headers of copied objects whose slots are to be updated.
    work: Vec<usize>,
    /// Addresses of weak slots that refer to what moves or dies.
    weak: Vec<usize>,
    from: Vec<YoungBlock>,
    /// Open blocks, one an age group.
    to: Vec<YoungBlock>,
    forward: Vec<Box<ForwardTable>>,
    survived: usize,
    tenured: usize,
    /// Many survived the last scavenge though eden is small: what survives a second one is old.
    hurries: bool,
    exhausted: bool,
}

impl Heap {
    /// Empties eden and the young blocks. `roots` are all references from outside the heap.
    pub fn scavenge(&mut self, roots: &mut dyn Roots) -> Result<(), HeapError> {
        let began = self.cpu_ns();
        self.tell_phase(2);
        self.make_room_for_survivors()?;
        self.begin_scavenge();
        self.scavenge_roots(roots);
        if super::barrier::BARRIER {
            self.scavenge_cards();
        } else {
            self.scavenge_old_space();
        }
        self.scavenge_copied();
        self.settle_weak_slots();
        self.end_scavenge();
        let pause = self.cpu_ns() - began;
        self.statistics.scavenge_pauses.add(pause);
        self.tell_phase(1);
        if core::mem::take(&mut self.scavenger.exhausted) { Err(HeapError::Exhausted) } else { Ok(()) }
    }

    /// Whether a word that should be a root refers to no object any more, as far as can be told after
    /// a scavenge: for tests of what visits roots.
    pub fn is_stale(&self, word: Word) -> bool {
        let address = word.address();
        if !word.is_reference() || word == Word::NONE || !self.words.holds(address) {
            return false;
        }
        let block = self.shared.block_of(address);
        match self.shared.states.get(block) {
            state::EDEN => address >= self.eden.next,
            state::YOUNG => !self.young.iter().any(|young| young.block == block),
            _ => self.shared.kind(block) == BlockKind::Free || !self.is_object(word),
        }
    }

    fn tell_phase(&self, phase: u8) {
        if let Some(place) = self.config.phase {
            place.store(phase, core::sync::atomic::Ordering::Relaxed);
        }
    }

    /// Whether an object is young: in eden or in a young block.
    #[inline(always)]
    pub fn is_young(&self, word: Word) -> bool {
        word.is_reference()
            && self.words.holds(word.address())
            && self.shared.state_of(word.address()) >= state::YOUNG
    }

    /// Enough free blocks for everything that may survive (G5); completes a sweep to get them.
    fn make_room_for_survivors(&mut self) -> Result<(), HeapError> {
        let bytes = self.eden.next - self.eden.start + self.young.len() * BLOCK_BYTES;
        let needed = 2 * bytes.div_ceil(BLOCK_BYTES) + AGE_GROUPS as usize + 4;
        if self.pool.available() >= needed {
            return Ok(());
        }
        self.scan_whole_table();
        if self.pool.available() < needed {
            self.complete_sweep();
            self.scan_whole_table();
        }
        if self.pool.available() < needed { Err(HeapError::Exhausted) } else { Ok(()) }
    }

    fn begin_scavenge(&mut self) {
        self.scavenger.from = core::mem::take(&mut self.young);
        self.scavenger.survived = 0;
        self.scavenger.tenured = 0;
        let count = self.scavenger.from.len();
        while self.scavenger.forward.len() < count {
            self.scavenger.forward.push(Box::new([0; BLOCK_BYTES / 16]));
        }
        for ordinal in 0..count {
            let block = self.scavenger.from[ordinal].block;
            self.shared.states.set(block, state::FROM);
            self.ordinals.set(block, ordinal as u32);
        }
    }

    fn scavenge_roots(&mut self, roots: &mut dyn Roots) {
        roots.visit_young(&mut |word| {
            *word = self.moved(*word);
            self.is_young(*word)
        });
        for index in [root::KNOWN_OBJECTS, root::STACK_IMAGES] {
            let old = self.root_word(index);
            let new = self.moved(Word(old)).0;
            if new != old {
                let address = self.root_address(index);
                self.collector_store(address, new);
            }
        }
        let mut fired = core::mem::take(&mut self.fired);
        fired.iter_mut().for_each(|word| *word = self.moved(*word));
        self.fired = fired;
    }

    // ---- moving

    #[inline(always)]
    fn is_from(&self, word: Word) -> bool {
        word.is_reference()
            && self.words.holds(word.address())
            && self.shared.state_of(word.address()) >= state::FROM
    }

    /// Where a word refers to after this scavenge; copies the object if nobody has.
    #[inline]
    fn moved(&mut self, word: Word) -> Word {
        if self.is_from(word) { self.moved_object(word) } else { word }
    }

    fn moved_object(&mut self, word: Word) -> Word {
        let mut word = word;
        for _ in 0..super::MAX_FORWARDING {
            if !self.is_from(word) {
                return word;
            }
            let header = word.address();
            if let Some(target) = self.forwarded(header) {
                return Word::reference(target);
            }
            if !self.shared.header(header).is_forwarder() {
                return Word::reference(self.copy_object(header));
            }
            word = Word(self.words.load(header + 8));
        }
        self.nil
    }

    /// The new address of an object that was copied.
    fn forwarded(&self, header: usize) -> Option<usize> {
        if self.shared.state_of(header) == state::EDEN {
            let word = Word(self.words.load(header));
            return word.is_reference().then(|| word.address());
        }
        let ordinal = self.ordinals.get(self.shared.block_of(header)) as usize;
        let place = self.shared.offset_in_block(header) / 16;
        let target = self.scavenger.forward[ordinal][place];
        (target != 0).then_some(target as usize)
    }

    fn set_forwarded(&mut self, header: usize, target: usize) {
        if self.shared.state_of(header) == state::EDEN {
            self.words.store(header, target as u64);
        } else {
            let ordinal = self.ordinals.get(self.shared.block_of(header)) as usize;
            let place = self.shared.offset_in_block(header) / 16;
            self.scavenger.forward[ordinal][place] = target as u64;
        }
    }

    fn copy_object(&mut self, from: usize) -> usize {
        let header = self.shared.header(from);
        let extent = Extent::of_object(self.shared.slots_of(from));
        let stamp = self.stamp_of(from);
        let tenures = self.tenures(from, header, stamp);
        let to = if tenures { self.copy_to_old(from, header, extent) } else { None };
        let to = to.or_else(|| self.copy_to_young(from, extent, stamp));
        let Some(to) = to else {
            self.scavenger.exhausted = true;
            return from;
        };
        self.set_forwarded(from, to);
        self.scavenger.work.push(to);
        to
    }

    fn stamp_of(&self, header: usize) -> u64 {
        if self.shared.state_of(header) == state::EDEN {
            return self.allocated_bytes();
        }
        let ordinal = self.ordinals.get(self.shared.block_of(header)) as usize;
        self.scavenger.from[ordinal].stamp
    }

    fn tenures(&self, from: usize, header: Header, stamp: u64) -> bool {
        if self.stress.never_tenure {
            return header.0 & PINNED != 0;
        }
        self.stress.always_tenure
            || header.0 & PINNED != 0
            || self.allocated_bytes() - stamp >= self.tenure_bytes()
            || self.scavenger.hurries && self.shared.state_of(from) != state::EDEN
    }

    fn tenure_bytes(&self) -> u64 {
        self.config.tenure_bytes.unwrap_or(self.eden.top - self.eden.start) as u64
    }

    /// Copies to an old block: the first word last, for walkers of the block.
    fn copy_to_old(&mut self, from: usize, header: Header, extent: Extent) -> Option<usize> {
        let start = self.take_old(extent.words)?;
        let to = start + extent.lead * 8;
        if !self.faults.skip_collector_writes {
            self.prepare_write(start, extent.words * 8, super::WriteKind::Raw);
        }
        self.mark_born(to);
        self.words.copy(from + 8, to + 8, extent.words - extent.lead - 1);
        self.publish(start, extent, header);
        self.scavenger.tenured += extent.words * 8;
        Some(to)
    }

    fn copy_to_young(&mut self, from: usize, extent: Extent, stamp: u64) -> Option<usize> {
        let start = self.take_young(extent.words, stamp)?;
        self.prepare_write(start, extent.words * 8, super::WriteKind::Raw);
        let to = start + extent.lead * 8;
        self.words.copy(from - extent.lead * 8, start, extent.words);
        self.scavenger.survived += extent.words * 8;
        Some(to)
    }

    /// `words` words in an open young block of the stamp's age group.
    fn take_young(&mut self, words: usize, stamp: u64) -> Option<usize> {
        let group = (self.tenure_bytes() / AGE_GROUPS).max(1);
        let stamp = (stamp.div_ceil(group) * group).min(self.allocated_bytes());
        let place = self.scavenger.to.iter().position(|open| open.stamp == stamp);
        let place = match place {
            Some(place) if self.scavenger.to[place].end - self.scavenger.to[place].at >= words * 8 => {
                place
            }
            full => {
                if let Some(place) = full {
                    let block = self.scavenger.to.swap_remove(place);
                    self.close_young(block);
                }
                let block = self.take_block(BlockKind::Objects, true)?;
                let at = self.shared.block_address(block);
                self.scavenger.to.push(YoungBlock { block, stamp, at, end: at + BLOCK_BYTES });
                self.scavenger.to.len() - 1
            }
        };
        let start = self.scavenger.to[place].at;
        self.scavenger.to[place].at = start + words * 8;
        self.note_start(start);
        Some(start)
    }

    /// Ends the filling of a young block: the rest is a filler, and the entry says so.
    fn close_young(&mut self, open: YoungBlock) {
        if open.at < open.end {
            self.put_filler(open.at, (open.end - open.at) / 8);
            self.note_start(open.at);
        }
        self.set_kind(open.block, BlockKind::Objects, open.end - open.at);
        self.young.push(open);
    }

    // ---- references

    fn scavenge_copied(&mut self) {
        while let Some(header) = self.scavenger.work.pop() {
            let is_old = self.shared.state_of(header) == state::OLD;
            let (first, weak_from, end) = self.reference_slots(header);
            for address in (first..weak_from).step_by(8) {
                let word = Word(self.words.load(address));
                if self.is_from(word) {
                    let moved = self.moved_object(word);
                    self.words.store(address, moved.0);
                    if is_old && self.is_young(moved) && !self.faults.forget_tenured {
                        self.remember_slot(address);
                    }
                }
            }
            for address in (weak_from..end).step_by(8) {
                if self.is_from(Word(self.words.load(address))) {
                    self.scavenger.weak.push(address);
                }
            }
        }
    }

    /// The addresses at which an object's references begin, its weak ones begin, and both end.
    fn reference_slots(&self, header: usize) -> (usize, usize, usize) {
        let head = self.shared.header(header);
        let first = header + 8;
        let end = first + self.shared.slots_of(header) * 8;
        match head.format() {
            0 | 1 | 3 => (first, end, end),
            2 => (first, end.min(first + self.named_slots(head) * 8), end),
            f if f == Format::Forwarder as u8 => (first, first + 8, first + 8),
            _ => (first, first, first),
        }
    }

    /// The named slots of a class, which may itself be on the move.
    fn named_slots(&self, header: Header) -> usize {
        let mut class = self.class_at(header.class());
        for _ in 0..super::MAX_FORWARDING {
            if !class.is_reference() || !self.words.holds(class.address()) {
                return 0;
            }
            if self.is_from(class)
                && let Some(target) = self.forwarded(class.address())
            {
                class = Word::reference(target);
            }
            if !self.header(class).is_forwarder() {
                break;
            }
            class = self.slot(class, 0);
        }
        if self.size(class) <= behavior::FORMAT {
            return 0;
        }
        let format = self.slot(class, behavior::FORMAT);
        if format.is_integer() { (format.as_integer() & 0xffff) as usize } else { 0 }
    }

    /// Updates what the cards in R refer to, and keeps those that still refer to young objects.
    fn scavenge_cards(&mut self) {
        let mut cards = core::mem::take(&mut self.remembered_cards);
        if core::mem::take(&mut self.stale_remembered) {
            cards.sort_unstable();
            cards.dedup();
        }
        for card in cards {
            let card = card as usize;
            if self.remembered.get(card) == 0 {
                continue;
            }
            self.remembered.set(card, 0);
            let keeps = self.scavenge_card(card) && !self.faults.forget_remembered;
            if keeps {
                self.remember_card(card);
            } else if self.remembered.get(card) == 0 {
                self.forget_card(card);
            }
        }
    }

    /// Updates what all of old space and the class table refer to: there are no cards in R.
    fn scavenge_old_space(&mut self) {
        let tables = CLASS_TABLE_OFFSET / CARD_BYTES
            ..(CLASS_TABLE_OFFSET + self.next_class as usize * 8).div_ceil(CARD_BYTES);
        for card in tables {
            self.scavenge_card(card);
        }
        for block in super::blocks::FIRST_BLOCK..self.pool.limit {
            let holds_objects = !matches!(self.shared.kind(block), BlockKind::Free | BlockKind::Lost);
            if self.shared.states.get(block) == state::OLD && holds_objects {
                let first = block * BLOCK_BYTES / CARD_BYTES;
                for card in first..first + BLOCK_BYTES / CARD_BYTES {
                    self.scavenge_card(card);
                }
            }
        }
    }

    fn scavenge_card(&mut self, card: usize) -> bool {
        let from = self.base + card * CARD_BYTES;
        let to = from + CARD_BYTES;
        if from - self.base < BLOCKS_OFFSET {
            return self.scavenge_slots(from, to);
        }
        let shared = self.shared.clone();
        let mut keeps = false;
        let mut objects = shared.overlapping(from, to);
        if self.faults.no_overlap {
            objects.skip_to(from);
        }
        for header in objects {
            let (first, weak_from, end) = self.reference_slots(header);
            keeps |= self.scavenge_slots(first.max(from), weak_from.min(to));
            for address in (weak_from.max(from)..end.min(to)).step_by(8) {
                let word = Word(self.words.load(address));
                if self.is_from(word) {
                    self.scavenger.weak.push(address);
                }
                keeps |= self.is_young(word);
            }
        }
        keeps
    }

    /// Updates the references in `[from, to)`; answers whether one is to a young object now.
    fn scavenge_slots(&mut self, from: usize, to: usize) -> bool {
        let mut keeps = false;
        for address in (from..to).step_by(8) {
            let word = Word(self.words.load(address));
            if self.is_from(word) {
                let moved = self.moved_object(word);
                self.collector_store(address, moved.0);
                keeps |= self.is_young(moved);
            } else {
                keeps |= self.is_young(word);
            }
        }
        keeps
    }

    /// Weak slots follow what survived, and become nil for what did not.
    fn settle_weak_slots(&mut self) {
        let mut weak = core::mem::take(&mut self.scavenger.weak);
        if self.faults.weak_not_cleared_young {
            weak.clear();
        }
        for address in weak.drain(..) {
            let new = self.surviving(Word(self.words.load(address)));
            self.statistics.weak_cleared += u64::from(new == self.nil);
            self.collector_store(address, new.0);
            if self.is_young(new) && self.shared.state_of(address) == state::OLD {
                self.remember_slot(address);
            }
        }
        self.scavenger.weak = weak;
    }

    /// What a weak reference refers to after this scavenge: through forwarders, nil if it died.
    fn surviving(&self, word: Word) -> Word {
        let mut word = word;
        for _ in 0..super::MAX_FORWARDING {
            if !self.is_from(word) {
                return word;
            }
            if let Some(target) = self.forwarded(word.address()) {
                return Word::reference(target);
            }
            if !self.shared.header(word.address()).is_forwarder() {
                break;
            }
            word = Word(self.words.load(word.address() + 8));
        }
        self.surviving_nil()
    }

    /// nil, where it stands after this scavenge.
    fn surviving_nil(&self) -> Word {
        if self.is_from(self.nil) {
            self.forwarded(self.nil.address()).map_or(self.nil, Word::reference)
        } else {
            self.nil
        }
    }

    // ---- the end

    fn end_scavenge(&mut self) {
        let open = core::mem::take(&mut self.scavenger.to);
        open.into_iter().for_each(|block| self.close_young(block));
        let from = core::mem::take(&mut self.scavenger.from);
        for (ordinal, young) in from.iter().enumerate() {
            self.scavenger.forward[ordinal].fill(0);
            self.free_young_block(young.block);
        }
        self.scavenger.forward.truncate(256);
        self.refresh_known();
        self.statistics.scavenges += 1;
        self.statistics.survived_bytes += self.scavenger.survived as u64;
        self.statistics.tenured_bytes += self.scavenger.tenured as u64;
        self.old_growth += self.scavenger.tenured;
        self.allocated_before = self.allocated_bytes();
        let is_least = self.eden_bytes() < 2 * self.config.eden_min && self.config.tenure_bytes.is_none();
        self.scavenger.hurries = is_least && self.scavenger.survived + self.scavenger.tenured > MANY_SURVIVORS;
        let bytes = self.next_eden_bytes();
        self.reset_eden(bytes);
    }

    /// Eden's next size: so large that survivors, which make the pause, stay few.
    fn next_eden_bytes(&self) -> usize {
        let now = self.eden_bytes();
        let survivors = self.scavenger.survived + self.scavenger.tenured;
        let wanted = if survivors > MANY_SURVIVORS {
            now / 2
        } else if survivors < FEW_SURVIVORS {
            now * 2
        } else {
            now
        };
        wanted.clamp(self.config.eden_min, self.config.eden_max) & !(CARD_BYTES - 1)
    }
}
