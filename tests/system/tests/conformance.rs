//! The table of the contract: each trait, on each machine that claims it, has passed its suite.
//!
//! The hosted and the simulated machine run here, the bare one under QEMU. The table is printed; a cell
//! is the number of checks that held, or why there can be none. A cell that is empty, or a trait of the
//! crate `platform` without a row, fails.

use platform::Store;
use platform::operations::{BranchOperation, FileOperation, ModelOperation};
use platform_hosted::clock::{HostedClock, HostedEntropy};
use platform_hosted::file_store::{Access, FileStore};
use platform_hosted::memory::HostedMemory;
use platform_hosted::qemu::{self, Machine, file_drive};
use platform_hosted::services::{Bell, BranchService, ConsoleService, FileService};
use platform_hosted::window::{DisplayService, Port};
use platform_sim::{Filling, Medium, SimClock, SimConsole, SimEntropy, SimMemory, SimStore};
use platform_sim::conformance;
use scribe::{ModelService, SettingsSource};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

/// What a suite came to, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Cell {
    Held(usize),
    Broken(String),
    CannotBe(&'static str),
}

type Column = BTreeMap<&'static str, Cell>;

/// The rows: what is claimed, and of which traits of the crate `platform` it is the suite.
const ROWS: &[(&str, &[&str])] = &[
    ("Store", &["Store"]),
    ("Store, read-only", &["Store"]),
    ("Store, threads", &["Store"]),
    ("Memory", &["Memory", "Region", "PageSource"]),
    ("CodeMemory", &["CodeMemory"]),
    ("Clock", &["Clock"]),
    ("Entropy", &["Entropy"]),
    ("Channel", &["Channel"]),
    ("Service console", &["Service"]),
    ("Service display", &["Service"]),
    ("Service file", &["Service"]),
    ("Service model", &["Service"]),
    ("Service branch", &["Service"]),
];

const NO_CODE: &str = "no compiler runs there yet";
const NO_SERVICE: &str = "the machine has none, and worlds are told so";

fn cell(result: Result<usize, String>) -> Cell {
    match result {
        Ok(0) => Cell::Broken("nothing was checked".to_owned()),
        Ok(checks) => Cell::Held(checks),
        Err(rule) => Cell::Broken(rule),
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("warm-conformance-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn hosted(folder: &Path) -> Column {
    let mut made = 0;
    let mut make = || -> Arc<dyn Store> {
        made += 1;
        let path = folder.join(format!("store{made}"));
        Arc::new(FileStore::open(&path, Access::Create).expect("a store"))
    };
    let (store, threads) = (cell(conformance::store(&mut make)), cell(conformance::threads(make())));
    let path = folder.join("read-only");
    std::fs::write(&path, vec![7; 8_192]).expect("a file");
    let read_only = FileStore::open(&path, Access::Read).expect("a store");
    let bell: Bell = Arc::new(|_| {});
    let mut console = ConsoleService::new(bell.clone(), None);
    let mut display = DisplayService::new(1, bell.clone(), Port::none("nobody looks"));
    let mut model = ModelService::new(1, SettingsSource::usual(), bell.clone());
    let mut branch = BranchService::new(1, None, bell);
    let memory = HostedMemory::default();
    Column::from([
        ("Store", store),
        ("Store, read-only", cell(conformance::read_only(&read_only))),
        ("Store, threads", threads),
        ("Memory", cell(conformance::memory(&memory))),
        ("CodeMemory", cell(conformance::code_memory(&memory))),
        ("Clock", cell(conformance::clock(&HostedClock::default()))),
        ("Entropy", cell(conformance::entropy(&HostedEntropy))),
        ("Channel", Cell::CannotBe("the terminal is reached by the service console alone")),
        ("Service console", cell(conformance::console(&mut console, "a line through the console\n"))),
        ("Service display", cell(conformance::display(&mut display, &mut || {}))),
        ("Service file", cell(conformance::service(&mut FileService::new(1), "file", FileOperation::TABLE))),
        ("Service model", cell(conformance::service(&mut model, "model", ModelOperation::TABLE))),
        ("Service branch", cell(conformance::service(&mut branch, "branch", BranchOperation::TABLE))),
    ])
}

fn simulated() -> Column {
    let mut make = || -> Arc<dyn Store> { Arc::new(SimStore::new()) };
    let (store, threads) = (cell(conformance::store(&mut make)), cell(conformance::threads(make())));
    let read_only = SimStore::on(Medium::new(8_192));
    read_only.set_read_only(true);
    let clock = Arc::new(SimClock::new(1_780_000_000_000_000_000));
    let mut display = system::sim::display(clock.clone(), Box::new(|_| {}));
    let shown = display.clone();
    Column::from([
        ("Store", store),
        ("Store, read-only", cell(conformance::read_only(&read_only))),
        ("Store, threads", threads),
        ("Memory", cell(conformance::memory(&SimMemory::new(Filling::Told)))),
        ("CodeMemory", Cell::CannotBe(NO_CODE)),
        ("Clock", cell(conformance::clock(&*clock))),
        ("Entropy", cell(conformance::entropy(&SimEntropy::new(5)))),
        ("Channel", Cell::CannotBe("its console is a service alone")),
        ("Service console", cell(conformance::console(&mut SimConsole::default(), "a line\n"))),
        ("Service display", cell(conformance::display(&mut display, &mut || _ = shown.turn()))),
        ("Service file", Cell::CannotBe(NO_SERVICE)),
        ("Service model", Cell::CannotBe(NO_SERVICE)),
        ("Service branch", Cell::CannotBe(NO_SERVICE)),
    ])
}

/// What the bare machine says of itself, with two scratch disks and a framebuffer.
fn said_by_the_bare_machine(folder: &Path) -> Result<String, String> {
    let missing = "qemu-system-x86_64 is missing: apt install qemu-system-x86, or cargo xtask test";
    let qemu = qemu::find().ok_or(missing)?;
    let kernel = qemu::kernel_file(&kernel::kernel()?).map_err(|error| error.to_string())?;
    let mut drives = Vec::new();
    for (name, mode) in [("scratch", ""), ("scratch-read", ",readonly=on")] {
        let path = folder.join(name);
        let mut bytes = vec![0x5a; 1 << 20];
        bytes[..18].copy_from_slice(b"warm: scratch disk");
        std::fs::write(&path, bytes).map_err(|error| error.to_string())?;
        let mut drive = file_drive(&path);
        drive.push(mode);
        drives.push(drive);
    }
    let orders = "pipe conformance".to_owned();
    let machine = Machine { memory_mb: 256, drives, orders, display: Some("none".to_owned()) };
    let mut command = machine.command(&qemu, &kernel);
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.code().and_then(qemu::kernel_status) {
        Some(0) => Ok(said),
        status => Err(format!("it ended with {status:?}; it said {said:?}")),
    }
}

fn bare(folder: &Path) -> Column {
    let mut column = Column::from([
        ("Store, threads", Cell::CannotBe("one processor, no threads")),
        ("CodeMemory", Cell::CannotBe(NO_CODE)),
        ("Service file", Cell::CannotBe(NO_SERVICE)),
        ("Service model", Cell::CannotBe(NO_SERVICE)),
        ("Service branch", Cell::CannotBe(NO_SERVICE)),
    ]);
    let said = match said_by_the_bare_machine(folder) {
        Ok(said) => said,
        Err(why) => {
            column.insert("Store", Cell::Broken(why));
            return column;
        }
    };
    let rest = said.lines().filter_map(|line| line.strip_prefix("warm: "));
    for (name, checks) in rest.filter_map(|line| line.strip_suffix(" checks")?.split_once(" conforms, ")) {
        if let Some((row, _)) = ROWS.iter().find(|(row, _)| *row == name) {
            column.insert(row, cell(checks.parse().map_err(|_| format!("{checks:?} is no number"))));
        }
    }
    for line in ["a line through the channel\n", "a line through the console\n"] {
        if !said.contains(line) {
            column.insert("Channel", Cell::Broken(format!("{line:?} did not come out")));
        }
    }
    column
}

fn shown(cell: Option<&Cell>) -> String {
    match cell {
        Some(Cell::Held(checks)) => format!("{checks} checks"),
        Some(Cell::Broken(rule)) => format!("BROKEN: {rule}"),
        Some(Cell::CannotBe(why)) => format!("({why})"),
        None => "EMPTY".to_owned(),
    }
}

/// The public traits of the crate `platform`, by its sources.
fn traits() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../platform/platform/src");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the contract's sources") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a source");
        let lines = text.lines().filter_map(|line| line.strip_prefix("pub trait "));
        names.extend(lines.map(|rest| rest.chars().take_while(|c| c.is_alphanumeric()).collect::<String>()));
    }
    names
}

