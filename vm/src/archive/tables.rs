//! Hashed tables that the machine reads: the symbol table and method dictionaries.
//!
//! Invariant T1: how a table is laid out depends on what it holds and on the hashes alone.

use alloc::vec::Vec;

use crate::heap::Heap;
use crate::layout::{Format, KnownClass, Word, method_dictionary, string_hash};

/// The code points of a string or symbol.
pub(super) fn code_points(heap: &Heap, string: Word) -> Vec<u32> {
    let bytes = heap.bytes_of(string);
    if heap.header(string).is_bytes() {
        return bytes.into_iter().map(u32::from).collect();
    }
    bytes
        .chunks_exact(4)
        .map(|unit| u32::from_le_bytes([unit[0], unit[1], unit[2], unit[3]]))
        .collect()
}

/// Whether an object is a symbol.
pub(super) fn is_symbol(heap: &Heap, object: Word) -> bool {
    let class = heap.class_index(object);
    class == KnownClass::ByteSymbol.index() || class == KnownClass::WideSymbol.index()
}

/// Makes the table of these symbols, in this order; `Err` names two equal ones, or none if there is
/// no room for the table.
pub(super) fn make_symbol_table(
    heap: &mut Heap,
    symbols: &[Word],
) -> Result<Word, Option<Vec<u32>>> {
    let capacity = (symbols.len() * 2).next_power_of_two().max(1024);
    let table = heap
        .allocate_old(KnownClass::WeakArray.index(), Format::Weak as u8, capacity)
        .ok_or(None)?;
    let nil = heap.nil();
    for symbol in symbols {
        let points = code_points(heap, *symbol);
        let mut index = string_hash(points.iter().copied()) as usize & (capacity - 1);
        while heap.slot(table, index) != nil {
            if code_points(heap, heap.slot(table, index)) == points {
                return Err(Some(points));
            }
            index = (index + 1) & (capacity - 1);
        }
        heap.store(table, index, *symbol);
    }
    Ok(table)
}

/// Puts the entries of a method dictionary where the identity hashes of their selectors say. One
/// that is not whole is left as it is.
pub(super) fn order_method_dictionary(heap: &mut Heap, dictionary: Word) {
    let Some((keys, values, capacity)) = arrays(heap, dictionary) else { return };
    let nil = heap.nil();
    let mut entries: Vec<(u32, Word, Word)> = Vec::new();
    for index in 0..capacity {
        let key = heap.slot(keys, index);
        if key != nil && key.is_reference() {
            entries.push((heap.identity_hash(key), key, heap.slot(values, index)));
        }
        heap.store(keys, index, nil);
        heap.store(values, index, nil);
    }
    entries.sort_by_key(|(hash, _, _)| *hash);
    for (hash, key, value) in entries {
        let mut index = hash as usize & (capacity - 1);
        while heap.slot(keys, index) != nil {
            index = (index + 1) & (capacity - 1);
        }
        heap.store(keys, index, key);
        heap.store(values, index, value);
    }
}

/// The entries of a method dictionary with the code points of their selectors, sorted by these.
pub(super) fn sorted_entries(heap: &Heap, dictionary: Word) -> Vec<(Vec<u32>, Word, Word)> {
    let Some((keys, values, capacity)) = arrays(heap, dictionary) else { return Vec::new() };
    let mut entries: Vec<(Vec<u32>, Word, Word)> = (0..capacity)
        .map(|index| (heap.resolve(heap.slot(keys, index)), heap.slot(values, index)))
        .filter(|(key, _)| is_symbol(heap, *key))
        .map(|(key, value)| (code_points(heap, key), key, value))
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

fn arrays(heap: &Heap, dictionary: Word) -> Option<(Word, Word, usize)> {
    if heap.size(dictionary) <= method_dictionary::VALUES {
        return None;
    }
    let keys = heap.resolve(heap.slot(dictionary, method_dictionary::KEYS));
    let values = heap.resolve(heap.slot(dictionary, method_dictionary::VALUES));
    let array =
        |word: Word| word.is_reference() && heap.class_index(word) == KnownClass::Array.index();
    if !array(keys) || !array(values) {
        return None;
    }
    let capacity = heap.size(keys);
    (capacity.is_power_of_two() && heap.size(values) == capacity)
        .then_some((keys, values, capacity))
}
