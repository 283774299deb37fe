//! Surfaces: refused frames, damage, replays, hostile bytes.

mod common;
#[path = "../../../tests/common/time.rs"]
mod time;

use common::{CODE, INK, Page, coord, extent};
use raster::fields::{Many, Paint, Pixels, Point};
use raster::roles::{Colour, Role, Theme};
use raster::stream::{Command, Encoder, Header};
use raster::{Fonts, Glyphs, Scale, Surface, Target, Workshop};
use std::time::{Duration, Instant};

const WIDTH: i32 = 300;
const HEIGHT: i32 = 200;

fn workshop() -> Workshop {
    Workshop { fonts: Fonts::new(None), glyphs: Glyphs::default() }
}

/// Numbers without end from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> i32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound) as i32
    }
}

/// One shape of a random picture, as bytes; the layouts and images 1 to 4 are defined.
fn shape(dice: &mut Dice) -> Vec<u8> {
    let (x, y) = (coord(dice.below(300) - 20), coord(dice.below(200) - 20));
    let (width, height) = (extent(dice.below(120)), extent(dice.below(80)));
    let corner = extent(dice.below(12));
    let alpha = if dice.below(3) == 0 { 255 } else { 90 };
    let paint = Paint::Colour(Colour { red: dice.below(256) as u8, green: 99, blue: dice.below(256) as u8, alpha });
    let thickness = extent(dice.below(4));
    let point = |dice: &mut Dice| Point { x: coord(dice.below(300)), y: coord(dice.below(200)) };
    let id = 1 + dice.below(4) as u32;
    let command = match dice.below(9) {
        0 => Command::Border { x, y, width, height, corner, thickness, paint },
        1 => Command::Shadow { x, y, width, height, corner, blur: corner, paint },
        2 => Command::Line { from: point(dice), to: point(dice), thickness, paint },
        3 => Command::Polygon { points: Many((0..4).map(|_| point(dice)).collect()), paint },
        4 => Command::Path { points: Many((0..4).map(|_| point(dice)).collect()), closed: 1, thickness, paint },
        5 | 6 => Command::Text { id, x, y },
        7 => Command::Image { id, x, y, width, height },
        _ => Command::Fill { x, y, width, height, corner, paint },
    };
    let mut bytes = Vec::new();
    if dice.below(4) == 0 {
        let clip = Command::Clip { x: coord(dice.below(150)), y: coord(dice.below(100)), width: extent(140), height: extent(90), corner };
        clip.write(&mut bytes);
        command.write(&mut bytes);
        Command::Pop {}.write(&mut bytes);
    } else {
        command.write(&mut bytes);
    }
    bytes
}

fn definitions() -> Vec<u8> {
    let mut page = Page::keyframe(Theme::Light);
    for (text, letters) in [("Collections", INK), ("x := 3", CODE), ("wide and\ntwo lines", INK), ("q", CODE)] {
        page.text(0, 0, text, letters);
    }
    for id in 1..5u8 {
        let rgba: Vec<u8> = (0..9 * 4).map(|n: u8| n.wrapping_mul(40 + id)).collect();
        page.push(&Command::Picture { id: id.into(), pixels: Pixels { width: 3, height: 3, rgba: &rgba } });
    }
    page.finish()
}

fn frame(shapes: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Encoder::new(Header::default()).finish();
    shapes.iter().for_each(|shape| bytes.extend_from_slice(shape));
    bytes
}

