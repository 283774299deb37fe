//! Integers of any size: sign and magnitude in 64-bit limbs, little end first.
//!
//! Invariants
//! - G1 The magnitude has no leading zero limb, and zero is not negative.
//!
//! Follows Knuth, *The Art of Computer Programming* 2, 4.3.1 (algorithm D) and Karatsuba above a
//! threshold. Knows nothing of objects: a family of primitives converts at the edge.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// An integer of any size.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Big {
    negative: bool,
    limbs: Vec<u64>,
}

/// Operands of at least so many limbs are multiplied by Karatsuba's rule.
const KARATSUBA_LIMBS: usize = 40;

impl Big {
    /// From sign and limbs, normalised (G1).
    pub fn new(negative: bool, mut limbs: Vec<u64>) -> Big {
        trim(&mut limbs);
        Big { negative: negative && !limbs.is_empty(), limbs }
    }

    /// From sign and the bytes of the magnitude, little end first.
    #[cfg(test)]
    pub fn from_bytes(negative: bool, bytes: impl Iterator<Item = u8>) -> Big {
        let mut limbs = Vec::new();
        for (n, byte) in bytes.enumerate() {
            if n % 8 == 0 {
                limbs.push(0);
            }
            if let Some(last) = limbs.last_mut() {
                *last |= (byte as u64) << (n % 8 * 8);
            }
        }
        Big::new(negative, limbs)
    }

    /// The bytes of the magnitude, little end first, no leading zero.
    pub fn magnitude_bytes(&self) -> usize {
        match self.limbs.last() {
            None => 0,
            Some(top) => self.limbs.len() * 8 - top.leading_zeros() as usize / 8,
        }
    }

