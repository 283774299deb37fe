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
}

impl Plan {
    /// A plan whose setup is drawn from the seed too.
    pub fn drawn(seed: u64, steps: usize) -> Plan {
        let mut random = Random::new(seed ^ 0xa5a5);
        let stress = Stress {
            collect_every: random.pick(&[0, 0, 0, 1, 3]),
            never_tenure: random.percent(10),
            always_tenure: random.percent(10),
        };
        let setup = Setup {
            stress,
            tenure_bytes: random.pick(&[0, 512, 2048, 8192, 65536]),
            collect_full_always: random.percent(4),
            flip_every: random.pick(&[0, 0, 0, 0, 1, 4]),
            ..Setup::default()
        };
        Plan { seed, steps, setup }
    }
}

const OPERATIONS: usize = 19;

/// Runs a history; answers what was done, by name, or what went wrong and the log that led there.
pub fn run(plan: Plan) -> Result<BTreeMap<&'static str, usize>, (String, Vec<String>)> {
    let mut world = World::new(plan.seed, plan.setup);
    let base = [28, 36, 16, 12, 8, 8, 8, 8, 12, 24, 12, 16, 4, 1, 6, 4, 2, 2, 16];
    let weights: [usize; OPERATIONS] =
        base.map(|weight: usize| (weight * world.random.pick(&[1, 2, 3, 6])).div_ceil(3));
    for _ in 0..plan.steps {
        match step(&mut world, &weights).and_then(|()| world.check()) {
            Ok(()) => {}
            Err(End::Full) => {
                world.count("full");
                return Ok(world.counts);
            }
            Err(End::Wrong(what)) => return Err((what, world.log)),
        }
    }
    match quiesce(&mut world) {
        Ok(()) | Err(End::Full) => Ok(world.counts),
        Err(End::Wrong(what)) => Err((format!("in the end: {what}"), world.log)),
    }
}

fn size(random: &mut Random) -> usize {
    match random.below(40) {
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
            let budget = 1 + world.random.below(60);
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
    while world.writer.is_some() {
        world.write(4000)?;
    }
    world.clear_frames();
    for _ in 0..4 {
        world.collect_full()?;
        world.heap.take_dropped_classes();
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
