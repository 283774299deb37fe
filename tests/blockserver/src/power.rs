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

/// How long anything may take before the power is cut all the same: what hangs is noticed by what is left.
const PATIENCE: Duration = Duration::from_secs(600);

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
    /// Time from the program's first word, without that for which the machine was busy.
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

/// A moment in a program's life.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock.
    when: Instant,
    /// For how long, until then, threads of the program, and those here that serve its disk, were ready
    /// to run and did not: the machine was busy with other things.
    starved: Duration,
}

impl Moment {
    fn now(program: u32) -> Moment {
        let starved = starved(&format!("/proc/{program}/task")) + starved("/proc/self/task");
        Moment { when: Instant::now(), starved }
    }

    /// The time from here to a later moment, without that for which the machine was busy.
    pub fn until(&self, later: &Moment) -> Duration {
        later.when.saturating_duration_since(self.when).saturating_sub(later.starved.saturating_sub(self.starved))
    }
}

/// The time for which threads waited for a processor, as the kernel tells it; none for those that are gone.
fn starved(threads: &str) -> Duration {
    let threads = std::fs::read_dir(threads).into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("schedstat")).ok());
    texts.filter_map(|text| text.split(' ').nth(1)?.parse().ok()).map(Duration::from_nanos).sum()
}

/// What a cut came to.
pub struct CutReport {
    /// The lines that the program had written, each with when it was heard.
    pub lines: Vec<(Moment, String)>,
    /// When the power failed.
    pub failed_at: Moment,
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
        let failed_at = Moment::now(child.id());
        child.kill()?;
        child.wait()?;
        let pending = self.device.store().pending();
        let survivors = survivors(pending, &mut random);
        let medium = self.device.cut(&survivors);
        let lines = lines.join().unwrap_or_default();
        Ok(CutReport { lines, failed_at, pending, survivors, medium })
    }

    fn await_moment(&self, child: &mut Child, cut: Cut, lines: &Listener) -> io::Result<()> {
        let patience = Instant::now() + PATIENCE;
        let mut await_that = |holds: &dyn Fn() -> bool| -> io::Result<()> {
            while !holds() && child.try_wait()?.is_none() && Instant::now() < patience {
                std::thread::sleep(Duration::from_micros(200));
            }
            Ok(())
        };
        match cut {
            Cut::Time(time) => {
                await_that(&|| lines.has_heard())?;
                std::thread::sleep(time);
                Ok(())
            }
            Cut::Operations(_) => await_that(&|| self.device.has_failed()),
        }
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
    thread: std::thread::JoinHandle<Vec<(Moment, String)>>,
    heard: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Listener {
    fn has_heard(&self) -> bool {
        self.heard.load(std::sync::atomic::Ordering::Acquire)
    }

    fn join(self) -> std::thread::Result<Vec<(Moment, String)>> {
        self.thread.join()
    }
}

fn listen(child: &mut Child) -> Listener {
    let heard = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let program = child.id();
    let (out, flag) = (child.stdout.take(), std::sync::Arc::clone(&heard));
    let thread = std::thread::spawn(move || {
        let mut lines = Vec::new();
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()) {
            flag.store(true, std::sync::atomic::Ordering::Release);
            lines.extend(line.ok().map(|line| (Moment::now(program), line)));
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
