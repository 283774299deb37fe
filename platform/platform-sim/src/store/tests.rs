//! Each fault does what its description says, and nothing else.

use super::SimStore;
use crate::{Calls, Fault, Random, Survivors, Times};
use platform::{Store, StoreErrorKind};

fn store(bytes: u64) -> SimStore {
    let store = SimStore::new();
    store.grow(bytes).unwrap();
    store.flush().unwrap();
    store
}

fn byte(store: &SimStore, at: u64) -> u8 {
    let mut byte = [0];
    store.read_at(at, &mut byte).unwrap();
    byte[0]
}

fn after(store: &SimStore, survivors: Survivors) -> SimStore {
    SimStore::on(store.cut(&survivors))
}

#[test]
fn a_cut_loses_what_no_flush_covers_and_nothing_else() {
    let store = store(8192);
    store.write_at(0, &[1; 10]).unwrap();
    store.flush().unwrap();
    store.write_at(4096, &[2; 10]).unwrap();
    let reopened = after(&store, Survivors::Nothing);
    assert_eq!((byte(&reopened, 0), byte(&reopened, 4096)), (1, 0));
    assert_eq!(store.flush().unwrap_err().kind, StoreErrorKind::Gone);
}

#[test]
fn a_failed_flush_tells_once_and_a_second_one_saves_nothing() {
    let store = store(8192);
    store.arm(Fault::FlushFails {
        operation: 0,
        times: Times::Once,
        kept: Survivors::Only(1),
    });
    store.write_at(0, &[1; 10]).unwrap();
    store.write_at(4096, &[2; 10]).unwrap();
    assert_eq!(store.flush().unwrap_err().kind, StoreErrorKind::Io);
    store.flush().unwrap();
    assert_eq!(byte(&store, 0), 1, "the cache still shows it");
    let reopened = after(&store, Survivors::Everything);
    assert_eq!((byte(&reopened, 0), byte(&reopened, 4096)), (0, 2));
}

#[test]
fn a_lying_flush_leaves_the_writes_pending() {
    let store = store(4096);
    store.arm(Fault::FlushLies {
        operation: 0,
        times: Times::Once,
    });
    store.write_at(0, &[1; 10]).unwrap();
    store.flush().unwrap();
    assert_eq!(byte(&after(&store, Survivors::Nothing), 0), 0);
    let again = self::store(4096);
    again.arm(Fault::FlushLies {
        operation: 0,
        times: Times::Once,
    });
    again.write_at(0, &[1; 10]).unwrap();
    again.flush().unwrap();
    again.flush().unwrap();
    assert_eq!(
        byte(&after(&again, Survivors::Nothing), 0),
        1,
        "the second flush was honest"
    );
}

#[test]
fn io_errors_meet_their_range_and_number_only() {
    let store = store(16384);
    let range = 4096..8192;
    store.arm(Fault::Io {
        operation: 0,
        calls: Calls::Reads,
        range: range.clone(),
        times: Times::Once,
    });
    store.arm(Fault::Io {
        operation: 0,
        calls: Calls::Writes,
        range,
        times: Times::Always,
    });
    assert_eq!(byte(&store, 4095), 0);
    assert_eq!(
        store.read_at(4000, &mut [0; 200]).unwrap_err().kind,
        StoreErrorKind::Io
    );
    assert_eq!(byte(&store, 4096), 0, "reads failed once");
    for _ in 0..3 {
        assert_eq!(
            store.write_at(8191, &[1, 1]).unwrap_err().kind,
            StoreErrorKind::Io
        );
    }
    store.write_at(8192, &[1]).unwrap();
    assert_eq!(store.strikes(), [1, 3]);
}

#[test]
fn a_full_medium_refuses_growth_and_holes_but_not_rewriting() {
    let store = store(16384);
    store.write_at(0, &[1; 4096]).unwrap();
    store.arm(Fault::Full { bytes: 8192 });
    assert_eq!(store.grow(20_000).unwrap_err().kind, StoreErrorKind::Full);
    store.write_at(0, &[2; 4096]).unwrap();
    store.write_at(4096, &[2; 4096]).unwrap();
    assert_eq!(
        store.write_at(8192, &[2; 1]).unwrap_err().kind,
        StoreErrorKind::Full
    );
}

#[test]
fn lost_and_misdirected_writes_show_only_after_the_cut() {
    let store = store(16384);
    let next = store.operations();
    store.arm(Fault::Lost { operation: next });
    store.arm(Fault::Misdirected {
        operation: next + 1,
        to: 12288,
    });
    store.write_at(0, &[1; 4096]).unwrap();
    store.write_at(4096, &[2; 4096]).unwrap();
    store.flush().unwrap();
    assert_eq!(
        (byte(&store, 0), byte(&store, 4096), byte(&store, 12288)),
        (1, 2, 0)
    );
    let reopened = after(&store, Survivors::Everything);
    assert_eq!(
        (
            byte(&reopened, 0),
            byte(&reopened, 4096),
            byte(&reopened, 12288)
        ),
        (0, 0, 2)
    );
}

#[test]
fn rot_and_scissors_strike_at_their_operation() {
    let store = store(16384);
    store.write_at(0, &[1; 4096]).unwrap();
    store.flush().unwrap();
    store.arm(Fault::Rot {
        operation: store.operations(),
        offset: 7,
        mask: 0x81,
    });
    assert_eq!(byte(&store, 7), 0x80);
    store.arm(Fault::Shortened {
        operation: store.operations(),
        bytes: 5000,
    });
    assert_eq!(
        store.read_at(5000, &mut [0]).unwrap_err().kind,
        StoreErrorKind::OutOfRange
    );
    assert_eq!(after(&store, Survivors::Nothing).len().unwrap(), 5000);
}

#[test]
fn a_recording_reaches_the_same_media_as_cutting_at_each_operation() {
    let script = |store: &SimStore| -> Result<(), platform::StoreError> {
        let mut random = Random::new(5);
        for round in 0..60u8 {
            match random.below(6) {
                0 => store.flush()?,
                1 => store.grow(random.below(60_000) as u64)?,
                2 => store.truncate(20_000 + random.below(60_000) as u64)?,
                _ => {
                    let bytes = vec![round; 1 + random.below(2_000)];
                    store.write_at(random.below(15_000) as u64, &bytes)?;
                }
            }
        }
        Ok(())
    };
    let fresh = || {
        let fresh = store(20_000);
        fresh.record();
        fresh
    };
    let whole = fresh();
    script(&whole).unwrap();
    let mut media = Vec::new();
    let choice = Survivors::Shredded { seed: 3 };
    whole
        .recording()
        .unwrap()
        .crash_points(|point| media.push(point.cache.after_cut(&choice)));
    let mut seen = 0;
    let mut last: Option<crate::Medium> = None;
    for operation in 2..=62 {
        let cut = fresh();
        cut.arm(Fault::PowerCut { operation });
        let _ = script(&cut);
        let medium = cut.cut(&choice);
        if media.get(seen).is_some_and(|want| want.same_bytes(&medium)) {
            seen += 1;
        } else {
            assert!(
                last.as_ref().is_some_and(|last| last.same_bytes(&medium)),
                "cut at {operation}"
            );
        }
        last = Some(medium);
    }
    assert_eq!(seen, media.len());
}
