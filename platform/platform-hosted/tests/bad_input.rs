//! Wrong input: each a clear one-line error, a fitting exit status, and a refused file untouched.

mod common;
#[path = "common/talker.rs"]
mod talker;

use common::time::wait_until;
use common::{Folder, bytes, command, refused, warm, warm_with_input};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::time::{Duration, Instant};
use talker::Talker;

#[test]
fn what_is_not_a_world_is_refused_and_untouched() {
    let folder = Folder::new("not-a-world");
    let file = folder.text("x.world");
    for content in [&b""[..], b"hello", &[0; 5 << 20], b"#!/usr/bin/env -S warm open\n"] {
        std::fs::write(&file, content).unwrap();
        for words in [["eval", &file, "3"], ["name", &file, "n"]] {
            refused(&warm(&words), 65, "not a world");
        }
        refused(&warm(&["check", &file]), 65, "not a world");
        assert_eq!(bytes(&file), content);
    }
}

#[test]
fn missing_files_folders_and_forbidden_places_are_told() {
    let folder = Folder::new("places");
    refused(&warm(&["eval", &folder.text("none.world"), "3"]), 66, "no such file");
    refused(&warm(&["eval", &folder.text(""), "3"]), 74, "is a directory");
    refused(&warm(&["new", &folder.text("no/such/folder.world")]), 74, "no such file");
    let file = folder.world("a.world");
    let before = bytes(&file);
    refused(&warm(&["new", &file]), 73, "exists");
    assert_eq!(bytes(&file), before);
    refused(&warm(&["run", &file, &folder.text("none.st")]), 66, "none.st");
    refused(&warm(&["load", &file, &folder.text("none")]), 66, "none");
}

#[test]
fn a_world_truncated_anywhere_never_crashes_the_program() {
    let folder = Folder::new("truncated");
    let whole = bytes(folder.world("a.world"));
    let file = folder.text("cut.world");
    let steps = (0..whole.len()).step_by(4096);
    let count = steps.len();
    for (index, length) in steps.enumerate() {
        // Every step at the start, where the records stand; a sample of the rest.
        if index > 64 && !index.is_multiple_of(count / 64 + 1) {
            continue;
        }
        std::fs::write(&file, &whole[..length]).unwrap();
        let run = warm(&["check", &file]);
        assert!([0, 65].contains(&run.status), "at {length}: {run:?}");
        assert!(run.err.lines().count() <= 1 || run.status == 65, "at {length}: {run:?}");
    }
}

#[test]
fn a_flipped_byte_in_the_records_is_survived_or_told() {
    let folder = Folder::new("flipped");
    let whole = bytes(folder.world("a.world"));
    let file = folder.text("flip.world");
    for at in (0..64).chain((1 << 20)..(1 << 20) + 128).chain([8192 + (1 << 20), (1 << 20) + 4100]) {
        let mut bent = whole.clone();
        bent[at] ^= 0x55;
        std::fs::write(&file, &bent).unwrap();
        let run = warm(&["eval", &file, "3 + 4", "--no-save"]);
        assert!([0, 65, 76].contains(&run.status), "at {at}: {run:?}");
        if run.status == 0 {
            assert_eq!(run.out, "7\n", "at {at}");
        }
    }
}

#[test]
fn a_read_only_world_opens_without_saving() {
    let folder = Folder::new("read-only");
    let file = folder.world("a.world");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let before = bytes(&file);
    let run = warm(&["eval", &file, "3 + 4", "--no-save"]);
    assert_eq!((run.status, run.out.as_str()), (0, "7\n"), "{run:?}");
    assert_eq!(bytes(&file), before);
}

#[test]
fn a_second_writer_is_a_guest_also_under_a_new_name() {
    let folder = Folder::new("locked");
    let file = folder.world("a.world");
    let holds = "Smalltalk at: #Held put: 6. Stdio stdout nextPutAll: 'open'; lf; flush. (Delay forSeconds: 3600) wait";
    let mut holder = Talker::start(command(&["eval", &file, holds]));
    let other = folder.text("b.world");
    holder.await_line("open");
    std::fs::rename(&file, &other).unwrap();
    let named = warm(&["name", &other, "now"]);
    let asked = warm(&["eval", &other, "Held"]);
    holder.kill();
    assert_eq!((named.status, asked.out.as_str()), (0, "6\n"), "{named:?} {asked:?}");
    assert!(warm(&["history", &other]).out.contains("now"));
}

