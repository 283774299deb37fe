//! An open world: the façade over map, moments, journal, writer and recovery.
//!
//! Invariants
//! - I1 One commit is in writing at a time; what is asked in the meantime is declined (snapshots) or
//!   finishes it first (moments).
//! - I2 The head is the last acknowledged commit; nothing refers to a later one.
//! - I3 Nothing is committed before the opened commit's newest extents are verified, all of them.
//! - I4 While a page is lost, nothing is swept and no moment is deleted, until the loss is accepted.
//! - I5 Every method runs to its end or in steps on the caller's thread; the pager alone is shared.
//!
//! Knows: everything in this crate. Must not know: objects.

mod create;
mod given_up;
mod keep;
mod upkeep;

pub use create::{CreateOptions, SCRIPT_LINE};
pub use given_up::JournalLoss;
pub use keep::Thinning;

use crate::alloc_blocks::{Allocator, Purpose};
use crate::disk::Disk;
use crate::error::{Damage, ImageError};
use crate::extents::Extents;
use crate::faults::Faults;
use crate::format::{Commit, JournalMark, ListKind, LostRun, SummedExtent};
use crate::frozen::{HeapWords, Snapshot};
use crate::journal::{self, Journal, JournalFlush, JournalRecord};
use crate::kinds::{BlockNumber, Budget, CommitNumber, Epoch, PageIndex};
use crate::lists::read_list;
use crate::moments::ledger::Ledger;
use crate::pager::Pager;
use crate::recover::{self, Found, OpenReport};
use crate::sweep::{Depth, Walk, free_run};
use crate::writer::{Desk, Job, Orders};
use alloc::collections::VecDeque;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use platform::{Memory, Store, StoreError};

/// How a world is opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Never write a byte.
    pub read_only: bool,
    /// Stamped as the world's identity by the first commit, if it has none (16 random bytes).
    pub identity: [u8; 16],
    /// A number that no other opening has: it keeps this session's journal from fitting an older one's.
    pub salt: u64,
    /// Seeded bugs, for tests.
    pub faults: Faults,
}

/// What a step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing is in writing.
    Idle,
    /// There is more to do.
    Working,
    /// A commit is durable.
    Acknowledged {
        /// The commit.
        commit: CommitNumber,
        /// The epoch, if it was a snapshot.
        epoch: Option<Epoch>,
    },
    /// The try failed and left nothing behind: the space merges the epoch's pages (P = current).
    Abandoned {
        /// The epoch, if it was a snapshot.
        epoch: Option<Epoch>,
        /// Why.
        error: ImageError,
    },
}

/// A flush to be waited for.
pub struct FlushTicket {
    disk: Disk,
    commit: CommitNumber,
    nth: u8,
}

/// What a flush came to.
pub struct Flushed {
    commit: CommitNumber,
    nth: u8,
    result: Result<(), StoreError>,
}

impl FlushTicket {
    /// Waits until everything that was written before the call is durable.
    pub fn wait(self) -> Flushed {
        Flushed { commit: self.commit, nth: self.nth, result: self.disk.flush() }
    }
}

/// A flush of the journal to be waited for.
pub struct JournalTicket {
    disk: Disk,
    begun: JournalFlush,
}

/// What a flush of the journal came to.
pub struct JournalFlushed {
    begun: JournalFlush,
    result: Result<(), StoreError>,
}

impl JournalTicket {
    /// Waits until the records are durable, at the same time as a snapshot's flush if need be.
    pub fn wait(self) -> JournalFlushed {
        let forgotten = self.disk.faults.journal_flush_forgotten;
        let result = if forgotten { Ok(()) } else { self.disk.flush_beside() };
        JournalFlushed { begun: self.begun, result }
    }
}

