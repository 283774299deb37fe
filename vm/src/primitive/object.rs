//! Objects: slots, copies, identity, sends by selector.

use super::big::Big;
use super::{Entries, IMMUTABLE, Outcome, RANGE, Reason, WRONG, made};
use crate::interpret::Vm;
use crate::layout::{Format, Header, KnownClass, Word};
use alloc::vec::Vec;

pub(super) const ENTRIES: Entries = &[
    ("identityHash", identity_hash),
    ("objectClass", object_class),
    ("instVarAt", slot_at),
    ("instVarAtPut", slot_at_put),
    ("basicAt", basic_at),
    ("basicAtPut", basic_at_put),
    ("basicSize", basic_size),
    ("shallowCopy", shallow_copy),
    ("objectIsImmutable", is_immutable),
    ("objectSetImmutable", set_immutable),
    ("objectIsPinned", is_pinned),
    ("objectPin", pin),
    ("becomeForward", become_forward),
    ("become", become_each_other),
    ("changeClassTo", change_class),
    ("perform", perform),
    ("performWith", perform),
    ("performWithWith", perform),
    ("performWithWithWith", perform),
    ("performWithArguments", perform_with_arguments),
    ("performInSuperclass", perform_in_superclass),
    ("executeMethod", execute_method),
    ("pointersTo", pointers_to),
];

fn identity_hash(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.top(0);
    if object.is_integer() {
        return Outcome::Value(object);
    }
    if object.is_character() {
        return Outcome::Value(Word::small(object.as_character() as i64));
    }
    if !object.is_reference() {
        return WRONG;
    }
    Outcome::Value(Word::small(vm.heap.identity_hash(object) as i64))
}

fn object_class(vm: &mut Vm, arguments: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(arguments));
    Outcome::Value(vm.heap.class_of(object))
}

/// A 1-based index among `count`, as 0-based.
fn index(word: Word, count: usize) -> Option<usize> {
    let index = word.is_integer().then(|| word.as_integer())?;
    (index >= 1 && index as u64 <= count as u64).then(|| index as usize - 1)
}

fn slot_at(vm: &mut Vm, _: usize) -> Outcome {
    let (object, place) = (vm.heap.resolve(vm.top(1)), vm.top(0));
    if !vm.has_named(object, 0) {
        return WRONG;
    }
    match index(place, vm.slot_count(object)) {
        Some(n) => Outcome::Value(vm.heap.resolve(vm.slot(object, n))),
        None => RANGE,
    }
}

fn slot_at_put(vm: &mut Vm, _: usize) -> Outcome {
    let (object, place, value) = (vm.heap.resolve(vm.top(2)), vm.top(1), vm.top(0));
    if !vm.has_named(object, 0) {
        return WRONG;
    }
    if vm.heap.is_immutable(object) {
        return IMMUTABLE;
    }
    match index(place, vm.slot_count(object)) {
        Some(n) => {
            vm.put(object, n, value);
            Outcome::Value(value)
        }
        None => RANGE,
    }
}

/// What the indexable part of an object consists of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Units {
    /// References, behind so many named slots.
    References(usize),
    /// Raw units of so many bytes.
    Raw(usize),
}

impl Vm {
    /// Units and count of an object's indexable part; `None` of what has none.
    pub(super) fn indexable(&self, object: Word) -> Option<(Units, usize)> {
        if !object.is_reference() {
            return None;
        }
        let header = self.header(object);
        match header.format() {
            1 | 2 => {
                let named = self.heap.fixed_slots(object);
                Some((Units::References(named), self.slot_count(object).checked_sub(named)?))
            }
            4 => Some((Units::Raw(8), self.slot_count(object))),
            5 | 6 => Some((Units::Raw(4), self.byte_count(object) / 4)),
            8..=11 => Some((Units::Raw(2), self.byte_count(object) / 2)),
            16..=23 => Some((Units::Raw(1), self.byte_count(object))),
            _ => None,
        }
    }

    /// A raw unit.
    pub(super) fn raw_unit(&self, object: Word, bytes: usize, index: usize) -> u64 {
        match bytes {
            8 => self.heap.raw(object, index),
            4 => self.unit32(object, index) as u64,
            2 => self.heap.raw(object, index / 4) >> (index % 4 * 16) & 0xffff,
            _ => self.byte(object, index) as u64,
        }
    }

