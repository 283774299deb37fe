//! How each figure is measured.

use super::program::{self, Folder};
use super::{Measured, Options, Outcome, awfy, barrier, clone, growth, window};
use std::path::Path;

type Figure = (&'static str, fn(&Options) -> Outcome);

/// Figures of the spine and of the window, in the order of the table of goals.
const FIGURES: &[Figure] = &[
    ("interpreter_sends_per_s", |_| sends_per_s()),
    ("interpreter_vs_node_interpreter", awfy::against_node),
    ("first_code_ms", |_| first_code(false)),
    ("first_code_saved_ms", |_| first_code(true)),
    ("open_10m_ms", |_| open_10m()),
    ("open_4g_vs_10m", |_| open_4g()),
    ("open_aged_vs_fresh", |_| open_aged()),
    ("kill_cases", |_| counted("kill_cases")),
    ("fault_cases", |_| counted("fault_cases")),
    ("barrier_overhead_awfy", barrier::overhead_awfy),
    ("barrier_overhead_stores", |_| barrier::overhead_stores()),
    ("snapshot_pause_p99_ms", |_| snapshot_pause()),
    ("scavenge_p99_ms", awfy::scavenge_p99),
    ("new_world_bytes", |_| new_world_bytes()),
    ("program_bytes", |_| program_bytes()),
    ("resident_bytes", |_| resident_bytes()),
    ("boot_prompt_s", |_| boot_prompt()),
    ("boot_desktop_s", |_| boot_desktop()),
    ("first_frame_ms", |_| window::first_frame()),
    ("key_to_pixels_p99_ms", |_| window::key_to_pixels()),
    ("clone_to_prompt_s", |_| clone::clone_to_prompt()),
    ("file_growth_idle", |_| growth::growth("idle")),
    ("file_growth_typing", |_| growth::growth("typing")),
];

/// Whether there is a way to measure it.
pub fn is_known(name: &str) -> bool {
    FIGURES.iter().any(|(known, _)| *known == name)
}

/// Measures a figure.
pub fn measure(name: &str, options: &Options) -> Outcome {
    match FIGURES.iter().find(|(known, _)| *known == name) {
        Some((_, figure)) => figure(options),
        None => Err("nobody measures it yet".to_owned()),
    }
}

fn median(runs: Vec<f64>) -> Outcome {
    Measured::of(runs).ok_or_else(|| "no runs".to_owned())
}

/// Sends of `benchFib`: one for each activation, and three arithmetic ones that the interpreter
/// answers at once are not counted.
fn sends_per_s() -> Outcome {
    let folder = Folder::new()?;
    let world = folder.world("fib.world")?;
    let source = "| calls time | \
        Integer compile: 'benchFib ^ self < 2 ifTrue: [ 1 ] ifFalse: [ (self - 1) benchFib + (self - 2) benchFib + 1 ]'. \
        time := Time microsecondsToRun: [ calls := 32 benchFib ]. \
        calls * 1000000 // time";
    let runs = (0..5).map(|_| program::number(&world, source)).collect::<Result<_, _>>()?;
    median(runs)
}

fn first_code(save: bool) -> Outcome {
    let folder = Folder::new()?;
    let world = folder.world("first.world")?;
    let mut words = vec!["eval".as_ref(), world.as_os_str(), "3".as_ref()];
    if !save {
        words.push("--no-save".as_ref());
    }
    median(program::times_ms(20, &words)?)
}

/// What a link of [`linked_world`] takes: an Array of three slots (32 bytes), its payload of six (56), and
/// a slot in the Array of all: two objects, 48 bytes each.
const LINK_BYTES: u64 = 96;
const MB: u64 = 1_000_000;

/// A world with so many bytes of linked objects of 48 bytes on average, under the global `Linked`: an
/// Array of links, each {link before, number, payload}.
fn linked_world(folder: &Folder, name: &str, bytes: u64) -> Result<std::path::PathBuf, String> {
    let world = folder.world(name)?;
    let count = bytes / LINK_BYTES;
    let expression = format!(
        "| all last | all := Array new: {count}. last := nil. \
         1 to: {count} do: [ :i | all at: i put: (last := Array with: last with: i with: (Array new: 6)) ]. \
         Smalltalk at: #Linked put: all. all size"
    );
    program::eval(&world, &expression, true)?;
    Ok(world)
}

const TOUCH: &str = "| random all sum | random := Random seed: 7. all := Smalltalk at: #Linked. sum := 0. \
    100 timesRepeat: [ sum := sum + ((all at: (random nextInteger: all size)) at: 2) ]. sum";

fn touch_ms(world: &Path) -> Result<Measured, String> {
    let words = ["eval".as_ref(), world.as_os_str(), TOUCH.as_ref(), "--no-save".as_ref()];
    median(program::times_ms(20, &words)?)
}

fn open_10m() -> Outcome {
    let folder = Folder::new()?;
    touch_ms(&linked_world(&folder, "10m.world", 10 * MB)?)
}

fn open_4g() -> Outcome {
    let folder = Folder::new()?;
    let small = touch_ms(&linked_world(&folder, "10m.world", 10 * MB)?)?;
    if free_bytes() < 10_000 * MB {
        return Err("less than 10 GB of disk are free".to_owned());
    }
    let large = touch_ms(&linked_world(&folder, "4g.world", 4_000 * MB)?)?;
    Ok(ratio(&large, &small))
}

fn ratio(above: &Measured, below: &Measured) -> Measured {
    Measured {
        value: above.value / below.value,
        least: above.least / below.greatest,
        greatest: above.greatest / below.least,
    }
}

fn free_bytes() -> u64 {
    let output = std::process::Command::new("df").args(["--output=avail", "-B1"]).arg(std::env::temp_dir()).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

fn open_aged() -> Outcome {
    let folder = Folder::new()?;
    let fresh = linked_world(&folder, "fresh.world", 10 * MB)?;
    let before = touch_ms(&fresh)?;
    let age = "| all | all := Smalltalk at: #Linked. \
        1 to: 10000 do: [ :i | (all at: i * 13 \\\\ all size + 1) at: 3 put: i printString. Smalltalk snapshot ]. 3";
    program::eval(&fresh, age, true)?;
    Ok(ratio(&touch_ms(&fresh)?, &before))
}

/// What a test run counted, left in the target folder.
fn counted(name: &str) -> Outcome {
    let path = crate::steps::root().join("target/figures").join(name);
    let text = std::fs::read_to_string(&path).map_err(|_| "no test run has counted it here".to_owned())?;
    text.trim().parse().map(Measured::exact).map_err(|_| format!("{text:?} is not a number"))
}

fn snapshot_pause() -> Outcome {
    let folder = Folder::new()?;
    let world = linked_world(&folder, "pause.world", 1_000 * MB)?;
    let script = "| all deep | all := Smalltalk at: #Linked. \
        deep := nil. deep := [ :n | n = 0 ifTrue: [ (Delay forSeconds: 3600) wait ] ifFalse: [ deep value: n - 1 ] ]. \
        20 timesRepeat: [ [ deep value: 200 ] fork ]. Processor yield. \
        1 to: 200 do: [ :round | \
            1 to: 2560 do: [ :i | (all at: i * 5851 + round \\\\ all size + 1) at: 3 put: round ]. \
            Smalltalk snapshot ]. \
        (Smalltalk machineStatistic: #snapshotPauseP99Ns) / 1000000.0";
    let text = program::eval(&world, script, true)?;
    text.trim().parse().map(Measured::exact).map_err(|_| format!("{text:?} is not a number"))
}

/// Of the program without what is for debuggers.
fn program_bytes() -> Outcome {
    let folder = Folder::new()?;
    let stripped = folder.file("warm");
    let status = std::process::Command::new("strip").arg("-o").arg(&stripped).arg(program::path()).status();
    if !status.is_ok_and(|status| status.success()) {
        return Err("there is no strip (binutils)".to_owned());
    }
    let data = std::fs::metadata(&stripped).map_err(|error| format!("{}: {error}", stripped.display()))?;
    Ok(Measured::exact(data.len() as f64))
}

fn new_world_bytes() -> Outcome {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new()?;
    let data = std::fs::metadata(folder.world("new.world")?).map_err(|error| error.to_string())?;
    Ok(Measured::exact(data.blocks() as f64 * 512.0))
}

/// From the kernel's first instruction of Rust to the prompt, by the kernel's own clock.
fn boot_prompt() -> Outcome {
    let folder = Folder::new()?;
    let world = folder.world("boot.world")?;
    let words = ["boot".as_ref(), world.as_os_str(), "--serial".as_ref(), "--timed".as_ref()];
    let boot = || {
        let said = program::warm(&words)?;
        let ms = said.lines().find_map(|line| line.strip_prefix("warm: prompt after ")?.split(' ').next());
        ms.and_then(|ms| ms.parse::<f64>().ok()).map(|ms| ms / 1000.0).ok_or_else(|| format!("no time in {said:?}"))
    };
    median((0..9).map(|_| boot()).collect::<Result<_, _>>()?)
}

/// From the kernel's first instruction of Rust to the painted desktop, by the kernel's own clock.
fn boot_desktop() -> Outcome {
    let folder = Folder::new()?;
    let world = folder.world("boot.world")?;
    median((0..5).map(|_| desktop_after(&world)).collect::<Result<_, _>>()?)
}

/// Boots a world with a framebuffer that nobody looks at, and presses the power button when it is painted.
fn desktop_after(world: &Path) -> Result<f64, String> {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    let mut command = Command::new(program::path());
    command.arg("boot").arg(world).args(["--display", "none", "--timed"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("cannot start warm: {error}"))?;
    let said = BufReader::new(child.stdout.take().ok_or("warm has no output")?);
    let time = said.lines().map_while(Result::ok).find_map(|line| {
        let (_, rest) = line.split_once("desktop after ")?;
        rest.split(' ').next()?.parse::<f64>().ok()
    });
    let ended = Command::new("kill").arg(child.id().to_string()).status();
    if !ended.is_ok_and(|status| status.success()) {
        let _ = child.kill();
    }
    let _ = child.wait();
    time.map(|ms| ms / 1000.0).ok_or_else(|| "the kernel said no time".to_owned())
}

fn resident_bytes() -> Outcome {
    let folder = Folder::new()?;
    let world = folder.world("idle.world")?;
    let mut child = std::process::Command::new(program::path())
        .args(["eval".as_ref(), world.as_os_str(), "(Delay forSeconds: 30) wait".as_ref()])
        .spawn()
        .map_err(|error| error.to_string())?;
    std::thread::sleep(std::time::Duration::from_secs(2));
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let _ = child.kill();
    let _ = child.wait();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().map_err(|_| "no VmRSS".to_owned())?;
    Ok(Measured::exact(kilobytes * 1024.0))
}
