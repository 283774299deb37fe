//! The loop: one arm an operation.
//!
//! The registers `ip`, `fp`, `sp` are locals. Every slow path first saves them to the current
//! stack, works on that, and lets the loop load them again; so a collection, a process switch or a
//! grown stack needs no care here.
//!
//! Invariants
//! - R1 `ip` points into the operations of the record in the frame's CODE (C1, C2).
//! - R2 No word is held in a Rust local across a slow path.
//! - R3 Sends and backward jumps burn fuel and poll when it is spent, with `ip` on the instruction.
//!
//! Knows: frames, records. Must not know: how classes are looked up, what primitives do.

#![allow(unsafe_code, reason = "room: interpreter loop")]

use super::code::{Code, Kind, Operation, Quick, Site};
use super::stack::{CLOSURE, CODE, DISTANCE, HEADER_WORDS, MARKS, RESERVE, RETURN, SLOW_RETURN};
use super::vm::{Next, Vm};
use crate::layout::{Header, IMMUTABLE, KnownClass, Word, block_closure};
use crate::primitive::Outcome;

const ONE: u64 = 1;
const BYTES: u8 = 16;

impl Vm {
    /// Runs until something makes it leave; a single operation if `SINGLE`.
    pub(super) fn execute<const SINGLE: bool>(&mut self) {
        // SAFETY: R1, F1 to F3 and B1 to B5 hold on entry and are kept by every arm.
        unsafe { self.interpret::<SINGLE>() }
    }

