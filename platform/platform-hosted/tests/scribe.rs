//! The scribe through the program: what it explains, and rewrites that a model on this machine
//! proposes, well, badly and not at all.

mod common;
#[path = "../../../ai-scribe/scribe/tests/common/mod.rs"]
mod loopback;

use common::{Folder, Run, command, end_of, start};
use loopback::{Loopback, Step, finish, head, pause, piece, raw, serve, stream};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
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

/// The whole way of a test run's record: the run in a branch, the world itself, the scribe's words.
#[test]
fn a_test_run_leaves_its_record_in_the_world() {
    let world = World::new();
    let tests = |method: &str| world.eval(&format!("(Scribe explain: {method}) sentencesOf: #tests"));
    let runs = |method: &str| world.eval(&format!("((Scribe explain: {method}) sentencesOf: #runs) first text"));
    assert!(tests(SUM).contains("(by names alone: no test run was recorded)"));
    let run = common::warm(&["test", &world.file, "AdderTest", "--no-save"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "2 passed, 0 failed\n", ""));
    assert!(tests(SUM).contains("(by names alone: no test run was recorded)"));
    let run = common::warm(&["test", &world.file, "AdderTest"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "2 passed, 0 failed\n", ""));
    let said = tests(SUM);
    assert!(said.contains("One recorded test of 2 ran it (by the coverage of the test run of 2"), "{said}");
    let said = runs(SUM);
    assert!(said.starts_with("'It has not run since the world was opened, but ran 5 times in the test run of 2"), "{said}");
    assert_eq!(world.eval("(TestReach of: Adder >> #sumTo:) tests"), "an Array(AdderTest>>#testSum)");
    // What tests did not run is not said to be reached, nor, as not all tests were run, not to be.
    world.eval("Adder compile: 'unused ^ 1'");
    assert!(tests("Adder >> #unused").contains("(by names alone: it is newer than the test run of 2"));
    // The code moves on, and comes back.
    world.eval("Adder compile: 'sumTo: n ^ n * (n + 1) // 2'");
    let said = tests(SUM);
    assert!(said.contains("One test sends #sumTo:") && said.contains("it was changed since the test run of 2") && said.contains("when one test ran it as it was"), "{said}");
    world.eval("ChangeLog current undoLast");
    assert!(tests(SUM).contains("One recorded test of 2 ran it"));
    // A run that fails is recorded too; a run of other tests forgets nothing.
    world.eval("AdderTest compile: 'testBoth self assert: (Adder new sumTo: 3) equals: 7'");
    let run = common::warm(&["test", &world.file, "AdderTest"]);
    assert!(run.status == 1 && run.out.ends_with("2 passed, 1 failed\n"), "{run:?}");
    assert!(tests(SUM).contains("2 recorded tests of 3 ran it"), "{}", tests(SUM));
    assert_eq!(common::warm(&["test", &world.file, "BooleanTest"]).status, 0);
    assert!(tests(SUM).contains("2 recorded tests of "), "{}", tests(SUM));
}

#[test]
fn a_record_reaches_a_world_that_is_open_elsewhere() {
    let world = World::new();
    let mut owner = common::command(&["repl", &world.file]);
    owner.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut owner = owner.spawn().unwrap();
    let mut talk = owner.stdin.take().unwrap();
    talk.write_all(b"Smalltalk at: #Opened put: 3.\nSmalltalk snapshot\n").unwrap();
    let opened = || common::warm(&["eval", &world.file, "Smalltalk at: #Opened ifAbsent: [ 0 ]", "--no-save"]).out;
    common::time::wait_until("the owner's first line", || opened() == "3\n");
    let run = common::warm(&["test", &world.file, "AdderTest"]);
    assert_eq!((run.status, run.out.as_str(), run.err.as_str()), (0, "2 passed, 0 failed\n", ""));
    assert_eq!(world.eval("Coverage current testCount"), "2");
    drop(talk);
    assert!(owner.wait().unwrap().success());
    assert_eq!(world.eval("(TestReach of: Adder >> #sumTo:) tests"), "an Array(AdderTest>>#testSum)");
}

#[test]
fn a_world_that_cannot_be_written_is_tested_all_the_same() {
    let world = World::new();
    let record = std::env::temp_dir();
    let left = || std::fs::read_dir(&record).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("warm-record-")).count();
    let before = left();
    std::fs::set_permissions(&world.file, std::fs::Permissions::from_mode(0o444)).unwrap();
    let run = common::warm(&["test", &world.file, "AdderTest"]);
    assert_eq!((run.status, run.out.as_str()), (0, "2 passed, 0 failed\n"));
    // Root writes what nobody may.
    assert!(run.err.is_empty() || run.err.starts_with("warm: which tests ran what is not kept: "), "{run:?}");
    assert!(left() <= before, "a record was left behind");
}

