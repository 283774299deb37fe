//! The fault handler: finds the region of an absent page and fills it.
//!
//! Invariants
//! - A1 Between the signal and the return nothing locks and nothing allocates (N2): regions are in a
//!   table of atomic pointers, buffers are claimed from a fixed pool by compare-and-swap.
//! - A2 A pager in the table outlives its entry: `leave` empties the slot and waits until no handler
//!   looks through the table, and none is inside.
//! - A3 A fault that is not ours goes to the handler that was there before (Rust's guard pages).
//! - A4 A page that the medium cannot give ends the process with one line: nothing is filled, so
//!   nothing wrong can be committed.

#![allow(unsafe_code, reason = "room: memory")]

use super::uffd::{self, Uffd};
use super::{PAGE_BYTES, protect};
use platform::{Filled, PageSource};
use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// Regions that can be served at once.
const SLOTS: usize = 1024;
/// Handlers that can fill at once; more wait for a buffer.
const BUFFERS: usize = 16;
/// Pages that one fault may bring: a run, of which each page has its place.
const RUN_PAGES: usize = 16;
/// Pages that a fault brings where nothing near was asked for yet.
const FEW_PAGES: usize = 4;
/// The handler's stack, per thread.
const HANDLER_STACK_BYTES: usize = 256 * 1024;

/// By which mechanism pages of a region appear.
pub enum Way {
    /// By userfaultfd.
    Userfault(Uffd),
    /// By page protection and an alias.
    Protection(Arc<protect::Units>),
}

/// What the handler knows of a region.
pub struct Pager {
    base: usize,
    bytes: usize,
    source: Arc<dyn PageSource>,
    way: Way,
    inside: AtomicUsize,
    /// A bit for each run: whether anything of it was asked for. A guess that nothing rests on.
    touched: Box<[AtomicU64]>,
}

static TABLE: [AtomicPtr<Pager>; SLOTS] = [const { AtomicPtr::new(std::ptr::null_mut()) }; SLOTS];
/// No slot at or above this was ever used.
static TABLE_END: AtomicUsize = AtomicUsize::new(0);
/// Handlers that look through the table.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

struct Buffer {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; RUN_PAGES * PAGE_BYTES]>,
}

// SAFETY: `bytes` is touched only by who set `taken`.
unsafe impl Sync for Buffer {}

static POOL: [Buffer; BUFFERS] = [const {
    Buffer {
        taken: AtomicBool::new(false),
        bytes: UnsafeCell::new([0; RUN_PAGES * PAGE_BYTES]),
    }
}; BUFFERS];

/// Runs `work` with a buffer of the pool.
pub fn with_buffer<T>(work: impl FnOnce(&mut [u8; RUN_PAGES * PAGE_BYTES]) -> T) -> T {
    loop {
        for buffer in &POOL {
            if !buffer.taken.swap(true, Ordering::Acquire) {
                // SAFETY: `taken` was ours to set, so nobody else has the bytes.
                let answer = work(unsafe { &mut *buffer.bytes.get() });
                buffer.taken.store(false, Ordering::Release);
                return answer;
            }
        }
        std::hint::spin_loop();
    }
}

impl Pager {
    /// A pager for a range.
    pub fn new(base: usize, bytes: usize, source: Arc<dyn PageSource>, way: Way) -> Pager {
        let runs = bytes / PAGE_BYTES / RUN_PAGES + 1;
        // SAFETY: zero bytes are a valid AtomicU64. Zeroed memory that is not touched costs nothing.
        let touched = unsafe { Box::new_zeroed_slice(runs / 64 + 1).assume_init() };
        Pager { base, bytes, source, way, inside: AtomicUsize::new(0), touched }
    }

    /// How many pages a fault on this one should bring; notes that it was asked for.
    fn width(&self, page: usize) -> usize {
        let run = page / RUN_PAGES;
        let word = |run: usize| self.touched.get(run / 64);
        let is_touched = |run: usize| word(run).is_some_and(|word| word.load(Ordering::Relaxed) >> (run % 64) & 1 != 0);
        let near = is_touched(run) || is_touched(run + 1) || run > 0 && is_touched(run - 1);
        if let Some(word) = word(run) {
            word.fetch_or(1 << (run % 64), Ordering::Relaxed);
        }
        if near { RUN_PAGES } else { FEW_PAGES }
    }

    fn holds(&self, address: usize) -> bool {
        address.wrapping_sub(self.base) < self.bytes
    }

    /// Makes the page of `address` present, and cheap neighbours: few where memory is touched here and there.
    fn serve(&self, address: usize) {
        let page = (address - self.base) / PAGE_BYTES;
        match &self.way {
            Way::Userfault(uffd) => {
                self.fill_by(uffd, page, self.width(page));
            }
            Way::Protection(units) => units.serve(page, &*self.source),
        }
    }

