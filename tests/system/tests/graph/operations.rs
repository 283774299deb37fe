//! What a mutator does, to heap and model alike: one method an operation.

use crate::model::{Kind, Node, Val, free_slots};
use crate::world::{Done, EPHEMERON, End, PLAIN, REGISTERS, TABLE, WEAK, World};
use vm::heap::{HashOf, MarkStep, Stress};
use vm::layout::{Word, behavior};

impl World {
    /// Stores a register, nil or a number into a slot of something that is held.
    pub fn store(&mut self) -> Done {
        let Some((object, id)) = self.pick() else { return Ok(()) };
        let node = &self.model.nodes[id];
        let slots = free_slots(node.kind, node.size);
        if slots.is_empty() {
            return self.store_raw(object, id);
        }
        let slot = self.random.pick(&slots);
        let register = self.random.below(REGISTERS);
        let value = match (self.random.below(6), self.model.registers[register]) {
            (0, _) | (_, None) => Val::Nil,
            (1, _) => Val::Int(self.random.below(1000) as i64),
            (_, Some(target)) => Val::Ref(target),
        };
        let word = self.word_of(value, Some(self.registers[register]));
        self.model.set_slot(id, slot, value);
        match value {
            Val::Ref(_) => self.heap.store(object, slot, word),
            _ => self.heap.store_immediate(object, slot, word),
        }
        self.log.push(format!("#{id}[{slot}] := {value:?}"));
        Ok(())
    }

    /// Stores raw data, in each of the ways there are.
    fn store_raw(&mut self, object: Word, id: usize) -> Done {
        let size = self.model.nodes[id].size;
        let at = 8 + self.random.below(size * 8 - 8);
        let value = self.random.next();
        match self.random.below(3) {
            0 => {
                self.heap.store_raw(object, at / 8, value);
                self.model.set_bytes(id, at / 8 * 8, &value.to_le_bytes());
            }
            1 => {
                self.heap.store_byte(object, at, value as u8);
                self.model.set_bytes(id, at, &[value as u8]);
            }
            _ => {
                let count = self.random.below(size * 8 - at + 1);
                let bytes: Vec<u8> = (0..count).map(|n| (value >> (n % 57)) as u8).collect();
                self.heap.write_bytes(object, at, &bytes);
                self.model.set_bytes(id, at, &bytes);
            }
        }
        Ok(())
    }

    /// Copies slots from one object to another, or within one.
    pub fn copy(&mut self) -> Done {
        let (Some((a, i)), Some((b, j))) = (self.pick(), self.pick()) else { return Ok(()) };
        if [i, j].iter().any(|&id| self.model.nodes[id].kind != Kind::Plain) {
            return Ok(());
        }
        let sizes = [i, j].map(|id| self.model.nodes[id].size);
        let (first, start) = (1 + self.random.below(sizes[0] - 1), 1 + self.random.below(sizes[1] - 1));
        let count = self.random.below((sizes[0] - first).min(sizes[1] - start) + 1);
        self.heap.copy_slots(a, first, b, start, count);
        let copied: Vec<Val> = (0..count).map(|n| self.model.slot(i, first + n)).collect();
        copied.into_iter().enumerate().for_each(|(n, value)| self.model.set_slot(j, start + n, value));
        self.log.push(format!("#{j}[{start}..] := {count} slots of #{i} from {first} on"));
        Ok(())
    }

    /// Loads a slot into a register.
    pub fn load(&mut self) -> Done {
        let Some((object, id)) = self.pick() else { return Ok(()) };
        let node = &self.model.nodes[id];
        let slots = free_slots(node.kind, node.size);
        if slots.is_empty() {
            return Ok(());
        }
        let slot = self.random.pick(&slots);
        let mut word = self.heap.slot(object, slot);
        if self.random.percent(50) {
            word = self.heap.resolve(word);
        }
        let Val::Ref(target) = self.model.slot(id, slot) else { return Ok(()) };
        if word == self.heap.nil() {
            return self.weak_went(id, slot, target);
        }
        let register = self.random.below(REGISTERS);
        self.registers[register] = word;
        self.model.registers[register] = Some(target);
        self.log.push(format!("r{register} := #{id}[{slot}] = #{target}"));
        Ok(())
    }

