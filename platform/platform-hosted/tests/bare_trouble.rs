//! The bare machine in trouble: the wrong disks, one that is cut off, full or read-only, little memory, the
//! power button at any moment. It says what is the matter, on the serial line and on its screen, and
//! never hangs.
//!
//! Without QEMU these tests fail and say so; `cargo xtask test` installs it.

mod common;
#[path = "common/machine.rs"]
mod machine;

use common::time::wait_for;
use common::{Folder, warm, warm_with_input};
use machine::{Running, disk_of, screen};
use platform_hosted::qemu::file_drive;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Boots a world by the program; a run that hangs is killed and fails.
#[track_caller]
fn boot(world: &str, input: &str) -> common::Run {
    warm_with_input(&["boot", world, "--serial"], input)
}

#[test]
fn machines_with_the_wrong_disks_say_so() {
    let folder = Folder::new("bare-disks");
    let (world, other) = (folder.world("w.world"), folder.world("o.world"));
    let (world, other) = (disk_of(&world), disk_of(&other));
    let [empty, blank] = ["empty", "blank"].map(|name| folder.path(name));
    [&empty, &blank].iter().for_each(|path| std::fs::write(path, vec![0; 8 << 20]).expect("a file"));
    let check = |drives: Vec<OsString>, status: u8, what: &str| {
        let (got, said) = Running::start(256, drives, "pipe").end();
        assert!(said.starts_with("warm: ") && said.contains(what), "{what:?} is not in {said:?}");
        assert_eq!(got, Some(status), "{said:?}");
    };
    check(vec![], 66, "no disk");
    check(vec![file_drive(&empty)], 65, "not a world");
    check(vec![file_drive(&empty), file_drive(&blank)], 65, "nor do the others");
    check(vec![world.clone(), other], 65, "both hold a world");
    let mut running = Running::start(256, vec![file_drive(&empty), world.clone()], "pipe");
    running.await_text("passing over");
    running.type_in("6 * 7\n\u{4}");
    running.await_text("42\n");
    assert_eq!(running.end().0, Some(0));
    let mut read_only = world;
    read_only.push(",readonly=on");
    let mut running = Running::start(256, vec![read_only], "pipe");
    running.await_text("read-only: nothing is saved");
    running.type_in("Smalltalk at: #Never put: 1\n\u{4}");
    running.await_text("1\n");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(warm(&["eval", &folder.text("w.world"), "Smalltalk includesKey: #Never"]).out, "false\n");
}

#[test]
fn a_disk_that_is_cut_off_is_told_and_nothing_hangs() {
    let folder = Folder::new("bare-cut");
    let world = folder.world("w.world");
    let length = std::fs::metadata(&world).expect("the file").len();
    let bytes = common::bytes(&world);
    for part in [512, 1 << 20, (1 << 20) + 4096, length / 4, length / 2, length * 3 / 4] {
        let part = part / 512 * 512;
        let file = folder.path("cut");
        std::fs::write(&file, &bytes[..part as usize]).expect("a file");
        let mut running = Running::start(256, vec![file_drive(&file)], "pipe");
        running.type_in("3 + 4\n\u{4}");
        let (status, said) = running.end();
        assert!(status.is_some_and(|status| status >= 65), "{part} of {length} bytes: {status:?}, {said:?}");
        assert!(said.contains("warm: "), "{part} of {length} bytes: {said:?}");
    }
}

#[test]
fn a_full_disk_is_told_and_the_world_before_is_there() {
    let folder = Folder::new("bare-full");
    let world = folder.world("w.world");
    assert_eq!(boot(&world, "Smalltalk at: #Small put: 1\n").status, 0);
    // It was cut back to its last block: there is room for little.
    let mut running = Running::start(256, vec![file_drive(Path::new(&world))], "pipe");
    running.type_in("Smalltalk at: #Big put: (ByteArray new: 20000000 withAll: 7). 'made'\n\u{4}");
    running.await_text("'made'");
    let (status, said) = running.end();
    assert_eq!(status, Some(75), "{said:?}");
    assert!(said.contains("cannot grow") || said.contains("full"), "{said:?}");
    assert_eq!(warm(&["eval", &world, "Small"]).out, "1\n");
    assert_eq!(warm(&["check", &world]).status, 0);
}

/// A world with so many megabytes under the global `All`, on a disk with room.
fn large_world(folder: &Folder, megabytes: usize) -> String {
    let world = folder.world("w.world");
    let fill = format!("| all | all := (1 to: {megabytes}) collect: [ :i | (ByteArray new: 1000000) at: 1 put: i \\\\ 256; yourself ]. Smalltalk at: #All put: all. all size");
    assert_eq!(warm(&["eval", &world, &fill]).out, format!("{megabytes}\n"));
    let file = std::fs::OpenOptions::new().write(true).open(&world).expect("the world");
    file.set_len(2 << 30).expect("room");
    world
}

