//! The slow half of sends: lookup, inline caches, activation, what is not understood.
//!
//! Everything here works on the current stack, whose registers were saved; receiver and arguments
//! are its top words. So a collection may happen at any point where no Rust local holds a word.
//!
//! Knows: classes, method dictionaries, records. Must not know: the loop's registers.

#![allow(unsafe_code, reason = "room: interpreter loop")]

use core::cell::Cell;
use super::code::{Case, Code, MAX_CASES, OwnCode, Quick, Site};
use super::stack::{CLOSURE, CODE, DISTANCE, HEADER_WORDS, MARKS, RETURN};
use super::vm::{Next, Vm};
use crate::bytecode::{self, Admitted, CodeView, Flaw, FrameWord, LiteralKind, frame_flags};
use crate::layout::{
    ClassIndex, Format, KnownClass, KnownObject, Word, behavior, block_closure, compiled_code,
    method_dictionary,
};
use crate::primitive::{self, Outcome, Reason};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ptr::null;

/// Superclass chains longer than this are taken for rings.
/// Primitives that may run inside one another: beyond it a method's body runs instead.
const MOST_NESTED: u32 = 64;
const MAX_SUPERCLASSES: usize = 4096;

impl Vm {
    // ---- lookup

    /// The method that instances of a class run for a selector; null if there is none.
    pub(crate) fn lookup(&mut self, class: u32, selector: Word) -> *const Code {
        if let Some(target) = self.cache.find(class, selector) {
            return target;
        }
        let start = self.class_at(class);
        let target = self.lookup_from(start, selector);
        // A young selector would move away from under the cache.
        if !target.is_null() && !self.heap.is_young(selector) {
            self.cache.add(class, selector, target);
        }
        target
    }

    /// The method found from a class upwards; null if there is none, or it must not run.
    pub(crate) fn lookup_from(&mut self, class: Word, selector: Word) -> *const Code {
        let mut class = class;
        for _ in 0..MAX_SUPERCLASSES {
            let Some(superclass) = self.slot_of(class, behavior::SUPERCLASS) else { return null() };
            if let Some(method) = self.method_in(class, selector) {
                return match self.code_of(method) {
                    Ok(code) => code,
                    Err(flaw) => {
                        let name = self.text(selector).unwrap_or_default();
                        self.log(&format!("method refused: #{name}: {flaw}"));
                        null()
                    }
                };
            }
            class = superclass;
        }
        null()
    }

    /// The method that a class itself holds for a selector.
    pub(crate) fn method_in(&mut self, class: Word, selector: Word) -> Option<Word> {
        let dictionary = self.slot_of(class, behavior::METHOD_DICTIONARY)?;
        let keys = self.slot_of(dictionary, method_dictionary::KEYS)?;
        let values = self.slot_of(dictionary, method_dictionary::VALUES)?;
        if !self.has_named(keys, 1) || !self.has_named(values, self.slot_count(keys)) {
            return None;
        }
        let capacity = self.slot_count(keys);
        let mut at = self.heap.identity_hash(selector) as usize % capacity;
        for _ in 0..capacity {
            let key = self.slot(keys, at);
            if key == selector || self.forwarders && self.heap.resolve(key) == selector {
                return Some(self.heap.resolve(self.slot(values, at)));
            }
            if key == self.nil {
                return None;
            }
            at = (at + 1) % capacity;
        }
        None
    }

    // ---- records

    /// The record of a CompiledCode, made and verified at the first time.
    pub(crate) fn code_of(&mut self, object: Word) -> Result<*const Code, String> {
        let known = self.codes.find(object);
        if !known.is_null() {
            return Ok(known);
        }
        let (frame, admitted, bytes) = self.examine(object)?;
        let code = self.make_record(object, frame, &admitted, &bytes);
        Ok(self.codes.add(code))
    }

