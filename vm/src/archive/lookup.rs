//! Finding classes and symbols by name in a heap at rest, for the builder of worlds.

use alloc::vec::Vec;

use super::tables::code_points;
use crate::heap::Heap;
use crate::layout::{ClassIndex, KnownObject, Word, behavior, class, string_hash};

/// The class of a name, if the class table holds one.
pub fn find_class(heap: &Heap, name: &str) -> Option<Word> {
    let symbol = find_symbol(heap, name)?;
    classes(heap).find(|class| {
        heap.size(*class) > class::NAME && heap.resolve(heap.slot(*class, class::NAME)) == symbol
    })
}

/// The symbol of a text, if there is one.
pub fn find_symbol(heap: &Heap, text: &str) -> Option<Word> {
    let table = heap.resolve(heap.slot(heap.known_objects(), KnownObject::SymbolTable as usize));
    let points: Vec<u32> = text.chars().map(u32::from).collect();
    let capacity = heap.size(table);
    let start = string_hash(points.iter().copied()) as usize;
    let places = (0..capacity).map(|step| heap.slot(table, (start + step) % capacity));
    let found =
        places.take_while(|symbol| *symbol != heap.nil()).map(|symbol| heap.resolve(symbol));
    found.filter(|symbol| symbol.is_reference()).find(|symbol| code_points(heap, *symbol) == points)
}

/// What has to be sent when identity hashes have changed: `rehashAllInstances` to every class that
/// inherits from HashedCollection, in order of class index.
pub fn rehash_sends(heap: &Heap) -> Vec<(Word, Word)> {
    let (Some(root), Some(selector)) =
        (find_class(heap, "HashedCollection"), find_symbol(heap, "rehashAllInstances"))
    else {
        return Vec::new();
    };
    classes(heap)
        .filter(|class| inherits_from(heap, *class, root))
        .map(|class| (class, selector))
        .collect()
}

fn classes(heap: &Heap) -> impl Iterator<Item = Word> + '_ {
    let all = (0..heap.next_class().0).map(|index| heap.class_at(ClassIndex(index)));
    all.filter(|class| class.is_reference())
}

fn inherits_from(heap: &Heap, class: Word, root: Word) -> bool {
    let mut next = class;
    // A forged ring of superclasses is no longer than the class table.
    for _ in 0..heap.next_class().0 {
        if next == root {
            return true;
        }
        if !next.is_reference() || next == heap.nil() || heap.size(next) == 0 {
            return false;
        }
        next = heap.resolve(heap.slot(next, behavior::SUPERCLASS));
    }
    false
}
