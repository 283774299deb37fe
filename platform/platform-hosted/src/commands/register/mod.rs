//! `warm register`: the user's desktop learns of worlds, and forgets them again.
//!
//! Everything stands below XDG_DATA_HOME: the type (`mime/packages`), the pictures (`icons/hicolor`),
//! the program's entry (`applications`), and the receipt that lists it.
//!
//! Invariants
//! - D1 A file that is there and was not made by us is never written over or removed.
//! - D2 What fails half way is taken back whole.
//! - D3 After `--remove` the folder is what it was before: also the files that the desktop's tools made,
//!   unless others need them by now.

mod entry;
mod icon;
mod receipt;

use super::say;
use crate::cli::{Arguments, Exit, Failure};
use receipt::{Kind, Receipt};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What compiles the types of a folder, and the package that it is in.
const MIME_TOOL: (&str, &str) = ("update-mime-database", "shared-mime-info");
/// What compiles the entries of a folder.
const ENTRY_TOOL: (&str, &str) = ("update-desktop-database", "desktop-file-utils");

fn failed(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Io, format!("cannot {what} {}: {}", path.display(), crate::file_store::plain(error)))
}

/// Writes a file so that it is there whole, or as it was.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = std::fs::write(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// `warm register [--remove]`
pub fn register(arguments: &Arguments) -> Result<Exit, Failure> {
    let missing = || Failure::new(Exit::Missing, "HOME and XDG_DATA_HOME are not set; set one");
    let data = super::user_folder("XDG_DATA_HOME", ".local/share").ok_or_else(missing)?;
    let data = std::path::absolute(&data).map_err(|error| failed("find", &data, &error))?;
    let known = Receipt::read(&data).map_err(|error| failed("read", &data.join(receipt::PLACE), &error))?;
    if arguments.has("--remove") {
        let Some(known) = known else {
            say("nothing is registered")?;
            return Ok(Exit::Success);
        };
        remove(&data, &known)?;
        say(&format!("worlds are not registered in {} any longer", data.display()))?;
        return Ok(Exit::Success);
    }
    for tool in [MIME_TOOL, ENTRY_TOOL] {
        find(tool)?;
    }
    add(&data, known.unwrap_or_default())?;
    say(&format!("worlds are registered in {}; warm register --remove takes it back", data.display()))?;
    Ok(Exit::Success)
}

/// The tool's path.
fn find((tool, package): (&str, &str)) -> Result<PathBuf, Failure> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(tool));
    let missing = || Failure::new(Exit::Missing, format!("{tool} is not there; install the package {package}"));
    found.find(|path| path.is_file()).ok_or_else(missing)
}

/// The files of ours, by their place below the folder of data.
fn files() -> Result<Vec<(PathBuf, Vec<u8>)>, Failure> {
    let program = std::env::current_exe().map_err(|error| failed("find", Path::new("this program"), &error))?;
    let mut files = vec![
        (PathBuf::from("mime/packages/warm-world.xml"), entry::mime().into_bytes()),
        (PathBuf::from("applications/warm.desktop"), entry::desktop(&program)?.into_bytes()),
    ];
    for name in ["apps/warm", "mimetypes/application-x-warm-world"] {
        files.push((format!("icons/hicolor/scalable/{name}.svg").into(), icon::svg().into_bytes()));
        files.extend(icon::SIZES.map(|size| (format!("icons/hicolor/{size}x{size}/{name}.png").into(), icon::png(size))));
    }
    Ok(files)
}

