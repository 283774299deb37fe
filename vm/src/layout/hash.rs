//! Hashes that the world's Smalltalk and the machine compute alike.
//!
//! - A string or symbol hashes by its code points ([`string_hash`]): `stringHash`, `String>>hash`,
//!   the symbol table, every dictionary whose keys are symbols.
//! - The symbol table is a WeakArray, its size a power of two, at most half full when it is built.
//!   A search begins at `hash & (size - 1)` and goes on by one, around the end, to the symbol or nil.
//!   A symbol that died leaves nil, and what it displaced would be missed: whoever clears weak slots
//!   has the table put in order again before the next search.
//! - A MethodDictionary is searched alike, by the identity hash of the selector.

/// FNV-1a over code points, 32 bits.
pub fn string_hash(points: impl IntoIterator<Item = u32>) -> u32 {
    points
        .into_iter()
        .fold(0x811c_9dc5, |hash: u32, point| (hash ^ point).wrapping_mul(0x0100_0193))
}

/// Slots of a hashed table of `tally` entries in open addressing: the least power of two, from 4 on,
/// that leaves a quarter empty.
pub const fn table_capacity(tally: usize) -> usize {
    let capacity = (tally + tally / 3 + 1).next_power_of_two();
    if capacity < 4 { 4 } else { capacity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hash_by_code_points() {
        let hash = |text: &str| string_hash(text.chars().map(u32::from));
        assert_eq!(hash(""), 2_166_136_261);
        assert_eq!(hash("a"), 0xe40c_292c);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
    }

    #[test]
    fn tables_keep_a_quarter_empty() {
        for tally in 0..5000 {
            let capacity = table_capacity(tally);
            assert!(
                capacity.is_power_of_two() && tally * 4 <= capacity * 3,
                "{tally} of {capacity}"
            );
            assert!(capacity == 4 || tally * 8 > capacity * 3 - 8, "{tally} of {capacity}");
        }
    }
}
