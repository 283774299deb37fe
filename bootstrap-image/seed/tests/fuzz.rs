//! A second of each fuzz target: the world's own sources and archive, cut, spliced and flipped.

use std::path::Path;
use std::time::{Duration, Instant};

use platform_sim::{Filling, Random, SimMemory};
use seed::manifest::Manifest;
use vm::archive::{Claimed, Hashes, copy_world, load, pack, world_hash};
use vm::heap::{Heap, HeapConfig};
use vm::layout::BLOCKS_OFFSET;

/// A number from the environment: `SEED` chooses another run, `SECONDS` a longer one.
fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn seed() -> u64 {
    number("SEED", 20_261_125)
}

fn seconds(usual: u64) -> Duration {
    Duration::from_secs(number("SECONDS", usual))
}

/// Changes a few places of some bytes.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random, spice: &[&[u8]]) {
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes.truncate(at),
            2 => {
                let end = (at + random.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + random.below(40)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let piece = spice[random.below(spice.len())].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
}

fn manifest() -> Manifest {
    Manifest::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../world/manifest.ston")).unwrap()
}

#[test]
fn readers_of_text_answer_or_report() {
    const SPICE: [&[u8]; 20] = [
        b"[",
        b"]",
        b"(",
        b")",
        b"#(",
        b"#[",
        b"'",
        b"\"",
        b"$",
        b"| t |",
        b"||",
        b":=",
        b"^",
        b";",
        b"-1",
        b" ifTrue: [",
        b" to: 3 do: [:i | ",
        b"[:x | ",
        b"1e9",
        b"\xff",
    ];
    let sources = manifest().sources();
    let texts: Vec<String> = sources.methods.iter().map(|m| m.method.source.clone()).collect();
    let files: Vec<String> = sources.files.iter().map(|file| file.text.iter().collect()).collect();
    let mut random = Random::new(seed());
    let (start, mut runs) = (Instant::now(), 0);
    while start.elapsed() < seconds(1) || runs <= 100 {
        let from = if runs % 20 == 0 { &files } else { &texts };
        let mut bytes = from[random.below(from.len())].clone().into_bytes();
        mutate(&mut bytes, &mut random, &SPICE);
        seed::fuzz::check(&bytes);
        runs += 1;
    }
    println!("{runs} runs with seed {}", seed());
}

#[test]
fn damaged_archives_are_refused_or_harmless() {
    let (archive, _) = seed::world::archive(&manifest());
    let archive = archive.unwrap();
    let whole = pack(&archive).unwrap();
    let mut random = Random::new(seed());
    let (start, mut refused, mut loaded) = (Instant::now(), 0, 0);
    // On a machine however busy until both were seen.
    while start.elapsed() < seconds(2) || ((refused == 0 || loaded == 0) && refused + loaded < 10_000) {
        let mut bytes = whole.clone();
        match random.below(3) {
            0 => bytes.truncate(random.below(bytes.len())),
            _ => {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        match Claimed(&bytes).verify() {
            Err(_) => refused += 1,
            Ok(verified) => {
                let config = HeapConfig {
                    base: 0,
                    reserve: BLOCKS_OFFSET + (96 << 20),
                    ..HeapConfig::default()
                };
                let memory = SimMemory::new(Filling::Told);
                let mut heap = Heap::create(&memory, config.clone()).unwrap();
                if load(&verified, &mut heap).is_ok() {
                    let mut copy = Heap::create(&memory, config).unwrap();
                    if copy_world(&heap, &mut copy, Hashes::Renumber).is_ok() {
                        assert_eq!(world_hash(&copy).len(), 32);
                    }
                }
                loaded += 1;
            }
        }
    }
    assert!(refused > 0 && loaded > 0, "{refused} refused, {loaded} loaded, seed {}", seed());
}