#[test]
fn a_script_with_a_syntax_error_says_line_and_column() {
    let folder = Folder::new("syntax");
    let file = folder.world("a.world");
    let script = folder.text("bad.st");
    std::fs::write(&script, "| a |\na := 3.\na foo: ) bar\n").unwrap();
    let run = warm(&["run", &file, &script]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err.contains("bad.st:3:"), "{run:?}");
}

#[test]
fn an_unhandled_error_prints_its_message_and_stack_and_fails() {
    let run = warm(&["eval", "nil foo: 3"]);
    assert_eq!(run.status, 1);
    assert!(run.err.contains("foo:") && run.err.lines().count() > 2, "{run:?}");
    assert_eq!(run.out, "");
    let zero = warm(&["eval", "3 / 0"]);
    assert!(zero.status == 1 && zero.err.contains("ZeroDivide"), "{zero:?}");
}

#[test]
fn endless_recursion_stops_by_an_error() {
    let start = Instant::now();
    let run = warm(&["eval", "| b | b := nil. b := [ :n | 1 + (b value: n + 1) ]. b value: 1"]);
    assert_eq!(run.status, 1, "{run:?}");
    assert!(run.err.to_lowercase().contains("stack") || run.err.to_lowercase().contains("memory"));
    println!("endless recursion ended after {:?}", start.elapsed());
    let caught = "| b | b := nil. b := [ :n | 1 + (b value: n + 1) ]. \
                  [ b value: 1 ] on: Error do: [ :e | #caught ]";
    assert_eq!(warm(&["eval", caught]).out, "#caught\n");
}

#[test]
fn an_endless_loop_is_interrupted_and_does_not_run_again() {
    let folder = Folder::new("loop");
    let file = folder.world("a.world");
    let spins = "Smalltalk at: #Spun put: 1. Stdio stdout nextPutAll: 'spins'; lf; flush. [ true ] whileTrue";
    let mut talker = Talker::start(command(&["eval", &file, &spins.replace("Spun", "First")]));
    talker.await_line("spins");
    talker.signal("INT");
    let start = Instant::now();
    let run = talker.end();
    println!("an endless loop ended {:?} after the interrupt key, its world saved", start.elapsed());
    assert_eq!(run.status, 130, "{run:?}");
    assert_eq!(warm(&["eval", &file, "3 + 4"]).out, "7\n");
    let mut killed = Talker::start(command(&["eval", &file, spins]));
    killed.await_line("spins");
    // Killed when the world has been saved in the middle of the loop.
    wait_until("a saving", || warm(&["eval", &file, "Smalltalk includesKey: #Spun", "--no-save"]).out == "true\n");
    killed.kill();
    assert_eq!(warm(&["eval", &file, "3 + 4"]).out, "7\n");
    // Nor does it when the world lives on: somebody would have to resume it.
    let lives = "(Delay forMilliseconds: 300) wait. Processor allReadyProcesses size";
    assert_eq!(warm(&["eval", &file, lives]).out, "0\n");
}

#[test]
fn names_of_moments_are_checked() {
    let folder = Folder::new("names");
    let file = folder.world("a.world");
    assert_eq!(warm(&["name", &file, "first"]).status, 0);
    refused(&warm(&["name", &file, "first"]), 73, "first");
    refused(&warm(&["name", &file, "two\nlines"]), 64, "line");
    refused(&warm(&["name", &file, ""]), 64, "empty");
    refused(&warm(&["restore", &file, "second"]), 66, "second");
    refused(&warm(&["delete", &file, "second"]), 66, "second");
    refused(&warm(&["branch", &file, "second", "third"]), 66, "second");
}

