//! `warm register`: a desktop learns of worlds, opens one, and forgets them again.

mod common;
#[path = "common/screen.rs"]
mod screen;

use common::time::wait_until;
use common::{Folder, Run, command, refused, warm};
use screen::{Screen, artefacts};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// All that stands in a folder, with its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut seen = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path.clone());
                seen.insert(path, None);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                seen.insert(path, Some(bytes));
            }
        }
    }
    seen
}

/// A user with a folder of data, and nothing else of the system's but its tools.
struct User {
    folder: Folder,
}

impl User {
    fn new(name: &str) -> User {
        let folder = Folder::new(name);
        std::fs::create_dir_all(folder.path("data")).unwrap();
        User { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path("data")
    }

    fn run(&self, mut command: Command) -> Run {
        self.dress(&mut command);
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; is it installed?")).into()
    }

    fn dress(&self, command: &mut Command) {
        command.env("XDG_DATA_HOME", self.data()).env("XDG_CONFIG_HOME", self.folder.path("config"));
        command.env("HOME", self.folder.path("")).env_remove("XDG_CURRENT_DESKTOP").env_remove("DESKTOP_SESSION");
        command.stdin(Stdio::null());
    }

    fn register(&self, words: &[&str]) -> Run {
        self.run(command(&[&["register"], words].concat()))
    }

    fn tool(&self, words: &[&str]) -> Run {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        self.run(command)
    }
}

#[track_caller]
fn went_well(run: &Run) {
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{run:?}");
}

#[test]
fn what_was_registered_is_taken_back_whole() {
    let user = User::new("register");
    let before = tree(&user.data());
    went_well(&user.register(&[]));
    let entry = user.data().join("applications/warm.desktop");
    let checked = user.tool(&["desktop-file-validate", &entry.to_string_lossy()]);
    assert_eq!((checked.status, checked.out.as_str(), checked.err.as_str()), (0, "", ""), "{checked:?}");
    let once = tree(&user.data());
    assert!(once.contains_key(&user.data().join("mime/globs2")));
    assert!(once.keys().filter(|path| path.extension().is_some_and(|end| end == "png")).count() >= 16);
    // Twice is as once.
    went_well(&user.register(&[]));
    assert_eq!(tree(&user.data()).keys().collect::<Vec<_>>(), once.keys().collect::<Vec<_>>());
    went_well(&user.register(&["--remove"]));
    assert_eq!(tree(&user.data()), before);
    let again = user.register(&["--remove"]);
    assert_eq!((again.status, again.out.as_str()), (0, "nothing is registered\n"));
}

#[test]
fn what_others_put_there_stays() {
    let user = User::new("register-others");
    let data = user.data();
    let folders = ["mime/packages", "applications", "icons/hicolor/48x48/apps", "warm"];
    folders.iter().for_each(|folder| std::fs::create_dir_all(data.join(folder)).unwrap());
    let other = "<?xml version=\"1.0\"?>\n<mime-info xmlns=\"http://www.freedesktop.org/standards/shared-mime-info\">\
                 <mime-type type=\"application/x-other\"><glob pattern=\"*.other\"/></mime-type></mime-info>\n";
    std::fs::write(data.join("mime/packages/other.xml"), other).unwrap();
    let entry = "[Desktop Entry]\nType=Application\nName=Other\nExec=true %f\nMimeType=application/x-other;\n";
    std::fs::write(data.join("applications/other.desktop"), entry).unwrap();
    std::fs::write(data.join("warm/home.world"), "precious").unwrap();
    went_well(&user.tool(&["update-mime-database", &data.join("mime").to_string_lossy()]));
    went_well(&user.tool(&["update-desktop-database", &data.join("applications").to_string_lossy()]));
    let before = tree(&data);
    went_well(&user.register(&[]));
    assert_ne!(tree(&data), before);
    went_well(&user.register(&["--remove"]));
    let after = tree(&data);
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert_eq!(after, before);
}

#[test]
fn a_file_of_somebody_else_is_not_touched() {
    let user = User::new("register-strange");
    std::fs::create_dir_all(user.data().join("applications")).unwrap();
    std::fs::write(user.data().join("applications/warm.desktop"), "mine").unwrap();
    let before = tree(&user.data());
    refused(&user.register(&[]), 73, "warm.desktop");
    assert_eq!(tree(&user.data()), before);
}

#[test]
fn without_the_tools_nothing_is_written() {
    let user = User::new("register-tools");
    let mut register = command(&["register"]);
    register.env("PATH", user.folder.path("nowhere"));
    refused(&user.run(register), 66, "update-mime-database is not there; install the package shared-mime-info");
    assert_eq!(tree(&user.data()).len(), 0);
}

#[test]
fn what_fails_half_way_is_taken_back() {
    let user = User::new("register-half");
    // A file where a folder of pictures must be made.
    std::fs::create_dir_all(user.data().join("icons/hicolor")).unwrap();
    std::fs::write(user.data().join("icons/hicolor/256x256"), "").unwrap();
    let before = tree(&user.data());
    refused(&user.register(&[]), 74, "256x256");
    assert_eq!(tree(&user.data()), before);
}

#[test]
fn the_entry_without_a_file_opens_the_home_world() {
    let user = User::new("launcher");
    went_well(&user.register(&[]));
    let entry = std::fs::read_to_string(user.data().join("applications/warm.desktop")).unwrap();
    // What a menu of applications does: the words of Exec, without the file that there is none of.
    let exec = entry.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
    let program = exec.strip_suffix(" %f").unwrap().trim_matches('"');
    let screen = Screen::start(&user.folder.path(""), 1280, 800);
    let mut launched = Command::new(program);
    launched.env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY");
    user.dress(&mut launched);
    let mut launched = launched.spawn().unwrap();
    wait_until("a window of the home world", || !screen.windows(&["--name", "home.world"]).is_empty());
    screen.shows("a desk in the window", |picture| picture.colours() > 20);
    let home = user.data().join("warm/home.world");
    assert!(home.exists());
    let _ = Command::new("kill").args(["-TERM", &launched.id().to_string()]).status();
    launched.wait().unwrap();
    assert!(warm(&["info", &home.to_string_lossy()]).out.contains("closed     cleanly"));
}

/// The processes of a program that were given a word.
fn processes_with(word: &str) -> Vec<String> {
    let is_ours = |id: &String| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let first = words.next().unwrap_or_default();
        first.ends_with(b"/warm") && words.any(|each| each == word.as_bytes())
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_ours).collect()
}

