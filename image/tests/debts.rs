//! What a session owes: to the journal while a snapshot is written, to what an earlier process left,
//! to upkeep that others wait behind.

mod common;

use common::Bench;
use image::{Budget, Faults, ImageError, JournalLoss, Keep, OpenOptions, Place, Progress, ThinPolicy, World};
use platform::{Store, StoreError, StoreErrorKind};
use platform_sim::{Fault, SimStore, Survivors, Times};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[test]
fn what_an_earlier_process_failed_to_flush_is_written_anew() {
    let owed = |faults: Faults| {
        let mut bench = Bench::new();
        bench.snapshot(&[(1, 1)], Keep::No);
        bench.world.journal_append(1, 1, b"typed").expect("append");
        // The kernel drops the record and reports it once, to a process that dies then.
        bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Once, kept: Survivors::Nothing });
        assert!(bench.world.journal_flush().is_err());
        let shared: Arc<dyn Store> = Arc::new(bench.store.clone());
        let (mut world, _) = World::open(shared, &OpenOptions { faults, ..common::options(2) }).expect("open again");
        assert_eq!(world.journal_replay().expect("replay").len(), 1, "the cache still has it");
        world.journal_append(2, 1, b"typed after").expect("append");
        world.journal_flush().expect("flush");
        let (again, _) = Bench::open(bench.store.cut(&Survivors::Nothing), 3).expect("open");
        again.world.journal_replay().expect("replay").len()
    };
    assert_eq!(owed(Faults::default()), 2);
    assert_eq!(owed(Faults::only("trust_inherited_records").expect("a fault")), 0, "the case shows it");
}

#[test]
fn the_record_of_a_commit_that_was_not_settled_is_written_anew() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.begin(&[(1, 2)], Keep::No);
    let mut flushes = 0;
    while flushes < 2 {
        flushes += u64::from(bench.world.is_about_to_flush());
        if flushes == 2 {
            // The record is lost, the cache has it, and whoever is told dies.
            bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Once, kept: Survivors::Nothing });
        }
        let _ = bench.world.step(Budget(1));
    }
    bench.pages.insert(1, 2);
    let shared: Arc<dyn Store> = Arc::new(bench.store.clone());
    let (world, report) = World::open(shared, &common::options(2)).expect("open again");
    let opened = report.opened;
    assert!(!world.is_settled());
    let mut next = Bench::new_on(world, bench.store.clone());
    next.pages = bench.pages.clone();
    next.snapshot(&[(3, 3)], Keep::No);
    assert!(next.world.is_settled());
    let head = next.world.head().clone();
    let mut medium = next.store.cut(&Survivors::Nothing);
    for rotten in [head.map.entry.block, head.map_copy] {
        medium.flip_bits((1 << 20) + rotten.0 * 4096, 1);
    }
    let (_, report) = Bench::open(medium, 3).expect("open the parent");
    assert_eq!(report.opened, opened, "{report:?}");
}

#[test]
fn a_journal_that_cannot_be_read_is_an_error_and_no_loss() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"typed").expect("append");
    bench.world.journal_flush().expect("flush");
    let store = SimStore::on(bench.store.contents());
    let journal = (1 << 20) + (2 + 2 * 5) * 4096;
    let trouble = Fault::Io { operation: 0, calls: platform_sim::Calls::Reads, range: journal..journal + 6 * 4096, times: Times::Always };
    store.arm(trouble);
    let open = |options| World::open(Arc::new(store.clone()) as Arc<dyn Store>, &options);
    let error = open(common::options(2)).map(drop).expect_err("refused");
    assert!(matches!(error, ImageError::Damaged(damage) if damage.place == Place::Journal), "{error}");
    assert_eq!(store.operations(), 0, "nothing was written");
    let heedless = Faults::only("journal_trouble_unheeded").expect("a fault");
    assert!(open(OpenOptions { faults: heedless, ..common::options(2) }).is_ok(), "the case shows it");
    let (_, report) = open(OpenOptions { read_only: true, ..common::options(2) }).expect("reading goes");
    assert!(report.damages.iter().any(|damage| damage.place == Place::Journal));
    store.disarm();
    let (world, _) = open(common::options(2)).expect("open");
    assert_eq!(world.journal_replay().expect("replay").len(), 1, "and nothing is lost");
}

