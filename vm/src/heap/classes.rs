//! The class table and identity hashes.
//!
//! Invariants
//! - C1 An index belongs to one class until a mark found the class dead, the owner's caches were
//!   flushed ([`Heap::take_dropped_classes`]), and only then to another.
//! - C2 The table keeps no class: the marker keeps those whose instances it meets. Known classes are
//!   kept always.

use super::Heap;
use crate::layout::{
    CLASS_TABLE_ENTRIES, CLASS_TABLE_OFFSET, ClassIndex, FIRST_FREE_CLASS, Word, root,
};
use alloc::vec::Vec;

impl Heap {
    #[inline(always)]
    pub(super) fn class_entry(&self, class: ClassIndex) -> usize {
        self.base + CLASS_TABLE_OFFSET + class.0 as usize * 8
    }

    /// The class of an index; [`Word::NONE`] if there is none.
    #[inline(always)]
    pub fn class_at(&self, class: ClassIndex) -> Word {
        Word(self.words.load(self.class_entry(class)))
    }

    /// Enters a class under a known index.
    pub fn set_class_at(&mut self, class: ClassIndex, object: Word) {
        let entry = self.class_entry(class);
        self.store_pointer_at(entry, object.0);
        if class.0 >= self.next_class {
            self.next_class = class.0 + 1;
        }
    }

    /// Gives a class the next free index; `None` if all 2^22 are taken.
    pub fn register_class(&mut self, object: Word) -> Option<ClassIndex> {
        if self.free_classes.is_empty() && self.next_class as usize >= CLASS_TABLE_ENTRIES {
            self.find_free_classes();
        }
        let class = match self.free_classes.pop() {
            Some(index) => ClassIndex(index),
            None if (self.next_class as usize) < CLASS_TABLE_ENTRIES => ClassIndex(self.next_class),
            None => return None,
        };
        self.set_class_at(class, object);
        Some(class)
    }

    /// The first index that was never given.
    pub fn next_class(&self) -> ClassIndex {
        ClassIndex(self.next_class)
    }

    /// Indices whose classes the last marks found dead. The caller forgets every cached lookup of
    /// them before it goes on: after this call they may be given to other classes.
    pub fn take_dropped_classes(&mut self) -> Vec<ClassIndex> {
        let dropped = core::mem::take(&mut self.dropped_classes);
        self.free_classes.extend(dropped.iter().map(|class| class.0));
        dropped
    }

    /// Indices that earlier sessions freed: the table is read only when no new index is left.
    fn find_free_classes(&mut self) {
        for index in FIRST_FREE_CLASS.0..self.next_class {
            let class = ClassIndex(index);
            if self.class_at(class) == Word::NONE && !self.dropped_classes.contains(&class) {
                self.free_classes.push(index);
            }
        }
    }

    /// A mark found the class of this index dead.
    pub(super) fn drop_class(&mut self, class: ClassIndex) {
        let entry = self.class_entry(class);
        self.collector_store(entry, 0);
        if self.faults.reuse_class_index_early {
            self.free_classes.push(class.0);
        } else {
            self.dropped_classes.push(class);
        }
    }

    /// The next identity hash: 22 bits, never 0.
    pub(super) fn next_hash(&mut self) -> u32 {
        let address = self.root_address(root::HASH_COUNTER);
        loop {
            let counter = self.words.load(address).wrapping_add(1);
            self.store_raw_at(address, counter);
            let hash = (counter & 0x3f_ffff) as u32;
            if hash != 0 {
                return hash;
            }
        }
    }
}

const _: () = assert!(FIRST_FREE_CLASS.0 as usize <= CLASS_TABLE_ENTRIES);
