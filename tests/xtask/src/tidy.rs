//! Checks on the sources alone: headers, sizes, names in the documents, arrows between crates.
//!
//! Each check answers the places that break its rule; an empty answer passes.

use crate::steps::{Count, root};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A Rust file longer than this has two duties.
const LINES_AT_MOST: usize = 800;
/// A class stands in one file, however much its instances can do; beyond this it does too much.
const CLASS_LINES_AT_MOST: usize = 1500;

type Check = (&'static str, fn(&Sources) -> Vec<String>);

const CHECKS: &[Check] = &[
    ("every Rust file introduces itself", headers),
    ("no Rust file has more than 800 lines, no class more than 1,500", sizes),
    ("every file that ARCHITECTURE names exists", named_files),
    ("crate arrows are those of ARCHITECTURE", arrows),
    ("unsafe code stands in named rooms only", rooms),
    ("every Smalltalk class introduces itself", class_comments),
];

/// The files that git tracks, or would.
struct Sources {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Sources {
    fn gather() -> Sources {
        let root = root();
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&root)
            .output();
        let text = listed.map(|output| output.stdout).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let files = text.lines().map(PathBuf::from).filter(|file| root.join(file).exists());
        Sources { files: files.collect(), root }
    }

    fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = &'a Path> {
        let files = self.files.iter().map(PathBuf::as_path);
        files.filter(move |file| file.extension().is_some_and(|found| found == extension))
    }

    fn text(&self, file: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.root.join(file)).unwrap_or_default()
    }
}

fn headers(sources: &Sources) -> Vec<String> {
    let bare = sources.with_extension("rs").filter(|file| !sources.text(file).starts_with("//!"));
    bare.map(|file| file.display().to_string()).collect()
}

fn sizes(sources: &Sources) -> Vec<String> {
    let mut long = Vec::new();
    for (extension, bound) in [("rs", LINES_AT_MOST), ("st", CLASS_LINES_AT_MOST)] {
        for file in sources.with_extension(extension) {
            let lines = sources.text(file).lines().count();
            if lines > bound {
                long.push(format!("{}: {lines} lines", file.display()));
            }
        }
    }
    long
}

/// Names between backquotes that look like a path must exist.
fn named_files(sources: &Sources) -> Vec<String> {
    let text = sources.text("ARCHITECTURE.md");
    let prose = text.split("```").step_by(2).collect::<String>();
    let names = prose.split('`').skip(1).step_by(2);
    let paths = names.filter(|name| {
        let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
        plain && name.contains('/') && !name.starts_with('/') && !name.contains("..")
    });
    let missing = paths.filter(|path| !sources.root.join(path).exists());
    missing.map(str::to_owned).collect()
}

/// Lines `a → b, c` of the arrow diagram, against `cargo metadata` (normal dependencies).
fn arrows(sources: &Sources) -> Vec<String> {
    let text = sources.text("ARCHITECTURE.md");
    let mut drawn = BTreeSet::new();
    for line in text.lines() {
        // Wide gaps part several arrows on a line.
        for part in line.split("  ") {
            let Some((from, to)) = part.split_once(" → ") else { continue };
            let is_crate = |name: &str| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-')
            };
            if is_crate(from.trim()) && to.split(", ").all(|name| is_crate(name.trim())) {
                drawn.extend(to.split(", ").map(|to| (from.trim().to_owned(), to.trim().to_owned())));
            }
        }
    }
    let real = real_arrows(sources);
    let extra = real.difference(&drawn).map(|(a, b)| format!("{a} depends on {b}, not drawn"));
    let gone = drawn.difference(&real).map(|(a, b)| format!("{a} → {b} is drawn, but not so"));
    extra.chain(gone).collect()
}

/// Arrows between the project's own crates, from their manifests.
fn real_arrows(sources: &Sources) -> BTreeSet<(String, String)> {
    let manifests: Vec<(String, String)> = sources
        .with_extension("toml")
        .filter(|file| file.ends_with("Cargo.toml"))
        .map(|file| sources.text(file))
        .filter_map(|text| {
            let name = text.lines().find_map(|line| line.strip_prefix("name = \""))?;
            Some((name.trim_end_matches('"').to_owned(), text))
        })
        .collect();
    let ours: BTreeSet<&str> = manifests.iter().map(|(name, _)| name.as_str()).collect();
    let mut arrows = BTreeSet::new();
    for (name, text) in &manifests {
        let mut normal = false;
        for line in text.lines() {
            if line.starts_with('[') {
                normal = line == "[dependencies]";
            } else if normal {
                let word = line.split(['.', '=', ' ']).next().unwrap_or_default();
                if ours.contains(word) {
                    arrows.insert((name.clone(), word.to_owned()));
                }
            }
        }
    }
    arrows
}

fn rooms(sources: &Sources) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in sources.with_extension("rs") {
        let text = sources.text(file);
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let allows = code.clone().filter(|line| line.contains("allow(unsafe_code"));
        let nameless = allows.filter(|line| !line.contains("reason = \"room:")).count();
        if nameless > 0 && !file.ends_with("tidy.rs") {
            wrong.push(format!("{}: allows unsafe code without naming its room", file.display()));
        }
    }
    wrong
}

fn class_comments(sources: &Sources) -> Vec<String> {
    let classes = sources.with_extension("st").filter(|file| {
        file.to_string_lossy().ends_with(".class.st")
    });
    let bare = classes.filter(|file| !sources.text(file).trim_start().starts_with('"'));
    bare.map(|file| file.display().to_string()).collect()
}

/// Runs every check.
pub fn count() -> Count {
    println!("\n== tidy");
    let sources = Sources::gather();
    let mut count = Count::default();
    for (name, check) in CHECKS {
        let wrong = check(&sources);
        println!("{name}: {}", if wrong.is_empty() { "ok" } else { "FAILED" });
        wrong.iter().for_each(|place| println!("  {place}"));
        let passed = u64::from(wrong.is_empty());
        count = count.plus(Count { passed, failed: 1 - passed });
    }
    count
}

/// `cargo xtask tidy`.
pub fn report() -> ExitCode {
    ExitCode::from(u8::from(count().failed > 0))
}
