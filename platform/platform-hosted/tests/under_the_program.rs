//! What happens to a world's file while a program has it open: no space, deleted, moved, replaced.

#![allow(unsafe_code, reason = "room: limits and identities of a test's child")]

mod common;
#[path = "common/talker.rs"]
mod talker;

use common::{Folder, bytes, command, refused, warm};
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::time::{Duration, Instant};
use talker::Talker;

/// Limits the size of files that a process may write, from now on.
fn limit(child: &Child, bytes: u64) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the child was not waited for; the limit is plain data; the old one is not asked for.
    let set = unsafe { libc::prlimit(child.id() as i32, libc::RLIMIT_FSIZE, &limit, std::ptr::null_mut()) };
    assert_eq!(set, 0);
}

#[test]
fn no_space_for_a_new_world_is_told_and_leaves_nothing_behind() {
    let folder = Folder::new("no-space-new");
    let file = folder.text("a.world");
    let mut command = command(&["new", &file]);
    // SAFETY: one call that may be made between fork and exec, with plain data.
    unsafe {
        command.pre_exec(|| {
            let limit = libc::rlimit { rlim_cur: 3 << 20, rlim_max: 3 << 20 };
            libc::setrlimit(libc::RLIMIT_FSIZE, &limit);
            Ok(())
        });
    }
    let run: common::Run = command.output().unwrap().into();
    refused(&run, 74, "file too large");
    assert!(run.err.contains("a.world") && !run.err.contains(".warm-new"), "{run:?}");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
}

/// Dirties eight megabytes and makes as much garbage, ten times a second, until its input ends; says
/// each round.
const BUSY: &str = "| big round goesOn |
big := (1 to: 40) collect: [ :n | Array new: 25000 withAll: 0 ].
Smalltalk at: #Big put: big.
round := 0.
goesOn := true.
[ Session current stdin nextLine. goesOn := false ] fork.
[ goesOn ] whileTrue: [
    round := round + 1.
    big do: [ :each | each atAllPut: round ].
    (1 to: 20000) collect: [ :n | n printString ].
    Smalltalk at: #Round put: round.
    Session current stdout nextPutAll: round printString; lf; flush.
    (Delay forMilliseconds: 100) wait ]
";

fn busy(folder: &Folder, file: &str) -> Talker {
    let script = folder.text("busy.st");
    std::fs::write(&script, BUSY).unwrap();
    let mut talker = Talker::with_input(command(&["run", file, &script]));
    talker.line();
    talker
}

