//! Signals of the system: the interrupt key, and the wish that the program end.
//!
//! They are blocked in every thread and taken by one of its own, so no code runs in a handler.

#![allow(unsafe_code, reason = "room: signals")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
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