    /// Brings a page and its neighbours in its run of `width`, as far as they are read with it; answers how
    /// many pages from this one on are there now.
    fn fill_by(&self, uffd: &Uffd, page: usize, width: usize) -> usize {
        let first = page - page % width;
        let room = (self.bytes / PAGE_BYTES - first).min(width);
        with_buffer(|buffer| {
            let bytes = &mut buffer[..room * PAGE_BYTES];
            let (mut from, (mut filled, mut pages)) = (first, self.source.fill_run(first, PAGE_BYTES, bytes));
            if first + pages <= page || !matches!(filled, Filled::Bytes) {
                from = page;
                (filled, pages) = self.source.fill_run(page, PAGE_BYTES, &mut bytes[..(first + room - page) * PAGE_BYTES]);
            }
            let bytes = &bytes[..pages.clamp(1, first + room - from) * PAGE_BYTES];
            let to = self.base + page * PAGE_BYTES;
            // Where a page is met that is there already, those behind it come when they are asked for.
            let done = match filled {
                Filled::Zero => uffd.zero(to).map(|()| PAGE_BYTES),
                Filled::Bytes | Filled::Lost => {
                    let (before, behind) = bytes.split_at((page - from) * PAGE_BYTES);
                    let done = uffd.copy(to, behind);
                    if !before.is_empty() {
                        // Those that do not come now come when they are asked for.
                        let _ = uffd.copy(self.base + from * PAGE_BYTES, before);
                    }
                    done
                }
                Filled::Failed => give_up(page),
            };
            match done {
                Ok(placed) => (placed / PAGE_BYTES).max(1),
                Err(_) => give_up(page),
            }
        })
    }

    /// Brings absent pages of a range ahead of their use.
    pub fn prefetch(&self, first_page: usize, pages: usize) {
        let end = first_page.saturating_add(pages).min(self.bytes / PAGE_BYTES);
        let mut page = first_page;
        while page < end {
            page += match &self.way {
                Way::Userfault(_) if is_present(self.base + page * PAGE_BYTES) => 1,
                Way::Userfault(uffd) => self.fill_by(uffd, page, RUN_PAGES),
                Way::Protection(units) => {
                    units.serve(page, &*self.source);
                    1
                }
            };
        }
    }

    /// The pages written since last asked, where writes are tracked.
    pub fn written(&self) -> Option<Vec<usize>> {
        match &self.way {
            Way::Userfault(uffd) if uffd.tracks_writes() => {
                uffd::take_written(self.base, self.bytes)
            }
            _ => None,
        }
    }
}

/// Whether a page is in memory; one that the system has put elsewhere counts as absent, and is then found
/// there when it is placed.
fn is_present(address: usize) -> bool {
    let mut state = 0u8;
    // SAFETY: one page of a mapping, and room for its state.
    let asked = unsafe { libc::mincore(address as *mut libc::c_void, PAGE_BYTES, &raw mut state) };
    asked == 0 && state & 1 != 0
}

/// A4. Writes with what a signal handler may call.
pub fn give_up(page: usize) -> ! {
    let mut line = *b"warm: the medium cannot give heap page 0x................; stopping, nothing was saved since\n";
    for (i, digit) in line[41..57].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(page >> (60 - 4 * i)) & 15];
    }
    // SAFETY: plain system calls.
    unsafe {
        libc::write(2, line.as_ptr().cast(), line.len());
        libc::_exit(74)
    }
}

/// A place in the table.
pub struct Slot {
    index: usize,
    pager: Arc<Pager>,
}

/// Enters a pager; its region's faults are served from now on.
pub fn enter(pager: &Arc<Pager>) -> std::io::Result<Slot> {
    install()?;
    prepare_thread();
    let pointer = Arc::as_ptr(pager).cast_mut();
    for (index, entry) in TABLE.iter().enumerate() {
        let free = std::ptr::null_mut();
        if entry.compare_exchange(free, pointer, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            TABLE_END.fetch_max(index + 1, Ordering::SeqCst);
            return Ok(Slot { index, pager: pager.clone() });
        }
    }
    Err(std::io::Error::other(format!("more than {SLOTS} regions at once")))
}

/// Takes a pager out; returns when no handler uses it (A2).
pub fn leave(slot: &Slot) {
    TABLE[slot.index].store(std::ptr::null_mut(), Ordering::SeqCst);
    while LOOKING.load(Ordering::SeqCst) != 0 || slot.pager.inside.load(Ordering::SeqCst) != 0 {
        std::hint::spin_loop();
    }
}

