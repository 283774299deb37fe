//! The file of a world that only ever lives for moments, or whose program makes a snapshot after the
//! other, does not grow for ever: what its moments hold beyond the budget is let go all the same. And a
//! program that runs on leaves moments, however little it changes.

mod common;

use common::{Folder, warm};

/// Bytes that each session writes anew: the budget for moments of a small world is 256 MB.
const PIECE: usize = 16 << 20;
const SESSIONS: usize = 48;
/// The budget, what is made between two thinnings, and the world.
const MOST: u64 = (256 << 20) + 20 * PIECE as u64;

/// A world with the piece in it.
fn prepared(folder: &Folder) -> String {
    let world = folder.world("a.world");
    let piece = format!("(Smalltalk at: #Piece put: (ByteArray new: {PIECE})) size");
    assert_eq!(warm(&["eval", &world, &piece]).status, 0);
    world
}

/// Writes a number to each page of the piece.
fn writing(number: &str) -> String {
    format!("1 to: Piece size by: 4096 do: [ :at | Piece at: at put: {number} ]")
}

fn length(world: &str) -> u64 {
    std::fs::metadata(world).expect("the file").len()
}

#[test]
fn sessions_of_one_line_are_thinned() {
    let folder = Folder::new("thin-lines");
    let world = prepared(&folder);
    for n in 1..=SESSIONS {
        let run = warm(&["eval", &world, &writing(&n.to_string())]);
        assert_eq!(run.status, 0, "{run:?}");
    }
    assert!(length(&world) < MOST, "{} bytes", length(&world));
    assert_eq!(warm(&["eval", &world, "Piece first"]).out, format!("{SESSIONS}\n"));
    assert_eq!(warm(&["check", &world]).status, 0);
}

#[test]
fn a_program_of_many_snapshots_is_thinned() {
    let folder = Folder::new("thin-program");
    let world = prepared(&folder);
    let rounds = 2 * SESSIONS;
    let run = warm(&["eval", &world, &format!("1 to: {rounds} do: [ :n | {}. Smalltalk snapshot ]", writing("n"))]);
    assert_eq!(run.status, 0, "{run:?}");
    assert!(length(&world) < MOST, "{} bytes", length(&world));
    assert_eq!(warm(&["check", &world]).status, 0);
}

#[test]
fn a_program_that_runs_on_in_a_small_world_leaves_moments() {
    let folder = Folder::new("thin-little");
    let world = folder.world("a.world");
    // Until it sees a few of them; a machine that leaves none is told from a busy one by its patience.
    let program = format!(
        "| before until | before := Moment all size. Smalltalk at: #Tally put: 0. \
         until := Time millisecondClockValue + {}. \
         [ Moment all size >= (before + 3) or: [ Time millisecondClockValue > until ] ] whileFalse: [ \
             1000 timesRepeat: [ Smalltalk at: #Tally put: (Smalltalk at: #Tally) + 1 ] ]. \
         Moment all size - before",
        common::time::PATIENCE.as_millis()
    );
    assert_eq!(warm(&["eval", &world, &program]).out, "3\n");
}
