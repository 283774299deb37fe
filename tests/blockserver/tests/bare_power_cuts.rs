//! Power cuts of the bare machine (issue 4, must show 2): QEMU on the block server by NBD, both cut off
//! at a random moment under load, unflushed writes dropped; everything acknowledged is there.
//!
//! The next life of the same world is the judge: it counts what it finds, and goes on. At the end the
//! hosted machine opens the world too. `BARE_POWER_CUTS` says how many cuts there are (25),
//! `POWER_SEED` the seed.

use blockserver::{Device, nbd};
use image::{OpenOptions, World};
use platform::Store;
use platform_hosted::qemu::{self, Machine};
use platform_sim::{Fault, Medium, Random, SimStore, Survivors, Times};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Room on the disk: more than any machine fills in its lives, for moments of ten minutes are kept.
const DISK_BYTES: u64 = 4 << 30;
/// How long anything may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(600);

/// Says how far the world had come and whether its objects agree, then goes on and says each number
/// after the snapshot that holds it was acknowledged.
const LIVE: &str = "n := Smalltalk at: #Count ifAbsent: [ 0 ]. keep := Smalltalk at: #Keep ifAbsent: [ Smalltalk at: #Keep put: OrderedCollection new ]. \
bad := (keep reject: [ :each | each second = each first printString and: [ each third size = 3000 ] ]) size. \
last := keep isEmpty ifTrue: [ 0 ] ifFalse: [ keep last first ]. \
out := Session current stdout. out nextPutAll: 'found '; nextPutAll: n printString; space; nextPutAll: last printString; space; nextPutAll: bad printString; lf; flush. \
[ n := n + 1. keep add: (Array with: n with: n printString with: (ByteArray new: 3000)). \
keep size > 300 ifTrue: [ keep removeFirst ]. Smalltalk at: #Count put: n. Smalltalk snapshot. \
out nextPutAll: 'saved '; nextPutAll: n printString; lf; flush ] repeat\n";

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A new world on a disk with room.
fn world_disk(folder: &Path) -> Medium {
    std::fs::create_dir_all(folder).expect("a folder");
    let file = folder.join("new.world");
    let _ = std::fs::remove_file(&file);
    platform_hosted::keeper::make(&file).map_err(|failure| failure.message).expect("a world");
    let mut medium = Medium::new(DISK_BYTES);
    medium.write(0, &std::fs::read(&file).expect("its bytes"));
    medium
}

/// The device behind a socket; each client is served by a thread.
fn serve(device: &Device, socket: &Path) {
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket).expect("a socket");
    let device = device.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (device, mut stream) = (device.clone(), stream);
            // A client that is killed ends its session in any way.
            std::thread::spawn(move || drop(nbd::serve(&device, &mut stream)));
        }
    });
}

struct Life {
    child: Child,
    lines: Receiver<String>,
}

impl Life {
    fn begin(qemu: &Path, kernel: &std::fs::File, socket: &Path) -> Life {
        let drive = format!("format=raw,cache=writeback,file=nbd:unix:{}", socket.display());
        let machine = Machine { memory_mb: 256, drives: vec![drive.into()], orders: "pipe".to_owned(), display: None };
        let mut command = machine.command(qemu, kernel);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("QEMU starts");
        child.stdin.as_mut().expect("its line").write_all(LIVE.as_bytes()).expect("typing");
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).all(|line| send.send(line).is_ok()));
        Life { child, lines }
    }

    /// Switches it off; answers what it had said and nobody had heard.
    fn end(mut self) -> Vec<String> {
        self.off();
        self.lines.iter().collect()
    }

    fn off(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The next line within `patience`.
    fn hear(&self, patience: Duration) -> Result<String, RecvTimeoutError> {
        self.lines.recv_timeout(patience)
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.off();
    }
}

/// What the world said over all its lives.
#[derive(Default)]
struct Said {
    saved: u64,
    pending: u64,
    cuts: u64,
    seen: Vec<String>,
}

impl Said {
    fn hear(&mut self, line: &str) {
        if let Some(n) = line.strip_prefix("saved ") {
            // The last line of a life may be cut off in its number, which is then a smaller one, or before it.
            self.saved = self.saved.max(n.parse().unwrap_or(0));
        }
        self.seen.push(line.to_owned());
    }

    /// Hears what a life says in some time; answers whether it may say more.
    fn hear_for(&mut self, life: &Life, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            match life.hear(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.hear(&line),
                Err(ended) => return ended == RecvTimeoutError::Timeout,
            }
        }
    }

    /// Judges what a life found: the last acknowledged number, or the one after it.
    fn judge(&self, line: &str) -> Result<(), String> {
        let found: Vec<u64> = line.split(' ').skip(1).filter_map(|word| word.parse().ok()).collect();
        let [count, last, bad] = found[..] else { return Err(format!("it said {line:?}")) };
        if count < self.saved || count > self.saved + 1 {
            return Err(format!("{} was acknowledged, {count} was found", self.saved));
        }
        if last != count || bad > 0 {
            return Err(format!("count {count}, but the last object is of {last}, and {bad} are wrong"));
        }
        Ok(())
    }
}