    /// Stores a raw unit that fits.
    pub(super) fn put_raw_unit(&mut self, object: Word, bytes: usize, index: usize, value: u64) {
        let (per, width) = (8 / bytes, bytes * 8);
        match bytes {
            8 => self.heap.store_raw(object, index, value),
            1 => self.put_byte(object, index, value as u8),
            _ => {
                let shift = index % per * width;
                let mask = ((1u64 << width) - 1) << shift;
                let old = self.heap.raw(object, index / per);
                self.heap.store_raw(object, index / per, old & !mask | value << shift);
            }
        }
    }

    /// Whether instances of the object's class hold characters.
    pub(super) fn holds_characters(&self, object: Word) -> bool {
        const TEXT: [u32; 4] = [
            KnownClass::ByteString as u32,
            KnownClass::WideString as u32,
            KnownClass::ByteSymbol as u32,
            KnownClass::WideSymbol as u32,
        ];
        let class = self.class_index(object);
        if class < 64 {
            return TEXT.contains(&class);
        }
        let texts = TEXT.map(|index| self.class_at(index));
        let mut at = self.heap.class_of(object);
        for _ in 0..64 {
            if texts.contains(&at) {
                return true;
            }
            match self.slot_of(at, crate::layout::behavior::SUPERCLASS) {
                Some(superclass) => at = superclass,
                None => return false,
            }
        }
        false
    }
}

fn basic_at(vm: &mut Vm, _: usize) -> Outcome {
    let (object, place) = (vm.heap.resolve(vm.top(1)), vm.top(0));
    let Some((units, count)) = vm.indexable(object) else { return WRONG };
    let Some(n) = index(place, count) else { return RANGE };
    let bytes = match units {
        Units::References(named) => return Outcome::Value(vm.heap.resolve(vm.slot(object, named + n))),
        Units::Raw(bytes) => bytes,
    };
    let value = vm.raw_unit(object, bytes, n);
    if bytes <= 4 && vm.holds_characters(object) {
        return Outcome::Value(Word::character(value as u32));
    }
    match i64::try_from(value).ok().and_then(Word::integer) {
        Some(word) => Outcome::Value(word),
        None => vm.integer_object(&Big::new(false, alloc::vec![value])),
    }
}

fn basic_at_put(vm: &mut Vm, _: usize) -> Outcome {
    let (object, place, value) = (vm.heap.resolve(vm.top(2)), vm.top(1), vm.top(0));
    let Some((units, count)) = vm.indexable(object) else { return WRONG };
    let Some(n) = index(place, count) else { return RANGE };
    if vm.heap.is_immutable(object) {
        return IMMUTABLE;
    }
    let bytes = match units {
        Units::References(named) => {
            vm.put(object, named + n, value);
            return Outcome::Value(value);
        }
        Units::Raw(bytes) => bytes,
    };
    let raw = if bytes <= 4 && vm.holds_characters(object) {
        value.is_character().then(|| value.as_character() as u64)
    } else {
        unsigned(vm, value)
    };
    match raw {
        Some(raw) if bytes == 8 || raw >> (bytes * 8) == 0 => {
            vm.put_raw_unit(object, bytes, n, raw);
            Outcome::Value(value)
        }
        Some(_) if value.is_character() => Outcome::Decline(Reason::Named("wide")),
        _ => WRONG,
    }
}

fn unsigned(vm: &Vm, word: Word) -> Option<u64> {
    let big = vm.big_of(word)?;
    match (big.is_negative(), big.limbs()) {
        (false, []) => Some(0),
        (false, [limb]) => Some(*limb),
        _ => None,
    }
}

fn basic_size(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(0));
    let count = vm.indexable(object).map_or(0, |(_, count)| count);
    Outcome::Value(Word::small(count as i64))
}

fn shallow_copy(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(0));
    if !object.is_reference() {
        return Outcome::Value(object);
    }
    let (header, slots) = (vm.header(object), vm.slot_count(object));
    let copy = vm.heap.allocate(header.class(), header.format(), slots);
    if let Some(copy) = copy {
        vm.heap.copy_slots(object, 0, copy, 0, slots);
    }
    made(copy, slots * 8 + 64)
}

