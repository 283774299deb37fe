//! Faults of the medium at every operation of short scripts: failing and lying flushes, I/O errors,
//! a full disk, rot in every block, misdirected and lost writes, and two of them at once.
//!
//! The judge: each heap names itself by its first root word, so whatever opens, a page that can be
//! read must be the page of the heap that the commit or moment names. What was acknowledged must be
//! there, unless the medium lied or rotted, and then the loss must be named where it can be known.

mod common;

use common::{Bench, Pages, options, tag_of};
use image::{BLOCK_BYTES, Budget, Keep, MomentId, OpenReport, PageIndex, Progress, World};
use platform::Store;
use platform_sim::{Calls, Fault, Medium, Random, SimStore, Survivors, Times};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run knows of itself.
struct Run {
    bench: Bench,
    random: Random,
    /// The heap of each root word.
    heaps: BTreeMap<u64, Pages>,
    /// Root words of what was attempted, by time.
    attempts: Vec<u64>,
    /// How many attempts there were when the last was acknowledged.
    acknowledged: usize,
    names: Vec<MomentId>,
    dirty: BTreeMap<u64, u64>,
    tag: u64,
}

impl Run {
    fn new(seed: u64) -> Run {
        Run {
            bench: Bench::new(),
            random: Random::new(seed),
            heaps: BTreeMap::from([(0, Pages::new())]),
            attempts: vec![0],
            acknowledged: 1,
            names: Vec::new(),
            dirty: BTreeMap::new(),
            tag: 0,
        }
    }

    fn snapshot(&mut self) {
        for _ in 0..1 + self.random.below(5) {
            self.tag += 1;
            self.dirty.insert([self.random.below(9), self.random.below(400)][self.random.below(2)] as u64, self.tag);
        }
        let dirty: Vec<(u64, u64)> = self.dirty.iter().map(|(&page, &tag)| (page, tag)).collect();
        let mut heap = self.bench.pages.clone();
        heap.extend(dirty.iter().copied());
        let keep = if self.random.chance(40) { Keep::Automatic } else { Keep::No };
        self.bench.begin(&dirty, keep);
        let root = self.bench.epoch();
        self.heaps.insert(root, heap.clone());
        self.attempts.push(root);
        if let Progress::Acknowledged { .. } = self.bench.finish(4) {
            self.bench.pages = heap;
            self.dirty.clear();
            self.acknowledged = self.attempts.len();
        }
        for _ in 0..3 {
            let _ = self.bench.world.step(Budget::ALL);
        }
    }

    /// An operation that commits without new pages.
    fn other(&mut self, which: usize) {
        let root = self.bench.world.heap().roots[0];
        self.attempts.push(root);
        let at = self.attempts.len() - 1;
        let world = &mut self.bench.world;
        let any = self.names.first().copied();
        let done = match (which, any) {
            (0, Some(to)) => world.restore(to, 4).map(|_| {
                self.bench.pages = self.heaps[&self.bench.world.heap().roots[0]].clone();
                self.bench.heap_pages = self.bench.world.heap().pages;
                self.dirty.clear();
            }),
            (1, Some(id)) => {
                self.names.remove(0);
                world.delete(id, 4)
            }
            (2, _) => world.journal_append(1, 2, &[3; 700]).and_then(|_| world.journal_flush()),
            _ => world.name(&format!("n{at}"), 4).map(|id| self.names.push(id)),
        };
        self.attempts[at] = self.bench.world.heap().roots[0];
        if done.is_ok() {
            self.acknowledged = self.attempts.len();
        } else if which == 0 && let Some(to) = any {
            // It may have reached the disk all the same.
            if let Ok(moments) = self.bench.world.moments() {
                let root = moments.iter().find(|moment| moment.id == to).map(|moment| moment.heap.roots[0]);
                self.attempts.extend(root);
            }
        }
    }

    fn go(&mut self, steps: usize) {
        self.snapshot();
        for _ in 0..steps {
            match self.random.below(8) {
                0 => self.other(0),
                1 => self.other(1),
                2 => self.other(2),
                3 => self.other(3),
                _ => self.snapshot(),
            }
        }
    }

