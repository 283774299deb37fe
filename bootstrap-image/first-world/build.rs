//! Compiles the world's sources to an archive, and compresses it.
//!
//! An error in the sources stops the build with `file:line:column: message`.

use std::path::{Path, PathBuf};

use seed::manifest::Manifest;
use seed::problem::Severity;

fn main() {
    let folder = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let target = Path::new(&variable("OUT_DIR")).join("world.lz4");
    if let Err(message) = build(&folder.join("../world/manifest.ston"), &target) {
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
