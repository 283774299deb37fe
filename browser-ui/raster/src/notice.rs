//! What a window says when there is no world in it: a title, a few lines, what keys do.
//!
//! Duty: draw that, for whoever has a window and nothing else to show.
//!
//! Must not know: why it is said.

use crate::page::{CODE, KEY, LINE, Page, SIDE, TITLE, WORDS, plain};
use crate::roles::{Role, Theme};
use alloc::string::String;
use alloc::vec::Vec;

/// One line of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// What is read.
    Words(String),
    /// A command, a path.
    Code(String),
    /// A key, and what it does.
    Key(String, String),
}

/// What is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// In one line.
    pub title: String,
    /// In a few more; a space parts lines of different kinds.
    pub lines: Vec<Said>,
}

const KEY_WIDTH: i32 = 56;
const TOP: i32 = 24;

impl Notice {
    /// How high a window must be to show all of it, in logical pixels.
    pub fn height(&self) -> i32 {
        self.places().last().map_or(TOP + 28, |(y, _)| y + LINE) + SIDE / 2
    }

    /// Where its lines stand.
    fn places(&self) -> impl Iterator<Item = (i32, &Said)> {
        let (mut y, mut before) = (TOP + 40 - LINE, None);
        self.lines.iter().map(move |line| {
            let kind = core::mem::discriminant(line);
            y += if before.is_some_and(|before| before != kind) { LINE + LINE / 2 } else { LINE };
            before = Some(kind);
            (y, line)
        })
    }

    /// The frame for a surface of so many logical pixels.
    pub fn frame(&self, extent: (i32, i32), theme: Theme) -> Vec<u8> {
        let mut page = Page::new(extent, Role::Accent, theme);
        page.line(SIDE, TOP, &plain(&self.title), TITLE);
        for (y, line) in self.places() {
            match line {
                Said::Words(text) => page.line(SIDE, y, &plain(text), WORDS),
                Said::Code(text) => page.line(SIDE, y, &plain(text), CODE),
                Said::Key(key, what) => {
                    page.line(SIDE, y, key, KEY);
                    page.line(SIDE + KEY_WIDTH, y, what, WORDS);
                }
            }
        }
        page.finish()
    }
}