    /// Judges what opens. `honest`: the medium kept its word, so nothing may be lost.
    fn judge(&self, medium: Medium, honest: bool) -> Result<(), String> {
        let store = SimStore::on(medium);
        let (mut world, report) = match World::open(Arc::new(store), &options(8)) {
            Ok(opened) => opened,
            Err(error) if honest => return Err(format!("does not open: {error}")),
            Err(_) => return Ok(()),
        };
        let loss = named_loss(&report);
        if honest && loss {
            return Err(format!("claims a loss: {report:?}"));
        }
        let root = world.heap().roots[0];
        let newest = self.attempts.iter().rposition(|&attempt| attempt == root);
        match newest {
            None => return Err(format!("is at heap {root}, which nobody made")),
            Some(at) if at + 1 < self.acknowledged && honest => {
                return Err(format!("is at attempt {at}, {} were acknowledged", self.acknowledged));
            }
            Some(_) => {}
        }
        self.judge_pages(&mut world, MomentId::NONE, honest)?;
        let moments = match world.moments() {
            Ok(moments) => moments,
            Err(error) if honest => return Err(format!("moments: {error}")),
            Err(_) => return Ok(()),
        };
        for moment in &moments {
            self.judge_pages(&mut world, moment.id, honest)?;
        }
        let missing = self.names.iter().any(|id| !moments.iter().any(|moment| moment.id == *id));
        if honest && missing {
            return Err("a named moment is gone".into());
        }
        while world.tend(Budget::ALL).map_err(|error| error.to_string())? {}
        match world.check() {
            Ok(damages) if honest && !damages.is_empty() => Err(format!("check finds {damages:?}")),
            _ => Ok(()),
        }
    }

