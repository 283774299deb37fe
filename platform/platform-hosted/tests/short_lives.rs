//! What a world drops in short sessions, of which none lives long enough to end a collection, is freed
//! all the same.

mod common;

use common::{Folder, warm};

/// Bytes that each session makes and the next one drops.
const PIECE: usize = 16 << 20;
const SESSIONS: usize = 20;
/// Old space grows by this before a collection is overdue, and by one piece more.
const MOST: usize = (64 << 20) + 3 * PIECE;

fn used_bytes(world: &str) -> usize {
    let run = warm(&["eval", world, "Smalltalk machineStatistic: #usedBytes", "--no-save"]);
    run.out.trim().parse().unwrap_or_else(|_| panic!("{run:?}"))
}

/// Lets a world live for many sessions that each say `line`, which makes a Piece of so many elements; answers
/// how large its heap is at the most.
fn lives(folder: &Folder, line: &str, elements: usize) -> usize {
    let world = folder.world("a.world");
    let before = used_bytes(&world);
    let mut most = 0;
    for _ in 0..SESSIONS {
        let run = warm(&["eval", &world, line]);
        assert_eq!((run.status, &*run.out), (0, "#kept\n"), "{run:?}");
        most = most.max(used_bytes(&world) - before);
    }
    assert_eq!(warm(&["check", &world]).status, 0);
    assert_eq!(warm(&["eval", &world, "Piece size"]).out, format!("{elements}\n"));
    most
}

#[test]
fn large_objects_of_short_lives_are_freed() {
    let folder = Folder::new("short-large");
    let elements = PIECE / 8;
    let line = format!("Smalltalk at: #Piece put: (Array new: {elements}). #kept");
    let most = lives(&folder, &line, elements);
    assert!(most < MOST, "{most} bytes more than a new world");
}

#[test]
fn small_objects_of_short_lives_are_freed() {
    let folder = Folder::new("short-small");
    // A pair, with its header and the slot that refers to it.
    let elements = PIECE / 40;
    let line = format!("Smalltalk at: #Piece put: ((1 to: {elements}) collect: [ :n | n -> n ]). #kept");
    let most = lives(&folder, &line, elements);
    assert!(most < MOST, "{most} bytes more than a new world");
}