#[test]
fn a_world_larger_than_the_memory_is_read_and_changed() {
    let folder = Folder::new("bare-large");
    let world = large_world(&folder, 400);
    let mut running = Running::start(256, vec![file_drive(Path::new(&world))], "pipe");
    running.type_in("(All inject: 0 into: [ :sum :each | (1 to: 1000000 by: 4096) do: [ :i | each at: i ]. sum + each first ])\n");
    let sum: usize = (1..=400).map(|i| i % 256).sum();
    running.await_text(&format!("{sum}\n"));
    running.type_in("(1 to: 400 by: 10) do: [ :i | (All at: i) at: 2 put: 7 ]. All size\n(All collect: [ :each | each second ]) sum\n\u{4}");
    running.await_text("400\n280\n");
    assert_eq!(running.end().0, Some(0));
    assert_eq!(warm(&["eval", &world, "(All collect: [ :each | each first + each second ]) sum"]).out, format!("{}\n", sum + 280));
}

#[test]
fn a_world_many_times_larger_than_the_memory_is_read_and_changed() {
    let folder = Folder::new("bare-tiny");
    let world = large_world(&folder, 200);
    let mut running = Running::start(64, vec![file_drive(Path::new(&world))], "pipe");
    running.type_in("(All inject: 0 into: [ :sum :each | (1 to: 1000000 by: 4096) do: [ :i | each at: i ]. sum + each first ])\n");
    let sum: usize = (1..=200).sum();
    running.await_text(&format!("{sum}\n"));
    running.type_in("(1 to: 200 by: 10) do: [ :i | (All at: i) at: 2 put: 7 ]. All size\n\u{4}");
    running.await_text("200\n");
    let (status, said) = running.end();
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(warm(&["eval", &world, "(All collect: [ :each | each second ]) sum"]).out, "140\n");
}

#[test]
fn objects_without_end_are_told_and_the_machine_goes_on() {
    let folder = Folder::new("bare-endless");
    let world = folder.world("w.world");
    for (memory_mb, drive) in [(64, disk_of(&world)), (256, disk_of(&world))] {
        let mut running = Running::start(memory_mb, vec![drive], "pipe");
        running.type_in("| all | Smalltalk at: #Small put: 1. all := OrderedCollection new. [ all add: (ByteArray new: 100000) ] repeat\n");
        running.await_text("OutOfMemory");
        running.type_in(":abandon\n'goes', 'On'\n");
        running.await_text("goesOn");
        running.type_in("\u{4}");
        let (status, said) = running.end();
        assert_eq!(status, Some(0), "{memory_mb} MB: {said}");
        assert_eq!(warm(&["eval", &world, "Small"]).out, "1\n");
    }
}

/// A sentence that is long: the picture must hold more than a line of ink.
fn shows_words(running: &Running, file: &Path) -> Vec<u8> {
    let ink = |picture: &[u8]| picture[16..].chunks_exact(3).filter(|pixel| pixel.iter().all(|part| *part < 0x80)).count();
    let paper = |picture: &[u8]| picture[16..].chunks_exact(3).filter(|pixel| *pixel == [0xfc, 0xfb, 0xf8]).count();
    wait_for("words on the screen", || {
        let picture = screen(running, file);
        let rows = picture.starts_with(b"P6\n1280 800\n");
        (rows && ink(&picture) > 1_000 && paper(&picture) > 900_000).then_some(picture)
    })
}

#[test]
fn what_is_wrong_with_the_disks_is_shown_on_the_screen_until_a_key_is_pressed() {
    let folder = Folder::new("bare-words");
    let world = folder.world("w.world");
    let cut = folder.path("cut");
    std::fs::write(&cut, &common::bytes(&world)[..(1 << 20) + 4096]).expect("a file");
    let empty = folder.path("empty");
    std::fs::write(&empty, vec![0; 8 << 20]).expect("a file");
    let copy = folder.path("copy");
    std::fs::copy(&world, &copy).expect("a copy");
    let both = vec![file_drive(Path::new(&world)), file_drive(&copy)];
    let cases: [(Vec<OsString>, u8); 4] =
        [(vec![], 66), (vec![file_drive(&empty)], 65), (vec![file_drive(&cut)], 65), (both, 65)];
    let mut pictures: Vec<Vec<u8>> = Vec::new();
    for (nth, (drives, status)) in cases.into_iter().enumerate() {
        let mut running = Running::start_with(256, drives, "desktop", Some("none"));
        running.await_text("warm: ");
        let picture = shows_words(&running, &folder.path("screen.ppm"));
        keep(&picture, &format!("bare-words-{nth}.png"));
        running.button.say(&key("spc")).expect("QEMU listens");
        assert_eq!(running.end().0, Some(status), "case {nth}");
        assert!(!pictures.contains(&picture), "case {nth} says the same as another");
        pictures.push(picture);
    }
}

