//! What names mean and where variables live: one walk over the tree, then a layout of frames.
//!
//! Invariants
//! - C1 A *real scope* is a method or a block that becomes a closure; the blocks of messages that
//!   are compiled in place belong to the real scope around them.
//! - C2 The walk meets everything in source order (an assignment's variable before its value), and
//!   whatever is numbered is numbered in that order.
//! - C3 Arguments are never assigned, so they are never shared.
//!
//! Source: `bootstrap-image/COMPILING.md`, “Names” and “Scopes”.

mod walk;

use std::collections::HashMap;

use crate::problem::Problem;

pub use walk::analyse;

/// A binding of a global, class or pool variable; equal ones are the same object in the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binding {
    /// A global, by name.
    Global(String),
    /// A class variable: the class that declares it, the name.
    ClassVariable(String, String),
    /// A name that nothing defines yet.
    Undeclared(String),
}

impl Binding {
    /// The name of the variable.
    pub fn name(&self) -> &str {
        match self {
            Binding::Global(name) | Binding::ClassVariable(_, name) | Binding::Undeclared(name) => {
                name
            }
        }
    }
}

/// What a class makes visible to its methods.
pub trait Environment {
    /// The slot of an instance variable.
    fn instance_variable(&self, name: &str) -> Option<usize>;
    /// The binding of a class variable, pool variable or global.
    fn binding(&self, name: &str) -> Option<Binding>;
}

/// What an occurrence of a variable means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A temporary or argument, by its number.
    Local(usize),
    /// A slot of the receiver.
    Slot(usize),
    /// The value of a binding.
    Bound(Binding),
}

/// What holds a value in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A variable.
    Local(usize),
    /// A temp vector.
    Vector(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of a real scope.
    Argument,
    /// Of a block that is compiled in place.
    InlinedArgument,
    /// Where the machine leaves why the primitive declined.
    Reason,
    Temporary,
    /// The limit of a `to:do:`.
    Hidden,
}

#[derive(Debug)]
struct Local {
    name: String,
    scope: usize,
    kind: Kind,
    /// The block that declares it, or `None` for the method.
    block: Option<usize>,
    /// The loops of its real scope that contain the declaration.
    loops: Vec<usize>,
    writes: Vec<(u32, Vec<usize>)>,
    captures: Vec<(u32, Vec<usize>)>,
    written_inside: bool,
    /// The vector that holds it and the index there, if it is shared.
    shared: Option<(usize, usize)>,
}

impl Local {
    fn is_shared(&self) -> bool {
        let first = self.captures.iter().map(|(start, _)| *start).min();
        let Some(first) = first else { return false };
        let late = self.writes.iter().any(|(position, _)| *position > first);
        let depth = self.loops.len();
        let same_loop = |write: &[usize], capture: &[usize]| {
            write.get(depth).is_some_and(|inner| capture.get(depth) == Some(inner))
        };
        let looped = self
            .writes
            .iter()
            .any(|(_, write)| self.captures.iter().any(|(_, c)| same_loop(write, c)));
        self.written_inside || late || looped
    }
}

/// A method or a block that becomes a closure.
#[derive(Debug, Default)]
pub struct Scope {
    parent: Option<usize>,
    /// The block, or `None` for the method.
    block: Option<usize>,
    /// What stands in the frame, in order of slots.
    pub frame: Vec<Item>,
    /// What a closure over this scope copies, in order.
    pub copied: Vec<Item>,
    /// How many arguments there are.
    pub arguments: usize,
    /// Whether the scope or one inside it needs the receiver, thisContext or the home frame.
    pub needs_home: bool,
    /// Whether the scope or one inside it contains `^`.
    pub returns: bool,
    locals: Vec<usize>,
    free: Vec<usize>,
}

impl Scope {
    /// The slot of something in the frame.
    pub fn slot(&self, item: Item) -> Option<usize> {
        self.frame.iter().position(|other| *other == item)
    }
}

/// A temp vector.
#[derive(Debug, Default)]
pub struct Vector {
    /// The shared variables in it, by index.
    pub locals: Vec<usize>,
}

