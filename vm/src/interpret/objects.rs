//! Short words for what the interpreter asks of the heap, all inlined.

use super::vm::Vm;
use crate::layout::{ClassIndex, Format, Header, KnownClass, KnownObject, Word};
use alloc::string::String;
use alloc::vec::Vec;

/// The header of a Float without hash and flags, and the bits of it that class, format and size are.
const FLOAT_HEADER: u64 = Header::new(KnownClass::BoxedFloat64.index(), Format::Words64 as u8, 1).0;
const FLOAT_MASK: u64 = 0xffc0_0000_1fff_ffff;
const _: () = assert!(FLOAT_HEADER & !FLOAT_MASK == 0);

impl Vm {
    /// A slot of an object that has it.
    #[inline(always)]
    pub(crate) fn slot(&self, object: Word, index: usize) -> Word {
        self.heap.slot(object, index)
    }

    /// Stores into a slot of an object that has it.
    #[inline(always)]
    pub(crate) fn put(&mut self, object: Word, index: usize, value: Word) {
        self.heap.store(object, index, value);
    }

    /// An object's header.
    #[inline(always)]
    pub(crate) fn header(&self, object: Word) -> Header {
        self.heap.header(object)
    }

    /// An object's slots.
    #[inline(always)]
    pub(crate) fn slot_count(&self, object: Word) -> usize {
        self.heap.size(object)
    }

    /// Bytes of an object of bytes.
    #[inline(always)]
    pub(crate) fn byte_count(&self, object: Word) -> usize {
        self.heap.byte_size(object)
    }

    /// A byte of an object of bytes.
    #[inline(always)]
    pub(crate) fn byte(&self, object: Word, index: usize) -> u8 {
        self.heap.byte(object, index)
    }

    /// Stores a byte.
    #[inline(always)]
    pub(crate) fn put_byte(&mut self, object: Word, index: usize, byte: u8) {
        self.heap.store_byte(object, index, byte);
    }

    /// The class index of any word.
    #[inline(always)]
    pub(crate) fn class_index(&self, word: Word) -> u32 {
        self.heap.class_index(word).0
    }

    /// The class with an index.
    #[inline(always)]
    pub(crate) fn class_at(&self, index: u32) -> Word {
        self.heap.class_at(ClassIndex(index))
    }

    /// Whether the word is nil, or has become nil.
    #[inline(always)]
    pub(crate) fn is_nil(&self, word: Word) -> bool {
        word == self.nil || self.forwarders && self.heap.resolve(word) == self.nil
    }

    /// Whether two words are one object, through forwarders.
    #[inline(always)]
    pub(crate) fn identical(&self, a: Word, b: Word) -> bool {
        a == b || self.forwarders && self.heap.resolve(a) == self.heap.resolve(b)
    }

    /// Whether the word is an instance of a known class.
    #[inline(always)]
    pub(crate) fn is_a(&self, word: Word, class: KnownClass) -> bool {
        self.class_index(word) == class as u32
    }

    /// true or false.
    #[inline(always)]
    pub(crate) fn boolean(&self, value: bool) -> Word {
        if value { self.true_word } else { self.false_word }
    }

    /// Both as floats, if one is a Float and the other a Float or an integer that a float holds.
    #[inline(always)]
    pub(crate) fn two_floats(&self, a: Word, b: Word) -> Option<(f64, f64)> {
        if a.is_reference() && b.is_reference() {
            let (p, q) = (self.header(a).0, self.header(b).0);
            return ((p & FLOAT_MASK) == FLOAT_HEADER && (q & FLOAT_MASK) == FLOAT_HEADER)
                .then(|| (f64::from_bits(self.heap.raw(a, 0)), f64::from_bits(self.heap.raw(b, 0))));
        }
        match (self.float_value(a), self.float_value(b)) {
            (Some(x), Some(y)) => Some((x, y)),
            (Some(x), None) => Some((x, exact_float(b)?)),
            (None, Some(y)) => Some((exact_float(a)?, y)),
            (None, None) => None,
        }
    }

    /// The value of a Float.
    #[inline(always)]
    pub(crate) fn float_value(&self, word: Word) -> Option<f64> {
        if word.is_reference() && self.header(word).0 & FLOAT_MASK == FLOAT_HEADER {
            return Some(f64::from_bits(self.heap.raw(word, 0)));
        }
        None
    }