    /// Verifies a CompiledCode.
    pub(crate) fn examine(&self, object: Word) -> Result<(FrameWord, Admitted, Vec<u8>), String> {
        let malformed = |what: &str| Err(format!("malformed code object: {what}"));
        if !self.has_named(object, compiled_code::PROPERTIES + 1) {
            return malformed("too few slots");
        }
        let frame = self.integer_of(object, compiled_code::FRAME).and_then(FrameWord::unpack);
        let Some(frame) = frame else { return malformed("frame word") };
        let literals = self.slot(object, compiled_code::LITERALS);
        let bytecodes = self.slot(object, compiled_code::BYTECODES);
        let sites = self.slot(object, compiled_code::SITES);
        if !self.has_named(literals, 0) || !self.has_named(sites, 0) {
            return malformed("literals or sites are no Array");
        }
        if !bytecodes.is_reference() || !self.header(bytecodes).is_bytes() {
            return malformed("bytecodes are no ByteArray");
        }
        let bytes = self.heap.bytes_of(bytecodes);
        let kinds: Vec<LiteralKind> =
            (0..self.slot_count(literals)).map(|n| self.literal_kind(self.slot(literals, n))).collect();
        let mut arities = Vec::new();
        for n in 0..self.slot_count(sites) {
            match self.arity_of(self.slot(sites, n)) {
                Some(arity) => arities.push(arity),
                None => return malformed("a site without a selector"),
            }
        }
        let is_block = self.is_a(object, KnownClass::CompiledBlock);
        let view = CodeView { frame, bytecodes: &bytes, literals: &kinds, sites: &arities, is_block };
        let admitted = bytecode::verify(&view).map_err(|flaw: Flaw| flaw.to_string())?;
        Ok((frame, admitted, bytes))
    }

    fn literal_kind(&self, literal: Word) -> LiteralKind {
        if self.is_a(literal, KnownClass::CompiledBlock) {
            let frame = self.integer_of(literal, compiled_code::FRAME).and_then(FrameWord::unpack);
            return frame.map_or(LiteralKind::Other, |f| LiteralKind::Block { copied: f.copied });
        }
        let is_binding = self.has_named(literal, 2)
            && self.header(literal).format() == Format::Fixed as u8;
        if is_binding { LiteralKind::Binding } else { LiteralKind::Other }
    }

    /// How many arguments a selector takes.
    pub(crate) fn arity_of(&self, selector: Word) -> Option<u8> {
        let is_symbol =
            self.is_a(selector, KnownClass::ByteSymbol) || self.is_a(selector, KnownClass::WideSymbol);
        if !is_symbol {
            return None;
        }
        bytecode::arity(&self.text(selector)?)
    }

    fn make_record(&mut self, object: Word, frame: FrameWord, admitted: &Admitted, bytes: &[u8]) -> Code {
        let literals = self.slot(object, compiled_code::LITERALS);
        let selectors = self.slot(object, compiled_code::SITES);
        let is_block = self.is_a(object, KnownClass::CompiledBlock);
        let sites: Box<[Site]> = (0..self.slot_count(selectors))
            .map(|n| self.slot(selectors, n))
            .map(|selector| Site {
                class: 0,
                arguments: self.arity_of(selector).unwrap_or(0),
                target: null(),
                block: null(),
                selector,
                cases: Vec::new(),
            })
            .collect();
        let temps = frame.temps as usize;
        let arity = |n: usize| sites.get(n).map_or(0, |s| s.arguments);
        let operations = super::code::decode(bytes, admitted, temps, is_block, &arity);
        let mut starts = admitted.starts.clone();
        starts.push(bytes.len() as u32);
        let name = self.slot(object, compiled_code::PRIMITIVE);
        let primitive = if is_block { None } else { self.text(name).and_then(|n| primitive::find(&n, frame.arguments.into())) };
        let quick = if is_block || primitive.is_some() || frame.flags != 0 {
            Quick::No
        } else {
            Quick::of(&operations, frame.arguments as usize, temps)
        };
        Code {
            operations: operations.into_boxed_slice(),
            sites,
            literals: (0..self.slot_count(literals)).map(|n| self.slot(literals, n)).collect(),
            starts: starts.into_boxed_slice(),
            depths: admitted.depths.clone().into_boxed_slice(),
            temps,
            arguments: frame.arguments as usize,
            copied: frame.copied as usize,
            frame_words: temps + HEADER_WORDS + admitted.depth as usize + 4,
            flags: frame.flags,
            is_block,
            primitive,
            quick: Cell::new(if self.codes.is_watching() && !is_block { Quick::Unmet } else { quick }),
            plain_quick: quick,
            named_slots: admitted.named_slots,
            object,
            method_class: if is_block { self.nil } else { self.slot(object, compiled_code::METHOD_CLASS) },
            runs: Cell::new(0),
            watched: Cell::new((0, 0)),
            maybe_young: true,
            in_use: false,
        }
    }

    // ---- sends

