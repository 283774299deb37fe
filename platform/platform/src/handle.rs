//! Names for things outside a world, and the reasons why a service refuses.

use alloc::string::String;

/// A thing outside the world: a file, socket, window, text layout.
///
/// A handle outlives the session that made it (it is data in the world's file); the service that
/// is asked compares `session` and `generation` and declines with [`Refusal::Stale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The session (one opening of the world) that made it.
    pub session: u64,
    /// The slot in the service's table.
    pub slot: u32,
    /// How often the slot had been reused.
    pub generation: u32,
}

/// Why a service declined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The handle is from an earlier session or was closed.
    Stale,
    /// The operation is not one of this service's.
    UnknownOperation,
    /// The bytes of the request are malformed; the text says where.
    Malformed(String),
    /// The instance's grants do not cover it.
    NotGranted,
    /// The outside said no: a code that is stable across machines, and a line for the user.
    Failed {
        /// Stable name such as `notFound`, `exists`, `denied`, `full`, `closed`.
        code: &'static str,
        /// One line for the user.
        message: String,
    },
    /// It would block; the semaphore named in the request is signalled when it may go on.
    WouldBlock,
}
