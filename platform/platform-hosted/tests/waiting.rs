//! Programs all of whose processes wait: ended by an error where nothing can come, let alone where
//! something can.

mod common;

use common::{Folder, command, warm};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A program that ends by itself, with an error that says what is the matter and where.
fn ends(program: &str, at: &str) {
    let began = Instant::now();
    let run = warm(&["eval", program]);
    assert_eq!(run.status, 1, "{program}: {run:?}");
    assert!(run.err.contains("nothing can come to wake one"), "{program}: {run:?}");
    assert!(run.err.contains(at), "{program}: {run:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{program}");
}

#[test]
fn a_wait_for_nothing_ends_with_an_error_and_a_stack() {
    ends("Semaphore new wait", "UndefinedObject>>DoIt");
    ends("| m | m := Mutex new. [ m critical: [ Processor activeProcess suspend ] ] fork. \
          Processor yield. m critical: [ 3 ]", "Mutex>>critical:");
    ends("Processor activeProcess suspend", "UndefinedObject>>DoIt");
    // The same wait again, after the error was handled.
    ends("[ Semaphore new wait ] on: Error do: [ :error | error retry ]", "BlockClosure>>on:do:");
}

#[test]
fn the_error_can_be_handled_and_unwinds() {
    let run = warm(&["eval", "| log | log := OrderedCollection new. \
        [ [ Semaphore new wait ] ensure: [ log add: 1 ] ] on: EndlessWait do: [ :error | log add: 2 ]. log asArray"]);
    assert_eq!((run.status, run.out.as_str()), (0, "#(2 1)\n"), "{run:?}");
}

#[test]
fn what_a_timer_or_another_process_will_wake_is_waited_for() {
    let run = warm(&["eval", "| s | s := Semaphore new. \
        [ (Delay forMilliseconds: 400) wait. s signal ] fork. s wait. 5"]);
    assert_eq!((run.status, run.out.as_str()), (0, "5\n"), "{run:?}");
}

#[test]
fn what_standard_input_will_wake_is_waited_for() {
    let mut child = command(&["eval", "{ Session current stdin nextLine. Session current stdin nextLine }"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for line in ["one\n", "two\n"] {
        std::thread::sleep(Duration::from_millis(800));
        input.write_all(line.as_bytes()).unwrap();
    }
    let run: common::Run = child.wait_with_output().unwrap().into();
    assert_eq!((run.status, run.out.as_str()), (0, "#('one' 'two')\n"), "{run:?}");
}

#[test]
fn a_program_that_waits_for_standard_input_ends_by_a_signal() {
    let folder = Folder::new("waiting");
    let file = folder.world("a.world");
    let child = command(&["eval", &file, "Smalltalk at: #Kept put: 9. Session current stdin nextLine"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(900));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let run: common::Run = child.wait_with_output().unwrap().into();
    assert_eq!(run.status, 128 + libc::SIGTERM, "{run:?}");
    assert_eq!(warm(&["eval", &file, "Kept"]).out, "9\n");
}
