//! A case for each seeded bug that only a failing flush, rot or a look at the bytes can show, and the
//! proof that the same case is silent without the bug.

mod common;

use common::{Bench, options, page_bytes, read_all, small, trimmed};
use image::{
    BLOCK_BYTES, Budget, Faults, Keep, MomentId, OpenOptions, PageIndex, Progress, ThinPolicy, ThinStep, World,
};
use platform::{Filled, PageSource, Store};
use platform_sim::{Fault, Filling, Medium, SimMemory, SimStore, Step, Survivors, Times};
use std::sync::Arc;

/// What a case found wrong, if anything.
type Verdict = Result<(), String>;

fn open(medium: Medium, faults: Faults) -> Result<(World, image::OpenReport, SimStore), String> {
    let store = SimStore::on(medium);
    let options = OpenOptions { faults, ..options(5) };
    let (world, report) = World::open(Arc::new(store.clone()), &options).map_err(|error| error.to_string())?;
    Ok((world, report, store))
}

fn bench(faults: Faults) -> Bench {
    let mut bench = Bench::with(&small(), faults);
    while bench.world.tend(Budget::ALL).expect("tend") {}
    bench
}

fn many(tag: u64) -> Vec<(u64, u64)> {
    (0..40).map(|page| (page, tag * 1000 + page + 1)).collect()
}

fn expect(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(what.to_string()) }
}

/// The head after a power cut that keeps everything must be what was acknowledged.
fn head_is_acknowledged(bench: &Bench, faults: Faults) -> Verdict {
    let (mut world, report, _) = open(bench.store.cut(&Survivors::Everything), faults)?;
    expect(report.lost_commits.is_empty(), "claims a loss")?;
    expect(read_all(&mut world, MomentId::NONE)? == trimmed(&bench.pages), "lost what was acknowledged")
}

fn fail_next_flush(bench: &Bench, kept: Survivors) {
    let operation = bench.store.operations();
    bench.store.arm(Fault::FlushFails { operation, times: Times::Once, kept });
}

/// Steps a snapshot until it is about to flush for the `nth` time.
fn up_to_flush(bench: &mut Bench, nth: usize) {
    let mut flushes = 0;
    loop {
        if bench.world.is_about_to_flush() {
            flushes += 1;
            if flushes == nth {
                return;
            }
        }
        assert_eq!(bench.world.step(Budget(1)), Progress::Working);
    }
}

fn a_failed_flush_is_not_repeated(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&many(1), Keep::No);
    bench.begin(&many(2), Keep::No);
    up_to_flush(&mut bench, 1);
    fail_next_flush(&bench, Survivors::Nothing);
    if matches!(bench.finish(1), Progress::Acknowledged { .. }) {
        bench.pages.extend(many(2));
    } else {
        bench.snapshot(&many(3), Keep::No);
    }
    head_is_acknowledged(&bench, faults)
}

fn a_failed_journal_flush_fails_the_snapshot(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&many(1), Keep::No);
    bench.begin(&many(2), Keep::No);
    up_to_flush(&mut bench, 1);
    bench.world.journal_append(1, 1, b"typed").expect("append");
    fail_next_flush(&bench, Survivors::Nothing);
    assert!(bench.world.journal_flush().is_err());
    if matches!(bench.finish(1), Progress::Acknowledged { .. }) {
        bench.pages.extend(many(2));
    }
    bench.world.journal_flush().expect("the second flush writes the record anew");
    let cut = bench.store.cut(&Survivors::Nothing);
    let (mut world, report, _) = open(cut, faults)?;
    expect(report.lost_commits.is_empty(), "claims a loss")?;
    expect(read_all(&mut world, MomentId::NONE)? == trimmed(&bench.pages), "lost what was acknowledged")?;
    expect(world.journal_replay().map_err(|error| error.to_string())?.len() == 1, "lost the record")
}

/// A snapshot whose record reached the disk, though its flush failed.
fn with_unknown_commit(faults: Faults) -> Bench {
    let mut bench = bench(faults);
    for tag in 1..5 {
        bench.snapshot(&many(tag), Keep::No);
    }
    bench.begin(&many(7), Keep::No);
    up_to_flush(&mut bench, 2);
    fail_next_flush(&bench, Survivors::Everything);
    assert!(matches!(bench.finish(1), Progress::Abandoned { .. }));
    bench
}

