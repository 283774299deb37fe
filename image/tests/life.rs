//! The life of a world without faults: what is written is there, whatever was done in between.

mod common;

use common::{BASE, Bench, LOST, Pages, page_bytes, small, trimmed};
use image::{
    BLOCK_BYTES, Budget, CreateOptions, ImageError, Keep, MomentId, OpenOptions, PageIndex, Policy, Progress,
    ThinPolicy, ThinStep, World,
};
use platform::{Filled, PageSource, Store};
use platform_sim::{Fault, Filling, SimMemory, SimStore, Survivors, Times};
use std::sync::Arc;

fn second(count: i64) -> i64 {
    count * 1_000_000_000
}

#[test]
fn what_was_acknowledged_is_there_after_reopening() {
    let mut bench = Bench::new();
    bench.snapshot(&[(3, 1), (0, 2), (700, 3)], Keep::No);
    bench.snapshot(&[(3, 4), (5, 0), (1, 9)], Keep::No);
    bench.verify();
    bench.check();
    let (mut bench, report) = bench.reopened(2);
    assert!(report.lost_commits.is_empty() && !report.clean, "{report:?}");
    assert_eq!(bench.world.identity(), [7; 16]);
    assert_eq!(bench.world.heap().roots[0], 2);
    bench.verify();
}

#[test]
fn a_map_grows_levels_as_the_heap_grows() {
    let mut bench = Bench::new();
    let mut dirty = Vec::new();
    for page in [0, 255, 256, 65_535, 65_536, 16_777_216] {
        dirty.push((page, page + 1));
        bench.snapshot(&dirty[dirty.len() - 1..], Keep::No);
    }
    let (mut bench, _) = bench.reopened(2);
    let mut reader = bench.world.reader(MomentId::NONE).expect("reader");
    for (page, tag) in dirty {
        let mut bytes = [0; BLOCK_BYTES];
        reader.read_page(PageIndex(page), &mut bytes).expect("page");
        assert!(bytes == page_bytes(tag), "page {page}");
    }
    assert_eq!(bench.world.head().map.levels, 4);
    bench.check();
}

#[test]
fn pages_that_are_zero_take_no_block() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.snapshot(&[(1, 0)], Keep::No);
    assert!(bench.world.head().map.entry.is_hole());
    bench.verify();
    bench.check();
}

#[test]
fn space_is_reused_when_nothing_is_kept() {
    let mut bench = Bench::new();
    while bench.world.tend(Budget(3)).expect("tend") {}
    let dirty: Vec<(u64, u64)> = (0..100).map(|page| (page, page + 1)).collect();
    for _ in 0..6 {
        bench.snapshot(&dirty, Keep::No);
    }
    let (before, _) = bench.world.block_counts();
    for _ in 0..40 {
        bench.snapshot(&dirty, Keep::No);
    }
    let (after, _) = bench.world.block_counts();
    assert!(after <= before + 8, "grew from {before} to {after} blocks");
    bench.check();
}

#[test]
fn the_sweep_after_a_crash_finds_all_that_is_free() {
    let mut bench = Bench::new();
    let dirty: Vec<(u64, u64)> = (0..60).map(|page| (page, page + 1)).collect();
    for _ in 0..5 {
        bench.snapshot(&dirty, Keep::No);
    }
    let (mut bench, _) = bench.reopened(2);
    bench.snapshot(&[(7, 70)], Keep::No);
    while bench.world.tend(Budget(2)).expect("tend") {}
    bench.snapshot(&[(8, 80)], Keep::No);
    let (all, free) = bench.world.block_counts();
    assert!(free > 100, "{free} of {all}");
    bench.verify();
    bench.check();
}

#[test]
fn a_clean_close_stores_what_is_free() {
    let mut bench = Bench::new();
    for round in 0..5 {
        let dirty: Vec<(u64, u64)> = (0..60).map(|page| (page, page + round + 1)).collect();
        bench.snapshot(&dirty, Keep::No);
    }
    bench.world.close(bench.now_ns).expect("close");
    let (_, free_before) = bench.world.block_counts();
    let (mut bench, report) = bench.reopened(2);
    assert!(report.clean);
    while bench.world.tend(Budget(1)).expect("tend") {}
    let (all, free) = bench.world.block_counts();
    assert!(free + 2 >= free_before && free > 100, "{free} of {all}, {free_before} before");
    bench.check();
    bench.snapshot(&[(1, 77)], Keep::No);
    bench.snapshot(&[(1, 78)], Keep::No);
    bench.check();
    let (mut bench, report) = bench.reopened(3);
    assert!(!report.clean);
    bench.verify();
}

