//! Integers of any size, as far as literals need them.
//!
//! Invariant N1: a [`Integer`] has one representation: a magnitude without leading zero bytes, and
//! zero is never negative.

use vm::layout::{MAX_SMALL_INTEGER, MIN_SMALL_INTEGER};

/// An integer: sign and magnitude, little-endian bytes without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Integer {
    /// Whether it is below zero.
    pub negative: bool,
    /// The absolute value, least byte first.
    pub magnitude: Vec<u8>,
}

impl Integer {
    /// A small one.
    pub fn small(value: i64) -> Integer {
        let mut magnitude = value.unsigned_abs().to_le_bytes().to_vec();
        trim(&mut magnitude);
        Integer { negative: value < 0, magnitude }
    }

    /// The value, if it is a SmallInteger of the machine.
    pub fn as_small(&self) -> Option<i64> {
        if self.magnitude.len() > 8 {
            return None;
        }
        let mut bytes = [0; 8];
        bytes[..self.magnitude.len()].copy_from_slice(&self.magnitude);
        let absolute = i128::from(u64::from_le_bytes(bytes));
        let value = if self.negative { -absolute } else { absolute };
        let range = i128::from(MIN_SMALL_INTEGER)..=i128::from(MAX_SMALL_INTEGER);
        range.contains(&value).then_some(value as i64)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.magnitude.is_empty()
    }

    /// The same value with the other sign.
    pub fn negated(mut self) -> Integer {
        self.negative = !self.negative && !self.is_zero();
        self
    }

    /// Becomes itself × `factor` + `digit`; the sign stays.
    pub fn push_digit(&mut self, factor: u32, digit: u32) {
        let mut carry = u64::from(digit);
        for byte in &mut self.magnitude {
            carry += u64::from(*byte) * u64::from(factor);
            *byte = carry as u8;
            carry >>= 8;
        }
        while carry > 0 {
            self.magnitude.push(carry as u8);
            carry >>= 8;
        }
    }

    /// The value divided by a small divisor, if it goes without a remainder.
    pub fn exactly_divided_by(&self, divisor: u32) -> Option<Integer> {
        let mut magnitude = self.magnitude.clone();
        let mut rest = 0u64;
        for byte in magnitude.iter_mut().rev() {
            rest = (rest << 8) | u64::from(*byte);
            *byte = (rest / u64::from(divisor)) as u8;
            rest %= u64::from(divisor);
        }
        trim(&mut magnitude);
        (rest == 0).then_some(Integer { negative: self.negative, magnitude })
    }

    /// The decimal digits, with sign.
    pub fn decimal(&self) -> String {
        let mut digits = Vec::new();
        let mut magnitude = self.magnitude.clone();
        while !magnitude.is_empty() {
            let mut rest = 0u32;
            for byte in magnitude.iter_mut().rev() {
                rest = (rest << 8) | u32::from(*byte);
                *byte = (rest / 10) as u8;
                rest %= 10;
            }
            trim(&mut magnitude);
            digits.push(char::from(b'0' + rest as u8));
        }
        if digits.is_empty() {
            digits.push('0');
        }
        if self.negative {
            digits.push('-');
        }
        digits.iter().rev().collect()
    }
}

fn trim(magnitude: &mut Vec<u8>) {
    while magnitude.last() == Some(&0) {
        magnitude.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Integer {
        let mut value = Integer::default();
        text.bytes().for_each(|b| value.push_digit(10, u32::from(b - b'0')));
        value
    }

    #[test]
    fn digits_come_back() {
        for text in ["0", "1", "255", "256", "18446744073709551616", "99999999999999999999999999"] {
            assert_eq!(decimal(text).decimal(), text);
        }
        assert_eq!(decimal("12").negated().decimal(), "-12");
        assert_eq!(decimal("0").negated(), decimal("0"));
    }

    #[test]
    fn small_integers_have_62_bits() {
        assert_eq!(decimal("2305843009213693951").as_small(), Some(MAX_SMALL_INTEGER));
        assert_eq!(decimal("2305843009213693952").as_small(), None);
        assert_eq!(decimal("2305843009213693952").negated().as_small(), Some(MIN_SMALL_INTEGER));
        assert_eq!(decimal("2305843009213693953").negated().as_small(), None);
        assert_eq!(Integer::small(-7).as_small(), Some(-7));
    }

    #[test]
    fn exact_division_knows_remainders() {
        assert_eq!(decimal("1000").exactly_divided_by(5), Some(decimal("200")));
        assert_eq!(decimal("1001").exactly_divided_by(5), None);
    }
}
