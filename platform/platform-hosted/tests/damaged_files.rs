//! Every way in which a file can be cut short or have one byte wrong at its head, each of them opened
//! in this process; a sample of them by the program.

mod common;

use common::{Folder, bytes, refused, warm};
use image::{BLOCK_BYTES, MomentId, PageIndex, crc32};
use platform_hosted::cli::Exit;
use platform_hosted::file_store::Access;
use platform_hosted::keeper;
use std::os::unix::fs::FileExt;
use std::path::Path;

const STORE: usize = 1 << 20;
const BLOCK: usize = 4096;
/// The first ring and its mirror stand behind the superblock and its mirror.
const RING_SLOTS: usize = 32;

/// What opening a file came to: how much was lost, or the status of the refusal.
fn opened(file: &Path) -> Result<usize, u8> {
    match keeper::open(file, Access::Read) {
        Ok(mut opened) => {
            let damages = opened.world.check().expect("a check").len();
            Ok(damages + opened.report.lost_commits.len())
        }
        Err(failure) => {
            assert!(failure.message.lines().count() == 1 && !failure.message.is_empty(), "{failure:?}");
            Err(failure.exit.number())
        }
    }
}

/// A world with a few commits, and where its pages end.
fn small_world(folder: &Folder) -> String {
    let file = folder.world("a.world");
    for value in 0..3 {
        assert_eq!(warm(&["eval", &file, &format!("Smalltalk at: #Value put: {value}")]).status, 0);
    }
    file
}

#[test]
fn a_world_cut_short_at_any_block_is_refused_or_opens_with_the_loss_named() {
    let folder = Folder::new("cut");
    let file = small_world(&folder);
    let whole = bytes(&file);
    let path = Path::new(&file);
    assert_eq!(opened(path), Ok(0));
    let cut = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let (mut refusals, mut losses, mut harmless) = (0, 0, 0);
    for length in (0..whole.len() / BLOCK).rev().map(|blocks| blocks * BLOCK) {
        cut.set_len(length as u64).unwrap();
        match opened(path) {
            Err(status) => {
                assert_eq!(status, Exit::Damaged.number(), "at {length}");
                refusals += 1;
            }
            Ok(0) => harmless += 1,
            Ok(_) => losses += 1,
        }
    }
    println!("{refusals} cuts refused, {losses} opened with a loss, {harmless} behind the last block in use");
    assert!(refusals > 100 && losses > 20, "{refusals} {losses} {harmless}");
    // Blocks that nobody uses end the file, no more of them than it grew by.
    assert!(harmless * 2 < whole.len() / BLOCK, "{harmless}");

    // The program, at some of them: it goes on with what is there, or leaves the file as it is.
    for length in (0..whole.len()).step_by(BLOCK * 211) {
        std::fs::write(&file, &whole[..length]).unwrap();
        let run = warm(&["eval", &file, "Value"]);
        assert!([0, 1, 65].contains(&run.status), "at {length}: {run:?}");
        match run.status {
            0 => assert!(["2\n", "1\n", "0\n"].contains(&run.out.as_str()), "at {length}: {run:?}"),
            65 => assert!(bytes(&file) == whole[..length], "a refused file was written, at {length}: {run:?}"),
            _ => assert!(!run.err.is_empty(), "at {length}: {run:?}"),
        }
    }
}

