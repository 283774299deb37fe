//! Switches for tests: stress, and seeded bugs that a test must notice.
//!
//! All are off by default and none is reachable from a world.

/// Makes rare things happen always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stress {
    /// Allocation declines, and so makes its caller collect, after so many allocations. 0: never.
    pub collect_every: u32,
    /// Every scavenge keeps survivors young, so that everything young moves every time.
    pub never_tenure: bool,
    /// Every scavenge tenures every survivor.
    pub always_tenure: bool,
    /// Walks the block at each instant at which a marker could: see `Heap::walk_failure`.
    pub walk_always: bool,
}

macro_rules! faults {
    ($($name:ident $doc:literal;)*) => {
        /// Seeded bugs of the heap: each switches one rule off.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Faults { $(#[doc = $doc] pub $name: bool,)* }

        impl Faults {
            /// The names, in order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// The switches with one on, by name.
            pub fn only(name: &str) -> Option<Faults> {
                let mut faults = Faults::default();
                match name {
                    $(stringify!($name) => faults.$name = true,)*
                    _ => return None,
                }
                Some(faults)
            }
        }
    };
}

faults! {
    leave_tag_after_scavenge "A card that leaves the remembered set keeps tag 3.";
    leave_tag_after_free "The cards of a freed block keep their tags and their places in R.";
    forget_remembered "A scavenge keeps no card in R, though it still points to young objects.";
    forget_tenured "Tenured objects that point to young ones are not registered.";
    flip_keeps_tags "A flip leaves the tags of the pages it lists.";
    skip_collector_writes "The collector stores into heap pages without preparing them.";
    skip_dirty_list "The marker does not get the pages of the epoch that a flip closes.";
    skip_finish_dirty "A finish does not scan the pages dirtied since the last flip.";
    skip_finish_roots "A finish does not scan the roots.";
    skip_finish_young "A finish does not scan young blocks.";
    born_unmarked "What is allocated in old blocks during a cycle is not marked.";
    weak_not_cleared "Weak slots keep references to what a mark found dead.";
    weak_not_cleared_young "A scavenge leaves weak slots as they were.";
    ephemeron_once "Ephemerons are looked at once instead of to the fixpoint.";
    ephemeron_value_unmarked "What a fired ephemeron holds is not marked.";
    hand_out_early "Memory that a sweep frees is handed out before the whole sweep is done.";
    forget_held_on_open "Opening in mid-sweep hands out what was held.";
    filler_last "The remainder of a hole gets its filler after the object.";
    forget_starts "An allocation in a hole does not note the start of its remainder.";
    large_overlap "A large object's run is one block short of its size.";
    sweep_open_cursor "A sweep does not close the allocation cursor of the block.";
    become_keeps_slots "A forwarder keeps the slots of what it was.";
    weak_ignores_forwarders "Weak slots that refer to forwarders are judged by the forwarder.";
    no_overlap "Scanning a card begins at the first object that starts on its page.";
    over_budget_drops_grey "A finish that passes its budget forgets what it had still to trace.";
    reuse_class_index_early "A class index is free as soon as its class is dropped, without a flush.";
}
