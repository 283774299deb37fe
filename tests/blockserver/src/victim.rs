//! The victim: a program that saves without pause and says what was acknowledged; and its judge.
//!
//! What it writes follows from a seed and the number of the snapshot alone, so the judge knows the
//! pages of every snapshot without having watched. Each line on its output is an acknowledgement
//! that was made before the line was written: `saved N` and `typed N`.

use image::{
    BLOCK_BYTES, BlockBytes, Budget, CreateOptions, Epoch, Faults, FrozenPages, HeapWords, Keep, MomentId,
    OpenOptions, PageIndex, Progress, Snapshot, World,
};
use platform::Store;
use platform_sim::{Medium, Random, SimStore};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

const BASE: u64 = 0x2000_0000_0000;
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// Every so many snapshots one is kept under a name.
const NAMED_EACH: u64 = 7;

type Pages = BTreeMap<u64, u64>;

struct Frozen {
    pages: Vec<PageIndex>,
    numbers: Vec<u64>,
}

impl FrozenPages for Frozen {
    fn pages(&self) -> &[PageIndex] {
        &self.pages
    }

    fn read(&self, nth: usize, into: &mut BlockBytes) {
        *into = page_of(self.numbers[nth]);
    }
}

fn page_of(number: u64) -> BlockBytes {
    let mut bytes = [0; BLOCK_BYTES];
    for (nth, word) in bytes.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&number.wrapping_mul(SPREAD).wrapping_add(nth as u64).to_le_bytes());
    }
    bytes
}

/// The pages that snapshot `serial` dirties.
fn dirtied_by(seed: u64, serial: u64) -> Pages {
    let mut random = Random::new(seed ^ Random::mix(serial));
    let spread = [8, 100, 2_000][random.below(3)];
    (0..1 + random.below(24)).map(|nth| (random.below(spread) as u64, serial << 8 | nth as u64)).collect()
}

/// All pages after snapshot `serial`.
fn pages_after(seed: u64, serial: u64) -> Pages {
    (1..=serial).flat_map(|serial| dirtied_by(seed, serial)).collect()
}

fn line(text: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Works on the world in `store` until it is killed or something fails; makes the world if the store
/// is empty.
pub fn work(store: Arc<dyn Store>, seed: u64, faults: Faults) -> Result<(), String> {
    let text = |error: image::ImageError| error.to_string();
    if store.is_empty().map_err(|error| error.to_string())? {
        World::create(&store, &CreateOptions { ring_slots: 8, journal_blocks: 16, ..CreateOptions::default() })
            .map_err(text)?;
    }
    let salt = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |now| now.as_nanos() as u64);
    let options = OpenOptions { identity: [3; 16], salt, faults, ..OpenOptions::default() };
    let (mut world, _) = World::open(store, &options).map_err(text)?;
    let typed = world.journal_replay().map_err(text)?.last().map(|record| record.serial);
    let mut typed = typed.unwrap_or(world.heap().roots[1]);
    line("ready");
    let mut serial = world.heap().roots[0];
    loop {
        serial += 1;
        typed += 1;
        if world.journal_append(typed, 5, &typed.to_le_bytes()).is_ok() {
            if typed.is_multiple_of(3) {
                world.journal_flush().map_err(text)?;
                line(&format!("typed {typed}"));
            }
        } else {
            typed -= 1;
        }
        save(&mut world, seed, serial, typed)?;
        line(&format!("saved {serial}"));
        let _ = world.tend(Budget(16)).map_err(text)?;
    }
}