#[test]
fn pieces_painted_as_the_damage_says_make_the_whole_picture() {
    for (seed, scale) in [(1u64, 64u32), (2, 96), (3, 128), (4, 80)] {
        let (mut workshop, mut dice) = (workshop(), Dice(seed * 0x9E37_79B9));
        let scale = Scale::new(scale);
        let mut surface = Surface::new(WIDTH, HEIGHT, scale);
        surface.present(&definitions(), &mut workshop.fonts).unwrap();
        // Buffers that take turns, as window systems have them: with 1, 2 or 3 of them.
        let buffers = 1 + (seed % 3) as usize;
        let pixels = (WIDTH * HEIGHT) as usize;
        let mut held = vec![(vec![0xABCDEF; pixels], 0u8); buffers];
        let mut shapes: Vec<Vec<u8>> = (0..25).map(|_| shape(&mut dice)).collect();
        let mut partly = 0;
        for step in 0..150 {
            for _ in 0..dice.below(4) {
                let at = dice.below(shapes.len() as u64) as usize;
                match dice.below(4) {
                    0 => shapes.insert(at, shape(&mut dice)),
                    1 if shapes.len() > 10 => drop(shapes.remove(at)),
                    2 => shapes.swap(at, 0),
                    _ => shapes[at] = shape(&mut dice),
                }
            }
            surface.present(&frame(&shapes), &mut workshop.fonts).unwrap();
            let turn = step % buffers;
            held.iter_mut().for_each(|(_, age)| *age += u8::from(*age > 0));
            let (buffer, age) = &mut held[turn];
            let given = if *age > 0 { *age - 1 } else { 0 };
            let mut target =
                Target { pixels: buffer, stride: WIDTH as usize, width: WIDTH, height: HEIGHT };
            let painted = surface.paint(&mut target, given, &mut workshop);
            partly += usize::from(painted.iter().map(|(_, _, w, h)| w * h).sum::<u32>() < pixels as u32);
            *age = 1;
            if surface.pixels(&mut workshop) != *buffer {
                let wrong = surface.pixels(&mut workshop).iter().zip(&*buffer).position(|(a, b)| a != b);
                panic!("seed {seed} step {step} age {given}: pixel {wrong:?} differs");
            }
        }
        assert!(partly > 100, "only {partly} paintings were partial: the damage is too coarse");
    }
}

#[test]
fn a_smaller_size_paints_within_itself() {
    let mut workshop = workshop();
    let mut surface = Surface::new(WIDTH, HEIGHT, Scale::default());
    let mut page = Page::keyframe(Theme::Light);
    page.fill((0, 0, WIDTH, HEIGHT), 0, Role::Paper);
    surface.present(&page.finish(), &mut workshop.fonts).unwrap();
    let (width, height) = (120, 90);
    surface.resize(width, height, Scale::default());
    let mut pixels = vec![0; (width * height) as usize];
    for (number, role) in [(1, Role::Accent), (2, Role::Good)] {
        let mut target = Target { pixels: &mut pixels, stride: width as usize, width, height };
        surface.paint(&mut target, number - 1, &mut workshop);
        let mut page = Page::next_frame(Theme::Light, 1);
        page.fill((0, 0, width, height), 0, role);
        surface.present(&page.finish(), &mut workshop.fonts).unwrap();
        let mut target = Target { pixels: &mut pixels, stride: width as usize, width, height };
        let painted = surface.paint(&mut target, 1, &mut workshop);
        assert_eq!(painted, [(0, 0, width as u32, height as u32)]);
        assert_eq!(pixels, surface.pixels(&mut workshop));
    }
}

