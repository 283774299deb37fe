//! From compiled sources to the archive of a world.
//!
//! Invariants
//! - W1 Known classes have the machine's indices; every other class, and every metaclass, gets the
//!   next free one in the order of the manifest, a class before its metaclass.
//! - W2 A binding is made once and shared by all code that uses it.
//! - W3 Dictionaries of bindings are laid out as `HashedCollection` does: the key's string hash
//!   modulo the capacity, then the next free slot.

use std::collections::{BTreeMap, HashMap};

use vm::archive::{Archive, ClassEntry, Initializer, Value};
use vm::bytecode::Opcode;
use vm::layout::{
    FIRST_FREE_CLASS, Format, KnownClass, KnownObject, behavior, class, compiled_code, string_hash,
    table_capacity,
};

use crate::check::{Made, compile_all};
use crate::classes::Classes;
use crate::code::{Code, Constant};
use crate::manifest::Manifest;
use crate::objects::{NIL, Objects};
use crate::problem::{Problem, Report, Severity};
use crate::scope::Binding;
use crate::shapes;
use crate::sources::{ClassDefinition, Sources};

/// The archive of the sources that a manifest names, and what there is to say about them. Without
/// an archive one of the reports is an error.
pub fn archive(manifest: &Manifest) -> (Option<Archive>, Vec<Report>) {
    match manifest.startup_order() {
        Ok(startup) => archive_in_order(manifest.sources(), &manifest.initialize_first, &startup),
        Err(error) => {
            let message = format!("a list of methods that an opening runs cannot be read: {error}");
            (None, vec![of_manifest(Problem::error(1, message))])
        }
    }
}

/// The archive of sources.
pub fn archive_of(sources: Sources, initialize_first: &[String]) -> (Option<Archive>, Vec<Report>) {
    archive_in_order(sources, initialize_first, &[])
}

fn of_manifest(problem: Problem) -> Report {
    let Problem { message, severity, .. } = problem;
    Report { file: "manifest".into(), line: 1, column: 1, message, severity }
}

fn archive_in_order(
    mut sources: Sources,
    initialize_first: &[String],
    startup: &[String],
) -> (Option<Archive>, Vec<Report>) {
    let (archive, problems) = {
        let (classes, problems) = Classes::new(&sources, &[]);
        let mut problems: Vec<(Option<usize>, Problem)> =
            problems.into_iter().map(|(file, problem)| (Some(file), problem)).collect();
        problems.extend(shapes::defects(&classes));
        for name in ["SystemDictionary", "BindingDictionary", "LinkedList"] {
            if classes.named(name).is_none() {
                problems
                    .push((None, Problem::error(1, format!("the class `{name}` is not defined"))));
            }
        }
        for name in initialize_first.iter().filter(|name| classes.named(name).is_none()) {
            let message = format!("`{name}`, to be initialised first, is not defined");
            problems.push((None, Problem::error(1, message)));
        }
        let (made, more) = compile_all(&sources, &classes);
        problems.extend(more.into_iter().map(|(file, problem)| (Some(file), problem)));
        let failed = !sources.reports.is_empty()
            || problems.iter().any(|(_, problem)| problem.severity == Severity::Error);
        let archive =
            (!failed).then(|| Emitter::new(&sources, &classes, startup).emit(&made, initialize_first));
        (archive, problems)
    };
    for (file, problem) in problems {
        match file {
            Some(file) => sources.report(file, &problem),
            None => sources.reports.push(of_manifest(problem)),
        }
    }
    (archive, sources.reports)
}

/// The numbers of a class's two objects.
#[derive(Clone, Copy)]
struct Pair {
    class: Value,
    meta: Value,
}

/// A method's name as the world prints it: `Integer>>#+`, `Session class>>#current`.
fn full_name(made: &Made<'_>) -> String {
    let method = &made.definition.method;
    let side = if method.is_meta { " class" } else { "" };
    format!("{}{side}>>#{}", method.class_name, made.method.selector)
}

struct Emitter<'a> {
    sources: &'a Sources,
    classes: &'a Classes<'a>,
    objects: Objects,
    pairs: HashMap<&'a str, Pair>,
    bindings: HashMap<Binding, Value>,
    undeclared: Vec<String>,
    /// The places of the methods that an opening runs, by name, and the methods.
    startup: HashMap<&'a str, usize>,
    startup_methods: Vec<Value>,
}

