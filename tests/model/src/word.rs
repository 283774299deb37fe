//! Words, kinds and the geometry of the model's heap.
//!
//! Objects: a header, slot 0 right behind it, slot 1 as the last word, and from size 4 on one raw
//! word as the third. Slot 0 of a weak object is weak; an ephemeron's slots are key and value; a
//! forwarder's slot 0 is its target and its other words are raw.

/// Words of a card.
pub const CARD: usize = 4;
/// Words of a page.
pub const PAGE: usize = 8;
/// Words of a block.
pub const BLOCK: usize = 16;
/// Blocks of the heap.
pub const BLOCKS: usize = 16;
/// Pages of a block.
pub const BLOCK_PAGES: usize = BLOCK / PAGE;
/// Words of the heap; eden's addresses begin here.
pub const HEAP: usize = BLOCKS * BLOCK;
/// Words of eden.
pub const EDEN: usize = 16;
/// Pages of the heap.
pub const PAGES: usize = HEAP / PAGE;
/// Cards of the heap.
pub const CARDS: usize = HEAP / CARD;

/// What an object's slots mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Two strong slots.
    Plain,
    /// Slot 0 weak, slot 1 strong.
    Weak,
    /// Slot 0 the key, slot 1 the value.
    Ephemeron,
    /// What `become:` leaves behind.
    Forwarder,
}

/// One word of memory. References carry the identity they mean, so that a reference that has gone
/// stale is seen where it is followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// An immediate.
    Nil,
    /// A reference.
    Ref {
        /// The header's address.
        at: u16,
        /// Whom it means.
        id: u32,
    },
    /// Raw bits.
    Raw(u32),
    /// An object's header.
    Head {
        /// Who it is.
        id: u32,
        /// What its slots mean.
        kind: Kind,
        /// Words, header included.
        size: u8,
    },
    /// A filler of so many words.
    Gap(u8),
    /// The page is not in memory.
    Absent,
}

/// A reference to an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// The header's address.
    pub at: usize,
    /// Who it is.
    pub id: u32,
}

impl Object {
    /// The word that refers to it.
    pub fn word(self) -> Word {
        Word::Ref {
            at: self.at as u16,
            id: self.id,
        }
    }
}

impl Word {
    /// The object that the word refers to.
    pub fn object(self) -> Option<Object> {
        match self {
            Word::Ref { at, id } => Some(Object {
                at: at as usize,
                id,
            }),
            _ => None,
        }
    }

    /// The identity that the word refers to, 0 for none.
    pub fn id(self) -> u32 {
        self.object().map_or(0, |object| object.id)
    }
}

/// Addresses of the slots that a marker follows strongly.
pub fn strong_slots(kind: Kind, at: usize, size: usize) -> Vec<usize> {
    match kind {
        Kind::Plain => vec![at + 1, at + size - 1],
        Kind::Weak => vec![at + size - 1],
        Kind::Ephemeron => vec![],
        Kind::Forwarder => vec![at + 1],
    }
}

/// Addresses of all slots.
pub fn all_slots(kind: Kind, at: usize, size: usize) -> Vec<usize> {
    match kind {
        Kind::Forwarder => vec![at + 1],
        _ => vec![at + 1, at + size - 1],
    }
}
