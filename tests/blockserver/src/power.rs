//! Power cuts: a real program on the mounted file, killed at a moment of its life.
//!
//! Half of the cuts come after a number of operations (every call after that fails, then the program
//! is killed, or ends by itself), half after a time. What was pending survives in part: nothing, everything, any
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

/// Among how many operations, or in how long a time, a cut falls.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Operations of the device.
    pub operations: usize,
    /// Time from the program's first word.
    pub time: Duration,
}

impl Cut {
    /// A moment by seed.
    pub fn of(random: &mut Random, span: Span) -> Cut {
        if random.chance(50) {
            Cut::Operations(random.below(span.operations))
        } else {
            Cut::Time(Duration::from_micros(random.below(span.time.as_micros() as usize) as u64))
        }
    }
}

/// What a cut came to.
pub struct CutReport {
    /// The lines that the program had written, each with when it was heard.
    pub lines: Vec<(Instant, String)>,
    /// When the power failed.
    pub failed_at: Instant,
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

    /// Runs a program that works on the file, cuts the power, and gives it back.
    pub fn power_cut(&self, program: &mut Command, span: Span, seed: u64) -> io::Result<CutReport> {
        let mut random = Random::new(seed);
        let cut = Cut::of(&mut random, span);
        if let Cut::Operations(operations) = cut {
            self.device.fail_after(operations);
        }
        let mut child = program.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let lines = listen(&mut child);
        self.await_moment(&mut child, cut, &lines)?;
        let failed_at = Instant::now();
        child.kill()?;
        child.wait()?;
        let pending = self.device.store().pending();
        let survivors = survivors(pending, &mut random);
        let medium = self.device.cut(&survivors);
        let lines = lines.join().unwrap_or_default();
        Ok(CutReport { lines, failed_at, pending, survivors, medium })
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
            Cut::Operations(_) => {
                while !self.device.has_failed() && child.try_wait()?.is_none() && Instant::now() < patience {
                    std::thread::sleep(Duration::from_micros(200));
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
    thread: std::thread::JoinHandle<Vec<(Instant, String)>>,
    heard: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Listener {
    fn has_heard(&self) -> bool {
        self.heard.load(std::sync::atomic::Ordering::Acquire)
    }

    fn join(self) -> std::thread::Result<Vec<(Instant, String)>> {
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
            lines.extend(line.ok().map(|line| (Instant::now(), line)));
        }
        lines
    });
    Listener { thread, heard }
}

/// A mount for a test. Where this machine cannot mount, the test fails and says what is missing.
pub fn mounted_or_fail(name: &str) -> Mounted {
    let missing = if !Path::new("/dev/fuse").exists() {
        Some("the device /dev/fuse (load the kernel module fuse, or give the container the device)".to_owned())
    } else if !["/usr/bin/fusermount3", "/bin/fusermount3", "/usr/bin/fusermount"].iter().any(|tool| Path::new(tool).exists()) {
        Some("the tool fusermount3 (package fuse3)".to_owned())
    } else {
        None
    };
    if let Some(missing) = missing {
        panic!("power cuts cannot be shown: this machine lacks {missing}");
    }
    let folder = std::env::temp_dir().join(format!("blockserver-{}", std::process::id()));
    match Mounted::new(&folder, name) {
        Ok(mounted) => mounted,
        Err(error) => panic!("power cuts cannot be shown: mounting by /dev/fuse fails: {error}"),
    }
}
