//! What the machine itself can say about a process: a trace of names, without running anything.

use super::stack::Stack;
use super::vm::Vm;
use crate::layout::{KnownClass, Word, block_closure, class, compiled_code};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write;

/// Frames that a trace shows at most from the top, and from the bottom.
const SHOWN: usize = 40;

impl Vm {
    /// The frames of the current process, a line each.
    pub fn emergency_trace(&self) -> String {
        self.trace(&self.current)
    }

    /// The frames of a stack, a line each.
    pub(crate) fn trace(&self, stack: &Stack) -> String {
        let mut out = String::new();
        let total = stack.frames().count();
        for (n, frame) in stack.frames().enumerate() {
            if n == SHOWN && total > 2 * SHOWN {
                let _ = writeln!(out, "  ... {} more", total - 2 * SHOWN);
            }
            if n < SHOWN || n + SHOWN >= total {
                let line = self.describe_frame(stack, frame);
                let _ = writeln!(out, "  {line}");
            }
        }
        out
    }

    fn describe_frame(&self, stack: &Stack, frame: usize) -> String {
        let code = stack.code(frame);
        if code.object.is_integer() {
            return "(the machine)".to_string();
        }
        let receiver = stack.get(stack.receiver_index(frame));
        let class_name = self.class_name(self.heap.class_of(receiver));
        let closure = stack.closure(frame);
        let method = if closure == self.nil {
            code.object
        } else {
            self.slot_of(closure, block_closure::METHOD).unwrap_or(self.nil)
        };
        let selector = self
            .slot_of(method, compiled_code::SELECTOR)
            .and_then(|selector| self.text(selector))
            .unwrap_or_else(|| "?".to_string());
        let holder = self.slot_of(method, compiled_code::METHOD_CLASS).unwrap_or(self.nil);
        let holder_name = self.class_name(holder);
        let place = if holder_name == class_name { class_name } else { format!("{class_name}({holder_name})") };
        let pc = code.byte_of(stack.next_operation(frame));
        let prefix = if closure == self.nil { "" } else { "[ ... ] in " };
        format!("{prefix}{place}>>{selector} @{pc}")
    }

    /// The name of a class, `X class` of a metaclass, `?` of anything else.
    pub(crate) fn class_name(&self, object: Word) -> String {
        let Some(name) = self.slot_of(object, class::NAME) else { return "?".to_string() };
        if let Some(text) = self.text(name) {
            return text;
        }
        if self.is_a(object, KnownClass::Metaclass) && name != object {
            let of = self.slot_of(name, class::NAME).and_then(|n| self.text(n));
            return of.map_or_else(|| "?".to_string(), |text| format!("{text} class"));
        }
        "?".to_string()
    }
}
