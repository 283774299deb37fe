//! What the scripts of the crash matrix do not reach: lists too long for a record, extents that are
//! verified after opening, nodes that rot under a snapshot, media that recover, who holds what.

mod common;

use common::{Bench, LOST, options, page_bytes, read_all, small, trimmed};
use image::{
    BLOCK_BYTES, Budget, Faults, ImageError, Keep, MomentId, PageIndex, Place, Policy, Progress, ThinPolicy, ThinStep, World,
};
use platform::{Filled, PageSource, Store};
use platform_sim::{Calls, Change, Fault, Filling, Medium, SimMemory, SimStore, Step, Survivors, Times};
use std::sync::Arc;

/// The newest place in a medium at which a page's bytes stand.
fn place_of(medium: &Medium, tag: u64) -> u64 {
    let (wanted, mut bytes) = (page_bytes(tag), [0; BLOCK_BYTES]);
    let found = (0..medium.len() / 4096).rev().find(|block| {
        medium.read(block * 4096, &mut bytes);
        bytes == wanted
    });
    found.expect("the page is somewhere") * 4096
}

/// The last place at which a map node stands that holds an entry of `block`.
fn node_above(medium: &Medium, place: u64) -> u64 {
    let block = (place - (1 << 20)) / 4096;
    let mut bytes = [0; BLOCK_BYTES];
    let found = (0..medium.len() / 4096).rev().find(|at| {
        medium.read(at * 4096, &mut bytes);
        let blocks = bytes.chunks_exact(16).filter(|entry| entry[..8] == block.to_le_bytes());
        at * 4096 != place && blocks.count() == 1
    });
    found.expect("a node names the block") * 4096
}

fn tended() -> Bench {
    let mut bench = Bench::with(&small(), Faults::default());
    while bench.world.tend(Budget::ALL).expect("tend") {}
    bench
}

/// Its map has two levels from the start: a leaf never was the topmost node, of which there are two.
fn tended_with_a_tall_map() -> Bench {
    let mut bench = tended();
    bench.snapshot(&[(300, 8)], Keep::No);
    bench
}

fn pages(first: u64, count: u64, step: usize, tag: u64) -> Vec<(u64, u64)> {
    (first..first + count).step_by(step).map(|page| (page, tag * 10_000 + page)).collect()
}

/// A world whose free blocks lie apart, so that the next large commit has many extents.
fn fragmented() -> Bench {
    let mut bench = tended();
    bench.snapshot(&pages(0, 3000, 1, 1), Keep::No);
    bench.snapshot(&pages(0, 3000, 2, 2), Keep::No);
    for tag in 3..5 {
        bench.snapshot(&[(0, tag)], Keep::No);
    }
    bench.snapshot(&pages(1, 1100, 2, 5), Keep::No);
    assert!(bench.world.head().extent_list.block.0 > 1, "the extents fit a record");
    bench
}

#[test]
fn a_commit_of_many_extents_is_verified_swept_and_forgotten() {
    let bench = fragmented();
    let last = place_of(&bench.store.contents(), 5 * 10_000 + 1099);
    let (mut bench, report) = bench.reopened(2);
    assert!(report.lost_commits.is_empty());
    bench.check();
    while bench.world.tend(Budget(64)).expect("tend") {}
    bench.check();
    bench.verify();
    // Its own lists go when it does, and their blocks are not used while it is the parent.
    for tag in 6..9 {
        bench.snapshot(&[(1, tag)], Keep::No);
        bench.check();
    }
    let (mut bench, _) = bench.reopened(3);
    bench.verify();
    let (_, report) = fragmented().rotten(last);
    assert_eq!(report.lost_commits.len(), 1, "rot in an extent of the list is not found");
}

