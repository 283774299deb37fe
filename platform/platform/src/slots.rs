//! The table of what a service has open, by handle.
//!
//! Invariants
//! - T1 A handle finds a thing only in the session that made it, and only until the thing is taken out:
//!   then the slot's generation moves on.
//! - T2 A free slot is used again before a new one is made; finding either takes the same time however
//!   many there are.
//!
//! Must not know: what the things are.

use crate::{Handle, Refusal};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;

/// The things that a service of one session has open.
#[derive(Debug)]
pub struct Slots<T> {
    session: u64,
    /// Generation and thing.
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    /// An empty table of a session.
    pub fn new(session: u64) -> Slots<T> {
        Slots { session, entries: Vec::new(), free: Vec::new() }
    }

    /// How many things are open.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes a thing in; answers its handle.
    pub fn insert(&mut self, thing: T) -> Handle {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            self.entries.len() as u32 - 1
        });
        let mut generation = 0;
        if let Some(entry) = self.entries.get_mut(slot as usize) {
            generation = entry.0;
            entry.1 = Some(thing);
        }
        Handle { session: self.session, slot, generation }
    }

    /// The thing of a handle, if it is open.
    pub fn get(&self, handle: Handle) -> Option<&T> {
        let (generation, thing) = self.entries.get(handle.slot as usize)?;
        let fits = handle.session == self.session && handle.generation == *generation;
        thing.as_ref().filter(|_| fits)
    }

    /// The thing of a handle, if it is open, to be changed.
    pub fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        let (generation, thing) = self.entries.get_mut(handle.slot as usize)?;
        let fits = handle.session == self.session && handle.generation == *generation;
        thing.as_mut().filter(|_| fits)
    }

    /// The thing that a request is about; a refusal if it names none, or one that is not open.
    pub fn asked(&mut self, handle: Option<Handle>) -> Result<&mut T, Refusal> {
        let handle = handle.ok_or_else(|| Refusal::Malformed("no handle".to_owned()))?;
        self.get_mut(handle).ok_or(Refusal::Stale)
    }

    /// Takes a thing out: its handle finds nothing any more (T1).
    pub fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let entry = self.entries.get_mut(handle.slot as usize)?;
        entry.0 = entry.0.wrapping_add(1);
        self.free.push(handle.slot);
        entry.1.take()
    }

    /// What is open, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        let session = self.session;
        self.entries.iter().enumerate().filter_map(move |(slot, (generation, thing))| {
            let handle = Handle { session, slot: slot as u32, generation: *generation };
            thing.as_ref().map(|thing| (handle, thing))
        })
    }

    /// What is open, by slot, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Handle, &mut T)> {
        let session = self.session;
        self.entries.iter_mut().enumerate().filter_map(move |(slot, (generation, thing))| {
            let handle = Handle { session, slot: slot as u32, generation: *generation };
            thing.as_mut().map(|thing| (handle, thing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_finds_its_thing_until_it_is_taken_out() {
        let mut slots = Slots::new(7);
        let (a, b) = (slots.insert('a'), slots.insert('b'));
        assert_eq!((slots.get(a), slots.get(b), slots.len()), (Some(&'a'), Some(&'b'), 2));
        assert_eq!(slots.remove(a), Some('a'));
        assert_eq!((slots.get(a).is_none(), slots.remove(a).is_none(), slots.len()), (true, true, 1));
        let c = slots.insert('c');
        assert_eq!((c.slot, c.generation), (a.slot, a.generation + 1));
        assert_eq!((slots.get(a).is_none(), slots.get_mut(c).is_some()), (true, true));
        assert_eq!(slots.iter().map(|(handle, thing)| (handle, *thing)).collect::<Vec<_>>(), [(c, 'c'), (b, 'b')]);
    }

    #[test]
    fn a_handle_of_another_session_or_a_wrong_slot_finds_nothing() {
        let mut slots = Slots::new(7);
        let a = slots.insert('a');
        assert_eq!(slots.get(Handle { session: 8, ..a }), None);
        assert_eq!(slots.get(Handle { slot: 1, ..a }), None);
        assert_eq!(slots.remove(Handle { generation: 1, ..a }), None);
        assert_eq!(slots.asked(None), Err(Refusal::Malformed("no handle".to_owned())));
        assert_eq!(slots.asked(Some(Handle { session: 8, ..a })), Err(Refusal::Stale));
        assert_eq!(slots.asked(Some(a)), Ok(&mut 'a'));
    }
}
