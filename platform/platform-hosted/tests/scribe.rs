//! The scribe through the program: what it explains, and rewrites that a model on this machine
//! proposes, well, badly and not at all.

mod common;
#[path = "../../../ai-scribe/scribe/tests/common/mod.rs"]
mod loopback;

use common::{Folder, Run, command, end_of, start};
use loopback::{Loopback, Step, finish, head, pause, piece, raw, serve, stream};
use std::io::Write;
use std::process::Stdio;

/// A class with a slow method, a test of it, and a method that a rule of the scribe's fits.
const SAMPLE: &str = "
| adder test |
adder := Object subclass: #Adder instanceVariableNames: 'parts total' classVariableNames: '' package: 'Adding'.
adder compile: 'sumTo: n
	\"Answer the sum of the numbers from 1 to n.\"
	| sum |
	sum := 0.
	1 to: n do: [ :each | sum := sum + each ].
	^ sum' classified: #adding.
adder compile: 'parts: anArray
	parts := anArray' classified: #adding.
adder compile: 'largeCount
	^ (parts select: [ :each | each > 10 ]) size' classified: #adding.
test := TestCase subclass: #AdderTest instanceVariableNames: '' classVariableNames: '' package: 'Adding-Tests'.
test compile: 'testSum
	#(0 1 2 10 20000) with: #(0 1 3 55 200010000) do: [ :n :sum |
		self assert: (Adder new sumTo: n) equals: sum ]' classified: #tests.
test compile: 'testLargeCount
	self assert: (Adder new parts: #(1 20 30); largeCount) equals: 2' classified: #tests.
Smalltalk at: #Total put: (adder new parts: (OrderedCollection with: 1)).
nil";

struct World {
    folder: Folder,
    file: String,
}

impl World {
    fn new() -> World {
        let folder = Folder::new("scribe");
        let file = folder.world("a.world");
        let world = World { folder, file };
        assert_eq!(world.eval(SAMPLE), "nil");
        world
    }

    fn run(&self, text: &str) -> Run {
        let mut command = command(&["eval", &self.file, "-"]);
        command.env("XDG_CONFIG_HOME", self.folder.path("config")).stdin(Stdio::piped());
        let mut child = start(command);
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        end_of(child)
    }

    /// What a text evaluates to.
    fn eval(&self, text: &str) -> String {
        let run = self.run(text);
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
        run.out.trim_end().to_owned()
    }

    /// What comes of a rewrite that the server proposes; it stays in the world as `Last`.
    fn rewrite(&self, server: &Loopback, what: &str, wish: &str) -> String {
        self.rewrite_within(server, what, wish, 300_000)
    }

    /// The same with a model that may be silent for so long.
    fn rewrite_within(&self, server: &Loopback, what: &str, wish: &str, silence_ms: u32) -> String {
        self.eval(&format!(
            "Scribe model: ((LanguageModel at: '{}') silence: {silence_ms}; limit: 600000; yourself).
            Smalltalk at: #Last put: (Scribe rewrite: {what} toBe: '{wish}')",
            server.address
        ))
    }
}

/// A server whose model says this, in pieces.
fn says(text: &str) -> Loopback {
    let letters: Vec<char> = text.chars().collect();
    let pieces = letters.chunks(9).map(|chunk| piece(&chunk.iter().collect::<String>()));
    serve([vec![stream()], pieces.collect(), vec![finish()]].concat())
}

const SUM: &str = "Adder >> #sumTo:";

#[test]
fn a_method_is_explained_by_facts() {
    let world = World::new();
    let text = world.eval("Scribe explain: Adder >> #sumTo:");
    let expect = [
        "Adder>>#sumTo: stands in the protocol adding and belongs to the package Adding.",
        "Its comment says: Answer the sum of the numbers from 1 to n.",
        "It uses no instance variable.",
        "It sends others #+.",
        "It answers what it has in sum.",
        "It has 4 statements, no branch and one loop.",
        "Nobody overrides it.",
        "One method sends #sumTo:; one class implements it.",
        "One test sends #sumTo: (by names alone: no test run was recorded).",
    ];
    let lines: Vec<&str> = text.lines().collect();
    for line in expect {
        assert!(lines.contains(&line), "{line:?} is not among {lines:#?}");
    }
    assert!(lines.last().unwrap().starts_with("It was accepted"), "{lines:#?}");
    let notes = world.eval("(Scribe notesFor: Adder >> #sumTo:) size");
    assert_eq!(notes, "1");
}

/// A text whose numbers do not count: other sources come and go.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for letter in text.chars() {
        match letter.is_ascii_digit() {
            true if plain.ends_with('N') => {}
            true => plain.push('N'),
            false => plain.push(letter),
        }
    }
    plain
}

