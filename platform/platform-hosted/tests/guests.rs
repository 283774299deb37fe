//! Several at once: commands at work in a world that another process has open.

mod common;
#[path = "common/terminal.rs"]
mod terminal;
#[path = "common/owner.rs"]
mod owner;

use common::{Folder, Run, command, refused, signal, warm};
use owner::{GUESTS, Owner, await_answer, beside, run, run_with_input};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;
use terminal::Terminal;

fn socket(folder: &Folder) -> PathBuf {
    let entries = std::fs::read_dir(folder.path("warm")).unwrap();
    entries.map(|entry| entry.unwrap().path()).next().expect("a socket")
}

#[test]
fn a_guest_has_streams_folder_arguments_and_status_of_its_own() {
    let folder = Folder::new("guests");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["eval", &file, "3 + 4"]).out, "7\n");
    let script = folder.text("script.st");
    std::fs::write(
        &script,
        "Session current stdout print: Smalltalk arguments; lf; print: Session current stdin upToEnd; lf; \
         nextPutAll: Session current workingDirectory; lf; print: Session current isGuest; lf. \
         Session current stderr nextPutAll: 'wrong'; lf. Smalltalk at: #Ran put: 5. Smalltalk exit: 7",
    )
    .unwrap();
    let elsewhere = folder.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let mut child = beside(&folder, &["run", &file, "../script.st", "one", "two"])
        .current_dir(&elsewhere)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all("ü in".as_bytes()).unwrap();
    let ran: Run = child.wait_with_output().unwrap().into();
    let expected = format!("#('one' 'two')\n'ü in'\n{}\ntrue\n", elsewhere.display());
    assert_eq!((ran.status, ran.out, ran.err.as_str()), (7, expected, "wrong\n"));
    let failed = run(&folder, &["eval", &file, "nil foo"]);
    assert!(failed.status == 1 && failed.err.contains("foo") && failed.out.is_empty(), "{failed:?}");
    // A renamed file is the same world.
    let renamed = folder.text("b.world");
    std::fs::rename(&file, &renamed).unwrap();
    assert_eq!(run(&folder, &["eval", &renamed, "Ran"]).out, "5\n");
    std::fs::rename(&renamed, &file).unwrap();
    assert_eq!(run(&folder, &["eval", &file, GUESTS]).out, "1\n");
    assert_eq!(owner.leave(), 0);
    assert_eq!(run(&folder, &["eval", &file, "Ran"]).out, "5\n");
    assert_eq!(run(&folder, &["check", &file]).status, 0);
}

#[test]
fn commands_of_the_store_are_carried_out_where_the_world_is_open() {
    let folder = Folder::new("guests-store");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["name", &file, "now"]).status, 0);
    refused(&run(&folder, &["name", &file, "now"]), 73, "a moment is named now already");
    assert_eq!(run(&folder, &["branch", &file, "now", "other"]).status, 0);
    let history = run(&folder, &["history", &file]);
    assert!(history.out.contains("now") && history.out.contains("other"), "{history:?}");
    assert_eq!(run(&folder, &["delete", &file, "other"]).status, 0);
    refused(&run(&folder, &["delete", &file, "other"]), 66, "no moment other");
    let info = run(&folder, &["info", &file]);
    assert!(info.status == 0 && info.out.contains("it is open in another process"), "{info:?}");
    assert_eq!(run(&folder, &["check", &file]).status, 0);
    let source = folder.text("more.st");
    std::fs::write(&source, "Smalltalk at: #Loaded put: 9!\n").unwrap();
    assert_eq!(run(&folder, &["load", &file, &source]).status, 0);
    assert_eq!(run(&folder, &["eval", &file, "Loaded"]).out, "9\n");
    assert!(run(&folder, &["history", &file]).out.contains("before load"));
    // A scratch branch beside it changes nothing.
    assert_eq!(run(&folder, &["eval", &file, "Smalltalk at: #Loaded put: 1", "--no-save"]).status, 0);
    assert_eq!(run(&folder, &["eval", &file, "Loaded"]).out, "9\n");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn what_a_guest_did_is_durable_when_it_ends_well() {
    let folder = Folder::new("guests-durable");
    let file = folder.world("a.world");
    for round in 0..5 {
        let owner = Owner::of(&folder, &file);
        assert_eq!(run(&folder, &["eval", &file, &format!("Smalltalk at: #Round put: {round}")]).status, 0);
        // SIGKILL: the socket is left behind, and harms nobody.
        drop(owner);
        assert_eq!(run(&folder, &["eval", &file, "Round"]).out, format!("{round}\n"));
    }
}

