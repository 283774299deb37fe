//! Commands that look at a world and change nothing: check, info.

use super::{path, say};
use crate::cli::{Arguments, Exit, Failure};
use crate::clock::HostedClock;
use crate::file_store::Access;
use crate::keeper::{self, clock_text, failure};
use image::{MomentId, MomentReader, PageIndex};
use platform::Store;
use std::cell::RefCell;
use std::collections::HashMap;
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

/// `warm check FILE`
pub fn check(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(arguments, 0);
    let accepts = arguments.has("--accept");
    let mut opened = match keeper::open(&path, if accepts { Access::Write } else { Access::Read }) {
        // Somebody writes: what is checked is the last committed state, beside.
        Err(failure) if failure.exit == Exit::Locked && !accepts => keeper::open(&path, Access::Beside)?,
        opened => opened?,
    };
    let told = |error| failure(&path, &error);
    let damages = opened.world.check().map_err(told)?;
    for damage in &damages {
        say(&format!("{}: {damage}", path.display()))?;
    }
    let named = super::losses::name(&path, &opened)?;
    if accepts {
        return super::losses::accept(&path, opened, &damages);
    }
    let reader = opened.world.reader(MomentId::NONE).map_err(told)?;
    let base = reader.heap().base as usize;
    let filed = Filed { base, reader: RefCell::new(reader), pages: RefCell::default() };
    let verdict = verify(&filed, &[]);
    for violation in &verdict.violations {
        say(&format!("{}: heap at {:#x}: {}", path.display(), violation.offset, violation.what))?;
    }
    let found = damages.len() + named + verdict.violations.len() + opened.report.lost_commits.len();
    if found > 0 {
        let line = format!("{}: {found} damages, named above", path.display());
        return Err(Failure::new(Exit::Damaged, line));
    }
    say(&format!("{}: whole; {} objects in {} bytes", path.display(), verdict.objects, verdict.bytes))?;
    Ok(Exit::Success)
}

/// `warm info FILE [--hash]`
pub fn info(arguments: &Arguments) -> Result<Exit, Failure> {
    let path = path(arguments, 0);
    let mut opened = keeper::open(&path, Access::Beside)?;
    if arguments.has("--hash") {
        let heap = opened.heap(Arc::new(HostedClock::default()))?;
        say(&vm::archive::world_hash(&heap))?;
        return Ok(Exit::Success);
    }
    let told = |error| failure(&path, &error);
    let moments = opened.world.moments().map_err(told)?;
    let named = moments.iter().filter(|moment| !moment.name.is_empty()).count();
    let (used, free) = opened.world.block_counts();
    let head = opened.world.head().clone();
    let identity: String = head.identity.iter().map(|byte| format!("{byte:02x}")).collect();
    say(&format!("file       {} ({} bytes)", path.display(), opened.store.len()?))?;
    say(&format!("format     {}", image::VERSION))?;
    say(&format!("identity   {identity}"))?;
    say(&format!("saved      {} (commit {})", clock_text(head.wall_ns), head.number.0))?;
    say(&format!("closed     {}", if head.clean { "cleanly" } else { "not cleanly; nothing acknowledged is lost" }))?;
    say(&format!("heap       {} pages at {:#x}", head.heap.pages, head.heap.base))?;
    say(&format!("moments    {}, {named} of them named", moments.len()))?;
    say(&format!("blocks     {used} used, {free} free, 4096 bytes each"))?;
    Ok(Exit::Success)
}
