//! A world that nobody touches does not fill its disk, and one that somebody works in keeps its moments
//! (`cargo xtask bench file_growth_idle file_growth_typing` measures eight hours).

use platform_hosted::memory::HostedMemory;
use platform_sim::Medium;
use system::sim::{Pastime, grow};

fn new_world(name: &str) -> Medium {
    let folder = std::env::temp_dir().join(format!("warm-growth-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("new.world");
    platform_hosted::keeper::make(&file).map_err(|failure| failure.message).expect("a world");
    let bytes = std::fs::read(&file).expect("its bytes");
    let _ = std::fs::remove_dir_all(&folder);
    let mut medium = Medium::new(bytes.len() as u64);
    medium.write(0, &bytes);
    medium
}

#[test]
fn a_world_in_an_idle_window_does_not_fill_its_disk() {
    let grown = grow(new_world("idle"), &HostedMemory::default(), Pastime::Idle, 8 * 3600).expect("eight hours");
    let more = grown.bytes.1 - grown.bytes.0;
    println!("{grown:?}");
    assert!(grown.commits > 400, "its clock ticks, and that is saved: {grown:?}");
    // The goal is half of that; what is dirtied once hangs on how the world was laid out.
    assert!(more <= 2_000_000, "{more} bytes: {grown:?}");
}

#[test]
fn a_world_that_is_worked_in_keeps_its_moments() {
    let grown = grow(new_world("typing"), &HostedMemory::default(), Pastime::Typing, 120).expect("two minutes");
    println!("{grown:?}");
    assert_eq!(grown.keys, 600);
    assert!(grown.moments > 40, "{grown:?}");
}