#[test]
fn two_guests_and_a_busy_owner_take_turns() {
    let folder = Folder::new("guests-turns");
    let file = folder.world("a.world");
    let mut owner = Owner::of(&folder, &file);
    // Two of the owner's: the second stands before the guests in the queue.
    owner.say("[ [ true ] whileTrue ] fork. [ true ] whileTrue");
    let busy = beside(&folder, &["eval", &file, "Smalltalk at: #Spins put: 1. [ true ] whileTrue"]).spawn().unwrap();
    await_answer(&folder, &file, "Smalltalk at: #Spins ifAbsent: [ 0 ]", "1");
    let began = Instant::now();
    // A turn of the others is short: what does not get one is taken for hanging.
    assert_eq!(run(&folder, &["eval", &file, "1000 factorial printString size"]).out, "2568\n");
    println!("a guest beside two that are busy took {:?}", began.elapsed());
    // Ctrl-C of the guest is the guest's alone.
    signal(&busy, "INT");
    let interrupted: Run = busy.wait_with_output().unwrap().into();
    assert_eq!(interrupted.status, 130, "{interrupted:?}");
    assert_eq!(run(&folder, &["eval", &file, GUESTS]).out, "1\n");
    assert!(owner.child.try_wait().unwrap().is_none(), "the owner is gone");
}

#[test]
fn processes_of_one_session_keep_their_order_among_busy_guests() {
    let folder = Folder::new("guests-order");
    let file = folder.world("a.world");
    let mut owner = Owner::of(&folder, &file);
    let mut busy = beside(&folder, &["eval", &file, "[ true ] whileTrue"]).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    owner.say("Smalltalk at: #Order put: OrderedCollection new");
    owner.say("[ Order add: 2 ] fork. 1 to: 8000000 do: [ :n | n ]. Order add: 1");
    await_answer(&folder, &file, "[ Order asArray ] on: Error do: [ :error | nil ]", "#(1 2)");
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(owner.leave(), 0);
}

