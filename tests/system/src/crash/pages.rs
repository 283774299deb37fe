//! Pages made of one number each, so that a comparison with the outside model is exact.

use image::{BLOCK_BYTES, BlockBytes, FrozenPages, PageIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Pages by index; a page that is not there, or 0, reads as zero.
pub type Pages = BTreeMap<u64, u64>;

const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const BACK: u64 = 0xf1de_83e1_9937_733d;

/// The bytes of the page that stands for a number.
pub fn page_of(number: u64) -> BlockBytes {
    let mut bytes = [0; BLOCK_BYTES];
    if number != 0 {
        for (nth, word) in bytes.chunks_exact_mut(8).enumerate() {
            word.copy_from_slice(&(number.wrapping_mul(SPREAD) ^ nth as u64).to_le_bytes());
        }
    }
    bytes
}

/// The number that a page stands for; `None` if it is no page of ours.
pub fn number_of(bytes: &BlockBytes) -> Option<u64> {
    let mut first = [0; 8];
    first.copy_from_slice(&bytes[..8]);
    let number = u64::from_le_bytes(first).wrapping_mul(BACK);
    (page_of(number) == *bytes).then_some(number)
}

/// The pages of a flip, as numbers.
pub struct Frozen {
    pages: Vec<PageIndex>,
    numbers: Vec<u64>,
}

impl Frozen {
    /// These pages.
    pub fn of(dirty: &Pages) -> Arc<Frozen> {
        let pages = dirty.keys().map(|page| PageIndex(*page)).collect();
        Arc::new(Frozen { pages, numbers: dirty.values().copied().collect() })
    }
}

impl FrozenPages for Frozen {
    fn pages(&self) -> &[PageIndex] {
        &self.pages
    }

    fn read(&self, nth: usize, into: &mut BlockBytes) {
        *into = page_of(self.numbers[nth]);
    }
}

#[cfg(test)]
mod tests {
    use super::{number_of, page_of};

    #[test]
    fn a_page_and_its_number_give_each_other() {
        for number in [0, 1, 2, 77, u64::MAX, 1 << 40] {
            assert_eq!(number_of(&page_of(number)), Some(number));
        }
        let mut torn = page_of(5);
        torn[2048..].copy_from_slice(&page_of(6)[2048..]);
        assert_eq!(number_of(&torn), None);
    }
}
