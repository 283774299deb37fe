//! Real power cuts (issue 3, must show 4): `POWER_CUTS` says how many, 200 by default.

use blockserver::{Mounted, Span, mounted_or_fail};
use blockserver::victim::{Said, judge};
use platform_sim::Medium;
use std::process::Command;
use std::time::Duration;

const VICTIM: &str = env!("CARGO_BIN_EXE_victim");
/// Cuts that one world lives through before a new one is made.
const LIVES: u64 = 20;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// When the cuts fall.
const SPAN: Span = Span { operations: 160, time: Duration::from_millis(40) };

/// Cuts the power of one world again and again; answers cuts, cuts with something pending, saves.
fn lives(mounted: &Mounted, world: u64, fault: Option<&str>, cuts: u64) -> Result<(u64, u64, u64), String> {
    mounted.device.cut(&platform_sim::Survivors::Nothing);
    let mut said = Said::default();
    let (mut pending, mut last) = (0, 0);
    for life in 0..cuts {
        let mut victim = Command::new(VICTIM);
        victim.arg(mounted.file()).arg(world.to_string()).args(fault);
        let seed = world * 1_000 + life;
        let report = mounted.power_cut(&mut victim, SPAN, seed).map_err(|error| error.to_string())?;
        report.lines.iter().for_each(|(_, line)| said.hear(line));
        pending += u64::from(report.pending > 0);
        let about = format!("world {world}, life {life}, {} pending, {:?}", report.pending, report.survivors);
        last = judge(report.medium, world, said).map_err(|line| format!("{about}: {line}"))?;
        said.saved = said.saved.max(last);
    }
    Ok((cuts, pending, last))
}

fn empty_device(mounted: &Mounted) {
    use platform::Store;
    mounted.device.store().truncate(0).expect("truncate");
    mounted.device.store().flush().expect("flush");
}

#[test]
fn acknowledged_snapshots_survive_real_power_cuts() {
    let mounted = mounted_or_fail("survive");
    let wanted = number("POWER_CUTS", 200);
    let start = std::time::Instant::now();
    let (mut cuts, mut pending, mut saves) = (0, 0, 0);
    for world in 1.. {
        empty_device(&mounted);
        let (more, some, last) = lives(&mounted, world, None, LIVES.min(wanted - cuts)).expect("nothing is lost");
        cuts += more;
        pending += some;
        saves += last;
        if cuts >= wanted {
            break;
        }
    }
    println!("{cuts} power cuts, {pending} with unflushed writes, {saves} snapshots, {:?}", start.elapsed());
    assert!(pending * 4 > cuts, "only {pending} of {cuts} cuts met unflushed writes");
    assert!(saves > cuts, "only {saves} snapshots in {cuts} lives");
}

#[test]
fn a_missing_flush_is_noticed() {
    let mounted = mounted_or_fail("missing");
    for fault in ["skip_flush_before_record", "ack_before_last_flush"] {
        let mut noticed = None;
        for world in 1..20 {
            empty_device(&mounted);
            if let Err(line) = lives(&mounted, world, Some(fault), LIVES) {
                noticed = Some(line);
                break;
            }
        }
        let line: String = noticed.unwrap_or_else(|| panic!("{fault} is not noticed")).chars().take(300).collect();
        println!("{fault}: {line}");
    }
}

#[test]
fn the_file_behaves_like_a_file() {
    let mounted = mounted_or_fail("behaves");
    let path = mounted.file();
    std::fs::write(&path, b"hello").expect("write");
    assert_eq!(std::fs::read(&path).expect("read"), b"hello");
    let file = std::fs::OpenOptions::new().write(true).read(true).open(&path).expect("open");
    file.set_len(10_000).expect("grow");
    assert_eq!(file.metadata().expect("metadata").len(), 10_000);
    assert!(mounted.device.store().pending() > 0, "nothing is flushed yet");
    file.sync_data().expect("flush");
    assert_eq!(mounted.device.store().pending(), 0);
    std::os::unix::fs::FileExt::write_at(&file, b"later", 4_096).expect("write");
    drop(file);
    assert!(mounted.device.store().pending() > 0, "closing is no flush");
    let left: Medium = mounted.device.cut(&platform_sim::Survivors::Nothing);
    let mut bytes = [1; 5];
    left.read(4_096, &mut bytes);
    assert_eq!(bytes, [0; 5], "what was not flushed is gone");
    assert_eq!(std::fs::read(&path).expect("read again").len(), 10_000);
}
