//! Integers: small ones in the word, large ones in bytes.

use super::big::Big;
use super::{Entries, Outcome, RANGE, Reason, WRONG, made};
use crate::interpret::Vm;
use crate::layout::{Format, KnownClass, Word};
use alloc::vec::Vec;
use core::cmp::Ordering;

pub(super) const ENTRIES: Entries = &[
    ("integerAdd", |vm, n| arithmetic(vm, n, Big::add)),
    ("integerSubtract", |vm, n| arithmetic(vm, n, Big::subtract)),
    ("integerMultiply", |vm, n| arithmetic(vm, n, Big::multiply)),
    ("integerDivide", |vm, n| divide(vm, n, exact)),
    ("integerFloorDivide", |vm, n| divide(vm, n, |a, b| Some(a.divide_floored(b)?.0))),
    ("integerModulo", |vm, n| divide(vm, n, |a, b| Some(a.divide_floored(b)?.1))),
    ("integerQuo", |vm, n| divide(vm, n, |a, b| Some(a.divide_truncated(b)?.0))),
    ("integerRem", |vm, n| divide(vm, n, |a, b| Some(a.divide_truncated(b)?.1))),
    ("integerLess", |vm, n| compare(vm, n, Ordering::is_lt)),
    ("integerGreater", |vm, n| compare(vm, n, Ordering::is_gt)),
    ("integerLessEqual", |vm, n| compare(vm, n, Ordering::is_le)),
    ("integerGreaterEqual", |vm, n| compare(vm, n, Ordering::is_ge)),
    ("integerEqual", |vm, n| compare(vm, n, Ordering::is_eq)),
    ("integerNotEqual", |vm, n| compare(vm, n, Ordering::is_ne)),
    ("integerBitAnd", |vm, n| arithmetic(vm, n, |a, b| a.bitwise(b, |x, y| x & y))),
    ("integerBitOr", |vm, n| arithmetic(vm, n, |a, b| a.bitwise(b, |x, y| x | y))),
    ("integerBitXor", |vm, n| arithmetic(vm, n, |a, b| a.bitwise(b, |x, y| x ^ y))),
    ("integerBitShift", bit_shift),
    ("integerHighBit", high_bit),
    ("integerGcd", |vm, n| arithmetic(vm, n, Big::gcd)),
    ("integerPrintBase", print_base),
    ("integerAsFloat", as_float),
    ("integerAsCharacter", as_character),
];

/// No integer may have more bits.
const MAX_BITS: i64 = 1 << 32;

impl Vm {
    /// The value of an integer of any size.
    pub(crate) fn big_of(&self, word: Word) -> Option<Big> {
        if word.is_integer() {
            return Some(Big::from(word.as_integer()));
        }
        let negative = self.is_a(word, KnownClass::LargeNegativeInteger);
        if !negative && !self.is_a(word, KnownClass::LargePositiveInteger) {
            return None;
        }
        let header = self.header(word);
        if !header.is_bytes() {
            return None;
        }
        let mut limbs: Vec<u64> = (0..self.slot_count(word)).map(|n| self.heap.raw(word, n)).collect();
        if let Some(last) = limbs.last_mut() {
            // What lies behind the last byte is no part of the number, whatever was put there.
            *last &= u64::MAX >> (header.unused_bytes() * 8);
        }
        Some(Big::new(negative, limbs))
    }

    /// An integer object, or the room that it needs.
    pub(crate) fn integer_object(&mut self, value: &Big) -> Outcome {
        if let Some(word) = value.to_i64().and_then(Word::integer) {
            return Outcome::Value(word);
        }
        let class = if value.is_negative() {
            KnownClass::LargeNegativeInteger
        } else {
            KnownClass::LargePositiveInteger
        };
        let (count, slots) = (value.magnitude_bytes(), value.limbs().len());
        let format = Format::Bytes as u8 + (slots * 8 - count) as u8;
        let Some(object) = self.heap.allocate(class.index(), format, slots) else {
            return Outcome::NeedsRoom(slots * 8 + 64);
        };
        for (n, &limb) in value.limbs().iter().enumerate() {
            self.heap.store_raw(object, n, limb);
        }
        Outcome::Value(object)
    }

    fn two_bigs(&self) -> Option<(Big, Big)> {
        Some((self.big_of(self.top(1))?, self.big_of(self.top(0))?))
    }
}

fn arithmetic(vm: &mut Vm, _: usize, operation: fn(&Big, &Big) -> Big) -> Outcome {
    match vm.two_bigs() {
        Some((a, b)) => vm.integer_object(&operation(&a, &b)),
        None => WRONG,
    }
}

fn divide(vm: &mut Vm, _: usize, operation: fn(&Big, &Big) -> Option<Big>) -> Outcome {
    match vm.two_bigs() {
        None => WRONG,
        Some((_, b)) if b.is_zero() => Outcome::Decline(Reason::Named("zero")),
        Some((a, b)) => match operation(&a, &b) {
            Some(result) => vm.integer_object(&result),
            None => Outcome::Decline(Reason::Named("inexact")),
        },
    }
}

fn exact(a: &Big, b: &Big) -> Option<Big> {
    let (quotient, rest) = a.divide_truncated(b)?;
    rest.is_zero().then_some(quotient)
}

fn compare(vm: &mut Vm, _: usize, test: fn(Ordering) -> bool) -> Outcome {
    let (x, y) = (vm.top(1), vm.top(0));
    if x.is_integer() && y.is_integer() {
        return Outcome::Value(vm.boolean(test(x.as_integer().cmp(&y.as_integer()))));
    }
    match vm.two_bigs() {
        Some((a, b)) => Outcome::Value(vm.boolean(test(a.cmp(&b)))),
        None => WRONG,
    }
}

fn bit_shift(vm: &mut Vm, _: usize) -> Outcome {
    let by = vm.top(0);
    let Some(value) = vm.big_of(vm.top(1)) else { return WRONG };
    if !by.is_integer() {
        return WRONG;
    }
    let by = by.as_integer();
    if by > 0 && !value.is_zero() && by.saturating_add(value.high_bit() as i64) > MAX_BITS {
        return Outcome::Decline(Reason::Named("memory"));
    }
    let by = if value.is_zero() { 0 } else { by };
    vm.integer_object(&value.shifted(by))
}

fn high_bit(vm: &mut Vm, _: usize) -> Outcome {
    match vm.big_of(vm.top(0)) {
        Some(value) => Outcome::Value(Word::small(value.high_bit() as i64)),
        None => WRONG,
    }
}

fn print_base(vm: &mut Vm, _: usize) -> Outcome {
    let base = vm.top(0);
    let Some(value) = vm.big_of(vm.top(1)) else { return WRONG };
    if !base.is_integer() {
        return WRONG;
    }
    match u32::try_from(base.as_integer()) {
        Ok(base @ 2..=36) => {
            let text = value.to_text(base);
            made(vm.new_bytes(KnownClass::ByteString, text.as_bytes()), text.len() + 64)
        }
        _ => RANGE,
    }
}

fn as_float(vm: &mut Vm, _: usize) -> Outcome {
    match vm.big_of(vm.top(0)) {
        Some(value) => made(vm.new_float(value.to_f64()), 64),
        None => WRONG,
    }
}

fn as_character(vm: &mut Vm, _: usize) -> Outcome {
    let value = vm.top(0);
    if !value.is_integer() {
        return WRONG;
    }
    match u32::try_from(value.as_integer()).ok().and_then(char::from_u32) {
        Some(c) => Outcome::Value(Word::character(c as u32)),
        None => RANGE,
    }
}
