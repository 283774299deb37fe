//! The world's own sources become a world: archived, verified, loaded, copied, the same each time.

use std::path::Path;

use platform_sim::{Filling, SimMemory};
use seed::manifest::Manifest;
use seed::problem::Severity;
use seed::sources::Sources;
use vm::archive::{
    Archive, Claimed, Hashes, Verified, build_world, copy_world, find_class, find_symbol, load,
    pack, rehash_sends, world_hash,
};
use vm::heap::{Heap, HeapConfig};
use vm::interpret::Initializers;
use vm::layout::{
    BLOCKS_OFFSET, ClassIndex, KnownClass, KnownObject, Word, behavior, class, method_dictionary,
    string_hash,
};

fn manifest() -> Manifest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../world/manifest.ston");
    Manifest::read(&path).unwrap()
}

fn sources() -> Sources {
    manifest().sources()
}

fn archive() -> Archive {
    let (archive, reports) = seed::world::archive_of(sources(), &manifest().initialize_first);
    let errors: Vec<_> =
        reports.iter().filter(|report| report.severity == Severity::Error).collect();
    archive.unwrap_or_else(|| panic!("{errors:#?}"))
}

fn verified() -> Verified {
    Claimed(&pack(&archive()).unwrap()).verify().unwrap()
}

fn heap() -> Heap {
    let config =
        HeapConfig { base: 0, reserve: BLOCKS_OFFSET + (128 << 20), ..HeapConfig::default() };
    Heap::create(&SimMemory::new(Filling::Told), config).unwrap()
}

fn loaded(archive: &Verified) -> Heap {
    let mut heap = heap();
    load(archive, &mut heap).unwrap();
    heap
}

fn copied(from: &Heap, hashes: Hashes) -> Heap {
    let mut to = heap();
    copy_world(from, &mut to, hashes).unwrap();
    to
}

fn text(heap: &Heap, string: Word) -> String {
    heap.bytes_of(string).into_iter().map(char::from).collect()
}

/// Looks a global up as `Dictionary>>at:` does.
fn global(heap: &Heap, name: &str) -> Option<Word> {
    let smalltalk = heap.slot(heap.known_objects(), KnownObject::Smalltalk as usize);
    let (keys, values) = (heap.slot(smalltalk, 1), heap.slot(smalltalk, 2));
    let capacity = heap.size(keys);
    let mut index = string_hash(name.chars().map(u32::from)) as usize % capacity;
    loop {
        let key = heap.slot(keys, index);
        if key == heap.nil() {
            return None;
        }
        if text(heap, key) == name {
            return Some(heap.slot(heap.slot(values, index), 1));
        }
        index = (index + 1) % capacity;
    }
}

/// Looks a method up as the machine does, in one class.
fn method(heap: &Heap, class: Word, selector: Word) -> Option<Word> {
    let dictionary = heap.slot(class, behavior::METHOD_DICTIONARY);
    let keys = heap.slot(dictionary, method_dictionary::KEYS);
    let values = heap.slot(dictionary, method_dictionary::VALUES);
    let mask = heap.size(keys) - 1;
    let mut index = heap.header(selector).hash() as usize & mask;
    loop {
        let key = heap.slot(keys, index);
        if key == selector {
            return Some(heap.slot(values, index));
        }
        if key == heap.nil() {
            return None;
        }
        index = (index + 1) & mask;
    }
}

/// What must hold of every world.
fn check_world(heap: &Heap) {
    let verdict = vm::verify::verify(heap, &[]);
    assert!(verdict.is_clean(), "{:#?}", verdict.violations);
    let nil = heap.nil();
    assert_eq!(heap.class_index(nil), KnownClass::UndefinedObject.index());
    let object = global(heap, "Object").unwrap();
    assert_eq!(text(heap, heap.slot(object, class::NAME)), "Object");
    let meta = heap.class_of(object);
    assert_eq!(heap.slot(meta, class::NAME), object);
    assert_eq!(heap.class_of(meta), heap.class_at(KnownClass::Metaclass.index()));
    assert_eq!(find_class(heap, "Object"), Some(object));
    assert_eq!(find_symbol(heap, "no such symbol"), None);
    let sends = rehash_sends(heap);
    let names: Vec<String> =
        sends.iter().map(|send| text(heap, heap.slot(send.0, class::NAME))).collect();
    assert!(
        ["HashedCollection", "Set", "IdentityDictionary"]
            .iter()
            .all(|name| names.iter().any(|n| n == name))
    );
    assert!(!names.iter().any(|name| name == "Object" || name == "OrderedCollection"));
    assert_eq!(global(heap, "NoSuchName"), None);
    let print_string = find_symbol(heap, "printString").unwrap();
    assert!(method(heap, object, print_string).is_some());
    assert!(method(heap, object, find_symbol(heap, "ifTrue:").unwrap_or(nil)).is_none());
    for index in 1..heap.next_class().0 {
        let class = heap.class_at(ClassIndex(index));
        if class.is_reference() {
            assert_eq!(heap.slot(class, behavior::CLASS_INDEX), Word::small(i64::from(index)));
        }
    }
}

