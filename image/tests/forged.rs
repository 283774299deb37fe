//! Bytes that nobody of ours wrote: cut files, flipped bytes, and metadata that is forged with right
//! sums. Nothing may panic, run for ever, or be written to a file that was refused.
//!
//! A forger can give any block the sum that its parent holds; here the sums are simply not compared
//! (a seeded bug does that), so every field of every record meets every value.

mod common;
#[path = "../../tests/common/time.rs"]
mod time;

use common::{Bench, options};
use image::{BLOCK_BYTES, Budget, Faults, Keep, MomentId, OpenOptions, PageIndex, ThinPolicy, World};
use platform::{PageSource, Store};
use platform_sim::{Filling, Medium, Random, SimMemory, SimStore};
use std::sync::Arc;
use std::time::Duration;
use time::within_processor_time;

const STORE: u64 = 1 << 20;

/// A world with everything in it.
fn full_world() -> Medium {
    let mut bench = Bench::new();
    for round in 0..12u64 {
        let keep = if round % 3 == 0 { Keep::Named(format!("m{round}")) } else { Keep::Automatic };
        bench.snapshot(&[(round, round + 1), (300, round + 100), (70_000, round + 1)], keep);
        let _ = bench.world.journal_append(round, 1, b"typed");
    }
    bench.world.restore(MomentId(4), 5).expect("restore");
    bench.snapshot(&[(2, 8)], Keep::Pinned(3));
    bench.world.close(9).expect("close");
    bench.store.contents()
}

/// Does with a world all that can be done; whatever comes back is fine.
fn use_it_all(medium: Medium, faults: Faults) {
    let store = SimStore::on(medium);
    let options = OpenOptions { faults, ..options(4) };
    let Ok((mut world, _)) = World::open(Arc::new(store.clone()), &options) else {
        assert_eq!(store.operations(), 0, "a file that was refused was written");
        return;
    };
    let _ = world.journal_replay();
    let mut bytes = [0; BLOCK_BYTES];
    if let Ok(pager) = world.pager(&SimMemory::new(Filling::Told), 1 << 20, 3) {
        for page in [0, 1, 5, 300, 70_000, 1 << 19] {
            let _ = pager.fill(page, &mut bytes);
        }
    }
    let moments = world.moments().unwrap_or_default();
    for moment in moments.iter().take(4) {
        if let Ok(mut reader) = world.reader(moment.id) {
            let _ = reader.read_page(PageIndex(300), &mut bytes);
        }
        let _ = world.diff(moment.id, MomentId::NONE);
        let _ = world.diff(MomentId::NONE, moment.id);
    }
    let _ = world.check();
    while world.tend(Budget(1000)).unwrap_or(false) {}
    let mut bench = Bench::new_on(world, store);
    if bench.heap_pages < 1 << 40 {
        let begun = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.try_snapshot(&[(1, 5), (299, 6)])));
        assert!(begun.is_ok());
    }
    if let Some(moment) = moments.first() {
        let _ = bench.world.delete(moment.id, 1);
        let _ = bench.world.restore(moment.id, 1);
    }
    let _ = bench.world.thin(&ThinPolicy::usual(0), 1 << 60);
    let _ = bench.world.check();
    let _ = bench.world.close(1);
}

/// Gives the records that hold their own sums right ones.
fn with_right_sums(medium: &mut Medium) {
    let slots = 2 + 2 * 5;
    for block in 0..slots {
        let sum_at: usize = if block < 2 { 508 } else { 4092 };
        let mut bytes = [0; BLOCK_BYTES];
        medium.read(STORE + block * 4096, &mut bytes);
        if bytes.iter().any(|&byte| byte != 0) {
            let sum = image::crc32(&bytes[..sum_at]);
            medium.write(STORE + block * 4096 + sum_at as u64, &sum.to_le_bytes());
        }
    }
}

#[test]
fn a_file_cut_at_every_block_is_refused_or_opens() {
    let whole = full_world();
    for block in 0..whole.len() / 4096 {
        let mut medium = whole.clone();
        medium.set_len(block * 4096);
        use_it_all(medium, Faults::default());
    }
}

#[test]
fn flipped_bytes_of_every_head_are_found() {
    let whole = full_world();
    for byte in (0..12 * 4096u64).step_by(37).chain(0..64).chain(8192..8400) {
        let mut medium = whole.clone();
        medium.flip_bits(STORE + byte, 0x41);
        let opened = World::open(Arc::new(SimStore::on(medium)), &options(3));
        assert!(opened.is_ok(), "byte {byte}: the mirror should do: {:?}", opened.err());
    }
}

