//! The one door through which a world reaches files, windows, text, models and the network.
//!
//! A port registers services by name; the VM has one family of primitives that copies bytes to and
//! from them. So the VM knows no pixels and no files, and a service knows no objects (I1).

use crate::{Handle, Refusal};
use alloc::vec::Vec;

/// One request to a service.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The operation, by the service's own table.
    pub operation: u32,
    /// The thing it is about, if any.
    pub handle: Option<Handle>,
    /// Arguments, in the service's own encoding.
    pub bytes: &'a [u8],
    /// The index of the semaphore to signal when an operation that would block may go on.
    pub semaphore: Option<u32>,
}

/// What a service answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// A handle that the operation made.
    pub handle: Option<Handle>,
    /// Results, in the service's own encoding.
    pub bytes: Vec<u8>,
}

/// Something outside the world that answers requests.
pub trait Service: Send {
    /// The name under which a world finds it, such as `file`, `console`, `raster`.
    fn name(&self) -> &'static str;
    /// Carries out one request without blocking for longer than a disk access.
    fn call(&mut self, request: Request<'_>) -> Result<Reply, Refusal>;
    /// Whether it may have a semaphore signalled beside those of requests that it refused with
    /// [`Refusal::WouldBlock`]: a window that is open, a socket that listens. Where no service
    /// answers yes, a program all of whose processes wait has ended.
    fn may_ring(&self) -> bool {
        false
    }
}