#[test]
fn a_long_list_of_lost_pages_survives_and_is_freed_when_accepted() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 120, 1, 1), Keep::No);
    bench.snapshot(&[(200, 9)], Keep::No);
    let mut medium = bench.store.contents();
    let lost: Vec<u64> = (0..120).step_by(2).collect();
    for page in &lost {
        let place = place_of(&medium, 10_000 + page);
        medium.flip_bits(place, 1);
    }
    let (mut bench, _) = Bench::open(medium, 2).expect("open");
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    for page in &lost {
        assert_eq!(pager.fill(*page as usize, &mut [0; BLOCK_BYTES]), Filled::Lost);
    }
    for tag in 1..4 {
        bench.snapshot(&[(201, tag)], Keep::No);
        let (_, report) = Bench::open(bench.store.contents(), 3).expect("open");
        let named: Vec<u64> = report.lost_pages.iter().map(|run| run.first.0).collect();
        assert_eq!(named.iter().filter(|page| lost.contains(page)).count(), lost.len());
    }
    assert_eq!(bench.world.accept_losses().len(), lost.len());
    let again: Vec<(u64, u64)> = lost.iter().map(|page| (*page, 77_000 + page)).collect();
    bench.snapshot(&again, Keep::No);
    for tag in 5..8 {
        bench.snapshot(&[(201, tag)], Keep::No);
    }
    while bench.world.tend(Budget::ALL).expect("tend") {}
    bench.check();
}

/// More than is verified before a world opens.
fn much() -> Bench {
    let mut bench = tended();
    bench.snapshot(&[(0, 1)], Keep::No);
    bench.snapshot(&pages(1, 5200, 1, 1), Keep::No);
    bench
}

#[test]
fn a_large_commit_opens_as_whole() {
    let (mut bench, report) = much().reopened(2);
    assert!(report.lost_commits.is_empty() && report.damages.is_empty());
    bench.snapshot(&[(0, 3)], Keep::No);
    bench.verify();
}

#[test]
fn nothing_is_committed_on_extents_that_turn_out_to_be_rotten() {
    let bench = much();
    let medium = bench.store.contents();
    let place = place_of(&medium, 10_000 + 5200);
    let (mut bench, report) = bench.rotten(place);
    assert!(report.lost_commits.is_empty(), "all of it was verified, however large");
    let head = bench.world.acknowledged().0;
    bench.begin(&[(0, 4)], Keep::No);
    let progress = bench.finish(1000);
    assert!(matches!(progress, Progress::Abandoned { error: ImageError::Damaged(_), .. }), "{progress:?}");
    assert_eq!(bench.world.acknowledged().0, head);
    assert_eq!(bench.world.damages().len(), 1);
    bench.world.close(9).expect("a close that commits nothing");
    assert_eq!(bench.world.acknowledged().0, head);
}

#[test]
fn pages_under_a_rotten_node_are_lost_by_name_and_never_zero() {
    let mut bench = tended_with_a_tall_map();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&[(300, 9)], Keep::No);
    bench.snapshot(&[(300, 10)], Keep::No);
    let medium = bench.store.contents();
    let node = node_above(&medium, place_of(&medium, 10_000 + 7));
    let (mut bench, report) = bench.rotten(node + 4000);
    assert!(report.lost_commits.is_empty());
    bench.snapshot(&[(3, 33)], Keep::No);
    let (mut bench, report) = bench.reopened(3);
    assert_eq!(report.lost_pages.iter().map(|run| run.pages).max(), Some(256));
    let mut bytes = [0; BLOCK_BYTES];
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    assert_eq!(pager.fill(3, &mut bytes), Filled::Bytes);
    assert_eq!(pager.fill(7, &mut bytes), Filled::Lost);
    let mut reader = bench.world.reader(MomentId::NONE).expect("reader");
    assert!(reader.read_page(PageIndex(3), &mut bytes).is_ok());
    assert!(reader.read_page(PageIndex(7), &mut bytes).is_err());
}

#[test]
fn losses_that_a_snapshot_finds_are_named_by_the_next_one_too() {
    let mut bench = tended_with_a_tall_map();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&[(300, 9)], Keep::No);
    bench.snapshot(&[(300, 10)], Keep::No);
    let medium = bench.store.contents();
    let node = node_above(&medium, place_of(&medium, 10_000 + 7));
    let (mut bench, _) = bench.rotten(node + 4000);
    bench.snapshot(&[(3, 33)], Keep::No);
    assert_eq!(bench.world.delete(MomentId(1), 1), Err(ImageError::LostPages(256)));
    bench.snapshot(&[(300, 34)], Keep::No);
    let (_, report) = bench.reopened(3);
    assert!(report.lost_pages.iter().any(|run| run.pages == 256));
}

