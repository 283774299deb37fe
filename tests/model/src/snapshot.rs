//! Snapshots: frames, flip, the writer's steps, flushes that may fail, commits.

use crate::machine::{BlockTable, FRAME_IMAGES, Ghost, Machine, REGISTERS, Step, broken};
use crate::mark::Phase;
use crate::rules::Rule;
use crate::word::{CARD, HEAP, Kind, PAGE, PAGES, Word};

/// Who has a frozen page's contents: the word W of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hand {
    /// Nobody yet; memory still holds them.
    Open,
    /// The mutator copied them aside.
    Aside,
    /// The writer has them.
    Done,
}

/// A commit on disk: which disk block holds each page.
#[derive(Clone)]
pub struct Commit {
    /// The flip epoch that it holds.
    pub epoch: u32,
    /// By page.
    pub map: [usize; PAGES],
}

/// The snapshot writer.
pub struct Writer {
    nth: usize,
    half: usize,
    buffer: [Word; PAGE],
    /// The map of the commit to be.
    pub map: [usize; PAGES],
    /// Whether all pages are written.
    pub copied: bool,
}

/// What the heap was at a flip: the ghost's own copy, and the part of the image that the model does
/// not write page by page.
#[derive(Clone)]
pub struct Truth {
    /// All words of the heap.
    pub words: Vec<Word>,
    /// What every object should hold.
    pub ghost: Ghost,
    /// The block table.
    pub table: BlockTable,
    /// The allocation cursor.
    pub old_cursor: Option<(usize, usize)>,
    /// The identities in the frames' registers.
    pub frames: Vec<[u32; REGISTERS]>,
    /// The number of the last mark.
    pub last_mark: u32,
    /// The number of the last completed sweep.
    pub last_sweep: u32,
}

impl Machine {
    pub(crate) fn truth(&self) -> Truth {
        Truth {
            words: (0..HEAP).map(|at| self.get(at)).collect(),
            ghost: self.ghost.clone(),
            table: self.table.clone(),
            old_cursor: self.old_cursor,
            frames: self
                .frames
                .iter()
                .map(|frame| frame.map(Word::id))
                .collect(),
            last_mark: self.last_mark,
            last_sweep: self.last_sweep,
        }
    }

    /// Copies the frames above the watermark into their images in the heap.
    fn copy_frames(&mut self) -> Step {
        for (nth, image) in FRAME_IMAGES.iter().enumerate() {
            if nth < self.watermark.min(self.frames.len()) {
                continue;
            }
            let frame = self
                .frames
                .get(nth)
                .copied()
                .unwrap_or([Word::Nil; REGISTERS]);
            for (register, word) in frame.into_iter().enumerate() {
                let slot = image.at + 1 + register * 2;
                self.ghost.shadows[image.id as usize].slots[register] = word.id();
                if self.get(slot) != word {
                    self.store(slot, word, true)?;
                }
            }
        }
        let depth = self.frames.len() as u32;
        self.ghost.shadows[FRAME_IMAGES[0].id as usize].raw = depth;
        if self.get(FRAME_IMAGES[0].at + 2) != Word::Raw(depth) {
            self.store(FRAME_IMAGES[0].at + 2, Word::Raw(depth), false)?;
        }
        self.watermark = self.frames.len() - 1;
        Ok(())
    }

    /// The pause of a snapshot: frames, scavenge, flip.
    pub(crate) fn flip(&mut self) -> Step {
        if self.has(Rule::FramesBeforeFlip) {
            self.copy_frames()?;
        }
        self.scavenge()?;
        self.frozen = Some(self.epoch);
        let mut list = core::mem::take(&mut self.dirty);
        list.sort_unstable();
        list.dedup();
        for page in &list {
            for card in page * PAGE / CARD..(page + 1) * PAGE / CARD {
                if self.has(Rule::FlipZeroesT) {
                    self.tag[card] = 0;
                }
                if !self.has(Rule::FlipKeepsR) {
                    self.remembered[card] = false;
                }
            }
            if self.has(Rule::FlipZeroesW) {
                self.hand[*page] = Hand::Open;
            }
        }
        let truth = self.truth();
        self.truths.insert(self.epoch, truth);
        self.hand_over(&list);
        self.frozen_pages = list;
        let map = self.commits[self.commits.len() - 1].map;
        self.writer = Some(Writer {
            nth: 0,
            half: 0,
            buffer: [Word::Nil; PAGE],
            map,
            copied: false,
        });
        self.epoch += 1;
        self.newest_epoch = self.newest_epoch.max(self.epoch);
        self.counts.flips += 1;
        if !self.has(Rule::FramesBeforeFlip) {
            self.copy_frames()?;
        }
        Ok(())
    }

    /// Gives the closed epoch's pages to the marker, or lets a cycle start.
    fn hand_over(&mut self, list: &[usize]) {
        let hands = self.has(Rule::FlipHandsList);
        match &mut self.cycle {
            Some(cycle) if cycle.phase == Phase::Mark => {
                if hands {
                    cycle.pages.extend(list);
                }
                cycle.idle = false;
                cycle.waits = false;
            }
            Some(_) => {
                if !self.has(Rule::OneCycle) && self.chance.chance(40) {
                    self.last_sweep = self.last_mark;
                    self.start_cycle();
                }
            }
            None => {
                if self.chance.chance(60) {
                    self.start_cycle();
                }
            }
        }
    }

