//! `cargo xtask test`.

use crate::steps::{Count, root, run};
use crate::{install, tidy};
use std::process::{Command, ExitCode};

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Everything, in the order in which a mistake shows soonest.
pub fn run_all() -> Count {
    let mut count = Count::default();
    for tool in install::missing_after_installing() {
        println!("missing: {tool}; install it and run again");
        count.failed += 1;
    }
    count = count.plus(tidy::count());
    // Some of them boot the kernel, which a build for development leaves out.
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--no-fail-fast"]).env("WARM_WITH_KERNEL", "1");
    count = count.plus(run("tests of every crate", &mut tests));
    count = count.plus(world_tests());
    count.plus(link_proof())
}

/// Every SUnit test and every example of the world, in a new world.
fn world_tests() -> Count {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let warm = target.join("debug/warm");
    let file = target.join("xtask-test.world");
    let _ = std::fs::remove_file(&file);
    let made = run("a new world", Command::new(&warm).arg("new").arg(&file));
    if made.failed > 0 {
        return made;
    }
    let count = run("tests of the world", Command::new(&warm).arg("test").arg(&file));
    let _ = std::fs::remove_file(&file);
    count
}

/// `vm`, `image`, `platform` and `raster` link into a static program without the standard library.
fn link_proof() -> Count {
    let folder = root().join("tests/link");
    let mut build = cargo();
    build.args(["build", "--quiet", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    // A target folder of its own: link arguments differ, and a shared one would rebuild all.
    build.arg("--target-dir").arg(root().join("target/link"));
    let built = run("static no_std program", &mut build);
    if built.failed > 0 {
        return built;
    }
    let program = root().join("target/link/debug/link");
    run("static no_std program runs", &mut Command::new(program))
}

/// Runs all and prints the closing line.
pub fn main() -> ExitCode {
    let count = run_all();
    println!("\n{} passed, {} failed", count.passed, count.failed);
    ExitCode::from(u8::from(count.failed > 0 || count.passed == 0))
}

