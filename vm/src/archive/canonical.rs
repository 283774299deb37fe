//! The canonical pass: a heap written afresh in the order of a walk from its roots.
//!
//! Invariants
//! - C1 nil comes first, then the array of known objects, then whatever they lead to, breadth
//!   first, but for C4; of an object its class before its slots, slots in order. What only weak slots refer to
//!   is left behind, and those slots become nil.
//! - C2 Nothing of the old machine survives: serials of frames and processes in closures, contexts
//!   and processes become 0, which is no frame's; counters start anew; forwarders are resolved.
//! - C3 With [`Hashes::Renumber`] the objects that have an identity hash get 1, 2, 3 … in the order
//!   of the walk; method dictionaries are put in order by them, the symbol table by string hash.
//! - C4 What running code seldom reads (texts, source maps) stands behind all else, each part in the order
//!   of the walk: an opening brings pages, and few of them.

use alloc::vec::Vec;

use super::tables::{is_symbol, make_symbol_table, order_method_dictionary};
use super::walk::{Order, walk};
use crate::heap::Heap;
use crate::layout::{
    ClassIndex, Header, IMMUTABLE, KnownClass, KnownObject, Word, block_closure, compiled_code, context,
    process, root,
};

/// What becomes of identity hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashes {
    /// They are given anew, in walk order.
    Renumber,
    /// They stay.
    Keep,
}

/// Why a world could not be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyError {
    /// The heap to copy to is too small.
    NoRoom,
    /// The heap to copy to holds objects already.
    NotEmpty,
    /// The heap to copy from has no known objects.
    NoWorld,
    /// There are more objects with a hash than hashes.
    TooManyHashes,
}

impl core::fmt::Display for CopyError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let text = match self {
            CopyError::NoRoom => "no room for a copy of the world",
            CopyError::NotEmpty => "the heap to copy to is not empty",
            CopyError::NoWorld => "the heap to copy from holds no world",
            CopyError::TooManyHashes => "more objects with an identity hash than there are hashes",
        };
        write!(out, "{text}")
    }
}

/// The greatest identity hash.
const MAX_HASH: u32 = (1 << 22) - 1;

/// Copies the world of `from` into the empty heap `to`.
pub fn copy_world(from: &Heap, to: &mut Heap, hashes: Hashes) -> Result<(), CopyError> {
    let known = from.known_objects();
    if known == Word::NONE || !from.nil().is_reference() {
        return Err(CopyError::NoWorld);
    }
    if to.known_objects() != Word::NONE {
        return Err(CopyError::NotEmpty);
    }
    let symbol_table = from.slot(known, KnownObject::SymbolTable as usize);
    let order = walk(from, symbol_table);
    let cold = cold_objects(from, &order);
    let made = alloc::vec![Word::NONE; order.objects.len()];
    let mut copy = Copy { from, to, hashes, last_hash: 0, order, made };
    for turn in [false, true] {
        for place in (0..cold.len()).filter(|place| cold[*place] == turn) {
            copy.make(place)?;
        }
    }
    copy.finish(known)
}

/// By place, whether an object is one that running code seldom reads (C4).
fn cold_objects(heap: &Heap, order: &Order) -> Vec<bool> {
    let texts = [KnownClass::ByteString.index(), KnownClass::WideString.index()];
    let codes = [KnownClass::CompiledMethod.index(), KnownClass::CompiledBlock.index()];
    let mut cold: Vec<bool> =
        order.objects.iter().map(|object| texts.contains(&heap.class_index(*object))).collect();
    for object in order.objects.iter().filter(|object| codes.contains(&heap.class_index(**object))) {
        let map = heap.resolve(heap.slot(*object, compiled_code::SOURCE_MAP));
        if map.is_reference() && map != heap.nil() && let Some(place) = order.place(map) {
            cold[place] = true;
        }
    }
    cold
}

