//! The desk in a real window, on a display without a screen: what a person does with keys and pointer.
//!
//! Each test has a display of its own (Xvfb) and drives the program from outside (xdotool); what came
//! of it is asked of the world afterwards, which is a witness that shares nothing with the pixels.

mod common;

use common::{Folder, command, warm};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(40);

fn wait_for<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = attempt() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A display; it goes with the test.
struct Screen {
    server: Child,
    name: String,
}

impl Screen {
    fn start(folder: &Path) -> Screen {
        let number = folder.join("display");
        let shell = format!(
            "exec Xvfb -displayfd 3 -screen 0 1280x800x24 -nolisten tcp -noreset 3>'{}'",
            number.display()
        );
        let server = Command::new("sh").args(["-c", &shell]).stderr(Stdio::null()).spawn().expect("sh starts");
        let name = wait_for("a display (is Xvfb installed?)", || {
            let text = std::fs::read_to_string(&number).ok()?;
            text.ends_with('\n').then(|| format!(":{}", text.trim()))
        });
        Screen { server, name }
    }

    /// What xdotool says, if it succeeds.
    fn tool(&self, words: &[&str]) -> Option<String> {
        let run = Command::new("xdotool").args(words).env("DISPLAY", &self.name).output();
        let output = run.expect("xdotool is installed");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn does(&self, words: &[&str]) {
        assert!(self.tool(words).is_some(), "xdotool {words:?}");
    }

    fn types(&self, text: &str) {
        self.does(&["type", "--delay", "15", text]);
    }

    fn keys(&self, chord: &str) {
        self.does(&["key", chord]);
    }

    /// Opens a world and waits until its window takes keys.
    fn open(&self, world: &str) -> Child {
        let child = command(&["open", world]).env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY").spawn();
        let title = Path::new(world).file_name().expect("a name").to_string_lossy().into_owned();
        let window = wait_for("the window", || {
            let found = self.tool(&["search", "--onlyvisible", "--name", &title])?;
            found.lines().next().map(str::to_owned)
        });
        // Its first frame is there soon after it.
        std::thread::sleep(Duration::from_millis(700));
        self.does(&["windowfocus", "--sync", &window]);
        child.expect("warm starts")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn ends_well(mut child: Child) {
    let status = wait_for("the end of the program", || child.try_wait().expect("a child"));
    assert!(status.success(), "{status}");
}

/// Asks the world for something until the answer is right: what was typed takes its time to arrive.
fn asks(world: &str, question: &str) -> String {
    let run = warm(&["eval", world, question]);
    assert_eq!(run.status, 0, "{}", run.err);
    run.out.trim().trim_matches('\'').to_owned()
}

const WORKSPACE: &str = "(Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView";

#[test]
fn a_workspace_prints_and_the_window_saves_when_it_closes() {
    let folder = Folder::new("desk-print");
    let world = folder.world("print.world");
    let screen = Screen::start(&folder.path(""));
    let child = screen.open(&world);
    screen.types("6 * 7");
    screen.keys("ctrl+p");
    std::thread::sleep(Duration::from_millis(800));
    screen.keys("ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, &format!("{WORKSPACE} text")), "6 * 7");
    assert_eq!(asks(&world, &format!("{WORKSPACE} buffer marks first object")), "42");
}

#[test]
fn every_key_is_there_after_a_kill_and_the_window_opens_as_it_was() {
    let folder = Folder::new("desk-killed");
    let world = folder.world("killed.world");
    let screen = Screen::start(&folder.path(""));
    let mut child = screen.open(&world);
    screen.types("OrderedCollection new removeFirst");
    screen.keys("ctrl+p");
    std::thread::sleep(Duration::from_millis(3500));
    // The debugger has the focus: its field at the foot takes an expression, the workspace the rest.
    screen.keys("ctrl+Tab");
    screen.keys("ctrl+End");
    screen.types(" \"and the last words\"");
    std::thread::sleep(Duration::from_millis(300));
    child.kill().expect("a child to kill");
    child.wait().expect("a child to wait for");
    let child = screen.open(&world);
    screen.keys("ctrl+q");
    ends_well(child);
    let text = asks(&world, &format!("{WORKSPACE} text"));
    assert_eq!(text, "OrderedCollection new removeFirst \"and the last words\"");
    // The process stands where it stood, and its debugger is on the desk.
    let question = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    assert_eq!(asks(&world, question), "true");
}

#[test]
fn other_commands_are_guests_of_a_window_and_a_debugger_outlives_its_closing() {
    let folder = Folder::new("desk-guests");
    let world = folder.world("guests.world");
    let screen = Screen::start(&folder.path(""));
    let child = screen.open(&world);
    screen.types("OrderedCollection new removeFirst");
    screen.keys("ctrl+p");
    let stopped = "(Desk current toolOf: DebuggerView suchThat: [ :each | each model isStopped ]) notNil";
    wait_for("a debugger", || (asks(&world, stopped) == "true").then_some(()));
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
    assert_eq!(screen.tool(&["search", "--onlyvisible", "--name", "guests.world"]).map(|found| found.lines().count()), Some(1));
    screen.keys("ctrl+q");
    ends_well(child);
    assert_eq!(asks(&world, "Smalltalk at: #Said"), "true");
    assert!(warm(&["history", &world]).out.contains("while it is open"));
    // The process that met the error worked for the window's session, and still stands where it stood.
    assert_eq!(asks(&world, stopped), "true");
    let child = screen.open(&world);
    screen.keys("ctrl+q");
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
    let screen = Screen::start(&folder.path(""));
    let child = screen.open(&world);
    std::thread::sleep(Duration::from_millis(1500));
    screen.types("Smalltalk at: #Kept put: 2");
    screen.keys("ctrl+d");
    std::thread::sleep(Duration::from_millis(800));
    screen.keys("ctrl+shift+q");
    ends_well(child);
    assert_eq!(asks(&world, "Smalltalk at: #Kept"), "1");
    assert!(warm(&["history", &world]).out.contains("closed without saving"));
}
