//! Histories: operations drawn by weights from a seed, everything checked after each.

use crate::model::Kind;
use crate::random::Random;
use crate::world::{Done, End, Setup, World};
use std::collections::BTreeMap;
use vm::heap::Stress;

/// What a history is drawn with.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub seed: u64,
    pub steps: usize,
    pub setup: Setup,
    pub bias: Bias,
}

/// What a history dwells on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    /// Everything.
    Even,
    /// A marker that is slow, in a graph that is rearranged.
    Marking,
    /// Sweeps that a crash interrupts.
    Sweeping,
    /// Weak objects, ephemerons, forwarders.
    Weakness,
}

impl Plan {
    /// A plan whose setup is drawn from the seed too.
    pub fn drawn(seed: u64, steps: usize) -> Plan {
        let mut random = Random::new(seed ^ 0xa5a5);
        let stress = Stress {
            collect_every: random.pick(&[0, 0, 0, 1, 3]),
            never_tenure: random.percent(10),
            always_tenure: random.percent(10),
            walk_always: random.percent(25),
        };
        let bias = random.pick(&[Bias::Even, Bias::Even, Bias::Marking, Bias::Sweeping, Bias::Weakness]);
        let setup = Setup {
            stress,
            tenure_bytes: random.pick(&[0, 512, 2048, 8192, 65536]),
            collect_full_always: random.percent(4),
            flip_every: random.pick(&[0, 0, 0, 0, 1, 4]),
            hoard: random.percent(8),
            ..Setup::default()
        };
        Plan { seed, steps, setup, bias }
    }
}

impl Plan {
    /// The even plan reopens seldom; this one as often as that dwells on interrupted sweeps.
    pub fn reopen_often(&mut self) {
        if self.bias == Bias::Even {
            self.bias = Bias::Sweeping;
        }
    }
}

const OPERATIONS: usize = 21;

/// Runs a history; answers what was done, by name, or what went wrong and the log that led there.
pub fn run(plan: Plan) -> Result<BTreeMap<&'static str, usize>, (String, Vec<String>)> {
    let mut world = World::new(plan.seed, plan.setup);
    let weights = weights(&mut world.random, plan.bias);
    match begin(&mut world, &plan, &weights) {
        Ok(()) => {}
        Err(End::Full) => return Ok(world.counts),
        Err(End::Wrong(what)) => return Err((what, world.log)),
    }
    for _ in 0..plan.steps {
        match step(&mut world, &weights).and_then(|()| world.check()) {
            Ok(()) => {}
            Err(End::Full) => return full(world),
            Err(End::Wrong(what)) => return Err((what, world.log)),
        }
    }
    match quiesce(&mut world) {
        Ok(()) | Err(End::Full) => Ok(world.counts),
        Err(End::Wrong(what)) => Err((format!("in the end: {what}"), world.log)),
    }
}

/// What found no room has changed nothing.
fn full(mut world: World) -> Result<BTreeMap<&'static str, usize>, (String, Vec<String>)> {
    world.count("full");
    match world.check() {
        Ok(()) | Err(End::Full) => Ok(world.counts),
        Err(End::Wrong(what)) => Err((format!("when it was full: {what}"), world.log)),
    }
}

/// Indices of operations in the table of weights; `step` is the table's other half.
const MARK_SMALL: usize = 9;
const MARK_ALL: usize = 10;
const FINISH_ALL: usize = 12;
const REOPEN: usize = 13;

fn weights(random: &mut Random, bias: Bias) -> [usize; OPERATIONS] {
    let mut base = [28, 36, 16, 12, 8, 8, 8, 8, 12, 24, 12, 16, 4, 1, 6, 4, 2, 2, 16, 8, 8];
    match bias {
        Bias::Even | Bias::Weakness => {}
        Bias::Marking => {
            (base[MARK_ALL], base[FINISH_ALL], base[REOPEN]) = (1, 1, 0);
            (base[MARK_SMALL], base[19], base[20]) = (30, 40, 40);
        }
        Bias::Sweeping => base[REOPEN] = 3,
    }
    base.map(|weight: usize| (weight * random.pick(&[1, 2, 3, 6])).div_ceil(3))
}

/// What comes before the drawn operations.
fn begin(world: &mut World, plan: &Plan, weights: &[usize; OPERATIONS]) -> Done {
    match plan.bias {
        Bias::Even => Ok(()),
        Bias::Marking | Bias::Weakness => world.build(60, 4),
        Bias::Sweeping => {
            let words = world.random.pick(&[4, 300]);
            world.build(60, words)?;
            for _ in 0..2 {
                interrupt_a_sweep(world, weights)?;
            }
            Ok(())
        }
    }
}

