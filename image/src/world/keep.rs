//! Keeping and letting go: naming, pinning, branching, restoring, deleting, thinning, comparing.
//!
//! Invariants
//! - I1 Each is a commit of its own, O(1) in the heap's size, but for deleting and comparing, which
//!   walk a difference.
//! - I2 A commit that is made here covers of the journal what the head covers; a restore covers all,
//!   since what was typed belongs to the present that it leaves.

use super::World;
use crate::alloc_blocks::Purpose;
use crate::difference::Difference;
use crate::error::ImageError;
use crate::format::{Commit, LostRun};
use crate::frozen::HeapWords;
use crate::kinds::{BLOCK_BYTES, MomentId, PageIndex};
use crate::map::MapRoot;
use crate::moments::ledger::{Deletion, Ledger, Plan, bytes_of};
use crate::moments::node::{LEAF_BYTES, moment_bytes};
use crate::writer::Orders;
use crate::moments::{MAX_NAME_BYTES, Moment, Origin, Policy, ThinPolicy};
use crate::reader::MomentReader;
use alloc::string::ToString;
use alloc::vec::Vec;

/// The most moments that one call of `thin` lets go: bounds the time of its commit.
const MOST_THINNED: usize = 256;
/// Pages of one lost run that a restore looks at: as many as a map node two levels up covers.
const MOST_LOST_PAGES: u64 = 65_536;

/// What a thinning that was begun lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinning {
    /// How many moments go with its commit.
    pub gone: usize,
    /// Whether that is all that the policy does not keep. What is made meanwhile can wait for the next
    /// time: else a program that snapshots all the time would be thinned all the time.
    pub is_done: bool,
}

impl Thinning {
    fn of(gone: usize) -> Thinning {
        Thinning { gone, is_done: gone < MOST_THINNED }
    }
}

impl World {
    /// All moments, by number.
    pub fn moments(&mut self) -> Result<Vec<Moment>, ImageError> {
        Ok(self.ledger()?.moments.values().cloned().collect())
    }

    /// The moment of a name.
    pub fn moment_named(&mut self, name: &str) -> Result<Option<MomentId>, ImageError> {
        Ok(self.ledger()?.named(name))
    }

    pub(super) fn ledger(&mut self) -> Result<&Ledger, ImageError> {
        if self.ledger.is_none() {
            self.ledger = Some(Ledger::load(&self.disk, self.head.tree)?);
        }
        self.ledger.as_ref().ok_or(ImageError::Busy)
    }

