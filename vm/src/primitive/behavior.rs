//! Classes: instances, class indices, cached lookups.

use super::{Entries, Outcome, RANGE, Reason, WRONG, made};
use crate::interpret::Vm;
use crate::layout::{
    CLASS_TABLE_ENTRIES, ClassIndex, Format, KnownClass, MAX_SLOTS, Word, behavior,
};
use alloc::string::ToString;

pub(super) const ENTRIES: Entries = &[
    ("basicNew", instantiate),
    ("basicNewSized", new_sized),
    ("allInstances", all_instances),
    ("classRegister", register),
    ("classFlush", flush),
    ("flushSelector", flush_selector),
    ("methodVerify", verify),
    ("classAtIndex", class_at_index),
];

impl Vm {
    /// Index, format and named slots of a registered class whose instances live in the heap.
    pub(super) fn shape_of(&self, class: Word) -> Option<(ClassIndex, Format, usize)> {
        let word = self.integer_of(class, behavior::FORMAT)?;
        let index = self.integer_of(class, behavior::CLASS_INDEX)?;
        let index = ClassIndex(u32::try_from(index).ok().filter(|&i| (i as usize) < CLASS_TABLE_ENTRIES)?);
        const WITHOUT: [KnownClass; 4] =
            [KnownClass::Forwarder, KnownClass::Filler, KnownClass::SmallInteger, KnownClass::Character];
        if self.class_at(index.0) != class || WITHOUT.iter().any(|known| known.index() == index) {
            return None;
        }
        let format = match word >> 16 & 31 {
            0 => Format::Fixed,
            1 => Format::Indexable,
            2 => Format::Weak,
            3 => Format::Ephemeron,
            4 => Format::Words64,
            5 => Format::Words32,
            8 => Format::Words16,
            16 => Format::Bytes,
            _ => return None,
        };
        Some((index, format, (word & 0xffff) as usize))
    }

    /// Whether a class is another or inherits from it.
    pub(super) fn inherits(&self, class: Word, ancestor: Word) -> bool {
        let mut at = class;
        for _ in 0..4096 {
            if at == ancestor {
                return true;
            }
            match self.slot_of(at, behavior::SUPERCLASS) {
                Some(superclass) => at = superclass,
                None => return false,
            }
        }
        false
    }

    /// An Array of objects that were found in a walk; no collection came in between.
    pub(super) fn answer_list(&mut self, found: &[Word]) -> Outcome {
        let Some(array) = self.new_array(found.len()) else {
            return Outcome::NeedsRoom(found.len() * 8 + 64);
        };
        for (n, &word) in found.iter().enumerate() {
            self.put(array, n, word);
        }
        Outcome::Value(array)
    }
}

fn instantiate(vm: &mut Vm, _: usize) -> Outcome {
    let class = vm.heap.resolve(vm.top(0));
    allocate(vm, class, 0)
}

fn new_sized(vm: &mut Vm, _: usize) -> Outcome {
    let (class, size) = (vm.heap.resolve(vm.top(1)), vm.top(0));
    if !size.is_integer() {
        return WRONG;
    }
    match usize::try_from(size.as_integer()) {
        Ok(count) if count <= MAX_SLOTS => allocate(vm, class, count),
        _ => RANGE,
    }
}

fn allocate(vm: &mut Vm, class: Word, count: usize) -> Outcome {
    let Some((index, format, named)) = vm.shape_of(class) else {
        return Outcome::Decline(Reason::Named("notRegistered"));
    };
    let raw = |unit: usize| {
        let slots = (count * unit).div_ceil(8);
        (slots, (slots * 8 - count * unit) / unit)
    };
    let (slots, unused) = match format {
        Format::Fixed | Format::Ephemeron if count > 0 => {
            return Outcome::Decline(Reason::Named("notIndexable"));
        }
        Format::Fixed | Format::Ephemeron => (named, 0),
        Format::Indexable | Format::Weak => (named + count, 0),
        Format::Words64 => (count, 0),
        Format::Words32 => raw(4),
        Format::Words16 => raw(2),
        _ => raw(1),
    };
    if slots > MAX_SLOTS {
        return RANGE;
    }
    made(vm.heap.allocate(index, format as u8 + unused as u8, slots), slots * 8 + 64)
}

fn all_instances(vm: &mut Vm, _: usize) -> Outcome {
    let class = vm.heap.resolve(vm.top(0));
    let Some(index) = vm.integer_of(class, behavior::CLASS_INDEX) else { return WRONG };
    let index = ClassIndex(index as u32 & (CLASS_TABLE_ENTRIES as u32 - 1));
    if vm.class_at(index.0) != class {
        return Outcome::Decline(Reason::Named("notRegistered"));
    }
    let found = vm.with_roots(|heap, roots| heap.instances_of(index, roots));
    match found {
        Ok(found) => vm.answer_list(&found),
        Err(_) => Outcome::Decline(Reason::Named("memory")),
    }
}

fn register(vm: &mut Vm, _: usize) -> Outcome {
    let class = vm.heap.resolve(vm.top(0));
    if !vm.has_named(class, behavior::CLASS_INDEX + 1) {
        return WRONG;
    }
    let known = vm.integer_of(class, behavior::CLASS_INDEX).unwrap_or(0);
    if known > 0 && (known as usize) < CLASS_TABLE_ENTRIES && vm.class_at(known as u32) == class {
        return Outcome::Value(Word::small(known));
    }
    match vm.heap.register_class(class) {
        Some(index) => {
            let word = Word::small(index.0 as i64);
            vm.put(class, behavior::CLASS_INDEX, word);
            Outcome::Value(word)
        }
        None => Outcome::Decline(Reason::Named("memory")),
    }
}

fn flush(vm: &mut Vm, _: usize) -> Outcome {
    vm.forget_lookups();
    Outcome::Value(vm.top(0))
}

fn flush_selector(vm: &mut Vm, _: usize) -> Outcome {
    let selector = vm.heap.resolve(vm.top(0));
    vm.forget_selector(selector);
    Outcome::Value(vm.top(1))
}

fn verify(vm: &mut Vm, _: usize) -> Outcome {
    let code = vm.heap.resolve(vm.top(0));
    match vm.examine(code) {
        Ok(_) => {
            vm.codes.forget_code(code);
            Outcome::Value(vm.nil)
        }
        Err(flaw) => {
            let text = flaw.to_string();
            made(vm.new_string(&text), text.len() + 64)
        }
    }
}

fn class_at_index(vm: &mut Vm, _: usize) -> Outcome {
    let index = vm.top(0);
    if !index.is_integer() {
        return WRONG;
    }
    match u32::try_from(index.as_integer()) {
        Ok(index) if (index as usize) < CLASS_TABLE_ENTRIES => {
            let class = vm.class_at(index);
            Outcome::Value(if class.is_reference() { class } else { vm.nil })
        }
        _ => RANGE,
    }
}
