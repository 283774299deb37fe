//! The colours of the look, by what they mean.
//!
//! Duty: one table from a role to its colour in the light and in the dark theme.
//!
//! Invariants
//! - C1 A role's number never changes; new ones are added at the end.
//! - C2 Every text colour keeps 4.5:1 on desk, paper, panel and selection, *faint* 3:1 (tested).
//!
//! Must not know: what is painted with them.

/// A colour: red, green, blue and opacity, not multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
    /// Opacity.
    pub alpha: u8,
}

impl Colour {
    /// An opaque colour from `0xRRGGBB`.
    pub const fn opaque(rgb: u32) -> Colour {
        Colour { red: (rgb >> 16) as u8, green: (rgb >> 8) as u8, blue: rgb as u8, alpha: 255 }
    }

    /// The colour as a pixel of a window: `0x00RRGGBB`.
    pub const fn pixel(self) -> u32 {
        (self.red as u32) << 16 | (self.green as u32) << 8 | self.blue as u32
    }
}

/// Light or dark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Theme {
    /// Dark ink on light paper.
    #[default]
    Light = 0,
    /// Light ink on dark paper.
    Dark = 1,
}

impl Theme {
    /// The theme of a byte.
    pub const fn from_code(code: u8) -> Option<Theme> {
        match code {
            0 => Some(Theme::Light),
            1 => Some(Theme::Dark),
            _ => None,
        }
    }
}

macro_rules! roles {
    ($($code:literal $role:ident $light:literal $dark:literal $doc:literal;)*) => {
        /// What a colour is for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Role { $(#[doc = $doc] $role = $code,)* }

        impl Role {
            /// Rows for the mirror: code, name, light `0xRRGGBB`, dark `0xRRGGBB`, what it is for.
            pub const TABLE: &'static [(u8, &'static str, u32, u32, &'static str)] =
                &[$(($code, stringify!($role), $light, $dark, $doc)),*];

            /// The role of a number.
            pub const fn from_code(code: u8) -> Option<Role> {
                match code { $($code => Some(Role::$role),)* _ => None }
            }

            /// The role's colour in a theme.
            pub const fn colour(self, theme: Theme) -> Colour {
                let (light, dark) = match self { $(Role::$role => ($light, $dark),)* };
                Colour::opaque(match theme { Theme::Light => light, Theme::Dark => dark })
            }
        }
    };
}

roles! {
    1 Desk 0xEFECE6 0x171512 "behind the panes";
    2 Paper 0xFCFBF8 0x201D19 "where text and lists stand";
    3 Panel 0xF6F3ED 0x262320 "titles, margins, feet";
    4 Line 0xDED8CC 0x38332D "borders, separators";
    5 Ink 0x24211C 0xECE7DD "text";
    6 Soft 0x5F584E 0xB3AA9D "text of less weight";
    7 Faint 0x857C70 0x8F877B "counts, separators in text";
    8 Accent 0xA3400F 0xF5A26C "focus, links, the one main button";
    9 Selection 0xF5E1D0 0x432F20 "what is selected; results";
    10 Good 0x256A3F 0x86CFA2 "what holds";
    11 Draft 0x7A4F00 0xE3B65C "what is not yet accepted or not verified";
    12 Wrong 0xA8211A 0xF79A92 "errors";
    13 Reserved 0x7A3E9D 0xCFA8EE "code: reserved words";
    14 String 0x256A3F 0x86CFA2 "code: strings and symbols";
    15 Number 0x1F5F99 0x90C1F0 "code: numbers";
    16 Comment 0x665F54 0xB0A699 "code: comments";
    17 Selector 0xA3400F 0xF5A26C "code: self, super, the method's own selector";
    18 OnAccent 0xFCFBF8 0x171512 "text on the accent";
    19 Shadow 0x24211C 0x000000 "the shadow of a pane; painted with little opacity";
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;

    fn luminance(colour: Colour) -> f64 {
        let linear = |byte: u8| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue)
    }

    fn contrast(one: Colour, other: Colour) -> f64 {
        let (a, b) = (luminance(one), luminance(other));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_every_ground_in_both_themes() {
        use Role::*;
        let texts = [Ink, Soft, Faint, Accent, Good, Draft, Wrong, Reserved, String, Number, Comment, Selector];
        for theme in [Theme::Light, Theme::Dark] {
            for text in texts {
                for ground in [Desk, Paper, Panel, Selection] {
                    let least = if text == Faint { 3.0 } else { 4.5 };
                    let found = contrast(text.colour(theme), ground.colour(theme));
                    assert!(found >= least, "{text:?} on {ground:?}, {theme:?}: {found:.2}");
                }
            }
            let button = contrast(OnAccent.colour(theme), Accent.colour(theme));
            assert!(button >= 4.5, "{button:.2}");
        }
    }

    #[test]
    fn numbers_name_their_roles() {
        for (code, name, light, dark, _) in Role::TABLE {
            let role = Role::from_code(*code).expect("a row is a role");
            assert_eq!(std::format!("{role:?}"), *name);
            assert_eq!(role.colour(Theme::Light).pixel(), *light);
            assert_eq!(role.colour(Theme::Dark).pixel(), *dark);
        }
        assert_eq!(Role::from_code(0), None);
    }
}
