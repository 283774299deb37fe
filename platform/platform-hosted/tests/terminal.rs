//! A conversation with a person at a terminal: while a line is waited for, the world lives.

mod common;
#[path = "common/terminal.rs"]
mod terminal;

use common::{Folder, command, warm, warm_with_input};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use terminal::Terminal;

/// A conversation with the world in `file`, its first prompt shown.
fn talk(folder: &Folder, file: &str) -> Terminal {
    let mut words: Command = command(&["repl", file]);
    words.env("XDG_STATE_HOME", folder.path("state")).env("HOME", folder.path(""));
    let mut terminal = Terminal::start(words);
    terminal.await_text("> ");
    terminal
}

const COUNT: &str = "Smalltalk at: #Ticks put: 0. \
    [ [ true ] whileTrue: [ (Delay forMilliseconds: 20) wait. Smalltalk at: #Ticks put: (Smalltalk at: #Ticks) + 1 ] ] \
    forkAt: 30. #counting";

#[test]
fn the_world_runs_and_is_saved_while_a_prompt_waits() {
    let folder = Folder::new("prompt-lives");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.enter(COUNT);
    terminal.await_text("#counting");
    terminal.await_text("> ");
    // Nobody types: the world counts on, and is saved every two seconds.
    std::thread::sleep(Duration::from_secs(5));
    terminal.child.kill().unwrap();
    terminal.child.wait().unwrap();
    let run = warm(&["eval", &file, "Ticks > 50", "--no-save"]);
    assert_eq!(run.out, "true\n", "{run:?} {}", warm(&["eval", &file, "Ticks"]).out);
}

/// The program saves and ends when it is told to while it waits for a line.
fn ends_by(signal: i32) {
    let folder = Folder::new("prompt-signal");
    let file = folder.world("a.world");
    let mut terminal = talk(&folder, &file);
    terminal.enter(COUNT);
    terminal.await_text("#counting");
    terminal.await_text("> ");
    std::thread::sleep(Duration::from_millis(300));
    assert!(!terminal.is_as_found(), "the editor has the terminal");
    terminal.signal(signal);
    assert_eq!(terminal.await_end(), 128 + signal, "{}", terminal.shown);
    assert!(terminal.is_as_found(), "{:?}", terminal.shown);
    let run = warm(&["eval", &file, "Ticks > 5"]);
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
    terminal.enter("[ true ] whileTrue");
    std::thread::sleep(Duration::from_millis(700));
    terminal.type_keys("\x03");
    let took = terminal.await_text("interrupted");
    println!("an endless loop at the prompt was stopped after {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
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
    std::thread::sleep(Duration::from_millis(700));
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
    let mut child = command(&["repl", &file]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut keys, format!("{COUNT}\n").as_bytes()).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let began = Instant::now();
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(status.code(), Some(128 + libc::SIGTERM));
    drop(keys);
    assert_eq!(warm(&["eval", &file, "Ticks > 20"]).out, "true\n");
}