/// An open world.
pub struct World {
    disk: Disk,
    read_only: bool,
    identity: [u8; 16],
    head: Commit,
    parent: Option<Commit>,
    /// The commit that was opened.
    opened: CommitNumber,
    highest: CommitNumber,
    blocks: Allocator,
    journal: Journal,
    replayed: Vec<JournalRecord>,
    /// Whether snapshots leave the journal to whoever opens the world next.
    leaves_journal: bool,
    job: Option<Job>,
    /// A snapshot that was begun while a commit of upkeep is in writing, with the journal's end at its
    /// flip: it is next.
    waiting: Option<(Snapshot, JournalMark)>,
    /// Whether relieving the journal failed since the last acknowledgement: it is not tried again
    /// before the next, or a medium that fails would be written without end.
    relief_failed: bool,
    /// Whether what the head holds is durable for certain: it was acknowledged in this session, or
    /// closed cleanly.
    settled: bool,
    done: VecDeque<Progress>,
    unverified: Vec<SummedExtent>,
    sweep: Option<Walk>,
    /// Whether the list of a clean close is still to be read.
    list_waits: bool,
    /// What newer commits wrote that could not be opened: kept until the next acknowledgement.
    passed_over: Vec<SummedExtent>,
    /// Whether slots of which one copy was bad were looked for and written anew.
    healed: bool,
    /// Commits that were given up after their record may have reached the disk: the next commit
    /// blanks their slots.
    void: Vec<CommitNumber>,
    /// Those whose slots the commit in writing blanks.
    voided: Vec<CommitNumber>,
    damages: Vec<Damage>,
    unaccepted: Option<Damage>,
    flush_failed: Option<StoreError>,
    lost: Vec<LostRun>,
    list_blocks: Vec<BlockNumber>,
    ledger: Option<Ledger>,
    pagers: Vec<(Weak<Pager>, usize)>,
    durable_epoch: Option<Epoch>,
}

impl World {
    /// Opens the world in `store`; the report names what was lost.
    pub fn open(store: Arc<dyn Store>, options: &OpenOptions) -> Result<(World, OpenReport), ImageError> {
        let found = recover::find(&store, options.faults)?;
        let mut report = found.report.clone();
        let replay = journal::replay(&found.disk, found.head.journal);
        if let Some(damage) = replay.damage.filter(|_| !options.read_only && !options.faults.journal_trouble_unheeded) {
            // What cannot be read now may be read later: nobody writes over it.
            return Err(damage.into());
        }
        report.damages.extend(replay.damage);
        let needed = found.parent.as_ref().map_or(found.head.journal, |parent| parent.journal);
        let needed = needed.place.min(found.head.journal.place);
        let mut world = World {
            journal: Journal::new(&found.disk, found.head.journal, replay.end, needed, options.salt),
            replayed: replay.records,
            leaves_journal: false,
            blocks: Allocator::new(found.high_water, found.disk.geometry.reserve_blocks.into()),
            read_only: options.read_only,
            identity: options.identity,
            opened: found.head.number,
            highest: found.highest,
            job: None,
            waiting: None,
            relief_failed: false,
            settled: found.report.clean,
            done: VecDeque::new(),
            unverified: found.unverified.clone(),
            sweep: None,
            list_waits: false,
            passed_over: Vec::new(),
            healed: false,
            void: Vec::new(),
            voided: Vec::new(),
            damages: report.damages.clone(),
            unaccepted: None,
            flush_failed: None,
            lost: found.lost.clone(),
            list_blocks: found.list_blocks.clone(),
            ledger: None,
            pagers: Vec::new(),
            durable_epoch: None,
            disk: found.disk.clone(),
            head: found.head.clone(),
            parent: found.parent.clone(),
        };
        if options.read_only {
            world.list_waits = report.clean;
        } else {
            world.find_free_blocks(&found);
        }
        Ok((world, report))
    }