    /// A slot reads nil: it must be a weak one whose target was unreachable.
    pub fn weak_went(&mut self, id: usize, slot: usize, target: usize) -> Done {
        let lives = self.model.reach()[self.model.resolve(target)];
        if self.model.nodes[id].kind != Kind::Weak || slot < 2 || lives {
            return Err(End::Wrong(format!("slot {slot} of #{id} is nil, not #{target}")));
        }
        self.count("weak slot cleared");
        self.model.set_slot(id, slot, Val::Nil);
        Ok(())
    }

    pub fn store_in_table(&mut self) -> Done {
        let (slot, register) = (self.random.below(TABLE), self.random.below(REGISTERS));
        let table = self.table();
        self.heap.store(table, slot, self.registers[register]);
        self.model.table[slot] = self.model.registers[register];
        self.log.push(format!("table[{slot}] := r{register}"));
        Ok(())
    }

    pub fn drop_register(&mut self) -> Done {
        let register = self.random.below(REGISTERS);
        self.registers[register] = self.heap.nil();
        self.model.registers[register] = None;
        self.log.push(format!("r{register} := nil"));
        Ok(())
    }

    pub fn hash(&mut self) -> Done {
        let Some((object, id)) = self.pick() else { return Ok(()) };
        let hash = self.heap.identity_hash(object);
        let other = |(other, node): (usize, &Node)| (other != id && node.hash == Some(hash)).then_some(other);
        if let Some(other) = self.model.nodes.iter().enumerate().find_map(other) {
            return Err(End::Wrong(format!("#{id} has hash {hash}, as #{other} has")));
        }
        match self.model.nodes[id].hash.replace(hash) {
            Some(before) if before != hash => {
                Err(End::Wrong(format!("hash of #{id} was {before}, is {hash}")))
            }
            _ => Ok(()),
        }
    }

    pub fn become_forward(&mut self) -> Done {
        let (Some((a, i)), Some((b, j))) = (self.pick(), self.pick()) else { return Ok(()) };
        let kind = self.model.nodes[i].kind;
        if i == j || !self.may_become(a, i, b, j) {
            return Ok(());
        }
        self.forget_pins(i, j);
        self.count("become forward");
        self.log.push(format!("#{i} ({kind:?}) becomes #{j}"));
        self.heap.become_forward(&[(a, b)], HashOf::Source);
        let hash = self.model.nodes[i].hash.take();
        self.model.nodes[j].hash = hash.or(self.model.nodes[j].hash);
        self.model.nodes[i].alias = Some(j);
        Ok(())
    }

    pub fn become_each_other(&mut self) -> Done {
        let (Some((a, i)), Some((b, j))) = (self.pick(), self.pick()) else { return Ok(()) };
        let has_class = self.model.nodes[i].kind == Kind::Class || self.model.nodes[j].kind == Kind::Class;
        if i == j || has_class {
            return Ok(());
        }
        let pinned = [a, b].map(|word| self.heap.is_pinned(word));
        if self.heap.become_each_other(&[(a, b)]).is_none() {
            return Ok(());
        }
        self.forget_pins(i, j);
        for (word, was_pinned) in [a, b].into_iter().zip(pinned) {
            if !self.heap.header(word).is_forwarder() && self.heap.is_pinned(word) != was_pinned {
                return Err(End::Wrong(format!("the place {word:?} was pinned: {was_pinned}")));
            }
        }
        self.count("become each other");
        self.log.push(format!("#{i} and #{j} exchange identities"));
        self.model.exchange(i, j);
        Ok(())
    }

    pub fn pin(&mut self) -> Done {
        let register = self.random.below(REGISTERS);
        let Some(id) = self.model.registers[register] else { return Ok(()) };
        if let Some(pinned) = self.heap.pin(self.registers[register]) {
            self.count("pin");
            self.log.push(format!("pin #{id}"));
            self.registers[register] = pinned;
            self.pins.insert(self.model.resolve(id), pinned);
            if !self.heap.is_pinned(pinned) {
                return Err(End::Wrong(format!("#{id} is not pinned")));
            }
        }
        Ok(())
    }

    /// A class becomes another one of the same layout only.
    fn may_become(&self, a: Word, i: usize, b: Word, j: usize) -> bool {
        match (self.model.nodes[i].kind, self.model.nodes[j].kind) {
            (Kind::Class, Kind::Class) => {
                self.heap.slot(a, behavior::FORMAT) == self.heap.slot(b, behavior::FORMAT)
            }
            (Kind::Class, _) | (_, Kind::Class) => false,
            _ => true,
        }
    }