#[test]
fn closing_twice_without_a_change_writes_nothing() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 77)], Keep::No);
    bench.world.close(1).expect("close");
    let (mut bench, _) = bench.reopened(2);
    bench.world.close(2).expect("close");
    assert_eq!(bench.store.operations(), 0);
}

#[test]
fn names_branches_and_restores_keep_their_pages() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::No);
    let first = bench.world.name("first", 5).expect("name");
    bench.snapshot(&[(1, 11), (300, 3)], Keep::No);
    let second = bench.world.name("second", 6).expect("name");
    let branch = bench.world.branch(first, "side", 7).expect("branch");
    let present = bench.world.restore(branch, 8).expect("restore");
    bench.pages = Pages::from([(1, 1), (2, 2)]);
    bench.verify();
    bench.snapshot(&[(2, 22)], Keep::Named("on the side".into()));
    bench.check();
    let (mut bench, _) = bench.reopened(2);
    bench.verify();
    assert_eq!(bench.read_all(second).expect("second"), Pages::from([(1, 11), (2, 2), (300, 3)]));
    assert_eq!(bench.read_all(present).expect("present"), Pages::from([(1, 11), (2, 2), (300, 3)]));
    assert_eq!(bench.read_all(first).expect("first"), Pages::from([(1, 1), (2, 2)]));
    let names: Vec<String> = bench.world.moments().expect("moments").into_iter().map(|moment| moment.name).collect();
    assert_eq!(names, ["first", "second", "side", "", "on the side"]);
    assert_eq!(bench.world.diff(first, second).expect("diff"), [PageIndex(1), PageIndex(300)]);
    assert_eq!(bench.world.diff(second, first).expect("diff"), [PageIndex(1), PageIndex(300)]);
    assert_eq!(bench.world.diff(branch, first).expect("diff"), []);
    bench.check();
}

#[test]
fn names_are_checked() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    let first = bench.world.name("a", 1).expect("name");
    assert_eq!(bench.world.name("a", 1), Err(ImageError::NameTaken(first)));
    for bad in ["", "two\nlines", &"x".repeat(481)] {
        assert!(matches!(bench.world.name(bad, 1), Err(ImageError::BadName { .. })), "{bad:?}");
    }
    bench.world.name(&"ü".repeat(240), 1).expect("a long name");
    assert_eq!(bench.world.delete(MomentId(99), 1), Err(ImageError::NoSuchMoment(MomentId(99))));
    assert_eq!(bench.world.branch(MomentId(99), "b", 1), Err(ImageError::NoSuchMoment(MomentId(99))));
    bench.check();
}

#[test]
fn deleting_frees_what_nobody_else_has_and_no_more() {
    let mut bench = Bench::new();
    while bench.world.tend(Budget::ALL).expect("tend") {}
    bench.snapshot(&[(1, 1), (2, 2), (3, 3)], Keep::Named("one".into()));
    bench.snapshot(&[(1, 11), (4, 4)], Keep::Named("two".into()));
    bench.snapshot(&[(1, 111), (3, 33)], Keep::Named("three".into()));
    let [one, two, three] = [1, 2, 3].map(MomentId);
    bench.world.delete(two, 1).expect("delete");
    bench.check();
    assert_eq!(bench.read_all(one).expect("one"), Pages::from([(1, 1), (2, 2), (3, 3)]));
    let third = Pages::from([(1, 111), (2, 2), (3, 33), (4, 4)]);
    assert_eq!(bench.read_all(three).expect("three"), third);
    bench.world.delete(one, 1).expect("delete");
    bench.world.delete(three, 1).expect("delete");
    bench.verify();
    bench.snapshot(&[(9, 9)], Keep::No);
    bench.snapshot(&[(9, 8)], Keep::No);
    bench.check();
    assert!(bench.world.moments().expect("moments").is_empty());
    assert_eq!(bench.world.head().line, MomentId::NONE);
}

#[test]
fn a_moment_with_two_children_stays_unnamed_until_one_is_left() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::Named("trunk".into()));
    bench.snapshot(&[(1, 11)], Keep::Named("left".into()));
    bench.world.restore(MomentId(1), 5).expect("restore");
    bench.snapshot(&[(2, 22)], Keep::Named("right".into()));
    let trunk = MomentId(1);
    bench.world.delete(trunk, 6).expect("delete");
    let kept = bench.world.moments().expect("moments")[0].clone();
    assert_eq!((kept.id, kept.policy, kept.name.as_str()), (trunk, Policy::Structural, ""));
    assert_eq!(bench.read_all(MomentId(2)).expect("left"), Pages::from([(1, 11), (2, 2)]));
    bench.check();
    bench.world.delete(MomentId(3), 7).expect("delete the present that was");
    bench.world.delete(MomentId(2), 7).expect("delete left");
    assert!(bench.world.moments().expect("moments").iter().all(|moment| moment.id != trunk));
    bench.pages = Pages::from([(1, 1), (2, 22)]);
    bench.verify();
    bench.check();
}

