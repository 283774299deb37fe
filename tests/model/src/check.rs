//! What must hold after every operation, judged by the ghost.
//!
//! - C1 Everything reachable is where references say, in a block in use, no corpse, and holds what
//!   it should; a weak slot is nil only if its object cannot be reached.
//! - C2 Old and young blocks can be walked, and the table of starts is exact.
//! - C3 A reference from an old object to a young one is remembered, corpses on cards included.
//! - C4 T raised means P current, and T = 3 in an old block means the card is in R.
//! - C5 At rest, two full collections leave nothing that cannot be reached.

use crate::machine::{ANCHORS, Machine, Step, Use, broken};
use crate::mark::Phase;
use crate::rules::Rule;
use crate::word::{
    BLOCK, BLOCK_PAGES, BLOCKS, CARD, CARDS, HEAP, Kind, Object, PAGE, Word, all_slots,
    strong_slots,
};

impl Machine {
    /// Checks C1 to C4.
    pub(crate) fn check(&mut self) -> Step {
        self.check_objects()?;
        self.check_blocks()?;
        self.check_cards()
    }

    fn check_objects(&mut self) -> Step {
        let reachable = self.reachable();
        let mut seen = vec![false; self.words.len()];
        let mut work: Vec<Object> = ANCHORS.to_vec();
        work.extend(self.root_words().iter().filter_map(|word| word.object()));
        while let Some(object) = work.pop() {
            if core::mem::replace(&mut seen[object.at], true) {
                continue;
            }
            self.check_object(object, &reachable, &mut work)?;
        }
        Ok(())
    }

    fn check_object(
        &mut self,
        Object { at, id }: Object,
        reachable: &[bool],
        work: &mut Vec<Object>,
    ) -> Step {
        if self.used(at) == Use::Free {
            return broken(format!(
                "#{id} is reachable and lies in a free block, at {at}"
            ));
        }
        if at < HEAP && self.ghost.corpse[at] {
            return broken(format!("#{id} is reachable and was found dead, at {at}"));
        }
        let (kind, size) = match self.get(at) {
            Word::Head {
                id: found,
                kind,
                size,
            } if found == id => (kind, size as usize),
            other => return broken(format!("#{id} is reachable and at {at} stands {other:?}")),
        };
        let shadow = self.ghost.shadows[id as usize];
        if kind == Kind::Forwarder {
            let target = self.get(at + 1);
            if shadow.alias == 0 || self.final_id(target.id()) != self.final_id(id) {
                return broken(format!("#{id} forwards to {target:?}"));
            }
            work.extend(target.object());
            return Ok(());
        }
        if shadow.alias != 0 || shadow.kind != kind {
            return broken(format!("#{id} is {kind:?} and should be {shadow:?}"));
        }
        for (nth, slot) in all_slots(kind, at, size).into_iter().enumerate() {
            self.check_slot(id, nth, self.get(slot), reachable, work)?;
        }
        if size >= 4 && self.get(at + 2) != Word::Raw(shadow.raw) {
            return broken(format!(
                "the raw word of #{id} is {:?} and should be {}",
                self.get(at + 2),
                shadow.raw
            ));
        }
        Ok(())
    }

    fn check_slot(
        &mut self,
        id: u32,
        nth: usize,
        word: Word,
        reachable: &[bool],
        work: &mut Vec<Object>,
    ) -> Step {
        let shadow = self.ghost.shadows[id as usize];
        let wanted = self.final_id(shadow.slots[nth]);
        let weak = shadow.kind == Kind::Weak && nth == 0;
        let Some(object) = word.object() else {
            if wanted == 0 {
                return Ok(());
            }
            if weak && !reachable[wanted as usize] {
                self.ghost.shadows[id as usize].slots[0] = 0;
                return Ok(());
            }
            return broken(format!(
                "slot {nth} of #{id} is {word:?} and should hold #{wanted}"
            ));
        };
        if self.final_id(object.id) != wanted {
            return broken(format!(
                "slot {nth} of #{id} holds #{} and should hold #{wanted}",
                object.id
            ));
        }
        if !weak && shadow.kind != Kind::Ephemeron {
            work.push(object);
            return Ok(());
        }
        let there = matches!(self.get(object.at), Word::Head { id, .. } if id == object.id);
        let dead =
            self.used(object.at) == Use::Free || object.at < HEAP && self.ghost.corpse[object.at];
        if !there || dead {
            return broken(format!(
                "slot {nth} of #{id} ({:?}) dangles to {object:?}",
                shadow.kind
            ));
        }
        let key = self.final_id(shadow.slots[0]);
        if !weak && (key == 0 || reachable[key as usize]) {
            work.push(object);
        }
        Ok(())
    }