#[test]
fn a_wrong_byte_in_any_record_of_the_head_is_found_and_survived() {
    let folder = Folder::new("flip");
    let file = small_world(&folder);
    let path = Path::new(&file);
    let whole = bytes(&file);
    let newest = newest_slot(&whole);
    let bent = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    let flip = |places: &[usize]| {
        places.iter().for_each(|&at| bent.write_all_at(&[whole[at] ^ 0x41], at as u64).unwrap());
        let came_to = opened(path);
        places.iter().for_each(|&at| bent.write_all_at(&[whole[at]], at as u64).unwrap());
        came_to
    };
    // The line by which the file is executed, and the room behind it, are not the store's.
    for at in (0..64).chain([4096, STORE - 1]) {
        assert_eq!(flip(&[at]), Ok(0), "boot area at {at}");
    }
    for at in STORE..STORE + 512 {
        assert_eq!(flip(&[at]), Ok(1), "superblock at {at}");
        assert_eq!(flip(&[at + BLOCK]), Ok(1), "mirror at {at}");
        assert_eq!(flip(&[at, at + BLOCK]), Err(Exit::Damaged.number()), "both superblocks at {at}");
    }
    let ring_a = STORE + 2 * BLOCK + newest * BLOCK;
    let ring_b = ring_a + RING_SLOTS * BLOCK;
    for at in 0..BLOCK {
        // One copy: the other serves. Both: the commit before it opens, and the loss is named.
        if at % 3 == 0 || at < 512 {
            for one in [ring_a + at, ring_b + at] {
                assert!(matches!(flip(&[one]), Ok(found) if found <= 1), "record at {at}");
            }
        }
        if at % 16 == 0 || at < 256 {
            assert!(flip(&[ring_a + at, ring_b + at]).is_ok(), "both records at {at}");
        }
    }
    assert!(bytes(&file) == whole, "opening wrote something");
}

/// The slot of the commit with the greatest number.
fn newest_slot(whole: &[u8]) -> usize {
    let number = |slot: &usize| {
        let at = STORE + 2 * BLOCK + slot * BLOCK;
        let blank = whole[at..at + BLOCK].iter().all(|&byte| byte == 0);
        if blank { 0 } else { u32::from_le_bytes(whole[at + 8..at + 12].try_into().unwrap()) }
    };
    (0..RING_SLOTS).max_by_key(number).unwrap()
}

#[test]
fn a_world_of_a_newer_version_is_refused_and_untouched() {
    let folder = Folder::new("newer");
    let file = folder.world("a.world");
    let mut content = bytes(&file);
    for at in [STORE, STORE + BLOCK] {
        content[at + 8..at + 12].copy_from_slice(&2u32.to_le_bytes());
        let crc = crc32(&content[at..at + 508]);
        content[at + 508..at + 512].copy_from_slice(&crc.to_le_bytes());
    }
    std::fs::write(&file, &content).unwrap();
    for words in [["eval", &file, "3"], ["name", &file, "n"], ["restore", &file, "1"]] {
        refused(&warm(&words), 76, "use a newer warm");
    }
    for words in [["check", &file], ["info", &file], ["test", &file]] {
        refused(&warm(&words), 76, "use a newer warm");
    }
    assert!(bytes(&file) == content);
}

#[test]
fn a_rotten_page_anywhere_in_the_heap_is_named_by_check() {
    let folder = Folder::new("page");
    let file = small_world(&folder);
    let whole = bytes(&file);
    let mut opened = keeper::open(Path::new(&file), Access::Read).ok().unwrap();
    let mut reader = opened.world.reader(MomentId::NONE).unwrap();
    let mut page = [0; BLOCK_BYTES];
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for nth in 0..reader.heap().pages {
        reader.read_page(PageIndex(nth), &mut page).unwrap();
        if page.iter().any(|&byte| byte != 0) {
            pages.push(page.to_vec());
        }
    }
    drop(opened);
    assert!(pages.len() > 500, "{} pages", pages.len());
    let bent = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    for content in pages.iter().step_by(97) {
        let block = whole.chunks_exact(BLOCK).position(|block| block == content.as_slice()).expect("its block");
        let at = block * BLOCK + 1234;
        bent.write_all_at(&[whole[at] ^ 4], at as u64).unwrap();
        let run = warm(&["check", &file]);
        assert_eq!(run.status, 65, "block {block}: {run:?}");
        assert!(run.out.contains("checksum") || run.err.contains("damaged"), "block {block}: {run:?}");
        bent.write_all_at(&[whole[at]], at as u64).unwrap();
    }
    assert_eq!(warm(&["check", &file]).status, 0);
}
