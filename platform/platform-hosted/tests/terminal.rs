//! A conversation with a person at a terminal: while a line is waited for, the world lives.

mod common;
#[path = "common/terminal.rs"]
mod terminal;
#[path = "common/talker.rs"]
mod talker;

use common::time::{processor_time_of, wait_until};
use common::{Folder, command, warm, warm_with_input};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use talker::Talker;
use terminal::Terminal;

/// A conversation with the world in `file`, its first prompt shown.
fn talk(folder: &Folder, file: &str) -> Terminal {
    let mut words: Command = command(&["repl", file]);
    words.env("XDG_STATE_HOME", folder.path("state")).env("HOME", folder.path(""));
    let mut terminal = Terminal::start(words);
    terminal.await_text("> ");
    terminal
}

/// Counts for ever, and says a word when it has come to thirty.
const COUNT: &str = "Smalltalk at: #Ticks put: 0. \
    [ [ true ] whileTrue: [ (Delay forMilliseconds: 20) wait. Smalltalk at: #Ticks put: (Smalltalk at: #Ticks) + 1. \
    (Smalltalk at: #Ticks) = 30 ifTrue: [ Transcript show: 'thi', 'rty'; cr; flush ] ] ] \
    forkAt: 30. #counting";
/// Says a word, and then never lets another process run.
const SPIN: &str = "Transcript show: 'sp', 'ins'; flush. [ true ] whileTrue";

#[test]
fn the_world_runs_and_is_saved_while_a_prompt_waits() {
    let folder = Folder::new("prompt-lives");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.enter(COUNT);
    terminal.await_text("#counting");
    terminal.await_text("> ");
    // Nobody types: the world counts on, and is saved every two seconds, as whoever looks at the file sees.
    let saved = || warm(&["eval", &file, "(Smalltalk at: #Ticks ifAbsent: [ 0 ]) > 50", "--no-save"]).out == "true\n";
    wait_until("a world that was saved on its own", saved);
    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();
    assert!(saved(), "{:?}", warm(&["eval", &file, "Ticks"]));
}

/// The program saves and ends when it is told to while it waits for a line.
fn ends_by(signal: i32) {
    let folder = Folder::new("prompt-signal");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.enter(COUNT);
    terminal.await_text("#counting");
    terminal.await_text("thirty");
    assert!(!terminal.is_as_found(), "the editor has the terminal");
    terminal.signal(signal);
    assert_eq!(terminal.await_end(), 128 + signal, "{}", terminal.shown);
    assert!(terminal.is_as_found(), "{:?}", terminal.shown);
    let run = warm(&["eval", &file, "Ticks >= 30"]);
    assert_eq!(run.out, "true\n", "{run:?}");
    let info = warm(&["info", &file]);
    assert!(info.out.contains("cleanly") && !info.out.contains("not cleanly"), "{info:?}");
}

#[test]
fn sigterm_at_a_waiting_prompt_saves_and_ends() {
    ends_by(libc::SIGTERM);
}

#[test]
fn sighup_at_a_waiting_prompt_saves_and_ends() {
    ends_by(libc::SIGHUP);
}

#[test]
fn the_interrupt_key_clears_a_line_that_is_being_typed() {
    let folder = Folder::new("prompt-clear");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.type_keys("Smalltalk at: #Wrong put: 1\x03");
    terminal.await_text("> ");
    terminal.enter("6 * 7");
    terminal.await_text("42");
    terminal.await_text("> ");
    // In the middle of several lines too.
    terminal.enter("#(1 2) collect: [ :each |");
    terminal.await_text("| ");
    terminal.type_keys("\x03");
    terminal.await_text("> ");
    terminal.enter("8 * 8");
    terminal.await_text("64");
    terminal.await_text("> ");
    terminal.type_keys("\x04");
    assert_eq!(terminal.await_end(), 0);
    assert_eq!(warm(&["eval", &file, "Smalltalk includesKey: #Wrong"]).out, "false\n");
}

#[test]
fn the_interrupt_key_stops_an_endless_loop_of_a_line() {
    let folder = Folder::new("prompt-loop");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.enter(SPIN);
    terminal.await_text("spins");
    terminal.type_keys("\x03");
    let took = terminal.await_text("interrupted");
    println!("an endless loop at the prompt was stopped after {took:?}");
    terminal.await_text("1> ");
    terminal.enter(":abandon");
    terminal.await_text("> ");
    terminal.enter("6 * 7");
    terminal.await_text("42");
}

#[test]
fn the_interrupt_key_stops_a_process_that_keeps_the_line_from_running() {
    let folder = Folder::new("prompt-hog");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    // Both have the same priority: the new process runs first, and never yields.
    terminal.enter("[ [ true ] whileTrue ] fork. 6 * 7");
    // A word from it would let the line run: that it spins is seen by the processor time that it uses.
    let machine = format!("/proc/{}", terminal.child.id());
    let spun = || processor_time_of(Path::new(&machine));
    let before = spun();
    wait_until("a loop", || spun() - before >= Duration::from_secs(1));
    terminal.type_keys("\x03");
    terminal.await_text("1> ");
    assert!(terminal.shown.contains("interrupted") && terminal.shown.contains("42\r\n"), "{}", terminal.shown);
    terminal.enter(":abandon");
    terminal.await_text("> ");
    terminal.enter("8 * 8");
    terminal.await_text("64");
}

#[test]
fn a_line_that_waits_for_nothing_is_told_and_the_conversation_goes_on() {
    let folder = Folder::new("prompt-stuck");
    let file = folder.world("a.world");
    let run = warm_with_input(&["repl", &file], "Semaphore new wait\n:abandon\n3 + 4\n");
    assert_eq!(run.status, 0, "{run:?}");
    assert!(run.out.contains("nothing can come to wake one") && run.out.ends_with("7\n"), "{run:?}");
}

#[test]
fn the_world_lives_while_a_pipe_is_silent() {
    let folder = Folder::new("pipe-lives");
    let file = folder.world("a.world");
    let mut talker = Talker::with_input(command(&["repl", &file]));
    talker.say(&format!("{COUNT}\n"));
    talker.await_line("thirty");
    talker.signal("TERM");
    // The pipe stays open: nothing but the signal ends it.
    let pipe = talker.child.stdin.take();
    let run = talker.end();
    drop(pipe);
    assert_eq!(run.status, 128 + libc::SIGTERM, "{run:?}");
    assert_eq!(warm(&["eval", &file, "Ticks >= 30"]).out, "true\n");
}
