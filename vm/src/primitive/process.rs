//! Processes, semaphores, the timer.

use super::{Entries, Outcome, RANGE, Reason, WRONG, made};
use crate::interpret::{Next, Vm, list, state};
use crate::layout::{Format, KnownClass, KnownObject, Word, process};

pub(super) const ENTRIES: Entries = &[
    ("processNew", new),
    ("processResume", resume),
    ("processSuspend", suspend),
    ("processTopContext", top_context),
    ("processTerminate", terminate),
    ("processYield", yield_now),
    ("processSetPriority", set_priority),
    ("semaphoreSignal", signal),
    ("semaphoreWait", wait),
    ("semaphoreSignalAtNs", signal_at),
    ("processPoll", poll),
    ("activeProcess", active),
];

fn new(vm: &mut Vm, _: usize) -> Outcome {
    let (class, closure) = (vm.heap.resolve(vm.top(1)), vm.heap.resolve(vm.top(0)));
    if !vm.is_a(closure, KnownClass::BlockClosure) {
        return WRONG;
    }
    let Some((index, Format::Fixed, slots)) = vm.shape_of(class) else { return WRONG };
    if slots <= process::SERIAL {
        return WRONG;
    }
    let active = vm.current.process;
    let Some(made_process) = vm.heap.allocate(index, Format::Fixed as u8, slots) else {
        return Outcome::NeedsRoom(slots * 8 + 64);
    };
    let priority = Word::small(vm.priority_of(active));
    let session = vm.slot_of(active, process::SESSION).unwrap_or(vm.nil);
    let serial = Word::small(vm.new_process_serial());
    for (slot, word) in [
        (process::START, closure),
        (process::PRIORITY, priority),
        (process::SESSION, session),
        (process::STATE, Word::small(state::NEW)),
        (process::SERIAL, serial),
    ] {
        vm.put(made_process, slot, word);
    }
    vm.join_watch(made_process);
    Outcome::Value(made_process)
}

fn resume(vm: &mut Vm, arguments: usize) -> Outcome {
    let me = vm.heap.resolve(vm.top(0));
    if !vm.is_process(me) {
        return WRONG;
    }
    match vm.state_of(me) {
        state::NEW | state::SUSPENDED => {}
        state::TERMINATED => return Outcome::Decline(Reason::Named("terminated")),
        _ => return Outcome::Value(me),
    }
    if !vm.make_ready_lists() {
        return Outcome::NeedsRoom(16 * 1024);
    }
    vm.answer_primitive(arguments, me);
    // A process of an earlier session becomes one of this opening.
    let _ = vm.ensure_stack(me);
    vm.make_ready(me, false);
    Outcome::Next(vm.preempt())
}

fn suspend(vm: &mut Vm, arguments: usize) -> Outcome {
    let me = vm.heap.resolve(vm.top(0));
    if !vm.is_process(me) {
        return WRONG;
    }
    if me == vm.current.process {
        let nil = vm.nil;
        vm.answer_primitive(arguments, nil);
        vm.set_state(me, state::SUSPENDED);
        return Outcome::Next(vm.leave_current());
    }
    let waited_in = vm.slot(me, process::MY_LIST);
    if matches!(vm.state_of(me), state::READY | state::WAITING) {
        vm.unlink(me);
        vm.set_state(me, state::SUSPENDED);
    }
    Outcome::Value(waited_in)
}

fn top_context(vm: &mut Vm, _: usize) -> Outcome {
    let me = vm.heap.resolve(vm.top(0));
    if !vm.is_process(me) {
        return WRONG;
    }
    if me == vm.current.process {
        return Outcome::Decline(Reason::Named("running"));
    }
    if vm.ensure_stack(me).is_err() || !vm.begin(me) {
        return Outcome::Value(vm.nil);
    }
    let frame = vm.stack_of(me).map_or(0, |stack| Vm::world_frame(stack, stack.fp));
    if frame == 0 {
        return Outcome::Value(vm.nil);
    }
    made(vm.reify(me, frame), 256)
}

fn terminate(vm: &mut Vm, arguments: usize) -> Outcome {
    let me = vm.heap.resolve(vm.top(0));
    if !vm.is_process(me) {
        return WRONG;
    }
    if me == vm.current.process {
        vm.answer_primitive(arguments, me);
        return Outcome::Next(vm.terminate_current());
    }
    vm.terminate_other(me);
    Outcome::Value(me)
}

fn yield_now(vm: &mut Vm, arguments: usize) -> Outcome {
    let receiver = vm.top(0);
    vm.answer_primitive(arguments, receiver);
    Outcome::Next(vm.yield_current())
}

fn set_priority(vm: &mut Vm, arguments: usize) -> Outcome {
    let (me, priority) = (vm.heap.resolve(vm.top(1)), vm.top(0));
    if !vm.is_process(me) || !priority.is_integer() {
        return WRONG;
    }
    if !(1..=100).contains(&priority.as_integer()) {
        return RANGE;
    }
    let ready = vm.state_of(me) == state::READY;
    if ready {
        vm.unlink(me);
    }
    vm.put(me, process::PRIORITY, priority);
    if ready {
        vm.make_ready(me, false);
    }
    vm.answer_primitive(arguments, me);
    Outcome::Next(vm.preempt())
}

fn semaphore(vm: &Vm, depth: usize) -> Option<Word> {
    let word = vm.heap.resolve(vm.top(depth));
    vm.has_named(word, list::EXCESS + 1).then_some(word)
}

fn signal(vm: &mut Vm, arguments: usize) -> Outcome {
    let Some(me) = semaphore(vm, 0) else { return WRONG };
    vm.answer_primitive(arguments, me);
    vm.signal(me);
    Outcome::Next(vm.preempt())
}

fn wait(vm: &mut Vm, arguments: usize) -> Outcome {
    let Some(me) = semaphore(vm, 0) else { return WRONG };
    vm.answer_primitive(arguments, me);
    Outcome::Next(vm.wait(me))
}

fn signal_at(vm: &mut Vm, _: usize) -> Outcome {
    let when = vm.top(0);
    let receiver = vm.top(2);
    if when == vm.nil {
        vm.timer = None;
        vm.timer_semaphore = vm.nil;
        return Outcome::Value(receiver);
    }
    let Some(wanted) = semaphore(vm, 1) else { return WRONG };
    if !when.is_integer() {
        return WRONG;
    }
    vm.timer = Some(when.as_integer().max(0) as u64);
    vm.timer_semaphore = wanted;
    vm.heap.set_known(KnownObject::TimerSemaphore, wanted);
    Outcome::Value(receiver)
}

fn poll(vm: &mut Vm, arguments: usize) -> Outcome {
    let receiver = vm.top(0);
    vm.answer_primitive(arguments, receiver);
    Outcome::Next(vm.see_to_arrivals())
}

fn active(vm: &mut Vm, _: usize) -> Outcome {
    Outcome::Value(vm.current.process)
}

const _: Next = Next::Go;
