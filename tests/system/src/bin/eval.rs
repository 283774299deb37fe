//! Evaluates expressions in a world that is built anew from the sources: a tool for whoever writes
//! the library.
//!
//! ```text
//! cargo run -q -p system --bin eval -- [-m MANIFEST] [-p FOLDER]… [-t CLASS]… [-s] EXPRESSION…
//! ```
//!
//! The world is the manifest's (by default `bootstrap-image/world/manifest.ston`) and the packages of
//! the folders given by `-p`. Each expression may have temporaries and statements; its last value is
//! printed by `printString`. `-t Foo` runs `Foo suite run` and prints the result. `-s` skips class
//! initialisers, `-T` prints times, `-v` the machine's trace of a process that stopped. `-f FILE` takes expressions from a file, one a line. What the machine logs goes to
//! stderr. The exit status is 1 if an expression failed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use platform_hosted::clock::{HostedClock, HostedEntropy};
use platform_hosted::memory::HostedMemory;
use platform_hosted::services::{Bell, ConsoleService, FileService};
use platform_hosted::window::{DisplayService, Port};
use seed::manifest::Manifest;
use seed::problem::Severity;
use seed::sources::Sources;
use vm::archive::{Claimed, load, pack};
use vm::heap::{Heap, HeapConfig};
use vm::interpret::{Ended, RunEnd, StoreHost, Vm, VmConfig};

#[derive(Default)]
struct Options {
    manifest: Option<PathBuf>,
    folders: Vec<PathBuf>,
    skip_initializers: bool,
    expressions: Vec<String>,
    time: bool,
    verbose: bool,
}

struct Log;

impl StoreHost for Log {
    fn is_durable(&self) -> bool {
        false
    }
    fn log(&mut self, line: &str) {
        eprintln!("{line}");
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "-m" => options.manifest = Some(value()?.into()),
            "-p" => options.folders.push(value()?.into()),
            "-t" => {
                let name = value()?;
                options.expressions.push(format!("{name} suite run"));
            }
            "-s" => options.skip_initializers = true,
            "-T" => options.time = true,
            "-v" => options.verbose = true,
            "-f" => {
                let text = std::fs::read_to_string(value()?).map_err(|e| e.to_string())?;
                options.expressions.extend(text.lines().filter(|l| !l.is_empty()).map(String::from));
            }
            _ => options.expressions.push(argument),
        }
    }
    Ok(options)
}

/// A class whose class side has a method for each expression.
fn tool(expressions: &[String]) -> String {
    let mut text = "Class {\n\t#name : 'EvalTool',\n\t#superclass : 'Object',\n\t#category : 'EvalTool',\n\t#package : 'EvalTool'\n}\n".to_owned();
    for (n, expression) in expressions.iter().enumerate() {
        text += &format!(
            "\n{{ #category : 'evaluating' }}\nEvalTool class >> run{n} [\n\t^ [ {expression} ] value printString\n]\n"
        );
    }
    text
}

fn sources(options: &Options) -> Result<(Sources, Vec<String>), String> {
    let default = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../bootstrap-image/world/manifest.ston"));
    let path = options.manifest.clone().unwrap_or(default);
    let manifest = Manifest::read(&path).map_err(|report| report.to_string())?;
    let mut folders = manifest.packages.clone();
    folders.extend(options.folders.iter().cloned());
    let mut sources = Sources::read(&folders);
    sources.add_file("expressions", &tool(&options.expressions));
    Ok((sources, manifest.initialize_first))
}

fn run() -> Result<bool, String> {
    let options = options()?;
    let began = std::time::Instant::now();
    let (sources, first) = sources(&options)?;
    let (archive, reports) = seed::world::archive_of(sources, &first);
    for report in reports.iter().filter(|report| report.severity == Severity::Error) {
        eprintln!("{report}");
    }
    let archive = archive.ok_or("the sources have errors")?;
    let bytes = pack(&archive).map_err(|error| error.to_string())?;
    let verified = Claimed(&bytes).verify().map_err(|damage| damage.to_string())?;
    let config = HeapConfig { clock: Some(Arc::new(HostedClock::default())), ..HeapConfig::default() };
    let mut heap = Heap::create(&HostedMemory::default(), config).map_err(|e| format!("{e:?}"))?;
    let loaded = load(&verified, &mut heap).map_err(|error| error.to_string())?;
    let mut config = VmConfig::new(Arc::new(HostedClock::default()));
    config.entropy = Some(Arc::new(HostedEntropy));
    config.store = Box::new(Log);
    let bell = config.doorbell.clone();
    let bell: Bell = Arc::new(move |index| bell.signal(index));
    let pictures = DisplayService::new(1, bell.clone(), Port::none("this tool opens no windows"));
    config.services =
        vec![Box::new(FileService::new(1)), Box::new(ConsoleService::new(bell, None)), Box::new(pictures)];
    let mut vm = Vm::new(heap, config)?;
    vm.set_memory_limit(2 << 30);
    if !options.skip_initializers {
        for send in &loaded.initializers {
            if let Err(error) = vm.send_all(&[*send]) {
                eprintln!("initialiser: {error}");
            }
        }
    }
    if !options.skip_initializers {
        vm.wake();
    }
    if options.time {
        eprintln!("built in {:?}", began.elapsed());
    }
    let mut good = true;
    for n in 0..options.expressions.len() {
        let began = std::time::Instant::now();
        good &= evaluate(&mut vm, n, options.verbose);
        if options.time {
            eprintln!("{:?}", began.elapsed());
        }
    }
    Ok(good)
}

fn evaluate(vm: &mut Vm, n: usize, verbose: bool) -> bool {
    let Some(class) = vm.global("EvalTool") else {
        eprintln!("the world has no global EvalTool");
        return false;
    };
    let serial = match vm.spawn(class, &format!("run{n}"), &[], None) {
        Ok(serial) => serial,
        Err(error) => {
            eprintln!("{error}");
            return false;
        }
    };
    match vm.await_end(serial) {
        Ok(Ended::Value(value)) => {
            println!("{}", vm.text_of(value).unwrap_or_else(|| "(no string)".to_owned()));
            vm.release(value);
            true
        }
        Ok(Ended::Failed(trace)) => {
            println!("FAILED: {}", trace.lines().next().unwrap_or_default());
            false
        }
        Ok(Ended::Terminated) => {
            println!("TERMINATED");
            false
        }
        Err(error) => {
            println!("STOPPED: {error}");
            if verbose {
                eprint!("{}", vm.trace_of(serial));
            }
            false
        }
    }
}

const _: RunEnd = RunEnd::Budget;
