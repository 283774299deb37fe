//! The window on a display without a screen: what is drawn is shown, what is typed arrives, in time.
//!
//! It has a main function of its own: window systems want the program's first thread. Xvfb keeps the
//! screen in a file, where the pixels are looked at.

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::time::{PATIENCE, wait_until};
use parking_lot::{Condvar, Mutex};
use platform::events::Event;
use platform::operations::{DisplayOperation, Packed};
use platform::{Handle, Refusal, Request, Service};
use platform_hosted::services::Bell;
use platform_hosted::window::{DisplayService, Port, lead};
use raster::fields::{Align, Coord, Extent, Face, Many, Paint, Span, Wrap};
use raster::roles::{Role, Theme};
use raster::stream::{Command as Draw, Encoder, Header};
use screen::Screen;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const WIDTH: u32 = 1600;
const HEIGHT: u32 = 1000;

/// What the machine is for a test: a service, and a bell that wakes the one who waits.
struct Machine {
    service: DisplayService,
    rung: Arc<(Mutex<bool>, Condvar)>,
    window: Option<Handle>,
    number: u32,
}

impl Machine {
    fn new(port: Port) -> Machine {
        let rung: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let ring = rung.clone();
        let bell: Bell = Arc::new(move |index| {
            assert_eq!(index, 3, "the semaphore that waits");
            *ring.0.lock() = true;
            ring.1.notify_all();
        });
        Machine { service: DisplayService::new(77, bell, port), rung, window: None, number: 0 }
    }

    fn ask(&mut self, operation: DisplayOperation, bytes: &[u8]) -> Result<platform::Reply, Refusal> {
        let handle = self.window;
        self.service.call(Request { operation: operation as u32, handle, bytes, semaphore: Some(3) })
    }

    fn open(&mut self) {
        let wish = Packed::default().text("a world").u32(WIDTH).u32(HEIGHT).finish();
        self.window = self.ask(DisplayOperation::OpenWindow, &wish).expect("a window").handle;
    }

