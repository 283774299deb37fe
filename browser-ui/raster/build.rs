//! Finds the letters: Inter and JetBrains Mono, in the folders of the crates that carry them.
//!
//! The crate of Inter names one constant for all its weights, so two of them cannot be asked for; its
//! files can. Cargo itself says where its folder is.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What is taken from each crate.
const FILES: [(&str, &[&str]); 2] = [
    ("ttf-inter", &["ttf/Inter-Regular.otf", "ttf/Inter-SemiBold.otf", "LICENSE.txt"]),
    ("truce-font", &["fonts/JetBrainsMono-Regular.ttf", "fonts/OFL.txt"]),
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.toml");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo gives OUT_DIR"));
    let metadata = metadata();
    for (name, files) in FILES {
        let folder = folder(&metadata, name).unwrap_or_else(|| panic!("cargo knows no crate {name}"));
        for file in files {
            let from = folder.join(file);
            let known_as = format!("{name}-{}", from.file_name().unwrap_or_default().to_string_lossy());
            std::fs::copy(&from, out.join(known_as)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        }
    }
}

/// What cargo says of this crate's dependencies.
fn metadata() -> String {
    let cargo = std::env::var_os("CARGO").expect("cargo gives CARGO");
    let manifest = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo gives it")).join("Cargo.toml");
    let words = ["metadata", "--format-version", "1", "--offline", "--manifest-path"];
    let output = Command::new(cargo).args(words).arg(manifest).output().expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}

/// The folder of a crate: of the one `manifest_path` in cargo's answer that leads to it.
fn folder(metadata: &str, name: &str) -> Option<PathBuf> {
    let key = "\"manifest_path\":\"";
    let paths = metadata.match_indices(key).filter_map(|(at, _)| metadata[at + key.len()..].split('"').next());
    let manifest = paths.map(Path::new).find(|path| {
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let version = folder.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
    });
    manifest.and_then(Path::parent).map(Path::to_owned)
}
