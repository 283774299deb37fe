//! The window on Wayland, in a compositor of the test's own (weston): it opens, shows a frame, takes
//! keys, closes and saves.
//!
//! A headless compositor has no keyboard; the keys come through one whose own screen is a display
//! without a screen (Xvfb).

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::time::{wait_for, wait_until};
use common::{Folder, command, warm};
use raster::roles::{Role, Theme};
use screen::{Screen, artefacts};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const SOCKET: &str = "wayland-warm";

/// A compositor with a runtime folder of its own; it goes with its test.
struct Compositor {
    server: Child,
    runtime: PathBuf,
}

impl Compositor {
    fn start(folder: &Folder, backend: &str, display: Option<&str>) -> Compositor {
        let runtime = folder.path("run");
        std::fs::DirBuilder::new().mode(0o700).create(&runtime).expect("a runtime folder");
        let mut weston = Command::new("weston");
        weston.args([backend, "--socket", SOCKET, "--shell=kiosk-shell.so", "--idle-time=0", "--no-config"]);
        weston.args(["--use-pixman", "--width=1280", "--height=800"]);
        weston.env("XDG_RUNTIME_DIR", &runtime).env_remove("WAYLAND_DISPLAY").env_remove("DISPLAY");
        if let Some(display) = display {
            weston.env("DISPLAY", display);
        }
        weston.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = weston.spawn().expect("weston starts; is it installed?");
        let compositor = Compositor { server, runtime };
        wait_until("a compositor", || compositor.runtime.join(SOCKET).exists());
        compositor
    }

    /// The program as one of its clients.
    fn client(&self, words: &[&str]) -> Command {
        let mut command = command(words);
        command.env("XDG_RUNTIME_DIR", &self.runtime).env("WAYLAND_DISPLAY", SOCKET).env_remove("DISPLAY");
        command
    }

    /// Opens a world, and waits until guests are let in: whoever asked earlier would have it himself.
    fn open(&self, world: &str) -> Child {
        let child = self.client(&["open", world]).spawn().expect("warm starts");
        let door = self.runtime.join("warm");
        wait_until("a door", || std::fs::read_dir(&door).is_ok_and(|entries| entries.count() > 0));
        child
    }

    /// What the open world answers a guest.
    fn asks(&self, world: &str, question: &str) -> String {
        let run: common::Run = self.client(&["eval", world, question]).output().expect("warm runs").into();
        if run.status == 0 { run.out.trim().to_owned() } else { run.err }
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn ends_well(mut child: Child) {
    let status = wait_for("the end of the program", || child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
}

/// How often the window was painted.
const PAINTED: &str = "(ServiceFields on: ((Service named: #display) call: 22 handle: Desk current window handle bytes: #[]) second) nextU64; nextU64";

#[test]
fn a_window_opens_and_closes_on_a_compositor_without_a_screen() {
    let folder = Folder::new("wayland-headless");
    let world = folder.world("headless.world");
    let compositor = Compositor::start(&folder, "--backend=headless-backend.so", None);
    let child = compositor.open(&world);
    wait_until("a frame", || {
        compositor.asks(&world, PAINTED).parse::<u64>().is_ok_and(|painted| painted > 0)
    });
    assert_eq!(compositor.asks(&world, "Smalltalk at: #Kept put: 5. Desk current defer: [ Desk current quit ]. 6"), "6");
    ends_well(child);
    assert_eq!(warm(&["eval", &world, "Kept"]).out, "5\n");
    assert!(warm(&["info", &world]).out.contains("closed     cleanly"));
}

#[test]
fn keys_and_pointer_arrive_and_what_was_typed_is_saved() {
    let folder = Folder::new("wayland");
    let world = folder.world("keys.world");
    let screen = Screen::start(&folder.path(""), 1280, 800);
    let compositor = Compositor::start(&folder, "--backend=x11-backend.so", Some(&screen.name));
    let child = compositor.open(&world);
    let ground = Role::Desk.colour(Theme::Light).pixel();
    screen.shows("the desk", |picture| picture.pixel(4, 4) == ground && picture.pixel(1276, 4) == ground);
    let window = wait_for("the compositor's window", || screen.windows(&["--class", "weston"]).into_iter().next());
    screen.does(&["windowfocus", "--sync", &window]);
    // A person presses where the workspace stands, and types.
    screen.click((1100, 200));
    screen.types("6 * 7");
    screen.keys("ctrl+p");
    let workspace = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";
    wait_until("the result", || {
        compositor.asks(&world, &format!("[ {workspace} buffer marks first object ] on: Error do: [ :e | e messageText ]")) == "42"
    });
    screen.keep(&artefacts().join("wayland.png"));
    screen.types("0");
    screen.keys("ctrl+q");
    ends_well(child);
    assert_eq!(warm(&["eval", &world, &format!("{workspace} text")]).out, "'6 * 70'\n");
}
