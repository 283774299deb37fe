//! Memory whose heap region stands at the same address at each opening, so that a heap can be
//! reopened in one process. Everything else comes from the system, zeroed.
#![allow(unsafe_code, reason = "room: test arena")]

use platform::{Filled, Memory, PageSource, Region, ReserveError};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const PAGE: usize = 4096;

struct Allocation {
    address: usize,
    layout: Layout,
}

struct Block {
    memory: Arc<Allocation>,
    base: usize,
    bytes: usize,
}

/// Pages behind a block by which another may stand higher in the same memory.
const SLACK_PAGES: usize = 64;

impl Block {
    fn new(bytes: usize) -> Block {
        // A small alignment lets the system give pages that are zero already.
        let layout = Layout::from_size_align(bytes + PAGE * (1 + SLACK_PAGES), 16).unwrap();
        // SAFETY: the layout is not empty.
        let address = unsafe { alloc_zeroed(layout) } as usize;
        assert!(address != 0, "no memory for {bytes} bytes");
        let memory = Arc::new(Allocation { address, layout });
        Block { memory, base: address.next_multiple_of(PAGE), bytes }
    }

    /// The same memory from some pages on.
    fn shifted(&self, pages: usize) -> Block {
        let base = self.base + pages * PAGE;
        assert!(base + self.bytes <= self.memory.address + self.memory.layout.size());
        Block { memory: self.memory.clone(), base, bytes: self.bytes }
    }

    fn words(&self, page: usize) -> &[AtomicU64] {
        assert!((page + 1) * PAGE <= self.bytes);
        let first = (self.base + page * PAGE) as *const AtomicU64;
        // SAFETY: in bounds, aligned, initialised to zero, and accessed by atomics only.
        unsafe { std::slice::from_raw_parts(first, PAGE / 8) }
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated in `Block::new` with this layout; the blocks that use it are gone.
        unsafe { dealloc(self.address as *mut u8, self.layout) }
    }
}

/// The memory of one test: its first region with `heap_bytes` is the heap's, at a fixed address.
pub struct Arena {
    heap: Arc<Block>,
    /// Pages that a heap may have written: they are zeroed at each opening.
    used: Vec<std::ops::Range<usize>>,
}

impl Arena {
    pub fn new(heap_bytes: usize, used: Vec<std::ops::Range<usize>>) -> Arena {
        Arena { heap: Arc::new(Block::new(heap_bytes)), used }
    }

    /// An arena whose heap stands some pages higher, over this one's memory: for one after the other.
    pub fn shifted(&self, pages: usize) -> Arena {
        Arena { heap: Arc::new(self.heap.shifted(pages)), used: self.used.clone() }
    }

    pub fn page(&self, page: usize) -> Box<[u8; PAGE]> {
        let mut bytes = Box::new([0; PAGE]);
        for (word, chunk) in self.heap.words(page).iter().zip(bytes.chunks_exact_mut(8)) {
            chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_le_bytes());
        }
        bytes
    }

    /// Whether a page holds other words than `before`.
    pub fn differs(&self, page: usize, before: &[u8; PAGE]) -> bool {
        let words = self.heap.words(page);
        let (chunks, _) = before.as_chunks::<8>();
        (0..PAGE / 8).any(|n| words[n].load(Ordering::Relaxed) != u64::from_le_bytes(chunks[n]))
    }

    pub fn is_zero(&self, page: usize) -> bool {
        self.heap.words(page).iter().all(|word| word.load(Ordering::Relaxed) == 0)
    }

    pub fn used_pages(&self) -> impl Iterator<Item = usize> + '_ {
        self.used.iter().cloned().flatten()
    }

}

struct HeapRegion(Arc<Block>);

struct Plain(Block);

macro_rules! region {
    ($name:ident) => {
        impl Region for $name {
            fn base(&self) -> usize {
                self.0.base
            }
            fn bytes(&self) -> usize {
                self.0.bytes
            }
            fn page_bytes(&self) -> usize {
                PAGE
            }
            fn forget(&self, _: usize, _: usize) {}
            fn prefetch(&self, _: usize, _: usize) {}
            fn resident_bytes(&self) -> usize {
                self.0.bytes
            }
        }
    };
}
region!(HeapRegion);
region!(Plain);

impl Memory for Arena {
    fn reserve(
        &self,
        _preferred: usize,
        bytes: usize,
        source: Option<Arc<dyn PageSource>>,
    ) -> Result<Box<dyn Region>, ReserveError> {
        if bytes != self.heap.bytes {
            return Ok(Box::new(Plain(Block::new(bytes))));
        }
        let mut buffer = [0; PAGE];
        for page in self.used_pages() {
            let how = source.as_ref().map_or(Filled::Zero, |source| source.fill(page, &mut buffer));
            for (word, chunk) in self.heap.words(page).iter().zip(buffer.chunks_exact(8)) {
                let value = match how {
                    Filled::Zero | Filled::Failed => 0,
                    Filled::Bytes | Filled::Lost => u64::from_le_bytes(chunk.try_into().unwrap()),
                };
                word.store(value, Ordering::Relaxed);
            }
        }
        Ok(Box::new(HeapRegion(self.heap.clone())))
    }
}
