//! From a machine to a world: the order in which the kernel begins.
//!
//! 1. The serial line, so that everything later can be said. 2. Descriptor tables and vectors. 3. A few
//! frames of the kernel's own, so that memory can be allocated while 4. the loader's map is read and
//! all frames become known. 5. The clock. 6. A stack that grows on demand. 7. The disk, the world,
//! the conversation. 8. Power off.

#![allow(unsafe_code, reason = "room: start")]

use crate::clock::{self, BareClock, BareEntropy};
use crate::epitaph::{Ending, die, say};
use crate::desktop::{Desktop, DisplayService};
use crate::disk::Disk;
use crate::living::{Came, Living, Outside, ending_of};
use crate::memory_map::{ENTRY_BYTES, orders, start_info, usable};
use crate::regions::BareMemory;
use crate::{boot, frames, paging, pci, ports, power, regions, serial, talk, traps, trial};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::cell::UnsafeCell;
use image::{ImageError, OpenOptions, OpenReport, World};
use keeper::date_text;
use platform::{Clock, Entropy, Memory};
use vm::interpret::Ended;

/// Bytes of the stack on which the world runs; pages come on demand.
const STACK_BYTES: usize = 64 << 20;
/// Frames before the map is read.
const FIRST_FRAMES: usize = 64;
/// The longest command line that is read.
const COMMAND_LINE_BYTES: usize = 4096;
/// What the loader says stands below this.
const LOADER_END: u64 = 4 << 30;

#[repr(C, align(4096))]
struct FirstFrames(UnsafeCell<[u8; FIRST_FRAMES * 4096]>);

// SAFETY: given to the frames' pool once, and used by it alone.
unsafe impl Sync for FirstFrames {}

static FIRST: FirstFrames = FirstFrames(UnsafeCell::new([0; FIRST_FRAMES * 4096]));

struct CommandLine(UnsafeCell<String>);

// SAFETY: written once by `begin`, before the only reader runs.
unsafe impl Sync for CommandLine {}

static COMMAND_LINE: CommandLine = CommandLine(UnsafeCell::new(String::new()));

/// The kernel's first function of Rust; `info` is where the loader's start info stands.
pub extern "C" fn begin(info: u64) -> ! {
    clock::note_begin();
    serial::set_up();
    boot::load_tables();
    traps::install();
    let first = FIRST.0.get() as u64;
    frames::add(first..first + (FIRST_FRAMES * 4096) as u64);
    let text = learn_memory(info);
    clock::set_up();
    // SAFETY: see `CommandLine`.
    unsafe { *COMMAND_LINE.0.get() = text };
    let stack = BareMemory.reserve(0, STACK_BYTES, None);
    let stack = stack.unwrap_or_else(|error| die(Ending::Machine, format_args!("{}", error.message)));
    let top = stack.base() + stack.bytes();
    core::mem::forget(stack);
    boot::on_stack(top, live)
}

/// The bytes at a physical address that the loader named.
fn loader_bytes(at: u64, bytes: usize) -> &'static [u8] {
    if at == 0 || at.saturating_add(bytes as u64) > LOADER_END {
        die(Ending::Machine, format_args!("the loader's information at {at:#x} is out of reach"));
    }
    // SAFETY: identity-mapped memory that the loader filled; nothing is handed out before it is read.
    unsafe { core::slice::from_raw_parts(at as *const u8, bytes) }
}

/// Makes all memory known; answers the command line.
fn learn_memory(info: u64) -> String {
    let head: &[u8; 56] = loader_bytes(info, 56).try_into().unwrap_or(&[0; 56]);
    let Some(info) = start_info(head) else {
        die(Ending::Machine, format_args!("the loader gives no map of the memory; boot by PVH"));
    };
    let text = command_line(info.command_line);
    let (_, floor) = boot::kernel_bounds();
    let map = loader_bytes(info.map, info.entries as usize * ENTRY_BYTES);
    for range in usable(map, floor) {
        if !paging::map_identity(range.clone()) {
            die(Ending::Machine, format_args!("no memory for page tables"));
        }
        frames::add(range);
    }
    text
}

fn command_line(at: u64) -> String {
    if at == 0 {
        return String::new();
    }
    let bytes = loader_bytes(at, COMMAND_LINE_BYTES);
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..end]).to_string()
}

/// A disk with what opening it came to.
type Tried = (Arc<Disk>, Result<(World, OpenReport), ImageError>);

