//! Long work on a terminal shows how far it is, and the interrupt key ends it without a trace.

mod common;
#[path = "common/terminal.rs"]
#[allow(dead_code, reason = "this test program uses its part")]
mod terminal;
#[path = "common/talker.rs"]
mod talker;

use common::{Folder, bytes, command, warm};
use talker::Talker;
use terminal::Terminal;

/// What erases the line.
const ERASE: &str = "\r\x1b[K";

/// A world whose check takes a while.
fn large(folder: &Folder) -> String {
    let file = folder.world("large.world");
    let fill = "Smalltalk at: #Large put: ((1 to: 400000) collect: [ :each | each printString ])";
    assert_eq!(warm(&["eval", &file, fill]).status, 0);
    file
}

#[test]
fn a_check_shows_how_far_it_is_and_leaves_a_clean_line() {
    let folder = Folder::new("progress");
    let file = large(&folder);
    let mut terminal = Terminal::start(command(&["check", &file]));
    terminal.await_text("\rchecking ");
    terminal.await_text(" %, ");
    terminal.await_text(&format!("{ERASE}{file}: whole; "));
    assert_eq!(terminal.await_end(), 0);
    let quiet = warm(&["check", &file]);
    assert_eq!((quiet.status, quiet.err.as_str()), (0, ""), "what is no terminal is shown nothing");
}

#[test]
fn an_interrupted_check_ends_at_once_and_changes_nothing() {
    let folder = Folder::new("progress-interrupt");
    let file = large(&folder);
    let before = bytes(&file);
    for words in [vec!["check", &file], vec!["check", "--json", &file]] {
        let mut terminal = Terminal::start(command(&words));
        terminal.await_text("; Ctrl-C ends it");
        terminal.type_keys("\x03");
        terminal.await_text(&format!("{ERASE}warm: interrupted; nothing was changed\r\n"));
        assert_eq!(terminal.await_end(), 130, "{words:?}");
        assert!(bytes(&file) == before, "{words:?}");
    }
}

const SLOW: &str = "TestCase subclass: #SlowTest instanceVariableNames: '' classVariableNames: '' package: 'Slow'!\n\
!SlowTest methodsFor: 'tests'!\ntestA\n\t(Delay forMilliseconds: 600) wait! !\n\
!SlowTest methodsFor: 'tests'!\ntestB\n\tSmalltalk at: #Trace put: 3.\n\t[ true ] whileTrue! !\n";

#[test]
fn an_interrupted_test_run_leaves_the_world_as_it_was() {
    let folder = Folder::new("progress-test");
    let (file, suite, report) = (folder.world("a.world"), folder.text("slow.st"), folder.text("report.xml"));
    std::fs::write(&suite, SLOW).unwrap();
    assert_eq!(warm(&["load", &file, &suite]).status, 0);
    let before = bytes(&file);
    let mut terminal = Terminal::start(command(&["test", &file, "SlowTest", "--junit", &report]));
    terminal.await_text("\r1 tests done, now SlowTest; Ctrl-C ends it");
    terminal.type_keys("\x03");
    terminal.await_text(&format!("{ERASE}warm: interrupted; 1 tests were done, the world is as it was\r\n"));
    assert_eq!(terminal.await_end(), 130);
    assert!(bytes(&file) == before);
    assert!(!std::path::Path::new(&report).exists());
}

#[test]
fn an_interrupted_load_is_taken_back() {
    let folder = Folder::new("progress-load");
    let (file, half) = (folder.world("a.world"), folder.text("half.st"));
    let text = "Object subclass: #HalfLoaded instanceVariableNames: '' classVariableNames: '' package: 'Half'!\n\
                Transcript show: 'half'; cr; flush!\n[ true ] whileTrue!\n";
    std::fs::write(&half, text).unwrap();
    let mut talker = Talker::start(command(&["load", &file, &half]));
    talker.await_line("half");
    talker.signal("INT");
    let run = talker.end();
    assert_eq!(run.status, 130, "{run:?}");
    assert!(run.err.contains("warm: interrupted; the definitions are taken back"), "{run:?}");
    assert_eq!(warm(&["eval", &file, "Smalltalk includesKey: #HalfLoaded"]).out, "false\n");
}

#[test]
fn a_load_that_fails_is_taken_back() {
    let folder = Folder::new("progress-failed-load");
    let (file, half) = (folder.world("a.world"), folder.text("half.st"));
    let text = "Object subclass: #HalfLoaded instanceVariableNames: '' classVariableNames: '' package: 'Half'!\n3 zork!\n";
    std::fs::write(&half, text).unwrap();
    let run = warm(&["load", &file, &half]);
    assert!(run.status == 1 && run.err.contains("zork"), "{run:?}");
    assert_eq!(warm(&["eval", &file, "Smalltalk includesKey: #HalfLoaded"]).out, "false\n");
}
