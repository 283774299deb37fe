//! `seed check`: does everything compile?

use vm::primitive::PRIMITIVES;

use crate::classes::{ClassEnvironment, Classes};
use crate::code::CompiledMethod;
use crate::generator::compile;
use crate::problem::{Problem, Report, Severity};
use crate::sources::{MethodDefinition, Sources};

/// What a check found.
#[derive(Debug, Default)]
pub struct Checked {
    /// Problems, in order of files.
    pub reports: Vec<Report>,
    /// How many methods compiled.
    pub methods: usize,
    /// How many classes there are.
    pub classes: usize,
}

impl Checked {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.reports.iter().filter(|report| report.severity == Severity::Error).count()
    }
}

/// A compiled method and the definition it was made of.
pub struct Made<'a> {
    /// The definition.
    pub definition: &'a MethodDefinition,
    /// The method.
    pub method: CompiledMethod,
}

/// Compiles every method; what goes wrong is told by file.
pub fn compile_all<'a>(
    sources: &'a Sources,
    classes: &Classes<'_>,
) -> (Vec<Made<'a>>, Vec<(usize, Problem)>) {
    let (mut made, mut problems) = (Vec::new(), Vec::new());
    let mut current: Option<(&str, bool, ClassEnvironment<'_>)> = None;
    for definition in &sources.methods {
        let method = &definition.method;
        let key = (method.class_name.as_str(), method.is_meta);
        if classes.named(key.0).is_none() {
            let message = format!("class `{}` is not defined", method.class_name);
            problems.push((definition.file, Problem::error(method.position, message)));
            continue;
        }
        let environment = match current.take() {
            Some((name, is_meta, environment)) if (name, is_meta) == key => environment,
            _ => classes.environment(key.0, key.1),
        };
        let in_file = |problem: Problem| Problem {
            position: method.position_in_file(problem.position),
            ..problem
        };
        match compile(&method.source, &environment) {
            Ok((method, warnings)) => {
                problems.extend(primitive_problem(&method).map(|p| (definition.file, in_file(p))));
                problems.extend(
                    warnings.into_iter().map(|warning| (definition.file, in_file(warning))),
                );
                made.push(Made { definition, method });
            }
            Err(problem) => problems.push((definition.file, in_file(problem))),
        }
        current = Some((key.0, key.1, environment));
    }
    problems.extend(defined_twice(&made));
    (made, problems)
}

/// Whether the primitive of a method is one of the machine's, with as many arguments.
fn primitive_problem(method: &CompiledMethod) -> Option<Problem> {
    let name = method.primitive.as_ref()?;
    let message = match PRIMITIVES.iter().find(|row| row.name == name) {
        None => format!("the machine has no primitive `{name}`"),
        Some(row) if usize::from(row.arguments) != method.code.arguments => {
            let (wanted, found) = (row.arguments, method.code.arguments);
            format!("the primitive `{name}` takes {wanted} arguments, the method {found}")
        }
        Some(_) => return None,
    };
    Some(Problem::error(1, message))
}

/// Methods that another definition of the same class and selector hides.
fn defined_twice(made: &[Made<'_>]) -> Vec<(usize, Problem)> {
    let mut seen = std::collections::HashSet::new();
    let mut problems = Vec::new();
    for Made { definition, method } in made {
        let TonelKey { class_name, is_meta } = key(definition);
        if !seen.insert((class_name, is_meta, method.selector.as_str())) {
            let side = if is_meta { " class" } else { "" };
            let message = format!("`{class_name}{side} >> {}` is defined twice", method.selector);
            problems.push((definition.file, Problem::error(definition.method.position, message)));
        }
    }
    problems
}

struct TonelKey<'a> {
    class_name: &'a str,
    is_meta: bool,
}

fn key(definition: &MethodDefinition) -> TonelKey<'_> {
    TonelKey { class_name: &definition.method.class_name, is_meta: definition.method.is_meta }
}

/// Checks sources that were read.
pub fn check(mut sources: Sources) -> Checked {
    let (methods, problems) = {
        let (classes, mut problems) = Classes::new(&sources, &[]);
        let (made, more) = compile_all(&sources, &classes);
        problems.extend(more);
        (made.len(), problems)
    };
    for (file, problem) in &problems {
        sources.report(*file, problem);
    }
    let mut reports = sources.reports;
    reports.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Checked { reports, methods, classes: sources.classes.len() }
}
