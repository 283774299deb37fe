//! What a window shows when the world cannot show itself: an error, its stack, and what can be done.
//!
//! Duty: draw that without any view of the world, and tell from keys what was chosen.
//!
//! Invariants
//! - Q1 Only keys that type nothing choose, so that words typed into a window that is merely slow never
//!   do; all other events stay the world's.
//! - Q2 However long the texts, what can be done is seen.
//!
//! Must not know: how a choice is carried out.

use crate::page::{CODE, KEY, LINE, Page, SIDE, SOFT, TITLE, WORDS, WRONG, plain};
use crate::roles::{Role, Theme};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use platform::events::Event;

/// What somebody chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Let the world try again, or go on waiting for it.
    Retry,
    /// Take back the change that was made last, and try again.
    TakeBack,
    /// Go back to the moment of this number.
    GoBack(u64),
    /// Save and end.
    Quit,
}

/// A moment that can be gone back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its number.
    pub moment: u64,
    /// How it is shown.
    pub label: String,
}

/// What is the matter, and what can be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emergency {
    /// What this is; empty: the world cannot show itself.
    pub title: String,
    /// What happened.
    pub error: String,
    /// Where: the frames, the innermost first.
    pub stack: String,
    /// The moments, the newest first.
    pub moments: Vec<Past>,
    /// Which of them F8 goes back to.
    pub chosen: usize,
    /// Whether it goes away by itself when the world shows a frame.
    pub passes: bool,
}

/// What a key meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing here: it is the world's.
    Nothing,
    /// Something else is shown now.
    Changed,
    /// This was chosen.
    Chosen(Choice),
}

/// The key that asks for this at any time.
pub fn is_call(event: &Event) -> bool {
    const CONTROL_SHIFT: u8 = 3;
    matches!(event, Event::KeyDown { logical, modifiers: CONTROL_SHIFT, .. } if logical == "Escape")
}

const KEY_WIDTH: i32 = 56;

impl Emergency {
    /// The frame for a surface of so many logical pixels.
    pub fn frame(&self, (width, height): (i32, i32), theme: Theme) -> Vec<u8> {
        let mut page = Page::new((width, height), Role::Wrong, theme);
        let title = if self.title.is_empty() { "The world cannot show itself." } else { &self.title };
        page.line(SIDE, 24, &plain(title), TITLE);
        page.line(SIDE, 56, "What you see is the machine's. Nothing is lost: what was typed and done is kept.", SOFT);
        let mut y = 88;
        // Under a title of its own it is no error.
        let letters = if self.title.is_empty() { WRONG } else { WORDS };
        for line in self.error.lines().take(3) {
            page.line(SIDE, y, &plain(line), letters);
            y += LINE;
        }
        let rows = self.rows();
        let foot = (height - SIDE / 2 - (rows.len() as i32 + 1) * LINE).max(y);
        y += LINE / 2;
        for line in self.stack.lines() {
            if y + LINE > foot {
                break;
            }
            page.line(SIDE, y, &plain(line), CODE);
            y += LINE;
        }
        foot_of(&mut page, foot, width, &rows);
        page.finish()
    }

    /// What can be done: keys, and what they do.
    fn rows(&self) -> Vec<(&'static str, String)> {
        let retry = match (self.passes, self.title.is_empty()) {
            (true, _) => "Go on waiting for it",
            (false, true) => "Try again",
            (false, false) => "Go back to the world",
        };
        let mut rows = vec![("F5", retry.into()), ("F6", "Take back the change that was made last, and try again".into())];
        if let Some(past) = self.moments.get(self.chosen) {
            rows.push(("F8", alloc::format!("Go back to the moment before: {}", past.label)));
        }
        if self.moments.len() > 1 {
            rows.push(("F7 F9", "Another moment: an earlier one, a later one".into()));
        }
        rows.push(("F10", "Save and quit".into()));
        rows
    }

    /// What an event means here (Q1).
    pub fn take(&mut self, event: &Event) -> Meaning {
        let logical = match event {
            Event::KeyDown { logical, .. } => logical,
            // A world that does not answer does not close its window either.
            Event::CloseAsked {} if !self.passes => return Meaning::Chosen(Choice::Quit),
            _ => return Meaning::Nothing,
        };
        let earlier = (self.chosen + 1).min(self.moments.len().saturating_sub(1));
        match logical.as_str() {
            "F5" => Meaning::Chosen(Choice::Retry),
            "F6" => Meaning::Chosen(Choice::TakeBack),
            "F7" => self.choose(earlier),
            "F9" => self.choose(self.chosen.saturating_sub(1)),
            "F8" => match self.moments.get(self.chosen) {
                Some(past) => Meaning::Chosen(Choice::GoBack(past.moment)),
                None => Meaning::Changed,
            },
            "F10" => Meaning::Chosen(Choice::Quit),
            _ => Meaning::Nothing,
        }
    }