#[test]
fn thinning_keeps_what_the_policy_says() {
    let mut bench = Bench::new();
    for round in 0..120 {
        bench.snapshot(&[(round % 7, round + 1)], Keep::Automatic);
    }
    let named = bench.world.name("kept", 1).expect("name");
    let pin = bench.world.pin(42, 1).expect("pin");
    let step = |younger_than_s, one_per_s| ThinStep { younger_than_s, one_per_s };
    let policy = ThinPolicy { steps: vec![step(40, 0), step(u64::MAX, 20)], budget_bytes: u64::MAX };
    let mut gone = 0;
    loop {
        match bench.world.thin(&policy, bench.now_ns).expect("thin") {
            0 => break,
            count => gone += count,
        }
    }
    bench.check();
    let left = bench.world.moments().expect("moments");
    let automatic = left.iter().filter(|moment| moment.policy == Policy::Automatic).count();
    assert!((28..=34).contains(&automatic), "{automatic} left, {gone} gone");
    assert!(left.iter().any(|moment| moment.id == named) && left.iter().any(|moment| moment.id == pin));
    bench.verify();
    let (mut bench, _) = bench.reopened(2);
    bench.verify();
    assert_eq!(bench.world.moments().expect("moments").len(), left.len());
    assert_eq!(bench.world.drop_pins(&mut |_| false, 2), Ok(1));
    bench.check();
}

#[test]
fn thinning_keeps_to_a_byte_budget() {
    let mut bench = Bench::new();
    let dirty: Vec<(u64, u64)> = (0..50).map(|page| (page, page + 1)).collect();
    for _ in 0..20 {
        bench.snapshot(&dirty, Keep::Automatic);
    }
    let policy = ThinPolicy { steps: vec![ThinStep { younger_than_s: u64::MAX, one_per_s: 0 }], budget_bytes: 200 * 4096 };
    while bench.world.thin(&policy, bench.now_ns).expect("thin") > 0 {}
    let left = bench.world.moments().expect("moments").len();
    assert!((2..=6).contains(&left), "{left} moments left");
    bench.verify();
    bench.check();
}

#[test]
fn many_moments_make_a_tree_of_several_levels() {
    let mut bench = Bench::new();
    for round in 0..400 {
        let keep = if round % 40 == 0 { Keep::Named(format!("{round:0>200}")) } else { Keep::Automatic };
        bench.snapshot(&[(0, round + 1)], keep);
    }
    assert!(bench.world.head().tree.levels >= 2);
    let (mut bench, _) = bench.reopened(2);
    assert_eq!(bench.world.moments().expect("moments").len(), 400);
    bench.check();
    let policy = ThinPolicy { steps: vec![ThinStep { younger_than_s: u64::MAX, one_per_s: 1 << 40 }], budget_bytes: 0 };
    while bench.world.thin(&policy, bench.now_ns).expect("thin") > 0 {}
    assert_eq!(bench.world.moments().expect("moments").len(), 10);
    bench.check();
}

#[test]
fn the_journal_comes_back_behind_what_the_commit_covers() {
    let mut bench = Bench::new();
    bench.world.journal_append(1, 5, b"before").expect("append");
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(2, 5, b"after").expect("append");
    bench.world.journal_flush().expect("flush");
    bench.begin(&[(2, 2)], Keep::No);
    bench.world.journal_append(3, 6, &[9; 5000]).expect("append while a snapshot is written");
    assert!(matches!(bench.finish(1), Progress::Acknowledged { .. }));
    bench.world.journal_append(4, 7, b"").expect("append");
    let (bench, _) = bench.reopened(2);
    let found = bench.world.journal_replay().expect("replay");
    let found: Vec<_> = found.into_iter().map(|record| (record.serial, record.kind, record.bytes.len())).collect();
    assert_eq!(found, [(3, 6, 5000), (4, 7, 0)]);
}

