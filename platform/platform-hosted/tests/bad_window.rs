//! A window to which bad things happen: each is told in clear words, and the world lives on.
//!
//! What each of the bad inputs that the window must survive is held by: no display and a dead one, here
//! and in `window`; a window without room, here, in `window` and in the world's DeskTest; fonts that
//! cannot be read, here and in `window::fonts`; a clipboard that is not UTF-8, here; a view whose drawing
//! raises, here and in the world's ViewTest; a program that hogs the processor, here; a broken desk, in
//! `emergency`; a model that is not reached, in `scribe` and in the scribe's `loopback`.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, Run, command, warm};
use open::{Open, asks, begin, open};
use raster::roles::{Role, Theme};
use screen::{Screen, artefacts};
use std::io::Write;
use std::process::{Command, Stdio};
use std::rc::Rc;

const WORKSPACE: &str = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";

/// Says a line to `warm FILE` where its environment is as given; what came of it.
fn converses(world: &str, display: Option<&str>) -> Run {
    let mut warm = command(&["open", world]);
    warm.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET").env_remove("DISPLAY");
    if let Some(display) = display {
        warm.env("DISPLAY", display);
    }
    warm.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = warm.spawn().expect("warm starts");
    child.stdin.take().expect("its input").write_all(b"6 * 7\n").expect("it listens");
    common::end_of(child)
}

#[test]
fn without_a_display_it_says_so_and_converses() {
    let folder = Folder::new("no-display");
    let world = folder.world("a.world");
    let run = converses(&world, None);
    assert_eq!((run.status, run.out.as_str()), (0, "42\n"), "{run:?}");
    assert_eq!(run.err, "no window: neither WAYLAND_DISPLAY nor DISPLAY is set\n");
}