#[test]
fn a_rotten_neighbour_is_not_given_out_with_a_run() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&[(300, 9)], Keep::No);
    let place = place_of(&bench.store.contents(), 10_000 + 12);
    let (mut bench, _) = bench.rotten(place);
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    let mut run = vec![0; 8 * BLOCK_BYTES];
    assert_eq!(pager.fill(9, &mut [0; BLOCK_BYTES]), Filled::Bytes);
    assert_eq!(pager.fill_run(PageIndex(9), &mut run), (Filled::Bytes, 3));
    assert_eq!(pager.fill_run(PageIndex(12), &mut run).0, Filled::Lost);
    assert_eq!(pager.fill_run(PageIndex(13), &mut run), (Filled::Bytes, 8));
}

#[test]
fn a_page_that_the_medium_refuses_is_not_lost() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    let place = place_of(&bench.store.contents(), 10_000 + 12);
    let (mut bench, _) = bench.reopened(2);
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    let mut bytes = [0; BLOCK_BYTES];
    let refuse = |times| Fault::Io { operation: 0, calls: Calls::Reads, range: place..place + 4096, times };
    bench.store.arm(refuse(Times::Always));
    assert_eq!(pager.fill(12, &mut bytes), Filled::Failed);
    bench.store.disarm();
    bench.store.arm(refuse(Times::Once));
    assert_eq!(pager.fill(12, &mut bytes), Filled::Bytes, "a read that fails once is not tried again");
    assert_eq!(pager.lost_count(), 0);
}

#[test]
fn a_commit_that_could_not_be_read_for_a_while_is_still_whole_when_it_can() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&pages(0, 40, 1, 2), Keep::No);
    let (head, wanted) = (bench.world.acknowledged().0, trimmed(&bench.pages));
    let medium = bench.store.contents();
    let place = place_of(&medium, 20_000 + 12);
    let store = SimStore::on(medium);
    store.arm(Fault::Io { operation: 0, calls: Calls::Reads, range: place..place + 4096, times: Times::Always });
    let (world, report) = World::open(Arc::new(store.clone()), &options(2)).expect("open");
    assert_eq!(report.lost_commits.len(), 1);
    let mut other = Bench::new_on(world, store);
    while other.world.tend(Budget::ALL).expect("tend") {}
    other.begin(&pages(100, 200, 1, 3), Keep::No);
    while !other.world.is_about_to_flush() {
        assert_eq!(other.world.step(Budget(1)), Progress::Working);
    }
    let (mut again, report) = Bench::open(other.store.cut(&Survivors::Everything), 3).expect("open");
    assert!(report.lost_commits.is_empty(), "{report:?}");
    assert_eq!((again.world.acknowledged().0, read_all(&mut again.world, MomentId::NONE)), (head, Ok(wanted)));
}

#[test]
fn a_rotten_copy_of_a_record_is_written_anew() {
    for mirror in [0u64, 1] {
        let mut bench = tended();
        for tag in 1..4 {
            bench.snapshot(&[(1, tag)], Keep::No);
        }
        let slot = u64::from(bench.world.acknowledged().0.0 % 5);
        let copies = [2u64, 7].map(|ring| (1 << 20) + (ring + slot) * 4096);
        let (mut bench, report) = bench.rotten(copies[mirror as usize] + 300);
        assert_eq!(report.damages.len() + report.unfinished.len(), 1, "{report:?}");
        bench.verify();
        bench.snapshot(&[(2, 9)], Keep::No);
        let mut medium = bench.store.contents();
        // The other copy rots as well, of what is now the parent; and then the head's page.
        medium.flip_bits(copies[1 - mirror as usize] + 300, 4);
        let place = place_of(&medium, 9);
        medium.flip_bits(place, 1);
        let (mut bench, report) = Bench::open(medium, 3).expect("open");
        assert_eq!(report.lost_commits.len(), 1);
        assert_eq!(bench.read_all(MomentId::NONE), Ok([(1, 3)].into()));
    }
}

