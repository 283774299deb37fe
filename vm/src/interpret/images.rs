//! Frames in a snapshot: copied into one StackImage a process, rebuilt from it after an opening.
//!
//! ```text
//!   slot 0   how many slots are used
//!   then the frames, from the bottom:
//!     code (of the machine's own: its number) · byte of the next instruction · closure ·
//!     serial × 8 + has-context flag · context or nil · receiver ·
//!     count of temporaries, temporaries · count of operands, operands
//! ```
//!
//! Invariants
//! - K1 Only frames above the watermark are copied again (F4).
//! - K2 An image is claimed: what is rebuilt is checked against the verified code, its depth at the
//!   instruction included, so that a forged image gives an error and never a wild frame.
//!
//! Knows: frames, records. Must not know: pages, the store.

use super::code::{Code, OwnCode};
use super::stack::{CLOSURE, HAS_CONTEXT, HEADER_WORDS, Reified, SCANNED, SERIAL_SHIFT, Stack, WATERMARK};
use super::vm::{Handle, Vm};
use crate::heap::HeapError;
use crate::layout::{Format, KnownClass, Word, context, process};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use image::space::Frozen;

/// Slots of a frame beside temporaries and operands.
const FRAME_SLOTS: usize = 8;

impl Vm {
    /// Copies the frames of every process into its StackImage. After it a flip has all that is
    /// needed to go on.
    pub fn capture(&mut self) -> Result<(), String> {
        let began = self.heap.cpu_ns();
        let result = self.capture_all();
        let pause = self.heap.cpu_ns() - began;
        self.heap.add_to_next_flip(pause);
        result
    }

    fn capture_all(&mut self) -> Result<(), String> {
        let serials: Vec<i64> = self.stacks.keys().copied().collect();
        for serial in serials {
            let Some(stack) = self.stacks.get(&serial) else { continue };
            if !stack.clean {
                let stack = match self.stacks.remove(&serial) {
                    Some(stack) => stack,
                    None => continue,
                };
                let mine = core::mem::replace(&mut self.current, stack);
                let mine_serial = core::mem::replace(&mut self.current_serial, serial);
                self.stacks.insert(-1, mine);
                let result = self.capture_current();
                self.current.clean = true;
                if let Some(mine) = self.stacks.remove(&-1) {
                    let other = core::mem::replace(&mut self.current, mine);
                    self.stacks.insert(serial, other);
                }
                self.current_serial = mine_serial;
                result?;
            }
        }
        if self.current_serial != 0 { self.capture_current() } else { Ok(()) }
    }

    /// The StackImage of the current process, large enough.
    fn image_for(&mut self, slots: usize) -> Result<Word, String> {
        loop {
            let owner = self.current.process;
            let old = self.slot(owner, process::STACK);
            let is_image = self.is_a(old, KnownClass::StackImage) && self.has_named(old, 1);
            if is_image && self.slot_count(old) >= slots {
                return Ok(old);
            }
            let size = slots.next_power_of_two().max(64);
            let class = KnownClass::StackImage.index();
            if let Some(new) = self.heap.allocate_quiet(class, Format::Indexable as u8, size) {
                if is_image {
                    let used = self.slot_count(old);
                    self.heap.copy_slots(old, 0, new, 0, used);
                }
                self.put(owner, process::STACK, new);
                return Ok(new);
            }
            if !self.make_room(size * 8 + 64) {
                return Err("no room for the frames of a process".to_string());
            }
        }
    }

    fn capture_current(&mut self) -> Result<(), String> {
        if !self.is_process(self.current.process) {
            return Ok(());
        }
        let mut frames: Vec<usize> = self.current.frames().collect();
        frames.reverse();
        let kept = self.current.captured.len().min(frames.len());
        let start = self.current.captured.get(kept.wrapping_sub(1)).map_or(1, |&(_, end)| end);
        let callees = frames.iter().copied().skip(1).chain([0]);
        let pairs: Vec<(usize, usize)> = frames.iter().copied().zip(callees).skip(kept).collect();
        let new: usize = pairs.iter().map(|&(frame, callee)| self.frame_slots(frame, callee)).sum();
        let image = self.image_for(start + new)?;
        let before = self.integer_of(image, 0).unwrap_or(0) as usize;
        let mut at = start;
        for (frame, callee) in pairs {
            at = self.write_frame(image, at, frame, callee);
            self.current.captured.push((frame, at));
            self.counters.captured_frames += 1;
        }
        let nil = self.nil;
        for stale in at..before.min(self.slot_count(image)) {
            self.put(image, stale, nil);
        }
        self.put(image, 0, Word::small(at as i64));
        // The top frame goes on running.
        self.current.captured.pop();
        let top = self.current.fp;
        if top != 0 {
            let (serial, flags) = (self.current.serial(top), self.current.flags(top));
            self.current.set_marks(top, serial, flags | WATERMARK);
        }
        Ok(())
    }

