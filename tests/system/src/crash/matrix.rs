//! The matrix: every script, crashed at every operation and met by every fault, and counted.
//!
//! A cell of the table is (kind of act, kind of fault); a case counts there if the fault was armed
//! at an act of that kind and struck, at that act or the first later place that it fits (a read error
//! often waits for the opening). Cases count only after the first acknowledged snapshot.

use super::blocks::{BlockKind, STORE_START, blocks_in_use, kind_of_block};
use super::judge::{Expectation, judge};
use super::rig::{Rig, geometry, options};
use super::script::{Script, Verb};
use image::{BLOCK_BYTES, Faults, World};
use platform_sim::{Calls, Fault, Medium, Random, SimStore, Survivors, Times};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The kinds of faults: the columns of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "named as the faults are")]
pub enum Column {
    Cut,
    Torn,
    FlushOnce,
    FlushAlways,
    FlushLies,
    WriteOnce,
    WriteAlways,
    ReadOnce,
    ReadAlways,
    Full,
    Rot,
    Astray,
    Lost,
    Short,
    Two,
}

impl Column {
    /// All of them.
    pub const ALL: [Column; 15] = [
        Column::Cut,
        Column::Torn,
        Column::FlushOnce,
        Column::FlushAlways,
        Column::FlushLies,
        Column::WriteOnce,
        Column::WriteAlways,
        Column::ReadOnce,
        Column::ReadAlways,
        Column::Full,
        Column::Rot,
        Column::Astray,
        Column::Lost,
        Column::Short,
        Column::Two,
    ];
    /// Those that are armed while a script runs, one at a time.
    pub const SINGLE: [Column; 12] = [
        Column::FlushOnce,
        Column::FlushAlways,
        Column::FlushLies,
        Column::WriteOnce,
        Column::WriteAlways,
        Column::ReadOnce,
        Column::ReadAlways,
        Column::Full,
        Column::Rot,
        Column::Astray,
        Column::Lost,
        Column::Short,
    ];

    /// Whether the medium breaks its word.
    fn lies(self) -> bool {
        matches!(self, Self::FlushLies | Self::Rot | Self::Astray | Self::Lost | Self::Short)
    }
}

/// How many cases each cell and each kind of rotten block has.
#[derive(Clone, Default)]
pub struct Table {
    cells: BTreeMap<(Verb, Column), u64>,
    rotten: BTreeMap<BlockKind, u64>,
}

impl Table {
    /// Cells without a case, and kinds of blocks that never rotted.
    pub fn empty_cells(&self) -> (Vec<(Verb, Column)>, Vec<BlockKind>) {
        let cells = Verb::ALL.iter().flat_map(|verb| Column::ALL.iter().map(|column| (*verb, *column)));
        let kinds = BlockKind::ALL.iter().copied();
        (
            cells.filter(|cell| !self.cells.contains_key(cell)).collect(),
            kinds.filter(|kind| !self.rotten.contains_key(kind)).collect(),
        )
    }

    /// The table as text.
    pub fn print(&self) -> String {
        let mut text = format!("{:10}", "");
        for column in Column::ALL {
            let _ = write!(text, "{:>12}", format!("{column:?}"));
        }
        for verb in Verb::ALL {
            let _ = write!(text, "\n{:10}", format!("{verb:?}"));
            for column in Column::ALL {
                let _ = write!(text, "{:>12}", self.cells.get(&(verb, column)).copied().unwrap_or(0));
            }
        }
        text.push_str("\nrotten blocks:");
        for (kind, count) in &self.rotten {
            let _ = write!(text, " {kind:?} {count}");
        }
        text
    }
}

/// What a part of the matrix came to.
#[derive(Clone, Default)]
pub struct Findings {
    /// Cases by cell.
    pub table: Table,
    /// The distinct cases, by hash of (script, operation, faults, survivors).
    pub distinct: HashSet<u64>,
    /// The first few that failed, with what repeats them.
    pub failures: Vec<String>,
}

impl Findings {
    /// Takes over what another part found.
    pub fn add(&mut self, other: Findings) {
        for (cell, count) in other.table.cells {
            *self.table.cells.entry(cell).or_default() += count;
        }
        for (kind, count) in other.table.rotten {
            *self.table.rotten.entry(kind).or_default() += count;
        }
        self.distinct.extend(other.distinct);
        self.failures.extend(other.failures);
    }

    fn count(&mut self, verb: Verb, column: Column, case: impl Hash) -> bool {
        let mut hasher = DefaultHasher::new();
        (verb, column, case).hash(&mut hasher);
        let new = self.distinct.insert(hasher.finish());
        if new {
            *self.table.cells.entry((verb, column)).or_default() += 1;
        }
        new
    }

    fn fail(&mut self, line: String) {
        if self.failures.len() < 8 {
            self.failures.push(line);
        }
    }

    /// Whether something was noticed.
    pub fn noticed(&self) -> bool {
        !self.failures.is_empty()
    }
}

