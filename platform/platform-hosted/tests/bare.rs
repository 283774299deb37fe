//! The bare machine under QEMU: the same transcript as hosted, changes that go both ways, machines with
//! the wrong disks or little memory, the keys of a terminal.
//!
//! Without QEMU these tests fail and say so; `cargo xtask test` installs it.

mod common;

use common::time::{PATIENCE, wait_for};
use common::{Folder, signal, warm, warm_with_input};
use platform_hosted::qemu::{self, Button, Control, Machine, file_drive};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

fn qemu_path() -> PathBuf {
    qemu::find().expect("qemu-system-x86_64 is missing: apt install qemu-system-x86, or cargo xtask test")
}

/// A machine that runs, and what it says.
struct Running {
    child: Child,
    button: Button,
    pieces: Receiver<Vec<u8>>,
    said: String,
}

impl Running {
    fn start(memory_mb: u64, drives: Vec<OsString>, orders: &str) -> Running {
        Running::start_with(memory_mb, drives, orders, None)
    }

    fn start_with(memory_mb: u64, drives: Vec<OsString>, orders: &str, display: Option<&str>) -> Running {
        let kernel = kernel::kernel().expect("a kernel");
        let kernel = qemu::kernel_file(&kernel).expect("a file in memory");
        let machine = Machine { memory_mb, drives, orders: orders.to_owned(), display: display.map(str::to_owned) };
        let mut command = machine.command(&qemu_path(), &kernel);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let control = Control::of(&mut command).expect("a line to QEMU");
        let mut child = command.spawn().expect("QEMU starts");
        let button = control.connected();
        let (send, pieces) = channel();
        let mut out = child.stdout.take().expect("its output");
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count) = out.read(&mut piece) {
                if count == 0 || send.send(piece[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Running { child, button, pieces, said: String::new() }
    }

    fn type_in(&mut self, text: &str) {
        let line = self.child.stdin.as_mut().expect("its line");
        line.write_all(text.as_bytes()).expect("typing");
        line.flush().expect("typing");
    }

    /// Waits until it has said `text` behind what was awaited before.
    #[track_caller]
    fn await_text(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said.find(text) {
                self.said.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.pieces.recv_timeout(left) {
                Ok(piece) => self.said.push_str(&String::from_utf8_lossy(&piece)),
                Err(error) => panic!("{text:?} did not come ({error}); it said {:?}", self.said),
            }
        }
    }

    /// Waits for its end; answers the kernel's status and what else it said.
    #[track_caller]
    fn end(mut self) -> (Option<u8>, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its status") {
                break status;
            }
            while let Ok(piece) = self.pieces.try_recv() {
                self.said.push_str(&String::from_utf8_lossy(&piece));
            }
            assert!(Instant::now() < deadline, "it hangs; it said {:?}", self.said);
            std::thread::sleep(Duration::from_millis(5));
        };
        while let Ok(piece) = self.pieces.recv() {
            self.said.push_str(&String::from_utf8_lossy(&piece));
        }
        (status.code().and_then(qemu::kernel_status), std::mem::take(&mut self.said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file made as long as a disk that has room.
fn disk_of(world: &str) -> OsString {
    let file = std::fs::OpenOptions::new().write(true).open(world).expect("the world");
    file.set_len(256 << 20).expect("room");
    file_drive(Path::new(world))
}

/// Boots a world by the program; a run that hangs is killed and fails.
#[track_caller]
fn boot(world: &str, input: &str) -> common::Run {
    warm_with_input(&["boot", world, "--serial"], input)
}

const CONVERSATIONS: &[&str] = &[
    "3 + 4\nx := 5\nx * 2\n",
    "#(1 2 3) collect: [ :each |\neach * 2 ]\n'a\nb' size\n",
    "3 foo\n:stack\n:abandon\n4\n",
    "3 foo + 1\n:return 41\n",
    "3 + )\n7\n",
    "100 factorial\n(1 / 3) asFloat\n2 raisedTo: 100\n0.1 + 0.2\n",
    "'grün €' size\n'grün €' asUppercase\n",
    "Object subclass: #Pair\n\tinstanceVariableNames: 'a b'\n\tclassVariableNames: ''\n\tpackage: 'Bare'\nPair compile: 'a ^ a ifNil: [ a := 7 ]'\nPair new a\n",
    "| sum | sum := 0. 1 to: 300000 do: [ :i | sum := sum + (i \\\\ 7) ]. sum\n",
    "Transcript show: 'hello'; cr\nSmalltalk snapshot\n",
    "[ :n | n = 0 ifTrue: [ 1 ] ifFalse: [ n * 2 ] ] value: 21\n(1 to: 10) inject: 0 into: [ :a :b | a + b ]",
    "Session current stdin nextLine\nwhat is read\n'after'\n",
    "Smalltalk exit: 9\n3 + 4\n",
];

#[test]
fn the_same_input_gives_the_same_transcript_hosted_and_bare() {
    let folder = Folder::new("bare-golden");
    for (nth, input) in CONVERSATIONS.iter().enumerate() {
        let (hosted, bare) = (folder.world(&format!("h{nth}.world")), folder.world(&format!("b{nth}.world")));
        let (hosted, bare) = (warm_with_input(&["repl", &hosted], input), boot(&bare, input));
        assert_eq!(bare.out, hosted.out + &hosted.err, "{input:?}: {bare:?}");
        assert_eq!(bare.status, hosted.status, "{input:?}");
    }
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
fn a_full_disk_is_told_and_the_world_before_is_there() {
    let folder = Folder::new("bare-full");
    let world = folder.world("w.world");
    assert_eq!(boot(&world, "Smalltalk at: #Small put: 1\n").status, 0);
    // It was cut back to its last block: there is room for little.
    let mut running = Running::start(256, vec![file_drive(Path::new(&world))], "pipe");
    running.type_in("Smalltalk at: #Big put: (ByteArray new: 20000000). 'made'\n\u{4}");
    running.await_text("'made'");
    let (status, said) = running.end();
    assert_eq!(status, Some(75), "{said:?}");
    assert!(said.contains("cannot grow") || said.contains("full"), "{said:?}");
    assert_eq!(warm(&["eval", &world, "Small"]).out, "1\n");
    assert_eq!(warm(&["check", &world]).status, 0);
}

#[test]
fn a_world_larger_than_the_memory_is_read_and_changed() {
    let folder = Folder::new("bare-large");
    let world = folder.world("w.world");
    let fill = "| all | all := (1 to: 400) collect: [ :i | (ByteArray new: 1000000) at: 1 put: i \\\\ 256; yourself ]. Smalltalk at: #All put: all. all size";
    assert_eq!(warm(&["eval", &world, fill]).out, "400\n");
    let file = std::fs::OpenOptions::new().write(true).open(&world).expect("the world");
    file.set_len(2 << 30).expect("room");
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

/// The picture on the machine's screen: width, height, and its bytes (PPM, as QEMU writes it).
fn screen(running: &Running, file: &Path) -> Vec<u8> {
    let _ = std::fs::remove_file(file);
    let dump = format!("{{\"execute\":\"screendump\",\"arguments\":{{\"filename\":\"{}\"}}}}\n", file.display());
    running.button.say(&dump).expect("QEMU listens");
    wait_for("a whole picture", || std::fs::read(file).ok().filter(|bytes| is_whole(bytes)))
}

/// Whether as many bytes are there as the first three lines say.
fn is_whole(picture: &[u8]) -> bool {
    let words = picture.splitn(5, |byte| b" \n".contains(byte));
    let words: Vec<&str> = words.map(|word| std::str::from_utf8(word).unwrap_or_default()).collect();
    let numbers: Vec<usize> = words.iter().skip(1).map_while(|word| word.parse().ok()).collect();
    // What stands behind the fourth word are pixels.
    let [width, height, 255] = numbers[..] else { return false };
    let head: usize = words[..4].iter().map(|word| word.len() + 1).sum();
    picture.len() == head + width * height * 3
}

/// How many colours a picture has.
fn colours(picture: &[u8]) -> usize {
    let mut colours: Vec<&[u8]> = picture[15..].chunks_exact(3).collect();
    colours.sort_unstable();
    colours.dedup();
    colours.len()
}

/// How many pixels differ between two pictures.
fn differing(one: &[u8], other: &[u8]) -> usize {
    one.chunks(3).zip(other.chunks(3)).filter(|(a, b)| a != b).count()
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
