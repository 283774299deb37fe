//! Clock and entropy. A simulator makes both deterministic.

/// Time, in nanoseconds.
pub trait Clock: Send + Sync {
    /// Nanoseconds since an arbitrary point of this session; never goes back.
    fn monotonic_ns(&self) -> u64;
    /// Nanoseconds since 1970-01-01T00:00:00Z; may jump either way.
    fn wall_ns(&self) -> i64;
    /// The local offset from UTC in seconds at the given wall time.
    fn utc_offset_s(&self, wall_ns: i64) -> i32 {
        let _ = wall_ns;
        0
    }
    /// Processor time of the calling thread in nanoseconds, for judging pauses.
    fn thread_cpu_ns(&self) -> u64 {
        self.monotonic_ns()
    }
    /// Waits until `monotonic_ns` or an earlier [`Clock::wake`]; may return early.
    fn sleep_until(&self, monotonic_ns: u64);
    /// Ends a running or the next [`Clock::sleep_until`], from any thread.
    fn wake(&self);
}

/// Unpredictable bytes.
pub trait Entropy: Send + Sync {
    /// Fills `into`.
    fn fill(&self, into: &mut [u8]);
}
