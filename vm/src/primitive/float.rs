//! Floats: IEEE doubles. An integer is compared and combined exactly.

use super::big::Big;
use super::{Entries, Outcome, Reason, WRONG, made};
use crate::interpret::Vm;
use crate::layout::{KnownClass, Word};
use alloc::format;
use alloc::string::String;
use core::cmp::Ordering;

pub(super) const ENTRIES: Entries = &[
    ("floatAdd", |vm, _| arithmetic(vm, |a, b| Some(a + b))),
    ("floatSubtract", |vm, _| arithmetic(vm, |a, b| Some(a - b))),
    ("floatMultiply", |vm, _| arithmetic(vm, |a, b| Some(a * b))),
    ("floatDivide", |vm, _| arithmetic(vm, |a, b| (b != 0.0).then_some(a / b))),
    ("floatLess", |vm, _| compare(vm, |o| o == Some(Ordering::Less))),
    ("floatGreater", |vm, _| compare(vm, |o| o == Some(Ordering::Greater))),
    ("floatLessEqual", |vm, _| compare(vm, |o| o.is_some_and(Ordering::is_le))),
    ("floatGreaterEqual", |vm, _| compare(vm, |o| o.is_some_and(Ordering::is_ge))),
    ("floatEqual", |vm, _| compare(vm, |o| o == Some(Ordering::Equal))),
    ("floatNotEqual", |vm, _| compare(vm, |o| o != Some(Ordering::Equal))),
    ("floatTruncated", |vm, _| whole(vm, libm::trunc)),
    ("floatFractionPart", |vm, _| function(vm, |x| x - libm::trunc(x))),
    ("floatExponent", exponent),
    ("floatTimesTwoPower", times_two_power),
    ("floatSqrt", |vm, _| function(vm, libm::sqrt)),
    ("floatSin", |vm, _| function(vm, libm::sin)),
    ("floatCos", |vm, _| function(vm, libm::cos)),
    ("floatTan", |vm, _| function(vm, libm::tan)),
    ("floatArcSin", |vm, _| function(vm, libm::asin)),
    ("floatArcCos", |vm, _| function(vm, libm::acos)),
    ("floatArcTan", |vm, _| function(vm, libm::atan)),
    ("floatArcTan2", |vm, _| arithmetic(vm, |a, b| Some(libm::atan2(a, b)))),
    ("floatLn", |vm, _| function(vm, libm::log)),
    ("floatLog10", |vm, _| function(vm, libm::log10)),
    ("floatExp", |vm, _| function(vm, libm::exp)),
    ("floatRaisedTo", |vm, _| arithmetic(vm, |a, b| Some(libm::pow(a, b)))),
    ("floatFloor", |vm, _| whole(vm, libm::floor)),
    ("floatCeiling", |vm, _| whole(vm, libm::ceil)),
    ("floatRounded", |vm, _| whole(vm, libm::round)),
    ("floatBits", bits),
    ("floatFromBits", from_bits),
    ("floatShortest", shortest),
    ("floatReadDecimal", read_decimal),
];

const NOT_FINITE: Outcome = Outcome::Decline(Reason::Named("notFinite"));

/// An argument as a float, if it is one or an integer that one holds exactly.
fn number(vm: &Vm, word: Word) -> Option<f64> {
    if let Some(value) = vm.float_value(word) {
        return Some(value);
    }
    let big = vm.big_of(word)?;
    let value = big.to_f64();
    (value.is_finite() && big.compare_f64(value) == Ordering::Equal).then_some(value)
}

fn arithmetic(vm: &mut Vm, operation: fn(f64, f64) -> Option<f64>) -> Outcome {
    let Some(a) = vm.float_value(vm.top(1)) else { return WRONG };
    let Some(b) = number(vm, vm.top(0)) else { return WRONG };
    match operation(a, b) {
        Some(value) => made(vm.new_float(value), 64),
        None => Outcome::Decline(Reason::Named("zero")),
    }
}

fn compare(vm: &mut Vm, test: fn(Option<Ordering>) -> bool) -> Outcome {
    let Some(a) = vm.float_value(vm.top(1)) else { return WRONG };
    let other = vm.top(0);
    let order = match vm.float_value(other) {
        Some(b) => a.partial_cmp(&b),
        None => match vm.big_of(other) {
            Some(_) if a.is_nan() => None,
            Some(big) => Some(big.compare_f64(a).reverse()),
            None => return WRONG,
        },
    };
    Outcome::Value(vm.boolean(test(order)))
}

