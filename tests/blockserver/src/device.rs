//! The device: a simulated store that can be exchanged under the doors that serve it.

use platform::{Store, StoreError};
use platform_sim::{Fault, Medium, SimStore, Survivors};
use std::sync::{Arc, PoisonError, RwLock};

/// A disk whose power can be cut and given back.
#[derive(Clone)]
pub struct Device {
    store: Arc<RwLock<SimStore>>,
}

impl Device {
    /// A device that holds this medium.
    pub fn new(medium: Medium) -> Device {
        Device { store: Arc::new(RwLock::new(SimStore::on(medium))) }
    }

    /// The store of the present session.
    pub fn store(&self) -> SimStore {
        self.store.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After so many more operations the power fails: everything later answers an error.
    pub fn fail_after(&self, operations: usize) {
        let store = self.store();
        store.arm(Fault::PowerCut { operation: store.operations() + operations });
    }

    /// Whether the power failed since it was last given back.
    pub fn has_failed(&self) -> bool {
        self.store().len().is_err()
    }

    /// Puts another medium in.
    pub fn put(&self, medium: Medium) {
        *self.store.write().unwrap_or_else(PoisonError::into_inner) = SimStore::on(medium);
    }

    /// Cuts the power (if it did not fail yet), keeps the survivors of what was pending, and starts
    /// a new session on what is left.
    pub fn cut(&self, survivors: &Survivors) -> Medium {
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let medium = store.cut(survivors);
        *store = SimStore::on(medium.clone());
        medium
    }

    /// Writes within the length, growing as a file does.
    pub fn write_growing(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let store = self.store();
        store.grow(offset.saturating_add(bytes.len() as u64))?;
        store.write_at(offset, bytes)
    }

    /// What is there from `offset` on, at most `bytes`.
    pub fn read_some(&self, offset: u64, bytes: usize) -> Result<Vec<u8>, StoreError> {
        let store = self.store();
        let left = store.len()?.saturating_sub(offset);
        let mut read = vec![0; (bytes as u64).min(left) as usize];
        store.read_at(offset.min(store.len()?), &mut read)?;
        Ok(read)
    }
}
