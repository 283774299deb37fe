//! The store barrier, and the moments at which others may step in.
//!
//! P, R and T are written here, by the collector's pauses and by flips, all of them the mutator's
//! own code. Between any two stores the marker and the writer may step, and a walker may look.

use crate::machine::{Machine, Step, Use, broken};
use crate::mark::Phase;
use crate::rules::Rule;
use crate::snapshot::Hand;
use crate::word::{BLOCK, BLOCKS, CARD, HEAP, PAGE, Word, strong_slots};

impl Machine {
    /// Makes the word at `at` writable: the slow path of the barrier, if T asks for it.
    pub(crate) fn prepare(&mut self, at: usize, pointer: bool) -> Step {
        if at >= HEAP {
            return Ok(());
        }
        let (card, page) = (at / CARD, at / PAGE);
        let fast = if pointer {
            self.tag[card] == 3
        } else {
            self.tag[card] != 0
        };
        if fast {
            return Ok(());
        }
        if self.page_epoch[page] != self.epoch {
            self.copy_aside(page)?;
            self.page_epoch[page] = self.epoch;
            self.dirty.push(page);
        }
        if pointer {
            if !self.young(at) {
                self.remembered[card] = true;
            }
            self.tag[card] = 3;
        } else {
            self.tag[card] = self.tag[card].max(1);
        }
        Ok(())
    }

    fn copy_aside(&mut self, page: usize) -> Step {
        let frozen = self.frozen.is_some() && self.frozen == Some(self.page_epoch[page]);
        if !frozen || self.hand[page] != Hand::Open || !self.has(Rule::CopyAside) {
            return Ok(());
        }
        let copy = self.page(page);
        self.others()?;
        if self.hand[page] == Hand::Open {
            self.aside[page] = Some(copy);
            self.counts.asides += 1;
            if self.has(Rule::MutatorSwaps) {
                self.hand[page] = Hand::Aside;
            }
        }
        Ok(())
    }

    /// The program's store.
    pub(crate) fn store(&mut self, at: usize, word: Word, pointer: bool) -> Step {
        self.prepare(at, pointer)?;
        self.put(at, word);
        self.others()
    }

    /// A write by the collector that adds no reference from old to young.
    pub(crate) fn collector_store(&mut self, at: usize, word: Word) -> Step {
        if self.has(Rule::CollectorPrepares) {
            self.prepare(at, false)?;
        }
        self.put(at, word);
        self.others()
    }

    /// Lets the other parties step, as chance will have it.
    pub(crate) fn others(&mut self) -> Step {
        if self.bustle == 0 {
            return Ok(());
        }
        if self.cycle.is_some() && self.chance.chance(30) {
            self.walk_everything()?;
        }
        if self.chance.chance(self.bustle) {
            for _ in 0..=self.chance.below(3) {
                if !self.chance.chance(70) {
                    self.writer_copies();
                } else if !self.in_pause {
                    self.marker_step()?;
                }
            }
        }
        Ok(())
    }

    /// What a walker that looks at this instant must find: old blocks that can be walked, a table of
    /// starts that leads to objects, and marked objects whose references mean what they meant.
    fn walk_everything(&self) -> Step {
        let marking = self
            .cycle
            .as_ref()
            .filter(|cycle| cycle.phase == Phase::Mark);
        for block in (0..BLOCKS).filter(|block| self.table.used[*block] == Use::Old) {
            let items = self.walk_block(block)?;
            for item in &items {
                let Some((_, kind)) = item.object else {
                    continue;
                };
                if marking.is_none_or(|cycle| !cycle.marked[item.at]) {
                    continue;
                }
                for slot in strong_slots(kind, item.at, item.size) {
                    let Some(to) = self.get(slot).object() else {
                        continue;
                    };
                    let there = matches!(self.get(to.at), Word::Head { id, .. } if id == to.id);
                    if to.at < HEAP && self.old(to.at) && !there {
                        return broken(format!(
                            "a walker follows {slot} to {to:?} and finds {:?}",
                            self.get(to.at)
                        ));
                    }
                }
            }
            for page in block * 2..block * 2 + 2 {
                if let Some(first) = self.table.first[page]
                    && !items.iter().any(|item| item.at == first)
                {
                    // It may stand in what the walk still sees as one filler; it leads on all the same.
                    self.walk_from(first, (block + 1) * BLOCK)?;
                }
            }
        }
        Ok(())
    }
}
