//! Strings, symbols, characters, bytes.

use super::object::Units;
use super::{Entries, IMMUTABLE, Outcome, RANGE, Reason, WRONG, made};
use crate::interpret::Vm;
use crate::layout::{Format, KnownClass, Word, string_hash};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

pub(super) const ENTRIES: Entries = &[
    ("replaceFromToWithStartingAt", replace),
    ("stringCompare", compare),
    ("stringEqual", equal),
    ("stringHash", hash),
    ("stringIndexOf", index_of),
    ("stringFind", find),
    ("symbolIntern", intern),
    ("symbolLookup", lookup),
    ("symbolArity", arity),
    ("utf8Encode", utf8_encode),
    ("utf8Decode", utf8_decode),
    ("byteArrayCrc32", crc32),
    ("characterValue", character_value),
    ("characterClassify", classify),
    ("characterToUpper", |vm, _| convert(vm, |c| single(c.to_uppercase()))),
    ("characterToLower", |vm, _| convert(vm, |c| single(c.to_lowercase()))),
];

fn replace(vm: &mut Vm, _: usize) -> Outcome {
    let (target, source) = (vm.heap.resolve(vm.top(4)), vm.heap.resolve(vm.top(1)));
    let (start, stop, from) = (vm.top(3), vm.top(2), vm.top(0));
    if ![start, stop, from].iter().all(|w| w.is_integer()) {
        return WRONG;
    }
    let (start, stop, from) = (start.as_integer(), stop.as_integer(), from.as_integer());
    let (Some((to_units, to_count)), Some((from_units, from_count))) =
        (vm.indexable(target), vm.indexable(source))
    else {
        return WRONG;
    };
    let count = match stop.checked_sub(start).and_then(|n| n.checked_add(1)) {
        Some(count) if count >= 0 => count as usize,
        _ => return RANGE,
    };
    if vm.heap.is_immutable(target) {
        return IMMUTABLE;
    }
    if count == 0 {
        return Outcome::Value(vm.top(4));
    }
    let fits = |first: i64, size: usize| first >= 1 && first as u64 - 1 + count as u64 <= size as u64;
    if !fits(start, to_count) || !fits(from, from_count) {
        return RANGE;
    }
    let (start, from) = (start as usize - 1, from as usize - 1);
    if !copy(vm, (target, to_units, start), (source, from_units, from), count) {
        return WRONG;
    }
    Outcome::Value(vm.top(4))
}

/// Copies units where both sides have the same, or bytes of text become wider ones.
fn copy(vm: &mut Vm, to: (Word, Units, usize), from: (Word, Units, usize), count: usize) -> bool {
    let ((target, to_units, start), (source, from_units, first)) = (to, from);
    match (to_units, from_units) {
        (Units::References(named), Units::References(skipped)) => {
            vm.heap.copy_slots(source, skipped + first, target, named + start, count);
        }
        (Units::Raw(1), Units::Raw(1)) => {
            let mut bytes = vec![0; count];
            vm.heap.read_bytes(source, first, &mut bytes);
            vm.heap.write_bytes(target, start, &bytes);
        }
        (Units::Raw(a), Units::Raw(b)) if a == b => {
            let units: Vec<u64> = (0..count).map(|n| vm.raw_unit(source, b, first + n)).collect();
            for (n, unit) in units.into_iter().enumerate() {
                vm.put_raw_unit(target, a, start + n, unit);
            }
        }
        (Units::Raw(4), Units::Raw(1)) if vm.holds_characters(target) == vm.holds_characters(source) => {
            for n in 0..count {
                let unit = vm.raw_unit(source, 1, first + n);
                vm.put_raw_unit(target, 4, start + n, unit);
            }
        }
        (Units::Raw(1), Units::Raw(4)) if vm.holds_characters(target) == vm.holds_characters(source) => {
            if (0..count).any(|n| vm.raw_unit(source, 4, first + n) > 255) {
                return false;
            }
            for n in 0..count {
                let unit = vm.raw_unit(source, 4, first + n);
                vm.put_raw_unit(target, 1, start + n, unit);
            }
        }
        _ => return false,
    }
    true
}

