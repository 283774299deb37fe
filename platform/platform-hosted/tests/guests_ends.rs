//! How it ends where several are at work in a world: guests, their sessions, the owner, the door.

mod common;
#[path = "common/owner.rs"]
mod owner;
#[path = "common/terminal.rs"]
mod terminal;

use common::time::{PATIENCE, wait_until};
use common::{Folder, Run, command, refused, signal, warm, warm_with_input};
use owner::{GUESTS, Owner, await_answer, beside, run, run_with_input};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use terminal::Terminal;

/// The name of the socket of a file.
fn socket_name(file: &str) -> String {
    let data = std::fs::metadata(file).unwrap();
    format!("{:x}-{:x}", data.dev(), data.ino())
}

#[test]
fn fifty_guests_at_once_are_all_served() {
    let folder = Folder::new("guests-fifty");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["eval", &file, "Smalltalk at: #All put: OrderedCollection new. 1"]).status, 0);
    let guests: Vec<_> = (0..50)
        .map(|n| {
            let program = format!("All add: {n}. (Delay forMilliseconds: 200) wait. {n} + 100000");
            beside(&folder, &["eval", &file, &program]).spawn().unwrap()
        })
        .collect();
    for (n, guest) in guests.into_iter().enumerate() {
        let run: Run = guest.wait_with_output().unwrap().into();
        assert_eq!((run.status, run.out), (0, format!("{}\n", n + 100_000)), "{}", run.err);
    }
    assert_eq!(run(&folder, &["eval", &file, "All size"]).out, "50\n");
    assert_eq!(run(&folder, &["eval", &file, GUESTS]).out, "1\n");
    drop(owner);
    // SIGKILL of the owner: what they were told was done is there.
    assert_eq!(run(&folder, &["eval", &file, "All asSet size"]).out, "50\n");
}

#[test]
fn what_any_of_several_guests_was_told_is_there_after_a_kill_of_the_owner() {
    let folder = Folder::new("guests-acknowledged");
    let file = folder.world("a.world");
    let mut all_told = 0;
    for round in 0..6u64 {
        let zero = "Smalltalk at: #Told0 put: 0; at: #Told1 put: 0; at: #Told2 put: 0; at: #Told3 put: 0";
        assert_eq!(run(&folder, &["eval", &file, zero]).status, 0);
        let owner = Owner::of(&folder, &file);
        let killed = AtomicBool::new(false);
        let told: Vec<u64> = std::thread::scope(|scope| {
            let guest = |n: u64| {
                let (folder, file, killed) = (&folder, &file, &killed);
                scope.spawn(move || {
                    let mut told = 0;
                    while !killed.load(Ordering::SeqCst) {
                        let next = told + 1;
                        let ended = run(folder, &["eval", file, &format!("Smalltalk at: #Told{n} put: {next}")]);
                        match ended.status {
                            0 => told = next,
                            75 => break,
                            _ => panic!("{ended:?}"),
                        }
                    }
                    told
                })
            };
            let guests: Vec<_> = (0..4).map(guest).collect();
            std::thread::sleep(Duration::from_millis(300 + 97 * round));
            drop(owner);
            killed.store(true, Ordering::SeqCst);
            guests.into_iter().map(|guest| guest.join().unwrap()).collect()
        });
        let kept = run(&folder, &["eval", &file, "{ Told0. Told1. Told2. Told3 }"]);
        let kept: Vec<u64> = kept.out.trim_matches(['#', '(', ')', '\n']).split(' ').map(|n| n.parse().unwrap()).collect();
        // What was under way at the kill may be there too.
        assert!(told.iter().zip(&kept).all(|(told, kept)| kept == told || *kept == told + 1), "{told:?} {kept:?}");
        all_told += told.iter().sum::<u64>();
    }
    assert!(all_told > 0, "nobody was told anything");
}

