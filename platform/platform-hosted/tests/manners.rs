//! The command line's manners: help, suggestions, JSON, JUnit, completions, the manual, the desktop.

mod common;

use common::{Folder, command, refused, warm};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
}

fn words() -> Vec<String> {
    let overview = warm(&["--help"]).out;
    let lines = overview.lines().filter_map(|line| line.strip_prefix("  warm "));
    lines.filter_map(|line| line.split_whitespace().next()).filter(|word| !word.starts_with('[')).map(str::to_owned).collect()
}

#[test]
fn every_command_explains_itself_in_three_ways() {
    let words = words();
    assert!(words.len() >= 20, "{words:?}");
    for word in &words {
        let help = warm(&["help", word]);
        assert_eq!((help.status, help.err.as_str()), (0, ""), "{word}");
        assert!(help.out.starts_with(&format!("warm {word}")) && help.out.contains("\nExample\n  "), "{}", help.out);
        assert_eq!(warm(&[word, "--help"]).out, help.out);
        assert_eq!(warm(&[word, "-h"]).out, help.out);
    }
    refused(&warm(&["help", "restroe"]), 64, "did you mean restore?");
    refused(&warm(&["restroe", "x"]), 64, "did you mean restore?");
    refused(&warm(&["--hlep"]), 64, "did you mean --help?");
    refused(&warm(&["help", "a", "b"]), 64, "one argument too many: b");
}

#[test]
fn every_command_refuses_an_unknown_option_and_touches_nothing() {
    let folder = Folder::new("unknown");
    for word in words() {
        let file = folder.text("a.world");
        refused(&warm(&[&word, "--frobnicate", &file]), 64, "has no option --frobnicate");
    }
    assert_eq!(std::fs::read_dir(folder.path("")).unwrap().count(), 0);
}

/// The members that a command's help lists, with their types.
fn listed(word: &str) -> BTreeMap<String, String> {
    let help = warm(&["help", word]).out;
    let (_, members) = help.split_once("With --json").expect("the help lists the members");
    let terms = members.lines().skip(1).filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    let lines = terms.filter_map(|line| line.split_once(" ("));
    lines.filter_map(|(path, rest)| Some((path.to_owned(), rest.split_once(')')?.0.to_owned()))).collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

fn walk(path: &str, value: &Value, seen: &mut BTreeMap<String, Vec<&'static str>>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            seen.entry(path.clone()).or_default().push(kind_of(value));
            walk(&path, value, seen);
        }),
        Value::Array(values) => values.iter().for_each(|value| {
            let path = format!("{path}[]");
            if !value.is_object() {
                seen.entry(path.clone()).or_default().push(kind_of(value));
            }
            walk(&path, value, seen);
        }),
        _ => {}
    }
}

/// One line of JSON, with the members that the help lists and no others.
#[track_caller]
fn json(words: &[&str], status: i32) -> Value {
    let run = warm(words);
    assert_eq!(run.status, status, "{run:?}");
    assert_eq!(run.out.lines().count(), 1, "{run:?}");
    let value: Value = serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{error}: {run:?}"));
    let (listed, mut seen) = (listed(words[0]), BTreeMap::new());
    walk("", &value, &mut seen);
    for (path, kinds) in &seen {
        let kind = listed.get(path).unwrap_or_else(|| panic!("{path} of {} is not in the help", words[0]));
        let fits = |seen: &&str| kind.trim_end_matches(['?', '-']) == *seen || (kind.contains('?') && *seen == "null");
        assert!(kinds.iter().all(|seen| fits(seen)), "{path}: {kinds:?}, listed as {kind}");
    }
    let has_parent = |path: &str| match path.rsplit_once("[]") {
        Some((list, _)) => seen.keys().any(|other| other.starts_with(&format!("{list}[]"))),
        None => true,
    };
    for (path, kind) in &listed {
        assert!(seen.contains_key(path) || kind.contains('-') || !has_parent(path), "{path} is missing in {run:?}");
    }
    value
}

#[test]
fn what_programs_read_is_json_as_the_help_lists_it() {
    let folder = Folder::new("json");
    let file = folder.world("a \"world\"\\ with\ttabs é.world");
    let name = "the \"first\" \\ day — é 😀";
    let named = json(&["name", &file, name, "--json"], 0);
    assert_eq!(named["name"], name);
    assert_eq!(named["file"], file.as_str());
    let number = named["moment"].to_string();
    let branch = json(&["branch", "--json", &file, &number, "other"], 0);
    assert_eq!(branch["name"], "other");
    assert_eq!(warm(&["eval", &file, "Smalltalk at: #Seen put: 3"]).status, 0);
    let restored = json(&["restore", &file, name, "--json"], 0);
    assert_eq!(restored["moment"], named["moment"]);
    let history = json(&["history", &file, "--json"], 0);
    let moments = history["moments"].as_array().unwrap();
    let of = |id: &Value| moments.iter().find(|moment| moment["id"] == *id).unwrap();
    assert_eq!(of(&named["moment"])["name"], name);
    assert_eq!(of(&named["moment"])["kind"], "named");
    assert_eq!(of(&branch["moment"])["origin"], "branched");
    assert_eq!(of(&restored["kept"])["origin"], "replaced");
    assert_eq!(of(&restored["kept"])["name"], Value::Null);
    let time = of(&named["moment"])["time"].as_str().unwrap();
    assert!(time.len() == 20 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "{time}");
    let deleted = json(&["delete", &file, "other", "--json"], 0);
    assert_eq!((&deleted["moment"], &deleted["name"]), (&branch["moment"], &Value::from("other")));
    let info = json(&["info", &file, "--json"], 0);
    assert_eq!(info["bytes"], std::fs::metadata(&file).unwrap().len());
    assert_eq!(info["clean"], true);
    assert!(info.get("hash").is_none());
    let hashed = json(&["info", &file, "--json", "--hash"], 0);
    assert_eq!(hashed["hash"], warm(&["info", &file, "--hash"]).out.trim());
}