    /// Events until one is as wanted, which is the last.
    fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Vec<Event> {
        let (start, mut seen) = (Instant::now(), Vec::new());
        loop {
            assert!(start.elapsed() < PATIENCE, "it never came; seen: {seen:?}");
            match self.ask(DisplayOperation::NextEvents, &[]) {
                Ok(reply) => {
                    let events = Event::unpack(&reply.bytes).expect("events");
                    seen.extend(events.into_iter().map(|(_, event)| event));
                    if seen.iter().any(&wanted) {
                        return seen;
                    }
                }
                Err(Refusal::WouldBlock) => {
                    let mut rung = self.rung.0.lock();
                    if !*rung {
                        self.rung.1.wait_for(&mut rung, Duration::from_millis(500));
                    }
                    *rung = false;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }

    /// Shows a frame with a box of a colour and a text.
    fn show(&mut self, role: Role, text: &str) {
        self.number += 1;
        let number = self.number;
        let header = Header { keyframe: number == 1, tells: true, theme: Theme::Light, surface: 1, number };
        let mut encoder = Encoder::new(header);
        encoder.push(&Draw::Fill {
            x: Coord::whole(100),
            y: Coord::whole(100),
            width: Extent::whole(200),
            height: Extent::whole(100),
            corner: Extent::default(),
            paint: Paint::role(role),
        });
        let span = Span {
            bytes: text.len() as u32,
            face: Face::Code,
            style: 0,
            size: 13 * 64,
            weight: 400,
            paint: Paint::role(Role::Ink),
        };
        let spans = Many(if text.is_empty() { vec![] } else { vec![span] });
        let (width, line) = (Extent::whole(1400), Extent::whole(20));
        encoder.push(&Draw::Layout { id: 1, width, wrap: Wrap::Anywhere, align: Align::Start, line, text, spans });
        encoder.push(&Draw::Text { id: 1, x: Coord::whole(100), y: Coord::whole(300) });
        self.ask(DisplayOperation::Present, &encoder.finish()).expect("a frame");
    }

    fn shown(&mut self) -> Vec<Event> {
        let number = self.number;
        self.until(|event| matches!(event, Event::Shown { number: shown, .. } if *shown == number))
    }

    fn statistics(&mut self) -> Vec<u64> {
        let bytes = self.ask(DisplayOperation::Statistics, &[]).expect("figures").bytes;
        bytes.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().expect("eight"))).collect()
    }
}

/// What the thread of the machine does, one scene after another; the names of those that went well.
fn scenes(port: Port, server: &Screen, start: Instant) -> Vec<String> {
    let mut passed = Vec::new();
    let mut machine = Machine::new(port);
    machine.open();
    machine.until(|event| matches!(event, Event::Resized { .. }));
    machine.show(Role::Accent, "");
    machine.shown();
    let first = start.elapsed();
    server.wait_for_pixel((150, 150), Role::Accent.colour(Theme::Light).pixel());
    server.wait_for_pixel((800, 800), Role::Desk.colour(Theme::Light).pixel());
    passed.push(format!("a_frame_is_on_the_screen ({} ms from the loop's start)", first.as_millis()));

    machine.show(Role::Good, "");
    machine.shown();
    server.wait_for_pixel((150, 150), Role::Good.colour(Theme::Light).pixel());
    let pixels = machine.statistics()[3];
    assert!(pixels <= 200 * 100, "{pixels} pixels for a box of 20000");
    passed.push(format!("only_what_changed_is_painted ({pixels} pixels)"));

    server.does(&["mousemove", "150", "120", "click", "--repeat", "2", "--delay", "30", "1"]);
    let events = machine.until(|event| matches!(event, Event::PointerUp { .. }));
    let place = |x: i32, y: i32| (x / 64, y / 64) == (150, 120);
    let down = |event: &Event| matches!(event, Event::PointerDown { x, y, button: 1, .. } if place(*x, *y));
    assert!(events.iter().any(down), "{events:?}");
    server.does(&["click", "5"]);
    let events = machine.until(|event| matches!(event, Event::Wheel { .. }));
    assert!(events.iter().any(|event| matches!(event, Event::Wheel { dx: 0, dy: -3840, precise: 0, .. })), "{events:?}");
    passed.push("the_pointer_and_its_wheel_arrive".to_owned());

    resizing(&mut machine, server);
    passed.push("another_size_is_told_and_shown".to_owned());
    // Nobody manages windows here, so nobody gives one the keyboard.
    server.does(&["search", "--name", "a world", "windowfocus"]);
    machine.until(|event| matches!(event, Event::Focused { has: 1 }));
    let typed = typing(&mut machine, server);
    passed.push(typed);
    keys_with_modifiers(&mut machine, server);
    passed.push("modifiers_make_no_text".to_owned());
    dead_keys(&mut machine, server);
    passed.push("a_dead_key_changes_the_next_letter".to_owned());
    caret(&mut machine, server);
    passed.push("a_caret_comes_and_goes_without_any_frame".to_owned());
    clipboard(&mut machine);
    passed.push("what_was_copied_is_pasted".to_owned());
    machine.ask(DisplayOperation::Close, &[]).expect("closed");
    assert_eq!(machine.ask(DisplayOperation::NextEvents, &[]), Err(Refusal::Stale));
    passed.push("a_closed_window_is_stale".to_owned());
    passed
}

/// Types a hundred keys, each answered by a frame that shows it.
fn typing(machine: &mut Machine, server: &Screen) -> String {
    let text = "the quick brown fox jumps over the lazy dog ".repeat(3);
    std::thread::scope(|scope| {
        scope.spawn(|| server.does(&["type", "--delay", "25", &text]));
        echo(machine, &text);
    });
    machine.shown();
    let figures = machine.statistics();
    let [keys, median, worst] = figures[8..] else { panic!("{figures:?}") };
    assert!(keys > 0, "no key was timed");
    format!("typed_keys_arrive_and_are_shown (key to screen: median {} µs, p99 {} µs)", median / 1000, worst / 1000)
}

/// Answers each key by a frame that shows all so far.
fn echo(machine: &mut Machine, text: &str) {
    let mut seen = String::new();
    while seen.len() < text.len() {
        for event in machine.until(|event| matches!(event, Event::KeyDown { .. })) {
            if let Event::KeyDown { text, .. } = event {
                seen.push_str(&text);
            }
        }
        machine.show(Role::Good, &seen);
    }
    assert_eq!(seen, text);
}

fn keys_with_modifiers(machine: &mut Machine, server: &Screen) {
    let pressed = |machine: &mut Machine, key: &str, wanted: &str| {
        server.does(&["key", key]);
        let is = |event: &Event| matches!(event, Event::KeyDown { physical, .. } if physical == wanted);
        machine.until(is).into_iter().find(is)
    };
    let key = |physical: &str, logical: &str, text: &str, modifiers| Event::KeyDown {
        physical: physical.to_owned(),
        logical: logical.to_owned(),
        text: text.to_owned(),
        modifiers,
        repeated: 0,
    };
    assert_eq!(pressed(machine, "ctrl+s", "KeyS"), Some(key("KeyS", "s", "", 2)));
    assert_eq!(pressed(machine, "shift+d", "KeyD"), Some(key("KeyD", "D", "D", 1)));
    assert_eq!(pressed(machine, "Return", "Enter"), Some(key("Enter", "Enter", "", 0)));
    assert_eq!(pressed(machine, "Left", "ArrowLeft"), Some(key("ArrowLeft", "ArrowLeft", "", 0)));
}

/// Smaller and larger again: the world is told, and what it then draws is on the screen.
fn resizing(machine: &mut Machine, server: &Screen) {
    for ((width, height), role) in [((700, 500), Role::Wrong), ((1600, 1000), Role::Number)] {
        let (columns, rows) = (width.to_string(), height.to_string());
        server.does(&["search", "--name", "a world", "windowsize", &columns, &rows]);
        let is = |event: &Event| matches!(event, Event::Resized { width: w, height: h, .. } if (*w, *h) == (width * 64, height * 64));
        machine.until(is);
        machine.show(role, "");
        machine.shown();
        server.wait_for_pixel((150, 150), role.colour(Theme::Light).pixel());
        server.wait_for_pixel((width as usize - 1, height as usize - 1), Role::Desk.colour(Theme::Light).pixel());
    }
}

fn dead_keys(machine: &mut Machine, server: &Screen) {
    let awaited = Packed::default().u8(1).i32(6400).i32(6400).i32(64).i32(1280).finish();
    machine.ask(DisplayOperation::SetInput, &awaited).expect("text is awaited");
    server.does(&["key", "dead_acute", "e", "x"]);
    let typed = |event: &Event| match event {
        Event::KeyDown { text, .. } | Event::Commit { text } => text.clone(),
        _ => String::new(),
    };
    let events = machine.until(|event| typed(event) == "x");
    let text: String = events.iter().map(typed).collect();
    assert_eq!(text, "éx", "{events:?}");
}

/// A caret is seen, hidden and seen again, while the world shows nothing new.
fn caret(machine: &mut Machine, server: &Screen) {
    machine.number += 1;
    let header = Header { keyframe: false, tells: true, theme: Theme::Light, surface: 1, number: machine.number };
    let mut encoder = Encoder::new(header);
    let (x, y, width, height) = (Coord::whole(500), Coord::whole(500), Extent::whole(2), Extent::whole(20));
    encoder.push(&Draw::Caret { x, y, width, height, paint: Paint::role(Role::Accent) });
    machine.ask(DisplayOperation::Present, &encoder.finish()).expect("a frame");
    machine.shown();
    let frames = machine.statistics()[0];
    let (seen, hidden) = (Role::Accent.colour(Theme::Light).pixel(), Role::Desk.colour(Theme::Light).pixel());
    for colour in [seen, hidden, seen, hidden] {
        server.wait_for_pixel((500, 510), colour);
    }
    assert_eq!(machine.statistics()[0], frames, "the world showed nothing meanwhile");
}

fn clipboard(machine: &mut Machine) {
    let window = machine.window.take();
    let copied = Packed::default().u8(0).text("größe 日本").finish();
    machine.ask(DisplayOperation::SetClipboard, &copied).expect("copied");
    let expected = Ok(Packed::default().text("größe 日本").finish());
    wait_until("what was copied", || machine.ask(DisplayOperation::GetClipboard, &[0]).map(|reply| reply.bytes) == expected);
    machine.window = window;
}

/// Without a display, the command runs all the same, and is told why.
fn without_a_display() -> String {
    let why = lead(|port| {
        let mut machine = Machine::new(port);
        let wish = Packed::default().text("a world").u32(10).u32(10).finish();
        machine.ask(DisplayOperation::OpenWindow, &wish).expect_err("refused")
    });
    let message = "neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned();
    assert_eq!(why, Refusal::Failed { code: "noDisplay", message });
    "without_a_display_it_says_why".to_owned()
}

fn dead_display(program: &Path) -> String {
    // In a process of its own: a window system's loop can be made once.
    let output = Command::new(program).env("DISPLAY", ":4242").env("WARM_WINDOW_TEST", "dead").output();
    let output = output.expect("the test starts itself");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("no display answers (WAYLAND_DISPLAY=, DISPLAY=:4242)"), "{told}");
    assert!(!told.contains(".rs"), "{told}");
    "a_dead_display_is_told_of".to_owned()
}

