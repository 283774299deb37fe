//! Making a heap, opening one, and keeping its root block.
//!
//! Opening reads the root block and nothing else, unless the heap stands elsewhere than it was made
//! for (`relocate`); it is the tenuring of whatever was young.

use super::allocate::Cursor;
use super::blocks::{BlockPool, FIRST_BLOCK};
use super::scavenge::Scavenger;
use super::shared::{Shared, state};
use super::{Decline, Faults, Heap, Statistics, Stress, WriteKind};
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, CARD_BYTES, DEFAULT_BASE, DEFAULT_RESERVE, EDEN_MAX_BYTES,
    EDEN_OFFSET, FIRST_FREE_CLASS, KnownObject, LOST_WORD, ROOT_OFFSET, Word, root,
};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use image::space::{SideBytes, SideHalves, Space};
use platform::{Clock, Memory, PageSource, ReserveError};

/// Eden's first size, within the limits of its configuration.
const FIRST_EDEN_BYTES: usize = 1 << 20;

/// What a heap is made or opened with.
#[derive(Clone)]
pub struct HeapConfig {
    /// Where it should stand; 0 for anywhere.
    pub base: usize,
    /// Address space to reserve, in bytes; more than [`BLOCKS_OFFSET`], at most
    /// [`DEFAULT_RESERVE`].
    pub reserve: usize,
    /// The most bytes that the heap may use.
    pub limit_bytes: usize,
    /// Eden's least size, in bytes.
    pub eden_min: usize,
    /// Eden's greatest size, in bytes.
    pub eden_max: usize,
    /// Bytes to be allocated before a survivor is old; `None`: as many as eden has.
    pub tenure_bytes: Option<usize>,
    /// Old space has to grow so much before a mark starts, in bytes.
    pub mark_after_bytes: usize,
    /// Dirty pages that ask for a flip, in bytes.
    pub flip_after_bytes: usize,
    /// Measures pauses, if given.
    pub clock: Option<Arc<dyn Clock>>,
    /// Told what the mutator is doing, for whoever watches from outside: 1 runs, 2 scavenges.
    pub phase: Option<&'static core::sync::atomic::AtomicU8>,
}

impl Default for HeapConfig {
    fn default() -> HeapConfig {
        HeapConfig {
            base: DEFAULT_BASE,
            reserve: DEFAULT_RESERVE,
            limit_bytes: usize::MAX,
            eden_min: 128 << 10,
            eden_max: 4 << 20,
            tenure_bytes: None,
            mark_after_bytes: 32 << 20,
            flip_after_bytes: 64 << 20,
            clock: None,
            phase: None,
        }
    }
}

/// Why a heap could not be made, opened, or go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeapError {
    /// The address space could not be had.
    Reserve(ReserveError),
    /// The root block is not one.
    NotAHeap(String),
    /// There is no room for what a collection would have to keep: the address space is full.
    Exhausted,
    /// An epoch is still frozen: flip again when it is thawed or abandoned.
    StillFrozen,
}

impl Heap {
    /// Makes an empty heap: the root block, no objects. The caller makes the known objects.
    pub fn create(memory: &dyn Memory, config: HeapConfig) -> Result<Heap, HeapError> {
        let space = Space::reserve(memory, config.base, config.reserve, None)
            .map_err(HeapError::Reserve)?;
        let mut heap = Heap::over(memory, space, config)?;
        heap.set_root(root::MAGIC, root::MAGIC_VALUE);
        heap.set_root(root::VERSION, root::CURRENT_VERSION);
        heap.set_root(root::BASE, heap.base as u64);
        heap.set_root(root::NEXT_FRAME_SERIAL, 1);
        heap.set_root(root::NEXT_PROCESS_SERIAL, 1);
        heap.sync();
        Ok(heap)
    }

    /// Opens a heap whose pages come from `source`, or that stands in the region already.
    pub fn open(
        memory: &dyn Memory,
        config: HeapConfig,
        source: Arc<dyn PageSource>,
    ) -> Result<Heap, HeapError> {
        let space = Space::reserve(memory, config.base, config.reserve, Some(source.clone()))
            .map_err(HeapError::Reserve)?;
        let mut heap = Heap::over(memory, space, config)?;
        heap.source = Some(source);
        heap.read_root()?;
        Ok(heap)
    }