    fn frame_slots(&self, frame: usize, callee: usize) -> usize {
        let operands = self.current.top_below(callee) + 1 - (frame + HEADER_WORDS);
        FRAME_SLOTS + self.current.code(frame).temps + operands
    }

    /// Writes a frame that called `callee` (0: the top one); answers where the next begins.
    fn write_frame(&mut self, image: Word, at: usize, frame: usize, callee: usize) -> usize {
        let code = self.current.code(frame);
        let (object, temps) = (code.object, code.temps);
        let byte = code.byte_of(self.current.operation_below(callee));
        let serial = self.current.serial(frame);
        let reified = self.current.contexts.get(&serial).map(|r| r.context);
        let flags = if reified.is_some() { HAS_CONTEXT } else { 0 };
        let first = frame + HEADER_WORDS;
        let operands = self.current.top_below(callee) + 1 - first;
        let head = [
            object,
            Word::small(byte as i64),
            self.current.get(frame + CLOSURE),
            Word::small(serial << SERIAL_SHIFT | flags),
            reified.unwrap_or(self.nil),
            self.current.get(frame - temps - 1),
            Word::small(temps as i64),
        ];
        let mut at = at;
        let mut write = |vm: &mut Vm, word: Word| {
            vm.put(image, at, word);
            at += 1;
        };
        head.into_iter().for_each(|word| write(self, word));
        for n in 0..temps {
            let word = self.current.get(frame - temps + n);
            write(self, word);
        }
        write(self, Word::small(operands as i64));
        for n in 0..operands {
            let word = self.current.get(first + n);
            write(self, word);
        }
        at
    }

    // ---- back

    /// Rebuilds the stack of a process from its image.
    pub(super) fn restore(&mut self, owner: Word, image: Word) -> Result<Stack, String> {
        let mut stack = Stack::new(owner).ok_or("no memory for a stack")?;
        stack.allowed = self.stack_words;
        let used = self.integer_of(image, 0).unwrap_or(0);
        if used < 1 || used as usize > self.slot_count(image) {
            return Err("a malformed stack image".to_string());
        }
        let mut reader = Reader { image, at: 1, end: used as usize };
        let mut below: Option<(usize, usize)> = None;
        while reader.at < reader.end {
            below = Some(self.restore_frame(&mut stack, &mut reader, below)?);
        }
        if stack.fp == 0 {
            return Err("an empty stack image".to_string());
        }
        Ok(stack)
    }

    /// Rebuilds one frame on top of `below` {operands of it, depth at its next instruction}.
    fn restore_frame(
        &mut self,
        stack: &mut Stack,
        reader: &mut Reader,
        below: Option<(usize, usize)>,
    ) -> Result<(usize, usize), String> {
        let object = reader.next(self)?;
        let own = if object.is_integer() { OwnCode::from_number(object.as_integer()) } else { None };
        let code = match own {
            Some(own) => self.own_code(own),
            None => self.code_of(object)?,
        };
        #[allow(unsafe_code, reason = "room: interpreter loop")]
        // SAFETY: a record is not freed before the next purge (T1), which happens in polls only.
        let record: &Code = unsafe { &*code };
        let byte = reader.number(self)?;
        let closure = reader.next(self)?;
        let marks = reader.number(self)?;
        let reified = reader.next(self)?;
        let receiver = reader.next(self)?;
        let place = record.operation_at(byte).ok_or("a frame in the middle of an instruction")?;
        self.check_frame(record, own, closure, receiver)?;
        if reader.number(self)? != record.temps {
            return Err("a frame with a wrong number of temporaries".to_string());
        }
        if let Some((operands, depth)) = below {
            let taken = usize::from(own != Some(OwnCode::Interlude));
            if operands + taken != depth && depth != usize::MAX {
                return Err("a frame with a wrong number of operands".to_string());
            }
        } else if own != Some(OwnCode::Start) {
            return Err("a stack without a bottom".to_string());
        }
        if !stack.make_room(record.frame_words + 8) {
            return Err("no memory for a stack".to_string());
        }
        stack.push(receiver);
        for _ in 0..record.temps {
            let word = reader.next(self)?;
            stack.push(word);
        }
        stack.push_restored(code, closure, (marks as i64) & !(WATERMARK | SCANNED));
        let operands = reader.number(self)?;
        let depth = record.depths.get(place).map_or(usize::MAX, |&d| d as usize);
        if operands > record.frame_words || depth != usize::MAX && operands > depth {
            return Err("a frame with too many operands".to_string());
        }
        for _ in 0..operands {
            let word = reader.next(self)?;
            stack.push(word);
        }
        if reader.at == reader.end && depth != usize::MAX && operands != depth {
            return Err("a top frame with a wrong number of operands".to_string());
        }
        stack.ip = &raw const record.operations[place];
        let serial = marks as i64 >> SERIAL_SHIFT;
        if self.is_a(reified, KnownClass::Context) && self.has_named(reified, context::CLOSURE + 1) {
            let frame = stack.fp;
            stack.add_context(serial, Reified { frame, context: reified });
        }
        self.next_frame_serial = self.next_frame_serial.max(serial + 1);
        Ok((operands, depth))
    }

