//! The crash matrix (issue 3, must show 1 and 2).

use image::Faults;
use std::time::Instant;
use system::crash::{Findings, Script, crash_everywhere, rot_everywhere, with_faults};

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn probe() {
    let start = Instant::now();
    let mut findings = Findings::default();
    for seed in number("FIRST", 1)..number("FIRST", 1) + number("SEEDS", 4) {
        let script = Script::of(seed, 20);
        crash_everywhere(&script, Faults::default(), 12, &mut findings);
        println!("{seed} crash {:?} {}", start.elapsed(), findings.distinct.len());
        with_faults(&script, Faults::default(), 3, 4, &mut findings);
        println!("{seed} faults {:?} {}", start.elapsed(), findings.distinct.len());
        rot_everywhere(&script, Faults::default(), 6, &mut findings);
        println!("{seed} rot {:?} {}", start.elapsed(), findings.distinct.len());
        for f in &findings.failures { println!("FAIL {f}"); }
        if std::env::var("GO").is_ok() { findings.failures.clear(); }
        if findings.noticed() { break }
    }
    println!("{}", findings.table.print());
}
