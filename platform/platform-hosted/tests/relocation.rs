//! A world opens where its address range is taken, lives there, is saved, and opens again there.

mod common;

use common::{Folder, warm};
use platform::{Memory, Region};
use platform_hosted::clock::HostedClock;
use platform_hosted::file_store::Access;
use platform_hosted::keeper::{self, Ending, Living, Saving};
use platform_hosted::memory::HostedMemory;
use std::path::Path;
use std::sync::Arc;
use vm::interpret::{Ended, HostValue};
use vm::layout::{DEFAULT_BASE, DEFAULT_RESERVE};

/// Takes the range where worlds stand by default.
fn take_the_range() -> Box<dyn Region> {
    let taken = HostedMemory::default().reserve(DEFAULT_BASE, DEFAULT_RESERVE, None).expect("a range");
    assert_eq!(taken.base(), DEFAULT_BASE);
    taken
}

/// Evaluates in a world, which must say nothing against it; answers where it stood.
fn evaluate(file: &Path, source: &str, saving: Saving) -> usize {
    let access = if saving == Saving::Never { Access::Read } else { Access::Write };
    let opened = keeper::open(file, access).expect("a world");
    let mut living = Living::begin(opened, saving).expect("a living world");
    let base = living.vm.heap.base();
    let orders = vec![HostValue::Text(source.into()), HostValue::List(vec![]), HostValue::Nil];
    let ending = living.session("eval", orders).expect("a session");
    let went_well = matches!(ending, Ending::Exit(0) | Ending::Ended(Ended::Value(_) | Ended::Terminated));
    assert!(went_well, "{source}: {ending:?}");
    living.finish().expect("saved");
    base
}

/// The base for which the file's references are made, and whether opening had to move them.
fn stands(file: &Path) -> (usize, bool) {
    let mut opened = keeper::open(file, Access::Read).expect("a world");
    let base = opened.world.heap().base as usize;
    let mut heap = opened.heap(Arc::new(HostedClock::default())).expect("a heap");
    let verdict = heap.verify(&mut ());
    assert_eq!(verdict.violations, []);
    assert!(verdict.objects > 1000, "{} objects", verdict.objects);
    (base, heap.relocation().is_some())
}

#[test]
fn a_world_opens_where_its_address_range_is_taken() {
    let folder = Folder::new("relocation");
    let file = folder.path("a.world");
    let words = |path: &Path| path.to_string_lossy().into_owned();
    assert_eq!(warm(&["new", &words(&file)]).status, 0);
    let run = warm(&["eval", &words(&file), "Smalltalk at: #Kept put: (1 to: 50000) asArray"]);
    assert_eq!(run.status, 0, "{run:?}");
    let copy = folder.path("b.world");
    std::fs::copy(&file, &copy).expect("a copy");

    let taken = take_the_range();
    assert_eq!(stands(&file), (DEFAULT_BASE, true));
    let sum = "(Smalltalk at: #Kept) inject: 0 into: [:sum :each | sum + each]";
    let check = format!("({sum}) = 1250025000 ifFalse: [Error signal: 'moved wrongly']");
    // Nothing is saved: the file stays as it is.
    let before = common::bytes(&file);
    assert_ne!(evaluate(&file, &check, Saving::Never), DEFAULT_BASE);
    assert!(before == common::bytes(&file), "the file was written");
    // Saved: the file is one for the new place.
    let grow = format!("{check}. Smalltalk at: #Kept put: ((Smalltalk at: #Kept) copyWith: 7). 7");
    let base = evaluate(&file, &grow, Saving::Automatic);
    assert_ne!(base, DEFAULT_BASE);
    assert_eq!(stands(&file).0, base);
    drop(taken);

    assert_eq!(stands(&file), (base, false));
    let run = warm(&["check", &words(&file)]);
    assert_eq!(run.status, 0, "{run:?}");
    let run = warm(&["eval", &words(&file), sum]);
    assert_eq!((run.status, run.out.trim()), (0, "1250025007"), "{run:?}");
    assert_eq!(stands(&copy), (DEFAULT_BASE, false));
}
