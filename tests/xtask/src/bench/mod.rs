//! `cargo xtask bench [NAME…]`: measures the figures in `tests/bench/goals.tsv`.
//!
//! Prints `NAME VALUE UNIT` a line with what was asked for, appends one JSON line to
//! `tests/bench/history.jsonl` (commit, load, spread), and says what moved against the last run.
//! A figure whose means are absent (`--awfy DIR`, disk space, node) says `not measured`, and why.
//! Each figure makes the worlds that it needs in a folder of its own, which goes with it.

mod awfy;
mod barrier;
mod clone;
mod figures;
mod growth;
mod history;
pub mod program;
pub mod window;

use crate::steps::root;
use std::process::ExitCode;

/// One line of the table of goals.
pub struct Goal {
    name: String,
    unit: String,
    kind: String,
    bound: String,
    issue: String,
}

/// One measured figure: the median, and the least and greatest of the repetitions.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The median.
    pub value: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

impl Measured {
    /// A figure that has no spread.
    pub fn exact(value: f64) -> Measured {
        Measured { value, least: value, greatest: value }
    }

    /// Of repetitions; `None` if there are none.
    pub fn of(mut runs: Vec<f64>) -> Option<Measured> {
        runs.sort_by(f64::total_cmp);
        let (least, greatest) = (*runs.first()?, *runs.last()?);
        Some(Measured { value: runs[runs.len() / 2], least, greatest })
    }
}

/// Why a figure was not measured, or its value.
pub type Outcome = Result<Measured, String>;

/// What the command line gave.
#[derive(Default)]
pub struct Options {
    /// The benchmarks' repository.
    pub awfy: Option<std::path::PathBuf>,
    names: Vec<String>,
}

fn goals() -> Vec<Goal> {
    let text = std::fs::read_to_string(root().join("tests/bench/goals.tsv")).unwrap_or_default();
    let rows = text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect());
    rows.filter_map(|row: Vec<String>| {
        let [name, unit, kind, bound, issue, ..] = row.as_slice() else { return None };
        Some(Goal {
            name: name.clone(),
            unit: unit.clone(),
            kind: kind.clone(),
            bound: bound.clone(),
            issue: issue.clone(),
        })
    })
    .collect()
}

fn options(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--awfy" => {
                let folder = words.next().ok_or("--awfy needs a folder")?;
                options.awfy = Some(folder.into());
            }
            word if word.starts_with('-') => return Err(format!("bench has no option {word}")),
            name => options.names.push(name.to_owned()),
        }
    }
    Ok(options)
}

/// Whether a value meets a bound such as `<=1.5`; `None` where there is no bound.
fn meets(value: f64, bound: &str) -> Option<bool> {
    let (at_most, number) = match bound.split_at_checked(2)? {
        ("<=", number) => (true, number),
        (">=", number) => (false, number),
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    Some(if at_most { value <= number } else { value >= number })
}

fn line(goal: &Goal, outcome: &Outcome) -> String {
    let bound = if goal.bound.is_empty() { String::new() } else { format!(", {} {}", goal.kind, goal.bound) };
    match outcome {
        Err(reason) => format!("{} not measured: {reason}{bound}", goal.name),
        Ok(m) => {
            let verdict = match meets(m.value, &goal.bound) {
                Some(true) => " met",
                Some(false) => " MISSED",
                None => "",
            };
            let Measured { value, least, greatest } = m;
            format!(
                "{} {value:.4} {} ({least:.4} to {greatest:.4}{bound}{verdict})",
                goal.name, goal.unit
            )
        }
    }
}

/// Runs the benchmarks that the words name.
pub fn run(words: &[&str]) -> ExitCode {
    let options = match options(words) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("xtask: {message}");
            return ExitCode::from(64);
        }
    };
    let goals = goals();
    for name in options.names.iter().filter(|name| !goals.iter().any(|goal| goal.name == **name)) {
        eprintln!("xtask: no figure {name} in tests/bench/goals.tsv");
        return ExitCode::from(64);
    }
    if let Err(message) = program::build() {
        eprintln!("xtask: {message}");
        return ExitCode::FAILURE;
    }
    let wanted = goals.iter().filter(|goal| match options.names.as_slice() {
        [] => figures::is_known(&goal.name) && goal.issue == "A world that lives",
        names => names.contains(&goal.name),
    });
    let mut results = Vec::new();
    for goal in wanted {
        let outcome = figures::measure(&goal.name, &options);
        println!("{}", line(goal, &outcome));
        results.push((goal.name.clone(), outcome));
    }
    history::append(&results);
    ExitCode::SUCCESS
}