#[test]
fn a_full_journal_asks_for_a_snapshot_and_goes_on_after_it() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    let mut appended = 0;
    for round in 0..60u64 {
        match bench.world.journal_append(round, 1, &[round as u8; 1000]) {
            Ok(_) => appended += 1,
            Err(error) => {
                assert_eq!(error, ImageError::JournalFull);
                bench.snapshot(&[(1, round)], Keep::No);
                while bench.world.step(Budget::ALL) != Progress::Idle {}
                bench.world.journal_append(round, 1, &[round as u8; 1000]).expect("room again");
                appended += 1;
            }
        }
    }
    assert_eq!(appended, 60);
    let (bench, _) = bench.reopened(2);
    let found = bench.world.journal_replay().expect("replay");
    assert!(!found.is_empty() && found.iter().all(|record| record.bytes == vec![record.serial as u8; 1000]));
    assert_eq!(found.last().map(|record| record.serial), Some(59));
    let too_long = vec![0; 7000];
    let (mut bench, _) = bench.reopened(3);
    assert!(matches!(bench.world.journal_append(1, 1, &too_long), Err(ImageError::RecordTooLong { .. })));
}

#[test]
fn what_an_older_session_typed_never_continues_a_newer_one() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"a").expect("append");
    let medium = bench.store.contents();
    bench.world.journal_append(1, 1, b"b").expect("append");
    let with_b = bench.store.contents();
    drop(medium);
    // The same world, as if the first record had been lost and typed again, lies before the old "b".
    let (mut again, _) = Bench::open(with_b, 9).expect("open");
    let before = again.world.journal_replay().expect("replay").len();
    assert_eq!(before, 2);
    again.world.journal_append(1, 1, b"c").expect("append");
    let (again, _) = again.reopened(10);
    let found = again.world.journal_replay().expect("replay");
    assert_eq!(found.iter().map(|record| record.bytes.clone()).collect::<Vec<_>>(), [b"a", b"b", b"c"]);
}

#[test]
fn a_restore_covers_the_journal() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::Named("then".into()));
    bench.world.journal_append(1, 1, b"typed").expect("append");
    bench.world.journal_flush().expect("flush");
    bench.world.restore(MomentId(1), 3).expect("restore");
    let (bench, _) = bench.reopened(2);
    assert_eq!(bench.world.journal_replay().expect("replay"), []);
}

#[test]
fn the_pager_answers_pages_runs_and_holes() {
    let mut bench = Bench::new();
    let dirty: Vec<(u64, u64)> = (0..300).filter(|page| page % 50 != 7).map(|page| (page, page + 1)).collect();
    bench.snapshot(&dirty, Keep::No);
    let (mut bench, _) = bench.reopened(2);
    let memory = SimMemory::new(Filling::Told);
    let pager = bench.world.pager(&memory, 1 << 24, LOST).expect("pager");
    let mut bytes = [0; BLOCK_BYTES];
    for page in 0..300u64 {
        let filled = pager.fill(page as usize, &mut bytes);
        match bench.pages.get(&page) {
            Some(&tag) => assert!(filled == Filled::Bytes && bytes == page_bytes(tag), "page {page}"),
            None => assert_eq!(filled, Filled::Zero, "page {page}"),
        }
    }
    let mut run = vec![0; 16 * BLOCK_BYTES];
    let (filled, pages) = pager.fill_run(PageIndex(60), &mut run);
    assert_eq!((filled, pages), (Filled::Bytes, 16));
    for (nth, part) in run.chunks_exact(BLOCK_BYTES).enumerate() {
        assert!(part == page_bytes(61 + nth as u64));
    }
    assert_eq!(pager.fill_run(PageIndex(50), &mut run), (Filled::Bytes, 7));
    assert_eq!(pager.fill_run(PageIndex(1 << 23), &mut run), (Filled::Zero, 1));
    bench.snapshot(&[(5, 555), (57, 57), (1000, 1001), (70_000, 8)], Keep::No);
    for (page, tag) in [(5, 555), (57, 57), (1000, 1001), (70_000, 8), (6, 7), (299, 300)] {
        assert_eq!(pager.fill(page, &mut bytes), Filled::Bytes);
        assert!(bytes == page_bytes(tag), "page {page}");
    }
    assert_eq!(pager.lost_count(), 0);
}

#[test]
fn the_pager_follows_a_map_that_grows_levels() {
    let mut bench = Bench::new();
    let memory = SimMemory::new(Filling::Told);
    let pager = bench.world.pager(&memory, 1 << 20, LOST).expect("pager");
    let mut bytes = [0; BLOCK_BYTES];
    assert_eq!(pager.fill(3, &mut bytes), Filled::Zero);
    let mut all = Vec::new();
    for page in [3, 4, 300, 70_000, 5, 900_000] {
        bench.snapshot(&[(page, page + 1)], Keep::No);
        all.push(page);
        for &page in &all {
            assert_eq!(pager.fill(page as usize, &mut bytes), Filled::Bytes, "page {page}");
            assert!(bytes == page_bytes(page + 1), "page {page}");
        }
    }
}

