//! The machine: heap, tables, frames, disk, and the ghost that knows better.
//!
//! Invariants
//! - I1 Words are read through `get`, which sees the disk where a page is absent, and written
//!   through `put`, which brings the page in first.
//! - I2 `ghost` is written by operations and read by checks; no rule looks at it.

use crate::mark::Cycle;
use crate::random::Random;
use crate::rules::{Rule, Rules};
use crate::snapshot::{Commit, Hand, Truth, Writer};
use crate::word::{BLOCK, BLOCKS, CARDS, EDEN, HEAP, Kind, Object, PAGE, PAGES, Word};
use std::collections::HashMap;

/// Why a run stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Something is wrong with the heap: the line says what.
    Broken(String),
    /// The small heap is full, which is nobody's fault.
    Full,
}

/// What a step answers.
pub type Step<T = ()> = Result<T, Stop>;

/// Fails with a line.
pub fn broken<T>(line: String) -> Step<T> {
    Err(Stop::Broken(line))
}

/// What a block is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// Nothing.
    Free,
    /// Old objects.
    Old,
    /// Objects that may be scavenged again.
    Young,
    /// The first block of a large object.
    LargeHead,
    /// A later block of a large object.
    LargeTail,
}

/// The block table, part of the image.
#[derive(Clone)]
pub struct BlockTable {
    /// What for.
    pub used: [Use; BLOCKS],
    /// The number of the last mark that swept it.
    pub swept: [u32; BLOCKS],
    /// Where the first object of each page starts.
    pub first: [Option<usize>; PAGES],
    /// Of a large head its blocks, of a tail how far back the head is.
    pub run: [usize; BLOCKS],
}

/// What an object should hold.
#[derive(Clone, Copy, Debug)]
pub struct Shadow {
    /// The identities in its slots.
    pub slots: [u32; 2],
    /// Its raw word.
    pub raw: u32,
    /// Its kind.
    pub kind: Kind,
    /// Whom it became, 0 for nobody.
    pub alias: u32,
}

/// What the checks know.
#[derive(Clone)]
pub struct Ghost {
    /// By identity.
    pub shadows: Vec<Shadow>,
    /// Which addresses hold objects that the last mark found dead.
    pub corpse: Vec<bool>,
}

/// How often interesting things happened.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each name says what was counted")]
pub struct Counts {
    pub scavenges: u64,
    pub tenured: u64,
    pub flips: u64,
    pub commits: u64,
    pub abandoned: u64,
    pub asides: u64,
    pub marks: u64,
    pub over_budget: u64,
    pub sweeps: u64,
    pub weak_cleared: u64,
    pub fired: u64,
    pub became: u64,
    pub large: u64,
    pub reopened: u64,
    pub reopened_in_sweep: u64,
    pub fell_back: u64,
    pub pages_dropped: u64,
    pub instances: u64,
    pub returns: u64,
    pub leak_checks: u64,
}

/// Objects that are always there: two that the program uses, two that hold copies of frames.
pub const ANCHORS: [Object; 4] = [
    Object { at: 0, id: 1 },
    Object { at: 4, id: 2 },
    Object { at: 8, id: 3 },
    Object { at: 12, id: 4 },
];
/// The anchors that the program uses. (They lie on different pages.)
pub const GLOBALS: [Object; 2] = [ANCHORS[0], ANCHORS[2]];
/// The anchors that hold copies of frames.
pub const FRAME_IMAGES: [Object; 2] = [ANCHORS[1], ANCHORS[3]];
/// Registers of a frame.
pub const REGISTERS: usize = 2;

