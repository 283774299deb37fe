//! The hash that says whether two worlds are identical.
//!
//! Invariants
//! - H1 It covers every object that the world keeps: where it stands, its header (class, format,
//!   flags, identity hash), its slots; the class table; the root block's counters. What is free or
//!   dead is not the world.
//! - H2 It does not depend on where the heap stands: references count from its base.
//!
//! Two mixers of 64 bits run side by side (multiply and rotate, as in FxHash and wyhash); like the
//! image's checksums the hash guards against accident, not malice.

use alloc::string::String;

use super::walk::walk;
use crate::heap::Heap;
use crate::layout::{ClassIndex, Word, root};

/// The hash of a world, 32 hexadecimal digits. The heap must be at rest: nothing in eden.
pub fn world_hash(heap: &Heap) -> String {
    let mut hash = Mixer { a: 0x9e37_79b9_7f4a_7c15, b: 0xc2b2_ae3d_27d4_eb4f };
    for index in
        [root::VERSION, root::HASH_COUNTER, root::NEXT_FRAME_SERIAL, root::NEXT_PROCESS_SERIAL]
    {
        hash.add(heap.root_word(index));
    }
    hash.reference(heap, heap.known_objects());
    for index in 0..heap.next_class().0 {
        hash.reference(heap, heap.class_at(ClassIndex(index)));
    }
    for object in walk(heap, Word::NONE).objects {
        hash.object(heap, object);
    }
    hash.finish()
}

struct Mixer {
    a: u64,
    b: u64,
}

impl Mixer {
    fn add(&mut self, word: u64) {
        self.a = (self.a.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.b = (self.b ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(31);
    }

    fn reference(&mut self, heap: &Heap, word: Word) {
        let counts = word.is_reference();
        self.add(if counts { (word.address().wrapping_sub(heap.base())) as u64 } else { word.0 });
    }

    fn object(&mut self, heap: &Heap, object: Word) {
        let header = heap.header(object);
        self.reference(heap, object);
        self.add(header.0);
        self.add(heap.size(object) as u64);
        for slot in 0..heap.size(object) {
            if header.has_references() {
                self.reference(heap, heap.slot(object, slot));
            } else {
                self.add(heap.raw(object, slot));
            }
        }
    }

    fn finish(mut self) -> String {
        for _ in 0..4 {
            self.a ^= self.b >> 29;
            self.b ^= self.a >> 31;
            self.add(0x5bd1_e995);
        }
        alloc::format!("{:016x}{:016x}", self.a, self.b)
    }
}
