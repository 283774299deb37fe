//! Seeded bugs: each switch breaks one rule at run time, so that the tests can prove they notice.
//!
//! Invariant: all switches are off unless a test turns one on; no switch changes what is written
//! when it is off.

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The switches, one a broken rule.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Faults {
            $($(#[$doc])* pub $name: bool,)*
        }

        impl Faults {
            /// The names of all switches, in order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// The faults with only the named switch on; `None` if there is no such switch.
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
    /// No flush between the blocks of a commit and its record.
    skip_flush_before_record,
    /// The record is acknowledged before the flush that follows it.
    ack_before_last_flush,
    /// The record is written before the pages that it names.
    commit_before_pages,
    /// The mirror ring is not written.
    skip_mirror,
    /// A step of a commit runs into its flush, whoever waits for the world meanwhile.
    flush_within_step,
    /// The map's topmost node is written once only.
    skip_map_copy,
    /// A flush that failed is simply tried again on the same blocks.
    retry_failed_flush,
    /// A failed flush of the journal does not fail the snapshot in writing.
    ignore_journal_flush_failure,
    /// Replaced blocks may be reused by the very next commit.
    reuse_block_early,
    /// A replaced block is freed even if a moment reaches it.
    free_block_of_moment,
    /// The blocks of a commit whose outcome is unknown are free at once.
    free_unknown_commit,
    /// A commit number is used again after a commit whose outcome is unknown.
    reuse_commit_number,
    /// Replaced blocks are forgotten instead of freed.
    leak_replaced_blocks,
    /// A page or node with a wrong checksum is taken.
    accept_wrong_crc,
    /// The newest extents are not verified on opening.
    skip_extent_verification,
    /// A commit names no extents.
    forget_extents,
    /// A commit names its grandparent as its parent.
    wrong_parent,
    /// A fall-back takes the next lower number instead of the parent.
    fall_back_by_number,
    /// The stored free extents are used although the world was not closed cleanly.
    trust_stale_free_list,
    /// The sweep after a crash does not walk the moments.
    sweep_forgets_moments,
    /// The sweep after a crash does not walk the parent commit.
    sweep_forgets_parent,
    /// A moment with two children is deleted as if it had one.
    delete_moment_with_two_children,
    /// Deleting a moment frees what its parent still uses.
    delete_ignores_parent,
    /// Deleting a moment frees what its child still uses.
    delete_ignores_child,
    /// Thinning deletes pinned and named moments too.
    thin_pinned,
    /// Replay takes records whose checksum does not continue the chain.
    journal_chain_unchecked,
    /// The journal overwrites records that two commits do not cover yet.
    journal_overwrites_uncovered,
    /// After a flush the next record goes into the block that was flushed.
    journal_shares_flushed_block,
    /// Journal records that an earlier process left are not written anew.
    trust_inherited_records,
    /// A journal that cannot be read is taken as one that ends there.
    journal_trouble_unheeded,
    /// Relieving the journal is tried again at once when it failed.
    relief_without_pause,
    /// A flush of the journal flushes nothing.
    journal_flush_forgotten,
    /// A commit covers the journal up to its end instead of up to its flip.
    journal_covers_too_much,
    /// A restore leaves the journal uncovered.
    restore_replays_journal,
    /// Creation writes the superblocks before the first commit.
    superblock_before_commit,
    /// Lost pages are not named in the next commit.
    drop_lost_names,
    /// A new map node is written without the entries that did not change.
    node_forgets_old_entries,
}