#[test]
fn a_rotten_page_is_lost_named_and_accepted() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2), (3, 3)], Keep::No);
    bench.snapshot(&[(9, 9)], Keep::No);
    let reader_block = block_of(&mut bench, 2);
    let (mut bench, report) = bench.rotten(reader_block + 100);
    assert!(report.lost_commits.is_empty());
    let memory = SimMemory::new(Filling::Told);
    let pager = bench.world.pager(&memory, 1 << 16, LOST).expect("pager");
    let mut bytes = [0; BLOCK_BYTES];
    for _ in 0..2 {
        assert_eq!(pager.fill(2, &mut bytes), Filled::Lost);
        assert!(bytes.chunks_exact(8).all(|word| word == LOST.to_le_bytes()));
    }
    assert_eq!(pager.lost_since(0), [PageIndex(2)]);
    assert_eq!(pager.fill(1, &mut bytes), Filled::Bytes);
    bench.snapshot(&[(9, 10)], Keep::Named("with a loss".into()));
    assert_eq!(bench.world.delete(MomentId(1), 1), Err(ImageError::LostPages(1)));
    let (mut bench, report) = bench.reopened(3);
    assert_eq!(report.lost_pages.len(), 1);
    assert_eq!(report.lost_pages[0].first, PageIndex(2));
    assert!(!bench.world.check().expect("check").is_empty());
    assert_eq!(bench.world.accept_losses().len(), 1);
    bench.snapshot(&[(2, 20)], Keep::No);
    let (mut bench, report) = bench.reopened(4);
    assert!(report.lost_pages.is_empty());
    assert_eq!(bench.read_all(MomentId::NONE).expect("head"), Pages::from([(1, 1), (2, 20), (3, 3), (9, 10)]));
}

#[test]
fn a_restore_keeps_of_the_losses_only_what_is_lost_in_the_past_too() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::Named("whole".into()));
    bench.snapshot(&[(2, 3)], Keep::Named("rotten later".into()));
    bench.snapshot(&[(9, 9)], Keep::No);
    let byte = block_of(&mut bench, 2);
    let (mut bench, _) = bench.rotten(byte + 100);
    let memory = SimMemory::new(Filling::Told);
    let pager = bench.world.pager(&memory, 1 << 16, LOST).expect("pager");
    assert_eq!(pager.fill(2, &mut [0; BLOCK_BYTES]), Filled::Lost);
    assert_eq!(bench.world.lost_pages().len(), 1);
    let to = |bench: &mut Bench, name| bench.world.moment_named(name).expect("moments").expect(name);
    // The same block: still lost, and so nothing is deleted.
    let shared = to(&mut bench, "rotten later");
    bench.world.restore(shared, 5).expect("restore");
    assert_eq!(bench.world.lost_pages().len(), 1);
    assert_eq!(bench.world.delete(shared, 6), Err(ImageError::LostPages(1)));
    // Another block, which is whole: nothing is lost any more, now and after opening.
    let whole = to(&mut bench, "whole");
    bench.world.restore(whole, 7).expect("restore");
    assert_eq!(bench.world.lost_pages(), []);
    let (mut bench, report) = bench.reopened(3);
    assert!(report.lost_pages.is_empty(), "{report:?}");
    assert_eq!(bench.read_all(MomentId::NONE).expect("head"), Pages::from([(1, 1), (2, 2)]));
}

/// Twenty automatic moments, two seconds apart; their numbers.
fn twenty_moments(bench: &mut Bench) -> Vec<u64> {
    let before = numbers(bench).len();
    (0..20).for_each(|tag| bench.snapshot(&[(tag % 5, 1000 + tag)], Keep::Automatic));
    numbers(bench).split_off(before)
}

/// The moments' numbers, in the order in which they are listed.
fn numbers(bench: &mut Bench) -> Vec<u64> {
    bench.world.moments().expect("moments").iter().map(|moment| moment.id.0).collect()
}

#[test]
fn a_clock_that_is_set_back_loses_no_moment_and_no_order() {
    let mut bench = Bench::new();
    bench.now_ns = second(1_000_000_000);
    let first = twenty_moments(&mut bench);
    // A year back: what was made before seems to come from the future.
    bench.now_ns -= second(365 * 86_400);
    let second_lot = twenty_moments(&mut bench);
    assert!(second_lot.iter().all(|number| number > first.last().expect("moments")));
    let all = numbers(&mut bench);
    assert!(all.is_sorted(), "{all:?}");
    assert_eq!(bench.world.thin(&ThinPolicy::usual(0), bench.now_ns), Ok(0));
    assert_eq!(numbers(&mut bench), all);
    // What opens is the newest commit, not the one with the latest time.
    let pages = bench.pages.clone();
    let (mut bench, _) = bench.reopened(2);
    assert_eq!(bench.read_all(MomentId::NONE).expect("head"), trimmed(&pages));
    // Later, by the clock that was set back, the first ones are as old as any.
    let later = bench.now_ns + second(400 * 86_400);
    bench.world.thin(&ThinPolicy::usual(0), later).expect("thinned");
    assert!(numbers(&mut bench).len() >= 2, "one a day stays");
    bench.check();
}

