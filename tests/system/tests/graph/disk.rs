//! The pages that commits left, a writer that copies a frozen epoch half a page at a time, and the
//! first oracle: between two flips no page changes that is not on the dirty list.

use crate::arena::{Arena, PAGE};
use image::space::Frozen;
use platform::{Filled, PageSource};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub type Page = Box<[u8; PAGE]>;

/// What is durable.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<BTreeMap<usize, Page>>>);

impl PageSource for Disk {
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        match self.0.lock().unwrap().get(&page) {
            Some(bytes) => {
                into.copy_from_slice(&bytes[..]);
                Filled::Bytes
            }
            None => Filled::Zero,
        }
    }
}

impl Disk {
    pub fn pages(&self) -> BTreeMap<usize, Page> {
        self.0.lock().unwrap().clone()
    }

    pub fn commit(&self, pages: BTreeMap<usize, Page>) {
        self.0.lock().unwrap().extend(pages);
    }
}

/// A frozen epoch on its way to the disk.
pub struct Writer {
    frozen: Arc<Frozen>,
    at: usize,
    part: usize,
    buffer: Page,
    pub written: BTreeMap<usize, Page>,
    expected: BTreeMap<usize, Page>,
}

impl Writer {
    pub fn new(frozen: Arc<Frozen>, arena: &Arena) -> Writer {
        let expected =
            frozen.page_numbers().iter().map(|p| (p.0 as usize, arena.page(p.0 as usize))).collect();
        let buffer = Box::new([0; PAGE]);
        Writer { frozen, at: 0, part: 0, buffer, written: BTreeMap::new(), expected }
    }

    /// One small step; answers whether everything is written.
    pub fn step(&mut self) -> Result<bool, String> {
        let Some(page) = self.frozen.page_numbers().get(self.at).map(|page| page.0 as usize) else {
            return Ok(true);
        };
        if self.part < 4 {
            let from = self.part * PAGE / 8 / 4;
            self.frozen.read_part(self.at, &mut self.buffer, from, from + PAGE / 8 / 4);
            self.part += 1;
            return Ok(false);
        }
        self.frozen.finish_read(self.at, &mut self.buffer);
        if self.expected[&page][..] != self.buffer[..] {
            return Err(format!("page {page} is written otherwise than it was at the flip"));
        }
        self.written.insert(page, self.buffer.clone());
        self.at += 1;
        self.part = 0;
        Ok(false)
    }
}

/// All pages as they were at the last flip.
#[derive(Default)]
pub struct Mirror(BTreeMap<usize, Page>);

impl Mirror {
    /// At a flip: every page that changed since the last one is on the list.
    pub fn flip(&mut self, arena: &Arena, frozen: &Frozen) -> Result<(), String> {
        let listed: BTreeSet<usize> = frozen.page_numbers().iter().map(|p| p.0 as usize).collect();
        if listed.len() != frozen.page_numbers().len() {
            return Err("a page stands twice on the dirty list".into());
        }
        for page in arena.used_pages() {
            let changed = match self.0.get(&page) {
                Some(before) => arena.differs(page, before),
                None => !arena.is_zero(page),
            };
            if changed && !listed.contains(&page) && !is_eden(page) {
                return Err(format!("page {page} was written and is not on the dirty list"));
            }
            if changed {
                self.0.insert(page, arena.page(page));
            }
        }
        Ok(())
    }

    /// Pages that were made durable in an abandoned or committed way stay as they are; after a
    /// reopening everything is as the disk has it.
    pub fn reopen(&mut self, arena: &Arena) {
        self.0.clear();
        for page in arena.used_pages() {
            if !arena.is_zero(page) {
                self.0.insert(page, arena.page(page));
            }
        }
    }
}

fn is_eden(page: usize) -> bool {
    use vm::layout::{EDEN_MAX_BYTES, EDEN_OFFSET};
    (EDEN_OFFSET / PAGE..(EDEN_OFFSET + EDEN_MAX_BYTES) / PAGE).contains(&page)
}
