//! How much the file grows over eight hours, on a simulated clock (`tests/system/src/sim`).

use super::{Measured, Outcome, program};
use crate::steps::root;
use std::process::{Command, Stdio};

/// The growth in bytes over a pastime (`idle`, `typing`).
pub fn growth(pastime: &str) -> Outcome {
    let mut cargo = Command::new(program::cargo());
    cargo.args(["run", "--quiet", "--release", "--package", "system", "--bin", "growth", "--", pastime]);
    let output = cargo.current_dir(root()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{pastime}: {said}");
    let bytes = said.split(' ').next().and_then(|word| word.parse().ok());
    bytes.map(Measured::exact).ok_or_else(|| format!("it ended with {}", output.status))
}
