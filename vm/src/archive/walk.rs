//! The walk over a world that the canonical pass and the hash of a world agree on.
//!
//! Invariant W1: nil comes first, then the methods that an opening runs with what they need close by,
//! then the array of known objects, then whatever all these lead to, breadth first; of an object its
//! class before its slots, slots in order; weak slots lead nowhere.
//! A method dictionary's entries come right behind it, sorted by the text of their selectors: where
//! they stand in its arrays depends on hashes, and hashes on the walk.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::tables::sorted_entries;
use crate::heap::Heap;
use crate::layout::{BLOCK_BYTES, Format, KnownClass, KnownObject, WORD_BYTES, Word};

/// How far what a method needs is from the array of methods: the method, its literals and classes, their
/// tables, the entries of those.
const STARTUP_LEVELS: usize = 4;

/// The objects of a world in walk order, and the place of each in that order.
pub(super) struct Order {
    /// The objects, forwarders resolved, each once.
    pub objects: Vec<Word>,
    /// The first whose slots were not followed yet.
    next: usize,
    base: usize,
    /// For each block of the heap that holds any, the place plus 1 by word; 0 where none starts.
    places: Vec<Option<Box<[u32]>>>,
}

impl Order {
    /// The place of an object, if the walk met it.
    pub fn place(&self, object: Word) -> Option<usize> {
        let offset = object.address().wrapping_sub(self.base);
        let block = self.places.get(offset / BLOCK_BYTES)?.as_ref()?;
        (block[offset % BLOCK_BYTES / WORD_BYTES] as usize).checked_sub(1)
    }

    /// Adds an object at the end, unless it has a place.
    fn add(&mut self, object: Word) {
        let offset = object.address().wrapping_sub(self.base);
        let number = offset / BLOCK_BYTES;
        if number >= self.places.len() {
            self.places.resize(number + 1, None);
        }
        let empty = || vec![0; BLOCK_BYTES / WORD_BYTES].into_boxed_slice();
        let block = self.places[number].get_or_insert_with(empty);
        let place = &mut block[offset % BLOCK_BYTES / WORD_BYTES];
        if *place == 0 {
            self.objects.push(object);
            *place = self.objects.len() as u32;
        }
    }
}

/// Every object that the known objects lead to, in order; `skipped` is left out.
pub(super) fn walk(heap: &Heap, skipped: Word) -> Order {
    let order = Order { objects: Vec::new(), next: 0, base: heap.base(), places: Vec::new() };
    let mut walk = Walk { heap, skipped: heap.resolve(skipped), order, tables: BTreeSet::new() };
    walk.reach(heap.nil());
    walk.reach(heap.known(KnownObject::StartupOrder));
    for _ in 0..STARTUP_LEVELS {
        walk.spread(Walk::reach_near);
    }
    walk.reach(heap.known_objects());
    walk.order.next = 0;
    while walk.order.next < walk.order.objects.len() {
        walk.spread(Walk::reach_from);
    }
    walk.order
}

struct Walk<'a> {
    heap: &'a Heap,
    skipped: Word,
    order: Order,
    /// The arrays of the method dictionaries that `reach_near` met.
    tables: BTreeSet<usize>,
}

impl Walk<'_> {
    fn reach(&mut self, word: Word) {
        let object = self.heap.resolve(word);
        if object.is_reference() && object != self.skipped {
            self.order.add(object);
        }
    }

    /// Takes the objects that have a place and were not taken yet, one level of the walk.
    fn spread(&mut self, reach: fn(&mut Self, Word)) {
        let end = self.order.objects.len();
        while self.order.next < end {
            reach(self, self.order.objects[self.order.next]);
            self.order.next += 1;
        }
    }

    /// As `reach_from`, but leaves out what a method dictionary holds.
    fn reach_near(&mut self, object: Word) {
        if self.heap.class_index(object) == KnownClass::MethodDictionary.index() {
            let slots = (0..self.strong_slots(object)).map(|slot| self.heap.resolve(self.heap.slot(object, slot)));
            self.tables.extend(slots.filter(|slot| slot.is_reference()).map(|slot| slot.address()));
        }
        if !self.tables.contains(&object.address()) {
            self.reach_slots(object);
        }
    }

    fn reach_slots(&mut self, object: Word) {
        self.reach(self.heap.class_of(object));
        for slot in 0..self.strong_slots(object) {
            self.reach(self.heap.slot(object, slot));
        }
    }

    fn reach_from(&mut self, object: Word) {
        self.reach_slots(object);
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