#[test]
fn the_sources_of_the_world_compile() {
    let checked = seed::check::check(sources());
    let errors: Vec<_> = checked.reports.iter().filter(|r| r.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(checked.methods > 1000, "{} methods", checked.methods);
}

#[test]
fn checks_name_the_file_and_the_line() {
    let check = |text: &str, wanted: &[&str]| {
        let mut sources = Sources::default();
        sources.add_file("T.class.st", text);
        let reports = seed::check::check(sources).reports;
        let reports: Vec<String> = reports.iter().map(ToString::to_string).collect();
        assert_eq!(reports, wanted, "{text}");
    };
    let class = "\"I am T.\"\nClass { #name : 'T', #superclass : nil, #instVars : [ 'a' ] }\n";
    let method = |body: &str| format!("{class}\n{{ #category : 'c' }}\nT >> m [\n\t{body}\n]\n");
    check(class, &[]);
    check(&method("^ a"), &[]);
    check(&method("^ zork"), &["T.class.st:6:4: `zork` is not declared"]);
    check(
        &method("^ Zork"),
        &["T.class.st:6:4: warning: `Zork` is not declared: bound in Undeclared"],
    );
    check(&method("^ (a"), &["T.class.st:6:6: expected `)`, found the end of the text"]);
    check(&method("<primitive: #no>"), &["T.class.st:5:6: the machine has no primitive `no`"]);
    check(
        &method("<primitive: #integerAdd>"),
        &["T.class.st:5:6: the primitive `integerAdd` takes 1 arguments, the method 0"],
    );
    check(
        &(method("^ 1") + &method("^ 2")[class.len()..]),
        &["T.class.st:10:1: `T >> m` is defined twice"],
    );
    check(
        &class.replace("nil", "'U'"),
        &["T.class.st:2:1: the superclass `U` of `T` is not defined"],
    );
    check(&class.replace("nil", "'T'"), &["T.class.st:2:1: `T` inherits from itself"]);
    check(
        &class.replace("'a'", "'a', 'a'"),
        &["T.class.st:2:1: `T` has two instance variables `a`"],
    );
    check(
        &class.replace("#instVars", "#instvars"),
        &["T.class.st:2:1: `#instvars` is no key of a class"],
    );
    check(
        "Extension { #name : 'T' }\n{ #category : 'c' }\nT >> m [ ]",
        &["T.class.st:3:1: class `T` is not defined"],
    );
    check(
        "Extension { #name : 'T' }\n{ #category : 'c' }\nU >> m [ ]",
        &["T.class.st:3:1: a method of `U` in the file of `T`"],
    );
}

#[test]
fn a_machine_without_its_classes_gets_no_archive() {
    let mut sources = Sources::default();
    let text = "Class { #name : 'Association', #superclass : nil, #instVars : [ 'value', 'key' ] }";
    sources.add_file("Association.class.st", text);
    let (archive, reports) = seed::world::archive_of(sources, &[]);
    assert!(archive.is_none());
    let has = |wanted: &str| reports.iter().any(|report| report.to_string() == wanted);
    assert!(has(
        "Association.class.st:1:1: slot 0 of `Association` has to be `key` for the machine, found `value`"
    ));
    assert!(has("manifest:1:1: the machine's class `SmallInteger` is not defined"));
}

#[test]
fn a_loaded_world_finds_its_classes_symbols_and_methods() {
    let heap = loaded(&verified());
    check_world(&heap);
    check_world(&copied(&heap, Hashes::Renumber));
}

#[test]
fn two_buildings_are_identical() {
    let (first, second) = (pack(&archive()).unwrap(), pack(&archive()).unwrap());
    assert!(first == second, "the archives differ");
    let worlds = [first, second].map(|bytes| {
        let loaded = loaded(&Claimed(&bytes).verify().unwrap());
        copied(&copied(&loaded, Hashes::Renumber), Hashes::Keep)
    });
    assert_eq!(world_hash(&worlds[0]), world_hash(&worlds[1]));
    check_world(&worlds[0]);
}

#[test]
fn the_canonical_pass_forgets_how_the_heap_came_about() {
    let archive = verified();
    let plain = copied(&loaded(&archive), Hashes::Renumber);
    let mut untidy = loaded(&archive);
    for number in 0..1000 {
        let made = untidy.allocate_old(KnownClass::Array.index(), 1, number % 50).unwrap();
        untidy.identity_hash(made);
    }
    let tidied = copied(&untidy, Hashes::Renumber);
    assert_ne!(world_hash(&untidy), world_hash(&plain));
    assert_eq!(world_hash(&tidied), world_hash(&plain));
    assert_eq!(world_hash(&copied(&plain, Hashes::Renumber)), world_hash(&plain));
}

#[test]
fn the_hash_sees_every_change() {
    let mut heap = copied(&loaded(&verified()), Hashes::Renumber);
    let before = world_hash(&heap);
    let object = global(&heap, "Object").unwrap();
    let comment = heap.slot(object, class::COMMENT);
    heap.store(object, class::COMMENT, Word::small(7));
    assert_ne!(world_hash(&heap), before);
    heap.store(object, class::COMMENT, comment);
    assert_eq!(world_hash(&heap), before);
    let byte = heap.byte(comment, 3);
    heap.store_byte(comment, 3, byte ^ 1);
    assert_ne!(world_hash(&heap), before);
}

#[test]
fn worlds_built_with_their_initialisers_are_identical() {
    let archive = verified();
    assert!(!archive.archive().initializers.is_empty());
    let worlds = [(), ()].map(|()| {
        let mut target = heap();
        build_world(&archive, &mut target, &mut || Ok(heap()), &mut Initializers, None).unwrap();
        target
    });
    assert_eq!(world_hash(&worlds[0]), world_hash(&worlds[1]));
    worlds.iter().for_each(check_world);
    let variable = global(&worlds[0], "HashedCollection")
        .map(|class| worlds[0].slot(class, class::CLASS_POOL));
    let values = worlds[0].slot(variable.unwrap(), 2);
    let set = (0..worlds[0].size(values)).map(|index| worlds[0].slot(values, index));
    let set = set
        .filter(|binding| *binding != worlds[0].nil())
        .all(|b| worlds[0].slot(b, 1) != worlds[0].nil());
    assert!(set, "the initialiser of HashedCollection ran");
}
