//! Admits an archive before anything is made of it.
//!
//! Invariants (of what [`Claimed::verify`] admits)
//! - V1 Every range lies within its table; every value is an integer, a character or an object of
//!   the archive.
//! - V2 Every object has a class of the archive, its format is that class's, and it has at least
//!   the named slots of the class (exactly, if the format is fixed).
//! - V3 A class has the slots that the machine reads, and knows its own index; known classes stand
//!   at their indices, known objects have their classes.
//! - V4 A method dictionary has two arrays of the same power of two, with as many symbols as it says.
//! - V5 Symbols are symbols by class; that no two are equal is the loader's to see.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use rkyv::rancor;

use super::format::{Archive, Entry, MAGIC, Value};
use crate::layout::{
    CLASS_TABLE_ENTRIES, Format, KnownClass, KnownObject, MAX_SLOTS, Word, behavior, class,
    compiled_code, method_dictionary,
};

/// Bytes that claim to be an archive.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a>(pub &'a [u8]);

/// What is wrong with an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// One line, lowercase.
    pub message: String,
}

impl core::fmt::Display for Damage {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(out, "{}", self.message)
    }
}

/// An archive that was admitted.
#[derive(Clone, Debug)]
pub struct Verified {
    archive: Archive,
}

impl Verified {
    /// What it holds.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }
}

impl Claimed<'_> {
    /// Admits the archive, or says what is wrong.
    pub fn verify(self) -> Result<Verified, Damage> {
        let Some(body) = self.0.strip_prefix(&MAGIC[..]) else {
            return damage("not an archive of this version".into());
        };
        match rkyv::from_bytes::<Archive, rancor::Error>(body) {
            Ok(archive) => verify(archive),
            Err(error) => damage(alloc::format!("the archive does not hold together: {error}")),
        }
    }
}

/// Admits an archive that never was bytes.
pub fn verify(archive: Archive) -> Result<Verified, Damage> {
    Check { archive: &archive, formats: BTreeMap::new() }.all()?;
    Ok(Verified { archive })
}

fn damage<T>(message: String) -> Result<T, Damage> {
    Err(Damage { message })
}

/// The kind and number of slots that a class gives its instances.
#[derive(Clone, Copy)]
struct Shape {
    named: usize,
    format: u8,
}

struct Check<'a> {
    archive: &'a Archive,
    formats: BTreeMap<u32, Shape>,
}