    /// How the free blocks will be known: from the list of a clean close, or by a sweep.
    fn find_free_blocks(&mut self, found: &Found) {
        self.list_waits = found.report.clean || (self.disk.faults.trust_stale_free_list && self.head.clean);
        self.passed_over = found.newer.iter().flat_map(|commit| commit.extents.clone()).collect();
        if !self.list_waits {
            self.begin_sweep();
        }
    }

    fn begin_sweep(&mut self) {
        let mut walk = Walk::new(Depth::Nodes, self.blocks.high_water(), &self.disk);
        walk.add(&self.head, &self.disk);
        if let Some(parent) = self.parent.as_ref().filter(|_| !self.disk.faults.sweep_forgets_parent) {
            walk.add_passing(parent, &self.disk);
        }
        self.sweep = Some(walk);
    }

    /// Reads the list of free extents, the first time that somebody needs it: opening need not wait
    /// for it. What is wrong with it makes a sweep necessary.
    fn learn_free_list(&mut self) {
        if !core::mem::take(&mut self.list_waits) {
            return;
        }
        if let Ok((rows, places)) = read_list(&self.disk, ListKind::Free, self.head.free_list)
            && self.learn_listed(&rows)
        {
            if let Some(job) = self.job.as_mut() {
                job.orders.old_lists.extend_from_slice(&places);
            }
            self.list_blocks.extend(places);
            return;
        }
        self.begin_sweep();
    }

    /// Looks for readers, before blocks may become free.
    pub(super) fn note_readers(&mut self) {
        self.blocks.is_read = self.disk.is_read();
    }

    /// Takes over the rows of a free list; `false`, and nothing is taken, if they cannot be true.
    fn learn_listed(&mut self, rows: &[[u8; 16]]) -> bool {
        let (first, end) = (self.disk.geometry.first_data, self.blocks.high_water());
        let runs: Vec<_> = rows.iter().map(free_run).collect();
        if runs.iter().any(|(run, _)| run.first < first || run.end() > end) {
            return false;
        }
        let mut free = Extents::default();
        for (run, by) in runs {
            if by == CommitNumber::FIRST {
                free.insert(run);
            } else {
                self.blocks.learn_pending(by, run);
            }
        }
        self.note_readers();
        self.blocks.learn(&free, self.head.parent);
        true
    }

    /// The heap's words of the last acknowledged commit.
    pub fn heap(&self) -> HeapWords {
        self.head.heap
    }

    /// The world's identity; zeros until its first commit.
    pub fn identity(&self) -> [u8; 16] {
        self.head.identity
    }

    /// The last acknowledged commit.
    pub fn head(&self) -> &Commit {
        &self.head
    }

    /// The last durable commit, and the last durable epoch of this session.
    pub fn acknowledged(&self) -> (CommitNumber, Option<Epoch>) {
        (self.head.number, self.durable_epoch)
    }

    /// Whether a commit is in writing.
    pub fn is_writing(&self) -> bool {
        self.job.is_some()
    }