    #[allow(unsafe_op_in_unsafe_fn, reason = "one room: every arm rests on R1, F1 to F3, B1 to B5")]
    unsafe fn interpret<const SINGLE: bool>(&mut self) {
        let mut ip: *const Operation;
        let mut fp: *mut u64;
        let mut sp: *mut u64;
        let mut limit: *mut u64;
        let mut done = false;

        macro_rules! reload {
            () => {{
                let stack = &*self.current;
                ip = stack.ip;
                fp = stack.address(stack.fp);
                sp = stack.address(stack.sp);
                limit = stack.limit().sub(RESERVE);
            }};
        }
        macro_rules! save {
            () => {{
                let stack = &mut *self.current;
                stack.ip = ip;
                stack.fp = stack.index(fp);
                stack.sp = stack.index(sp);
            }};
        }
        macro_rules! slow {
            ($call:expr) => {{
                save!();
                match $call {
                    Next::Go => {}
                    Next::Leave => return,
                }
                reload!();
                continue;
            }};
        }
        macro_rules! push {
            ($word:expr) => {{
                let word: u64 = $word;
                sp = sp.add(1);
                *sp = word;
                continue;
            }};
        }
        macro_rules! code {
            () => {
                &*((*fp.add(CODE) - 1) as *const Code)
            };
        }
        macro_rules! poll {
            () => {{
                self.fuel -= 1;
                if self.fuel == 0 {
                    ip = ip.sub(1);
                    slow!(self.poll());
                }
            }};
        }
        macro_rules! temp {
            ($op:expr) => {
                *fp.offset($op.b() as isize)
            };
        }
        macro_rules! answer {
            ($op:expr, $value:expr) => {{
                let value: u64 = $value;
                if *fp.add(MARKS) & SLOW_RETURN != 0 {
                    slow!(self.slow_return(Word(value)));
                }
                let base = fp.offset($op.b() as isize);
                ip = (*fp.add(RETURN) - 1) as *const Operation;
                fp = fp.sub((*fp.add(DISTANCE) >> 2) as usize);
                sp = base;
                *sp = value;
                continue;
            }};
        }
        macro_rules! integers {
            ($x:expr, $y:expr) => {
                ($x & $y & 3) == 1 && ($x | $y) & 2 == 0
            };
        }
        macro_rules! bool_word {
            ($value:expr) => {
                if $value { self.true_word.0 } else { self.false_word.0 }
            };
        }
        // Replaces the two top words.
        macro_rules! replace2 {
            ($word:expr) => {{
                let word: u64 = $word;
                sp = sp.sub(1);
                *sp = word;
                continue;
            }};
        }
        macro_rules! compare {
            ($op:expr, $operator:tt) => {{
                let (x, y) = (*sp.sub(1), *sp);
                if integers!(x, y) {
                    replace2!(bool_word!((x as i64) $operator (y as i64)));
                }
                if let Some((p, q)) = self.two_floats(Word(x), Word(y)) {
                    replace2!(bool_word!(p $operator q));
                }
                $op
            }};
        }
        macro_rules! compare_jump {
            ($op:expr, $operator:tt) => {{
                let (x, y) = (*sp.sub(1), *sp);
                if integers!(x, y) {
                    let jump = *ip;
                    let wanted = jump.plain() == Kind::JumpTrue;
                    sp = sp.sub(2);
                    ip = ip.add(1);
                    if ((x as i64) $operator (y as i64)) == wanted {
                        ip = ip.offset(jump.a() as isize);
                    }
                    continue;
                }
                if let Some((p, q)) = self.two_floats(Word(x), Word(y)) {
                    replace2!(bool_word!(p $operator q));
                }
                $op
            }};
        }
        // Two temporaries are compared, and a jump depends on it: four operations in one.
        macro_rules! compare_temps_jump {
            ($op:expr, $operator:tt) => {{
                let (x, y) = (temp!($op), temp!((*ip)));
                if integers!(x, y) {
                    let jump = *ip.add(2);
                    ip = ip.add(3);
                    if ((x as i64) $operator (y as i64)) == (jump.plain() == Kind::JumpTrue) {
                        ip = ip.offset(jump.a() as isize);
                    }
                    continue;
                }
                let compare = *ip.add(1);
                ip = ip.add(2);
                *sp.add(1) = x;
                *sp.add(2) = y;
                sp = sp.add(2);
                compare_jump!(compare, $operator)
            }};
        }
        macro_rules! arithmetic {
            ($op:expr, $float:tt, $x:ident, $y:ident, $fast:expr) => {{
                let ($x, $y) = (*sp.sub(1), *sp);
                if integers!($x, $y) {
                    if let Some(word) = $fast {
                        replace2!(word);
                    }
                } else if let Some((p, q)) = self.two_floats(Word($x), Word($y)) {
                    if let Some(word) = self.new_float(p $float q) {
                        replace2!(word.0);
                    }
                }
                $op
            }};
        }
        macro_rules! bits {
            ($op:expr, $x:ident, $y:ident, $result:expr) => {{
                let ($x, $y) = (*sp.sub(1), *sp);
                if integers!($x, $y) {
                    replace2!($result);
                }
                $op
            }};
        }
        macro_rules! jump_on {
            ($op:expr, $wanted:expr, $other:expr) => {{
                let value = *sp;
                if value == $wanted {
                    if $op.a() < 0 {
                        poll!();
                    }
                    sp = sp.sub(1);
                    ip = ip.offset($op.a() as isize);
                    continue;
                }
                if value == $other {
                    sp = sp.sub(1);
                    continue;
                }
                ip = ip.sub(1);
                slow!(self.must_be_boolean());
            }};
        }

        reload!();
        loop {
            if SINGLE {
                if done {
                    save!();
                    return;
                }
                done = true;
            }
            let op = *ip;
            ip = ip.add(1);
            let kind = if SINGLE { op.plain() } else { op.kind() };
            // Arms either go on with the loop, or answer the operation whose send is to be made.
            let send: Operation = match kind {
                Kind::PushReceiver => push!(temp!(op)),
                Kind::PushNil => push!(self.nil.0),
                Kind::PushTrue => push!(self.true_word.0),
                Kind::PushFalse => push!(self.false_word.0),
                Kind::PushThisContext => slow!(self.push_this_context()),
                Kind::PushInteger => push!(op.a() as i64 as u64),
                Kind::PushLiteral => push!(code!().literals.get_unchecked(op.a() as usize).0),
                Kind::PushTemp => push!(temp!(op)),
                Kind::PushTempTemp => {
                    let second = *ip;
                    ip = ip.add(1);
                    *sp.add(1) = temp!(op);
                    *sp.add(2) = temp!(second);
                    sp = sp.add(2);
                    continue;
                }
                Kind::PushInstVar => push!(self.slot(Word(temp!(op)), op.a() as usize).0),
                Kind::PushBinding => {
                    let binding = *code!().literals.get_unchecked(op.a() as usize);
                    push!(self.slot(binding, 1).0)
                }
                Kind::PushRemote => {
                    let vector = Word(temp!(op));
                    if !self.is_vector(vector, op.a() as usize) {
                        slow!(self.broken_vector(op.b()));
                    }
                    push!(self.slot(vector, op.a() as usize).0)
                }
                Kind::PushNewVector => slow!(self.push_array(op.a() as usize, true)),
                Kind::PushArray => slow!(self.push_array(op.a() as usize, false)),
                Kind::PushClosure => slow!(self.push_closure(op.a() as usize, op.b() as usize)),
                Kind::Dup => push!(*sp),
                Kind::Pop => {
                    sp = sp.sub(1);
                    continue;
                }
                Kind::StoreTemp => {
                    temp!(op) = *sp;
                    continue;
                }
                Kind::PopTemp => {
                    temp!(op) = *sp;
                    sp = sp.sub(1);
                    continue;
                }
                Kind::StoreInstVar | Kind::PopInstVar => {
                    let receiver = Word(*fp.offset(op.b() as isize));
                    if self.header(receiver).0 & IMMUTABLE != 0 {
                        slow!(self.immutable_store(receiver, op.a() as usize, kind == Kind::PopInstVar));
                    }
                    self.put(receiver, op.a() as usize, Word(*sp));
                    if kind == Kind::PopInstVar {
                        sp = sp.sub(1);
                    }
                    continue;
                }
                Kind::StoreBinding | Kind::PopBinding => {
                    let binding = *code!().literals.get_unchecked(op.a() as usize);
                    self.put(binding, 1, Word(*sp));
                    if kind == Kind::PopBinding {
                        sp = sp.sub(1);
                    }
                    continue;
                }
                Kind::StoreRemote | Kind::PopRemote => {
                    let vector = Word(temp!(op));
                    if !self.is_vector(vector, op.a() as usize) {
                        slow!(self.broken_vector(op.b()));
                    }
                    self.put(vector, op.a() as usize, Word(*sp));
                    if kind == Kind::PopRemote {
                        sp = sp.sub(1);
                    }
                    continue;
                }
                Kind::Jump => {
                    ip = ip.offset(op.a() as isize);
                    continue;
                }
                Kind::JumpBack => {
                    poll!();
                    ip = ip.offset(op.a() as isize);
                    continue;
                }
                Kind::JumpTrue => jump_on!(op, self.true_word.0, self.false_word.0),
                Kind::JumpFalse => jump_on!(op, self.false_word.0, self.true_word.0),
                Kind::JumpNil | Kind::JumpNotNil => {
                    if (self.is_nil(Word(*sp))) == (kind == Kind::JumpNil) {
                        if op.a() < 0 {
                            poll!();
                        }
                        ip = ip.offset(op.a() as isize);
                    }
                    sp = sp.sub(1);
                    continue;
                }
                Kind::ReturnTop | Kind::BlockReturn => answer!(op, *sp),
                Kind::ReturnReceiver => answer!(op, *fp.offset(op.b() as isize)),
                Kind::NonLocalReturn => slow!(self.non_local_return()),
                Kind::Add => arithmetic!(op, +, x, y, (x as i64).checked_add((y - ONE) as i64).map(|v| v as u64)),
                Kind::Subtract => arithmetic!(op, -, x, y, (x as i64).checked_sub((y - ONE) as i64).map(|v| v as u64)),
                Kind::Multiply => arithmetic!(op, *, x, y,
                    ((x - ONE) as i64).checked_mul(y as i64 >> 2).map(|v| v as u64 + ONE)),
                Kind::TempAddInteger | Kind::TempSubtractInteger => {
                    let (x, y) = (temp!(op), (*ip).a() as i64 as u64);
                    let send = *ip.add(1);
                    ip = ip.add(2);
                    if x & 3 == 1 {
                        let by = (y - ONE) as i64;
                        let sum = if kind == Kind::TempAddInteger {
                            (x as i64).checked_add(by)
                        } else {
                            (x as i64).checked_sub(by)
                        };
                        if let Some(word) = sum {
                            push!(word as u64);
                        }
                    }
                    *sp.add(1) = x;
                    *sp.add(2) = y;
                    sp = sp.add(2);
                    send
                }
                Kind::Less => compare!(op, <),
                Kind::Greater => compare!(op, >),
                Kind::LessEqual => compare!(op, <=),
                Kind::GreaterEqual => compare!(op, >=),
                Kind::Equal => compare!(op, ==),
                Kind::NotEqual => compare!(op, !=),
                Kind::LessJump => compare_jump!(op, <),
                Kind::GreaterJump => compare_jump!(op, >),
                Kind::LessEqualJump => compare_jump!(op, <=),
                Kind::GreaterEqualJump => compare_jump!(op, >=),
                Kind::EqualJump => compare_jump!(op, ==),
                Kind::TempsLessJump => compare_temps_jump!(op, <),
                Kind::TempsGreaterJump => compare_temps_jump!(op, >),
                Kind::TempsLessEqualJump => compare_temps_jump!(op, <=),
                Kind::TempsGreaterEqualJump => compare_temps_jump!(op, >=),
                Kind::TempsEqualJump => compare_temps_jump!(op, ==),
                Kind::TempIncrement => {
                    let (x, y) = (temp!(op), (*ip).a() as i64 as u64);
                    if x & 3 == 1 {
                        if let Some(sum) = (x as i64).checked_add((y - ONE) as i64) {
                            temp!((*ip.add(2))) = sum as u64;
                            ip = ip.add(3);
                            continue;
                        }
                    }
                    let send = *ip.add(1);
                    ip = ip.add(2);
                    *sp.add(1) = x;
                    *sp.add(2) = y;
                    sp = sp.add(2);
                    send
                }
                Kind::TempSend => {
                    sp = sp.add(1);
                    *sp = temp!(op);
                    ip = ip.add(1);
                    *ip.sub(1)
                }
                Kind::InstVarSend => {
                    sp = sp.add(1);
                    *sp = self.slot(Word(temp!(op)), op.a() as usize).0;
                    ip = ip.add(1);
                    *ip.sub(1)
                }
                Kind::PopPushTemp => {
                    *sp = temp!((*ip));
                    ip = ip.add(1);
                    continue;
                }
                Kind::PopTempPushTemp => {
                    temp!(op) = *sp;
                    *sp = temp!((*ip));
                    ip = ip.add(1);
                    continue;
                }
                Kind::TempReturn => answer!((*ip), temp!(op)),
                Kind::InstVarReturn => answer!((*ip), self.slot(Word(temp!(op)), op.a() as usize).0),
                Kind::PopReturnReceiver => answer!((*ip), temp!((*ip))),
                Kind::FloorDivide | Kind::Modulo => {
                    let (x, y) = (*sp.sub(1), *sp);
                    if integers!(x, y) && y != ONE {
                        let (x, y) = (x as i64 >> 2, y as i64 >> 2);
                        let (mut q, mut r) = (x.wrapping_div(y), x.wrapping_rem(y));
                        if r != 0 && (r ^ y) < 0 {
                            q -= 1;
                            r += y;
                        }
                        if let Some(word) = Word::integer(if kind == Kind::Modulo { r } else { q }) {
                            replace2!(word.0);
                        }
                    }
                    op
                }
                Kind::Divide => {
                    let (x, y) = (*sp.sub(1), *sp);
                    if integers!(x, y) && y != ONE {
                        let (x, y) = (x as i64 >> 2, y as i64 >> 2);
                        if x % y == 0 {
                            if let Some(word) = Word::integer(x / y) {
                                replace2!(word.0);
                            }
                        }
                    } else if let Some((p, q)) = self.two_floats(Word(x), Word(y)) {
                        if q != 0.0 {
                            if let Some(word) = self.new_float(p / q) {
                                replace2!(word.0);
                            }
                        }
                    }
                    op
                }
                Kind::BitAnd => bits!(op, x, y, x & y),
                Kind::BitOr => bits!(op, x, y, x | y),
                Kind::BitXor => bits!(op, x, y, (x ^ y) | ONE),
                Kind::BitShift => {
                    let (x, y) = (*sp.sub(1), *sp);
                    if integers!(x, y) {
                        let (value, by) = (x as i64 >> 2, y as i64 >> 2);
                        if by <= 0 {
                            replace2!(Word::small(value >> by.unsigned_abs().min(63)).0);
                        }
                        if by < 62 && (value << by) >> by == value {
                            if let Some(word) = Word::integer(value << by) {
                                replace2!(word.0);
                            }
                        }
                    }
                    op
                }
                Kind::Identical | Kind::NotIdentical => {
                    let same = self.identical(Word(*sp.sub(1)), Word(*sp));
                    replace2!(bool_word!(same == (kind == Kind::Identical)));
                }
                Kind::IdenticalJump => {
                    let same = self.identical(Word(*sp.sub(1)), Word(*sp));
                    let jump = *ip;
                    sp = sp.sub(2);
                    ip = ip.add(1);
                    if same == (jump.plain() == Kind::JumpTrue) {
                        ip = ip.offset(jump.a() as isize);
                    }
                    continue;
                }
                Kind::At => {
                    let (receiver, index) = (Word(*sp.sub(1)), *sp);
                    if index & 3 == 1 && receiver.is_reference() {
                        if let Some(word) = self.quick_at(receiver, (index as i64 >> 2) as usize) {
                            replace2!(word.0);
                        }
                    }
                    op
                }
                Kind::AtPut => {
                    let (receiver, index, value) = (Word(*sp.sub(2)), *sp.sub(1), Word(*sp));
                    if index & 3 == 1
                        && receiver.is_reference()
                        && self.quick_at_put(receiver, (index as i64 >> 2) as usize, value)
                    {
                        sp = sp.sub(2);
                        *sp = value.0;
                        continue;
                    }
                    op
                }
                Kind::Size => {
                    let receiver = Word(*sp);
                    if receiver.is_reference() {
                        let header = self.header(receiver);
                        if header.class().0 == KnownClass::Array as u32 {
                            *sp = Word::small(self.slot_count(receiver) as i64).0;
                            continue;
                        }
                    }
                    op
                }
                Kind::Class => {
                    let index = self.class_index(Word(*sp));
                    if index != KnownClass::Forwarder as u32 {
                        *sp = self.class_at(index).0;
                        continue;
                    }
                    op
                }
                Kind::Value | Kind::Value1 => {
                    poll!();
                    let arguments = op.b() as usize;
                    let closure = Word(*sp.sub(arguments));
                    if self.class_index(closure) == KnownClass::BlockClosure as u32 {
                        let site = code!().sites.as_ptr().add(op.a() as usize).cast_mut();
                        let object = self.slot(closure, block_closure::CODE);
                        let mut target = (*site).block;
                        if target.is_null() || (*target).object != object {
                            save!();
                            target = self.block_code(closure, arguments);
                            (*site).block = target;
                        }
                        if !target.is_null()
                            && (*target).arguments == arguments
                            && self.fits_block(closure, &*target)
                        {
                            let block = &*target;
                            if sp.add(block.frame_words) > limit {
                                slow!(self.evaluate(target, arguments));
                            }
                            *sp.sub(arguments) = self.slot(closure, block_closure::RECEIVER).0;
                            for n in 0..block.copied {
                                sp = sp.add(1);
                                *sp = self.slot(closure, block_closure::METHOD + 1 + n).0;
                            }
                            for _ in arguments + block.copied..block.temps {
                                sp = sp.add(1);
                                *sp = self.nil.0;
                            }
                            let new = sp.add(1);
                            *new.add(DISTANCE) = ((new.offset_from(fp) as u64) << 2) | 1;
                            *new.add(RETURN) = ip as u64 | 1;
                            *new.add(CODE) = target as u64 | 1;
                            *new.add(CLOSURE) = closure.0;
                            *new.add(MARKS) = ONE;
                            fp = new;
                            sp = new.add(HEADER_WORDS - 1);
                            ip = block.operations.as_ptr();
                            continue;
                        }
                    }
                    self.fuel += 1;
                    op
                }
                Kind::Send => op,
                Kind::SendSuper => {
                    poll!();
                    let site = code!().sites.as_ptr().add(op.a() as usize).cast_mut();
                    slow!(self.send_super(site, op.b() as usize));
                }
                Kind::Perform => {
                    poll!();
                    slow!(self.perform_spread());
                }
                Kind::FinishProcess => slow!(self.finish_process()),
                Kind::DropReturn => {
                    if *fp.add(MARKS) & SLOW_RETURN != 0 {
                        self.note_return_from(fp);
                    }
                    let base = fp.offset(op.b() as isize);
                    ip = (*fp.add(RETURN) - 1) as *const Operation;
                    fp = fp.sub((*fp.add(DISTANCE) >> 2) as usize);
                    sp = base.sub(1);
                    continue;
                }
                Kind::Unreachable => slow!(self.unreachable_code()),
            };

            // A send.
            self.fuel -= 1;
            if self.fuel == 0 {
                // The instruction is a plain one here: a fused one has pushed its operands.
                ip = ip.sub(1);
                slow!(self.poll());
            }
            let arguments = send.b() as usize;
            let site = code!().sites.as_ptr().add(send.a() as usize).cast_mut();
            let class = self.class_index(Word(*sp.sub(arguments)));
            let mut target = (*site).target;
            if (*site).class != class {
                target = other_case(&*site, class);
                if target.is_null() {
                    slow!(self.send_miss(site, arguments));
                }
            }
            let method = &*target;
            method.runs.set(method.runs.get() + 1);
            let quick = method.quick.get();
            if quick != Quick::No {
                let base = sp.sub(arguments);
                let receiver = Word(*base);
                if let Quick::Slot(index) = quick {
                    sp = base;
                    *sp = self.slot(receiver, index as usize).0;
                    continue;
                }
                let value = match quick {
                    Quick::Immediate(word) => word.0,
                    Quick::Literal(index) => method.literals.get_unchecked(index as usize).0,
                    Quick::Nil => self.nil.0,
                    Quick::Boolean(value) => bool_word!(value),
                    Quick::SetSlot(index) if self.header(receiver).0 & IMMUTABLE == 0 => {
                        self.put(receiver, index as usize, Word(*sp));
                        receiver.0
                    }
                    Quick::SetSlot(_) => slow!(self.activate(target, arguments)),
                    Quick::Unmet => slow!(self.enter_unmet(target, arguments)),
                    Quick::Receiver | Quick::Slot(_) | Quick::No => receiver.0,
                };
                sp = base;
                *sp = value;
                continue;
            }
            if let Some(primitive) = method.primitive {
                save!();
                if self.forwarders {
                    self.resolve_arguments(arguments);
                }
                match primitive(self, arguments) {
                    Outcome::Value(word) => {
                        sp = sp.sub(arguments);
                        *sp = word.0;
                        continue;
                    }
                    other => match self.after_primitive(target, arguments, other) {
                        Next::Go => {
                            reload!();
                            continue;
                        }
                        Next::Leave => return,
                    },
                }
            }
            if sp.add(method.frame_words) > limit {
                slow!(self.activate(target, arguments));
            }
            for _ in arguments..method.temps {
                sp = sp.add(1);
                *sp = self.nil.0;
            }
            let new = sp.add(1);
            *new.add(DISTANCE) = ((new.offset_from(fp) as u64) << 2) | 1;
            *new.add(RETURN) = ip as u64 | 1;
            *new.add(CODE) = target as u64 | 1;
            *new.add(CLOSURE) = self.nil.0;
            *new.add(MARKS) = ONE;
            fp = new;
            sp = new.add(HEADER_WORDS - 1);
            ip = method.operations.as_ptr();
        }
    }