    /// A send whose inline cache does not know the receiver's class.
    pub(super) fn send_miss(&mut self, site: *mut Site, arguments: usize) -> Next {
        if self.resolve_receiver(arguments) {
            return self.send_miss(site, arguments);
        }
        let class = self.class_index(self.top(arguments));
        // SAFETY: the site belongs to the record of the running frame (C2).
        let selector = unsafe { (*site).selector };
        let target = self.lookup(class, selector);
        if target.is_null() || !self.suits(target, class, arguments) {
            return self.does_not_understand(selector, arguments, class);
        }
        // SAFETY: as above; nothing else refers to the site now.
        unsafe { remember(&mut *site, class, target) };
        self.enter(target, arguments)
    }

    /// A send to super.
    pub(super) fn send_super(&mut self, site: *mut Site, arguments: usize) -> Next {
        let class = self.class_index(self.top(arguments));
        // SAFETY: the site belongs to the record of the running frame (C2).
        let (selector, cached, target) = unsafe { ((*site).selector, (*site).class, (*site).target) };
        if cached == class && !target.is_null() {
            return self.enter(target, arguments);
        }
        let holder = self.running_method_class();
        let superclass = self.slot_of(holder, behavior::SUPERCLASS).unwrap_or(self.nil);
        let target = self.lookup_from(superclass, selector);
        if target.is_null() || !self.suits(target, class, arguments) {
            return self.does_not_understand(selector, arguments, class);
        }
        // SAFETY: as above.
        unsafe {
            (*site).class = class;
            (*site).target = target;
        }
        self.enter(target, arguments)
    }

    /// The class of the method that the top frame belongs to.
    fn running_method_class(&mut self) -> Word {
        let frame = self.current.fp;
        let closure = self.current.closure(frame);
        if closure == self.nil {
            return self.current.code(frame).method_class;
        }
        self.slot_of(closure, block_closure::METHOD)
            .and_then(|method| self.slot_of(method, compiled_code::METHOD_CLASS))
            .unwrap_or(self.nil)
    }

    /// Sends a selector to the receiver below `arguments` top words.
    pub(crate) fn send(&mut self, selector: Word, arguments: usize) -> Next {
        self.resolve_receiver(arguments);
        let class = self.class_index(self.top(arguments));
        let target = self.lookup(class, selector);
        if target.is_null() || !self.suits(target, class, arguments) {
            return self.does_not_understand(selector, arguments, class);
        }
        self.enter(target, arguments)
    }

    /// Sends a selector that the machine knows; what the world lacks ends the process.
    pub(crate) fn send_known(&mut self, selector: KnownObject, arguments: usize) -> Next {
        let selector = self.known(selector);
        self.send(selector, arguments)
    }

    /// Whether a method takes so many arguments and may run on instances of a class.
    pub(crate) fn suits(&self, target: *const Code, class: u32, arguments: usize) -> bool {
        // SAFETY: `target` is a record (T1).
        let code = unsafe { &*target };
        code.arguments == arguments
            && !code.is_block
            && (code.named_slots == 0
                || self.heap.fixed_slots_of_class(ClassIndex(class)) >= code.named_slots)
    }

    /// Replaces a receiver that is a forwarder by what it has become.
    fn resolve_receiver(&mut self, arguments: usize) -> bool {
        let receiver = self.top(arguments);
        if !self.is_a(receiver, KnownClass::Forwarder) {
            return false;
        }
        let resolved = self.heap.resolve(receiver);
        if resolved == receiver || self.is_a(resolved, KnownClass::Forwarder) {
            return false;
        }
        let index = self.current.sp - arguments;
        self.current.set(index, resolved);
        true
    }

    /// Replaces forwarders among receiver and arguments, so that primitives need not look.
    pub(super) fn resolve_arguments(&mut self, arguments: usize) {
        for depth in 0..=arguments {
            let word = self.top(depth);
            let resolved = self.heap.resolve(word);
            if resolved != word {
                let index = self.current.sp - depth;
                self.current.set(index, resolved);
            }
        }
    }

    /// Runs a method on the receiver and arguments on top: its primitive, or its body.
    pub(crate) fn enter(&mut self, target: *const Code, arguments: usize) -> Next {
        // SAFETY: `target` is a record (T1).
        let runs = unsafe { &(*target).runs };
        runs.set(runs.get() + 1);
        if self.codes.is_watching() {
            return self.enter_unmet(target, arguments);
        }
        self.enter_counted(target, arguments)
    }

    /// Runs a method that was counted, and notes that it was met.
    pub(super) fn enter_unmet(&mut self, target: *const Code, arguments: usize) -> Next {
        if self.is_watched {
            self.codes.meet(target);
        }
        self.enter_counted(target, arguments)
    }