#[test]
fn what_other_processes_run_is_no_tests_coverage() {
    let world = World::new();
    world.eval(
        "AdderTest compile: 'testWithAStranger
	(Smalltalk at: #Wake) signal.
	(Smalltalk at: #Woken) wait.
	self assert: (Adder new parts: #(1); largeCount) equals: 0'",
    );
    let told = world.eval(
        "Smalltalk at: #Wake put: Semaphore new; at: #Woken put: Semaphore new.
        [ (Smalltalk at: #Wake) wait. Adder new sumTo: 7. (Smalltalk at: #Woken) signal ] fork.
        Processor yield.
        (TestRunner pattern: 'AdderTest' on: (WriteStream on: String new)) run.
        (TestReach of: Adder >> #sumTo:) tests , (TestReach of: Adder >> #largeCount) tests",
    );
    assert_eq!(told, "an Array(AdderTest>>#testSum AdderTest>>#testLargeCount AdderTest>>#testWithAStranger)");
}

/// A settings file of the world's user.
fn configure(world: &World, text: &str, mode: u32) {
    let folder = world.folder.path("config/warm");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("scribe");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_key_stands_in_a_file_of_its_owners_and_never_in_the_world() {
    const KEY: &str = "k3y-0f-n0b0dy-else";
    let world = World::new();
    let server = says("```\nsumTo: n\n\t^ n * (n + 1) // 2\n```");
    let settings = format!("address = {}\nmodel = m1\nkey = {KEY}\n", server.address);
    // One that others can read is refused, in a line, and nobody is asked instead.
    configure(&world, &settings, 0o644);
    let refused = world.eval("Scribe rewrite: Adder >> #sumTo: toBe: 'faster'");
    assert!(refused.contains("Failed: the settings of the model cannot be used: ") && refused.contains("others can read the key in it (mode 644); make it 600"), "{refused}");
    assert!(world.eval("Scribe help").contains("make it 600"));
    assert!(server.seen.try_recv().is_err());
    configure(&world, &settings, 0o600);
    let text = world.eval("Smalltalk at: #Last put: (Scribe rewrite: Adder >> #sumTo: toBe: 'faster')");
    assert!(text.contains("proposed by m1\nReady.\n"), "{text}");
    assert!(server.seen.recv().unwrap().contains(&format!("Bearer {KEY}")));
    world.eval("Last accept");
    // A server that repeats it changes nothing.
    let said = format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {KEY}\"}}}}");
    let angry = serve(vec![head("401 Unauthorized", "application/json", ""), raw(&said)]);
    configure(&world, &format!("address = {}\nkey = {KEY}\n", angry.address), 0o600);
    let text = world.eval("Smalltalk at: #Failed put: (Scribe rewrite: Adder >> #largeCount toBe: 'faster')");
    assert!(text.contains("Failed: the key was not accepted (401): the server says: Incorrect API key provided: (the key)"), "{text}");
    world.eval("Last takeBack. Smalltalk snapshot");
    let bytes = std::fs::read(&world.file).unwrap();
    assert!(!bytes.windows(KEY.len()).any(|piece| piece == KEY.as_bytes()), "the key is in the world");
    // Nor as a WideString, 32 bits a letter.
    let wide: Vec<u8> = KEY.chars().flat_map(|letter| (letter as u32).to_le_bytes()).collect();
    assert!(!bytes.windows(wide.len()).any(|piece| piece == wide), "the key is in the world");
}

#[test]
fn an_answer_may_be_slow_but_not_endless() {
    let world = World::new();
    // A word every tenth of a second, in very small pieces, is an answer.
    let answer = "```\nsumTo: n\n\t^ n * (n + 1) // 2\n```";
    let steps = answer.chars().flat_map(|letter| [piece(&letter.to_string()), pause(30)]);
    let server = serve([vec![stream()], steps.collect(), vec![finish()]].concat());
    let text = world.rewrite(&server, SUM, "faster");
    assert!(text.contains("\nReady.\n"), "{text}");
    // More than a model should say.
    let flood = (0..300).map(|_| piece(&"x".repeat(8000)));
    let text = world.rewrite(&serve([vec![stream()], flood.collect()].concat()), SUM, "faster");
    assert!(text.contains("Failed: the answer has more than 1000000 bytes"), "{}", &text[..200.min(text.len())]);
    // Much, but not too much, and no method.
    let prose = (0..100).map(|_| piece(&"blah blah. ".repeat(500)));
    let text = world.rewrite(&serve([vec![stream()], prose.collect(), vec![finish()]].concat()), SUM, "faster");
    assert!(text.ends_with("Failed: the model gave 549999 characters of code, more than anybody would look through."), "{}", &text[..200.min(text.len())]);
    // Nobody there, and when to ask again.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let text = world.eval(&format!(
        "Scribe model: (LanguageModel at: 'http://127.0.0.1:{port}/v1'). Scribe rewrite: Adder >> #sumTo: toBe: 'faster'"
    ));
    assert!(text.contains("Failed: the address is not reached"), "{text}");
    let busy = serve(vec![head("429 Too Many Requests", "text/plain", "retry-after: 7\r\n"), raw("slow down")]);
    let text = world.rewrite(&busy, SUM, "faster");
    assert!(text.contains("Failed: the server wants to be asked later (429): slow down; ask again in 7 seconds."), "{text}");
}

#[test]
fn code_that_asks_for_the_network_or_for_all_memory_gets_neither() {
    let world = World::new();
    let check = |body: &str, expect: &str| {
        let server = says(&format!("```\nsumTo: n\n\t{body}\n```"));
        let text = world.rewrite(&server, SUM, "clearer");
        assert!(text.contains(&format!("\nRefused: {expect}")), "{text}");
    };
    check("(Service named: #model) call: 1 bytes: #[].\n\t^ n * (n + 1) // 2", "tests that passed before fail with it");
    check("(Service named: #network) call: 1 bytes: #[].\n\t^ n * (n + 1) // 2", "tests that passed before fail with it");
    check("(Service named: #branch) call: 1 bytes: #[].\n\t^ n * (n + 1) // 2", "tests that passed before fail with it");
    check("| all | all := OrderedCollection new.\n\t[ true ] whileTrue: [ all add: (ByteArray new: 50000000) ]", "");
    check("[ true ] whileTrue: [ Session current stdout nextPutAll: (String new: 1000000); flush ]", "the trial broke off: it wrote too much");
    check("^ self sumTo: n", "");
    assert_eq!(world.eval("Adder new sumTo: 10"), "55");
}

#[test]
fn notes_go_back_to_a_moment_with_their_code() {
    let world = World::new();
    let headings = || world.eval("(Scribe notesFor: Adder >> #sumTo:) collect: [ :each | each heading ]");
    world.eval("Session current author: 'ada'. Scribe note: 'adds up' on: Adder >> #sumTo:");
    assert_eq!(headings(), "#('computed' 'ada')");
    assert_eq!(common::warm(&["name", &world.file, "then"]).status, 0);
    world.eval("Adder compile: 'sumTo: n ^ n * (n + 1) // 2'. Scribe note: 'Gauss' on: Adder >> #sumTo:");
    let now = headings();
    assert!(now.contains("'ada, of earlier code'"), "{now}");
    assert_eq!(common::warm(&["branch", &world.file, "then", "other"]).status, 0);
    assert_eq!(common::warm(&["restore", &world.file, "other"]).status, 0);
    assert_eq!(headings(), "#('computed' 'ada')");
}

#[test]
fn notes_stand_beside_code_that_was_filed_out_and_loaded_again() {
    let world = World::new();
    let out = world.folder.text("out");
    world.eval("Session current author: 'ada'. Scribe note: 'adds up' on: Adder >> #sumTo:");
    world.eval(&format!("TonelWriter writePackage: (Smalltalk at: #Adder) package in: '{out}' asFileReference ensureCreateDirectory. nil"));
    world.eval("Adder removeFromSystem");
    let loaded = common::warm(&["load", &world.file, &out]);
    assert_eq!(loaded.status, 0, "{loaded:?}");
    assert_eq!(world.eval("(Scribe notesFor: Adder >> #sumTo:) collect: [ :each | each heading ]"), "#('computed' 'ada')");
    // In a world that never saw it, accepting it leaves the computed note.
    let other = world.folder.world("other.world");
    assert_eq!(common::warm(&["load", &other, &out]).status, 0);
    let run = common::warm(&["eval", &other, "((NoteBook current notesAt: Adder selector: #sumTo:) collect: [ :each | each key = (Note keyOf: Adder >> #sumTo:) ])"]);
    assert_eq!(run.out, "#(true)\n", "{run:?}");
}