    /// The limbs of the magnitude.
    pub fn limbs(&self) -> &[u64] {
        &self.limbs
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    /// The value, if it fits.
    pub fn to_i64(&self) -> Option<i64> {
        match (self.limbs.as_slice(), self.negative) {
            ([], _) => Some(0),
            ([m], false) => i64::try_from(*m).ok(),
            ([m], true) if *m <= 1 << 63 => Some((*m as i64).wrapping_neg()),
            _ => None,
        }
    }

    /// The sum.
    pub fn add(&self, other: &Big) -> Big {
        if self.negative == other.negative {
            return Big::new(self.negative, add_magnitudes(&self.limbs, &other.limbs));
        }
        match compare(&self.limbs, &other.limbs) {
            Ordering::Equal => Big::default(),
            Ordering::Greater => Big::new(self.negative, subtract_magnitudes(&self.limbs, &other.limbs)),
            Ordering::Less => Big::new(other.negative, subtract_magnitudes(&other.limbs, &self.limbs)),
        }
    }

    /// The negative.
    pub fn negated(&self) -> Big {
        Big::new(!self.negative, self.limbs.clone())
    }

    /// The difference.
    pub fn subtract(&self, other: &Big) -> Big {
        self.add(&other.negated())
    }

    /// The product.
    pub fn multiply(&self, other: &Big) -> Big {
        Big::new(self.negative != other.negative, multiply_magnitudes(&self.limbs, &other.limbs))
    }

    /// Truncated quotient and remainder; `None` by zero.
    pub fn divide_truncated(&self, other: &Big) -> Option<(Big, Big)> {
        if other.is_zero() {
            return None;
        }
        let (q, r) = divide_magnitudes(&self.limbs, &other.limbs);
        Some((Big::new(self.negative != other.negative, q), Big::new(self.negative, r)))
    }

    /// Floored quotient and the remainder with the sign of the divisor; `None` by zero.
    pub fn divide_floored(&self, other: &Big) -> Option<(Big, Big)> {
        let (q, r) = self.divide_truncated(other)?;
        if r.is_zero() || r.negative == other.negative {
            return Some((q, r));
        }
        Some((q.subtract(&Big::from(1)), r.add(other)))
    }

    /// Shifted left by `bits`, or right with floor if negative.
    pub fn shifted(&self, bits: i64) -> Big {
        if bits >= 0 {
            return Big::new(self.negative, shift_left(&self.limbs, bits as u64));
        }
        let away = bits.unsigned_abs();
        let (limbs, lost) = shift_right(&self.limbs, away);
        let shifted = Big::new(self.negative, limbs);
        if self.negative && lost { shifted.subtract(&Big::from(1)) } else { shifted }
    }

    /// A bitwise operation on the two's complement of both, limb by limb.
    pub fn bitwise(&self, other: &Big, operation: fn(u64, u64) -> u64) -> Big {
        let length = self.limbs.len().max(other.limbs.len()) + 1;
        let (a, b) = (self.complement(length), other.complement(length));
        let mut limbs: Vec<u64> = a.iter().zip(&b).map(|(x, y)| operation(*x, *y)).collect();
        let negative = limbs[length - 1] >> 63 == 1;
        if negative {
            negate(&mut limbs);
        }
        Big::new(negative, limbs)
    }

    /// The two's complement in `length` limbs.
    fn complement(&self, length: usize) -> Vec<u64> {
        let mut limbs = self.limbs.clone();
        limbs.resize(length, 0);
        if self.negative {
            negate(&mut limbs);
        }
        limbs
    }

    /// The index of the highest bit of the magnitude, 1-based; 0 for zero.
    pub fn high_bit(&self) -> u64 {
        match self.limbs.last() {
            None => 0,
            Some(top) => self.limbs.len() as u64 * 64 - top.leading_zeros() as u64,
        }
    }

    /// The greatest common divisor, not negative.
    pub fn gcd(&self, other: &Big) -> Big {
        let (mut a, mut b) = (self.limbs.clone(), other.limbs.clone());
        while b.len() > 1 || a.len() > 1 && !b.is_empty() {
            let (_, r) = divide_magnitudes(&a, &b);
            a = core::mem::replace(&mut b, r);
        }
        if b.is_empty() {
            return Big::new(false, a);
        }
        let (mut x, mut y) = (a.first().copied().unwrap_or(0), b[0]);
        while y != 0 {
            (x, y) = (y, x % y);
        }
        Big::new(false, vec![x])
    }

    /// The digits in a base from 2 to 36, upper case, with the sign.
    pub fn to_text(&self, base: u32) -> String {
        if self.is_zero() {
            return String::from("0");
        }
        let mut chunk = base as u64;
        let mut width = 1;
        while let Some(more) = chunk.checked_mul(base as u64) {
            chunk = more;
            width += 1;
        }
        let mut rest = self.limbs.clone();
        let mut digits: Vec<u8> = Vec::new();
        while !rest.is_empty() {
            let mut part = divide_by_limb(&mut rest, chunk);
            for _ in 0..width {
                digits.push(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(part % base as u64) as usize]);
                part /= base as u64;
            }
        }
        while digits.last() == Some(&b'0') {
            digits.pop();
        }
        if self.negative {
            digits.push(b'-');
        }
        digits.iter().rev().map(|&d| d as char).collect()
    }

    /// The nearest double, ties to even; infinite beyond its range.
    pub fn to_f64(&self) -> f64 {
        let bits = self.high_bit();
        let value = if bits <= 64 {
            self.limbs.first().copied().unwrap_or(0) as f64
        } else {
            // The top 64 bits, the lowest of them sticky: so that one rounding is right.
            let (top, lost) = shift_right(&self.limbs, bits - 64);
            let sticky = top[0] | u64::from(lost);
            if bits > 1024 { f64::INFINITY } else { libm::ldexp(sticky as f64, (bits - 64) as i32) }
        };
        if self.negative { -value } else { value }
    }

    /// The integer that a finite double is when truncated.
    pub fn from_f64(value: f64) -> Option<Big> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as i64;
        if exponent < 1023 {
            return Some(Big::default());
        }
        let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
        let magnitude = Big::new(false, vec![mantissa]).shifted(exponent - 1075);
        Some(Big::new(value < 0.0, magnitude.limbs))
    }

    /// Compares with a double that is not NaN, exactly.
    pub fn compare_f64(&self, value: f64) -> Ordering {
        if value.is_infinite() {
            return if value > 0.0 { Ordering::Less } else { Ordering::Greater };
        }
        let whole = Big::from_f64(value).unwrap_or_default();
        let fraction = value - libm::trunc(value);
        self.cmp(&whole).then_with(|| 0.0f64.partial_cmp(&fraction).unwrap_or(Ordering::Equal))
    }
}