    fn forget_pins(&mut self, i: usize, j: usize) {
        self.pins.remove(&i);
        self.pins.remove(&j);
    }

    /// Takes an instance that nobody may have held any more.
    pub fn all_instances(&mut self) -> Done {
        let class = self.random.pick(&[PLAIN, WEAK, EPHEMERON]);
        let mut found = vec![];
        let result = self.heap.for_each_object(&mut self.registers, &mut |heap, object| {
            if heap.header(object).class() == class {
                found.push(object);
            }
        });
        self.collected(result)?;
        if found.is_empty() {
            return Ok(());
        }
        let object = self.random.pick(&found);
        let slot = if class == EPHEMERON { 1 } else { 0 };
        let id = self.heap.slot(object, slot).as_integer() as usize;
        let register = self.random.below(REGISTERS);
        self.registers[register] = object;
        self.model.registers[register] = Some(id);
        self.count("all instances");
        self.log.push(format!("r{register} := an instance, #{id}"));
        Ok(())
    }

    pub fn mark(&mut self, budget: usize) -> Done {
        if self.heap.mark_step(budget) == MarkStep::Working {
            self.count("marker step");
        }
        Ok(())
    }

    pub fn sweep(&mut self, blocks: usize) -> Done {
        self.heap.sweep_step(blocks);
        self.count("sweep step");
        if self.random.percent(50) {
            self.flush_classes();
        }
        Ok(())
    }

    /// Forgets what the lookup cache knows of classes that were dropped.
    pub fn flush_classes(&mut self) {
        for class in self.heap.take_dropped_classes() {
            self.count("class dropped");
            self.cached.remove(&class.0);
        }
    }

    /// Takes the value of a slot into a register, and empties the slot.
    pub fn steal(&mut self) -> Done {
        let Some((object, id)) = self.pick() else { return Ok(()) };
        let node = &self.model.nodes[id];
        let slots = free_slots(node.kind, node.size);
        if slots.is_empty() || node.kind == Kind::Weak {
            return Ok(());
        }
        let slot = self.random.pick(&slots);
        let Val::Ref(target) = self.model.slot(id, slot) else { return Ok(()) };
        let register = self.random.below(REGISTERS);
        self.registers[register] = self.heap.slot(object, slot);
        self.model.registers[register] = Some(target);
        let nil = self.heap.nil();
        self.heap.store_immediate(object, slot, nil);
        self.model.set_slot(id, slot, Val::Nil);
        self.log.push(format!("r{register} := #{id}[{slot}] = #{target}, which becomes nil"));
        Ok(())
    }

    /// Gives a register's value to a slot, and empties the register.
    pub fn give(&mut self) -> Done {
        let Some((object, id)) = self.pick() else { return Ok(()) };
        let register = self.random.below(REGISTERS);
        let Some(target) = self.model.registers[register] else { return Ok(()) };
        let node = &self.model.nodes[id];
        let slots = free_slots(node.kind, node.size);
        if slots.is_empty() {
            return Ok(());
        }
        let slot = self.random.pick(&slots);
        self.heap.store(object, slot, self.registers[register]);
        self.model.set_slot(id, slot, Val::Ref(target));
        self.registers[register] = self.heap.nil();
        self.model.registers[register] = None;
        self.log.push(format!("#{id}[{slot}] := r{register} = #{target}, which becomes nil"));
        Ok(())
    }

    /// Makes a graph of old objects of some size, hanging from the table.
    pub fn build(&mut self, objects: usize, words: usize) -> Done {
        let stress = self.setup.stress;
        for n in 0..objects {
            let kinds = [Kind::Plain, Kind::Plain, Kind::Plain, Kind::Weak, Kind::Ephemeron];
            let kind = self.random.pick(&kinds);
            let size = words + self.random.below(words);
            self.make(kind, size)?;
            for _ in 0..2 {
                self.store()?;
            }
            self.store_in_table()?;
            if n % 16 == 0 {
                self.heap.set_stress(Stress { always_tenure: true, ..stress });
                self.scavenge()?;
                self.heap.set_stress(stress);
            }
        }
        self.check()
    }

    pub fn drop_much(&mut self) -> Done {
        for _ in 0..REGISTERS {
            self.drop_register()?;
        }
        for _ in 0..TABLE / 2 {
            self.store_in_table()?;
        }
        Ok(())
    }
}
