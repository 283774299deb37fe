//! Listings of every method: `cargo run -p seed --example listings -- PATH…`. The world's own
//! compiler writes the same (`CodeListing`), so that the two compilers can be compared.

use std::path::PathBuf;

use seed::check::compile_all;
use seed::classes::Classes;
use seed::listing::method_listing;
use seed::sources::Sources;

fn main() {
    let paths: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let sources = Sources::read(&paths);
    let (classes, _) = Classes::new(&sources, &[]);
    for made in compile_all(&sources, &classes).0 {
        let side = if made.definition.method.is_meta { " class" } else { "" };
        print!("{}{side}>>{}", made.definition.method.class_name, method_listing(&made.method));
    }
}
