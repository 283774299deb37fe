//! A double click on a world that another program has open without a window: it is said in a window,
//! which becomes the world when that program ends.

mod common;
#[path = "common/open.rs"]
mod open;
#[path = "common/screen.rs"]
mod screen;
#[path = "common/talker.rs"]
mod talker;

use common::time::wait_until;
use common::{Folder, command};
use open::{asks, begin};
use raster::roles::{Role, Theme};
use screen::{Screen, artefacts};
use std::rc::Rc;
use talker::Talker;

/// Somebody who converses with a world in a terminal, and has it open by now.
fn holder(world: &str) -> Talker {
    let mut holder = Talker::with_input(command(&["repl", world]));
    holder.say("Smalltalk at: #Mine put: 3\n");
    holder.line();
    holder
}

fn is_notice(screen: &Screen) {
    let (stripe, paper) = (Role::Accent.colour(Theme::Light).pixel(), Role::Paper.colour(Theme::Light).pixel());
    screen.shows("the notice", |picture| picture.pixel(300, 1) == stripe && picture.pixel(300, 12) == paper);
}

#[test]
fn a_double_click_says_who_has_the_world_and_opens_it_when_it_is_free() {
    let folder = Folder::new("outside");
    let world = folder.world("my garden.world");
    let mut holder = holder(&world);
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let mut desk = begin(&screen, command(&["open", &world]), &world);
    is_notice(&screen);
    screen.keep(&artefacts().join("open-elsewhere.png"));
    // The conversation goes on.
    holder.say("Mine + 1\n");
    assert_eq!(holder.line(), "4");
    assert_eq!(holder.end().status, 0);
    desk.awaits_another_window();
    let ground = Role::Desk.colour(Theme::Light).pixel();
    screen.shows("the desk", |picture| picture.pixel(2, 2) == ground);
    screen.keys("ctrl+q");
    desk.ends_well();
    assert_eq!(asks(&world, "Mine"), "3");
}

#[test]
fn the_notice_is_closed_by_escape_and_nothing_has_happened() {
    let folder = Folder::new("outside-closed");
    let world = folder.world("a.world");
    let mut holder = holder(&world);
    let screen = Rc::new(Screen::start(&folder.path(""), 1280, 800));
    let desk = begin(&screen, command(&["open", &world]), &world);
    is_notice(&screen);
    screen.keys("x");
    is_notice(&screen);
    screen.keys("Escape");
    wait_until("no window", || screen.windows(&["--name", "a.world"]).is_empty());
    // It says by its status that nothing was opened.
    drop(desk);
    holder.say("Mine\n");
    assert_eq!(holder.line(), "3");
    assert_eq!(holder.end().status, 0);
    // Who can converse is a guest as ever, on a display too.
    let mut holder = self::holder(&world);
    let mut guest = command(&["open", &world]);
    guest.env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY");
    let mut guest = Talker::with_input(guest);
    guest.say("Mine * 7\n");
    assert_eq!(guest.line(), "21");
    assert_eq!(guest.end().status, 0);
    holder.say("Mine\n");
    assert_eq!(holder.line(), "3");
    assert_eq!(holder.end().status, 0);
}
