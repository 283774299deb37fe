//! From the boot loader to Rust: the PVH entry, long mode, the descriptor tables.
//!
//! Boot order: 1. QEMU puts the kernel at 2 MiB and jumps to `pvh_entry` in 32-bit protected mode,
//! paging off, `ebx` the physical address of the start info. 2. Page tables that map the first 4 GiB
//! to themselves in pages of 2 MiB. 3. Physical address extension, SSE, long mode, paging. 4. A
//! 64-bit stack, and `begin`.
//!
//! Invariants
//! - B3 What the entry uses stands in `.bss` and `.data` of the kernel, below 4 GiB.
//! - B4 The task state segment's interrupt stacks are distinct: page fault 1, fatal exceptions 2,
//!   devices 3.
//!
//! Source: Xen, `docs/misc/pvh.pandoc` and `start_info.h`; Intel SDM volume 3, chapters 5, 8 and 10.

#![allow(unsafe_code, reason = "room: boot")]

use core::arch::{asm, global_asm};
use core::cell::UnsafeCell;

/// Bytes of the stack on which the kernel starts.
const BOOT_STACK_BYTES: usize = 64 * 1024;
/// Bytes of an interrupt stack for devices or fatal exceptions.
const TRAP_STACK_BYTES: usize = 32 * 1024;
/// Bytes of the stack of one level of page faults.
pub const FAULT_STACK_BYTES: usize = 128 * 1024;
/// Page faults within page faults, at most, the first included.
pub const FAULT_LEVELS: usize = 2;

/// Where the code segment's descriptor stands.
pub const CODE_SELECTOR: u16 = 8;
const TASK_SELECTOR: u16 = 24;

#[repr(C, align(4096))]
struct Stack<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: the processor alone uses them.
unsafe impl<const N: usize> Sync for Stack<N> {}

impl<const N: usize> Stack<N> {
    const fn new() -> Self {
        Stack(UnsafeCell::new([0; N]))
    }
    fn top(&self) -> u64 {
        self.0.get() as u64 + N as u64
    }
}

static BOOT_STACK: Stack<BOOT_STACK_BYTES> = Stack::new();
static FAULT_STACKS: Stack<{ FAULT_STACK_BYTES * FAULT_LEVELS }> = Stack::new();
static FATAL_STACK: Stack<TRAP_STACK_BYTES> = Stack::new();
static DEVICE_STACK: Stack<TRAP_STACK_BYTES> = Stack::new();

/// The task state segment of 64-bit mode: nothing but stacks.
#[repr(C, packed(4))]
pub struct TaskState {
    reserved: u32,
    privilege: [u64; 3],
    reserved_too: u64,
    interrupt_stacks: [u64; 7],
    reserved_last: u64,
    reserved_map: u16,
    map_base: u16,
}

const _: () = assert!(size_of::<TaskState>() == 104);

/// Written once by `load_tables`, then by the page-fault stub alone.
#[repr(align(16))]
pub struct TaskCell(UnsafeCell<TaskState>);

// SAFETY: one processor; see above.
unsafe impl Sync for TaskCell {}

/// The task state.
pub static TASK: TaskCell = TaskCell(UnsafeCell::new(TaskState {
    reserved: 0,
    privilege: [0; 3],
    reserved_too: 0,
    interrupt_stacks: [0; 7],
    reserved_last: 0,
    reserved_map: 0,
    map_base: 104,
}));

struct Tables(UnsafeCell<[u64; 5]>);

// SAFETY: written once by `load_tables`.
unsafe impl Sync for Tables {}

/// Null, 64-bit code, data, and the task state in two words.
static DESCRIPTORS: Tables = Tables(UnsafeCell::new([0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0]));

/// What `lgdt` and `lidt` read.
#[repr(C, packed)]
pub struct TablePointer {
    /// Length in bytes less one.
    pub limit: u16,
    /// Where it stands.
    pub base: u64,
}

