//! Blocks: that each can be walked, and that the block table tells the truth of it.

use super::Verifier;
use crate::layout::{
    BLOCK_BYTES, BLOCKS_OFFSET, BlockEntry, BlockKind, CLASS_TABLE_ENTRIES, CLASS_TABLE_OFFSET,
    EDEN_MAX_BYTES, EDEN_OFFSET, Extent, Header, KnownClass, PAGE_BYTES, Word, behavior, root,
};
use alloc::boxed::Box;

/// A bit a word of a block: an object's header stands there.
pub(crate) type Starts = [u64; BLOCK_BYTES / 8 / 64];

/// What a walk over a block found, to be compared with its entry.
#[derive(Default)]
struct Found {
    entry: BlockEntry,
    free: usize,
}

impl Verifier<'_> {
    pub(super) fn note_object(&mut self, header: usize) {
        let Some(slot) = self.starts.get_mut(header / BLOCK_BYTES) else { return };
        let bits = slot.get_or_insert_with(|| Box::new([0; BLOCK_BYTES / 512]));
        let word = header % BLOCK_BYTES / 8;
        bits[word / 64] |= 1 << (word % 64);
        self.verdict.objects += 1;
    }

    /// Whether an object's header was met at an offset.
    pub(super) fn is_start(&self, header: usize) -> bool {
        let word = header % BLOCK_BYTES / 8;
        header & 7 == 0
            && self
                .starts
                .get(header / BLOCK_BYTES)
                .and_then(Option::as_ref)
                .is_some_and(|bits| bits[word / 64] & (1 << (word % 64)) != 0)
    }

    pub(super) fn walk_blocks(&mut self) {
        let mut block = BLOCKS_OFFSET / BLOCK_BYTES;
        while block < self.limit && !self.is_full() {
            let run = match self.kind(block) {
                Some(BlockKind::Objects | BlockKind::Quiet) => {
                    self.walk_block(block);
                    1
                }
                Some(BlockKind::LargeHead) => self.walk_large(block),
                Some(BlockKind::LargeRest) => {
                    self.report(block * BLOCK_BYTES, "a large object's block without its head".into());
                    1
                }
                Some(BlockKind::Free | BlockKind::Lost) => 1,
                None => {
                    let word = self.entry(block).0[0];
                    self.report(block * BLOCK_BYTES, alloc::format!("kind of block in {word:#x}"));
                    1
                }
            };
            self.verdict.bytes += run * BLOCK_BYTES;
            block += run;
        }
    }

    fn walk_block(&mut self, block: usize) {
        let from = block * BLOCK_BYTES;
        let end = from + BLOCK_BYTES;
        let mut found = Found::default();
        let mut at = from;
        while at < end {
            let page = at % BLOCK_BYTES / PAGE_BYTES;
            if found.entry.start(page).is_none() {
                found.entry.set_start(page, Some(at % PAGE_BYTES / 8));
            }
            match self.step(at, end, &mut found) {
                Some(next) => at = next,
                None => return,
            }
        }
        self.compare_entry(block, &found);
    }

    /// One object or filler; answers where the next starts.
    fn step(&mut self, at: usize, end: usize, found: &mut Found) -> Option<usize> {
        let first = self.word(at)?;
        let Some(extent) = Extent::of(first) else {
            self.report(at, alloc::format!("no object starts with {first:#x}"));
            return None;
        };
        if extent.words > (end - at) / 8 {
            self.report(at, alloc::format!("{} words reach beyond the block", extent.words));
            return None;
        }
        let header_at = at + extent.lead * 8;
        let header = self.word(header_at)?;
        if extent.lead == 1 && !(Header::is_header(header) && Header(header).is_oversize()) {
            self.report(at, alloc::format!("size word before {header:#x}"));
            return None;
        }
        if Header(header).is_filler() {
            found.free += extent.words * 8;
        } else {
            self.check_header(header_at, Header(header), extent.slots);
            self.note_object(header_at);
        }
        Some(at + extent.words * 8)
    }

    fn check_header(&mut self, at: usize, header: Header, slots: usize) {
        let format = header.format();
        let known = matches!(format, 0..=6 | 8..=11 | 16..=23 | 31);
        let is_forwarder = header.is_forwarder();
        if !known || is_forwarder != (format == 31) {
            self.report(at, alloc::format!("format {format} of class {}", header.class().0));
        }
        if is_forwarder {
            let kept = (1..slots).find(|n| self.word(at + 8 + n * 8) != Some(Word::small(0).0));
            if let Some(slot) = kept {
                self.report(at, alloc::format!("slot {slot} of a forwarder is not cleared"));
            }
        }
        if header.0 & (1 << 31) != 0 {
            self.report(at, "reserved header bit".into());
        }
        if header.unused_bytes() > slots * 8 {
            self.report(at, "more unused bytes than bytes".into());
        }
    }

    fn compare_entry(&mut self, block: usize, found: &Found) {
        let entry = self.entry(block);
        let at = block * BLOCK_BYTES;
        for page in 0..BLOCK_BYTES / PAGE_BYTES {
            let (says, is) = (entry.start(page), found.entry.start(page));
            if says != is {
                let what = alloc::format!("first start of page {page}: table {says:?}, block {is:?}");
                self.report(at, what);
            }
        }
        let says = BlockEntry::free_of(entry.0[0]);
        if says != found.free {
            let what = alloc::format!("free bytes: table {says}, block {}", found.free);
            self.report(at, what);
        }
    }

    /// A run of blocks with one object; answers its length.
    fn walk_large(&mut self, head: usize) -> usize {
        let at = head * BLOCK_BYTES;
        let run = BlockEntry::run_of(self.entry(head).0[1]) as usize;
        if run == 0 || run > self.limit - head {
            self.report(at, alloc::format!("run of {run} blocks"));
            return 1;
        }
        for block in head + 1..head + run {
            let distance = BlockEntry::run_of(self.entry(block).0[1]) as usize;
            if self.kind(block) != Some(BlockKind::LargeRest) || distance != block - head {
                self.report(block * BLOCK_BYTES, "not the rest of the run it lies in".into());
                return 1;
            }
        }
        let end = at + run * BLOCK_BYTES;
        let mut found = Found::default();
        let Some(next) = self.step(at, end, &mut found) else { return run };
        if !self.is_start(at) && !self.is_start(at + 8) {
            self.report(at, "a run without an object".into());
        }
        if next < end {
            let filler = self.word(next).map(Header);
            let fits = filler.is_some_and(|filler| {
                Header::is_header(filler.0)
                    && filler.is_filler()
                    && filler.filler_words() * 8 == end - next
            });
            if !fits {
                self.report(next, "the rest of a run is not one filler".into());
            }
        }
        run
    }

    /// Eden, of a running heap; of an image, that nothing of it is there is checked by references.
    pub(super) fn walk_eden(&mut self) {
        let Some(running) = self.view.running() else { return };
        let (from, to) = running.eden();
        if from < EDEN_OFFSET || to > EDEN_OFFSET + EDEN_MAX_BYTES || from > to {
            self.report(from, "eden out of its bounds".into());
            return;
        }
        let mut at = from;
        while at < to && !self.is_full() {
            match self.step(at, to, &mut Found::default()) {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    /// Every object's class is in the class table, and the object has the slots that it names.
    pub(super) fn check_classes_of_all(&mut self) {
        for block in 0..self.starts.len() {
            let Some(bits) = self.starts[block].as_deref().copied() else { continue };
            for (index, word) in bits.iter().enumerate() {
                let mut rest = *word;
                while rest != 0 && !self.is_full() {
                    let bit = rest.trailing_zeros() as usize;
                    rest &= rest - 1;
                    let header = block * BLOCK_BYTES + (index * 64 + bit) * 8;
                    if !self.is_corpse(header) {
                        self.check_class(header);
                    }
                }
            }
        }
    }

    fn check_class(&mut self, at: usize) {
        let Some(header) = self.word(at).map(Header) else { return };
        let class = header.class().0 as usize;
        let pseudo = [KnownClass::Forwarder, KnownClass::Filler, KnownClass::LostObject];
        if pseudo.iter().any(|known| *known as usize == class) || class >= CLASS_TABLE_ENTRIES {
            return;
        }
        let entry = self.word(CLASS_TABLE_OFFSET + class * 8).unwrap_or(0);
        let place = (entry as usize).wrapping_sub(self.base);
        if entry & 7 != 0 || entry == 0 || !self.is_start(place) {
            self.report(at, alloc::format!("class index {class} has no class"));
            return;
        }
        let named = self.named_slots(place);
        if header.has_references() && named > self.slots_at(at) {
            self.report(at, alloc::format!("fewer slots than the {named} of class {class}"));
        }
    }

    /// The slots that a class at an offset names for its instances.
    pub(super) fn named_slots(&self, class: usize) -> usize {
        if self.slots_at(class) <= behavior::FORMAT {
            return 0;
        }
        match self.word(class + 8 + behavior::FORMAT * 8) {
            Some(word) if word & 3 == 1 => (word >> 2) as usize & 0xffff,
            _ => 0,
        }
    }

    /// Slots of the object whose header was met at an offset.
    pub(super) fn slots_at(&self, header: usize) -> usize {
        let head = Header(self.word(header).unwrap_or(0));
        if !head.is_oversize() {
            return head.slot_field() as usize;
        }
        self.word(header.wrapping_sub(8)).and_then(Extent::of).map_or(0, |extent| extent.slots)
    }

    /// The saved allocation cursor is a whole hole, or none.
    pub(super) fn check_cursor(&mut self) {
        let at = self.root_word(root::OLD_CURSOR) as usize;
        let end = self.root_word(root::OLD_CURSOR_END) as usize;
        if at == 0 && end == 0 {
            return;
        }
        let offset = at.wrapping_sub(self.base);
        let filler = self.word(offset).map(Header);
        let fits = filler.is_some_and(|filler| {
            Header::is_header(filler.0)
                && filler.is_filler()
                && end.wrapping_sub(at) == filler.filler_words() * 8
        });
        if !fits {
            let place = crate::layout::ROOT_OFFSET + root::OLD_CURSOR * 8;
            self.report(place, alloc::format!("allocation cursor {at:#x}..{end:#x} is no hole"));
        }
    }
}