    fn check_blocks(&self) -> Step {
        for block in 0..BLOCKS {
            match self.table.used[block] {
                Use::Old | Use::Young => {
                    let items = self.walk_block(block)?;
                    for page in block * BLOCK_PAGES..(block + 1) * BLOCK_PAGES {
                        let first = items
                            .iter()
                            .map(|item| item.at)
                            .find(|at| at / PAGE == page);
                        if first != self.table.first[page] {
                            let said = self.table.first[page];
                            return broken(format!(
                                "page {page} starts at {first:?} and the table says {said:?}"
                            ));
                        }
                    }
                    for item in &items {
                        self.check_remembered(item.at, item.size, item.object)?;
                    }
                }
                Use::LargeHead => {
                    let item = self.item(block * BLOCK)?;
                    self.check_remembered(item.at, item.size, item.object)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn check_remembered(&self, at: usize, size: usize, object: Option<(u32, Kind)>) -> Step {
        let Some((_, kind)) = object else {
            return Ok(());
        };
        if !self.old(at) {
            return Ok(());
        }
        for slot in all_slots(kind, at, size) {
            let young = self.get(slot).object().is_some_and(|to| self.young(to.at));
            if young && !self.remembered[slot / CARD] {
                return broken(format!(
                    "the old slot {slot} refers to a young object and is not remembered"
                ));
            }
        }
        Ok(())
    }

    fn check_cards(&self) -> Step {
        for card in 0..CARDS {
            let tag = self.tag[card];
            if tag != 0 && self.page_epoch[card * CARD / PAGE] != self.epoch {
                return broken(format!(
                    "card {card} is tagged {tag} and its page was not dirtied in this epoch"
                ));
            }
            if tag == 3 && self.old(card * CARD) && !self.remembered[card] {
                return broken(format!("old card {card} is tagged 3 and not in R"));
            }
        }
        Ok(())
    }

    /// Comes to rest and checks C5.
    pub(crate) fn check_for_leaks(&mut self) -> Step {
        self.bustle = 0;
        for _ in 0..5 {
            self.allocated += 1_000;
            self.rest_writer()?;
            if self.frozen.is_none() {
                self.flip()?;
            }
            if self.cycle.is_none() {
                self.start_cycle();
            }
            self.collect_to_the_end()?;
            self.check()?;
        }
        self.counts.leak_checks += 1;
        let kept = self.physically_reachable();
        for block in 0..BLOCKS {
            let items = match self.table.used[block] {
                Use::Old | Use::Young => self.walk_block(block)?,
                Use::LargeHead => vec![self.item(block * BLOCK)?],
                Use::Free if !self.usable(block) => {
                    return broken(format!("block {block} stays unused"));
                }
                _ => continue,
            };
            for item in items {
                if let (Some((id, kind)), false) = (item.object, kept[item.at]) {
                    return broken(format!("leak: #{id} ({kind:?}) at {}", item.at));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn rest_writer(&mut self) -> Step {
        for _ in 0..2_000 {
            if self.writer.is_none() {
                break;
            }
            self.writer_step()?;
        }
        Ok(())
    }

    /// Ends the running cycle, if there is one: mark, finish, sweep.
    pub(crate) fn collect_to_the_end(&mut self) -> Step {
        if self
            .cycle
            .as_ref()
            .is_some_and(|cycle| cycle.phase == Phase::Mark)
        {
            self.drain_marker()?;
            self.finish(true)?;
        }
        while self.cycle.is_some() {
            self.sweep_step()?;
        }
        Ok(())
    }

    pub(crate) fn drain_marker(&mut self) -> Step {
        for _ in 0..20_000 {
            if !self
                .cycle
                .as_ref()
                .is_some_and(|cycle| cycle.phase == Phase::Mark && !cycle.idle)
            {
                return Ok(());
            }
            self.marker_step()?;
        }
        broken("marking does not end".into())
    }

    /// By address, what references lead to (an ephemeron's own slots included: it may still fire).
    fn physically_reachable(&self) -> Vec<bool> {
        let mut reached = vec![false; self.words.len()];
        let mut work: Vec<usize> = ANCHORS.iter().map(|anchor| anchor.at).collect();
        work.extend(
            self.root_words()
                .iter()
                .filter_map(|word| word.object())
                .map(|object| object.at),
        );
        while let Some(at) = work.pop() {
            if core::mem::replace(&mut reached[at], true) {
                continue;
            }
            if let Word::Head { kind, size, .. } = self.get(at) {
                let slots = if kind == Kind::Ephemeron {
                    all_slots
                } else {
                    strong_slots
                };
                let next = slots(kind, at, size as usize);
                work.extend(
                    next.into_iter()
                        .filter_map(|slot| self.get(slot).object())
                        .map(|object| object.at),
                );
            }
        }
        reached
    }

    /// `allInstances`: an object found by walking the blocks.
    pub(crate) fn find_instance(&mut self) -> Step<Option<Object>> {
        let sweeping = self
            .cycle
            .as_ref()
            .is_some_and(|cycle| cycle.phase == Phase::Sweep);
        if self.has(Rule::InstancesMarkFirst) && self.last_mark > self.last_sweep && !sweeping {
            if self.cycle.is_none() {
                self.scavenge()?;
                self.start_cycle();
            }
            self.drain_marker()?;
            self.finish(true)?;
        }
        let mut found = Vec::new();
        for block in 0..BLOCKS {
            let items = match self.table.used[block] {
                Use::Old | Use::Young => self.walk_block(block)?,
                Use::LargeHead => vec![self.item(block * BLOCK)?],
                _ => continue,
            };
            for item in items {
                let Some((id, kind)) = item.object else {
                    continue;
                };
                let dead = |cycle: &crate::mark::Cycle| {
                    cycle.phase == Phase::Sweep && !cycle.marked[item.at]
                };
                let skipped = self.old(item.at)
                    && self.has(Rule::InstancesAskBits)
                    && self.cycle.as_ref().is_some_and(dead);
                if kind != Kind::Forwarder && id > 4 && !skipped {
                    found.push(Object { at: item.at, id });
                }
            }
        }
        self.counts.instances += 1;
        Ok(if found.is_empty() {
            None
        } else {
            Some(found[self.chance.below(found.len())])
        })
    }
}
