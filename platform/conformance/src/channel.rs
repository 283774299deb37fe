//! The channel's suite, with nobody at the other side.

use crate::Suite;
use alloc::string::String;
use platform::{Channel, ChannelEvent};

/// Runs the suite; `name` is written, as a line, so that whoever listens can see that it came out.
pub fn channel(channel: &mut dyn Channel, line: &str) -> Result<usize, String> {
    let mut suite = Suite::new();
    let nothing = Ok(ChannelEvent::Bytes(0));
    suite.check(channel.read(&mut [], true) == nothing, "reading nothing does not wait")?;
    suite.check(
        channel.read(&mut [0; 16], false) == nothing,
        "a read that may not wait answers at once that nothing is there",
    )?;
    suite.check(channel.write(&[]) == nothing, "writing nothing is good")?;
    suite.check(
        channel.write(line.as_bytes()) == Ok(ChannelEvent::Bytes(line.len())),
        "all that is given is written",
    )?;
    suite.done()
}