fn is_immutable(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(0));
    let immutable = !object.is_reference() || vm.heap.is_immutable(object);
    Outcome::Value(vm.boolean(immutable))
}

fn set_immutable(vm: &mut Vm, _: usize) -> Outcome {
    let (object, flag) = (vm.heap.resolve(vm.top(1)), vm.top(0));
    if !object.is_reference() || (flag != vm.true_word && flag != vm.false_word) {
        return WRONG;
    }
    let before = vm.heap.is_immutable(object);
    vm.heap.set_immutable(object, flag == vm.true_word);
    Outcome::Value(vm.boolean(before))
}

fn is_pinned(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(0));
    let pinned = !object.is_reference() || vm.heap.is_pinned(object);
    Outcome::Value(vm.boolean(pinned))
}

fn pin(vm: &mut Vm, _: usize) -> Outcome {
    let object = vm.heap.resolve(vm.top(0));
    if !object.is_reference() {
        return Outcome::Value(object);
    }
    let bytes = vm.slot_count(object) * 8 + 64;
    let pinned = vm.heap.pin(object);
    if pinned.is_some() {
        vm.after_become();
    }
    made(pinned, bytes)
}

/// The pairs of two Arrays of equal size, none of whose elements is an immediate, nil, true or false.
fn pairs(vm: &Vm) -> Option<Vec<(Word, Word)>> {
    let (from, to) = (vm.top(1), vm.top(0));
    if !vm.is_a(from, KnownClass::Array) || !vm.is_a(to, KnownClass::Array) {
        return None;
    }
    let count = vm.slot_count(from);
    if vm.slot_count(to) != count {
        return None;
    }
    let word = |array, n| vm.heap.resolve(vm.slot(array, n));
    let pairs: Vec<_> = (0..count).map(|n| (word(from, n), word(to, n))).collect();
    let fixed = |w: &Word| !w.is_reference() || [vm.nil, vm.true_word, vm.false_word].contains(w);
    pairs.iter().all(|(a, _)| !fixed(a)).then_some(pairs)
}

/// Whether each frame whose receiver becomes another object finds the slots there that its code uses.
fn frames_bear(vm: &Vm, pairs: &[(Word, Word)]) -> bool {
    let becomes: alloc::collections::BTreeMap<u64, Word> =
        pairs.iter().map(|(from, to)| (from.0, *to)).collect();
    let stacks = vm.stacks.values().map(|stack| &**stack).chain([&*vm.current]);
    for stack in stacks {
        for frame in stack.frames() {
            let receiver = vm.heap.resolve(stack.get(stack.receiver_index(frame)));
            let Some(target) = becomes.get(&receiver.0) else { continue };
            let needed = stack.code(frame).named_slots;
            if needed > 0 && !vm.has_named(*target, needed) {
                return false;
            }
        }
    }
    true
}

fn become_forward(vm: &mut Vm, _: usize) -> Outcome {
    let Some(pairs) = pairs(vm) else { return WRONG };
    if !frames_bear(vm, &pairs) {
        return Outcome::Decline(Reason::Named("layout"));
    }
    let receiver = vm.top(1);
    vm.heap.become_forward(&pairs, crate::heap::HashOf::Source);
    vm.after_become();
    Outcome::Value(receiver)
}

fn become_each_other(vm: &mut Vm, _: usize) -> Outcome {
    let Some(pairs) = pairs(vm) else { return WRONG };
    if pairs.iter().any(|(_, b)| !b.is_reference() || [vm.nil, vm.true_word, vm.false_word].contains(b)) {
        return WRONG;
    }
    let back: Vec<_> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
    if !frames_bear(vm, &pairs) || !frames_bear(vm, &back) {
        return Outcome::Decline(Reason::Named("layout"));
    }
    let receiver = vm.top(1);
    let bytes: usize = pairs.iter().map(|(a, b)| (vm.slot_count(*a) + vm.slot_count(*b)) * 8 + 64).sum();
    match vm.heap.become_each_other(&pairs) {
        Some(()) => {
            vm.after_become();
            Outcome::Value(receiver)
        }
        None => Outcome::NeedsRoom(bytes),
    }
}

