//! What ends or interrupts a program that would not end by itself, and what steps it.

use super::world;
use crate::time::{processor_time, processor_time_of, wait_until, within_processor_time};
use std::path::Path;
use std::time::Duration;
use vm::interpret::RunEnd;

pub const METHODS: &[&str] = &[
    "endless|[ true ] whileTrue: [ Shared := (Shared ifNil: [ 0 ]) + 1 ]",
    "down: n|^ (self down: n + 1) + 1",
    "deepNodes: n|| node | node := Array with: nil with: n. node at: 1 put: (self deepNodes: n + 1). ^ node",
    "wave: n|\"Sixty frames take a new object without a poll; the next poll finds it far below.\" | x |
n = 0 ifTrue: [ ^ Array with: 0 ].
x := self wave: n - 1.
n = 60 ifTrue: [ Object new ].
^ x",
    "waves|^ (self wave: 120) size",
    "quota: anArray|<primitive: #quotas>\n^ #refused",
    "stepped|| process count context |
process := [ | x | x := 3 + 4. Shared := x * 2 ] newProcess.
process resume; suspend.
count := 0.
[ process isTerminated or: [ (context := process suspendedContext) isNil or: [ count > 500 ] ] ]
	whileFalse: [ context step. count := count + 1 ].
^ Array with: Shared with: count > 10 & (count < 500)",
    "pushed|| process trace |
trace := OrderedCollection new.
process := [ trace add: 1. Semaphore new wait ] fork.
Processor yield.
process signalException: (Error new messageText: 'late'; yourself).
Processor yield.
^ trace asArray",
];

/// A method of `METHODS`: recursion to and fro.
pub const WAVES: &str = "waves";

pub const EXPRESSIONS: &[&str] = &[
    "EvalTool endless",
    "[ EvalTool down: 1 ] on: StackOverflow do: [ :e | #deep ]",
    "EvalTool quota: #(100000 nil). [ EvalTool endless ] on: QuotaExceeded do: [ :e | #spent ]",
    "| x | [ [ x := Array with: x with: (Array new: 1000) ] repeat ] on: OutOfMemory do: [ :e | x := nil. #full ]",
    "| x | [ x := Array new: 1000000000 ] on: OutOfMemory do: [ :e | #full ]",
    "EvalTool stepped",
    "Shared",
    "[ | p | p := [ [ EvalTool endless ] ensure: [ Shared := #unwound ] ] fork. 10 timesRepeat: [ Processor yield ]. p terminate ] value. Processor yield. #done",
    "[ EvalTool deepNodes: 1 ] on: StackOverflow, OutOfMemory do: [ :e | #deep ]",
    "| array | array := Array new: 1. array at: 1 put: array. array printString size",
];

fn machine() -> vm::interpret::Vm {
    world::world(&world::archive(EXPRESSIONS, METHODS), world::fresh_base())
}

#[test]
fn processor_time_passes_by_work_and_not_by_sleep() {
    let before = processor_time();
    std::thread::sleep(Duration::from_millis(300));
    assert!(processor_time() - before < Duration::from_millis(150));
    let mut sum = 0_u64;
    wait_until("processor time", || {
        (0..1 << 20).for_each(|n| sum = std::hint::black_box(sum ^ n));
        processor_time() - before >= Duration::from_millis(100)
    });
}

#[test]
fn a_stop_from_another_thread_ends_an_endless_loop_at_once() {
    let mut vm = machine();
    let class = vm.global("EvalTool").unwrap();
    vm.spawn(class, "run0", &[], None).unwrap();
    let doorbell = vm.doorbell();
    // The name that this thread has for others too.
    let runner = Path::new("/proc").join(std::fs::read_link("/proc/thread-self").unwrap());
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        doorbell.stop();
        processor_time_of(&runner)
    });
    assert_eq!(vm.run(None), RunEnd::Budget);
    let ended = processor_time();
    let took = ended.saturating_sub(thread.join().unwrap());
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[test]
fn endless_recursion_ends_by_an_exception_within_a_second_or_two() {
    let mut vm = machine();
    within_processor_time(Duration::from_secs(5), "recursion", || assert_eq!(world::run(&mut vm, 1), "#deep"));
    // The stack is as it was: it works a second time.
    assert_eq!(world::run(&mut vm, 1), "#deep");
}

#[test]
fn endless_recursion_that_allocates_ends_as_soon() {
    let mut vm = machine();
    // Quadratic reading of the stack took minutes.
    within_processor_time(Duration::from_secs(20), "recursion", || assert_eq!(world::run(&mut vm, 8), "#deep"));
    assert_eq!(world::run(&mut vm, 9), "50000");
}

#[test]
fn a_deep_stack_is_captured_in_time_proportional_to_its_depth() {
    let mut vm = machine();
    let class = vm.global("EvalTool").unwrap();
    vm.spawn(class, "run1", &[], None).unwrap();
    assert_eq!(vm.run(Some(300_000)), RunEnd::Budget);
    within_processor_time(Duration::from_secs(10), "the capture", || vm.capture().unwrap());
    assert!(vm.counters().captured_frames > 100_000, "{:?}", vm.counters());
}

#[test]
fn a_session_that_used_up_its_polls_is_told() {
    let mut vm = machine();
    assert_eq!(world::run(&mut vm, 2), "#spent");
}

#[test]
fn a_world_that_met_its_memory_limit_says_so_and_goes_on() {
    let mut vm = machine();
    vm.set_memory_limit(96 << 20);
    for turn in 0..2 {
        let found = world::run(&mut vm, 3);
        let used = (vm.heap.used_bytes() >> 20, vm.heap.limit_bytes() >> 20, vm.heap.statistics().marks);
        assert_eq!(found.lines().next(), Some("#full"), "turn {turn}, {used:?}");
        vm.collect_full();
    }
    assert_eq!(world::run(&mut vm, 4), "#full");
}

#[test]
fn a_suspended_process_is_stepped_instruction_by_instruction() {
    let mut vm = machine();
    assert_eq!(world::run(&mut vm, 5), "#(14 true)");
}

#[test]
fn polls_are_counted_by_the_budget() {
    let mut vm = machine();
    let class = vm.global("EvalTool").unwrap();
    vm.spawn(class, "run0", &[], None).unwrap();
    let mut before = vm.counters().polls;
    for _ in 0..5 {
        assert_eq!(vm.run(Some(3000)), RunEnd::Budget);
        let polls = vm.counters().polls;
        assert!(polls > before && polls - before <= 4, "{before} {polls}");
        before = polls;
    }
}