fn main() {
    if std::env::var_os("WARM_WINDOW_TEST").is_some() {
        println!("{}", lead(|port| port.availability().err().map(str::to_owned)).unwrap_or_default());
        return;
    }
    // A filter that names other tests leaves nothing to do.
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if filters.iter().any(|filter| !"window".contains(filter.as_str())) {
        println!("test result: ok. 0 passed; 0 failed");
        return;
    }
    for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"] {
        remove(name);
    }
    let mut passed = vec![without_a_display()];
    passed.push(dead_display(&std::env::current_exe().expect("a program")));
    let folder = common::Folder::new("window");
    let server = Arc::new(Screen::start(&folder.path(""), WIDTH, HEIGHT));
    set("DISPLAY", &server.name);
    // Dead keys are combined as a language's table says.
    set("LC_ALL", "en_US.UTF-8");
    let start = Instant::now();
    let shown = server.clone();
    passed.extend(lead(move |port| scenes(port, &shown, start)));
    passed.iter().for_each(|name| println!("test {name} ... ok"));
    println!("\ntest result: ok. {} passed; 0 failed", passed.len());
}

#[allow(unsafe_code, reason = "room: the test's own environment")]
fn remove(name: &str) {
    // SAFETY: before any other thread is started.
    unsafe { std::env::remove_var(name) };
}

#[allow(unsafe_code, reason = "room: the test's own environment")]
fn set(name: &str, value: &str) {
    // SAFETY: no other thread runs: the command without a display ran on this one.
    unsafe { std::env::set_var(name, value) };
}