    fn enter_counted(&mut self, target: *const Code, arguments: usize) -> Next {
        // SAFETY: `target` is a record (T1).
        match unsafe { (*target).primitive } {
            Some(primitive) => {
                if self.forwarders {
                    self.resolve_arguments(arguments);
                }
                // A primitive that sends comes here again on the machine's own stack.
                if self.nesting >= MOST_NESTED {
                    let declined = Outcome::Decline(Reason::Named("nesting"));
                    return self.after_primitive(target, arguments, declined);
                }
                self.nesting += 1;
                let outcome = primitive(self, arguments);
                self.nesting -= 1;
                self.after_primitive(target, arguments, outcome)
            }
            None => self.activate(target, arguments),
        }
    }

    /// Does what a primitive's outcome asks for.
    pub(super) fn after_primitive(
        &mut self,
        target: *const Code,
        arguments: usize,
        outcome: Outcome,
    ) -> Next {
        let mut outcome = outcome;
        loop {
            match outcome {
                Outcome::Value(word) => {
                    self.answer_primitive(arguments, word);
                    return Next::Go;
                }
                Outcome::Next(next) => return next,
                Outcome::Decline(reason) => {
                    let next = self.activate(target, arguments);
                    // SAFETY: `target` is a record (T1).
                    let wants = unsafe { (*target).flags } & frame_flags::PRIMITIVE_ERROR as u8 != 0;
                    if wants {
                        self.leave_reason(arguments, reason);
                    }
                    return next;
                }
                Outcome::NeedsRoom(bytes) => {
                    // SAFETY: `target` is a record (T1).
                    let primitive = unsafe { (*target).primitive };
                    outcome = match primitive {
                        Some(primitive) if self.make_room(bytes) => primitive(self, arguments),
                        _ => Outcome::Decline(Reason::Named("memory")),
                    };
                }
            }
        }
    }

    /// Replaces receiver and arguments by a primitive's answer.
    pub(crate) fn answer_primitive(&mut self, arguments: usize, word: Word) {
        self.current.sp -= arguments;
        let index = self.current.sp;
        self.current.set(index, word);
    }

    fn leave_reason(&mut self, arguments: usize, reason: Reason) {
        let word = match reason {
            Reason::Named(name) => self.symbol(name),
            Reason::Number(number) => Word::integer(number).unwrap_or(self.nil),
        };
        let frame = self.current.fp;
        let index = self.current.receiver_index(frame) + 1 + arguments;
        self.current.set(index, word);
    }

    /// Makes a frame for a method whose receiver and arguments are on top.
    pub(crate) fn activate(&mut self, target: *const Code, arguments: usize) -> Next {
        let nil = self.nil;
        self.push_frame(target, arguments, nil)
    }

    /// Makes a frame for the code of a closure that stands below its arguments on top.
    pub(crate) fn evaluate(&mut self, target: *const Code, arguments: usize) -> Next {
        let closure = self.top(arguments);
        // SAFETY: `target` is a record (T1).
        let copied = unsafe { (*target).copied };
        if !self.room_on_stack(target) {
            return self.stack_exhausted();
        }
        let index = self.current.sp - arguments;
        self.current.set(index, self.heap.slot(closure, block_closure::RECEIVER));
        for n in 0..copied {
            let word = self.slot(closure, block_closure::METHOD + 1 + n);
            self.current.push(word);
        }
        self.push_frame(target, arguments + copied, closure)
    }

    fn room_on_stack(&mut self, target: *const Code) -> bool {
        // SAFETY: `target` is a record (T1).
        let words = unsafe { (*target).frame_words + (*target).copied };
        self.current.make_room(words)
    }

    /// Makes a frame; `present` of its temporaries are pushed already.
    fn push_frame(&mut self, target: *const Code, present: usize, closure: Word) -> Next {
        if !self.room_on_stack(target) {
            return self.stack_exhausted();
        }
        // SAFETY: `target` is a record (T1).
        let code = unsafe { &*target };
        for _ in present..code.temps {
            let nil = self.nil;
            self.current.push(nil);
        }
        let stack = &mut *self.current;
        let frame = stack.sp + 1;
        let distance = if stack.fp == 0 { 0 } else { frame - stack.fp };
        stack.sp = frame + HEADER_WORDS - 1;
        stack.set(frame + DISTANCE, Word::small(distance as i64));
        stack.set(frame + RETURN, Word(stack.ip as u64 | 1));
        stack.set(frame + CODE, Word(target as u64 | 1));
        stack.set(frame + CLOSURE, closure);
        stack.set(frame + MARKS, Word::small(0));
        stack.fp = frame;
        stack.ip = code.operations.as_ptr();
        if self.current.sp > self.current.allowed {
            return self.stack_overflow();
        }
        Next::Go
    }

