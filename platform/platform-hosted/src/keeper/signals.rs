//! Signals of the system: the interrupt key, and the wish that the program end.
//!
//! They are blocked in every thread and taken by one of its own, so no code runs in a handler.

#![allow(unsafe_code, reason = "room: signals")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use vm::interpret::Doorbell;

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

/// Routes Ctrl-C to the world, and SIGTERM and SIGHUP to `wish`. Before other threads are started.
pub fn route(doorbell: Arc<Doorbell>, wake: impl Fn() + Send + 'static) -> Wish {
    let wish = Wish::default();
    let ours = ours();
    block();
    let seen = wish.clone();
    let listen = move || {
        loop {
            let mut signal = 0;
            // SAFETY: a valid set and an out-pointer.
            if unsafe { libc::sigwait(&ours, &mut signal) } != 0 {
                return;
            }
            if signal == libc::SIGINT {
                doorbell.interrupt();
            } else {
                seen.store(signal, Ordering::SeqCst);
                doorbell.stop();
            }
            wake();
        }
    };
    // Without the thread signals stay blocked: the program then ends by its own means only.
    let _ = std::thread::Builder::new().name("warm-signals".to_owned()).spawn(listen);
    wish
}
