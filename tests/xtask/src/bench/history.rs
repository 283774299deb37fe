//! What was measured before, one JSON line a run.

use super::Outcome;
use crate::steps::root;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(root()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("0").to_owned()
}

/// The value of a figure in a line of the history.
fn value_in(line: &str, name: &str) -> Option<f64> {
    let rest = line.split_once(&format!("\"{name}\":{{\"value\":"))?.1;
    rest.split([',', '}']).next()?.parse().ok()
}

/// Appends a line, and says which figures moved by more than a tenth.
pub fn append(results: &[(String, Outcome)]) {
    let path = root().join("tests/bench/history.jsonl");
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    let mut figures = Vec::new();
    for (name, outcome) in results {
        let Ok(m) = outcome else { continue };
        let last = before.lines().rev().find_map(|line| value_in(line, name));
        if let Some(last) = last.filter(|last| (m.value / last - 1.0).abs() > 0.1) {
            println!("moved: {name} from {last:.4} to {:.4}", m.value);
        }
        figures.push(format!(
            "\"{name}\":{{\"value\":{},\"least\":{},\"greatest\":{}}}",
            m.value, m.least, m.greatest
        ));
    }
    if figures.is_empty() {
        return;
    }
    let mut line = String::new();
    let _ = writeln!(
        line,
        "{{\"commit\":\"{}\",\"load\":{},\"figures\":{{{}}}}}",
        commit(),
        load(),
        figures.join(",")
    );
    let file = std::fs::OpenOptions::new().append(true).create(true).open(&path);
    if file.and_then(|mut file| file.write_all(line.as_bytes())).is_err() {
        println!("the history could not be written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_in_its_line() {
        let line = r#"{"commit":"a","load":1,"figures":{"x":{"value":2.5,"least":1,"greatest":3}}}"#;
        assert_eq!(value_in(line, "x"), Some(2.5));
        assert_eq!(value_in(line, "y"), None);
    }
}