    /// Whether what the head holds is durable for certain. After a kill it need not be: the record may
    /// stand in the machine's cache only, and the flush that would have said so has failed.
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether the next [`World::step`] waits for a flush.
    pub fn is_about_to_flush(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_about_to_flush)
    }

    /// The flush that comes next, to be waited for without holding this world: a keystroke is
    /// journalled meanwhile. [`World::flushed`] takes the result; [`World::step`] flushes itself if
    /// nobody does.
    pub fn flush_ticket(&self) -> Option<FlushTicket> {
        let job = self.job.as_ref().filter(|job| job.is_about_to_flush())?;
        let nth = job.next_flush()?;
        Some(FlushTicket { disk: self.disk.clone(), commit: job.commit.number, nth })
    }

    /// Takes over what a ticket's flush came to, if its commit still waits for it.
    pub fn flushed(&mut self, flush: Flushed) {
        let Flushed { commit, nth, result } = flush;
        let waits = |job: &&mut Job| job.commit.number == commit && job.next_flush() == Some(nth);
        if let Some(job) = self.job.as_mut().filter(waits) {
            job.take_flushed(result);
        } else if let Err(error) = result {
            // The machine reports a failure once: whatever is in writing now may have lost its blocks.
            self.journal.suspect();
            self.flush_failed = self.job.as_ref().map(|_| error);
        }
    }

    /// Damage met so far.
    pub fn damages(&self) -> &[Damage] {
        &self.damages
    }

    /// The source of the heap's pages. `lost_word` fills lost pages; address space for the map of
    /// `reserve_pages` pages is reserved now.
    pub fn pager(&mut self, memory: &dyn Memory, reserve_pages: u64, lost_word: u64) -> Result<Arc<Pager>, ImageError> {
        let map = (self.head.map, self.head.heap.pages);
        let pager = Arc::new(Pager::new(self.disk.clone(), memory, reserve_pages, map, lost_word)?);
        self.pagers.retain(|(pager, _)| pager.strong_count() > 0);
        self.pagers.push((Arc::downgrade(&pager), 0));
        Ok(pager)
    }

    /// Pages that are lost: named by earlier commits, or found by a pager since.
    pub fn lost_pages(&mut self) -> &[LostRun] {
        self.gather_lost();
        &self.lost
    }

    /// The user accepts the loss: pages are no longer named as lost. Answers them; the heap dirties
    /// those that are resident, so that the next snapshot gives them blocks with right sums.
    pub fn accept_losses(&mut self) -> Vec<LostRun> {
        self.gather_lost();
        self.unaccepted = None;
        core::mem::take(&mut self.lost)
    }

    fn gather_lost(&mut self) {
        let mut found = Vec::new();
        for (pager, seen) in &mut self.pagers {
            if let Some(pager) = pager.upgrade() {
                let pages = pager.lost_since(*seen);
                *seen += pages.len();
                found.extend(pages);
            }
        }
        found.into_iter().for_each(|page| self.add_lost(page));
    }

    fn add_lost(&mut self, page: PageIndex) {
        let known = |run: &LostRun| page >= run.first && page.0 - run.first.0 < run.pages;
        if !self.lost.iter().any(known) {
            self.lost.push(LostRun { first: page, pages: 1 });
        }
    }

    /// In the pause, right after the flip: hands over the frozen pages. O(1) in the heap's size. If a
    /// commit of upkeep is in writing, the snapshot is next.
    pub fn begin_snapshot(&mut self, snapshot: Snapshot) -> Result<(), ImageError> {
        if self.read_only {
            return Err(ImageError::ReadOnly);
        }
        if self.waiting.is_some() || self.job.as_ref().is_some_and(|job| job.epoch.is_some()) {
            return Err(ImageError::Busy);
        }
        if let crate::moments::Keep::Named(name) = &snapshot.keep {
            self.check_name(name)?;
        }
        let mark = if self.leaves_journal { self.head.journal } else { self.journal.mark() };
        if self.job.is_some() {
            self.waiting = Some((snapshot, mark));
            return Ok(());
        }
        self.start_snapshot(snapshot, mark)
    }

    /// `mark` is where the journal ended at the flip.
    fn start_snapshot(&mut self, snapshot: Snapshot, mark: JournalMark) -> Result<(), ImageError> {
        let commit = Commit {
            number: self.next_number()?,
            wall_ns: snapshot.wall_ns,
            heap: HeapWords {
                pages: snapshot.heap.pages.max(self.head.heap.pages),
                ..snapshot.heap
            },
            journal: mark,
            ..self.head.clone()
        };
        let orders = self.orders();
        let job = self.new_job(commit, orders, Purpose::Keeping);
        self.job = Some(job.with_pages(snapshot.epoch, snapshot.frozen, snapshot.keep));
        Ok(())
    }

    /// Snapshots cover nothing more of the journal from now on: whoever takes them has not applied
    /// what replay found, and another will.
    pub fn leave_journal(&mut self) {
        self.leaves_journal = true;
    }

    /// Starts the snapshot that waits, if nothing is in writing; its refusal, if it cannot begin.
    fn start_waiting(&mut self) -> Option<Progress> {
        if self.job.is_some() {
            return None;
        }
        let (snapshot, mark) = self.waiting.take()?;
        let epoch = Some(snapshot.epoch);
        let started = self.start_snapshot(snapshot, mark);
        started.err().map(|error| Progress::Abandoned { epoch, error })
    }

    /// Orders for a commit that changes nothing but what every commit does.
    fn orders(&self) -> Orders {
        Orders { old_lists: self.list_blocks.clone(), ..Orders::default() }
    }

    fn new_job(&mut self, commit: Commit, orders: Orders, purpose: Purpose) -> Job {
        self.gather_lost();
        self.flush_failed = None;
        let mut commit = commit;
        if commit.identity == [0; 16] {
            commit.identity = self.identity;
        }
        commit.lost = self.lost.clone();
        if self.disk.faults.drop_lost_names {
            commit.lost.clear();
        }
        Job::new(&self.head, commit, orders, purpose, &self.disk.faults)
    }

    /// A number that was never used, whose slot holds neither the head nor its parent.
    fn next_number(&self) -> Result<CommitNumber, ImageError> {
        let slots = self.disk.geometry.ring_slots;
        let slot = |number: CommitNumber| number.0 % slots;
        let parent = self.parent.as_ref().map_or(self.head.number, |parent| parent.number);
        let taken = |number: CommitNumber| self.void.iter().any(|&void| slot(void) == slot(number));
        let crowded = self.void.len() + 2 >= slots as usize;
        let mut number = self.highest;
        loop {
            if number >= CommitNumber::LAST {
                return Err(ImageError::Exhausted(CommitNumber::LAST));
            }
            number.0 += 1;
            let is_kept = slot(number) == slot(self.head.number) || slot(number) == slot(parent);
            if !is_kept && (crowded || !taken(number)) {
                return Ok(number);
            }
        }
    }

    /// Goes on with what is in writing, for about `budget` blocks.
    pub fn step(&mut self, budget: Budget) -> Progress {
        if let Some(progress) = self.done.pop_front() {
            return progress;
        }
        if let Some(refused) = self.start_waiting() {
            return refused;
        }
        if self.job.is_none() {
            return self.relieve_journal();
        }
        if !self.unverified.is_empty() {
            return self.verify_first(budget);
        }
        self.advance(budget)
    }

    /// I3: the rest of the opened commit's extents, before anything is committed.
    fn verify_first(&mut self, budget: Budget) -> Progress {
        self.verify_some(budget);
        match self.unaccepted {
            Some(damage) => self.abandon(damage.into()),
            None => Progress::Working,
        }
    }

    fn advance(&mut self, budget: Budget) -> Progress {
        if let Some(error) = self.flush_failed.take().filter(|_| !self.disk.faults.ignore_journal_flush_failure) {
            return self.abandon(ImageError::FlushFailed(error));
        }
        if let Some(damage) = self.unaccepted {
            return self.abandon(damage.into());
        }
        self.learn_free_list();
        if let Err(error) = self.mend_rings() {
            return self.abandon(error);
        }
        let Some(job) = self.job.as_mut() else { return Progress::Idle };
        let journal_end = self.journal.mark();
        let mut desk = Desk { disk: &self.disk, blocks: &mut self.blocks, journal_end };
        match job.step(&mut desk, budget.0) {
            Ok(false) => Progress::Working,
            Ok(true) => self.acknowledge(),
            Err(error) => self.abandon(error),
        }
    }

    /// Before a commit's first flush: the record of a head whose last flush nobody heard of is written
    /// anew (what it names was flushed before it was written at all), slots of which one copy is bad are written anew, and those of
    /// commits that were given up are blanked, so that only acknowledged ones are left behind it.
    fn mend_rings(&mut self) -> Result<(), ImageError> {
        if !self.healed {
            let rings = recover::read_rings(&self.disk);
            rings.heal(&self.disk)?;
            // Not if a moment was opened in its stead.
            if !self.settled && rings.commits.get(&self.head.number) == Some(&self.head) {
                recover::rewrite_record(&self.disk, &self.head)?;
            }
            self.healed = true;
        }
        // If one cannot be blanked, all wait for the next commit.
        for &number in &self.void {
            recover::blank_slot(&self.disk, number)?;
        }
        self.voided.append(&mut self.void);
        Ok(())
    }

    fn acknowledge(&mut self) -> Progress {
        let Some(job) = self.job.take() else { return Progress::Idle };
        let number = job.commit.number;
        self.blocks.replaced(number, &job.replaced, &self.disk.faults);
        self.blocks.replaced(number, &job.orders.freed, &self.disk.faults);
        self.parent = Some(core::mem::replace(&mut self.head, job.commit));
        self.highest = self.highest.max(number);
        self.voided.clear();
        (self.settled, self.relief_failed) = (true, false);
        self.note_readers();
        self.blocks.acknowledged(number, self.head.parent);
        if let Some(parent) = &self.parent {
            self.journal.covered_up_to(parent.journal.place);
        }
        self.list_blocks = job.list_blocks;
        // The sums of what was written serve opening only.
        self.head.extents = Vec::new();
        self.damages.extend(job.damages);
        self.lost.extend(job.found_lost);
        self.note_moments(&job.orders);
        if job.epoch.is_some() {
            self.durable_epoch = job.epoch;
            for (pager, _) in &self.pagers {
                if let Some(pager) = pager.upgrade() {
                    pager.publish(self.head.map, self.head.heap.pages, &job.changed);
                }
            }
        }
        Progress::Acknowledged { commit: number, epoch: job.epoch }
    }

    fn note_moments(&mut self, orders: &Orders) {
        let Some(ledger) = self.ledger.as_mut() else { return };
        ledger.apply(&orders.changes);
    }

    fn abandon(&mut self, error: ImageError) -> Progress {
        let Some(job) = self.job.take() else { return Progress::Idle };
        if matches!(error, ImageError::FlushFailed(_)) {
            self.journal.suspect();
        }
        self.blocks.full |= error.is_full();
        self.damages.extend(job.damages.iter().copied());
        if !(self.disk.faults.reuse_commit_number && job.outcome_is_unknown()) {
            self.highest = self.highest.max(job.commit.number);
        }
        self.void.append(&mut self.voided);
        if job.outcome_is_unknown() && !self.disk.faults.reuse_commit_number {
            self.void.push(job.commit.number);
        }
        let epoch = job.epoch;
        self.relief_failed |= epoch.is_none();
        job.give_up(&mut self.blocks, &self.disk);
        Progress::Abandoned { epoch, error }
    }

    /// When the journal fills, a second commit lets it forget what the head alone covers.
    fn relieve_journal(&mut self) -> Progress {
        let wanted = self.journal.is_pressed(&self.disk) && self.is_relief_possible();
        if wanted && (!self.relief_failed || self.disk.faults.relief_without_pause) {
            let orders = self.orders();
            if let Ok(commit) = self.next_commit(self.head.wall_ns) {
                self.job = Some(self.new_job(commit, orders, Purpose::Keeping));
                return Progress::Working;
            }
        }
        Progress::Idle
    }

    /// Whether a commit that changes nothing gives the journal room: its parent covers more then.
    fn is_relief_possible(&self) -> bool {
        let behind = |parent: &Commit| parent.journal.place < self.head.journal.place;
        !self.read_only && self.parent.as_ref().is_some_and(behind)
    }

    /// Whether so much is in the journal that a snapshot should come soon.
    pub fn is_journal_pressed(&self) -> bool {
        self.journal.is_pressed(&self.disk)
    }

    /// Gives the journal what room it can have without a snapshot, now.
    pub fn make_journal_room(&mut self) -> Result<(), ImageError> {
        self.finish_job();
        if !self.is_relief_possible() {
            return Ok(());
        }
        let commit = self.next_commit(self.head.wall_ns)?;
        let orders = self.orders();
        self.run_commit(commit, orders, Purpose::Keeping).map(drop)
    }

    /// A commit that follows the head and differs in nothing yet.
    fn next_commit(&self, wall_ns: i64) -> Result<Commit, ImageError> {
        Ok(Commit { number: self.next_number()?, wall_ns, ..self.head.clone() })
    }

    /// Finishes what is in writing; its outcome waits for the next `step`.
    fn finish_job(&mut self) {
        loop {
            let refused = self.start_waiting();
            self.done.extend(refused);
            if self.job.is_none() {
                return;
            }
            let progress = if self.unverified.is_empty() {
                self.advance(Budget::ALL)
            } else {
                self.verify_first(Budget::ALL)
            };
            if progress != Progress::Working {
                self.done.push_back(progress);
            }
        }
    }

    /// Writes a commit to its end.
    fn run_commit(&mut self, commit: Commit, orders: Orders, purpose: Purpose) -> Result<CommitNumber, ImageError> {
        if self.read_only {
            return Err(ImageError::ReadOnly);
        }
        self.job = Some(self.new_job(commit, orders, purpose));
        loop {
            let progress = if self.unverified.is_empty() {
                self.advance(Budget::ALL)
            } else {
                self.verify_first(Budget::ALL)
            };
            match progress {
                Progress::Working => {}
                Progress::Idle => return Err(ImageError::Busy),
                Progress::Acknowledged { commit, .. } => return Ok(commit),
                Progress::Abandoned { error, .. } => return Err(error),
            }
        }
    }

    /// Appends a record to the journal and writes it; it is durable after [`World::journal_flush`].
    /// `JournalFull` asks for a snapshot.
    pub fn journal_append(&mut self, serial: u64, kind: u16, bytes: &[u8]) -> Result<u64, ImageError> {
        if self.read_only {
            return Err(ImageError::ReadOnly);
        }
        self.journal.append(&self.disk, serial, kind, bytes)
    }

    /// Makes the journal durable. A failure also fails the snapshot in writing, for the machine
    /// reports a failed flush once.
    pub fn journal_flush(&mut self) -> Result<(), ImageError> {
        match self.journal_ticket()? {
            Some(ticket) => self.journal_flushed(ticket.wait()),
            None => Ok(()),
        }
    }

    /// The flush that the journal needs, to be waited for without holding this world, while a snapshot
    /// is written and flushed; [`World::journal_flushed`] takes the result. `None` if all is durable.
    pub fn journal_ticket(&mut self) -> Result<Option<JournalTicket>, ImageError> {
        if self.read_only {
            return Err(ImageError::ReadOnly);
        }
        let begun = self.journal.begin_flush(&self.disk)?;
        Ok(begun.map(|begun| JournalTicket { disk: self.disk.clone(), begun }))
    }

    /// Takes over what a flush of the journal came to.
    pub fn journal_flushed(&mut self, flushed: JournalFlushed) -> Result<(), ImageError> {
        let ended = self.journal.end_flush(&flushed.begun, flushed.result);
        if let Err(ImageError::FlushFailed(error)) = &ended {
            self.flush_failed = self.job.as_ref().map(|_| error.clone());
        }
        ended
    }

    /// The records behind what the opened commit covers, as opening found them.
    pub fn journal_replay(&self) -> Result<Vec<JournalRecord>, ImageError> {
        Ok(self.replayed.clone())
    }

    /// Switches seeded bugs on or off, for tests.
    pub fn set_faults(&mut self, faults: Faults) {
        self.disk.faults = faults;
    }
}
