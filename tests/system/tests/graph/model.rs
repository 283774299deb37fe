//! The graph as it should be, kept outside the heap: what each object's slots hold, by identity.

use std::collections::BTreeMap;

pub type Id = usize;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Val {
    Nil,
    Int(i64),
    Ref(Id),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Slot 0 is the identity, the others are strong.
    Plain,
    /// The first word is the identity, the rest raw.
    Bytes,
    /// Slot 0 the identity, slot 1 strong, the others weak.
    Weak,
    /// Slot 0 the key, slot 1 the identity, the others values.
    Ephemeron,
    /// An ephemeron that fired and was taken: all strong.
    Fired,
    /// A class: slot 0 the identity, slot 1 strong, 2 and 3 what the heap reads.
    Class,
}

#[derive(Clone, Debug)]
pub struct Node {
    pub kind: Kind,
    /// Size in words.
    pub size: usize,
    /// Slots that hold anything but nil.
    pub slots: BTreeMap<usize, Val>,
    /// The raw words behind the first, of `Bytes`.
    pub raw: Vec<u64>,
    /// The class, if it is a node too.
    pub class: Option<Id>,
    pub hash: Option<u32>,
    /// What it has become.
    pub alias: Option<Id>,
}

/// Slots on both sides of where a card, a page, a small size or a marker's chunk ends.
const SLOTS: [usize; 13] = [1, 2, 3, 62, 63, 64, 510, 511, 512, 1022, 1023, 1024, 1025];

/// The slot in which the identity stands.
pub fn id_slot(kind: Kind) -> usize {
    if matches!(kind, Kind::Ephemeron | Kind::Fired) { 1 } else { 0 }
}

/// Slots that a mutator may store into, in order.
pub fn free_slots(kind: Kind, size: usize) -> Vec<usize> {
    match kind {
        Kind::Bytes => vec![],
        Kind::Class => vec![1],
        Kind::Ephemeron | Kind::Fired => vec![0, 2, size - 1],
        _ => SLOTS.into_iter().chain([size / 2, size - 1]).filter(|n| *n > 0 && *n < size).collect(),
    }
}

#[derive(Clone, Default)]
pub struct Model {
    pub nodes: Vec<Node>,
    pub registers: Vec<Val2>,
    /// The permanent table's slots.
    pub table: Vec<Val2>,
    /// Ephemerons that fired and were not taken: roots, with all that they hold.
    pub fired: Vec<Id>,
}

/// A value outside a node.
pub type Val2 = Option<Id>;

impl Model {
    pub fn resolve(&self, mut id: Id) -> Id {
        while let Some(next) = self.nodes[id].alias {
            id = next;
        }
        id
    }

    fn is_weak_slot(kind: Kind, slot: usize) -> bool {
        kind == Kind::Weak && slot >= 2
    }

    /// What is strongly reachable, ephemerons to their fixpoint.
    pub fn reach(&self) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut stack: Vec<Id> = self.registers.iter().chain(&self.table).flatten().copied().collect();
        stack.extend(&self.fired);
        let mut waiting: Vec<Id> = vec![];
        loop {
            while let Some(id) = stack.pop() {
                let id = self.resolve(id);
                if std::mem::replace(&mut seen[id], true) {
                    continue;
                }
                let node = &self.nodes[id];
                stack.extend(node.class);
                if node.kind == Kind::Ephemeron {
                    waiting.push(id);
                    continue;
                }
                stack.extend(self.targets(id, false));
            }
            let (alive, dead): (Vec<Id>, Vec<Id>) =
                waiting.iter().partition(|&&id| self.key_lives(id, &seen));
            waiting = dead;
            if alive.is_empty() {
                return seen;
            }
            alive.iter().for_each(|&id| stack.extend(self.targets(id, false)));
        }
    }

    pub fn key_lives(&self, id: Id, seen: &[bool]) -> bool {
        match self.nodes[id].slots.get(&0) {
            _ if self.fired.contains(&id) => true,
            Some(Val::Ref(key)) => seen[self.resolve(*key)],
            _ => true,
        }
    }

    pub fn targets(&self, id: Id, weak_too: bool) -> Vec<Id> {
        let node = &self.nodes[id];
        let strong = |slot: &usize| weak_too || !Self::is_weak_slot(node.kind, *slot);
        node.slots
            .iter()
            .filter_map(|(slot, value)| match value {
                Val::Ref(target) if strong(slot) => Some(*target),
                _ => None,
            })
            .collect()
    }

    pub fn slot(&self, id: Id, slot: usize) -> Val {
        self.nodes[id].slots.get(&slot).copied().unwrap_or(Val::Nil)
    }

    /// Writes bytes of a `Bytes` node, from byte `at` on.
    pub fn set_bytes(&mut self, id: Id, at: usize, bytes: &[u8]) {
        for (n, byte) in (at..).zip(bytes) {
            let shift = n % 8 * 8;
            let word = &mut self.nodes[id].raw[n / 8 - 1];
            *word = *word & !(0xff << shift) | u64::from(*byte) << shift;
        }
    }

    pub fn set_slot(&mut self, id: Id, slot: usize, value: Val) {
        match value {
            Val::Nil => self.nodes[id].slots.remove(&slot),
            value => self.nodes[id].slots.insert(slot, value),
        };
    }

    /// Exchanges two identities everywhere.
    pub fn exchange(&mut self, a: Id, b: Id) {
        let swap = |id: Id| if id == a { b } else if id == b { a } else { id };
        for node in &mut self.nodes {
            for value in node.slots.values_mut() {
                if let Val::Ref(id) = value {
                    *id = swap(*id);
                }
            }
            node.alias = node.alias.map(swap);
        }
        self.registers.iter_mut().chain(&mut self.table).flatten().for_each(|id| *id = swap(*id));
        self.fired.iter_mut().for_each(|id| *id = swap(*id));
    }
}
