//! Allocation: eden by bumping, heap blocks through holes, large objects by runs of blocks.

use crate::machine::{Item, Machine, Step, Stop, Use};
use crate::mark::Phase;
use crate::rules::Rule;
use crate::word::{BLOCK, BLOCK_PAGES, BLOCKS, EDEN, HEAP, Kind, PAGE, Word};

impl Machine {
    /// Whether what is free in a block may be handed out.
    pub(crate) fn usable(&self, block: usize) -> bool {
        !self.has(Rule::WholeSweep) || self.table.swept[block] <= self.last_sweep
    }

    pub(crate) fn free_blocks(&self) -> Vec<usize> {
        (1..BLOCKS)
            .filter(|block| self.table.used[*block] == Use::Free && self.usable(*block))
            .collect()
    }

    /// Any free block, in half of the cases the one that was freed last.
    fn some_free_block(&mut self) -> Step<usize> {
        let free = self.free_blocks();
        let latest = free
            .iter()
            .copied()
            .max_by_key(|block| self.freed_at[*block])
            .ok_or(Stop::Full)?;
        Ok(if self.chance.chance(50) {
            latest
        } else {
            free[self.chance.below(free.len())]
        })
    }

    /// Waits for the marker's next step boundary after the block was freed.
    fn await_boundary(&mut self, block: usize) -> Step {
        if !self.has(Rule::BoundaryBeforeReuse) {
            return Ok(());
        }
        for _ in 0..400 {
            let busy = self
                .cycle
                .as_ref()
                .is_some_and(|cycle| cycle.phase == Phase::Mark && !cycle.idle);
            if !busy || self.marker_step > self.freed_at[block] {
                break;
            }
            self.marker_step()?;
        }
        Ok(())
    }

    /// Takes a free block into use.
    fn take(&mut self, block: usize, used: Use) -> Step {
        self.await_boundary(block)?;
        let start = block * BLOCK;
        self.table.first[block * BLOCK_PAGES..(block + 1) * BLOCK_PAGES].fill(None);
        self.table.first[block * BLOCK_PAGES] = Some(start);
        self.prepare(start, false)?;
        self.put(start, Word::Gap(BLOCK as u8));
        self.others()?;
        self.table.used[block] = used;
        self.ghost.corpse[start..start + BLOCK].fill(false);
        Ok(())
    }

    /// Room for an object in a heap block; the filler behind it is written, the object is not.
    pub(crate) fn claim(&mut self, size: usize, young: bool) -> Step<usize> {
        loop {
            let cursor = if young {
                &mut self.young_cursor
            } else {
                &mut self.old_cursor
            };
            if let Some((at, end)) = cursor.take() {
                if end - at >= size {
                    if end - at > size {
                        *cursor = Some((at + size, end));
                        if self.has(Rule::GapFirst) {
                            self.write_gap(at + size, end)?;
                        }
                    }
                    self.ghost.corpse[at..at + size].fill(false);
                    return Ok(at);
                }
                continue;
            }
            let holes = if young || self.chance.chance(15) {
                Vec::new()
            } else {
                self.holes(size)?
            };
            let cursor = if holes.is_empty() {
                let block = self.some_free_block()?;
                self.take(block, if young { Use::Young } else { Use::Old })?;
                (block * BLOCK, (block + 1) * BLOCK)
            } else {
                holes[self.chance.below(holes.len())]
            };
            *(if young {
                &mut self.young_cursor
            } else {
                &mut self.old_cursor
            }) = Some(cursor);
        }
    }

    fn holes(&self, size: usize) -> Step<Vec<(usize, usize)>> {
        let mut holes = Vec::new();
        for block in
            (0..BLOCKS).filter(|block| self.table.used[*block] == Use::Old && self.usable(*block))
        {
            let fits = |item: &Item| item.object.is_none() && item.size >= size;
            holes.extend(
                self.walk_block(block)?
                    .iter()
                    .filter(|item| fits(item))
                    .map(|item| (item.at, item.at + item.size)),
            );
        }
        Ok(holes)
    }

