//! The desk in a real window, on a display without a screen: what a person does with keys and pointer.
//!
//! Each test has a display of its own (Xvfb) and drives the program from outside (xdotool); what came
//! of it is asked of the world, as it is saved, which is a witness that shares nothing with the pixels.

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, warm};
use screen::{Screen, artefacts, asks};

const WORKSPACE: &str = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";

fn screen(folder: &Folder) -> Screen {
    Screen::start(folder, 1280, 800)
}

#[test]
fn a_workspace_prints_and_the_window_saves_when_it_closes() {
    let folder = Folder::new("desk-print");
    let world = folder.world("print.world");
    let screen = screen(&folder);
    let open = screen.open(&world);
    screen.types("6 * 7");
    screen.keys("ctrl+p");
    open.awaits(&format!("{WORKSPACE} buffer marks isEmpty"), "false");
    screen.keys("ctrl+q");
    open.ends_well();
    assert_eq!(asks(&world, &format!("{WORKSPACE} text")), "6 * 7");
    assert_eq!(asks(&world, &format!("{WORKSPACE} buffer marks first object")), "42");
}

#[test]
fn every_key_is_there_after_a_kill_and_the_window_opens_as_it_was() {
    let folder = Folder::new("desk-killed");
    let world = folder.world("killed.world");
    let screen = screen(&folder);
    let open = screen.open(&world);
    screen.types("OrderedCollection new removeFirst");
    screen.keys("ctrl+p");
    // The process stands in its error, and its debugger is on the desk.
    let stopped = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    open.awaits(stopped, "true");
    // The debugger has the focus: its field at the foot takes an expression, the workspace the rest.
    screen.keys("ctrl+Tab");
    screen.keys("ctrl+End");
    screen.types(" \"and the last words\"");
    let text = "OrderedCollection new removeFirst \"and the last words\"";
    open.awaits(&format!("{WORKSPACE} text"), text);
    open.kill(&screen);
    let open = screen.open(&world);
    screen.keys("ctrl+q");
    open.ends_well();
    assert_eq!(asks(&world, &format!("{WORKSPACE} text")), text);
    assert_eq!(asks(&world, stopped), "true");
}

#[test]
fn closing_without_saving_goes_back_to_the_moment_of_opening() {
    let folder = Folder::new("desk-unsaved");
    let world = folder.world("unsaved.world");
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Kept put: 1"]).status, 0);
    let screen = screen(&folder);
    let open = screen.open(&world);
    open.awaits("(Desk current instVarNamed: 'openingMoment') notNil", "true");
    screen.types("Smalltalk at: #Kept put: 2");
    screen.keys("ctrl+d");
    open.awaits("Smalltalk at: #Kept", "2");
    screen.keys("ctrl+shift+q");
    open.ends_well();
    assert_eq!(asks(&world, "Smalltalk at: #Kept"), "1");
    assert!(warm(&["history", &world]).out.contains("closed without saving"));
}

/// What a method answers changes while a loop that sends it goes round and round: the second of the
/// four uses of a world. Pictures of before and after stay in `target/artefacts`.
#[test]
fn a_method_is_changed_in_the_browser_while_a_loop_uses_it() {
    let folder = Folder::new("live-edit");
    let world = folder.world("garden.world");
    let lamp = "(Object subclass: #Lamp instanceVariableNames: '' classVariableNames: '' package: 'Garden')
        compile: 'colour ^ ''red'''";
    assert_eq!(warm(&["eval", &world, lamp]).status, 0);
    let screen = Screen::start(&folder, 1600, 1000);
    let open = screen.open(&world);
    screen.keys("ctrl+shift+t");
    screen.keys("ctrl+shift+Tab");
    screen.types("[ Transcript show: Lamp new colour; cr. (Delay forMilliseconds: 300) wait ] repeat");
    screen.keys("ctrl+d");
    open.awaits_line("red");
    screen.keys("ctrl+k");
    screen.types("Lamp>>colour");
    screen.keys("Return");
    let shown = "(Desk current toolOf: BrowserView suchThat: [ :each | each model selector = #colour ]) notNil";
    open.awaits(shown, "true");
    screen.keep(&artefacts().join("live-edit-before.png"));
    screen.keys("ctrl+a");
    screen.types("colour ^ 'green'");
    screen.keys("ctrl+s");
    open.awaits_line("green");
    screen.keep(&artefacts().join("live-edit-after.png"));
    // The loop was never started anew: it is the same process that sends on.
    screen.keys("ctrl+q");
    open.ends_well();
    assert_eq!(asks(&world, "Lamp new colour"), "green");
    assert_eq!(asks(&world, "(ChangeLog current changesOfMethod: #colour in: Lamp) size"), "2");
}
