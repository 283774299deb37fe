//! The bare machine under QEMU: changes that go both ways, the keys of a terminal, the power button, the
//! window. That the same input gives the same transcript is shown in `golden.rs`, what it does in trouble
//! in `bare_trouble.rs`.
//!
//! Without QEMU these tests fail and say so; `cargo xtask test` installs it.

mod common;
#[path = "common/machine.rs"]
mod machine;

use common::time::wait_for;
use common::{Folder, signal, warm, warm_with_input};
use machine::{Running, colours, differing, disk_of, screen};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

/// Boots a world by the program; a run that hangs is killed and fails.
#[track_caller]
fn boot(world: &str, input: &str) -> common::Run {
    warm_with_input(&["boot", world, "--serial"], input)
}

#[test]
fn what_is_done_on_one_machine_is_there_on_the_other_and_back() {
    let folder = Folder::new("bare-round");
    let world = folder.world("w.world");
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Log put: (OrderedCollection with: 1)"]).status, 0);
    for round in 1..=3 {
        let bare = boot(&world, &format!("(Smalltalk at: #Log) add: {round} * 10. Log asArray printString size\n"));
        assert_eq!(bare.status, 0, "{bare:?}");
        let length = std::fs::metadata(&world).expect("the file").len();
        assert!(length < 64 << 20, "cut back to what was written: {length}");
        let checked = warm(&["check", &world]);
        assert_eq!(checked.status, 0, "{checked:?}");
        let info = warm(&["info", &world]);
        assert!(info.out.contains("closed     cleanly"), "{info:?}");
        assert_eq!(warm(&["eval", &world, &format!("Log add: {round} * 10 + 1. Log size")]).out, format!("{}\n", 1 + 2 * round));
    }
    assert_eq!(warm(&["eval", &world, "Log asArray"]).out, "#(1 10 11 20 21 30 31)\n");
    let bare = boot(&world, "Log asArray\n");
    assert_eq!(bare.out, "#(1 10 11 20 21 30 31)\n");
}

#[test]
fn a_world_that_is_booted_is_locked_and_bad_files_are_refused_before_anything_starts() {
    let folder = Folder::new("bare-lock");
    let world = folder.world("w.world");
    let mut booted = common::command(&["boot", &world, "--serial"]);
    let mut booted = booted.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("warm");
    let mut line = booted.stdin.take().expect("its line");
    line.write_all(b"'it ' , 'runs'\n").expect("typing");
    let mut said = [0; 9];
    booted.stdout.as_mut().expect("its output").read_exact(&mut said).expect("an answer");
    assert_eq!(&said, b"'it runs'");
    common::refused(&warm(&["boot", &world, "--serial"]), 69, "open in another process");
    common::refused(&warm(&["eval", &world, "3"]), 69, "open in another process");
    drop(line);
    assert!(booted.wait().expect("its end").success());
    assert_eq!(warm(&["eval", &world, "3"]).out, "3\n");
    std::fs::write(folder.path("no.world"), "no world").expect("a file");
    common::refused(&warm(&["boot", &folder.text("no.world"), "--serial"]), 65, "not a world");
    common::refused(&warm(&["boot", &folder.text("none.world"), "--serial"]), 66, "no such file");
    common::refused(&warm(&["boot", &world, "--serial", "--memory", "1K"]), 64, "--memory");
    let mut bare = common::command(&["boot", &world, "--serial"]);
    common::refused(&bare.env("PATH", "/nowhere").output().expect("warm").into(), 66, "qemu-system-x86_64");
}

