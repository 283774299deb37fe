//! A readable listing of compiled code, for people and for tests.

use std::fmt::Write;

use vm::bytecode::{Instruction, Opcode, frame_flags};

use crate::ast::Literal;
use crate::code::{Code, CompiledMethod, Constant, unpack_map};
use crate::scope::Binding;

/// The listing of a method and its blocks.
pub fn method_listing(method: &CompiledMethod) -> String {
    let mut text = String::new();
    let _ = write!(text, "{}", method.selector);
    if let Some(primitive) = &method.primitive {
        let _ = write!(text, " primitive {primitive}");
    }
    text.push('\n');
    code_listing(&mut text, &method.code, 1);
    text
}

fn code_listing(text: &mut String, code: &Code, level: usize) {
    let indent = "  ".repeat(level);
    let _ = writeln!(
        text,
        "{indent}arguments {} frame {} depth {} copied {}{}",
        code.arguments,
        code.frame,
        code.depth,
        code.copied,
        flags(code.flags)
    );
    let entries = unpack_map(&code.source_map).unwrap_or_default();
    let mut pc = 0;
    while pc < code.bytecodes.len() {
        let Some(instruction) = Instruction::decode(&code.bytecodes, pc) else {
            let _ = writeln!(text, "{indent}{pc:4} ?");
            return;
        };
        let _ = write!(text, "{indent}{pc:4} {}", instruction.opcode.mnemonic());
        operands(text, code, pc, instruction);
        if let Some(entry) = entries.iter().find(|entry| entry.pc as usize == pc) {
            let _ = write!(text, "  ; {}-{}", entry.start, entry.stop);
        }
        text.push('\n');
        if instruction.opcode == Opcode::PushClosure
            && let Some(Constant::Block(block)) = code.literals.get(instruction.a as usize)
        {
            code_listing(text, block, level + 2);
        }
        pc += instruction.length;
    }
}

fn flags(flags: u64) -> String {
    let names = [
        (frame_flags::CLEAN_BLOCK, " clean"),
        (frame_flags::HAS_NON_LOCAL_RETURN, " returns"),
        (frame_flags::UNWIND, " unwind"),
        (frame_flags::HANDLER, " handler"),
        (frame_flags::PRIMITIVE_ERROR, " reason"),
    ];
    names.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

fn operands(text: &mut String, code: &Code, pc: usize, instruction: Instruction) {
    let Instruction { opcode, a, b, length } = instruction;
    let constant = || code.literals.get(a as usize).map_or("?".into(), constant_text);
    let _ = match opcode {
        Opcode::PushLiteral | Opcode::PushLiteralWide | Opcode::PushBinding => {
            write!(text, " {}", constant())
        }
        Opcode::StoreBinding | Opcode::PopBinding => write!(text, " {}", constant()),
        Opcode::PushClosure => write!(text, " copying {b}"),
        Opcode::PushRemote | Opcode::StoreRemote | Opcode::PopRemote => write!(text, " {a} of {b}"),
        _ if opcode.is_jump() => write!(text, " {}", pc as i64 + length as i64 + i64::from(a)),
        _ if opcode.has_site() => {
            write!(text, " {}", code.sites.get(a as usize).map_or("?", |s| s))
        }
        _ if length > 1 => write!(text, " {a}"),
        _ => Ok(()),
    };
}

fn constant_text(constant: &Constant) -> String {
    match constant {
        Constant::Literal(literal) => literal_text(literal),
        Constant::Binding(Binding::Global(name)) => format!("@{name}"),
        Constant::Binding(Binding::ClassVariable(class, name)) => format!("@{class}.{name}"),
        Constant::Binding(Binding::Undeclared(name)) => format!("@?{name}"),
        Constant::Block(_) => "[…]".into(),
    }
}

/// A literal as it could be written.
pub fn literal_text(literal: &Literal) -> String {
    let list = |items: Vec<String>| items.join(" ");
    match literal {
        Literal::Nil => "nil".into(),
        Literal::True => "true".into(),
        Literal::False => "false".into(),
        Literal::Integer(value) => value.decimal(),
        Literal::Float(bits) => format!("{:?}", f64::from_bits(*bits)),
        Literal::Scaled(above, below, scale) => {
            format!("{}/{}s{scale}", above.decimal(), below.decimal())
        }
        Literal::Character(c) => format!("${c}"),
        Literal::String(text) => format!("'{}'", text.replace('\'', "''")),
        Literal::Symbol(text) => format!("#{text}"),
        Literal::Array(items) => format!("#({})", list(items.iter().map(literal_text).collect())),
        Literal::Bytes(bytes) => format!("#[{}]", list(bytes.iter().map(u8::to_string).collect())),
    }
}
