//! Crash and opening again: everything but the disk is gone, and comes back as it was at a flip.
//!
//! Opening costs nothing: all pages are absent. Sometimes the newest commit turns out rotten and
//! its parent opens; sometimes a record whose flush failed did reach the disk.

use crate::machine::{FRAME_IMAGES, Machine, REGISTERS, Step, Use, broken};
use crate::rules::Rule;
use crate::snapshot::{Commit, Hand};
use crate::word::{BLOCKS, CARDS, HEAP, PAGES, Word};

impl Machine {
    /// Crashes and opens again.
    pub(crate) fn crash_and_reopen(&mut self) -> Step {
        self.choose_commit();
        let head = self.commits[self.commits.len() - 1].clone();
        self.check_commit(&head)?;
        let truth = self.truths[&head.epoch].clone();
        self.words[..HEAP].fill(Word::Absent);
        self.words[HEAP..].fill(Word::Nil);
        self.forget_session();
        self.table = truth.table;
        self.old_cursor = truth.old_cursor;
        self.birth.truncate(truth.ghost.shadows.len());
        self.ghost = truth.ghost;
        self.last_mark = truth.last_mark;
        self.last_sweep = truth.last_sweep;
        self.counts.reopened += 1;
        if self.last_mark > self.last_sweep {
            self.counts.reopened_in_sweep += 1;
            if !self.has(Rule::ReopenedGivesNothing) {
                self.last_sweep = self.last_mark;
            }
        }
        if self.has(Rule::OpeningTenures) {
            for block in 0..BLOCKS {
                if self.table.used[block] == Use::Young {
                    self.table.used[block] = Use::Old;
                }
            }
        }
        self.rebuild_frames(&truth.frames)
    }

    fn choose_commit(&mut self) {
        let written = self
            .writer
            .as_ref()
            .filter(|writer| writer.copied)
            .map(|writer| writer.map);
        if !self.doubtful.is_empty() && self.chance.chance(60) {
            self.commits.extend(self.doubtful.pop());
        } else if let (Some(map), Some(epoch)) = (written, self.frozen)
            && self.chance.chance(40)
        {
            self.commits.push(Commit { epoch, map });
        } else if self.commits.len() > 1 && self.chance.chance(15) {
            self.commits.pop();
            let parent = self.commits.len() - 1;
            self.commits.drain(..parent);
            self.counts.fell_back += 1;
        }
        self.doubtful.clear();
    }

    fn forget_session(&mut self) {
        self.eden_top = HEAP;
        self.page_epoch = [0; PAGES];
        self.tag = [0; CARDS];
        self.remembered = [false; CARDS];
        self.dirty.clear();
        self.frozen = None;
        self.frozen_pages.clear();
        self.hand = [Hand::Open; PAGES];
        self.aside.fill(None);
        self.writer = None;
        self.young_cursor = None;
        self.handle = Word::Nil;
        self.cycle = None;
        self.in_pause = false;
        self.freed_at = [0; BLOCKS];
        self.newest_epoch += 1;
        self.epoch = self.newest_epoch;
    }

    fn rebuild_frames(&mut self, expected: &[[u32; REGISTERS]]) -> Step {
        let Word::Raw(depth) = self.get(FRAME_IMAGES[0].at + 2) else {
            return broken("the depth of the stack is lost".into());
        };
        self.frames = FRAME_IMAGES[..depth as usize]
            .iter()
            .map(|image| core::array::from_fn(|register| self.get(image.at + 1 + register * 2)))
            .collect();
        self.watermark = self.frames.len() - 1;
        let ids = |frame: &[Word; REGISTERS]| frame.map(|word| self.final_id(word.id()));
        let found: Vec<_> = self.frames.iter().map(ids).collect();
        let wanted: Vec<_> = expected
            .iter()
            .map(|frame| frame.map(|id| self.final_id(id)))
            .collect();
        if found != wanted {
            return broken(format!(
                "frames were {wanted:?} at the flip and come back as {found:?}"
            ));
        }
        Ok(())
    }
}
