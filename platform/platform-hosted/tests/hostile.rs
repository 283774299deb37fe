//! Programs in the world that lie to the machine: none of them may crash it. Each once did.

mod common;

use common::warm;

/// Runs a program; it may fail, but by an error of the world, never by a signal or an abort.
fn check(program: &str, expect: &str) {
    let run = warm(&["eval", program]);
    assert!([0, 1].contains(&run.status), "{program}: {run:?}");
    let said = format!("{}{}", run.out, run.err);
    assert!(said.contains(expect), "{program}: {run:?}");
}

#[test]
fn a_primitive_with_another_number_of_arguments_is_not_run() {
    check(
        "Object compile: 'zork <primitive: #blockValueWithArguments> ^ 7'. {[ :x | x ]. #(1) zork. 5} last",
        "5",
    );
    check("Object compile: 'zork <primitive: #perform> ^ 7'. 3 zork", "7");
}

#[test]
fn sends_inside_primitives_do_not_use_up_the_machines_stack() {
    check(
        "| a | a := Array new: 2. a at: 1 put: #perform:withArguments:; at: 2 put: a. \
         3 perform: #perform:withArguments: withArguments: a",
        "",
    );
}

#[test]
fn a_running_frame_is_not_resumed_with_a_value() {
    check(
        "Context compile: 'zork: v <primitive: #contextResumeWith> ^ 9'. \
         { 1. thisContext zork: 3. 5 } printString",
        "1 9 5",
    );
}

#[test]
fn a_receiver_does_not_become_smaller_than_its_running_method_needs() {
    check(
        "| c | c := Object subclass: #Zk instanceVariableNames: 'a b c d e f' classVariableNames: '' package: 'Z'. \
         c compile: 'foo: o | x | self becomeForward: o. x := Array new: 20. c := d := e := f := 99. ^ x'. \
         c new foo: Object new",
        "",
    );
}
