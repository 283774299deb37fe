//! A word: the 64 bits that a slot holds.
//!
//! ```text
//!   …aaaaaaaaaaaaaaaaaaaaa00   reference: the address of an object's header, 8-byte aligned; 0 is none
//!   iiiiiiiiiiiiiiiiiiiiii01   SmallInteger, 62 bits, two's complement
//!   …ccccccccccccccccccccc10   Character: the Unicode scalar value in bits 2…22
//!   …                     11   a header, never a value. Read from a slot it belongs to no class but
//!                              LostObject: one header pattern, LOST_WORD, fills lost pages
//! ```

/// The least SmallInteger, -2^61.
pub const MIN_SMALL_INTEGER: i64 = -(1 << 61);
/// The greatest SmallInteger, 2^61 - 1.
pub const MAX_SMALL_INTEGER: i64 = (1 << 61) - 1;

/// A tagged word.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Word(pub u64);

impl Word {
    /// No object. Slots of objects never hold it once an object is complete; `nil` is an object.
    pub const NONE: Word = Word(0);

    /// A reference to the object whose header stands at `address`.
    pub const fn reference(address: usize) -> Word {
        debug_assert!(address & 7 == 0);
        Word(address as u64)
    }

    /// A SmallInteger; `None` if `value` needs more than 62 bits.
    pub const fn integer(value: i64) -> Option<Word> {
        if value >= MIN_SMALL_INTEGER && value <= MAX_SMALL_INTEGER {
            Some(Word::small(value))
        } else {
            None
        }
    }

    /// A SmallInteger that is known to fit.
    pub const fn small(value: i64) -> Word {
        debug_assert!(value >= MIN_SMALL_INTEGER && value <= MAX_SMALL_INTEGER);
        Word(((value as u64) << 2) | 1)
    }

    /// A Character.
    pub const fn character(scalar: u32) -> Word {
        Word(((scalar as u64) << 2) | 2)
    }

    /// Whether this is a reference (and not the empty word).
    pub const fn is_reference(self) -> bool {
        self.0 & 3 == 0 && self.0 != 0
    }

    /// Whether this is a SmallInteger.
    pub const fn is_integer(self) -> bool {
        self.0 & 3 == 1
    }

    /// Whether this is a Character.
    pub const fn is_character(self) -> bool {
        self.0 & 3 == 2
    }

    /// Whether this is a header pattern: a lost value, when read from a slot.
    pub const fn is_lost(self) -> bool {
        self.0 & 3 == 3
    }

    /// The address of the object, of a reference.
    pub const fn address(self) -> usize {
        self.0 as usize
    }

    /// The value of a SmallInteger.
    pub const fn as_integer(self) -> i64 {
        (self.0 as i64) >> 2
    }

    /// The scalar value of a Character.
    pub const fn as_character(self) -> u32 {
        (self.0 >> 2) as u32
    }
}

impl core::fmt::Debug for Word {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 & 3 {
            0 => write!(out, "@{:x}", self.0),
            1 => write!(out, "{}", self.as_integer()),
            2 => write!(out, "${:x}", self.as_character()),
            _ => write!(out, "lost:{:x}", self.0),
        }
    }
}

const _: () = assert!(core::mem::size_of::<Word>() == 8);
