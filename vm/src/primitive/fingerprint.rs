//! The fingerprint SHA-256 of bytes. Its constants are computed, not copied.
//!
//! The meaning is the Smalltalk body of the method that asks (`SHA256>>digest:`); a test compares.
//!
//! Follows: FIPS 180-4. Knows: bytes. Must not know: what they mean.

use super::{Entries, Outcome, RANGE, WRONG, made};
use crate::interpret::Vm;
use crate::layout::KnownClass;
use alloc::vec::Vec;

pub(super) const ENTRIES: Entries = &[("byteArraySha256", sha256)];

/// More bytes than this would hold up the other processes.
const MOST_BYTES: usize = 16 << 20;

fn sha256(vm: &mut Vm, _: usize) -> Outcome {
    let bytes = vm.heap.resolve(vm.top(0));
    if !bytes.is_reference() || !vm.header(bytes).is_bytes() {
        return WRONG;
    }
    if vm.heap.byte_size(bytes) > MOST_BYTES {
        return RANGE;
    }
    let digest = digest(&vm.heap.bytes_of(bytes));
    made(vm.new_bytes(KnownClass::ByteArray, &digest), digest.len() + 64)
}

/// The first 64 primes.
const PRIMES: [u32; 64] = {
    let mut primes = [0; 64];
    let (mut count, mut candidate) = (0, 2);
    while count < 64 {
        let mut divisor = 2;
        while divisor * divisor <= candidate && candidate % divisor != 0 {
            divisor += 1;
        }
        if divisor * divisor > candidate {
            primes[count] = candidate;
            count += 1;
        }
        candidate += 1;
    }
    primes
};

/// The first 32 bits of the fraction of a prime's root of some degree.
const fn root_fraction(prime: u32, degree: u32) -> u32 {
    let scaled = (prime as u128) << (32 * degree);
    let (mut low, mut high) = (0_u128, 1_u128 << 40);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if middle.pow(degree) <= scaled {
            low = middle;
        } else {
            high = middle;
        }
    }
    low as u32
}

const ROUNDS: [u32; 64] = {
    let mut words = [0; 64];
    let mut n = 0;
    while n < 64 {
        words[n] = root_fraction(PRIMES[n], 3);
        n += 1;
    }
    words
};

const START: [u32; 8] = {
    let mut words = [0; 8];
    let mut n = 0;
    while n < 8 {
        words[n] = root_fraction(PRIMES[n], 2);
        n += 1;
    }
    words
};

fn mix(state: &mut [u32; 8], block: &[u8]) {
    let mut words = [0_u32; 64];
    for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte));
    }
    for n in 16..64 {
        let (near, far) = (words[n - 2], words[n - 15]);
        let small0 = far.rotate_right(7) ^ far.rotate_right(18) ^ far >> 3;
        let small1 = near.rotate_right(17) ^ near.rotate_right(19) ^ near >> 10;
        words[n] = words[n - 16].wrapping_add(small0).wrapping_add(words[n - 7]).wrapping_add(small1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (word, round) in words.iter().zip(ROUNDS) {
        let big1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first = h.wrapping_add(big1).wrapping_add(e & f ^ !e & g).wrapping_add(round).wrapping_add(*word);
        let big0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = big0.wrapping_add(a & b ^ a & c ^ b & c);
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(second));
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(more);
    }
}

/// The fingerprint of some bytes.
fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut state = START;
    let blocks = bytes.chunks_exact(64);
    let mut rest: Vec<u8> = blocks.remainder().to_vec();
    blocks.for_each(|block| mix(&mut state, block));
    rest.push(0x80);
    while rest.len() % 64 != 56 {
        rest.push(0);
    }
    rest.extend_from_slice(&(bytes.len() as u64 * 8).to_be_bytes());
    rest.chunks_exact(64).for_each(|block| mix(&mut state, block));
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;
    use std::string::String;

    fn check(text: &str, expect: &str) {
        let hex: String = digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expect, "for {text:?}");
    }

    #[test]
    fn known_fingerprints_come_out() {
        check("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        );
        check(&"a".repeat(1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
}
