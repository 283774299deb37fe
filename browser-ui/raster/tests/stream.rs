//! The stream's format: its document, its bounds, hostile bytes.

use raster::fields::{
    Align, Coord, Extent, Face, Many, NodeRole, Paint, Pixels, Point, STYLES, Span, Wrap,
};
use raster::roles::{Colour, Role, Theme};
use raster::stream::{Claimed, Command, Encoder, HEADER_BYTES, Header, MAX_DEPTH, check_bytes};

const DOCUMENT: &str = include_str!("../STREAM.md");

fn rows() -> Vec<String> {
    let fields = |fields: &[(&str, &str)]| {
        let each = fields.iter().map(|(name, kind)| format!("{name} *{kind}*"));
        each.collect::<Vec<_>>().join(", ")
    };
    let mut rows: Vec<String> = Command::TABLE
        .iter()
        .map(|(code, name, parts, doc)| format!("| {code} | {name} | {} | {doc} |", fields(parts)))
        .collect();
    let colour = |(code, name, light, dark, doc): &(u8, &str, u32, u32, &str)| {
        format!("| {code} | {name} | {light:06X} | {dark:06X} | {doc} |")
    };
    rows.extend(Role::TABLE.iter().map(colour));
    for table in [Face::TABLE, Wrap::TABLE, Align::TABLE, NodeRole::TABLE] {
        rows.extend(table.iter().map(|(code, name, doc)| format!("| {code} | {name} | {doc} |")));
    }
    rows
}

#[test]
fn the_document_has_every_row_of_the_tables() {
    let missing: Vec<_> = rows().into_iter().filter(|row| !DOCUMENT.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "STREAM.md lacks:\n{}", missing.join("\n"));
}

fn span(bytes: u32) -> Span {
    Span { bytes, face: Face::Code, style: STYLES, size: 13 * 64, weight: 400, paint: Paint::role(Role::Ink) }
}

/// A stream with every command.
fn one_of_each() -> Vec<u8> {
    let (x, y) = (Coord(-64), Coord::whole(3));
    let (width, height, corner) = (Extent::whole(100), Extent::whole(20), Extent::whole(8));
    let paint = Paint::Colour(Colour { red: 1, green: 2, blue: 3, alpha: 4 });
    let points = || Many(vec![Point { x, y }, Point { x: y, y: x }]);
    let header = Header { keyframe: true, tells: true, theme: Theme::Dark, surface: 7, number: u32::MAX };
    let commands = [
        Command::Clip { x, y, width, height, corner },
        Command::Move { dx: x, dy: y },
        Command::Fill { x, y, width, height, corner, paint },
        Command::Border { x, y, width, height, corner, thickness: Extent::default(), paint },
        Command::Pop {},
        Command::Pop {},
        Command::Caret { x, y, width, height, paint },
        Command::Line { from: Point { x, y }, to: Point { x: y, y }, thickness: Extent::whole(1), paint },
        Command::Polygon { points: points(), paint: Paint::Role(Role::Accent, 128) },
        Command::Path { points: points(), closed: 1, thickness: Extent::default(), paint },
        Command::Shadow { x, y, width, height, corner, blur: corner, paint },
        Command::Layout {
            id: 1,
            width: Extent::default(),
            wrap: Wrap::Words,
            align: Align::End,
            line: height,
            text: "größe",
            spans: Many(vec![span(4), span(3)]),
        },
        Command::Text { id: 1, x, y },
        Command::DropLayout { id: 1 },
        Command::Picture { id: 2, pixels: Pixels { width: 2, height: 1, rgba: &[1, 2, 3, 4, 5, 6, 7, 8] } },
        Command::Image { id: 2, x, y, width, height },
        Command::DropPicture { id: 2 },
        Command::Node {
            id: 1,
            parent: 0,
            role: NodeRole::Button,
            states: 1,
            actions: 1,
            x,
            y,
            width,
            height,
            label: "Accept",
            value: "",
        },
    ];
    let mut encoder = Encoder::new(header);
    for command in &commands {
        encoder.push(command);
    }
    encoder.finish()
}

#[test]
fn a_stream_is_read_as_it_was_written() {
    let bytes = one_of_each();
    let stream = Claimed::new(&bytes).verify().expect("well formed");
    assert_eq!(stream.header.number, u32::MAX);
    assert_eq!((stream.header.theme, stream.header.surface), (Theme::Dark, 7));
    let mut codes: Vec<u8> = stream.commands.iter().map(|(_, bytes)| bytes[0]).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Command::TABLE.len(), "one of each");
    check_bytes(&bytes);
}