/// Cuts the power at every operation of a script, with about `most` choices of survivors each.
pub fn crash_everywhere(script: &Script, bugs: Faults, most: usize, findings: &mut Findings) {
    let Ok(mut rig) = Rig::new(bugs) else { return findings.fail(format!("script {}: no world", script.seed)) };
    rig.begin(script);
    rig.store.record();
    rig.note();
    let mut verbs = vec![(0, Verb::Snapshot)];
    for act in script.acts.iter().skip(1) {
        verbs.push((rig.notes.len() as u64, act.verb()));
        rig.note();
        rig.act(act);
        if matches!(act.verb(), Verb::Delete | Verb::Thin | Verb::Restore | Verb::Sweep | Verb::Close) {
            rig.check_in_session();
        }
    }
    if let Some(wrong) = &rig.wrong {
        findings.fail(format!("script {}: {wrong}", script.seed));
    }
    let Some(recording) = rig.store.recording() else { return };
    recording.instants(|point| {
        let Some(note) = point.notes.last() else { return };
        let known = &rig.notes[*note as usize];
        let verb = verbs.iter().rev().find(|(first, _)| first <= note).map_or(Verb::Snapshot, |(_, verb)| *verb);
        // Sweeping and opening write nothing of their own: a cut among them falls between two notes.
        let idle = matches!(verb, Verb::Sweep | Verb::Reopen);
        if recording.is_note(point.step) && !idle {
            return;
        }
        for survivors in Survivors::choices(point.cache.pending.len(), most, script.seed ^ point.step as u64) {
            if findings.noticed() {
                return;
            }
            let torn = matches!(survivors, Survivors::Torn { .. } | Survivors::Shredded { .. });
            let column = if torn { Column::Torn } else { Column::Cut };
            if findings.count(verb, column, (script.seed, point.step, &survivors)) {
                let medium = point.cache.after_cut(&survivors);
                if let Err(line) = judge(medium, known, Expectation::NothingLost, bugs) {
                    findings.fail(format!("script {}, step {}, {survivors:?}: {line}", script.seed, point.step));
                }
            }
        }
    });
}

/// A fault of a kind, from the next operations on.
fn fault(column: Column, rig: &Rig, random: &mut Random) -> Fault {
    let operation = rig.store.operations() + random.below(5);
    let medium = rig.store.contents();
    let data = blocks_in_use(&medium);
    let place = |random: &mut Random| random.pick(&data).copied().unwrap_or(STORE_START);
    let io = |calls, times, random: &mut Random| {
        let start = if random.chance(60) { 0 } else { place(random) };
        let range = start..if start == 0 { u64::MAX } else { start + 4 * BLOCK_BYTES as u64 };
        Fault::Io { operation, calls, range, times }
    };
    let seed = random.bits();
    let kept = [Survivors::Nothing, Survivors::Everything, Survivors::Random { seed, percent: 50 }][random.below(3)].clone();
    match column {
        Column::FlushOnce => Fault::FlushFails { operation, times: Times::Once, kept },
        Column::FlushAlways => Fault::FlushFails { operation, times: Times::Always, kept },
        Column::FlushLies => {
            let times = [Times::Once, Times::Count(2), Times::Count(5)][random.below(3)];
            Fault::FlushLies { operation, times }
        }
        Column::WriteOnce => io(Calls::Writes, Times::Once, random),
        Column::WriteAlways => io(Calls::Writes, Times::Always, random),
        Column::ReadOnce => io(Calls::Reads, Times::Once, random),
        Column::ReadAlways => io(Calls::Reads, Times::Always, random),
        Column::Full => Fault::Full { bytes: medium.allocated_bytes() + random.below(12) as u64 * BLOCK_BYTES as u64 },
        Column::Astray => Fault::Misdirected { operation, to: place(random) },
        Column::Lost => Fault::Lost { operation },
        Column::Short => {
            let bytes = STORE_START + random.below((medium.len() - STORE_START) as usize) as u64;
            Fault::Shortened { operation, bytes }
        }
        _ => Fault::Rot { operation, offset: place(random) + random.below(BLOCK_BYTES) as u64, mask: 1 << random.below(8) },
    }
}

/// Meets a script with faults: at each of `every`-th act each single fault and one pair of faults.
pub fn with_faults(script: &Script, bugs: Faults, every: usize, most: usize, findings: &mut Findings) {
    let mut random = Random::new(script.seed ^ 0xfa);
    for nth in 1..script.acts.len() {
        if (nth + script.seed as usize) % every != 0 {
            continue;
        }
        for column in Column::SINGLE {
            run_faulty(script, bugs, nth, &[column], most, &mut random, findings);
        }
        let two = [Column::SINGLE[random.below(12)], Column::SINGLE[random.below(12)]];
        run_faulty(script, bugs, nth, &two, most, &mut random, findings);
        if findings.noticed() {
            return;
        }
    }
}