/// Loads the final descriptor table and the task register with the interrupt stacks (B4).
pub fn load_tables() {
    let stacks = [FAULT_STACKS.top(), FATAL_STACK.top(), DEVICE_STACK.top()];
    // SAFETY: once, at the start, on one processor, before any interrupt uses them.
    unsafe {
        let task = TASK.0.get();
        for (nth, top) in stacks.into_iter().enumerate() {
            (&raw mut (*task).interrupt_stacks[nth]).write_unaligned(top);
        }
        let base = task as u64;
        let low = 103 | (base & 0xff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
        let table = DESCRIPTORS.0.get();
        (*table)[3] = low;
        (*table)[4] = base >> 32;
        let pointer = TablePointer { limit: 39, base: table as u64 };
        asm!(
            "lgdt [{pointer}]", "mov ds, {data:x}", "mov es, {data:x}", "mov ss, {data:x}", "ltr {task:x}",
            pointer = in(reg) &pointer, data = in(reg) 16u32, task = in(reg) u32::from(TASK_SELECTOR)
        );
    }
}

/// The bounds of the kernel in memory.
pub fn kernel_bounds() -> (u64, u64) {
    unsafe extern "C" {
        static kernel_start: u8;
        static kernel_end: u8;
    }
    (&raw const kernel_start as u64, &raw const kernel_end as u64)
}

/// Goes on with `body` on a stack that ends at `top`, and never comes back.
pub fn on_stack(top: usize, body: extern "C" fn() -> !) -> ! {
    // SAFETY: the caller's stack is left for good; the new one is the caller's promise (demand-zero
    // pages below `top`).
    unsafe { asm!("mov rsp, {top}", "xor ebp, ebp", "call {body}", "ud2", top = in(reg) top, body = in(reg) body, options(noreturn)) }
}

global_asm!(
    ".section .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 8, 18",
    ".asciz \"Xen\"",
    ".quad pvh_entry",
    ".section .text.boot, \"ax\", @progbits",
    ".code32",
    ".global pvh_entry",
    "pvh_entry:",
    "cld",
    "cli",
    "mov esi, ebx",
    // One top table, one table of gigabytes, four of 2-MiB pages.
    "mov eax, offset boot_gigabytes + 3",
    "mov dword ptr [boot_top], eax",
    "mov eax, offset boot_pages + 3",
    "mov edi, offset boot_gigabytes",
    "mov ecx, 4",
    "2: mov dword ptr [edi], eax",
    "add eax, 4096",
    "add edi, 8",
    "dec ecx",
    "jnz 2b",
    "mov eax, 0x83",
    "mov edi, offset boot_pages",
    "mov ecx, 2048",
    "3: mov dword ptr [edi], eax",
    "add eax, 0x200000",
    "add edi, 8",
    "dec ecx",
    "jnz 3b",
    "mov eax, cr4",
    "or eax, 0x620",
    "mov cr4, eax",
    "mov eax, offset boot_top",
    "mov cr3, eax",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 0x100",
    "wrmsr",
    "mov eax, cr0",
    "and eax, 0xfffffffb",
    "or eax, 0x80010002",
    "mov cr0, eax",
    "lgdt [boot_table_pointer]",
    "push 8",
    "mov eax, offset long_entry",
    "push eax",
    "retf",
    ".code64",
    "long_entry:",
    "mov eax, 16",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "mov edi, esi",
    "lea rsp, [{stack} + {stack_bytes}]",
    "xor ebp, ebp",
    "call {begin}",
    "ud2",
    ".section .data.boot, \"aw\", @progbits",
    ".balign 8",
    "boot_table: .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff",
    "boot_table_pointer: .word 23",
    ".long boot_table",
    ".long 0",
    ".section .bss.boot, \"aw\", @nobits",
    ".balign 4096",
    ".global boot_top",
    "boot_top: .skip 4096",
    "boot_gigabytes: .skip 4096",
    "boot_pages: .skip 16384",
    ".text",
    stack = sym BOOT_STACK,
    stack_bytes = const BOOT_STACK_BYTES,
    begin = sym crate::start::begin,
);
