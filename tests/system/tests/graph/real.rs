//! The real store under the heap: `image::World` over a simulated disk that forgets unflushed writes
//! at a crash. Each snapshot carries a number in the heap's words, so that whatever commit opens
//! again, the graph that belongs to it is known.

use crate::model::Model;
use crate::random::Random;
use image::space::Frozen;
use image::{Budget, CreateOptions, Epoch, HeapWords, Keep, OpenOptions, Progress, Snapshot, World};
use platform::{Memory, PageSource, Store};
use platform_sim::{Fault, SimStore, Survivors, Times};
use std::collections::BTreeMap;
use std::sync::Arc;
use vm::layout::LOST_WORD;

pub struct RealStore {
    sim: SimStore,
    world: World,
    serial: u64,
    /// The last serial that was acknowledged.
    acknowledged: u64,
    models: BTreeMap<u64, Model>,
}

/// How a snapshot in writing came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Written {
    Working,
    Acknowledged,
    Abandoned,
}

fn open(sim: &SimStore, salt: u64) -> Result<World, String> {
    let store: Arc<dyn Store> = Arc::new(sim.clone());
    let options = OpenOptions { identity: [7; 16], salt, ..OpenOptions::default() };
    World::open(store, &options).map(|(world, _)| world).map_err(|error| format!("{error:?}"))
}

impl RealStore {
    pub fn create() -> RealStore {
        let sim = SimStore::new();
        let store: Arc<dyn Store> = Arc::new(sim.clone());
        World::create(&store, &CreateOptions::default()).expect("a world");
        let world = open(&sim, 1).expect("an open world");
        RealStore { sim, world, serial: 0, acknowledged: 0, models: BTreeMap::new() }
    }

    pub fn has_snapshot(&self) -> bool {
        self.acknowledged > 0
    }

    pub fn begin(&mut self, frozen: Arc<Frozen>, model: Model, base: usize, pages: u64) -> Result<(), String> {
        self.serial += 1;
        self.models.insert(self.serial, model);
        let mut roots = [0; image::ROOT_WORDS];
        roots[0] = self.serial;
        let snapshot = Snapshot {
            epoch: Epoch(frozen.epoch().into()),
            frozen,
            heap: HeapWords { base: base as u64, pages, roots },
            wall_ns: self.serial as i64 * 1_000_000,
            keep: Keep::No,
        };
        self.world.begin_snapshot(snapshot).map_err(|error| format!("{error:?}"))
    }

    /// Some flush fails now and then.
    pub fn arm(&mut self, random: &mut Random) {
        if random.percent(10) {
            let operation = self.sim.operations() + random.below(4);
            let kept = Survivors::Random { seed: random.next(), percent: 50u8 };
            self.sim.arm(Fault::FlushFails { operation, times: Times::Once, kept });
        } else {
            self.sim.disarm();
        }
    }

    pub fn step(&mut self, budget: u32) -> Written {
        match self.world.step(Budget(budget)) {
            Progress::Acknowledged { epoch: Some(_), .. } => {
                self.acknowledged = self.serial;
                let keep = self.acknowledged;
                self.models.retain(|serial, _| *serial >= keep);
                Written::Acknowledged
            }
            Progress::Abandoned { epoch: Some(_), .. } => Written::Abandoned,
            _ => Written::Working,
        }
    }

    /// The power fails; what the medium kept is opened. Answers the graph that it holds and the
    /// source of its pages.
    pub fn crash(&mut self, memory: &dyn Memory, random: &mut Random) -> Result<(Model, Arc<dyn PageSource>), String> {
        let survivors = Survivors::Random { seed: random.next(), percent: random.pick(&[0u8, 30, 70, 100]) };
        let medium = self.sim.cut(&survivors);
        self.sim = SimStore::on(medium);
        self.world = open(&self.sim, random.next())?;
        let serial = self.world.heap().roots[0];
        if serial < self.acknowledged {
            return Err(format!("snapshot {} was acknowledged, {serial} opened", self.acknowledged));
        }
        let model = self.models.get(&serial).cloned().ok_or(format!("snapshot {serial} opened"))?;
        self.acknowledged = serial;
        let pages = vm::layout::BLOCKS_OFFSET as u64 / 4096 + 8192;
        let pager = self.world.pager(memory, pages, LOST_WORD).map_err(|error| format!("{error:?}"))?;
        Ok((model, pager))
    }
}
