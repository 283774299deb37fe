//! The verifier of heaps: says what is wrong with one, trusting nothing of it.
//!
//! Duty: walk every block of a heap, running or read from a file, and report each breach of what the
//! layout promises, as values.
//!
//! Invariants
//! - V1 It shares nothing with the heap but `layout`: it reads words through [`HeapView`] and keeps
//!   books of its own.
//! - V2 No input makes it panic, loop or allocate beyond a fixed share of the heap's size: every
//!   address is compared with the heap's bounds, every walk ends with its block, every trace visits
//!   an object once.
//! - V3 It stops after [`MAX_VIOLATIONS`]: one broken table makes many.
//!
//! Knows: `layout`. Must not know: how the heap allocates or collects.
//!
//! What it checks: root block, allocation cursor; kinds, runs, first starts and free bytes of the
//! block table; headers, formats, class indices and sizes; that references meet objects; that image
//! pages refer to nothing in eden. Of a running heap also tags and remembered cards: an old reference
//! to a young object on a card that is not remembered is the second oracle of the store barrier.

mod blocks;
mod references;

use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockEntry, BlockKind, CARD_BYTES, ROOT_OFFSET, Word, root,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use blocks::Starts;

/// How many violations are listed before the verifier stops.
pub const MAX_VIOLATIONS: usize = 64;

/// The words of a heap.
pub trait HeapView {
    /// The address that references in it are made for.
    fn base(&self) -> usize;
    /// The length of its address space, in bytes.
    fn bytes(&self) -> usize;
    /// The word at an offset from the base, 8-byte aligned; `None` if it can't be read.
    fn word(&self, offset: usize) -> Option<u64>;
    /// What only a running heap knows.
    fn running(&self) -> Option<&dyn RunningView> {
        None
    }
}

/// What only a running heap knows.
pub trait RunningView {
    /// Eden's first offset and the offset behind its last object.
    fn eden(&self) -> (usize, usize);
    /// Whether a block holds young objects.
    fn is_young_block(&self, block: usize) -> bool;
    /// The tag of a card.
    fn tag(&self, card: usize) -> u8;
    /// Whether a card is remembered.
    fn is_remembered(&self, card: usize) -> bool;
    /// Whether a page is dirty in the running epoch.
    fn is_dirty(&self, page: usize) -> bool;
    /// Whether the object whose header is at an offset is known to be dead.
    fn is_corpse(&self, header: usize) -> bool;
    /// Whether a sweep was interrupted before this session, so that corpses can't be told.
    fn has_unknown_corpses(&self) -> bool;
}

/// One breach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where, as an offset from the heap's base.
    pub offset: usize,
    /// What is wrong: one line.
    pub what: String,
}

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The breaches, in the order in which they were met.
    pub violations: Vec<Violation>,
    /// Objects walked over.
    pub objects: usize,
    /// Bytes of blocks in use.
    pub bytes: usize,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

/// Verifies a heap. `roots` are references from outside it.
pub fn verify(view: &dyn HeapView, roots: &[Word]) -> Verdict {
    let mut verifier = Verifier {
        view,
        base: view.base(),
        limit: 0,
        starts: Vec::new(),
        reached: None,
        verdict: Verdict::default(),
    };
    if verifier.check_root() {
        verifier.walk_blocks();
        verifier.walk_eden();
        verifier.tell_corpses(roots);
        verifier.check_classes_of_all();
        verifier.check_cursor();
        verifier.check_references(roots);
        verifier.check_tags();
    }
    verifier.verdict
}

pub(crate) struct Verifier<'a> {
    view: &'a dyn HeapView,
    base: usize,
    /// Blocks in use end here.
    limit: usize,
    /// Of each block (eden's included), where objects start.
    starts: Vec<Option<Box<Starts>>>,
    /// Where corpses of an interrupted sweep can't be told: what can be reached, in order.
    reached: Option<Vec<usize>>,
    verdict: Verdict,
}

