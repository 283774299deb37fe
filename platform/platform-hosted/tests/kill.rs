//! kill -9 is a way to quit: the program is killed at random moments while a program in the world
//! mutates a large linked structure and counts what was acknowledged to it; everything acknowledged is
//! there afterwards.
//!
//! WARM_KILLS sets how many kills there are (by default 100), WARM_KILL_BYTES the least size of the
//! heap (by default 200 MB), WARM_SEED the seed.

mod common;

use common::{Folder, command, warm};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Makes the structure: links of ten slots, each knowing its neighbours.
const PREPARE: &str = "
| all count |
count := COUNT.
all := Array new: count.
1 to: count do: [ :i | | link |
	link := Array new: 10.
	link at: 1 put: 0; at: 2 put: 0.
	i > 1 ifTrue: [ link at: 3 put: (all at: i - 1). (all at: i - 1) at: 4 put: link ].
	all at: i put: link ].
Smalltalk at: #KillAll put: all.
Smalltalk at: #KillCount put: 0.
Smalltalk at: #KillDraft put: (Draft new text: '0'; yourself).
Object subclass: #KillWitness instanceVariableNames: '' classVariableNames: '' package: 'Kill'.
(Smalltalk at: #KillWitness) class compile: 'count ^ 0'.
";

/// One round dirties some 2,500 pages, accepts a method, journals an edit, and snapshots; what was
/// acknowledged is told on standard output.
const MUTATE: &str = "
| all random n draft witness out |
all := Smalltalk at: #KillAll.
draft := Smalltalk at: #KillDraft.
witness := Smalltalk at: #KillWitness.
random := Random seed: SEED.
out := Stdio stdout.
n := Smalltalk at: #KillCount.
[ n := n + 1.
  1 to: 2500 do: [ :i | | link other |
	link := all at: (random nextInteger: all size).
	link at: 1 put: n; at: 2 put: n negated.
	other := Array with: n with: link.
	link at: 5 put: other ].
  Smalltalk at: #KillCount put: n.
  witness class compile: 'count ^ ' , n printString.
  draft text: n printString.
  out nextPutAll: 'E '; nextPutAll: n printString; lf; flush.
  Smalltalk snapshot.
  out nextPutAll: 'S '; nextPutAll: n printString; lf; flush ] repeat
";

/// Answers {count. accepted method. edit}, after looking at every link.
const REPORT: &str = "
| all n bad |
all := Smalltalk at: #KillAll.
n := Smalltalk at: #KillCount.
bad := 0.
1 to: all size by: STRIDE do: [ :i | | link |
	link := all at: i.
	((link at: 1) <= (n + 1) and: [ (link at: 1) + (link at: 2) = 0 or: [ (link at: 1) = (n + 1) ] ]) ifFalse: [ bad := bad + 1 ].
	(link at: 5) ifNotNil: [ :other | (other at: 2) == link ifFalse: [ bad := bad + 1 ] ].
	(i > 1 and: [ ((all at: i - 1) at: 4) ~~ link ]) ifTrue: [ bad := bad + 1 ] ].
n printString , ' ' , (Smalltalk at: #KillWitness) count printString , ' ' , (Smalltalk at: #KillDraft) text , ' ' , bad printString
";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Pages that a round dirties at least: 2,500 links at random among 51,200 pages and more are
/// expected on 2,440 of them, and what is made new comes on top.
const PAGES_A_ROUND: u64 = 2_300;

/// Rounds that were seen to end, and in how long: what was dirtied a second.
#[derive(Default)]
struct Pace {
    rounds: u64,
    time: Duration,
}

impl Pace {
    fn dirtied_mb_per_s(&self) -> f64 {
        (self.rounds * PAGES_A_ROUND * 4096) as f64 / 1e6 / self.time.as_secs_f64().max(1e-9)
    }
}

/// The heap's size as `warm info` tells it.
fn heap_bytes(world: &str) -> u64 {
    let info = warm(&["info", world]);
    let pages = info.out.lines().find_map(|line| line.strip_prefix("heap")?.trim().split(' ').next()?.parse::<u64>().ok());
    pages.unwrap_or_else(|| panic!("{info:?}")) * 4096
}

/// Small and repeatable: the times of kills depend on the machine anyhow.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What the program did when it was killed.
fn phase(file: &PathBuf) -> &'static str {
    let mut bytes = [0; 2];
    let read = std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut bytes));
    if read.is_err() {
        return "recovery";
    }
    match bytes {
        [0, _] => "recovery",
        [_, 3] => "commit",
        [_, 2] => "flush",
        [2, _] => "scavenge",
        [_, 1] => "write",
        _ => "run",
    }
}