#[test]
fn a_terminal_has_a_prompt_an_echo_and_keys() {
    let folder = Folder::new("bare-keys");
    let world = folder.world("w.world");
    let mut running = Running::start(256, vec![disk_of(&world)], "utc=3600");
    running.await_text("bare machine, ");
    running.await_text("> ");
    running.type_in("3 +");
    running.await_text("3 +");
    running.type_in(" 5\u{7f}4\r");
    running.await_text(" 5\u{8} \u{8}4\r\n7\r\n");
    running.await_text("> ");
    running.type_in("nonsense\u{3}");
    running.await_text("^C\r\n");
    running.await_text("> ");
    running.type_in("Transcript show: 'sp', 'ins'; flush. [ true ] whileTrue\r");
    running.await_text("spins");
    running.type_in("\u{3}");
    running.await_text("> ");
    running.type_in("6 * 7\r");
    running.await_text("42\r\n");
    running.type_in("#(1\r");
    running.await_text("| ");
    running.type_in("2)\r");
    running.await_text("#(1 2)\r\n");
    running.await_text("> ");
    running.type_in("\u{4}");
    let (status, said) = running.end();
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_loop_without_end_answers_the_interrupt_key_and_processes_of_the_world_go_on() {
    let folder = Folder::new("bare-loop");
    let world = folder.world("w.world");
    let mut running = Running::start(256, vec![disk_of(&world)], "pipe");
    running.type_in("Smalltalk at: #Ticks put: 0. [ [ (Delay forMilliseconds: 20) wait. Smalltalk at: #Ticks put: (Smalltalk at: #Ticks) + 1 ] repeat ] fork. 'beg' , 'un'\n");
    running.await_text("'begun'\n");
    running.type_in("Transcript show: 'sp', 'ins'; flush. [ true ] whileTrue\n");
    running.await_text("spins");
    running.type_in("\u{3}");
    running.await_text("nterrupt");
    running.type_in(":abandon\nbefore := Ticks. [ Ticks > (before + 5) ] whileFalse: [ (Delay forMilliseconds: 20) wait ]. 'goes', 'On'\n\u{4}");
    running.await_text("'goesOn'\n");
    assert_eq!(running.end().0, Some(0));
}

#[test]
fn a_signal_presses_the_power_button_and_the_world_is_saved() {
    let folder = Folder::new("bare-button");
    let world = folder.world("w.world");
    for (nth, (name, status)) in [("TERM", 143), ("HUP", 129), ("INT", 0)].into_iter().enumerate() {
        let mut booted = common::command(&["boot", &world, "--serial"]);
        let mut booted = booted.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("warm");
        let mut line = booted.stdin.take().expect("its line");
        // One waits at the prompt, the others run for ever.
        let rest = if nth == 0 { "" } else { "[ true ] whileTrue\n" };
        line.write_all(format!("Smalltalk at: #Last put: {nth}. 'r' , 'eady'\n{rest}").as_bytes()).expect("typing");
        let mut said = [0; 7];
        booted.stdout.as_mut().expect("its output").read_exact(&mut said).expect("an answer");
        assert_eq!(&said, b"'ready'");
        signal(&booted, name);
        let ended = wait_for(&format!("the end by SIG{name}"), || booted.try_wait().expect("its end"));
        assert_eq!(ended.code(), Some(status), "SIG{name}");
        drop(line);
        assert!(warm(&["info", &world]).out.contains("closed     cleanly"), "SIG{name}");
        assert_eq!(warm(&["eval", &world, "Last"]).out, format!("{nth}\n"));
    }
}

#[test]
fn the_world_is_shown_on_the_framebuffer_and_takes_keys_and_the_pointer() {
    let folder = Folder::new("bare-screen");
    let world = folder.world("w.world");
    let mut running = Running::start_with(512, vec![disk_of(&world)], "pipe desktop timed", Some("none"));
    running.await_text("desktop after ");
    // A picture that is drawn, and stays as it is; but for a caret.
    let path = folder.path("screen.ppm");
    let mut before = screen(&running, &path);
    let first = wait_for("a desk", || {
        std::thread::sleep(Duration::from_millis(500));
        let last = std::mem::replace(&mut before, screen(&running, &path));
        (colours(&before) > 20 && differing(&last, &before) < 50).then(|| before.clone())
    });
    assert!(first.starts_with(b"P6\n1280 800\n"), "{:?}", &first[..16]);
    let await_change = |what: &str, from: &[u8], least: usize| {
        wait_for(what, || Some(screen(&running, &path)).filter(|picture| differing(from, picture) > least))
    };
    let keys = ["a", "b", "c"].map(|key| format!("{{\"execute\":\"send-key\",\"arguments\":{{\"keys\":[{{\"type\":\"qcode\",\"data\":\"{key}\"}}]}}}}\n"));
    let moves = (0..20).map(|_| "{\"execute\":\"input-send-event\",\"arguments\":{\"events\":[{\"type\":\"rel\",\"data\":{\"axis\":\"x\",\"value\":10}},{\"type\":\"rel\",\"data\":{\"axis\":\"y\",\"value\":5}}]}}\n");
    running.button.say(&moves.collect::<String>()).expect("QEMU listens");
    let moved = await_change("the pointer elsewhere", &first, 50);
    running.button.say(&keys.concat()).expect("QEMU listens");
    await_change("keys that show", &moved, 20);
    running.button.press();
    assert_eq!(running.end().0, Some(0));
    assert!(warm(&["info", &world]).out.contains("closed     cleanly"));
}
