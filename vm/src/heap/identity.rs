//! What changes the identity of objects: `become:`, pinning.
//!
//! Invariants
//! - I1 A forwarder is as large as what it was, refers to its target in slot 0 and to nothing else;
//!   its class index fails every guard, so that the check for it sits on miss paths.
//! - I2 An object's slots are not exchanged for what is read in another way while a marker may be
//!   reading them: contents are exchanged only between objects of references, or of raw data.

use super::Heap;
use crate::layout::{
    ClassIndex, Extent, Format, Header, KnownClass, PINNED, Word, behavior,
};

/// Whose identity hash the target of a forwarding has afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashOf {
    /// Its own.
    Target,
    /// The forwarded object's, so that hashed collections find it where that one was.
    Source,
}

impl Heap {
    /// References to the first of each pair become references to the second. Nothing happens to a
    /// pair whose first is no object, or is the second already.
    pub fn become_forward(&mut self, pairs: &[(Word, Word)], hash: HashOf) {
        for &(from, to) in pairs {
            let (from, to) = (self.resolve(from), self.resolve(to));
            if from == to || !from.is_reference() {
                continue;
            }
            let given = self.header(from).hash();
            if hash == HashOf::Source && given != 0 && to.is_reference() {
                let header = self.header(to).with_hash(given);
                self.set_header(to, header);
            }
            self.forward(from, to);
        }
    }

    fn forward(&mut self, from: Word, to: Word) {
        self.replace_in_class_table(from, to);
        let header = self.header(from);
        let slots = self.size(from);
        self.store_pointer_at(from.address() + 8, to.0);
        let header = header
            .with_class(KnownClass::Forwarder.index())
            .with_format(Format::Forwarder as u8);
        self.store_raw_at(from.address(), header.0);
        if !self.faults.become_keeps_slots {
            for index in 1..slots {
                self.store_raw_at(from.address() + 8 + index * 8, Word::small(0).0);
            }
        }
    }

    /// A class that becomes another is that other in the class table too.
    fn replace_in_class_table(&mut self, from: Word, to: Word) {
        let header = self.header(from);
        if !header.has_references() || self.size(from) <= behavior::CLASS_INDEX {
            return;
        }
        let index = self.slot(from, behavior::CLASS_INDEX);
        if !index.is_integer() || index.as_integer() < 0 {
            return;
        }
        let index = index.as_integer();
        if index < self.next_class as i64 && self.class_at(ClassIndex(index as u32)) == from {
            self.set_class_at(ClassIndex(index as u32), to);
        }
    }

    /// The two of each pair exchange their identities: references to the one become references to
    /// the other, both ways. `None` if there is no room for what must be copied: the pairs before are
    /// exchanged then, this one and those behind are not ([`Heap::why_declined`]); with room for
    /// eden's share and no large object, all are.
    pub fn become_each_other(&mut self, pairs: &[(Word, Word)]) -> Option<()> {
        let bytes = pairs.iter().map(|&(a, b)| self.exchange_bytes(a, b)).sum();
        if bytes > 0 && !self.room_for(bytes) {
            self.declined = super::Decline::EdenFull;
            return None;
        }
        for &(a, b) in pairs {
            let (a, b) = (self.resolve(a), self.resolve(b));
            if a == b || !a.is_reference() || !b.is_reference() {
                continue;
            }
            if self.exchange_bytes(a, b) == 0 {
                self.exchange_contents(a, b);
            } else {
                let new_a = self.copy_of(a)?;
                let Some(new_b) = self.copy_of(b) else {
                    // Nobody is to find the copy.
                    self.forward(new_a, a);
                    return None;
                };
                self.forward(a, new_b);
                self.forward(b, new_a);
            }
        }
        Some(())
    }

    fn total_words(&self, object: Word) -> usize {
        Extent::of_object(self.size(object)).words
    }

    /// Bytes to be copied to exchange two objects; 0 if their contents can be exchanged in place.
    fn exchange_bytes(&self, a: Word, b: Word) -> usize {
        let (a, b) = (self.resolve(a), self.resolve(b));
        if !a.is_reference() || !b.is_reference() || a == b {
            return 0;
        }
        let alike = self.size(a) == self.size(b)
            && self.header(a).has_references() == self.header(b).has_references();
        if alike { 0 } else { (self.total_words(a) + self.total_words(b)) * 8 }
    }

    fn exchange_contents(&mut self, a: Word, b: Word) {
        // Pinned is the place, not what stands there.
        let (head_a, head_b) = (self.header(a).0, self.header(b).0);
        self.store_raw_at(a.address(), (head_b & !PINNED) | (head_a & PINNED));
        self.store_raw_at(b.address(), (head_a & !PINNED) | (head_b & PINNED));
        for index in 0..self.size(a) {
            let (x, y) = (self.slot(a, index), self.slot(b, index));
            self.store(a, index, y);
            self.store(b, index, x);
        }
    }

    fn copy_of(&mut self, object: Word) -> Option<Word> {
        let header = self.header(object);
        let slots = self.size(object);
        let copy = self.allocate(header.class(), header.format(), slots)?;
        self.set_header(copy, Header(header.0 & !PINNED));
        self.copy_slots(object, 0, copy, 0, slots);
        Some(copy)
    }

    /// Makes an object one that never moves; answers it, at its new address if it was young. `None`
    /// if there is no room in old space.
    pub fn pin(&mut self, object: Word) -> Option<Word> {
        let object = self.resolve(object);
        let mut pinned = object;
        if self.is_young(object) {
            let header = self.header(object);
            let slots = self.size(object);
            pinned = self.allocate_old(header.class(), header.format(), slots)?;
            self.set_header(pinned, header);
            self.copy_slots(object, 0, pinned, 0, slots);
            self.forward(object, pinned);
        }
        let header = Self::pin_header(self.header(pinned));
        self.set_header(pinned, header);
        Some(pinned)
    }
}
