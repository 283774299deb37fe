//! A header: the word before an object's slots.
//!
//! ```text
//!   bit 0–1    11, so that a header read as a value is lost, not a number
//!   bit 2–23   class index (22 bits)
//!   bit 24–28  format (5 bits)
//!   bit 29     immutable
//!   bit 30     pinned: never moved (allocated in old space)
//!   bit 31     reserved, 0
//!   bit 32–53  identity hash (22 bits), 0 = none given yet
//!   bit 54–63  slot count in words (10 bits); 1023 = the count stands in the word before the header
//! ```
//!
//! The word before the header of an oversize object is a SmallInteger pattern (low bits 01), so a
//! walk over a block tells it from a header. A reference points to the header, always.
//!
//! Every object but LostObjects and fillers occupies at least two words (header and one slot), so
//! that any object can become a forwarder: class index [`KnownClass::Forwarder`], the target in
//! slot 0, the other slots cleared, size kept. So an object whose slot count is 0 takes two words,
//! and the second holds [`FILLER_WORD`], which no one reads.
//!
//! A filler is one word, however much it covers: where its slot-count field is 1023, the count
//! stands in the hash field instead (a filler has no identity). So free memory appears and
//! disappears by one store, and a block can be walked at every instant.

use super::known::{ClassIndex, KnownClass};

/// Flag: stores into the object are refused.
pub const IMMUTABLE: u64 = 1 << 29;
/// Flag: the object never moves.
pub const PINNED: u64 = 1 << 30;
/// The slot-count field of an object whose count stands before its header.
pub const OVERSIZE: u64 = 1023;
/// The greatest slot count that fits the header.
pub const MAX_SMALL_SLOTS: usize = 1022;

/// How the slots of an object are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Format {
    /// References only, as many as the class names.
    Fixed = 0,
    /// References, named ones first, then indexable ones.
    Indexable = 1,
    /// As `Indexable`; the indexable slots do not keep what they refer to.
    Weak = 2,
    /// Key in slot 0, the others kept only while the key is reachable otherwise.
    Ephemeron = 3,
    /// 64-bit raw words.
    Words64 = 4,
    /// 32-bit raw words, all of the last slot used.
    Words32 = 5,
    /// 32-bit raw words, the upper half of the last slot unused.
    Words32Odd = 6,
    /// 16-bit raw units; `Words16 + n` leaves the last `n` units of the last slot unused (n < 4).
    Words16 = 8,
    /// Bytes; `Bytes + n` leaves the last `n` bytes of the last slot unused (n < 8).
    Bytes = 16,
    /// Free memory: the slots mean nothing.
    Filler = 30,
    /// Slot 0 refers to what the object has become.
    Forwarder = 31,
}

/// The header of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct Header(pub u64);

impl Header {
    /// A header without hash and flags. `slots` above [`MAX_SMALL_SLOTS`] set [`OVERSIZE`].
    /// `format` is the raw 5-bit field (a [`Format`] plus its count of unused units).
    pub const fn new(class: ClassIndex, format: u8, slots: usize) -> Header {
        let count = if slots > MAX_SMALL_SLOTS { OVERSIZE } else { slots as u64 };
        Header(3 | ((class.0 as u64) << 2) | ((format as u64) << 24) | (count << 54))
    }

    /// The class index.
    pub const fn class(self) -> ClassIndex {
        ClassIndex(((self.0 >> 2) & 0x3f_ffff) as u32)
    }

    /// The raw 5-bit format field.
    pub const fn format(self) -> u8 {
        ((self.0 >> 24) & 31) as u8
    }

    /// The slot-count field; [`OVERSIZE`] means that the count stands before the header.
    pub const fn slot_field(self) -> u64 {
        self.0 >> 54
    }

    /// Whether the slot count stands before the header.
    pub const fn is_oversize(self) -> bool {
        self.slot_field() == OVERSIZE
    }

    /// The identity hash; 0 while none was given.
    pub const fn hash(self) -> u32 {
        ((self.0 >> 32) & 0x3f_ffff) as u32
    }

    /// The same header with another class.
    pub const fn with_class(self, class: ClassIndex) -> Header {
        Header((self.0 & !(0x3f_ffff << 2)) | ((class.0 as u64) << 2))
    }

    /// The same header with another raw format field.
    pub const fn with_format(self, format: u8) -> Header {
        Header((self.0 & !(31 << 24)) | ((format as u64) << 24))
    }

    /// The same header with an identity hash (22 bits).
    pub const fn with_hash(self, hash: u32) -> Header {
        Header((self.0 & !(0x3f_ffff << 32)) | (((hash & 0x3f_ffff) as u64) << 32))
    }

    /// Whether the word has the tag of a header.
    pub const fn is_header(word: u64) -> bool {
        word & 3 == 3
    }

    /// Whether slots hold tagged words.
    pub const fn has_references(self) -> bool {
        self.format() <= Format::Ephemeron as u8
    }

    /// Whether the slots are bytes.
    pub const fn is_bytes(self) -> bool {
        self.format() & 0b11000 == Format::Bytes as u8
    }

    /// Unused bytes at the end of the last slot, of raw formats.
    pub const fn unused_bytes(self) -> usize {
        match self.format() {
            6 => 4,
            f @ 9..=11 => 2 * (f as usize - 8),
            f @ 17..=23 => f as usize - 16,
            _ => 0,
        }
    }
}

