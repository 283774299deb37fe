//! The symbol table: every symbol once, found by its text.
//!
//! The table is an Array in open addressing: a symbol stands at the FNV-1a hash of its code points
//! modulo the capacity, or at the next free place behind; nil is free. It holds its symbols
//! weakly, where its format says so; a place whose symbol died counts as taken by nobody.
//!
//! Knows: strings. Must not know: who asks.

use super::vm::Vm;
use crate::layout::{Format, Header, IMMUTABLE, KnownClass, KnownObject, Word, string_hash};
use alloc::vec::Vec;

impl Vm {
    /// The symbol of a text that the machine names; nil if there is no room for it.
    pub(crate) fn symbol(&mut self, name: &str) -> Word {
        let points: Vec<u32> = name.chars().map(|c| c as u32).collect();
        self.intern(&points).unwrap_or(self.nil)
    }

    /// The symbol of some code points, if there is one.
    pub(crate) fn find_symbol(&self, points: &[u32]) -> Option<Word> {
        match self.symbol_place(points) {
            Some((table, at)) => {
                let word = self.slot(table, at);
                (word != self.nil).then_some(word)
            }
            None => None,
        }
    }

    /// The symbol of some code points, made if need be; `None` if there is no room.
    pub(crate) fn intern(&mut self, points: &[u32]) -> Option<Word> {
        if let Some(symbol) = self.find_symbol(points) {
            return Some(symbol);
        }
        let symbol = self.new_symbol(points)?;
        if !self.enter_symbol(points, symbol)? {
            self.grow_symbol_table()?;
            self.enter_symbol(points, symbol)?;
        }
        Some(symbol)
    }

    /// The table and the place of a symbol, or the free place where it would stand.
    fn symbol_place(&self, points: &[u32]) -> Option<(Word, usize)> {
        let table = self.known(KnownObject::SymbolTable);
        if !self.has_named(table, 1) {
            return None;
        }
        let capacity = self.slot_count(table);
        let mut at = string_hash(points.iter().copied()) as usize % capacity;
        for _ in 0..capacity {
            let word = self.slot(table, at);
            if word == self.nil || self.is_symbol_of(word, points) {
                return Some((table, at));
            }
            at = (at + 1) % capacity;
        }
        None
    }

    fn is_symbol_of(&self, word: Word, points: &[u32]) -> bool {
        if !word.is_reference() {
            return false;
        }
        if self.header(word).is_bytes() {
            return self.byte_count(word) == points.len()
                && points.iter().enumerate().all(|(n, &p)| self.byte(word, n) as u32 == p);
        }
        self.code_points(word).is_some_and(|found| found == points)
    }

    fn new_symbol(&mut self, points: &[u32]) -> Option<Word> {
        let symbol = if points.iter().all(|&p| p < 256) {
            let bytes: Vec<u8> = points.iter().map(|&p| p as u8).collect();
            let slots = bytes.len().div_ceil(8);
            let format = Format::Bytes as u8 + (slots * 8 - bytes.len()) as u8;
            let class = KnownClass::ByteSymbol.index();
            let symbol = self.heap.allocate_old(class, format, slots)?;
            if !bytes.is_empty() {
                self.heap.write_bytes(symbol, 0, &bytes);
            }
            symbol
        } else {
            let slots = points.len().div_ceil(2);
            let format = if points.len() % 2 == 1 { Format::Words32Odd } else { Format::Words32 };
            let symbol =
                self.heap.allocate_old(KnownClass::WideSymbol.index(), format as u8, slots)?;
            for (n, pair) in points.chunks(2).enumerate() {
                let high = pair.get(1).copied().unwrap_or(0) as u64;
                self.heap.store_raw(symbol, n, high << 32 | pair[0] as u64);
            }
            symbol
        };
        let header = Header(self.header(symbol).0 | IMMUTABLE);
        self.heap.set_header(symbol, header);
        Some(symbol)
    }

    /// Enters a symbol; false if the table is too full.
    fn enter_symbol(&mut self, points: &[u32], symbol: Word) -> Option<bool> {
        let Some((table, at)) = self.symbol_place(points) else { return Some(false) };
        let capacity = self.slot_count(table);
        // Cheap and good enough: a run of taken places longer than this means that it fills up.
        let mut run = 0;
        while run < 24 && self.slot(table, (at + run + 1) % capacity) != self.nil {
            run += 1;
        }
        let start = string_hash(points.iter().copied()) as usize % capacity;
        let distance = (at + capacity - start) % capacity;
        if run + distance >= 24 {
            return Some(false);
        }
        self.put(table, at, symbol);
        Some(true)
    }

    fn grow_symbol_table(&mut self) -> Option<()> {
        let old = self.known(KnownObject::SymbolTable);
        let capacity = if self.has_named(old, 1) { self.slot_count(old) } else { 256 };
        let header = if old.is_reference() { Some(self.header(old)) } else { None };
        let format = header.map_or(Format::Indexable as u8, |h| h.format());
        let class = header.map_or(KnownClass::Array.index(), |h| h.class());
        let table = self.heap.allocate_old(class, format, capacity * 2)?;
        for n in 0..if self.has_named(old, 1) { capacity } else { 0 } {
            let symbol = self.slot(old, n);
            let Some(points) = self.code_points(symbol) else { continue };
            let mut at = string_hash(points.iter().copied()) as usize % (capacity * 2);
            while self.slot(table, at) != self.nil {
                at = (at + 1) % (capacity * 2);
            }
            self.put(table, at, symbol);
        }
        self.heap.set_known(KnownObject::SymbolTable, table);
        Some(())
    }

    /// Puts the table in order again after a mark, which may have made places of dead symbols free.
    pub(crate) fn settle_symbols(&mut self) {
        let table = self.known(KnownObject::SymbolTable);
        if !self.has_named(table, 1) || self.header(table).format() != Format::Weak as u8 {
            return;
        }
        let capacity = self.slot_count(table);
        let all: Vec<Word> = (0..capacity).map(|n| self.slot(table, n)).collect();
        let nil = self.nil;
        (0..capacity).for_each(|n| self.put(table, n, nil));
        for symbol in all {
            let Some(points) = self.code_points(symbol) else { continue };
            let mut at = string_hash(points.iter().copied()) as usize % capacity;
            while self.slot(table, at) != nil {
                at = (at + 1) % capacity;
            }
            self.put(table, at, symbol);
        }
    }
}
