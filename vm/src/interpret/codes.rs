//! All code records of an instance, by the CompiledCode they were made of; and the lookup cache.
//!
//! Invariants
//! - T1 A record stays at its address until [`Codes::purge`], which spares those that a frame uses;
//!   after it no cache refers to any record.
//! - T2 The table by address is right between collections: whoever moved objects calls
//!   [`Codes::rehash`].
//!
//! Knows: records. Must not know: the heap.

use super::code::{Code, Quick};
use crate::layout::Word;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ptr::null;

/// The records.
pub struct Codes {
    list: Vec<Box<Code>>,
    table: Vec<*const Code>,
    kept: usize,
    counting: bool,
}

/// A purge is due when so many records came since the last.
const PURGE_AFTER: usize = 8192;

impl Codes {
    /// None yet.
    pub fn new() -> Codes {
        Codes { list: Vec::new(), table: vec![null(); 1024], kept: 0, counting: false }
    }

    /// The record of a CompiledCode, if it has one.
    #[allow(unsafe_code, reason = "room: interpreter loop")]
    pub fn find(&self, object: Word) -> *const Code {
        let mask = self.table.len() - 1;
        let mut at = place(object) & mask;
        loop {
            let code = self.table[at];
            // SAFETY: entries are null or addresses of boxed records in `list` (T1).
            if code.is_null() || unsafe { (*code).object } == object {
                return code;
            }
            at = (at + 1) & mask;
        }
    }

    /// What the records were made of, in the order of their making.
    pub fn objects(&self) -> impl Iterator<Item = Word> + '_ {
        self.list.iter().map(|code| code.object)
    }

    /// Adds a record.
    pub fn add(&mut self, code: Code) -> *const Code {
        let object = code.object;
        self.list.push(Box::new(code));
        let address: *const Code = match self.list.last() {
            Some(code) => &raw const **code,
            None => null(),
        };
        if self.list.len() * 2 > self.table.len() {
            self.table = vec![null(); self.table.len() * 2];
            self.rehash();
        } else {
            self.enter(object, address);
        }
        address
    }

    fn enter(&mut self, object: Word, code: *const Code) {
        let mask = self.table.len() - 1;
        let mut at = place(object) & mask;
        while !self.table[at].is_null() {
            at = (at + 1) & mask;
        }
        self.table[at] = code;
    }

    /// Enters all records anew (T2).
    pub fn rehash(&mut self) {
        self.table.fill(null());
        for n in 0..self.list.len() {
            let (object, code) = (self.list[n].object, &raw const *self.list[n]);
            self.enter(object, code);
        }
    }

    /// Visits the references of all records, or of those that may be young.
    pub fn visit(&mut self, only_young: bool, f: &mut dyn FnMut(&mut Word)) {
        for code in self.list.iter_mut().filter(|c| c.maybe_young || !only_young) {
            code.visit(f);
        }
    }

    /// Decides anew which records may hold young references; answers whether any was asked.
    pub fn settle(&mut self, is_young: &dyn Fn(Word) -> bool) -> bool {
        let mut any = false;
        for code in self.list.iter_mut().filter(|c| c.maybe_young) {
            let mut young = false;
            code.visit(&mut |word| young |= is_young(*word));
            code.maybe_young = young;
            any = true;
        }
        any
    }

    /// Any record may hold young references.
    pub fn doubt_all(&mut self) {
        self.list.iter_mut().for_each(|code| code.maybe_young = true);
    }

    /// Empties every inline cache.
    pub fn forget_sites(&mut self) {
        for code in &mut self.list {
            code.sites.iter_mut().for_each(|site| site.forget());
        }
    }

    /// Empties the inline caches of a selector.
    pub fn forget_selector(&mut self, selector: Word) {
        for code in &mut self.list {
            code.sites.iter_mut().filter(|s| s.selector == selector).for_each(|s| s.forget());
        }
    }

    /// Whether it is time to purge. While runs are counted it is not: the counts stand in the records.
    pub fn is_purge_due(&self) -> bool {
        !self.counting && self.list.len() > self.kept * 2 + PURGE_AFTER
    }

    /// Drops every record that is not in use (T1).
    pub fn purge(&mut self, in_use: &dyn Fn(*const Code) -> bool) {
        self.list.retain(|code| in_use(&raw const **code));
        self.kept = self.list.len();
        self.table.fill(null());
        self.forget_sites();
        self.rehash();
    }

    /// Drops the record of one CompiledCode from the table, so that it is made and verified anew;
    /// frames that run it keep the old one.
    pub fn forget_code(&mut self, object: Word) {
        for code in self.list.iter_mut().filter(|c| c.object == object) {
            code.object = Word::small(-1);
        }
        self.forget_sites();
        self.rehash();
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether runs of methods are counted.
    #[inline(always)]
    pub const fn is_counting(&self) -> bool {
        self.counting
    }

    /// Counts from now on, beginning with none, or no longer. A method that is counted is entered by
    /// the way that counts, so what is not counted costs nothing.
    pub fn count_runs(&mut self, counting: bool) {
        self.counting = counting;
        for code in self.list.iter().filter(|code| !code.is_block) {
            code.runs.set(0);
            code.quick.set(if counting { Quick::Counted } else { code.plain_quick });
        }
    }

    /// How often the method ran while runs were counted.
    #[allow(unsafe_code, reason = "room: interpreter loop")]
    pub fn runs(&self, object: Word) -> u64 {
        // SAFETY: what is found is a record (T1), or null.
        unsafe { self.find(object).as_ref() }.map_or(0, |code| code.runs.get())
    }
}

fn place(object: Word) -> usize {
    (object.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize
}

/// A remembered lookup.
#[derive(Clone, Copy)]
struct Entry {
    class: u32,
    selector: Word,
    target: *const Code,
}

/// The lookup cache of an instance: direct-mapped by class index and selector.
pub struct Cache {
    entries: Vec<Entry>,
}

const CACHE_ENTRIES: usize = 4096;
const EMPTY: Entry = Entry { class: 0, selector: Word::NONE, target: null() };

impl Cache {
    /// An empty cache.
    pub fn new() -> Cache {
        Cache { entries: vec![EMPTY; CACHE_ENTRIES] }
    }

    fn index(class: u32, selector: Word) -> usize {
        let mixed = (selector.0 >> 3) ^ (class as u64).wrapping_mul(0x9e37_79b1);
        (mixed ^ mixed >> 12) as usize & (CACHE_ENTRIES - 1)
    }

    /// What a class answers to a selector, if it is remembered.
    pub fn find(&self, class: u32, selector: Word) -> Option<*const Code> {
        let entry = &self.entries[Self::index(class, selector)];
        (entry.class == class && entry.selector == selector).then_some(entry.target)
    }

    /// Remembers it.
    pub fn add(&mut self, class: u32, selector: Word, target: *const Code) {
        self.entries[Self::index(class, selector)] = Entry { class, selector, target };
    }

    /// Forgets everything.
    pub fn forget(&mut self) {
        self.entries.fill(EMPTY);
    }
}
