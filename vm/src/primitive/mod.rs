//! Primitives: what the language cannot say, by name, in families.
//!
//! A method that names a primitive (`<primitive: #integerAdd>`) asks the machine first. A primitive
//! either answers, or *declines* with a reason (a Symbol) and the method's body runs: the body is
//! the meaning in Smalltalk, or says what was wrong. `<primitive: #name error: reason>` declares the
//! method's first temporary, where the machine leaves the reason.
//!
//! Invariants
//! - P1 A primitive that declines has changed nothing.
//! - P2 Allocation never collects inside a primitive: one that finds no room answers `NeedsRoom`
//!   with the bytes it wants, and is called again after the collection. So no primitive holds an oop
//!   across a collection.
//! - P3 A primitive trusts nothing of its arguments: classes, formats, ranges, immutability and
//!   forged headers are checked, and stores go through `prepare_write`.

mod behavior;
pub mod big;
mod block;
mod context;
mod fingerprint;
mod float;
mod integer;
mod object;
mod process;
mod string;
mod system;
mod table;

pub use table::{PRIMITIVES, PrimitiveRow};

use crate::interpret::{Next, Vm};
use crate::layout::Word;

/// Why a primitive declined: what the method finds in its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A Symbol.
    Named(&'static str),
    /// A number, such as an index.
    Number(i64),
}

/// What became of a primitive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its answer, which is to replace receiver and arguments.
    Value(Word),
    /// It declined; nothing has changed (P1).
    Decline(Reason),
    /// It wants so many bytes and will be called again (P2).
    NeedsRoom(usize),
    /// It has seen to the stack itself.
    Next(Next),
}

/// A primitive: receiver and so many arguments are on top of the current stack.
pub type Primitive = fn(&mut Vm, usize) -> Outcome;

type Entries = &'static [(&'static str, Primitive)];

const FAMILIES: &[Entries] = &[
    integer::ENTRIES,
    float::ENTRIES,
    object::ENTRIES,
    behavior::ENTRIES,
    string::ENTRIES,
    fingerprint::ENTRIES,
    block::ENTRIES,
    context::ENTRIES,
    process::ENTRIES,
    system::ENTRIES,
];

/// The primitive of a name, for a method with so many arguments: one that reads more than there are
/// would read the frame itself.
pub fn find(name: &str, arguments: usize) -> Option<Primitive> {
    let row = PRIMITIVES.iter().find(|row| row.name == name)?;
    if usize::from(row.arguments) != arguments {
        return None;
    }
    FAMILIES.iter().flat_map(|f| f.iter()).find(|(n, _)| *n == name).map(|(_, p)| *p)
}

/// A primitive declines for wrong kinds of arguments.
const WRONG: Outcome = Outcome::Decline(Reason::Named("wrongArgument"));
/// A primitive declines for an index or size out of range.
const RANGE: Outcome = Outcome::Decline(Reason::Named("outOfRange"));
/// A primitive declines to change an immutable object.
const IMMUTABLE: Outcome = Outcome::Decline(Reason::Named("immutable"));

/// What was made, or the room that it needs.
fn made(word: Option<Word>, bytes: usize) -> Outcome {
    word.map_or(Outcome::NeedsRoom(bytes), Outcome::Value)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn the_table_and_the_families_name_the_same_primitives() {
        for row in PRIMITIVES {
            assert!(find(row.name, row.arguments.into()).is_some(), "no code for #{}", row.name);
        }
        for (name, _) in FAMILIES.iter().flat_map(|f| f.iter()) {
            assert_eq!(PRIMITIVES.iter().filter(|row| row.name == *name).count(), 1, "row of #{name}");
        }
    }
}
