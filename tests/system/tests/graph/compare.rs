//! Whether the heap's graph is the model's: one walk over both, from the same roots.

use crate::model::{Kind, Val, id_slot};
use crate::world::{Done, End, REGISTERS, TABLE, World};
use std::collections::HashMap;
use vm::layout::{Word, behavior};

struct Walk<'a> {
    world: &'a World,
    /// Where each object was met: it is at one place only.
    met: HashMap<usize, Word>,
    stack: Vec<(Word, usize)>,
    /// Weak slots that read nil: object, slot, target.
    went: Vec<(usize, usize, usize)>,
}

pub fn compare(world: &mut World) -> Done {
    let mut walk = Walk { world, met: HashMap::new(), stack: vec![], went: vec![] };
    walk.roots()?;
    while let Some((word, id)) = walk.stack.pop() {
        walk.object(word, id)?;
    }
    let went = walk.went;
    went.into_iter().try_for_each(|(id, slot, target)| world.weak_went(id, slot, target))
}

fn wrong(what: String) -> Done {
    Err(End::Wrong(format!("model: {what}")))
}

impl Walk<'_> {
    fn roots(&mut self) -> Done {
        let world = self.world;
        for n in 0..REGISTERS {
            self.value(world.registers[n], world.model.registers[n], || format!("register {n}"))?;
        }
        let table = world.table();
        for n in 0..TABLE {
            self.value(world.heap.slot(table, n), world.model.table[n], || format!("table {n}"))?;
        }
        Ok(())
    }

    fn value(&mut self, word: Word, id: Option<usize>, what: impl Fn() -> String) -> Done {
        match id {
            None if word == self.world.heap.nil() => Ok(()),
            None => wrong(format!("{} holds {word:?}, not nil", what())),
            Some(id) => {
                self.stack.push((word, id));
                Ok(())
            }
        }
    }

    fn object(&mut self, word: Word, id: usize) -> Done {
        let heap = &self.world.heap;
        let id = self.world.model.resolve(id);
        if !heap.is_object(word) {
            return wrong(format!("#{id} is {word:?}, no object"));
        }
        let word = heap.resolve(word);
        if let Some(before) = self.met.insert(id, word) {
            return if before == word {
                Ok(())
            } else {
                wrong(format!("#{id} is at {before:?} and at {word:?}"))
            };
        }
        if let Some(place) = self.world.pins.get(&id)
            && *place != word
        {
            return wrong(format!("#{id} was pinned at {place:?} and is at {word:?}"));
        }
        let node = &self.world.model.nodes[id];
        if heap.size(word) != node.size {
            return wrong(format!("#{id} has {} slots, not {}", heap.size(word), node.size));
        }
        if node.hash.is_some_and(|hash| hash != heap.header(word).hash()) {
            return wrong(format!("#{id} has hash {}", heap.header(word).hash()));
        }
        if node.kind == Kind::Bytes {
            return self.raw(word, id);
        }
        self.slots(word, id)?;
        if let Some(class) = node.class {
            let found = heap.class_of(word);
            if heap.is_object(found) && heap.header(found).is_forwarder() {
                return wrong(format!("the class table holds a forwarder for the class of #{id}"));
            }
            self.stack.push((found, class));
        }
        Ok(())
    }

    fn raw(&self, word: Word, id: usize) -> Done {
        let heap = &self.world.heap;
        let node = &self.world.model.nodes[id];
        if heap.raw(word, 0) != id as u64 {
            return wrong(format!("bytes #{id} say {}", heap.raw(word, 0)));
        }
        match (1..node.size).find(|&n| heap.raw(word, n) != node.raw[n - 1]) {
            Some(n) => wrong(format!("bytes #{id} differ in word {n}")),
            None => Ok(()),
        }
    }

    fn slots(&mut self, word: Word, id: usize) -> Done {
        let heap = &self.world.heap;
        let node = &self.world.model.nodes[id];
        for slot in 0..node.size {
            let found = heap.slot(word, slot);
            if slot == id_slot(node.kind) {
                if found != Word::small(id as i64) {
                    return wrong(format!("#{id} calls itself {found:?}"));
                }
                continue;
            }
            if node.kind == Kind::Class && (slot == behavior::FORMAT || slot == behavior::CLASS_INDEX)
            {
                continue;
            }
            match self.world.model.slot(id, slot) {
                Val::Nil if found == heap.nil() => {}
                Val::Int(n) if found == Word::small(n) => {}
                Val::Ref(target) if found == heap.nil() => self.went.push((id, slot, target)),
                Val::Ref(target) if found.is_reference() => self.stack.push((found, target)),
                value => return wrong(format!("#{id}[{slot}] is {found:?}, not {value:?}")),
            }
        }
        Ok(())
    }
}
