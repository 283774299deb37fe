//! Random methods that are right by construction: what a grammar with scopes allows.
//!
//! Invariant: the same seed gives the same methods; every name that is used is declared, every name
//! that is assigned may be.

use std::fmt::Write;

use platform_sim::Random;

/// A Tonel file of a class `RandomCode` with so many methods.
pub fn class_file(seed: u64, methods: usize) -> String {
    let mut text = "\"I hold methods that nobody wrote.\"\nClass {\n\t#name : 'RandomCode',\n\t#superclass : 'Object',\n\t#instVars : [ 'slotA', 'slotB' ],\n\t#classVars : [ 'Shared' ],\n\t#package : 'RandomCode'\n}\n".to_owned();
    let mut random = Random::new(seed);
    for number in 0..methods {
        let mut writer = Writer {
            random: &mut random,
            out: String::new(),
            scopes: Vec::new(),
            names: 0,
            room: 60,
            depth: 0,
        };
        writer.method(number);
        let _ = write!(text, "\n{{ #category : 'random' }}\nRandomCode >> {}\n]\n", writer.out);
    }
    text
}

struct Name {
    text: String,
    assignable: bool,
}

struct Writer<'a> {
    random: &'a mut Random,
    out: String,
    scopes: Vec<Vec<Name>>,
    names: usize,
    /// How many more nodes may be written before only leaves are.
    room: usize,
    depth: usize,
}

const UNARY: [&str; 6] = ["foo", "size", "value", "class", "isNil", "printString"];
const BINARY: [&str; 18] = [
    "+", "-", "*", "/", "//", "\\\\", "<", ">", "<=", ">=", "=", "~=", "==", "~~", ",", "->", "&",
    "@",
];
const KEYWORD: [&str; 10] = [
    "at:",
    "value:",
    "at:put:",
    "bitAnd:",
    "bitShift:",
    "foo:bar:baz:",
    "ifTrue:",
    "timesRepeat:",
    "do:",
    "ifNil:",
];
const LITERALS: [&str; 30] = [
    "0",
    "1",
    "-1",
    "127",
    "-128",
    "128",
    "1000000",
    "16rFF",
    "-16r1A",
    "2r101e3",
    "1e3",
    "1.5",
    "-0.5",
    "1.0e10",
    "2.5e-3",
    "1.50s2",
    "3s",
    "-1.25s",
    "$a",
    "$ ",
    "'text'",
    "'it''s'",
    "#sym",
    "#with:with:",
    "#+",
    "#'odd one'",
    "#(1 $a foo #bar: (2 [3 4]) nil true 'x' -5 + at:put:)",
    "#[1 2 255]",
    "1234567890123456789012",
    "#()",
];

