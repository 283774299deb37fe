//! The finish of a mark: a pause that scans what may have changed, then judges weak things.
//!
//! It may pass its budget: then it keeps what is grey, drops what it registered in young blocks and
//! tries again after the next flip; the third try runs to its end.

use crate::machine::{ANCHORS, Machine, Step, Use, broken};
use crate::mark::{Cycle, Phase};
use crate::rules::Rule;
use crate::word::{BLOCK, BLOCKS, Kind, Object, PAGE, Word, all_slots, strong_slots};

impl Machine {
    /// Tries to finish the mark; `forced` allows no giving up.
    pub(crate) fn finish(&mut self, forced: bool) -> Step {
        self.in_pause = true;
        let result = self.finish_in_pause(forced);
        self.in_pause = false;
        result
    }

    fn finish_in_pause(&mut self, forced: bool) -> Step {
        if self.has(Rule::FinishScavenges) {
            self.scavenge()?;
        }
        let Some(mut cycle) = self.cycle.take() else {
            return Ok(());
        };
        let gives_up = !forced && cycle.tries < 2 && self.chance.chance(self.hurry);
        let at_stage = self.chance.below(5);
        for stage in 0..5 {
            self.scan_stage(&mut cycle, stage)?;
            if gives_up && stage == at_stage {
                self.give_up(cycle);
                return Ok(());
            }
        }
        self.trace(&mut cycle)?;
        self.judge_ephemerons(&mut cycle)?;
        self.judge_weak_slots(&mut cycle)?;
        self.note_corpses(&cycle)?;
        cycle.phase = Phase::Sweep;
        self.last_mark = cycle.number;
        self.counts.marks += 1;
        self.cycle = Some(cycle);
        Ok(())
    }

