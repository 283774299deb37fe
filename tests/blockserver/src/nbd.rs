//! The device as a network block device, for machines without a file system of ours (QEMU).
//!
//! Duty: the server's side of the NBD protocol over any stream: fixed newstyle handshake with
//! `NBD_OPT_GO`, `NBD_OPT_EXPORT_NAME`, `NBD_OPT_LIST` and `NBD_OPT_ABORT`; then read, write, flush,
//! trim and disconnect, with simple replies.
//!
//! Invariants
//! - N1 What a client sends is only believed within bounds: a request's length is limited before
//!   anything is allocated, an option's too.
//! - N2 A request that the device refuses is answered with an error; the session goes on.
//! - N3 `FLUSH`, and FUA on a write, are the only ways to make anything durable.
//!
//! Source: the protocol description of the Network Block Device project (`doc/proto.md`).

use crate::Device;
use platform::{Store, StoreError, StoreErrorKind};
use std::io::{self, Read, Write};

/// The greeting of a server.
pub const GREETING: u64 = u64::from_be_bytes(*b"NBDMAGIC");
/// What precedes an option.
pub const OPTION: u64 = u64::from_be_bytes(*b"IHAVEOPT");
/// What precedes the reply to an option.
pub const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
/// What precedes a request.
pub const REQUEST: u32 = 0x2560_9513;
/// What precedes a simple reply.
pub const REPLY: u32 = 0x6744_6698;

/// Handshake flags: fixed newstyle, no zeroes.
pub const HANDSHAKE_FLAGS: u16 = 0b11;
/// Transmission flags: flags are there, flush, FUA, trim.
pub const TRANSMISSION_FLAGS: u16 = 1 | 1 << 2 | 1 << 3 | 1 << 5;

const LONGEST_REQUEST: u32 = 32 << 20;
const LONGEST_OPTION: u32 = 64 << 10;
const NO_ZEROES: u32 = 0b10;

/// Options.
pub mod option {
    /// Begin at once, with an older reply.
    pub const EXPORT_NAME: u32 = 1;
    /// End.
    pub const ABORT: u32 = 2;
    /// Name the exports.
    pub const LIST: u32 = 3;
    /// Describe an export.
    pub const INFO: u32 = 6;
    /// Describe an export and begin.
    pub const GO: u32 = 7;
}

/// Replies to options.
pub mod answer {
    /// Done.
    pub const ACK: u32 = 1;
    /// A name.
    pub const SERVER: u32 = 2;
    /// A description.
    pub const INFO: u32 = 3;
    /// No such option.
    pub const UNSUPPORTED: u32 = 1 << 31 | 1;
    /// Malformed.
    pub const INVALID: u32 = 1 << 31 | 3;
}

/// Commands.
pub mod command {
    /// Read.
    pub const READ: u16 = 0;
    /// Write.
    pub const WRITE: u16 = 1;
    /// End.
    pub const DISCONNECT: u16 = 2;
    /// Make durable.
    pub const FLUSH: u16 = 3;
    /// No longer needed.
    pub const TRIM: u16 = 4;
    /// On a write: make durable before the reply.
    pub const FUA: u16 = 1;
}

const EPERM: u32 = 1;
const EIO: u32 = 5;
const EINVAL: u32 = 22;
const ENOSPC: u32 = 28;

/// Serves one client until it leaves.
pub fn serve(device: &Device, stream: &mut (impl Read + Write)) -> io::Result<()> {
    if shake_hands(device, stream)? { transmit(device, stream) } else { Ok(()) }
}

fn read<const N: usize>(stream: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn broken(line: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, line)
}

/// Answers options until the client begins (`true`) or leaves (`false`).
fn shake_hands(device: &Device, stream: &mut (impl Read + Write)) -> io::Result<bool> {
    stream.write_all(&GREETING.to_be_bytes())?;
    stream.write_all(&OPTION.to_be_bytes())?;
    stream.write_all(&HANDSHAKE_FLAGS.to_be_bytes())?;
    let flags = u32::from_be_bytes(read(stream)?);
    loop {
        let magic = u64::from_be_bytes(read(stream)?);
        let option = u32::from_be_bytes(read(stream)?);
        let length = u32::from_be_bytes(read(stream)?);
        if magic != OPTION || length > LONGEST_OPTION {
            return Err(broken(format!("option {option} of {length} bytes, the bound is {LONGEST_OPTION}")));
        }
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data)?;
        match option {
            option::EXPORT_NAME => {
                stream.write_all(&size(device)?.to_be_bytes())?;
                stream.write_all(&TRANSMISSION_FLAGS.to_be_bytes())?;
                if flags & NO_ZEROES == 0 {
                    stream.write_all(&[0; 124])?;
                }
                return Ok(true);
            }
            option::ABORT => {
                reply_option(stream, option, answer::ACK, &[])?;
                return Ok(false);
            }
            option::LIST => {
                reply_option(stream, option, answer::SERVER, &0u32.to_be_bytes())?;
                reply_option(stream, option, answer::ACK, &[])?;
            }
            option::INFO | option::GO => {
                if !is_export_request(&data) {
                    reply_option(stream, option, answer::INVALID, &[])?;
                    continue;
                }
                let mut info = vec![0, 0];
                info.extend(size(device)?.to_be_bytes());
                info.extend(TRANSMISSION_FLAGS.to_be_bytes());
                reply_option(stream, option, answer::INFO, &info)?;
                reply_option(stream, option, answer::ACK, &[])?;
                if option == option::GO {
                    return Ok(true);
                }
            }
            _ => reply_option(stream, option, answer::UNSUPPORTED, &[])?,
        }
    }
}

