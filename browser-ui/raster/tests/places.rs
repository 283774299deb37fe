//! Where text stands, and where a caret in it goes.

mod common;
#[path = "../../../tests/common/time.rs"]
mod time;

use common::{CODE, INK, Letters, STRONG, extent, span};
use raster::fields::{Align, Many, Wrap};
use raster::stream::{Command, Encoder, Header};
use raster::{Fonts, Laid, Scale, Surface};
use std::sync::Arc;
use std::time::Duration;

fn laid(text: &str, letters: Letters, width: i32) -> Arc<Laid> {
    let spans = if text.is_empty() { Vec::new() } else { vec![span(text.len(), letters)] };
    let command = Command::Layout {
        id: 1,
        width: extent(width),
        wrap: Wrap::Words,
        align: Align::Start,
        line: extent(20),
        text,
        spans: Many(spans),
    };
    let mut encoder = Encoder::new(Header::default());
    encoder.push(&command);
    let mut surface = Surface::new(10, 10, Scale::default());
    let measured = surface.measure(&encoder.finish(), &mut Fonts::new(None)).expect("a layout");
    measured.into_iter().next().expect("one layout").1
}

#[test]
fn rows_of_all_faces_stand_on_one_baseline() {
    let rows = [laid("OrderedCollection", INK, 0), laid("Bed>>water", STRONG, 0), laid("3 + 4", CODE, 0), laid("日", INK, 0)];
    for row in &rows {
        assert_eq!(row.lines.len(), 1);
        assert_eq!(row.height, 20.0);
        assert_eq!(row.lines[0].baseline, rows[0].lines[0].baseline);
    }
    let baseline = rows[0].lines[0].baseline;
    assert!((14.0..15.5).contains(&baseline), "capitals stand in the middle of the row: {baseline}");
}

#[test]
fn code_has_letters_of_one_width() {
    let wide = laid("WWWWWWWWWW", CODE, 0).width;
    assert_eq!(wide, laid("iiiiiiiiii", CODE, 0).width);
    assert_eq!(wide, laid("x := 3 >>>", CODE, 0).width);
    assert!((77.0..79.0).contains(&wide), "{wide}");
}

#[test]
fn each_line_end_ends_a_line_and_belongs_to_it() {
    let text = laid("a\nb\rc\r\nd\n", INK, 0);
    let lines: Vec<_> = text.lines.iter().map(|line| (line.from, line.shown, line.to)).collect();
    assert_eq!(lines, [(0, 1, 2), (2, 3, 4), (4, 5, 7), (7, 8, 9), (9, 9, 9)]);
    assert_eq!(text.height, 100.0);
    assert_eq!(text.caret(9).1, 80.0, "the caret behind the last line end is on the empty line");
    let empty = laid("", INK, 0);
    assert_eq!((empty.lines.len(), empty.height), (1, 20.0));
    assert_eq!(empty.caret(0), (0.0, 0.0, 1.0, 20.0));
    assert_eq!(empty.hit(50.0, 50.0), (0, false));
}

#[test]
fn broken_lines_cover_the_text_without_gaps() {
    let source = "Remove and answer my first element; fail if I am empty. averyveryverylongwordindeed. ".repeat(5);
    let text = laid(&source, INK, 90);
    assert!(text.lines.len() > 20);
    let mut end = 0;
    for line in &text.lines {
        assert_eq!(line.from, end);
        assert!(line.to > line.from);
        let glyphs = text.glyphs_of(line);
        let shown = glyphs.iter().filter(|glyph| source.as_bytes()[glyph.from as usize] != b' ');
        assert!(shown.clone().all(|glyph| glyph.x + glyph.width <= 90.5), "nothing sticks out");
        assert!(glyphs.iter().all(|glyph| glyph.from >= line.from && glyph.to <= line.to));
        end = line.to;
    }
    assert_eq!(end as usize, source.len());
}

/// The bytes before which a caret may stand.
fn boundaries(text: &str) -> Vec<usize> {
    use unicode_segmentation::UnicodeSegmentation;
    text.grapheme_indices(true).map(|(at, _)| at).chain([text.len()]).collect()
}

#[test]
fn a_hit_on_a_caret_finds_its_byte() {
    for (source, letters) in [
        ("removeFirst", INK),
        ("fi ffl AV To", INK),
        ("a := b >>> c -> d", CODE),
        ("Größe e\u{301}a\u{308} ½ Ω ж", INK),
        ("\u{0}x\u{10FFFD}y\u{7}z 日本", INK),
        ("tab\there", CODE),
    ] {
        let text = laid(source, letters, 0);
        let mut last = f32::NEG_INFINITY;
        for byte in boundaries(source) {
            let (x, y, _, height) = text.caret(byte);
            assert!(x >= last, "{source:?}: the caret of {byte} is not left of the one before");
            last = x;
            assert_eq!(text.hit(x + 0.01, y + height / 2.0).0, byte, "{source:?} at {x}");
        }
        assert_eq!(text.hit(-5.0, 3.0), (0, false));
        assert_eq!(text.hit(1e6, 3.0), (source.len(), false));
    }
}

