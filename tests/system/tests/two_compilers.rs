//! The compiler in Rust and the compiler in the world make the same code of every method.
//!
//! The world is built by the first; each of its methods is compiled again by the second and compared
//! slot by slot (FRAME, literals, bytecodes, sites, source map, primitive, pragmas), blocks included.

use std::process::Command;

/// Answers `methods differing first-differences`.
const COMPARE: &str = "| out methods differing |
    out := WriteStream on: String new.
    methods := differing := 0.
    Smalltalk allClasses do: [ :class | { class. class class } do: [ :side |
        side methodDict valuesDo: [ :method | | difference |
            methods := methods + 1.
            difference := [ CodeComparison recompiledMethod: method ]
                on: Error do: [ :error | error return: error printString ].
            difference ifNotNil: [
                differing := differing + 1.
                differing < 20 ifTrue: [
                    out nextPutAll: side printString, '>>', method selector, ': ', difference printString; space ] ] ] ] ].
    methods printString, ' ', differing printString, ' ', out contents";

fn eval(expression: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_eval")).arg(expression).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().trim_matches('\'').to_owned()
}

#[test]
fn every_method_of_the_world_is_compiled_alike() {
    let answer = eval(COMPARE);
    let mut words = answer.splitn(3, ' ');
    let methods: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    assert_eq!(words.next(), Some("0"), "{answer}");
    assert!(methods > 5000, "{answer}");
}

#[test]
fn the_comparison_finds_differences() {
    assert_eq!(eval("CodeComparison between: Integer >> #gcd: and: Integer >> #gcd:"), "nil");
    assert_ne!(eval("CodeComparison between: Integer >> #gcd: and: Integer >> #lcm:"), "nil");
}
