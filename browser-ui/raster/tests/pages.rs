//! What the machine draws by itself, held to the rules of the look: the emergency and the notice.
//!
//! The rules for what the world draws are tests of the world (DeskFramesTest).

use raster::emergency::{Emergency, Past};
use raster::fields::{Face, Paint, Span};
use raster::notice::{Notice, Said};
use raster::roles::{Role, Theme};
use raster::stream::{Claimed, Command};
use raster::{Fonts, Scale, Surface};

/// Letters that the look knows: face, size, weight.
const STYLES: [(Face, u16, u16); 4] =
    [(Face::Words, 13, 400), (Face::Words, 13, 600), (Face::Words, 20, 600), (Face::Code, 13, 400)];

/// The widest blank of these letters.
const BLANK: f32 = 5.0;

fn luminance(role: Role, theme: Theme) -> f64 {
    let colour = role.colour(theme);
    let linear = |channel: u8| {
        let value = f64::from(channel) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)
}

fn contrast(one: Role, other: Role, theme: Theme) -> f64 {
    let (one, other) = (luminance(one, theme), luminance(other, theme));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn is_of_the_look(span: &Span, theme: Theme) -> bool {
    let style = STYLES.contains(&(span.face, span.size / 64, span.weight)) && span.style == 0;
    let Paint::Role(role, 255) = span.paint else { return false };
    style && contrast(role, Role::Paper, theme) >= 4.5
}

/// What breaks a rule in a page of so many logical pixels.
fn faults(bytes: &[u8], (width, height): (i32, i32), theme: Theme) -> Vec<String> {
    let stream = Claimed::new(bytes).verify().expect("a whole stream");
    let mut surface = Surface::new(width, height, Scale::default());
    surface.present(bytes, &mut Fonts::new(None)).expect("a frame that is shown");
    let (mut faults, mut clip, mut lines, mut last) = (Vec::new(), None, Vec::new(), String::new());
    for (command, _) in &stream.commands {
        match command {
            Command::Layout { text, spans, .. } => {
                last = (*text).to_owned();
                if !spans.0.iter().all(|span| is_of_the_look(span, theme)) {
                    faults.push(format!("{text:?} is set in another way than the look knows"));
                }
            }
            Command::Clip { x, y, width, height, .. } => clip = Some((x.0, y.0, width.units(), height.units())),
            Command::Pop {} => clip = None,
            Command::Text { id, x, y } => {
                let laid = surface.layout(*id).expect("a layout");
                let Some((left, top, across, down)) = clip else { panic!("{last:?} without a clip") };
                let first = laid.lines.first().expect("a line");
                // What is seen is the first line, whole, and nothing of the next.
                let right = x.0 as f32 / 64.0 + first.width;
                // A blank at its end may go beyond, unseen.
                if right > (left + across) as f32 / 64.0 + BLANK || x.0 < left || left + across > width * 64 {
                    faults.push(format!("{last:?} is cut at {right} of {width}"));
                }
                if y.0 != top || (first.height * 64.0) as i32 != down {
                    faults.push(format!("{last:?} is cut in its height"));
                }
                lines.push((y.0 / 64, last.clone()));
            }
            _ => {}
        }
    }
    // Lines below each other do not meet.
    lines.sort();
    for pair in lines.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        if apart != 0 && apart < 20 {
            faults.push(format!("{:?} lies over {:?}", pair[1].1, pair[0].1));
        }
    }
    faults
}

fn emergency() -> Emergency {
    let past = |moment| Past { moment, label: format!("2026-11-25 10:54:0{moment}, {}", "a long name ".repeat(20)) };
    Emergency {
        error: format!("Error: {}\nsecond line\nthird line\nfourth line", "very ".repeat(90)),
        stack: (0..80).map(|n| format!("SomeClassWithALongName{n}(SomeOther)>>aMessage:withMany:parts:{}\n", ":and".repeat(n))).collect(),
        moments: vec![past(1), past(2)],
        ..Emergency::default()
    }
}

fn notice() -> Notice {
    let long = "warm repl /home/somebody/a folder/".repeat(8);
    let lines = vec![
        Said::Words("Another program has it open, and shows no window:".to_owned()),
        Said::Code(long),
        Said::Words("words ".repeat(60)),
        Said::Key("Esc".to_owned(), "Close this window".to_owned()),
    ];
    Notice { title: "a world with a rather long name.world is open elsewhere, and so on".repeat(2), lines }
}

#[test]
fn the_machines_own_pages_keep_the_rules_of_the_look() {
    for theme in [Theme::Light, Theme::Dark] {
        for extent in [(1600, 1000), (1280, 800), (640, 480), (500, 300)] {
            for (name, bytes) in [("emergency", emergency().frame(extent, theme)), ("notice", notice().frame(extent, theme))] {
                let faults = faults(&bytes, extent, theme);
                assert!(faults.is_empty(), "{name} at {extent:?}, {theme:?}: {faults:#?}");
            }
        }
        assert!(notice().height() <= 400);
    }
}

#[test]
fn what_breaks_a_rule_is_found() {
    let extent = (1600, 1000);
    let whole = emergency().frame(extent, Theme::Light);
    let stream = Claimed::new(&whole).verify().expect("a whole stream");
    type Change = fn(&mut Command<'_>);
    let seeds: [(&str, Change); 5] = [
        ("another way", |command| if let Command::Layout { spans, .. } = command { spans.0[0].size = 17 * 64 }),
        ("another way", |command| if let Command::Layout { spans, .. } = command { spans.0[0].paint = Paint::role(Role::Line) }),
        ("is cut at", |command| if let Command::Clip { width, .. } = command { *width = raster::fields::Extent::whole(30) }),
        ("cut in its height", |command| if let Command::Clip { height, .. } = command { *height = raster::fields::Extent::whole(12) }),
        ("lies over", |command| if let Command::Text { id: 3, y, .. } | Command::Clip { y, .. } = command { y.0 -= 64 * 16 }),
    ];
    for (expected, seed) in seeds {
        let mut encoder = raster::stream::Encoder::new(stream.header);
        let mut clips = 0;
        for (command, _) in &stream.commands {
            let mut command = command.clone();
            clips += usize::from(matches!(command, Command::Clip { .. }));
            // Lines are moved one by one, or all would stay as far apart as they were.
            if expected != "lies over" || matches!(&command, Command::Text { id: 3, .. }) || (matches!(&command, Command::Clip { .. }) && clips == 3) {
                seed(&mut command);
            }
            encoder.push(&command);
        }
        let faults = faults(&encoder.finish(), extent, Theme::Light);
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:?}");
    }
}
