//! The command line of `seed`; see the library's header.

use std::path::PathBuf;
use std::process::ExitCode;

use seed::check::{check, compile_all};
use seed::classes::Classes;
use seed::listing::method_listing;
use seed::manifest::Manifest;
use seed::problem::Severity;
use seed::sources::Sources;

const USAGE: &str =
    "usage: seed check [-q] PATH… | seed dump PATH… CLASS SELECTOR | seed archive MANIFEST [FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.first().map(String::as_str) {
        Some("check") => run_check(&arguments[1..]),
        Some("dump") => run_dump(&arguments[1..]),
        Some("archive") => run_archive(&arguments[1..]),
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn run_check(arguments: &[String]) -> Result<bool, String> {
    let quiet = arguments.iter().any(|argument| argument == "-q");
    let paths: Vec<PathBuf> = arguments.iter().filter(|a| *a != "-q").map(PathBuf::from).collect();
    if paths.is_empty() {
        return Err(USAGE.into());
    }
    let checked = check(Sources::read(&paths));
    for report in checked.reports.iter().filter(|r| !quiet || r.severity == Severity::Error) {
        println!("{report}");
    }
    let errors = checked.errors();
    let warnings = checked.reports.len() - errors;
    println!(
        "{} classes, {} methods compiled, {errors} errors, {warnings} warnings",
        checked.classes, checked.methods
    );
    Ok(errors == 0)
}

fn run_dump(arguments: &[String]) -> Result<bool, String> {
    let [paths @ .., class, selector] = arguments else { return Err(USAGE.into()) };
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let (name, is_meta) = match class.strip_suffix(" class") {
        Some(name) => (name, true),
        None => (class.as_str(), false),
    };
    let sources = Sources::read(&paths);
    let (classes, _) = Classes::new(&sources, &[]);
    let (made, _) = compile_all(&sources, &classes);
    let found = made.iter().find(|made| {
        let method = &made.definition.method;
        method.class_name == name && method.is_meta == is_meta && made.method.selector == *selector
    });
    match found {
        Some(made) => {
            print!("{}", method_listing(&made.method));
            Ok(true)
        }
        None => Err(format!("no compiled method {class} >> {selector}; `seed check` says why")),
    }
}

fn run_archive(arguments: &[String]) -> Result<bool, String> {
    let (path, target) = match arguments {
        [path] => (path, None),
        [path, target] => (path, Some(target)),
        _ => return Err(USAGE.into()),
    };
    let manifest = Manifest::read(&PathBuf::from(path)).map_err(|report| report.to_string())?;
    let (archive, reports) = seed::world::archive(&manifest);
    for report in reports.iter().filter(|report| report.severity == Severity::Error) {
        println!("{report}");
    }
    let Some(archive) = archive else { return Ok(false) };
    let bytes = vm::archive::pack(&archive).map_err(|error| error.to_string())?;
    println!(
        "{} classes, {} objects, {} bytes, {} initialisers",
        archive.classes.len(),
        archive.objects.len(),
        bytes.len(),
        archive.initializers.len()
    );
    if let Some(target) = target {
        std::fs::write(target, &bytes).map_err(|error| format!("{target}: {error}"))?;
    }
    Ok(true)
}
