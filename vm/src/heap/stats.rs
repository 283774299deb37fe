//! What the collector did and how long it stopped the mutator.

/// Classes of a histogram: eight to each power of two.
const CLASSES: usize = 62 * 8;

/// A histogram of times, each class at most an eighth wide, with the greatest and the sum.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    counts: [u64; CLASSES],
    /// The longest, in nanoseconds.
    pub longest_ns: u64,
    /// All together, in nanoseconds.
    pub total_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [0; CLASSES], longest_ns: 0, total_ns: 0 }
    }
}

/// The class of a time: the place of its highest bit, and the three bits below it.
fn class_of(ns: u64) -> usize {
    if ns < 8 {
        return ns as usize;
    }
    let log = ns.ilog2();
    (log as usize - 2) * 8 + (ns >> (log - 3) & 7) as usize
}

/// The longest time of a class; of the last one 2^64 - 1, where the shift leaves nothing.
fn longest_of(class: usize) -> u64 {
    if class < 8 { class as u64 } else { ((9 + class as u64 % 8) << (class / 8 - 1)).wrapping_sub(1) }
}

impl Histogram {
    /// Adds a time.
    pub fn add(&mut self, ns: u64) {
        self.counts[class_of(ns)] += 1;
        self.longest_ns = self.longest_ns.max(ns);
        self.total_ns += ns;
    }

    /// How many times were added.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// An upper bound, in nanoseconds, of the fastest `percent` of all times; at most an eighth above
    /// the greatest of them.
    pub fn percentile_ns(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return longest_of(class).min(self.longest_ns);
            }
        }
        self.longest_ns
    }

    /// The same in microseconds.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        self.percentile_ns(percent).div_ceil(1000)
    }
}

/// Counters of one heap, since it was created or opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Pauses of scavenges, in processor time of the mutator.
    pub scavenge_pauses: Histogram,
    /// Pauses of flips, with the copying of frames and the scavenge.
    pub flip_pauses: Histogram,
    /// Pauses in which a mark finished or tried to.
    pub finish_pauses: Histogram,
    /// Scavenges.
    pub scavenges: u64,
    /// Bytes that scavenges copied into young blocks.
    pub survived_bytes: u64,
    /// Bytes that scavenges moved to old blocks.
    pub tenured_bytes: u64,
    /// Marks that finished.
    pub marks: u64,
    /// Finishes that passed their budget.
    pub finishes_over_budget: u64,
    /// Sweeps that completed.
    pub sweeps: u64,
    /// Bytes that sweeps made free.
    pub swept_bytes: u64,
    /// Weak slots that became nil.
    pub weak_cleared: u64,
    /// Ephemerons that fired.
    pub ephemerons_fired: u64,
    /// Flips.
    pub flips: u64,
    /// Pages that flips found dirty: what had to be written.
    pub flipped_pages: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_times_and_follow_one_another() {
        let mut before = None;
        for ns in (0..5000).chain([1 << 40, (1 << 40) + (1 << 37), u64::MAX / 2, u64::MAX]) {
            let class = class_of(ns);
            assert!(ns <= longest_of(class) && longest_of(class) - ns <= ns / 8, "{ns}");
            assert!(before.is_none_or(|before| before <= class));
            assert!(class == 0 || longest_of(class - 1) < ns);
            before = Some(class);
        }
    }

    #[test]
    fn a_percentile_is_the_time_that_so_many_keep_within() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.add(us * 1000));
        let p99 = histogram.percentile_ns(99);
        assert!((990_000..=990_000 * 9 / 8).contains(&p99), "{p99}");
        assert_eq!(histogram.percentile_ns(100), 1_000_000);
        assert_eq!(Histogram::default().percentile_ns(99), 0);
    }
}
