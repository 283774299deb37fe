//! The manifest: which packages make the world, in which order.
//!
//! ```text
//! {
//!     #packages : [ 'Kernel', '../../browser-ui/world/Views' ],
//!     #initializeFirst : [ 'HashedCollection' ],
//!     #startup : [ 'startup.list' ]
//! }
//! ```
//!
//! Packages are folders, from the manifest's own on. The order of packages, and in a package that
//! of file names, is the order of class indices. When the world is built, classes whose class side
//! defines `initialize` are sent it: first those named, then the others in the same order. The files
//! of `startup` name the methods that an opening runs, a line each (`Integer>>#+`,
//! `Session class>>#current`): the world has them side by side. A line that names no method is passed over.

use std::path::{Path, PathBuf};

use crate::problem::{Problem, Report, Severity, line_and_column};
use crate::sources::Sources;
use crate::ston::{Cursor, Ston};

/// A manifest.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// The folders of the packages, in order.
    pub packages: Vec<PathBuf>,
    /// Classes that are initialised before the others.
    pub initialize_first: Vec<String>,
    /// Files that name the methods which an opening runs.
    pub startup: Vec<PathBuf>,
}

impl Manifest {
    /// Reads a manifest.
    pub fn read(path: &Path) -> Result<Manifest, Report> {
        let report = |text: &[char], problem: Problem| {
            let (line, column) = line_and_column(text, problem.position);
            let file = path.display().to_string();
            Report { file, line, column, message: problem.message, severity: Severity::Error }
        };
        let text = std::fs::read_to_string(path)
            .map_err(|error| report(&[], Problem::error(1, error.to_string())))?;
        let text: Vec<char> = text.chars().collect();
        let folder = path.parent().unwrap_or(Path::new("."));
        parse(&text, folder).map_err(|problem| report(&text, problem))
    }

    /// The methods that an opening runs, by name.
    pub fn startup_order(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for file in &self.startup {
            names.extend(std::fs::read_to_string(file)?.lines().map(str::to_owned));
        }
        Ok(names)
    }

    /// Reads the sources that it names.
    pub fn sources(&self) -> Sources {
        Sources::read(&self.packages)
    }
}

fn parse(text: &[char], folder: &Path) -> Result<Manifest, Problem> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.skip_space();
    if cursor.peek() == Some('"') {
        cursor.delimited('"')?;
    }
    let value = cursor.value(0)?;
    cursor.skip_space();
    if cursor.peek().is_some() {
        return cursor.expected("the end of the manifest");
    }
    let Ston::Map(pairs) = &value else {
        return Err(Problem::error(1, "a manifest is a map in braces"));
    };
    let mut manifest = Manifest::default();
    for (key, value) in pairs {
        let Some(names) = value.texts() else {
            return Err(Problem::error(1, format!("`#{key}` is a list of names")));
        };
        match key.as_str() {
            "packages" => manifest.packages = names.iter().map(|name| folder.join(name)).collect(),
            "startup" => manifest.startup = names.iter().map(|name| folder.join(name)).collect(),
            "initializeFirst" => manifest.initialize_first = names,
            _ => return Err(Problem::error(1, format!("`#{key}` is no key of a manifest"))),
        }
    }
    Ok(manifest)
}