#[test]
fn input_that_breaks_off_ends_a_conversation_and_what_was_done_is_saved() {
    let folder = Folder::new("breaks-off");
    let file = folder.world("a.world");
    let lines = folder.text("lines");
    std::fs::write(&lines, b"Smalltalk at: #Kept put: 42\n\xff\xfe\n").unwrap();
    let input = std::fs::File::open(&lines).unwrap();
    let run: common::Run = command(&["repl", &file]).stdin(input).output().unwrap().into();
    assert_eq!(run.status, 74, "{run:?}");
    assert!(run.err.contains("standard input"), "{run:?}");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Kept"]).out, "42\n");
}

#[test]
fn a_closed_pipe_is_quiet() {
    let mut child = command(&["eval", "(1 to: 1000000) asArray"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let run: common::Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.err, "");
}

#[test]
fn no_home_is_told_when_the_home_world_is_asked_for() {
    for empty in [false, true] {
        let mut home = command(&[]);
        home.env_remove("HOME").env_remove("XDG_DATA_HOME");
        if empty {
            home.env("HOME", "");
        }
        refused(&home.output().unwrap().into(), 66, "HOME and XDG_DATA_HOME are not set");
    }
    // The place of data alone is enough; what is made there the first time is there the second.
    let folder = Folder::new("home");
    let data = folder.path("data");
    for (line, answer) in [("Smalltalk at: #Kept put: 5\n", "5\n"), ("Kept + 1\n", "6\n")] {
        let mut home = command(&[]);
        home.env("HOME", "").env("XDG_DATA_HOME", &data).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = home.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes()).unwrap();
        let run: common::Run = child.wait_with_output().unwrap().into();
        assert_eq!((run.status, run.out.as_str()), (0, answer), "{run:?}");
    }
    assert!(data.join("warm/home.world").exists());
}

#[test]
fn help_version_and_wrong_words() {
    for words in [&["--help"][..], &["help", "eval"], &["eval", "--help"], &["--version"]] {
        let run = warm(words);
        assert!(run.status == 0 && !run.out.is_empty() && run.err.is_empty(), "{run:?}");
    }
    refused(&warm(&["evla", "3"]), 64, "did you mean eval?");
    refused(&warm(&["new"]), 64, "usage: warm new FILE");
}

#[test]
fn an_expression_comes_from_standard_input_too() {
    assert_eq!(warm_with_input(&["eval", "-"], "3 +\n4").out, "7\n");
}

#[test]
fn a_new_world_is_there_whole_or_not_at_all() {
    let folder = Folder::new("new-killed");
    let file = folder.text("a.world");
    let entries = || std::fs::read_dir(folder.path("")).unwrap().count();
    // How long it takes here and now: the kills fall into so long a time.
    let start = Instant::now();
    assert_eq!(warm(&["new", &file]).status, 0);
    let usual = start.elapsed();
    std::fs::remove_file(&file).unwrap();
    let (mut whole, mut none) = (0, 0);
    for round in 0..60 {
        let before = entries();
        let mut child = command(&["new", &file]).spawn().unwrap();
        if round < 40 {
            std::thread::sleep(usual * round / 36);
        } else {
            // When the writing has begun, or is over.
            wait_until("a file", || entries() > before || child.try_wait().unwrap().is_some());
            std::thread::sleep(Duration::from_micros(u64::from(round) * 100));
        }
        let _ = child.kill();
        child.wait().unwrap();
        if std::fs::exists(&file).unwrap() {
            whole += 1;
            let run = warm(&["eval", &file, "3 + 4", "--no-save"]);
            assert_eq!(run.out, "7\n", "killed in round {round}: {run:?}");
            std::fs::remove_file(&file).unwrap();
        } else {
            none += 1;
        }
    }
    println!("killed while a world was made: {whole} times it was there, {none} times not");
    assert!(none > 0);
    // What the killed ones left behind hinders nobody.
    let left = entries();
    assert!(left > 0, "no kill fell into the writing");
    assert_eq!(warm(&["new", &file]).status, 0);
    assert_eq!(entries(), left + 1);
    refused(&warm(&["new", &file]), 73, "exists");
    assert_eq!(entries(), left + 1);
}