    fn judge_pages(&self, world: &mut World, id: MomentId, honest: bool) -> Result<(), String> {
        let mut reader = world.reader(id).map_err(|error| error.to_string())?;
        let root = reader.heap().roots[0];
        let heap = self.heaps.get(&root).ok_or(format!("moment {id} has heap {root}, which nobody made"))?;
        let mut bytes = [0; BLOCK_BYTES];
        for page in 0..reader.heap().pages {
            match reader.read_page(PageIndex(page), &mut bytes) {
                Ok(()) if tag_of(&bytes) == Some(heap.get(&page).copied().unwrap_or(0)) => {}
                Ok(()) => return Err(format!("page {page} of {id} is silently wrong")),
                Err(damage) if honest => return Err(format!("page {page} of {id}: {damage}")),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

fn named_loss(report: &OpenReport) -> bool {
    !report.lost_commits.is_empty() || !report.lost_pages.is_empty() || report.opened_moment.is_some()
}

/// Runs a script with faults armed at an operation; judges what a power cut leaves.
fn case(seed: u64, faults: &[Fault], honest: bool) -> (Result<(), String>, bool) {
    let mut run = Run::new(seed);
    run.snapshot();
    faults.iter().for_each(|fault| run.bench.store.arm(fault.clone()));
    run.go(7);
    let struck = run.bench.store.strikes().iter().all(|&count| count > 0);
    run.bench.store.disarm();
    let survivors = [Survivors::Nothing, Survivors::Everything, Survivors::Shredded { seed }];
    // The choice is the operation's: the same script is run for each of them.
    let nth = faults.len() + run.bench.store.operations();
    let survivors = &survivors[nth % survivors.len()];
    let medium = run.bench.store.cut(survivors);
    let verdict = run.judge(medium, honest).map_err(|error| format!("{survivors:?}: {error}"));
    (verdict, struck)
}

/// How many operations a script has before and after its faults are armed.
fn length(seed: u64) -> (usize, usize, u64) {
    let mut run = Run::new(seed);
    run.snapshot();
    let first = run.bench.store.operations();
    run.go(7);
    (first, run.bench.store.operations(), run.bench.store.len().expect("length"))
}

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("MEDIUM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    1..1 + count
}

/// Tries a fault at every operation.
fn everywhere(name: &str, honest: bool, fault: impl Fn(usize, u64) -> Vec<Fault>) {
    let (mut cases, mut struck) = (0, 0);
    for seed in seeds() {
        let (first, last, bytes) = length(seed);
        for operation in first..last {
            let faults = fault(operation, bytes);
            let (verdict, hit) = case(seed, &faults, honest);
            cases += 1;
            struck += usize::from(hit);
            assert_eq!(verdict, Ok(()), "{name}: seed {seed}, {faults:?}");
        }
    }
    println!("{name}: {struck} of {cases} cases struck");
    assert!(struck > 0, "{name} never struck");
}

fn fails(operation: usize, times: Times, kept: Survivors) -> Fault {
    Fault::FlushFails { operation, times, kept }
}

fn io(operation: usize, calls: Calls, times: Times) -> Fault {
    Fault::Io { operation, calls, range: 0..u64::MAX, times }
}

#[test]
fn a_flush_that_fails_once_loses_nothing() {
    everywhere("flush fails", true, |at, _| vec![fails(at, Times::Once, Survivors::Nothing)]);
    everywhere("flush fails, all kept", true, |at, _| vec![fails(at, Times::Once, Survivors::Everything)]);
    everywhere("flush fails, some kept", true, |at, _| {
        vec![fails(at, Times::Count(2), Survivors::Shredded { seed: at as u64 })]
    });
}

#[test]
fn flushes_that_fail_for_ever_lose_nothing() {
    everywhere("flush fails for ever", true, |at, _| {
        vec![fails(at, Times::Always, Survivors::Random { seed: at as u64, percent: 50 })]
    });
}

#[test]
fn write_errors_lose_nothing() {
    everywhere("write error", true, |at, _| vec![io(at, Calls::Writes, Times::Once)]);
    everywhere("write error for ever", true, |at, _| vec![io(at, Calls::Writes, Times::Always)]);
}

#[test]
fn read_errors_lose_nothing() {
    everywhere("read error", true, |at, _| vec![io(at, Calls::Reads, Times::Once)]);
    everywhere("read error for ever", true, |at, _| vec![io(at, Calls::Reads, Times::Always)]);
}

#[test]
fn a_full_disk_loses_nothing() {
    for extra in [0, 6, 10, 14] {
        everywhere("disk full", true, |_, _| vec![Fault::Full { bytes: (30 + extra) * 4096 }]);
    }
}

#[test]
fn lying_flushes_and_lost_writes_never_corrupt_silently() {
    everywhere("flush lies", false, |at, _| vec![Fault::FlushLies { operation: at, times: Times::Count(2) }]);
    everywhere("lost write", false, |at, _| vec![Fault::Lost { operation: at }]);
    everywhere("misdirected write", false, |at, bytes| {
        let to = (at as u64 * 7919 * 4096) % (bytes - (1 << 20)) / 4096 * 4096 + (1 << 20);
        vec![Fault::Misdirected { operation: at, to }]
    });
}

#[test]
fn two_faults_at_once_never_corrupt_silently() {
    everywhere("flush fails and a write is lost", false, |at, _| {
        vec![fails(at, Times::Once, Survivors::Everything), Fault::Lost { operation: at + 3 }]
    });
}

#[test]
fn rot_in_every_block_is_never_silent() {
    let (mut cases, mut named) = (0, 0);
    for seed in seeds() {
        let mut run = Run::new(seed);
        run.go(7);
        let medium = run.bench.store.contents();
        for block in 256..medium.len() / 4096 {
            let mut rotten = medium.clone();
            rotten.flip_bits(block * 4096 + (block * 37) % 4096, 1 << (block % 8));
            assert_eq!(run.judge(rotten, false), Ok(()), "seed {seed}, block {block}");
            cases += 1;
            named += 1;
        }
    }
    println!("rot: {named} of {cases}");
}
