//! The judge: opens what a crash left and compares it with what was known.
//!
//! Where the medium kept its word nothing acknowledged may be missing. Where it lied or rotted, what
//! opens must be a state that once was acknowledged, a loss must be named, and no page may be given
//! out that is not what was written.

use super::outside::{Knowledge, State};
use super::pages::number_of;
use super::rig::{Rig, options};
use super::script::{Act, Kept};
use image::{BLOCK_BYTES, Budget, Faults, ImageError, MomentId, OpenReport, PageIndex, Place, World};
use platform_sim::{Medium, SimStore, Survivors};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expectation {
    /// Nothing, and nothing may look damaged either.
    NothingLost,
    /// Nothing; the medium may bear marks of failed writes.
    NothingLostButScarred,
    /// Something, if it is named; the world must open.
    NamedLoss,
    /// Something, if it is named; the world may refuse to open, and say why.
    NamedLossOrRefusal,
    /// Two lies together may take both copies of a record away without a trace: then an older state
    /// that was acknowledged opens, and nothing can name the loss.
    OlderStateOrRefusal,
}

impl Expectation {
    fn allows_loss(self) -> bool {
        matches!(self, Self::NamedLoss | Self::NamedLossOrRefusal | Self::OlderStateOrRefusal)
    }
}

/// Why a case failed.
pub type Failure = String;

/// What the head or a moment holds, as far as it can be read.
struct Readable {
    /// Page and number, zeros included.
    pages: BTreeMap<u64, u64>,
    /// Pages that cannot be read, which names them as lost.
    unreadable: Vec<u64>,
}

/// Judges what a crash left on the medium.
pub fn judge(medium: Medium, known: &Knowledge, expectation: Expectation, bugs: Faults) -> Result<(), Failure> {
    let store = SimStore::on(medium.clone());
    let (mut world, report) = match World::open(Arc::new(store), &options(77, bugs)) {
        Ok(opened) => opened,
        Err(error) => return judge_refusal(&error, expectation),
    };
    if !expectation.allows_loss() && (!report.lost_commits.is_empty() || !report.lost_pages.is_empty()) {
        return Err(format!("claims a loss: {report:?}"));
    }
    if expectation == Expectation::NothingLost && !report.damages.is_empty() {
        return Err(format!("claims damage: {:?}", report.damages));
    }
    let state = find_state(&mut world, &report, known, expectation)?;
    let salt = medium.len() ^ known.states.len() as u64;
    if salt % 2 == 0 {
        tend(&mut world)?;
    }
    let mut damages = world.check().map_err(|error| format!("check fails: {error}"))?;
    if expectation == Expectation::NothingLostButScarred {
        // A record that was given up may stand half written in its slot.
        damages.retain(|damage| !matches!(damage.place, Place::Record { .. }));
    }
    if !expectation.allows_loss() && !damages.is_empty() {
        return Err(format!("check finds {damages:?}"));
    }
    drop(world);
    if expectation.allows_loss() { Ok(()) } else { go_on(medium, known, state, bugs) }
}

fn judge_refusal(error: &ImageError, expectation: Expectation) -> Result<(), Failure> {
    match (expectation, error) {
        (Expectation::NamedLossOrRefusal | Expectation::OlderStateOrRefusal, ImageError::Damaged(_) | ImageError::NotAWorld | ImageError::Store(_)) => Ok(()),
        _ => Err(format!("does not open: {error}")),
    }
}

fn tend(world: &mut World) -> Result<(), Failure> {
    for _ in 0..100_000 {
        match world.tend(Budget(64)) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => return Err(format!("background work fails: {error}")),
        }
    }
    Err("background work does not end".into())
}

/// The state that the world is at.
fn find_state<'a>(
    world: &mut World,
    report: &OpenReport,
    known: &'a Knowledge,
    expectation: Expectation,
) -> Result<&'a State, Failure> {
    let head = read(world, MomentId::NONE, known)?;
    let listed = match world.moments() {
        Ok(listed) => Some(listed),
        Err(_) if expectation.allows_loss() => None,
        Err(error) => return Err(format!("moments cannot be read: {error}")),
    };
    let mut moments = BTreeMap::new();
    for moment in listed.iter().flatten() {
        moments.insert(moment.id, (read(world, moment.id, known)?, moment.name.clone()));
    }
    if !expectation.allows_loss() && (!head.unreadable.is_empty() || moments.values().any(|(pages, _)| !pages.unreadable.is_empty())) {
        return Err("pages cannot be read".into());
    }
    let serial = world.heap().roots[0];
    let named = !report.lost_commits.is_empty() || report.opened_moment.is_some() || !report.damages.is_empty();
    let named = named || !report.unfinished.is_empty() || !report.lost_pages.is_empty() || listed.is_none();
    let oldest = match (expectation.allows_loss(), named) {
        (false, _) => known.certain,
        (true, _) if expectation == Expectation::OlderStateOrRefusal => 0,
        (true, false) => known.settled.min(known.certain),
        (true, true) => 0,
    };
    let candidates = (oldest..known.states.len()).rev().filter(|state| {
        expectation.allows_loss() || *state == known.certain || known.possible.contains(state)
    });
    let mut reasons = Vec::new();
    for state in candidates {
        let state = &known.states[state];
        let restored = report.opened_moment.is_some();
        let fit = fits(state, serial, &head, listed.is_some().then_some(&moments), restored);
        match fit.and_then(|()| judge_journal(world, known, state, expectation)) {
            Ok(()) => return Ok(state),
            Err(reason) => reasons.push(reason),
        }
    }
    reasons.truncate(4);
    Err(format!("is at no state it may be at (head {serial}, certain {}): {reasons:?}", known.now().serial))
}

