//! Folders of Tonel files, read into definitions of classes and methods.
//!
//! Invariants
//! - F1 Files are taken in the order of their paths, so that the same folders always give the same
//!   definitions in the same order.
//! - F2 A problem never stops the reading: all problems of all files are reported together.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Report, line_and_column};
use crate::ston::Ston;
use crate::tonel::{FileKind, TonelFile, TonelMethod, read};

/// A source file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// Its name, as it was given or found.
    pub name: String,
    /// Its text.
    pub text: Vec<char>,
}

/// A class, as its file defines it.
#[derive(Clone, Debug, Default)]
pub struct ClassDefinition {
    /// The name.
    pub name: String,
    /// The superclass, `None` for a root.
    pub superclass: Option<String>,
    /// Instance variables that it adds.
    pub instance_variables: Vec<String>,
    /// Instance variables that its metaclass adds.
    pub class_instance_variables: Vec<String>,
    /// Class variables.
    pub class_variables: Vec<String>,
    /// Shared pools.
    pub pools: Vec<String>,
    /// `fixed` or another layout of `#type`.
    pub layout: String,
    /// The package.
    pub package: String,
    /// The tag within the package.
    pub tag: String,
    /// The comment.
    pub comment: String,
    /// The index of its file.
    pub file: usize,
    /// Where the definition starts.
    pub position: u32,
}

/// A method, as its file defines it.
#[derive(Clone, Debug)]
pub struct MethodDefinition {
    /// What the file says.
    pub method: TonelMethod,
    /// The index of the file.
    pub file: usize,
    /// Whether an extension defines it.
    pub extension: bool,
}

/// Everything that a set of folders defines.
#[derive(Debug, Default)]
pub struct Sources {
    /// The files.
    pub files: Vec<SourceFile>,
    /// The classes, in order of files.
    pub classes: Vec<ClassDefinition>,
    /// The index of a class by name.
    pub class_index: HashMap<String, usize>,
    /// The methods, in order of files.
    pub methods: Vec<MethodDefinition>,
    /// What is wrong with files.
    pub reports: Vec<Report>,
}

/// The layouts of `#type`, and the format each stands for.
pub const LAYOUTS: &[(&str, vm::layout::Format)] = {
    use vm::layout::Format;
    &[
        ("normal", Format::Fixed),
        ("fixed", Format::Fixed),
        ("immediate", Format::Fixed),
        ("variable", Format::Indexable),
        ("weak", Format::Weak),
        ("ephemeron", Format::Ephemeron),
        ("doubleWords", Format::Words64),
        ("words", Format::Words32),
        ("doubleBytes", Format::Words16),
        ("bytes", Format::Bytes),
    ]
};

impl Sources {
    /// Reads every Tonel file under the given paths.
    pub fn read(paths: &[PathBuf]) -> Sources {
        let mut sources = Sources::default();
        for path in paths {
            match tonel_files(path) {
                Ok(files) => files.iter().for_each(|file| sources.read_file(file)),
                Err(error) => sources.report_file(path, error.to_string()),
            }
        }
        sources
    }

    fn report_file(&mut self, path: &Path, message: String) {
        let problem = Problem::error(1, message);
        self.files.push(SourceFile { name: path.display().to_string(), text: Vec::new() });
        self.report(self.files.len() - 1, &problem);
    }

    fn read_file(&mut self, path: &Path) {
        match fs::read(path).map(String::from_utf8) {
            Ok(Ok(text)) => self.add_file(&path.display().to_string(), &text),
            Ok(Err(_)) => self.report_file(path, "not UTF-8".into()),
            Err(error) => self.report_file(path, error.to_string()),
        }
    }

    /// Adds one file by name and text.
    pub fn add_file(&mut self, name: &str, text: &str) {
        let text: Vec<char> = text.chars().collect();
        let result = read(&text);
        self.files.push(SourceFile { name: name.to_owned(), text });
        let file = self.files.len() - 1;
        let result = result.and_then(|tonel| self.define(tonel, file));
        if let Err(problem) = result {
            self.report(file, &problem);
        }
    }

    /// Reports a problem of a file.
    pub fn report(&mut self, file: usize, problem: &Problem) {
        let SourceFile { name, text } = &self.files[file];
        let (line, column) = line_and_column(text, problem.position);
        self.reports.push(Report {
            file: name.clone(),
            line,
            column,
            message: problem.message.clone(),
            severity: problem.severity,
        });
    }

