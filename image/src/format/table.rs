//! The one table of what stands where in every record of a world file.
//!
//! `FORMAT.md` shows the same rows; the test at the end of this file compares them.

use super::field::{Field, Row, in_order};

macro_rules! record {
    ($(#[$doc:meta])* $module:ident, $title:literal, $bytes:expr, {
        $($name:ident: $kind:ty = $offset:expr, $meaning:literal;)*
    }) => {
        $(#[$doc])*
        #[allow(dead_code, reason = "a table holds all fields, also those that are only documented")]
        pub(crate) mod $module {
            use super::*;
            /// The heading under which `FORMAT.md` shows this record.
            pub(crate) const TITLE: &str = $title;
            /// The record's length in bytes, without what follows it in variable number.
            pub(crate) const BYTES: usize = $bytes;
            $(#[doc = $meaning] pub(crate) const $name: Field<$kind> = Field::at($offset);)*
            /// The rows.
            pub(crate) const ROWS: &[Row] = &[$(Row {
                name: stringify!($name),
                offset: $offset,
                bytes: size_of::<$kind>(),
                meaning: $meaning,
            },)*];
            const _: () = assert!(in_order(ROWS, BYTES));
        }
    };
}

record! {
    /// Blocks 0 and 1 of the store.
    superblock, "Superblock", 512, {
        MAGIC: [u8; 8] = 0, "`WarmWrld`";
        VERSION: u32 = 8, "version of the format: 1";
        BLOCK_SIZE: u32 = 12, "bytes of a block: 4096";
        RING_SLOTS: u32 = 16, "slots in each commit ring";
        RESERVE: u32 = 20, "blocks kept back for commits that free space";
        RING_A: u64 = 24, "first block of commit ring A";
        RING_B: u64 = 32, "first block of its mirror, ring B";
        JOURNAL: u64 = 40, "first block of the journal ring";
        JOURNAL_BLOCKS: u64 = 48, "blocks of the journal ring";
        FIRST_DATA: u64 = 56, "first block that the allocator hands out";
        NODE_ENTRIES: u32 = 64, "entries of a map node: 256";
        CRC: u32 = 508, "CRC-32 of bytes 0 to 507";
    }
}

record! {
    /// A reference to a block, with its sum: of a page, a map node, a tree node, a list block.
    map_entry, "Entry", 16, {
        BLOCK: u64 = 0, "the block; 0 is a hole (reads as zero), all ones a page known to be lost";
        CRC: u32 = 8, "CRC-32 of the block's 4096 bytes";
        BIRTH: u32 = 12, "the commit that wrote it";
    }
}

record! {
    /// One slot of a commit ring.
    commit, "Commit record", 4096, {
        MAGIC: [u8; 8] = 0, "`WarmComm`";
        NUMBER: u64 = 8, "commit number; its slot is the remainder by the ring's length";
        PARENT: u64 = 16, "number of the commit that this one follows";
        IDENTITY: [u8; 16] = 24, "the world's identity; zero until the first commit for writing";
        WALL: i64 = 40, "wall clock at the flip, nanoseconds since 1970";
        HEAP_BASE: u64 = 48, "address at which the heap stood";
        HEAP_PAGES: u64 = 56, "pages of the heap";
        MAP: [u8; 16] = 64, "entry of the topmost map node";
        MAP_LEVELS: u32 = 80, "levels of map nodes; 0 is an empty heap";
        TREE_LEVELS: u32 = 84, "levels of the moments tree; 0 is an empty tree";
        TREE: [u8; 16] = 88, "entry of the moments tree's root";
        NEXT_MOMENT: u64 = 104, "number of the next moment";
        LINE: u64 = 112, "the moment on whose line the head is; 0 is none";
        LINE_BOUND: u64 = 120, "the commit that made that moment; what was born later is the head's own";
        HIGH_WATER: u64 = 128, "blocks from here on were never written";
        HELD: u64 = 136, "estimate of the blocks that only moments reach";
        JOURNAL_SEQUENCE: u64 = 144, "number of the first journal record that this commit does not cover";
        JOURNAL_PLACE: u64 = 152, "where that record stands, in bytes since the world began";
        JOURNAL_CHAIN: u32 = 160, "the checksum that it continues";
        FLAGS: u32 = 164, "1: closed cleanly, the list of free extents holds";
        FREE: [u8; 16] = 168, "entry of the first list block of free extents, or a hole";
        EXTENTS: [u8; 16] = 184, "entry of the first list block of further extents, or a hole";
        LOST: [u8; 16] = 200, "entry of the first list block of further lost pages, or a hole";
        EXTENT_COUNT: u32 = 216, "extents in this block";
        LOST_COUNT: u32 = 220, "runs of lost pages in this block";
        ROOTS: [u8; 64] = 224, "8 words of the heap's own";
        LOST_RUNS: [u8; 512] = 288, "32 runs of lost pages: first page, count";
        EXTENT_ROWS: [u8; 3200] = 800, "200 extents that this commit wrote";
        MAP_COPY: u64 = 4000, "block of a second copy of the topmost map node; 0 is none";
        CRC: u32 = 4092, "CRC-32 of bytes 0 to 4091";
    }
}

record! {
    /// A row of a list: extents in a commit record or an extents list.
    extent, "Extent", 16, {
        FIRST: u64 = 0, "first block";
        BLOCKS: u32 = 8, "length in blocks";
        CRC: u32 = 12, "CRC-32 of all its bytes";
    }
}

record! {
    /// A row of a list of lost pages.
    lost_run, "Run of lost pages", 16, {
        FIRST: u64 = 0, "first page";
        PAGES: u64 = 8, "how many";
    }
}

record! {
    /// A row of a list of free extents.
    free_extent, "Free extent", 16, {
        FIRST: u64 = 0, "first block";
        BLOCKS: u32 = 8, "length in blocks";
        FREED_BY: u32 = 12, "the commit that freed it: reusable once its successor is the head's parent";
    }
}

record! {
    /// A block of a list of 16-byte rows, chained and summed by its predecessor.
    list, "List block", 48, {
        MAGIC: [u8; 8] = 0, "`WarmList`";
        KIND: u32 = 8, "1: extents, 2: runs of lost pages, 3: free extents";
        COUNT: u32 = 12, "rows in this block, at most 253; they follow at byte 48";
        NEXT: [u8; 16] = 16, "entry of the next list block, or a hole";
        COMMIT: u64 = 32, "the commit that wrote it";
    }
}

record! {
    /// The head of a node of the moments tree.
    tree, "Moments node", 16, {
        MAGIC: [u8; 8] = 0, "`WarmTree`";
        LEVEL: u32 = 8, "1: leaf, its moments follow at byte 16; above: branches follow";
        COUNT: u32 = 12, "how many follow";
    }
}

record! {
    /// A row of a moments node above the leaves.
    tree_branch, "Moments branch", 24, {
        FIRST: u64 = 0, "the least moment number below";
        ENTRY: [u8; 16] = 8, "entry of the node below";
    }
}

record! {
    /// A moment in a leaf of the moments tree.
    moment, "Moment", 144, {
        RECORD_BYTES: u32 = 0, "length of this record with its name, a multiple of 8";
        POLICY: u8 = 4, "1 automatic, 2 named, 3 pinned, 4 branch, 5 kept for its children only";
        ORIGIN: u8 = 5, "1 snapshot, 2 named, 3 branched, 4 replaced by a restore, 5 pinned";
        NAME_BYTES: u16 = 6, "length of the name (UTF-8), which follows at byte 144";
        ID: u64 = 8, "number";
        PARENT: u64 = 16, "the moment on whose line it was made; 0 is none";
        COMMIT: u32 = 24, "the commit that made it";
        MAP_LEVELS: u32 = 28, "levels of map nodes";
        MAP: [u8; 16] = 32, "entry of the topmost map node";
        HEAP_BASE: u64 = 48, "address at which the heap stood";
        HEAP_PAGES: u64 = 56, "pages of the heap";
        ROOTS: [u8; 64] = 64, "8 words of the heap's own";
        WALL: i64 = 128, "wall clock, nanoseconds since 1970";
        HOLDER: u64 = 136, "who holds it, of a pinned one";
    }
}

record! {
    /// The head of a journal record.
    journal, "Journal record", 32, {
        SEQUENCE: u64 = 0, "number, one more than its predecessor's";
        SERIAL: u64 = 8, "what it is about (the serial of a draft)";
        LENGTH: u32 = 16, "bytes of the payload, which follows at byte 32";
        KIND: u16 = 20, "kind; 0 opens a session, unknown kinds are skipped";
        MARK: u16 = 22, "0x4A57";
        CRC: u32 = 24, "CRC-32 of bytes 0 to 23 and the payload, continuing the predecessor's";
    }
}

const _: () = assert!(288 + 32 * lost_run::BYTES == 800);
const _: () = assert!(800 + 200 * extent::BYTES == 4000);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;
    use std::{format, println};

    type Table = (&'static str, usize, &'static [Row]);

    const TABLES: &[Table] = &[
        (superblock::TITLE, superblock::BYTES, superblock::ROWS),
        (map_entry::TITLE, map_entry::BYTES, map_entry::ROWS),
        (commit::TITLE, commit::BYTES, commit::ROWS),
        (extent::TITLE, extent::BYTES, extent::ROWS),
        (lost_run::TITLE, lost_run::BYTES, lost_run::ROWS),
        (free_extent::TITLE, free_extent::BYTES, free_extent::ROWS),
        (list::TITLE, list::BYTES, list::ROWS),
        (tree::TITLE, tree::BYTES, tree::ROWS),
        (tree_branch::TITLE, tree_branch::BYTES, tree_branch::ROWS),
        (moment::TITLE, moment::BYTES, moment::ROWS),
        (journal::TITLE, journal::BYTES, journal::ROWS),
    ];

    fn rows_of(document: &str, title: &str) -> Vec<String> {
        let heading = format!("### {title} (");
        let Some(start) = document.find(&heading) else { return Vec::new() };
        let section = &document[start + 4..];
        let section = section.split("\n#").next().unwrap_or("");
        let rows = section.lines().filter(|line| line.starts_with("| ") && !line.contains("---"));
        rows.skip(1).map(|line| line.trim().to_string()).collect()
    }

    fn row_text(row: &Row) -> String {
        format!("| {} | {} | {} | {} |", row.offset, row.bytes, row.name.to_lowercase(), row.meaning)
    }

    #[test]
    fn the_format_document_says_what_the_table_says() {
        let document = include_str!("../../FORMAT.md");
        for (title, bytes, rows) in TABLES {
            let expected: Vec<String> = rows.iter().map(row_text).collect();
            let found = rows_of(document, title);
            if found != expected {
                println!("### {title} ({bytes} bytes)\n\n| offset | bytes | field | meaning |");
                println!("|---|---|---|---|\n{}\n", expected.join("\n"));
            }
            assert_eq!(found, expected, "FORMAT.md differs from the table of {title}");
            assert!(document.contains(&format!("### {title} ({bytes} bytes)")), "{title}: {bytes}");
        }
    }
}