#[test]
fn a_guest_that_is_killed_takes_its_session_with_it_and_nothing_else() {
    let folder = Folder::new("guests-killed");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let programs = ["[ [ true ] whileTrue ] ensure: [ Smalltalk at: #Unwound put: 1 ]", "Semaphore new wait", "Session current stdin upToEnd"];
    for signal_number in ["KILL", "TERM"] {
        for program in programs {
            let mut child = beside(&folder, &["eval", &file, program]).stdin(Stdio::piped()).spawn().unwrap();
            await_answer(&folder, &file, GUESTS, "2");
            signal(&child, signal_number);
            child.wait().unwrap();
            await_answer(&folder, &file, GUESTS, "1");
        }
    }
    assert_eq!(run(&folder, &["eval", &file, "Unwound"]).out, "1\n");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn a_guest_that_does_not_read_stops_nobody() {
    let folder = Folder::new("guests-unread");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let program = "1 to: 300000 do: [ :n | Session current stdout print: n; lf ]. #done";
    let mut child = beside(&folder, &["eval", &file, program]).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    assert_eq!(run(&folder, &["eval", &file, "3"]).out, "3\n");
    let mut all = String::new();
    child.stdout.take().unwrap().read_to_string(&mut all).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let expected = (1..=300_000).map(|n| n.to_string()).chain(["#done".to_owned()]);
    assert!(all.lines().eq(expected), "{} lines", all.lines().count());
    assert_eq!(owner.leave(), 0);
}

#[test]
fn an_owner_that_is_killed_is_told_of_by_its_guests() {
    let folder = Folder::new("guests-orphaned");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let child = beside(&folder, &["eval", &file, "(Delay forSeconds: 3600) wait"]).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    drop(owner);
    let run_: Run = child.wait_with_output().unwrap().into();
    refused(&run_, 75, "broke off");
    assert_eq!(run(&folder, &["eval", &file, "4"]).out, "4\n");
}

#[test]
fn an_owner_that_leaves_waits_for_its_guests() {
    let folder = Folder::new("guests-outlast");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let program = "Session current stdin upToEnd. Smalltalk at: #Late put: 8";
    let child = beside(&folder, &["eval", &file, program]).stdin(Stdio::piped()).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    let leaving = std::thread::spawn(move || owner.leave());
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(!leaving.is_finished(), "the owner does not wait for its guest");
    // Its input ends, and so does it.
    let late: Run = child.wait_with_output().unwrap().into();
    assert_eq!(leaving.join().unwrap(), 0);
    assert_eq!((late.status, late.out.as_str()), (0, "8\n"), "{late:?}");
    assert_eq!(run(&folder, &["eval", &file, "Late"]).out, "8\n");
}

#[test]
fn a_conversation_is_led_elsewhere() {
    let folder = Folder::new("guests-repl");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let lines = "x := 3\nx * 4\n#(1\n2)\nnil foo\n:abandon\nSmalltalk at: #Said put: x\n";
    let talked = run_with_input(&folder, &[&file], lines);
    assert_eq!(talked.status, 0, "{talked:?}");
    assert!(talked.out.starts_with("3\n12\n#(1 2)\n") && talked.out.contains("foo"), "{talked:?}");
    assert_eq!(run(&folder, &["eval", &file, "Said"]).out, "3\n");
    assert_eq!(run(&folder, &["eval", &file, GUESTS]).out, "1\n");
    let mut at_terminal = command(&["repl", &file]);
    at_terminal.env("XDG_RUNTIME_DIR", folder.path("")).env("HOME", folder.path(""));
    let mut terminal = Terminal::start(at_terminal);
    terminal.await_text("> ");
    terminal.enter("6 * 7");
    terminal.await_text("42");
    terminal.enter("Transcript show: 'sp', 'ins'; flush. [ true ] whileTrue");
    terminal.await_text("spins");
    terminal.type_keys("\x03");
    terminal.await_text("1> ");
    terminal.type_keys("\x04");
    assert_eq!(terminal.await_end(), 0);
    assert_eq!(owner.leave(), 0);
}

#[test]
fn hostile_bytes_and_other_versions_are_shown_out() {
    let folder = Folder::new("guests-hostile");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let path = socket(&folder);
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..200 {
        let mut line = UnixStream::connect(&path).unwrap();
        let mut bytes = [0u8; 64];
        for byte in &mut bytes {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            *byte = seed as u8;
        }
        bytes[3] &= 1;
        let _ = line.write_all(&bytes[..seed as usize % 65]);
    }
    // Another version: told in words.
    let mut line = UnixStream::connect(&path).unwrap();
    line.write_all(&[8, 0, 0, 0, 1, b'w', b'a', b'r', b'm', 99, 0, 0, 0]).unwrap();
    let mut told = String::new();
    let mut bytes = Vec::new();
    line.read_to_end(&mut bytes).unwrap();
    told.push_str(&String::from_utf8_lossy(&bytes));
    assert!(told.contains("another version") && told.contains("99"), "{told:?}");
    // One that says nothing holds up nobody.
    let _silent = UnixStream::connect(&path).unwrap();
    assert_eq!(run(&folder, &["eval", &file, "5"]).out, "5\n");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert_eq!(owner.leave(), 0);
    assert!(!path.exists());
}

#[test]
fn a_holder_of_the_lock_that_lets_nobody_in_is_named() {
    let folder = Folder::new("guests-locked");
    let file = folder.world("a.world");
    let holder = std::fs::File::open(&file).unwrap();
    holder.lock().unwrap();
    refused(&warm(&["eval", &file, "3"]), 69, "open in another process");
    refused(&warm(&["name", &file, "x"]), 69, "open in another process");
}
