//! Plain objects in an archive: strings, symbols, numbers, arrays.
//!
//! Invariants
//! - O1 A symbol is made once; everything else whenever it is asked for.
//! - O2 Objects are numbered in the order in which they were asked for; nil, true, false are 0, 1, 2.

use std::collections::HashMap;

use vm::archive::{Archive, Entry, Value};
use vm::layout::{Format, KnownClass, Word};

use crate::ast::Literal;
use crate::number::Integer;

/// nil.
pub const NIL: Value = Value::object(0);
/// true.
pub const TRUE: Value = Value::object(1);
/// false.
pub const FALSE: Value = Value::object(2);

/// An archive that grows.
#[derive(Debug, Default)]
pub struct Objects {
    /// What there is.
    pub archive: Archive,
    symbols: HashMap<String, Value>,
    /// The indices of classes that are not known to the machine.
    pub class_indices: HashMap<String, u32>,
}

impl Objects {
    /// An archive with nil, true and false.
    pub fn new() -> Objects {
        let mut objects = Objects::default();
        for class in [KnownClass::UndefinedObject, KnownClass::True, KnownClass::False] {
            objects.pointers(class as u32, Format::Fixed, &[]);
        }
        objects
    }

    /// A SmallInteger.
    pub fn small(value: i64) -> Value {
        Value::immediate(Word::small(value))
    }

    fn add(&mut self, class: u32, format: Format, start: usize, length: usize) -> Value {
        let entry = Entry {
            class,
            format: format as u8,
            immutable: 0,
            start: start as u32,
            length: length as u32,
        };
        self.archive.objects.push(entry);
        Value::object(self.archive.objects.len() as u32 - 1)
    }

    /// An object of references.
    pub fn pointers(&mut self, class: u32, format: Format, slots: &[Value]) -> Value {
        let start = self.archive.words.len();
        self.archive.words.extend(slots.iter().map(|slot| slot.0));
        self.add(class, format, start, slots.len())
    }

    /// An object of raw bytes.
    pub fn raw(&mut self, class: KnownClass, format: Format, bytes: &[u8]) -> Value {
        let start = self.archive.bytes.len();
        self.archive.bytes.extend_from_slice(bytes);
        self.add(class as u32, format, start, bytes.len())
    }

    /// Sets a slot of an object that was made.
    pub fn set(&mut self, object: Value, slot: usize, value: Value) {
        let entry = object.as_object().map(|number| self.archive.objects[number as usize]);
        if let Some(word) =
            entry.and_then(|entry| self.archive.words.get_mut(entry.start as usize + slot))
        {
            *word = value.0;
        }
    }

    /// Makes an object refuse stores.
    pub fn freeze(&mut self, object: Value) -> Value {
        if let Some(number) = object.as_object() {
            self.archive.objects[number as usize].immutable = 1;
        }
        object
    }

    /// An Array.
    pub fn array(&mut self, elements: &[Value]) -> Value {
        self.pointers(KnownClass::Array as u32, Format::Indexable, elements)
    }

    /// A ByteArray.
    pub fn byte_array(&mut self, bytes: &[u8]) -> Value {
        self.raw(KnownClass::ByteArray, Format::Bytes, bytes)
    }

    /// A String, wide if it has to be.
    pub fn string(&mut self, text: &str) -> Value {
        self.text(text, KnownClass::ByteString, KnownClass::WideString)
    }

    fn text(&mut self, text: &str, narrow: KnownClass, wide: KnownClass) -> Value {
        let points: Vec<u32> = text.chars().map(u32::from).collect();
        if points.iter().all(|point| *point < 256) {
            let bytes: Vec<u8> = points.iter().map(|point| *point as u8).collect();
            return self.raw(narrow, Format::Bytes, &bytes);
        }
        let bytes: Vec<u8> = points.iter().flat_map(|point| point.to_le_bytes()).collect();
        self.raw(wide, Format::Words32, &bytes)
    }

    /// The Symbol.
    pub fn symbol(&mut self, text: &str) -> Value {
        if let Some(symbol) = self.symbols.get(text) {
            return *symbol;
        }
        let symbol = self.text(text, KnownClass::ByteSymbol, KnownClass::WideSymbol);
        self.symbols.insert(text.to_owned(), symbol);
        self.freeze(symbol)
    }

    /// An Array of Symbols.
    pub fn symbols<'a>(&mut self, names: impl IntoIterator<Item = &'a String>) -> Value {
        let symbols: Vec<Value> = names.into_iter().map(|name| self.symbol(name)).collect();
        self.array(&symbols)
    }

    /// An integer of any size.
    pub fn integer(&mut self, value: &Integer) -> Value {
        if let Some(small) = value.as_small() {
            return Objects::small(small);
        }
        let class = if value.negative {
            KnownClass::LargeNegativeInteger
        } else {
            KnownClass::LargePositiveInteger
        };
        let large = self.raw(class, Format::Bytes, &value.magnitude);
        self.freeze(large)
    }

    /// A literal, with everything in it immutable.
    pub fn literal(&mut self, literal: &Literal) -> Value {
        let object = match literal {
            Literal::Nil => return NIL,
            Literal::True => return TRUE,
            Literal::False => return FALSE,
            Literal::Integer(value) => return self.integer(value),
            Literal::Character(c) => return Value::immediate(Word::character(u32::from(*c))),
            Literal::Symbol(text) => return self.symbol(text),
            Literal::Float(bits) => {
                self.raw(KnownClass::BoxedFloat64, Format::Words64, &bits.to_le_bytes())
            }
            Literal::String(text) => self.string(text),
            Literal::Bytes(bytes) => self.byte_array(bytes),
            Literal::Array(items) => {
                let items: Vec<Value> = items.iter().map(|item| self.literal(item)).collect();
                self.array(&items)
            }
            Literal::Scaled(above, below, scale) => self.scaled(above, below, *scale),
        };
        self.freeze(object)
    }

    /// A ScaledDecimal: an Integer or a Fraction, and the scale.
    fn scaled(&mut self, above: &Integer, below: &Integer, scale: u32) -> Value {
        let numerator = self.integer(above);
        let value = if below.as_small() == Some(1) {
            numerator
        } else {
            let slots = [numerator, self.integer(below)];
            let fraction = self.pointers(self.class_index("Fraction"), Format::Fixed, &slots);
            self.freeze(fraction)
        };
        let slots = [value, Objects::small(i64::from(scale))];
        self.pointers(self.class_index("ScaledDecimal"), Format::Fixed, &slots)
    }

    /// The index of a class by name; 0, which no verifier admits, if there is none.
    pub fn class_index(&self, name: &str) -> u32 {
        self.class_indices.get(name).copied().unwrap_or(0)
    }
}
