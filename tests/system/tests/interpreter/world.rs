//! Worlds made of the manifest's sources and a class of expressions, each on a heap of its own.

use platform::{Clock, Filled, PageSource};
use platform_hosted::clock::{HostedClock, HostedEntropy};
use platform_hosted::memory::HostedMemory;
use seed::manifest::Manifest;
use seed::problem::Severity;
use seed::sources::Sources;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use vm::archive::{Claimed, Verified, load, pack};
use vm::heap::{Heap, HeapConfig, Roots};
use image::space::Frozen;
use vm::interpret::{Ended, StoreHost, Vm, VmConfig};

/// Methods of `EvalTool class`, in Tonel's form.
pub type Methods = &'static [&'static str];

fn manifest() -> &'static Manifest {
    static MANIFEST: OnceLock<Manifest> = OnceLock::new();
    MANIFEST.get_or_init(|| {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../bootstrap-image/world/manifest.ston");
        Manifest::read(&PathBuf::from(path)).expect("the manifest reads")
    })
}

/// The archive of the library with a class `EvalTool` whose class side answers `run0`, `run1` … to
/// the expressions, and has the methods.
pub fn archive(expressions: &[&str], methods: &[&str]) -> Verified {
    let mut text = "Class {\n\t#name : 'EvalTool',\n\t#superclass : 'Object',\n\t#instVars : [ 'a' ],\n\t#classVars : [ 'Shared' ],\n\t#category : 'EvalTool',\n\t#package : 'EvalTool'\n}\n".to_owned();
    for (n, expression) in expressions.iter().enumerate() {
        text += &format!("\n{{ #category : 'runs' }}\nEvalTool class >> run{n} [\n\t^ [ {expression} ] value printString\n]\n");
    }
    for method in methods {
        let (side, method) = match method.strip_prefix("instance ") {
            Some(method) => ("", method),
            None => (" class", *method),
        };
        let (header, body) = method.split_once('|').expect("`header|body`");
        text += &format!("\n{{ #category : 'methods' }}\nEvalTool{side} >> {header} [\n{body}\n]\n");
    }
    let mut sources = Sources::read(&manifest().packages);
    sources.add_file("expressions", &text);
    let (archive, reports) = seed::world::archive_of(sources, &manifest().initialize_first);
    for report in reports.iter().filter(|r| r.severity == Severity::Error) {
        eprintln!("{report}");
    }
    let bytes = pack(&archive.expect("the sources compile")).expect("an archive packs");
    Claimed(&bytes).verify().expect("our own archive is admitted")
}

/// An address range that no other test of this process uses.
pub fn fresh_base() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    0x2100_0000_0000 + NEXT.fetch_add(1, Ordering::Relaxed) * 0x10_0000_0000
}

pub fn heap_config(base: usize) -> HeapConfig {
    HeapConfig { base, reserve: 4 << 30, clock: Some(clock()), ..HeapConfig::default() }
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(HostedClock::default())
}

pub fn vm_config() -> VmConfig {
    let mut config = VmConfig::new(clock());
    config.entropy = Some(Arc::new(HostedEntropy));
    config
}

/// A world of the archive, its initialisers run.
pub fn world(archive: &Verified, base: usize) -> Vm {
    let mut heap = Heap::create(&HostedMemory::default(), heap_config(base)).expect("a heap");
    let loaded = load(archive, &mut heap).expect("the archive loads");
    let mut vm = Vm::new(heap, vm_config()).expect("a machine");
    vm.send_all(&loaded.initializers).expect("initialisers run");
    vm
}

/// What the n-th expression prints as.
pub fn run(vm: &mut Vm, n: usize) -> String {
    let class = vm.global("EvalTool").expect("the class of expressions");
    let serial = vm.spawn(class, &format!("run{n}"), &[], None).expect("a process");
    let ended = vm.await_end(serial);
    vm.release(class);
    show(vm, ended, serial)
}

pub fn show(vm: &mut Vm, ended: Result<Ended, String>, serial: i64) -> String {
    match ended {
        Ok(Ended::Value(value)) => {
            let text = vm.text_of(value).unwrap_or_else(|| "(no string)".to_owned());
            vm.release(value);
            text
        }
        Ok(Ended::Failed(trace)) => format!("failed: {trace}"),
        Ok(Ended::Terminated) => "terminated".to_owned(),
        Err(error) => format!("stopped: {error}\n{}", vm.trace_of(serial)),
    }
}

/// Pages that flips left.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<BTreeMap<usize, Box<[u8; 4096]>>>>);

impl PageSource for Disk {
    fn fill(&self, page: usize, into: &mut [u8]) -> Filled {
        match self.0.lock().expect("no poison").get(&page) {
            Some(bytes) => {
                into.copy_from_slice(&bytes[..]);
                Filled::Bytes
            }
            None => Filled::Zero,
        }
    }
}

impl Disk {
    /// Captures the frames, flips, and keeps the pages.
    pub fn save(&self, vm: &mut Vm) {
        let frozen = vm.flip().expect("a flip");
        self.keep(&frozen);
        vm.heap.thaw();
    }

    fn keep(&self, frozen: &Frozen) {
        let mut pages = self.0.lock().expect("no poison");
        for (place, number) in frozen.page_numbers().iter().enumerate() {
            let mut bytes = Box::new([0; 4096]);
            frozen.read_page(place, &mut bytes);
            pages.insert(number.0 as usize, bytes);
        }
    }

    /// Opens what was saved; the world that saved it is gone.
    pub fn open(&self, base: usize) -> Vm {
        let source = Arc::new(self.clone());
        let heap = Heap::open(&HostedMemory::default(), heap_config(base), source).expect("it opens");
        let mut vm = Vm::new(heap, vm_config()).expect("a machine");
        vm.reopen();
        vm
    }
}

impl StoreHost for Disk {
    fn snapshot(&mut self, heap: &mut Heap, roots: &mut dyn Roots) -> Result<(), String> {
        let frozen = heap.flip(roots).map_err(|error| format!("{error:?}"))?;
        self.keep(&frozen);
        heap.thaw();
        Ok(())
    }
}
