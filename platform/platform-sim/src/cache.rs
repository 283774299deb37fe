//! The write cache: what is on the medium for certain, and what only may be.
//!
//! Duty: hold writes between the call that made them and the flush that covers them.
//!
//! Invariants
//! - I1 After [`WriteCache::flush`] the durable medium holds every pending change, in order.
//! - I2 After [`WriteCache::fail`] nothing is pending: what did not reach the medium then never
//!   will, however often one flushes (the kernel marks the pages clean).
//! - I3 A change that survives a cut applies in the order in which it was made.
//!
//! Knows: media. Must not know: which fault is armed.

use crate::{Medium, SECTOR_BYTES, Survivors};
use std::sync::Arc;

/// One change of a store.
#[derive(Clone, Debug)]
pub enum Change {
    /// Bytes written.
    Write {
        /// Where.
        offset: u64,
        /// What.
        bytes: Arc<[u8]>,
    },
    /// The store was made at least so long.
    Grow(u64),
    /// The store was made at most so long.
    Truncate(u64),
    /// A range is no longer needed.
    Discard {
        /// Where.
        offset: u64,
        /// How much.
        bytes: u64,
    },
}

/// A change that no flush covers yet.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The number of the operation that made it.
    pub operation: usize,
    /// What the medium will do, which after a misdirected write is not what was asked for;
    /// `None` when the medium has lost it without a word.
    pub change: Option<Change>,
}

/// A medium behind a write cache.
#[derive(Clone)]
pub struct WriteCache {
    /// What is there after a power cut that keeps no pending change.
    pub durable: Medium,
    /// Changes that may be there, oldest first.
    pub pending: Vec<Pending>,
}

impl WriteCache {
    /// A cache that holds nothing.
    pub fn new(durable: Medium) -> Self {
        Self {
            durable,
            pending: Vec::new(),
        }
    }

    /// Makes every pending change durable.
    pub fn flush(&mut self) {
        self.fail(&Survivors::Everything);
    }

    /// Makes the survivors durable and forgets the rest.
    pub fn fail(&mut self, survivors: &Survivors) {
        self.durable = self.after_cut(survivors);
        self.pending.clear();
    }

    /// The medium after a power cut that these changes survive.
    pub fn after_cut(&self, survivors: &Survivors) -> Medium {
        let mut medium = self.durable.clone();
        for (nth, pending) in self.pending.iter().enumerate() {
            if let Some(change) = &pending.change {
                change.apply(&mut medium, |sector| survivors.keep(nth, sector));
            }
        }
        medium
    }

    /// How many sectors the `nth` pending change has; 1 for what is no write.
    pub fn sectors(&self, nth: usize) -> usize {
        match self
            .pending
            .get(nth)
            .and_then(|pending| pending.change.as_ref())
        {
            Some(Change::Write { bytes, .. }) => bytes.len().div_ceil(SECTOR_BYTES).max(1),
            _ => 1,
        }
    }
}

impl Change {
    /// Applies the sectors that `keep` says; sectors are counted from the one the write begins in.
    pub fn apply(&self, medium: &mut Medium, keep: impl Fn(usize) -> bool) {
        match self {
            Self::Write { offset, bytes } => apply_sectors(medium, *offset, bytes, keep),
            Self::Grow(length) if keep(0) => medium.set_len(medium.len().max(*length)),
            Self::Truncate(length) if keep(0) => medium.set_len(medium.len().min(*length)),
            Self::Discard { offset, bytes } if keep(0) => medium.zero(*offset, *bytes),
            _ => {}
        }
    }
}

fn apply_sectors(medium: &mut Medium, offset: u64, bytes: &[u8], keep: impl Fn(usize) -> bool) {
    let skew = (offset % SECTOR_BYTES as u64) as usize;
    let sectors = (skew + bytes.len()).div_ceil(SECTOR_BYTES);
    let edge = |sector: usize| {
        (sector * SECTOR_BYTES)
            .saturating_sub(skew)
            .min(bytes.len())
    };
    let mut sector = 0;
    while sector < sectors {
        let first = sector;
        while sector < sectors && keep(sector) {
            sector += 1;
        }
        if first < sector {
            medium.write(
                offset + edge(first) as u64,
                &bytes[edge(first)..edge(sector)],
            );
        }
        sector += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, Pending, WriteCache};
    use crate::{Medium, Survivors};

    fn cache(writes: &[(u64, u8, usize)]) -> WriteCache {
        let mut cache = WriteCache::new(Medium::new(16384));
        for (operation, (offset, byte, bytes)) in writes.iter().enumerate() {
            let change = Change::Write {
                offset: *offset,
                bytes: vec![*byte; *bytes].into(),
            };
            cache.pending.push(Pending {
                operation,
                change: Some(change),
            });
        }
        cache
    }

    fn byte(medium: &Medium, at: u64) -> u8 {
        let mut byte = [0];
        medium.read(at, &mut byte);
        byte[0]
    }

    #[test]
    fn a_torn_write_keeps_whole_sectors() {
        let torn = Survivors::Torn {
            others: Survivors::Nothing.into(),
            nth: 0,
            sectors: 0b101,
        };
        let medium = cache(&[(256, 9, 1024)]).after_cut(&torn);
        let kept: Vec<u8> = [255, 256, 511, 512, 1023, 1024, 1279, 1280]
            .map(|at| byte(&medium, at))
            .to_vec();
        assert_eq!(kept, [0, 9, 9, 0, 0, 9, 9, 0]);
    }

    #[test]
    fn a_later_write_may_be_lost_where_an_earlier_one_survived() {
        let cache = cache(&[(0, 1, 512), (0, 2, 512)]);
        assert_eq!(byte(&cache.after_cut(&Survivors::Only(0)), 0), 1);
        assert_eq!(byte(&cache.after_cut(&Survivors::Everything), 0), 2);
    }

    #[test]
    fn a_failed_flush_leaves_nothing_to_flush_again() {
        let mut cache = cache(&[(0, 1, 512), (4096, 2, 512)]);
        cache.fail(&Survivors::Only(1));
        cache.flush();
        assert_eq!(
            (byte(&cache.durable, 0), byte(&cache.durable, 4096)),
            (0, 2)
        );
    }
}
