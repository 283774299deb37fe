//! probe
use model::*;
#[test]
fn each() {
    let most: u64 = std::env::var("RUNS").map_or(3000, |x| x.parse().unwrap());
    for rule in Rule::ALL {
        if std::env::var("ONLY").is_ok_and(|only| format!("{rule:?}") != only) { continue }
        let start = std::time::Instant::now();
        let tally = hunt(Rules::without(*rule), 1, most);
        println!("{:?} after {} runs {} steps {:?}: {}", rule, tally.runs, tally.steps, start.elapsed(), tally.failure.map_or("NOT NOTICED".into(), |f| f.line));
    }
}