#[test]
fn more_guests_than_there_is_room_for_are_told() {
    let folder = Folder::new("guests-crowd");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let wait = || beside(&folder, &["eval", &file, "Session current stdin upToEnd. 1"]).stdin(Stdio::piped()).spawn().unwrap();
    let mut crowd: Vec<_> = (0..128).map(|_| wait()).collect();
    let until = Instant::now() + PATIENCE;
    loop {
        let more = run(&folder, &["eval", &file, "2"]);
        if more.status != 0 {
            refused(&more, 69, "128 sessions are at work in this world already");
            break;
        }
        assert!(Instant::now() < until, "there is room for ever");
        // One of them may have come while another, or this one, had the last place: here is one more.
        crowd.push(wait());
    }
    for guest in &mut crowd {
        drop(guest.stdin.take());
    }
    for guest in crowd {
        let run: Run = guest.wait_with_output().unwrap().into();
        assert!((run.status, run.out.as_str()) == (0, "1\n") || run.status == 69, "{run:?}");
    }
    await_answer(&folder, &file, GUESTS, "1");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn a_guest_that_never_unwinds_holds_up_nobody_for_long() {
    let folder = Folder::new("guests-endless");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let program = "[ Semaphore new wait ] ensure: [ [ true ] whileTrue ]";
    let mut guest = beside(&folder, &["eval", &file, program]).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    guest.kill().unwrap();
    guest.wait().unwrap();
    let began = Instant::now();
    await_answer(&folder, &file, GUESTS, "1");
    println!("a guest that never unwinds was given up after {:?}", began.elapsed());
    assert_eq!(owner.leave(), 0);
}

#[test]
fn lines_of_the_owner_and_of_guests_work_for_their_own_sessions() {
    let folder = Folder::new("guests-own");
    let file = folder.world("a.world");
    let mut owner = Owner::of(&folder, &file);
    let mut guest = beside(&folder, &["eval", &file, "Session current stdin upToEnd. 1"]).stdin(Stdio::piped()).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    // The newest session is the guest's: what the owner begins now is none of its business.
    owner.say("Smalltalk at: #Of put: Session current isGuest");
    owner.say("Smalltalk at: #Mine put: [ (Delay forSeconds: 60) wait ] fork");
    await_answer(&folder, &file, "(Smalltalk includesKey: #Mine) and: [ Mine isTerminated not ]", "true");
    drop(guest.stdin.take());
    assert_eq!(guest.wait().unwrap().code(), Some(0));
    assert_eq!(run(&folder, &["eval", &file, "{ Of. Mine isTerminated. Mine session isGuest }"]).out, "#(false false false)\n");
    // And the line's own process works for it too: the owner is still there to take another.
    owner.say("Smalltalk at: #Still put: 6");
    await_answer(&folder, &file, "Smalltalk at: #Still ifAbsent: [ nil ]", "6");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn an_exit_from_any_process_is_the_status_of_the_session() {
    let folder = Folder::new("guests-exit");
    let file = folder.world("a.world");
    let program = "[ (Delay forMilliseconds: 100) wait. Smalltalk exit: 7 ] fork. \
        [ Semaphore new wait ] ensure: [ Smalltalk at: #Left put: (Smalltalk at: #Left ifAbsent: [ 0 ]) + 1 ]";
    let line = format!("{program}\n");
    // With the world to itself, and as a guest.
    assert_eq!(warm(&["eval", &file, program]).status, 7);
    assert_eq!(warm_with_input(&["repl", &file], &line).status, 7);
    assert_eq!(warm_with_input(&["repl", &file], "3\nSmalltalk exit: 5\n4\n").status, 5);
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["eval", &file, program]).status, 7);
    assert_eq!(run_with_input(&folder, &["repl", &file], &line).status, 7);
    let talked = run_with_input(&folder, &["repl", &file], "3\nSmalltalk exit: 5\n4\n");
    assert_eq!((talked.status, talked.out.as_str()), (5, "3\n"), "{talked:?}");
    // A main process that somebody ends: so does its session.
    let ended = run(&folder, &["eval", &file, "Session current mainProcess terminate"]);
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(run(&folder, &["eval", &file, GUESTS]).out, "1\n");
    // A guest does not take the world with it.
    let back = run(&folder, &["eval", &file, "Session current goBackTo: (Moment named: 'nothing')"]);
    assert!(back.status == 1 && !back.err.is_empty(), "{back:?}");
    let back = run(&folder, &["eval", &file, "Session current goBackTo: nil"]);
    assert!(back.status == 1 && back.err.contains("only the program that opened the world"), "{back:?}");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn an_owner_that_is_told_to_end_says_so_to_its_guests() {
    let folder = Folder::new("guests-closed");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let program = "Smalltalk at: #Before put: 3. Smalltalk snapshot. (Delay forSeconds: 3600) wait";
    let guest = beside(&folder, &["eval", &file, program]).spawn().unwrap();
    await_answer(&folder, &file, "Smalltalk at: #Before ifAbsent: [ 0 ]", "3");
    signal(&owner.child, "TERM");
    let told: Run = guest.wait_with_output().unwrap().into();
    refused(&told, 74, "was closed by the program that had it open; what was done is saved");
    drop(owner);
    assert_eq!(run(&folder, &["eval", &file, "Before"]).out, "3\n");
    assert_eq!(run(&folder, &["check", &file]).status, 0);
}

#[test]
fn the_door_stands_open_while_guests_outlast_the_owner() {
    let folder = Folder::new("guests-door");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let guest = beside(&folder, &["eval", &file, "Session current stdin upToEnd. 1"]).stdin(Stdio::piped()).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    let leaving = std::thread::spawn(move || owner.leave());
    for n in 0..5 {
        // The first ones meet a closed door, and wait for it.
        assert_eq!(run(&folder, &["eval", &file, &format!("{n}")]).out, format!("{n}\n"));
        std::thread::sleep(Duration::from_millis(200));
    }
    let ended: Run = guest.wait_with_output().unwrap().into();
    assert_eq!((ended.status, ended.out.as_str()), (0, "1\n"), "{ended:?}");
    assert_eq!(leaving.join().unwrap(), 0);
    assert!(!folder.path("warm").join(socket_name(&file)).exists());
    assert_eq!(run(&folder, &["eval", &file, "5"]).out, "5\n");
}

#[test]
fn a_guest_leaves_a_world_that_hangs_at_the_third_press_of_the_interrupt_key() {
    let folder = Folder::new("guests-hang");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    let mut guest = beside(&folder, &["eval", &file, "(Delay forSeconds: 3600) wait"]).spawn().unwrap();
    await_answer(&folder, &file, GUESTS, "2");
    signal(&owner.child, "STOP");
    // Presses that a busy machine takes for one do not count as many.
    let mut presses = 0;
    wait_until("the end of the guest", || {
        signal(&guest, "INT");
        presses += 1;
        std::thread::sleep(Duration::from_millis(200));
        guest.try_wait().unwrap().is_some()
    });
    assert!(presses >= 3, "{presses} presses");
    let told: Run = guest.wait_with_output().unwrap().into();
    refused(&told, 130, "did not answer the interrupt key");
    signal(&owner.child, "CONT");
    await_answer(&folder, &file, GUESTS, "1");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn an_interrupted_guest_at_a_terminal_ends_and_the_owner_does_not() {
    let folder = Folder::new("guests-keys");
    let file = folder.world("a.world");
    let mut owner = Owner::of(&folder, &file);
    let program = "Session current stdout nextPutAll: 'sp', 'ins'; lf; flush. [ true ] whileTrue";
    let mut words = command(&["eval", &file, program]);
    words.env("XDG_RUNTIME_DIR", folder.path("")).env("HOME", folder.path(""));
    let mut guest = Terminal::start(words);
    guest.await_text("spins");
    guest.type_keys("\x03");
    guest.await_text("UserInterrupt");
    assert_eq!(guest.await_end(), 130);
    await_answer(&folder, &file, GUESTS, "1");
    assert!(owner.child.try_wait().unwrap().is_none(), "the owner is gone");
    assert_eq!(owner.leave(), 0);
}

#[test]
fn what_only_the_owner_can_do_is_refused_in_words() {
    let folder = Folder::new("guests-refused");
    let file = folder.world("a.world");
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["name", &file, "now"]).status, 0);
    refused(&run(&folder, &["restore", &file, "now"]), 69, "is open in another process; go back there, or close it");
    refused(&run(&folder, &["restore", &file, "now", "--json"]), 69, "go back there, or close it");
    refused(&run(&folder, &["check", &file, "--accept"]), 69, "is open in another process");
    assert_eq!(owner.leave(), 0);
    assert_eq!(run(&folder, &["restore", &file, "now"]).status, 0);
}