/// The word before the header of an oversize object: its slot count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub struct SizeWord(pub u64);

impl SizeWord {
    /// The size word of an object with `slots` slots.
    pub const fn new(slots: usize) -> SizeWord {
        SizeWord(((slots as u64) << 2) | 1)
    }

    /// Whether the word, met where an object starts, is a size word.
    pub const fn is_size(word: u64) -> bool {
        word & 3 == 1
    }

    /// The slot count.
    pub const fn slots(self) -> usize {
        (self.0 >> 2) as usize
    }
}

/// The greatest slot count of one filler (22 bits).
pub const MAX_FILLER_SLOTS: usize = (1 << 22) - 1;

impl Header {
    /// A filler that covers `words` words (at least one), its own included.
    pub const fn filler(words: usize) -> Header {
        debug_assert!(words > 0 && words - 1 <= MAX_FILLER_SLOTS);
        let class = KnownClass::Filler.index();
        let slots = words - 1;
        let header = Header::new(class, Format::Filler as u8, slots);
        if slots > MAX_SMALL_SLOTS { header.with_hash(slots as u32) } else { header }
    }

    /// Whether this is free memory.
    pub const fn is_filler(self) -> bool {
        self.class().0 == KnownClass::Filler as u32
    }

    /// Whether this is what `become:` left.
    pub const fn is_forwarder(self) -> bool {
        self.class().0 == KnownClass::Forwarder as u32
    }

    /// The words that a filler covers.
    pub const fn filler_words(self) -> usize {
        1 + if self.is_oversize() { self.hash() as usize } else { self.slot_field() as usize }
    }
}

/// What stands at the start of an object or of free memory, and how far it reaches: the one rule by
/// which a block is walked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// Words from the start to the header: 1 for an oversize object, else 0.
    pub lead: usize,
    /// Words from the start to the start of what follows.
    pub words: usize,
    /// Slots; of a filler, the words it covers behind its own.
    pub slots: usize,
}

impl Extent {
    /// Of what starts with `first`; `None` if no object can start so. An oversize object's first
    /// word is its size word.
    pub const fn of(first: u64) -> Option<Extent> {
        if Header::is_header(first) {
            let header = Header(first);
            if header.is_filler() {
                let words = header.filler_words();
                Some(Extent { lead: 0, words, slots: words - 1 })
            } else if first == LOST_WORD {
                Some(Extent { lead: 0, words: 1, slots: 0 })
            } else if header.is_oversize() {
                None
            } else {
                Some(Extent::of_object(header.slot_field() as usize))
            }
        } else if SizeWord::is_size(first) {
            let slots = SizeWord(first).slots();
            if slots <= MAX_SMALL_SLOTS || slots > MAX_SLOTS { None } else { Some(Extent::of_object(slots)) }
        } else {
            None
        }
    }

    /// Of an object with `slots` slots.
    pub const fn of_object(slots: usize) -> Extent {
        let lead = if slots > MAX_SMALL_SLOTS { 1 } else { 0 };
        Extent { lead, words: lead + 1 + if slots == 0 { 1 } else { slots }, slots }
    }
}

/// The greatest slot count of any object (the largest heap has fewer words).
pub const MAX_SLOTS: usize = 1 << 40;

/// A filler of one word.
pub const FILLER_WORD: u64 = Header::filler(1).0;

/// What fills a lost page: the header of an empty LostObject, and in a slot no value of any class.
pub const LOST_WORD: u64 = Header::new(KnownClass::LostObject.index(), Format::Fixed as u8, 0).0;

const _: () = assert!(LOST_WORD & 3 == 3);
const _: () = assert!(Header(LOST_WORD).slot_field() == 0);
const _: () = assert!(KnownClass::COUNT < 64);

#[cfg(test)]
mod tests {
    use super::{Extent, FILLER_WORD, Header, LOST_WORD, MAX_SMALL_SLOTS, SizeWord};
    use crate::layout::KnownClass;

    #[test]
    fn a_filler_covers_what_it_was_made_for() {
        for words in [1, 2, 1023, 1024, 1025, 4096, 1 << 20] {
            let filler = Header::filler(words);
            assert!(filler.is_filler());
            assert_eq!(filler.filler_words(), words);
            assert_eq!(Extent::of(filler.0).map(|extent| extent.words), Some(words));
        }
        assert_eq!(FILLER_WORD, Header::filler(1).0);
    }

    #[test]
    fn an_extent_is_read_from_the_first_word() {
        let header = |slots| Header::new(KnownClass::Array.index(), 1, slots);
        let extent = |lead, words, slots| Some(Extent { lead, words, slots });
        assert_eq!(Extent::of(header(0).0), extent(0, 2, 0));
        assert_eq!(Extent::of(header(1).0), extent(0, 2, 1));
        assert_eq!(Extent::of(header(MAX_SMALL_SLOTS).0), extent(0, 1023, 1022));
        assert_eq!(Extent::of(SizeWord::new(1023).0), extent(1, 1025, 1023));
        assert_eq!(Extent::of(LOST_WORD), extent(0, 1, 0));
    }

    #[test]
    fn what_starts_no_object_has_no_extent() {
        let oversize = Header::new(KnownClass::Array.index(), 1, 5000).0;
        for word in [0, 8, 2, oversize, SizeWord::new(3).0, u64::MAX >> 1 << 2 | 1] {
            assert_eq!(Extent::of(word), None, "{word:#x}");
        }
    }
}
