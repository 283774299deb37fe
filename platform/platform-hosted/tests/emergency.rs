//! A desk that breaks itself: the machine shows what happened, and each way out leads out.
//!
//! The pictures are looked at for two things only: the stripe at the top, which the machine's own picture
//! alone has, and the colour of the desk in the corner. The rest is asked of the world.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, warm};
use open::{Open, asks, open};
use raster::roles::{Role, Theme};
use screen::{Screen, artefacts};
use std::rc::Rc;

/// Shown for everything in place of what it looks like.
const BROKEN: &str = "View compile: 'displayOn: aCanvas ^ self error: ''painted over'''";
/// Drawing never ends.
const ENDLESS: &str = "View compile: 'displayOn: aCanvas [ true ] whileTrue'";
/// What `View>>displayOn:` is when nobody has touched it.
const IS_WHOLE: &str = "(View sourceCodeAt: #displayOn:) includesSubstring: 'record:'";

fn is_emergency(screen: &Screen) {
    let stripe = Role::Wrong.colour(Theme::Light).pixel();
    screen.shows("the machine's picture", |picture| (0..1600).step_by(100).all(|x| picture.pixel(x, 1) == stripe));
}

fn is_desk(screen: &Screen) {
    let desk = Role::Desk.colour(Theme::Light).pixel();
    screen.shows("the desk", |picture| picture.pixel(2, 2) == desk && picture.pixel(1400, 2) == desk);
}

fn does(screen: &Screen, source: &str) {
    screen.keys("ctrl+End");
    screen.keys("Return");
    screen.types(source);
    screen.keys("ctrl+d");
}

/// The desk takes keys and computes.
fn works(screen: &Screen, desk: &Open, number: u32) {
    is_desk(screen);
    does(screen, &format!("Smalltalk at: #Answer put: {number}"));
    desk.awaits("Smalltalk at: #Answer ifAbsent: [ 0 ]", &number.to_string());
}

#[test]
fn a_desk_that_cannot_be_drawn_has_ways_out() {
    let folder = Folder::new("emergency");
    let world = folder.world("broken.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    let mut desk = open(&screen, &world);
    // Taken back.
    does(&screen, BROKEN);
    is_emergency(&screen);
    screen.keep(&artefacts().join("emergency.png"));
    // What is typed chooses nothing.
    screen.types("q5\n");
    screen.keys("F5");
    is_emergency(&screen);
    screen.keys("F6");
    works(&screen, &desk, 1);
    desk.awaits(IS_WHOLE, "true");
    // It was asked for.
    screen.keys("ctrl+shift+Escape");
    is_emergency(&screen);
    screen.keys("F5");
    works(&screen, &desk, 2);
    // Back to the moment before: the world of before the change, in a window of its own.
    does(&screen, BROKEN);
    is_emergency(&screen);
    screen.keys("F8");
    desk.awaits_another_window();
    works(&screen, &desk, 3);
    desk.awaits(IS_WHOLE, "true");
    assert!(warm(&["history", &world]).out.contains("before a restore"));
    // Saved and ended as it is; it opens broken, which is shown again, and is then mended.
    does(&screen, BROKEN);
    is_emergency(&screen);
    screen.keys("F10");
    desk.ends_well();
    assert_eq!(asks(&world, IS_WHOLE), "false");
    let desk = open(&screen, &world);
    is_emergency(&screen);
    screen.keys("F6");
    works(&screen, &desk, 4);
    screen.keys("ctrl+q");
    desk.ends_well();
    assert_eq!(asks(&world, IS_WHOLE), "true");
}

#[test]
fn a_desk_that_never_ends_drawing_is_left() {
    let folder = Folder::new("emergency-endless");
    let world = folder.world("endless.world");
    let screen = Rc::new(Screen::start(&folder.path(""), 1600, 1000));
    let desk = open(&screen, &world);
    does(&screen, ENDLESS);
    // Somebody presses keys, and nobody takes them.
    screen.types(" \"hello?\"");
    is_emergency(&screen);
    screen.keep(&artefacts().join("emergency-endless.png"));
    screen.keys("F6");
    works(&screen, &desk, 1);
    desk.awaits(IS_WHOLE, "true");
    screen.keys("ctrl+q");
    desk.ends_well();
}
