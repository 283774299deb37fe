//! Making a world: from the archive that is built into the program to a heap, and to a file.

use super::errors::failure;
use super::opened::{heap_failure, memory_cap};
use crate::cli::{Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::{Access, FileStore};
use crate::memory::HostedMemory;
use image::{Budget, CreateOptions, Keep, OpenOptions, Progress, World};
use keeper::snapshot_of;
use platform::{Clock, Entropy, Store};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vm::archive::{Claimed, build_world};
use vm::heap::{Heap, HeapConfig, HeapError};
use vm::interpret::Initializers;

fn config(base: usize) -> HeapConfig {
    HeapConfig { base, limit_bytes: memory_cap(), ..HeapConfig::default() }
}

/// The heap of a new world, at the address where worlds stand.
pub fn scratch() -> Result<Heap, Failure> {
    let broken = |what: String| Failure::new(Exit::Io, format!("this program's first world is broken: {what}"));
    let bytes = first_world::archive().map_err(broken)?;
    let archive = Claimed(&bytes).verify().map_err(|damage| broken(damage.to_string()))?;
    let memory = HostedMemory::default();
    let nowhere = Path::new("the new world");
    let mut target = Heap::create(&memory, config(HeapConfig::default().base))
        .map_err(|error| heap_failure(nowhere, error))?;
    let mut elsewhere = || -> Result<Heap, HeapError> { Heap::create(&memory, config(0)) };
    build_world(&archive, &mut target, &mut elsewhere, &mut Initializers, None)
        .map_err(|error| broken(error.to_string()))?;
    Ok(target)
}

/// Makes a new world in a new file. It gets its name when it is whole: whoever is killed before leaves
/// a temporary file that nobody takes for a world.
pub fn make(path: &Path) -> Result<(), Failure> {
    if std::fs::symlink_metadata(path).is_ok() {
        return Err(taken(path));
    }
    let temporary = temporary_beside(path);
    // Messages are about the file that was asked for.
    let told = |message: String| message.replace(&*temporary.to_string_lossy(), &path.to_string_lossy());
    let store = FileStore::open(&temporary, Access::Create)
        .map_err(|error| Failure::new(Exit::Io, told(error.message)))?;
    let made = scratch().and_then(|heap| write(&temporary, store, heap)).and_then(|()| give_name(&temporary, path));
    if made.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    made.and_then(|()| keep_name(path)).map_err(|failure| Failure::new(failure.exit, told(failure.message)))
}

fn taken(path: &Path) -> Failure {
    Failure::new(Exit::Exists, format!("cannot create {}: file exists", path.display()))
}

/// A name in the same folder that nobody uses: by process and chance.
fn temporary_beside(path: &Path) -> PathBuf {
    let mut random = [0; 8];
    crate::clock::HostedEntropy.fill(&mut random);
    let name = format!(".warm-new-{}-{:016x}", std::process::id(), u64::from_le_bytes(random));
    path.with_file_name(name)
}

/// Gives the whole world its name, unless something has it by now.
fn give_name(temporary: &Path, path: &Path) -> Result<(), Failure> {
    crate::sys::rename_without_replacing(temporary, path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => taken(path),
        _ => Failure::new(Exit::Io, format!("cannot create {}: {}", path.display(), crate::file_store::plain(&error))),
    })
}

/// Makes the file's name durable: that stands in its folder.
fn keep_name(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let kept = std::fs::File::open(folder).and_then(|folder| folder.sync_all());
    kept.map_err(|error| {
        let why = crate::file_store::plain(&error);
        Failure::new(Exit::Io, format!("cannot flush {}: {why}", folder.display()))
    })
}

fn write(path: &Path, store: FileStore, mut heap: Heap) -> Result<(), Failure> {
    let told = |error| failure(path, &error);
    let store: Arc<dyn Store> = Arc::new(store);
    World::create(&store, &CreateOptions::default()).map_err(told)?;
    let mut identity = [0; 16];
    crate::clock::HostedEntropy.fill(&mut identity);
    let options = OpenOptions { identity, ..OpenOptions::default() };
    let (mut world, _) = World::open(store, &options).map_err(told)?;
    let clock = HostedClock::default();
    let frozen = heap.flip(&mut NoRoots).map_err(|error| heap_failure(path, error))?;
    let keep = Keep::Automatic;
    world.begin_snapshot(snapshot_of(&heap, frozen, &clock, keep)).map_err(told)?;
    loop {
        match world.step(Budget::ALL) {
            Progress::Working => {}
            Progress::Abandoned { error, .. } => return Err(told(error)),
            Progress::Acknowledged { .. } | Progress::Idle => break,
        }
    }
    world.close(clock.wall_ns()).map_err(told)
}

/// A heap that nothing outside refers to.
struct NoRoots;

impl vm::heap::Roots for NoRoots {
    fn visit(&mut self, _visit: &mut dyn FnMut(&mut vm::layout::Word)) {}
}