    pub(super) fn check_name(&mut self, name: &str) -> Result<(), ImageError> {
        let is_bad = name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control);
        if is_bad {
            return Err(ImageError::BadName { bytes: name.len(), bound: MAX_NAME_BYTES });
        }
        match self.ledger()?.named(name) {
            Some(other) => Err(ImageError::NameTaken(other)),
            None => Ok(()),
        }
    }

    /// Keeps the last acknowledged snapshot under a name.
    pub fn name(&mut self, name: &str, wall_ns: i64) -> Result<MomentId, ImageError> {
        self.finish_job();
        self.check_name(name)?;
        self.keep_present(Policy::Named, Origin::Named, 0, name, wall_ns)
    }

    /// Pins the last acknowledged snapshot for a holder.
    pub fn pin(&mut self, holder: u64, wall_ns: i64) -> Result<MomentId, ImageError> {
        self.finish_job();
        self.keep_present(Policy::Pinned, Origin::Pinned, holder, "", wall_ns)
    }

    /// Lets a pin go.
    pub fn unpin(&mut self, id: MomentId, wall_ns: i64) -> Result<(), ImageError> {
        if self.ledger()?.get(id)?.policy != Policy::Pinned {
            return Err(ImageError::NoSuchMoment(id));
        }
        self.delete(id, wall_ns)
    }

    /// Lets go all pins of which `is_held` says that nobody holds them; answers how many.
    pub fn drop_pins(&mut self, is_held: &mut dyn FnMut(&Moment) -> bool, wall_ns: i64) -> Result<usize, ImageError> {
        let pins = self.ledger()?.moments.values().filter(|moment| moment.policy == Policy::Pinned);
        let idle: Vec<MomentId> = pins.filter(|pin| !is_held(pin)).map(|pin| pin.id).collect();
        for &id in &idle {
            self.delete(id, wall_ns)?;
        }
        Ok(idle.len())
    }

    /// Gives a moment a name, by which it is kept.
    pub fn rename(&mut self, id: MomentId, name: &str, wall_ns: i64) -> Result<(), ImageError> {
        self.finish_job();
        let moment = self.ledger()?.get(id)?.clone();
        if moment.name == name {
            return Ok(());
        }
        self.check_name(name)?;
        let policy = if moment.policy == Policy::Branch { Policy::Branch } else { Policy::Named };
        let commit = self.next_commit(wall_ns)?;
        self.put_moment(commit, Moment { name: name.to_string(), policy, ..moment }).map(drop)
    }

    /// Begins a branch at a moment (`NONE`: at the head); `restore` of the answer goes there.
    pub fn branch(&mut self, from: MomentId, name: &str, wall_ns: i64) -> Result<MomentId, ImageError> {
        self.finish_job();
        self.check_name(name)?;
        if !from.is_some() {
            return self.keep_present(Policy::Branch, Origin::Branched, 0, name, wall_ns);
        }
        let origin = self.ledger()?.get(from)?.clone();
        let mut commit = self.next_commit(wall_ns)?;
        let branch = Moment {
            id: commit.next_moment,
            parent: from,
            commit: commit.number,
            wall_ns,
            policy: Policy::Branch,
            origin: Origin::Branched,
            holder: 0,
            name: name.to_string(),
            ..origin
        };
        commit.next_moment = MomentId(branch.id.0 + 1);
        self.put_moment(commit, branch)
    }

    /// The present becomes a moment (the answer); the head becomes the given moment. Pagers made
    /// before go on answering for the present that was: make a new one.
    pub fn restore(&mut self, to: MomentId, wall_ns: i64) -> Result<MomentId, ImageError> {
        self.finish_job();
        let target = self.ledger()?.get(to)?.clone();
        let mut commit = self.next_commit(wall_ns)?;
        self.gather_lost();
        let was_lost = core::mem::take(&mut self.lost);
        self.lost = self.lost_in(&was_lost, target.map, target.heap.pages);
        let present = self.present(&mut commit, Policy::Automatic, Origin::Replaced, 0, "");
        commit.map = target.map;
        commit.heap = target.heap;
        commit.line = target.id;
        commit.line_bound = target.commit;
        if !self.disk.faults.restore_replays_journal {
            commit.journal = self.journal.mark();
        }
        match self.put_moment(commit, present) {
            Ok(id) => {
                self.pagers.clear();
                Ok(id)
            }
            Err(error) => {
                self.lost = was_lost;
                Err(error)
            }
        }
    }

    /// Those of the runs of which another map has no whole page either: what was lost in the present
    /// may be whole in the past.
    fn lost_in(&self, runs: &[LostRun], map: MapRoot, pages: u64) -> Vec<LostRun> {
        let mut reader = MomentReader::new(self.disk.clone(), map, HeapWords { pages, ..HeapWords::default() });
        let mut bytes = [0; BLOCK_BYTES];
        let mut lost: Vec<LostRun> = Vec::new();
        for run in runs {
            let end = run.first.0.saturating_add(run.pages.min(MOST_LOST_PAGES)).min(pages);
            for page in (run.first.0..end).map(PageIndex) {
                if reader.read_page(page, &mut bytes).is_ok() {
                    continue;
                }
                match lost.last_mut().filter(|last| last.first.0 + last.pages == page.0) {
                    Some(last) => last.pages += 1,
                    None => lost.push(LostRun { first: page, pages: 1 }),
                }
            }
        }
        lost
    }

    /// The present as a moment; the commit's line goes on from it.
    fn present(
        &self,
        commit: &mut Commit,
        policy: Policy,
        origin: Origin,
        holder: u64,
        name: &str,
    ) -> Moment {
        let moment = Moment {
            id: commit.next_moment,
            parent: commit.line,
            commit: commit.number,
            map: commit.map,
            heap: commit.heap,
            wall_ns: commit.wall_ns,
            policy,
            origin,
            holder,
            name: name.to_string(),
        };
        commit.next_moment = MomentId(moment.id.0 + 1);
        commit.line = moment.id;
        commit.line_bound = moment.commit;
        moment
    }

    fn keep_present(
        &mut self,
        policy: Policy,
        origin: Origin,
        holder: u64,
        name: &str,
        wall_ns: i64,
    ) -> Result<MomentId, ImageError> {
        let mut commit = self.next_commit(wall_ns)?;
        let moment = self.present(&mut commit, policy, origin, holder, name);
        self.put_moment(commit, moment)
    }

    fn put_moment(&mut self, commit: Commit, moment: Moment) -> Result<MomentId, ImageError> {
        let id = moment.id;
        let mut orders = self.orders();
        orders.changes.insert(id, Some(moment));
        self.run_commit(commit, orders, Purpose::Keeping)?;
        Ok(id)
    }

    /// Lets a moment go. With several children it stays, unnamed, until one is left.
    pub fn delete(&mut self, id: MomentId, wall_ns: i64) -> Result<(), ImageError> {
        self.finish_job();
        self.may_free()?;
        self.ledger()?.get(id)?;
        let ledger = Ledger::load(&self.disk, self.head.tree)?;
        let mut plan = Plan::new(&self.disk, &ledger, &self.head);
        plan.delete(id)?;
        let deletion = plan.finish();
        self.commit_deletion(&ledger, deletion, wall_ns)
    }

    /// Lets go what the policy does not keep, some at a time; answers how many moments went.
    pub fn thin(&mut self, policy: &ThinPolicy, wall_ns: i64) -> Result<usize, ImageError> {
        self.finish_job();
        match self.plan_thinning(policy, wall_ns)? {
            Some((ledger, deletion)) => {
                let gone = deletion.gone;
                self.commit_deletion(&ledger, deletion, wall_ns)?;
                Ok(gone)
            }
            None => Ok(0),
        }
    }

    /// For a disk that is full: lets automatic moments go, oldest first, until they hold half of what they
    /// held. The present goes before the past. Answers how many went.
    pub fn make_room(&mut self, wall_ns: i64) -> Result<usize, ImageError> {
        let policy = ThinPolicy { steps: Vec::new(), budget_bytes: bytes_of(self.head.held_blocks) / 2 };
        let mut gone = 0;
        loop {
            match self.thin(&policy, wall_ns)? {
                0 => return Ok(gone),
                more => gone += more,
            }
        }
    }

    /// As [`World::thin`], but the commit is only begun, for [`World::step`] to go on with. `Busy` while
    /// something is in writing.
    pub fn begin_thinning(&mut self, policy: &ThinPolicy, wall_ns: i64) -> Result<Thinning, ImageError> {
        if self.job.is_some() || self.waiting.is_some() {
            return Err(ImageError::Busy);
        }
        if self.blocks.full {
            // From the reserve, and in two commits at once.
            return self.thin(policy, wall_ns).map(Thinning::of);
        }
        let Some((ledger, deletion)) = self.plan_thinning(policy, wall_ns)? else { return Ok(Thinning::of(0)) };
        let gone = deletion.gone;
        let commit = self.commit_without(&deletion, wall_ns)?;
        let orders = self.orders_without(&ledger, deletion);
        self.job = Some(self.new_job(commit, orders, Purpose::Freeing));
        Ok(Thinning::of(gone))
    }

    fn plan_thinning(&mut self, policy: &ThinPolicy, wall_ns: i64) -> Result<Option<(Ledger, Deletion)>, ImageError> {
        self.may_free()?;
        let ledger = Ledger::load(&self.disk, self.head.tree)?;
        let mut plan = Plan::new(&self.disk, &ledger, &self.head);
        let any = self.disk.faults.thin_pinned;
        for id in ledger.thinned(policy, wall_ns, any).into_iter().take(MOST_THINNED) {
            plan.delete(id)?;
        }
        let held = |freed: u64| bytes_of(self.head.held_blocks.saturating_sub(freed));
        for id in ledger.automatic() {
            if held(plan.freed_blocks()) <= policy.budget_bytes || plan.gone() >= MOST_THINNED {
                break;
            }
            if plan.has(id) {
                plan.delete(id)?;
            }
        }
        let deletion = plan.finish();
        Ok((!deletion.changes.is_empty()).then_some((ledger, deletion)))
    }

    fn may_free(&mut self) -> Result<(), ImageError> {
        if self.read_only {
            return Err(ImageError::ReadOnly);
        }
        self.gather_lost();
        match self.lost.iter().map(|run| run.pages).sum() {
            0 => Ok(()),
            count => Err(ImageError::LostPages(count)),
        }
    }

    /// The commit that follows the head without what a deletion frees.
    fn commit_without(&self, deletion: &Deletion, wall_ns: i64) -> Result<Commit, ImageError> {
        Ok(Commit {
            line: deletion.line.0,
            line_bound: deletion.line.1,
            held_blocks: self.head.held_blocks.saturating_sub(deletion.freed.blocks()),
            ..self.next_commit(wall_ns)?
        })
    }

    fn orders_without(&self, ledger: &Ledger, deletion: Deletion) -> Orders {
        let mut orders = self.orders();
        orders.changes = deletion.changes;
        if is_sparse(ledger) {
            let mut rest = ledger.clone();
            rest.apply(&orders.changes);
            orders.rebuild = Some(rest.moments.into_values().collect());
            orders.old_tree = ledger.tree_blocks.clone();
        }
        orders.freed = deletion.freed;
        orders
    }

    /// Commits a deletion; on a full disk from the reserve, and once more so that the space is free.
    fn commit_deletion(&mut self, ledger: &Ledger, deletion: Deletion, wall_ns: i64) -> Result<(), ImageError> {
        let blank = self.commit_without(&deletion, wall_ns)?;
        let orders = self.orders_without(ledger, deletion);
        let mut tries = 0;
        loop {
            let commit = Commit { number: self.next_commit(wall_ns)?.number, ..blank.clone() };
            let was_full = self.blocks.full;
            match self.run_commit(commit, orders.clone(), Purpose::Freeing) {
                Ok(_) if was_full => return self.release_freed(wall_ns),
                Ok(_) => return Ok(()),
                Err(error) if error.is_full() && tries == 0 => {
                    tries += 1;
                    self.finish_sweep();
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn release_freed(&mut self, wall_ns: i64) -> Result<(), ImageError> {
        self.blocks.full = true;
        let commit = self.next_commit(wall_ns)?;
        let orders = self.orders();
        self.run_commit(commit, orders, Purpose::Freeing).map(drop)
    }

    fn map_of(&mut self, id: MomentId) -> Result<MapRoot, ImageError> {
        if id.is_some() { Ok(self.ledger()?.get(id)?.map) } else { Ok(self.head.map) }
    }

    /// The pages in which two moments differ (`NONE` is the head), by page.
    pub fn diff(&mut self, a: MomentId, b: MomentId) -> Result<Vec<PageIndex>, ImageError> {
        let (first, second) = (self.map_of(a)?, self.map_of(b)?);
        let mut pages = Vec::new();
        let mut collect = |place: crate::difference::Differing| {
            if place.level == 0 {
                pages.push(PageIndex(place.index));
            }
        };
        let mut walk = Difference::new(first, second);
        while !walk.step(&self.disk, u32::MAX, &mut collect)? {}
        Ok(pages)
    }

    /// A reader of a moment's pages (`NONE`: of the head's).
    pub fn reader(&mut self, id: MomentId) -> Result<MomentReader, ImageError> {
        let (map, heap) = if id.is_some() {
            let moment = self.ledger()?.get(id)?;
            (moment.map, moment.heap)
        } else {
            (self.head.map, self.head.heap)
        };
        Ok(MomentReader::new(self.disk.clone(), map, heap))
    }
}

/// Whether a moments tree takes more than three times the blocks that it needs.
fn is_sparse(ledger: &Ledger) -> bool {
    let bytes: usize = ledger.moments.values().map(moment_bytes).sum();
    let blocks = ledger.tree_blocks.len();
    blocks > 8 && blocks > 3 * bytes.div_ceil(LEAF_BYTES)
}