    fn scan_stage(&mut self, cycle: &mut Cycle, stage: usize) -> Step {
        match stage {
            0 if self.has(Rule::FinishScansRoots) => {
                ANCHORS
                    .iter()
                    .for_each(|anchor| self.blacken_later(cycle, anchor.word()));
                self.blacken_later(cycle, self.handle);
            }
            1 if self.has(Rule::FinishScansStacks) => {
                self.frames
                    .iter()
                    .flatten()
                    .for_each(|word| self.blacken_later(cycle, *word));
            }
            2 if self.has(Rule::FinishScansYoung) => {
                for block in (0..BLOCKS).filter(|block| self.table.used[*block] == Use::Young) {
                    for item in self
                        .walk_block(block)?
                        .iter()
                        .filter(|item| item.object.is_some())
                    {
                        self.visit(cycle, item.at)?;
                    }
                }
            }
            3 if self.has(Rule::FinishScansDirty) => {
                for page in self
                    .dirty
                    .iter()
                    .copied()
                    .filter(|page| self.old(page * PAGE))
                {
                    for item in self.objects_over(page * PAGE, (page + 1) * PAGE)? {
                        if cycle.marked[item.at] {
                            self.visit(cycle, item.at)?;
                        }
                    }
                }
            }
            4 => {
                for _ in 0..self.chance.below(3) {
                    if let Some(object) = cycle.grey.pop() {
                        self.visit(cycle, object.at)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn give_up(&mut self, mut cycle: Cycle) {
        if !self.has(Rule::OverBudgetKeepsGrey) {
            cycle.grey.clear();
        }
        if self.has(Rule::OverBudgetDropsYoung) {
            cycle.weak.retain(|at| !self.young(*at));
            cycle.ephemerons.retain(|at| !self.young(*at));
        }
        cycle.tries += 1;
        cycle.idle = false;
        cycle.waits = true;
        self.counts.over_budget += 1;
        self.cycle = Some(cycle);
    }

    fn visit(&self, cycle: &mut Cycle, at: usize) -> Step {
        let Word::Head { kind, size, .. } = self.get(at) else {
            return broken(format!("a finish visits {at} and finds {:?}", self.get(at)));
        };
        match kind {
            Kind::Weak => cycle.weak.push(at),
            Kind::Ephemeron => cycle.ephemerons.push(at),
            _ => {}
        }
        for slot in strong_slots(kind, at, size as usize) {
            self.blacken_later(cycle, self.get(slot));
        }
        Ok(())
    }

    fn trace(&self, cycle: &mut Cycle) -> Step {
        while let Some(Object { at, id }) = cycle.grey.pop() {
            if !matches!(self.get(at), Word::Head { id: found, .. } if found == id) {
                return broken(format!(
                    "a finish follows #{id} to {at} and finds {:?}",
                    self.get(at)
                ));
            }
            self.visit(cycle, at)?;
        }
        Ok(())
    }

    /// Whether the key of an ephemeron is old and unmarked, after forwarders.
    fn key_is_dead(&self, cycle: &Cycle, key: Word) -> bool {
        let Some(Object { at, .. }) = key.object() else {
            return false;
        };
        let end = if self.has(Rule::EphemeronThroughForwarders) {
            self.resolve(at)
        } else {
            at
        };
        !self.young(end) && !cycle.marked[end]
    }

    fn judge_ephemerons(&mut self, cycle: &mut Cycle) -> Step {
        if !self.has(Rule::EphemeronsFire) {
            return Ok(());
        }
        let reachable = self.reachable();
        loop {
            self.keep_values_of_live_keys(cycle)?;
            let dead: Vec<usize> = cycle
                .ephemerons
                .iter()
                .copied()
                .filter(|at| self.key_is_dead(cycle, self.get(at + 1)))
                .collect();
            if dead.is_empty() {
                return Ok(());
            }
            for at in dead {
                self.fire(cycle, at, &reachable)?;
            }
            self.trace(cycle)?;
            if !self.has(Rule::FiredIsMarked) {
                return Ok(());
            }
        }
    }

    /// Traces the values of ephemerons with live keys until nothing changes.
    fn keep_values_of_live_keys(&mut self, cycle: &mut Cycle) -> Step {
        loop {
            cycle.ephemerons.sort_unstable();
            cycle.ephemerons.dedup();
            let mut grew = false;
            let before = cycle.ephemerons.len();
            for at in core::mem::take(&mut cycle.ephemerons) {
                let Word::Head {
                    kind: Kind::Ephemeron,
                    size,
                    ..
                } = self.get(at)
                else {
                    continue;
                };
                let takes_part = if self.young(at) {
                    self.has(Rule::YoungEphemerons)
                } else {
                    cycle.marked[at]
                };
                if !takes_part {
                    continue;
                }
                if !self.key_is_dead(cycle, self.get(at + 1)) {
                    let grey = cycle.grey.len();
                    for slot in all_slots(Kind::Ephemeron, at, size as usize) {
                        self.blacken_later(cycle, self.get(slot));
                    }
                    grew |= cycle.grey.len() > grey;
                }
                cycle.ephemerons.push(at);
            }
            self.trace(cycle)?;
            if !grew && cycle.ephemerons.len() == before {
                return Ok(());
            }
        }
    }

    fn fire(&mut self, cycle: &mut Cycle, at: usize, reachable: &[bool]) -> Step {
        let Word::Head { id, size, .. } = self.get(at) else {
            return broken(format!(
                "an ephemeron to fire at {at} is {:?}",
                self.get(at)
            ));
        };
        let key = self.final_id(self.get(at + 1).id());
        if reachable[key as usize] {
            return broken(format!(
                "ephemeron #{id} fires although its key #{key} is reachable"
            ));
        }
        self.collector_store(
            at,
            Word::Head {
                id,
                kind: Kind::Plain,
                size,
            },
        )?;
        self.ghost.shadows[id as usize].kind = Kind::Plain;
        self.counts.fired += 1;
        if self.has(Rule::FiredIsMarked) {
            for slot in all_slots(Kind::Plain, at, size as usize) {
                self.blacken_later(cycle, self.get(slot));
            }
        }
        if self.chance.chance(50) {
            let register = self.chance.below(2);
            self.top()[register] = Object { at, id }.word();
        }
        Ok(())
    }

    fn judge_weak_slots(&mut self, cycle: &mut Cycle) -> Step {
        if !self.has(Rule::WeakCleared) {
            return Ok(());
        }
        cycle.weak.sort_unstable();
        cycle.weak.dedup();
        for at in core::mem::take(&mut cycle.weak) {
            let Word::Head {
                id,
                kind: Kind::Weak,
                ..
            } = self.get(at)
            else {
                continue;
            };
            if self.young(at) && !self.has(Rule::YoungWeakCleared) {
                continue;
            }
            let Some(target) = self.get(at + 1).object() else {
                continue;
            };
            let through = self.has(Rule::WeakThroughForwarders);
            let end = if through {
                self.resolve(target.at)
            } else {
                target.at
            };
            if !self.young(end) && !cycle.marked[end] {
                let holder_lives = self.young(at) || cycle.marked[at];
                if holder_lives && self.reachable()[self.final_id(target.id) as usize] {
                    return broken(format!(
                        "the weak slot of #{id} loses #{}, which is reachable",
                        target.id
                    ));
                }
                self.collector_store(at + 1, Word::Nil)?;
                self.counts.weak_cleared += 1;
            } else if end != target.at
                && let Word::Head { id, .. } = self.get(end)
            {
                let pointer = self.young(end);
                self.prepare(at + 1, pointer)?;
                self.put(at + 1, Object { at: end, id }.word());
            }
        }
        Ok(())
    }

    /// Tells the ghost which objects are dead from now on.
    fn note_corpses(&mut self, cycle: &Cycle) -> Step {
        for block in 0..BLOCKS {
            let dead: Vec<usize> = match self.table.used[block] {
                Use::Old => self
                    .walk_block(block)?
                    .iter()
                    .filter(|item| item.object.is_some())
                    .map(|item| item.at)
                    .collect(),
                Use::LargeHead => vec![block * BLOCK],
                _ => continue,
            };
            for at in dead.into_iter().filter(|at| !cycle.marked[*at]) {
                self.ghost.corpse[at] = true;
            }
        }
        Ok(())
    }
}
