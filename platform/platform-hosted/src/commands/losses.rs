//! Accepting what is lost: pages that no copy on the medium is whole of.
//!
//! Invariants
//! - A1 Nothing is given up that is not named first.
//! - A2 The pages become lost objects and get new blocks with right sums; what they held in older
//!   moments goes with the automatic ones. A moment with a name stays, damaged: whoever named it
//!   decides.
//! - A3 What was typed behind the last snapshot stays in the journal: nothing here applies it.

use super::say;
use crate::cli::{Exit, Failure};
use crate::clock::HostedClock;
use crate::keeper::{self, Opened, clock_text, failure, heap_failure, is_table, tables_lost};
use ::keeper::snapshot_of;
use image::{BLOCK_BYTES, Budget, Damage, JournalLoss, Keep, MomentId, PageIndex, Place, Policy, Progress, World};
use platform::Clock;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use vm::heap::Heap;
use vm::layout::PAGE_BYTES;

/// Names the pages that the opened commit says are lost; answers how many runs of them there are.
pub fn name(path: &Path, opened: &Opened) -> Result<usize, Failure> {
    for run in &opened.report.lost_pages {
        say(&format!("{}: {} pages from page {}: lost earlier", path.display(), run.pages, run.first))?;
    }
    Ok(opened.report.lost_pages.len())
}

/// Gives up what of the journal cannot be read, so that the world can be opened for writing; says how much.
pub fn accept_journal(path: &Path) -> Result<(), Failure> {
    let JournalLoss { unreadable_bytes, edits, edit_bytes } = keeper::give_up_journal(path)?;
    if unreadable_bytes > 0 {
        say(&format!(
            "{}: the journal: {unreadable_bytes} bytes that cannot be read were given up, and {edits} edits of {edit_bytes} bytes that follow them",
            path.display()
        ))?;
    }
    Ok(())
}

/// Gives up what is lost, after `check` named the damages.
pub fn accept(path: &Path, mut opened: Opened, damages: &[Damage]) -> Result<Exit, Failure> {
    let told = |error| failure(path, &error);
    let suspects = suspects(damages, opened.world.heap().pages);
    let lost = unreadable(&mut opened.world, MomentId::NONE, &suspects).map_err(told)?;
    if lost.is_empty() && opened.report.lost_pages.is_empty() && suspects.is_empty() {
        if damages.is_empty() {
            say(&format!("{}: whole; nothing is lost", path.display()))?;
            return Ok(Exit::Success);
        }
        let line = format!("{}: {} damages, named above, are no lost pages", path.display(), damages.len());
        return Err(Failure::new(Exit::Damaged, line));
    }
    if let Some(&table) = lost.iter().find(|page| is_table(**page)) {
        return Err(tables_lost(path, table));
    }
    let clock = HostedClock::default();
    let mut heap = opened.heap(Arc::new(HostedClock::default()))?;
    opened.world.leave_journal();
    lose(&mut heap, &lost);
    heap.accept_loss();
    opened.world.accept_losses();
    save(path, &mut opened.world, &mut heap, &clock)?;
    for page in &lost {
        say(&format!("{}: page {page} was given up", path.display()))?;
    }
    let left = give_up_moments(path, &mut opened.world, &suspects, clock.wall_ns())?;
    opened.world.close(clock.wall_ns()).map_err(told)?;
    if left > 0 {
        say(&format!("{}: {left} named moments are damaged; warm delete gives one up", path.display()))?;
    }
    Ok(Exit::Success)
}

/// The pages that some damage may concern.
fn suspects(damages: &[Damage], heap_pages: u64) -> BTreeSet<PageIndex> {
    let runs = damages.iter().filter_map(|damage| match damage.place {
        Place::Pages { first, count } => Some(first.0..first.0.saturating_add(count).min(heap_pages)),
        _ => None,
    });
    runs.flatten().map(PageIndex).collect()
}

/// Those of the pages that a moment has no whole copy of.
fn unreadable(
    world: &mut World,
    moment: MomentId,
    pages: &BTreeSet<PageIndex>,
) -> Result<Vec<PageIndex>, image::ImageError> {
    let mut reader = world.reader(moment)?;
    let mut bytes = [0; BLOCK_BYTES];
    Ok(pages.iter().copied().filter(|&page| reader.read_page(page, &mut bytes).is_err()).collect())
}

/// Touches the pages, so that they are found lost, and makes lost objects of what stands there.
fn lose(heap: &mut Heap, pages: &[PageIndex]) {
    for page in pages {
        heap.space().words().load(heap.base() + page.0 as usize * PAGE_BYTES);
        heap.take_losses();
    }
}

fn save(path: &Path, world: &mut World, heap: &mut Heap, clock: &HostedClock) -> Result<(), Failure> {
    let told = |error| failure(path, &error);
    let frozen = heap.flip(&mut ()).map_err(|error| heap_failure(path, error))?;
    world.begin_snapshot(snapshot_of(heap, frozen, clock, Keep::Automatic)).map_err(told)?;
    loop {
        match world.step(Budget::ALL) {
            Progress::Working => {}
            Progress::Abandoned { error, .. } => return Err(told(error)),
            Progress::Acknowledged { .. } | Progress::Idle => return Ok(()),
        }
    }
}

/// Deletes automatic moments that need what is lost; answers how many others need it too.
fn give_up_moments(path: &Path, world: &mut World, pages: &BTreeSet<PageIndex>, wall_ns: i64) -> Result<usize, Failure> {
    let told = |error| failure(path, &error);
    let mut left = 0;
    for moment in world.moments().map_err(told)? {
        if unreadable(world, moment.id, pages).map_err(told)?.is_empty() {
            continue;
        }
        let what = format!("moment {} of {}", moment.id.0, clock_text(moment.wall_ns));
        match moment.policy {
            Policy::Automatic => {
                world.delete(moment.id, wall_ns).map_err(told)?;
                say(&format!("{}: {what} was given up", path.display()))?;
            }
            _ => {
                left += 1;
                say(&format!("{}: {what} is damaged: {} {}", path.display(), keeper::kind(&moment), moment.name))?;
            }
        }
    }
    Ok(left)
}