#[test]
fn the_readme_shows_what_the_scribe_says() {
    const ASKED: &str = "$ warm eval demo.world \"Scribe explain: OrderedCollection >> #removeFirst\"\n";
    let readme = include_str!("../../../README.md");
    let (_, shown) = readme.split_once(ASKED).unwrap();
    let (shown, _) = shown.split_once("\n$ ").unwrap();
    let folder = Folder::new("scribe-readme");
    let file = folder.world("demo.world");
    let run = common::warm(&["eval", &file, "Scribe explain: OrderedCollection >> #removeFirst"]);
    assert_eq!(without_numbers(run.out.trim_end()), without_numbers(shown));
}

#[test]
fn a_good_proposal_is_tried_accepted_and_taken_back() {
    let world = World::new();
    let server = says("Sure:\n```smalltalk\nsumTo: n\n\t\"Answer the sum of the numbers from 1 to n.\"\n\t^ n * (n + 1) // 2\n```\nDone.");
    let text = world.rewrite(&server, SUM, "faster");
    assert!(text.contains("\nReady.\n"), "{text}");
    assert!(text.contains("\n- \tsum := 0.\n") && text.contains("\n+ \t^ n * (n + 1) // 2\n"), "{text}");
    assert!(text.contains("Tests that reach it: 1; passed before: 1; pass with it: 1."), "{text}");
    let request = server.seen.recv().unwrap();
    assert!(request.contains("It answers what it has in sum.") && request.contains("Make it faster."), "{request}");
    // Nothing has changed so far.
    assert_eq!(world.eval("(Adder >> #sumTo:) sourceCode includesSubstring: '// 2'"), "false");
    world.eval("Last accept");
    assert_eq!(world.eval("{ Adder new sumTo: 10. (Adder >> #sumTo:) sourceCode includesSubstring: '// 2' }"), "#(55 true)");
    let reason = world.eval("(ChangeLog current lastChangeOf: Adder >> #sumTo:) reason");
    assert!(reason.contains("rewritten to be faster, as proposed by http://127.0.0.1"), "{reason}");
    assert!(reason.contains("Tests that reach it: 1;"), "{reason}");
    let notes = world.eval("(Scribe notesFor: Adder >> #sumTo:) collect: [ :each | each heading ]");
    assert!(notes.contains("http://127.0.0.1") && !notes.contains("unverified"), "{notes}");
    world.eval("Last takeBack");
    assert_eq!(world.eval("{ Adder new sumTo: 10. (Adder >> #sumTo:) sourceCode includesSubstring: '// 2' }"), "#(55 false)");
    let again = world.run("Last accept");
    assert!(again.status == 1 && again.err.contains("nothing to accept: taken back"), "{again:?}");
}

#[test]
fn what_is_not_good_enough_is_refused_with_its_reason() {
    let world = World::new();
    let check = |answer: &str, wish: &str, expect: &str| {
        let text = world.rewrite(&says(answer), SUM, wish);
        assert!(text.contains(&format!("\nRefused: {expect}")), "{expect:?} is not in {text}");
        let accepted = world.run("Last accept");
        assert!(accepted.status == 1 && accepted.err.contains("there is nothing to accept"), "{accepted:?}");
    };
    check("```\nsumTo: n\n\t^ (n\n```", "faster", "the candidate does not compile: line 2");
    check("```\nsumTo: n\n\t^ zork\n```", "faster", "the candidate does not compile: line 2: nothing is named zork here");
    check("```\nsum: n\n\t^ n\n```", "faster", "the candidate defines #sum: instead of #sumTo:");
    check("```\nsumTo: n\n\t^ n * n\n```", "faster", "tests that passed before fail with it: AdderTest>>#testSum");
    check(
        "```\nsumTo: n\n\t| sum |\n\tsum := 0.\n\t(1 to: n) asArray asBag do: [ :each | sum := sum + each ].\n\t^ sum\n```",
        "faster",
        "it is not measurably faster",
    );
    check("```\nsumTo: n\n\t<primitive: #serviceCall>\n\t^ n\n```", "faster", "the candidate asks the machine for the primitive #serviceCall");
    assert_eq!(world.eval("Adder new sumTo: 10"), "55");
}

