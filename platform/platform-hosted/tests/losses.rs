//! A page of the heap that rotted: the world opens, the loss is named, nothing computes with it, and
//! nothing is given up before the user says so.

mod common;

use common::{Folder, Run, bytes, warm};

/// A world with a text of which the middle rots, and what stands around it.
fn rotten(name: &str) -> (Folder, String) {
    let folder = Folder::new(name);
    let file = folder.world("a.world");
    let make = "Smalltalk at: #Text put: (String new: 60000 withAll: $q). \
        Smalltalk at: #Near put: (OrderedCollection withAll: #(1 2 3)). 1";
    assert_eq!(warm(&["eval", &file, make]).status, 0);
    // Opening reads what the newest commit wrote, and would go back to the one before.
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Later put: 3"]).status, 0);
    let mut content = bytes(&file);
    let pages = content.chunks_exact_mut(4096).filter(|page| **page == [b'q'; 4096]);
    let rotten = pages.map(|page| page[17] ^= 1).count();
    assert!(rotten > 10, "{rotten} pages of the text");
    std::fs::write(&file, content).unwrap();
    (folder, file)
}

#[track_caller]
fn names_the_loss(run: &Run) {
    let lines = run.err.lines().filter(|line| line.contains("lost") && line.starts_with("warm: "));
    assert_eq!(lines.count(), 1, "{run:?}");
}

#[test]
fn a_world_with_a_rotten_page_opens_and_raises_where_it_is_used() {
    let (_folder, file) = rotten("rotten");
    let run = warm(&["eval", &file, "Near inject: 0 into: [ :a :b | a + b ]"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "6\n", ""), "{run:?}");
    // What is read is never taken for what was stored.
    for program in ["Text at: 20000", "Text occurrencesOf: $q", "1 to: Text size do: [ :n | Text at: n ]. 5", "Text copy size"] {
        let run = warm(&["eval", &file, program, "--no-save"]);
        assert_eq!((run.status, run.out.as_str()), (1, ""), "{program}: {run:?}");
        assert!(run.err.contains("LostPage: ") || run.err.contains("LostObjectError: "), "{program}: {run:?}");
        names_the_loss(&run);
    }
    // Once it is known, a send to it says so, in this session and in later ones.
    assert_eq!(warm(&["eval", &file, "Text hash. Text asUppercase"]).status, 1);
    for _ in 0..2 {
        let run = warm(&["eval", &file, "Text size"]);
        assert!(run.status == 1 && run.err.contains("this object was lost with its page"), "{run:?}");
        names_the_loss(&run);
    }
    let run = warm(&["eval", &file, "[ Text size ] on: LostObjectError do: [ :error | Near size ]"]);
    assert_eq!((run.status, run.out.as_str()), (0, "3\n"), "{run:?}");
}

#[test]
fn nothing_is_swept_or_deleted_until_the_loss_is_accepted() {
    let (_folder, file) = rotten("not-swept");
    let check = warm(&["check", &file]);
    assert!(check.status == 65 && check.out.contains("wrong checksum"), "{check:?}");
    assert_eq!(warm(&["eval", &file, "Text asUppercase"]).status, 1);
    let garbage = "| before | Smalltalk at: #Later put: ((1 to: 100000) collect: [ :n | n printString ]). Smalltalk snapshot. \
        Smalltalk at: #Later put: nil. Smalltalk garbageCollect. \
        (Smalltalk machine statistics detect: [ :row | row first = 'sweptBytes' ]) last";
    let run = warm(&["eval", &file, garbage]);
    assert_eq!((run.status, run.out.as_str()), (0, "0\n"), "{run:?}");
    let moment = warm(&["history", &file]).out.lines().next().unwrap().split_whitespace().next().unwrap().to_owned();
    let run = warm(&["delete", &file, &moment]);
    assert!(run.status == 65 && run.err.contains("lost"), "{run:?}");

    let accepted = warm(&["check", &file, "--accept"]);
    assert_eq!(accepted.status, 0, "{accepted:?}");
    assert!(accepted.out.contains("page") && accepted.out.contains("was given up"), "{accepted:?}");
    let check = warm(&["check", &file]);
    assert_eq!((check.status, check.err.as_str()), (0, ""), "{check:?}");
    let run = warm(&["eval", &file, &format!("{garbage} > 1000000")]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "true\n", ""), "{run:?}");
    let run = warm(&["eval", &file, "Smalltalk at: #Text put: 'new'. Near size"]);
    assert_eq!((run.status, run.out.as_str()), (0, "3\n"), "{run:?}");
    assert_eq!(warm(&["check", &file, "--accept"]).status, 0, "nothing is left to accept");
}

#[test]
fn a_named_moment_that_needs_the_page_stays_and_is_told() {
    let (_folder, file) = rotten("named-stays");
    assert_eq!(warm(&["name", &file, "precious"]).status, 0);
    let accepted = warm(&["check", &file, "--accept"]);
    assert_eq!(accepted.status, 0, "{accepted:?}");
    assert!(accepted.out.contains("precious"), "{accepted:?}");
    assert!(warm(&["history", &file]).out.contains("precious"));
    let check = warm(&["check", &file]);
    assert_eq!(check.status, 65, "{check:?}");
    assert_eq!(warm(&["delete", &file, "precious"]).status, 0);
    let check = warm(&["check", &file]);
    assert_eq!(check.status, 0, "{check:?}");
}

#[test]
fn a_restored_moment_that_is_whole_has_nothing_lost() {
    let (_folder, file) = rotten("restored");
    assert_eq!(warm(&["eval", &file, "Text asUppercase"]).status, 1);
    let moments = warm(&["history", &file]);
    // The first is the world as it was made.
    let first = moments.out.split_whitespace().next().unwrap().to_owned();
    assert_eq!(warm(&["restore", &file, &first]).status, 0, "{moments:?}");
    let run = warm(&["eval", &file, "{ Smalltalk includesKey: #Text. Smalltalk garbageCollect. 3 } last"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "3\n", ""), "{run:?}");
}
