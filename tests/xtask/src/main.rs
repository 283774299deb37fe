//! The project's chores: `cargo xtask test`, `cargo xtask bench`.
//!
//! Invariants
//! - X1 `test` installs what a fresh machine lacks, runs every test, and ends with one line
//!   `N passed, N failed`; its exit status is 0 only if none failed and none was left out.
//! - X2 A benchmark is not a test: `bench` never fails because the machine was busy.

mod bench;
mod install;
mod startup;
mod steps;
mod test;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "cargo xtask COMMAND

  test            install what tests need, run every test, count
  tidy            the checks on the sources alone
  bench [NAME…]   measure figures (see tests/bench/goals.tsv)
  startup-order   write down anew which methods an opening runs
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => test::main(),
        ["tidy"] => tidy::report(),
        ["bench", names @ ..] => bench::run(names),
        ["startup-order"] => startup::main(),
        _ => {
            print!("{HELP}");
            ExitCode::from(if words == ["--help"] { 0 } else { 64 })
        }
    }
}