#[test]
fn a_clock_before_1970_or_at_the_end_of_time_is_survived() {
    for now_ns in [-second(1_000_000_000), i64::MIN + second(1000), i64::MAX - second(1000)] {
        let mut bench = Bench::new();
        bench.now_ns = now_ns;
        twenty_moments(&mut bench);
        bench.world.thin(&ThinPolicy::usual(0), bench.now_ns).expect("thinned");
        assert_eq!(numbers(&mut bench).len(), 20, "at {now_ns}");
        for then_ns in [0, i64::MAX, i64::MIN] {
            bench.world.thin(&ThinPolicy::usual(0), then_ns).expect("thinned");
            assert!(!numbers(&mut bench).is_empty(), "at {now_ns}, then {then_ns}");
        }
        bench.verify();
        bench.check();
    }
}

/// The byte at which a page of the head stands in the file: found by its content.
fn block_of(bench: &mut Bench, page: u64) -> u64 {
    let wanted = page_bytes(bench.pages[&page]);
    let length = bench.store.len().expect("length");
    let mut bytes = [0; BLOCK_BYTES];
    let found = (0..length / 4096).rev().find(|block| {
        bench.store.read_at(block * 4096, &mut bytes).expect("read");
        bytes == wanted
    });
    found.expect("the page is somewhere") * 4096
}

#[test]
fn rot_in_the_newest_extents_falls_back_to_the_parent_and_says_so() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::No);
    let before = bench.pages.clone();
    bench.snapshot(&[(1, 11)], Keep::No);
    let place = block_of(&mut bench, 1);
    let newest = bench.world.acknowledged().0;
    let (mut bench, report) = bench.rotten(place);
    assert_eq!(report.lost_commits.len(), 1);
    assert_eq!(report.lost_commits[0].0, newest);
    bench.pages = before;
    bench.verify();
    bench.snapshot(&[(5, 5)], Keep::No);
    assert!(bench.world.acknowledged().0 > newest);
    let (mut bench, report) = bench.reopened(3);
    assert!(report.lost_commits.is_empty());
    bench.verify();
}

#[test]
fn a_world_with_one_snapshot_opens_with_a_lost_page_rather_than_empty() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1), (2, 2)], Keep::No);
    let place = block_of(&mut bench, 1);
    let (bench, report) = bench.rotten(place);
    assert_eq!(bench.world.heap().pages, 3);
    assert!(!report.damages.is_empty());
}