/// Everything that code generation needs to know of a method's names.
#[derive(Debug, Default)]
pub struct Analysis {
    /// The meaning of each occurrence.
    pub meanings: Vec<Option<Meaning>>,
    /// The real scopes; 0 is the method.
    pub scopes: Vec<Scope>,
    /// The real scope of each block that becomes a closure.
    pub scope_of_block: HashMap<usize, usize>,
    /// The temp vectors.
    pub vectors: Vec<Vector>,
    /// The vector that a block (or the method, `None`) creates at its start.
    pub vector_of_body: HashMap<Option<usize>, usize>,
    /// The locals of a declaration list: of a block or of the method, arguments first.
    pub locals_of_body: HashMap<Option<usize>, Vec<usize>>,
    /// The hidden limit of a `to:do:`, by the number of its body.
    pub limits: HashMap<usize, usize>,
    /// The blocks that stand inside a loop of their real scope and are compiled in place.
    pub in_loop: Vec<bool>,
    /// Warnings.
    pub warnings: Vec<Problem>,
    locals: Vec<Local>,
}

impl Analysis {
    /// Where a variable lives: the item that holds it, and the index if that is a vector.
    pub fn home(&self, local: usize) -> (Item, Option<usize>) {
        match self.locals[local].shared {
            None => (Item::Local(local), None),
            Some((vector, index)) => (Item::Vector(vector), Some(index)),
        }
    }

    /// Whether the variable is a temporary that stands in the frame itself.
    pub fn is_plain_temporary(&self, local: usize) -> bool {
        self.locals[local].kind == Kind::Temporary && self.locals[local].shared.is_none()
    }
}

impl Analysis {
    fn lay_out(&mut self) {
        self.make_vectors();
        for scope in 0..self.scopes.len() {
            self.lay_out_frame(scope);
        }
    }

    fn make_vectors(&mut self) {
        for index in 0..self.locals.len() {
            let local = &self.locals[index];
            if !local.is_shared() {
                continue;
            }
            let body =
                if local.loops.is_empty() { self.scopes[local.scope].block } else { local.block };
            let vectors = &mut self.vectors;
            let vector = *self.vector_of_body.entry(body).or_insert_with(|| {
                vectors.push(Vector::default());
                vectors.len() - 1
            });
            self.vectors[vector].locals.push(index);
            self.locals[index].shared = Some((vector, self.vectors[vector].locals.len() - 1));
        }
    }

    fn lay_out_frame(&mut self, number: usize) {
        let scope = &self.scopes[number];
        let of_kinds = |kinds: &[Kind]| {
            let chosen = |l: &&usize| {
                kinds.contains(&self.locals[**l].kind) && self.locals[**l].shared.is_none()
            };
            scope.locals.iter().filter(chosen).map(|l| Item::Local(*l)).collect::<Vec<_>>()
        };
        let mut copied: Vec<Item> = Vec::new();
        for local in &scope.free {
            let (item, _) = self.home(*local);
            if !copied.contains(&item) {
                copied.push(item);
            }
        }
        let mut frame = of_kinds(&[Kind::Argument]);
        frame.extend(&copied);
        frame.extend(of_kinds(&[Kind::Reason]));
        frame.extend(self.vectors_of_scope(number));
        frame.extend(of_kinds(&[Kind::Temporary, Kind::InlinedArgument, Kind::Hidden]));
        self.scopes[number].frame = frame;
        self.scopes[number].copied = copied;
    }

    /// The vectors of a scope: its own first, then those of loop bodies in source order.
    fn vectors_of_scope(&self, scope: usize) -> Vec<Item> {
        let own = self.scopes[scope].block;
        let mut bodies: Vec<_> = self
            .vector_of_body
            .iter()
            .filter(|(_, vector)| self.locals[self.vectors[**vector].locals[0]].scope == scope)
            .map(|(body, vector)| (*body != own, *body, *vector))
            .collect();
        bodies.sort();
        bodies.into_iter().map(|(_, _, vector)| Item::Vector(vector)).collect()
    }
}