#[test]
fn a_snapshot_begun_during_upkeep_is_next_and_covers_the_journal_of_its_flip() {
    let mut bench = Bench::new();
    for number in 1..60 {
        bench.snapshot(&[(number, number)], Keep::Automatic);
    }
    let policy = ThinPolicy { steps: vec![], budget_bytes: 0 };
    assert!(bench.world.begin_thinning(&policy, bench.now_ns).expect("begin").gone > 0);
    assert_eq!(bench.world.begin_thinning(&policy, bench.now_ns), Err(ImageError::Busy));
    bench.begin(&[(1, 1000)], Keep::No);
    // Typed after the flip: the snapshot must not cover it, though its record is written later.
    bench.world.journal_append(1, 1, b"after the flip").expect("append");
    let mut seen = Vec::new();
    loop {
        match bench.world.step(Budget(1)) {
            Progress::Working => {}
            Progress::Idle => break,
            progress => seen.push(matches!(progress, Progress::Acknowledged { epoch: Some(_), .. })),
        }
    }
    assert_eq!(seen, [false, true]);
    bench.pages.insert(1, 1000);
    let (mut bench, _) = bench.reopened(2);
    assert_eq!(bench.world.journal_replay().expect("replay").len(), 1);
    bench.verify();
    bench.check();
}

#[test]
fn the_journal_is_relieved_once_while_flushes_fail() {
    let steps = |faults: Faults| {
        let mut bench = Bench::with(&common::small(), faults);
        bench.snapshot(&[(1, 1)], Keep::No);
        while bench.world.journal_append(1, 1, &[1; 1000]).is_ok() {}
        bench.begin(&[(2, 2)], Keep::No);
        while !matches!(bench.world.step(Budget::ALL), Progress::Acknowledged { epoch: Some(_), .. }) {}
        bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Always, kept: Survivors::Everything });
        (0..100).take_while(|_| bench.world.step(Budget::ALL) != Progress::Idle).count()
    };
    assert!(steps(Faults::default()) < 10);
    assert_eq!(steps(Faults::only("relief_without_pause").expect("a fault")), 100);
}

#[test]
fn a_journal_flush_runs_beside_a_snapshot_and_what_is_typed_meanwhile_starts_a_block() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"first").expect("append");
    bench.begin(&[(2, 2)], Keep::No);
    let ticket = bench.world.journal_ticket().expect("ticket").expect("something to flush");
    bench.world.journal_append(2, 1, b"meanwhile").expect("append");
    bench.world.journal_flushed(ticket.wait()).expect("flushed");
    let ticket = bench.world.journal_ticket().expect("ticket").expect("the second is not durable yet");
    // A flush that fails while one of the journal is under way leaves that in doubt.
    bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Once, kept: Survivors::Nothing });
    assert!(bench.world.journal_flushed(ticket.wait()).is_err());
    assert!(matches!(bench.finish(8), Progress::Abandoned { .. }), "the snapshot fails with it");
    bench.world.journal_flush().expect("written anew");
    let (again, _) = Bench::open(bench.store.cut(&Survivors::Nothing), 3).expect("open");
    let found: Vec<u64> = again.world.journal_replay().expect("replay").iter().map(|record| record.serial).collect();
    assert_eq!(found, [1, 2]);
}

#[test]
fn a_map_root_that_rots_is_mended_by_its_copy() {
    let rotten = |faults: Faults, copy_too: bool| {
        let mut bench = Bench::with(&common::small(), faults);
        // The only snapshot: nothing else could be opened.
        bench.snapshot(&[(1, 1), (300, 2), (70_000, 3)], Keep::Automatic);
        let head = bench.world.head().clone();
        let mut medium = bench.store.cut(&Survivors::Nothing);
        medium.flip_bits((1 << 20) + head.map.entry.block.0 * 4096 + 9, 2);
        if copy_too {
            medium.flip_bits((1 << 20) + head.map_copy.0 * 4096 + 9, 2);
        }
        let (mut again, report) = Bench::open(medium, 3)?;
        again.pages = bench.pages.clone();
        assert!(report.lost_commits.is_empty() && report.lost_pages.is_empty(), "{report:?}");
        assert_eq!(report.damages.len(), 1, "named");
        again.verify();
        assert!(!again.world.check().expect("check").is_empty(), "check names it");
        again.heap_pages = 70_001;
        again.snapshot(&[(2, 5)], Keep::Automatic);
        while again.world.tend(Budget::ALL).expect("tend") {}
        again.verify();
        let (mut last, report) = again.reopened(4);
        assert!(report.damages.is_empty(), "the next commit has a root of its own: {report:?}");
        last.verify();
        Ok::<(), ImageError>(())
    };
    rotten(Faults::default(), false).expect("it opens");
    assert!(rotten(Faults::default(), true).is_err());
    assert!(rotten(Faults::only("skip_map_copy").expect("a fault"), false).is_err(), "the case shows it");
}

#[test]
fn no_step_of_a_commit_runs_into_a_flush_unless_it_begins_there() {
    let tickets = |faults: Faults| {
        let mut bench = Bench::with(&common::small(), faults);
        bench.snapshot(&[(1, 1)], Keep::No);
        let mut tickets = 0;
        for number in 0..50 {
            bench.begin(&[(number, number + 7), (number + 300, 3)], Keep::No);
            // As the writer's thread does it, with steps longer than the whole commit.
            loop {
                if let Some(ticket) = bench.world.flush_ticket() {
                    bench.world.flushed(ticket.wait());
                    tickets += 1;
                }
                if bench.world.step(Budget(64)) != Progress::Working {
                    break;
                }
            }
        }
        tickets
    };
    assert_eq!(tickets(Faults::default()), 100, "both flushes of each commit");
    assert!(tickets(Faults::only("flush_within_step").expect("a fault")) < 10, "the case shows it");
}

