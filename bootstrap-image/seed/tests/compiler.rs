//! The rules of COMPILING.md, each by the smallest source that shows it.
//!
//! `check(source, listing)`: the listing is that of `seed dump` without source positions.

use seed::generator::compile;
use seed::listing::method_listing;
use seed::scope::{Binding, Environment};

/// A class with the slots a and b, a class variable V and the global G.
struct Scene;

impl Environment for Scene {
    fn instance_variable(&self, name: &str) -> Option<usize> {
        ["a", "b"].iter().position(|known| *known == name)
    }

    fn binding(&self, name: &str) -> Option<Binding> {
        match name {
            "V" => Some(Binding::ClassVariable("C".into(), "V".into())),
            "G" => Some(Binding::Global("G".into())),
            _ => None,
        }
    }
}

fn listing(source: &str) -> String {
    match compile(source, &Scene) {
        Ok((method, _)) => method_listing(&method),
        Err(problem) => panic!("{source}: {}: {}", problem.position, problem.message),
    }
}

/// Compares listings line by line; the wanted one without the method's own frame line if it does
/// not begin with `arguments`, without pcs and positions.
#[track_caller]
fn check(source: &str, wanted: &str) {
    let listing = listing(source);
    let mut lines: Vec<String> = listing.lines().skip(1).map(plain).collect();
    let wanted: Vec<String> =
        wanted.lines().map(|line| line.trim().to_owned()).filter(|l| !l.is_empty()).collect();
    if !wanted.first().is_some_and(|line| line.starts_with("arguments")) {
        lines.remove(0);
    }
    assert_eq!(lines, wanted, "\nof {source}\n{listing}");
}

fn plain(line: &str) -> String {
    let line = line.split("  ; ").next().unwrap_or("").trim();
    match line.split_once(' ') {
        Some((pc, rest)) if pc.parse::<u32>().is_ok() => rest.to_owned(),
        _ => line.to_owned(),
    }
}

#[track_caller]
fn check_problem(source: &str, position: u32, message: &str) {
    match compile(source, &Scene) {
        Ok(_) => panic!("{source} compiled"),
        Err(problem) => assert_eq!(
            (problem.position, problem.message.as_str()),
            (position, message),
            "{source}"
        ),
    }
}

#[test]
fn an_empty_method_returns_the_receiver() {
    check("m", "arguments 0 frame 0 depth 0 copied 0\n returnReceiver");
    check("m ^ self", "returnReceiver");
    check("m ^ a", "pushInstVar 0\n returnTop");
    check(
        "m [^ self]",
        "pushClosure copying 0\n arguments 0 frame 0 depth 1 copied 0 returns\n pushReceiver\n returnTop\n pop\n returnReceiver",
    );
}

#[test]
fn literals_are_pushed_by_the_narrowest_form() {
    check(
        "m 127. -128. 128. nil. $a",
        "
        pushInteger 127
        pop
        pushInteger -128
        pop
        pushLiteral 128
        pop
        pushNil
        pop
        pushLiteral $a
        pop
        returnReceiver",
    );
    check("m ^ 16r1F + 2e3", "pushInteger 31\n pushLiteral 2000\n add +\n returnTop");
    check(
        "m ^ #(a #b: c:d: + $x 'it''s' (1 -2) [3] nil foo)",
        "pushLiteral #(#a #b: #c:d: #+ $x 'it''s' #(1 -2) #[3] nil #foo)\n returnTop",
    );
    check("m ^ 1.50s", "pushLiteral 3/2s2\n returnTop");
    check("m ^ 3s4", "pushLiteral 3/1s4\n returnTop");
    check("m ^ {1. a}", "pushInteger 1\n pushInstVar 0\n pushArray 2\n returnTop");
}

#[test]
fn equal_literals_share_an_entry() {
    let (method, _) = compile(
        "m ^ {'x'. #x. 'x'. #x. 1.0. 1. 1.0. #('x'). #('x'). 200. 200. $x. V. V. G. [1]. [1]}",
        &Scene,
    )
    .unwrap();
    assert_eq!(method.code.literals.len(), 10);
}

