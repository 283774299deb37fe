//! Contexts and closures: what a frame hands out of itself.
//!
//! Invariants
//! - X1 A frame has at most one Context; the stack's table finds it by the frame's serial.
//! - X2 Serials are given when first needed, from a counter that the image keeps, so none is ever
//!   given twice.
//!
//! Knows: frames, the slots of Context and BlockClosure. Must not know: the loop's registers.

use super::stack::{HAS_CONTEXT, Reified, Stack};
use super::vm::{Next, Vm};
use crate::bytecode::frame_flags;
use crate::layout::{Format, KnownClass, Word, block_closure, compiled_code, context, root};

/// Serials are noted in the image in steps, so that giving one seldom dirties a page.
const SERIAL_STEP: i64 = 1 << 20;

impl Vm {
    /// The next frame serial.
    pub(crate) fn new_frame_serial(&mut self) -> i64 {
        let serial = self.next_frame_serial;
        self.next_frame_serial += 1;
        if self.next_frame_serial > self.heap.root_word(root::NEXT_FRAME_SERIAL) as i64 {
            let noted = self.next_frame_serial + SERIAL_STEP;
            self.heap.set_root(root::NEXT_FRAME_SERIAL, noted as u64);
        }
        serial
    }

    /// The stack of a process, to be changed.
    pub(crate) fn stack_mut(&mut self, process: Word) -> Option<&mut Stack> {
        if process == self.current.process && self.current_serial != 0 {
            return Some(&mut self.current);
        }
        let serial = self.integer_of(process, crate::layout::process::SERIAL)?;
        self.stacks.get_mut(&serial).map(|stack| &mut **stack).filter(|stack| stack.process == process)
    }

    /// The serial of a frame, given if it has none.
    pub(crate) fn serial_of(&mut self, process: Word, frame: usize) -> i64 {
        let serial = self.stack_of(process).map_or(0, |stack| stack.serial(frame));
        if serial != 0 {
            return serial;
        }
        let serial = self.new_frame_serial();
        if let Some(stack) = self.stack_mut(process) {
            let flags = stack.flags(frame);
            stack.set_marks(frame, serial, flags);
        }
        serial
    }

    /// The Context of a frame of the current process; `None` if there is no room for one.
    pub(crate) fn reify_current(&mut self, frame: usize) -> Option<Word> {
        self.reify(self.current.process, frame)
    }

    /// The Context of a frame; `None` if there is no room for one.
    pub(crate) fn reify(&mut self, process: Word, frame: usize) -> Option<Word> {
        let serial = self.serial_of(process, frame);
        let stack = self.stack_of(process)?;
        if let Some(reified) = stack.contexts.get(&serial) {
            return Some(reified.context);
        }
        let code = stack.code(frame).object;
        let receiver = stack.get(stack.receiver_index(frame));
        let closure = stack.closure(frame);
        let slots = self.heap.fixed_slots_of_class(KnownClass::Context.index());
        let object = self.new_object(KnownClass::Context, Format::Fixed, slots.max(context::CLOSURE + 1))?;
        self.counters.contexts += 1;
        for (slot, word) in [
            (context::PROCESS, process),
            (context::SERIAL, Word::small(serial)),
            (context::CODE, code),
            (context::RECEIVER, receiver),
            (context::CLOSURE, closure),
        ] {
            self.put(object, slot, word);
        }
        let stack = self.stack_mut(process)?;
        let flags = stack.flags(frame);
        stack.set_marks(frame, serial, flags | HAS_CONTEXT);
        stack.add_context(serial, Reified { frame, context: object });
        Some(object)
    }

    /// Pushes the Context of the running frame.
    pub(super) fn push_this_context(&mut self) -> Next {
        let frame = self.current.fp;
        loop {
            match self.reify_current(frame) {
                Some(word) => {
                    self.current.push(word);
                    return Next::Go;
                }
                None if self.make_room(256) => {}
                None => return self.give_up("no memory for a context"),
            }
        }
    }

    /// Pushes an Array: a temp vector of nils, or of the top words, which it takes.
    pub(super) fn push_array(&mut self, size: usize, vector: bool) -> Next {
        let array = loop {
            match self.new_array(size) {
                Some(array) => break array,
                None if self.make_room(size * 8 + 64) => {}
                None => return self.give_up("no memory for an Array"),
            }
        };
        if !vector {
            for n in 0..size {
                let word = self.top(size - 1 - n);
                self.put(array, n, word);
            }
            self.current.sp -= size;
        }
        self.current.push(array);
        Next::Go
    }

    /// Pushes a closure over the block that is a literal, taking the copied values from the top.
    pub(super) fn push_closure(&mut self, literal: usize, copied: usize) -> Next {
        loop {
            match self.new_closure(literal, copied) {
                Some(closure) => {
                    self.current.sp -= copied;
                    self.current.push(closure);
                    return Next::Go;
                }
                None if self.make_room(copied * 8 + 128) => {}
                None => return self.give_up("no memory for a block"),
            }
        }
    }

    fn new_closure(&mut self, literal: usize, copied: usize) -> Option<Word> {
        let slots = block_closure::METHOD + 1 + copied;
        let closure = self.new_object(KnownClass::BlockClosure, Format::Indexable, slots)?;
        let frame = self.current.fp;
        let code = self.current.code(frame);
        let (block, own) = (code.literals[literal], code.object);
        let outer = self.current.closure(frame);
        let is_block = outer != self.nil;
        let method = if is_block { self.slot(outer, block_closure::METHOD) } else { own };
        self.put(closure, block_closure::CODE, block);
        self.put(closure, block_closure::METHOD, method);
        let clean = self.integer_of(block, compiled_code::FRAME).unwrap_or(0) >> 48
            & frame_flags::CLEAN_BLOCK as i64
            != 0;
        if !clean {
            let process = self.current.process;
            let serial = Word::small(self.serial_of(process, frame));
            let home = if is_block { self.slot(outer, block_closure::HOME) } else { serial };
            let receiver = self.current.get(self.current.receiver_index(frame));
            self.put(closure, block_closure::OUTER, serial);
            self.put(closure, block_closure::HOME, home);
            self.put(closure, block_closure::RECEIVER, receiver);
        }
        for n in 0..copied {
            let word = self.top(copied - 1 - n);
            self.put(closure, block_closure::METHOD + 1 + n, word);
        }
        Some(closure)
    }

    // ---- finding frames of contexts

    /// The process and frame that a Context stands for, if it is one whose frame lives.
    pub(crate) fn frame_of_context(&self, object: Word) -> Option<(Word, usize)> {
        let process = self.slot_of(object, context::PROCESS)?;
        let serial = self.integer_of(object, context::SERIAL)?;
        let stack = self.stack_of(process)?;
        let reified = stack.contexts.get(&serial)?;
        (reified.context == object).then_some((process, reified.frame))
    }

    /// The nearest frame from `frame` on (itself included) that runs code of the world.
    pub(crate) fn world_frame(stack: &Stack, frame: usize) -> usize {
        let mut at = frame;
        while at != 0 && stack.code(at).object.is_integer() {
            at = stack.caller(at);
        }
        at
    }
}