#[test]
fn a_pager_of_the_present_that_was_stays_with_it() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::Named("then".into()));
    bench.snapshot(&[(1, 11), (2, 12)], Keep::No);
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    let mut bytes = [0; BLOCK_BYTES];
    assert_eq!(pager.fill(1, &mut bytes), Filled::Bytes);
    bench.world.restore(MomentId(1), 5).expect("restore");
    bench.snapshot(&[(2, 22)], Keep::No);
    assert_eq!(pager.fill(2, &mut bytes), Filled::Bytes);
    assert!(bytes == page_bytes(12));
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    assert_eq!(pager.fill(2, &mut bytes), Filled::Bytes);
    assert!(bytes == page_bytes(22));
}

#[test]
fn who_holds_a_pin_and_what_a_name_does() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1)], Keep::Named("trunk".into()));
    let trunk = MomentId(1);
    let held = bench.world.pin(7, 2).expect("pin");
    let idle = bench.world.pin(8, 2).expect("pin");
    let branch = bench.world.branch(trunk, "twig", 3).expect("branch");
    assert_eq!(bench.world.unpin(trunk, 4), Err(ImageError::NoSuchMoment(trunk)));
    assert_eq!(bench.world.unpin(branch, 4), Err(ImageError::NoSuchMoment(branch)));
    assert_eq!(bench.world.drop_pins(&mut |pin| pin.holder == 7, 5), Ok(1));
    bench.world.rename(branch, "bough", 6).expect("rename");
    bench.world.rename(held, "mine", 6).expect("rename");
    assert!(matches!(bench.world.rename(held, "bough", 6), Err(ImageError::NameTaken(_))));
    let (mut bench, _) = bench.reopened(2);
    let found: Vec<_> = bench.world.moments().expect("moments").into_iter().map(|m| (m.id, m.policy, m.name)).collect();
    let wanted = [(trunk, Policy::Named, "trunk"), (held, Policy::Named, "mine"), (branch, Policy::Branch, "bough")];
    assert_eq!(found, wanted.map(|(id, policy, name)| (id, policy, name.to_string())));
    assert!(found.iter().all(|(id, ..)| *id != idle));
    bench.begin(&[(1, 2)], Keep::No);
    assert!(matches!(bench.finish(9), Progress::Acknowledged { .. }));
    let taken = image::Snapshot {
        epoch: image::Epoch(99),
        frozen: common::Frozen::new(&[(1, 3)]),
        heap: common::heap(2, 3),
        wall_ns: 9,
        keep: Keep::Named("trunk".into()),
    };
    assert!(matches!(bench.world.begin_snapshot(taken), Err(ImageError::NameTaken(_))));
    assert!(bench.store.len().is_ok());
}

/// The bytes of the journal's ring in these worlds: behind two superblocks and two rings of five.
const JOURNAL: u64 = (1 << 20) + 12 * 4096;

#[test]
fn what_was_never_typed_is_not_replayed_though_the_same_keys_came_before() {
    let mut first = tended();
    first.snapshot(&[(1, 1)], Keep::No);
    for text in [b'a', b'b'] {
        first.world.journal_append(1, 1, &[text; 3000]).expect("append");
    }
    // Of the session that died only the second record is on the medium.
    let left = first.store.cut(&Survivors::Only(first.store.pending() - 1));
    let (mut second, _) = Bench::open(left, 9).expect("open");
    assert_eq!(second.world.journal_replay().expect("replay"), []);
    second.world.journal_append(1, 1, &[b'a'; 3000]).expect("append");
    second.world.journal_flush().expect("flush");
    let (third, _) = Bench::open(second.store.cut(&Survivors::Nothing), 10).expect("open");
    let found: Vec<u8> = third.world.journal_replay().expect("replay").iter().map(|record| record.bytes[0]).collect();
    assert_eq!(found, b"a");
}