#[test]
fn code_that_tries_to_touch_the_machine_touches_nothing() {
    let world = World::new();
    let target = world.folder.text("written");
    let answer = format!("```\nsumTo: n\n\t'{target}' asFileReference writeStreamDo: [ :each | each nextPutAll: 'x' ].\n\t^ n * (n + 1) // 2\n```");
    let text = world.rewrite(&says(&answer), SUM, "faster");
    assert!(text.contains("\nRefused: tests that passed before fail with it"), "{text}");
    assert!(!std::path::Path::new(&target).exists());
    // Nor does it end with the world's own session.
    let text = world.rewrite(&says("```\nsumTo: n\n\tSmalltalk exit: 0\n```"), SUM, "faster");
    assert!(text.contains("\nRefused: the trial broke off"), "{text}");
    let text = world.rewrite(&says("```\nsumTo: n\n\t[ true ] whileTrue\n```"), SUM, "faster");
    assert!(text.contains("\nRefused: "), "{text}");
    assert_eq!(world.eval("Adder new sumTo: 10"), "55");
}

#[test]
fn a_model_that_does_not_answer_well_is_told_in_a_line() {
    let world = World::new();
    let check_within = |silence_ms: u32, steps: Vec<Step>, expect: &str| {
        let text = world.rewrite_within(&serve(steps), SUM, "faster", silence_ms);
        let line = text.lines().nth(1).unwrap_or_default();
        assert!(line.starts_with(&format!("Failed: {expect}")), "{expect:?} is not in {text}");
    };
    let check = |steps, expect| check_within(300_000, steps, expect);
    check(vec![head("401 Unauthorized", "text/plain", "")], "the key was not accepted (401)");
    check(vec![head("429 Too Many Requests", "text/plain", "retry-after: 7\r\n")], "the server wants to be asked later (429)");
    check(vec![head("500 Oops", "text/plain", "")], "the server failed (500)");
    check(vec![head("200 OK", "text/html", ""), raw("<html>")], "the answer is \"text/html\"");
    check(vec![stream(), raw("garbage\n")], "a line of the answer is no event: garbage");
    check(vec![stream(), piece("```\nsumTo: n\n\t^ n")], "the answer broke off");
    check_within(700, vec![stream(), piece("a"), Step::Hold], "nothing came for too long");
    check(vec![stream(), piece(" \n"), pause(10), finish()], "the model gave no code");
    let text = world.eval("Scribe model: (LanguageModel at: 'https://models.example/v1'). Scribe rewrite: Adder >> #sumTo: toBe: 'faster'");
    assert!(text.contains("Failed: only the configured address and those of this machine are asked"), "{text}");
}