    fn write_gap(&mut self, at: usize, end: usize) -> Step {
        self.prepare(at, false)?;
        self.put(at, Word::Gap((end - at) as u8));
        let first = &mut self.table.first[at / PAGE];
        if self.rules.has(Rule::StartsOnAllocation) && first.is_none_or(|first| at < first) {
            *first = Some(at);
        }
        self.others()
    }

    /// Writes an object where room was claimed; `body` begins with the header.
    pub(crate) fn settle(&mut self, at: usize, body: &[Word], young: bool) -> Step {
        self.mark_born(at);
        if !self.has(Rule::HeaderLast) {
            self.fresh_store(at, body[0])?;
        }
        for (nth, word) in body.iter().enumerate().skip(1) {
            self.fresh_store(at + nth, *word)?;
        }
        if self.has(Rule::HeaderLast) {
            self.fresh_store(at, body[0])?;
        }
        let cursor = if young {
            self.young_cursor
        } else {
            self.old_cursor
        };
        if let (false, Some((next, end))) = (self.has(Rule::GapFirst), cursor)
            && next == at + body.len()
        {
            self.write_gap(next, end)?;
        }
        Ok(())
    }

    fn fresh_store(&mut self, at: usize, word: Word) -> Step {
        self.prepare(at, false)?;
        self.put(at, word);
        self.others()
    }

    fn mark_born(&mut self, at: usize) {
        if let (true, Some(cycle)) = (self.rules.has(Rule::BornMarked), &mut self.cycle) {
            cycle.marked[at] = true;
        }
    }

    /// A new object in eden, after a scavenge if eden is full.
    pub(crate) fn new_object(&mut self, kind: Kind, size: usize) -> Step<(usize, u32)> {
        if self.eden_top + size > HEAP + EDEN {
            self.scavenge()?;
        }
        let id = self.name(kind, size);
        let at = self.eden_top;
        self.eden_top += size;
        self.words[at..at + size].fill(Word::Nil);
        if size >= 4 {
            self.words[at + 2] = Word::Raw(0);
        }
        self.words[at] = Word::Head {
            id,
            kind,
            size: size as u8,
        };
        Ok((at, id))
    }

    /// A new large object; `None` if no run of blocks is free.
    pub(crate) fn new_large(&mut self, size: usize) -> Step<Option<(usize, u32)>> {
        let blocks = size.div_ceil(BLOCK);
        let free = self.free_blocks();
        let runs: Vec<usize> = free
            .iter()
            .copied()
            .filter(|first| (*first..first + blocks).all(|block| free.contains(&block)))
            .collect();
        if runs.is_empty() {
            return Ok(None);
        }
        let block = runs[self.chance.below(runs.len())];
        for nth in block..block + blocks {
            self.await_boundary(nth)?;
            self.table.first[nth * BLOCK_PAGES..(nth + 1) * BLOCK_PAGES].fill(None);
            self.table.run[nth] = if nth == block { blocks } else { nth - block };
        }
        let at = block * BLOCK;
        self.ghost.corpse[at..at + blocks * BLOCK].fill(false);
        self.table.first[block * BLOCK_PAGES] = Some(at);
        self.mark_born(at);
        for nth in 1..blocks * BLOCK {
            let word = match nth {
                2 => Word::Raw(0),
                nth if nth == size => Word::Gap((blocks * BLOCK - size) as u8),
                _ => Word::Nil,
            };
            self.fresh_store(at + nth, word)?;
        }
        let id = self.name(Kind::Plain, size);
        self.fresh_store(
            at,
            Word::Head {
                id,
                kind: Kind::Plain,
                size: size as u8,
            },
        )?;
        self.table.used[block] = Use::LargeHead;
        self.table.used[block + 1..block + blocks].fill(Use::LargeTail);
        self.counts.large += 1;
        Ok(Some((at, id)))
    }

    fn name(&mut self, kind: Kind, size: usize) -> u32 {
        let id = self.ghost.shadows.len() as u32;
        self.ghost.shadows.push(crate::machine::Shadow {
            slots: [0; 2],
            raw: 0,
            kind,
            alias: 0,
        });
        self.allocated += size as u32;
        self.birth.push(self.allocated);
        id
    }
}
