//! What the collector did and how long it stopped the mutator.

/// A histogram of times by powers of two, with the greatest and the sum.
#[derive(Clone, Copy, Debug)]
pub struct Histogram {
    /// `counts[n]`: times of less than 2^n microseconds (and not less than half of it).
    pub counts: [u64; 32],
    /// The longest, in nanoseconds.
    pub longest_ns: u64,
    /// All together, in nanoseconds.
    pub total_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: [0; 32], longest_ns: 0, total_ns: 0 }
    }
}

impl Histogram {
    /// Adds a time.
    pub fn add(&mut self, ns: u64) {
        let us = ns / 1000;
        let class = (64 - us.leading_zeros() as usize).min(31);
        self.counts[class] += 1;
        self.longest_ns = self.longest_ns.max(ns);
        self.total_ns += ns;
    }

    /// How many times were added.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// An upper bound, in microseconds, of the fastest `percent` of all times.
    pub fn percentile_us(&self, percent: u64) -> u64 {
        let wanted = (self.count() * percent).div_ceil(100);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return (1 << class).min(self.longest_ns.div_ceil(1000));
            }
        }
        self.longest_ns.div_ceil(1000)
    }
}

/// Counters of one heap, since it was created or opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct Statistics {
    /// Pauses of scavenges, in processor time of the mutator.
    pub scavenge_pauses: Histogram,
    /// Pauses of flips, scavenge included.
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
}