#[test]
fn forged_metadata_neither_panics_nor_runs_for_ever() {
    let rounds = std::env::var("FORGED_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let whole = full_world();
    let faults = Faults { accept_wrong_crc: true, ..Faults::default() };
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let mut medium = whole.clone();
        for _ in 0..1 + random.below(6) {
            forge(&mut medium, &mut random);
        }
        with_right_sums(&mut medium);
        within_processor_time(Duration::from_secs(20), &format!("seed {seed}"), || use_it_all(medium, faults));
    }
}

#[test]
fn a_sparse_file_of_any_length_takes_no_memory_and_no_time() {
    let whole = full_world();
    for clean in [true, false] {
        let mut medium = whole.clone();
        // A file of an exbibyte in which nearly nothing stands, and records that say it is full.
        medium.set_len(1 << 60);
        for slot in 2..12 {
            let at = STORE + slot * 4096;
            let mut record = [0; BLOCK_BYTES];
            medium.read(at, &mut record);
            if record.iter().any(|&byte| byte != 0) {
                medium.write(at + 128, &(1u64 << 47).to_le_bytes());
                let flags = u32::from(clean) & u32::from_le_bytes(record[164..168].try_into().expect("four"));
                medium.write(at + 164, &flags.to_le_bytes());
            }
        }
        with_right_sums(&mut medium);
        within_processor_time(Duration::from_secs(20), "a sparse file", || {
            let (mut world, _) = World::open(Arc::new(SimStore::on(medium)), &options(3)).expect("open");
            while world.tend(Budget(1000)).expect("tended") {}
            assert!(world.check().is_ok());
            assert_eq!(world.block_counts().0, 1 << 47);
        });
    }
}

/// Changes a word of some block, most often to a value that is near another.
fn forge(medium: &mut Medium, random: &mut Random) {
    let blocks = (medium.len() - STORE) / 4096;
    let block = if random.chance(40) { 2 + random.below(10) as u64 } else { random.below(blocks as usize) as u64 };
    let offset = if random.chance(70) { random.below(100) * 8 } else { random.below(511) * 8 };
    let place = STORE + block * 4096 + offset as u64;
    let mut old = [0; 8];
    medium.read(place, &mut old);
    let old = u64::from_le_bytes(old);
    let value = match random.below(7) {
        0 => u64::MAX,
        1 => random.bits(),
        2 => 0,
        3 => 18 + random.below(blocks as usize) as u64,
        4 => old.wrapping_add(1 << random.below(40)),
        5 => 1 << random.below(63),
        _ => old.wrapping_sub(random.below(5) as u64),
    };
    medium.write(place, &value.to_le_bytes());
}

#[test]
fn a_map_whose_nodes_lead_to_themselves_ends() {
    let whole = full_world();
    let faults = Faults { accept_wrong_crc: true, ..Faults::default() };
    for block in 18..(whole.len() - STORE) / 4096 {
        let mut medium = whole.clone();
        let mut head = [0; 8];
        medium.read(STORE + block * 4096, &mut head);
        if &head == b"WarmTree" || &head == b"WarmList" {
            continue;
        }
        for nth in 0..256 {
            let mut entry = [0; 16];
            entry[..8].copy_from_slice(&block.to_le_bytes());
            entry[12] = 200;
            medium.write(STORE + block * 4096 + nth * 16, &entry);
        }
        within_processor_time(Duration::from_secs(20), &format!("block {block}"), || use_it_all(medium, faults));
    }
}

#[test]
fn a_later_version_is_refused_by_name() {
    let mut medium = full_world();
    for block in 0..2 {
        medium.write(STORE + block * 4096 + 8, &9u32.to_le_bytes());
    }
    with_right_sums(&mut medium);
    let opened = World::open(Arc::new(SimStore::on(medium)), &options(3)).map(drop);
    assert_eq!(opened, Err(image::ImageError::NewerVersion { found: 9, known: 1 }));
}

#[test]
fn a_store_of_noise_is_no_world() {
    let store = SimStore::new();
    store.grow(2 << 20).expect("grow");
    let mut random = Random::new(5);
    for block in 0..512 {
        let noise: Vec<u8> = (0..4096).map(|_| random.bits() as u8).collect();
        store.write_at(block * 4096, &noise).expect("write");
    }
    let opened = World::open(Arc::new(store), &options(3)).map(drop);
    assert_eq!(opened, Err(image::ImageError::NotAWorld));
}
