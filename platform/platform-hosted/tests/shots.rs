//! Pictures of every window, light and dark, at scale 1 and 2: the command streams that the world draws,
//! painted by `raster`, without a display. They stay in `target/artefacts/windows` for people to look at.
//!
//! The world's own `DeskFramesTest` knows the windows and holds their streams to the rules of the look.

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::{Folder, bytes, command};
use screen::artefacts;
use std::path::Path;

const SHOTS: &str = "
| test |
test := DeskFramesTest selector: #testContrast.
test setUp.
test shotsIn: (Smalltalk arguments at: 1) of: test windows scale: (Smalltalk arguments at: 2) asNumber.
test tearDown.
Session current stdout print: test windows size; lf
";

/// Width and height of a PNG.
fn extent(png: &[u8]) -> (u32, u32) {
    let word = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert_eq!(png[1..4], *b"PNG");
    (word(16), word(20))
}

fn shoot(world: &str, script: &str, folder: &Path, scale: u32) {
    let (place, size) = (folder.to_string_lossy().into_owned(), scale.to_string());
    let run: common::Run = command(&["run", world, script, &place, &size, "--no-save"]).output().expect("warm runs").into();
    assert_eq!(run.status, 0, "{run:?}");
    let windows: usize = run.out.trim().parse().expect("how many windows there are");
    assert!(windows > 25, "{windows} windows");
    let ending = format!("-{scale}.png");
    let shots = std::fs::read_dir(folder).expect("the pictures").flatten().map(|entry| entry.path());
    let shots: Vec<_> = shots.filter(|path| path.to_string_lossy().ends_with(&ending)).collect();
    assert_eq!(shots.len(), 2 * windows, "each window, light and dark");
    for shot in &shots {
        assert_eq!(extent(&bytes(shot)), (1600 * scale, 1000 * scale), "{}", shot.display());
    }
}

#[test]
fn every_window_becomes_a_picture_at_both_scales() {
    let folder = Folder::new("shots");
    let world = folder.world("shots.world");
    let script = folder.text("shots.st");
    std::fs::write(&script, SHOTS).expect("a script");
    let shots = artefacts().join("windows");
    let _ = std::fs::remove_dir_all(&shots);
    std::fs::create_dir_all(&shots).expect("a folder for the pictures");
    [1, 2].into_iter().for_each(|scale| shoot(&world, &script, &shots, scale));
}