#[test]
fn a_minus_is_a_sign_where_an_operand_is_expected() {
    check("m ^ a -1", "pushInstVar 0\n pushInteger 1\n subtract -\n returnTop");
    check("m ^ a - -1", "pushInstVar 0\n pushInteger -1\n subtract -\n returnTop");
    check("m ^ a--1", "pushInstVar 0\n pushInteger -1\n subtract -\n returnTop");
    check("m ^ a>-1", "pushInstVar 0\n pushInteger -1\n greater >\n returnTop");
}

#[test]
fn statements_drop_values_and_store_by_popping() {
    check(
        "m a := b := V := 1. V := a",
        "
        pushInteger 1
        storeBinding @C.V
        storeInstVar 1
        popInstVar 0
        pushInstVar 0
        popBinding @C.V
        returnReceiver",
    );
}

#[test]
fn cascades_duplicate_the_receiver_and_inline_nothing() {
    check(
        "m a foo; ifTrue: [1]; bar",
        "
        pushInstVar 0
        dup
        send foo
        pop
        dup
        pushClosure copying 0
        arguments 0 frame 0 depth 1 copied 0 clean
        pushInteger 1
        blockReturn
        send ifTrue:
        pop
        send bar
        pop
        returnReceiver",
    );
    check(
        "m super x; == 1",
        "pushReceiver\n dup\n sendSuper x\n pop\n pushInteger 1\n sendSuper ==\n pop\n returnReceiver",
    );
}

#[test]
fn identity_is_never_sent() {
    check("m ^ a == b", "pushInstVar 0\n pushInstVar 1\n identical\n returnTop");
    check("m ^ a ~~ b", "pushInstVar 0\n pushInstVar 1\n notIdentical\n returnTop");
}

#[test]
fn conditionals_jump() {
    check(
        "m ^ a ifTrue: [1]",
        "
        pushInstVar 0
        jumpFalse 12
        pushInteger 1
        jump 13
        pushNil
        returnTop",
    );
    check(
        "m ^ a ifFalse: [] ifTrue: [^ 2]",
        "
        pushInstVar 0
        jumpTrue 11
        pushNil
        jump 14
        pushInteger 2
        returnTop
        returnTop",
    );
    check(
        "m ^ a and: [b]",
        "pushInstVar 0\n jumpFalse 12\n pushInstVar 1\n jump 13\n pushFalse\n returnTop",
    );
    check(
        "m ^ a or: [b]",
        "pushInstVar 0\n jumpTrue 12\n pushInstVar 1\n jump 13\n pushTrue\n returnTop",
    );
    check("m ^ a ifTrue: b", "pushInstVar 0\n pushInstVar 1\n send ifTrue:\n returnTop");
    check(
        "m a ifTrue: [^ self] ifFalse: [^ self]",
        "
        pushInstVar 0
        jumpFalse 7
        returnReceiver
        returnReceiver
        pop
        returnReceiver",
    );
}

#[test]
fn nil_tests_keep_or_drop_the_value() {
    check(
        "m ^ a ifNil: [1]",
        "pushInstVar 0\n dup\n jumpNotNil 10\n pop\n pushInteger 1\n returnTop",
    );
    check(
        "m ^ a ifNotNil: [:x | x]",
        "arguments 0 frame 1 depth 2 copied 0\n pushInstVar 0\n dup\n jumpNil 11\n popTemp 0\n pushTemp 0\n returnTop",
    );
    check(
        "m ^ a ifNotNil: [1] ifNil: [2]",
        "pushInstVar 0\n dup\n jumpNil 14\n pop\n pushInteger 1\n jump 17\n pop\n pushInteger 2\n returnTop",
    );
    check(
        "m ^ a ifNil: [2] ifNotNil: [:x | x]",
        "pushInstVar 0\n dup\n jumpNotNil 14\n pop\n pushInteger 2\n jump 18\n popTemp 0\n pushTemp 0\n returnTop",
    );
}