fn two_texts(vm: &Vm) -> Option<(Vec<u32>, Vec<u32>)> {
    let (a, b) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    if !vm.holds_characters(a) || !vm.holds_characters(b) {
        return None;
    }
    Some((vm.code_points(a)?, vm.code_points(b)?))
}

fn compare(vm: &mut Vm, _: usize) -> Outcome {
    match two_texts(vm) {
        Some((a, b)) => Outcome::Value(Word::small(match a.cmp(&b) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        })),
        None => WRONG,
    }
}

fn equal(vm: &mut Vm, _: usize) -> Outcome {
    let (a, b) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    if a == b {
        return Outcome::Value(vm.true_word);
    }
    if vm.is_a(a, KnownClass::ByteString) && vm.is_a(b, KnownClass::ByteString) {
        // Mostly they differ in size, or in their first eight bytes.
        let (p, q) = (vm.header(a), vm.header(b));
        let sizes_differ = p.slot_field() != q.slot_field() || p.format() != q.format();
        if p.is_bytes() && q.is_bytes() && (sizes_differ || vm.byte_count(a) >= 8 && vm.heap.raw(a, 0) != vm.heap.raw(b, 0)) {
            return Outcome::Value(vm.false_word);
        }
    }
    if !vm.holds_characters(a) || !vm.holds_characters(b) {
        return WRONG;
    }
    if vm.header(a).is_bytes() && vm.header(b).is_bytes() {
        let count = vm.byte_count(a);
        let whole = count / 8;
        let same = count == vm.byte_count(b)
            && (0..whole).all(|n| vm.heap.raw(a, n) == vm.heap.raw(b, n))
            && (whole * 8..count).all(|n| vm.byte(a, n) == vm.byte(b, n));
        return Outcome::Value(vm.boolean(same));
    }
    match two_texts(vm) {
        Some((a, b)) => Outcome::Value(vm.boolean(a == b)),
        None => WRONG,
    }
}

fn hash(vm: &mut Vm, _: usize) -> Outcome {
    let text = vm.heap.resolve(vm.top(0));
    if text.is_reference() && vm.header(text).is_bytes() {
        let points = (0..vm.byte_count(text)).map(|n| vm.byte(text, n) as u32);
        return Outcome::Value(Word::small(string_hash(points) as i64));
    }
    match vm.code_points(text) {
        Some(points) => Outcome::Value(Word::small(string_hash(points) as i64)),
        None => WRONG,
    }
}

/// The first index, 0-based, to look at.
fn start_of(word: Word) -> Option<usize> {
    word.is_integer().then(|| word.as_integer().max(1) as usize - 1)
}

fn index_of(vm: &mut Vm, _: usize) -> Outcome {
    let (text, wanted) = (vm.heap.resolve(vm.top(2)), vm.top(1));
    let Some(start) = start_of(vm.top(0)) else { return WRONG };
    if !wanted.is_character() || !vm.holds_characters(text) {
        return WRONG;
    }
    let wanted = wanted.as_character();
    let count = vm.indexable(text).map_or(0, |(_, count)| count);
    let found = if vm.header(text).is_bytes() {
        (start..count).find(|&n| vm.byte(text, n) as u32 == wanted)
    } else {
        (start..count).find(|&n| vm.unit32(text, n) == wanted)
    };
    Outcome::Value(Word::small(found.map_or(0, |n| n as i64 + 1)))
}

fn find(vm: &mut Vm, _: usize) -> Outcome {
    let (text, part) = (vm.heap.resolve(vm.top(2)), vm.heap.resolve(vm.top(1)));
    let Some(start) = start_of(vm.top(0)) else { return WRONG };
    if !vm.holds_characters(text) || !vm.holds_characters(part) {
        return WRONG;
    }
    let (Some(text), Some(part)) = (vm.code_points(text), vm.code_points(part)) else { return WRONG };
    if part.is_empty() || start >= text.len() {
        return Outcome::Value(Word::small(0));
    }
    let found = text[start..].windows(part.len()).position(|window| window == part);
    Outcome::Value(Word::small(found.map_or(0, |n| (n + start) as i64 + 1)))
}

