//! What a desktop reads: the type of worlds, and the entry of the program.
//!
//! Sources: Shared MIME-info Database and Desktop Entry specifications of freedesktop.org.
//!
//! A world is known by its first line, which stands at offset 0 of every file that was not made by
//! hand. The superblock's magic is 1 MiB behind it: to look for it, a desktop would read a megabyte of
//! every file that it meets.

use crate::cli::{Exit, Failure};
use std::path::Path;

/// The type of worlds.
pub const TYPE: &str = "application/x-warm-world";
/// What a file's name ends with.
const GLOB: &str = "*.world";

/// A text inside of an XML attribute or element.
fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\n', "\\n")
}

/// The description of the type.
pub fn mime() -> String {
    let line = xml(&String::from_utf8_lossy(image::SCRIPT_LINE));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info">
  <mime-type type="{TYPE}">
    <comment>Warm world</comment>
    <sub-class-of type="application/octet-stream"/>
    <icon name="application-x-warm-world"/>
    <magic priority="90">
      <match type="string" offset="0" value="{line}"/>
    </magic>
    <glob pattern="{GLOB}" weight="60"/>
  </mime-type>
</mime-info>
"#
    )
}

/// A program's path as the value of `Exec`: in quotes if it must be, and escaped twice, as an argument
/// and as a text of the entry.
fn exec(program: &str) -> String {
    let program = program.replace('%', "%%");
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if program.chars().all(is_plain) {
        return program;
    }
    let mut quoted = String::from("\"");
    for c in program.chars() {
        if matches!(c, '"' | '`' | '$' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted.replace('\\', "\\\\")
}

/// The entry of the program that stands at a path.
pub fn desktop(program: &Path) -> Result<String, Failure> {
    let unfit = || {
        let line = format!("{}: a desktop cannot call a program whose path has such letters", program.display());
        Failure::new(Exit::Usage, line)
    };
    let path = program.to_str().filter(|path| !path.chars().any(|c| c.is_control() || c == '=')).ok_or_else(unfit)?;
    Ok(format!(
        "[Desktop Entry]\nType=Application\nName=Warm\nGenericName=Living computer\nComment=Open a world: a Smalltalk system in one file\nExec={} %f\nTryExec={}\nIcon=warm\nTerminal=false\nMimeType={TYPE};\nCategories=Development;\nKeywords=smalltalk;world;programming;\n",
        exec(path),
        path.replace('\\', "\\\\"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_they_must_be() {
        for (path, expect) in [
            ("/usr/bin/warm", "/usr/bin/warm"),
            ("/a b/warm", "\"/a b/warm\""),
            ("/a%f/warm", "/a%%f/warm"),
            ("/a$b/warm", "\"/a\\\\$b/warm\""),
            ("/a\\b/warm", "\"/a\\\\\\\\b/warm\""),
            ("/ä/warm", "/ä/warm"),
        ] {
            assert_eq!(exec(path), expect);
        }
        assert!(desktop(Path::new("/a\nb")).is_err());
        assert!(desktop(Path::new("/a=b/warm")).is_err());
    }

    #[test]
    fn the_type_is_told_by_the_first_line_and_the_name() {
        let mime = mime();
        assert!(mime.contains("value=\"#!/usr/bin/env -S warm open\\n\""), "{mime}");
        assert!(mime.contains("pattern=\"*.world\""));
    }
}