#[test]
fn loops_jump_back() {
    check(
        "m [a] whileTrue: [b]. [a] whileFalse. [a] repeat",
        "
        pushInstVar 0
        jumpFalse 13
        pushInstVar 1
        pop
        jump 0
        pushNil
        pop
        pushInstVar 0
        jumpTrue 25
        jump 15
        pushNil
        pop
        pushInstVar 0
        pop
        jump 27
        pushNil
        pop
        returnReceiver",
    );
}

#[test]
fn counting_loops_keep_the_start_and_push_literal_limits_anew() {
    check(
        "m 1 to: a do: [:i | i foo]",
        "
        arguments 0 frame 2 depth 3 copied 0
        pushInteger 1
        storeTemp 0
        pushInstVar 0
        popTemp 1
        pushTemp 0
        pushTemp 1
        lessEqual <=
        jumpFalse 38
        pushTemp 0
        send foo
        pop
        pushTemp 0
        pushInteger 1
        add +
        popTemp 0
        jump 8
        pop
        returnReceiver",
    );
    check(
        "m ^ a to: 1 by: -2 do: [:i | ]",
        "
        arguments 0 frame 1 depth 3 copied 0
        pushInstVar 0
        storeTemp 0
        pushTemp 0
        pushInteger 1
        greaterEqual >=
        jumpFalse 30
        pushNil
        pop
        pushTemp 0
        pushInteger -2
        add +
        popTemp 0
        jump 4
        returnTop",
    );
    check(
        "m ^ a to: 1 by: 0 do: [:i | ]",
        "
        pushInstVar 0
        pushInteger 1
        pushInteger 0
        pushClosure copying 0
        arguments 1 frame 1 depth 1 copied 0 clean
        pushNil
        blockReturn
        send to:by:do:
        returnTop",
    );
}

#[test]
fn what_is_captured_and_never_written_later_is_copied() {
    check(
        "m: x | t | t := x. ^ [t foo: x]",
        "
        arguments 1 frame 2 depth 2 copied 0
        pushTemp 0
        popTemp 1
        pushTemp 1
        pushTemp 0
        pushClosure copying 2
        arguments 0 frame 2 depth 2 copied 2
        pushTemp 0
        pushTemp 1
        send foo:
        blockReturn
        returnTop",
    );
}

#[test]
fn what_is_written_inside_a_block_is_shared() {
    check(
        "m | s t | ^ [:x | t := x. s]",
        "
        arguments 0 frame 2 depth 2 copied 0
        pushNewVector 1
        popTemp 0
        pushTemp 0
        pushTemp 1
        pushClosure copying 2
        arguments 1 frame 3 depth 1 copied 2
        pushTemp 0
        popRemote 0 of 1
        pushTemp 2
        blockReturn
        returnTop",
    );
}

#[test]
fn a_block_that_names_the_variable_it_is_assigned_to_shares_it() {
    check(
        "m | f | f := [f]. ^ f",
        "
        arguments 0 frame 1 depth 1 copied 0
        pushNewVector 1
        popTemp 0
        pushTemp 0
        pushClosure copying 1
        arguments 0 frame 1 depth 1 copied 1
        pushRemote 0 of 0
        blockReturn
        popRemote 0 of 0
        pushRemote 0 of 0
        returnTop",
    );
}

#[test]
fn a_write_and_a_capture_in_one_loop_share() {
    check(
        "m | t | [t := a. b add: [t]] repeat",
        "
        arguments 0 frame 1 depth 2 copied 0
        pushNewVector 1
        popTemp 0
        pushInstVar 0
        popRemote 0 of 0
        pushInstVar 1
        pushTemp 0
        pushClosure copying 1
        arguments 0 frame 1 depth 1 copied 1
        pushRemote 0 of 0
        blockReturn
        send add:
        pop
        jump 4
        pushNil
        pop
        returnReceiver",
    );
}

