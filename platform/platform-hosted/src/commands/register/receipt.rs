//! What `warm register` made, kept beside it, so that all of it can be taken back.
//!
//! Invariants
//! - P1 It is written before what it lists: whatever happens in between, it can be taken back.
//! - P2 A path is relative to the folder of the user's data and stays below it, whoever wrote the file.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Where it stands, below the folder of the user's data.
pub const PLACE: &str = "warm/registered";

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A file of ours.
    File,
    /// A file that the desktop's own tools made of ours, and that was not there before.
    Made,
    /// A folder that was not there before.
    Folder,
}

const WORDS: [(&str, Kind); 3] = [("file", Kind::File), ("made", Kind::Made), ("folder", Kind::Folder)];

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    entries: Vec<(Kind, PathBuf)>,
}

impl Receipt {
    /// The one in the folder; `None` if there is none.
    pub fn read(data: &Path) -> io::Result<Option<Receipt>> {
        match std::fs::read_to_string(data.join(PLACE)) {
            Ok(text) => Ok(Some(Receipt::parse(&text))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> Receipt {
        let mut receipt = Receipt::default();
        for (word, path) in text.lines().filter_map(|line| line.split_once(' ')) {
            let path = Path::new(path);
            let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
            if let Some((_, kind)) = WORDS.iter().find(|(name, _)| *name == word && is_below) {
                receipt.add(*kind, path);
            }
        }
        receipt
    }

    fn text(&self) -> String {
        let lines = self.entries.iter().filter_map(|(kind, path)| {
            let (word, _) = WORDS.iter().find(|(_, each)| each == kind)?;
            Some(format!("{word} {}\n", path.to_str()?))
        });
        lines.collect()
    }

    /// Lists something more, once.
    pub fn add(&mut self, kind: Kind, path: &Path) {
        if !self.has(path) {
            self.entries.push((kind, path.to_owned()));
        }
    }

    /// Whether it lists a path.
    pub fn has(&self, path: &Path) -> bool {
        self.entries.iter().any(|(_, each)| each == path)
    }

    /// The paths of a kind, in the order in which they were listed.
    pub fn of(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Path> {
        self.entries.iter().filter(move |(each, _)| *each == kind).map(|(_, path)| path.as_path())
    }

    /// Writes it: whole, or as it was.
    pub fn write(&self, data: &Path) -> io::Result<()> {
        super::write_whole(&data.join(PLACE), self.text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_read_as_it_was_written() {
        let mut receipt = Receipt::default();
        receipt.add(Kind::Folder, Path::new("mime"));
        receipt.add(Kind::File, Path::new("mime/a b.xml"));
        receipt.add(Kind::Made, Path::new("mime/globs"));
        receipt.add(Kind::Folder, Path::new("mime/globs"));
        assert_eq!(Receipt::parse(&receipt.text()), receipt);
        assert_eq!(receipt.of(Kind::Folder).count(), 1);
    }

    #[test]
    fn paths_that_lead_elsewhere_are_not_believed() {
        let receipt = Receipt::parse("file /etc/passwd\nfile ../x\nfile a/../../x\nfolder\nlink a\nfile a/b\n");
        assert_eq!(receipt.entries, [(Kind::File, PathBuf::from("a/b"))]);
    }
}
