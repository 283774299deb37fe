//! Listings in, verdicts out: the decoder, the assembler and the verifier of methods.

extern crate std;

use super::*;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

fn view<'a>(code: &'a [u8], literals: &'a [LiteralKind], sites: &'a [u8], frame: FrameWord) -> CodeView<'a> {
    CodeView { frame, bytecodes: code, literals, sites, is_block: false }
}

const FRAME: FrameWord = FrameWord { arguments: 1, temps: 2, depth: 3, copied: 0, flags: 0 };
const BLOCK: FrameWord =
    FrameWord { arguments: 0, temps: 1, depth: 2, copied: 1, flags: frame_flags::HAS_NON_LOCAL_RETURN as u8 };
const LITERALS: &[LiteralKind] =
    &[LiteralKind::Other, LiteralKind::Binding, LiteralKind::Block { copied: 1 }];
const SITES: &[u8] = &[0, 1, 2];

fn verdict(text: &str, frame: FrameWord, is_block: bool) -> String {
    let code = assemble(text).unwrap();
    let mut v = view(&code, LITERALS, SITES, frame);
    v.is_block = is_block;
    match verify(&v) {
        Ok(a) => format!("ok depth {} slots {}", a.depth, a.named_slots),
        Err(flaw) => flaw.to_string(),
    }
}

#[test]
fn methods_are_admitted_or_refused_for_the_right_reason() {
    for (text, expect) in [
        ("returnReceiver", "ok depth 0 slots 0"),
        ("pushInstVar 4\nreturnTop", "ok depth 1 slots 5"),
        ("pushTemp 0\npushInteger 2\nless 1\njumpFalse no\npushInteger 1\nreturnTop\nno:\npushTemp 1\nreturnTop", "ok depth 2 slots 0"),
        ("pushTemp 2\nreturnTop", "byte 0: no such temporary"),
        ("pushLiteral 3\nreturnTop", "byte 0: no such literal"),
        ("pushBinding 0\nreturnTop", "byte 0: not a binding"),
        ("pushBinding 1\nreturnTop", "ok depth 1 slots 0"),
        ("pushNil\npushClosure 2 1\nreturnTop", "ok depth 1 slots 0"),
        ("pushClosure 2 0\nreturnTop", "byte 0: wrong number of copied values"),
        ("pushClosure 0 0\nreturnTop", "byte 0: closure over something else than a block"),
        ("pop\nreturnReceiver", "byte 0: operand stack underflow"),
        ("returnTop", "byte 0: operand stack underflow"),
        ("pushNil", "byte 0: falls off the end"),
        ("pushNil\npushNil\npushNil\npushNil\nreturnTop", "byte 3: operand stack deeper than the frame says"),
        ("pushNil\njumpTrue end\npushNil\nend:\nreturnReceiver", "byte 6: two depths at one instruction"),
        ("again:\npushNil\njump again", "byte 0: two depths at one instruction"),
        ("again:\njump again", "ok depth 0 slots 0"),
        ("pushReceiver\nsend 3\nreturnTop", "byte 1: no such send site"),
        ("pushReceiver\nadd 0\nreturnTop", "byte 1: a special send with another number of arguments"),
        ("pushReceiver\nsend 2\nreturnTop", "byte 1: operand stack underflow"),
        ("pushNil\nblockReturn", "byte 1: a block's return in a method"),
        ("pushArray 2\nreturnTop", "byte 0: operand stack underflow"),
        ("pushRemote 0 2\nreturnTop", "byte 0: no such temporary"),
        ("popInstVar 0\nreturnReceiver", "byte 0: operand stack underflow"),
        ("identical\nreturnTop", "byte 0: operand stack underflow"),
    ] {
        assert_eq!(verdict(text, FRAME, false), expect, "{text}");
    }
}

