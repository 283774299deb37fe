//! What the compiler makes: code objects as plain values.
//!
//! The slots of the world's CompiledMethod and CompiledBlock are named in `vm::layout::compiled_code`;
//! [`Code::frame_word`] packs the first.

use vm::bytecode::{CodeView, Flaw, FrameWord, LiteralKind, arity};

use crate::ast::{Literal, Pragma};
use crate::scope::Binding;

/// Arguments of a method, block or message, at most.
pub const MAX_ARGUMENTS: usize = 15;
/// Arguments, copied values and temporaries of a frame, at most.
pub const MAX_FRAME: usize = 255;
/// Literals or sites of a code object, at most.
pub const MAX_LITERALS: usize = 65_535;

/// An entry of LITERALS.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    /// A literal value.
    Literal(Literal),
    /// A binding.
    Binding(Binding),
    /// The code of a closure.
    Block(Box<Code>),
}

/// The code of a method or a block.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Code {
    /// How many arguments.
    pub arguments: usize,
    /// How many arguments, copied values and temporaries.
    pub frame: usize,
    /// The greatest stack depth.
    pub depth: usize,
    /// How many copied values.
    pub copied: usize,
    /// `vm::bytecode::frame_flags`.
    pub flags: u64,
    /// LITERALS.
    pub literals: Vec<Constant>,
    /// BYTECODES.
    pub bytecodes: Vec<u8>,
    /// SITES.
    pub sites: Vec<String>,
    /// SOURCE_MAP, as it is kept.
    pub source_map: Vec<u8>,
}

impl Code {
    /// The FRAME word's value.
    pub fn frame_word(&self) -> i64 {
        let frame = FrameWord {
            arguments: self.arguments as u8,
            temps: self.frame as u16,
            depth: self.depth as u16,
            copied: self.copied as u8,
            flags: self.flags as u8,
        };
        frame.pack()
    }
}

/// Asks the machine's verifier about a method and all its blocks.
pub fn admit(code: &Code, is_block: bool) -> Result<(), Flaw> {
    let literals: Vec<LiteralKind> = code.literals.iter().map(kind).collect();
    let sites: Option<Vec<u8>> = code.sites.iter().map(|selector| arity(selector)).collect();
    let sites = sites.ok_or(Flaw { pc: 0, what: "a site without a selector" })?;
    let frame =
        FrameWord::unpack(code.frame_word()).ok_or(Flaw { pc: 0, what: "a bad frame word" })?;
    let bytecodes = &code.bytecodes;
    vm::bytecode::verify(&CodeView {
        frame,
        bytecodes,
        literals: &literals,
        sites: &sites,
        is_block,
    })?;
    code.literals.iter().try_for_each(|constant| match constant {
        Constant::Block(block) => admit(block, true),
        _ => Ok(()),
    })
}

fn kind(constant: &Constant) -> LiteralKind {
    match constant {
        Constant::Literal(_) => LiteralKind::Other,
        Constant::Binding(_) => LiteralKind::Binding,
        Constant::Block(block) => LiteralKind::Block { copied: block.copied as u8 },
    }
}

/// A compiled method.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CompiledMethod {
    /// The selector.
    pub selector: String,
    /// Its code.
    pub code: Code,
    /// The name of its primitive.
    pub primitive: Option<String>,
    /// Its other pragmas.
    pub pragmas: Vec<Pragma>,
    /// Its source.
    pub source: String,
}

/// One entry of a source map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapEntry {
    /// Where the instruction starts, from 0.
    pub pc: u32,
    /// The first character of what it stands for, from 1.
    pub start: u32,
    /// The last.
    pub stop: u32,
}

/// Packs a source map.
pub fn pack_map(entries: &[MapEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut pc, mut start) = (0, 0);
    for entry in entries {
        let step = i64::from(entry.start) - i64::from(start);
        leb128(&mut bytes, u64::from(entry.pc - pc));
        leb128(&mut bytes, ((step << 1) ^ (step >> 63)) as u64);
        leb128(&mut bytes, u64::from(entry.stop.saturating_sub(entry.start)));
        (pc, start) = (entry.pc, entry.start);
    }
    bytes
}

/// Unpacks a source map; `None` if it is cut off or out of range.
pub fn unpack_map(bytes: &[u8]) -> Option<Vec<MapEntry>> {
    let mut entries = Vec::new();
    let (mut at, mut pc, mut start) = (0, 0u32, 0i64);
    while at < bytes.len() {
        pc = pc.checked_add(u32::try_from(read_leb128(bytes, &mut at)?).ok()?)?;
        let step = read_leb128(bytes, &mut at)?;
        start += ((step >> 1) as i64) ^ -((step & 1) as i64);
        let length = u32::try_from(read_leb128(bytes, &mut at)?).ok()?;
        let first = u32::try_from(start).ok()?;
        entries.push(MapEntry { pc, start: first, stop: first.checked_add(length)? });
    }
    Some(entries)
}

fn leb128(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn read_leb128(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
        shift += 7;
        if shift > 28 {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_maps_come_back() {
        let entries = [(0, 10, 12), (3, 1, 300), (700, 900, 900)]
            .map(|(pc, start, stop)| MapEntry { pc, start, stop });
        let packed = pack_map(&entries);
        assert_eq!(unpack_map(&packed).as_deref(), Some(&entries[..]));
        assert_eq!(packed[..3], [0, 20, 2]);
        for length in 1..packed.len() {
            let whole = unpack_map(&packed[..length]);
            assert!(whole.is_none_or(|found| found.len() < entries.len()));
        }
    }
}