/// The whole machine.
pub struct Machine {
    pub(crate) rules: Rules,
    pub(crate) chance: Random,
    /// How likely another party steps between two stores, of a hundred.
    pub(crate) bustle: usize,
    /// How likely a finish gives up, of a hundred.
    pub(crate) hurry: usize,
    pub(crate) words: Vec<Word>,
    pub(crate) table: BlockTable,
    pub(crate) page_epoch: [u32; PAGES],
    pub(crate) tag: [u8; CARDS],
    pub(crate) remembered: [bool; CARDS],
    pub(crate) dirty: Vec<usize>,
    pub(crate) epoch: u32,
    pub(crate) newest_epoch: u32,
    pub(crate) eden_top: usize,
    pub(crate) old_cursor: Option<(usize, usize)>,
    pub(crate) young_cursor: Option<(usize, usize)>,
    pub(crate) frames: Vec<[Word; REGISTERS]>,
    pub(crate) watermark: usize,
    /// A root outside the heap.
    pub(crate) handle: Word,
    pub(crate) allocated: u32,
    pub(crate) birth: Vec<u32>,
    pub(crate) tenure_age: u32,
    pub(crate) frozen: Option<u32>,
    pub(crate) frozen_pages: Vec<usize>,
    pub(crate) hand: [Hand; PAGES],
    pub(crate) aside: Vec<Option<[Word; PAGE]>>,
    pub(crate) writer: Option<Writer>,
    pub(crate) disk: Vec<[Word; PAGE]>,
    pub(crate) commits: Vec<Commit>,
    /// Records that a failed flush may have let through.
    pub(crate) doubtful: Vec<Commit>,
    pub(crate) truths: HashMap<u32, Truth>,
    pub(crate) cycle: Option<Cycle>,
    pub(crate) in_pause: bool,
    pub(crate) last_mark: u32,
    pub(crate) last_sweep: u32,
    pub(crate) marker_step: u64,
    pub(crate) freed_at: [u64; BLOCKS],
    pub(crate) ghost: Ghost,
    /// How often interesting things happened.
    pub counts: Counts,
}

impl Machine {
    /// A machine whose heap holds the anchors and whose disk holds one commit of them.
    pub fn new(rules: Rules, bustle: usize, hurry: usize, tenure_age: u32) -> Self {
        let mut machine = Self {
            rules,
            chance: Random::new(0),
            bustle,
            hurry,
            words: vec![Word::Nil; HEAP + EDEN],
            table: BlockTable {
                used: [Use::Free; BLOCKS],
                swept: [0; BLOCKS],
                first: [None; PAGES],
                run: [0; BLOCKS],
            },
            page_epoch: [0; PAGES],
            tag: [0; CARDS],
            remembered: [false; CARDS],
            dirty: Vec::new(),
            epoch: 1,
            newest_epoch: 1,
            eden_top: HEAP,
            old_cursor: None,
            young_cursor: None,
            frames: vec![[Word::Nil; REGISTERS]],
            watermark: 0,
            handle: Word::Nil,
            allocated: 0,
            birth: vec![0; 5],
            tenure_age,
            frozen: None,
            frozen_pages: Vec::new(),
            hand: [Hand::Open; PAGES],
            aside: vec![None; PAGES],
            writer: None,
            disk: Vec::new(),
            commits: Vec::new(),
            doubtful: Vec::new(),
            truths: HashMap::new(),
            cycle: None,
            in_pause: false,
            last_mark: 0,
            last_sweep: 0,
            marker_step: 1,
            freed_at: [0; BLOCKS],
            ghost: Ghost {
                shadows: vec![
                    Shadow {
                        slots: [0; 2],
                        raw: 0,
                        kind: Kind::Plain,
                        alias: 0
                    };
                    5
                ],
                corpse: vec![false; HEAP],
            },
            counts: Counts::default(),
        };
        machine.lay_anchors();
        machine
    }

    fn lay_anchors(&mut self) {
        self.table.used[0] = Use::Old;
        for block in 1..BLOCKS {
            self.words[block * BLOCK] = Word::Gap(BLOCK as u8);
        }
        for Object { at, id } in ANCHORS {
            self.words[at] = Word::Head {
                id,
                kind: Kind::Plain,
                size: 4,
            };
            self.words[at + 2] = Word::Raw(0);
            let first = &mut self.table.first[at / PAGE];
            *first = Some(first.map_or(at, |other| other.min(at)));
        }
        self.ghost.shadows[FRAME_IMAGES[0].id as usize].raw = 1;
        self.words[FRAME_IMAGES[0].at + 2] = Word::Raw(1);
        let mut map = [0; PAGES];
        for (page, block) in map.iter_mut().enumerate() {
            self.disk.push(self.page(page));
            *block = page;
        }
        let truth = self.truth();
        self.truths.insert(0, truth);
        self.commits.push(Commit { epoch: 0, map });
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.rules.has(rule)
    }

    /// A word, from the disk where its page is absent.
    pub(crate) fn get(&self, at: usize) -> Word {
        match self.words[at] {
            Word::Absent => {
                let map = &self.commits[self.commits.len() - 1].map;
                self.disk[map[at / PAGE]][at % PAGE]
            }
            word => word,
        }
    }

    /// Writes a word and nothing else: no barrier.
    pub(crate) fn put(&mut self, at: usize, word: Word) {
        if self.words[at] == Word::Absent {
            self.bring_in(at / PAGE);
        }
        self.words[at] = word;
    }