/// Whether the data of `INFO` or `GO` is a name and a list of requests of the lengths they claim.
fn is_export_request(data: &[u8]) -> bool {
    let Some((length, rest)) = data.split_first_chunk::<4>() else { return false };
    let Some(rest) = rest.get(u32::from_be_bytes(*length) as usize..) else { return false };
    let Some((count, rest)) = rest.split_first_chunk::<2>() else { return false };
    rest.len() == usize::from(u16::from_be_bytes(*count)) * 2
}

fn reply_option(stream: &mut impl Write, option: u32, answer: u32, data: &[u8]) -> io::Result<()> {
    stream.write_all(&OPTION_REPLY.to_be_bytes())?;
    stream.write_all(&option.to_be_bytes())?;
    stream.write_all(&answer.to_be_bytes())?;
    stream.write_all(&(data.len() as u32).to_be_bytes())?;
    stream.write_all(data)
}

fn size(device: &Device) -> io::Result<u64> {
    device.store().len().map_err(|error| io::Error::other(error.message))
}

/// A request as it came.
struct Asked {
    flags: u16,
    command: u16,
    cookie: [u8; 8],
    offset: u64,
    length: u32,
}

fn transmit(device: &Device, stream: &mut (impl Read + Write)) -> io::Result<()> {
    loop {
        let magic = u32::from_be_bytes(read(stream)?);
        let asked = Asked {
            flags: u16::from_be_bytes(read(stream)?),
            command: u16::from_be_bytes(read(stream)?),
            cookie: read(stream)?,
            offset: u64::from_be_bytes(read(stream)?),
            length: u32::from_be_bytes(read(stream)?),
        };
        if magic != REQUEST {
            return Err(broken(format!("a request begins with {magic:#x}")));
        }
        if asked.command == command::DISCONNECT {
            return Ok(());
        }
        let mut data = Vec::new();
        if asked.length > LONGEST_REQUEST && matches!(asked.command, command::READ | command::WRITE) {
            if asked.command == command::WRITE {
                return Err(broken(format!("a write of {} bytes, the bound is {LONGEST_REQUEST}", asked.length)));
            }
            reply(stream, EINVAL, asked.cookie, &[])?;
            continue;
        }
        if asked.command == command::WRITE {
            data.resize(asked.length as usize, 0);
            stream.read_exact(&mut data)?;
        }
        match carry_out(&device.store(), &asked, data) {
            Ok(data) => reply(stream, 0, asked.cookie, &data)?,
            Err(code) => reply(stream, code, asked.cookie, &[])?,
        }
    }
}

fn code(error: StoreError) -> u32 {
    match error.kind {
        StoreErrorKind::Full => ENOSPC,
        StoreErrorKind::ReadOnly => EPERM,
        StoreErrorKind::OutOfRange => EINVAL,
        StoreErrorKind::Io | StoreErrorKind::Gone | StoreErrorKind::Locked => EIO,
    }
}

/// Carries a request out; answers what a read gives, or the error's number.
fn carry_out(store: &dyn Store, asked: &Asked, data: Vec<u8>) -> Result<Vec<u8>, u32> {
    match asked.command {
        command::READ => {
            let mut bytes = vec![0; asked.length as usize];
            store.read_at(asked.offset, &mut bytes).map_err(code)?;
            Ok(bytes)
        }
        command::WRITE => {
            store.write_at(asked.offset, &data).map_err(code)?;
            if asked.flags & command::FUA != 0 {
                store.flush().map_err(code)?;
            }
            Ok(Vec::new())
        }
        command::FLUSH => store.flush().map(|()| Vec::new()).map_err(code),
        command::TRIM => store.discard(asked.offset, asked.length.into()).map(|()| Vec::new()).map_err(code),
        _ => Err(EINVAL),
    }
}

fn reply(stream: &mut impl Write, error: u32, cookie: [u8; 8], data: &[u8]) -> io::Result<()> {
    stream.write_all(&REPLY.to_be_bytes())?;
    stream.write_all(&error.to_be_bytes())?;
    stream.write_all(&cookie)?;
    stream.write_all(data)?;
    stream.flush()
}
