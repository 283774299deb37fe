//! What may happen next: the program's operations, the collector's and writer's steps, crashes.
//!
//! An operation that does not apply does nothing, so that histories stay meaningful when others are
//! left out of them.

use crate::machine::{FRAME_IMAGES, GLOBALS, Machine, REGISTERS, Step};
use crate::mark::Phase;
use crate::random::Random;
use crate::rules::Rule;
use crate::word::{BLOCKS, Kind, Object, PAGES, Word};

macro_rules! operations {
    ($($name:ident: $weight:literal, $says:literal;)*) => {
        /// One thing that may happen.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(missing_docs, reason = "each says itself in the table")]
        pub enum Operation { $($name),* }

        impl Operation {
            /// All of them with their usual weights.
            pub const ALL: &[(Operation, usize)] = &[$((Operation::$name, $weight)),*];

            /// What it does.
            pub fn says(self) -> &'static str {
                match self { $(Operation::$name => $says),* }
            }
        }
    };
}

operations! {
    New: 10, "allocate an object into a register";
    Plant: 6, "allocate an object into an empty slot of a reachable object";
    NewLarge: 1, "allocate a large object into a register";
    Read: 8, "load a slot into a register";
    Write: 14, "store a register into a slot";
    WriteRaw: 4, "store raw bits";
    Forget: 3, "clear a register";
    Take: 4, "load a slot into a register and clear the slot";
    Give: 5, "store a register into a slot and clear the register";
    Handle: 2, "store a register into the root outside the heap, or load it from there";
    Call: 2, "push a frame";
    Return: 2, "pop a frame";
    Become: 1, "become: of two objects";
    BecomeScanned: 1, "become: of the object that the marker is reading";
    Age: 1, "much is allocated, so that what is young now is old at the next scavenge";
    Instances: 1, "take an object that allInstances finds";
    Scavenge: 3, "scavenge";
    Flip: 6, "frames, scavenge, flip";
    WriterStep: 6, "one step of the writer";
    WriterRun: 4, "the writer runs to its end";
    MarkerStep: 5, "one step of the marker";
    MarkerRun: 4, "many steps of the marker";
    MarkerDrain: 1, "the marker runs until it has nothing left";
    Finish: 10, "the marker asks for a finish";
    FinishNow: 1, "a finish that may not give up";
    SweepStep: 10, "one block is swept";
    SweepRun: 2, "some blocks are swept";
    Clear: 1, "the globals lose what they hold";
    DropPage: 3, "a page's memory is given back";
    Crash: 1, "the power fails and the world is opened again";
    Leaks: 1, "come to rest and look for leaks";
}

/// One operation of a history and the seed of its choices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action {
    /// What.
    pub operation: Operation,
    /// By which choices.
    pub seed: u64,
}

impl Machine {
    /// Does one action and checks everything.
    pub(crate) fn act(&mut self, action: Action) -> Step {
        self.chance = Random::new(action.seed);
        match action.operation {
            Operation::New => self.op_new()?,
            Operation::Plant => self.op_plant()?,
            Operation::NewLarge => self.op_new_large()?,
            Operation::Read => self.op_read()?,
            Operation::Write => self.op_write(false)?,
            Operation::Give => self.op_write(true)?,
            Operation::WriteRaw => self.op_write_raw()?,
            Operation::Forget => *self.register() = Word::Nil,
            Operation::Take => self.op_take()?,
            Operation::Handle => self.op_handle(),
            Operation::Call => self.op_call(),
            Operation::Return => self.op_return(),
            Operation::Become => self.op_become()?,
            Operation::BecomeScanned => self.op_become_scanned()?,
            Operation::Age => self.allocated += 60,
            Operation::Instances => {
                if let Some(object) = self.find_instance()? {
                    *self.register() = object.word();
                }
            }
            Operation::Clear => self.op_clear()?,
            Operation::DropPage => {
                let page = self.chance.below(PAGES);
                self.drop_page(page);
            }
            Operation::Crash => self.crash_and_reopen()?,
            Operation::Leaks => {
                let bustle = self.bustle;
                self.check_for_leaks()?;
                self.bustle = bustle;
            }
            other => self.collect(other)?,
        }
        self.check()
    }