    /// The code of a closure, made ready; null if it can't run with so many arguments.
    pub(crate) fn block_code(&mut self, closure: Word, arguments: usize) -> *const Code {
        if !self.has_named(closure, block_closure::METHOD + 1) {
            return null();
        }
        let object = self.slot(closure, block_closure::CODE);
        let Ok(code) = self.code_of(object) else { return null() };
        // SAFETY: `code` is a record (T1).
        let block = unsafe { &*code };
        let fits = block.is_block
            && block.arguments == arguments
            && self.slot_count(closure) == block_closure::METHOD + 1 + block.copied
            && (block.named_slots == 0
                || self.has_named(self.slot(closure, block_closure::RECEIVER), block.named_slots));
        if fits { code } else { null() }
    }

    /// Receiver, selector and argument Array are on top: performs, arguments spread.
    pub(super) fn perform_spread(&mut self) -> Next {
        let (selector, array) = (self.top(1), self.top(0));
        let count = if array == self.nil { 0 } else { self.slot_count(array) };
        self.current.sp -= 2;
        if !self.current.make_room(count + 1) {
            return self.stack_exhausted();
        }
        for n in 0..count {
            let word = self.slot(array, n);
            self.current.push(word);
        }
        self.send(selector, count)
    }

    /// Makes the current process send a message, drop its value and go on as before.
    pub(crate) fn interlude(&mut self, receiver: Word, selector: Word, arguments: Word) -> Next {
        if !self.current.make_room(32) {
            return self.stack_exhausted();
        }
        let nil = self.nil;
        for word in [nil, receiver, selector, arguments] {
            self.current.push(word);
        }
        let code = self.own_code(OwnCode::Interlude);
        self.push_frame(code, 3, nil)
    }

    // ---- what is not understood

    /// Sends `doesNotUnderstand:` with a Message of the receiver's message on top.
    pub(crate) fn does_not_understand(&mut self, selector: Word, arguments: usize, class: u32) -> Next {
        let dnu = self.known(KnownObject::SelectorDoesNotUnderstand);
        if selector == dnu || !self.is_a(dnu, KnownClass::ByteSymbol) {
            return self.give_up("a receiver that understands nothing");
        }
        let target = self.lookup(class, dnu);
        if target.is_null() || !self.suits(target, class, 1) {
            let name = self.text(selector).unwrap_or_default();
            let class_name = self.class_name(self.class_at(class));
            return self.give_up(&format!("{class_name} does not understand #{name}"));
        }
        let hold = self.hold(selector);
        let message = loop {
            match self.new_message(self.held(hold), arguments, class) {
                Some(message) => break message,
                None if self.make_room(512 + arguments * 8) => {}
                None => {
                    self.release(hold);
                    return self.give_up("no memory for a message");
                }
            }
        };
        self.release(hold);
        if arguments > 0 {
            self.current.sp -= arguments;
        }
        self.current.push(message);
        // The lookup is made again: a collection may have moved nothing of it, but a purge might.
        let dnu = self.known(KnownObject::SelectorDoesNotUnderstand);
        let target = self.lookup(class, dnu);
        self.enter(target, 1)
    }

    fn new_message(&mut self, selector: Word, arguments: usize, class: u32) -> Option<Word> {
        let slots = self.heap.fixed_slots_of_class(KnownClass::Message.index()).max(3);
        if !self.heap.room_for(64 + (slots + arguments) * 8) {
            return None;
        }
        let array = self.new_array(arguments)?;
        for n in 0..arguments {
            let word = self.top(arguments - 1 - n);
            self.put(array, n, word);
        }
        let message = self.new_object(KnownClass::Message, Format::Fixed, slots)?;
        let class = self.class_at(class);
        for (n, word) in [selector, array, class].into_iter().enumerate() {
            self.put(message, n, word);
        }
        Some(message)
    }

    /// The word `depth` below the top.
    #[inline(always)]
    pub(crate) fn top(&self, depth: usize) -> Word {
        self.current.get(self.current.sp - depth)
    }
}

fn remember(site: &mut Site, class: u32, target: *const Code) {
    if site.class == 0 {
        site.class = class;
        site.target = target;
    } else if site.cases.len() < MAX_CASES - 1 {
        site.cases.push(Case { class, target });
    }
}
