//! The journal never refuses an edit while there is disk: not when its ring is full many times over,
//! not when one edit is longer than a record, and what it took is there after a kill.

mod common;

use common::{Folder, command, warm};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Types more than the ring holds, in a process that never lets another run and never snapshots.
const TYPE: &str = "
| draft piece out |
draft := Draft new.
Smalltalk at: #Typed put: draft.
Smalltalk snapshot.
piece := String new: 1000 withAll: $x.
1 to: 3000 do: [ :i | draft text: piece , i printString ].
draft text: (String new: 700000 withAll: $y) , 'z'.
draft append: ' end'.
out := Stdio stdout.
out nextPutAll: 'typed'; lf; flush.
(Delay forSeconds: 60) wait
";

const REPORT: &str = "
| text |
text := (Smalltalk at: #Typed) text.
text size printString , ' ' , (text occurrencesOf: $y) printString , (text copyFrom: text size - 4 to: text size)
";

#[test]
fn more_than_the_ring_holds_is_typed_and_kept() {
    let folder = Folder::new("journal");
    let world = folder.world("j.world");
    let script = folder.text("type.st");
    std::fs::write(&script, TYPE).unwrap();
    let mut child = command(&["run", &world, &script]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(line, "typed\n", "{}", String::from_utf8_lossy(&output.stderr));
    let report = warm(&["eval", &world, REPORT, "--no-save"]);
    assert_eq!(report.out.trim(), "'700005 700000z end'", "{report:?}");
    let check = warm(&["check", &world]);
    assert_eq!(check.status, 0, "{check:?}");
}