#[test]
fn a_full_disk_declines_snapshots_and_still_lets_moments_go() {
    let mut bench = Bench::new();
    while bench.world.tend(Budget::ALL).expect("tend") {}
    let mut names = Vec::new();
    let dirty = |round: u64| (0..40).map(|page| (page, round * 100 + page + 1)).collect::<Vec<_>>();
    for round in 0..4 {
        bench.snapshot(&dirty(round), Keep::Named(format!("{round}")));
        names.push(MomentId(round + 1));
    }
    bench.store.arm(Fault::Full { bytes: 0 });
    let mut declined = 0;
    for round in 10..20 {
        bench.begin(&dirty(round), Keep::No);
        match bench.finish(50) {
            Progress::Acknowledged { .. } => bench.pages.extend(dirty(round)),
            Progress::Abandoned { error, .. } => {
                assert!(error.is_full(), "{error}");
                declined += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(declined > 0);
    bench.verify();
    for id in &names[..3] {
        bench.world.delete(*id, 1).expect("delete on a full disk");
    }
    // Where the first try finds no long run of blocks, the second takes short ones.
    bench.begin(&dirty(30), Keep::No);
    match bench.finish(50) {
        Progress::Acknowledged { .. } => bench.pages.extend(dirty(30)),
        _ => bench.snapshot(&dirty(30), Keep::No),
    }
    bench.verify();
    bench.check();
    let (mut bench, _) = bench.reopened(2);
    bench.verify();
}

#[test]
fn on_a_full_disk_automatic_moments_give_way_and_named_ones_stay() {
    let mut bench = Bench::new();
    while bench.world.tend(Budget::ALL).expect("tend") {}
    let dirty = |round: u64| (0..40).map(|page| (page, round * 100 + page + 1)).collect::<Vec<_>>();
    bench.snapshot(&dirty(0), Keep::Named("kept".to_owned()));
    (1..9).for_each(|round| bench.snapshot(&dirty(round), Keep::Automatic));
    bench.store.arm(Fault::Full { bytes: 0 });
    let (mut saved, mut gave_way) = (0, 0);
    for round in 10..40 {
        bench.begin(&dirty(round), Keep::No);
        match bench.finish(50) {
            Progress::Acknowledged { .. } => {
                bench.pages.extend(dirty(round));
                saved += 1;
            }
            Progress::Abandoned { error, .. } => {
                assert!(error.is_full(), "{error}");
                gave_way += bench.world.make_room(round as i64).expect("room");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(gave_way >= 4 && saved >= 20, "{gave_way} moments, {saved} snapshots");
    let names = bench.world.moments().expect("moments");
    assert_eq!(names.iter().filter(|moment| moment.name == "kept").count(), 1);
    bench.verify();
    bench.check();
    let (mut bench, _) = bench.reopened(2);
    bench.verify();
}

#[test]
fn a_bootable_world_opens_by_the_same_code() {
    let create = CreateOptions { store_start: 36 << 20, ..small() };
    let mut bench = Bench::with(&create, image::Faults::default());
    bench.snapshot(&[(1, 1)], Keep::No);
    let (mut bench, _) = bench.reopened(2);
    bench.verify();
    let mut line = [0; 28];
    bench.store.read_at(0, &mut line).expect("read");
    assert_eq!(&line, b"#!/usr/bin/env -S warm open\n");
}

#[test]
fn what_is_not_a_world_is_named_and_untouched() {
    let open = |store: &SimStore| World::open(Arc::new(store.clone()), &OpenOptions::default()).map(drop);
    let store = SimStore::new();
    assert_eq!(open(&store), Err(ImageError::NotAWorld));
    store.grow(3 << 20).expect("grow");
    assert_eq!(open(&store), Err(ImageError::NotAWorld));
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    assert_eq!(World::create(&shared, &small()), Err(ImageError::NotEmpty(3 << 20)));
    assert_eq!(store.operations(), 1);
}

#[test]
fn a_read_only_world_writes_nothing() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::Named("one".into()));
    bench.world.journal_append(1, 1, b"x").expect("append");
    let store = SimStore::on(bench.store.contents());
    store.set_read_only(true);
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let (mut world, _) = World::open(Arc::new(store.clone()), &options).expect("open");
    assert_eq!(world.name("x", 1), Err(ImageError::ReadOnly));
    assert_eq!(world.delete(MomentId(1), 1), Err(ImageError::ReadOnly));
    assert_eq!(world.journal_append(1, 1, b"x"), Err(ImageError::ReadOnly));
    assert_eq!(world.journal_replay().expect("replay").len(), 1);
    assert_eq!(world.check().expect("check"), []);
    assert_eq!(common::read_all(&mut world, MomentId::NONE).expect("pages"), trimmed(&bench.pages));
    world.close(second(9)).expect("close");
    assert_eq!(store.operations(), 0);
}

#[test]
fn addresses_of_an_old_moment_are_translated() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    let reader = bench.world.reader(MomentId::NONE).expect("reader");
    assert_eq!(reader.page_of(BASE + 4096 + 24), Some((PageIndex(1), 24)));
    assert_eq!(reader.page_of(BASE + 2 * 4096), None);
    assert_eq!(reader.page_of(BASE - 8), None);
}

#[test]
fn a_flush_can_be_waited_for_elsewhere() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.begin(&[(1, 2)], Keep::No);
    let mut waited = 0;
    let before = bench.store.operations();
    let progress = loop {
        if let Some(ticket) = bench.world.flush_ticket() {
            bench.world.journal_append(1, 1, b"typed meanwhile").expect("append");
            bench.world.flushed(ticket.wait());
            waited += 1;
        }
        match bench.world.step(Budget(1)) {
            Progress::Working => {}
            progress => break progress,
        }
    };
    assert!(matches!(progress, Progress::Acknowledged { .. }));
    assert_eq!(waited, 2);
    assert!(bench.store.operations() > before);
    bench.pages.insert(1, 2);
    let medium = bench.store.cut(&Survivors::Nothing);
    let (mut again, report) = Bench::open(medium, 9).expect("open");
    assert!(report.lost_commits.is_empty());
    again.pages = bench.pages.clone();
    again.verify();
}

#[test]
fn a_ticket_whose_flush_fails_fails_its_snapshot_and_no_other() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.begin(&[(1, 2)], Keep::No);
    while !bench.world.is_about_to_flush() {
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
    let late = bench.world.flush_ticket().expect("a ticket");
    let ticket = bench.world.flush_ticket().expect("a ticket");
    bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Once, kept: Survivors::Nothing });
    bench.world.flushed(ticket.wait());
    assert!(matches!(bench.finish(1), Progress::Abandoned { error: ImageError::FlushFailed(_), .. }));
    bench.begin(&[(1, 3)], Keep::No);
    bench.world.flushed(late.wait());
    assert!(matches!(bench.finish(1), Progress::Acknowledged { .. }));
    let late = {
        bench.begin(&[(1, 4)], Keep::No);
        while !bench.world.is_about_to_flush() {
            assert_eq!(bench.world.step(Budget(1)), Progress::Working);
        }
        let late = bench.world.flush_ticket().expect("a ticket");
        assert!(matches!(bench.finish(1), Progress::Acknowledged { .. }));
        late
    };
    // A failure that comes late may have been that of the blocks now in writing.
    bench.begin(&[(1, 5)], Keep::No);
    bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Count(1), kept: Survivors::Nothing });
    bench.world.flushed(late.wait());
    assert!(matches!(bench.finish(1), Progress::Abandoned { error: ImageError::FlushFailed(_), .. }));
    bench.snapshot(&[(1, 3)], Keep::No);
    bench.verify();
    bench.check();
}

