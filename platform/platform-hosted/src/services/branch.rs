//! Scratch branches: a text is evaluated in another process, over the last saved state of the
//! world, where it can touch nothing, and is dropped with all that it did.
//!
//! Invariants
//! - B1 A branch is offered its output and nothing else (`keeper::offer`, O1); its environment is
//!   empty.
//! - B2 It ends: by itself, when its time is out, when it has written too much, or when its owner
//!   stops it or goes. It limits its own time too, should its owner be killed.
//! - B3 What it wrote is bytes; who believes them is the world's affair.

use super::{Bell, refusal};
use parking_lot::Mutex;
use platform::operations::{BranchOperation, Fields, Packed};
use platform::{Handle, Refusal, Reply, Request, Service, Slots};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Branches that may run at once.
const MOST_BRANCHES: usize = 8;
/// How much of its errors is kept, in bytes.
const ERRORS_LIMIT: usize = 16 << 10;
/// How often it is looked whether a branch has ended.
const LOOK: Duration = Duration::from_millis(5);

/// How a branch ended, as the operation's table numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum How {
    Exit = 0,
    OutOfTime = 1,
    TooMuchOutput = 2,
    Killed = 3,
}

#[derive(Default)]
struct Queue {
    output: VecDeque<Vec<u8>>,
    end: Option<Vec<u8>>,
    told_end: bool,
    waiting: Vec<u32>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    stop: AtomicBool,
    too_much: AtomicBool,
}

impl Shared {
    fn ring(&self, bell: &Bell, change: impl FnOnce(&mut Queue)) {
        let waiting = {
            let mut queue = self.queue.lock();
            change(&mut queue);
            std::mem::take(&mut queue.waiting)
        };
        waiting.into_iter().for_each(|index| bell(index));
    }
}

/// What a branch may use up.
#[derive(Clone, Copy, Debug)]
struct Limits {
    time: Duration,
    memory_bytes: u64,
    output_bytes: u64,
}

/// The service `branch`.
pub struct BranchService {
    world: Option<PathBuf>,
    bell: Bell,
    branches: Slots<Arc<Shared>>,
}

impl BranchService {
    /// The service of one session, for branches of the world in a file.
    pub fn new(session: u64, world: Option<PathBuf>, bell: Bell) -> BranchService {
        // The branch runs in a folder of its own.
        let world = world.map(|path| std::path::absolute(&path).unwrap_or(path));
        BranchService { world, bell, branches: Slots::new(session) }
    }

    fn room(&self) -> Result<(), Refusal> {
        if self.branches.len() < MOST_BRANCHES {
            return Ok(());
        }
        Err(Refusal::Failed { code: "full", message: format!("{MOST_BRANCHES} branches run already") })
    }

    fn start(&mut self, fields: &mut Fields<'_>) -> Result<Reply, Refusal> {
        let time = Duration::from_millis(fields.u32()?.into());
        let limits = Limits { time, memory_bytes: fields.u64()?, output_bytes: fields.u64()? };
        let source = fields.text()?.to_owned();
        let no_file = || Refusal::Failed {
            code: "noFile",
            message: "this world is in memory only, so it has no saved state to branch from".to_owned(),
        };
        let world = self.world.clone().ok_or_else(no_file)?;
        self.room()?;
        let child = spawn(&world, limits).map_err(|error| refusal("a branch", &error))?;
        let shared = Arc::new(Shared::default());
        let (kept, bell) = (shared.clone(), self.bell.clone());
        let keeper = std::thread::Builder::new().name("warm-branch".to_owned());
        let started = keeper.spawn(move || keep(child, source, limits, &kept, &bell));
        started.map_err(|error| refusal("a branch", &error))?;
        Ok(Reply { handle: Some(self.branches.insert(shared)), bytes: Vec::new() })
    }

    fn next(&mut self, request: Request<'_>) -> Result<Vec<u8>, Refusal> {
        let branch = self.branches.asked(request.handle)?;
        let mut queue = branch.queue.lock();
        if let Some(bytes) = queue.output.pop_front() {
            return Ok([vec![1], bytes].concat());
        }
        match queue.end.clone() {
            Some(_) if queue.told_end => {
                Err(Refusal::Failed { code: "closed", message: "the branch has ended".to_owned() })
            }
            Some(end) => {
                queue.told_end = true;
                Ok(end)
            }
            None => {
                queue.waiting.extend(request.semaphore);
                Err(Refusal::WouldBlock)
            }
        }
    }

    fn stop(&mut self, handle: Option<Handle>) -> Result<Vec<u8>, Refusal> {
        self.branches.asked(handle)?.stop.store(true, Ordering::Relaxed);
        let _ = handle.and_then(|handle| self.branches.remove(handle));
        Ok(Vec::new())
    }
}

