//! Compiles the world's sources to an archive, and compresses it.
//!
//! An error in the sources stops the build with `file:line:column: message`.

use std::path::{Path, PathBuf};

use seed::manifest::Manifest;
use seed::problem::Severity;

fn main() {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let built = build(&folder.join("../world/manifest.ston"), &out.join("world.lz4"));
    if let Err(message) = built.and_then(|()| edition(&folder.join("../world/System/Session.class.st"), &out.join("edition.rs"))) {
        eprintln!("{message}");
        std::process::exit(1);
    }
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

fn build(path: &Path, target: &Path) -> Result<(), String> {
    println!("cargo:rerun-if-changed={}", path.display());
    let manifest = Manifest::read(path).map_err(|report| report.to_string())?;
    for package in &manifest.packages {
        println!("cargo:rerun-if-changed={}", package.display());
    }
    for list in &manifest.startup {
        println!("cargo:rerun-if-changed={}", list.display());
    }
    let (archive, reports) = seed::world::archive(&manifest);
    let errors = reports.iter().filter(|report| report.severity == Severity::Error);
    let errors: Vec<String> = errors.map(ToString::to_string).collect();
    let archive = archive.ok_or(errors.join("\n"))?;
    let bytes = vm::archive::pack(&archive).map_err(|error| error.to_string())?;
    let packed = lz4_flex::compress_prepend_size(&bytes);
    std::fs::write(target, packed).map_err(|error| format!("{}: {error}", target.display()))
}

/// The number that `Session class >> libraryEdition` answers, as a constant.
fn edition(path: &Path, target: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let source = std::fs::read_to_string(path).map_err(told)?;
    let body = source.split("libraryEdition [").nth(1).and_then(|rest| rest.split('^').nth(1));
    let number = body.and_then(|rest| rest.split(']').next()?.trim().parse::<u32>().ok());
    let number = number.ok_or_else(|| format!("{}: libraryEdition answers no number", path.display()))?;
    std::fs::write(target, format!("/// The edition of the library in the first world.\npub const EDITION: u32 = {number};\n")).map_err(told)
}
