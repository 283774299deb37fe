//! The building of a world, from an admitted archive to the heap that is kept.

use alloc::string::String;

use super::canonical::{CopyError, Hashes, copy_world};
use super::load::{LoadError, load};
use super::lookup::rehash_sends;
use super::verify::Verified;
use crate::heap::{Heap, HeapError};
use crate::layout::Word;

/// What runs the world's own code while it is built: an interpreter without grants and with a
/// clock that stands still, so that every building does the same.
pub trait Machine {
    /// Sends the selectors to the receivers, in order, and gives the heap back; no process is left
    /// then and eden is empty. One line says what went wrong.
    fn send_all(&mut self, heap: Heap, sends: &[(Word, Word)]) -> Result<Heap, String>;
}

/// No machine: for archives without initialisers.
impl Machine for () {
    fn send_all(&mut self, heap: Heap, sends: &[(Word, Word)]) -> Result<Heap, String> {
        if sends.is_empty() { Ok(heap) } else { Err("nothing can run the initialisers".into()) }
    }
}

/// Why a world could not be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildError {
    /// A heap could not be made.
    Heap(HeapError),
    /// The archive could not be loaded.
    Load(LoadError),
    /// The canonical pass failed.
    Copy(CopyError),
    /// An initialiser failed.
    Initializer(String),
}

impl core::fmt::Display for BuildError {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BuildError::Heap(error) => write!(out, "{error:?}"),
            BuildError::Load(error) => write!(out, "{error}"),
            BuildError::Copy(error) => write!(out, "{error}"),
            BuildError::Initializer(message) => write!(out, "{message}"),
        }
    }
}

/// The steps of a building, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The archive's objects stand in a heap.
    Loaded,
    /// Class initialisers have run.
    Initialized,
    /// The objects stand in canonical order, with new hashes.
    Renumbered,
    /// Hashed collections are in order by the new hashes.
    Rehashed,
    /// The objects stand in the target.
    Copied,
}

/// Builds the world of an archive into `target`, an empty heap. `scratch` makes an empty heap at any
/// address; `machine` runs the initialisers, and later what puts hashed collections in order; `told`
/// hears of each step when it is done.
pub fn build_world(
    archive: &Verified,
    target: &mut Heap,
    scratch: &mut dyn FnMut() -> Result<Heap, HeapError>,
    machine: &mut dyn Machine,
    mut told: Option<&mut dyn FnMut(Phase)>,
) -> Result<(), BuildError> {
    let mut tell = |phase| {
        if let Some(told) = told.as_mut() {
            told(phase);
        }
    };
    let mut first = scratch().map_err(BuildError::Heap)?;
    let loaded = load(archive, &mut first).map_err(BuildError::Load)?;
    tell(Phase::Loaded);
    let first = machine.send_all(first, &loaded.initializers).map_err(BuildError::Initializer)?;
    tell(Phase::Initialized);
    let mut second = scratch().map_err(BuildError::Heap)?;
    copy_world(&first, &mut second, Hashes::Renumber).map_err(BuildError::Copy)?;
    drop(first);
    tell(Phase::Renumbered);
    if !loaded.initializers.is_empty() {
        let sends = rehash_sends(&second);
        second = machine.send_all(second, &sends).map_err(BuildError::Initializer)?;
    }
    tell(Phase::Rehashed);
    copy_world(&second, target, Hashes::Keep).map_err(BuildError::Copy)?;
    tell(Phase::Copied);
    Ok(())
}
