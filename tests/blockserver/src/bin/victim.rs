//! `victim FILE SEED [FAULT]`: works on the world in FILE until it is killed (see `blockserver::victim`).

use blockserver::PlainFile;
use blockserver::victim::work;
use image::Faults;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seed, rest @ ..] = arguments.as_slice() else {
        eprintln!("usage: victim FILE SEED [FAULT]");
        return ExitCode::from(2);
    };
    let faults = match rest.first() {
        Some(name) => Faults::only(name),
        None => Some(Faults::default()),
    };
    let (Ok(seed), Some(faults)) = (seed.parse(), faults) else {
        eprintln!("victim: no such seed or fault");
        return ExitCode::from(2);
    };
    let done = PlainFile::open(Path::new(file))
        .map_err(|error| error.to_string())
        .and_then(|store| work(Arc::new(store), seed, faults));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("victim: {error}");
            ExitCode::FAILURE
        }
    }
}