fn try_disk(disk: Disk) -> Tried {
    let mut random = [0; 24];
    BareEntropy.fill(&mut random);
    let (identity, salt) = random.split_at(16);
    let options = OpenOptions {
        read_only: disk.is_read_only(),
        identity: identity.try_into().unwrap_or_default(),
        salt: u64::from_le_bytes(salt.try_into().unwrap_or_default()),
        ..OpenOptions::default()
    };
    let disk = Arc::new(disk);
    let opened = World::open(disk.clone(), &options);
    (disk, opened)
}

/// What is the matter before there is a world.
type Trouble = (Ending, String);

/// The one disk that holds a world.
fn find_world() -> Result<(Arc<Disk>, World, OpenReport), Trouble> {
    let devices = pci::block_devices();
    if devices.is_empty() {
        return Err((Ending::Missing, "no disk; attach the world's file as a virtio block device".to_string()));
    }
    let mut found: Option<(Arc<Disk>, World, OpenReport)> = None;
    let mut failed = None;
    let count = devices.len();
    for function in devices {
        let disk = Disk::open(function).map_err(|error| (Ending::Machine, error))?;
        let (disk, opened) = try_disk(disk);
        match (opened, &found) {
            (Ok((world, report)), None) => found = Some((disk, world, report)),
            (Ok(_), Some((other, ..))) => {
                let (one, two) = (other.place(), disk.place());
                let why = format!("{one} and {two} both hold a world; attach one of them only");
                return Err((Ending::Damaged, why));
            }
            (Err(error), _) => failed = Some((disk, error)),
        }
    }
    match (found, failed) {
        (Some(found), failed) => {
            if let Some((disk, error)) = failed {
                say(format_args!("passing over {}: {error}", disk.place()));
            }
            Ok(found)
        }
        (None, Some((disk, error))) => {
            let others = if count > 1 { " (nor do the others hold a world)" } else { "" };
            Err((ending_of(&error), format!("{}: {error}{others}", disk.place())))
        }
        (None, None) => Err((Ending::Missing, "no disk".to_string())),
    }
}

/// Says why there is no world, on the screen too if there is one, and ends the machine.
fn fail(desktop: &mut Option<Option<(Desktop, DisplayService)>>, ending: Ending, why: &str) -> ! {
    if let Some(Some((desktop, _))) = desktop {
        desktop.learn_words();
    }
    die(ending, format_args!("{why}"))
}

/// Everything after the machine is set up, on the large stack.
extern "C" fn live() -> ! {
    // SAFETY: see `CommandLine`.
    let text = unsafe { &*COMMAND_LINE.0.get() };
    let orders = orders(text);
    clock::set_utc_offset(orders.utc_offset_s);
    serial::set_for_terminal(!orders.is_piped);
    ports::allow_interrupts();
    serial::listen();
    power::set_up();
    if orders.is_trial {
        trial::run();
    }
    let mut wanted = orders.wants_desktop.then(|| Desktop::open(BareClock.wall_ns() as u64));
    let (disk, world, report) = find_world().unwrap_or_else(|(ending, why)| fail(&mut wanted, ending, &why));
    if !orders.is_piped {
        let (_, frames) = frames::counts();
        let saved = date_text(world.head().wall_ns, orders.utc_offset_s);
        say(format_args!("bare machine, {} MB; world saved {saved}", frames >> 8));
    }
    if let Some(None) = wanted {
        say(format_args!("no framebuffer; going on without a window"));
    }
    let desktop = wanted.flatten();
    let kind = if desktop.is_some() { "open" } else { "repl" };
    let outside = Outside { is_terminal: !orders.is_piped, is_timed: orders.is_timed, desktop };
    let mut living = Living::begin(&disk, world, &report, outside);
    let came = living.session(kind);
    if orders.is_timed {
        let ms = BareClock.monotonic_ns() / 1_000_000;
        say(format_args!("prompt after {ms} ms, {} pages read", regions::brought()));
    }
    let status = match came {
        Came::Exit(status) => status,
        Came::Ended(Ended::Value(conversation)) => talk::lead(&mut living, conversation, !orders.is_piped),
        Came::Ended(Ended::Failed(trace)) => {
            say(format_args!("the machine gave a process up: {trace}"));
            Ending::Program as i64
        }
        Came::Ended(Ended::Terminated) => 0,
    };
    living.finish(status.clamp(0, 255) as u8)
}
