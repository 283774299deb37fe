//! A world that is saved in the middle of its work, closed, and opened again.

use super::world::{self, Disk};
use vm::interpret::RunEnd;

const METHODS: &[&str] = &[
    "work: n into: aStream|\"Loops, blocks, ensure and recursion, interrupted anywhere.\"
[ 1 to: n do: [ :i |
	| square |
	square := [ :x | x * x ] value: i.
	#(1 2) do: [ :each |
		[ aStream nextPutAll: (square + each + (self sum: i)) printString; space ]
			ensure: [ aStream nextPut: $. ] ].
	i \\\\ 3 = 0 ifTrue: [ Processor yield ] ] ]
	ensure: [ aStream nextPut: $! ]",
    "sum: n|^ n = 0 ifTrue: [ 0 ] ifFalse: [ n + (self sum: n - 1) ]",
    "start|| done |
Shared := Array new: 3.
done := Semaphore new.
1 to: 3 do: [ :k | [
	| s |
	s := WriteStream on: String new.
	[ self work: 60 into: s. Error signal: 'end' ] on: Error do: [ :e | s nextPutAll: e messageText ].
	Shared at: k put: s contents.
	done signal ] fork ].
3 timesRepeat: [ done wait ].
Shared := Shared , (Array with: (self find: 7))",
    "find: n|1 to: 100 do: [ :i | [ :x | x = n ifTrue: [ ^ x * 100 ] ] value: i ].
^ nil",
    "result|^ Shared printString",
    "snap|| r s |
s := WriteStream on: String new.
[ r := self snapshot. s nextPutAll: r; space ] ensure: [ s nextPut: $e ].
Shared := s contents , (Shared ifNil: [ '' ])",
    "snapshot|<primitive: #snapshot>
^ #failed",
    "session|| p |
p := [ Shared := 'ran'. [ true ] whileTrue: [ Processor yield ] ] newProcess.
p session: Session new.
p resume.
Processor yield.
Shared := p",
];

const EXPRESSIONS: &[&str] = &["EvalTool start", "EvalTool snap", "EvalTool session"];

fn result(vm: &mut vm::interpret::Vm) -> String {
    let class = vm.global("EvalTool").unwrap();
    let serial = vm.spawn(class, "result", &[], None).unwrap();
    let ended = vm.await_end(serial);
    world::show(vm, ended, serial)
}

/// Runs `run0` to its end without interruption.
fn expected(archive: &vm::archive::Verified) -> String {
    let mut vm = world::world(archive, world::fresh_base());
    world::run(&mut vm, 0);
    result(&mut vm)
}

#[test]
fn a_world_goes_on_where_it_was_saved() {
    let archive = world::archive(EXPRESSIONS, METHODS);
    let expected = expected(&archive);
    assert!(expected.contains("!end") && expected.contains("700"), "{expected}");
    let mut middle = 0;
    for budget in [1, 40, 333, 1000, 2000, 3500, 5000, 7000, 9000] {
        let base = world::fresh_base();
        let disk = Disk::default();
        {
            let mut vm = world::world(&archive, base);
            let class = vm.global("EvalTool").unwrap();
            vm.spawn(class, "run0", &[], None).unwrap();
            if vm.run(Some(budget)) == RunEnd::Budget {
                middle += 1;
            }
            disk.save(&mut vm);
            // What runs after the save is lost.
            vm.run(Some(777));
        }
        let mut vm = disk.open(base);
        while vm.run(Some(5000)) == RunEnd::Budget {}
        assert_eq!(result(&mut vm), expected, "saved after {budget} polls");
    }
    assert!(middle > 5, "only {middle} snapshots came in the middle of the work");
}

#[test]
fn a_world_that_is_saved_and_reopened_again_and_again_ends_the_same() {
    let archive = world::archive(EXPRESSIONS, METHODS);
    let expected = expected(&archive);
    let base = world::fresh_base();
    let disk = Disk::default();
    {
        let mut vm = world::world(&archive, base);
        let class = vm.global("EvalTool").unwrap();
        vm.spawn(class, "run0", &[], None).unwrap();
        disk.save(&mut vm);
    }
    let mut reopenings = 0;
    loop {
        let mut vm = disk.open(base);
        // Several saves in one opening: only frames above the watermark are copied again.
        let mut end = vm.run(Some(400));
        for _ in 0..3 {
            disk.save(&mut vm);
            if end == RunEnd::Budget {
                end = vm.run(Some(300));
            }
        }
        disk.save(&mut vm);
        if end != RunEnd::Budget {
            assert_eq!(result(&mut vm), expected);
            break;
        }
        reopenings += 1;
        assert!(reopenings < 500, "it never ends");
    }
    assert!(reopenings > 10, "{reopenings}");
}

#[test]
fn the_snapshot_primitive_answers_saved_and_after_an_opening_resumed() {
    let archive = world::archive(EXPRESSIONS, METHODS);
    let base = world::fresh_base();
    let disk = Disk::default();
    {
        let mut vm = world::world(&archive, base);
        vm.set_store(Box::new(disk.clone()));
        world::run(&mut vm, 1);
        assert_eq!(result(&mut vm), "'saved e'");
    }
    let mut vm = disk.open(base);
    while vm.run(None) == RunEnd::Budget {}
    assert_eq!(result(&mut vm), "'resumed e'");
    let mut vm = world::world(&archive, world::fresh_base());
    world::run(&mut vm, 1);
    assert_eq!(result(&mut vm), "'failed e'");
}

#[test]
fn processes_of_an_earlier_session_stay_suspended() {
    let archive = world::archive(EXPRESSIONS, METHODS);
    let base = world::fresh_base();
    let disk = Disk::default();
    {
        let mut vm = world::world(&archive, base);
        let class = vm.global("EvalTool").unwrap();
        vm.spawn(class, "run2", &[], None).unwrap();
        vm.run(Some(3000));
        disk.save(&mut vm);
    }
    let mut vm = disk.open(base);
    assert_eq!(vm.run(Some(100_000)), RunEnd::Idle(None), "the endless loop runs again");
    let text = result(&mut vm);
    assert!(text.contains("suspended"), "{text}");
}

#[test]
fn two_machines_run_in_one_process() {
    let archive = world::archive(&["EvalTool fib: 12", "#foo"], super::METHODS);
    let mut one = world::world(&archive, world::fresh_base());
    let mut two = world::world(&archive, world::fresh_base());
    for n in [0, 1] {
        assert_eq!(world::run(&mut one, n), world::run(&mut two, n));
    }
    assert!(one.heap.base() != two.heap.base());
}