impl Writer<'_> {
    fn chance(&mut self, percent: usize) -> bool {
        self.random.chance(percent)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn pick(&mut self, from: &[&str]) -> String {
        from[self.random.below(from.len())].to_owned()
    }

    fn fresh(&mut self, assignable: bool) -> String {
        self.names += 1;
        let text = format!("v{}", self.names);
        if let Some(scope) = self.scopes.last_mut() {
            scope.push(Name { text: text.clone(), assignable });
        }
        text
    }

    /// A visible variable, if there is one.
    fn variable(&mut self, assignable: bool) -> String {
        let mut names: Vec<String> = vec!["slotA".into(), "slotB".into(), "Shared".into()];
        let visible = self.scopes.iter().flatten().filter(|name| name.assignable || !assignable);
        let locals: Vec<String> = visible.map(|name| name.text.clone()).collect();
        if !locals.is_empty() && self.chance(85) {
            names = locals;
        }
        names[self.random.below(names.len())].clone()
    }

    fn method(&mut self, number: usize) {
        self.scopes.push(Vec::new());
        let arguments = self.random.below(3);
        let mut pattern = format!("m{number}");
        for index in 0..arguments {
            let name = self.fresh(false);
            pattern += &if index == 0 { format!(": {name}") } else { format!(" and: {name}") };
        }
        self.put(&pattern);
        self.put(" [\n\n\t");
        if self.chance(15) {
            let reason = self.fresh(false);
            let primitive = ["identityHash", "instVarAt", "instVarAtPut"][arguments];
            self.put(&format!("<primitive: #{primitive} error: {reason}>\n\t"));
        }
        self.body(4);
        self.scopes.pop();
    }

    /// Temporaries and statements of a scope that was opened.
    fn body(&mut self, statements: usize) {
        let temporaries = self.random.below(4);
        if temporaries > 0 {
            self.put("| ");
            for _ in 0..temporaries {
                let name = self.fresh(true);
                self.put(&format!("{name} "));
            }
            self.put("| ");
        }
        let count = self.random.below(statements + 1);
        for index in 0..count {
            if index > 0 {
                self.put(".\n\t");
            }
            if self.chance(12) {
                self.put("^ ");
            }
            self.expression();
        }
    }

    fn expression(&mut self) {
        if self.room > 0 && self.chance(30) {
            self.room -= 1;
            let name = self.variable(true);
            self.put(&format!("{name} := "));
        }
        if self.room == 0 || self.depth > 10 {
            return self.leaf();
        }
        self.room -= 1;
        self.depth += 1;
        self.any_expression();
        self.depth -= 1;
    }

    fn any_expression(&mut self) {
        match self.random.below(12) {
            0 => self.leaf(),
            1 | 2 => self.keyword(),
            3 => self.binary(),
            4 => self.cascade(),
            5 => self.nil_test(),
            6 | 7 => self.conditional(),
            8 | 9 => self.loops(),
            10 => self.counted(),
            _ => self.operand(),
        }
    }

    fn leaf(&mut self) {
        let text = match self.random.below(10) {
            0 => "self".to_owned(),
            1 => self.pick(&["nil", "true", "false", "thisContext"]),
            2 => self.pick(&["Object", "Smalltalk", "Shared"]),
            3..=5 => self.pick(&LITERALS),
            _ => self.variable(false),
        };
        self.put(&text);
    }

    /// Something that may stand before any message.
    fn operand(&mut self) {
        match self.random.below(6) {
            0 | 1 if self.room > 0 => {
                self.put("(");
                self.expression();
                self.put(")");
            }
            2 if self.room > 0 => {
                let arguments = self.random.below(3);
                self.block(arguments);
            }
            3 if self.room > 0 => {
                self.put("{");
                for index in 0..self.random.below(3) {
                    if index > 0 {
                        self.put(". ");
                    }
                    self.expression();
                }
                self.put("}");
            }
            _ => self.leaf(),
        }
    }

    fn receiver(&mut self) {
        if self.chance(8) {
            self.put("super");
        } else {
            self.operand();
        }
    }

    fn binary(&mut self) {
        self.receiver();
        for _ in 0..=self.random.below(2) {
            let selector = self.pick(&BINARY);
            self.put(&format!(" {selector} "));
            self.operand();
        }
    }

    fn keyword(&mut self) {
        self.receiver();
        if self.chance(30) {
            let selector = self.pick(&UNARY);
            return self.put(&format!(" {selector}"));
        }
        self.keyword_part();
    }

    fn keyword_part(&mut self) {
        let selector = self.pick(&KEYWORD);
        for part in selector.split_inclusive(':') {
            self.put(&format!(" {part} "));
            self.operand();
        }
    }

    fn cascade(&mut self) {
        self.receiver();
        self.keyword_part();
        for _ in 0..=self.random.below(2) {
            self.put(";");
            match self.random.below(3) {
                0 => {
                    let selector = self.pick(&UNARY);
                    self.put(&format!(" {selector}"));
                }
                1 => {
                    let selector = self.pick(&BINARY);
                    self.put(&format!(" {selector} "));
                    self.operand();
                }
                _ => self.keyword_part(),
            }
        }
    }

    fn block(&mut self, arguments: usize) {
        self.scopes.push(Vec::new());
        self.put("[");
        for _ in 0..arguments {
            let name = self.fresh(false);
            self.put(&format!(" :{name}"));
        }
        if arguments > 0 {
            self.put(" | ");
        }
        self.body(3);
        self.put("]");
        self.scopes.pop();
    }

    fn conditional(&mut self) {
        self.receiver();
        let selector = self.pick(&[
            "ifTrue:",
            "ifFalse:",
            "ifTrue:ifFalse:",
            "ifFalse:ifTrue:",
            "and:",
            "or:",
        ]);
        for part in selector.split_inclusive(':') {
            self.put(&format!(" {part} "));
            self.block(0);
        }
    }

    fn nil_test(&mut self) {
        self.receiver();
        let selector = self.pick(&["ifNil:", "ifNotNil:", "ifNil:ifNotNil:", "ifNotNil:ifNil:"]);
        for part in selector.split_inclusive(':') {
            self.put(&format!(" {part} "));
            let arguments = usize::from(part == "ifNotNil:" && self.chance(60));
            self.block(arguments);
        }
    }

    fn loops(&mut self) {
        self.block(0);
        let selector =
            self.pick(&["whileTrue:", "whileFalse:", "whileTrue", "whileFalse", "repeat"]);
        self.put(&format!(" {selector}"));
        if selector.ends_with(':') {
            self.put(" ");
            self.block(0);
        }
    }

    fn counted(&mut self) {
        self.receiver();
        self.put(" to: ");
        self.operand();
        if self.chance(40) {
            let step = self.pick(&["1", "2", "-1", "0.5", "-1.5", "1000", "0", "slotA"]);
            self.put(&format!(" by: {step}"));
        }
        self.put(" do: ");
        let arguments = if self.chance(90) { 1 } else { 0 };
        self.block(arguments);
    }
}
