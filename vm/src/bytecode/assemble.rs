//! From a listing to bytes: the inverse of `listing`, for tests and for reading code aloud.
//!
//! A line is `mnemonic operands`; `name:` is a label; a jump names its label. Operands are numbers.
//! Nothing is checked but the form: the verifier judges the result.

use super::{Opcode, Operands};
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Assembles the text, or says which line is malformed.
pub fn assemble(text: &str) -> Result<Vec<u8>, String> {
    let mut code = Vec::new();
    let mut labels: BTreeMap<String, usize> = BTreeMap::new();
    let mut jumps: Vec<(usize, String)> = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(label) = line.strip_suffix(':') {
            labels.insert(label.to_string(), code.len());
            continue;
        }
        let mut parts = line.split_whitespace();
        let name = parts.next().unwrap_or_default();
        let opcode = Opcode::ALL
            .iter()
            .copied()
            .find(|o| o.mnemonic() == name)
            .ok_or_else(|| format!("no instruction `{name}`"))?;
        code.push(opcode as u8);
        if opcode.is_jump() {
            let label = parts.next().ok_or_else(|| format!("`{line}` names no label"))?;
            jumps.push((code.len(), label.to_string()));
            code.extend_from_slice(&[0, 0, 0]);
            continue;
        }
        let numbers: Vec<i64> = parts
            .map(|p| p.parse::<i64>().map_err(|_| format!("`{p}` in `{line}` is no number")))
            .collect::<Result<_, _>>()?;
        encode(opcode, &numbers, &mut code).ok_or_else(|| format!("wrong operands in `{line}`"))?;
    }
    for (at, label) in jumps {
        let target = *labels.get(&label).ok_or_else(|| format!("no label `{label}`"))?;
        let distance = (target as i64 - (at as i64 + 3)) as i32;
        code[at..at + 3].copy_from_slice(&distance.to_le_bytes()[..3]);
    }
    Ok(code)
}

fn encode(opcode: Opcode, numbers: &[i64], code: &mut Vec<u8>) -> Option<()> {
    let wide = |n: i64| u16::try_from(n).ok();
    let narrow = |n: i64| u8::try_from(n).ok();
    match (opcode.operands(), numbers) {
        (Operands::None, []) => {}
        (Operands::U8, [n]) => code.push(narrow(*n)?),
        (Operands::I8, [n]) => code.push(i8::try_from(*n).ok()? as u8),
        (Operands::U16, [n]) => code.extend_from_slice(&wide(*n)?.to_le_bytes()),
        (Operands::U8U8, [a, b]) => code.extend_from_slice(&[narrow(*a)?, narrow(*b)?]),
        (Operands::U16U8, [a, b]) => {
            code.extend_from_slice(&wide(*a)?.to_le_bytes());
            code.push(narrow(*b)?);
        }
        _ => return None,
    }
    Some(())
}