#[test]
fn programs_read_what_a_guest_did_to_the_store() {
    let folder = Folder::new("guests-json");
    let file = folder.world("a.world");
    let alone = ["name", "branch", "delete"].map(|command| store_lines(&folder, &file, command));
    assert_eq!(run(&folder, &["delete", &file, "second"]).status, 0);
    let owner = Owner::of(&folder, &file);
    let beside = ["name", "branch", "delete"].map(|command| store_lines(&folder, &file, command));
    for (alone, beside) in alone.iter().zip(&beside) {
        // The same members; the numbers of moments go on.
        let without_numbers = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "");
        assert_eq!(without_numbers(alone), without_numbers(beside));
        assert!(beside.contains("\"moment\"") && beside.contains("\"name\""), "{beside}");
    }
    refused(&run(&folder, &["name", &file, "second", "--json"]), 73, "a moment is named second already");
    let report = folder.text("report.xml");
    let tests = run(&folder, &["test", &file, "SessionTest", "--junit", &report]);
    assert!(tests.status == 0 && tests.out.contains(" passed, 0 failed"), "{tests:?}");
    assert!(std::fs::read_to_string(&report).unwrap().contains("<testsuite"));
    assert_eq!(owner.leave(), 0);
}

fn store_lines(folder: &Folder, file: &str, command: &str) -> String {
    let words: &[&str] = match command {
        "name" => &["name", file, "first", "--json"],
        "branch" => &["branch", file, "first", "second", "--json"],
        _ => &["delete", file, "first", "--json"],
    };
    let run = run(folder, words);
    assert_eq!((run.status, run.out.lines().count()), (0, 1), "{run:?}");
    run.out
}

