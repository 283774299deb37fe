//! Power cuts: a real program on the mounted file, killed at a moment of its life.
//!
//! Half of the cuts come after a number of operations (every call after that fails, then the program
//! is killed), half after a time. What was pending survives in part: nothing, everything, any
//! subset, by sectors.

use crate::{Device, FILE_NAME, mount};
use fuser::BackgroundSession;
use platform_sim::{Medium, Random, Survivors};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// When the power fails.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// After so many operations of the device.
    Operations(usize),
    /// After so long from the program's first word.
    Time(Duration),
}

impl Cut {
    /// A moment by seed.
    pub fn of(random: &mut Random) -> Cut {
        if random.chance(50) {
            Cut::Operations(random.below(160))
        } else {
            Cut::Time(Duration::from_micros(random.below(40_000) as u64))
        }
    }
}

/// What a cut came to.
pub struct CutReport {
    /// The lines that the program had written.
    pub lines: Vec<String>,
    /// How many writes no flush covered.
    pub pending: usize,
    /// Which of them survived.
    pub survivors: Survivors,
    /// What is left.
    pub medium: Medium,
}

/// A mounted device.
pub struct Mounted {
    /// The device.
    pub device: Device,
    folder: PathBuf,
    session: Option<BackgroundSession>,
}

impl Mounted {
    /// Mounts an empty device at a new folder under `parent`.
    pub fn new(parent: &Path, name: &str) -> io::Result<Mounted> {
        let folder = parent.join(name);
        std::fs::create_dir_all(&folder)?;
        let device = Device::new(Medium::new(0));
        let session = mount(device.clone(), &folder)?;
        Ok(Mounted { device, folder, session: Some(session) })
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Runs `program` on the file (which is its first argument, before `arguments`), cuts the power,
    /// and gives it back.
    pub fn power_cut(&self, program: &Path, arguments: &[String], seed: u64) -> io::Result<CutReport> {
        let mut random = Random::new(seed);
        let cut = Cut::of(&mut random);
        if let Cut::Operations(operations) = cut {
            self.device.fail_after(operations);
        }
        let mut child = Command::new(program)
            .arg(self.file())
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let lines = listen(&mut child);
        self.await_moment(&mut child, cut, &lines)?;
        child.kill()?;
        child.wait()?;
        let pending = self.device.store().pending();
        let survivors = survivors(pending, &mut random);
        let medium = self.device.cut(&survivors);
        let lines = lines.join().unwrap_or_default();
        Ok(CutReport { lines, pending, survivors, medium })
    }

    fn await_moment(&self, child: &mut Child, cut: Cut, lines: &Listener) -> io::Result<()> {
        let patience = Instant::now() + Duration::from_secs(20);
        match cut {
            Cut::Time(time) => {
                while !lines.has_heard() && child.try_wait()?.is_none() && Instant::now() < patience {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(time);
            }
            // The program ends by itself when the device fails, or is killed if it does not.
            Cut::Operations(_) => {
                while child.try_wait()?.is_none() && Instant::now() < patience {
                    std::thread::sleep(Duration::from_micros(500));
                }
            }
        }
        Ok(())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.session.take());
        let _ = std::fs::remove_dir(&self.folder);
    }
}

fn survivors(pending: usize, random: &mut Random) -> Survivors {
    let seed = random.bits();
    match random.below(6) {
        0 => Survivors::Nothing,
        1 => Survivors::Everything,
        2 => Survivors::Shredded { seed },
        3 => Survivors::AllBut(random.below(pending.max(1))),
        4 => Survivors::Torn {
            others: Survivors::Everything.into(),
            nth: random.below(pending.max(1)),
            sectors: random.bits(),
        },
        _ => Survivors::Random { seed, percent: 50 },
    }
}

/// Reads a program's output while it runs.
struct Listener {
    thread: std::thread::JoinHandle<Vec<String>>,
    heard: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Listener {
    fn has_heard(&self) -> bool {
        self.heard.load(std::sync::atomic::Ordering::Acquire)
    }

    fn join(self) -> std::thread::Result<Vec<String>> {
        self.thread.join()
    }
}

fn listen(child: &mut Child) -> Listener {
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (out, flag) = (child.stdout.take(), std::sync::Arc::clone(&heard));
    let thread = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
            flag.store(true, std::sync::atomic::Ordering::Release);
            lines.extend(line.ok());
        }
        lines
    });
    Listener { thread, heard }
}
