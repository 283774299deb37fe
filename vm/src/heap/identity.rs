//! What changes the identity of objects: `become:`, pinning.
//!
//! Invariants
//! - I1 A forwarder is as large as what it was, refers to its target in slot 0 and to nothing else;
//!   its class index fails every guard, so that the check for it sits on miss paths.
//! - I2 An object's slots are not exchanged for what is read in another way while a marker may be
//!   reading them: contents are exchanged only between objects of references, or of raw data.

use super::Heap;
use crate::layout::{
    ClassIndex, Extent, Format, Header, KnownClass, LARGE_OBJECT_BYTES, PINNED, Word, behavior,
};
use alloc::vec::Vec;

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
    /// the other, both ways. `None` if there is no room for what must be copied
    /// ([`Heap::why_declined`]): then nothing has changed. An object in two pairs is exchanged twice,
    /// in order; that declines where such a pair needs a copy that is too large for eden.
    pub fn become_each_other(&mut self, pairs: &[(Word, Word)]) -> Option<()> {
        let bytes = pairs.iter().map(|&(a, b)| self.eden_share(a, b)).sum();
        if bytes > 0 && !self.room_for(bytes) {
            self.declined = super::Decline::EdenFull;
            return None;
        }
        if !self.names_one_twice(pairs) {
            return self.exchange_all(pairs);
        }
        let is_large = |heap: &Heap, word: Word| {
            word.is_reference() && heap.total_words(heap.resolve(word)) * 8 > LARGE_OBJECT_BYTES
        };
        if pairs.iter().any(|&(a, b)| is_large(self, a) || is_large(self, b)) {
            self.declined = super::Decline::TooLarge;
            return None;
        }
        pairs.iter().try_for_each(|&pair| self.exchange_all(&[pair]))
    }

    fn names_one_twice(&self, pairs: &[(Word, Word)]) -> bool {
        let each = pairs.iter().flat_map(|&(a, b)| [self.resolve(a).0, self.resolve(b).0]);
        let mut named: Vec<u64> = each.collect();
        named.sort_unstable();
        named.windows(2).any(|two| two[0] == two[1])
    }

    /// Exchanges pairs of objects that are all different: makes every copy before anything changes.
    fn exchange_all(&mut self, pairs: &[(Word, Word)]) -> Option<()> {
        let mut copies: Vec<(Word, Word)> = Vec::new();
        for &(a, b) in pairs {
            if self.exchange_bytes(a, b) == 0 {
                continue;
            }
            for object in [self.resolve(a), self.resolve(b)] {
                match self.copy_of(object) {
                    Some(copy) => copies.push((object, copy)),
                    None => {
                        // Nobody is to find the copies.
                        copies.into_iter().for_each(|(object, copy)| self.forward(copy, object));
                        return None;
                    }
                }
            }
        }
        for &(a, b) in pairs {
            let (a, b) = (self.resolve(a), self.resolve(b));
            if a.is_reference() && b.is_reference() && a != b && self.exchange_bytes(a, b) == 0 {
                self.exchange_contents(a, b);
            }
        }
        for two in copies.chunks_exact(2) {
            self.forward(two[0].0, two[1].1);
            self.forward(two[1].0, two[0].1);
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

    /// Of these the bytes that eden must have room for.
    fn eden_share(&self, a: Word, b: Word) -> usize {
        if self.exchange_bytes(a, b) == 0 {
            return 0;
        }
        let bytes = [a, b].map(|object| self.total_words(self.resolve(object)) * 8);
        bytes.into_iter().filter(|&bytes| bytes <= LARGE_OBJECT_BYTES).sum()
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