#[test]
fn a_check_tells_programs_what_is_damaged() {
    let folder = Folder::new("json-check");
    let file = folder.world("a.world");
    let whole = json(&["check", &file, "--json"], 0);
    assert_eq!((&whole["whole"], &whole["damages"]), (&Value::from(true), &Value::from(Vec::<Value>::new())));
    refused(&warm(&["check", &file, "--json", "--accept"]), 64, "do not go together");
    let mut bytes = common::bytes(&file);
    let end = bytes.len();
    // Rot in the middle of what is in use.
    for at in (end / 2..end / 2 + (64 << 12)).step_by(4096) {
        bytes[at] ^= 0x55;
    }
    std::fs::write(&file, bytes).unwrap();
    let rotten = json(&["check", &file, "--json"], 65);
    let text = warm(&["check", &file]);
    let damages = rotten["damages"].as_array().unwrap();
    assert!(rotten["whole"] == false && !damages.is_empty(), "{rotten}");
    assert!(damages.iter().all(|line| text.out.contains(line.as_str().unwrap())), "{text:?}");
    assert_eq!(text.out.lines().count(), damages.len());
}

const SUITE: &str = "TestCase subclass: #MannersTest instanceVariableNames: '' classVariableNames: '' package: 'Manners'!\n\
!MannersTest methodsFor: 'tests'!\ntestGood\n\tTranscript show: 'noise'.\n\tSession current stdout nextPutAll: 'noise'.\n\tself assert: true! !\n\
!MannersTest methodsFor: 'tests'!\ntestBad\n\tself assert: '<\"&' , String lf , (String with: (Character value: 8364)) equals: 3! !\n\
!MannersTest methodsFor: 'tests'!\ntestBroken\n\t^ nil zork! !\n\
!MannersTest methodsFor: 'tests'!\ntestLater\n\tself skip: 'not now'! !\n";

#[test]
fn what_tests_come_to_is_told_as_json_and_junit() {
    let folder = Folder::new("junit");
    let (file, suite, report) = (folder.world("a.world"), folder.text("suite.st"), folder.text("report.xml"));
    std::fs::write(&suite, SUITE).unwrap();
    let loaded = warm(&["load", &file, &suite]);
    assert_eq!(loaded.status, 0, "{loaded:?}");
    let seen = json(&["test", &file, "MannersTest", "--json", "--junit", &report], 1);
    assert_eq!((&seen["passed"], &seen["failed"], &seen["skipped"]), (&1.into(), &2.into(), &1.into()), "{seen}");
    let of = |name: &str| seen["tests"].as_array().unwrap().iter().find(|test| test["name"] == name).unwrap().clone();
    assert_eq!(of("testGood")["outcome"], "passed");
    assert_eq!(of("testBad")["outcome"], "failed");
    assert_eq!(of("testBroken")["outcome"], "error");
    assert_eq!(of("testLater")["outcome"], "skipped");
    assert!(of("testBad")["trace"].as_str().unwrap().contains('€'), "{seen}");
    let xml = std::fs::read_to_string(&report).unwrap();
    assert!(xml.contains("<testsuite name=\"MannersTest\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\""), "{xml}");
    assert!(xml.contains("classname=\"Manners.MannersTest\" name=\"testBroken\""), "{xml}");
    assert!(xml.contains("&lt;&quot;&amp;") && xml.contains('€'), "{xml}");
    if is_there("xmllint") {
        let lint = Command::new("xmllint").args(["--noout", &report]).output().unwrap();
        assert!(lint.status.success(), "{lint:?}");
    }
    let text = warm(&["test", &file, "MannersTest"]);
    assert_eq!(text.out.lines().last(), Some("1 passed, 2 failed"), "{text:?}");
    refused(&warm(&["test", &file, "--junit", &folder.text("no/such/report.xml")]), 66, "no such file");
}

