//! Sends that nothing implements: `cargo run -p seed --example unimplemented -- PATH… [=PACKAGE…]`
//! reads all sources under the paths and prints each such send of a method in one of the packages
//! (all of them if none is named). A send is no error, but a misspelled selector shows up here.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use seed::check::compile_all;
use seed::classes::Classes;
use seed::code::{Code, Constant};
use seed::sources::Sources;

fn sites<'a>(code: &'a Code, found: &mut BTreeSet<&'a str>) {
    found.extend(code.sites.iter().map(String::as_str));
    for literal in &code.literals {
        if let Constant::Block(block) = literal {
            sites(block, found);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (packages, paths): (Vec<_>, Vec<_>) = arguments.iter().partition(|a| a.starts_with('='));
    let paths: Vec<PathBuf> = paths.into_iter().map(PathBuf::from).collect();
    let sources = Sources::read(&paths);
    let (classes, _) = Classes::new(&sources, &[]);
    let (made, _) = compile_all(&sources, &classes);
    let known: HashSet<&str> = made.iter().map(|made| made.method.selector.as_str()).collect();
    for made in &made {
        let file = &sources.files[made.definition.file].name;
        if !packages.is_empty() && !packages.iter().any(|p| file.contains(&format!("/{}/", &p[1..]))) {
            continue;
        }
        let mut sent = BTreeSet::new();
        sites(&made.method.code, &mut sent);
        for selector in sent.into_iter().filter(|selector| !known.contains(selector)) {
            println!("{} >> {}: {selector}", made.definition.method.class_name, made.method.selector);
        }
    }
}