#[test]
fn a_display_that_is_dead_is_told_and_it_converses() {
    let folder = Folder::new("dead-display");
    let world = folder.world("a.world");
    let run = converses(&world, Some(":4242"));
    assert_eq!((run.status, run.out.as_str()), (0, "42\n"), "{run:?}");
    assert!(run.err.starts_with("no window: no display answers (WAYLAND_DISPLAY=, DISPLAY=:4242)"), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{run:?}");
}

#[test]
fn a_world_whose_library_is_older_opens_and_says_so() {
    let folder = Folder::new("older");
    let world = folder.world("old garden.world");
    assert_eq!(converses(&world, None).err.lines().count(), 1, "one of this program says nothing");
    assert_eq!(warm(&["eval", &world, "Session class compile: 'libraryEdition ^ 0'. 3"]).out, "3\n");
    let told = "is older than this program's (edition 0, not ";
    let run = converses(&world, None);
    assert_eq!((run.status, run.out.as_str()), (0, "42\n"), "{run:?}");
    assert!(run.err.starts_with("warm: the library of ") && run.err.contains(told), "{run:?}");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = open(&screen, &world);
    assert_eq!(screen.windows(&["--name", "its library is older than the program"]).len(), 1);
    prints(&screen, &desk, "3 + 4", "7");
    ends(&screen, desk);
    // A world that knows nothing of editions is older too.
    let forgets = "Session class removeSelector: #libraryEdition. 3";
    assert_eq!(warm(&["eval", &world, forgets]).out, "3\n");
    assert!(converses(&world, None).err.contains(told));
}

fn desk_is_shown(screen: &Screen) {
    let desk = Role::Desk.colour(Theme::Light).pixel();
    screen.shows("the desk", |picture| picture.pixel(2, 2) == desk && picture.pixel(1270, 2) == desk);
}

fn prints(screen: &Screen, desk: &Open, source: &str, answer: &str) {
    screen.keys("ctrl+End");
    screen.keys("Return");
    screen.types(source);
    screen.keys("ctrl+p");
    desk.awaits(&format!("{WORKSPACE} buffer marks anySatisfy: [ :each | each kind == #result and: [ each object printString = '{answer}' ] ]"), "true");
}

fn ends(screen: &Screen, desk: Open) {
    screen.keys("ctrl+q");
    desk.ends_well();
}

#[test]
fn a_window_without_room_lives_and_shows_all_again_when_it_has_some() {
    let folder = Folder::new("no-room");
    let world = folder.world("a.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = open(&screen, &world);
    for (width, height) in [("1", "1"), ("3", "700"), ("900", "2"), ("1280", "800")] {
        screen.does(&["search", "--name", "a.world", "windowsize", width, height]);
        desk.awaits("Desk current surface extent printString", &format!("({width}@{height})"));
    }
    desk_is_shown(&screen);
    prints(&screen, &desk, "3 + 4", "7");
    ends(&screen, desk);
}

#[test]
fn fonts_that_cannot_be_read_are_passed_over() {
    let folder = Folder::new("bad-fonts");
    let fonts = folder.path("share/fonts");
    std::fs::create_dir_all(fonts.join("folder.ttf")).expect("a folder that is called a font");
    std::fs::write(fonts.join("NotoSans-Regular.ttf"), [0xA5; 70_000]).expect("noise");
    std::fs::write(fonts.join("empty.otf"), "").expect("nothing");
    let regular = std::fs::read("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").unwrap_or_default();
    std::fs::write(fonts.join("cut.ttf"), &regular[..regular.len() / 3]).expect("a part");
    std::os::unix::fs::symlink("/no/such/font.ttf", fonts.join("gone.ttf")).expect("a link");
    let world = folder.world("a.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let mut warm = command(&["open", &world]);
    warm.env("XDG_DATA_DIRS", folder.path("share")).env("XDG_DATA_HOME", folder.path("data")).env("HOME", folder.path(""));
    let desk = begin(&screen, warm, &world);
    screen.keys("ctrl+End");
    screen.types("\"жук 日本 \u{1F600}\"");
    prints(&screen, &desk, "3 + 4", "7");
    screen.keep(&artefacts().join("bad-fonts.png"));
    ends(&screen, desk);
}

/// Puts bytes into the clipboard as text, as a program does that is wrong.
fn copies(screen: &Screen, bytes: &[u8]) -> std::process::Child {
    let mut xclip = Command::new("xclip");
    xclip.args(["-selection", "clipboard", "-t", "UTF8_STRING", "-quiet"]).env("DISPLAY", &screen.name);
    let mut child = xclip.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().expect("xclip starts; is it installed?");
    child.stdin.take().expect("its input").write_all(bytes).expect("it listens");
    child
}

#[test]
fn a_clipboard_that_is_not_utf8_is_told_and_nothing_is_pasted() {
    let folder = Folder::new("bad-clipboard");
    let world = folder.world("a.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = open(&screen, &world);
    // What was copied here before is not what the user means now.
    screen.types("before");
    screen.keys("ctrl+a");
    screen.keys("ctrl+x");
    desk.awaits(&format!("{WORKSPACE} text size"), "0");
    let mut owner = copies(&screen, b"a\xFF\xFEb");
    let notice = "Desk current notice isNil ifTrue: [ '' ] ifFalse: [ Desk current notice text ]";
    common::time::wait_until("words about it", || {
        screen.keys("ctrl+v");
        desk.answer(notice).contains("not UTF-8")
    });
    assert_eq!(desk.answer(&format!("{WORKSPACE} text")), "");
    let _ = owner.kill();
    let _ = owner.wait();
    let mut owner = copies(&screen, "größe 日本".as_bytes());
    common::time::wait_until("what was copied", || {
        screen.keys("ctrl+v");
        desk.answer(&format!("{WORKSPACE} text")).contains("größe 日本")
    });
    let _ = owner.kill();
    let _ = owner.wait();
    prints(&screen, &desk, "3 + 4", "7");
    ends(&screen, desk);
}

#[test]
fn a_program_that_hogs_the_processor_leaves_the_window_answering() {
    let folder = Folder::new("hog");
    let world = folder.world("a.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = open(&screen, &world);
    screen.types("[ true ] whileTrue");
    screen.keys("ctrl+d");
    // It runs, is saved while it does, and what is typed meanwhile is there.
    screen.keys("ctrl+End");
    screen.types(" \"and on\"");
    desk.awaits(&format!("{WORKSPACE} text"), "[ true ] whileTrue \"and on\"");
    screen.keys("ctrl+shift+t");
    desk.awaits("(Desk current toolOf: TranscriptView suchThat: [ :each | true ]) notNil", "true");
    screen.keys("ctrl+period");
    let stopped = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    desk.awaits(stopped, "true");
    screen.keep(&artefacts().join("interrupted.png"));
    let place = desk.answer(&format!("| place | place := {WORKSPACE} boundsInSurface center. place x rounded printString , ' ' , place y rounded printString"));
    let (x, y) = place.split_once(' ').expect("a place");
    screen.click((x.parse().expect("x"), y.parse().expect("y")));
    prints(&screen, &desk, "3 + 4", "7");
    ends(&screen, desk);
    assert_eq!(asks(&world, stopped), "true");
}

#[test]
fn a_view_whose_drawing_raises_is_a_red_box_and_the_rest_goes_on() {
    let folder = Folder::new("red-box");
    let world = folder.world("a.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = open(&screen, &world);
    screen.types("GreetingView compile: 'drawOn: aCanvas ^ self error: ''painted over'''. Desk current openGreeting changed");
    screen.keys("ctrl+d");
    let failed = "(Desk current toolOf: GreetingView suchThat: [ :each | true ]) failure notNil";
    desk.awaits(failed, "true");
    let wrong = Role::Wrong.colour(Theme::Light).pixel();
    screen.shows("a red box", |picture| (0..800).any(|y| picture.pixel(400, y) == wrong));
    screen.keep(&artefacts().join("red-box.png"));
    // The greeting took the keys; the workspace takes them again, and works.
    screen.click((1100, 400));
    prints(&screen, &desk, "3 + 4", "7");
    // A press on it leads to what happened.
    screen.click((400, 300));
    desk.awaits("(Desk current toolOf: InspectorView suchThat: [ :each | each model object isKindOf: ViewFailure ]) notNil", "true");
    ends(&screen, desk);
    assert_eq!(warm(&["eval", &world, "3 + 4"]).out, "7\n");
}