#[test]
fn a_caret_never_stands_inside_a_character() {
    let text = laid("e\u{301}ä😀", INK, 0);
    for byte in 0..=text.text.len() + 5 {
        let (x, ..) = text.caret(byte);
        assert!(x.is_finite() && x >= 0.0 && x <= text.width);
    }
    assert_eq!(text.caret(4).0, text.caret(3).0, "byte 4 is inside ä");
}

#[test]
fn a_hit_in_a_broken_line_stays_on_it() {
    let text = laid("one two three four five six seven eight nine ten", INK, 80);
    for line in &text.lines {
        for x in [-10.0, 0.0, 20.0, 60.0, 500.0] {
            let (byte, _) = text.hit(x, line.top + 3.0);
            assert_eq!(text.caret(byte).1, line.top, "byte {byte} of {:?}", (line.from, line.to));
        }
    }
}

#[test]
fn marks_cover_what_lies_between_and_the_line_ends() {
    let text = laid("first line\n\nthird", CODE, 0);
    assert_eq!(text.marks(3, 3), []);
    let inside = text.marks(2, 5);
    let width = laid("x", CODE, 0).width;
    assert_eq!(inside.len(), 1);
    let (x, y, wide, height) = inside[0];
    assert!((x - 2.0 * width).abs() < 0.01 && (wide - 3.0 * width).abs() < 0.01);
    assert_eq!((y, height), (0.0, 20.0));
    let all = text.marks(17, 0);
    assert_eq!(all.iter().map(|mark| mark.1).collect::<Vec<_>>(), [0.0, 20.0, 40.0]);
    assert!(all[0].2 > 10.0 * width && all[1].2 > 0.0, "line ends are marked");
    assert!((all[2].2 - 5.0 * width).abs() < 0.01);
    assert_eq!(text.marks(0, 10).len(), 1, "up to the line end, without it");
    assert!((text.marks(0, 10)[0].2 - 10.0 * width).abs() < 0.01);
}

#[test]
fn long_words_of_unknown_letters_take_no_time_of_their_square() {
    time::within_processor_time(Duration::from_secs(60), "the layout", lay_out_long_words);
}

fn lay_out_long_words() {
    let source = "\u{10FFFD}".repeat(1 << 16);
    let text = laid(&source, INK, 300);
    assert_eq!(text.lines.last().map(|line| line.to as usize), Some(source.len()));
    let greek = "αβγδ".repeat(1 << 15);
    assert!(laid(&greek, INK, 0).width > 1e5);
}

/// A port that has no fonts, or only what is none, and counts how often it is asked.
struct Poor(Arc<std::sync::atomic::AtomicUsize>, Option<&'static [u8]>);

impl raster::FontSource for Poor {
    fn font_with(&mut self, _: char, picture: bool) -> Option<raster::Found> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let bytes: raster::FontBytes = Arc::new(self.1?);
        Some(raster::Found { bytes, index: 0, picture })
    }
}

#[test]
fn a_port_is_asked_once_for_a_character_and_never_for_those_that_are_built_in() {
    for file in [None, Some(&b"this is no font"[..]), Some(&[0; 4096][..])] {
        let asked = Arc::default();
        let mut fonts = Fonts::new(Some(Box::new(Poor(Arc::clone(&asked), file))));
        let mut surface = Surface::new(10, 10, Scale::default());
        let mut measure = |text: &str| {
            let mut page = common::Page::keyframe(raster::roles::Theme::Light);
            page.text(0, 0, text, INK);
            let bytes = page.finish();
            surface.measure(&bytes[..bytes.len() - 13], &mut fonts).expect("a layout");
            asked.load(std::sync::atomic::Ordering::SeqCst)
        };
        assert_eq!(measure("Größe Ελληνικά русский ✓ █"), 0);
        assert_eq!(measure("日本日本"), 2);
        assert_eq!(measure("本日 \u{0} e\u{301}"), 2);
        // A picture may be asked for among the pictures, then among the letters.
        assert_eq!(measure("😀😀"), 4);
    }
}

#[test]
fn no_two_letters_of_code_are_drawn_as_one() {
    let text = "#( := >> ^ -> ~= == <=";
    let whole = laid(text, CODE, 0);
    assert_eq!(whole.glyphs.len(), text.len());
    for (glyph, letter) in whole.glyphs.iter().zip(text.chars()) {
        let alone = laid(&letter.to_string(), CODE, 0);
        assert_eq!(glyph.number, alone.glyphs[0].number, "{letter}");
    }
}