#[test]
fn blocks_are_judged_by_their_own_rules() {
    let clean = FrameWord { flags: frame_flags::CLEAN_BLOCK as u8, copied: 0, ..BLOCK };
    let plain = FrameWord { flags: 0, ..BLOCK };
    for (text, frame, expect) in [
        ("pushTemp 0\nblockReturn", BLOCK, "ok depth 1 slots 0"),
        ("pushTemp 0\nreturnTop", BLOCK, "ok depth 1 slots 0"),
        ("pushTemp 0\nreturnTop", plain, "byte 2: ^ in a block that denies having one"),
        ("returnReceiver", BLOCK, "byte 0: a method's return in a block"),
        ("pushReceiver\nblockReturn", clean, "byte 0: a clean block that needs its home"),
        ("pushInstVar 0\nblockReturn", clean, "byte 0: a clean block that needs its home"),
        ("pushNil\nblockReturn", FrameWord { flags: frame_flags::UNWIND as u8, ..BLOCK }, "byte 0: a block with a method's flag"),
        ("pushNil\nblockReturn", FrameWord { temps: 0, ..BLOCK }, "byte 0: fewer temporaries than arguments and copied values"),
    ] {
        assert_eq!(verdict(text, frame, true), expect, "{text}");
    }
}

#[test]
fn a_jump_into_an_operand_is_refused() {
    // pushNil, jumpTrue into the middle of the pushInteger's operand.
    let code = [0x01, 0x29, 1, 0, 0, 0x05, 0x31, 0x31];
    let found = verify(&view(&code, &[], &[], FRAME)).unwrap_err();
    assert_eq!(found.what, "jump into nowhere");
}

#[test]
fn forged_code_never_panics() {
    let mut seed = 0x9e3779b97f4a7c15u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut admitted = 0;
    for _ in 0..200_000 {
        let length = next() as usize % 12;
        let code: Vec<u8> = (0..length)
            .map(|_| if next() % 3 == 0 { next() as u8 } else { Opcode::ALL[next() as usize % Opcode::ALL.len()] as u8 })
            .collect();
        let frame = FrameWord { arguments: 0, temps: next() as u16 % 4, depth: next() as u16 % 5, copied: 0, flags: 0 };
        if let Ok(a) = verify(&view(&code, LITERALS, SITES, frame)) {
            assert!(a.depth <= frame.depth);
            admitted += 1;
        }
    }
    assert!(admitted > 100, "only {admitted} admitted: the test reaches nothing");
}

#[test]
fn listing_and_assembler_are_inverse() {
    let text = "pushTemp 0\npushInteger -2\nless 1\njumpFalse no\npushRemote 1 0\nreturnTop\nno:\npushClosure 2 1\nreturnTop";
    let code = assemble(text).unwrap();
    let shown = listing(&code, &|n| format!("<{n}>"), &|n| format!("#{n}"));
    assert_eq!(
        shown.lines().collect::<Vec<_>>(),
        vec!["0 pushTemp 0", "2 pushInteger -2", "4 less #1", "7 jumpFalse 15", "11 pushRemote 1 of 0", "14 returnTop", "15 pushClosure <2> copying 1", "19 returnTop"]
    );
    assert!(assemble("jump nowhere").is_err());
    assert!(assemble("pushTemp 300").is_err());
    assert!(assemble("pushTemp").is_err());
}

#[test]
fn every_opcode_round_trips_through_the_decoder() {
    for &opcode in Opcode::ALL {
        assert_eq!(Opcode::from_byte(opcode as u8), Some(opcode));
        let mut code = vec![opcode as u8];
        code.extend(std::iter::repeat_n(0x81, opcode.operands().bytes()));
        let i = Instruction::decode(&code, 0).unwrap();
        assert_eq!((i.opcode, i.length), (opcode, code.len()));
        if opcode.operands().bytes() > 0 {
            assert!(Instruction::decode(&code[..code.len() - 1], 0).is_none());
        }
    }
}

#[test]
fn arity_follows_the_shape_of_the_selector() {
    for (selector, expect) in [
        ("size", Some(0)), ("at:", Some(1)), ("at:put:", Some(2)), ("+", Some(1)), ("->", Some(1)),
        ("", None), ("at:put", None), (":", None), ("1a", None), ("a b", None), ("+a", None), ("_x", Some(0)),
    ] {
        assert_eq!(arity(selector), expect, "{selector}");
    }
}

#[test]
fn the_frame_word_packs_and_unpacks() {
    let frame = FrameWord { arguments: 15, temps: 300, depth: 77, copied: 3, flags: 21 };
    assert_eq!(FrameWord::unpack(frame.pack()), Some(frame));
    assert_eq!(FrameWord::unpack(-1), None);
    assert_eq!(FrameWord::unpack(1 << 56), None);
}
