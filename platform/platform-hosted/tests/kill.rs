//! kill -9 is a way to quit: the program is killed at random moments while a program in the world
//! mutates a large linked structure and counts what was acknowledged to it; everything acknowledged is
//! there afterwards.
//!
//! The pace is what the heap says was dirtied, by the world's clock, from the program's first word to
//! its last: opening counts for nothing. Where the machine was busy with other things, which the kernel
//! tells as the time for which the mutator was ready and did not run, the floor is held against the
//! processor time that the program got; else against the clock.
//!
//! WARM_KILLS sets how many kills there are (by default 100), WARM_KILL_BYTES the least size of the
//! heap (by default 200 MB), WARM_SEED the seed, WARM_PROGRAM the program (else the one built beside).

mod common;

use common::{Folder, command, warm};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
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
/// acknowledged is told on standard output. No send stands between the two numbers of a link: a snapshot
/// that the machine makes by itself would have the one without the other, and a kill leave it so.
const MUTATE: &str = "
| all random n minus draft witness out tell |
all := Smalltalk at: #KillAll.
draft := Smalltalk at: #KillDraft.
witness := Smalltalk at: #KillWitness.
random := Random seed: SEED.
out := Stdio stdout.
n := Smalltalk at: #KillCount.
tell := [ :kind |
	out nextPutAll: kind; space; nextPutAll: n printString; space;
		nextPutAll: Time microsecondClockValue printString; space;
		nextPutAll: (Smalltalk machineStatistic: #flippedPages) printString; lf; flush ].
tell value: 'R'.
[ n := n + 1.
  minus := n negated.
  1 to: 2500 do: [ :i | | link other |
	link := all at: (random nextInteger: all size).
	link at: 1 put: n; at: 2 put: minus.
	other := Array with: n with: link.
	link at: 5 put: other ].
  Smalltalk at: #KillCount put: n.
  witness class compile: 'count ^ ' , n printString.
  draft text: n printString.
  tell value: 'E'.
  Smalltalk snapshot.
  tell value: 'S' ] repeat
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

/// What the processor gave: to the whole program, and how long its mutator waited for one.
#[derive(Clone, Copy, Debug, Default)]
struct Processor {
    used: Duration,
    waited: Duration,
}

impl Processor {
    /// As the kernel tells it of a running program: all zero once it is gone.
    fn of(pid: u32) -> Processor {
        let mut so_far = Processor::default();
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return so_far };
        for thread in threads.flatten() {
            let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            let mut numbers = text.split(' ').map(|word| Duration::from_nanos(word.trim().parse().unwrap_or(0)));
            so_far.used += numbers.next().unwrap_or_default();
            if thread.file_name().to_string_lossy() == pid.to_string() {
                so_far.waited = numbers.next().unwrap_or_default();
            }
        }
        so_far
    }
}

/// What was dirtied between a program's first word and its last acknowledged snapshot, over all programs.
#[derive(Debug, Default)]
struct Pace {
    pages: u64,
    clock: Duration,
    processor: Processor,
}

/// What is to be dirtied in a second at least.
const FLOOR_MB_PER_S: f64 = 20.0;
/// The share of the clock's time that a mutator may wait for a processor on a machine that is not busy.
const QUIET: f64 = 0.1;

impl Pace {
    /// From the first of two words to the second.
    fn add(&mut self, from: &Word, to: &Word) {
        self.pages += to.pages.saturating_sub(from.pages);
        self.clock += Duration::from_micros(to.clock_us.saturating_sub(from.clock_us));
        self.processor.used += to.processor.used.saturating_sub(from.processor.used);
        self.processor.waited += to.processor.waited.saturating_sub(from.processor.waited);
    }

    fn mb_per_s(&self, time: Duration) -> f64 {
        (self.pages * 4096) as f64 / 1e6 / time.as_secs_f64().max(1e-9)
    }

    fn is_quiet(&self) -> bool {
        self.processor.waited.as_secs_f64() < QUIET * self.clock.as_secs_f64()
    }

    /// What the floor is held against.
    fn judged(&self) -> f64 {
        self.mb_per_s(if self.is_quiet() { self.clock } else { self.processor.used })
    }

    fn print(&self) {
        let (clock, used) = (self.mb_per_s(self.clock), self.mb_per_s(self.processor.used));
        let judge = if self.is_quiet() { "the clock" } else { "the processor, for the machine is busy" };
        println!("dirtied: {clock:.1} MB/s by the clock, {used:.1} MB/s of processor time; judged by {judge}: {self:?}");
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

/// What the program does, or did when it was killed.
fn phase(file: &File) -> &'static str {
    let mut bytes = [0; 2];
    if file.read_exact_at(&mut bytes, 0).is_err() {
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

/// Waits until the program is seen in a phase, twenty seconds at most: some come seldom.
fn await_phase(file: &File, wanted: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    while phase(file) != wanted && Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// One line of the program.
#[derive(Clone, Debug)]
struct Word {
    kind: String,
    number: u64,
    clock_us: u64,
    pages: u64,
    processor: Processor,
}

/// Everything that the program says, heard while it runs.
fn hear(output: impl Read, pid: u32) -> Vec<Word> {
    let mut words = Vec::new();
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let parts: Vec<&str> = line.split(' ').collect();
        // A line that was cut off by the kill is no acknowledgement that anybody saw whole.
        let [kind, number, clock_us, pages] = parts[..] else { continue };
        let (Ok(number), Ok(clock_us), Ok(pages)) = (number.parse(), clock_us.parse(), pages.parse()) else { continue };
        words.push(Word { kind: kind.to_owned(), number, clock_us, pages, processor: Processor::of(pid) });
    }
    words
}

/// The last number that was acknowledged of a kind.
fn last(words: &[Word], kind: &str) -> u64 {
    words.iter().rev().find(|word| word.kind == kind).map_or(0, |word| word.number)
}

const PHASES: [&str; 6] = ["run", "scavenge", "write", "flush", "commit", "recovery"];

/// The phase that a kill is aimed at: every eighth is killed while it opens, every other when it is
/// seen in the phase that fewest were killed in so far, and the rest whenever it is.
fn aim(kill: u64, so_far: &BTreeMap<&str, u64>) -> Option<&'static str> {
    let rarest = PHASES.into_iter().min_by_key(|phase| so_far.get(phase).copied().unwrap_or(0));
    rarest.filter(|phase| kill % 2 == 1 && *phase != "recovery")
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
        let watched = File::open(&phases).unwrap();
        let mut child = command(&["run", &world, &mutate])
            .env("WARM_PHASE", &phases)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, output) = (child.id(), child.stdout.take().unwrap());
        let listener = std::thread::spawn(move || hear(output, pid));
        let wait_us = if kill % 8 == 0 { random.below(12_000) } else { 20_000 + random.below(600_000) };
        std::thread::sleep(Duration::from_micros(wait_us));
        if let Some(wanted) = aim(kill, &histogram) {
            await_phase(&watched, wanted);
        }
        child.kill().unwrap();
        let words = listener.join().unwrap();
        let (s, e) = (last(&words, "S"), last(&words, "E"));
        let snapshot = words.iter().rposition(|word| word.kind == "S" && word.processor.used > Duration::ZERO);
        if let (Some(first), Some(snapshot)) = (words.first(), snapshot) {
            pace.add(first, &words[snapshot]);
        }
        child.wait().unwrap();
        *histogram.entry(phase(&watched)).or_default() += 1;
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
    println!("{} MB of heap", heap >> 20);
    pace.print();
    if kills >= 100 {
        let judged = pace.judged();
        assert!(judged >= FLOOR_MB_PER_S, "only {judged:.1} MB/s were dirtied");
        for phase in PHASES {
            assert!(histogram.contains_key(phase), "no kill fell in {phase}: {histogram:?}");
        }
    }
    let figures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/figures");
    std::fs::create_dir_all(&figures).unwrap();
    std::fs::write(figures.join("kill_cases"), kills.to_string()).unwrap();
}
