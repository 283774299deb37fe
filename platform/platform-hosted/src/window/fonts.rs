//! Letters for other scripts and pictures, from the fonts of the system.
//!
//! Invariants
//! - Y1 Nothing is read before a character needs it: the files are listed then, and looked into one by
//!   one, the likeliest first.
//! - Y2 After [`MOST_MISSES`] characters that no font has, nobody looks again: each costs a look into every
//!   file.
//! - Y3 A file that cannot be read or is no font is passed over.
//!
//! Must not know: text.

#![allow(unsafe_code, reason = "room: font files")]

use memmap2::Mmap;
use raster::{FontBytes, FontSource, Found};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ttf_parser::Face;

/// How deep folders are searched.
const DEEP: usize = 6;
/// The most files that are considered.
const MOST: usize = 20_000;

/// The most characters that are looked for in vain.
const MOST_MISSES: usize = 256;

/// The fonts of the system.
#[derive(Default)]
pub struct SystemFonts {
    files: Option<Vec<PathBuf>>,
    misses: usize,
    opened: Vec<(PathBuf, Arc<Mmap>)>,
}

/// Where fonts stand.
fn folders() -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let data = std::env::var_os("XDG_DATA_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let shared = std::env::var("XDG_DATA_DIRS").unwrap_or_else(|_| "/usr/local/share:/usr/share".to_owned());
    let mut folders = vec![data.unwrap_or_else(|| home.join(".local/share")).join("fonts"), home.join(".fonts")];
    folders.extend(shared.split(':').filter(|path| !path.is_empty()).map(|path| Path::new(path).join("fonts")));
    folders
}

/// The smaller the likelier: upright and regular before others, sans before serif, text before symbols.
fn rank(path: &Path) -> u32 {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let mut rank = 0;
    rank += if has(&["bold", "black", "heavy", "thin", "light", "medium"]) { 40 } else { 0 };
    rank += if has(&["italic", "oblique", "condensed"]) { 80 } else { 0 };
    rank += if has(&["mono", "serif-", "serif."]) && !name.contains("sans") { 4 } else { 0 };
    rank += if name.contains("sans") { 0 } else { 3 };
    rank += if name.contains("noto") { 0 } else if name.contains("dejavu") { 1 } else { 2 };
    rank + if has(&["emoji", "symbol", "unifont", "lastresort"]) { 10 } else { 0 }
}

fn is_picture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    name.contains("emoji") || name.contains("twemoji") || name.contains("color")
}

fn list() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut open: Vec<(PathBuf, usize)> = folders().into_iter().map(|folder| (folder, 0)).collect();
    while let Some((folder, depth)) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
            if matches!(extension.as_str(), "ttf" | "otf" | "ttc" | "otc") {
                files.push(path);
            } else if depth < DEEP && path.is_dir() {
                open.push((path, depth + 1));
            }
        }
        if files.len() > MOST {
            break;
        }
    }
    // The same order on every run, whatever the folder's.
    files.sort_by(|one, other| rank(one).cmp(&rank(other)).then_with(|| one.cmp(other)));
    files.dedup();
    files
}

impl SystemFonts {
    fn map(&mut self, path: &Path) -> Option<Arc<Mmap>> {
        if let Some((_, known)) = self.opened.iter().find(|(known, _)| known == path) {
            return Some(known.clone());
        }
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.len() == 0 {
            return None;
        }
        // SAFETY: a font of the system: read only, and replaced by a new file when it is updated, as
        // package managers do; its bytes are parsed with bounds checked.
        let mapped = Arc::new(unsafe { Mmap::map(&file) }.ok()?);
        Some(mapped)
    }

    fn look(&mut self, path: &Path, character: char) -> Option<Found> {
        let mapped = self.map(path)?;
        let faces = ttf_parser::fonts_in_collection(&mapped).unwrap_or(1);
        let has = |index: &u32| {
            let face = Face::parse(&mapped, *index).ok();
            face.is_some_and(|face| face.glyph_index(character).is_some_and(|glyph| glyph.0 != 0))
        };
        let index = (0..faces.min(64)).find(has)?;
        if !self.opened.iter().any(|(known, _)| known == path) {
            self.opened.push((path.to_owned(), mapped.clone()));
        }
        Some(Found { bytes: Bytes(mapped).shared(), index, picture: is_picture(path) })
    }
}

/// A mapped file as a font's bytes.
struct Bytes(Arc<Mmap>);

impl Bytes {
    fn shared(self) -> FontBytes {
        Arc::new(self)
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl FontSource for SystemFonts {
    fn font_with(&mut self, character: char, picture: bool) -> Option<Found> {
        if self.misses >= MOST_MISSES {
            return None;
        }
        let files = self.files.get_or_insert_with(list).clone();
        let mut wanted = files.iter().filter(|path| is_picture(path) == picture);
        let found = wanted.find_map(|path| self.look(path, character));
        self.misses += usize::from(found.is_none());
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upright_regular_text_comes_first() {
        let mut names = ["NotoSans-Bold.ttf", "NotoColorEmoji.ttf", "NotoSans-Regular.ttf", "NotoSans-Italic.ttf", "Odd.otf"]
            .map(PathBuf::from);
        names.sort_by_key(|path| rank(path));
        assert_eq!(names[0], Path::new("NotoSans-Regular.ttf"));
        assert_eq!(names[1], Path::new("Odd.otf"));
        assert!(is_picture(&names[2]));
    }

    #[test]
    fn a_file_that_is_no_font_is_passed_over() {
        let folder = std::env::temp_dir().join(format!("warm-fonts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (empty, noise) = (folder.join("empty.ttf"), folder.join("noise.ttf"));
        std::fs::write(&empty, b"").unwrap();
        std::fs::write(&noise, [7; 4096]).unwrap();
        let mut fonts = SystemFonts { files: Some(vec![empty, noise, folder.join("gone.ttf")]), ..SystemFonts::default() };
        assert!(fonts.font_with('ж', false).is_none());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
