//! What happens to a world's file while a program has it open: no space, deleted, moved, replaced.

#![allow(unsafe_code, reason = "room: limits and identities of a test's child")]

mod common;

use common::{Folder, bytes, command, refused, warm};
use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A child whose lines are read as they come.
struct Talker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Talker {
    fn start(mut command: Command) -> Talker {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Talker { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("a line").unwrap()
    }

    /// Waits for the end; answers status, the rest of the lines, and standard error.
    fn end(mut self) -> (i32, Vec<String>, String) {
        let rest = self.lines.by_ref().map_while(Result::ok).collect();
        let run: common::Run = self.child.wait_with_output().unwrap().into();
        (run.status, rest, run.err)
    }
}

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

/// Dirties eight megabytes and makes as much garbage, ten times a second; says each round.
const BUSY: &str = "| big round |
big := (1 to: 40) collect: [ :n | Array new: 25000 withAll: 0 ].
Smalltalk at: #Big put: big.
round := 0.
[ round < ROUNDS ] whileTrue: [
    round := round + 1.
    big do: [ :each | each atAllPut: round ].
    (1 to: 20000) collect: [ :n | n printString ].
    Smalltalk at: #Round put: round.
    Session current stdout nextPutAll: round printString; lf; flush.
    (Delay forMilliseconds: 100) wait ]
";

fn busy(folder: &Folder, file: &str, rounds: usize) -> Talker {
    let script = folder.text("busy.st");
    std::fs::write(&script, BUSY.replace("ROUNDS", &rounds.to_string())).unwrap();
    let mut talker = Talker::start(command(&["run", file, &script]));
    talker.line();
    talker
}

#[test]
fn a_full_disk_is_told_in_one_line_and_the_world_goes_on_and_is_saved_later() {
    let folder = Folder::new("full");
    let file = folder.world("a.world");
    let mut talker = busy(&folder, &file, 60);
    limit(&talker.child, std::fs::metadata(&file).unwrap().len());
    // Several savings fall into this time.
    let began = Instant::now();
    let mut rounds = 1;
    while began.elapsed() < Duration::from_secs(7) {
        talker.line();
        rounds += 1;
    }
    assert!(rounds > 10, "the world stood still: {rounds} rounds");
    limit(&talker.child, libc::RLIM_INFINITY);
    let (status, _, err) = talker.end();
    assert_eq!(status, 0, "{err}");
    let told = err.lines().filter(|line| line.contains("could not be saved")).count();
    assert!(told == 1 && err.lines().count() == 1, "{err}");
    let run = warm(&["eval", &file, "{ Round. Big allSatisfy: [ :each | each last = 60 ] }"]);
    assert_eq!(run.out, "#(60 true)\n", "{run:?}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

#[test]
fn a_disk_that_stays_full_ends_with_unsaved_and_what_was_acknowledged() {
    let folder = Folder::new("stays-full");
    let file = folder.world("a.world");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Round put: -1"]).status, 0);
    let talker = busy(&folder, &file, 30);
    limit(&talker.child, std::fs::metadata(&file).unwrap().len());
    let (status, rest, err) = talker.end();
    assert_eq!((status, rest.len()), (75, 29), "{err}");
    assert!(err.lines().last().unwrap().contains("not saved"), "{err}");
    let run = warm(&["eval", &file, "Round between: -1 and: 29"]);
    assert_eq!((run.status, run.out.as_str()), (0, "true\n"), "{run:?}");
    assert_eq!(warm(&["check", &file]).status, 0);
}

/// A program that has the file open and then changes and saves it.
fn waiting(file: &str) -> Talker {
    let program = "Session current stdout nextPutAll: 'open'; lf; flush. Session current stdin nextLine. \
        Smalltalk at: #Kept put: 42. Smalltalk snapshot";
    let mut command = command(&["eval", file, program]);
    command.stdin(Stdio::piped());
    let mut talker = Talker::start(command);
    assert_eq!(talker.line(), "open");
    talker
}

/// Lets it go on; it must say in one line what became of its file.
#[track_caller]
fn goes_on(mut talker: Talker, what: &str) {
    drop(talker.child.stdin.take());
    let (status, _, err) = talker.end();
    assert_eq!(status, 75, "{err}");
    assert!(err.lines().count() == 1 && err.contains(what), "{err}");
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
