//! probe
use model::*;
#[test]
fn clean() {
    let start = std::time::Instant::now();
    let tally = hunt(Rules::all(), 1, std::env::var("RUNS").map_or(3000, |x| x.parse().unwrap()));
    println!("{:?} runs {} steps {} full {} {:?}", start.elapsed(), tally.runs, tally.steps, tally.full, tally.counts);
    if let Some(f) = tally.failure {
        let f = shrink(Rules::all(), &f);
        println!("{} seed {}", f.line, f.seed);
        for a in &f.history { println!("   {:?}", a.operation); }
        panic!();
    }
}