#[test]
fn the_manual_is_read_without_a_complaint() {
    let page = warm(&["man"]);
    assert!(page.status == 0 && page.out.starts_with(".TH WARM 1"), "{page:?}");
    let folder = Folder::new("man");
    let file = folder.text("warm.1");
    std::fs::write(&file, &page.out).unwrap();
    if !is_there("man") {
        println!("man is not there: the page was not read");
        return;
    }
    let mut man = Command::new("man");
    man.args(["--warnings", "-l", &file]).env("MANWIDTH", "78").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    let read = man.output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{}", String::from_utf8_lossy(&read.stderr));
    let text = String::from_utf8_lossy(&read.stdout);
    for expect in ["EXIT STATUS", "warm restore FILE MOMENT", "--junit PATH", "XDG_DATA_HOME"] {
        assert!(text.contains(expect), "{expect} is not in {text}");
    }
}

/// What a shell answers to a script, with the program in its path.
fn shell(program: &str, script: &str, folder: &Folder) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_warm")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new(program);
    if program == "bash" {
        shell.arg("--norc");
    }
    if program == "zsh" {
        shell.arg("-f");
    }
    let run = shell.arg("-c").arg(script).current_dir(folder.path("")).env("PATH", path).env("HOME", folder.path("")).output();
    let run: common::Run = run.unwrap().into();
    assert_eq!(run.err, "", "{program}: {script}");
    run.out
}

/// A folder with a world of two moments, one of them named, and things beside it.
fn furnished(name: &str) -> Folder {
    let folder = Folder::new(name);
    let file = folder.world("my garden.world");
    assert_eq!(warm(&["name", &file, "spring"]).status, 0);
    std::fs::write(folder.path("notes.txt"), "").unwrap();
    std::fs::create_dir(folder.path("more")).unwrap();
    folder
}

#[test]
fn bash_completes_commands_options_files_and_moments() {
    let folder = furnished("bash");
    let complete = |words: &[&str]| {
        let list: String = words.iter().map(|word| format!(" '{word}'")).collect();
        let script = format!(
            "source <(warm completions bash); COMP_WORDS=({list}); COMP_CWORD={}; _warm; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            words.len() - 1
        );
        let mut found: Vec<String> = shell("bash", &script, &folder).lines().map(str::to_owned).collect();
        found.sort();
        found.join(",")
    };
    assert_eq!(complete(&["warm", "re"]), "register,repl,restore");
    assert_eq!(complete(&["warm", "m"]), "man,more,my garden.world");
    assert_eq!(complete(&["warm", "--v"]), "--version");
    assert_eq!(complete(&["warm", "info", ""]), "more,my garden.world");
    assert_eq!(complete(&["warm", "info", "--"]), "--hash,--help,--json");
    assert_eq!(complete(&["warm", "run", "my garden.world", "n"]), "notes.txt");
    assert_eq!(complete(&["warm", "load", "my garden.world", "more", "n"]), "notes.txt");
    assert_eq!(complete(&["warm", "test", "--junit", "n"]), "notes.txt");
    assert_eq!(complete(&["warm", "test", "--junit", "x", "my"]), "my garden.world");
    assert_eq!(complete(&["warm", "completions", ""]), "bash,fish,zsh");
    assert_eq!(complete(&["warm", "help", "br"]), "branch");
    assert_eq!(complete(&["warm", "info", "my garden.world", ""]), "");
    let moments = complete(&["warm", "restore", "my garden.world", ""]);
    let expect = warm(&["history", &folder.text("my garden.world")]).out;
    let mut expect: Vec<&str> = expect.lines().filter_map(|line| line.split_whitespace().next()).collect();
    expect.sort_unstable();
    assert_eq!(moments, expect.join(","));
    assert!(!moments.is_empty());
}

#[test]
fn zsh_and_fish_take_their_scripts() {
    let folder = furnished("zsh-fish");
    refused(&warm(&["completions", "tcsh"]), 64, "there are bash, zsh and fish");
    if is_there("zsh") {
        let script = "warm completions zsh > _warm; zsh -n _warm; fpath=($PWD $fpath); autoload -Uz compinit; \
                      compinit -u -D; echo $_comps[warm]; autoload +X _warm; whence -w _warm";
        assert_eq!(shell("zsh", script, &folder), "_warm\n_warm: function\n");
    } else {
        println!("zsh is not there: its script was not read");
    }
    if !is_there("fish") {
        println!("fish is not there: its script was not read");
        return;
    }
    let complete = |line: &str| {
        let script = format!("warm completions fish | source; complete -C '{line}'");
        let mut found: Vec<String> = Vec::new();
        found.extend(shell("fish", &script, &folder).lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()));
        found.sort();
        found
    };
    assert_eq!(complete("warm rest"), ["restore"]);
    assert_eq!(complete("warm info --ha"), ["--hash"]);
    assert_eq!(complete("warm completions f"), ["fish"]);
    assert_eq!(complete("warm info my"), ["my garden.world"]);
    assert_eq!(complete("warm run my\\ garden.world no"), ["notes.txt"]);
    assert!(!complete("warm restore my\\ garden.world ").is_empty());
}

#[test]
fn a_closed_pipe_is_quiet_for_all_that_is_printed() {
    for words in ["man", "completions bash", "--help", "help eval"] {
        let words: Vec<&str> = words.split(' ').collect();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let run: common::Run = command(&words).stdout(writer).output().unwrap().into();
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{words:?}");
    }
}
