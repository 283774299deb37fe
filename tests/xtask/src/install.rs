//! What tests need from the system, installed where it may be.

use std::path::Path;
use std::process::{Command, Stdio};

/// A program that tests run, and the Debian package that holds it.
const TOOLS: &[(&str, &str)] = &[
    ("fusermount3", "fuse3"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("Xvfb", "xvfb"),
    ("xdotool", "xdotool"),
    ("xdg-open", "xdg-utils"),
    ("mimetype", "libfile-mimeinfo-perl"),
    ("update-mime-database", "shared-mime-info"),
    ("desktop-file-validate", "desktop-file-utils"),
    ("zsh", "zsh"),
    ("fish", "fish"),
    ("man", "man-db"),
    ("xmllint", "libxml2-utils"),
    ("weston", "weston"),
    ("xclip", "xclip"),
];

fn is_there(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).exists())
        || Path::new("/usr/sbin").join(program).exists()
}

fn quietly(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Installs what is missing; answers what still is.
pub fn missing_after_installing() -> Vec<&'static str> {
    let missing: Vec<_> = TOOLS.iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    println!("installing {}", packages.join(" "));
    let install = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.args(["install", "-y", "--no-install-recommends"]).args(&packages);
        quietly(&mut command)
    };
    if !install() {
        quietly(Command::new("apt-get").arg("update"));
        install();
    }
    missing.iter().filter(|(program, _)| !is_there(program)).map(|(program, _)| *program).collect()
}
