//! Sizes of pieces of memory: powers of two and the middles between them, from 16 bytes on.

/// How many classes there are: up to 2^40 bytes.
pub const CLASSES: usize = 2 * (40 - 4) + 1;
const LEAST_SHIFT: u32 = 4;
const PAGE_BYTES: usize = 4096;

/// The size of a class's pieces.
pub const fn size_of_class(class: usize) -> usize {
    let power = 1 << (LEAST_SHIFT + class as u32 / 2);
    if class.is_multiple_of(2) { power } else { power + power / 2 }
}

/// The class of pieces of at least `size` bytes aligned to `align`; `None` if there is none.
pub fn class_of(size: usize, align: usize) -> Option<usize> {
    let size = size.max(1 << LEAST_SHIFT).max(align);
    if align > PAGE_BYTES {
        return None;
    }
    let power = size.checked_next_power_of_two()?;
    let class = 2 * (power.trailing_zeros() - LEAST_SHIFT) as usize;
    // A middle is aligned to a third of itself only, unless it is made of whole pages.
    let middle = class.saturating_sub(1);
    let middle_size = size_of_class(middle);
    let fits = size <= middle_size && middle_size.is_multiple_of(align.max(16));
    let class = if fits { middle } else { class };
    (class < CLASSES).then_some(class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class_and_not_the_one_below() {
        for size in (1..10_000).chain([1 << 20, (1 << 20) + 1, 3 << 29, 1 << 39]) {
            let class = class_of(size, 8).unwrap();
            assert!(size_of_class(class) >= size, "{size}");
            // The class of 24 bytes is passed over: pieces are aligned to 16.
            assert!(class <= 2 || size_of_class(class - 1) < size, "{size}: {class}");
        }
    }

    #[test]
    fn alignment_is_kept() {
        for shift in 0..=12 {
            let align = 1 << shift;
            for size in [1, 15, 24, 48, 100, 3000, 5000, 70_000] {
                let of_class = size_of_class(class_of(size, align).unwrap());
                assert!(of_class >= size && of_class.is_multiple_of(align), "{size} aligned to {align}: {of_class}");
            }
        }
        assert_eq!(class_of(8, 8192), None);
        assert_eq!(class_of(usize::MAX, 8), None);
        assert_eq!(class_of(1 << 41, 8), None);
    }
}