    /// Whether a temp vector has a slot `index`: hostile code may have put anything there.
    #[inline(always)]
    fn is_vector(&self, vector: Word, index: usize) -> bool {
        vector.is_reference() && self.header(vector).has_references() && index < self.slot_count(vector)
    }

    /// Whether a closure has the copied values and the receiver that its code needs.
    #[inline(always)]
    fn fits_block(&self, closure: Word, block: &Code) -> bool {
        if self.slot_count(closure) != block_closure::METHOD + 1 + block.copied {
            return false;
        }
        block.named_slots == 0 || self.has_named(self.slot(closure, block_closure::RECEIVER), block.named_slots)
    }

    /// Whether an object has so many slots that hold references.
    pub(crate) fn has_named(&self, object: Word, count: usize) -> bool {
        object.is_reference()
            && self.header(object).has_references()
            && self.slot_count(object) >= count
    }

    #[inline(always)]
    fn quick_at(&self, receiver: Word, index: usize) -> Option<Word> {
        let header = self.header(receiver);
        let class = header.class().0;
        let at = index.wrapping_sub(1);
        if class == KnownClass::Array as u32 {
            return (at < self.slot_count(receiver)).then(|| self.slot(receiver, at));
        }
        if header.format() < BYTES || !is_byte_class(class) || at >= self.byte_count(receiver) {
            return None;
        }
        let byte = self.byte(receiver, at);
        Some(if class == KnownClass::ByteArray as u32 {
            Word::small(byte as i64)
        } else {
            Word::character(byte as u32)
        })
    }

