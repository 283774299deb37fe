//! Commands that look at a world and change nothing: check, info.

use super::{path, say};
use crate::cli::json::Value;
use crate::cli::progress::Progress;
use crate::cli::{Arguments, Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::{Access, FileStore};
use crate::keeper::{self, Opened, clock_text, failure};
use image::{BLOCK_BYTES, Damage, MomentId, MomentReader, PageIndex};
use platform::Store;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use vm::layout::{DEFAULT_RESERVE, PAGE_BYTES};
use vm::verify::{HeapView, verify};

/// Pages that are remembered at once, 256 MB: a heap may be larger than the memory.
const MOST_PAGES: usize = 65_536;

/// The heap as it stands in the file, without opening it: what is verified may be forged.
struct Filed {
    base: usize,
    reader: RefCell<MomentReader>,
    pages: RefCell<HashMap<usize, Option<Box<[u8; PAGE_BYTES]>>>>,
}

impl HeapView for Filed {
    fn base(&self) -> usize {
        self.base
    }

    fn bytes(&self) -> usize {
        DEFAULT_RESERVE
    }

    fn word(&self, offset: usize) -> Option<u64> {
        let mut pages = self.pages.borrow_mut();
        let page = offset / PAGE_BYTES;
        if pages.len() >= MOST_PAGES && !pages.contains_key(&page) {
            pages.clear();
        }
        let bytes = pages.entry(page).or_insert_with(|| {
            let mut bytes = Box::new([0; PAGE_BYTES]);
            let read = self.reader.borrow_mut().read_page(PageIndex(page as u64), &mut bytes);
            read.is_ok().then_some(bytes)
        });
        let at = offset % PAGE_BYTES;
        let word = bytes.as_ref()?.get(at..at + 8)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }
}

/// What a check came to.
struct Findings {
    /// A line for each damage.
    damages: Vec<String>,
    lost_commits: usize,
    objects: usize,
    bytes: usize,
}

impl Findings {
    fn is_whole(&self) -> bool {
        self.damages.is_empty() && self.lost_commits == 0
    }

    fn object(&self, path: &Path) -> Value {
        let number = |count: usize| Value::Number(count as u64);
        Value::Object(vec![
            ("file", Value::path(path)),
            ("whole", Value::Bool(self.is_whole())),
            ("damages", Value::List(self.damages.iter().map(|line| Value::text(&**line)).collect())),
            ("lost_commits", number(self.lost_commits)),
            ("objects", number(self.objects)),
            ("bytes", number(self.bytes)),
        ])
    }
}

/// `warm check FILE [--accept] [--json]`
pub fn check(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(arguments, 0);
    let accepts = arguments.has("--accept");
    if accepts && arguments.has("--json") {
        return Err(Failure::new(Exit::Usage, "--accept and --json do not go together; check with --json first"));
    }
    if accepts {
        super::losses::accept_journal(&path)?;
    }
    let mut opened = match keeper::open(&path, if accepts { Access::Write } else { Access::Read }) {
        // Somebody writes: what is checked is the last committed state, beside.
        Err(failure) if failure.exit == Exit::Locked && !accepts => keeper::open(&path, Access::Beside)?,
        opened => opened?,
    };
    let left = if accepts { "no page was given up" } else { "nothing was changed" };
    let progress = Progress::begin(format!("checking {}", path.display()), left);
    let bytes = used_bytes(&mut opened);
    progress.measure(&opened.store, bytes);
    let damages = opened.world.check().map_err(|error| failure(&path, &error))?;
    let findings = if accepts { None } else { Some(inspect(&path, &mut opened, &damages, &progress)?) };
    progress.end();
    if let Some(findings) = findings {
        return tell(&path, arguments, &findings);
    }
    for damage in &damages {
        say(&format!("{}: {damage}", path.display()))?;
    }
    super::losses::name(&path, &opened)?;
    super::losses::accept(&path, opened, &damages)
}

/// About how much there is to read.
fn used_bytes(opened: &mut Opened) -> u64 {
    let (used, _) = opened.world.block_counts();
    used.saturating_mul(BLOCK_BYTES as u64)
}

/// What there is to say, of blocks and of objects.
fn inspect(path: &Path, opened: &mut Opened, damages: &[Damage], progress: &Progress) -> Result<Findings, Failure> {
    let mut lines: Vec<String> = damages.iter().map(ToString::to_string).collect();
    let lost = opened.report.lost_pages.iter();
    lines.extend(lost.map(|run| format!("{} pages from page {}: lost earlier", run.pages, run.first)));
    let reader = opened.world.reader(MomentId::NONE).map_err(|error| failure(path, &error))?;
    let bytes = used_bytes(opened);
    progress.measure(&opened.store, bytes);
    let base = reader.heap().base as usize;
    let filed = Filed { base, reader: RefCell::new(reader), pages: RefCell::default() };
    let verdict = verify(&filed, &[]);
    let violations = verdict.violations.iter();
    lines.extend(violations.map(|violation| format!("heap at {:#x}: {}", violation.offset, violation.what)));
    let lost_commits = opened.report.lost_commits.len();
    Ok(Findings { damages: lines, lost_commits, objects: verdict.objects, bytes: verdict.bytes })
}

fn tell(path: &Path, arguments: &Arguments, findings: &Findings) -> Result<Exit, Failure> {
    let file = path.display();
    let is_for_programs = arguments.has("--json");
    if is_for_programs {
        say(&findings.object(path).to_string())?;
    } else {
        findings.damages.iter().try_for_each(|line| say(&format!("{file}: {line}")))?;
    }
    if !findings.is_whole() {
        let found = findings.damages.len() + findings.lost_commits;
        return Err(Failure::new(Exit::Damaged, format!("{file}: {found} damages, named above")));
    }
    if !is_for_programs {
        say(&format!("{file}: whole; {} objects in {} bytes", findings.objects, findings.bytes))?;
    }
    Ok(Exit::Success)
}

/// Whether somebody writes the file.
fn is_open_elsewhere(path: &Path) -> bool {
    let opened = FileStore::open(path, Access::Read);
    matches!(opened, Err(error) if error.kind == platform::StoreErrorKind::Locked)
}

/// `warm info FILE [--hash] [--json]`
pub fn info(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(arguments, 0);
    let mut opened = keeper::open(&path, Access::Beside)?;
    let hash = match arguments.has("--hash") {
        true => Some(vm::archive::world_hash(&opened.heap(Arc::new(HostedClock::default()))?)),
        false => None,
    };
    if arguments.has("--json") {
        return info_object(&path, &mut opened, hash);
    }
    if let Some(hash) = hash {
        say(&hash)?;
        return Ok(Exit::Success);
    }
    let moments = opened.world.moments().map_err(|error| failure(&path, &error))?;
    let named = moments.iter().filter(|moment| !moment.name.is_empty()).count();
    let (used, free) = opened.world.block_counts();
    let head = opened.world.head().clone();
    say(&format!("file       {} ({} bytes)", path.display(), opened.store.len()?))?;
    say(&format!("format     {}", image::VERSION))?;
    say(&format!("identity   {}", hexadecimal(&head.identity)))?;
    say(&format!("saved      {} (commit {})", clock_text(head.wall_ns), head.number.0))?;
    let closed = match head.clean {
        true => "cleanly",
        false if is_open_elsewhere(&path) => "not yet; it is open in another process",
        false => "not cleanly; nothing acknowledged is lost",
    };
    say(&format!("closed     {closed}"))?;
    say(&format!("heap       {} pages at {:#x}", head.heap.pages, head.heap.base))?;
    say(&format!("moments    {}, {named} of them named", moments.len()))?;
    say(&format!("blocks     {used} used, {free} free, 4096 bytes each"))?;
    Ok(Exit::Success)
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `info` says, for a program to read.
fn info_object(path: &Path, opened: &mut Opened, hash: Option<String>) -> Result<Exit, Failure> {
    let moments = opened.world.moments().map_err(|error| failure(path, &error))?;
    let named = moments.iter().filter(|moment| !moment.name.is_empty()).count();
    let (used, free) = opened.world.block_counts();
    let head = opened.world.head();
    let mut members = vec![
        ("file", Value::path(path)),
        ("bytes", Value::Number(opened.store.len()?)),
        ("format", Value::Number(image::VERSION.into())),
        ("identity", Value::text(hexadecimal(&head.identity))),
        ("saved", Value::time(head.wall_ns)),
        ("commit", Value::Number(head.number.0.into())),
        ("clean", Value::Bool(head.clean)),
        ("heap_pages", Value::Number(head.heap.pages)),
        ("heap_base", Value::Number(head.heap.base)),
        ("moments", Value::Number(moments.len() as u64)),
        ("named", Value::Number(named as u64)),
        ("blocks_used", Value::Number(used)),
        ("blocks_free", Value::Number(free)),
    ];
    members.extend(hash.map(|hash| ("hash", Value::text(hash))));
    say(&Value::Object(members).to_string())?;
    Ok(Exit::Success)
}
