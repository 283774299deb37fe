//! Code as a reader sees it: one line an instruction.
//!
//! Knows: the table. Must not know: the heap; names of literals and selectors come from the caller.

use super::{Instruction, Opcode};
use alloc::string::String;
use core::fmt::Write;

/// Lists the code. `literal` and `site` give the text of a literal and a selector by index.
///
/// A line is `pc mnemonic operands`, the operands as they stand; for a jump the target's pc; for
/// literals and sites the text. What is no instruction ends the listing with `pc ?`.
pub fn listing(
    code: &[u8],
    literal: &dyn Fn(usize) -> String,
    site: &dyn Fn(usize) -> String,
) -> String {
    let mut out = String::new();
    let mut pc = 0;
    while pc < code.len() {
        let Some(i) = Instruction::decode(code, pc) else {
            let _ = writeln!(out, "{pc} ?");
            break;
        };
        let _ = writeln!(out, "{pc} {}{}", i.opcode.mnemonic(), operands(i, pc, literal, site));
        pc += i.length;
    }
    out
}

fn operands(
    i: Instruction,
    pc: usize,
    literal: &dyn Fn(usize) -> String,
    site: &dyn Fn(usize) -> String,
) -> String {
    use super::Operands;
    use Opcode::*;
    let mut out = String::new();
    let _ = match i.opcode {
        opcode if opcode.is_jump() => {
            write!(out, " {}", pc as i64 + i.length as i64 + i.a as i64)
        }
        opcode if opcode.has_site() => write!(out, " {}", site(i.a as usize)),
        PushLiteral | PushLiteralWide | PushBinding | StoreBinding | PopBinding => {
            write!(out, " {}", literal(i.a as usize))
        }
        PushClosure => write!(out, " {} copying {}", literal(i.a as usize), i.b),
        PushRemote | StoreRemote | PopRemote => write!(out, " {} of {}", i.a, i.b),
        opcode => match opcode.operands() {
            Operands::None => Ok(()),
            Operands::U8U8 | Operands::U16U8 => write!(out, " {} {}", i.a, i.b),
            _ => write!(out, " {}", i.a),
        },
    };
    out
}