type Moments = BTreeMap<MomentId, (Readable, String)>;

fn fits(state: &State, serial: u64, head: &Readable, moments: Option<&Moments>, restored: bool) -> Result<(), Failure> {
    if !restored {
        if state.serial != serial {
            return Err(format!("state {} has another snapshot", state.serial));
        }
        same_pages(&state.pages, head).map_err(|page| format!("page {page} of the head is wrong"))?;
    }
    let Some(moments) = moments else { return Ok(()) };
    for (id, (pages, name)) in moments {
        let Some(known) = state.moments.get(id) else { return Err(format!("moment {id} is not known")) };
        let unnamed = name.is_empty() && state.optional.contains(id);
        if *name != known.name && !unnamed {
            return Err(format!("moment {id} is called {name:?} and should be {:?}", known.name));
        }
        same_pages(&known.pages, pages).map_err(|page| format!("page {page} of moment {id} is wrong"))?;
    }
    match state.moments.keys().find(|id| !moments.contains_key(id) && !state.optional.contains(id)) {
        Some(id) => Err(format!("moment {id} is missing")),
        None => Ok(()),
    }
}

fn same_pages(known: &BTreeMap<u64, u64>, found: &Readable) -> Result<(), u64> {
    for (page, number) in &found.pages {
        if known.get(page).copied().unwrap_or(0) != *number {
            return Err(*page);
        }
    }
    match known.iter().find(|(page, number)| **number != 0 && !found.pages.contains_key(page) && !found.unreadable.contains(page)) {
        Some((page, _)) => Err(*page),
        None => Ok(()),
    }
}

/// Reads all pages that were ever written, as they are in a moment.
fn read(world: &mut World, id: MomentId, known: &Knowledge) -> Result<Readable, Failure> {
    let mut found = Readable { pages: BTreeMap::new(), unreadable: Vec::new() };
    let Ok(mut reader) = world.reader(id) else {
        found.unreadable.extend(&known.universe);
        return Ok(found);
    };
    let mut bytes = [0; BLOCK_BYTES];
    for page in &known.universe {
        match reader.read_page(PageIndex(*page), &mut bytes) {
            Err(_) => found.unreadable.push(*page),
            Ok(()) => match number_of(&bytes) {
                Some(number) => drop(found.pages.insert(*page, number)),
                None => return Err(format!("page {page} of moment {id} holds what nobody wrote")),
            },
        }
    }
    Ok(found)
}

fn judge_journal(world: &World, known: &Knowledge, state: &State, expectation: Expectation) -> Result<(), Failure> {
    let records = match world.journal_replay() {
        Ok(records) => records,
        Err(_) if expectation.allows_loss() => return Ok(()),
        Err(error) => return Err(format!("the journal cannot be replayed: {error}")),
    };
    let replayed: Vec<u64> = records.iter().map(|record| record.serial).collect();
    if records.iter().any(|record| record.bytes.iter().any(|byte| *byte != record.serial as u8)) {
        return Err("a journal record is not what was appended".into());
    }
    if expectation.allows_loss() || known.journal_in_doubt {
        let rising = replayed.windows(2).all(|pair| pair[0] < pair[1]);
        return if rising { Ok(()) } else { Err(format!("the journal replays {replayed:?}")) };
    }
    let rest = known.journal.get(state.covered..).unwrap_or(&[]);
    let least = known.flushed.saturating_sub(state.covered);
    if !rest.starts_with(&replayed) || replayed.len() < least {
        return Err(format!("the journal replays {replayed:?}, wants {least} at least of {rest:?}"));
    }
    Ok(())
}

/// The world must also be fit to be written on: some acts, a cut, and all is judged again.
fn go_on(medium: Medium, known: &Knowledge, state: &State, bugs: Faults) -> Result<(), Failure> {
    let mut going = Knowledge { universe: known.universe.clone(), ..Knowledge::new() };
    going.states = vec![Arc::new(State { covered: 0, ..state.clone() })];
    let mut rig = Rig::on(medium, going, 78, bugs).map_err(|error| format!("does not open again: {error}"))?;
    rig.forget_journal();
    rig.act(&Act::Sweep(3));
    for number in 0..3u64 {
        let dirty = BTreeMap::from([(2, 900_000 + number), (290 + number, 5), (17 * number, 800_000 + number)]);
        let kept = if number == 1 { Kept::Named } else { Kept::No };
        rig.act(&Act::Snapshot { dirty, kept, record: None });
    }
    if rig.known.certain == 0 {
        return Err("cannot go on: nothing is acknowledged".into());
    }
    if let Some(wrong) = rig.wrong {
        return Err(format!("while going on: {wrong}"));
    }
    let left = rig.store.cut(&Survivors::Nothing);
    let (mut world, report) =
        World::open(Arc::new(SimStore::on(left)), &options(79, bugs)).map_err(|error| format!("after going on: {error}"))?;
    find_state(&mut world, &report, &rig.known, Expectation::NothingLost).map_err(|line| format!("after going on: {line}"))?;
    let damages = world.check().map_err(|error| format!("check after going on fails: {error}"))?;
    if damages.is_empty() { Ok(()) } else { Err(format!("check after going on finds {damages:?}")) }
}
