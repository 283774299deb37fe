//! The desk survives SIGKILL: every key that was shown is there again. And a world goes back to a moment
//! while it is open.
//!
//! Keys are typed by the world itself, into the workspace of its desk, on a surface that nobody sees;
//! each is presented as a frame before the script says how long the text is. The window differs only
//! in where keys come from. `WARM_DESK_KILLS` says how often to kill (20 by default).

mod common;

use common::{Folder, command, warm};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Types for ever: blanks and letters by turns, a new line every fifty characters.
const TYPIST: &str = "
| desk port tool size |
desk := Desk current.
port := DisplayPort picture: 800 @ 600 scale: 1.
desk surface metrics: (RasterMetrics on: port); resizeTo: 800 @ 600.
tool := desk openFirstWorkspace.
desk surface focus: tool codeView.
tool codeView editor textEnd: false.
[ size := tool codeView text size + 1.
desk surface handle: (size \\\\ 50 = 0
	ifTrue: [ KeyEvent chord: 'Enter' ]
	ifFalse: [ KeyEvent typing: ('ab cd ef g' at: size \\\\ 10 + 1) ]).
port present: desk surface frame.
Session current stdout print: size; lf; flush ] repeat
";

/// The length of the text, and whether each character is the one that was typed there.
const WITNESS: &str = "
| text right |
text := (Desk current toolOf: WorkspaceView suchThat: [ :each | true ]) codeView text.
right := (1 to: text size) allSatisfy: [ :at |
	(text at: at) = (at \\\\ 50 = 0 ifTrue: [ Character lf ] ifFalse: [ 'ab cd ef g' at: at \\\\ 10 + 1 ]) ].
text size printString , ' ' , right printString";

fn kills() -> u32 {
    std::env::var("WARM_DESK_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// Lets the typist work until it has shown so many keys, kills it, and answers the length it showed
/// last.
fn type_and_kill(world: &str, script: &str, keys: u32) -> usize {
    let mut child = command(&["run", world, script]).stdout(Stdio::piped()).spawn().expect("warm starts");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut shown = 0;
    for line in lines.map_while(Result::ok).take(keys as usize) {
        shown = line.parse().unwrap_or(shown);
    }
    child.kill().expect("a child to kill");
    child.wait().expect("a child to wait for");
    shown
}

#[test]
fn every_key_that_was_shown_is_there_after_a_kill() {
    let folder = Folder::new("desk");
    let world = folder.world("typed.world");
    let script = folder.text("typist.st");
    std::fs::write(&script, TYPIST).expect("a script");
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut longest = 0;
    for round in 0..kills() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let shown = type_and_kill(&world, &script, 1 + (random >> 33) as u32 % 60);
        let run = warm(&["eval", &world, WITNESS]);
        let answer = run.out.trim().trim_matches('\'').to_owned();
        let (size, right) = answer.split_once(' ').unwrap_or_else(|| panic!("round {round}: {answer} {}", run.err));
        let size: usize = size.parse().expect("a length");
        assert_eq!(right, "true", "round {round}: the text is not what was typed");
        assert!(size >= shown, "round {round}: {shown} were shown, {size} are there");
        assert!(size >= longest, "round {round}: {longest} were there before, {size} are there");
        longest = size;
    }
    assert!(longest > kills() as usize, "nothing was typed");
}

#[test]
fn a_session_that_goes_back_is_opened_again_at_the_moment() {
    let folder = Folder::new("back");
    let world = folder.world("back.world");
    let handler = "Smalltalk at: #Count put: 1. Smalltalk at: #MainHandler put: [ :session |
        (Smalltalk at: #Count) = 2
            ifTrue: [ session goBackTo: (Moment named: 'first') ]
            ifFalse: [ session stdout nextPutAll: 'count '; print: (Smalltalk at: #Count); lf ] ]";
    assert_eq!(warm(&["eval", &world, handler]).status, 0);
    assert_eq!(warm(&["name", &world, "first"]).status, 0);
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Count put: 2"]).status, 0);
    let run = warm(&["open", &world]);
    assert_eq!((run.status, run.out.as_str()), (0, "count 1\n"), "{}", run.err);
    // The present of before is a moment too.
    let history = warm(&["history", &world]);
    assert!(history.out.contains("before a restore"), "{}", history.out);
}

#[test]
fn a_session_that_goes_back_and_ends_is_not_opened_again() {
    let folder = Folder::new("back-and-end");
    let world = folder.world("back.world");
    let handler = "Smalltalk at: #Count put: 1. Smalltalk at: #MainHandler put: [ :session |
        session stdout nextPutAll: 'once'; lf. session goBackAndEnd: (Moment named: 'first') ]";
    assert_eq!(warm(&["eval", &world, handler]).status, 0);
    assert_eq!(warm(&["name", &world, "first"]).status, 0);
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Count put: 2"]).status, 0);
    let run = warm(&["open", &world]);
    assert_eq!((run.status, run.out.as_str()), (0, "once\n"), "{}", run.err);
    assert_eq!(warm(&["eval", &world, "Smalltalk at: #Count"]).out, "1\n");
}