#[test]
fn a_caret_that_comes_and_goes_paints_its_few_pixels() {
    let mut workshop = workshop();
    let mut surface = Surface::new(640, 500, Scale::default());
    let mut pixels = vec![0; 640 * 500];
    let mut painted = |surface: &mut Surface, age| {
        let mut target = Target { pixels: &mut pixels, stride: 640, width: 640, height: 500 };
        let rects = surface.paint(&mut target, age, &mut workshop);
        rects.iter().map(|(_, _, width, height)| width * height).sum::<u32>()
    };
    let mut fonts = Fonts::new(None);
    let desk = common::desk(Theme::Light);
    surface.present(&desk, &mut fonts).unwrap();
    assert_eq!(painted(&mut surface, 0), 640 * 500);
    let with_caret_at = |x: i32| {
        let mut frame = desk.clone();
        let (x, y, width, height) = (coord(x), coord(250), extent(2), extent(20));
        Command::Caret { x, y, width, height, paint: Paint::role(Role::Ink) }.write(&mut frame);
        frame
    };
    surface.present(&with_caret_at(60), &mut fonts).unwrap();
    assert_eq!(painted(&mut surface, 1), 40);
    surface.present(&with_caret_at(60), &mut fonts).unwrap();
    assert!(!surface.is_undrawn(), "the same frame again is no damage");
    // Without any frame it goes and comes.
    let seen = |surface: &Surface| surface.pixels(&mut self::workshop())[640 * 260 + 60];
    let with = seen(&surface);
    surface.show_carets(false);
    assert_eq!(painted(&mut surface, 1), 40);
    assert_ne!(seen(&surface), with);
    surface.show_carets(false);
    assert!(!surface.is_undrawn(), "it is hidden already");
    surface.present(&with_caret_at(60), &mut fonts).unwrap();
    assert_ne!(seen(&surface), with, "one that did not move stays hidden");
    surface.show_carets(true);
    assert_eq!((painted(&mut surface, 1), seen(&surface)), (40, with));
    // One that moves is seen where it goes.
    surface.show_carets(false);
    assert_eq!(painted(&mut surface, 1), 40);
    surface.present(&with_caret_at(62), &mut fonts).unwrap();
    assert!(painted(&mut surface, 1) >= 40);
    assert_eq!(surface.pixels(&mut self::workshop())[640 * 260 + 62], with);
    surface.present(&desk, &mut fonts).unwrap();
    assert_eq!(painted(&mut surface, 1), 40);
}

#[test]
fn a_refused_frame_changes_nothing() {
    let mut workshop = workshop();
    let mut surface = Surface::new(WIDTH, HEIGHT, Scale::default());
    let early = frame(&[]);
    assert_eq!(
        surface.present(&early, &mut workshop.fonts).unwrap_err(),
        "the first frame of a surface must be a keyframe"
    );
    surface.present(&definitions(), &mut workshop.fonts).unwrap();
    let before = surface.pixels(&mut workshop);
    let replay = surface.replay();
    let text = |id| Command::Text { id, x: coord(0), y: coord(0) };
    let drawn = |commands: &[Command<'_>], header: Header| {
        let mut encoder = Encoder::new(header);
        for command in commands {
            encoder.push(command);
        }
        encoder.finish()
    };
    let usual = Header::default();
    for (bytes, expected) in [
        (drawn(&[text(99)], usual), "layout 99 is painted but not defined since the keyframe"),
        (drawn(&[Command::DropLayout { id: 1 }, text(1)], usual), "layout 1 is painted but not defined since the keyframe"),
        (drawn(&[text(1)], Header { keyframe: true, ..usual }), "layout 1 is painted but not defined since the keyframe"),
        (drawn(&[Command::Pop {}], usual), "byte 16: a Pop without a Clip or Move"),
    ] {
        assert_eq!(surface.present(&bytes, &mut workshop.fonts).unwrap_err(), expected);
        assert_eq!(surface.pixels(&mut workshop), before);
        assert_eq!(surface.replay(), replay);
    }
    surface.present(&drawn(&[text(1), Command::DropLayout { id: 1 }], usual), &mut workshop.fonts).unwrap();
    assert!(surface.layout(1).is_none());
}

