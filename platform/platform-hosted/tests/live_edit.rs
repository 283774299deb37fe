//! The second of the four uses of a world: what a method answers changes while a loop that sends it goes
//! round and round. Pictures of before and after stay in `target/artefacts`.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, warm};
use open::{asks, open};
use screen::{Screen, artefacts};
use std::rc::Rc;

#[test]
fn a_method_is_changed_in_the_browser_while_a_loop_uses_it() {
    let folder = Folder::new("live-edit");
    let world = folder.world("garden.world");
    let lamp = "(Object subclass: #Lamp instanceVariableNames: '' classVariableNames: '' package: 'Garden')
        compile: 'colour ^ ''red'''";
    assert_eq!(warm(&["eval", &world, lamp]).status, 0);
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    let open = open(&screen, &world);
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
    // The loop was never started anew: it is the same process that sends on.
    open.awaits_line("green");
    screen.keep(&artefacts().join("live-edit-after.png"));
    screen.keys("ctrl+q");
    open.ends_well();
    assert_eq!(asks(&world, "Lamp new colour"), "green");
    assert_eq!(asks(&world, "(ChangeLog current changesOfMethod: #colour in: Lamp) size"), "2");
}
