//! Running a program, showing what it prints, and counting the tests that it reports.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The project's root folder.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).map(PathBuf::from).unwrap_or(here)
}

/// What a step's tests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed, and steps that ended badly without naming one.
    pub failed: u64,
}

impl Count {
    /// Both together.
    pub fn plus(self, other: Count) -> Count {
        Count { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// The counts in one line: cargo's `test result: …` or the world's `N passed, N failed`.
pub fn counts_in(line: &str) -> Option<Count> {
    let rest = match line.split_once("test result: ") {
        Some((_, rest)) => rest.split_once(". ").map(|(_, counts)| counts.replace(';', ","))?,
        None => line.trim().to_owned(),
    };
    let number = |what: &str| {
        rest.split(',').find_map(|part| part.trim().strip_suffix(what)?.trim().parse::<u64>().ok())
    };
    Some(Count { passed: number("passed")?, failed: number("failed")? })
}

/// Runs a step, shows its output, counts its tests. A bad end counts as a failure.
pub fn run(what: &str, command: &mut Command) -> Count {
    println!("\n== {what}");
    let child = command.current_dir(root()).stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("{what}: cannot start: {error}");
            return Count { passed: 0, failed: 1 };
        }
    };
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            count = count.plus(counts_in(&line).unwrap_or_default());
        }
    }
    let ended_well = child.wait().is_ok_and(|status| status.success());
    if !ended_well && count.failed == 0 {
        println!("{what}: ended badly");
        count.failed = 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_both_kinds_of_line() {
        let cargo = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counts_in(cargo), Some(Count { passed: 12, failed: 3 }));
        assert_eq!(counts_in("7 passed, 0 failed"), Some(Count { passed: 7, failed: 0 }));
        assert_eq!(counts_in("7 passed, 2 failed, 1 skipped"), Some(Count { passed: 7, failed: 2 }));
        assert_eq!(counts_in("all passed"), None);
    }
}