fn refused(bytes: &[u8]) -> (usize, String) {
    let damage = Claimed::new(bytes).verify().expect_err("refused");
    (damage.at, damage.what)
}

fn with(commands: &[Command<'_>]) -> Vec<u8> {
    let mut encoder = Encoder::new(Header::default());
    for command in commands {
        encoder.push(command);
    }
    encoder.finish()
}

fn layout<'a>(text: &'a str, spans: Vec<Span>) -> Command<'a> {
    Command::Layout {
        id: 1,
        width: Extent::default(),
        wrap: Wrap::None,
        align: Align::Start,
        line: Extent::whole(20),
        text,
        spans: Many(spans),
    }
}

#[test]
fn what_breaks_a_rule_is_refused_at_its_place() {
    let whole = with(&[]);
    for (at, byte) in [(0, b'w'), (4, 2), (6, 4), (7, 2)] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        assert_eq!(refused(&bytes).0, at);
    }
    let first = HEADER_BYTES;
    assert_eq!(refused(&with(&[Command::Pop {}])).0, first);
    let deep: Vec<_> = (0..=MAX_DEPTH).map(|_| Command::Move { dx: Coord(0), dy: Coord(0) }).collect();
    assert_eq!(refused(&with(&deep)), (first + 9 * MAX_DEPTH, format!("nested deeper than {MAX_DEPTH}")));
    assert_eq!(refused(&with(&deep[..1])).1, "1 Clips or Moves without a Pop");
    let cases = [
        (layout("abc", vec![span(2)]), "spans cover 2 bytes of 3"),
        (layout("abc", vec![span(4)]), "a span ends at byte 4, inside a character or behind the text's 3"),
        (layout("ä", vec![span(1), span(1)]), "a span ends at byte 1, inside a character or behind the text's 2"),
        (layout("a", vec![span(u32::MAX), span(u32::MAX)]), "a span ends at byte 4294967295, inside a character or behind the text's 1"),
        (layout("a", vec![Span { size: 63, ..span(1) }]), "letters of 63/64 pixels are not 1 to 256 pixels"),
        (layout("a", vec![Span { weight: 0, ..span(1) }]), "weight 0 is not 1 to 1000"),
        (layout("a", vec![Span { style: 16, ..span(1) }]), "style 16 is above 15"),
        (layout("a", vec![span(0), span(1)]), "a span of 0 bytes"),
    ];
    for (command, expected) in cases {
        assert_eq!(refused(&with(&[command])).1, expected);
    }
    let fill = with(&[Command::Fill {
        x: Coord(0),
        y: Coord(0),
        width: Extent::whole(1),
        height: Extent::whole(1),
        corner: Extent::default(),
        paint: Paint::role(Role::Ink),
    }]);
    let paint_at = fill.len() - 5;
    for (role, red, expected) in [(99, 0, "role 99 is unknown"), (5, 1, "role 5 with a colour beside it")] {
        let mut bytes = fill.clone();
        (bytes[paint_at], bytes[paint_at + 1]) = (role, red);
        assert_eq!(refused(&bytes), (paint_at, expected.to_owned()));
    }
    let mut negative = fill.clone();
    negative[first + 9..first + 13].copy_from_slice(&(-1i32).to_le_bytes());
    assert_eq!(refused(&negative).1, "extent -1 is below 0");
    let mut unknown = fill;
    unknown[first] = 0;
    assert_eq!(refused(&unknown), (first, "command 0 is unknown".to_owned()));
}

#[test]
fn cut_anywhere_it_is_refused_or_is_a_shorter_whole() {
    let bytes = one_of_each();
    for end in 0..bytes.len() {
        check_bytes(&bytes[..end]);
    }
}

/// A second of noise on well-formed bytes; nothing panics, and what passes is canonical.
#[test]
fn hostile_bytes_never_panic() {
    let whole = one_of_each();
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut passed = 0;
    for _ in 0..60_000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + next() % 4 {
            let at = (next() % bytes.len() as u64) as usize;
            match next() % 3 {
                0 => bytes[at] = next() as u8,
                1 => bytes[at] ^= 1 << (next() % 8),
                _ => drop(bytes.splice(at..at, [next() as u8])),
            }
        }
        passed += usize::from(Claimed::new(&bytes).verify().is_ok());
        check_bytes(&bytes);
    }
    assert!(passed > 100, "{passed} of the changed streams were well formed: the noise is too coarse");
}
