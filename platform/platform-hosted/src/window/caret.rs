//! When a caret is seen: it comes and goes while somebody may type there, and rests when nobody does.
//!
//! Invariants
//! - B1 A caret that has just moved is seen.
//! - B2 A window where nothing happens is not painted for ever: after [`BLINKS_FOR`] the caret stays.
//! - B3 A window without the keyboard shows no caret.
//!
//! Must not know: clocks, pixels.

use std::time::Duration;

/// For how long a caret that does not move comes and goes.
pub const BLINKS_FOR: Duration = Duration::from_secs(10);

/// Whether a caret that has stood for so long is seen, and after what time that is to be asked again
/// (`None`: not until something happens). `blink`: how long it is seen, then hidden; 0 for ever.
pub fn look(stood: Duration, blink: Duration, has_keyboard: bool) -> (bool, Option<Duration>) {
    if !has_keyboard {
        return (false, None);
    }
    if blink.is_zero() || stood >= BLINKS_FOR {
        return (true, None);
    }
    let turns = stood.as_nanos() / blink.as_nanos();
    let rest = blink.as_nanos() - stood.as_nanos() % blink.as_nanos();
    (turns.is_multiple_of(2), Some(Duration::from_nanos(rest as u64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLINK: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> (bool, Option<Duration>) {
        look(Duration::from_millis(ms), BLINK, true)
    }

    #[test]
    fn a_caret_comes_and_goes_and_then_rests() {
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(at(0), (true, ms(500)));
        assert_eq!(at(499), (true, ms(1)));
        assert_eq!(at(500), (false, ms(500)));
        assert_eq!(at(1200), (true, ms(300)));
        assert_eq!(at(10_000), (true, None));
        assert_eq!(look(Duration::ZERO, BLINK, false), (false, None));
        assert_eq!(look(BLINK, Duration::ZERO, true), (true, None));
    }

    #[test]
    fn whoever_asks_again_when_told_sees_every_turn() {
        let (mut now, mut seen) = (Duration::ZERO, Vec::new());
        while let (shown, Some(wait)) = look(now, BLINK, true) {
            seen.push(shown);
            now += wait;
        }
        assert_eq!(seen.len(), 20);
        assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
        assert!(look(now, BLINK, true).0);
    }
}