#[test]
fn a_double_click_opens_a_world() {
    let user = User::new("double-click");
    let file = user.folder.world("my garden.world");
    let disguised = user.folder.text("garden");
    std::fs::copy(&file, &disguised).unwrap();
    went_well(&user.register(&[]));
    for path in [&file, &disguised] {
        let seen = user.tool(&["xdg-mime", "query", "filetype", path]);
        assert_eq!(seen.out, "application/x-warm-world\n", "{path}: {seen:?}");
    }
    let handler = user.tool(&["xdg-mime", "query", "default", "application/x-warm-world"]);
    assert_eq!(handler.out, "warm.desktop\n", "{handler:?}");
    let screen = Screen::start(&user.folder.path(""), 1280, 800);
    let mut open = Command::new("xdg-open");
    open.arg(&file).env("DISPLAY", &screen.name).env_remove("WAYLAND_DISPLAY");
    open.stdout(Stdio::null()).stderr(Stdio::null());
    user.dress(&mut open);
    let mut opening = open.spawn().expect("xdg-open starts; is it installed?");
    wait_until("a window of warm", || !screen.windows(&["--class", "warm"]).is_empty());
    // The first of the four uses of a world; its picture is kept.
    screen.shows("a desk in the window", |picture| picture.colours() > 20);
    screen.keep(&artefacts().join("double-click.png"));
    let opened = processes_with(&file);
    assert_eq!(opened.len(), 1, "{opened:?}");
    for id in &opened {
        Command::new("kill").args(["-TERM", id]).status().unwrap();
    }
    let _ = opening.wait();
    // Whoever opened it need not wait for its end.
    wait_until("the end of what was opened", || processes_with(&file).is_empty());
    drop(screen);
    assert!(warm(&["info", &file]).out.contains("closed     cleanly"));
    went_well(&user.register(&["--remove"]));
    let gone = user.tool(&["xdg-mime", "query", "default", "application/x-warm-world"]);
    assert_eq!(gone.out, "", "{gone:?}");
}
