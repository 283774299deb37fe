//! The desk in a real window, on a display without a screen: what a person does with keys and pointer.
//!
//! Each test has a display of its own (Xvfb) and drives the program from outside (xdotool); what came
//! of it is asked of the world afterwards, which is a witness that shares nothing with the pixels.

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::time::{wait_for, wait_until};
use common::{Folder, command, warm};
use screen::Screen;
use std::path::Path;
use std::process::Child;

fn types(screen: &Screen, text: &str) {
    screen.does(&["type", "--delay", "15", text]);
}

fn keys(screen: &Screen, chord: &str) {
    screen.does(&["key", chord]);
}

/// Opens a world and waits until its window is drawn and takes keys.
fn open(screen: &Screen, world: &str) -> Child {
    let title = Path::new(world).file_name().expect("a name").to_string_lossy().into_owned();
    let windows = || screen.windows(&["--name", &title]);
    // The window of a program that was killed goes when the display hears of its end.
    wait_until("a display without the window", || windows().is_empty());
    let child = command(&["open", world]).env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY").spawn();
    let window = wait_for("the window", || windows().into_iter().next());
    wait_until("a desk in the window", || screen.picture().colours() > 20);
    screen.does(&["windowfocus", "--sync", &window]);
    child.expect("warm starts")
}

fn ends_well(mut child: Child) {
    let status = wait_for("the end of the program", || child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
}

/// Asks a world that is not open for something.
fn asks(world: &str, question: &str) -> String {
    let run = warm(&["eval", world, question]);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out.trim().trim_matches('\'').to_owned()
}

/// Waits until what stands in the file of an open world answers a question as it should: what was
/// typed takes its time to arrive, to be done, and to be saved.
fn awaits(world: &str, question: &str, expected: &str) {
    let question = format!("[ {question} ] on: Error do: [ :error | #notYet ]");
    wait_until(&format!("{expected} of {question}"), || {
        let run = warm(&["eval", world, &question, "--no-save"]);
        assert_eq!(run.status, 0, "{}", run.err);
        run.out.trim().trim_matches('\'') == expected
    });
}

const WORKSPACE: &str = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";

#[test]
fn a_workspace_prints_and_the_window_saves_when_it_closes() {
    let folder = Folder::new("desk-print");
    let world = folder.world("print.world");
    let screen = Screen::start(&folder.path(""), 1280, 800);
    let child = open(&screen, &world);
    types(&screen, "6 * 7");
    keys(&screen, "ctrl+p");
    let printed = format!("{WORKSPACE} buffer marks first object");
    awaits(&world, &printed, "42");
    // What comes after the last saving is there because the window saves when it closes.
    types(&screen, "0");
    keys(&screen, "ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, &format!("{WORKSPACE} text")), "6 * 70");
}

#[test]
fn every_key_is_there_after_a_kill_and_the_window_opens_as_it_was() {
    let folder = Folder::new("desk-killed");
    let world = folder.world("killed.world");
    let screen = Screen::start(&folder.path(""), 1280, 800);
    let mut child = open(&screen, &world);
    types(&screen, "OrderedCollection new removeFirst");
    keys(&screen, "ctrl+p");
    let stopped = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    awaits(&world, stopped, "true");
    // The debugger has the focus: its field at the foot takes an expression, the workspace the rest.
    keys(&screen, "ctrl+Tab");
    keys(&screen, "ctrl+End");
    types(&screen, " \"and the last words\"");
    let text = "OrderedCollection new removeFirst \"and the last words\"";
    awaits(&world, &format!("{WORKSPACE} text"), text);
    child.kill().expect("a child to kill");
    child.wait().expect("a child to wait for");
    let child = open(&screen, &world);
    keys(&screen, "ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, &format!("{WORKSPACE} text")), text);
    // The process stands where it stood, and its debugger is on the desk.
    assert_eq!(asks(&world, stopped), "true");
}

#[test]
fn other_commands_are_guests_of_a_window_and_a_debugger_outlives_its_closing() {
    let folder = Folder::new("desk-guests");
    let world = folder.world("guests.world");
    let screen = Screen::start(&folder.path(""), 1280, 800);
    let child = open(&screen, &world);
    types(&screen, "OrderedCollection new removeFirst");
    keys(&screen, "ctrl+p");
    let stopped = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    awaits(&world, stopped, "true");
    assert_eq!(asks(&world, "Smalltalk at: #Said put: Session current isGuest"), "true");
    assert_eq!(warm(&["name", &world, "while it is open"]).status, 0);
    let script = folder.text("script.st");
    std::fs::write(&script, "Session current stdout nextPutAll: Session current stdin upToEnd. Smalltalk exit: 3").expect("a script");
    let run = common::warm_with_input(&["run", &world, &script], "through");
    assert_eq!((run.status, run.out.as_str()), (3, "through"), "{}", run.err);
    // A second one brings the window to the front, and is done.
    let mut second = command(&["open", &world]);
    let second = second.env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY").output().expect("warm starts");
    assert!(second.status.success() && second.stdout.is_empty() && second.stderr.is_empty(), "{second:?}");
    assert_eq!(screen.windows(&["--name", "guests.world"]).len(), 1);
    keys(&screen, "ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, "Smalltalk at: #Said"), "true");
    assert!(warm(&["history", &world]).out.contains("while it is open"));
    // The process that met the error worked for the window's session, and still stands where it stood.
    assert_eq!(asks(&world, stopped), "true");
    let child = open(&screen, &world);
    keys(&screen, "ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, stopped), "true");
    let process = "(Desk current toolOf: DebuggerView suchThat: [ :each | true ]) model process";
    assert_eq!(asks(&world, &format!("{process} isSuspended and: [ {process} suspendedContext notNil ]")), "true");
}

#[test]
fn closing_without_saving_goes_back_to_the_moment_of_opening() {
    let folder = Folder::new("desk-unsaved");
    let world = folder.world("unsaved.world");
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Kept put: 1"]).status, 0);
    let screen = Screen::start(&folder.path(""), 1280, 800);
    let child = open(&screen, &world);
    types(&screen, "Smalltalk at: #Kept put: 2");
    keys(&screen, "ctrl+d");
    // It was done, and even saved on its own meanwhile.
    awaits(&world, "Smalltalk at: #Kept", "2");
    keys(&screen, "ctrl+shift+q");
    ends_well(child);
    assert_eq!(asks(&world, "Smalltalk at: #Kept"), "1");
    assert!(warm(&["history", &world]).out.contains("closed without saving"));
}