    /// One micro-step of the writer: half a page read, or a page taken and written.
    pub(crate) fn writer_copies(&mut self) {
        let Some(mut writer) = self.writer.take() else {
            return;
        };
        match self.frozen_pages.get(writer.nth).copied() {
            _ if writer.copied => {}
            None => writer.copied = true,
            Some(page) if writer.half < 2 => {
                let (from, to) = (writer.half * PAGE / 2, (writer.half + 1) * PAGE / 2);
                for nth in from..to {
                    writer.buffer[nth] = self.get(page * PAGE + nth);
                }
                writer.half += 1;
            }
            Some(page) => {
                let lost = self.hand[page] == Hand::Aside;
                let bytes = match self.aside[page] {
                    Some(copy) if lost && self.has(Rule::WriterYields) => copy,
                    _ => writer.buffer,
                };
                if !lost {
                    self.hand[page] = Hand::Done;
                }
                let block = self.free_disk_block(&writer);
                self.disk[block] = bytes;
                writer.map[page] = block;
                writer.nth += 1;
                writer.half = 0;
            }
        }
        self.writer = Some(writer);
    }

    fn free_disk_block(&mut self, writer: &Writer) -> usize {
        let mut reached = vec![false; self.disk.len()];
        let protected = if self.has(Rule::ParentProtected) {
            2
        } else {
            1
        };
        let kept = self.commits.iter().rev().take(protected);
        let doubtful = self
            .doubtful
            .iter()
            .filter(|_| self.has(Rule::DoubtfulReserved));
        for map in kept
            .chain(doubtful)
            .map(|commit| &commit.map)
            .chain([&writer.map])
        {
            map.iter().for_each(|block| reached[*block] = true);
        }
        match reached.iter().position(|reached| !reached) {
            Some(block) => block,
            None => {
                self.disk.push([Word::Nil; PAGE]);
                self.disk.len() - 1
            }
        }
    }

    /// The writer's next step: copying, or flushes and the record.
    pub(crate) fn writer_step(&mut self) -> Step {
        if !self.writer.as_ref().is_some_and(|writer| writer.copied) {
            self.writer_copies();
            return Ok(());
        }
        let (Some(writer), Some(epoch)) = (self.writer.take(), self.frozen) else {
            return Ok(());
        };
        let commit = Commit {
            epoch,
            map: writer.map,
        };
        self.check_commit(&commit)?;
        if self.chance.chance(15) {
            self.abandon();
        } else if self.chance.chance(15) {
            self.doubtful.push(commit);
            self.abandon();
        } else {
            self.commits.push(commit);
            self.doubtful.clear();
            self.frozen = None;
            self.aside.fill(None);
            self.counts.commits += 1;
        }
        Ok(())
    }

    pub(crate) fn check_commit(&self, commit: &Commit) -> Step {
        let truth = &self.truths[&commit.epoch];
        for page in 0..PAGES {
            if self.disk[commit.map[page]][..] != truth.words[page * PAGE..(page + 1) * PAGE] {
                return broken(format!(
                    "page {page} of epoch {} on disk is not what it was at the flip",
                    commit.epoch
                ));
            }
        }
        Ok(())
    }

    /// A flush failed: the epoch's pages go back to the dirty list.
    fn abandon(&mut self) {
        for page in core::mem::take(&mut self.frozen_pages) {
            if self.has(Rule::AbandonRaisesP) && self.frozen == Some(self.page_epoch[page]) {
                self.page_epoch[page] = self.epoch;
            }
            if self.has(Rule::AbandonKeepsList) {
                self.dirty.push(page);
            }
        }
        self.frozen = None;
        self.aside.fill(None);
        self.counts.abandoned += 1;
    }

    /// Gives back the memory of a page that the disk can bring again.
    pub(crate) fn drop_page(&mut self, page: usize) {
        let on_its_way = self.frozen.is_some() && self.frozen_pages.contains(&page);
        let dirty = self.page_epoch[page] == self.epoch || self.dirty.contains(&page);
        if dirty || (on_its_way && self.has(Rule::DropCleanOnly)) {
            return;
        }
        self.words[page * PAGE..(page + 1) * PAGE].fill(Word::Absent);
        self.counts.pages_dropped += 1;
    }

    /// Where an identity ended after every `become:`.
    pub(crate) fn final_id(&self, start: u32) -> u32 {
        let mut id = start;
        while self.ghost.shadows[id as usize].alias != 0 {
            id = self.ghost.shadows[id as usize].alias;
        }
        id
    }

    /// What the ghost says can be reached, by identity.
    pub(crate) fn reachable(&self) -> Vec<bool> {
        let shadows = &self.ghost.shadows;
        let mut reached = vec![false; shadows.len()];
        let mut work: Vec<u32> = vec![1, 2, 3, 4];
        work.extend(self.root_words().iter().map(|word| word.id()));
        loop {
            while let Some(id) = work.pop() {
                let id = self.final_id(id) as usize;
                if id == 0 || reached[id] {
                    continue;
                }
                reached[id] = true;
                match shadows[id].kind {
                    Kind::Weak => work.push(shadows[id].slots[1]),
                    Kind::Ephemeron => {}
                    _ => work.extend(shadows[id].slots),
                }
            }
            for (id, shadow) in shadows.iter().enumerate() {
                if reached[id] && shadow.kind == Kind::Ephemeron && shadow.alias == 0 {
                    let (key, value) = (
                        self.final_id(shadow.slots[0]),
                        self.final_id(shadow.slots[1]),
                    );
                    if (key == 0 || reached[key as usize]) && value != 0 && !reached[value as usize]
                    {
                        work.push(value);
                    }
                }
            }
            if work.is_empty() {
                return reached;
            }
        }
    }
}