/// The process of a branch: this program again, as it runs, whatever stands at its path by now.
fn spawn(world: &Path, limits: Limits) -> std::io::Result<Child> {
    // A little later than its owner would end it, for the case that there is no owner any more (B2).
    let seconds = limits.time.as_secs() + 2;
    Command::new("/proc/self/exe")
        .arg("try")
        .arg(world)
        .arg("--seconds")
        .arg(seconds.to_string())
        .arg("--bytes")
        .arg(limits.memory_bytes.to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Reads what a branch writes, piece by piece.
fn read_output(mut from: impl Read, limit: u64, shared: &Shared, bell: &Bell) {
    let mut piece = vec![0; 16 << 10];
    let mut total = 0;
    loop {
        let read = match from.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            other => other.unwrap_or(0),
        };
        total += read as u64;
        if read == 0 {
            return;
        }
        if total > limit {
            shared.too_much.store(true, Ordering::Relaxed);
            return;
        }
        shared.ring(bell, |queue| queue.output.push_back(piece[..read].to_vec()));
    }
}

/// Reads what it writes as errors: the beginning is kept, the rest dropped.
fn read_errors(mut from: impl Read) -> String {
    let mut kept = Vec::new();
    let mut piece = vec![0; 4 << 10];
    while let Ok(read) = from.read(&mut piece) {
        if read == 0 {
            break;
        }
        let room = ERRORS_LIMIT - kept.len();
        kept.extend_from_slice(&piece[..read.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The keeping thread's body: from the first byte to the end.
fn keep(mut child: Child, source: String, limits: Limits, shared: &Arc<Shared>, bell: &Bell) {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (how, errors) = std::thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // A branch that ended early does not read on.
            scope.spawn(move || stdin.write_all(source.as_bytes()).unwrap_or(()));
        }
        if let Some(stdout) = stdout {
            scope.spawn(move || read_output(stdout, limits.output_bytes, shared, bell));
        }
        let errors = stderr.map(|stderr| scope.spawn(move || read_errors(stderr)));
        let how = await_end(&mut child, limits, shared);
        (how, errors.and_then(|errors| errors.join().ok()).unwrap_or_default())
    });
    let (how, status) = how;
    let end = Packed::default().u8(2).u8(how as u8).u32(status).text(&errors).finish();
    shared.ring(bell, |queue| queue.end = Some(end));
}

/// Waits until the branch has ended, or must (B2).
fn await_end(child: &mut Child, limits: Limits, shared: &Shared) -> (How, u32) {
    let began = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                let too_much = shared.too_much.load(Ordering::Relaxed);
                return match status.code() {
                    _ if too_much => (How::TooMuchOutput, 0),
                    Some(code) => (How::Exit, code as u32),
                    None => (How::Killed, 0),
                };
            }
            Ok(None) => {}
            Err(_) => return (How::Killed, 0),
        }
        let how = if shared.stop.load(Ordering::Relaxed) {
            Some(How::Killed)
        } else if shared.too_much.load(Ordering::Relaxed) {
            Some(How::TooMuchOutput)
        } else {
            (began.elapsed() >= limits.time).then_some(How::OutOfTime)
        };
        if let Some(how) = how {
            // One that ended meanwhile needs no killing.
            let _ = child.kill();
            let _ = child.wait();
            return (how, 0);
        }
        std::thread::sleep(LOOK);
    }
}

impl Service for BranchService {
    fn name(&self) -> &'static str {
        "branch"
    }

    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal> {
        let operation = BranchOperation::from_code(request.operation).ok_or(Refusal::UnknownOperation)?;
        let bytes = match operation {
            BranchOperation::Start => return self.start(&mut Fields::new(request.bytes)),
            BranchOperation::Next => self.next(request)?,
            BranchOperation::Stop => self.stop(request.handle)?,
        };
        Ok(Reply { handle: None, bytes })
    }
}

impl Drop for BranchService {
    fn drop(&mut self) {
        for (_, branch) in self.branches.iter() {
            branch.stop.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(world: Option<PathBuf>) -> BranchService {
        BranchService::new(7, world, Arc::new(|_| {}))
    }

    fn start(service: &mut BranchService) -> Result<Reply, Refusal> {
        let bytes = Packed::default().u32(1000).u64(1 << 30).u64(1 << 20).text("3 + 4").finish();
        service.call(Request { operation: 1, handle: None, bytes: &bytes, semaphore: None })
    }

    #[test]
    fn a_world_in_memory_has_no_branches() {
        let refused = start(&mut service(None));
        assert!(matches!(refused, Err(Refusal::Failed { code: "noFile", .. })), "{refused:?}");
    }

    #[test]
    fn malformed_and_stale_requests_are_refused() {
        let mut service = service(Some(PathBuf::from("/nonexistent")));
        let request = Request { operation: 1, handle: None, bytes: &[1, 2], semaphore: None };
        assert!(matches!(service.call(request), Err(Refusal::Malformed(_))));
        let handle = Some(Handle { session: 7, slot: 0, generation: 0 });
        for operation in [2, 3] {
            let request = Request { operation, handle, bytes: &[], semaphore: None };
            assert_eq!(service.call(request), Err(Refusal::Stale));
        }
        let request = Request { operation: 9, handle: None, bytes: &[], semaphore: None };
        assert_eq!(service.call(request), Err(Refusal::UnknownOperation));
    }

    #[test]
    fn errors_are_kept_up_to_a_bound() {
        assert_eq!(read_errors(&b"oops"[..]), "oops");
        assert_eq!(read_errors(vec![b'x'; 100_000].as_slice()).len(), ERRORS_LIMIT);
    }

    #[test]
    fn output_beyond_its_bound_is_not_taken() {
        let shared = Shared::default();
        let bell: Bell = Arc::new(|_| {});
        read_output(vec![b'x'; 100_000].as_slice(), 40_000, &shared, &bell);
        assert!(shared.too_much.load(Ordering::Relaxed));
        let taken: usize = shared.queue.lock().output.iter().map(Vec::len).sum();
        assert!(taken <= 40_000);
    }
}