#[test]
fn the_block_in_which_needed_records_begin_is_not_written() {
    let mut bench = tended();
    bench.world.journal_append(1, 1, &[1; 900]).expect("append");
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.snapshot(&[(1, 2)], Keep::No);
    bench.store.record();
    let mut appended = 0;
    while bench.world.journal_append(2 + appended, 1, &[2; 900]).is_ok() {
        appended += 1;
    }
    assert!(appended > 20, "{appended}");
    let steps = bench.store.recording().expect("recorded").steps;
    let writes: Vec<std::ops::Range<u64>> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Changed(pending) => match &pending.change {
                Some(Change::Write { offset, bytes, .. }) => Some(*offset..offset + bytes.len() as u64),
                _ => None,
            },
            _ => None,
        })
        .collect();
    // The first needed record stands behind the covered one in the ring's first block.
    let start = writes[0].start;
    assert!((JOURNAL + 900..JOURNAL + 4096).contains(&start));
    assert!(writes[1..].iter().all(|write| write.start >= start), "the ring wrapped into a needed block");
}

fn replayed(medium: Medium) -> Vec<u8> {
    let (world, _) = World::open(Arc::new(SimStore::on(medium)), &options(77)).expect("open");
    world.journal_replay().expect("replay").iter().map(|record| record.bytes[0]).collect()
}

#[test]
fn closing_makes_durable_what_was_typed_though_nothing_else_changed() {
    let mut first = tended();
    first.snapshot(&[(1, 1)], Keep::No);
    first.world.close(1).expect("close");
    let (mut second, report) = first.reopened(2);
    assert!(report.clean);
    second.world.journal_append(1, 1, b"typed").expect("append");
    second.world.close(2).expect("close");
    assert_eq!(replayed(second.store.cut(&Survivors::Nothing)), b"t");
}

#[test]
fn records_behind_a_failed_flush_are_written_where_they_belong() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"a").expect("append");
    bench.world.journal_flush().expect("flush");
    bench.world.journal_append(2, 1, b"b").expect("append");
    let operation = bench.store.operations();
    bench.store.arm(Fault::FlushFails { operation, times: Times::Once, kept: Survivors::Nothing });
    assert!(bench.world.journal_flush().is_err());
    bench.world.journal_append(3, 1, b"c").expect("append");
    bench.world.journal_flush().expect("flush");
    assert_eq!(replayed(bench.store.cut(&Survivors::Nothing)), b"abc");
}

#[test]
fn what_is_typed_behind_a_commits_last_flush_is_still_to_be_flushed() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.begin(&[(1, 2)], Keep::No);
    let mut flushes = 0;
    let progress = loop {
        if let Some(ticket) = bench.world.flush_ticket() {
            flushes += 1;
            let flushed = ticket.wait();
            if flushes == 2 {
                bench.world.journal_append(1, 1, b"typed").expect("append");
            }
            bench.world.flushed(flushed);
        }
        match bench.world.step(Budget(1)) {
            Progress::Working => {}
            progress => break progress,
        }
    };
    assert!(matches!(progress, Progress::Acknowledged { .. }) && flushes == 2);
    bench.world.journal_flush().expect("flush");
    assert_eq!(replayed(bench.store.cut(&Survivors::Nothing)), b"t");
}

#[test]
fn commits_that_fail_do_not_drive_the_numbers_into_a_slot_that_is_needed() {
    (3..=5).for_each(after_failed_commits);
}

fn after_failed_commits(failures: u64) {
    let mut bench = tended();
    for tag in 1..4 {
        bench.snapshot(&[(1, tag)], Keep::No);
    }
    let head = bench.world.acknowledged().0;
    for tag in 4..4 + failures {
        bench.begin(&[(1, tag)], Keep::No);
        let mut flushes = 0;
        while flushes < 2 {
            flushes += u32::from(bench.world.is_about_to_flush());
            if flushes < 2 {
                assert_eq!(bench.world.step(Budget(1)), Progress::Working);
            }
        }
        let operation = bench.store.operations();
        bench.store.arm(Fault::FlushFails { operation, times: Times::Once, kept: Survivors::Everything });
        assert!(matches!(bench.finish(1), Progress::Abandoned { .. }));
    }
    bench.snapshot(&[(1, 9)], Keep::No);
    let number = bench.world.acknowledged().0;
    assert!(number.0 > head.0 + failures as u32, "{number:?} follows {head:?}");
    assert!(![head.0, head.0 - 1].map(|kept| kept % 5).contains(&(number.0 % 5)), "{number:?} follows {head:?}");
    assert_eq!(bench.world.head().parent, head);
    let (mut bench, report) = bench.reopened(2);
    assert!(report.lost_commits.is_empty());
    bench.verify();
}

