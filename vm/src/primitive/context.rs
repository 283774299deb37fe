//! Contexts: walking frames, and changing where a process goes on.
//!
//! The machine's own frames, at the bottom of a process and below what was pushed onto it, are
//! passed over.

use super::{Entries, Outcome, RANGE, Reason, WRONG};
use crate::interpret::{Next, Stack, Vm};
use crate::layout::{KnownClass, KnownObject, Word, block_closure, context};

pub(super) const ENTRIES: Entries = &[
    ("contextSender", sender),
    ("contextCode", |vm, _| kept(vm, context::CODE)),
    ("contextReceiver", |vm, _| kept(vm, context::RECEIVER)),
    ("contextClosure", |vm, _| kept(vm, context::CLOSURE)),
    ("contextHome", home),
    ("contextPc", pc),
    ("contextIsDead", is_dead),
    ("contextTempCount", temp_count),
    ("contextTempAt", temp_at),
    ("contextTempAtPut", temp_at_put),
    ("contextStackAt", stack_at),
    ("contextStackSize", stack_size),
    ("contextNextHandler", |vm, _| search(vm, 0, |s, f| s.code(f).is_handler())),
    ("contextNextUnwind", |vm, _| search(vm, 1, |s, f| s.code(f).is_unwind())),
    ("contextHasSender", has_sender),
    ("contextResumeWith", resume_with),
    ("contextReturnWith", return_with),
    ("contextRestart", restart),
    ("contextPushCall", push_call),
    ("contextStep", step),
];

const DEAD: Outcome = Outcome::Decline(Reason::Named("dead"));
const RUNNING: Outcome = Outcome::Decline(Reason::Named("running"));
const ROOM: usize = 256;

/// The Context of a frame (0: nil), or the room for it.
fn answer_frame(vm: &mut Vm, process: Word, frame: usize) -> Outcome {
    if frame == 0 {
        return Outcome::Value(vm.nil);
    }
    vm.reify(process, frame).map_or(Outcome::NeedsRoom(ROOM), Outcome::Value)
}

fn sender(vm: &mut Vm, _: usize) -> Outcome {
    let me = vm.top(0);
    match vm.frame_of_context(me) {
        Some((process, frame)) => {
            let caller = vm.stack_of(process).map_or(0, |s| Vm::world_frame(s, s.caller(frame)));
            answer_frame(vm, process, caller)
        }
        None => kept(vm, context::SENDER),
    }
}

fn kept(vm: &mut Vm, slot: usize) -> Outcome {
    vm.slot_of(vm.top(0), slot).map_or(WRONG, Outcome::Value)
}

fn home(vm: &mut Vm, _: usize) -> Outcome {
    let me = vm.top(0);
    let Some((process, frame)) = vm.frame_of_context(me) else { return Outcome::Value(vm.nil) };
    let closure = vm.slot(me, context::CLOSURE);
    if closure == vm.nil {
        return Outcome::Value(me);
    }
    let serial = vm.integer_of(closure, block_closure::HOME).unwrap_or(0);
    let found = vm.stack_of(process).and_then(|stack| {
        let mut at = stack.caller(frame);
        while at != 0 && stack.serial(at) != serial {
            at = stack.caller(at);
        }
        (serial != 0).then_some(at)
    });
    answer_frame(vm, process, found.unwrap_or(0))
}

fn pc(vm: &mut Vm, _: usize) -> Outcome {
    match vm.frame_of_context(vm.top(0)) {
        Some((process, frame)) => {
            let byte = vm.stack_of(process).map_or(0, |s| s.code(frame).byte_of(s.next_operation(frame)));
            Outcome::Value(Word::small(byte as i64 + 1))
        }
        None => kept(vm, context::PC),
    }
}

fn is_dead(vm: &mut Vm, _: usize) -> Outcome {
    let dead = vm.frame_of_context(vm.top(0)).is_none();
    Outcome::Value(vm.boolean(dead))
}

fn temp_count(vm: &mut Vm, _: usize) -> Outcome {
    match live(vm, 0) {
        Some((stack, frame)) => Outcome::Value(Word::small(stack.code(frame).temps as i64)),
        None => DEAD,
    }
}

/// Stack and frame of the receiver below so many arguments.
fn live(vm: &Vm, arguments: usize) -> Option<(&Stack, usize)> {
    let (process, frame) = vm.frame_of_context(vm.top(arguments))?;
    Some((vm.stack_of(process)?, frame))
}

/// A 1-based index among `count`.
fn index(word: Word, count: usize) -> Option<usize> {
    let index = word.is_integer().then(|| word.as_integer())?;
    (index >= 1 && index as u64 <= count as u64).then(|| index as usize - 1)
}

fn temp_at(vm: &mut Vm, _: usize) -> Outcome {
    let Some((stack, frame)) = live(vm, 1) else { return DEAD };
    let temps = stack.code(frame).temps;
    match index(vm.top(0), temps) {
        Some(n) => Outcome::Value(stack.get(frame - temps + n)),
        None => RANGE,
    }
}

fn temp_at_put(vm: &mut Vm, _: usize) -> Outcome {
    let Some((process, frame)) = vm.frame_of_context(vm.top(2)) else { return DEAD };
    let (place, value) = (vm.top(1), vm.top(0));
    let Some(stack) = vm.stack_mut(process) else { return DEAD };
    let temps = stack.code(frame).temps;
    match index(place, temps) {
        Some(n) => {
            stack.set(frame - temps + n, value);
            stack.lower_watermark(frame);
            stack.lower_scanned(frame);
            Outcome::Value(value)
        }
        None => RANGE,
    }
}