fn blocks_of_an_unknown_commit_stay(faults: Faults) -> Verdict {
    let mut bench = with_unknown_commit(faults);
    bench.begin(&many(8), Keep::No);
    up_to_flush(&mut bench, 1);
    // The first two writes blank its slots; they are lost, the pages behind them are not.
    let (mut world, report, _) = open(bench.store.cut(&Survivors::Mask(u64::MAX << 2)), faults)?;
    expect(report.lost_commits.is_empty(), "the commit whose outcome was unknown is broken")?;
    let pages = read_all(&mut world, MomentId::NONE)?;
    expect(pages == many(7).into_iter().collect(), "it is not whole")
}

fn a_commit_number_is_used_once(faults: Faults) -> Verdict {
    let mut bench = with_unknown_commit(faults);
    let (world, _, _) = open(bench.store.contents(), faults)?;
    let unknown = world.acknowledged().0;
    bench.snapshot(&many(8), Keep::No);
    expect(bench.world.acknowledged().0 > unknown, "used twice")
}

fn a_fall_back_goes_to_the_parent(faults: Faults) -> Verdict {
    let mut first = bench(faults);
    first.snapshot(&many(1), Keep::No);
    first.snapshot(&many(2), Keep::No);
    let mut medium = first.store.contents();
    let place = place_of(&medium, 2004);
    medium.flip_bits(place, 1);
    let (world, _, store) = open(medium, faults)?;
    let mut second = Bench::new_on(world, store);
    second.snapshot(&[(70, 7)], Keep::No);
    // The commit that was passed over is whole again, and the one made instead of it is not.
    let mut medium = second.store.contents();
    medium.flip_bits(place, 1);
    let place = place_of(&medium, 7);
    medium.flip_bits(place, 1);
    let (mut world, report, _) = open(medium, faults)?;
    expect(report.lost_commits.len() == 1, "names no loss")?;
    let parent = many(1).into_iter().collect();
    expect(read_all(&mut world, MomentId::NONE)? == parent, "is not at the parent")
}

/// The byte at which the page of a number stands.
fn place_of(medium: &Medium, tag: u64) -> u64 {
    let (wanted, mut bytes) = (page_bytes(tag), [0; BLOCK_BYTES]);
    let found = (0..medium.len() / 4096).rev().find(|block| {
        medium.read(block * 4096, &mut bytes);
        bytes == wanted
    });
    found.expect("the page is somewhere") * 4096
}

fn rot_is_never_taken_for_data(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&many(1), Keep::No);
    bench.snapshot(&[(90, 9)], Keep::No);
    let mut medium = bench.store.contents();
    let place = place_of(&medium, 1005);
    medium.flip_bits(place + 77, 1);
    let (mut world, _, _) = open(medium, faults)?;
    let pager = world.pager(&SimMemory::new(Filling::Told), 1 << 12, 3).map_err(|error| error.to_string())?;
    let mut bytes = [0; BLOCK_BYTES];
    expect(pager.fill(4, &mut bytes) == Filled::Lost, "the pager takes a rotten page")?;
    let read = world.reader(MomentId::NONE).map_err(|error| error.to_string())?.read_page(PageIndex(4), &mut bytes);
    expect(read.is_err(), "the reader takes a rotten page")
}

fn rot_in_the_newest_extents_is_found_on_opening(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&many(1), Keep::No);
    bench.snapshot(&[(90, 9)], Keep::No);
    let mut medium = bench.store.contents();
    let place = place_of(&medium, 9);
    medium.flip_bits(place + 77, 1);
    let (_, report, _) = open(medium, faults)?;
    expect(report.lost_commits.len() == 1, "opens as if nothing had happened")
}