fn save(world: &mut World, seed: u64, serial: u64, typed: u64) -> Result<(), String> {
    let dirty = dirtied_by(seed, serial);
    let frozen = Frozen {
        pages: dirty.keys().map(|page| PageIndex(*page)).collect(),
        numbers: dirty.values().copied().collect(),
    };
    let keep = if serial.is_multiple_of(NAMED_EACH) { Keep::Named(format!("s{serial}")) } else { Keep::No };
    let heap = HeapWords { base: BASE, pages: 2_000, roots: [serial, typed, 0, 0, 0, 0, 0, 0] };
    let snapshot = Snapshot { epoch: Epoch(serial), frozen: Arc::new(frozen), heap, wall_ns: serial as i64, keep };
    world.begin_snapshot(snapshot).map_err(|error| error.to_string())?;
    loop {
        match world.step(Budget(8)) {
            Progress::Acknowledged { epoch: Some(_), .. } => return Ok(()),
            Progress::Abandoned { error, .. } => return Err(error.to_string()),
            _ => {}
        }
    }
}

/// What the victim said before it died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The last snapshot that was acknowledged.
    pub saved: u64,
    /// The last journal record that was flushed.
    pub typed: u64,
}

impl Said {
    /// Takes a line of its output into account.
    pub fn hear(&mut self, line: &str) {
        match line.split_once(' ').map(|(word, number)| (word, number.parse().unwrap_or(0))) {
            Some(("saved", number)) => self.saved = self.saved.max(number),
            Some(("typed", number)) => self.typed = self.typed.max(number),
            _ => {}
        }
    }
}

/// Judges what a cut left: everything that was said must be there, and nothing may look damaged.
/// Answers the snapshot that opened, 0 if there was no world yet and none was promised.
pub fn judge(medium: Medium, seed: u64, said: Said) -> Result<u64, String> {
    let store: Arc<dyn Store> = Arc::new(SimStore::on(medium));
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let (mut world, report) = match World::open(store, &options) {
        Ok(opened) => opened,
        Err(error) if said == Said::default() => {
            // It died while the world was being made.
            println!("no world yet: {error}");
            return Ok(0);
        }
        Err(error) => return Err(format!("does not open: {error}")),
    };
    if !report.lost_commits.is_empty() || !report.lost_pages.is_empty() {
        return Err(format!("claims a loss: {report:?}"));
    }
    let serial = world.heap().roots[0];
    if serial < said.saved {
        return Err(format!("is at snapshot {serial}, {} was acknowledged", said.saved));
    }
    let last_typed = world.journal_replay().map_err(|error| error.to_string())?.last().map(|record| record.serial);
    let typed = last_typed.unwrap_or(0).max(world.heap().roots[1]);
    if typed < said.typed {
        return Err(format!("journal ends at {typed}, {} was acknowledged", said.typed));
    }
    same_pages(&mut world, MomentId::NONE, &pages_after(seed, serial))?;
    for moment in world.moments().map_err(|error| error.to_string())? {
        let of: u64 = moment.name.trim_start_matches('s').parse().map_err(|_| format!("moment {:?}", moment.name))?;
        same_pages(&mut world, moment.id, &pages_after(seed, of))?;
    }
    let named = (serial / NAMED_EACH).try_into().unwrap_or(usize::MAX);
    let moments = world.moments().map_err(|error| error.to_string())?.len();
    if moments != named {
        return Err(format!("{moments} moments, should be {named}"));
    }
    let damages = world.check().map_err(|error| error.to_string())?;
    if damages.is_empty() { Ok(serial) } else { Err(format!("check finds {damages:?}")) }
}

fn same_pages(world: &mut World, id: MomentId, wanted: &Pages) -> Result<(), String> {
    let mut reader = world.reader(id).map_err(|error| error.to_string())?;
    let mut bytes = [0; BLOCK_BYTES];
    for page in 0..2_000 {
        reader.read_page(PageIndex(page), &mut bytes).map_err(|damage| damage.to_string())?;
        let right = match wanted.get(&page) {
            Some(number) => bytes == page_of(*number),
            None => bytes == [0; BLOCK_BYTES],
        };
        if !right {
            return Err(format!("page {page} of moment {id} is not what was saved"));
        }
    }
    Ok(())
}
