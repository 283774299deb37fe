//! Closures.

use super::{Entries, Outcome, RANGE, Reason, WRONG};
use crate::bytecode::FrameWord;
use crate::interpret::Vm;
use crate::layout::{KnownClass, Word, block_closure, compiled_code};

pub(super) const ENTRIES: Entries = &[
    ("blockValue", evaluate),
    ("blockValue1", evaluate),
    ("blockValue2", evaluate),
    ("blockValue3", evaluate),
    ("blockValue4", evaluate),
    ("blockValueWithArguments", with_arguments),
    ("blockNumArgs", argument_count),
];

fn evaluate(vm: &mut Vm, arguments: usize) -> Outcome {
    let closure = vm.top(arguments);
    if !vm.is_a(closure, KnownClass::BlockClosure) {
        return WRONG;
    }
    let code = vm.block_code(closure, arguments);
    if code.is_null() {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    Outcome::Next(vm.evaluate(code, arguments))
}

fn with_arguments(vm: &mut Vm, _: usize) -> Outcome {
    let (closure, array) = (vm.top(1), vm.top(0));
    if !vm.is_a(closure, KnownClass::BlockClosure) || !vm.is_a(array, KnownClass::Array) {
        return WRONG;
    }
    let count = vm.slot_count(array);
    let code = vm.block_code(closure, count);
    if code.is_null() {
        return Outcome::Decline(Reason::Named("arguments"));
    }
    if count > 255 || !vm.current.make_room(count) {
        return RANGE;
    }
    vm.current.sp -= 1;
    for n in 0..count {
        let word = vm.slot(array, n);
        vm.current.push(word);
    }
    Outcome::Next(vm.evaluate(code, count))
}

fn argument_count(vm: &mut Vm, _: usize) -> Outcome {
    let block = vm.slot_of(vm.top(0), block_closure::CODE);
    let frame = block.and_then(|b| vm.integer_of(b, compiled_code::FRAME)).and_then(FrameWord::unpack);
    match frame {
        Some(frame) => Outcome::Value(Word::small(frame.arguments as i64)),
        None => WRONG,
    }
}
