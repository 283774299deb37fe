//! The compiler in Rust and the compiler in the world make the same code of every method.
//!
//! The world is built by the first; each of its methods is compiled again by the second and compared
//! slot by slot (FRAME, literals, bytecodes, sites, source map, primitive, pragmas), blocks included.

mod random_code;

use std::process::Command;

/// How many random methods are compared; `SEED` chooses others.
const METHODS: usize = 500;

/// Answers `methods differing first-differences` of the classes that `CLASSES` answers.
const COMPARE: &str = "| out methods differing |
    out := WriteStream on: String new.
    methods := differing := 0.
    CLASSES do: [ :class | { class. class class } do: [ :side |
        side methodDict valuesDo: [ :method | | difference |
            methods := methods + 1.
            difference := [ CodeComparison recompiledMethod: method ]
                on: Error do: [ :error | error return: error printString ].
            difference ifNotNil: [
                differing := differing + 1.
                differing < 20 ifTrue: [
                    out nextPutAll: side printString, '>>', method selector, ': ', difference printString; space ] ] ] ] ].
    methods printString, ' ', differing printString, ' ', out contents";

fn eval(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_eval")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().trim_matches('\'').to_owned()
}

/// Compares the methods of some classes of a world with some folders; answers how many they are.
fn compare(classes: &str, folders: &[&str]) -> usize {
    let expression = COMPARE.replace("CLASSES", classes);
    let mut arguments: Vec<&str> = folders.iter().flat_map(|folder| ["-p", folder]).collect();
    arguments.push(&expression);
    let answer = eval(&arguments);
    let mut words = answer.splitn(3, ' ');
    let methods = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert_eq!(words.next(), Some("0"), "{answer}");
    methods
}

#[test]
fn every_method_of_the_world_is_compiled_alike() {
    let methods = compare("Smalltalk allClasses", &[]);
    assert!(methods > 5000, "{methods}");
}

#[test]
fn random_methods_are_compiled_alike() {
    let folder = std::env::temp_dir().join(format!("two-compilers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let seed = std::env::var("SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_125);
    let file = folder.join("RandomCode.class.st");
    std::fs::write(&file, random_code::class_file(seed, METHODS)).unwrap();
    let methods =
        std::panic::catch_unwind(|| compare("{ RandomCode }", &[&folder.display().to_string()]));
    if methods.is_ok() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    assert_eq!(methods.ok(), Some(METHODS), "seed {seed}; the methods are in {}", file.display());
}

#[test]
fn the_comparison_finds_differences() {
    assert_eq!(eval(&["CodeComparison between: Integer >> #gcd: and: Integer >> #gcd:"]), "nil");
    assert_ne!(eval(&["CodeComparison between: Integer >> #gcd: and: Integer >> #lcm:"]), "nil");
}