    /// The operations of collector and writer.
    fn collect(&mut self, operation: Operation) -> Step {
        let phase = self.cycle.as_ref().map(|cycle| cycle.phase);
        match operation {
            Operation::Scavenge => self.scavenge()?,
            Operation::Flip if self.frozen.is_none() => self.flip()?,
            Operation::WriterStep => self.writer_step()?,
            Operation::WriterRun => self.rest_writer()?,
            Operation::MarkerStep => self.marker_step()?,
            Operation::MarkerRun => {
                for _ in 0..self.chance.below(60) {
                    self.marker_step()?;
                }
            }
            Operation::MarkerDrain => self.drain_marker()?,
            Operation::Finish if self.asks_for_finish() => self.finish(false)?,
            Operation::FinishNow if phase == Some(Phase::Mark) => {
                self.drain_marker()?;
                self.finish(true)?;
            }
            Operation::SweepStep if phase == Some(Phase::Sweep) => self.sweep_step()?,
            Operation::SweepRun => {
                for _ in 0..self.chance.below(BLOCKS) {
                    if self
                        .cycle
                        .as_ref()
                        .is_some_and(|cycle| cycle.phase == Phase::Sweep)
                    {
                        self.sweep_step()?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn asks_for_finish(&self) -> bool {
        self.cycle.as_ref().is_some_and(|cycle| cycle.phase == Phase::Mark && cycle.idle && !cycle.waits)
    }

    fn register(&mut self) -> &mut Word {
        let nth = self.chance.below(REGISTERS);
        &mut self.top()[nth]
    }

    /// An object that the program can reach: in a register, a global, or some slots further on.
    fn some_object(&mut self) -> Option<Object> {
        let word = match self.chance.below(4) {
            0 => GLOBALS[0].word(),
            1 => GLOBALS[1].word(),
            _ => *self.register(),
        };
        let mut object = self.resolved(word)?;
        for _ in 0..self.chance.below(4) {
            let (_, slot) = self.slot(object);
            match self.resolved(self.get(slot)) {
                Some(next) => object = next,
                None => break,
            }
        }
        Some(object)
    }

    fn resolved(&self, word: Word) -> Option<Object> {
        let at = self.resolve(word.object()?.at);
        match self.get(at) {
            Word::Head { id, .. } => Some(Object { at, id }),
            _ => None,
        }
    }

    fn size(&self, object: Object) -> usize {
        match self.get(object.at) {
            Word::Head { size, .. } => size as usize,
            _ => 3,
        }
    }

    fn slot(&mut self, object: Object) -> (usize, usize) {
        let nth = self.chance.below(2);
        (
            nth,
            if nth == 0 {
                object.at + 1
            } else {
                object.at + self.size(object) - 1
            },
        )
    }

    fn set_slot(&mut self, object: Object, nth: usize, slot: usize, word: Word) -> Step {
        self.ghost.shadows[object.id as usize].slots[nth] = word.id();
        self.store(slot, word, true)
    }

    fn op_new(&mut self) -> Step {
        let object = self.new_small()?;
        *self.register() = object.word();
        Ok(())
    }

    fn op_plant(&mut self) -> Step {
        let object = self.new_small()?;
        for _ in 0..4 {
            let Some(parent) = self.some_object() else {
                continue;
            };
            let (nth, slot) = self.slot(parent);
            if self.get(slot) == Word::Nil {
                return self.set_slot(parent, nth, slot, object.word());
            }
        }
        *self.register() = object.word();
        Ok(())
    }

    fn new_small(&mut self) -> Step<Object> {
        let kind = match self.chance.below(10) {
            0 | 1 => Kind::Weak,
            2 | 3 => Kind::Ephemeron,
            _ => Kind::Plain,
        };
        let size = 3 + self.chance.below(4);
        let (at, id) = self.new_object(kind, size)?;
        Ok(Object { at, id })
    }

    fn op_new_large(&mut self) -> Step {
        let size = 20 + self.chance.below(2) * 12;
        if let Some((at, id)) = self.new_large(size)? {
            *self.register() = Object { at, id }.word();
        }
        Ok(())
    }

    fn op_read(&mut self) -> Step {
        let Some(object) = self.some_object() else {
            return Ok(());
        };
        let (_, slot) = self.slot(object);
        let found = self.get(slot);
        let word = self.resolved(found).map_or(Word::Nil, Object::word);
        if word != found && found.object().is_some() && self.chance.chance(50) {
            self.store(slot, word, true)?;
        }
        *self.register() = word;
        Ok(())
    }

    fn op_write(&mut self, gives: bool) -> Step {
        let register = self.chance.below(REGISTERS);
        let Some(object) = self.some_object() else {
            return Ok(());
        };
        let word = if !gives && self.chance.chance(20) {
            Word::Nil
        } else {
            self.top()[register]
        };
        let (nth, slot) = self.slot(object);
        if gives {
            self.top()[register] = Word::Nil;
        }
        self.set_slot(object, nth, slot, word)
    }

    fn op_write_raw(&mut self) -> Step {
        let Some(object) = self.some_object() else {
            return Ok(());
        };
        if self.size(object) >= 4 {
            let raw = self.chance.below(1_000) as u32;
            self.ghost.shadows[object.id as usize].raw = raw;
            self.store(object.at + 2, Word::Raw(raw), false)?;
        }
        Ok(())
    }

    fn op_take(&mut self) -> Step {
        let Some(object) = self.some_object() else {
            return Ok(());
        };
        let (nth, slot) = self.slot(object);
        if let Some(taken) = self.resolved(self.get(slot)) {
            *self.register() = taken.word();
            self.set_slot(object, nth, slot, Word::Nil)?;
        }
        Ok(())
    }

    fn op_handle(&mut self) {
        if self.chance.chance(50) {
            self.handle = core::mem::replace(self.register(), Word::Nil);
        } else {
            *self.register() = core::mem::replace(&mut self.handle, Word::Nil);
        }
    }

    fn op_call(&mut self) {
        if self.frames.len() < FRAME_IMAGES.len() {
            let argument = *self.register();
            self.frames.push([argument, Word::Nil]);
        }
    }

    fn op_return(&mut self) {
        if self.frames.len() > 1 {
            let answer = *self.register();
            self.frames.pop();
            if self.has(Rule::WatermarkFalls) {
                self.watermark = self.watermark.min(self.frames.len() - 1);
            }
            *self.register() = answer;
            self.counts.returns += 1;
        }
    }

    fn op_become(&mut self) -> Step {
        let (Some(from), Some(to)) = (self.some_object(), self.some_object()) else {
            return Ok(());
        };
        self.become_forward(from, to)
    }

    fn op_become_scanned(&mut self) -> Step {
        let scanned = self
            .cycle
            .as_ref()
            .and_then(|cycle| cycle.scan.as_ref())
            .map(|scan| scan.at);
        let (Some(at), Some(to)) = (scanned, self.some_object()) else {
            return Ok(());
        };
        match self.get(at) {
            Word::Head { id, kind, .. }
                if kind != Kind::Forwarder && self.reachable()[id as usize] =>
            {
                self.become_forward(Object { at, id }, to)
            }
            _ => Ok(()),
        }
    }

    fn become_forward(&mut self, from: Object, to: Object) -> Step {
        if from.at == to.at || from.id <= 4 || self.final_id(from.id) == self.final_id(to.id) {
            return Ok(());
        }
        let size = self.size(from);
        self.ghost.shadows[from.id as usize].alias = to.id;
        self.store(from.at + 1, to.word(), true)?;
        self.prepare(from.at, false)?;
        self.put(
            from.at,
            Word::Head {
                id: from.id,
                kind: Kind::Forwarder,
                size: size as u8,
            },
        );
        self.others()?;
        if self.has(Rule::BecomeClears) {
            for at in from.at + 2..from.at + size {
                self.store(at, Word::Raw(0), false)?;
            }
        }
        self.counts.became += 1;
        Ok(())
    }

    fn op_clear(&mut self) -> Step {
        for global in GLOBALS {
            for nth in 0..2 {
                if self.chance.chance(40) {
                    self.set_slot(global, nth, global.at + 1 + nth * 2, Word::Nil)?;
                }
            }
        }
        if self.chance.chance(60) {
            self.top().fill(Word::Nil);
        }
        Ok(())
    }
}