impl Verifier<'_> {
    fn is_full(&self) -> bool {
        self.verdict.violations.len() >= MAX_VIOLATIONS
    }

    fn report(&mut self, offset: usize, what: String) {
        if !self.is_full() {
            self.verdict.violations.push(Violation { offset, what });
        }
    }

    fn word(&self, offset: usize) -> Option<u64> {
        (offset & 7 == 0 && offset < self.view.bytes()).then(|| self.view.word(offset)).flatten()
    }

    fn root_word(&self, index: usize) -> u64 {
        self.word(ROOT_OFFSET + index * 8).unwrap_or(0)
    }

    fn entry(&self, block: usize) -> BlockEntry {
        let at = crate::layout::BLOCK_TABLE_OFFSET + block * crate::layout::BLOCK_ENTRY_BYTES;
        BlockEntry(core::array::from_fn(|n| self.word(at + n * 8).unwrap_or(0)))
    }

    fn kind(&self, block: usize) -> Option<BlockKind> {
        BlockEntry::kind_of(self.entry(block).0[0])
    }

    fn is_young_block(&self, block: usize) -> bool {
        self.view.running().is_some_and(|running| running.is_young_block(block))
    }

    /// Whether the object whose header is at an offset is dead, or may be.
    fn is_corpse(&self, header: usize) -> bool {
        self.view.running().is_some_and(|running| running.is_corpse(header))
            || self.reached.as_ref().is_some_and(|reached| reached.binary_search(&header).is_err())
    }

    /// A heap whose sweep was interrupted holds corpses that nobody can tell: what can be reached is
    /// what counts.
    fn tell_corpses(&mut self, roots: &[Word]) {
        let unknown = self.view.running().map_or_else(
            || self.root_word(root::LAST_MARK) > self.root_word(root::LAST_SWEEP),
            |running| running.has_unknown_corpses(),
        );
        if unknown {
            self.reached = Some(self.trace(roots));
        }
    }

    /// The root block; answers whether there is a heap to walk.
    fn check_root(&mut self) -> bool {
        let checks = [
            (root::MAGIC, root::MAGIC_VALUE, "magic word"),
            (root::VERSION, root::CURRENT_VERSION, "layout version"),
            (root::BASE, self.base as u64, "base address"),
        ];
        for (index, wanted, name) in checks {
            let found = self.root_word(index);
            if found != wanted {
                let what = alloc::format!("{name} is {found:#x}, not {wanted:#x}");
                self.report(ROOT_OFFSET + index * 8, what);
            }
        }
        let limit = self.root_word(root::BLOCK_LIMIT);
        let end = self.view.bytes() / BLOCK_BYTES;
        if limit < (BLOCKS_OFFSET / BLOCK_BYTES) as u64 || limit > end as u64 {
            self.report(
                ROOT_OFFSET + root::BLOCK_LIMIT * 8,
                alloc::format!("block limit {limit} is not between {BLOCKS_OFFSET:#x} bytes and {end} blocks"),
            );
            return false;
        }
        self.limit = limit as usize;
        self.starts.resize_with(self.limit, || None);
        if self.root_word(root::LAST_SWEEP) > self.root_word(root::LAST_MARK) {
            self.report(
                ROOT_OFFSET + root::LAST_SWEEP * 8,
                "the last sweep is later than the last mark".into(),
            );
        }
        self.verdict.is_clean()
    }

    /// Tags and remembered cards of a running heap.
    fn check_tags(&mut self) {
        let Some(running) = self.view.running() else { return };
        let first = BLOCKS_OFFSET / CARD_BYTES;
        for card in first..self.limit * (BLOCK_BYTES / CARD_BYTES) {
            let tag = running.tag(card);
            if tag == 0 || self.is_full() {
                continue;
            }
            let offset = card * CARD_BYTES;
            if !matches!(tag, 1 | 3) {
                self.report(offset, alloc::format!("tag {tag} of a card"));
            }
            if !running.is_dirty(offset / crate::layout::PAGE_BYTES) {
                self.report(offset, alloc::format!("tag {tag} of a card on a page that is not dirty"));
            }
            let block = offset / BLOCK_BYTES;
            let is_old = !self.is_young_block(block) && self.kind(block) != Some(BlockKind::Free);
            if tag == 3 && is_old && !running.is_remembered(card) {
                self.report(offset, "tag 3 of an old card that is not remembered".into());
            }
        }
    }
}