    fn over(memory: &dyn Memory, space: Space, config: HeapConfig) -> Result<Heap, HeapError> {
        if space.bytes() < BLOCKS_OFFSET + 4 * BLOCK_BYTES || space.bytes() > DEFAULT_RESERVE {
            return Err(HeapError::NotAHeap(alloc::format!(
                "address space of {} bytes is not between {BLOCKS_OFFSET} and {DEFAULT_RESERVE}",
                space.bytes()
            )));
        }
        let words = space.words();
        let shared =
            Shared::new(memory, words, space.region().clone()).map_err(HeapError::Reserve)?;
        let cards = space.bytes() / CARD_BYTES;
        let side = |count| SideBytes::reserve(memory, count).map_err(HeapError::Reserve);
        let eden_max = config.eden_max.min(EDEN_MAX_BYTES);
        let mut heap = Heap {
            words,
            base: space.base(),
            shared: Arc::new(shared),
            tags: side(cards)?,
            remembered: side(cards)?,
            remembered_cards: Vec::new(),
            ordinals: SideHalves::reserve(memory, space.bytes() / BLOCK_BYTES)
                .map_err(HeapError::Reserve)?,
            fired: Vec::new(),
            stale_remembered: false,
            eden: Default::default(),
            old: Cursor::default(),
            overflow: Cursor::default(),
            quiet: Cursor::default(),
            hole_search: (0, 0),
            late_filler: None,
            walk_failure: None,
            pool: BlockPool::new(FIRST_BLOCK, space.bytes() / BLOCK_BYTES),
            space,
            young: Vec::new(),
            scavenger: Scavenger::default(),
            cycle: None,
            mark_requested: false,
            lost_pages: Vec::new(),
            source: None,
            lost_seen: 0,
            relocation: None,
            last_mark: 0,
            last_sweep: 0,
            nil: Word::NONE,
            next_class: FIRST_FREE_CLASS.0,
            free_classes: Vec::new(),
            dropped_classes: Vec::new(),
            allocated_before: 0,
            old_growth: 0,
            limit_bytes: config.limit_bytes,
            over_limit: false,
            declined: Decline::EdenFull,
            stress: Stress::default(),
            faults: Faults::default(),
            before_flip_ns: 0,
            statistics: Statistics::default(),
            clock: config.clock.clone(),
            config: HeapConfig { eden_max, eden_min: config.eden_min.min(eden_max), ..config },
        };
        heap.mark_eden();
        heap.reset_eden(heap.first_eden_bytes());
        Ok(heap)
    }

    /// Eden's size before anything is known of its survivors: the first pauses are short.
    fn first_eden_bytes(&self) -> usize {
        FIRST_EDEN_BYTES.clamp(self.config.eden_min, self.config.eden_max)
    }

    /// Eden's blocks and cards say that they are eden's.
    fn mark_eden(&mut self) {
        let bytes = self.config.eden_max.next_multiple_of(BLOCK_BYTES);
        self.shared.states.fill(EDEN_OFFSET / BLOCK_BYTES, bytes / BLOCK_BYTES, state::EDEN);
        self.tags.fill(
            EDEN_OFFSET / CARD_BYTES,
            bytes / CARD_BYTES,
            super::barrier::TAG_REMEMBERED,
        );
    }

    fn read_root(&mut self) -> Result<(), HeapError> {
        let bad = |what: &str, value: u64| Err(HeapError::NotAHeap(alloc::format!("{what} {value:#x}")));
        if self.root_word(root::MAGIC) != root::MAGIC_VALUE {
            return bad("magic word", self.root_word(root::MAGIC));
        }
        if self.root_word(root::VERSION) != root::CURRENT_VERSION {
            return bad("layout version", self.root_word(root::VERSION));
        }
        let limit = self.root_word(root::BLOCK_LIMIT) as usize;
        if limit < FIRST_BLOCK || limit > self.pool.end {
            return bad("block limit", limit as u64);
        }
        let made_for = self.root_word(root::BASE) as usize;
        if made_for != self.base {
            self.relocate(made_for, limit)?;
        }
        self.pool = BlockPool::new(limit, self.pool.end);
        self.last_mark = self.root_word(root::LAST_MARK) as u32;
        self.last_sweep = self.root_word(root::LAST_SWEEP) as u32;
        self.next_class = (self.root_word(root::NEXT_CLASS) as u32).max(FIRST_FREE_CLASS.0);
        self.allocated_before = self.root_word(root::ALLOCATED_BYTES);
        self.old_growth = self.root_word(root::OLD_GROWTH) as usize;
        self.open_cursor();
        self.reset_eden(self.first_eden_bytes());
        self.refresh_known();
        Ok(())
    }