#[test]
fn a_socket_of_nobody_or_of_somebody_else_is_not_talked_to() {
    let folder = Folder::new("guests-foreign");
    let file = folder.world("a.world");
    let place = folder.path("warm");
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o700)).unwrap();
    // A dead one, in the way of an owner.
    drop(UnixListener::bind(place.join(socket_name(&file))).unwrap());
    let owner = Owner::of(&folder, &file);
    assert_eq!(run(&folder, &["eval", &file, "7"]).out, "7\n");
    // A folder that others can enter is used by neither side: the lock is named.
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    refused(&run(&folder, &["eval", &file, "7"]), 69, "open in another process");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(owner.leave(), 0);
    // One who answers with garbage, and one who says nothing and goes away.
    let holder = std::fs::File::open(&file).unwrap();
    holder.lock().unwrap();
    let liar = UnixListener::bind(place.join(socket_name(&file))).unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut line, _) = liar.accept().unwrap();
        let _ = line.read(&mut [0; 4096]).unwrap();
        line.write_all(&[3, 0, 0, 0, 200, 1, 2, 3]).unwrap();
        drop(line);
        while liar.accept().is_ok() {}
    });
    refused(&run(&folder, &["eval", &file, "7"]), 69, "is open in another process: no frame of kind 200");
    refused(&run(&folder, &["eval", &file, "7"]), 69, "is open in another process");
    drop(thread);
}

#[test]
fn another_user_is_not_let_in() {
    let folder = Folder::new("guests-other-user");
    let file = folder.world("a.world");
    // Another user who may read and write the file, and whose environment names our folder of sockets.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::set_permissions(folder.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let owner = Owner::of(&folder, &file);
    let mut other = beside(&folder, &["eval", &file, "7"]);
    other.uid(65_534).gid(65_534);
    match other.output() {
        Ok(output) => refused(&output.into(), 69, "open in another process"),
        // Only root can be somebody else.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied),
    }
    assert_eq!(owner.leave(), 0);
}
