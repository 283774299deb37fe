//! Scratch branches: programs in a world that is open elsewhere, while it is saved there.

mod common;
#[path = "common/talker.rs"]
mod talker;

use common::{Folder, command, warm};
use talker::Talker;

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

/// Looks at the first element and says it, waits for a word while the owner goes on, and looks at all:
/// they are of one round or, where a snapshot fell into the middle of one, of two.
const READER: &str = "| first rounds |
first := All first first.
Session current stdout print: first; lf; flush.
Session current stdin nextLine.
rounds := (All collect: [ :each | each first ]) asSet.
(rounds size <= 2 and: [ (rounds includes: first) and: [ All size = 60000 ] ])
    ifTrue: [ first ] ifFalse: [ { first. rounds } ]";

/// The owner, when `rounds` are durable.
fn owner(folder: &Folder, file: &str, rounds: u64) -> Talker {
    let script = folder.text("owner.st");
    std::fs::write(&script, OWNER).unwrap();
    let mut owner = Talker::start(command(&["run", file, &script]));
    await_round(&mut owner, rounds);
    owner
}

/// Waits until a round is durable; answers which one was said last.
fn await_round(owner: &mut Talker, wanted: u64) -> u64 {
    loop {
        let round = owner.line().parse().unwrap();
        if round >= wanted {
            return round;
        }
    }
}

#[test]
fn a_program_reads_the_last_committed_state_while_the_owner_saves() {
    let folder = Folder::new("beside");
    let file = folder.world("a.world");
    let mut owner = owner(&folder, &file, 3);
    let begin = |_| Talker::with_input(command(&["eval", &file, READER, "--no-save"]));
    let mut readers: Vec<Talker> = (0..2).map(begin).collect();
    let seen: Vec<u64> = readers.iter_mut().map(|reader| reader.line().parse().unwrap()).collect();
    // What they saw was durable, and the owner goes on for a few rounds.
    let newest = seen.iter().copied().max().unwrap();
    assert!(seen.iter().all(|seen| *seen >= 3), "{seen:?}");
    let last = await_round(&mut owner, newest + 6);
    for (mut reader, seen) in readers.into_iter().zip(seen) {
        reader.say("look\n");
        let run = reader.end();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
        assert_eq!(run.out, format!("{seen}\n"), "{run:?}");
    }
    // Who wants to write is a guest of the owner; who wants to look reads beside.
    assert_eq!(warm(&["name", &file, "now"]).status, 0);
    assert_eq!(warm(&["eval", &file, "3"]).out, "3\n");
    assert_eq!(warm(&["history", &file]).status, 0);
    assert_eq!(warm(&["info", &file]).status, 0);
    await_round(&mut owner, last + 1);
    owner.kill();
    println!("{last} rounds were saved meanwhile");
    assert_eq!(warm(&["check", &file]).status, 0);
}

#[test]
fn tests_and_scripts_run_beside_the_owner_and_change_nothing() {
    let folder = Folder::new("beside-test");
    let file = folder.world("a.world");
    let owner = owner(&folder, &file, 2);
    let test = warm(&["test", &file, "IntervalTest"]);
    assert!(test.status == 0 && test.out.contains(" passed, 0 failed"), "{test:?}");
    let script = folder.text("script.st");
    std::fs::write(&script, "Smalltalk at: #Round put: -1. Session current stdout print: Round; lf").unwrap();
    let run = warm(&["run", &file, &script, "--no-save"]);
    assert_eq!((run.status, run.out.as_str()), (0, "-1\n"), "{run:?}");
    owner.kill();
    assert_eq!(warm(&["eval", &file, "Round > 0"]).out, "true\n");
}

#[test]
fn a_writer_may_come_while_a_scratch_branch_runs() {
    let folder = Folder::new("beside-later");
    let file = folder.world("a.world");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Kept put: (1 to: 200000) asArray"]).status, 0);
    let waits = "| first | first := Kept first. Session current stdout print: first; lf; flush. \
        Session current stdin nextLine. Kept inject: first - 1 into: [ :a :b | a + b ]";
    let mut reader = Talker::with_input(command(&["eval", &file, waits, "--no-save"]));
    assert_eq!(reader.line(), "1");
    for value in 1..5 {
        let change = format!("1 to: Kept size do: [ :n | Kept at: n put: {value} ]");
        assert_eq!(warm(&["eval", &file, &change]).status, 0);
    }
    reader.say("look\n");
    let run = reader.end();
    assert_eq!((run.status, run.out.as_str()), (0, "20000100000\n"), "{run:?}");
    assert_eq!(warm(&["eval", &file, "Kept last"]).out, "4\n");
}