/// The medium of a bench with the newest places of these pages' numbers rotten.
fn rotten(bench: &Bench, tags: &[u64]) -> Medium {
    let mut medium = bench.store.contents();
    for tag in tags {
        let place = place_of(&medium, *tag);
        medium.flip_bits(place, 1);
    }
    medium
}

#[test]
fn when_head_and_parent_are_rotten_the_newest_whole_moment_opens() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::Named("first".into()));
    bench.snapshot(&[(1, 11)], Keep::Named("second".into()));
    bench.snapshot(&[(1, 12)], Keep::No);
    bench.snapshot(&[(1, 13)], Keep::No);
    let (mut second, report) = Bench::open(rotten(&bench, &[12, 13]), 2).expect("open");
    assert_eq!((report.lost_commits.len(), report.opened_moment), (2, Some(MomentId(2))));
    assert_eq!(second.read_all(MomentId::NONE), Ok([(1, 11), (2, 2)].into()));
    let (mut first, report) = Bench::open(rotten(&bench, &[11, 12, 13]), 2).expect("open");
    assert_eq!((report.lost_commits.len(), report.opened_moment), (2, Some(MomentId(1))));
    assert_eq!(first.read_all(MomentId::NONE), Ok([(1, 1), (2, 2)].into()));
    first.snapshot(&[(3, 3)], Keep::No);
    let (mut first, report) = first.reopened(3);
    assert!(report.lost_commits.is_empty());
    assert_eq!(first.read_all(MomentId::NONE), Ok([(1, 1), (2, 2), (3, 3)].into()));
}

#[test]
fn without_moments_an_older_commit_opens_only_if_all_of_it_is_whole() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::No);
    for page in 10..13 {
        bench.snapshot(&[(page, page)], Keep::No);
    }
    let head = bench.world.acknowledged().0.0;
    let (mut older, report) = Bench::open(rotten(&bench, &[11, 12]), 2).expect("open");
    assert_eq!((report.opened.0, report.lost_commits.len()), (head - 2, 2));
    assert_eq!(older.read_all(MomentId::NONE), Ok([(1, 1), (2, 2), (10, 10)].into()));
    let (mut newest, report) = Bench::open(rotten(&bench, &[2, 11, 12]), 2).expect("open");
    assert_eq!(report.opened.0, head, "{report:?}");
    assert!(!report.damages.is_empty() && newest.read_all(MomentId::NONE).is_err());
}

#[test]
fn a_copy_of_a_record_that_lags_behind_is_brought_up() {
    for lagging in [0, 1] {
        let mut bench = tended();
        for tag in 1..6 {
            bench.snapshot(&[(1, tag)], Keep::No);
        }
        let slot = u64::from((bench.world.acknowledged().0.0 + 1) % 5);
        let copies = [2u64, 7].map(|ring| (1 << 20) + (ring + slot) * 4096);
        let mut stale = [0; BLOCK_BYTES];
        bench.store.contents().read(copies[lagging], &mut stale);
        bench.snapshot(&[(1, 7)], Keep::No);
        let mut medium = bench.store.contents();
        medium.write(copies[lagging], &stale);
        let (mut again, report) = Bench::open(medium, 2).expect("open");
        assert_eq!(report.damages.len() + report.unfinished.len(), 1, "{report:?}");
        assert_eq!(again.read_all(MomentId::NONE), Ok([(1, 7)].into()));
        again.snapshot(&[(1, 8)], Keep::No);
        let medium = again.store.contents();
        let mut records = [[0; BLOCK_BYTES]; 2];
        (0..2).for_each(|nth| medium.read(copies[nth], &mut records[nth]));
        assert!(records[0] == records[1] && records[0] != stale);
        again.check();
    }
}

