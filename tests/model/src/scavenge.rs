//! The scavenge: eden and the young blocks are emptied into fresh blocks.
//!
//! Roots are the frames, the handle and the objects on cards in R. What is young enough goes to
//! young blocks again, the rest to old ones. Weak slots are looked at when all else has moved.

use crate::machine::{Machine, Step, Stop, Use, broken};
use crate::mark::Phase;
use crate::rules::Rule;
use crate::word::{BLOCK, BLOCKS, CARD, CARDS, HEAP, Kind, Object, Word, all_slots};
use std::collections::HashMap;

/// What one scavenge keeps in mind.
struct Scavenge {
    from: [bool; BLOCKS],
    forward: HashMap<usize, usize>,
    work: Vec<usize>,
    weak_slots: Vec<usize>,
    tenured: Vec<(usize, usize)>,
}

impl Scavenge {
    fn moves(&self, at: usize) -> bool {
        at >= HEAP || self.from[at / BLOCK]
    }
}

impl Machine {
    /// Empties eden and the young blocks.
    pub(crate) fn scavenge(&mut self) -> Step {
        self.make_room()?;
        self.young_cursor = None;
        let mut scavenge = Scavenge {
            from: core::array::from_fn(|block| self.table.used[block] == Use::Young),
            forward: HashMap::new(),
            work: Vec::new(),
            weak_slots: Vec::new(),
            tenured: Vec::new(),
        };
        self.move_roots(&mut scavenge)?;
        let cards: Vec<usize> = (0..CARDS)
            .filter(|card| self.remembered[*card] && self.old(card * CARD))
            .collect();
        for card in &cards {
            self.move_from_card(&mut scavenge, *card)?;
        }
        self.move_the_rest(&mut scavenge)?;
        self.settle_weak_slots(&mut scavenge)?;
        self.free_young(&scavenge);
        for card in cards {
            if !self.card_has_young(card)? || !self.has(Rule::ScavengeKeepsCards) {
                self.forget_card(card);
            }
        }
        self.register_tenured(&scavenge)?;
        self.counts.scavenges += 1;
        Ok(())
    }

    /// Completes the sweep if there might be no room for the survivors.
    fn make_room(&mut self) -> Step {
        let young = self
            .table
            .used
            .iter()
            .filter(|used| **used == Use::Young)
            .count();
        let needed = self.eden_top - HEAP + young * BLOCK;
        let enough = |machine: &Self| machine.free_blocks().len() * 10 >= needed + 10;
        if !enough(self) {
            while self
                .cycle
                .as_ref()
                .is_some_and(|cycle| cycle.phase == Phase::Sweep)
            {
                self.sweep_step()?;
            }
        }
        if enough(self) {
            Ok(())
        } else {
            Err(Stop::Full)
        }
    }

    fn move_roots(&mut self, scavenge: &mut Scavenge) -> Step {
        for frame in 0..self.frames.len() {
            for register in 0..self.frames[frame].len() {
                self.frames[frame][register] =
                    self.moved(scavenge, self.frames[frame][register])?;
            }
        }
        self.handle = self.moved(scavenge, self.handle)?;
        Ok(())
    }

    /// The word, moved if it refers to something that moves.
    fn moved(&mut self, scavenge: &mut Scavenge, word: Word) -> Step<Word> {
        let Some(Object { at, id }) = word.object() else {
            return Ok(word);
        };
        if !scavenge.moves(at) {
            return Ok(word);
        }
        let Word::Head {
            id: found,
            kind,
            size,
        } = self.get(at)
        else {
            return broken(format!(
                "a scavenge follows #{id} to {at} and finds {:?}",
                self.get(at)
            ));
        };
        if found != id {
            return broken(format!(
                "a scavenge follows #{id} to {at} and finds #{found}"
            ));
        }
        if let Some(to) = scavenge.forward.get(&at) {
            return Ok(Object { at: *to, id }.word());
        }
        let young = self.allocated - self.birth[id as usize] < self.tenure_age;
        let to = self.claim(size as usize, young)?;
        let body: Vec<Word> = (at..at + size as usize)
            .map(|word| self.get(word))
            .collect();
        self.settle(to, &body, young)?;
        if !young {
            self.counts.tenured += 1;
            scavenge.tenured.push((to, size as usize));
        }
        if !self.has(Rule::ForwardAside) && at < HEAP {
            self.put(at + 1, Word::Raw(77));
        }
        scavenge.forward.insert(at, to);
        scavenge.work.push(to);
        if kind == Kind::Weak {
            scavenge.weak_slots.push(to + 1);
        }
        Ok(Object { at: to, id }.word())
    }

    fn move_slot(&mut self, scavenge: &mut Scavenge, slot: usize) -> Step {
        let before = self.get(slot);
        let after = self.moved(scavenge, before)?;
        if after != before {
            self.collector_store(slot, after)?;
        }
        Ok(())
    }

