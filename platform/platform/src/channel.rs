//! A channel: a two-way stream of bytes to a person or a program (terminal, serial line, socket).

use crate::Refusal;

/// What happened on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// So many bytes were read or written.
    Bytes(usize),
    /// The other side closed it.
    Closed,
    /// The interrupt key was pressed.
    Interrupt,
}

/// A two-way stream of bytes.
pub trait Channel: Send {
    /// Reads what is there, at most `into.len()` bytes; waits for the first byte only if asked to.
    fn read(&mut self, into: &mut [u8], wait: bool) -> Result<ChannelEvent, Refusal>;
    /// Writes all of `from`.
    fn write(&mut self, from: &[u8]) -> Result<ChannelEvent, Refusal>;
}