fn add(data: &Path, mut receipt: Receipt) -> Result<(), Failure> {
    let files = files()?;
    // D1
    let is_strange = |path: &Path| !receipt.has(path) && data.join(path).symlink_metadata().is_ok();
    if let Some((path, _)) = files.iter().find(|(path, _)| is_strange(path)) {
        let line = format!("{} is there, and not made by warm register; move it away first", data.join(path).display());
        return Err(Failure::new(Exit::Exists, line));
    }
    let places = files.iter().map(|(path, _)| path.as_path()).chain([Path::new(receipt::PLACE)]);
    for folder in places.clone().flat_map(Path::ancestors).filter(|folder| !data.join(folder).exists()) {
        if places.clone().all(|place| place != folder) && !folder.as_os_str().is_empty() {
            receipt.add(Kind::Folder, folder);
        }
    }
    files.iter().for_each(|(path, _)| receipt.add(Kind::File, path));
    let before = compiled(data);
    let made = write_all(data, &receipt, &files).and_then(|()| update(data));
    for (path, is_folder) in compiled(data).difference(&before) {
        receipt.add(if *is_folder { Kind::Folder } else { Kind::Made }, path);
    }
    let kept = receipt.write(data).map_err(|error| failed("write", &data.join(receipt::PLACE), &error));
    made.and(kept).inspect_err(|_| {
        // D2. The first failure is the one to tell of.
        let _ = remove(data, &receipt);
    })
}

fn write_all(data: &Path, receipt: &Receipt, files: &[(PathBuf, Vec<u8>)]) -> Result<(), Failure> {
    receipt.write(data).map_err(|error| failed("write", &data.join(receipt::PLACE), &error))?;
    files.iter().try_for_each(|(path, bytes)| {
        let path = data.join(path);
        write_whole(&path, bytes).map_err(|error| failed("write", &path, &error))
    })
}

/// The files and folders where the desktop's tools write, and whether each is a folder.
fn compiled(data: &Path) -> BTreeSet<(PathBuf, bool)> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::from("mime"), PathBuf::from("applications")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(data.join(&folder)).into_iter().flatten().flatten() {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let path = folder.join(entry.file_name());
            if is_folder && folder == Path::new("mime") {
                folders.push(path.clone());
            }
            found.insert((path, is_folder));
        }
    }
    found
}

/// Has the desktop's tools compile what stands there.
fn update(data: &Path) -> Result<(), Failure> {
    run(MIME_TOOL, &data.join("mime"))?;
    run(ENTRY_TOOL, &data.join("applications"))
}

fn run(tool: (&str, &str), folder: &Path) -> Result<(), Failure> {
    let mut command = Command::new(find(tool)?);
    let command = command.arg(folder).stdin(Stdio::null()).stdout(Stdio::null());
    let output = command.output().map_err(|error| failed("run", Path::new(tool.0), &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Failure::new(Exit::Io, format!("{} failed: {said}", tool.0)))
}

/// Whether a folder holds a file whose name ends so.
fn holds(folder: &Path, end: &str) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().ends_with(end))
}

/// What the desktop's tools make: where, of which files, the file that says whether they ran, the tool.
const COMPILED: [(&str, &str, &str, &str, (&str, &str)); 2] = [
    ("mime", "mime/packages", ".xml", "mime/mime.cache", MIME_TOOL),
    ("applications", "applications", ".desktop", "applications/mimeinfo.cache", ENTRY_TOOL),
];

/// Takes back what a receipt lists.
fn remove(data: &Path, receipt: &Receipt) -> Result<(), Failure> {
    let take = |path: &Path| match std::fs::remove_file(data.join(path)) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(failed("remove", &data.join(path), &error))
        }
        _ => Ok(()),
    };
    receipt.of(Kind::File).try_for_each(take)?;
    // D3: what was compiled from our files alone goes; what others need is compiled anew.
    let mut updated = Ok(());
    for (folder, sources, end, cache, tool) in COMPILED {
        let is_needed = holds(&data.join(sources), end);
        let is_others = is_needed || !receipt.of(Kind::Made).any(|path| path == Path::new(cache));
        if is_others && data.join(cache).exists() {
            updated = updated.and(run(tool, &data.join(folder)));
        }
        if !is_needed {
            receipt.of(Kind::Made).filter(|path| path.starts_with(folder)).try_for_each(take)?;
        }
    }
    take(Path::new(receipt::PLACE))?;
    let mut folders: Vec<&Path> = receipt.of(Kind::Folder).collect();
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    for folder in folders {
        // One that others use by now stays.
        let _ = std::fs::remove_dir(data.join(folder));
    }
    updated
}
