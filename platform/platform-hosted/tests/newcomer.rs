//! A newcomer's ten minutes, as the README tells them, done in a real window.
//!
//! Duty: read the section from the README, do each step with keys and pointer, look at the world after
//! each, and make the pictures that the README shows.
//!
//! Invariant
//! - N1 What is typed and pressed here is what stands in the README: the words between backquotes of
//!   each step, in order, and nothing else.
//!
//! Pictures stay in `target/artefacts`; with WARM_PICTURES=FOLDER they are written there instead, which
//! is how those of `browser-ui/pictures` are made.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;

use common::time::wait_until;
use common::{Folder, command, warm};
use open::{Open, asks, begin, open};
use screen::{Screen, artefacts};
use std::path::PathBuf;
use std::rc::Rc;

/// The steps of the section: for each the words between backquotes.
fn steps() -> Vec<Vec<String>> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("the README");
    let section = readme.split("## Ten minutes\n").nth(1).expect("a section of that name");
    let section = section.split("\n## ").next().unwrap_or_default();
    let is_step = |line: &&str| line.split_once(". ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    let quoted = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    section.lines().filter(is_step).map(quoted).collect()
}

/// A key as the README writes it, as xdotool does.
fn chord(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(' ').collect();
    let (last, modifiers) = parts.split_last()?;
    let is_modifier = |part: &&str| matches!(*part, "Ctrl" | "Shift" | "Alt");
    let last = match *last {
        "Enter" => "Return".to_owned(),
        "End" => "End".to_owned(),
        one if one.len() == 1 && !modifiers.is_empty() => one.to_lowercase(),
        _ => return None,
    };
    if !modifiers.iter().all(|part| is_modifier(part)) {
        return None;
    }
    let modifiers = modifiers.iter().map(|part| part.to_lowercase());
    Some(modifiers.chain([last]).collect::<Vec<_>>().join("+"))
}

/// One person before one screen.
struct Newcomer {
    steps: std::vec::IntoIter<Vec<String>>,
    screen: Rc<Screen>,
    number: u32,
}

impl Newcomer {
    /// Does the next step of the README: its keys are pressed, its other words typed; but what is for
    /// a shell is done by the test.
    fn step(&mut self) {
        let words = self.steps.next().expect("another step in the README");
        for words in words.iter().filter(|words| !words.starts_with("kill ")) {
            match chord(words) {
                Some(chord) => self.screen.keys(&chord),
                None => self.screen.types(words),
            }
        }
    }

    /// Keeps a picture of what there is to see.
    fn picture(&mut self) {
        self.number += 1;
        let folder = std::env::var_os("WARM_PICTURES").map_or_else(artefacts, PathBuf::from);
        self.screen.keep(&folder.join(format!("ten-minutes-{}.png", self.number)));
    }

    /// Presses a view of the world, where the saved world says that it is.
    fn click(&self, open: &Open, place: &str) {
        let place = open.answer(&format!("| place | place := {place}. place x rounded printString , ' ' , place y rounded printString"));
        let (x, y) = place.split_once(' ').unwrap_or_else(|| panic!("{place} is no place"));
        self.screen.click((x.parse().expect("x"), y.parse().expect("y")));
    }
}

const WORKSPACE: &str = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";
const DEBUGGER: &str = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ])";
const BROWSER: &str = "(Desk current toolOf: BrowserView suchThat: [ :each | true ])";
const MOMENTS: &str = "(Desk current toolOf: MomentsView suchThat: [ :each | true ])";

fn result_is(text: &str) -> String {
    format!("{WORKSPACE} buffer marks anySatisfy: [ :each | each kind == #result and: [ each object printString = '{text}' ] ]")
}

#[test]
fn a_newcomers_ten_minutes() {
    let folder = Folder::new("newcomer");
    let world = folder.text("warm/home.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    let mut person = Newcomer { steps: steps().into_iter(), screen, number: 0 };

    // Run: the home world is made and opens.
    person.steps.next();
    let mut home = command(&[]);
    home.env("XDG_DATA_HOME", folder.path(""));
    let desk = begin(&person.screen, home, &world);
    person.picture();

    // Evaluate.
    person.step();
    desk.awaits(&result_is("7"), "true");

    // Define a class, and a method of it; see it in the browser.
    person.step();
    desk.awaits("Smalltalk includesKey: #Counter", "true");
    person.step();
    desk.awaits("(Smalltalk at: #Counter) includesSelector: #next", "true");
    desk.awaits(&format!("{BROWSER} model selector"), "#next");
    person.picture();

    // Break it.
    person.click(&desk, &format!("{WORKSPACE} boundsInSurface center"));
    person.step();
    desk.awaits(&format!("{DEBUGGER} notNil"), "true");
    assert_eq!(desk.answer(&format!("{DEBUGGER} model title")), "receiver of \"+\" is nil");
    person.picture();

    // Mend it where it failed: the do-it goes on, and its result is there.
    person.click(&desk, &format!("{DEBUGGER} codeView boundsInSurface center"));
    person.step();
    desk.awaits(&result_is("1"), "true");
    desk.awaits(&format!("{DEBUGGER} isNil"), "true");
    person.picture();

    // Name this moment.
    person.step();
    wait_until("the moment", || warm(&["history", &world]).out.contains("it counts"));

    // Spoil it all, and pull the plug.
    person.click(&desk, &format!("{WORKSPACE} boundsInSurface center"));
    person.step();
    desk.awaits("(Smalltalk at: #Counter) new next", "#gone");
    desk.kill();

    // It opens as it was, the damage too.
    let mut desk = open(&person.screen, &world);
    desk.awaits("(Smalltalk at: #Counter) new next", "#gone");
    person.picture();

    // Go back.
    person.screen.keys("ctrl+shift+m");
    let named = "each object name = 'it counts'";
    desk.awaits(&format!("{MOMENTS} list items anySatisfy: [ :each | {named} ]"), "true");
    // The list may have grown since the world was saved: then another row was met.
    let chosen = format!("{MOMENTS} list selection ifNotNil: [ :one | one name = 'it counts' ]");
    wait_until("the moment in the list", || {
        let place = "[ :view | view list toSurface: 40 @ ((view list topOf: (view list items findFirst: [ :each | NAMED ])) + 12 - view list scroll) ] value: MOMENTS";
        person.click(&desk, &place.replace("NAMED", named).replace("MOMENTS", MOMENTS));
        wait_until("a choice", || desk.answer(&chosen) != "nil");
        desk.answer(&chosen) == "true"
    });
    person.step();
    desk.awaits_another_window();
    assert_eq!(desk.answer("(Smalltalk at: #Counter) new next"), "1");
    person.picture();
    assert!(person.steps.next().is_some(), "the last step boots it bare, which another test does");
    assert!(person.steps.next().is_none(), "a step of the README is not done here");
    person.screen.keys("ctrl+q");
    desk.ends_well();
    assert_eq!(asks(&world, "(Smalltalk at: #Counter) new next; next"), "2");
}