#[test]
fn variables_of_a_loop_are_fresh_at_each_turn() {
    check(
        "m [| s t u | u := [s := t]] repeat",
        "
        arguments 0 frame 3 depth 2 copied 0
        pushNewVector 1
        popTemp 0
        pushNil
        popTemp 1
        pushNil
        popTemp 2
        pushTemp 0
        pushTemp 1
        pushClosure copying 2
        arguments 0 frame 2 depth 1 copied 2
        pushTemp 1
        storeRemote 0 of 0
        blockReturn
        storeTemp 2
        pop
        jump 0
        pushNil
        pop
        returnReceiver",
    );
}

#[test]
fn the_counter_of_a_loop_is_copied() {
    check(
        "m 1 to: 2 do: [:i | a add: [i]]",
        "
        arguments 0 frame 1 depth 3 copied 0
        pushInteger 1
        storeTemp 0
        pushTemp 0
        pushInteger 2
        lessEqual <=
        jumpFalse 40
        pushInstVar 0
        pushTemp 0
        pushClosure copying 1
        arguments 0 frame 1 depth 1 copied 1
        pushTemp 0
        blockReturn
        send add:
        pop
        pushTemp 0
        pushInteger 1
        add +
        popTemp 0
        jump 4
        pop
        returnReceiver",
    );
}

#[test]
fn the_reason_of_a_primitive_stands_behind_the_arguments() {
    check(
        "m: x <primitive: #p error: r> | t | ^ [t := r]",
        "
        arguments 1 frame 3 depth 2 copied 0 reason
        pushNewVector 1
        popTemp 2
        pushTemp 2
        pushTemp 1
        pushClosure copying 2
        arguments 0 frame 2 depth 1 copied 2
        pushTemp 1
        storeRemote 0 of 0
        blockReturn
        returnTop",
    );
}

#[test]
fn flags_of_methods_come_from_pragmas() {
    check("m <unwind> <other: 1>", "arguments 0 frame 0 depth 0 copied 0 unwind\n returnReceiver");
    check("m <handler>", "arguments 0 frame 0 depth 0 copied 0 handler\n returnReceiver");
    let (method, _) = compile("m <a> <b: #c d: 2>", &Scene).unwrap();
    let selectors: Vec<_> = method.pragmas.iter().map(|pragma| pragma.selector.as_str()).collect();
    assert_eq!(selectors, ["a", "b:d:"]);
}

#[test]
fn clean_blocks_need_nothing_from_outside() {
    let clean =
        |source: &str| listing(source).lines().filter(|line| line.ends_with("clean")).count();
    assert_eq!(clean("m ^ [:x | [x]]"), 1, "the inner one copies");
    for source in [
        "m ^ [self]",
        "m ^ [a]",
        "m ^ [^ 1]",
        "m ^ [thisContext]",
        "m ^ [super x]",
        "m ^ [[a]]",
        "m: x ^ [x]",
    ] {
        assert_eq!(clean(source), 0, "{source}");
    }
    assert_eq!(clean("m ^ [V := G]"), 1);
}