    #[inline(always)]
    fn quick_at_put(&mut self, receiver: Word, index: usize, value: Word) -> bool {
        let header = self.header(receiver);
        let class = header.class().0;
        let at = index.wrapping_sub(1);
        if header.0 & IMMUTABLE != 0 {
            return false;
        }
        if class == KnownClass::Array as u32 {
            if at >= self.slot_count(receiver) {
                return false;
            }
            self.put(receiver, at, value);
            return true;
        }
        let byte = if class == KnownClass::ByteArray as u32 && value.is_integer() {
            value.as_integer() as u64
        } else if class == KnownClass::ByteString as u32 && value.is_character() {
            value.as_character() as u64
        } else {
            return false;
        };
        if byte > 255 || header.format() < BYTES || at >= self.byte_count(receiver) {
            return false;
        }
        self.put_byte(receiver, at, byte as u8);
        true
    }
}

#[inline(always)]
fn is_byte_class(class: u32) -> bool {
    class == KnownClass::ByteString as u32
        || class == KnownClass::ByteArray as u32
        || class == KnownClass::ByteSymbol as u32
}

#[inline]
fn other_case(site: &Site, class: u32) -> *const Code {
    site.cases.iter().find(|c| c.class == class).map_or(core::ptr::null(), |c| c.target)
}

const _: () = assert!(Header::new(KnownClass::Array.index(), 0, 0).0 & IMMUTABLE == 0);
