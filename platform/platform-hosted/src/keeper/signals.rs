//! Signals of the system: the interrupt key, and the wish that the program end.
//!
//! They are blocked in every thread and taken by one of its own, so no code runs in a handler.

#![allow(unsafe_code, reason = "room: signals")]

use parking_lot::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

/// Which signal asked the program to end; 0 while none did.
pub type Wish = Arc<AtomicI32>;

fn set(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: sigemptyset makes the all-zero set valid; the numbers are valid signals.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in signals {
            libc::sigaddset(&mut set, *signal);
        }
        set
    }
}

fn ours() -> libc::sigset_t {
    set(&[libc::SIGINT, libc::SIGTERM, libc::SIGHUP])
}

/// Blocks the signals that are ours in this thread and those that it starts.
pub fn block() {
    // SAFETY: a valid set; the previous mask is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &ours(), std::ptr::null_mut()) };
}

/// The interrupt key is blocked in this thread, and those that it starts, until this is dropped.
pub struct Masked {
    before: libc::sigset_t,
}

impl Masked {
    /// Blocks it.
    pub fn interrupt() -> Masked {
        let mut before = set(&[]);
        // SAFETY: a valid set and a valid out-pointer.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set(&[libc::SIGINT]), &mut before) };
        Masked { before }
    }
}

impl Drop for Masked {
    fn drop(&mut self) {
        // SAFETY: a set that the system gave; the previous mask is not asked for.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Waits so long for the interrupt key, which must be blocked; answers whether it came.
pub fn interrupt_within(time: Duration) -> bool {
    let time = libc::timespec { tv_sec: time.as_secs() as libc::time_t, tv_nsec: time.subsec_nanos().into() };
    // SAFETY: a valid set and time; what is known of the signal is not asked for.
    unsafe { libc::sigtimedwait(&set(&[libc::SIGINT]), std::ptr::null_mut(), &time) == libc::SIGINT }
}

/// Hands an interrupt that was taken on to whoever waits for it now.
pub fn interrupt_self() {
    // SAFETY: a valid signal to this process.
    unsafe { libc::kill(libc::getpid(), libc::SIGINT) };
}

/// Who is told of a signal.
type Taker = Box<dyn Fn(libc::c_int) + Send>;

/// The latest who wanted to be: a world that is opened again in this process takes over from the one
/// before.
static TAKER: Mutex<Option<Taker>> = Mutex::new(None);
static THREAD: Once = Once::new();

/// Calls `taken` with each signal of ours from now on, from a thread of its own. Before other threads
/// are started.
pub fn listen(taken: impl Fn(libc::c_int) + Send + 'static) {
    block();
    *TAKER.lock() = Some(Box::new(taken));
    THREAD.call_once(|| {
        // Without the thread signals stay blocked: the program then ends by its own means only.
        let _ = std::thread::Builder::new().name("warm-signals".to_owned()).spawn(take);
    });
}

/// The body of the thread.
fn take() {
    let ours = ours();
    loop {
        let mut signal = 0;
        // SAFETY: a valid set and an out-pointer.
        if unsafe { libc::sigwait(&ours, &mut signal) } != 0 {
            return;
        }
        if let Some(taken) = &*TAKER.lock() {
            taken(signal);
        }
    }
}

/// As a wish, that SIGINT too asks the program to end.
pub const ANY_KEY: i32 = -1;

/// Routes Ctrl-C to `interrupt`, and SIGTERM and SIGHUP to the wish, which `stop` makes known.
pub fn route(interrupt: impl Fn() + Send + 'static, stop: impl Fn() + Send + 'static) -> Wish {
    let wish = Wish::default();
    let seen = wish.clone();
    listen(move |signal| {
        if signal == libc::SIGINT && seen.load(Ordering::SeqCst) != ANY_KEY {
            interrupt();
        } else {
            seen.store(signal, Ordering::SeqCst);
            stop();
        }
    });
    wish
}
