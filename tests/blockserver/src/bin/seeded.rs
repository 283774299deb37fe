//! `seeded FAULT WORDS…`: `warm WORDS…` with a seeded bug of the store, or with none (`sound`).
//!
//! Everything is the program's own: its command line, keeper, writer, file. Only the switch is added,
//! so that a test can prove that it would notice the bug in `warm` itself.

use image::Faults;
use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    if words.is_empty() {
        eprintln!("usage: seeded FAULT WORDS…");
        return ExitCode::from(2);
    }
    let name = words.remove(0).to_string_lossy().into_owned();
    if name != "sound" {
        let Some(faults) = Faults::only(&name) else {
            eprintln!("seeded: no fault {name}");
            return ExitCode::from(2);
        };
        platform_hosted::keeper::seed_faults(faults);
    }
    match platform_hosted::cli::run(words) {
        Ok(exit) => exit.code(),
        Err(failure) => {
            failure.report();
            failure.exit.code()
        }
    }
}
