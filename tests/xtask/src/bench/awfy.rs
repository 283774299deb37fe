//! The fourteen benchmarks of smarr/are-we-fast-yet, from a checkout that is given by `--awfy`.

use super::program::{self, Folder};
use super::{Measured, Options, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An expression that runs a benchmark in a world that has them loaded.
pub fn running(name: &str, iterations: usize, size: &str) -> String {
    // Not `run:`, which ends the session.
    format!(
        "ScriptConsole detectAvailableMechanismForStdout. \
         (Harness new processArguments: {{ nil. '{name}'. '{iterations}'. '{size}' }}) runBenchmark. "
    )
}

/// Name, problem size for the harness's inner iterations.
pub const BENCHMARKS: &[(&str, &str)] = &[
    ("Richards", "100"),
    ("DeltaBlue", "12000"),
    ("Json", "100"),
    ("CD", "250"),
    ("Havlak", "1500"),
    ("Bounce", "1500"),
    ("List", "1500"),
    ("Mandelbrot", "500"),
    ("NBody", "250000"),
    ("Permute", "1000"),
    ("Queens", "1000"),
    ("Sieve", "3000"),
    ("Storage", "1000"),
    ("Towers", "600"),
];

/// Rounds of the interleaved run; the median counts.
const ROUNDS: usize = 3;

pub fn folder(options: &Options) -> Result<PathBuf, String> {
    let folder = options.awfy.clone().ok_or("give the benchmarks' folder by --awfy DIR")?;
    if folder.join("benchmarks/Smalltalk/run.st").exists() {
        Ok(folder)
    } else {
        Err(format!("{} holds no benchmarks/Smalltalk/run.st", folder.display()))
    }
}

/// A world with the benchmarks loaded, as the repository's own loader does it.
pub fn world(awfy: &Path, folder: &Folder) -> Result<PathBuf, String> {
    let sources = awfy.join("benchmarks/Smalltalk");
    let world = folder.world("awfy.world")?;
    let (scripting, loader) = (sources.join("Scripting.st"), sources.join("SomLoader-Compiler.st"));
    program::warm(&["load".as_ref(), world.as_os_str(), scripting.as_os_str(), loader.as_os_str()])?;
    let script = folder.file("load.st");
    let text = format!(
        "| loader | loader := SomLoader load: '{}'. loader createClasses. loader createMethods.",
        sources.display()
    );
    std::fs::write(&script, text).map_err(|error| error.to_string())?;
    program::warm(&["run".as_ref(), world.as_os_str(), script.as_os_str()])?;
    Ok(world)
}

/// The last `total` or average time of a harness's output, in microseconds per iteration.
fn micros(output: &str) -> Result<f64, String> {
    let line = output.lines().rev().find(|line| line.contains("us")).unwrap_or_default();
    let number = line.split_whitespace().rev().find_map(|word| {
        word.trim_end_matches("us").parse::<f64>().ok()
    });
    number.ok_or_else(|| format!("no time in {output:?}"))
}

fn ours(awfy: &Path, world: &Path, name: &str, size: &str) -> Result<f64, String> {
    let script = awfy.join("benchmarks/Smalltalk/run.st");
    let output = program::warm(&[
        "run".as_ref(),
        world.as_os_str(),
        script.as_os_str(),
        name.as_ref(),
        "1".as_ref(),
        size.as_ref(),
        "--no-save".as_ref(),
    ])?;
    micros(&output)
}

fn nodes(awfy: &Path, name: &str, size: &str) -> Result<f64, String> {
    let output = Command::new("node")
        .args(["--no-opt", "--no-sparkplug", "--no-maglev", "harness.js", name, "1", size])
        .current_dir(awfy.join("benchmarks/JavaScript"))
        .output()
        .map_err(|error| format!("cannot start node: {error}"))?;
    micros(&String::from_utf8_lossy(&output.stdout))
}

/// Geometric mean of our time over that of node's interpreter, rounds interleaved.
pub fn against_node(options: &Options) -> Outcome {
    let awfy = folder(options)?;
    let scratch = Folder::new()?;
    let world = world(&awfy, &scratch)?;
    let (mut logs, mut least, mut greatest) = (0.0, f64::MAX, 0.0f64);
    for (name, size) in BENCHMARKS {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            ratios.push(ours(&awfy, &world, name, size)? / nodes(&awfy, name, size)?);
        }
        let ratio = Measured::of(ratios).ok_or("no rounds")?.value;
        println!("  {name} {ratio:.2}");
        logs += ratio.ln();
        (least, greatest) = (least.min(ratio), greatest.max(ratio));
    }
    let value = (logs / BENCHMARKS.len() as f64).exp();
    Ok(Measured { value, least, greatest })
}

/// The 99th percentile of nursery collections while Storage and Havlak run.
pub fn scavenge_p99(options: &Options) -> Outcome {
    let awfy = folder(options)?;
    let scratch = Folder::new()?;
    let world = world(&awfy, &scratch)?;
    let mut worst = Vec::new();
    for (name, size) in BENCHMARKS.iter().filter(|(name, _)| ["Storage", "Havlak"].contains(name)) {
        let expression =
            running(name, 1, size) + "(Smalltalk machineStatistic: #scavengeP99Ns) / 1000000.0";
        let text = program::eval(&world, &expression, false)?;
        let last = text.lines().last().unwrap_or_default();
        worst.push(last.trim().parse::<f64>().map_err(|_| format!("{last:?} is not a number"))?);
    }
    Measured::of(worst).ok_or_else(|| "no runs".to_owned())
}
