//! A conversation through a pipe: values, variables, errors that stay, commands on them.

mod common;

use common::{Folder, warm, warm_with_input};

fn check(lines: &str, expect: &[&str]) {
    let folder = Folder::new("repl");
    let world = folder.world("r.world");
    let run = warm_with_input(&["repl", &world], lines);
    assert_eq!(run.status, 0, "{run:?}");
    let mut rest = run.out.as_str();
    for text in expect {
        let at = rest.find(text).unwrap_or_else(|| panic!("{text:?} is not (in order) in {run:?}"));
        rest = &rest[at + text.len()..];
    }
}

#[test]
fn an_undeclared_name_becomes_a_variable_of_the_conversation() {
    check("3 + 4\nx := 5\nx * 2\n", &["7\n", "5\n", "10\n"]);
}

#[test]
fn lines_are_gathered_until_they_make_a_whole() {
    check("#(1 2 3) collect: [ :each |\neach * 2 ]\n", &["#(2 4 6)\n"]);
    check("'a\nb' size\n", &["3\n"]);
}

#[test]
fn an_error_leaves_its_process_to_be_looked_at() {
    check("3 foo\n:stack\n:abandon\n4\n", &["foo", "doesNotUnderstand:", "doesNotUnderstand:", "4\n"]);
}

#[test]
fn a_stuck_process_goes_on_with_a_value_that_is_returned_for_a_frame() {
    check("3 foo + 1\n:return 41\n", &["foo", "42\n"]);
}

#[test]
fn a_syntax_error_says_where() {
    check("3 + )\n7\n", &["line 1, column 5", "7\n"]);
}

#[test]
fn what_was_said_is_there_the_next_time() {
    let folder = Folder::new("repl-kept");
    let world = folder.world("r.world");
    assert_eq!(warm_with_input(&["repl", &world], "Smalltalk at: #Kept put: 17\n").status, 0);
    assert_eq!(warm(&["eval", &world, "Kept"]).out, "17\n");
}

#[test]
fn a_world_without_a_main_handler_opens_with_a_conversation() {
    let folder = Folder::new("repl-open");
    let world = folder.world("r.world");
    assert_eq!(warm_with_input(&[&world], "6 * 7\n").out, "42\n");
}
