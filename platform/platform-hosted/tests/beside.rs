//! Scratch branches: programs in a world that is open elsewhere, while it is saved there.

mod common;

use common::{Folder, command, warm};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Writes every element anew and saves, again and again; says which round is durable.
const OWNER: &str = "| all round |
all := (1 to: 60000) collect: [ :each | Array with: 0 with: each ].
Smalltalk at: #All put: all.
round := 0.
[ true ] whileTrue: [
    round := round + 1.
    all do: [ :each | each at: 1 put: round ].
    Smalltalk at: #Round put: round.
    Smalltalk snapshot.
    Session current stdout nextPutAll: round printString; lf; flush ]
";

/// Looks at the first element, waits while the owner goes on, and looks at all: they are of one round
/// or, where a snapshot fell into the middle of one, of two.
const READER: &str = "| first rounds |
first := All first first.
(Delay forSeconds: 4) wait.
rounds := (All collect: [ :each | each first ]) asSet.
(rounds size <= 2 and: [ (rounds includes: first) and: [ All size = 60000 ] ])
    ifTrue: [ first ] ifFalse: [ { first. rounds } ]";

fn owner(folder: &Folder, file: &str) -> (Child, impl FnMut() -> u64) {
    let script = folder.text("owner.st");
    std::fs::write(&script, OWNER).unwrap();
    let mut child = command(&["run", file, &script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, move || lines.next().unwrap().unwrap().parse().unwrap())
}

#[test]
fn a_program_reads_the_last_committed_state_while_the_owner_saves() {
    let folder = Folder::new("beside");
    let file = folder.world("a.world");
    let (mut owner, mut round) = owner(&folder, &file);
    while round() < 3 {}
    let began = Instant::now();
    let readers: Vec<Child> = (0..2)
        .map(|_| {
            let words = ["eval", &file, READER, "--no-save"];
            command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut last = 0;
    while began.elapsed() < Duration::from_secs(4) {
        last = round();
    }
    for reader in readers {
        let run: common::Run = reader.wait_with_output().unwrap().into();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
        let seen: u64 = run.out.trim().parse().unwrap_or_else(|_| panic!("{run:?}"));
        assert!(seen >= 1 && seen <= last, "{seen} of {last}");
    }
    // Who wants to write is a guest of the owner; who wants to look reads beside.
    assert_eq!(warm(&["name", &file, "now"]).status, 0);
    assert_eq!(warm(&["eval", &file, "3"]).out, "3\n");
    assert_eq!(warm(&["history", &file]).status, 0);
    assert_eq!(warm(&["info", &file]).status, 0);
    owner.kill().unwrap();
    owner.wait().unwrap();
    println!("{last} rounds were saved meanwhile");
    assert!(last > 6, "the owner did not go on: {last}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

#[test]
fn tests_and_scripts_run_beside_the_owner_and_change_nothing() {
    let folder = Folder::new("beside-test");
    let file = folder.world("a.world");
    let (mut owner, mut round) = owner(&folder, &file);
    while round() < 2 {}
    let test = warm(&["test", &file, "IntervalTest"]);
    assert!(test.status == 0 && test.out.contains(" passed, 0 failed"), "{test:?}");
    let script = folder.text("script.st");
    std::fs::write(&script, "Smalltalk at: #Round put: -1. Session current stdout print: Round; lf").unwrap();
    let run = warm(&["run", &file, &script, "--no-save"]);
    assert_eq!((run.status, run.out.as_str()), (0, "-1\n"), "{run:?}");
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_eq!(warm(&["eval", &file, "Round > 0"]).out, "true\n");
}

#[test]
fn a_writer_may_come_while_a_scratch_branch_runs() {
    let folder = Folder::new("beside-later");
    let file = folder.world("a.world");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Kept put: (1 to: 200000) asArray"]).status, 0);
    let waits = "| first | first := Kept first. (Delay forSeconds: 3) wait. Kept inject: first - 1 into: [ :a :b | a + b ]";
    let reader = command(&["eval", &file, waits, "--no-save"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(800));
    for value in 1..5 {
        let change = format!("1 to: Kept size do: [ :n | Kept at: n put: {value} ]");
        assert_eq!(warm(&["eval", &file, &change]).status, 0);
    }
    let run: common::Run = reader.wait_with_output().unwrap().into();
    assert_eq!((run.status, run.out.as_str()), (0, "20000100000\n"), "{run:?}");
    assert_eq!(warm(&["eval", &file, "Kept last"]).out, "4\n");
}