struct Copy<'a> {
    from: &'a Heap,
    to: &'a mut Heap,
    hashes: Hashes,
    last_hash: u32,
    /// The old objects.
    order: Order,
    /// The new ones, in the same order.
    made: Vec<Word>,
}

impl Copy<'_> {
    /// The empty copy of the object at a place.
    fn make(&mut self, place: usize) -> Result<(), CopyError> {
        let object = self.order.objects[place];
        let header = self.from.header(object);
        let new = self.to.allocate_old(header.class(), header.format(), self.from.size(object));
        let new = new.ok_or(CopyError::NoRoom)?;
        let hash = self.new_hash(header.hash())?;
        let flags = header.0 & IMMUTABLE;
        let made = self.to.header(new);
        self.to.set_header(new, Header(made.with_hash(hash).0 | flags));
        self.made[place] = new;
        Ok(())
    }

    fn new_hash(&mut self, old: u32) -> Result<u32, CopyError> {
        if old == 0 {
            return Ok(0);
        }
        match self.hashes {
            Hashes::Keep => {
                self.last_hash = self.last_hash.max(old);
                Ok(old)
            }
            Hashes::Renumber if self.last_hash == MAX_HASH => Err(CopyError::TooManyHashes),
            Hashes::Renumber => {
                self.last_hash += 1;
                Ok(self.last_hash)
            }
        }
    }

    fn place(&self, word: Word) -> Word {
        let object = self.from.resolve(word);
        if !object.is_reference() {
            return object;
        }
        self.order.place(object).map_or(self.to.nil(), |place| self.made[place])
    }

    fn finish(&mut self, known: Word) -> Result<(), CopyError> {
        let new_known = self.place(known);
        self.to.set_root(root::HASH_COUNTER, u64::from(self.last_hash));
        let nil = self.place(self.from.nil());
        self.to.store(new_known, KnownObject::Nil as usize, nil);
        self.to.set_known_objects(new_known);
        for place in 0..self.made.len() {
            self.fill(self.order.objects[place], self.made[place]);
        }
        self.class_table();
        let symbols: Vec<Word> =
            self.made.iter().copied().filter(|new| is_symbol(self.to, *new)).collect();
        let table = make_symbol_table(self.to, &symbols).map_err(|_| CopyError::NoRoom)?;
        self.to.store(new_known, KnownObject::SymbolTable as usize, table);
        let dictionary = KnownClass::MethodDictionary.index();
        for new in &self.made {
            if self.to.class_index(*new) == dictionary {
                order_method_dictionary(self.to, *new);
            }
        }
        self.to.sync();
        Ok(())
    }

    fn fill(&mut self, old: Word, new: Word) {
        let header = self.from.header(old);
        let size = self.from.size(old);
        if !header.has_references() {
            (0..size).for_each(|slot| self.to.store_raw(new, slot, self.from.raw(old, slot)));
            return;
        }
        for slot in 0..size {
            let value = self.place(self.from.slot(old, slot));
            self.to.store(new, slot, value);
        }
        for slot in serials(header.class()) {
            if *slot < size && self.to.slot(new, *slot).is_integer() {
                self.to.store_immediate(new, *slot, Word::small(0));
            }
        }
    }

    fn class_table(&mut self) {
        for index in 0..self.from.next_class().0 {
            let class = self.from.resolve(self.from.class_at(ClassIndex(index)));
            let new = if class.is_reference() { self.order.place(class) } else { None };
            if let Some(place) = new {
                self.to.set_class_at(ClassIndex(index), self.made[place]);
            }
        }
    }
}

/// The slots of a class that hold serials of frames or processes.
fn serials(class: ClassIndex) -> &'static [usize] {
    match class {
        c if c == KnownClass::BlockClosure.index() => &[block_closure::OUTER, block_closure::HOME],
        c if c == KnownClass::Context.index() => &[context::SERIAL],
        c if c == KnownClass::Process.index() => &[process::SERIAL],
        _ => &[],
    }
}
