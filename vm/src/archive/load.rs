//! From an admitted archive to objects in an empty heap.
//!
//! Invariants
//! - L1 Objects are made in the order of the archive, all in old space; nothing is collected.
//! - L2 The heap was empty: the loader is the first to allocate.

use alloc::string::String;
use alloc::vec::Vec;

use super::format::{Archive, Entry, Value};
use super::tables::{is_symbol, make_symbol_table, order_method_dictionary};
use super::verify::Verified;
use crate::heap::Heap;
use crate::layout::{ClassIndex, Format, KnownClass, KnownObject, WORD_BYTES, Word};

/// Why an archive could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// There is no room for its objects.
    NoRoom,
    /// The heap holds objects already.
    NotEmpty,
    /// Two symbols are equal.
    SymbolTwice(String),
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            LoadError::NoRoom => write!(out, "no room for the objects of the archive"),
            LoadError::NotEmpty => write!(out, "the heap is not empty"),
            LoadError::SymbolTwice(symbol) => write!(out, "the symbol {symbol} stands twice"),
        }
    }
}

/// What the building of a world goes on with.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Receivers and selectors to be sent, in order.
    pub initializers: Vec<(Word, Word)>,
    /// How many objects were made.
    pub objects: usize,
}

/// Loads an archive into an empty heap.
pub fn load(verified: &Verified, heap: &mut Heap) -> Result<Loaded, LoadError> {
    let archive = verified.archive();
    if heap.known_objects() != Word::NONE {
        return Err(LoadError::NotEmpty);
    }
    let objects = allocate_all(archive, heap)?;
    for (entry, object) in archive.objects.iter().zip(&objects) {
        fill(archive, heap, &objects, entry, *object);
    }
    for class in &archive.classes {
        heap.set_class_at(ClassIndex(class.index), objects[class.object as usize]);
    }
    set_known(archive, heap, &objects)?;
    set_symbol_table(heap, &objects)?;
    let dictionary = KnownClass::MethodDictionary as u32;
    for (entry, object) in archive.objects.iter().zip(&objects) {
        if entry.class == dictionary {
            order_method_dictionary(heap, *object);
        }
    }
    heap.sync();
    let sends = archive.initializers.iter();
    let sends =
        sends.map(|send| (objects[send.receiver as usize], objects[send.selector as usize]));
    Ok(Loaded { initializers: sends.collect(), objects: objects.len() })
}

/// The raw format field and the slots of an entry.
fn shape(entry: &Entry) -> (u8, usize) {
    let length = entry.length as usize;
    if entry.format <= Format::Ephemeron as u8 {
        return (entry.format, length);
    }
    let slots = length.div_ceil(WORD_BYTES);
    let unused = slots * WORD_BYTES - length;
    let format = match entry.format {
        f if f == Format::Bytes as u8 => f + unused as u8,
        f if f == Format::Words16 as u8 => f + (unused / 2) as u8,
        f if f == Format::Words32 as u8 && unused == 4 => Format::Words32Odd as u8,
        f => f,
    };
    (format, slots)
}

fn allocate_all(archive: &Archive, heap: &mut Heap) -> Result<Vec<Word>, LoadError> {
    let mut objects = Vec::with_capacity(archive.objects.len());
    for entry in &archive.objects {
        let (format, slots) = shape(entry);
        let object = heap.allocate_old(ClassIndex(entry.class), format, slots);
        objects.push(object.ok_or(LoadError::NoRoom)?);
    }
    Ok(objects)
}

fn word(objects: &[Word], value: u64) -> Word {
    match Value(value).as_object() {
        Some(number) => objects[number as usize],
        None => Word(value),
    }
}

fn fill(archive: &Archive, heap: &mut Heap, objects: &[Word], entry: &Entry, object: Word) {
    if entry.format <= Format::Ephemeron as u8 {
        for (index, value) in archive.slots(entry).iter().enumerate() {
            heap.store(object, index, word(objects, *value));
        }
    } else {
        heap.write_bytes(object, 0, archive.raw(entry));
    }
    if entry.immutable == 1 {
        heap.set_immutable(object, true);
    }
}

fn set_known(archive: &Archive, heap: &mut Heap, objects: &[Word]) -> Result<(), LoadError> {
    let count = archive.known.len();
    let array = heap.allocate_old(KnownClass::Array.index(), Format::Indexable as u8, count);
    let array = array.ok_or(LoadError::NoRoom)?;
    for (index, value) in archive.known.iter().enumerate() {
        heap.store(array, index, word(objects, *value));
    }
    heap.set_known_objects(array);
    Ok(())
}

fn set_symbol_table(heap: &mut Heap, objects: &[Word]) -> Result<(), LoadError> {
    let symbols: Vec<Word> =
        objects.iter().copied().filter(|object| is_symbol(heap, *object)).collect();
    match make_symbol_table(heap, &symbols) {
        Ok(table) => {
            let known = heap.known_objects();
            heap.store(known, KnownObject::SymbolTable as usize, table);
            Ok(())
        }
        Err(None) => Err(LoadError::NoRoom),
        Err(Some(points)) => {
            let text = points.iter().map(|point| char::from_u32(*point).unwrap_or('\u{fffd}'));
            Err(LoadError::SymbolTwice(text.collect()))
        }
    }
}
