//! Reading and writing objects: the accessors that interpreter, primitives and compilers use.
//!
//! Invariants
//! - A1 An object given to an accessor is a reference to a live object of this heap, and an index is
//!   below its size; debug builds assert it. Who got a word from elsewhere asks
//!   [`Heap::is_object`] first.
//! - A2 Every store passes the barrier: a store of a reference tests for tag 3, any other for tag
//!   not 0.

use super::Heap;
use super::barrier::{BARRIER, TAG_CLEAN, TAG_REMEMBERED};
use crate::layout::{CARD_BYTES, ClassIndex, Extent, Header, IMMUTABLE, KnownClass, PINNED, Word, behavior};

impl Heap {
    /// The class index of any word: an object's, or that of its immediate class.
    #[inline(always)]
    pub fn class_index(&self, word: Word) -> ClassIndex {
        const IMMEDIATE: [ClassIndex; 4] = [
            KnownClass::LostObject.index(),
            KnownClass::SmallInteger.index(),
            KnownClass::Character.index(),
            KnownClass::LostObject.index(),
        ];
        // A branch and a load: a jump table here is one more jump to foretell in every send.
        let tag = (word.0 & 3) as usize;
        if tag == 0 { self.header(word).class() } else { IMMEDIATE[tag] }
    }

    /// The class of any word; [`Word::NONE`] if its index has no class.
    #[inline]
    pub fn class_of(&self, word: Word) -> Word {
        self.class_at(self.class_index(word))
    }

    /// The header of an object.
    #[inline(always)]
    pub fn header(&self, object: Word) -> Header {
        Header(self.words.load(object.address()))
    }

    /// How many slots an object has.
    #[inline(always)]
    pub fn size(&self, object: Word) -> usize {
        self.shared.slots_of(object.address())
    }

    /// How many bytes an object of bytes or of 16- or 32-bit units has.
    #[inline]
    pub fn byte_size(&self, object: Word) -> usize {
        self.size(object) * 8 - self.header(object).unused_bytes()
    }

    /// The slots that the object's class names; of raw objects 0.
    pub fn fixed_slots(&self, object: Word) -> usize {
        let header = self.header(object);
        if !header.has_references() { 0 } else { self.fixed_slots_of_class(header.class()) }
    }

    /// The slots that instances of a class have by name, from the class's FORMAT slot.
    pub fn fixed_slots_of_class(&self, class: ClassIndex) -> usize {
        let class = self.class_at(class);
        if !class.is_reference() || self.size(class) <= behavior::FORMAT {
            return 0;
        }
        let format = self.slot(class, behavior::FORMAT);
        if format.is_integer() { (format.as_integer() & 0xffff) as usize } else { 0 }
    }

    #[inline(always)]
    pub(super) fn slot_address(&self, object: Word, index: usize) -> usize {
        debug_assert!(object.is_reference() && index < self.size(object).max(1));
        object.address() + 8 + index * 8
    }

    /// A slot, as a word.
    #[inline(always)]
    pub fn slot(&self, object: Word, index: usize) -> Word {
        Word(self.words.load(self.slot_address(object, index)))
    }

    /// A slot of a raw object.
    #[inline(always)]
    pub fn raw(&self, object: Word, index: usize) -> u64 {
        self.words.load(self.slot_address(object, index))
    }

    /// Stores any word, with the barrier for references.
    #[inline(always)]
    pub fn store(&mut self, object: Word, index: usize, value: Word) {
        let address = self.slot_address(object, index);
        self.store_pointer_at(address, value.0);
    }

    /// Stores a word that is known not to refer to a young object: an immediate, nil.
    #[inline(always)]
    pub fn store_immediate(&mut self, object: Word, index: usize, value: Word) {
        let address = self.slot_address(object, index);
        self.store_raw_at(address, value.0);
    }

    /// Stores into a raw object.
    #[inline(always)]
    pub fn store_raw(&mut self, object: Word, index: usize, word: u64) {
        let address = self.slot_address(object, index);
        self.store_raw_at(address, word);
    }

    #[inline(always)]
    pub(super) fn store_pointer_at(&mut self, address: usize, word: u64) {
        if BARRIER {
            // An immediate needs no place in R: fewer cards to scan in the next pause.
            let tag = self.tags.get((address - self.base) / CARD_BYTES);
            if tag != TAG_REMEMBERED && (tag == TAG_CLEAN || word & 3 == 0) {
                if word & 3 == 0 { self.prepare_pointer(address) } else { self.prepare_raw(address) }
            }
        }
        self.words.store(address, word);
    }

    #[inline(always)]
    pub(super) fn store_raw_at(&mut self, address: usize, word: u64) {
        if BARRIER && self.tags.get((address - self.base) / CARD_BYTES) == TAG_CLEAN {
            self.prepare_raw(address);
        }
        self.words.store(address, word);
    }

    /// A byte of an object of bytes.
    #[inline(always)]
    pub fn byte(&self, object: Word, index: usize) -> u8 {
        debug_assert!(index < self.size(object) * 8);
        self.words.load_byte(object.address() + 8 + index)
    }

