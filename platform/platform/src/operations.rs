//! The operations of the services that every port offers: one table a service, read by the port
//! that carries them out and mirrored in the world.
//!
//! Arguments and results are a sequence of fields, little-endian, without padding: `u8`, `u32`,
//! `u64`, `i64`, text (`u32` length in bytes, then UTF-8) and raw bytes (everything to the end).
//! [`Fields`] reads them, [`Packed`] writes them.

use crate::Refusal;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

macro_rules! operations {
    ($(#[$meta:meta])* $name:ident { $($code:literal $operation:ident $arguments:literal $results:literal $doc:literal;)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum $name { $(#[doc = $doc] $operation = $code,)* }

        impl $name {
            /// Rows for the mirror: code, name, arguments, results, what it does.
            pub const TABLE: &'static [(u32, &'static str, &'static str, &'static str, &'static str)] =
                &[$(($code, stringify!($operation), $arguments, $results, $doc)),*];

            /// The operation of a code.
            pub const fn from_code(code: u32) -> Option<$name> {
                match code { $($code => Some($name::$operation),)* _ => None }
            }
        }
    };
}

operations! {
    /// Service `file`. Refusals: `notFound`, `exists`, `denied`, `full`, `isFolder`, `notFolder`,
    /// `notEmpty`, `readOnly`, `io`.
    FileOperation {
        1 Open "text path, u8 mode: 0 read, 1 read and write (made if absent), 2 made anew (must not exist), 3 append, 4 emptied first" "handle" "Opens a file.";
        2 Close "handle" "" "Closes it.";
        3 Read "handle, u64 offset (all ones: where the last read or write ended), u32 count" "bytes, empty at the end" "Reads at most so many bytes.";
        4 Write "handle, u64 offset (as for Read), bytes" "u64 count" "Writes all of them.";
        5 Size "handle" "u64" "The length in bytes.";
        6 Truncate "handle, u64 bytes" "" "Makes it so long.";
        7 Flush "handle" "" "Returns when what was written is durable.";
        8 Status "text path, u8 follow links" "u8 kind (1 file, 2 folder, 3 link, 4 other), u64 bytes, i64 modified ns, i64 created ns, u32 permissions" "What stands at a path.";
        9 List "text path" "texts" "The names in a folder, unordered.";
        10 DeleteFile "text path" "" "Deletes a file or link.";
        11 DeleteFolder "text path" "" "Deletes an empty folder.";
        12 Rename "text from, text to, u8 replace" "" "Renames; without replace an existing target is refused.";
        13 MakeFolder "text path" "" "Makes a folder.";
        14 Place "u8: 0 working folder, 1 home, 2 temporary, 3 the program" "text" "Where something stands.";
        15 Environment "text name" "text" "The value of an environment variable; notFound if unset.";
        16 EnvironmentNames "" "texts" "The names of all of them.";
        17 SetPermissions "text path, u32 mode" "" "Sets the permission bits.";
        18 RealPath "text path" "text" "The path without links and dots.";
        19 LinkTarget "text path" "text" "Where a link leads.";
    }
}

operations! {
    /// Service `console`. Where a handle is given it is a guest's: a command of another process, with a
    /// session of its own in this world; without one it is the console of the program itself. A port
    /// without guests refuses every handle as stale. Refusals: `closed`, `io`.
    ConsoleOperation {
        1 Read "u32 count" "bytes, empty at the end" "Reads at most so many bytes of standard input; would block: the semaphore is signalled when there are some.";
        2 WriteOut "bytes" "" "Writes to standard output; would block where a guest does not read: the semaphore is signalled.";
        3 WriteError "bytes" "" "Writes to standard error, as WriteOut.";
        4 IsTerminal "u8: 0 input, 1 output, 2 error" "u8" "Whether a person sits there.";
        5 Extent "" "u32 columns, u32 rows" "The size of the terminal; 80 by 24 if unknown.";
        6 End "handle, i64 status" "" "The session of a guest ended; it is told once all is durable.";
        7 Notices "" "per notice: u8 0 the interrupt key of the program's own terminal; or 1 that of a guest, 2 a guest left, and 16 bytes handle" "What happened since the last time that the interrupt semaphore was signalled for.";
    }
}

operations! {
    /// Service `display`: windows, pictures, text layout. Lengths are in 1/64 logical pixels (i32), a
    /// stream is as `browser-ui/raster/STREAM.md` says, events as [`crate::events`] says. A handle names
    /// a surface: a window, or a picture that nobody sees. Refusals: `noDisplay`, `notFound` (no such
    /// layout), `malformed`, `full`, `io`.
    DisplayOperation {
        1 OpenWindow "text title, u32 width, u32 height (whole logical pixels)" "handle" "Opens a window; its first event is Resized.";
        2 OpenPicture "u32 width, u32 height (whole logical pixels), u32 scale in 1/64" "handle" "Makes a surface that nobody sees; it takes frames and posted events as a window does.";
        3 Close "handle" "" "Closes it.";
        4 Present "handle, a stream" "" "Shows a frame. A malformed one is refused and changes nothing.";
        5 Measure "handle, a stream of Layout commands only" "per layout: u32 id, u32 lines, i32 width, i32 height" "Lays text out. The next frame defines it again, which then costs nothing.";
        6 Lines "handle, u32 id" "per line: u32 first byte, u32 byte behind the last, i32 top, i32 height, i32 baseline, i32 left, i32 width" "The lines of a layout. Each LF belongs to the line that it ends.";
        7 HitTest "handle, u32 id, i32 x, i32 y" "u32 byte, u8 1 if the place is on text" "Where a caret goes that is set at a place.";
        8 CaretRectangle "handle, u32 id, u32 byte" "i32 x, i32 y, i32 width, i32 height" "Where the caret before a byte stands.";
        9 Marks "handle, u32 id, u32 from, u32 to" "per rectangle: i32 x, i32 y, i32 width, i32 height" "What covers the text between two bytes: for selections.";
        10 NextEvents "handle" "events" "What happened, oldest first; would block: the semaphore is signalled when something has.";
        11 Post "handle, events" "" "Adds events as if they had happened: for tests and replays.";
        12 SetTitle "handle, text" "" "The window's title.";
        13 Raise "handle" "" "Brings the window to the front.";
        14 SetZoom "handle, u32 zoom in 1/64" "" "Scales all of a surface; a Resized event follows.";
        15 SetPointer "handle, u8: 0 arrow, 1 text, 2 hand, 3 move left and right, 4 move up and down, 5 busy, 6 none" "" "The pointer's shape.";
        16 SetInput "handle, u8 1 if text is awaited, i32 x, i32 y, i32 width, i32 height" "" "Where the caret is, so that an input method stands beside it.";
        17 GetClipboard "u8: 0 clipboard, 1 primary selection" "text" "The text that was copied; empty if there is none.";
        18 SetClipboard "u8: 0 clipboard, 1 primary selection, text" "" "Offers a text to other programs.";
        19 Picture "handle" "a PNG" "The last frame as it is shown.";
        20 Extent "handle" "i32 width, i32 height, u32 scale in 1/64 (zoom within)" "How large it is.";
        21 Availability "" "u8 1 if windows can be opened, text why not" "Whether somebody could see a window.";
        22 Statistics "handle" "u64s: frames shown, frames painted, last paint ns, pixels painted last, glyphs kept, bytes of glyphs, layouts, bytes of layouts, keys timed, their median and 99th percentile from the event to the screen in ns" "What the surface costs.";
        23 Replay "handle" "a stream" "The last frame as a keyframe with all its definitions.";
        24 Feel "" "u8 theme (0 light, 1 dark, 2 unknown), u32 blink ms (0 never), u32 double click ms" "What the user's desktop asks for.";
        25 Trouble "handle, text error, text stack" "" "The world cannot draw its window any more: the machine shows what happened and what can be done, without any view, until somebody chooses.";
    }
}

operations! {
    /// Service `model`: questions to a language model at the configured address, or at one on this
    /// machine. The key stands outside the world and is never told. Refusals: `notConfigured`,
    /// `settings` (they cannot be used), `denied` (an address that may not be asked), `full`,
    /// `closed` (the answer has ended).
    ModelOperation {
        1 Settings "" "u8 whether an address is configured, text address, text model, text what is wrong with the settings" "What is configured.";
        2 Ask "text address (empty: the configured one), text model (empty: the configured one), u32 ms of silence at most, u32 ms in all at most, u32 bytes of answer at most, u32 tokens of answer at most (0: as the server likes), turns: text role, text content" "handle" "Asks; the answer comes by Next.";
        3 Next "handle" "u8 kind: 1 piece, text; 2 whole, text why the model stopped; 3 failed, text code, text message, u32 ms to wait before another try" "The next piece of the answer; would block: the semaphore is signalled when there is one.";
        4 GiveUp "handle" "" "Gives the question up; its end is that.";
        5 Close "handle" "" "Forgets the question.";
    }
}

operations! {
    /// Service `branch`: scratch branches. A text is evaluated in another machine, over the last saved
    /// state of this world, without services but the output that comes back, and is dropped with all
    /// that it did. Refusals: `noFile` (the world is in memory only), `io`, `full`, `closed`.
    BranchOperation {
        1 Start "u32 ms at most, u64 bytes of memory at most, u64 bytes of output at most, text source" "handle" "Starts a branch that evaluates the text.";
        2 Next "handle" "u8 kind: 1 output, bytes; 2 ended, u8 how (0 exit, 1 out of time, 2 too much output, 3 killed), u32 status, text what it wrote as errors" "What the branch wrote, or its end; would block: the semaphore is signalled.";
        3 Stop "handle" "" "Ends it and forgets it.";
    }
}

/// Reads fields of a request or reply.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// The fields in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Fields<'a> {
        Fields { rest: bytes }
    }

    fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Refusal> {
        if self.rest.len() < count {
            let message = format!("{what} cut off: {} of {count} bytes", self.rest.len());
            return Err(Refusal::Malformed(message));
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Refusal> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N, what)?);
        Ok(array)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Result<u8, Refusal> {
        self.array::<1>("byte").map(|[byte]| byte)
    }

    /// The next 32-bit number.
    pub fn u32(&mut self) -> Result<u32, Refusal> {
        self.array("32-bit number").map(u32::from_le_bytes)
    }

    /// The next signed 32-bit number.
    pub fn i32(&mut self) -> Result<i32, Refusal> {
        self.array("32-bit number").map(i32::from_le_bytes)
    }

    /// The next 64-bit number.
    pub fn u64(&mut self) -> Result<u64, Refusal> {
        self.array("64-bit number").map(u64::from_le_bytes)
    }

    /// The next text.
    pub fn text(&mut self) -> Result<&'a str, Refusal> {
        let length = self.u32()? as usize;
        let bytes = self.take(length, "text")?;
        core::str::from_utf8(bytes)
            .map_err(|error| Refusal::Malformed(format!("text is not UTF-8: {error}")))
    }

    /// Everything that is left.
    pub fn bytes(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// Whether nothing is left.
    pub const fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Writes fields.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    bytes: Vec<u8>,
}

impl Packed {
    /// Appends a byte.
    pub fn u8(mut self, value: u8) -> Packed {
        self.bytes.push(value);
        self
    }

    /// Appends a 32-bit number.
    pub fn u32(mut self, value: u32) -> Packed {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Appends a signed 32-bit number.
    pub fn i32(self, value: i32) -> Packed {
        self.u32(value as u32)
    }

    /// Appends a 64-bit number.
    pub fn u64(mut self, value: u64) -> Packed {
        self.bytes.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// Appends a signed 64-bit number.
    pub fn i64(self, value: i64) -> Packed {
        self.u64(value as u64)
    }

    /// Appends a text.
    pub fn text(self, text: &str) -> Packed {
        let mut packed = self.u32(text.len() as u32);
        packed.bytes.extend_from_slice(text.as_bytes());
        packed
    }

    /// Appends several texts.
    pub fn texts(self, texts: impl IntoIterator<Item = String>) -> Packed {
        texts.into_iter().fold(self, |packed, text| packed.text(&text))
    }

    /// Appends bytes as they are.
    pub fn raw(mut self, bytes: &[u8]) -> Packed {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The bytes.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
