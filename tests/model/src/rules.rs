//! The table of rules: what each says, and the sentence of DESIGN it stands for.
//!
//! A rule is consulted by [`Rules::has`] exactly where it acts. Switching it off does what a
//! programmer who did not know the rule would have written.

macro_rules! rules {
    ($($name:ident: $says:literal, $design:literal;)*) => {
        /// One rule of section 3.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each says itself in the table")]
        pub enum Rule { $($name),* }

        impl Rule {
            /// All of them.
            pub const ALL: &[Rule] = &[$(Rule::$name),*];

            /// What the rule says.
            pub fn says(self) -> &'static str {
                match self { $(Rule::$name => $says),* }
            }

            /// The sentence of DESIGN that it stands for.
            pub fn design(self) -> &'static str {
                match self { $(Rule::$name => $design),* }
            }
        }
    };
}

rules! {
    // The store barrier.
    CopyAside: "a frozen page that is not yet written is copied before it is changed",
        "copy the page aside if it is frozen and unwritten";
    MutatorSwaps: "the mutator announces its copy by swapping W from 0 to ASIDE",
        "copies it aside, then swaps W[page] from 0 to ASIDE by compare-and-swap, then stores";
    WriterYields: "a writer that loses the swap uses the copy",
        "if it loses, it uses the aside copy";
    CollectorPrepares: "the collector's own writes go through the barrier",
        "the collector's own writes call prepare_write(range, kind) first";
    TagFallsWithCard: "a card that leaves R is no longer tagged 3",
        "Whenever a card leaves R: T := min(T, 1)";
    TagFallsWithBlock: "a freed block's cards are no longer tagged 3",
        "or its block is freed or changes kind: T := min(T, 1)";
    ScavengeKeepsCards: "a scavenge keeps the cards that still point to young objects",
        "A scavenge keeps in R the cards that still point to young objects";
    ScavengeRegisters: "a tenured object that points to young ones enters R",
        "and registers tenured objects that do";
    FlipKeepsR: "a flip leaves R alone",
        "A flip zeroes T and W of the listed pages only, and leaves R alone";
    FlipZeroesT: "a flip makes every card of the listed pages take the slow path again",
        "A flip zeroes T and W of the listed pages only";
    FlipZeroesW: "a flip makes the listed pages unwritten",
        "A flip zeroes T and W of the listed pages only";
    BecomeClears: "a forwarder's other slots are cleared",
        "become: (which clears the other slots of a forwarder)";
    // Allocation in heap blocks.
    GapFirst: "the filler of the remainder is written before the object",
        "In a hole, the filler of the remainder is written first";
    HeaderLast: "the header is written after the body",
        "then the body, then the header by a release store";
    BornMarked: "what is allocated in heap blocks during a cycle is marked",
        "What is allocated in or copied to heap blocks during the cycle is born marked";
    BoundaryBeforeReuse: "a block that a scavenge frees waits for the marker's step boundary",
        "A block that a scavenge frees is reused only after the marker's next step boundary";
    StartsOnAllocation: "allocation keeps the table of first starts",
        "for each page where its first object starts";
    WholeSweep: "memory that a mark frees is handed out when its whole sweep is done",
        "Memory that a mark frees is handed out only when its whole sweep is done";
    // Scavenging.
    ForwardAside: "forwarding lives in a side table",
        "Forwarding lives in a side table";
    WeakFollowsScavenge: "a scavenge moves weak slots along with what lives and clears the others",
        "Weak references, ephemerons, finalization";
    // Marking.
    OldOnly: "the marker follows only references into blocks that are old now",
        "follows only references into blocks that are old at that moment";
    CheckInStep: "a loaded reference is checked before the step ends",
        "checked in the step that loaded them";
    FlipHandsList: "a flip hands the marker the pages of the closed epoch",
        "Each later flip hands it the list of pages dirtied in the epoch just closed";
    OverlapFromStart: "scanning a page begins at the last start before it",
        "the walk begins at the last start before it";
    OneCycle: "a cycle starts only when the last one's sweep is done",
        "ends when its sweep is done; only then may the next start";
    // The finish.
    FinishScavenges: "the finish begins with a scavenge",
        "a pause in which a scavenge runs";
    FinishScansRoots: "the finish scans the roots",
        "then roots, stacks, young blocks and the pages dirtied since the last flip are scanned";
    FinishScansStacks: "the finish scans the stacks",
        "then roots, stacks, young blocks and the pages dirtied since the last flip are scanned";
    FinishScansYoung: "the finish scans the young blocks",
        "then roots, stacks, young blocks and the pages dirtied since the last flip are scanned";
    FinishScansDirty: "the finish scans the pages dirtied since the last flip",
        "then roots, stacks, young blocks and the pages dirtied since the last flip are scanned";
    OverBudgetKeepsGrey: "a finish that gives up keeps its grey old objects",
        "If that passes its budget, it keeps its grey old objects";
    OverBudgetDropsYoung: "a finish that gives up drops what it registered in young blocks",
        "drops what it registered in young blocks";
    EphemeronsFire: "ephemerons with dead keys fire",
        "ephemerons reach their fixpoint";
    FiredIsMarked: "what a fired ephemeron holds is marked",
        "(what they finalize is marked and traced)";
    YoungEphemerons: "ephemerons in young blocks take part",
        "roots, stacks, young blocks";
    WeakCleared: "weak slots to unmarked old objects become nil",
        "weak slots to unmarked old objects become nil";
    YoungWeakCleared: "weak slots in young blocks take part",
        "weak slots to unmarked old objects become nil";
    WeakThroughForwarders: "a weak slot is judged by what its forwarder leads to",
        "both after resolving forwarders";
    EphemeronThroughForwarders: "a key is judged by what its forwarder leads to",
        "both after resolving forwarders";
    // Sweeping.
    SweepClosesCursor: "sweeping a block closes its allocation cursor",
        "a block's allocation cursor is closed first";
    StartsOnSweep: "sweeping keeps the table of first starts",
        "for each page where its first object starts";
    CorpseIsRoot: "a corpse on a card in R is a root of scavenges until it is swept",
        "A corpse on a card in R acts as a root until it is swept";
    InstancesAskBits: "allInstances asks the mark bits in unswept blocks",
        "allInstances and the verifier ask the mark bits in unswept blocks";
    // Snapshots.
    AbandonKeepsList: "an abandoned epoch's pages join the dirty list",
        "its pages get P = current and join the dirty list";
    AbandonRaisesP: "an abandoned epoch's pages get the current epoch",
        "its pages get P = current and join the dirty list";
    DoubtfulReserved: "the blocks of a record that may have reached the disk stay reserved",
        "if its record may have reached the disk its blocks stay reserved";
    ParentProtected: "the blocks of the head's parent are not reused",
        "The two commits that are protected from reuse are the head and its parent";
    FramesBeforeFlip: "frames are copied before the flip",
        "Order in the pause: frame states, scavenge, flip";
    WatermarkFalls: "returning into a frame puts it above the watermark",
        "only above the return watermark (frames that ran since the last flip)";
    DropCleanOnly: "memory is given back only for pages whose last change is committed",
        "the mutator drops clean pages at safepoints (DECISIONS 9)";
    // Opening.
    OpeningTenures: "opening forgets the young flag",
        "forgetting their flag on opening is the tenuring of what they hold";
    ReopenedGivesNothing: "blocks of an unfinished sweep give no memory after reopening",
        "blocks swept later than the last completed sweep give no memory";
    InstancesMarkFirst: "after reopening in a sweep, allInstances marks first",
        "allInstances and the verifier run a mark first";
}

/// Which rules are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules(u64);

const _: () = assert!(Rule::ALL.len() <= 64);

impl Rules {
    /// All of them.
    pub fn all() -> Self {
        Self(u64::MAX)
    }

    /// All but one.
    pub fn without(rule: Rule) -> Self {
        Self(!(1 << rule as u64))
    }

    /// Whether a rule is on.
    pub fn has(self, rule: Rule) -> bool {
        self.0 >> rule as u64 & 1 == 1
    }
}
