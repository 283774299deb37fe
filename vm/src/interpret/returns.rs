//! Returns that are more than popping a frame: contexts that lose theirs, `^` out of blocks,
//! unwinding, frames cut away.
//!
//! Invariants
//! - U1 A frame that goes away takes its flags along: its Context is detached, the watermark moves
//!   to the frame that runs next.
//!
//! Knows: frames, contexts. Must not know: the loop's registers.

use super::stack::{HAS_CONTEXT, SCANNED, WATERMARK};
use super::vm::{Next, Vm};
use crate::layout::{KnownObject, Word, block_closure, context};

impl Vm {
    /// Returns a value from the top frame, whose flags ask for care.
    pub(super) fn slow_return(&mut self, value: Word) -> Next {
        let frame = self.current.fp;
        self.return_from(frame, value);
        Next::Go
    }

    /// The top frame at `fp` goes away.
    pub(super) fn note_return_from(&mut self, fp: *mut u64) {
        let frame = self.current.index(fp);
        self.forget_frame(frame);
    }

    /// Keeps U1 for a frame of the current stack that goes away.
    fn forget_frame(&mut self, frame: usize) {
        let flags = self.current.flags(frame);
        if flags & HAS_CONTEXT != 0 {
            let serial = self.current.serial(frame);
            if let Some(reified) = self.current.contexts.remove(&serial) {
                self.detach(reified.context);
            }
        }
        if flags & WATERMARK != 0 {
            let caller = self.current.caller(frame);
            self.current.lower_watermark(caller);
        }
        if flags & SCANNED != 0 && !self.stress.keep_scanned {
            let caller = self.current.caller(frame);
            self.current.lower_scanned(caller);
        }
    }

    /// A context's frame is gone: it has no sender and no pc.
    pub(crate) fn detach(&mut self, object: Word) {
        if self.has_named(object, context::CLOSURE + 1) {
            let nil = self.nil;
            for slot in [context::PROCESS, context::SENDER, context::PC] {
                self.put(object, slot, nil);
            }
        }
    }

    /// Drops every frame above `frame` of the current stack; it is the top one then, about to take
    /// its callee's result.
    pub(crate) fn cut_to(&mut self, frame: usize) {
        while self.current.fp != frame && self.current.fp != 0 {
            let top = self.current.fp;
            self.forget_frame(top);
            let stack = &mut self.current;
            stack.ip = stack.return_ip(top);
            stack.fp = stack.caller(top);
            stack.sp = stack.receiver_index(top) - 1;
        }
        self.current.lower_watermark(frame);
        if !self.stress.keep_scanned {
            self.current.lower_scanned(frame);
        }
    }

    /// Drops `frame` and all above; its caller goes on with the value.
    pub(crate) fn return_from(&mut self, frame: usize, value: Word) {
        let caller = self.current.caller(frame);
        self.cut_to(frame);
        let top = self.current.fp;
        self.forget_frame(top);
        let stack = &mut self.current;
        stack.ip = stack.return_ip(top);
        stack.sp = stack.receiver_index(top) - 1;
        stack.fp = caller;
        stack.push(value);
    }

    /// `^` in a block; the value is on top.
    pub(super) fn non_local_return(&mut self) -> Next {
        let frame = self.current.fp;
        let closure = self.current.closure(frame);
        let home = self.integer_of(closure, block_closure::HOME).unwrap_or(0);
        let mut unwind = 0;
        let mut target = 0;
        let mut at = self.current.caller(frame);
        while at != 0 {
            if self.current.serial(at) == home && home > 0 {
                target = at;
                break;
            }
            if unwind == 0 && self.current.code(at).is_unwind() {
                unwind = at;
            }
            at = self.current.caller(at);
        }
        // Whatever is sent here answers in place of the block: the code goes on behind its end.
        if target == 0 {
            return self.send_in_place(KnownObject::SelectorCannotReturn, None);
        }
        if unwind != 0 {
            return self.send_in_place(KnownObject::SelectorAboutToReturn, Some(unwind));
        }
        let value = self.top(0);
        self.return_from(target, value);
        Next::Go
    }

    /// Sends a message to the Context of the top frame, with the value on top and perhaps the
    /// Context of another frame; the answer becomes the block's.
    fn send_in_place(&mut self, selector: KnownObject, through: Option<usize>) -> Next {
        let frame = self.current.fp;
        let own = loop {
            match self.reify_current(frame) {
                Some(word) => break self.hold(word),
                None if self.make_room(256) => {}
                None => return self.give_up("no memory for a context"),
            }
        };
        let other = match through {
            None => None,
            Some(frame) => loop {
                match self.reify_current(frame) {
                    Some(word) => break Some(word),
                    None if self.make_room(256) => {}
                    None => {
                        self.release(own);
                        return self.give_up("no memory for a context");
                    }
                }
            },
        };
        let value = self.top(0);
        self.current.sp -= 1;
        let receiver = self.held(own);
        self.release(own);
        self.current.push(receiver);
        self.current.push(value);
        if let Some(other) = other {
            self.current.push(other);
        }
        let code = self.current.code(frame);
        let end = code.operations.len() - 1;
        let after = &raw const code.operations[end];
        self.current.ip = after;
        self.send_known(selector, 1 + usize::from(other.is_some()))
    }

    /// A conditional jump met something else than a boolean; `ip` is on the jump.
    pub(super) fn must_be_boolean(&mut self) -> Next {
        self.send_known(KnownObject::SelectorMustBeBoolean, 0)
    }

    /// A store into a slot of an immutable object; the value is on top.
    pub(super) fn immutable_store(&mut self, _: Word, index: usize, pops: bool) -> Next {
        let array = loop {
            match self.new_array(2) {
                Some(array) => break array,
                None if self.make_room(64) => {}
                None => return self.give_up("no memory"),
            }
        };
        let value = self.top(0);
        self.put(array, 0, value);
        self.put(array, 1, Word::small(index as i64 + 1));
        if pops {
            self.current.sp -= 1;
        }
        let frame = self.current.fp;
        let receiver = self.current.get(self.current.receiver_index(frame));
        let array = self.hold(array);
        let selector = self.symbol("attemptToAssign:withIndex:");
        let (held, receiver) = (self.held(array), receiver);
        self.release(array);
        self.interlude(receiver, selector, held)
    }

    /// A temp vector is none: the code or the frame was forged.
    ///
    /// Or it is a forwarder, which is followed; then the instruction is run again.
    pub(super) fn broken_vector(&mut self, place: i16) -> Next {
        let index = (self.current.fp as isize + place as isize) as usize;
        let vector = self.current.get(index);
        let resolved = self.heap.resolve(vector);
        if resolved == vector || !self.has_named(resolved, 1) {
            return self.give_up("a temp vector that is none");
        }
        self.current.set(index, resolved);
        self.current.ip = self.current.ip.wrapping_sub(1);
        Next::Go
    }

    /// Code that the verifier called unreachable.
    pub(super) fn unreachable_code(&mut self) -> Next {
        self.give_up("code that can't be reached")
    }
}
