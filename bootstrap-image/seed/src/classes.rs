//! The classes of a set of sources as the compiler sees them: who inherits what, what names mean.
//!
//! Invariant K1: chains of superclasses end; a cycle is reported and cut.

use std::collections::{HashMap, HashSet};

use crate::problem::Problem;
use crate::scope::{Binding, Environment};
use crate::sources::{ClassDefinition, Sources};

/// Names that are bound in every world, beside its classes.
pub const GLOBALS: &[&str] = &["Smalltalk", "Processor", "Undeclared"];

/// The classes of some sources.
pub struct Classes<'a> {
    sources: &'a Sources,
    globals: HashSet<&'a str>,
}

impl<'a> Classes<'a> {
    /// The classes, with globals that are bound beside them. Also what is wrong among them.
    pub fn new(sources: &'a Sources, globals: &[&'a str]) -> (Classes<'a>, Vec<(usize, Problem)>) {
        let globals = GLOBALS.iter().copied().chain(globals.iter().copied()).collect();
        let classes = Classes { sources, globals };
        let mut problems = Vec::new();
        for class in &sources.classes {
            if let Some(message) = classes.defect(class) {
                problems.push((class.file, Problem::error(class.position, message)));
            }
        }
        (classes, problems)
    }

    fn defect(&self, class: &ClassDefinition) -> Option<String> {
        if let Some(name) = class.superclass.as_ref().filter(|name| self.named(name).is_none()) {
            return Some(format!("the superclass `{name}` of `{}` is not defined", class.name));
        }
        let chain = self.chain(&class.name);
        if chain.last().is_some_and(|root| root.superclass.is_some())
            && chain.len() > self.sources.classes.len()
        {
            return Some(format!("`{}` inherits from itself", class.name));
        }
        let mut seen = HashSet::new();
        let twice =
            chain.iter().rev().flat_map(|c| &c.instance_variables).find(|name| !seen.insert(*name));
        if let Some(name) = twice {
            return Some(format!("`{}` has two instance variables `{name}`", class.name));
        }
        let missing = class.pools.iter().find(|pool| self.named(pool).is_none())?;
        Some(format!("the pool `{missing}` of `{}` is not defined", class.name))
    }

    /// The definition of a name.
    pub fn named(&self, name: &str) -> Option<&'a ClassDefinition> {
        self.sources.class_index.get(name).map(|index| &self.sources.classes[*index])
    }

    /// A class and its superclasses, itself first.
    pub fn chain(&self, name: &str) -> Vec<&'a ClassDefinition> {
        let mut chain = Vec::new();
        let mut next = self.named(name);
        while let Some(class) = next {
            chain.push(class);
            if chain.len() > self.sources.classes.len() {
                break;
            }
            next = class.superclass.as_ref().and_then(|name| self.named(name));
        }
        chain
    }

    /// All instance variables of a class or, on its class side, of its metaclass, in slot order.
    pub fn instance_variables(&self, name: &str, is_meta: bool) -> Vec<&'a str> {
        let chain = self.chain(name);
        let own = |class: &'a ClassDefinition| match is_meta {
            true => &class.class_instance_variables,
            false => &class.instance_variables,
        };
        let mut all = if is_meta { self.instance_variables("Class", false) } else { Vec::new() };
        all.extend(chain.iter().rev().flat_map(|class| own(class)).map(String::as_str));
        all
    }

    /// What the methods of a class or its class side see.
    pub fn environment(&self, name: &str, is_meta: bool) -> ClassEnvironment<'_> {
        let slots = self.instance_variables(name, is_meta).into_iter().enumerate();
        let slots = slots.map(|(index, name)| (name, index)).collect();
        ClassEnvironment { slots, chain: self.chain(name), classes: self }
    }

    fn class_variable(&self, class: &ClassDefinition, name: &str) -> Option<Binding> {
        let found = class.class_variables.iter().any(|variable| variable == name);
        found.then(|| Binding::ClassVariable(class.name.clone(), name.to_owned()))
    }
}

/// The names that a class makes visible.
pub struct ClassEnvironment<'a> {
    slots: HashMap<&'a str, usize>,
    chain: Vec<&'a ClassDefinition>,
    classes: &'a Classes<'a>,
}

impl Environment for ClassEnvironment<'_> {
    fn instance_variable(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    fn binding(&self, name: &str) -> Option<Binding> {
        let variables =
            self.chain.iter().find_map(|class| self.classes.class_variable(class, name));
        let pools = || {
            let pools = self.chain.iter().flat_map(|class| &class.pools);
            let mut holders = pools.flat_map(|pool| self.classes.chain(pool));
            holders.find_map(|class| self.classes.class_variable(class, name))
        };
        let global = || {
            let known = self.classes.named(name).is_some() || self.classes.globals.contains(name);
            known.then(|| Binding::Global(name.to_owned()))
        };
        variables.or_else(pools).or_else(global)
    }
}