impl From<i64> for Big {
    fn from(value: i64) -> Big {
        Big::new(value < 0, vec![value.unsigned_abs()])
    }
}

impl Ord for Big {
    fn cmp(&self, other: &Big) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare(&self.limbs, &other.limbs),
            (true, true) => compare(&other.limbs, &self.limbs),
        }
    }
}

impl PartialOrd for Big {
    fn partial_cmp(&self, other: &Big) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn trim(limbs: &mut Vec<u64>) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

fn trimmed(limbs: &[u64]) -> &[u64] {
    let used = limbs.iter().rposition(|&l| l != 0).map_or(0, |n| n + 1);
    &limbs[..used]
}

fn negate(limbs: &mut [u64]) {
    let mut carry = true;
    for limb in limbs {
        let (value, overflow) = (!*limb).overflowing_add(u64::from(carry));
        *limb = value;
        carry = overflow;
    }
}

fn compare(a: &[u64], b: &[u64]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn add_magnitudes(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    let mut sum = long.to_vec();
    if add_into(&mut sum, short) {
        sum.push(1);
    }
    sum
}

/// Adds `more` to `sum`, which is at least as long; answers the carry out.
fn add_into(sum: &mut [u64], more: &[u64]) -> bool {
    let mut carry = false;
    for (n, limb) in sum.iter_mut().enumerate() {
        if n >= more.len() && !carry {
            return false;
        }
        let (value, first) = limb.overflowing_add(more.get(n).copied().unwrap_or(0));
        let (value, second) = value.overflowing_add(u64::from(carry));
        *limb = value;
        carry = first || second;
    }
    carry
}

/// `a - b`, where `a >= b`.
fn subtract_magnitudes(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut difference = a.to_vec();
    subtract_from(&mut difference, b);
    difference
}

fn subtract_from(difference: &mut [u64], less: &[u64]) {
    let mut borrow = false;
    for (n, limb) in difference.iter_mut().enumerate() {
        if n >= less.len() && !borrow {
            return;
        }
        let (value, first) = limb.overflowing_sub(less.get(n).copied().unwrap_or(0));
        let (value, second) = value.overflowing_sub(u64::from(borrow));
        *limb = value;
        borrow = first || second;
    }
}

fn multiply_magnitudes(a: &[u64], b: &[u64]) -> Vec<u64> {
    let (a, b) = (trimmed(a), trimmed(b));
    if a.is_empty() || b.is_empty() {
        return Vec::new();
    }
    if a.len().min(b.len()) < KARATSUBA_LIMBS {
        return multiply_plain(a, b);
    }
    let half = a.len().max(b.len()).div_ceil(2);
    let (a0, a1) = a.split_at(half.min(a.len()));
    let (b0, b1) = b.split_at(half.min(b.len()));
    let low = multiply_magnitudes(a0, b0);
    let high = multiply_magnitudes(a1, b1);
    let mut middle = multiply_magnitudes(&add_magnitudes(a0, a1), &add_magnitudes(b0, b1));
    subtract_from(&mut middle, &low);
    subtract_from(&mut middle, &high);
    let mut product = vec![0; a.len() + b.len() + 1];
    product[..low.len()].copy_from_slice(&low);
    add_into(&mut product[half..], trimmed(&middle));
    if !high.is_empty() {
        add_into(&mut product[2 * half..], trimmed(&high));
    }
    product
}

fn multiply_plain(a: &[u64], b: &[u64]) -> Vec<u64> {
    let mut product = vec![0u64; a.len() + b.len()];
    for (i, &x) in a.iter().enumerate() {
        let mut carry = 0u64;
        for (j, &y) in b.iter().enumerate() {
            let value = x as u128 * y as u128 + product[i + j] as u128 + carry as u128;
            product[i + j] = value as u64;
            carry = (value >> 64) as u64;
        }
        product[i + b.len()] = carry;
    }
    product
}

/// Divides in place by one limb; answers the remainder.
fn divide_by_limb(limbs: &mut Vec<u64>, by: u64) -> u64 {
    let mut rest = 0u64;
    for limb in limbs.iter_mut().rev() {
        let value = (rest as u128) << 64 | *limb as u128;
        *limb = (value / by as u128) as u64;
        rest = (value % by as u128) as u64;
    }
    trim(limbs);
    rest
}

/// Algorithm D. `b` is not zero.
fn divide_magnitudes(a: &[u64], b: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let (a, b) = (trimmed(a), trimmed(b));
    if compare(a, b) == Ordering::Less {
        return (Vec::new(), a.to_vec());
    }
    if b.len() == 1 {
        let mut quotient = a.to_vec();
        let rest = divide_by_limb(&mut quotient, b[0]);
        return (quotient, if rest == 0 { Vec::new() } else { vec![rest] });
    }
    let shift = b[b.len() - 1].leading_zeros() as u64;
    let divisor = shift_left(b, shift);
    let divisor = trimmed(&divisor);
    let mut rest = shift_left(a, shift);
    rest.resize(a.len() + 1, 0);
    let mut quotient = vec![0; a.len() - b.len() + 1];
    for at in (0..quotient.len()).rev() {
        quotient[at] = divide_step(&mut rest[at..at + divisor.len() + 1], divisor);
    }
    trim(&mut rest);
    let (mut rest, _) = shift_right(&rest, shift);
    trim(&mut rest);
    (quotient, rest)
}

/// One digit: guesses it from the top limbs, multiplies and subtracts, corrects.
fn divide_step(rest: &mut [u64], divisor: &[u64]) -> u64 {
    let n = divisor.len();
    let top = (rest[n] as u128) << 64 | rest[n - 1] as u128;
    let mut guess = top / divisor[n - 1] as u128;
    let mut left = top % divisor[n - 1] as u128;
    while guess >> 64 != 0 || guess * divisor[n - 2] as u128 > (left << 64 | rest[n - 2] as u128) {
        guess -= 1;
        left += divisor[n - 1] as u128;
        if left >> 64 != 0 {
            break;
        }
    }
    let mut borrow = 0u128;
    let mut carry = 0u128;
    for (limb, &d) in rest.iter_mut().zip(divisor) {
        let product = guess * d as u128 + carry;
        carry = product >> 64;
        let value = (*limb as u128).wrapping_sub(product as u64 as u128).wrapping_sub(borrow);
        *limb = value as u64;
        borrow = (value >> 64) & 1;
    }
    let value = (rest[n] as u128).wrapping_sub(carry).wrapping_sub(borrow);
    rest[n] = value as u64;
    if (value >> 64) & 1 == 1 {
        guess -= 1;
        let (low, high) = rest.split_at_mut(n);
        if add_into(low, divisor) {
            high[0] = high[0].wrapping_add(1);
        }
    }
    guess as u64
}

fn shift_left(limbs: &[u64], bits: u64) -> Vec<u64> {
    if limbs.is_empty() {
        return Vec::new();
    }
    let (whole, part) = ((bits / 64) as usize, bits % 64);
    let mut shifted = vec![0; whole];
    if part == 0 {
        shifted.extend_from_slice(limbs);
        return shifted;
    }
    let mut carry = 0;
    for &limb in limbs {
        shifted.push(limb << part | carry);
        carry = limb >> (64 - part);
    }
    shifted.push(carry);
    shifted
}

/// Shifted right, and whether a set bit fell out.
fn shift_right(limbs: &[u64], bits: u64) -> (Vec<u64>, bool) {
    let (whole, part) = (usize::try_from(bits / 64).unwrap_or(usize::MAX), bits % 64);
    if whole >= limbs.len() {
        return (Vec::new(), limbs.iter().any(|&l| l != 0));
    }
    let mut lost = limbs[..whole].iter().any(|&l| l != 0);
    let kept = &limbs[whole..];
    if part == 0 {
        return (kept.to_vec(), lost);
    }
    lost |= kept[0] << (64 - part) != 0;
    let next = |n: usize| kept.get(n + 1).copied().unwrap_or(0);
    let shifted = (0..kept.len()).map(|n| kept[n] >> part | next(n) << (64 - part)).collect();
    (shifted, lost)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    struct Dice(u64);
    impl Dice {
        fn roll(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }
        /// Numbers with many limbs of all ones or zeros, which is where carries go wrong.
        fn big(&mut self, most: usize) -> Big {
            let n = self.roll() as usize % (most + 1);
            let limbs = (0..n)
                .map(|_| match self.roll() % 4 {
                    0 => 0,
                    1 => u64::MAX,
                    2 => 1 << (self.roll() % 64),
                    _ => self.roll(),
                })
                .collect();
            Big::new(self.roll() & 1 == 1, limbs)
        }
    }

    fn wide(b: &Big) -> i128 {
        let m = b.limbs.iter().rev().fold(0i128, |m, &l| m << 64 | l as i128);
        if b.negative { -m } else { m }
    }

    fn narrow(v: i128) -> Big {
        let m = v.unsigned_abs();
        Big::new(v < 0, vec![m as u64, (m >> 64) as u64])
    }

    #[test]
    fn agrees_with_128_bit_arithmetic() {
        let mut dice = Dice(88172645463325252);
        for _ in 0..20_000 {
            let (a, b) = (dice.big(1), dice.big(1));
            let (x, y) = (wide(&a), wide(&b));
            assert_eq!(a.add(&b), narrow(x + y));
            assert_eq!(a.subtract(&b), narrow(x - y));
            if let Some(product) = x.checked_mul(y) {
                assert_eq!(a.multiply(&b), narrow(product));
            }
            assert_eq!(a.cmp(&b), x.cmp(&y));
            assert_eq!(a.bitwise(&b, |p, q| p & q), narrow(x & y));
            assert_eq!(a.bitwise(&b, |p, q| p | q), narrow(x | y));
            assert_eq!(a.bitwise(&b, |p, q| p ^ q), narrow(x ^ y));
            let s = (dice.roll() % 60) as i64;
            assert_eq!(a.shifted(-s), narrow(x >> s));
            assert_eq!(a.shifted(s.min(62)), narrow(x << s.min(62)));
            if y != 0 {
                let (q, r) = a.divide_truncated(&b).unwrap();
                assert_eq!((wide(&q), wide(&r)), (x / y, x % y));
                let (q, r) = a.divide_floored(&b).unwrap();
                let floor = x.div_euclid(y) - i128::from(y < 0 && x.rem_euclid(y) != 0);
                assert_eq!((wide(&q), wide(&r)), (floor, x - floor * y));
            }
        }
    }

    #[test]
    fn identities_hold_for_many_limbs() {
        let mut dice = Dice(0x1234_5678_9abc_def1);
        for round in 0..600 {
            let most = if round % 10 == 0 { 200 } else { 12 };
            let (a, b, c) = (dice.big(most), dice.big(most), dice.big(most / 2));
            assert_eq!(a.add(&b).subtract(&b), a);
            assert_eq!(a.add(&b).multiply(&c), a.multiply(&c).add(&b.multiply(&c)));
            if let Some((q, r)) = a.divide_truncated(&c) {
                assert_eq!(q.multiply(&c).add(&r), a);
                assert_eq!(compare(&r.limbs, &c.limbs), Ordering::Less);
                assert!(r.is_zero() || r.negative == a.negative);
            }
            if let Some((q, r)) = a.divide_floored(&c) {
                assert_eq!(q.multiply(&c).add(&r), a);
                assert!(r.is_zero() || r.negative == c.negative);
            }
            assert_eq!(a.shifted(77).shifted(-77), a);
            let and = a.bitwise(&b, |p, q| p & q);
            let or = a.bitwise(&b, |p, q| p | q);
            assert_eq!(and.add(&or), a.add(&b));
        }
    }

    #[test]
    fn karatsuba_equals_the_plain_product() {
        let mut dice = Dice(77);
        for _ in 0..40 {
            let (a, b) = (dice.big(170), dice.big(130));
            assert_eq!(
                Big::new(false, multiply_magnitudes(&a.limbs, &b.limbs)),
                Big::new(false, if a.is_zero() || b.is_zero() { Vec::new() } else { multiply_plain(&a.limbs, &b.limbs) })
            );
        }
    }

    #[test]
    fn gcd_divides_both_and_is_greatest() {
        let mut dice = Dice(5);
        for _ in 0..200 {
            let (a, b, k) = (dice.big(4), dice.big(4), dice.big(2));
            let g = a.multiply(&k).gcd(&b.multiply(&k));
            let expect = a.gcd(&b).multiply(&k);
            assert_eq!(g.limbs, expect.limbs);
            assert!(!g.negative);
        }
        assert_eq!(Big::from(0).gcd(&Big::from(-12)), Big::from(12));
    }

    #[test]
    fn text_in_every_base_reads_back() {
        let mut dice = Dice(9);
        for base in 2..=36u32 {
            for _ in 0..20 {
                let a = dice.big(6);
                let text = a.to_text(base);
                let mut back = Big::default();
                for c in text.trim_start_matches('-').chars() {
                    let digit = c.to_digit(base).unwrap() as i64;
                    back = back.multiply(&Big::from(base as i64)).add(&Big::from(digit));
                }
                assert_eq!(Big::new(text.starts_with('-'), back.limbs), a);
            }
        }
        assert_eq!(Big::from(-255).to_text(16), "-FF");
        assert_eq!(Big::default().to_text(10), "0");
    }

    #[test]
    fn doubles_round_to_nearest_even() {
        for (value, expect) in [
            ((1i128 << 53) + 1, 9007199254740992.0),
            ((1i128 << 53) + 3, 9007199254740996.0),
            ((1i128 << 90) + 1, 2f64.powi(90)),
            (-(1i128 << 90), -(2f64.powi(90))),
            (i64::MAX as i128, 9223372036854775807i64 as f64),
        ] {
            assert_eq!(narrow(value).to_f64(), expect, "{value}");
        }
        let mut dice = Dice(3);
        for _ in 0..20_000 {
            let a = dice.big(1);
            let b = a.multiply(&dice.big(1));
            if let Some(v) = (b.high_bit() < 127).then(|| wide(&b)) {
                assert_eq!(b.to_f64(), v as f64);
            }
        }
        assert!(Big::from(1).shifted(1024).to_f64().is_infinite());
        assert!(Big::from(1).shifted(1023).to_f64().is_finite());
        assert!(Big::from(1).shifted(1024).subtract(&Big::from(1)).to_f64().is_infinite());
    }

    #[test]
    fn doubles_become_integers_and_compare_exactly() {
        assert_eq!(Big::from_f64(-1e20).unwrap().to_text(10), "-100000000000000000000");
        assert_eq!(Big::from_f64(0.99).unwrap(), Big::default());
        assert_eq!(Big::from_f64(f64::NAN), None);
        assert_eq!(narrow((1i128 << 53) + 1).compare_f64(9007199254740992.0), Ordering::Greater);
        assert_eq!(Big::from(2).compare_f64(2.5), Ordering::Less);
        assert_eq!(Big::from(-2).compare_f64(-2.5), Ordering::Greater);
        assert_eq!(Big::from(7).compare_f64(f64::NEG_INFINITY), Ordering::Greater);
    }

    #[test]
    fn bytes_round_trip() {
        let mut dice = Dice(21);
        for _ in 0..200 {
            let a = dice.big(5);
            let count = a.magnitude_bytes();
            let bytes = a.limbs.iter().flat_map(|l| l.to_le_bytes()).take(count);
            assert_eq!(Big::from_bytes(a.negative, bytes), a);
        }
    }
}