/// One life: begins, is judged by what it finds, runs until the cut; then the power is off.
fn live(device: &Device, life: &Life, random: &mut Random, said: &mut Said) -> Result<(), String> {
    let found = loop {
        let line = life.hear(PATIENCE).map_err(|_| format!("nothing was found in time; it said {:?}", said.seen))?;
        if line.starts_with("found ") {
            break line;
        }
        if !line.starts_with("warm: ") {
            return Err(format!("it said {line:?}"));
        }
        said.seen.push(line);
    };
    said.judge(&found)?;
    let hangs = Instant::now() + PATIENCE;
    // How far it comes in a time depends on the machine; so something is waited for first: operations of
    // the disk, after which all fail, or some snapshots.
    let (by_operations, enough) = (random.chance(50), said.saved + random.below(8) as u64);
    if by_operations {
        device.fail_after(random.below(120));
    }
    let is_there = |said: &Said| if by_operations { device.has_failed() } else { said.saved >= enough };
    while !is_there(said) && said.hear_for(life, Duration::from_millis(20)) {
        if Instant::now() > hangs {
            return Err(format!("it hangs; it said {:?}", said.seen));
        }
    }
    said.hear_for(life, Duration::from_millis(random.below(300) as u64));
    Ok(())
}

/// Lives one world through `cuts` power cuts, on a disk that keeps its word or lies about every flush.
fn lives(name: &str, lies: bool, cuts: u64) -> Result<(Said, Medium), String> {
    let qemu = qemu::find().ok_or("qemu-system-x86_64 is missing: apt install qemu-system-x86, or cargo xtask test")?;
    let kernel = qemu::kernel_file(&kernel::kernel()?).map_err(|error| error.to_string())?;
    let folder: PathBuf = std::env::temp_dir().join(format!("warm-bare-cuts-{name}-{}", std::process::id()));
    let mut medium = world_disk(&folder);
    let device = Device::new(medium.clone());
    let socket = folder.join("disk");
    serve(&device, &socket);
    let seed = number("POWER_SEED", 7);
    let mut random = Random::new(seed);
    let mut said = Said::default();
    while said.cuts < cuts {
        if lies {
            device.store().arm(Fault::FlushLies { operation: 0, times: Times::Always });
        }
        let life = Life::begin(&qemu, &kernel, &socket);
        let lived = live(&device, &life, &mut random, &mut said);
        // What it said before it was killed counts.
        life.end().iter().for_each(|line| said.hear(line));
        let pending = device.store().pending();
        let choices = Survivors::choices(pending, 8, random.bits());
        let survivors = random.pick(&choices).cloned().unwrap_or(Survivors::Nothing);
        let about = |line: String| format!("seed {seed}, cut {}, {pending} pending, {survivors:?}: {line}", said.cuts);
        lived.map_err(about)?;
        medium = device.cut(&survivors);
        said.pending += u64::from(pending > 0);
        said.cuts += 1;
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok((said, medium))
}

/// The hosted store's own check of what is left.
fn check(medium: Medium) -> Result<(), String> {
    let store: Arc<dyn Store> = Arc::new(SimStore::on(medium));
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    let (mut world, report) = World::open(store, &options).map_err(|error| error.to_string())?;
    let damages = world.check().map_err(|error| error.to_string())?;
    if damages.is_empty() && report.lost_commits.is_empty() {
        return Ok(());
    }
    Err(format!("{damages:?}, {:?}", report.lost_commits))
}

#[test]
fn what_the_bare_machine_acknowledged_survives_power_cuts() {
    let start = Instant::now();
    let cuts = number("BARE_POWER_CUTS", 25);
    let (said, medium) = lives("survive", false, cuts).expect("nothing is lost");
    println!("{} cuts, {} with unflushed writes, {} acknowledged, {:?}", said.cuts, said.pending, said.saved, start.elapsed());
    assert!(said.saved > cuts, "only {} snapshots were acknowledged", said.saved);
    assert!(said.pending * 4 > cuts, "only {} of {cuts} cuts met unflushed writes", said.pending);
    check(medium).expect("the hosted store finds it whole");
}

#[test]
fn a_machine_whose_flushes_are_dropped_is_noticed() {
    let noticed = lives("lies", true, 25).and_then(|(said, medium)| check(medium).map(|()| said));
    let line = noticed.err().expect("lost writes are noticed");
    println!("noticed: {}", line.chars().take(300).collect::<String>());
}