fn the_free_list_holds_only_after_a_clean_close(faults: Faults) -> Verdict {
    let mut first = bench(faults);
    for tag in 1..4 {
        first.snapshot(&many(tag), Keep::No);
    }
    first.world.close(1).expect("close");
    let (world, _, store) = open(first.store.contents(), faults)?;
    let mut second = Bench::new_on(world, store);
    second.pages = first.pages;
    second.snapshot(&many(5), Keep::No);
    second.snapshot(&many(6), Keep::No);
    let (world, report, store) = open(second.store.contents(), faults)?;
    let mut third = Bench::new_on(world, store);
    third.pages = second.pages;
    expect(!report.clean, "believes that it was closed")?;
    third.snapshot(&[(50, 5)], Keep::No);
    expect(third.world.check().map_err(|error| error.to_string())?.is_empty(), "uses what is in use")?;
    expect(read_all(&mut third.world, MomentId::NONE)? == trimmed(&third.pages), "overwrote pages")
}

fn the_sweep_keeps_the_parent(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&many(1), Keep::No);
    bench.snapshot(&many(2), Keep::No);
    let (mut world, _, _) = open(bench.store.contents(), faults)?;
    while world.tend(Budget::ALL).map_err(|error| error.to_string())? {}
    expect(world.check().map_err(|error| error.to_string())?.is_empty(), "the parent's blocks are free")
}

fn thinning_leaves_names_and_pins(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    for tag in 1..6 {
        bench.snapshot(&[(1, tag)], Keep::Named(format!("{tag}")));
        bench.snapshot(&[(1, tag + 100)], Keep::Pinned(tag));
    }
    let policy = ThinPolicy { steps: vec![ThinStep { younger_than_s: u64::MAX, one_per_s: 1 << 40 }], budget_bytes: 0 };
    bench.world.thin(&policy, 1 << 60).expect("thin");
    expect(bench.world.moments().expect("moments").len() == 10, "lets go what is named or pinned")
}

fn leftovers_of_a_session_do_not_come_back(faults: Faults) -> Verdict {
    let mut first = bench(faults);
    first.snapshot(&[(1, 1)], Keep::No);
    first.world.journal_append(1, 1, b"a").expect("append");
    first.world.journal_append(2, 1, b"b").expect("append");
    let pending = first.store.pending();
    let only_b = Survivors::Only(pending - 1);
    let (mut world, _, store) = open(first.store.cut(&only_b), faults)?;
    expect(world.journal_replay().expect("replay").is_empty(), "replays what does not follow")?;
    world.journal_append(3, 1, b"c").expect("append");
    world.journal_flush().expect("flush");
    let (world, _, _) = open(store.contents(), faults)?;
    let found: Vec<u64> = world.journal_replay().expect("replay").iter().map(|record| record.serial).collect();
    expect(found == [3], "replays a leftover")
}

fn a_flushed_journal_block_is_never_written_again(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&[(1, 1)], Keep::No);
    bench.world.journal_append(1, 1, b"a").expect("append");
    bench.world.journal_flush().expect("flush");
    bench.store.record();
    bench.world.journal_append(2, 1, b"b").expect("append");
    let steps = bench.store.recording().expect("recorded").steps;
    let aligned = steps.iter().all(|step| match step {
        Step::Changed(pending) => match &pending.change {
            Some(platform_sim::Change::Write { offset, .. }) => offset % 4096 == 0,
            _ => true,
        },
        _ => true,
    });
    expect(aligned, "a torn write could reach a record that was flushed")
}

fn a_crash_while_creating_leaves_no_world_or_an_empty_one(faults: Faults) -> Verdict {
    let store = SimStore::new();
    store.record();
    let shared: Arc<dyn Store> = Arc::new(store.clone());
    World::create(&shared, &image::CreateOptions { faults, ..small() }).map_err(|error| error.to_string())?;
    let mut verdict = Ok(());
    store.recording().expect("recorded").crash_points(|point| {
        for survivors in Survivors::choices(point.cache.pending.len(), 24, 3) {
            let opened = World::open(Arc::new(SimStore::on(point.cache.after_cut(&survivors))), &options(1));
            match opened {
                Ok(_) | Err(image::ImageError::NotAWorld) => {}
                Err(image::ImageError::Damaged(image::Damage { place: image::Place::Superblock { .. }, .. })) => {}
                Err(error) => verdict = Err(format!("{survivors:?}: {error}")),
            }
        }
    });
    verdict
}