    fn choose(&mut self, place: usize) -> Meaning {
        self.chosen = place;
        Meaning::Changed
    }
}

/// The rows at the foot of the page.
fn foot_of(page: &mut Page, top: i32, width: i32, rows: &[(&str, String)]) {
    page.fill((0, top, width, 1), Role::Line);
    let mut y = top + LINE / 2;
    for (key, what) in rows {
        page.line(SIDE, y, key, KEY);
        page.line(SIDE + KEY_WIDTH, y, what, WORDS);
        y += LINE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Claimed, Command};
    use alloc::string::ToString;

    fn press(logical: &str) -> Event {
        let (physical, text) = (String::new(), String::new());
        Event::KeyDown { physical, logical: logical.into(), text, modifiers: 0, repeated: 0 }
    }

    fn some() -> Emergency {
        let past = |moment| Past { moment, label: alloc::format!("moment {moment}") };
        Emergency { error: "no".into(), moments: vec![past(9), past(7), past(4)], ..Emergency::default() }
    }

    #[test]
    fn only_keys_that_type_nothing_choose() {
        let mut emergency = some();
        for key in ["q", "Enter", "ArrowDown", "Escape", "r", "F1"] {
            assert_eq!(emergency.take(&press(key)), Meaning::Nothing, "{key}");
        }
        assert_eq!(emergency.take(&press("F5")), Meaning::Chosen(Choice::Retry));
        assert_eq!(emergency.take(&press("F6")), Meaning::Chosen(Choice::TakeBack));
        assert_eq!(emergency.take(&press("F10")), Meaning::Chosen(Choice::Quit));
    }

    #[test]
    fn another_moment_is_chosen_within_those_there_are() {
        let mut emergency = some();
        assert_eq!(emergency.take(&press("F9")), Meaning::Changed);
        assert_eq!(emergency.take(&press("F8")), Meaning::Chosen(Choice::GoBack(9)));
        for _ in 0..5 {
            emergency.take(&press("F7"));
        }
        assert_eq!(emergency.take(&press("F8")), Meaning::Chosen(Choice::GoBack(4)));
        assert_eq!(emergency.take(&Event::CloseAsked {}), Meaning::Chosen(Choice::Quit));
        emergency.moments.clear();
        assert_eq!(emergency.take(&press("F8")), Meaning::Changed);
    }

    /// Every text that is shown with its place.
    fn texts(bytes: &[u8]) -> Vec<(i32, String)> {
        let stream = Claimed::new(bytes).verify().expect("a whole stream");
        let mut last = String::new();
        let mut all = Vec::new();
        for (command, _) in &stream.commands {
            match command {
                Command::Layout { text, .. } => last = (*text).to_string(),
                Command::Text { y, .. } => all.push((y.0 / 64, last.clone())),
                _ => {}
            }
        }
        all
    }

    #[test]
    fn what_can_be_done_is_seen_however_long_the_stack() {
        let mut emergency = some();
        emergency.stack = "a frame\n".repeat(10_000);
        emergency.error = "\u{7}line\tone\n".repeat(50);
        let all = texts(&emergency.frame((1280, 800), Theme::Dark));
        for what in ["F5", "F6", "F8", "F10", "Go back to the moment before: moment 9"] {
            assert!(all.iter().any(|(y, text)| text == what && *y < 780), "{what}");
        }
        assert!(all.iter().any(|(_, text)| text == "line one"));
        assert!(all.iter().filter(|(_, text)| text == "a frame").count() > 20);
        // What cannot be done is not offered.
        emergency.moments.clear();
        let all = texts(&emergency.frame((1280, 800), Theme::Dark));
        assert!(!all.iter().any(|(_, text)| ["F7 F9", "F8"].contains(&text.as_str())), "{all:?}");
        assert!(all.iter().any(|(_, text)| text == "F10"));
        // A window without room makes no frame that is refused.
        texts(&emergency.frame((0, 0), Theme::Light));
    }
}