fn run_faulty(
    script: &Script,
    bugs: Faults,
    nth: usize,
    columns: &[Column],
    most: usize,
    random: &mut Random,
    findings: &mut Findings,
) {
    let Ok(mut rig) = Rig::new(bugs) else { return };
    script.acts[..nth].iter().for_each(|act| rig.act(act));
    if rig.known.certain == 0 {
        return;
    }
    let faults: Vec<Fault> = columns.iter().map(|column| fault(*column, &rig, random)).collect();
    let seed = random.bits();
    faults.iter().for_each(|fault| rig.store.arm(fault.clone()));
    let last = (nth + 1 + random.below(5)).min(script.acts.len());
    script.acts[nth..last].iter().for_each(|act| rig.act(act));
    let verb = script.acts[nth].verb();
    let column = if columns.len() > 1 { Column::Two } else { columns[0] };
    let acts = &script.acts[nth..last];
    let about = format!("script {}, acts {nth} to {last} {acts:?}, {faults:?}", script.seed);
    let reads = columns.iter().any(|column| matches!(column, Column::ReadOnce | Column::ReadAlways));
    let struck = rig.store.strikes().iter().all(|struck| *struck > 0);
    if !struck && !reads {
        return;
    }
    if let Some(wrong) = &rig.wrong {
        findings.fail(format!("{about}: {wrong}"));
    }
    let expectation = expectation(columns, &rig);
    for survivors in Survivors::choices(rig.store.pending(), most, seed).into_iter().take(most) {
        if !findings.count(verb, column, (script.seed, &faults, last, &survivors)) {
            continue;
        }
        let medium = rig.store.cut(&survivors);
        if reads && let Err(line) = open_under(&faults, medium.clone(), bugs) {
            findings.fail(format!("{about}, {survivors:?}: {line}"));
        }
        if let Err(line) = judge(medium, &rig.known, expectation, bugs) {
            findings.fail(format!("{about}, {survivors:?}: {line}"));
        }
    }
}

fn expectation(columns: &[Column], rig: &Rig) -> Expectation {
    if columns.iter().filter(|column| column.lies()).count() > 1 {
        return Expectation::OlderStateOrRefusal;
    }
    if rig.known.inherited_doubt || columns.iter().any(|column| column.lies()) {
        let rot_alone = columns == [Column::Rot];
        if rot_alone { Expectation::NamedLoss } else { Expectation::NamedLossOrRefusal }
    } else {
        Expectation::NothingLostButScarred
    }
}

/// Opening while reads fail may succeed or be refused with a line; it changes nothing on the medium.
fn open_under(faults: &[Fault], medium: Medium, bugs: Faults) -> Result<(), String> {
    let store = SimStore::on(medium.clone());
    for fault in faults {
        if let Fault::Io { calls: Calls::Reads, range, times, .. } = fault {
            store.arm(Fault::Io { operation: 0, calls: Calls::Reads, range: range.clone(), times: *times });
        }
    }
    let opened = World::open(Arc::new(store.clone()), &options(5, bugs));
    if let Ok((mut world, _)) = opened {
        let _ = world.moments();
        let _ = world.check();
    }
    if store.contents().same_bytes(&medium) { Ok(()) } else { Err("opening and checking wrote to the medium".into()) }
}

/// Lets each block of what a script leaves rot, one at a time, at most `most` of each kind.
pub fn rot_everywhere(script: &Script, bugs: Faults, most: usize, findings: &mut Findings) {
    let Ok(mut rig) = Rig::new(bugs) else { return };
    script.acts.iter().for_each(|act| rig.act(act));
    if rig.known.certain == 0 {
        return;
    }
    let _ = platform::Store::flush(&rig.store);
    rig.known.settle();
    let medium = rig.store.cut(&Survivors::Everything);
    let Ok(geometry) = geometry() else { return };
    let mut random = Random::new(script.seed ^ 0x707);
    let mut counts: BTreeMap<BlockKind, usize> = BTreeMap::new();
    let mut blocks = blocks_in_use(&medium);
    for nth in (1..blocks.len()).rev() {
        blocks.swap(nth, random.below(nth + 1));
    }
    for offset in blocks {
        let kind = kind_of_block(&medium, &geometry, offset);
        let count = counts.entry(kind).or_default();
        *count += 1;
        if kind == BlockKind::Blank || *count > most || findings.noticed() {
            continue;
        }
        let mut rotten = medium.clone();
        let place = offset + random.below(BLOCK_BYTES) as u64;
        rotten.flip_bits(place, 1 << random.below(8));
        *findings.table.rotten.entry(kind).or_default() += 1;
        let expectation = if kind == BlockKind::BootArea { Expectation::NothingLost } else { Expectation::NamedLoss };
        if let Err(line) = judge(rotten, &rig.known, expectation, bugs) {
            findings.fail(format!("script {}, {kind:?} rots at {place}: {line}", script.seed));
        }
    }
}