#[test]
fn a_rewrite_can_be_given_up_while_it_asks_and_while_it_tries() {
    let world = World::new();
    let give_up = |server: &Loopback, state: &str| {
        world.eval(&format!(
            "| r done before | done := Semaphore new.
            Scribe model: (LanguageModel at: '{}').
            r := Rewrite for: Adder >> #sumTo: toBe: 'faster'.
            [ r run. done signal ] fork.
            [ r state = #{state} ] whileFalse: [ (Delay forMilliseconds: 20) wait ].
            (Delay forMilliseconds: 400) wait.
            before := r state.
            r giveUp. done wait. {{ before. r statusText }}",
            server.address
        ))
    };
    let silent = serve(vec![stream(), piece("a"), Step::Hold]);
    assert_eq!(give_up(&silent, "asking"), "#(#asking 'failed: it was given up')");
    let endless = says("```\nsumTo: n\n\t[ true ] whileTrue\n```");
    assert_eq!(give_up(&endless, "trying"), "#(#trying 'failed: it was given up')");
}

#[test]
fn a_note_by_a_model_is_unverified_until_it_is_kept() {
    let world = World::new();
    let server = says("It adds up the numbers from 1 to n.\n");
    let text = world.eval(&format!(
        "Scribe model: (LanguageModel at: '{}'). Smalltalk at: #Last put: (Scribe annotate: Adder >> #sumTo:)",
        server.address
    ));
    assert!(text.ends_with(", unverified: It adds up the numbers from 1 to n."), "{text}");
    let look = "((Scribe notesFor: Adder >> #sumTo:) select: [ :each | each isFromModel ]) collect: [ :each | { each isUnverified. each isStale } ]";
    assert_eq!(world.eval(look), "#(#(true false))");
    world.eval("Last keep. Adder compile: 'sumTo: n ^ n'");
    assert_eq!(world.eval(look), "#(#(false true))");
    let failed = world.run("Scribe model: nil. Scribe annotate: Adder >> #sumTo:");
    assert!(failed.status == 1 && failed.err.starts_with("ModelError: no model is configured"), "{failed:?}");
}

#[test]
fn without_a_model_the_scribe_does_what_it_can() {
    let world = World::new();
    let help = world.eval("Scribe help");
    assert!(help.contains("No model is configured: proposals come from the scribe's own"), "{help}");
    let text = world.eval("Smalltalk at: #Last put: (Scribe rewrite: Adder >> #largeCount toBe: 'shorter')");
    assert!(text.contains("proposed by the scribe's rule (select: size)\nReady."), "{text}");
    world.eval("Last accept");
    assert_eq!(
        world.eval("{ (Adder new parts: #(1 20 30)) largeCount. (Adder >> #largeCount) sendsSelector: #count: }"),
        "#(2 true)",
    );
    let text = world.eval("Scribe rewrite: Adder >> #sumTo: toBe: 'faster'");
    assert!(text.contains("Failed: no model is configured"), "{text}");
}

#[test]
fn an_objects_state_is_rewritten_by_a_difference_that_is_shown_first() {
    let world = World::new();
    let server = says("```\nparts add: 2; add: 'two'.\ntotal := 3 -> parts\n```");
    let text = world.rewrite(&server, "Total", "fuller");
    assert!(text.contains("\nReady.\n"), "{text}");
    assert!(text.contains("the total of an Adder: nil becomes 3->an OrderedCollection"), "{text}");
    let look = "{ (Total instVarNamed: #parts) asArray. (Total instVarNamed: #total) isNil }";
    assert_eq!(world.eval(look), "#(#(1) true)");
    world.eval("Last accept");
    assert_eq!(world.eval(look), "#(#(1 2 'two') false)");
    // What was made in the branch refers to what was here.
    assert_eq!(world.eval("(Total instVarNamed: #total) value == (Total instVarNamed: #parts)"), "true");
    world.eval("Last takeBack");
    assert_eq!(world.eval(look), "#(#(1) true)");
}

#[test]
fn a_difference_does_not_overwrite_what_has_moved_on() {
    let world = World::new();
    let text = world.eval("Smalltalk at: #Last put: (Scribe rewrite: Total toBe: 'total := 3. self parts: parts')");
    assert!(text.contains("the total of an Adder: nil becomes 3"), "{text}");
    world.eval("Total instVarNamed: #total put: 7");
    let run = world.run("Last accept");
    assert!(run.status == 1 && run.err.contains("changed since: total of an Adder"), "{run:?}");
    assert_eq!(world.eval("Total instVarNamed: #total"), "7");
    let refused = world.eval("Scribe rewrite: Total toBe: 'total := total. self zork'");
    assert!(refused.contains("Refused: it ends with an error"), "{refused}");
    let refused = world.eval("Scribe rewrite: Total toBe: 'self yourself'");
    assert!(refused.contains("Refused: it changes nothing"), "{refused}");
}

#[test]
fn a_branch_is_bounded_and_touches_nothing() {
    let world = World::new();
    let branch = |text: &str, ms: u64| {
        let text = text.replace('\'', "''");
        world.eval(&format!(
            "| b | b := ScratchBranch new. b evaluate: '{text}' milliseconds: {ms} bytes: 200000000. {{ b outcome. b status. b output }}"
        ))
    };
    assert_eq!(branch("3 + 4", 300_000), "#(#exit 0 '7\n')");
    assert_eq!(branch("[ true ] whileTrue", 700), "#(#outOfTime 0 '')");
    assert!(branch("'/etc/hostname' asFileReference contents", 300_000).starts_with("#(#exit 1 "));
    assert!(branch("OSEnvironment current at: 'HOME'", 300_000).starts_with("#(#exit 1 "));
    assert!(branch("(Service named: #branch) call: 1 bytes: #[]", 300_000).starts_with("#(#exit 1 "));
    let flood = branch("[ Session current stdout nextPutAll: (String new: 100000); flush ] repeat", 300_000);
    assert!(flood.starts_with("#(#tooMuchOutput 0 "), "{}", &flood[..60]);
    // What it does is dropped.
    assert_eq!(branch("Smalltalk at: #Total put: 3. Total", 300_000), "#(#exit 0 '3\n')");
    assert_eq!(world.eval("Total class"), "Adder");
}
