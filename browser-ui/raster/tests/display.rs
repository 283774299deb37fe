//! The service `display` over a screen that only remembers what it was asked.

mod common;

use common::{CODE, INK, Page};
use platform::events::Event;
use platform::operations::{DisplayOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request};
use raster::fields::Paint;
use raster::roles::{Role, Theme};
use raster::stream::{Claimed, Command, Encoder, Header};
use raster::{Display, Feel, Scale, Screen, WindowWish};
use std::sync::{Arc, Mutex};

type Notes = Arc<Mutex<Vec<String>>>;

struct Remembering(Notes, Option<&'static str>);

impl Remembering {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl Screen for Remembering {
    fn availability(&self) -> Result<(), String> {
        self.1.map_or(Ok(()), |why| Err(why.to_owned()))
    }
    fn open(&mut self, handle: Handle, wish: WindowWish) -> Result<(), Refusal> {
        self.note(format!("open {} {} {}x{}", handle.slot, wish.title, wish.width, wish.height));
        Ok(())
    }
    fn close(&mut self, handle: Handle) {
        self.note(format!("close {}", handle.slot));
    }
    fn damaged(&mut self, handle: Handle) {
        self.note(format!("damaged {}", handle.slot));
    }
    fn set_title(&mut self, _: Handle, title: &str) {
        self.note(format!("title {title}"));
    }
    fn raise(&mut self, _: Handle) {
        self.note("raise".to_owned());
    }
    fn set_pointer(&mut self, _: Handle, shape: u8) {
        self.note(format!("pointer {shape}"));
    }
    fn set_input(&mut self, _: Handle, awaited: bool, place: [i32; 4]) {
        self.note(format!("input {awaited} {place:?}"));
    }
    fn clipboard(&mut self, primary: bool) -> Result<String, Refusal> {
        Ok(format!("clipboard {primary}"))
    }
    fn set_clipboard(&mut self, primary: bool, text: String) -> Result<(), Refusal> {
        self.note(format!("copy {primary} {text}"));
        Ok(())
    }
    fn feel(&self) -> Feel {
        Feel { theme: 1, blink_ms: 500, double_click_ms: 300 }
    }
    fn milliseconds(&self) -> u32 {
        42
    }
    fn nanoseconds(&self) -> u64 {
        1000
    }
    fn ring(&mut self, semaphore: u32) {
        self.note(format!("ring {semaphore}"));
    }
}

struct Bench {
    display: Display,
    notes: Notes,
}

impl Bench {
    fn new(why: Option<&'static str>) -> Bench {
        let notes = Notes::default();
        let screen = Box::new(Remembering(notes.clone(), why));
        Bench { display: Display::new(9, screen, None), notes }
    }

    fn ask(&mut self, operation: DisplayOperation, handle: Option<Handle>, bytes: &[u8]) -> Result<Reply, Refusal> {
        self.display.call(Request { operation: operation as u32, handle, bytes, semaphore: Some(5) })
    }

    fn bytes(&mut self, operation: DisplayOperation, handle: Handle, bytes: &[u8]) -> Vec<u8> {
        self.ask(operation, Some(handle), bytes).unwrap_or_else(|refusal| panic!("{operation:?}: {refusal:?}")).bytes
    }

    fn picture(&mut self, width: u32, height: u32, scale: u32) -> Handle {
        let wish = Packed::default().u32(width).u32(height).u32(scale).finish();
        self.ask(DisplayOperation::OpenPicture, None, &wish).unwrap().handle.unwrap()
    }

    fn window(&mut self) -> Handle {
        let wish = Packed::default().text("a world").u32(640).u32(480).finish();
        self.ask(DisplayOperation::OpenWindow, None, &wish).unwrap().handle.unwrap()
    }

    fn events(&mut self, handle: Handle) -> Vec<Event> {
        let bytes = self.bytes(DisplayOperation::NextEvents, handle, &[]);
        Event::unpack(&bytes).unwrap().into_iter().map(|(_, event)| event).collect()
    }

    fn notes(&self) -> Vec<String> {
        std::mem::take(&mut *self.notes.lock().unwrap())
    }
}

#[test]
fn a_picture_takes_frames_and_events_as_a_window_does() {
    let mut bench = Bench::new(Some("nobody looks"));
    let picture = bench.picture(300, 200, 128);
    assert_eq!(bench.events(picture), [Event::Resized { width: 300 * 64, height: 200 * 64, scale: 128 }]);
    assert_eq!(bench.ask(DisplayOperation::NextEvents, Some(picture), &[]), Err(Refusal::WouldBlock));
    assert_eq!(bench.ask(DisplayOperation::NextEvents, Some(picture), &[]), Err(Refusal::WouldBlock));
    let mut typed = Vec::new();
    Event::Commit { text: "ä".to_owned() }.pack(7, &mut typed);
    bench.bytes(DisplayOperation::Post, picture, &typed);
    assert_eq!(bench.notes(), ["ring 5"], "who waits twice is rung once");
    let bytes = bench.bytes(DisplayOperation::NextEvents, picture, &[]);
    assert_eq!(Event::unpack(&bytes).unwrap(), [(7, Event::Commit { text: "ä".to_owned() })]);
    let header = Header { keyframe: true, tells: true, theme: Theme::Dark, surface: 0, number: 3 };
    let mut frame = Encoder::new(header);
    frame.push(&Command::Fill {
        x: common::coord(0),
        y: common::coord(0),
        width: common::extent(10),
        height: common::extent(10),
        corner: common::extent(0),
        paint: Paint::role(Role::Accent),
    });
    let frame = frame.finish();
    bench.bytes(DisplayOperation::Present, picture, &frame);
    assert_eq!(bench.events(picture), [Event::Shown { number: 3, nanoseconds: 0 }]);
    let png = bench.bytes(DisplayOperation::Picture, picture, &[]);
    assert_eq!(png[16..24], [0, 0, 2, 88, 0, 0, 1, 144], "600 by 400 pixels");
    assert_eq!(bench.bytes(DisplayOperation::Replay, picture, &[]), frame);
    let extent = bench.bytes(DisplayOperation::Extent, picture, &[]);
    let mut fields = Fields::new(&extent);
    assert_eq!((fields.i32(), fields.i32(), fields.u32()), (Ok(300 * 64), Ok(200 * 64), Ok(128)));
}

#[test]
fn handles_go_stale_with_their_surface_and_their_session() {
    let mut bench = Bench::new(None);
    let first = bench.picture(10, 10, 64);
    bench.bytes(DisplayOperation::Close, first, &[]);
    let second = bench.picture(10, 10, 64);
    assert_eq!(second.slot, first.slot);
    let other = Handle { session: 8, ..second };
    for stale in [first, other] {
        for operation in [DisplayOperation::Present, DisplayOperation::NextEvents, DisplayOperation::Lines] {
            let bytes = Packed::default().u32(1).finish();
            assert_eq!(bench.ask(operation, Some(stale), &bytes), Err(Refusal::Stale), "{operation:?}");
        }
    }
    assert!(bench.ask(DisplayOperation::Close, Some(second), &[]).is_ok());
}

#[test]
fn text_is_measured_hit_and_marked() {
    let mut bench = Bench::new(None);
    let picture = bench.picture(300, 200, 64);
    let mut page = Page::keyframe(Theme::Light);
    page.text(0, 0, "first\nsecond line", CODE);
    let frame = page.finish();
    let layouts = &frame[..frame.len() - 13];
    let measured = bench.bytes(DisplayOperation::Measure, picture, layouts);
    let mut fields = Fields::new(&measured);
    assert_eq!((fields.u32(), fields.u32()), (Ok(1), Ok(2)), "layout 1 has two lines");
    let (width, height) = (fields.i32().unwrap(), fields.i32().unwrap());
    assert!((width - 11 * 499).abs() < 16, "eleven letters of 7.8 pixels: {width}");
    assert_eq!((height, fields.is_at_end()), (40 * 64, true));
    let place = Packed::default().u32(1).i32(width / 11 * 3).i32(25 * 64).finish();
    let hit = bench.bytes(DisplayOperation::HitTest, picture, &place);
    assert_eq!(hit, [9, 0, 0, 0, 1]);
    let caret = bench.bytes(DisplayOperation::CaretRectangle, picture, &Packed::default().u32(1).u32(9).finish());
    let mut fields = Fields::new(&caret);
    assert!((fields.i32().unwrap() - width * 3 / 11).abs() <= 1);
    assert_eq!((fields.i32(), fields.i32(), fields.i32()), (Ok(20 * 64), Ok(64), Ok(20 * 64)));
    let marks = bench.bytes(DisplayOperation::Marks, picture, &Packed::default().u32(1).u32(2).u32(9).finish());
    assert_eq!(marks.len(), 2 * 16);
    let lines = bench.bytes(DisplayOperation::Lines, picture, &Packed::default().u32(1).finish());
    assert_eq!(lines.len(), 2 * 28);
    assert_eq!((&lines[..8], &lines[28..36]), (&[0, 0, 0, 0, 6, 0, 0, 0][..], &[6, 0, 0, 0, 17, 0, 0, 0][..]));
    let unknown = bench.ask(DisplayOperation::Lines, Some(picture), &Packed::default().u32(2).finish());
    assert!(matches!(unknown, Err(Refusal::Failed { code: "notFound", .. })));
}

#[test]
fn a_window_hears_of_its_size_and_zoom_and_is_painted_when_something_changed() {
    let mut bench = Bench::new(None);
    let window = bench.window();
    assert_eq!(bench.notes(), ["open 0 a world 640x480"]);
    bench.display.fit(window, Some((1280, 960, Scale::new(128))));
    bench.display.fit(window, Some((1000, 800, Scale::new(128))));
    assert_eq!(bench.events(window), [Event::Resized { width: 500 * 64, height: 400 * 64, scale: 128 }]);
    bench.bytes(DisplayOperation::SetZoom, window, &Packed::default().u32(80).finish());
    assert_eq!(bench.events(window), [Event::Resized { width: 400 * 64, height: 320 * 64, scale: 160 }]);
    assert_eq!(bench.display.place(window, 250.0, 100.0), (100 * 64, 40 * 64));
    let mut page = Page::keyframe(Theme::Light);
    page.text(0, 0, "hello", INK);
    let frame = page.finish();
    bench.notes();
    bench.bytes(DisplayOperation::Present, window, &frame);
    assert_eq!(bench.notes(), ["damaged 0"]);
    let input = Packed::default().u8(1).i32(64).i32(640).i32(64).i32(1280).finish();
    bench.bytes(DisplayOperation::SetInput, window, &input);
    bench.bytes(DisplayOperation::SetTitle, window, &Packed::default().text("b").finish());
    bench.bytes(DisplayOperation::SetPointer, window, &[2]);
    bench.bytes(DisplayOperation::Raise, window, &[]);
    bench.bytes(DisplayOperation::Close, window, &[]);
    assert_eq!(bench.notes(), ["input true [80, 800, 80, 1600]", "title b", "pointer 2", "raise", "close 0"]);
}

#[test]
fn without_a_display_it_says_why() {
    let mut bench = Bench::new(Some("neither is set"));
    let wish = Packed::default().text("a world").u32(640).u32(480).finish();
    let refused = bench.ask(DisplayOperation::OpenWindow, None, &wish);
    assert_eq!(refused, Err(Refusal::Failed { code: "noDisplay", message: "neither is set".to_owned() }));
    let reply = bench.ask(DisplayOperation::Availability, None, &[]).unwrap();
    assert_eq!(reply.bytes, Packed::default().u8(0).text("neither is set").finish());
    let reply = bench.ask(DisplayOperation::GetClipboard, None, &[1]).unwrap();
    assert_eq!(reply.bytes, Packed::default().text("clipboard true").finish());
    bench.ask(DisplayOperation::SetClipboard, None, &Packed::default().u8(0).text("x").finish()).unwrap();
    assert_eq!(bench.notes(), ["copy false x"]);
    let feel = bench.ask(DisplayOperation::Feel, None, &[]).unwrap().bytes;
    assert_eq!(feel, Packed::default().u8(1).u32(500).u32(300).finish());
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let mut bench = Bench::new(None);
    let picture = bench.picture(10, 10, 64);
    assert_eq!(
        bench.display.call(Request { operation: 999, handle: None, bytes: &[], semaphore: None }),
        Err(Refusal::UnknownOperation)
    );
    for (code, ..) in DisplayOperation::TABLE {
        let operation = DisplayOperation::from_code(*code).unwrap();
        for handle in [None, Some(picture)] {
            // Cut off, or of the wrong kind: a refusal or an answer, never a panic.
            let _ = bench.ask(operation, handle, &[1, 2]);
            if operation == DisplayOperation::Close {
                break;
            }
        }
    }
    let garbage = bench.ask(DisplayOperation::Present, Some(picture), b"WPIXnonsense----");
    assert!(matches!(garbage, Err(Refusal::Malformed(_))));
}

#[test]
fn moves_and_sizes_give_way_and_the_queue_is_bounded() {
    let mut bench = Bench::new(None);
    let picture = bench.picture(10, 10, 64);
    bench.events(picture);
    for x in 0..100 {
        bench.display.post(picture, Event::PointerMoved { x, y: 0, buttons: 0, modifiers: 0 });
    }
    bench.display.post(picture, Event::PointerMoved { x: 7, y: 0, buttons: 1, modifiers: 0 });
    let moves = bench.events(picture);
    assert_eq!(moves.len(), 2);
    assert_eq!(moves[0], Event::PointerMoved { x: 99, y: 0, buttons: 0, modifiers: 0 });
    for n in 0..6000 {
        bench.display.post(picture, Event::Commit { text: n.to_string() });
    }
    let typed = bench.events(picture);
    assert_eq!(typed.len(), 4096);
    assert_eq!(typed.last(), Some(&Event::Commit { text: "5999".to_owned() }));
}

#[test]
fn the_operations_that_only_tell_do_not_change_the_frame() {
    let mut bench = Bench::new(None);
    let picture = bench.picture(100, 40, 64);
    assert!(bench.ask(DisplayOperation::Replay, Some(picture), &[]).is_err(), "no frame yet");
    let mut page = Page::keyframe(Theme::Light);
    page.text(0, 0, "hello", INK);
    bench.bytes(DisplayOperation::Present, picture, &page.finish());
    let before = bench.bytes(DisplayOperation::Picture, picture, &[]);
    let replay = bench.bytes(DisplayOperation::Replay, picture, &[]);
    assert!(Claimed::new(&replay).verify().is_ok());
    let statistics = bench.bytes(DisplayOperation::Statistics, picture, &[]);
    assert_eq!(statistics.len(), 88);
    assert_eq!(bench.bytes(DisplayOperation::Picture, picture, &[]), before);
}
