//! The golden programs (`tests/golden/*.st`) on the simulated machine: the same transcripts, byte for
//! byte, as on the hosted and on the bare one (`platform-hosted/tests/golden.rs`), with the heap at
//! another address; and what they did is there when the world is opened again.

use platform_sim::{Filling, Medium, SimConsole, SimMemory};
use std::path::{Path, PathBuf};
use system::sim::{Machine, SimLiving, converse};

/// A day in the year 2026.
const WALL_NS: i64 = 1_780_000_000_000_000_000;
/// Address space for a heap: what a world needs, and room to grow.
const RESERVE: usize = 512 << 20;

fn programs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden");
    let entries = std::fs::read_dir(folder).expect("the golden programs");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "st"));
    paths.sort();
    paths
}

fn new_world(name: &str) -> Medium {
    let folder = std::env::temp_dir().join(format!("warm-golden-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("new.world");
    platform_hosted::keeper::make(&file).map_err(|failure| failure.message).expect("a world");
    let bytes = std::fs::read(&file).expect("its bytes");
    let _ = std::fs::remove_dir_all(&folder);
    let mut medium = Medium::new(bytes.len() as u64);
    medium.write(0, &bytes);
    medium
}

/// One life of a world: what it said, and its disk.
fn live(medium: Medium, input: &[u8]) -> Result<(String, Medium), String> {
    let memory = SimMemory::new(Filling::Eager);
    let console = SimConsole::with_input(input);
    let machine =
        Machine { medium, memory: &memory, reserve: RESERVE, wall_ns: WALL_NS, console: console.clone(), has_display: false };
    let mut living = SimLiving::begin(machine)?;
    let status = converse(&mut living, &console)?;
    let said = String::from_utf8(console.output()).map_err(|error| error.to_string())?;
    Ok((format!("{said}status {status}\n"), living.finish()?))
}

#[test]
fn the_golden_programs_give_their_transcripts_on_the_simulated_machine() {
    let new = new_world("programs");
    let programs = programs();
    assert!(programs.len() >= 12, "{programs:?}");
    for program in programs {
        let input = std::fs::read(&program).expect("the program");
        let expected = std::fs::read_to_string(program.with_extension("out")).expect("its transcript");
        let (got, _) = live(new.clone(), &input).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        assert_eq!(got, expected, "{}", program.display());
    }
}

#[test]
fn what_is_done_on_the_simulated_machine_is_there_in_its_next_life() {
    let (said, medium) = live(new_world("lives"), b"Smalltalk at: #Log put: (OrderedCollection with: 1). 'put'\n").expect("a life");
    assert_eq!(said, "'put'\nstatus 0\n");
    let (said, medium) = live(medium, b"Log add: 2. Log asArray\n").expect("a second life");
    assert_eq!(said, "#(1 2)\nstatus 0\n");
    let again = |medium: &Medium| live(medium.clone(), b"Log add: 3. Log asArray\n").expect("a third life");
    let (one, other) = (again(&medium), again(&medium));
    assert_eq!(one.0, "#(1 2 3)\nstatus 0\n");
    assert!(one.1.same_bytes(&other.1), "the same world and input gave another disk");
}