#[test]
fn a_full_disk_is_told_on_the_screen() {
    let folder = Folder::new("bare-full-words");
    let world = folder.world("w.world");
    // A process of the world's own goes on when it is opened, and makes more than the disk has room for.
    let grow = "Smalltalk at: #Small put: 1. [ (Delay forSeconds: 3) wait. Smalltalk at: #Big put: (ByteArray new: 30000000 withAll: 7) ] newProcess beWorldProcess; resume";
    assert_eq!(warm(&["eval", &world, grow]).status, 0);
    let mut running = Running::start_with(512, vec![file_drive(Path::new(&world))], "pipe desktop timed", Some("none"));
    running.await_text("desktop after ");
    running.await_text("disk is full");
    running.button.press();
    running.await_text("not saved: ");
    let picture = shows_words(&running, &folder.path("screen.ppm"));
    keep(&picture, "bare-words-full.png");
    running.button.say(&key("spc")).expect("QEMU listens");
    assert_eq!(running.end().0, Some(75));
    assert_eq!(warm(&["eval", &world, "Small"]).out, "1\n");
}

/// A key of QEMU's by name, pressed and released.
fn key(name: &str) -> String {
    format!("{{\"execute\":\"send-key\",\"arguments\":{{\"keys\":[{{\"type\":\"qcode\",\"data\":\"{name}\"}}]}}}}\n")
}

/// Keeps a picture (PPM) as a PNG beside the other artefacts.
fn keep(picture: &[u8], name: &str) {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("../../target"), PathBuf::from);
    let folder = target.join("artefacts");
    std::fs::create_dir_all(&folder).expect("a folder");
    let pixels: Vec<u32> = picture[16..].chunks_exact(3).map(|p| u32::from_be_bytes([0, p[0], p[1], p[2]])).collect();
    std::fs::write(folder.join(name), raster::encode_png(&pixels, 1280, 800)).expect("a picture");
}

#[test]
fn the_power_button_in_the_middle_of_a_snapshot_saves_what_was_done() {
    let folder = Folder::new("bare-middle");
    let world = folder.world("w.world");
    let fill = "Smalltalk at: #Round put: 0. (Smalltalk at: #Piece put: (ByteArray new: 30000000)) size";
    assert_eq!(warm(&["eval", &world, fill]).status, 0);
    let disk = disk_of(&world);
    let file = std::fs::OpenOptions::new().write(true).open(&world).expect("the world");
    // Room for the moments of all rounds: on a full disk a close is not noted.
    file.set_len(4 << 30).expect("room");
    let mut last = 0;
    for (nth, wait_ms) in [0, 15, 40, 90, 200, 350, 600].into_iter().enumerate() {
        let mut running = Running::start(256, vec![disk.clone()], "pipe");
        running.type_in("Session current stdout nextPutAll: 'beg', 'ins'; lf; flush. [ Smalltalk at: #Round put: Round + 1. 1 to: Piece size by: 4096 do: [ :at | Piece at: at put: Round \\\\ 256 ]. Smalltalk snapshot ] repeat\n");
        running.await_text("begins\n");
        std::thread::sleep(Duration::from_millis(wait_ms));
        running.button.press();
        let (status, said) = running.end();
        assert_eq!(status, Some(0), "press {nth}: {said}");
        assert!(warm(&["info", &world]).out.contains("closed     cleanly"), "press {nth}");
        let agree = "(((1 to: Piece size by: 4096) allSatisfy: [ :at | | n | n := Piece at: at. n = (Round \\\\ 256) or: [ n = ((Round - 1) \\\\ 256) ] ]) ifTrue: [ Round ] ifFalse: [ -1 ])";
        let round: i64 = warm(&["eval", &world, agree, "--no-save"]).out.trim().parse().expect("a number");
        assert!(round >= last, "press {nth}: {round} rounds, {last} before");
        last = round;
        assert_eq!(warm(&["check", &world]).status, 0, "press {nth}");
    }
    assert!(last > 0, "no press came in the middle of anything");
}
