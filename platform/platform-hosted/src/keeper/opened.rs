//! Opening a world's file: lock, newest whole commit, heap on demand.

use super::errors::failure;
use crate::cli::progress::Progress;
use crate::cli::{Exit, Failure};
use crate::file_store::{Access, FileStore};
use crate::memory::HostedMemory;
use image::{Faults, JournalLoss, OpenOptions, OpenReport, PageIndex, Place, World};
use platform::{Clock, Entropy, Store};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use vm::heap::{Heap, HeapConfig, HeapError};
use vm::layout::{BLOCKS_OFFSET, LOST_WORD, PAGE_BYTES};

/// Seeded bugs of the worlds that this process opens: a test's program sets them, `warm` never does.
static SEEDED: OnceLock<Faults> = OnceLock::new();

/// Worlds are opened with these seeded bugs from now on, for a test that proves it would notice them.
pub fn seed_faults(faults: Faults) {
    let _ = SEEDED.set(faults);
}

/// A world's file, opened.
pub struct Opened {
    /// The file.
    pub store: Arc<FileStore>,
    /// What stands in it.
    pub world: World,
    /// What opening found.
    pub report: OpenReport,
    /// Whether nothing may be written.
    pub read_only: bool,
}

fn is_missing(path: &Path) -> bool {
    matches!(std::fs::symlink_metadata(path), Err(error) if error.kind() == std::io::ErrorKind::NotFound)
}

/// The file as a store: locked for one writer, or shared for readers only.
fn store_of(path: &Path, access: Access) -> Result<Arc<FileStore>, Failure> {
    let store = FileStore::open(path, access).map_err(|error| {
        let exit = match error.kind {
            platform::StoreErrorKind::Locked => Exit::Locked,
            _ if is_missing(path) => Exit::Missing,
            _ => Exit::Io,
        };
        Failure::new(exit, error.message)
    })?;
    Ok(Arc::new(store))
}

/// Gives up what of a world's journal cannot be read.
pub fn give_up_journal(path: &Path) -> Result<JournalLoss, Failure> {
    let store: Arc<dyn Store> = store_of(path, Access::Write)?;
    World::give_up_journal(&store).map_err(|error| failure(path, &error))
}

/// Opens the file.
pub fn open(path: &Path, access: Access) -> Result<Opened, Failure> {
    let store = store_of(path, access)?;
    let read_only = matches!(access, Access::Read | Access::Beside);
    let mut random = [0; 24];
    crate::clock::HostedEntropy.fill(&mut random);
    let (identity, salt) = random.split_at(16);
    let options = OpenOptions {
        read_only,
        identity: identity.try_into().unwrap_or_default(),
        salt: u64::from_le_bytes(salt.try_into().unwrap_or_default()),
        faults: SEEDED.get().copied().unwrap_or_default(),
    };
    let shared: Arc<dyn Store> = store.clone();
    let (world, report) = World::open(shared, &options).map_err(|error| failure(path, &error))?;
    let opened = Opened { store, world, report, read_only };
    opened.tell_losses(path);
    Ok(opened)
}

impl Opened {
    /// Says on standard error what could not be opened.
    fn tell_losses(&self, path: &Path) {
        for (commit, wall_ns, damage) in &self.report.lost_commits {
            eprintln!(
                "warm: {}: snapshot {} of {} is damaged ({damage}); opened {} of {}",
                path.display(),
                commit.0,
                clock_text(*wall_ns),
                self.report.opened.0,
                clock_text(self.report.opened_wall_ns),
            );
        }
        if !self.report.lost_pages.is_empty() {
            let pages = self.report.lost_pages.iter().fold(0u64, |sum, run| sum.saturating_add(run.pages));
            eprintln!(
                "warm: {}: {pages} pages of the heap are lost; warm check names them",
                path.display(),
            );
        }
        if self.report.damages.iter().any(|damage| damage.place == Place::Journal) {
            eprintln!("warm: {}: the journal cannot be read; edits behind the last snapshot are missing; warm check --accept gives them up", path.display());
        }
    }