    /// Stores a byte.
    #[inline(always)]
    pub fn store_byte(&mut self, object: Word, index: usize, byte: u8) {
        debug_assert!(index < self.size(object) * 8);
        let address = object.address() + 8 + index;
        if BARRIER && self.tags.get((address - self.base) / CARD_BYTES) == TAG_CLEAN {
            self.prepare_raw(address);
        }
        self.words.store_byte(address, byte);
    }

    /// Copies bytes of an object out, from byte `from` on.
    pub fn read_bytes(&self, object: Word, from: usize, into: &mut [u8]) {
        debug_assert!(from + into.len() <= self.size(object) * 8);
        self.words.read_bytes(object.address() + 8 + from, into);
    }

    /// Copies bytes into an object, from byte `from` on.
    pub fn write_bytes(&mut self, object: Word, from: usize, bytes: &[u8]) {
        debug_assert!(from + bytes.len() <= self.size(object) * 8);
        let address = object.address() + 8 + from;
        self.prepare_write(address, bytes.len(), super::WriteKind::Raw);
        self.words.write_bytes(address, bytes);
    }

    /// All bytes of an object of bytes.
    pub fn bytes_of(&self, object: Word) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec![0; self.byte_size(object)];
        self.read_bytes(object, 0, &mut bytes);
        bytes
    }

    /// Copies slots between pointer objects (or between raw ones); the ranges may overlap.
    pub fn copy_slots(&mut self, from: Word, first: usize, to: Word, start: usize, count: usize) {
        if count == 0 {
            return;
        }
        debug_assert!(first + count <= self.size(from) && start + count <= self.size(to));
        let source = from.address() + 8 + first * 8;
        let target = to.address() + 8 + start * 8;
        let kind = if self.header(to).has_references() {
            super::WriteKind::Pointers
        } else {
            super::WriteKind::Raw
        };
        self.prepare_write(target, count * 8, kind);
        if target <= source {
            for n in 0..count {
                self.words.store(target + n * 8, self.words.load(source + n * 8));
            }
        } else {
            for n in (0..count).rev() {
                self.words.store(target + n * 8, self.words.load(source + n * 8));
            }
        }
    }

    /// Changes the header but for its size: class, format, hash, flags. An object's class must keep
    /// to its layout; the caller checks it.
    pub fn set_header(&mut self, object: Word, header: Header) {
        debug_assert!(header.slot_field() == self.header(object).slot_field());
        self.store_raw_at(object.address(), header.0);
    }

    /// Makes an object an instance of another class of the same layout.
    pub fn set_class(&mut self, object: Word, class: ClassIndex) {
        let header = self.header(object).with_class(class);
        self.set_header(object, header);
    }

    /// Whether stores are refused. The heap does not look; primitives and store bytecodes do.
    #[inline(always)]
    pub fn is_immutable(&self, object: Word) -> bool {
        self.header(object).0 & IMMUTABLE != 0
    }

    /// Sets or clears the flag.
    pub fn set_immutable(&mut self, object: Word, immutable: bool) {
        let header = self.header(object).0;
        let header = if immutable { header | IMMUTABLE } else { header & !IMMUTABLE };
        self.set_header(object, Header(header));
    }

    /// Whether the object never moves.
    pub fn is_pinned(&self, object: Word) -> bool {
        self.header(object).0 & PINNED != 0
    }

    /// What a word refers to, through forwarders; other words as they are. Bounded: a forged ring of
    /// forwarders answers one of them.
    #[inline]
    pub fn resolve(&self, word: Word) -> Word {
        let mut word = word;
        for _ in 0..super::MAX_FORWARDING {
            if !word.is_reference() || !self.header(word).is_forwarder() {
                break;
            }
            word = self.slot(word, 0);
        }
        word
    }

    /// Whether the word is a reference to what looks like an object of this heap: inside it, aligned,
    /// with a header that is no filler. For words from outside; it can't tell an object's start from
    /// a slot that looks like one.
    pub fn is_object(&self, word: Word) -> bool {
        let address = word.address();
        if !word.is_reference() || !self.words.holds(address) || address < self.base + 8 {
            return false;
        }
        let header = self.words.load(address);
        if !Header::is_header(header) || Header(header).is_filler() {
            return false;
        }
        let slots = if Header(header).is_oversize() {
            match Extent::of(self.words.load(address - 8)) {
                Some(extent) if extent.lead == 1 => extent.slots,
                _ => return false,
            }
        } else {
            Header(header).slot_field() as usize
        };
        slots <= (self.base + self.words.bytes() - address) / 8
    }

    /// The identity hash, given on first asking.
    pub fn identity_hash(&mut self, object: Word) -> u32 {
        let header = self.header(object);
        if header.hash() != 0 {
            return header.hash();
        }
        let hash = self.next_hash();
        self.set_header(object, header.with_hash(hash));
        hash
    }
}