#[test]
fn source_maps_name_what_was_written() {
    let positions = |source: &str| -> Vec<(u32, String)> {
        let (method, _) = compile(source, &Scene).unwrap();
        let entries = seed::code::unpack_map(&method.code.source_map).unwrap();
        let text: Vec<char> = source.chars().collect();
        entries
            .iter()
            .map(|e| (e.pc, text[e.start as usize - 1..e.stop as usize].iter().collect()))
            .collect()
    };
    let of = |pairs: &[(u32, &str)]| {
        pairs.iter().map(|(pc, text)| (*pc, text.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(
        positions("m a := (b foo) bar: (3)"),
        of(&[
            (2, "b foo"),
            (7, "(b foo) bar: (3)"),
            (10, "a := (b foo) bar: (3)"),
            (12, "m a := (b foo) bar: (3)"),
        ])
    );
    assert_eq!(positions("m ^ a x; y: 1"), of(&[(3, "x"), (9, "y: 1"), (12, "^ a x; y: 1")]));
    assert_eq!(
        positions("é ^ a ifTrue: [1]"),
        of(&[(2, "a ifTrue: [1]"), (13, "^ a ifTrue: [1]")])
    );
    assert_eq!(positions("m ^ [1]"), of(&[(0, "[1]"), (4, "^ [1]")]));
}

#[test]
fn errors_say_where_and_what() {
    check_problem("m ^ x", 5, "`x` is not declared");
    check_problem("m: x x := 1", 6, "`x` is an argument and cannot be assigned to");
    check_problem("m [:x | x := 1]", 9, "`x` is an argument and cannot be assigned to");
    check_problem(
        "m 1 to: 2 do: [:i | i := 1]",
        21,
        "`i` is an argument and cannot be assigned to",
    );
    check_problem("m self := 1", 3, "`self` cannot be assigned to");
    check_problem("m | x x |", 7, "`x` is declared twice");
    check_problem("m: x | x |", 8, "`x` is declared twice");
    check_problem("m | true |", 5, "`true` cannot be declared");
    check_problem("m 'abc", 3, "this string does not end: expected `'`");
    check_problem("m ^ (1", 7, "expected `)`, found the end of the text");
    check_problem("m ^ 1)", 6, "expected a statement or the end of the method, found `)`");
    check_problem("m 3foo", 4, "a letter directly after a number");
    check_problem("m 1e-2", 4, "an integer has no negative exponent");
    check_problem("m #a:b", 3, "a symbol of keywords ends with a colon");
    check_problem("m #[256]", 5, "a byte is 0 to 255");
    check_problem("m ^ (a foo); bar", 12, "expected a message before the cascade, found `;`");
    check_problem("m ^ super", 5, "`super` stands only before a message");
    check_problem("m <primitive: 3>", 4, "expected a symbol, the name of a primitive");
    check_problem("m 16r", 6, "expected digits of radix 16");
    check_problem("", 1, "expected the pattern of a method, found the end of the text");
    check_problem("m 1 §", 5, "`\\u{a7}` begins nothing");
}

#[test]
fn warnings_do_not_stop() {
    let warnings = |source: &str| -> Vec<(u32, String)> {
        let (_, warnings) = compile(source, &Scene).unwrap();
        warnings.into_iter().map(|problem| (problem.position, problem.message)).collect()
    };
    assert_eq!(warnings("m ^ Zork"), [(5, "`Zork` is not declared: bound in Undeclared".into())]);
    assert_eq!(warnings("m: a"), [(4, "`a` hides an instance variable of that name".into())]);
    assert_eq!(
        warnings("m | t | [:t | t]"),
        [(11, "`t` hides an outer variable of that name".into())]
    );
}

#[test]
fn limits_are_errors_not_wrong_code() {
    let names = |count: usize| (0..count).map(|n| format!("t{n}")).collect::<Vec<_>>().join(" ");
    assert!(compile(&format!("m | {} |", names(255)), &Scene).is_ok());
    check_problem(&format!("m | {} |", names(256)), 1, "too many temporaries: 256, at most 255");
    let deep = format!("m ^ {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(compile(&deep, &Scene).is_err());
    let long = format!("m ^ 1{}", " foo".repeat(5000));
    assert!(compile(&long, &Scene).is_err());
    let arguments: String = (0..16).map(|n| format!("k{n}: 1 ")).collect();
    assert!(compile(&format!("m ^ a {arguments}"), &Scene).is_err());
    let many: String = (0..300).map(|n| format!("{}. ", n + 1000)).collect();
    assert!(listing(&format!("m {many}")).contains("pushLiteralWide 1299"));
    let over: String = (0..70_000).map(|n| format!("{}. ", n + 1000)).collect();
    check_problem(&format!("m {over}"), 1, "too many literals: 70000, at most 65535");
}
