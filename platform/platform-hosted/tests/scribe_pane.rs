//! The scribe's pane in a window: a method is rewritten by the scribe's own rules, and by a model on this
//! machine that answers well, slowly, badly and not at all; tried in a scratch branch of the open world,
//! accepted and taken back; and so is an object. Pictures stay in `target/artefacts`.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;
#[path = "../../../ai-scribe/scribe/tests/common/mod.rs"]
mod loopback;

use common::{Folder, warm};
use loopback::{Loopback, Step, finish, head, piece, raw, serve, stream};
use common::time::wait_until;
use open::{asks, open};
use screen::{Screen, artefacts};
use std::os::unix::fs::PermissionsExt;
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

/// A model that says this.
fn says(text: &str) -> Loopback {
    serve(vec![stream(), piece(text), finish()])
}

/// Whom the user wants to be asked, from the next question on.
fn configure(folder: &Folder, server: &Loopback) {
    let settings = folder.path("config/warm");
    std::fs::create_dir_all(&settings).unwrap();
    let file = settings.join("scribe");
    std::fs::write(&file, format!("address = {}\nmodel = little-model\nkey = k3y\n", server.address)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// What the pane says, line by line.
const WORDS: &str = "String lf join: ((Desk current toolOf: RewriteView suchThat: [ :each | true ]) flow paragraphs collect: [ :each | (each collect: [ :piece | piece text ]) inject: '' into: [ :all :text | all , text ] ])";

/// Waits until the pane says this. The world is asked where it is open: a copy of it that wakes elsewhere
/// does not ask the model on.
#[track_caller]
fn awaits_words(world: &str, words: &str) {
    let question = format!("[ ({WORDS}) includesSubstring: '{words}' ] on: Error do: [ :error | false ]");
    wait_until(words, || asks(world, &question) == "true");
}

const CLEARER: &str = "```smalltalk\nhasLarge\n\t\"Answer whether one of the ships is large.\"\n\t^ ships anySatisfy: [ :each | each > 5 ]\n```";

#[test]
fn a_model_is_asked_beside_the_code() {
    let folder = Folder::new("scribe-pane-model");
    let world = folder.world("harbour.world");
    assert_eq!(warm(&["eval", &world, SAMPLE]).status, 0);
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    // One that stops in the middle of a word, and holds on.
    let held = serve(vec![stream(), piece("```smalltalk\nhasLarge\n\t^ ships any"), Step::Hold]);
    configure(&folder, &held);
    let mut command = common::command(&["open", &world]);
    command.env("XDG_CONFIG_HOME", folder.path("config"));
    let desk = open::begin(&screen, command, &world);
    screen.keys("ctrl+k");
    screen.types("Fleet>>hasLarge");
    screen.keys("Return");
    screen.keys("alt+w");
    screen.types("clearer");
    screen.keys("Return");
    // What it has said until now is seen, and it can be given up.
    awaits_words(&world, "ships any");
    assert_eq!(asks(&world, STATE), "#asking");
    screen.keep(&artefacts().join("scribe-streaming.png"));
    screen.keys("alt+Escape");
    awaits_words(&world, "it was given up");
    // Every way to fail has its line, and one may ask again.
    let failures = [
        (vec![head("401 Unauthorized", "text/plain", "")], "the key was not accepted (401)"),
        (vec![head("429 Too Many Requests", "text/plain", "retry-after: 7\r\n")], "asked later (429); ask again in 7 seconds"),
        (vec![head("500 Oops", "text/plain", "")], "the server failed (500)"),
        (vec![stream(), raw("garbage\n")], "a line of the answer is no event: garbage"),
        (vec![stream(), piece("```\nhasLarge\n\t^ ")], "the answer broke off"),
    ];
    for (steps, words) in failures {
        configure(&folder, &serve(steps));
        screen.keys("ctrl+Return");
        awaits_words(&world, words);
    }
    screen.keep(&artefacts().join("scribe-failed.png"));
    // One whose answer fails a test; and a good one.
    configure(&folder, &says("```\nhasLarge\n\t^ ships notEmpty\n```"));
    screen.keys("ctrl+Return");
    awaits_words(&world, "tests that passed before fail with it: FleetTest>>#testHasLarge");
    screen.keep(&artefacts().join("scribe-refused.png"));
    let good = says(CLEARER);
    configure(&folder, &good);
    screen.keys("ctrl+Return");
    desk.awaits(STATE, "#ready");
    assert!(good.seen.recv().unwrap().contains("Bearer k3y"));
    awaits_words(&world, "Proposed by little-model.");
    screen.keys("ctrl+s");
    desk.awaits(STATE, "#installed");
    assert_eq!(desk.answer(SOURCE), "true");
    screen.keys("alt+BackSpace");
    desk.awaits(STATE, "#takenBack");
    assert_eq!(desk.answer(SOURCE), "false");
    screen.keys("ctrl+q");
    desk.ends_well();
    let bytes = std::fs::read(&world).unwrap();
    assert!(!bytes.windows(3).any(|piece| piece == b"k3y"), "the key is in the world");
}

#[test]
fn an_object_is_rewritten_beside_its_inspector() {
    const SHIPS: &str = "(Smalltalk at: #Home) instVarNamed: #ships";
    let folder = Folder::new("scribe-pane-object");
    let world = folder.world("harbour.world");
    assert_eq!(warm(&["eval", &world, SAMPLE]).status, 0);
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Home put: (Fleet new ships: #(1 2); yourself). nil"]).status, 0);
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    configure(&folder, &says("```\nships := ships , #(9)\n```"));
    let mut command = common::command(&["open", &world]);
    command.env("XDG_CONFIG_HOME", folder.path("config"));
    let desk = open::begin(&screen, command, &world);
    screen.keys("ctrl+shift+w");
    desk.awaits("(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) notNil", "true");
    screen.types("Home");
    screen.keys("ctrl+i");
    desk.awaits("(Desk current toolOf: InspectorView suchThat: [ :each | true ]) notNil", "true");
    screen.keys("alt+w");
    screen.types("larger");
    screen.keys("Return");
    desk.awaits(STATE, "#ready");
    awaits_words(&world, "- #(1 2)");
    awaits_words(&world, "+ #(1 2 9)");
    assert_eq!(desk.answer(SHIPS), "#(1 2)");
    screen.keep(&artefacts().join("scribe-object.png"));
    screen.keys("ctrl+s");
    desk.awaits(STATE, "#installed");
    assert_eq!(desk.answer(SHIPS), "#(1 2 9)");
    screen.keys("alt+BackSpace");
    desk.awaits(STATE, "#takenBack");
    assert_eq!(desk.answer(SHIPS), "#(1 2)");
    screen.keys("ctrl+q");
    desk.ends_well();
}
