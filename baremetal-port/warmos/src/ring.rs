//! A ring of bytes between an interrupt that fills it and one reader that empties it.
//!
//! Invariant
//! - G1 One writer, one reader: `put` alone moves the head, `take` and `clear` alone move the tail; a
//!   slot is written before the head passes it and read before the tail does.
//! - G2 The writer may `clear` while the reader takes: the reader then has the byte or none, and
//!   nothing that was dropped comes back.

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// A ring of `N` bytes, a power of two.
pub struct Ring<const N: usize> {
    slots: [AtomicU8; N],
    head: AtomicUsize,
    tail: AtomicUsize,
}

impl<const N: usize> Ring<N> {
    /// An empty ring.
    pub const fn new() -> Ring<N> {
        const { assert!(N.is_power_of_two()) };
        Ring { slots: [const { AtomicU8::new(0) }; N], head: AtomicUsize::new(0), tail: AtomicUsize::new(0) }
    }

    /// How many bytes wait.
    pub fn len(&self) -> usize {
        self.head.load(Ordering::Acquire).wrapping_sub(self.tail.load(Ordering::Acquire))
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        self.len() == N
    }

    /// Puts a byte in; `false` if there is no room.
    pub fn put(&self, byte: u8) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        if head.wrapping_sub(self.tail.load(Ordering::Acquire)) == N {
            return false;
        }
        self.slots[head % N].store(byte, Ordering::Relaxed);
        self.head.store(head.wrapping_add(1), Ordering::Release);
        true
    }

    /// Drops what waits (G2).
    pub fn clear(&self) {
        self.tail.store(self.head.load(Ordering::Acquire), Ordering::Release);
    }

    /// Takes the oldest byte.
    pub fn take(&self) -> Option<u8> {
        let tail = self.tail.load(Ordering::Relaxed);
        if tail == self.head.load(Ordering::Acquire) {
            return None;
        }
        let byte = self.slots[tail % N].load(Ordering::Relaxed);
        let next = tail.wrapping_add(1);
        self.tail.compare_exchange(tail, next, Ordering::Release, Ordering::Relaxed).ok().map(|_| byte)
    }
}

impl<const N: usize> Default for Ring<N> {
    fn default() -> Ring<N> {
        Ring::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn bytes_come_out_in_order_and_a_full_ring_refuses() {
        let ring = Ring::<4>::new();
        for round in 0..10u8 {
            assert!((0..4).all(|n| ring.put(round * 4 + n)));
            assert!(!ring.put(99));
            assert_eq!(ring.len(), 4);
            assert!((0..4).all(|n| ring.take() == Some(round * 4 + n)));
            assert_eq!(ring.take(), None);
        }
    }

    #[test]
    fn what_is_dropped_does_not_come_back() {
        static RING: Ring<64> = Ring::new();
        let writer = std::thread::spawn(|| {
            for n in 1..=200_000u32 {
                RING.put(n as u8);
                if n % 7 == 0 {
                    RING.clear();
                    assert!(RING.is_empty());
                }
            }
        });
        while !writer.is_finished() {
            RING.take();
        }
        writer.join().unwrap();
    }

    #[test]
    fn one_thread_fills_while_another_empties() {
        static RING: Ring<64> = Ring::new();
        let writer = std::thread::spawn(|| {
            for n in 0..100_000u32 {
                while !RING.put(n as u8) {
                    std::thread::yield_now();
                }
            }
        });
        for n in 0..100_000u32 {
            let byte = loop {
                match RING.take() {
                    Some(byte) => break byte,
                    None => std::thread::yield_now(),
                }
            };
            assert_eq!(byte, n as u8);
        }
        writer.join().unwrap();
    }
}