fn function(vm: &mut Vm, function: fn(f64) -> f64) -> Outcome {
    match vm.float_value(vm.top(0)) {
        Some(value) => made(vm.new_float(function(value)), 64),
        None => WRONG,
    }
}

fn whole(vm: &mut Vm, function: fn(f64) -> f64) -> Outcome {
    let Some(value) = vm.float_value(vm.top(0)) else { return WRONG };
    match Big::from_f64(function(value)) {
        Some(big) => vm.integer_object(&big),
        None => NOT_FINITE,
    }
}

fn exponent(vm: &mut Vm, _: usize) -> Outcome {
    let Some(value) = vm.float_value(vm.top(0)) else { return WRONG };
    if value == 0.0 || !value.is_finite() {
        return NOT_FINITE;
    }
    Outcome::Value(Word::small(libm::ilogb(value) as i64))
}

fn times_two_power(vm: &mut Vm, _: usize) -> Outcome {
    let Some(value) = vm.float_value(vm.top(1)) else { return WRONG };
    let by = vm.top(0);
    if !by.is_integer() {
        return WRONG;
    }
    let by = by.as_integer().clamp(-5000, 5000) as i32;
    made(vm.new_float(libm::scalbn(value, by)), 64)
}

fn bits(vm: &mut Vm, _: usize) -> Outcome {
    match vm.float_value(vm.top(0)) {
        Some(value) => vm.integer_object(&Big::new(false, alloc::vec![value.to_bits()])),
        None => WRONG,
    }
}

fn from_bits(vm: &mut Vm, _: usize) -> Outcome {
    match vm.big_of(vm.top(0)) {
        Some(big) if !big.is_negative() && big.limbs().len() <= 1 => {
            let bits = big.limbs().first().copied().unwrap_or(0);
            made(vm.new_float(f64::from_bits(bits)), 64)
        }
        _ => WRONG,
    }
}

/// The shortest digits that read back, and the exponent: value = 0.digits × 10^exponent.
fn decimal(value: f64) -> (String, i64) {
    let text = format!("{:e}", value.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    (digits, exponent.parse::<i64>().unwrap_or(0) + 1)
}

fn shortest(vm: &mut Vm, _: usize) -> Outcome {
    let Some(value) = vm.float_value(vm.top(0)) else { return WRONG };
    if !value.is_finite() {
        return NOT_FINITE;
    }
    let (digits, exponent) = decimal(value);
    if !vm.heap.room_for(256) {
        return Outcome::NeedsRoom(256);
    }
    let Some(array) = vm.new_array(2) else { return Outcome::NeedsRoom(256) };
    let Some(text) = vm.new_bytes(KnownClass::ByteString, digits.as_bytes()) else {
        return Outcome::NeedsRoom(256);
    };
    vm.put(array, 0, text);
    vm.put(array, 1, Word::small(exponent));
    Outcome::Value(array)
}

fn read_decimal(vm: &mut Vm, _: usize) -> Outcome {
    let Some(text) = vm.text(vm.top(0)) else { return WRONG };
    let well_formed = text.chars().next().is_some_and(|c| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-'))
        && text.chars().last().is_some_and(|c| c.is_ascii_digit());
    match text.parse::<f64>() {
        Ok(value) if well_formed => made(vm.new_float(value), 64),
        _ => Outcome::Decline(Reason::Named("malformed")),
    }
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn shortest_digits_read_back() {
        let mut bits = 0x3ff0_0000_0000_0001u64;
        for _ in 0..20_000 {
            bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(bits & !(1 << 63));
            if !value.is_finite() {
                continue;
            }
            let (digits, exponent) = decimal(value);
            let back: f64 = alloc::format!("0.{digits}e{exponent}").parse().unwrap();
            assert_eq!(back.to_bits(), value.to_bits(), "{value}");
        }
        for (value, expect) in
            [(0.1, ("1", 0)), (100.0, ("1", 3)), (1.5, ("15", 1)), (5e-324, ("5", -323)), (0.0, ("0", 1))]
        {
            let (digits, exponent) = decimal(value);
            assert_eq!((digits.as_str(), exponent), expect, "{value}");
        }
    }
}