    fn check_frame(
        &mut self,
        record: &Code,
        own: Option<OwnCode>,
        closure: Word,
        receiver: Word,
    ) -> Result<(), String> {
        if own.is_some() {
            return Ok(());
        }
        if record.is_block {
            let code = self.block_code(closure, record.arguments);
            if !core::ptr::eq(code, record) {
                return Err("a block's frame without its block".to_string());
            }
        } else if closure != self.nil {
            return Err("a method's frame with a block".to_string());
        }
        if record.named_slots > 0 && !self.has_named(receiver, record.named_slots) {
            return Err("a frame whose receiver has too few slots".to_string());
        }
        Ok(())
    }

    /// Gives a process that has no stack its frames: those of its image, or the first one.
    pub(crate) fn ensure_stack(&mut self, owner: Word) -> Result<(), String> {
        if self.stack_of(owner).is_some() {
            return Ok(());
        }
        let image = self.slot(owner, process::STACK);
        let stack = if self.is_a(image, KnownClass::StackImage) {
            self.restore(owner, image)?
        } else if self.is_a(self.slot(owner, process::START), KnownClass::BlockClosure) {
            let hold = self.hold(owner);
            let stack = self.starting_stack(hold);
            self.release(hold);
            stack?
        } else {
            return Err("a process without frames".to_string());
        };
        let serial = self.new_process_serial();
        self.put(owner, process::SERIAL, Word::small(serial));
        self.stacks.insert(serial, Box::new(stack));
        Ok(())
    }

    /// Stress: every stack goes through its image.
    pub(super) fn capture_and_restore(&mut self) {
        if self.capture().is_err() {
            return;
        }
        let owner = self.current.process;
        if !self.is_process(owner) {
            return;
        }
        let image = self.slot(owner, process::STACK);
        match self.restore(owner, image) {
            Ok(stack) => *self.current = stack,
            Err(reason) => self.log(&alloc::format!("stress: {reason}")),
        }
    }

    // ---- snapshots

    /// Copies the frames and flips: what the port writes then is a whole world.
    pub fn flip(&mut self) -> Result<Arc<Frozen>, HeapError> {
        if self.capture().is_err() {
            return Err(HeapError::Exhausted);
        }
        self.with_roots(|heap, roots| heap.flip(roots))
    }

    /// The primitive: after a reopening the process goes on with the answer that is held.
    pub(crate) fn take_snapshot(&mut self, arguments: usize, resumed: Handle) -> Result<(), String> {
        let receiver = self.top(0);
        debug_assert!(arguments == 0);
        let receiver = self.hold(receiver);
        let answer = self.held(resumed);
        self.answer_primitive(arguments, answer);
        let mut result = self.capture();
        if result.is_ok() {
            let mut store = core::mem::replace(&mut self.store, Box::new(super::vm::NoStore));
            result = self.with_roots(|heap, roots| store.snapshot(heap, roots));
            self.store = store;
        }
        let word = self.held(receiver);
        self.release(receiver);
        let top = self.current.sp;
        self.current.set(top, word);
        result
    }
}

/// Reads the slots of an image in order.
struct Reader {
    image: Word,
    at: usize,
    end: usize,
}

impl Reader {
    fn next(&mut self, vm: &Vm) -> Result<Word, String> {
        if self.at >= self.end {
            return Err("a stack image that ends in a frame".to_string());
        }
        self.at += 1;
        Ok(vm.heap.resolve(vm.slot(self.image, self.at - 1)))
    }

    fn number(&mut self, vm: &Vm) -> Result<usize, String> {
        let word = self.next(vm)?;
        if !word.is_integer() || word.as_integer() < 0 {
            return Err("a stack image without a number".to_string());
        }
        Ok(word.as_integer() as usize)
    }
}
