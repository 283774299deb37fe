//! What an archive is made of.
//!
//! Everything is in a few flat tables, so that it is validated and read fast and compresses well.
//! Bytes: [`MAGIC`], then the rkyv archive of [`Archive`] (little-endian, unaligned, 32-bit offsets).

use alloc::vec::Vec;
use rkyv::rancor;

use crate::layout::Word;

/// The first bytes of a packed archive; the last of them is the version.
pub const MAGIC: [u8; 8] = *b"WarmArc\x01";

/// A value: a SmallInteger or Character as in a [`Word`], or the number of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u64);

impl Value {
    /// Object `number`.
    pub const fn object(number: u32) -> Value {
        Value((number as u64 + 1) << 3)
    }

    /// An immediate value.
    pub const fn immediate(word: Word) -> Value {
        Value(word.0)
    }

    /// The number of the object, if it is one.
    pub const fn as_object(self) -> Option<u32> {
        if self.0 & 7 == 0 && self.0 != 0 && self.0 >> 3 <= u32::MAX as u64 {
            Some((self.0 >> 3) as u32 - 1)
        } else {
            None
        }
    }
}

/// An object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Entry {
    /// The index of its class.
    pub class: u32,
    /// The base value of its `Format`.
    pub format: u8,
    /// Whether stores are refused (0 or 1).
    pub immutable: u8,
    /// Where it begins in [`Archive::words`] or, of a raw format, in [`Archive::bytes`].
    pub start: u32,
    /// Slots, or bytes of a raw format.
    pub length: u32,
}

/// A class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct ClassEntry {
    /// Its index.
    pub index: u32,
    /// The number of the object.
    pub object: u32,
}

/// A message to be sent when the world is built, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct Initializer {
    /// The number of the receiver.
    pub receiver: u32,
    /// The number of the selector, a symbol.
    pub selector: u32,
}

/// A graph of objects.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize,
)]
pub struct Archive {
    /// The class table, in order of index.
    pub classes: Vec<ClassEntry>,
    /// The objects; nil is the first.
    pub objects: Vec<Entry>,
    /// Slots: [`Value`]s.
    pub words: Vec<u64>,
    /// The contents of raw objects, little-endian.
    pub bytes: Vec<u8>,
    /// The known objects ([`Value`]s), in order of `KnownObject`; SymbolTable is nil.
    pub known: Vec<u64>,
    /// What the building of the world sends.
    pub initializers: Vec<Initializer>,
}

impl Archive {
    /// The slots of an object of references.
    pub fn slots(&self, entry: &Entry) -> &[u64] {
        slice(&self.words, entry)
    }

    /// The bytes of a raw object.
    pub fn raw(&self, entry: &Entry) -> &[u8] {
        slice(&self.bytes, entry)
    }
}

/// The part of a table that belongs to an entry; empty if it is out of range.
fn slice<'a, T>(table: &'a [T], entry: &Entry) -> &'a [T] {
    let start = entry.start as usize;
    table.get(start..start.saturating_add(entry.length as usize)).unwrap_or(&[])
}

/// The bytes of an archive.
pub fn pack(archive: &Archive) -> Result<Vec<u8>, rancor::Error> {
    let body = rkyv::to_bytes::<rancor::Error>(archive)?;
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&body);
    Ok(bytes)
}