    /// Takes the saved allocation cursor up again, if it is a hole of a block of objects.
    fn open_cursor(&mut self) {
        let at = self.root_word(root::OLD_CURSOR) as usize;
        let end = self.root_word(root::OLD_CURSOR_END) as usize;
        if at >= end || !self.words.holds(at) || end > self.shared.block_address(self.pool.limit) {
            return;
        }
        let Some(extent) = self.shared.extent(at) else { return };
        let is_hole = self.shared.header(at).is_filler() && at + extent.words * 8 == end;
        let block = self.shared.block_of(at);
        if is_hole && self.shared.kind(block).is_small() && self.is_usable(block) {
            self.old = Cursor { at, end, began: at };
        }
    }

    /// Hands out at once what an interrupted sweep held back (a seeded bug).
    pub fn forget_held(&mut self) {
        self.last_sweep = self.last_mark;
    }

    /// Reads nil anew, after the known objects were set. Where they are lost, the lost word stands
    /// for it: no slot ever holds the empty word.
    pub fn refresh_known(&mut self) {
        let known = self.known_objects();
        self.nil = if self.is_object(known) && self.size(known) > 0 {
            self.slot(known, KnownObject::Nil as usize)
        } else if known == Word::NONE {
            Word::NONE
        } else {
            Word(LOST_WORD)
        };
    }

    // ---- the root block

    pub(super) fn root_address(&self, index: usize) -> usize {
        self.base + ROOT_OFFSET + index * 8
    }

    /// A word of the root block, by the indices in `layout::root`.
    pub fn root_word(&self, index: usize) -> u64 {
        self.words.load(self.root_address(index))
    }

    /// Sets a word of the root block; no more than needed becomes dirty.
    pub fn set_root(&mut self, index: usize, word: u64) {
        let address = self.root_address(index);
        if self.words.load(address) != word {
            self.prepare_write(address, 8, WriteKind::Raw);
            self.words.store(address, word);
        }
    }

    /// The Array of known objects.
    pub fn known_objects(&self) -> Word {
        Word(self.root_word(root::KNOWN_OBJECTS))
    }

    /// Sets it; nil is read from it.
    pub fn set_known_objects(&mut self, array: Word) {
        self.set_root(root::KNOWN_OBJECTS, array.0);
        self.refresh_known();
    }

    /// A known object.
    #[inline]
    pub fn known(&self, object: KnownObject) -> Word {
        let known = self.known_objects();
        if known.is_reference() && (object as usize) < self.size(known) {
            self.slot(known, object as usize)
        } else {
            self.nil
        }
    }

    /// Sets a known object.
    pub fn set_known(&mut self, object: KnownObject, value: Word) {
        let known = self.known_objects();
        self.store(known, object as usize, value);
        if object == KnownObject::Nil {
            self.refresh_known();
        }
    }

    /// Brings the root block and the free bytes of the block table up to date with what the machine
    /// keeps beside them: before a flip, and before a verifier looks.
    pub fn sync(&mut self) {
        for _ in 0..3 {
            let used = (self.old.at - self.old.began) as isize;
            if used > 0 {
                self.add_free_bytes(self.shared.block_of(self.old.began), -used);
                self.old.began = self.old.at;
            }
            core::mem::swap(&mut self.old, &mut self.overflow);
            core::mem::swap(&mut self.overflow, &mut self.quiet);
        }
        let full = self.old.at >= self.old.end;
        self.set_root(root::OLD_CURSOR, if full { 0 } else { self.old.at as u64 });
        self.set_root(root::OLD_CURSOR_END, if full { 0 } else { self.old.end as u64 });
        self.set_root(root::BLOCK_LIMIT, self.pool.limit as u64);
        self.set_root(root::LAST_MARK, self.last_mark.into());
        self.set_root(root::LAST_SWEEP, self.last_sweep.into());
        self.set_root(root::NEXT_CLASS, self.next_class.into());
        self.set_root(root::ALLOCATED_BYTES, self.allocated_bytes());
        self.set_root(root::OLD_GROWTH, self.growth_for_next_opening() as u64);
    }
}