    /// The heap; its pages come from the file as they are touched. If its range of addresses is taken
    /// it stands elsewhere: all of it is read then, and the next snapshot writes all that changed.
    pub fn heap(&mut self, clock: Arc<dyn Clock>) -> Result<Heap, Failure> {
        let memory = HostedMemory::default();
        let words = self.world.heap();
        let config = HeapConfig {
            base: words.base as usize,
            limit_bytes: memory_cap(),
            clock: Some(clock),
            phase: crate::phase::mutator(),
            ..HeapConfig::default()
        };
        let pages = (config.reserve / PAGE_BYTES) as u64;
        let path = self.store.path().to_owned();
        let pager = self.world.pager(&memory, pages, LOST_WORD);
        let pager = pager.map_err(|error| failure(&path, &error))?;
        let progress = Progress::begin(format!("opening {}", path.display()), "the world is as it was");
        let (used, _) = self.world.block_counts();
        progress.measure(&self.store, used.saturating_mul(PAGE_BYTES as u64));
        let opened = Heap::open(&memory, config, pager);
        progress.end();
        if let Some(&page) = self.world.lost_pages().iter().map(|run| &run.first).find(|page| is_table(**page)) {
            return Err(tables_lost(&path, page));
        }
        let mut heap = opened.map_err(|error| heap_failure(&path, error))?;
        heap.take_losses();
        self.world.lost_pages().iter().for_each(|run| heap.know_lost(run.first));
        tell_relocation(&path, &heap);
        Ok(heap)
    }
}

/// Whether a page holds tables of the machine, without which nothing runs.
pub fn is_table(page: PageIndex) -> bool {
    (page.0 as usize).saturating_mul(PAGE_BYTES) < BLOCKS_OFFSET
}

/// The failure of a world whose tables are lost.
pub fn tables_lost(path: &Path, page: PageIndex) -> Failure {
    let line = format!(
        "{}: page {page} of the heap, which says where everything stands, is lost; go back to a moment with warm restore",
        path.display()
    );
    Failure::new(Exit::Damaged, line)
}

/// Says what was lost when a heap moved, and in a verbose run that it did.
fn tell_relocation(path: &Path, heap: &Heap) {
    let Some(moved) = heap.relocation() else { return };
    let file = path.display();
    if std::env::var_os("WARM_LOG").is_some() {
        let (from, to) = (moved.made_for, heap.base());
        eprintln!("warm: {file}: moved from {from:#x} to {to:#x}, {} references", moved.references);
    }
    if moved.lost > 0 {
        eprintln!("warm: {file}: {} references to nowhere read as lost objects", moved.lost);
    }
}

/// A failed operation on the heap of the world in `path`.
pub fn heap_failure(path: &Path, error: HeapError) -> Failure {
    let (exit, what) = match error {
        HeapError::Reserve(error) => (Exit::Io, error.message),
        HeapError::NotAHeap(what) => (Exit::Damaged, format!("the heap's root is damaged: {what}")),
        HeapError::Exhausted => (Exit::Io, "memory is full".to_owned()),
        HeapError::StillFrozen => (Exit::Io, "a snapshot is still being written".to_owned()),
    };
    Failure::new(exit, format!("{}: {what}", path.display()))
}

/// The most bytes a heap may use: three quarters of the machine's memory, or WARM_MEMORY (bytes, or
/// with K, M or G).
pub fn memory_cap() -> usize {
    if let Some(cap) = std::env::var("WARM_MEMORY").ok().and_then(|text| parse_bytes(&text)) {
        return cap;
    }
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.map_or(8 << 30, |kilobytes| kilobytes * 768)
}

/// A count of bytes, or with K, M or G.
pub fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let (number, shift) = match text.chars().last()? {
        'K' | 'k' => (&text[..text.len() - 1], 10),
        'M' | 'm' => (&text[..text.len() - 1], 20),
        'G' | 'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    number.parse::<usize>().ok()?.checked_shl(shift)
}

/// A wall time as `2026-01-31 12:34:56` in local time.
pub fn clock_text(wall_ns: i64) -> String {
    keeper::date_text(wall_ns, crate::clock::HostedClock::default().utc_offset_s(wall_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(parse_bytes("512M"), Some(512 << 20));
        assert_eq!(parse_bytes("12"), Some(12));
        assert_eq!(parse_bytes("x"), None);
    }
}
