//! Pictures that must come out the same to the last bit, on every machine and in every profile.
//!
//! `WARM_GOLDEN=write cargo test -p raster --test pictures` writes them anew: look at them then.

mod common;

use common::{CODE, INK, Page, STRONG, coord, extent};
use raster::fields::{Align, Face, Many, Paint, Pixels, Point, Wrap};
use raster::roles::{Colour, Role, Theme};
use raster::stream::Command;
use raster::{Fonts, Glyphs, Scale, Surface, Workshop, encode_png};
use std::path::Path;

fn picture(bytes: &[u8], width: i32, height: i32, scale: u32) -> Vec<u8> {
    let mut workshop = Workshop { fonts: Fonts::new(None), glyphs: Glyphs::default() };
    let scale = Scale::new(scale);
    let side = |logical: i32| scale.edge(i64::from(logical) * 64);
    let mut surface = Surface::new(side(width), side(height), scale);
    surface.present(bytes, &mut workshop.fonts).expect("a well-formed frame");
    let pixels = surface.pixels(&mut workshop);
    encode_png(&pixels, side(width) as u32, side(height) as u32)
}

fn check(name: &str, picture: &[u8]) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("WARM_GOLDEN").is_some() {
        std::fs::write(&golden, picture).expect("golden pictures can be written");
        return;
    }
    let expected = std::fs::read(&golden).unwrap_or_default();
    if expected != picture {
        let found = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&found, picture).expect("the target folder can be written");
        panic!("{name} came out differently: see {}", found.display());
    }
}

#[test]
fn a_desk_in_light_and_dark_at_three_scales() {
    for (name, theme, scale) in [
        ("desk-light.png", Theme::Light, 64),
        ("desk-dark-2.png", Theme::Dark, 128),
        ("desk-light-1.5.png", Theme::Light, 96),
    ] {
        check(name, &picture(&common::desk(theme), 640, 500, scale));
    }
}

/// Corners, borders, lines, slopes, clips in clips, opacity, images at three sizes.
fn shapes() -> Vec<u8> {
    let mut page = Page::keyframe(Theme::Light);
    for (n, corner) in [0, 2, 4, 8, 20, 99].into_iter().enumerate() {
        let left = 10 + 50 * n as i32;
        page.fill((left, 10, 40, 30), corner, Role::Selection).border((left, 10, 40, 30), corner, Role::Accent);
        page.push(&Command::Border {
            x: coord(left),
            y: coord(50),
            width: extent(40),
            height: extent(30),
            corner: extent(corner),
            thickness: extent(3),
            paint: Paint::Role(Role::Number, 128),
        });
        page.push(&Command::Shadow {
            x: coord(left),
            y: coord(100),
            width: extent(40),
            height: extent(30),
            corner: extent(corner),
            blur: extent(8),
            paint: Paint::Role(Role::Shadow, 120),
        });
    }
    let point = |x: i32, y: i32| Point { x: coord(x), y: coord(y) };
    for (n, thickness) in [0, 1, 2, 5].into_iter().enumerate() {
        let (top, paint) = (150 + 12 * n as i32, Paint::role(Role::Ink));
        let thickness = extent(thickness);
        page.push(&Command::Line { from: point(10, top), to: point(80, top), thickness, paint });
        page.push(&Command::Line { from: point(90, top), to: point(150, top + 9), thickness, paint });
        let zigzag = Many((0..6).map(|n| point(160 + 10 * n, top + 6 * (n % 2))).collect());
        page.push(&Command::Path { points: zigzag, closed: 0, thickness, paint });
    }
    let star = (0..5).map(|n| {
        let (x, y) = [(0, -20), (12, 16), (-19, -6), (19, -6), (-12, 16)][n];
        point(250 + x, 175 + y)
    });
    page.push(&Command::Polygon { points: Many(star.collect()), paint: Paint::Role(Role::Wrong, 160) });
    let clip = |x, y, side, corner| Command::Clip {
        x: coord(x),
        y: coord(y),
        width: extent(side),
        height: extent(side),
        corner: extent(corner),
    };
    page.push(&clip(10, 210, 60, 20)).push(&Command::Move { dx: coord(30), dy: coord(30) });
    page.push(&clip(0, 200, 60, 30)).fill((-50, 150, 300, 300), 0, Role::Good);
    page.text(-20, 202, "clipped twice", STRONG);
    page.push(&Command::Pop {}).push(&Command::Pop {}).push(&Command::Pop {});
    let rgba: Vec<u8> = (0..16u8).flat_map(|n| [n * 16, 255 - n * 16, 128, if n % 5 == 0 { 90 } else { 255 }]).collect();
    page.push(&Command::Picture { id: 7, pixels: Pixels { width: 4, height: 4, rgba: &rgba } });
    for (n, side) in [4, 40, 3].into_iter().enumerate() {
        page.push(&Command::Image {
            id: 7,
            x: coord(120 + 50 * n as i32),
            y: coord(220),
            width: extent(side),
            height: extent(side),
        });
    }
    let red = Colour { red: 255, green: 0, blue: 0, alpha: 100 };
    page.push(&Command::Fill {
        x: coord(150),
        y: coord(200),
        width: extent(80),
        height: extent(80),
        corner: extent(40),
        paint: Paint::Colour(red),
    });
    page.finish()
}

#[test]
fn shapes_at_two_scales() {
    check("shapes.png", &picture(&shapes(), 320, 290, 64));
    check("shapes-1.75.png", &picture(&shapes(), 320, 290, 112));
}

/// Faces, weights, styles, alignments, wrapping, what nobody has letters for.
fn letters() -> Vec<u8> {
    let mut page = Page::keyframe(Theme::Light);
    page.rich(10, 8, 0, &[("Words ", INK), ("strong ", STRONG), ("code := 3 >>> 4", CODE)]);
    page.text(10, 30, "Größe, naïve, Čeština, Ελληνικά, русский", INK);
    page.text(10, 52, "e\u{301}a\u{308} \u{0}\u{7} 😀 日本 \t| tab", INK);
    let styles = [1, 2, 4, 8, 15].map(|style| raster::fields::Span { style, ..common::span(6, CODE) });
    page.push(&Command::Layout {
        id: 90,
        width: extent(0),
        wrap: Wrap::None,
        align: Align::Start,
        line: extent(20),
        text: "slanted lined struckwaved all   ".trim_end_matches("  "),
        spans: Many(styles.to_vec()),
    });
    page.push(&Command::Text { id: 90, x: coord(10), y: coord(74) });
    let long = "A line that is longer than its column is broken between words; averyveryverylongwordthatfitsnowhere inside one.";
    for (n, (wrap, align)) in
        [(Wrap::Words, Align::Start), (Wrap::Words, Align::Middle), (Wrap::Anywhere, Align::End)].into_iter().enumerate()
    {
        let (id, left) = (100 + n as u32, 10 + 130 * n as i32);
        page.border((left, 100, 120, 160), 0, Role::Line);
        let spans = Many(vec![common::span(long.len(), (Face::Words, 12, 400, Role::Soft))]);
        let (width, line) = (extent(120), extent(18));
        page.push(&Command::Layout { id, width, wrap, align, line, text: long, spans });
        page.push(&Command::Text { id, x: coord(left), y: coord(100) });
    }
    page.finish()
}

#[test]
fn letters_at_two_scales() {
    check("letters.png", &picture(&letters(), 400, 270, 64));
    check("letters-2.png", &picture(&letters(), 400, 270, 128));
}