fn change_class(vm: &mut Vm, _: usize) -> Outcome {
    let (object, class) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    let Some((target, format, named)) = vm.shape_of(class) else { return WRONG };
    if !object.is_reference() || object == vm.nil {
        return WRONG;
    }
    if vm.heap.is_immutable(object) {
        return IMMUTABLE;
    }
    let header = vm.header(object);
    let same = base_format(header) == format as u8
        && (!header.has_references() || vm.heap.fixed_slots(object) == named)
        && vm.slot_count(object) >= named;
    if !same {
        return Outcome::Decline(Reason::Named("layout"));
    }
    vm.heap.set_class(object, target);
    vm.forget_lookups();
    Outcome::Value(object)
}

/// The format of a class whose instances have such a header.
fn base_format(header: Header) -> u8 {
    match header.format() {
        6 => Format::Words32 as u8,
        9..=11 => Format::Words16 as u8,
        17..=23 => Format::Bytes as u8,
        other => other,
    }
}

/// The selector is the first of the arguments.
fn perform(vm: &mut Vm, arguments: usize) -> Outcome {
    let selector = vm.heap.resolve(vm.top(arguments - 1));
    if vm.arity_of(selector) != Some((arguments - 1) as u8) {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    let top = vm.current.sp;
    for n in 0..arguments - 1 {
        let word = vm.current.get(top - arguments + 2 + n);
        vm.current.set(top - arguments + 1 + n, word);
    }
    vm.current.sp -= 1;
    Outcome::Next(vm.send(selector, arguments - 1))
}

/// Spreads an Array over the stack in place of `arguments` words.
fn spread(vm: &mut Vm, arguments: usize, array: Word) -> Option<usize> {
    if !vm.is_a(array, KnownClass::Array) {
        return None;
    }
    let count = vm.slot_count(array);
    if count > 255 || !vm.current.make_room(count) {
        return None;
    }
    vm.current.sp -= arguments;
    for n in 0..count {
        let word = vm.slot(array, n);
        vm.current.push(word);
    }
    Some(count)
}

fn perform_with_arguments(vm: &mut Vm, arguments: usize) -> Outcome {
    let (selector, array) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    let fits = vm.is_a(array, KnownClass::Array)
        && vm.arity_of(selector).map(usize::from) == Some(vm.slot_count(array));
    if !fits {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    match spread(vm, arguments, array) {
        Some(count) => Outcome::Next(vm.send(selector, count)),
        None => RANGE,
    }
}

fn perform_in_superclass(vm: &mut Vm, arguments: usize) -> Outcome {
    let (selector, array, class) =
        (vm.heap.resolve(vm.top(2)), vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    let receiver = vm.top(arguments);
    let fits = vm.is_a(array, KnownClass::Array)
        && vm.arity_of(selector).map(usize::from) == Some(vm.slot_count(array));
    if !fits || !vm.inherits(vm.heap.class_of(receiver), class) {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    let target = vm.lookup_from(class, selector);
    let index = vm.class_index(receiver);
    let count = vm.slot_count(array);
    let suits = !target.is_null() && vm.suits(target, index, count);
    match spread(vm, arguments, array) {
        Some(count) if suits => Outcome::Next(vm.enter(target, count)),
        Some(count) => Outcome::Next(vm.does_not_understand(selector, count, index)),
        None => RANGE,
    }
}

fn execute_method(vm: &mut Vm, arguments: usize) -> Outcome {
    let (array, method) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    let index = vm.class_index(vm.top(arguments));
    let Ok(target) = vm.code_of(method) else {
        return Outcome::Decline(Reason::Named("invalidMethod"));
    };
    if !vm.is_a(array, KnownClass::Array) || !vm.suits(target, index, vm.slot_count(array)) {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    match spread(vm, arguments, array) {
        Some(count) => Outcome::Next(vm.enter(target, count)),
        None => RANGE,
    }
}

fn pointers_to(vm: &mut Vm, _: usize) -> Outcome {
    let target = vm.heap.resolve(vm.top(0));
    if !target.is_reference() {
        return WRONG;
    }
    let found = vm.with_roots(|heap, roots| heap.pointers_to(target, roots));
    match found {
        Ok(found) => vm.answer_list(&found),
        Err(_) => Outcome::Decline(Reason::Named("memory")),
    }
}