    fn move_from_card(&mut self, scavenge: &mut Scavenge, card: usize) -> Step {
        let (low, high) = (card * CARD, (card + 1) * CARD);
        for item in self.objects_over(low, high)? {
            let Some((_, kind)) = item.object else {
                continue;
            };
            if self.ignores(item.at) {
                continue;
            }
            for slot in all_slots(kind, item.at, item.size) {
                if !(low..high).contains(&slot) {
                    continue;
                }
                if kind == Kind::Weak && slot == item.at + 1 {
                    scavenge.weak_slots.push(slot);
                } else {
                    self.move_slot(scavenge, slot)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a scavenge passes over an object on a card: a corpse, for one who forgot the rule.
    fn ignores(&self, at: usize) -> bool {
        let dead = |cycle: &crate::mark::Cycle| cycle.phase == Phase::Sweep && !cycle.marked[at];
        !self.has(Rule::CorpseIsRoot) && self.cycle.as_ref().is_some_and(dead)
    }

    fn move_the_rest(&mut self, scavenge: &mut Scavenge) -> Step {
        while let Some(at) = scavenge.work.pop() {
            let item = self.item(at)?;
            let Some((_, kind)) = item.object else {
                continue;
            };
            for slot in all_slots(kind, at, item.size) {
                if !(kind == Kind::Weak && slot == at + 1) {
                    self.move_slot(scavenge, slot)?;
                }
            }
        }
        Ok(())
    }

    fn settle_weak_slots(&mut self, scavenge: &mut Scavenge) -> Step {
        if !self.has(Rule::WeakFollowsScavenge) {
            return Ok(());
        }
        for slot in core::mem::take(&mut scavenge.weak_slots) {
            let before = self.get(slot);
            let Some(Object { at, .. }) = before.object() else {
                continue;
            };
            let end = self.resolve_moving(scavenge, at);
            let after = match self.get(end) {
                Word::Head { id, .. } if scavenge.moves(end) => match scavenge.forward.get(&end) {
                    Some(to) => Object { at: *to, id }.word(),
                    None => Word::Nil,
                },
                Word::Head { id, .. } => Object { at: end, id }.word(),
                // The weak slot of a corpse on a card may lead to old memory that is swept already.
                _ if !scavenge.moves(end) => continue,
                other => {
                    return broken(format!("a weak slot at {slot} leads to {other:?} at {end}"));
                }
            };
            if after != before {
                self.collector_store(slot, after)?;
                let now_young = after.object().is_some_and(|object| self.young(object.at));
                if now_young && self.old(slot) {
                    self.prepare(slot, true)?;
                }
            }
        }
        Ok(())
    }

    /// Follows forwarders, those that have moved too; answers where the object was before.
    fn resolve_moving(&self, scavenge: &Scavenge, start: usize) -> usize {
        let mut at = start;
        for _ in 0..64 {
            let body = if scavenge.moves(at) {
                *scavenge.forward.get(&at).unwrap_or(&at)
            } else {
                at
            };
            match (self.get(body), self.get(body + 1)) {
                (
                    Word::Head {
                        kind: Kind::Forwarder,
                        ..
                    },
                    Word::Ref { at: next, .. },
                ) => at = next as usize,
                _ => break,
            }
        }
        // A forwarder that moved was already updated and may lead to the new place.
        scavenge
            .forward
            .iter()
            .find(|(_, to)| **to == at)
            .map_or(at, |(from, _)| *from)
    }

    fn free_young(&mut self, scavenge: &Scavenge) {
        for block in (0..BLOCKS).filter(|block| scavenge.from[*block]) {
            self.free_block(block);
            self.freed_at[block] = self.marker_step;
        }
        self.words[HEAP..].fill(Word::Nil);
        self.eden_top = HEAP;
    }

    /// Gives a block back and lets its cards forget what they were.
    pub(crate) fn free_block(&mut self, block: usize) {
        self.table.used[block] = Use::Free;
        for card in block * BLOCK / CARD..(block + 1) * BLOCK / CARD {
            self.remembered[card] = false;
            if self.has(Rule::TagFallsWithBlock) {
                self.tag[card] = self.tag[card].min(1);
            }
        }
    }

    pub(crate) fn forget_card(&mut self, card: usize) {
        self.remembered[card] = false;
        if self.has(Rule::TagFallsWithCard) {
            self.tag[card] = self.tag[card].min(1);
        }
    }

    pub(crate) fn card_has_young(&self, card: usize) -> Step<bool> {
        let (low, high) = (card * CARD, (card + 1) * CARD);
        for item in self.objects_over(low, high)? {
            let Some((_, kind)) = item.object else {
                continue;
            };
            if self.ignores(item.at) {
                continue;
            }
            for slot in all_slots(kind, item.at, item.size) {
                let refers = self
                    .get(slot)
                    .object()
                    .is_some_and(|object| self.young(object.at));
                if (low..high).contains(&slot) && refers {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn register_tenured(&mut self, scavenge: &Scavenge) -> Step {
        if !self.has(Rule::ScavengeRegisters) {
            return Ok(());
        }
        for (at, size) in &scavenge.tenured {
            for card in at / CARD..=(at + size - 1) / CARD {
                if !self.remembered[card] && self.card_has_young(card)? {
                    self.prepare(card * CARD, true)?;
                }
            }
        }
        Ok(())
    }
}
