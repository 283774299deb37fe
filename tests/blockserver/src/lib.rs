//! A disk below the page cache: it holds what was not flushed, and drops or reorders it at the kill.
//!
//! Duty: show real programs a power cut. A plain SIGKILL keeps the kernel's page cache, so it never
//! shows a missing flush; here writes arrive at a server, stay pending until a flush arrives, and at
//! the cut any of them are gone, whole or by sectors.
//!
//! Invariants
//! - I1 *Write-through.* The kernel keeps no dirty page of the file (FUSE without write-back cache,
//!   opened for direct I/O), so what the server has not been told has not been written.
//! - I2 *One core.* Both doors, the file (FUSE) and the socket (NBD), serve one [`Device`].
//!
//! Knows: `platform-sim`'s store. Must not know: what a world is (but `victim` and its judge, and the
//! program `seeded`, which is `warm` with a bug).

mod device;
mod file;
pub mod nbd;
mod plain_file;
mod power;
pub mod victim;

pub use device::Device;
pub use file::{FILE_NAME, mount};
pub use plain_file::PlainFile;
pub use power::{Cut, CutReport, Moment, Mounted, Span, mounted_or_fail};
