//! The golden programs (`tests/golden/*.st`): each gives the same transcript, byte for byte, on the hosted
//! and on the bare machine, which is kept beside it. The simulated machine's run stands in
//! `tests/system/tests/golden.rs`.
//!
//! `WARM_GOLDEN=write` writes the transcripts anew, from the hosted machine.

mod common;

use common::Folder;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The programs, by name.
fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let entries = std::fs::read_dir(folder).expect("the golden programs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "st"));
    paths.sort();
    paths
}

/// What a command writes on both its outputs, in that order, with a last line that tells its status.
fn transcript(words: &[&str], program: &Path, file: &Path) -> String {
    let out = File::create(file).expect("a file");
    let mut command = common::command(words);
    command.stdin(File::open(program).expect("the program"));
    command.stderr(Stdio::from(out.try_clone().expect("a file"))).stdout(Stdio::from(out));
    let status = common::end_of(command.spawn().expect("warm starts")).status;
    let bytes = std::fs::read(file).expect("what it wrote");
    format!("{}status {status}\n", String::from_utf8(bytes).expect("it is text"))
}

/// Runs every program on a machine; the transcripts that are not as they are kept.
fn differing(machine: &str, run: impl Fn(&str, &Path, &Path) -> String) -> Vec<String> {
    let folder = Folder::new(&format!("golden-{machine}"));
    let new = folder.world("new.world");
    let programs = programs();
    assert!(programs.len() >= 12, "{programs:?}");
    let mut wrong = Vec::new();
    for program in programs {
        let (world, file) = (folder.text("w.world"), folder.path("out"));
        std::fs::copy(&new, &world).expect("a copy");
        let got = run(&world, &program, &file);
        let kept = program.with_extension("out");
        if machine == "hosted" && std::env::var_os("WARM_GOLDEN").is_some_and(|word| word == "write") {
            std::fs::write(&kept, &got).expect("the transcript");
        }
        let expected = std::fs::read_to_string(&kept).unwrap_or_default();
        if let Some(line) = first_difference(&got, &expected) {
            wrong.push(format!("{} on the {machine} machine: {line}", kept.display()));
        }
    }
    wrong
}

/// The first line in which two transcripts differ.
fn first_difference(got: &str, expected: &str) -> Option<String> {
    let ends = |text: &str| text.lines().count();
    let pair = got.lines().zip(expected.lines()).enumerate().find(|(_, (one, other))| one != other);
    match pair {
        Some((nth, (one, other))) => Some(format!("line {} is {one:?}, not {other:?}", nth + 1)),
        None if got != expected => Some(format!("{} lines, not {}", ends(got), ends(expected))),
        None => None,
    }
}

#[test]
fn the_golden_programs_give_their_transcripts_hosted() {
    let wrong = differing("hosted", |world, program, file| transcript(&["repl", world], program, file));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_golden_programs_give_their_transcripts_on_the_bare_machine() {
    let wrong = differing("bare", |world, program, file| transcript(&["boot", world, "--serial"], program, file));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_transcript_that_differs_is_named_by_its_line() {
    assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
    assert_eq!(first_difference("a\nc\n", "a\nb\n").as_deref(), Some("line 2 is \"c\", not \"b\""));
    assert_eq!(first_difference("a\n", "a\nb\n").as_deref(), Some("1 lines, not 2"));
    assert!(first_difference("a", "a\n").is_some());
}