    /// A new Float, if there is room.
    #[inline(always)]
    pub(crate) fn new_float(&mut self, value: f64) -> Option<Word> {
        self.heap.allocate_words(FLOAT_HEADER, value.to_bits())
    }

    /// A new object of reference slots, all nil.
    pub(crate) fn new_object(&mut self, class: KnownClass, format: Format, slots: usize) -> Option<Word> {
        self.heap.allocate(class.index(), format as u8, slots)
    }

    /// A new Array of nils.
    pub(crate) fn new_array(&mut self, slots: usize) -> Option<Word> {
        self.new_object(KnownClass::Array, Format::Indexable, slots)
    }

    /// A new object of bytes.
    pub(crate) fn new_bytes(&mut self, class: KnownClass, bytes: &[u8]) -> Option<Word> {
        let slots = bytes.len().div_ceil(8);
        let unused = (slots * 8 - bytes.len()) as u8;
        let object = self.heap.allocate(class.index(), Format::Bytes as u8 + unused, slots)?;
        if !bytes.is_empty() {
            self.heap.write_bytes(object, 0, bytes);
        }
        Some(object)
    }

    /// A new string of any text: a ByteString if it can be one.
    pub(crate) fn new_string(&mut self, text: &str) -> Option<Word> {
        if text.chars().all(|c| (c as u32) < 256) {
            let bytes: Vec<u8> = text.chars().map(|c| c as u8).collect();
            return self.new_bytes(KnownClass::ByteString, &bytes);
        }
        let units: Vec<u32> = text.chars().map(|c| c as u32).collect();
        self.new_wide(KnownClass::WideString, &units)
    }

    /// A new object of 32-bit units.
    pub(crate) fn new_wide(&mut self, class: KnownClass, units: &[u32]) -> Option<Word> {
        let slots = units.len().div_ceil(2);
        let format = if units.len() % 2 == 1 { Format::Words32Odd } else { Format::Words32 };
        let object = self.heap.allocate(class.index(), format as u8, slots)?;
        for (n, pair) in units.chunks(2).enumerate() {
            let high = pair.get(1).copied().unwrap_or(0) as u64;
            self.heap.store_raw(object, n, high << 32 | pair[0] as u64);
        }
        Some(object)
    }

    /// A 32-bit unit of a raw object.
    pub(crate) fn unit32(&self, object: Word, index: usize) -> u32 {
        (self.heap.raw(object, index / 2) >> (index % 2 * 32)) as u32
    }

    /// The code points of a string or symbol.
    pub(crate) fn code_points(&self, string: Word) -> Option<Vec<u32>> {
        if !string.is_reference() {
            return None;
        }
        let header = self.header(string);
        if header.is_bytes() {
            return Some((0..self.byte_count(string)).map(|n| self.byte(string, n) as u32).collect());
        }
        if header.format() == Format::Words32 as u8 || header.format() == Format::Words32Odd as u8 {
            let count = self.byte_count(string) / 4;
            return Some((0..count).map(|n| self.unit32(string, n)).collect());
        }
        None
    }

    /// The text of a string or symbol; what is no scalar value is shown as the replacement character.
    pub(crate) fn text(&self, string: Word) -> Option<String> {
        let points = self.code_points(string)?;
        Some(points.into_iter().map(|p| char::from_u32(p).unwrap_or('\u{fffd}')).collect())
    }

    /// A known object.
    pub(crate) fn known(&self, object: KnownObject) -> Word {
        self.heap.known(object)
    }

    /// A slot of a word that may be anything.
    pub(crate) fn slot_of(&self, object: Word, index: usize) -> Option<Word> {
        let object = self.heap.resolve(object);
        self.has_named(object, index + 1).then(|| self.heap.resolve(self.slot(object, index)))
    }

    /// A SmallInteger in a slot of a word that may be anything.
    pub(crate) fn integer_of(&self, object: Word, index: usize) -> Option<i64> {
        self.slot_of(object, index).filter(|w| w.is_integer()).map(Word::as_integer)
    }
}

#[inline(always)]
fn exact_float(word: Word) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    if !word.is_integer() {
        return None;
    }
    let value = word.as_integer();
    (-EXACT..=EXACT).contains(&value).then_some(value as f64)
}
