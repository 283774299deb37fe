//! The scribe's pane in a window: a method is rewritten by the scribe's own rules, tried in a scratch
//! branch of the open world, accepted and taken back. Pictures stay in `target/artefacts`.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, warm};
use open::{asks, open};
use screen::{Screen, artefacts};
use std::rc::Rc;

const SAMPLE: &str = "
| fleet test |
fleet := Object subclass: #Fleet instanceVariableNames: 'ships' classVariableNames: '' package: 'Harbour'.
fleet compile: 'ships: anArray
	ships := anArray' classified: #accessing.
fleet compile: 'hasLarge
	\"Answer whether one of the ships is large.\"
	^ (ships select: [ :each | each > 5 ]) notEmpty' classified: #testing.
test := TestCase subclass: #FleetTest instanceVariableNames: '' classVariableNames: '' package: 'Harbour-Tests'.
test compile: 'testHasLarge
	self assert: (Fleet new ships: #(1 6 9); hasLarge).
	self deny: (Fleet new ships: #(1 2); hasLarge)' classified: #tests.
nil";

const STATE: &str = "(Desk current toolOf: RewriteView suchThat: [ :each | true ]) model state";
const SOURCE: &str = "((Smalltalk at: #Fleet) sourceCodeAt: #hasLarge) includesSubstring: 'anySatisfy:'";

#[test]
fn a_method_is_rewritten_beside_its_code() {
    let folder = Folder::new("scribe-pane");
    let world = folder.world("harbour.world");
    assert_eq!(warm(&["eval", &world, SAMPLE]).status, 0);
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    // Nobody's settings: no model is asked.
    let mut command = common::command(&["open", &world]);
    command.env("XDG_CONFIG_HOME", folder.path("config"));
    let desk = open::begin(&screen, command, &world);
    screen.keys("ctrl+k");
    screen.types("Fleet>>hasLarge");
    screen.keys("Return");
    screen.keys("alt+w");
    screen.types("clearer");
    screen.keys("Return");
    desk.awaits(STATE, "#ready");
    screen.keep(&artefacts().join("scribe-ready.png"));
    screen.keys("ctrl+s");
    desk.awaits(STATE, "#installed");
    assert_eq!(desk.answer(SOURCE), "true");
    screen.keep(&artefacts().join("scribe-accepted.png"));
    screen.keys("alt+BackSpace");
    desk.awaits(STATE, "#takenBack");
    assert_eq!(desk.answer(SOURCE), "false");
    screen.keys("ctrl+q");
    desk.ends_well();
    // What came of it is there when the world is opened again.
    let desk = open(&screen, &world);
    screen.keys("ctrl+q");
    desk.ends_well();
    assert_eq!(asks(&world, STATE), "#takenBack");
}