impl Check<'_> {
    fn all(mut self) -> Result<(), Damage> {
        if self.archive.objects.len() >= u32::MAX as usize {
            return damage("too many objects".into());
        }
        for (number, entry) in self.archive.objects.iter().enumerate() {
            self.range(number, entry)?;
        }
        self.classes()?;
        for (number, entry) in self.archive.objects.iter().enumerate() {
            self.object(number, entry)?;
        }
        self.known()?;
        self.initializers()
    }

    /// V1, for one object.
    fn range(&self, number: usize, entry: &Entry) -> Result<(), Damage> {
        let references = entry.format <= Format::Ephemeron as u8;
        let table = if references { self.archive.words.len() } else { self.archive.bytes.len() };
        let stop = u64::from(entry.start) + u64::from(entry.length);
        if stop > table as u64 || entry.length as usize > MAX_SLOTS.min(1 << 30) {
            return damage(alloc::format!("object {number} reaches to {stop} of {table}"));
        }
        if entry.immutable > 1 {
            return damage(alloc::format!("object {number} has flags {}", entry.immutable));
        }
        let unit = match entry.format {
            f if f == Format::Words64 as u8 => 8,
            f if f == Format::Words32 as u8 => 4,
            f if f == Format::Words16 as u8 => 2,
            f if f == Format::Bytes as u8 || references => 1,
            other => return damage(alloc::format!("object {number} has format {other}")),
        };
        if !entry.length.is_multiple_of(unit) {
            return damage(alloc::format!(
                "object {number} has {} bytes of units of {unit}",
                entry.length
            ));
        }
        match self.archive.slots(entry).iter().find(|word| references && !self.is_value(**word)) {
            Some(word) => {
                damage(alloc::format!("object {number} holds {word:#x}, which is no value"))
            }
            None => Ok(()),
        }
    }

    fn is_value(&self, word: u64) -> bool {
        match word & 3 {
            0 => Value(word).as_object().is_some_and(|n| (n as usize) < self.archive.objects.len()),
            1 => true,
            2 => u32::try_from(word >> 2).ok().and_then(char::from_u32).is_some(),
            _ => false,
        }
    }

    /// The slots of an object, if the value is one that has any.
    fn slots_of(&self, value: u64) -> &[u64] {
        let entry =
            Value(value).as_object().and_then(|number| self.archive.objects.get(number as usize));
        match entry {
            Some(entry) if entry.format <= Format::Ephemeron as u8 => self.archive.slots(entry),
            _ => &[],
        }
    }

    fn class_of(&self, value: u64) -> u32 {
        let entry =
            Value(value).as_object().and_then(|number| self.archive.objects.get(number as usize));
        entry.map_or(0, |entry| entry.class)
    }

    /// V3, for classes.
    fn classes(&mut self) -> Result<(), Damage> {
        for entry in &self.archive.classes {
            let index = entry.index;
            if index == 0 || index as usize >= CLASS_TABLE_ENTRIES {
                return damage(alloc::format!("class index {index} is out of range"));
            }
            let slots = self.slots_of(Value::object(entry.object).0);
            if slots.len() <= class::INSTANCE_VARIABLE_NAMES {
                return damage(alloc::format!("class {index} has {} slots", slots.len()));
            }
            let (own, format) = (Word(slots[behavior::CLASS_INDEX]), Word(slots[behavior::FORMAT]));
            if own != Word::small(i64::from(index)) || !format.is_integer() {
                return damage(alloc::format!(
                    "class {index} says index {own:?} and format {format:?}"
                ));
            }
            let dictionary = self.class_of(slots[behavior::METHOD_DICTIONARY]);
            if dictionary != KnownClass::MethodDictionary as u32 {
                return damage(alloc::format!("class {index} has no method dictionary"));
            }
            let bits = format.as_integer();
            let shape =
                Shape { named: (bits & 0xffff) as usize, format: ((bits >> 16) & 31) as u8 };
            if self.formats.insert(index, shape).is_some() {
                return damage(alloc::format!("class index {index} stands twice"));
            }
        }
        let missing = KnownClass::ALL.iter().find(|known| {
            let of_no_world = matches!(known, KnownClass::Forwarder | KnownClass::Filler);
            of_no_world == self.formats.contains_key(&(**known as u32))
        });
        match missing {
            Some(known) => {
                damage(alloc::format!("known class {} is not as it has to be", known.name()))
            }
            None => Ok(()),
        }
    }

    /// V2 and V4.
    fn object(&self, number: usize, entry: &Entry) -> Result<(), Damage> {
        let Some(shape) = self.formats.get(&entry.class) else {
            return damage(alloc::format!(
                "object {number} has class {}, which is not there",
                entry.class
            ));
        };
        let length = entry.length as usize;
        let fits = match entry.format {
            0 => length == shape.named,
            1..=3 => length >= shape.named,
            _ => true,
        };
        if entry.format != shape.format || !fits {
            return damage(alloc::format!(
                "object {number} has not the layout of class {}",
                entry.class
            ));
        }
        match entry.class {
            c if c == KnownClass::MethodDictionary as u32 => self.method_dictionary(number, entry),
            c if c == KnownClass::CompiledMethod as u32
                || c == KnownClass::CompiledBlock as u32 =>
            {
                self.code(number, entry)
            }
            _ => Ok(()),
        }
    }

    fn is_symbol(&self, value: u64) -> bool {
        let class = self.class_of(value);
        class == KnownClass::ByteSymbol as u32 || class == KnownClass::WideSymbol as u32
    }

    fn method_dictionary(&self, number: usize, entry: &Entry) -> Result<(), Damage> {
        let slots = self.archive.slots(entry);
        let [Some(tally), Some(keys), Some(values)] =
            [method_dictionary::TALLY, method_dictionary::KEYS, method_dictionary::VALUES]
                .map(|slot| slots.get(slot).copied())
        else {
            return damage(alloc::format!("method dictionary {number} lacks slots"));
        };
        let arrays = [keys, values].map(|value| self.slots_of(value).len());
        let capacity = arrays[0];
        let symbols = self.slots_of(keys).iter().filter(|key| self.is_symbol(**key)).count();
        let nils = self.slots_of(keys).iter().filter(|key| **key == Value::object(0).0).count();
        let whole =
            [keys, values].iter().all(|value| self.class_of(*value) == KnownClass::Array as u32)
                && arrays[1] == capacity
                && capacity.is_power_of_two()
                && symbols + nils == capacity
                && nils > 0
                && Word(tally) == Word::small(symbols as i64);
        if whole {
            Ok(())
        } else {
            damage(alloc::format!("method dictionary {number} does not hold together"))
        }
    }

    fn code(&self, number: usize, entry: &Entry) -> Result<(), Damage> {
        let slots = self.archive.slots(entry);
        let class = |slot: usize| slots.get(slot).map_or(0, |value| self.class_of(*value));
        let whole = slots.get(compiled_code::FRAME).is_some_and(|word| Word(*word).is_integer())
            && class(compiled_code::LITERALS) == KnownClass::Array as u32
            && class(compiled_code::BYTECODES) == KnownClass::ByteArray as u32
            && class(compiled_code::SITES) == KnownClass::Array as u32;
        if whole { Ok(()) } else { damage(alloc::format!("code {number} does not hold together")) }
    }

    fn known(&self) -> Result<(), Damage> {
        let known = &self.archive.known;
        if known.len() != KnownObject::ALL.len() {
            return damage(alloc::format!(
                "{} known objects, not {}",
                known.len(),
                KnownObject::ALL.len()
            ));
        }
        if known.iter().any(|word| !self.is_value(*word)) {
            return damage("a known object is no value".into());
        }
        let expected: Vec<(KnownObject, KnownClass)> = alloc::vec![
            (KnownObject::Nil, KnownClass::UndefinedObject),
            (KnownObject::True, KnownClass::True),
            (KnownObject::False, KnownClass::False),
            (KnownObject::SymbolTable, KnownClass::UndefinedObject),
            (KnownObject::SpecialSelectors, KnownClass::Array),
        ];
        for (object, class) in expected {
            if self.class_of(known[object as usize]) != class as u32 {
                return damage(alloc::format!(
                    "known object {} is no {}",
                    object.name(),
                    class.name()
                ));
            }
        }
        let selectors =
            KnownObject::ALL.iter().filter(|known| known.name().starts_with("Selector"));
        for selector in selectors {
            if !self.is_symbol(known[*selector as usize]) {
                return damage(alloc::format!("known object {} is no symbol", selector.name()));
            }
        }
        if known[KnownObject::Nil as usize] != Value::object(0).0 {
            return damage("nil is not the first object".into());
        }
        Ok(())
    }

    fn initializers(&self) -> Result<(), Damage> {
        let objects = self.archive.objects.len();
        for (number, initializer) in self.archive.initializers.iter().enumerate() {
            let fits = (initializer.receiver as usize) < objects
                && self.is_symbol(Value::object(initializer.selector).0);
            if !fits {
                return damage(alloc::format!("initialiser {number} names no object or no symbol"));
            }
        }
        Ok(())
    }
}