/// Serves the fault if it is ours.
fn serve(address: usize) -> bool {
    LOOKING.fetch_add(1, Ordering::SeqCst);
    let found = find(address);
    LOOKING.fetch_sub(1, Ordering::SeqCst);
    let Some(pager) = found else { return false };
    pager.serve(address);
    pager.inside.fetch_sub(1, Ordering::SeqCst);
    true
}

/// The pager of an address, entered.
fn find(address: usize) -> Option<&'static Pager> {
    for entry in &TABLE[..TABLE_END.load(Ordering::SeqCst)] {
        let pointer = entry.load(Ordering::SeqCst);
        if pointer.is_null() {
            continue;
        }
        // SAFETY: A2: `leave` waits for whoever looks, so what was seen in the table is alive while
        // LOOKING counts this thread, and afterwards while `inside` does.
        let pager = unsafe { &*pointer };
        if pager.holds(address) {
            pager.inside.fetch_add(1, Ordering::SeqCst);
            return Some(pager);
        }
    }
    None
}

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

/// The handlers that were there before, for SIGBUS and SIGSEGV.
struct Previous(UnsafeCell<[Option<libc::sigaction>; 2]>);

// SAFETY: written once by `install` before our handlers are in place, only read afterwards.
unsafe impl Sync for Previous {}

static PREVIOUS: Previous = Previous(UnsafeCell::new([None, None]));
static INSTALLED: std::sync::OnceLock<Result<(), i32>> = std::sync::OnceLock::new();

extern "C" fn on_fault(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    let saved = uffd::errno();
    // SAFETY: the kernel passes valid structures to a SA_SIGINFO handler.
    let address = unsafe { (*info).si_addr() } as usize;
    if !serve(address) {
        pass_on(signal, info, context);
    }
    // SAFETY: the C library's own thread-local.
    unsafe { *libc::__errno_location() = saved };
}

fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let which = usize::from(signal == libc::SIGSEGV);
    // SAFETY: read-only since `install`; a handler address is called with the arguments that its
    // flags promise.
    unsafe {
        let previous = (*PREVIOUS.0.get())[which];
        match previous {
            Some(action) if action.sa_sigaction > libc::SIG_IGN => {
                let handler: Handler = std::mem::transmute(action.sa_sigaction);
                handler(signal, info, context);
            }
            _ => {
                // The default action takes the process at the next try.
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

fn install() -> std::io::Result<()> {
    let result = INSTALLED.get_or_init(|| {
        for (which, signal) in [libc::SIGBUS, libc::SIGSEGV].into_iter().enumerate() {
            // SAFETY: all-zero bytes are a valid sigaction; the handler has the right signature.
            // The previous action is stored before ours can run.
            unsafe {
                let mut previous: libc::sigaction = std::mem::zeroed();
                if libc::sigaction(signal, std::ptr::null(), &mut previous) != 0 {
                    return Err(uffd::errno());
                }
                (*PREVIOUS.0.get())[which] = Some(previous);
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = on_fault as Handler as usize;
                action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
                if libc::sigaction(signal, &action, std::ptr::null_mut()) != 0 {
                    return Err(uffd::errno());
                }
            }
        }
        Ok(())
    });
    result.map_err(std::io::Error::from_raw_os_error)
}

/// A handler stack that goes with its thread.
struct HandlerStack {
    bytes: Box<[u8]>,
    previous: libc::stack_t,
}

impl Drop for HandlerStack {
    fn drop(&mut self) {
        // SAFETY: gives the thread back the stack that it had before ours.
        unsafe { libc::sigaltstack(&self.previous, std::ptr::null_mut()) };
        self.bytes[0] = 0;
    }
}

thread_local! {
    static STACK: std::cell::RefCell<Option<HandlerStack>> = const { std::cell::RefCell::new(None) };
}

/// Gives the calling thread a handler stack with room for a pager. Every thread that touches a paged
/// region calls it once first (reserving a region does so for the thread that reserves).
pub fn prepare_thread() {
    STACK.with_borrow_mut(|stack| {
        if stack.is_some() {
            return;
        }
        let mut bytes = vec![0u8; HANDLER_STACK_BYTES].into_boxed_slice();
        let ours = libc::stack_t {
            ss_sp: bytes.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: bytes.len(),
        };
        // SAFETY: the memory lives in the thread-local until the previous stack is set again.
        unsafe {
            let mut previous: libc::stack_t = std::mem::zeroed();
            if libc::sigaltstack(&ours, &mut previous) == 0 {
                *stack = Some(HandlerStack { bytes, previous });
            }
        }
    });
}
