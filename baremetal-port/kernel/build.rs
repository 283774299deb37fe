//! Builds the kernel (`warmos` with its feature `kernel`) by a cargo call of its own, and compresses it.
//!
//! Invariants
//! - N1 The target folder is this script's own: a nested cargo in the outer one's would wait for it for
//!   ever.
//! - N2 What goes wrong does not break the outer build: the reason is built in instead of the kernel,
//!   and shown as a warning.
//! - N3 It is built where it is needed: in release builds, and where WARM_WITH_KERNEL=1 asks for it, as
//!   the tests that boot do. WARM_WITHOUT_KERNEL=1 leaves it out everywhere; WARM_KERNEL names a kernel
//!   that was built before.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What the kernel is made of, from the project's root.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "baremetal-port/warmos",
    "vm/src",
    "vm/Cargo.toml",
    "image/src",
    "image/Cargo.toml",
    "platform/platform",
    "platform/keeper",
    "platform/conformance",
    "browser-ui/raster",
];

/// Why a build for development has none, and how to get one.
const LEFT_OUT: &str = "a build for development leaves it out; use cargo run --release -- boot FILE, or set WARM_WITH_KERNEL=1 and build again";

fn main() {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../..");
    let out = PathBuf::from(variable("OUT_DIR"));
    for name in ["WARM_WITHOUT_KERNEL", "WARM_WITH_KERNEL", "WARM_KERNEL"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    // Where it is not built, nothing that it is made of matters.
    println!("cargo:rerun-if-changed=build.rs");
    let asked = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let given = std::env::var_os("WARM_KERNEL").filter(|path| !path.is_empty()).map(PathBuf::from);
    let built = match given {
        _ if asked("WARM_WITHOUT_KERNEL") => Err("it was left out on request (WARM_WITHOUT_KERNEL)".to_owned()),
        Some(path) => {
            println!("cargo:rerun-if-changed={}", path.display());
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display())).inspect_err(warn)
        }
        None if variable("PROFILE") == "release" || asked("WARM_WITH_KERNEL") => {
            for source in SOURCES {
                println!("cargo:rerun-if-changed={}", root.join(source).display());
            }
            build(&root, &out.join("kernel")).inspect_err(warn)
        }
        None => Err(LEFT_OUT.to_owned()),
    };
    let (kernel, reason) = match built {
        Ok(bytes) => (lz4_flex::compress_prepend_size(&bytes), String::new()),
        Err(reason) => (Vec::new(), reason),
    };
    for (name, bytes) in [("kernel.lz4", kernel.as_slice()), ("reason.txt", reason.as_bytes())] {
        if let Err(error) = std::fs::write(out.join(name), bytes) {
            eprintln!("{name}: {error}");
            std::process::exit(1);
        }
    }
}

fn warn(reason: &String) {
    println!("cargo:warning=the kernel for `warm boot` was not built: {reason}");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Builds the kernel; answers its bytes, or why there is none.
fn build(root: &Path, target: &Path) -> Result<Vec<u8>, String> {
    let mut cargo = Command::new(variable("CARGO"));
    // The outer call's flags and profile are not meant for the kernel.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let outer = ["CARGO_FEATURE_", "CARGO_CFG_", "CARGO_PROFILE_", "CARGO_BUILD_"];
        let flags = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER"];
        if outer.iter().any(|prefix| text.starts_with(prefix)) || flags.contains(&text.as_ref()) {
            cargo.env_remove(&name);
        }
    }
    // No path of this machine in what a panic says.
    let homes = [("CARGO_HOME", ".cargo"), ("HOME", "")].map(|(name, below)| (variable(name), below));
    let home = homes.into_iter().find(|(path, _)| !path.is_empty()).map(|(path, below)| Path::new(&path).join(below));
    let remaps = [Some(root.canonicalize().unwrap_or_default()), home];
    let remaps = remaps.iter().flatten().map(|path| format!("--remap-path-prefix={}=", path.display()));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", remaps.collect::<Vec<_>>().join("\u{1f}"));
    cargo.args(["build", "--quiet", "--profile", "kernel", "--package", "warmos", "--features", "kernel"]);
    cargo.arg("--manifest-path").arg(root.join("Cargo.toml"));
    cargo.arg("--target-dir").arg(target).current_dir(root);
    let output = cargo.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| line.starts_with("error")).unwrap_or("cargo failed");
        return Err(line.to_owned());
    }
    let kernel = target.join("kernel/warmos");
    std::fs::read(&kernel).map_err(|error| format!("{}: {error}", kernel.display()))
}
