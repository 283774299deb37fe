//! Worlds of every format version that was ever released keep opening.
//!
//! `tests/images/format-N.world` is made once, by the ignored test, when version N is released, and
//! never again.

mod common;

use common::{Bench, Pages};
use image::{Keep, MomentId, Policy};
use platform_sim::Medium;
use std::path::PathBuf;

fn image_of(version: u32) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/images/format-{version}.world"))
}

fn medium_of(version: u32) -> Medium {
    let bytes = std::fs::read(image_of(version)).expect("the image is kept");
    let mut medium = Medium::new(bytes.len() as u64);
    for (nth, block) in bytes.chunks(4096).enumerate() {
        if block.iter().any(|&byte| byte != 0) {
            medium.write(nth as u64 * 4096, block);
        }
    }
    medium
}

#[test]
#[ignore = "makes the image of the present version anew"]
fn make_the_image_of_this_version() {
    let mut bench = Bench::new();
    bench.snapshot(&[(0, 1), (1, 2), (300, 3)], Keep::Named("first".into()));
    bench.snapshot(&[(1, 20), (70_000, 4)], Keep::Automatic);
    bench.world.branch(MomentId(1), "side", 5).expect("branch");
    bench.world.pin(8, 6).expect("pin");
    bench.snapshot(&[(2, 5)], Keep::No);
    bench.world.close(7).expect("close");
    bench.world.journal_append(77, 3, b"typed").expect("append");
    bench.world.journal_flush().expect("flush");
    let medium = bench.store.contents();
    let mut bytes = vec![0; medium.len() as usize];
    medium.read(0, &mut bytes);
    let path = image_of(image::VERSION);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
    assert!(!path.exists(), "a released image is never made again");
    std::fs::write(path, bytes).expect("write");
}

#[test]
fn a_world_of_version_1_opens_whole() {
    let (mut bench, report) = Bench::open(medium_of(1), 3).expect("open");
    assert!(report.clean && report.lost_commits.is_empty() && report.damages.is_empty(), "{report:?}");
    bench.check();
    let moments = bench.world.moments().expect("moments");
    let shown: Vec<_> = moments.iter().map(|moment| (moment.id.0, moment.policy, moment.name.as_str())).collect();
    let expected = [(1, Policy::Named, "first"), (2, Policy::Automatic, ""), (3, Policy::Branch, "side"), (4, Policy::Pinned, "")];
    assert_eq!(shown, expected);
    assert_eq!(bench.read_all(MomentId(1)).expect("first"), Pages::from([(0, 1), (1, 2), (300, 3)]));
    bench.pages = Pages::from([(0, 1), (1, 20), (2, 5), (300, 3), (70_000, 4)]);
    bench.verify();
    let typed = bench.world.journal_replay().expect("replay");
    assert_eq!(typed.iter().map(|record| (record.serial, record.bytes.as_slice())).collect::<Vec<_>>(), [(77, &b"typed"[..])]);
    bench.snapshot(&[(9, 9)], Keep::No);
    bench.verify();
    bench.check();
}
