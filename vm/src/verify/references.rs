//! References: that each meets an object, and that cards tell the truth of those to young ones.

use super::Verifier;
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockKind, CARD_BYTES, CLASS_TABLE_ENTRIES, CLASS_TABLE_OFFSET,
    EDEN_MAX_BYTES, EDEN_OFFSET, Header, ROOT_OFFSET, Word, root,
};
use alloc::vec;
use alloc::vec::Vec;

impl Verifier<'_> {
    pub(super) fn check_references(&mut self, roots: &[Word]) {
        for index in [root::KNOWN_OBJECTS, root::STACK_IMAGES] {
            let word = Word(self.root_word(index));
            if word != Word::NONE {
                self.check_reference(ROOT_OFFSET + index * 8, word);
            }
        }
        for &word in roots {
            self.check_reference(0, word);
        }
        self.check_class_table();
        for block in 0..self.starts.len() {
            let Some(bits) = self.starts[block].as_deref().copied() else { continue };
            for (index, word) in bits.iter().enumerate() {
                let mut rest = *word;
                while rest != 0 && !self.is_full() {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    let header = block * BLOCK_BYTES + (index * 64 + bit) * 8;
                    self.check_object(header);
                }
            }
        }
    }

    fn check_class_table(&mut self) {
        let next = self.root_word(root::NEXT_CLASS).min(CLASS_TABLE_ENTRIES as u64) as usize;
        for index in 0..next {
            let at = CLASS_TABLE_OFFSET + index * 8;
            let word = Word(self.word(at).unwrap_or(0));
            if word != Word::NONE {
                self.check_reference(at, word);
                self.check_remembered(at, word);
            }
            if self.is_full() {
                return;
            }
        }
    }

    /// The offsets at which an object's references begin and end; equal if it has none.
    fn slots_range(&self, header: usize) -> (usize, usize) {
        let head = Header(self.word(header).unwrap_or(0));
        let first = header + 8;
        if head.is_forwarder() {
            (first, first + 8)
        } else if head.has_references() {
            (first, first + self.slots_at(header) * 8)
        } else {
            (first, first)
        }
    }

    /// A corpse's references need not meet objects, but those to young ones must be remembered.
    fn check_object(&mut self, header: usize) {
        let counts = !self.is_corpse(header);
        let (from, to) = self.slots_range(header);
        for at in (from..to).step_by(8) {
            let Some(word) = self.word(at).map(Word) else { return };
            if counts {
                self.check_reference(at, word);
            }
            self.check_remembered(at, word);
        }
    }

    fn check_reference(&mut self, at: usize, word: Word) {
        if word == Word::NONE {
            self.report(at, "the empty word in a slot".into());
        } else if word.is_reference() && !self.is_start(word.address().wrapping_sub(self.base)) {
            self.report(at, alloc::format!("reference {word:?} meets no object"));
        }
    }

    fn check_remembered(&mut self, at: usize, word: Word) {
        let Some(running) = self.view.running() else {
            let target = word.address().wrapping_sub(self.base).wrapping_sub(EDEN_OFFSET);
            if word.is_reference() && target < EDEN_MAX_BYTES {
                self.report(at, alloc::format!("reference {word:?} into eden"));
            }
            return;
        };
        if self.is_young(word) && !self.is_young_place(at) && !running.is_remembered(at / CARD_BYTES)
        {
            self.report(at, alloc::format!("old reference {word:?} to a young object, not remembered"));
        }
    }

    fn is_young(&self, word: Word) -> bool {
        word.is_reference() && self.is_young_place(word.address().wrapping_sub(self.base))
    }

    fn is_young_place(&self, offset: usize) -> bool {
        let in_eden = offset.wrapping_sub(EDEN_OFFSET) < EDEN_MAX_BYTES;
        let block = offset / BLOCK_BYTES;
        in_eden || (block < self.limit && offset >= BLOCKS_OFFSET && self.is_young_block(block))
    }

    /// Header offsets of everything that can be reached, in order.
    pub(super) fn trace(&self, roots: &[Word]) -> Vec<usize> {
        let mut seen = vec![None; self.starts.len()];
        let mut reached = Vec::new();
        let mut stack = Vec::new();
        let known = [root::KNOWN_OBJECTS, root::STACK_IMAGES].map(|n| Word(self.root_word(n)));
        let next = self.root_word(root::NEXT_CLASS).min(CLASS_TABLE_ENTRIES as u64) as usize;
        let classes =
            (0..next).map(|n| Word(self.word(CLASS_TABLE_OFFSET + n * 8).unwrap_or(0)));
        stack.extend(known.into_iter().chain(classes).chain(roots.iter().copied()));
        while let Some(word) = stack.pop() {
            let header = word.address().wrapping_sub(self.base);
            if !word.is_reference() || !self.is_start(header) {
                continue;
            }
            let bits = seen[header / BLOCK_BYTES].get_or_insert_with(|| vec![0u64; BLOCK_BYTES / 512]);
            let place = header % BLOCK_BYTES / 8;
            if bits[place / 64] & (1 << (place % 64)) != 0 {
                continue;
            }
            bits[place / 64] |= 1 << (place % 64);
            reached.push(header);
            let (from, to) = self.slots_range(header);
            stack.extend((from..to).step_by(8).filter_map(|at| self.word(at).map(Word)));
        }
        reached.sort_unstable();
        reached
    }
}

const _: () = assert!(BlockKind::Free as u8 == 0);
