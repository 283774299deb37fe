//! The letters at hand: two families that are built in, and what a port finds for other scripts.
//!
//! Invariants
//! - L1 Words and code are always there; for them nobody is asked.
//! - L2 Every face has a family name of its own (`f0`, `f1` …), so the shaper takes the face that was
//!   chosen here and no other.
//! - L3 For a character without letters the port is asked once. A font that it gave serves other
//!   characters too; so which of several fonts does may depend on what was shown first.
//!
//! Must not know: files, which fonts a system has.

use crate::fields::Face;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use cosmic_text::fontdb::{Database, ID, Source, Stretch, Style, Weight};
use cosmic_text::{Fallback, Font, FontSystem};
use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

static WORDS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ttf-inter-Inter-Regular.otf"));
static WORDS_STRONG: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ttf-inter-Inter-SemiBold.otf"));
static CODE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/truce-font-JetBrainsMono-Regular.ttf"));

/// The licences of the letters that are built in.
pub const LICENCES: [(&str, &str); 2] = [
    ("Inter", include_str!(concat!(env!("OUT_DIR"), "/ttf-inter-LICENSE.txt"))),
    ("JetBrains Mono", include_str!(concat!(env!("OUT_DIR"), "/truce-font-OFL.txt"))),
];

/// From this weight on words are strong.
const STRONG: u16 = 550;
/// The weight under which every face is kept.
const REGULAR: u16 = 400;
/// The most fonts that are taken from a port.
const MOST_FOUND: usize = 64;

/// The bytes of a font file.
pub type FontBytes = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// A font that a port found.
#[derive(Clone)]
pub struct Found {
    /// The file's bytes.
    pub bytes: FontBytes,
    /// Which face of the file.
    pub index: u32,
    /// Whether its letters are coloured pictures.
    pub picture: bool,
}

/// Where letters for other scripts come from.
pub trait FontSource: Send {
    /// A font that has this character: of coloured pictures if `picture` says so, else of letters.
    fn font_with(&mut self, character: char, picture: bool) -> Option<Found>;
}

/// A face that text can be set in.
pub struct KnownFace {
    id: ID,
    /// The family name by which the shaper finds it (L2).
    pub family: String,
    font: Arc<Font>,
    picture: bool,
}

impl KnownFace {
    fn has(&self, character: char) -> bool {
        self.font.as_swash().charmap().map(character) != 0
    }
}

/// No fallback of the shaper's own: the face is chosen here.
struct Nothing;

impl Fallback for Nothing {
    fn common_fallback(&self) -> &[&'static str] {
        &[]
    }
    fn forbidden_fallback(&self) -> &[&'static str] {
        &[]
    }
    fn script_fallback(&self, _script: unicode_script::Script, _locale: &str) -> &[&'static str] {
        &[]
    }
}

/// All letters at hand.
pub struct Fonts {
    /// The shaper's own state.
    pub system: FontSystem,
    faces: Vec<KnownFace>,
    found: HashMap<(char, bool), Option<usize>, FxBuildHasher>,
    source: Option<alloc::boxed::Box<dyn FontSource>>,
}

/// Whether a character only changes the one before it.
pub fn is_joiner(character: char) -> bool {
    matches!(character,
        '\u{300}'..='\u{36F}' | '\u{200C}' | '\u{200D}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}' | '\u{E0020}'..='\u{E007F}')
}

/// Whether a character is drawn as nothing, whatever the font.
fn is_unseen(character: char) -> bool {
    matches!(character, '\t' | '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

impl Fonts {
    /// The letters that are built in, and where others come from.
    pub fn new(source: Option<alloc::boxed::Box<dyn FontSource>>) -> Fonts {
        let system = FontSystem::new_with_locale_and_db_and_fallback("en".to_owned(), Database::new(), Nothing);
        let mut fonts = Fonts { system, faces: Vec::new(), found: HashMap::default(), source };
        for bytes in [WORDS, WORDS_STRONG, CODE] {
            let bytes: FontBytes = Arc::new(bytes);
            fonts.add(&Found { bytes, index: 0, picture: false });
        }
        fonts
    }

    /// Adds a face; its place among the faces.
    fn add(&mut self, found: &Found) -> Option<usize> {
        let place = self.faces.len();
        let family = format!("f{place}");
        let db = self.system.db_mut();
        let loaded = db.load_font_source(Source::Binary(found.bytes.clone()));
        let face = loaded.iter().filter_map(|id| db.face(*id)).find(|face| face.index == found.index);
        let mut info = face.cloned();
        if let Some(info) = &mut info {
            info.families.truncate(1);
            info.families.iter_mut().for_each(|(name, _)| name.clone_from(&family));
            (info.weight, info.style, info.stretch) = (Weight(REGULAR), Style::Normal, Stretch::Normal);
        }
        loaded.iter().for_each(|id| db.remove_face(*id));
        let id = db.push_face_info(info.filter(|info| !info.families.is_empty())?);
        let font = self.system.get_font(id, Weight(REGULAR))?;
        self.faces.push(KnownFace { id, family, font, picture: found.picture });
        Some(place)
    }

    /// The face for words or code of a weight.
    pub const fn main(face: Face, weight: u16) -> usize {
        match face {
            Face::Words if weight < STRONG => 0,
            Face::Words => 1,
            Face::Code => 2,
        }
    }

    /// The family of a face, for the shaper.
    pub fn family(&self, place: usize) -> &str {
        self.faces.get(place).map_or("f0", |face| &face.family)
    }

    /// The weight under which every face is asked for.
    pub const fn weight() -> Weight {
        Weight(REGULAR)
    }

    /// The face for a character: the main one if it has it, `before` if it is part of the one before,
    /// else one from the port; `None` if nobody has it.
    pub fn face_for(&mut self, character: char, picture: bool, main: usize, before: usize) -> Option<usize> {
        if is_joiner(character) {
            return Some(before);
        }
        let picture = picture || matches!(character, '\u{1F000}'..='\u{1FAFF}');
        if !picture && (matches!(character, ' '..='~') || is_unseen(character)) {
            return Some(main);
        }
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            return None;
        }
        if picture && let Some(face) = self.other_face(character, true) {
            return Some(face);
        }
        if self.faces.get(main).is_some_and(|face| face.has(character)) {
            return Some(main);
        }
        self.other_face(character, false)
    }

    fn other_face(&mut self, character: char, picture: bool) -> Option<usize> {
        if let Some(known) = self.found.get(&(character, picture)) {
            return *known;
        }
        let has = |face: &KnownFace| face.picture == picture && face.has(character);
        let known = self.faces.iter().position(has);
        let place = known.or_else(|| {
            if self.faces.len() >= MOST_FOUND {
                return None;
            }
            let found = self.source.as_mut()?.font_with(character, picture)?;
            let place = self.add(&found)?;
            self.faces.get(place).is_some_and(|face| face.has(character)).then_some(place)
        });
        self.found.insert((character, picture), place);
        place
    }

    /// How many faces there are.
    pub fn count(&self) -> usize {
        self.faces.len()
    }

    /// Whether a glyph's font is one of the faces that were built in.
    pub fn is_built_in(&self, id: ID) -> bool {
        self.faces.iter().take(3).any(|face| face.id == id)
    }
}
