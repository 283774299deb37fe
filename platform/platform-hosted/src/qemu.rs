//! QEMU, as the machine on which the kernel runs a world: where it is, and how it is called.
//!
//! Invariants
//! - Q1 The same machine for `warm boot` and for tests: one place says what it is made of.
//! - Q2 The kernel goes to QEMU in memory; nothing is left in any folder.
//! - Q3 QEMU does not outlive the program that started it.

use crate::sys;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";

/// The machine to be.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Megabytes of memory.
    pub memory_mb: u64,
    /// Its disks, each as a value of QEMU's `-drive` without interface and name.
    pub drives: Vec<OsString>,
    /// With a framebuffer, keyboard and pointer, shown by this display of QEMU's; `none` shows nobody.
    pub display: Option<String>,
    /// The kernel's command line.
    pub orders: String,
}

/// Where QEMU is, if it is installed.
pub fn find() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(PROGRAM)).find(|path| path.is_file())
}

/// The displays of QEMU that can show a window, best first.
const WINDOWS: &[&str] = &["gtk", "sdl"];

/// A display of QEMU's that shows a window here, if it has one.
pub fn window(qemu: &Path) -> Option<String> {
    let output = Command::new(qemu).args(["-display", "help"]).output().ok()?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let has = |name: &&&str| listed.lines().any(|line| line.trim() == **name);
    WINDOWS.iter().find(has).map(|name| (*name).to_owned())
}

/// A file as a drive: raw, with commas as QEMU wants them.
pub fn file_drive(path: &Path) -> OsString {
    let mut drive = OsString::from("format=raw,file=");
    for (nth, part) in path.as_os_str().as_encoded_bytes().split(|byte| *byte == b',').enumerate() {
        if nth > 0 {
            drive.push(",,");
        }
        drive.push(os_part(part));
    }
    drive
}

fn os_part(bytes: &[u8]) -> &OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

impl Machine {
    /// The call, with the serial line on standard input and output. The kernel's file must live until
    /// QEMU has started.
    pub fn command(&self, qemu: &Path, kernel: &std::fs::File) -> Command {
        let mut command = Command::new(qemu);
        command.args(["-nodefaults", "-no-reboot", "-no-user-config"]);
        command.arg("-display").arg(self.display.as_deref().unwrap_or("none"));
        if self.display.is_some() {
            command.args(["-device", "VGA,vgamem_mb=16"]);
        }
        command.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-rtc", "base=utc"]);
        command.arg("-m").arg(format!("{}M", self.memory_mb));
        command.args(["-chardev", "stdio,id=line,signal=off", "-serial", "chardev:line"]);
        command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]);
        command.arg("-kernel").arg(format!("/proc/self/fd/{}", kernel.as_raw_fd()));
        command.arg("-append").arg(&self.orders);
        for (nth, drive) in self.drives.iter().enumerate() {
            let mut value = OsString::from(format!("if=none,id=disk{nth},"));
            value.push(drive);
            command.arg("-drive").arg(value);
            command.arg("-device").arg(format!("virtio-blk-pci,drive=disk{nth},disable-legacy=on"));
        }
        sys::end_with_parent(&mut command);
        command
    }
}

/// A line to QEMU's control, by which the machine's power button is pressed.
pub struct Control {
    ours: UnixStream,
    theirs: UnixStream,
}

impl Control {
    /// Adds the line to the call.
    pub fn of(command: &mut Command) -> io::Result<Control> {
        let (ours, theirs) = UnixStream::pair()?;
        sys::let_inherit(&theirs)?;
        command.arg("-chardev").arg(format!("socket,id=control,fd={}", theirs.as_raw_fd()));
        command.args(["-mon", "chardev=control,mode=control"]);
        Ok(Control { ours, theirs })
    }

    /// QEMU has started: its end is its own.
    pub fn connected(self) -> Button {
        drop(self.theirs);
        Button(self.ours)
    }
}

/// The machine's power button.
pub struct Button(UnixStream);

impl Button {
    /// Says something else to QEMU in its own words (the machine protocol); what it answers is not read.
    pub fn say(&self, commands: &str) -> io::Result<()> {
        (&self.0).write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        (&self.0).write_all(commands.as_bytes())
    }

    /// Asks the machine to end well: the world is saved, then the power goes off.
    pub fn press(&self) {
        // A machine that is off already needs no button; what QEMU answers is not read.
        let _ = (&self.0).write_all(b"{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"system_powerdown\"}\n");
    }
}

/// The kernel as a file in memory that QEMU inherits (Q2).
pub fn kernel_file(kernel: &[u8]) -> io::Result<std::fs::File> {
    let mut file = sys::memory_file("warm-kernel")?;
    file.write_all(kernel)?;
    Ok(file)
}

/// What QEMU's exit status says of the kernel's: `None` if it was not the kernel who ended it.
pub fn kernel_status(code: i32) -> Option<u8> {
    /// The kernel's word for 0 on a machine whose power it cannot switch off.
    const LEFT_WELL: i32 = 126;
    match code {
        0 => Some(0),
        // The debug exit shifts what it was told up by one and sets the lowest bit; 1 is QEMU's own.
        code if code > 1 && code % 2 == 1 => Some(if code >> 1 == LEFT_WELL { 0 } else { (code >> 1) as u8 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_commas_is_one_value() {
        assert_eq!(file_drive(Path::new("/a,b/c.world")), "format=raw,file=/a,,b/c.world");
        assert_eq!(file_drive(Path::new("plain")), "format=raw,file=plain");
    }

    #[test]
    fn the_kernels_status_is_told_from_the_emulators() {
        assert_eq!(kernel_status(0), Some(0));
        assert_eq!(kernel_status(1), None);
        assert_eq!(kernel_status(74 << 1 | 1), Some(74));
        assert_eq!(kernel_status(126 << 1 | 1), Some(0));
        assert_eq!(kernel_status(2), None);
    }
}
