//! Which unflushed writes survive a power cut.
//!
//! Duty: name any subset of the pending writes, down to single sectors, by a small value that can
//! be printed, counted and tried again.
//!
//! Knows: counts. Must not know: what the writes hold.

use crate::Random;

/// A choice among the writes that no flush covers, by their place in the list of pending ones.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Survivors {
    /// Nothing reached the medium.
    Nothing,
    /// Everything did.
    Everything,
    /// The first so many writes did.
    First(usize),
    /// Only the nth write did.
    Only(usize),
    /// All but the nth write did.
    AllBut(usize),
    /// The writes whose bit is set did; those past the 64th did not.
    Mask(u64),
    /// Each write did with this chance, decided by the seed.
    Random {
        /// Decides.
        seed: u64,
        /// The chance of each write, of a hundred.
        percent: u8,
    },
    /// The nth write was torn: of its sectors those whose bit is set (modulo 64) reached the
    /// medium; the other writes survive as `others` says.
    Torn {
        /// What survives of the rest.
        others: Box<Survivors>,
        /// The torn write.
        nth: usize,
        /// Its surviving sectors.
        sectors: u64,
    },
    /// Every sector of every write decides for itself.
    Shredded {
        /// Decides.
        seed: u64,
    },
}

impl Survivors {
    /// Whether sector `sector` of the `nth` pending write reaches the medium.
    pub fn keep(&self, nth: usize, sector: usize) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::First(count) => nth < *count,
            Self::Only(one) => nth == *one,
            Self::AllBut(one) => nth != *one,
            Self::Mask(mask) => nth < 64 && mask >> nth & 1 == 1,
            Self::Random { seed, percent } => hash(*seed, nth, 0) % 100 < u64::from(*percent),
            Self::Torn {
                others,
                nth: torn,
                sectors,
            } => {
                if nth == *torn {
                    sectors >> (sector % 64) & 1 == 1
                } else {
                    others.keep(nth, sector)
                }
            }
            Self::Shredded { seed } => hash(*seed, nth, sector).is_multiple_of(2),
        }
    }

    /// Every choice for `count` pending writes when there are few, else a fair sample: nothing,
    /// everything, every prefix, each write alone, each write missing, random subsets, torn ones.
    /// At most about `most` of them; no two alike.
    pub fn choices(count: usize, most: usize, seed: u64) -> Vec<Survivors> {
        let mut random = Random::new(seed);
        let mut choices = vec![Self::Nothing];
        if count == 0 {
            return choices;
        }
        if count < 16 && 1 << count <= most {
            choices = (0..1 << count).map(Self::Mask).collect();
        } else {
            choices.push(Self::Everything);
            for nth in sample(count, most / 6, &mut random) {
                choices.push(Self::Only(nth));
                choices.push(Self::AllBut(nth));
                choices.push(Self::First(nth + 1));
            }
            for _ in 0..most / 6 {
                let percent = [10, 30, 50, 70, 90][random.below(5)];
                choices.push(Self::Random {
                    seed: random.bits(),
                    percent,
                });
            }
        }
        for _ in 0..(most / 6).clamp(2, 8) {
            let nth = random.below(count);
            let others = if random.chance(50) {
                Self::Everything
            } else {
                Self::First(nth)
            };
            let sectors = [0x01, 0x7f, 0x80, 0xfe, 0x0f, random.bits()][random.below(6)];
            choices.push(Self::Torn {
                others: Box::new(others),
                nth,
                sectors,
            });
            choices.push(Self::Shredded {
                seed: random.bits(),
            });
        }
        choices.dedup();
        choices
    }
}

/// At most `most` numbers below `count`, spread evenly, the first and the last among them.
fn sample(count: usize, most: usize, random: &mut Random) -> Vec<usize> {
    if count <= most.max(2) {
        return (0..count).collect();
    }
    let mut numbers: Vec<usize> = (0..most).map(|_| random.below(count)).collect();
    numbers.extend([0, count - 1]);
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

fn hash(seed: u64, nth: usize, sector: usize) -> u64 {
    Random::mix(seed ^ Random::mix((nth as u64) << 20 | sector as u64) ^ 0x5851_f42d_4c95_7f2d)
}

#[cfg(test)]
mod tests {
    use super::Survivors;
    use std::collections::HashSet;

    #[test]
    fn few_writes_give_every_subset() {
        let whole: HashSet<Vec<bool>> = Survivors::choices(4, 64, 1)
            .iter()
            .map(|choice| {
                (0..4)
                    .map(|nth| (0..8).all(|sector| choice.keep(nth, sector)))
                    .collect()
            })
            .collect();
        assert_eq!(whole.len(), 16);
    }

    #[test]
    fn many_writes_give_a_sample_without_repeats() {
        let choices = Survivors::choices(200, 60, 3);
        let distinct: HashSet<_> = choices.iter().collect();
        assert_eq!(distinct.len(), choices.len());
        assert!(choices.contains(&Survivors::Nothing) && choices.contains(&Survivors::Everything));
        assert!(
            choices
                .iter()
                .any(|choice| matches!(choice, Survivors::Torn { .. }))
        );
        assert!(choices.len() <= 80, "{} choices", choices.len());
    }
}