#[test]
fn a_rotten_root_of_the_moments_is_named_on_opening() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1)], Keep::Named("first".into()));
    bench.snapshot(&[(1, 2)], Keep::No);
    bench.snapshot(&[(1, 3)], Keep::No);
    let place = (1 << 20) + bench.world.head().tree.entry.block.0 * 4096;
    let (mut bench, report) = bench.rotten(place + 2000);
    let named = report.damages.iter().chain(report.lost_commits.iter().map(|(.., damage)| damage));
    assert!(named.clone().any(|damage| matches!(damage.place, Place::MomentsNode(_))), "{report:?}");
    bench.verify();
}

#[test]
fn a_sweep_that_meets_a_rotten_node_frees_nothing_below_it() {
    let mut bench = tended_with_a_tall_map();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&[(300, 9)], Keep::No);
    bench.snapshot(&[(300, 10)], Keep::No);
    let mut medium = bench.store.contents();
    let below = place_of(&medium, 10_000 + 7);
    let node = node_above(&medium, below);
    medium.flip_bits(node + 4000, 1);
    let (mut bench, _) = Bench::open(medium, 2).expect("open");
    while bench.world.tend(Budget(8)).expect("tend") {}
    assert!(!bench.world.damages().is_empty());
    for tag in 1..6 {
        bench.snapshot(&pages(300, 60, 1, tag + 1), Keep::No);
    }
    assert_eq!(place_of(&bench.store.contents(), 10_000 + 7), below);
}

#[test]
fn nothing_is_swept_while_a_page_is_lost() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 40, 1, 1), Keep::No);
    bench.snapshot(&pages(1, 39, 1, 2), Keep::No);
    bench.snapshot(&[(300, 9)], Keep::No);
    let place = place_of(&bench.store.contents(), 10_000);
    let (mut bench, _) = bench.rotten(place);
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    assert_eq!(pager.fill(0, &mut [0; BLOCK_BYTES]), Filled::Lost);
    while bench.world.tend(Budget(8)).expect("tend") {}
    assert_eq!(bench.world.block_counts().1, 0, "a sweep freed blocks");
    assert_eq!(bench.world.accept_losses().len(), 1);
    while bench.world.tend(Budget(8)).expect("tend") {}
    assert!(bench.world.block_counts().1 > 0, "no sweep after the loss was accepted");
}