    fn define(&mut self, tonel: TonelFile, file: usize) -> Result<(), Problem> {
        match tonel.kind {
            FileKind::Package => return Ok(()),
            FileKind::Trait => {
                return Err(Problem::error(
                    tonel.position,
                    "the world's own sources have no traits yet",
                ));
            }
            FileKind::Extension => {}
            FileKind::Class => {
                let class = class_definition(&tonel, file)?;
                if self.class_index.contains_key(&class.name) {
                    let message = format!("class `{}` is defined twice", class.name);
                    return Err(Problem::error(tonel.position, message));
                }
                self.class_index.insert(class.name.clone(), self.classes.len());
                self.classes.push(class);
            }
        }
        let named = required_text(&tonel, "name")?;
        for method in &tonel.methods {
            if method.class_name != named {
                let message =
                    format!("a method of `{}` in the file of `{named}`", method.class_name);
                return Err(Problem::error(method.position, message));
            }
        }
        let extension = tonel.kind == FileKind::Extension;
        let methods = tonel.methods.into_iter();
        self.methods.extend(methods.map(|method| MethodDefinition { method, file, extension }));
        Ok(())
    }
}

fn required_text(tonel: &TonelFile, key: &str) -> Result<String, Problem> {
    match tonel.definition.at(key).and_then(Ston::text) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Problem::error(tonel.position, format!("expected `#{key}` with a name"))),
    }
}

fn names(tonel: &TonelFile, key: &str) -> Result<Vec<String>, Problem> {
    let Some(list) = tonel.definition.at(key) else { return Ok(Vec::new()) };
    match list.texts() {
        Some(names) => Ok(names),
        None => Err(Problem::error(tonel.position, format!("`#{key}` is a list of names"))),
    }
}

const CLASS_KEYS: [&str; 11] = [
    "name",
    "superclass",
    "instVars",
    "classVars",
    "classInstVars",
    "pools",
    "type",
    "category",
    "package",
    "tag",
    "traits",
];

fn class_definition(tonel: &TonelFile, file: usize) -> Result<ClassDefinition, Problem> {
    let fail = |message: String| Err(Problem::error(tonel.position, message));
    if let Ston::Map(pairs) = &tonel.definition
        && let Some((key, _)) = pairs.iter().find(|(key, _)| !CLASS_KEYS.contains(&key.as_str()))
    {
        return fail(format!("`#{key}` is no key of a class"));
    }
    let text = |key| tonel.definition.at(key).and_then(Ston::text).map(str::to_owned);
    let superclass = match tonel.definition.at("superclass") {
        Some(Ston::Nil) => None,
        _ => Some(required_text(tonel, "superclass")?).filter(|name| name != "nil"),
    };
    let layout = text("type").unwrap_or_else(|| "normal".into());
    if !LAYOUTS.iter().any(|(name, _)| *name == layout) {
        let known: Vec<_> = LAYOUTS.iter().map(|(name, _)| *name).collect();
        return fail(format!(
            "`{layout}` is no type of class: expected one of {}",
            known.join(", ")
        ));
    }
    let category = text("category").unwrap_or_default();
    let package =
        text("package").unwrap_or_else(|| category.split('-').next().unwrap_or("").to_owned());
    let tag =
        text("tag").or_else(|| category.strip_prefix(&format!("{package}-")).map(str::to_owned));
    Ok(ClassDefinition {
        name: required_text(tonel, "name")?,
        superclass,
        instance_variables: names(tonel, "instVars")?,
        class_instance_variables: names(tonel, "classInstVars")?,
        class_variables: names(tonel, "classVars")?,
        pools: names(tonel, "pools")?,
        layout,
        package,
        tag: tag.unwrap_or_default(),
        comment: tonel.comment.clone().unwrap_or_default(),
        file,
        position: tonel.position,
    })
}

/// The Tonel files under a path, in order.
fn tonel_files(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            if path.is_dir() && !name.starts_with('.') {
                folders.push(path);
            } else if [".class.st", ".extension.st", ".trait.st"]
                .iter()
                .any(|end| name.ends_with(end))
                || name == "package.st"
            {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
