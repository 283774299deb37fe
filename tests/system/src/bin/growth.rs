//! How much a world's file grows over hours: `growth idle|typing [SECONDS]` (8 hours).
//!
//! Prints one line: the bytes by which it grew, and what it is made of.

use platform_hosted::memory::HostedMemory;
use platform_sim::Medium;
use std::process::ExitCode;
use system::sim::{Grown, Pastime, grow};

const HOURS_8: u64 = 8 * 3600;

fn main() -> ExitCode {
    match run() {
        Ok(Grown { bytes, commits, moments, used, keys }) => {
            println!(
                "{} bytes grown, from {} to {}; in use from {} to {}; {commits} commits, {moments} moments, {keys} keys",
                bytes.1 as i64 - bytes.0 as i64,
                bytes.0,
                bytes.1,
                used.0,
                used.1
            );
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("growth: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Grown, String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let pastime = match words.first().map(String::as_str) {
        Some("idle") => Pastime::Idle,
        Some("typing") => Pastime::Typing,
        _ => return Err("growth idle|typing [SECONDS]".to_owned()),
    };
    let seconds = words.get(1).map_or(Ok(HOURS_8), |text| text.parse()).map_err(|_| "SECONDS is no number".to_owned())?;
    let folder = std::env::temp_dir().join(format!("warm-growth-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let grown = new_world(&folder.join("new.world"))
        .and_then(|medium| grow(medium, &HostedMemory::default(), pastime, seconds));
    let _ = std::fs::remove_dir_all(&folder);
    grown
}

/// A new world's disk.
fn new_world(file: &std::path::Path) -> Result<Medium, String> {
    platform_hosted::keeper::make(file).map_err(|failure| failure.message)?;
    let bytes = std::fs::read(file).map_err(|error| error.to_string())?;
    let mut medium = Medium::new(bytes.len() as u64);
    medium.write(0, &bytes);
    Ok(medium)
}
