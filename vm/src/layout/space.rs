//! What stands where in a world's address space.
//!
//! Offsets are from the heap's base. All of it is pages of the image: holes cost nothing.
//!
//! ```text
//!   0 … 64 KiB         the root block: raw words, see `root`
//!   16 … 24 MiB        eden: addresses only; its pages are never part of an image
//!   32 … 64 MiB        the class table: one word an index, 2^22 of them
//!   64 … 128 MiB       the block table: `BLOCK_ENTRY_BYTES` a block
//!   128 MiB …          blocks of objects, 32 KiB each
//! ```
//!
//! Blocks are numbered from the base, so that an address is in block `offset / BLOCK_BYTES`; those
//! below [`BLOCKS_OFFSET`] hold no objects (but eden, while a world is open).
//!
//! Machine constants (page size, block size, card size) are named here and nowhere assumed.

/// Page: the unit of images and of dirtiness, in bytes.
pub const PAGE_BYTES: usize = 4096;
/// Card: the unit of the remembered set, in bytes.
pub const CARD_BYTES: usize = 512;
/// Block: the unit in which the heap is handed out, in bytes.
pub const BLOCK_BYTES: usize = 32 * 1024;
/// Word, in bytes.
pub const WORD_BYTES: usize = 8;
/// Where a world's heap stands by default.
pub const DEFAULT_BASE: usize = 0x2000_0000_0000;
/// How much address space a world reserves by default.
pub const DEFAULT_RESERVE: usize = 64 << 30;
/// Offset of the root block.
pub const ROOT_OFFSET: usize = 0;
/// Bytes of the root block.
pub const ROOT_BYTES: usize = 64 * 1024;
/// Offset of eden.
pub const EDEN_OFFSET: usize = 16 << 20;
/// The greatest size of eden, in bytes.
pub const EDEN_MAX_BYTES: usize = 8 << 20;
/// Objects of more bytes than this stand in a run of blocks of their own.
pub const LARGE_OBJECT_BYTES: usize = BLOCK_BYTES / 2;
/// Offset of the class table.
pub const CLASS_TABLE_OFFSET: usize = 32 << 20;
/// Entries of the class table.
pub const CLASS_TABLE_ENTRIES: usize = 1 << 22;
/// Offset of the block table.
pub const BLOCK_TABLE_OFFSET: usize = 64 << 20;
/// Bytes of one entry of the block table.
pub const BLOCK_ENTRY_BYTES: usize = 32;
/// Offset of the first block of objects.
pub const BLOCKS_OFFSET: usize = 128 << 20;

/// Words of the root block, by index. Raw unless said otherwise; oops are the collector's roots.
pub mod root {
    /// "WarmHeap" in little-endian bytes.
    pub const MAGIC: usize = 0;
    /// Version of this layout.
    pub const VERSION: usize = 1;
    /// Oop: the Array of `KnownObject`s.
    pub const KNOWN_OBJECTS: usize = 2;
    /// The counter from which identity hashes are made.
    pub const HASH_COUNTER: usize = 3;
    /// The number of the last mark that finished.
    pub const LAST_MARK: usize = 4;
    /// The number of the last sweep that completed.
    pub const LAST_SWEEP: usize = 5;
    /// Blocks in use end here (block index).
    pub const BLOCK_LIMIT: usize = 6;
    /// Old-space allocation cursor: address, then end.
    pub const OLD_CURSOR: usize = 7;
    /// End of the old-space allocation cursor.
    pub const OLD_CURSOR_END: usize = 8;
    /// The next class index that was never used.
    pub const NEXT_CLASS: usize = 9;
    /// The next frame serial.
    pub const NEXT_FRAME_SERIAL: usize = 10;
    /// The next process serial.
    pub const NEXT_PROCESS_SERIAL: usize = 11;
    /// Bytes allocated in eden since the world began.
    pub const ALLOCATED_BYTES: usize = 12;
    /// The base address that references in this heap are made for.
    pub const BASE: usize = 13;
    /// Number of sessions (openings for writing) so far.
    pub const SESSION: usize = 14;
    /// Oop: the Array of StackImages of live processes, or 0.
    pub const STACK_IMAGES: usize = 15;
    /// 1 once a `become:` may have left forwarders; 0 in a world that never had one.
    pub const FORWARDERS: usize = 16;
    /// Bytes that old space grew by since the start of the last mark that was swept after; 0 in a world of
    /// an older program.
    pub const OLD_GROWTH: usize = 17;
    /// The value of the root block's version word.
    pub const CURRENT_VERSION: u64 = 1;
    /// The value of the root block's magic word.
    pub const MAGIC_VALUE: u64 = u64::from_le_bytes(*b"WarmHeap");
}

const _: () = assert!(BLOCK_BYTES.is_multiple_of(PAGE_BYTES) && PAGE_BYTES.is_multiple_of(CARD_BYTES));
const _: () = assert!(ROOT_OFFSET + ROOT_BYTES <= EDEN_OFFSET);
const _: () = assert!(EDEN_OFFSET + EDEN_MAX_BYTES <= CLASS_TABLE_OFFSET);
const _: () = assert!(CLASS_TABLE_OFFSET + CLASS_TABLE_ENTRIES * WORD_BYTES <= BLOCK_TABLE_OFFSET);
const _: () =
    assert!(BLOCK_TABLE_OFFSET + DEFAULT_RESERVE / BLOCK_BYTES * BLOCK_ENTRY_BYTES <= BLOCKS_OFFSET);