fn lost_pages_are_named_by_each_commit(faults: Faults) -> Verdict {
    let mut first = bench(faults);
    first.snapshot(&many(1), Keep::No);
    first.snapshot(&[(90, 9)], Keep::No);
    let mut medium = first.store.contents();
    let place = place_of(&medium, 1005);
    medium.flip_bits(place + 77, 1);
    let (mut world, _, store) = open(medium, faults)?;
    let pager = world.pager(&SimMemory::new(Filling::Told), 1 << 12, 3).map_err(|error| error.to_string())?;
    pager.fill(4, &mut [0; BLOCK_BYTES]);
    let mut second = Bench::new_on(world, store);
    second.snapshot(&[(91, 9)], Keep::No);
    second.snapshot(&[(92, 9)], Keep::No);
    let (_, report, _) = open(second.store.contents(), faults)?;
    expect(report.lost_pages.iter().any(|run| run.first == PageIndex(4)), "forgets what is lost")
}

fn a_restore_covers_what_was_typed(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&[(1, 1)], Keep::Named("then".into()));
    bench.world.journal_append(1, 1, b"typed").expect("append");
    bench.world.journal_flush().expect("flush");
    bench.world.restore(MomentId(1), 3).expect("restore");
    let (world, _, _) = open(bench.store.contents(), faults)?;
    expect(world.journal_replay().expect("replay").is_empty(), "types into the past")
}

fn flushed_records_stay_until_two_commits_cover_them(faults: Faults) -> Verdict {
    let mut bench = bench(faults);
    bench.snapshot(&[(1, 1)], Keep::No);
    let mut flushed = 0;
    while flushed < 40 && bench.world.journal_append(flushed, 1, &[1; 900]).is_ok() {
        bench.world.journal_flush().expect("flush");
        flushed += 1;
    }
    let (world, _, _) = open(bench.store.contents(), faults)?;
    expect(world.journal_replay().expect("replay").len() as u64 == flushed, "lost flushed records")
}

/// A seeded bug, and the case that notices it.
type Case = (&'static str, fn(Faults) -> Verdict);

const CASES: &[Case] = &[
    ("retry_failed_flush", a_failed_flush_is_not_repeated),
    ("ignore_journal_flush_failure", a_failed_journal_flush_fails_the_snapshot),
    ("free_unknown_commit", blocks_of_an_unknown_commit_stay),
    ("reuse_commit_number", a_commit_number_is_used_once),
    ("accept_wrong_crc", rot_is_never_taken_for_data),
    ("skip_extent_verification", rot_in_the_newest_extents_is_found_on_opening),
    ("forget_extents", rot_in_the_newest_extents_is_found_on_opening),
    ("fall_back_by_number", a_fall_back_goes_to_the_parent),
    ("trust_stale_free_list", the_free_list_holds_only_after_a_clean_close),
    ("sweep_forgets_parent", the_sweep_keeps_the_parent),
    ("thin_pinned", thinning_leaves_names_and_pins),
    ("journal_chain_unchecked", leftovers_of_a_session_do_not_come_back),
    ("journal_shares_flushed_block", a_flushed_journal_block_is_never_written_again),
    ("superblock_before_commit", a_crash_while_creating_leaves_no_world_or_an_empty_one),
    ("restore_replays_journal", a_restore_covers_what_was_typed),
    ("journal_overwrites_uncovered", flushed_records_stay_until_two_commits_cover_them),
    ("drop_lost_names", lost_pages_are_named_by_each_commit),
];

#[test]
fn each_case_is_silent_without_its_bug() {
    for (name, case) in CASES {
        assert_eq!(case(Faults::default()), Ok(()), "the case of {name}");
    }
}

#[test]
fn each_case_notices_its_bug() {
    let mut missed = Vec::new();
    for &(name, case) in CASES {
        let faults = Faults::only(name).expect("a switch");
        let noticed = std::panic::catch_unwind(move || case(faults));
        match noticed {
            Ok(Ok(())) => missed.push(name),
            Ok(Err(error)) => println!("{name}: {error}"),
            Err(_) => println!("{name}: the case itself fails"),
        }
    }
    assert_eq!(missed, Vec::<&str>::new());
}