#[test]
fn what_was_measured_must_be_defined_before_it_is_painted() {
    let mut workshop = workshop();
    let mut surface = Surface::new(WIDTH, HEIGHT, Scale::default());
    let mut page = Page::keyframe(Theme::Light);
    page.text(0, 0, "hello", INK);
    let whole = page.finish();
    // The same definition alone: what Measure takes.
    let layout_bytes = whole.len() - 13;
    let measured = surface.measure(&whole[..layout_bytes], &mut workshop.fonts).unwrap();
    assert_eq!(measured.len(), 1);
    let text = Command::Text { id: 1, x: coord(0), y: coord(0) };
    let mut undefined = Encoder::new(Header { keyframe: true, ..Header::default() });
    undefined.push(&text);
    assert!(surface.present(&undefined.finish(), &mut workshop.fonts).is_err());
    surface.present(&whole, &mut workshop.fonts).unwrap();
    let kept = surface.layout(1).unwrap();
    assert!(std::sync::Arc::ptr_eq(&kept, &measured[0].1), "defined again as it is, it is not laid out again");
    assert!(surface.measure(&whole, &mut workshop.fonts).is_err(), "Measure takes layouts only");
}

#[test]
fn a_replay_shows_the_same_on_another_surface() {
    let mut workshop = workshop();
    let mut dice = Dice(77);
    let mut surface = Surface::new(WIDTH, HEIGHT, Scale::default());
    surface.present(&definitions(), &mut workshop.fonts).unwrap();
    let shapes: Vec<_> = (0..30).map(|_| shape(&mut dice)).collect();
    surface.present(&frame(&shapes), &mut workshop.fonts).unwrap();
    let mut other = Surface::new(WIDTH, HEIGHT, Scale::default());
    other.present(&surface.replay().unwrap(), &mut workshop.fonts).unwrap();
    assert_eq!(other.pixels(&mut workshop), surface.pixels(&mut workshop));
}

#[test]
fn sizes_of_nothing_and_of_too_much_are_borne() {
    let mut workshop = workshop();
    for (width, height) in [(0, 0), (1, 0), (0, 7), (1, 1), (-5, 3)] {
        let mut surface = Surface::new(width, height, Scale::new(1 << 30));
        surface.present(&common::desk(Theme::Dark), &mut workshop.fonts).unwrap();
        let (width, height) = surface.extent();
        assert_eq!(surface.pixels(&mut workshop).len(), (width * height) as usize);
    }
    let mut layers = Page::keyframe(Theme::Light);
    for _ in 0..5000 {
        layers.fill((0, 0, 4000, 4000), 9, Role::Accent);
    }
    let mut surface = Surface::new(50, 50, Scale::default());
    surface.present(&layers.finish(), &mut workshop.fonts).unwrap();
    // Layers beyond the bound are left out.
    time::within_processor_time(Duration::from_secs(20), "a frame", || surface.pixels(&mut workshop));
}

/// The body of the fuzz target: whatever the bytes, no panic, and the pieces make the whole.
fn check(bytes: &[u8], workshop: &mut Workshop) -> bool {
    let mut surface = Surface::new(64, 48, Scale::new(80));
    let taken = surface.present(bytes, &mut workshop.fonts).is_ok();
    let pixels = surface.pixels(workshop);
    if let Some(replay) = surface.replay() {
        surface.present(&replay, &mut workshop.fonts).expect("a replay is well formed");
        assert_eq!(surface.pixels(workshop), pixels);
    }
    taken
}

#[test]
fn hostile_bytes_never_panic_and_never_hang() {
    let mut workshop = workshop();
    let mut dice = Dice(0xDEAD_BEEF);
    let mut whole = definitions();
    (0..20).for_each(|_| whole.extend_from_slice(&shape(&mut dice)));
    let (start, mut taken, mut tries) = (Instant::now(), 0, 0);
    while start.elapsed().as_millis() < 1500 || tries < 200 {
        let mut bytes = whole.clone();
        for _ in 0..1 + dice.below(5) {
            let at = 16 + dice.below(bytes.len() as u64 - 16) as usize;
            match dice.below(3) {
                0 => bytes[at] = dice.below(256) as u8,
                1 => bytes[at] = 0x7F,
                _ => bytes[at] ^= 1 << dice.below(8),
            }
        }
        taken += usize::from(check(&bytes, &mut workshop));
        tries += 1;
    }
    assert!(taken * 5 > tries, "{taken} of {tries} were taken: the noise never reaches the painter");
}
