//! Hostile objects: methods, stack images and closures that no compiler made. Whatever they say,
//! the machine refuses them or runs them within its own rules; it never breaks.

use super::world::{self, Disk};
use vm::interpret::RunEnd;

const METHODS: &[&str] = &[
    "subject: x|\"What is mutated: every kind of instruction, with selectors that do no harm.\"
| n all block |
n := 0.
all := OrderedCollection new.
block := [ :y | n := n + y. y > 3 ifTrue: [ ^ { n. y. x } ]. [ :z | z * n ] ].
[ n < 5 ] whileTrue: [ n := n + 1. all add: (block value: n) ].
Shared := all size = x ifTrue: [ thisContext ] ifFalse: [ self name ].
^ super hash",
    "mutate: seed|\"Answer a copy of the method with some bytes changed.\"
| method bytes random |
random := seed.
method := (EvalTool class >> #subject:) copy.
bytes := (method instVarAt: 3) copy.
1 + (seed \\\\ 3) timesRepeat: [
	random := random * 1103515245 + 12345 bitAnd: 16r7FFFFFFF.
	bytes at: random // 7 \\\\ bytes size + 1 put: random // 1000 \\\\ (seed odd ifTrue: [ 96 ] ifFalse: [ 256 ]) ].
method instVarAt: 3 put: bytes.
seed \\\\ 7 = 0 ifTrue: [ method instVarAt: 1 put: ((method instVarAt: 1) bitXor: (1 bitShift: random \\\\ 58)) ].
^ method",
    "run: method on: argument|^ self execute: (Array with: argument) method: method",
    "execute: anArray method: aMethod|<primitive: #executeMethod>
^ #refused",
    "verify: aMethod|^ self verdict: aMethod",
    "forge: seed|| method process |
method := self mutate: seed.
process := [ [ self run: method on: seed ] on: Error do: [ :e | nil ] ] newProcess.
process resume.
3 timesRepeat: [ Processor yield ].
process terminate.
^ nil",
    "begin|| gate |
gate := Semaphore new.
Shared := (1 to: 3) collect: [ :k |
	[ | t | t := k. [ #(1 2) do: [ :each | [ :q | gate wait. t := t + q + each ] value: k ] ] ensure: [ t := 0 ] ] fork ].
Processor yield.
Shared := Array with: gate with: Shared",
    "spoil: seed|| process image size random value |
random := seed.
process := Shared last at: seed \\\\ 3 + 1.
image := process instVarAt: 2.
size := image basicAt: 1.
1 + (seed \\\\ 4) timesRepeat: [
	random := random * 1103515245 + 12345 bitAnd: 16r7FFFFFFF.
	value := #(nil 0 1 2 3 7 100 -1 4611686018427387903) , { image. process. $a. 1.5. EvalTool class >> #subject:. 'text' }.
	value := value at: random // 31 \\\\ value size + 1.
	image basicAt: random // 7 \\\\ size + 1 put: value ].
3 timesRepeat: [ Shared first signal. Processor yield ].
^ nil",
    "closures|\"Closures with the wrong number of copied values, code or receiver.\"
| good bad results |
good := EvalTool counterBlock.
results := OrderedCollection new.
bad := BlockClosure basicNew: 0.
results add: ([ bad value ] on: Error do: [ :e | #refused ]).
bad := BlockClosure basicNew: 0.
1 to: 5 do: [ :k | bad instVarAt: k put: (good instVarAt: k) ].
results add: ([ bad value ] on: Error do: [ :e | #refused ]).
bad := good copy.
bad instVarAt: 2 put: EvalTool class >> #closures.
results add: ([ bad value ] on: Error do: [ :e | #refused ]).
bad := EvalTool new slotBlock copy.
bad instVarAt: 3 put: 5.
results add: ([ bad value ] on: Error do: [ :e | #refused ]).
bad := good copy.
bad instVarAt: 6 put: #notAVector.
results add: 0.
^ results asArray",
    "counterBlock|| n |
n := 0.
^ [ n := n + 1 ]",
    "instance slotBlock|^ [ a := 1 ]",
];

#[test]
fn mutated_methods_never_break_the_machine() {
    let expressions: Vec<String> =
        (0..20).map(|k| format!("1 to: 60 do: [ :n | EvalTool forge: n * 20 + {k} ]")).collect();
    let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
    let mut vm = world::world(&world::archive(&expressions, METHODS), world::fresh_base());
    for n in 0..expressions.len() {
        let class = vm.global("EvalTool").unwrap();
        vm.spawn(class, &format!("run{n}"), &[], None).unwrap();
        vm.release(class);
        for _ in 0..4 {
            if vm.run(Some(4_000)) != RunEnd::Budget {
                break;
            }
        }
    }
    vm.collect_full();
}

#[test]
fn spoiled_stack_images_never_break_the_machine() {
    let expressions: Vec<String> =
        std::iter::once("EvalTool begin".to_owned()).chain((1..150).map(|n| format!("EvalTool spoil: {}", n * 7919))).collect();
    let expressions: Vec<&str> = expressions.iter().map(String::as_str).collect();
    let archive = world::archive(&expressions, METHODS);
    let base = world::fresh_base();
    let disk = Disk::default();
    {
        let mut vm = world::world(&archive, base);
        world::run(&mut vm, 0);
        disk.save(&mut vm);
    }
    let mut refused = 0;
    for n in 1..expressions.len() {
        let mut vm = disk.open(base);
        let class = vm.global("EvalTool").unwrap();
        vm.spawn(class, &format!("run{n}"), &[], None).unwrap();
        for _ in 0..5 {
            if vm.run(Some(20_000)) != RunEnd::Budget {
                break;
            }
        }
        vm.collect_full();
        refused += usize::from(vm.recent_log().iter().any(|line| line.contains("can't go on")));
    }
    assert!(refused > 20, "only {refused} images were refused: the test spoils nothing");
}

#[test]
fn forged_closures_are_refused() {
    let mut vm = world::world(&world::archive(&["EvalTool closures"], METHODS), world::fresh_base());
    assert_eq!(world::run(&mut vm, 0), "#(#refused #refused #refused #refused 0)");
}
