//! A store that forgets, tears, lies and fails on demand.
//!
//! Duty: implement `platform::Store` over a [`WriteCache`], strike with the armed faults, and
//! record every operation.
//!
//! Invariants
//! - I1 Reads see every write that the store accepted (the kernel's cache), whatever the medium
//!   will make of it; after [`SimStore::cut`] they see the medium.
//! - I2 A fault strikes at the operation it names, or the first later one that it fits.
//! - I3 A failed call changes nothing, but for a failed flush, which settles the pending writes.
//!
//! Knows: `platform`. Must not know: file formats.
//! It locks in `read_at`, which a real store must not; here no fault handler calls it.

use crate::{Calls, Change, Fault, Medium, Pending, Recording, Step, Survivors, WriteCache};
use platform::{Store, StoreError, StoreErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A simulated store. Clones share one state, as two descriptors of one file do.
#[derive(Clone)]
pub struct SimStore {
    state: Arc<Mutex<State>>,
}

struct State {
    /// What reads see.
    seen: Medium,
    cache: WriteCache,
    faults: Vec<(Fault, u32)>,
    operations: usize,
    start: Medium,
    steps: Option<Vec<Step>>,
    gone: bool,
    read_only: bool,
}

impl SimStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::on(Medium::new(0))
    }

    /// A store on this medium, with an empty cache and no faults.
    pub fn on(medium: Medium) -> Self {
        let state = State {
            seen: medium.clone(),
            cache: WriteCache::new(medium.clone()),
            faults: Vec::new(),
            operations: 0,
            start: medium,
            steps: None,
            gone: false,
            read_only: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Records every operation from now on.
    pub fn record(&self) {
        let mut state = self.state();
        state.start = state.cache.durable.clone();
        let pending: Vec<Step> = state
            .cache
            .pending
            .iter()
            .cloned()
            .map(Step::Changed)
            .collect();
        state.steps = Some(pending);
    }

    /// What was recorded; `None` if nothing was asked to be.
    pub fn recording(&self) -> Option<Recording> {
        let state = self.state();
        Some(Recording {
            start: state.start.clone(),
            steps: state.steps.clone()?,
        })
    }

    /// Puts a remark into the recording.
    pub fn note(&self, note: u64) {
        if let Some(steps) = &mut self.state().steps {
            steps.push(Step::Note(note));
        }
    }

    /// Arms a fault beside those that are armed.
    pub fn arm(&self, fault: Fault) {
        self.state().faults.push((fault, 0));
    }

    /// Takes all faults away.
    pub fn disarm(&self) {
        self.state().faults.clear();
    }

    /// How often each armed fault struck, in the order of arming.
    pub fn strikes(&self) -> Vec<u32> {
        self.state()
            .faults
            .iter()
            .map(|(_, struck)| *struck)
            .collect()
    }

    /// Lets no more writing through, as a descriptor opened for reading.
    pub fn set_read_only(&self, read_only: bool) {
        self.state().read_only = read_only;
    }

    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    /// How many changes no flush covers.
    pub fn pending(&self) -> usize {
        self.state().cache.pending.len()
    }

    /// Cuts the power: the medium that remains if these changes survive. Every later call on this
    /// store answers `Gone`; a new one starts from the medium.
    pub fn cut(&self, survivors: &Survivors) -> Medium {
        let mut state = self.state();
        state.gone = true;
        state.cache.after_cut(survivors)
    }

    /// The contents as reads see them: what a killed process, but no power cut, leaves behind.
    pub fn contents(&self) -> Medium {
        self.state().seen.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for SimStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for SimStore {
    fn len(&self) -> Result<u64, StoreError> {
        let state = self.state();
        state.present()?;
        Ok(state.seen.len())
    }

    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        state.begin()?;
        if bytes > state.seen.len() {
            state.room_for(bytes, 0)?;
            state.accept(Change::Grow(bytes));
        }
        Ok(())
    }

    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        state.begin()?;
        if bytes < state.seen.len() {
            state.accept(Change::Truncate(bytes));
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let mut state = self.state();
        state.present()?;
        state.rot();
        state.within(offset, into.len())?;
        state.io_error(false, offset, into.len())?;
        state.seen.read(offset, into);
        Ok(())
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        let mut state = self.state();
        state.begin()?;
        state.within(offset, from.len())?;
        state.io_error(true, offset, from.len())?;
        let holes = state.seen.holes_in(offset, from.len());
        state.room_for(0, holes)?;
        state.accept(Change::Write {
            offset,
            bytes: from.into(),
        });
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut state = self.state();
        state.begin()?;
        state.flush()
    }

    fn discard(&self, offset: u64, bytes: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        state.begin()?;
        state.within(offset, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        state.accept(Change::Discard { offset, bytes });
        Ok(())
    }
}

impl State {
    fn present(&self) -> Result<(), StoreError> {
        if self.gone {
            Err(error(StoreErrorKind::Gone, "the store is gone".into()))
        } else {
            Ok(())
        }
    }

    /// Starts operation number `self.operations`: strikes with what happens before it.
    fn begin(&mut self) -> Result<(), StoreError> {
        self.present()?;
        if self.read_only {
            return Err(error(
                StoreErrorKind::ReadOnly,
                "the store may only be read".into(),
            ));
        }
        let now = self.operations;
        self.rot();
        if self
            .strike(|fault, _| matches!(fault, Fault::PowerCut { operation } if *operation <= now))
            .is_some()
        {
            self.gone = true;
        }
        self.present()?;
        self.operations += 1;
        Ok(())
    }

    /// Lets rot and scissors do their work behind the cache's back, once each.
    fn rot(&mut self) {
        let now = self.operations;
        let due = |fault: &Fault, struck: u32| {
            struck == 0
                && matches!(fault, Fault::Rot { operation, .. } | Fault::Shortened { operation, .. } if *operation <= now)
        };
        while let Some(fault) = self.strike(due) {
            let change = |medium: &mut Medium| match &fault {
                Fault::Rot { offset, mask, .. } if *offset < medium.len() => {
                    medium.flip_bits(*offset, *mask)
                }
                Fault::Shortened { bytes, .. } => medium.set_len(medium.len().min(*bytes)),
                _ => {}
            };
            change(&mut self.seen);
            change(&mut self.cache.durable);
            if let Some(steps) = &mut self.steps
                && let Fault::Shortened { bytes, .. } = &fault
            {
                let change = Some(Change::Truncate(*bytes));
                steps.push(Step::Changed(Pending {
                    operation: now,
                    change,
                }));
            }
        }
    }

    /// The first armed fault that fits, after counting its strike.
    fn strike(&mut self, fits: impl Fn(&Fault, u32) -> bool) -> Option<Fault> {
        let (fault, struck) = self
            .faults
            .iter_mut()
            .find(|(fault, struck)| fits(fault, *struck))?;
        *struck += 1;
        Some(fault.clone())
    }

    fn within(&self, offset: u64, bytes: usize) -> Result<(), StoreError> {
        match offset.checked_add(bytes as u64) {
            Some(end) if end <= self.seen.len() => Ok(()),
            _ => Err(error(
                StoreErrorKind::OutOfRange,
                format!(
                    "range {offset}+{bytes} lies behind the end {}",
                    self.seen.len()
                ),
            )),
        }
    }

    fn io_error(&mut self, writing: bool, offset: u64, bytes: usize) -> Result<(), StoreError> {
        let now = self.operations;
        let end = offset + bytes as u64;
        let struck = self.strike(|fault, struck| match fault {
            Fault::Io {
                operation,
                calls,
                range,
                times,
            } => {
                let fits = match calls {
                    Calls::Reads => !writing,
                    Calls::Writes => writing,
                    Calls::Both => true,
                };
                fits && *operation < now.max(1)
                    && range.start < end
                    && offset < range.end
                    && times.more(struck)
            }
            _ => false,
        });
        match struck {
            Some(_) => Err(error(
                StoreErrorKind::Io,
                format!("i/o error at {offset}+{bytes}"),
            )),
            None => Ok(()),
        }
    }

    fn room_for(&mut self, length: u64, holes: u64) -> Result<(), StoreError> {
        let needed = self.seen.allocated_bytes() + holes * crate::BLOCK_BYTES as u64;
        let full = self.strike(|fault, _| match fault {
            Fault::Full { bytes } => length > *bytes || (holes > 0 && needed > *bytes),
            _ => false,
        });
        match full {
            Some(Fault::Full { bytes }) => Err(error(
                StoreErrorKind::Full,
                format!("no space left on a medium of {bytes} bytes"),
            )),
            _ => Ok(()),
        }
    }

    /// Takes a change into the cache, as the armed faults let the medium have it.
    fn accept(&mut self, change: Change) {
        let operation = self.operations - 1;
        change.apply(&mut self.seen, |_| true);
        let due = |fault: &Fault, struck: u32| {
            struck == 0
                && matches!(fault, Fault::Lost { operation: at } | Fault::Misdirected { operation: at, .. } if *at <= operation)
        };
        let change = match (change, self.faults.is_empty()) {
            (Change::Write { offset, bytes }, false) => match self.strike(due) {
                Some(Fault::Lost { .. }) => None,
                Some(Fault::Misdirected { to, .. }) => Some(Change::Write { offset: to, bytes }),
                _ => Some(Change::Write { offset, bytes }),
            },
            (change, _) => Some(change),
        };
        let pending = Pending { operation, change };
        if let Some(steps) = &mut self.steps {
            steps.push(Step::Changed(pending.clone()));
        }
        self.cache.pending.push(pending);
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let operation = self.operations - 1;
        let struck = self.strike(|fault, struck| match fault {
            Fault::FlushFails {
                operation: at,
                times,
                ..
            }
            | Fault::FlushLies {
                operation: at,
                times,
            } => *at <= operation && times.more(struck),
            _ => false,
        });
        let step = match struck {
            Some(Fault::FlushFails { kept, .. }) => {
                self.cache.fail(&kept);
                return Err(error(StoreErrorKind::Io, "flush failed".into()));
            }
            Some(_) => Step::Lied { operation },
            None => {
                self.cache.flush();
                Step::Flushed { operation }
            }
        };
        if let Some(steps) = &mut self.steps {
            steps.push(step);
        }
        Ok(())
    }
}

fn error(kind: StoreErrorKind, message: String) -> StoreError {
    StoreError { kind, message }
}

#[cfg(test)]
mod tests;
