//! Pictures that must come out the same to the last bit.

mod common;

use raster::roles::Theme;
use raster::{Fonts, Glyphs, Scale, Surface, Workshop, encode_png};

fn workshop() -> Workshop {
    Workshop { fonts: Fonts::new(None), glyphs: Glyphs::default() }
}

#[test]
fn draw() {
    for (name, theme, scale) in [("light1", Theme::Light, 64), ("dark2", Theme::Dark, 128), ("light15", Theme::Light, 96)] {
        let mut workshop = workshop();
        let side = |n: i32| n * scale / 64;
        let mut surface = Surface::new(side(640), side(500), Scale::new(scale as u32));
        let start = std::time::Instant::now();
        surface.present(&common::desk(theme), &mut workshop.fonts).unwrap();
        let a = start.elapsed();
        let pixels = surface.pixels(&mut workshop);
        let b = start.elapsed();
        let pixels2 = surface.pixels(&mut workshop);
        let c = start.elapsed();
        println!("{a:?} {b:?} {c:?}");
        assert_eq!(pixels, pixels2);
        std::fs::write(format!("/tmp/{name}.png"), encode_png(&pixels, side(640) as u32, side(500) as u32)).unwrap();
    }
}
