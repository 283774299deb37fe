//! What the store barrier costs: the program beside one that is built without it.
//!
//! A scavenge of the program without barrier knows no remembered cards and reads all of old space.
//! That is not the cost of the barrier: so each run tells the time of its scavenges, and the program
//! without barrier is charged those of the other run of its pair in place of its own.

use super::awfy::{self, BENCHMARKS};
use super::program::{self, Folder};
use super::{Measured, Options, Outcome};
use std::ffi::OsStr;
use std::path::Path;

/// Pairs of runs of each program.
const PAIRS: usize = 3;
/// Iterations of a benchmark in one run: long enough for snapshots to fall into it.
const ITERATIONS: usize = 3;

/// Havlak keeps much and drops it: without barrier nothing marks, so each scavenge reads all that was ever
/// kept, and a second iteration would take minutes.
fn iterations(name: &str) -> usize {
    if name == "Havlak" { 1 } else { ITERATIONS }
}

/// Microseconds of one run.
struct Times {
    whole: f64,
    scavenges: f64,
}

/// Runs an expression that answers how many microseconds it took; the last line is its value.
fn timed(program: &Path, world: &Path, expression: &str, save: bool) -> Result<Times, String> {
    let expression = format!(
        "| before time | before := Smalltalk machineStatistic: #scavengeTotalNs. \
         time := Time microsecondsToRun: [ {expression} ]. \
         time printString, ' ', ((Smalltalk machineStatistic: #scavengeTotalNs) - before // 1000) printString"
    );
    let mut words: Vec<&OsStr> = vec!["eval".as_ref(), world.as_ref(), expression.as_ref()];
    if !save {
        words.push("--no-save".as_ref());
    }
    let text = program::run(program, &words)?;
    let last = text.lines().last().unwrap_or_default().trim_matches('\'');
    let mut numbers = last.split(' ').map(str::parse::<f64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(whole)), Some(Ok(scavenges))) => Ok(Times { whole, scavenges }),
        _ => Err(format!("{last:?} is not two numbers")),
    }
}

/// The ratio of a pair of runs, in turn.
fn ratio(without: &Path, world: &Path, expression: &str) -> Result<f64, String> {
    let with = timed(&program::path(), world, expression, true)?;
    let other = timed(without, world, expression, false)?;
    Ok(with.whole / (other.whole - other.scavenges + with.scavenges))
}

fn median_of_pairs(without: &Path, world: &Path, expression: &str) -> Outcome {
    let ratios = (0..PAIRS).map(|_| ratio(without, world, expression)).collect::<Result<_, _>>()?;
    Measured::of(ratios).ok_or_else(|| "no pairs".to_owned())
}

/// Geometric mean over the benchmarks, with snapshots every two seconds and saved at the end.
pub fn overhead_awfy(options: &Options) -> Outcome {
    let sources = awfy::folder(options)?;
    let without = program::build_without_barrier()?;
    let scratch = Folder::new()?;
    let world = awfy::world(&sources, &scratch)?;
    let (mut logs, mut least, mut greatest) = (0.0, f64::MAX, 0.0f64);
    for (name, size) in BENCHMARKS {
        let found = median_of_pairs(&without, &world, &awfy::running(name, iterations(name), size))?;
        println!("  {name} {:.3}", found.value);
        logs += found.value.ln();
        (least, greatest) = (least.min(found.value), greatest.max(found.value));
    }
    let value = (logs / BENCHMARKS.len() as f64).exp();
    Ok(Measured { value, least, greatest })
}

/// A loop that only stores references, over an old Array of 1 MB.
pub fn overhead_stores() -> Outcome {
    let without = program::build_without_barrier()?;
    let scratch = Folder::new()?;
    let world = scratch.world("stores.world")?;
    program::eval(&world, "Smalltalk at: #Stored put: (Array new: 131072). 3", true)?;
    let expression = "| all | all := Smalltalk at: #Stored. \
        1 to: 300 do: [ :round | 1 to: 131072 do: [ :i | all at: i put: all ] ]";
    median_of_pairs(&without, &world, expression)
}