    pub(crate) fn bring_in(&mut self, page: usize) {
        if self.words[page * PAGE] == Word::Absent {
            let copy = self.page(page);
            self.words[page * PAGE..(page + 1) * PAGE].copy_from_slice(&copy);
        }
    }

    pub(crate) fn page(&self, page: usize) -> [Word; PAGE] {
        core::array::from_fn(|nth| self.get(page * PAGE + nth))
    }

    pub(crate) fn used(&self, at: usize) -> Use {
        if at >= HEAP {
            Use::Young
        } else {
            self.table.used[at / BLOCK]
        }
    }

    /// Whether the address lies in eden or a young block.
    pub(crate) fn young(&self, at: usize) -> bool {
        self.used(at) == Use::Young
    }

    /// Whether the address lies in a block of old objects.
    pub(crate) fn old(&self, at: usize) -> bool {
        matches!(self.used(at), Use::Old | Use::LargeHead | Use::LargeTail)
    }

    /// Follows forwarders to where they lead.
    pub(crate) fn resolve(&self, start: usize) -> usize {
        let mut at = start;
        for _ in 0..64 {
            match (self.get(at), self.get(at + 1)) {
                (
                    Word::Head {
                        kind: Kind::Forwarder,
                        ..
                    },
                    Word::Ref { at: next, .. },
                ) => at = next as usize,
                _ => break,
            }
        }
        at
    }

    /// The objects and fillers of a block that is linearly parsable.
    pub(crate) fn walk_block(&self, block: usize) -> Step<Vec<Item>> {
        self.walk_from(block * BLOCK, (block + 1) * BLOCK)
    }

    /// The objects and fillers from a start to the end of its block.
    pub(crate) fn walk_from(&self, start: usize, end: usize) -> Step<Vec<Item>> {
        let mut at = start;
        let mut items = Vec::new();
        while at < end {
            let item = self.item(at)?;
            items.push(item);
            at += item.size;
        }
        if at != end {
            return broken(format!("a walk from {start} overruns {end}"));
        }
        Ok(items)
    }

    /// The object or filler that starts here.
    pub(crate) fn item(&self, at: usize) -> Step<Item> {
        match self.get(at) {
            Word::Gap(size) => Ok(Item {
                at,
                size: size as usize,
                object: None,
            }),
            Word::Head { id, kind, size } => Ok(Item {
                at,
                size: size as usize,
                object: Some((id, kind)),
            }),
            other => broken(format!("no object starts at {at}: {other:?}")),
        }
    }

    /// The objects of old blocks that overlap [low, high), which lies in one block.
    pub(crate) fn objects_over(&self, low: usize, high: usize) -> Step<Vec<Item>> {
        let block = low / BLOCK;
        let mut at = match self.table.used[block] {
            Use::LargeHead => block * BLOCK,
            Use::LargeTail => (block - self.table.run[block]) * BLOCK,
            _ => match self.start_before(low) {
                Some(at) => at,
                None => return Ok(Vec::new()),
            },
        };
        let large = self.table.used[block] != Use::Old;
        let mut items = Vec::new();
        while at < high {
            let item = self.item(at)?;
            if item.object.is_some() && at + item.size > low {
                items.push(item);
            }
            at += item.size;
            if large {
                break;
            }
        }
        Ok(items)
    }

    /// Where a walk over the page of `low` begins.
    pub(crate) fn start_before(&self, low: usize) -> Option<usize> {
        let page = low / PAGE;
        let here = self.table.first[page];
        if !self.has(Rule::OverlapFromStart) || here.is_some_and(|at| at <= low) {
            return here;
        }
        let block_page = low / BLOCK * (BLOCK / PAGE);
        (block_page..page)
            .rev()
            .find_map(|earlier| self.table.first[earlier])
            .or(here)
    }

    pub(crate) fn top(&mut self) -> &mut [Word; REGISTERS] {
        let top = self.frames.len() - 1;
        &mut self.frames[top]
    }

    /// All roots outside the heap.
    pub(crate) fn root_words(&self) -> Vec<Word> {
        self.frames
            .iter()
            .flatten()
            .copied()
            .chain([self.handle])
            .collect()
    }
}

/// An object or filler in a block.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Where it starts.
    pub at: usize,
    /// Words.
    pub size: usize,
    /// Who and what it is; `None` for a filler.
    pub object: Option<(u32, Kind)>,
}
