//! Programs all of whose processes wait: ended by an error where nothing can come, let alone where
//! something can.

mod common;
#[path = "common/talker.rs"]
mod talker;

use common::{Folder, command, warm};
use std::time::Duration;
use talker::Talker;

/// Says that it is about to wait for a line; then waits.
const ASK: &str = "ask := [ Session current stdout nextPutAll: 'asks'; lf; flush. Session current stdin nextLine ]";

/// A program that ends by itself, with an error that says what is the matter and where.
fn ends(program: &str, at: &str) {
    let run = warm(&["eval", program]);
    assert_eq!(run.status, 1, "{program}: {run:?}");
    assert!(run.err.contains("nothing can come to wake one"), "{program}: {run:?}");
    assert!(run.err.contains(at), "{program}: {run:?}");
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
    let mut talker = Talker::with_input(command(&["eval", &format!("| ask | {ASK}. {{ ask value. ask value }}")]));
    for line in ["one\n", "two\n"] {
        talker.await_line("asks");
        // Nothing comes for a while: the program waits on, and is not told that nothing can come.
        std::thread::sleep(Duration::from_millis(400));
        talker.say(line);
    }
    let run = talker.end();
    assert_eq!((run.status, run.out.as_str()), (0, "#('one' 'two')\n"), "{run:?}");
}

#[test]
fn a_program_that_waits_for_standard_input_ends_by_a_signal() {
    let folder = Folder::new("waiting");
    let file = folder.world("a.world");
    // When it is about to wait, and when it has waited for a while.
    for (kept, pause_ms) in [(7, 0), (8, 0), (9, 300)] {
        let program = format!("| ask | Smalltalk at: #Kept put: {kept}. {ASK}. ask value");
        let mut talker = Talker::with_input(command(&["eval", &file, &program]));
        talker.await_line("asks");
        std::thread::sleep(Duration::from_millis(pause_ms));
        talker.signal("TERM");
        // Its input stays open: nothing but the signal ends it.
        let input = talker.child.stdin.take();
        let run = talker.end();
        drop(input);
        assert_eq!(run.status, 128 + libc::SIGTERM, "{run:?}");
        assert_eq!(warm(&["eval", &file, "Kept"]).out, format!("{kept}\n"));
    }
}

#[test]
fn processes_that_worked_for_a_session_end_with_it() {
    let folder = Folder::new("reaped");
    let file = folder.world("a.world");
    // The process that minds delays begins with the first one.
    let count = "(Delay forMilliseconds: 1) wait. Smalltalk garbageCollect. (Process allInstances reject: [ :each | each isTerminated ]) size";
    let before = warm(&["eval", &file, count]);
    assert_eq!(before.status, 0, "{before:?}");
    // Waiting for a time, for a semaphore, ready, and in the middle of something to be ensured.
    let forks = "[ [ true ] whileTrue: [ (Delay forSeconds: 1) wait ] ] fork. [ Semaphore new wait ] fork. \
        [ [ true ] whileTrue ] forkAt: 20. \
        [ [ (Delay forSeconds: 60) wait ] ensure: [ Smalltalk at: #Ensured put: (Smalltalk at: #Ensured ifAbsent: [ 0 ]) + 1 ] ] fork. \
        (Delay forMilliseconds: 50) wait. #forked";
    for _ in 0..4 {
        let run = warm(&["eval", &file, forks]);
        assert_eq!((run.status, run.out.as_str()), (0, "#forked\n"), "{run:?}");
        let run = common::warm_with_input(&["repl", &file], &format!("{forks}\n"));
        assert_eq!(run.status, 0, "{run:?}");
    }
    let after = warm(&["eval", &file, count]);
    assert_eq!(after.out, before.out, "{after:?}");
    assert_eq!(warm(&["eval", &file, "Ensured"]).out, "8\n");
    // Delays still work: nobody died holding what guards them.
    assert_eq!(warm(&["eval", &file, "(Delay forMilliseconds: 10) wait. 5"]).out, "5\n");
}

#[test]
fn what_the_store_refuses_is_told_to_the_program() {
    let folder = Folder::new("refusals");
    let file = folder.world("a.world");
    let run = warm(&["eval", &file, "[ Moment delete: 'nowhere' ] on: Error do: [ :error | error messageText ]"]);
    assert!(run.out.contains("no moment nowhere"), "{run:?}");
    let run = warm(&["eval", &file, "Smalltalk snapshot", "--no-save"]);
    assert!(run.status == 1 && run.err.contains("this world is not saved here"), "{run:?}");
}
