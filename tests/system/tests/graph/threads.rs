//! A writer and a marker on threads of their own, racing the mutator.

use crate::arena::Arena;
use crate::disk::{Page, Writer};
use image::space::Frozen;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use vm::heap::Marker;

type Copied = Result<BTreeMap<usize, Page>, String>;

pub struct Threads {
    marker: Arc<Mutex<Option<Marker>>>,
    stop: Arc<AtomicBool>,
    jobs: Option<Sender<Writer>>,
    copied: Receiver<Copied>,
    handles: Vec<JoinHandle<()>>,
    /// A job is with the writer.
    writing: bool,
}

impl Threads {
    pub fn start() -> Threads {
        let marker: Arc<Mutex<Option<Marker>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (jobs, taken) = channel::<Writer>();
        let (done, copied) = channel();
        let writing = std::thread::spawn(move || {
            while let Ok(mut writer) = taken.recv() {
                let all = loop {
                    match writer.step() {
                        Ok(false) => {}
                        Ok(true) => break Ok(writer.written),
                        Err(what) => break Err(what),
                    }
                };
                if done.send(all).is_err() {
                    return;
                }
            }
        });
        let (slot, end) = (marker.clone(), stop.clone());
        let marking = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                if let Some(marker) = &*slot.lock().unwrap() {
                    marker.step(20);
                }
                std::thread::yield_now();
            }
        });
        Threads { marker, stop, jobs: Some(jobs), copied, handles: vec![writing, marking], writing: false }
    }

    /// Gives the marker of the running cycle to the thread.
    pub fn set_marker(&self, marker: Option<Marker>) {
        *self.marker.lock().unwrap() = marker;
    }

    pub fn write(&mut self, frozen: Arc<Frozen>, arena: &Arena) {
        self.writing = true;
        let jobs = self.jobs.as_ref().expect("a writer");
        jobs.send(Writer::new(frozen, arena)).expect("a writer that listens");
    }

    pub fn is_writing(&self) -> bool {
        self.writing
    }

    /// What the writer copied, if it is done; waits for it if asked to.
    pub fn copied(&mut self, wait: bool) -> Option<Copied> {
        if !self.writing {
            return None;
        }
        let copied = if wait { self.copied.recv().ok() } else { self.copied.try_recv().ok() };
        self.writing &= copied.is_none();
        copied
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        self.set_marker(None);
        for handle in self.handles.drain(..) {
            let _ = handle.join();
        }
    }
}