fn operands(stack: &Stack, frame: usize) -> (usize, usize) {
    let first = frame + Stack::HEADER;
    (first, (stack.top_of(frame) + 1).saturating_sub(first))
}

fn stack_at(vm: &mut Vm, _: usize) -> Outcome {
    let Some((stack, frame)) = live(vm, 1) else { return DEAD };
    let (first, count) = operands(stack, frame);
    match index(vm.top(0), count) {
        Some(n) => Outcome::Value(stack.get(first + n)),
        None => RANGE,
    }
}

fn stack_size(vm: &mut Vm, _: usize) -> Outcome {
    match live(vm, 0) {
        Some((stack, frame)) => Outcome::Value(Word::small(operands(stack, frame).1 as i64)),
        None => DEAD,
    }
}

/// The nearest frame behind the receiver's, before the argument's if there is one, that fits.
fn search(vm: &mut Vm, arguments: usize, fits: fn(&Stack, usize) -> bool) -> Outcome {
    let Some((process, frame)) = vm.frame_of_context(vm.top(arguments)) else {
        return Outcome::Value(vm.nil);
    };
    let limit = if arguments == 0 { 0 } else { vm.frame_of_context(vm.top(0)).map_or(0, |(_, f)| f) };
    let found = vm.stack_of(process).map_or(0, |stack| {
        let mut at = stack.caller(frame);
        while at != 0 && at != limit && !fits(stack, at) {
            at = stack.caller(at);
        }
        if at == limit { 0 } else { at }
    });
    answer_frame(vm, process, found)
}

fn has_sender(vm: &mut Vm, _: usize) -> Outcome {
    let (me, other) = (vm.frame_of_context(vm.top(1)), vm.frame_of_context(vm.top(0)));
    let is_sender = match (me, other) {
        (Some((process, frame)), Some((other_process, other_frame))) if process == other_process => {
            other_frame < frame
        }
        _ => false,
    };
    Outcome::Value(vm.boolean(is_sender))
}

/// Does something to the stack that holds the receiver's frame, as if it were the current one.
///
/// `act` is given the frame; the values of the primitive are passed in a handle's stead as words,
/// for nothing is allocated meanwhile.
fn on_stack(vm: &mut Vm, arguments: usize, act: fn(&mut Vm, usize, Word)) -> Outcome {
    let Some((process, frame)) = vm.frame_of_context(vm.top(arguments)) else { return DEAD };
    let value = if arguments == 0 { vm.nil } else { vm.top(0) };
    if process == vm.current.process {
        act(vm, frame, value);
        return Outcome::Next(Next::Go);
    }
    let serial = vm.integer_of(process, crate::layout::process::SERIAL).unwrap_or(0);
    let Some(other) = vm.stacks.remove(&serial) else { return RUNNING };
    let mine = core::mem::replace(&mut vm.current, other);
    act(vm, frame, value);
    let other = core::mem::replace(&mut vm.current, mine);
    vm.stacks.insert(serial, other);
    Outcome::Value(vm.top(arguments))
}

fn resume_with(vm: &mut Vm, _: usize) -> Outcome {
    // A frame that nothing was called from waits for no value.
    match live(vm, 1) {
        Some((stack, frame)) if frame == stack.fp => return Outcome::Decline(Reason::Named("top")),
        Some(_) => {}
        None => return DEAD,
    }
    on_stack(vm, 1, |vm, frame, value| {
        vm.cut_to(frame);
        if vm.current.make_room(1) {
            vm.current.push(value);
        }
    })
}

fn return_with(vm: &mut Vm, _: usize) -> Outcome {
    let Some((stack, frame)) = live(vm, 1) else { return DEAD };
    if stack.caller(frame) == 0 {
        return Outcome::Decline(Reason::Named("bottom"));
    }
    on_stack(vm, 1, |vm, frame, value| vm.return_from(frame, value))
}

fn restart(vm: &mut Vm, _: usize) -> Outcome {
    on_stack(vm, 0, |vm, frame, nil| {
        vm.cut_to(frame);
        let code = vm.current.code(frame);
        let (temps, fixed) = (code.temps, code.arguments + code.copied);
        let start = code.operations.as_ptr();
        for n in fixed..temps {
            vm.current.set(frame - temps + n, nil);
        }
        vm.current.ip = start;
        vm.current.sp = frame + Stack::HEADER - 1;
    })
}

fn push_call(vm: &mut Vm, _: usize) -> Outcome {
    let Some((process, frame)) = vm.frame_of_context(vm.top(1)) else { return DEAD };
    if process == vm.current.process {
        return RUNNING;
    }
    if !vm.is_a(vm.top(0), KnownClass::BlockClosure) {
        return WRONG;
    }
    // What was pushed before and has not run yet comes after: its frame is the machine's own.
    if vm.stack_of(process).is_none_or(|stack| Vm::world_frame(stack, stack.fp) != frame) {
        return Outcome::Decline(Reason::Named("notTop"));
    }
    on_stack(vm, 1, |vm, _, closure| {
        let (selector, nil) = (vm.symbol("value"), vm.nil);
        let _ = vm.interlude(closure, selector, nil);
    })
}

fn step(vm: &mut Vm, _: usize) -> Outcome {
    let Some((process, frame)) = vm.frame_of_context(vm.top(0)) else { return DEAD };
    if process == vm.current.process {
        return RUNNING;
    }
    if vm.stack_of(process).is_none_or(|stack| stack.fp != frame) {
        return Outcome::Decline(Reason::Named("notTop"));
    }
    if vm.known(KnownObject::Processor) == vm.nil {
        return WRONG;
    }
    Outcome::Next(vm.step_other(process))
}