/// Begins a commit that takes what is free, and loses the power before its record is written: what
/// was acknowledged is still whole.
fn interrupted_by_a_cut(bench: &mut Bench, dirty: &[(u64, u64)]) {
    bench.begin(dirty, Keep::No);
    while !bench.world.is_about_to_flush() {
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
    let head = bench.world.acknowledged().0;
    let (mut again, report) = Bench::open(bench.store.cut(&Survivors::Everything), 7).expect("open");
    assert!(report.lost_commits.is_empty(), "{report:?}");
    assert_eq!(again.world.acknowledged().0, head);
    assert_eq!(again.read_all(MomentId::NONE), Ok(trimmed(&bench.pages)));
}

#[test]
fn blocks_of_long_lists_are_not_taken_while_they_are_needed() {
    let (mut bench, _) = fragmented().reopened(2);
    while bench.world.tend(Budget(64)).expect("tend") {}
    interrupted_by_a_cut(&mut bench, &pages(0, 3000, 1, 9));
    // Nor after a clean close, whose parent the commit with the list is.
    let mut bench = fragmented();
    bench.world.close(1).expect("close");
    let (mut bench, report) = bench.reopened(2);
    assert!(report.clean);
    while bench.world.tend(Budget(64)).expect("tend") {}
    bench.check();
    for tag in 6..9 {
        bench.snapshot(&[(1, tag)], Keep::No);
    }
    bench.check();
    interrupted_by_a_cut(&mut bench, &pages(0, 3000, 1, 9));
}

#[test]
fn the_list_of_losses_that_were_accepted_stays_until_the_next_commit() {
    let mut bench = tended();
    bench.snapshot(&pages(0, 120, 1, 1), Keep::No);
    bench.snapshot(&[(200, 9)], Keep::No);
    let lost: Vec<u64> = (0..120).step_by(2).collect();
    let medium = rotten(&bench, &lost.iter().map(|page| 10_000 + page).collect::<Vec<_>>());
    let (mut bench, _) = Bench::open(medium, 2).expect("open");
    let pager = bench.world.pager(&SimMemory::new(Filling::Told), 1 << 12, LOST).expect("pager");
    lost.iter().for_each(|page| assert_eq!(pager.fill(*page as usize, &mut [0; BLOCK_BYTES]), Filled::Lost));
    bench.snapshot(&[(201, 1)], Keep::No);
    let (mut bench, report) = bench.reopened(3);
    assert_eq!(report.lost_pages.len(), lost.len());
    bench.world.accept_losses();
    while bench.world.tend(Budget(64)).expect("tend") {}
    bench.begin(&pages(0, 3000, 1, 9), Keep::No);
    while !bench.world.is_about_to_flush() {
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
    let (_, report) = Bench::open(bench.store.cut(&Survivors::Everything), 4).expect("open");
    assert!(report.lost_commits.is_empty(), "{report:?}");
}

#[test]
fn a_thinned_tree_is_written_anew_and_the_old_one_is_free() {
    let mut bench = tended();
    for round in 0..900 {
        bench.snapshot(&[(0, round + 1)], Keep::Automatic);
    }
    let policy = ThinPolicy { steps: vec![ThinStep { younger_than_s: u64::MAX, one_per_s: 16 }], budget_bytes: u64::MAX };
    while bench.world.thin(&policy, bench.now_ns).expect("thin") > 0 {
        bench.check();
    }
    assert!((100..130).contains(&bench.world.moments().expect("moments").len()));
    bench.snapshot(&[(0, 1)], Keep::No);
    bench.check();
}

#[test]
fn over_budget_the_oldest_moments_go_first() {
    let mut bench = tended();
    for round in 1..21 {
        bench.snapshot(&pages(0, 50, 1, round), Keep::Automatic);
    }
    let policy = ThinPolicy { steps: vec![ThinStep { younger_than_s: u64::MAX, one_per_s: 0 }], budget_bytes: 200 * 4096 };
    while bench.world.thin(&policy, bench.now_ns).expect("thin") > 0 {}
    let left: Vec<u64> = bench.world.moments().expect("moments").iter().map(|moment| moment.id.0).collect();
    assert!(!left.is_empty() && left.iter().all(|id| *id > 12), "{left:?}");
}

#[test]
fn a_grandchild_counts_as_a_child_once_its_parent_is_gone() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1), (2, 2), (3, 3)], Keep::Named("trunk".into()));
    bench.snapshot(&[(1, 11)], Keep::Named("limb".into()));
    bench.snapshot(&[(5, 5)], Keep::Named("leaf".into()));
    let leaf = bench.world.moment_named("leaf").expect("moments").expect("a leaf");
    bench.world.restore(MomentId(1), 5).expect("restore");
    bench.snapshot(&[(2, 22), (3, 33)], Keep::Named("other".into()));
    bench.world.delete(MomentId(1), 6).expect("delete the trunk");
    bench.world.delete(MomentId(2), 6).expect("delete the limb");
    bench.check();
    for tag in 1..4 {
        bench.snapshot(&[(9, tag)], Keep::No);
    }
    assert_eq!(bench.read_all(leaf), Ok([(1, 11), (2, 2), (3, 3), (5, 5)].into()));
    bench.check();
}

#[test]
fn the_result_of_an_earlier_flush_does_not_stand_for_a_later_one() {
    let mut bench = tended();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.begin(&[(1, 2)], Keep::No);
    while !bench.world.is_about_to_flush() {
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
    let early = bench.world.flush_ticket().expect("a flush comes next").wait();
    bench.world.step(Budget(1));
    while !bench.world.is_about_to_flush() {
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
    bench.world.flushed(early);
    assert!(matches!(bench.finish(1), Progress::Acknowledged { .. }));
    let (mut again, _) = Bench::open(bench.store.cut(&Survivors::Nothing), 2).expect("open");
    assert_eq!(again.read_all(MomentId::NONE), Ok([(1, 2)].into()));
}