/// Waits until the program is seen in a phase, two seconds at most.
fn await_phase(file: &PathBuf, wanted: &str) {
    let until = Instant::now() + Duration::from_secs(2);
    while phase(file) != wanted && Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// The last numbers that were acknowledged, by kind.
fn acknowledged(output: impl Read) -> (u64, u64) {
    let (mut snapshots, mut edits) = (0, 0);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let (kind, number) = line.split_once(' ').unwrap_or_default();
        // A line that was cut off by the kill is no acknowledgement that anybody saw whole.
        let Ok(number) = number.parse() else { continue };
        match kind {
            "S" => snapshots = number,
            "E" => edits = number,
            _ => {}
        }
    }
    (snapshots, edits)
}

#[test]
fn nothing_acknowledged_is_lost_by_sigkill() {
    let kills = number("WARM_KILLS", 100);
    let count = number("WARM_KILL_BYTES", 200 << 20) / 112;
    let mut random = Random(number("WARM_SEED", 20_261_125) | 1);
    let folder = Folder::new("kill");
    let world = folder.world("k.world");
    let prepare = folder.text("prepare.st");
    std::fs::write(&prepare, PREPARE.replace("COUNT", &count.to_string())).unwrap();
    let run = warm(&["run", &world, &prepare]);
    assert_eq!(run.status, 0, "{run:?}");
    let heap = heap_bytes(&world);
    assert!(heap >= count * 112, "the heap has {heap} bytes only");
    let mut pace = Pace::default();
    let phases = folder.path("phase");
    let mut histogram: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut snapshots, mut edits) = (0, 0);
    let mut longest = Duration::ZERO;
    for kill in 0..kills {
        let mutate = folder.text("mutate.st");
        std::fs::write(&mutate, MUTATE.replace("SEED", &random.below(1 << 30).to_string())).unwrap();
        std::fs::write(&phases, [0; 4096]).unwrap();
        let mut child = command(&["run", &world, &mutate])
            .env("WARM_PHASE", &phases)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        // Every eighth is killed while it opens, the others while they work; some of those at the
        // moment when a short phase is seen.
        let wait_us = if kill % 8 == 0 { random.below(12_000) } else { 20_000 + random.below(600_000) };
        std::thread::sleep(Duration::from_micros(wait_us));
        match kill % 8 {
            3 => await_phase(&phases, "flush"),
            5 => await_phase(&phases, "commit"),
            _ => {}
        }
        child.kill().unwrap();
        let (s, e) = acknowledged(child.stdout.take().unwrap());
        // The opening is part of the time: the pace is at least this.
        if e > edits {
            pace.rounds += e - edits;
            pace.time += started.elapsed();
        }
        child.wait().unwrap();
        *histogram.entry(phase(&phases)).or_default() += 1;
        snapshots = snapshots.max(s);
        edits = edits.max(e);
        let began = Instant::now();
        // Every tenth looks at every link, the others at a sample.
        let stride = if kill % 10 == 9 { "1" } else { "997" };
        let report = warm(&["eval", &world, &REPORT.replace("STRIDE", stride)]);
        longest = longest.max(began.elapsed());
        assert_eq!(report.status, 0, "kill {kill}: {report:?}");
        let line = report.out.trim().trim_matches('\'').to_owned();
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().unwrap_or(u64::MAX)).collect();
        let [there, method, edit, bad] = numbers[..] else { panic!("kill {kill}: {line}") };
        assert!(there >= snapshots, "kill {kill}: snapshot {snapshots} was acknowledged, {line}");
        assert!(method >= snapshots, "kill {kill}: method {snapshots} was accepted, {line}");
        assert!(edit >= edits, "kill {kill}: edit {edits} was journalled, {line}");
        assert_eq!(bad, 0, "kill {kill}: {line}");
        edits = edit;
    }
    let check = warm(&["check", &world]);
    assert_eq!(check.status, 0, "{check:?}");
    println!("{kills} kills by phase: {histogram:?}; {snapshots} snapshots acknowledged");
    println!("longest reopening, the look at the structure included: {longest:?}");
    println!("{} MB of heap, at least {:.1} MB/s dirtied", heap >> 20, pace.dirtied_mb_per_s());
    let figures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/figures");
    std::fs::create_dir_all(&figures).unwrap();
    std::fs::write(figures.join("kill_cases"), kills.to_string()).unwrap();
    if kills >= 100 {
        // A machine that is busy with other things slows the pace: the full run holds it to the floor.
        let floor = if kills >= 1000 { 20.0 } else { 5.0 };
        assert!(pace.dirtied_mb_per_s() >= floor, "only {:.1} MB/s were dirtied", pace.dirtied_mb_per_s());
        for phase in ["run", "scavenge", "write", "flush", "commit", "recovery"] {
            assert!(histogram.contains_key(phase), "no kill fell in {phase}: {histogram:?}");
        }
    }
}
