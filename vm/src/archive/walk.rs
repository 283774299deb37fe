//! The walk over a world that the canonical pass and the hash of a world agree on.
//!
//! Invariant W1: nil comes first, then the array of known objects, then whatever they lead to,
//! breadth first; of an object its class before its slots, slots in order; weak slots lead nowhere.
//! A method dictionary's entries come right behind it, sorted by the text of their selectors: where
//! they stand in its arrays depends on hashes, and hashes on the walk.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::heap::Heap;
use super::tables::sorted_entries;
use crate::layout::{Format, KnownClass, Word};

/// Every object that the known objects lead to, in order, each once, forwarders resolved; `skipped`
/// is left out.
pub(super) fn walk(heap: &Heap, skipped: Word) -> Vec<Word> {
    let mut walk = Walk { heap, skipped: heap.resolve(skipped), seen: BTreeSet::new(), order: Vec::new() };
    walk.reach(heap.nil());
    walk.reach(heap.known_objects());
    let mut next = 0;
    while next < walk.order.len() {
        walk.reach_from(walk.order[next]);
        next += 1;
    }
    walk.order
}

struct Walk<'a> {
    heap: &'a Heap,
    skipped: Word,
    seen: BTreeSet<usize>,
    order: Vec<Word>,
}

impl Walk<'_> {
    fn reach(&mut self, word: Word) {
        let object = self.heap.resolve(word);
        if object.is_reference() && object != self.skipped && self.seen.insert(object.address()) {
            self.order.push(object);
        }
    }

    fn reach_from(&mut self, object: Word) {
        self.reach(self.heap.class_of(object));
        for slot in 0..self.strong_slots(object) {
            self.reach(self.heap.slot(object, slot));
        }
        if self.heap.class_index(object) == KnownClass::MethodDictionary.index() {
            for (_, key, value) in sorted_entries(self.heap, object) {
                self.reach(key);
                self.reach(value);
            }
        }
    }

    /// The slots of an object that keep what they refer to.
    fn strong_slots(&self, object: Word) -> usize {
        let header = self.heap.header(object);
        match header.format() {
            f if f == Format::Weak as u8 => self.heap.fixed_slots(object),
            _ if header.has_references() => self.heap.size(object),
            _ => 0,
        }
    }
}