impl<'a> Emitter<'a> {
    fn new(sources: &'a Sources, classes: &'a Classes<'a>, startup: &'a [String]) -> Emitter<'a> {
        let places = startup.iter().enumerate().map(|(place, name)| (name.as_str(), place));
        Emitter {
            sources,
            classes,
            objects: Objects::new(),
            pairs: HashMap::new(),
            bindings: HashMap::new(),
            undeclared: Vec::new(),
            startup: places.collect(),
            startup_methods: vec![NIL; startup.len()],
        }
    }

    fn emit(mut self, made: &[Made<'_>], initialize_first: &[String]) -> Archive {
        self.make_classes();
        let globals = self.make_globals();
        for class in &self.sources.classes {
            self.describe_class(class);
        }
        self.install_methods(made);
        self.fill_globals(globals);
        self.make_known(globals);
        self.make_initializers(made, initialize_first);
        self.objects.archive.classes.sort_by_key(|entry| entry.index);
        self.objects.archive
    }

    // --- classes

    /// Makes all class objects, empty but for their indices.
    fn make_classes(&mut self) {
        let mut next = FIRST_FREE_CLASS.0;
        let mut take = || {
            next += 1;
            next - 1
        };
        let mut indices = Vec::new();
        for class in &self.sources.classes {
            let known = KnownClass::ALL.iter().find(|known| known.name() == class.name);
            let own = known.map_or_else(&mut take, |known| *known as u32);
            self.objects.class_indices.insert(class.name.clone(), own);
            indices.push((own, take()));
        }
        for (class, (own, meta)) in self.sources.classes.iter().zip(indices) {
            let class_slots = self.classes.instance_variables(&class.name, true).len();
            let meta_slots = self.classes.instance_variables("Metaclass", false).len();
            let named = self.classes.instance_variables(&class.name, false).len();
            let format = shapes::format_of(self.classes, &class.name);
            let pair = Pair {
                class: self.make_class(meta, class_slots, own, named, format),
                meta: self.make_class(
                    KnownClass::Metaclass as u32,
                    meta_slots,
                    meta,
                    class_slots,
                    Format::Fixed,
                ),
            };
            self.pairs.insert(&class.name, pair);
        }
    }

    fn make_class(
        &mut self,
        of: u32,
        slots: usize,
        index: u32,
        named: usize,
        format: Format,
    ) -> Value {
        let object = self.objects.pointers(of, Format::Fixed, &vec![NIL; slots]);
        self.objects.set(object, behavior::CLASS_INDEX, Objects::small(i64::from(index)));
        let word = named as i64 | (format as i64) << 16;
        self.objects.set(object, behavior::FORMAT, Objects::small(word));
        if let Some(object) = object.as_object() {
            self.objects.archive.classes.push(ClassEntry { index, object });
        }
        object
    }

    fn class_object(&self, name: &str, is_meta: bool) -> Value {
        self.pairs.get(name).map_or(NIL, |pair| if is_meta { pair.meta } else { pair.class })
    }

    fn describe_class(&mut self, definition: &ClassDefinition) {
        let name = definition.name.as_str();
        let Some(Pair { class: object, meta }) = self.pairs.get(name).copied() else { return };
        let superclass = definition.superclass.as_deref();
        let above = superclass.map_or(NIL, |name| self.class_object(name, false));
        let meta_above = self.class_object(superclass.unwrap_or("Class"), superclass.is_some());
        let symbol = self.objects.symbol(name);
        let own_names = self.objects.symbols(&definition.instance_variables);
        let meta_names = self.objects.symbols(&definition.class_instance_variables);
        let pool = self.class_pool(definition);
        let pools = self.shared_pools(definition);
        let package = self.package(definition);
        let comment = match definition.comment.trim_matches('\n') {
            "" => NIL,
            comment => self.objects.string(comment),
        };
        let subclasses = self.subclasses(name);
        let slots = [
            (object, behavior::SUPERCLASS, above),
            (object, class::NAME, symbol),
            (object, class::INSTANCE_VARIABLE_NAMES, own_names),
            (object, class::CLASS_POOL, pool),
            (object, class::SHARED_POOLS, pools),
            (object, class::PACKAGE, package),
            (object, class::COMMENT, comment),
            (object, class::SUBCLASSES, subclasses),
            (meta, behavior::SUPERCLASS, meta_above),
            (meta, class::NAME, object),
            (meta, class::INSTANCE_VARIABLE_NAMES, meta_names),
        ];
        slots.into_iter().for_each(|(object, slot, value)| self.objects.set(object, slot, value));
    }

    fn class_pool(&mut self, definition: &ClassDefinition) -> Value {
        if definition.class_variables.is_empty() {
            return NIL;
        }
        let variables = definition.class_variables.iter();
        let bindings: Vec<Binding> = variables
            .map(|variable| Binding::ClassVariable(definition.name.clone(), variable.clone()))
            .collect();
        let entries =
            bindings.iter().map(|binding| (binding.name().to_owned(), self.binding(binding)));
        let entries: Vec<_> = entries.collect();
        let dictionary = self.empty_dictionary("BindingDictionary");
        self.fill_dictionary(dictionary, &entries);
        dictionary
    }

    fn shared_pools(&mut self, definition: &ClassDefinition) -> Value {
        if definition.pools.is_empty() {
            return NIL;
        }
        let pools: Vec<Value> =
            definition.pools.iter().map(|name| self.class_object(name, false)).collect();
        self.objects.array(&pools)
    }

    fn package(&mut self, definition: &ClassDefinition) -> Value {
        match (definition.package.as_str(), definition.tag.as_str()) {
            ("", _) => NIL,
            (package, "") => self.objects.symbol(package),
            (package, tag) => self.objects.symbol(&format!("{package}-{tag}")),
        }
    }

    fn subclasses(&mut self, name: &str) -> Value {
        let below =
            self.sources.classes.iter().filter(|class| class.superclass.as_deref() == Some(name));
        let below: Vec<Value> = below.map(|class| self.class_object(&class.name, false)).collect();
        if below.is_empty() { NIL } else { self.objects.array(&below) }
    }

    // --- bindings and dictionaries

    /// The association of a binding. Its value is set by whoever knows it.
    fn binding(&mut self, binding: &Binding) -> Value {
        if let Some(association) = self.bindings.get(binding) {
            return *association;
        }
        let key = self.objects.symbol(binding.name());
        let value = match binding {
            Binding::Global(name) => self.class_object(name, false),
            _ => NIL,
        };
        let association =
            self.objects.pointers(KnownClass::Association as u32, Format::Fixed, &[key, value]);
        self.bindings.insert(binding.clone(), association);
        if let Binding::Undeclared(name) = binding {
            self.undeclared.push(name.clone());
        }
        association
    }

    fn empty_dictionary(&mut self, class: &str) -> Value {
        let slots = self.classes.instance_variables(class, false).len();
        self.objects.pointers(self.objects.class_index(class), Format::Fixed, &vec![NIL; slots])
    }

    /// Fills a dictionary of bindings: tally, array (the keys), values.
    fn fill_dictionary(&mut self, dictionary: Value, entries: &[(String, Value)]) {
        let capacity = binding_capacity(entries.len());
        let (mut keys, mut values) = (vec![NIL; capacity], vec![NIL; capacity]);
        for (name, association) in entries {
            let mut index = string_hash(name.chars().map(u32::from)) as usize % capacity;
            while keys[index] != NIL {
                index = (index + 1) % capacity;
            }
            keys[index] = self.objects.symbol(name);
            values[index] = *association;
        }
        let (keys, values) = (self.objects.array(&keys), self.objects.array(&values));
        let slots = [Objects::small(entries.len() as i64), keys, values];
        slots
            .into_iter()
            .enumerate()
            .for_each(|(slot, value)| self.objects.set(dictionary, slot, value));
    }

    /// The dictionaries of globals and of undeclared names, empty, and the scheduler.
    fn make_globals(&mut self) -> Globals {
        let smalltalk = self.empty_dictionary("SystemDictionary");
        let undeclared = self.empty_dictionary("BindingDictionary");
        let lists: Vec<Value> =
            (0..PRIORITIES).map(|_| self.empty_dictionary("LinkedList")).collect();
        let lists = self.objects.array(&lists);
        let scheduler = self.objects.class_index("ProcessorScheduler");
        let processor = self.objects.pointers(scheduler, Format::Fixed, &[lists, NIL]);
        Globals { smalltalk, undeclared, processor }
    }

    fn fill_globals(&mut self, globals: Globals) {
        let mut names: Vec<(String, Value)> = Vec::new();
        for (name, value) in [
            ("Smalltalk", globals.smalltalk),
            ("Processor", globals.processor),
            ("Undeclared", globals.undeclared),
        ] {
            let association = self.binding(&Binding::Global(name.into()));
            self.objects.set(association, 1, value);
            names.push((name.into(), association));
        }
        for class in &self.sources.classes {
            let association = self.binding(&Binding::Global(class.name.clone()));
            names.push((class.name.clone(), association));
        }
        self.fill_dictionary(globals.smalltalk, &names);
        let undeclared = std::mem::take(&mut self.undeclared);
        let entries: Vec<_> = undeclared
            .into_iter()
            .map(|name| (name.clone(), self.binding(&Binding::Undeclared(name))))
            .collect();
        self.fill_dictionary(globals.undeclared, &entries);
    }

    // --- methods

    fn install_methods(&mut self, made: &[Made<'_>]) {
        let mut by_class: BTreeMap<(usize, bool), Vec<&Made<'_>>> = BTreeMap::new();
        for made in made {
            let method = &made.definition.method;
            if let Some(index) = self.sources.class_index.get(&method.class_name) {
                by_class.entry((*index, method.is_meta)).or_default().push(made);
            }
        }
        let sources = self.sources;
        for (index, definition) in sources.classes.iter().enumerate() {
            for is_meta in [false, true] {
                let methods = by_class.remove(&(index, is_meta)).unwrap_or_default();
                self.install(self.class_object(&definition.name, is_meta), &methods);
            }
        }
    }

    fn install(&mut self, class: Value, methods: &[&Made<'_>]) {
        let (mut code, mut protocols) = (Vec::new(), Vec::new());
        for made in methods {
            let selector = self.objects.symbol(&made.method.selector);
            let method = self.method(class, made);
            if let Some(place) = self.startup.get(&*full_name(made)) {
                self.startup_methods[*place] = method;
            }
            code.push((selector, method));
            protocols.push((selector, self.objects.symbol(&made.definition.method.protocol)));
        }
        for (slot, entries) in
            [(behavior::METHOD_DICTIONARY, code), (behavior::ORGANIZATION, protocols)]
        {
            let dictionary = self.method_dictionary(&entries);
            self.objects.set(class, slot, dictionary);
        }
    }

    /// A method dictionary, its entries in order; the loader hashes them.
    fn method_dictionary(&mut self, entries: &[(Value, Value)]) -> Value {
        let capacity = table_capacity(entries.len());
        let (mut keys, mut values) = (vec![NIL; capacity], vec![NIL; capacity]);
        for (index, (key, value)) in entries.iter().enumerate() {
            (keys[index], values[index]) = (*key, *value);
        }
        let slots = [
            Objects::small(entries.len() as i64),
            self.objects.array(&keys),
            self.objects.array(&values),
        ];
        self.objects.pointers(KnownClass::MethodDictionary as u32, Format::Fixed, &slots)
    }

    fn method(&mut self, class: Value, made: &Made<'_>) -> Value {
        let method = &made.method;
        let object = self.code(&method.code, KnownClass::CompiledMethod);
        let primitive = method.primitive.as_ref().map_or(NIL, |name| self.objects.symbol(name));
        let source = self.objects.string(&method.source);
        let properties = self.pragmas(made);
        let selector = self.objects.symbol(&method.selector);
        for (slot, value) in [
            (compiled_code::SELECTOR, selector),
            (compiled_code::METHOD_CLASS, class),
            (compiled_code::PRIMITIVE, primitive),
            (compiled_code::SOURCE, source),
            (compiled_code::PROPERTIES, properties),
        ] {
            self.objects.set(object, slot, value);
        }
        object
    }

    fn pragmas(&mut self, made: &Made<'_>) -> Value {
        if made.method.pragmas.is_empty() {
            return NIL;
        }
        let mut pragmas = Vec::new();
        for pragma in &made.method.pragmas {
            let mut parts = vec![self.objects.symbol(&pragma.selector)];
            for argument in &pragma.arguments {
                parts.push(self.objects.literal(argument));
            }
            let array = self.objects.array(&parts);
            pragmas.push(self.objects.freeze(array));
        }
        let array = self.objects.array(&pragmas);
        self.objects.freeze(array)
    }

    /// A code object with the slots that methods and blocks share.
    fn code(&mut self, code: &Code, class: KnownClass) -> Value {
        let slots = self.classes.instance_variables(class.name(), false).len();
        let object = self.objects.pointers(class as u32, Format::Fixed, &vec![NIL; slots]);
        let mut literals = Vec::new();
        for constant in &code.literals {
            literals.push(match constant {
                Constant::Literal(literal) => self.objects.literal(literal),
                Constant::Binding(binding) => self.binding(binding),
                Constant::Block(block) => {
                    let inner = self.code(block, KnownClass::CompiledBlock);
                    self.objects.set(inner, compiled_code::SELECTOR, object);
                    inner
                }
            });
        }
        let literals = self.objects.array(&literals);
        let bytecodes = self.objects.byte_array(&code.bytecodes);
        let sites = self.objects.symbols(&code.sites);
        let map = self.objects.byte_array(&code.source_map);
        for (slot, value) in [
            (compiled_code::FRAME, Objects::small(code.frame_word())),
            (compiled_code::LITERALS, literals),
            (compiled_code::BYTECODES, bytecodes),
            (compiled_code::SITES, sites),
            (compiled_code::SOURCE_MAP, map),
        ] {
            self.objects.set(object, slot, value);
        }
        object
    }

    // --- roots

    fn make_known(&mut self, globals: Globals) {
        let special = Opcode::ALL.iter().filter_map(|opcode| opcode.special_selector());
        let special: Vec<Value> = special.map(|selector| self.objects.symbol(selector)).collect();
        let special = self.objects.array(&special);
        self.startup_methods.retain(|method| *method != NIL);
        let startup = self.objects.array(&self.startup_methods);
        let known: Vec<u64> = KnownObject::ALL
            .iter()
            .map(|known| match known {
                KnownObject::True => crate::objects::TRUE,
                KnownObject::False => crate::objects::FALSE,
                KnownObject::Smalltalk => globals.smalltalk,
                KnownObject::Processor => globals.processor,
                KnownObject::SpecialSelectors => special,
                KnownObject::StartupOrder => startup,
                _ => known.selector().map_or(NIL, |selector| self.objects.symbol(selector)),
            })
            .map(|value| value.0)
            .collect();
        self.objects.archive.known = known;
    }

    /// Classes that define `initialize` on their class side are sent it.
    fn make_initializers(&mut self, made: &[Made<'_>], first: &[String]) {
        let defines = |class: &ClassDefinition| {
            made.iter().any(|made| {
                let method = &made.definition.method;
                method.is_meta
                    && method.class_name == class.name
                    && made.method.selector == "initialize"
            })
        };
        let rest = self
            .sources
            .classes
            .iter()
            .map(|class| &class.name)
            .filter(|name| !first.contains(name));
        let order: Vec<&String> = first.iter().chain(rest).collect();
        let Some(selector) = self.objects.symbol("initialize").as_object() else { return };
        for name in order {
            let receiver = self.class_object(name, false).as_object();
            let class = self.classes.named(name).filter(|class| defines(class));
            if let (Some(_), Some(receiver)) = (class, receiver) {
                self.objects.archive.initializers.push(Initializer { receiver, selector });
            }
        }
    }
}

/// How many priorities processes have.
const PRIORITIES: usize = 100;

/// The objects behind global names that are no classes.
#[derive(Clone, Copy)]
struct Globals {
    smalltalk: Value,
    undeclared: Value,
    processor: Value,
}

/// Slots of a dictionary of so many bindings: as `HashedCollection class >> goodCapacityFor:`, the
/// least prime of its list that leaves a quarter empty.
fn binding_capacity(count: usize) -> usize {
    const PRIMES: [usize; 13] =
        [7, 13, 29, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749];
    let wanted = count * 4 / 3 + 1;
    PRIMES.into_iter().find(|prime| *prime >= wanted).unwrap_or(wanted | 1)
}