#[test]
fn a_full_disk_is_told_in_one_line_and_the_world_goes_on_and_is_saved_later() {
    let folder = Folder::new("full");
    let file = folder.world("a.world");
    let mut talker = busy(&folder, &file);
    limit(&talker.child, std::fs::metadata(&file).unwrap().len());
    talker.await_error("could not be saved");
    // The world goes on, and several more savings fall into this time.
    let began = Instant::now();
    let mut rounds = 1;
    while rounds < 10 || began.elapsed() < Duration::from_secs(6) {
        talker.line();
        rounds += 1;
    }
    limit(&talker.child, libc::RLIM_INFINITY);
    let run = talker.end();
    assert_eq!(run.status, 0, "{run:?}");
    let told = run.err.lines().filter(|line| line.contains("could not be saved")).count();
    let gave_way = run.err.lines().filter(|line| line.contains("let go")).count();
    assert!(told == 1 && run.err.lines().count() == 1 + gave_way, "{run:?}");
    let last = run.out.lines().last().map_or_else(|| rounds.to_string(), str::to_owned);
    let question = format!("{{ Round. Big allSatisfy: [ :each | each last = {last} ] }}");
    let kept = warm(&["eval", &file, &question]);
    assert_eq!(kept.out, format!("#({last} true)\n"), "{kept:?}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

#[test]
fn on_a_full_disk_automatic_moments_give_way_to_the_present() {
    let folder = Folder::new("gives-way");
    let file = folder.world("a.world");
    let piece = 1 << 20;
    assert_eq!(warm(&["eval", &file, &format!("Smalltalk at: #Piece put: (ByteArray new: {piece})")]).status, 0);
    for round in 1..=8 {
        assert_eq!(warm(&["eval", &file, &format!("Piece atAllPut: {round}")]).status, 0);
    }
    assert_eq!(warm(&["name", &file, "before"]).status, 0);
    let before = warm(&["history", &file]).out.lines().count();
    let program = "| input | input := Session current stdin. \
        Session current stdout nextPutAll: 'open'; lf; flush. input nextLine. \
        20 to: 60 do: [ :round | Piece atAllPut: round. Smalltalk snapshot ]. \
        Session current stdout nextPutAll: 'snapshots'; lf; flush. input nextLine. \
        Piece atAllPut: 99";
    let mut talker = Talker::with_input(command(&["eval", &file, program]));
    assert_eq!(talker.line(), "open");
    limit(&talker.child, std::fs::metadata(&file).unwrap().len());
    talker.say("\n");
    assert_eq!(talker.line(), "snapshots");
    talker.say("\n");
    let run = talker.end();
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.err.contains("let go") && !run.err.contains("could not"), "{run:?}");
    let history = warm(&["history", &file]).out;
    assert!(history.lines().count() <= before && history.contains("before"), "{history}");
    let kept = warm(&["eval", &file, "Piece allSatisfy: [ :each | each = 99 ]"]);
    assert_eq!(kept.out, "true\n", "{kept:?}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

#[test]
fn a_guest_is_told_that_what_it_did_was_not_saved() {
    let folder = Folder::new("full-guest");
    let file = folder.world("a.world");
    let mut owner = Talker::with_input(command(&["repl", &file]));
    owner.say("Stdio stdout nextPutAll: 'open'; lf; flush\n");
    owner.await_line("open");
    limit(&owner.child, std::fs::metadata(&file).unwrap().len());
    let run = warm(&["eval", &file, "Smalltalk at: #Big put: (Array new: 1000000 withAll: 7). 1"]);
    assert_eq!((run.status, run.out.as_str()), (75, "1\n"), "{run:?}");
    assert!(run.err.contains("not saved") && run.err.lines().count() == 1, "{run:?}");
    // One that fails by itself keeps its status.
    let run = warm(&["eval", &file, "Smalltalk at: #Small put: 1. Smalltalk exit: 3"]);
    assert_eq!((run.status, run.err.as_str()), (3, ""), "{run:?}");
    limit(&owner.child, libc::RLIM_INFINITY);
    let run = warm(&["eval", &file, "Big size + Small"]);
    assert_eq!((run.status, run.out.as_str()), (0, "1000001\n"), "{run:?}");
    // SIGKILL: what the last one was told is so.
    owner.kill();
    assert_eq!(warm(&["eval", &file, "Big size + Small"]).out, "1000001\n");
}

#[test]
fn a_disk_that_stays_full_ends_with_unsaved_and_what_was_acknowledged() {
    let folder = Folder::new("stays-full");
    let file = folder.world("a.world");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Round put: -1"]).status, 0);
    let mut talker = busy(&folder, &file);
    limit(&talker.child, std::fs::metadata(&file).unwrap().len());
    (2..30).for_each(|round| assert_eq!(talker.line(), round.to_string()));
    let run = talker.end();
    assert_eq!(run.status, 75, "{run:?}");
    assert!(run.err.lines().last().unwrap().contains("not saved"), "{run:?}");
    let last = run.out.lines().last().unwrap_or("29").to_owned();
    let run = warm(&["eval", &file, &format!("Round between: -1 and: {last} - 1")]);
    assert_eq!((run.status, run.out.as_str()), (0, "true\n"), "{run:?}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

/// A program that has the file open and then changes and saves it.
fn waiting(file: &str) -> Talker {
    let program = "Session current stdout nextPutAll: 'open'; lf; flush. Session current stdin nextLine. \
        Smalltalk at: #Kept put: 42. Smalltalk snapshot";
    let mut talker = Talker::with_input(command(&["eval", file, program]));
    assert_eq!(talker.line(), "open");
    talker
}

/// Lets it go on; it must say in one line what became of its file.
#[track_caller]
fn goes_on(talker: Talker, what: &str) {
    let run = talker.end();
    assert_eq!(run.status, 75, "{run:?}");
    assert!(run.err.lines().count() == 1 && run.err.contains(what), "{run:?}");
}

#[test]
fn a_file_that_is_deleted_while_open_is_told_at_the_end() {
    let folder = Folder::new("deleted");
    let file = folder.world("a.world");
    let talker = waiting(&file);
    std::fs::remove_file(&file).unwrap();
    goes_on(talker, "was moved or deleted");
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0, "something was made anew");
}

#[test]
fn a_file_that_is_moved_while_open_keeps_what_is_done() {
    let folder = Folder::new("moved");
    let (file, other) = (folder.world("a.world"), folder.text("b.world"));
    let talker = waiting(&file);
    std::fs::rename(&file, &other).unwrap();
    assert_eq!(warm(&["eval", &other, "3"]).out, "3\n");
    goes_on(talker, "was moved or deleted");
    assert_eq!(warm(&["eval", &other, "Kept"]).out, "42\n");
}

#[test]
fn a_file_that_takes_the_place_of_an_open_one_is_never_touched() {
    let folder = Folder::new("replaced");
    let (file, other) = (folder.world("a.world"), folder.world("b.world"));
    let talker = waiting(&file);
    let before = bytes(&other);
    std::fs::rename(&other, &file).unwrap();
    goes_on(talker, "was replaced");
    assert!(bytes(&file) == before, "the new file was written");
    let run = warm(&["eval", &file, "Smalltalk includesKey: #Kept"]);
    assert_eq!((run.status, run.out.as_str()), (0, "false\n"), "{run:?}");
}

#[test]
fn what_the_user_may_not_read_or_write_is_told() {
    let folder = Folder::new("denied");
    let file = folder.world("a.world");
    let mode = |bits| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(bits)).unwrap();
    };
    // For whoever is above permissions, somebody else asks.
    let asked = |words: &[&str]| -> common::Run {
        let mut command = command(words);
        // SAFETY: two calls that may be made between fork and exec.
        unsafe {
            command.pre_exec(|| {
                if libc::geteuid() == 0 {
                    libc::setgid(65_534);
                    libc::setuid(65_534);
                }
                Ok(())
            });
        }
        command.output().unwrap().into()
    };
    let before = bytes(&file);
    mode(0o000);
    refused(&asked(&["eval", &file, "3 + 4"]), 74, "permission denied");
    refused(&asked(&["eval", &file, "3 + 4", "--no-save"]), 74, "permission denied");
    mode(0o444);
    refused(&asked(&["eval", &file, "3 + 4"]), 74, "permission denied");
    refused(&asked(&["name", &file, "now"]), 74, "permission denied");
    let run = asked(&["eval", &file, "3 + 4", "--no-save"]);
    assert_eq!((run.status, run.out.as_str()), (0, "7\n"), "{run:?}");
    refused(&asked(&["new", "/proc/a.world"]), 74, "cannot create");
    mode(0o644);
    assert!(bytes(&file) == before);
}