fn is_symbol(vm: &Vm, word: Word) -> bool {
    vm.is_a(word, KnownClass::ByteSymbol) || vm.is_a(word, KnownClass::WideSymbol)
}

fn intern(vm: &mut Vm, _: usize) -> Outcome {
    let text = vm.heap.resolve(vm.top(0));
    if is_symbol(vm, text) {
        return Outcome::Value(text);
    }
    if !vm.holds_characters(text) {
        return WRONG;
    }
    match vm.code_points(text) {
        Some(points) => made(vm.intern(&points), points.len() * 4 + 64),
        None => WRONG,
    }
}

fn lookup(vm: &mut Vm, _: usize) -> Outcome {
    let text = vm.heap.resolve(vm.top(0));
    if is_symbol(vm, text) {
        return Outcome::Value(text);
    }
    match vm.code_points(text) {
        Some(points) => Outcome::Value(vm.find_symbol(&points).unwrap_or(vm.nil)),
        None => WRONG,
    }
}

fn arity(vm: &mut Vm, _: usize) -> Outcome {
    match vm.text(vm.heap.resolve(vm.top(0))).and_then(|text| crate::bytecode::arity(&text)) {
        Some(arity) => Outcome::Value(Word::small(arity as i64)),
        None => WRONG,
    }
}

fn utf8_encode(vm: &mut Vm, _: usize) -> Outcome {
    let Some(points) = vm.code_points(vm.heap.resolve(vm.top(0))) else { return WRONG };
    let mut text = String::with_capacity(points.len());
    for point in points {
        match char::from_u32(point) {
            Some(c) => text.push(c),
            None => return RANGE,
        }
    }
    made(vm.new_bytes(KnownClass::ByteArray, text.as_bytes()), text.len() + 64)
}

fn utf8_decode(vm: &mut Vm, _: usize) -> Outcome {
    let bytes = vm.heap.resolve(vm.top(0));
    if !bytes.is_reference() || !vm.header(bytes).is_bytes() {
        return WRONG;
    }
    let bytes = vm.heap.bytes_of(bytes);
    match core::str::from_utf8(&bytes) {
        Ok(text) => made(vm.new_string(text), text.len() * 4 + 64),
        Err(error) => Outcome::Decline(Reason::Number(error.valid_up_to() as i64 + 1)),
    }
}

fn crc32(vm: &mut Vm, _: usize) -> Outcome {
    let bytes = vm.heap.resolve(vm.top(0));
    if !bytes.is_reference() || !vm.header(bytes).is_bytes() {
        return WRONG;
    }
    let sum = crc32fast::hash(&vm.heap.bytes_of(bytes));
    Outcome::Value(Word::small(sum as i64))
}

fn character(vm: &Vm) -> Option<char> {
    let word = vm.top(0);
    if word.is_character() { char::from_u32(word.as_character()) } else { None }
}

fn character_value(vm: &mut Vm, _: usize) -> Outcome {
    let word = vm.top(0);
    if word.is_character() { Outcome::Value(Word::small(word.as_character() as i64)) } else { WRONG }
}

fn classify(vm: &mut Vm, _: usize) -> Outcome {
    let Some(c) = character(vm) else { return WRONG };
    let bits = [
        (c.is_alphabetic(), 1),
        (c.is_ascii_digit(), 2),
        (c.is_uppercase(), 4),
        (c.is_lowercase(), 8),
        (c.is_whitespace(), 16),
        (c.is_alphabetic(), 32),
    ];
    Outcome::Value(Word::small(bits.iter().filter(|(is, _)| *is).map(|(_, bit)| bit).sum()))
}

fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next()?;
    mapped.next().is_none().then_some(first)
}

fn convert(vm: &mut Vm, map: fn(char) -> Option<char>) -> Outcome {
    match character(vm) {
        Some(c) => Outcome::Value(Word::character(map(c).unwrap_or(c) as u32)),
        None => WRONG,
    }
}

const _: () = assert!(Format::Bytes as u8 == 16);
