//! The marker: a state machine whose steps interleave with the program's stores.
//!
//! One micro-step loads one word or one header. A reference that was loaded is checked (is its block
//! old now?) in a micro-step of its own, with no step boundary between: blocks that a scavenge freed
//! in between are not reused before. Mark bits live outside the image.

use crate::machine::{ANCHORS, Machine, Step, Use, broken};
use crate::rules::Rule;
use crate::word::{BLOCK, HEAP, Kind, Object, PAGE, Word, strong_slots};

/// What a cycle is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Traversing memory.
    Mark,
    /// Giving dead memory back.
    Sweep,
}

/// An object whose slots are being read.
pub struct Scan {
    /// Its header's address.
    pub at: usize,
    slots: Vec<usize>,
    next: usize,
}

/// One collection of old space.
pub struct Cycle {
    /// Its number.
    pub number: u32,
    /// By address of the header.
    pub marked: Vec<bool>,
    /// Marked, slots not yet read.
    pub grey: Vec<Object>,
    /// Pages to look at again.
    pub pages: Vec<usize>,
    /// What it is doing.
    pub phase: Phase,
    /// Weak objects that it met.
    pub weak: Vec<usize>,
    /// Ephemerons that it met.
    pub ephemerons: Vec<usize>,
    /// A reference that was loaded and not yet checked.
    pub loaded: Option<Object>,
    /// References that a careless marker means to check some time later.
    pub unchecked: Vec<Object>,
    /// The object in the middle of which it is.
    pub scan: Option<Scan>,
    /// The page walk in the middle of which it is: where it stands, where it ends.
    pub walk: Option<(usize, usize)>,
    /// Whether it has nothing left.
    pub idle: bool,
    /// Whether it waits for a flip before it may ask for a finish again.
    pub waits: bool,
    /// How often a finish gave up.
    pub tries: u32,
    /// The next block to sweep.
    pub next_block: usize,
    left_in_step: usize,
}

impl Machine {
    /// Starts a cycle at a flip.
    pub(crate) fn start_cycle(&mut self) {
        let mut cycle = Cycle {
            number: self.last_mark + 1,
            marked: vec![false; HEAP],
            grey: Vec::new(),
            pages: Vec::new(),
            phase: Phase::Mark,
            weak: Vec::new(),
            ephemerons: Vec::new(),
            loaded: None,
            unchecked: Vec::new(),
            scan: None,
            walk: None,
            idle: false,
            waits: false,
            tries: 0,
            next_block: 0,
            left_in_step: 3,
        };
        for anchor in ANCHORS {
            self.blacken_later(&mut cycle, anchor.word());
        }
        for root in self.root_words() {
            self.blacken_later(&mut cycle, root);
        }
        self.cycle = Some(cycle);
    }

    /// Marks an old object and puts it on the grey list.
    pub(crate) fn blacken_later(&self, cycle: &mut Cycle, word: Word) {
        if let Some(object) = word.object()
            && !self.young(object.at)
            && !cycle.marked[object.at]
        {
            cycle.marked[object.at] = true;
            cycle.grey.push(object);
        }
    }

    /// One micro-step of the marker.
    pub(crate) fn marker_step(&mut self) -> Step {
        let Some(mut cycle) = self.cycle.take() else {
            return Ok(());
        };
        let mut result = Ok(());
        if cycle.phase == Phase::Mark && !cycle.idle {
            result = self.mark_one(&mut cycle);
            cycle.left_in_step = cycle.left_in_step.saturating_sub(1);
            if cycle.left_in_step == 0 && cycle.loaded.is_none() {
                self.marker_step += 1;
                cycle.left_in_step = 1 + self.chance.below(6);
            }
        }
        self.cycle = Some(cycle);
        result
    }

    fn mark_one(&self, cycle: &mut Cycle) -> Step {
        if let Some(object) = cycle.loaded.take() {
            if !self.has(Rule::CheckInStep) {
                cycle.unchecked.push(object);
            } else if (self.old(object.at) || !self.has(Rule::OldOnly)) && !cycle.marked[object.at]
            {
                cycle.marked[object.at] = true;
                cycle.grey.push(object);
            }
            return Ok(());
        }
        if let Some(mut scan) = cycle.scan.take() {
            if let Some(slot) = scan.slots.get(scan.next) {
                cycle.loaded = self.get(*slot).object().filter(|object| object.at < HEAP);
                scan.next += 1;
                cycle.scan = Some(scan);
            }
            return Ok(());
        }
        if let Some(object) = cycle.grey.pop() {
            return self.begin_scan(cycle, object.at, Some(object.id));
        }
        if let Some((at, end)) = cycle.walk.take() {
            return self.walk_on(cycle, at, end);
        }
        if let Some(object) = cycle.unchecked.pop() {
            if self.old(object.at) && !cycle.marked[object.at] {
                cycle.marked[object.at] = true;
                cycle.grey.push(object);
            }
            return Ok(());
        }
        match cycle.pages.pop() {
            Some(page) => self.begin_walk(cycle, page),
            None => cycle.idle = true,
        }
        Ok(())
    }

    fn begin_scan(&self, cycle: &mut Cycle, at: usize, expected: Option<u32>) -> Step {
        let Word::Head { id, kind, size } = self.get(at) else {
            return broken(format!(
                "the marker follows #{expected:?} to {at} and finds {:?}",
                self.get(at)
            ));
        };
        if expected.is_some_and(|expected| expected != id) {
            return broken(format!(
                "the marker follows #{expected:?} to {at} and finds #{id}"
            ));
        }
        match kind {
            Kind::Weak => cycle.weak.push(at),
            Kind::Ephemeron => cycle.ephemerons.push(at),
            _ => {}
        }
        cycle.scan = Some(Scan {
            at,
            slots: strong_slots(kind, at, size as usize),
            next: 0,
        });
        Ok(())
    }

    fn walk_on(&self, cycle: &mut Cycle, at: usize, end: usize) -> Step {
        if at >= end {
            return Ok(());
        }
        let item = self.item(at)?;
        cycle.walk = Some((at + item.size, end));
        if item.object.is_some() && cycle.marked[at] {
            self.begin_scan(cycle, at, None)?;
        }
        Ok(())
    }

    fn begin_walk(&self, cycle: &mut Cycle, page: usize) {
        let block = page * PAGE / BLOCK;
        cycle.walk = match self.table.used[block] {
            Use::Old => self
                .start_before(page * PAGE)
                .map(|start| (start, (page + 1) * PAGE)),
            Use::LargeHead => Some((block * BLOCK, block * BLOCK + 1)),
            Use::LargeTail => {
                let head = (block - self.table.run[block]) * BLOCK;
                Some((head, head + 1))
            }
            _ => None,
        };
    }
}