#[test]
fn a_snapshot_of_one_who_did_not_apply_the_journal_leaves_it() {
    let left = |leaves: bool| {
        let mut bench = Bench::new();
        bench.snapshot(&[(1, 1)], Keep::No);
        bench.world.journal_append(1, 1, b"typed").expect("append");
        bench.world.journal_flush().expect("flush");
        let (mut bench, _) = bench.reopened(2);
        if leaves {
            bench.world.leave_journal();
        }
        bench.snapshot(&[(2, 2)], Keep::No);
        bench.world.close(9).expect("close");
        let (again, _) = bench.reopened(3);
        again.world.journal_replay().expect("replay").len()
    };
    assert_eq!((left(true), left(false)), (1, 0));
}

/// A medium of which some blocks cannot be read until they are written, as a disk maps them anew.
struct Healing {
    inner: SimStore,
    bad: Mutex<BTreeSet<u64>>,
}

impl Healing {
    fn blocks(offset: u64, bytes: usize) -> std::ops::RangeInclusive<u64> {
        offset / 4096..=(offset + bytes as u64 - 1) / 4096
    }
}

impl Store for Healing {
    fn len(&self) -> Result<u64, StoreError> {
        self.inner.len()
    }

    fn grow(&self, bytes: u64) -> Result<(), StoreError> {
        self.inner.grow(bytes)
    }

    fn truncate(&self, bytes: u64) -> Result<(), StoreError> {
        self.inner.truncate(bytes)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), StoreError> {
        let bad = self.bad.lock().expect("no panic");
        match bad.range(Healing::blocks(offset, into.len())).next() {
            Some(_) => Err(StoreError { kind: StoreErrorKind::Io, message: "unreadable".to_owned() }),
            None => self.inner.read_at(offset, into),
        }
    }

    fn write_at(&self, offset: u64, from: &[u8]) -> Result<(), StoreError> {
        let whole = Healing::blocks(offset, from.len()).filter(|_| offset % 4096 == 0 && from.len() % 4096 == 0);
        let mut bad = self.bad.lock().expect("no panic");
        whole.for_each(|block| {
            bad.remove(&block);
        });
        self.inner.write_at(offset, from)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

/// Three flushed edits stand in the first three blocks of the journal; of some blocks nothing can be
/// read, and they are given up. Answers what that came to, and the edits that are left.
fn given_up(bad: &[u64]) -> (JournalLoss, Vec<u64>) {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    for (serial, length) in [(1, 10), (2, 3000), (3, 300)] {
        bench.world.journal_append(serial, 1, &vec![7; length]).expect("append");
        bench.world.journal_flush().expect("flush");
    }
    let journal = (1 << 20) / 4096 + 2 + 2 * 5;
    let store: Arc<dyn Store> = Arc::new(Healing {
        inner: SimStore::on(bench.store.contents()),
        bad: Mutex::new(bad.iter().map(|nth| journal + nth).collect()),
    });
    assert_eq!(World::open(store.clone(), &common::options(2)).is_ok(), bad.is_empty());
    let loss = World::give_up_journal(&store).expect("given up");
    let (mut world, report) = World::open(store.clone(), &common::options(3)).expect("opens again");
    assert!(report.lost_commits.is_empty(), "{report:?}");
    let left = world.journal_replay().expect("replay").iter().map(|record| record.serial).collect();
    // It goes on from there, and what follows the gap never comes back.
    world.journal_append(9, 1, b"typed after").expect("append");
    world.journal_flush().expect("flush");
    let (world, _) = World::open(store, &common::options(4)).expect("opens again");
    assert_eq!(world.journal_replay().expect("replay").last().map(|record| record.serial), Some(9));
    (loss, left)
}

#[test]
fn a_journal_that_cannot_be_read_is_given_up_on_demand_and_the_loss_is_counted() {
    assert_eq!(given_up(&[]), (JournalLoss::default(), vec![1, 2, 3]));
    let loss = |blocks: u64, edits, edit_bytes| JournalLoss { unreadable_bytes: blocks * 4096, edits, edit_bytes };
    assert_eq!(given_up(&[1]), (loss(1, 1, 300), vec![1]), "the second is gone, and the third with it");
    assert_eq!(given_up(&[0]), (loss(1, 2, 3300), vec![]));
    assert_eq!(given_up(&[2]), (loss(1, 0, 0), vec![1, 2]));
    assert_eq!(given_up(&[3]), (loss(1, 0, 0), vec![1, 2, 3]), "behind the last edit nothing is lost");
}