#[test]
fn pages_come_in_on_one_thread_while_snapshots_are_written_on_another() {
    let mut bench = Bench::new();
    let dirty: Vec<(u64, u64)> = (0..3000).map(|page| (page, page + 1)).collect();
    bench.snapshot(&dirty, Keep::No);
    let (mut bench, _) = bench.reopened(2);
    while bench.world.tend(Budget::ALL).expect("tend") {}
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let readers: Vec<_> = (0..2u64)
        .map(|nth| {
            // A new pager knows nothing: every round fills its nodes while they are published.
            let memory = SimMemory::new(Filling::Told);
            let pagers: Vec<_> =
                (0..12).map(|_| bench.world.pager(&memory, 1 << 14, LOST).expect("pager")).collect();
            let done = done.clone();
            std::thread::spawn(move || {
                let mut filled = 0;
                let mut bytes = [0; BLOCK_BYTES];
                for pager in pagers {
                    for round in 0..300u64 {
                        // Even pages are nobody's but the writer's.
                        let page = (round * 97 + nth * 31) % 1500 * 2 + 1;
                        assert_eq!(pager.fill(page as usize, &mut bytes), Filled::Bytes, "page {page}");
                        assert!(bytes == page_bytes(page + 1), "page {page}");
                        filled += 1;
                    }
                    assert_eq!(pager.lost_count(), 0);
                }
                done.store(true, std::sync::atomic::Ordering::Relaxed);
                filled
            })
        })
        .collect();
    let mut tag = 10_000;
    while !done.load(std::sync::atomic::Ordering::Relaxed) {
        tag += 1;
        let dirty: Vec<(u64, u64)> = (0..40).map(|nth| ((tag * 37 + nth * 71) % 1500 * 2, tag)).collect();
        let dirty: std::collections::BTreeMap<u64, u64> = dirty.into_iter().collect();
        bench.snapshot(&dirty.into_iter().collect::<Vec<_>>(), Keep::No);
    }
    let filled: u64 = readers.into_iter().map(|reader| reader.join().expect("a reader")).sum();
    assert!(filled >= 7200 && tag > 10_001, "{filled} pages, {} snapshots", tag - 10_000);
    bench.verify();
}

#[test]
fn a_session_that_follows_a_kill_owes_the_flush() {
    let mut bench = Bench::new();
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"typed, then killed").expect("append");
    // The kernel lives on: the same store, a new process.
    let shared: Arc<dyn Store> = Arc::new(bench.store.clone());
    let (mut world, _) = World::open(shared, &common::options(2)).expect("open again");
    assert_eq!(world.journal_replay().expect("replay").len(), 1);
    bench.store.arm(Fault::FlushFails { operation: 0, times: Times::Once, kept: Survivors::Nothing });
    assert!(world.journal_flush().is_err());
    world.journal_append(2, 1, b"typed after").expect("append");
    world.journal_flush().expect("flush");
    let (again, _) = Bench::open(bench.store.cut(&Survivors::Nothing), 3).expect("open");
    assert_eq!(again.world.journal_replay().expect("replay").len(), 2);
}