/// A mark, half a sweep, some operations without sweeping, a commit, a crash.
fn interrupt_a_sweep(world: &mut World, weights: &[usize; OPERATIONS]) -> Done {
    world.drop_much()?;
    world.sweep(1000)?;
    world.write(4000)?;
    world.heap.request_mark();
    world.flip()?;
    world.finish(None)?;
    let blocks = 4096 + world.random.below(12);
    world.sweep(blocks)?;
    let mut quiet = *weights;
    for operation in [REOPEN, FINISH_ALL, 18] {
        quiet[operation] = 0;
    }
    for _ in 0..world.random.below(20) {
        step(world, &quiet)?;
        world.check()?;
    }
    world.write(4000)?;
    world.flip()?;
    world.write(4000)?;
    world.reopen()?;
    world.check()
}

/// Some operations without checks, for whoever wants a world to look at.
pub fn operate(world: &mut World, plan: &Plan, steps: usize) -> Done {
    let weights = weights(&mut world.random, plan.bias);
    begin(world, plan, &weights)?;
    (0..steps).try_for_each(|_| step(world, &weights))
}

fn size(random: &mut Random) -> usize {
    match random.below(40) {
        0 if random.percent(30) => 1020 + random.below(10),
        0 => 1100 + random.below(200),
        1 => 2100 + random.below(3000),
        2..=5 => 100 + random.below(400),
        _ => 2 + random.below(8),
    }
}

fn step(world: &mut World, weights: &[usize; OPERATIONS]) -> Done {
    let mut drawn = world.random.below(weights.iter().sum());
    let operation = weights
        .iter()
        .position(|weight| {
            let here = drawn < *weight;
            drawn = drawn.wrapping_sub(*weight);
            here
        })
        .unwrap_or(0);
    match operation {
        0 => {
            let kinds = [Kind::Plain, Kind::Plain, Kind::Plain, Kind::Bytes, Kind::Weak, Kind::Ephemeron, Kind::Class];
            let kind = world.random.pick(&kinds);
            let size = size(&mut world.random);
            world.make(kind, size)
        }
        1 if world.random.percent(12) => world.copy(),
        1 => world.store(),
        2 => world.load(),
        3 => world.store_in_table(),
        4 => world.drop_register(),
        5 => world.scavenge(),
        6 => world.flip(),
        7 => {
            let steps = 1 + world.random.below(40);
            world.write(steps)
        }
        8 => world.write(4000),
        9 => {
            let budget = world.random.pick(&[1, 1, 3, 8, 60]);
            world.mark(budget)
        }
        10 => world.mark(100_000),
        11 => {
            let budget = world.random.pick(&[1, 40, 200, 1000]);
            world.finish(world_budget(budget))
        }
        12 => world.finish(None),
        13 => world.reopen(),
        14 => world.become_forward(),
        15 => world.become_each_other(),
        16 => world.pin(),
        17 => world.all_instances(),
        19 => world.steal(),
        20 => world.give(),
        _ => {
            let blocks = 1 + world.random.below(12);
            world.sweep(blocks)?;
            world.heap.request_mark();
            world.hash()
        }
    }
}

fn world_budget(words: usize) -> Option<usize> {
    Some(words)
}

/// Collects until nothing changes; then only what is reachable is there, weak slots to anything else
/// are nil, and every ephemeron whose key is unreachable has fired.
fn quiesce(world: &mut World) -> Done {
    world.setup.stress.never_tenure = false;
    world.setup.stress.always_tenure = true;
    world.heap.set_stress(world.setup.stress);
    while world.is_writing() {
        world.write(4000)?;
    }
    world.clear_frames();
    for _ in 0..4 {
        world.collect_full()?;
        world.take_fired()?;
        world.flush_classes();
        world.check()?;
    }
    let reach = world.model.reach();
    let mut found = 0;
    let result = world.heap.for_each_object(&mut world.registers, &mut |_, _| found += 1);
    result.map_err(|error| End::Wrong(format!("{error:?}")))?;
    let wanted = reach.iter().filter(|reached| **reached).count() + world.permanent;
    if found != wanted {
        let ids: Vec<_> = (0..reach.len()).filter(|&id| reach[id]).collect();
        return Err(End::Wrong(format!(
            "{found} objects after collecting all, {wanted} reachable: {ids:?}"
        )));
    }
    let waiting = (0..reach.len()).find(|&id| {
        reach[id]
            && world.model.nodes[id].alias.is_none()
            && world.model.nodes[id].kind == Kind::Ephemeron
            && !world.model.key_lives(id, &reach)
    });
    match waiting {
        Some(id) => Err(End::Wrong(format!("ephemeron #{id} has not fired"))),
        None => Ok(()),
    }
}