#[test]
fn every_machine_passes_the_suite_of_every_trait_that_it_claims() {
    let folder = Folder::new();
    let columns = [("hosted", hosted(&folder.0)), ("simulated", simulated()), ("bare", bare(&folder.0))];
    let mut wrong = Vec::new();
    println!("{:<18} | {:<40} | {:<40} | {:<40}", "", columns[0].0, columns[1].0, columns[2].0);
    for (row, _) in ROWS {
        let cells: Vec<String> = columns.iter().map(|(_, column)| shown(column.get(row))).collect();
        println!("{row:<18} | {:<40} | {:<40} | {:<40}", cells[0], cells[1], cells[2]);
        for ((machine, column), text) in columns.iter().zip(&cells) {
            if !matches!(column.get(row), Some(Cell::Held(_) | Cell::CannotBe(_))) {
                wrong.push(format!("{row} on the {machine} machine: {text}"));
            }
        }
    }
    for name in traits() {
        if !ROWS.iter().any(|(_, traits)| traits.contains(&name.as_str())) {
            wrong.push(format!("the trait {name} has no suite"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_disk_that_is_no_scratch_disk_is_left_alone() {
    let folder = Folder(std::env::temp_dir().join(format!("warm-no-scratch-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let file = folder.0.join("precious");
    std::fs::write(&file, vec![3; 1 << 20]).expect("a file");
    let qemu = qemu::find().expect("qemu-system-x86_64 is missing: apt install qemu-system-x86, or cargo xtask test");
    let kernel = qemu::kernel_file(&kernel::kernel().expect("a kernel")).expect("a file in memory");
    let orders = "pipe conformance".to_owned();
    let machine = Machine { memory_mb: 256, drives: vec![file_drive(&file)], orders, display: None };
    let output = machine.command(&qemu, &kernel).stdin(Stdio::null()).output().expect("QEMU starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("it is no scratch disk") && said.contains("no framebuffer"), "{said}");
    assert!(std::fs::read(&file).expect("the file").iter().all(|byte| *byte == 3), "it was written to");
}
