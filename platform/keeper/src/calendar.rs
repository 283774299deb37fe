//! Wall times as people read them.

use alloc::format;
use alloc::string::String;

/// A wall time (nanoseconds since 1970) as `2026-01-31 12:34:56`, `offset_s` seconds east of UTC.
pub fn date_text(wall_ns: i64, offset_s: i32) -> String {
    let seconds = wall_ns.div_euclid(1_000_000_000) + i64::from(offset_s);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a count of days since 1970-01-01 (proleptic Gregorian calendar, by eras of
/// 400 years that begin in March).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(-1), (1969, 12, 31));
        assert_eq!(civil(20_783), (2026, 11, 26));
    }

    #[test]
    fn a_text_is_in_local_time() {
        assert_eq!(date_text(951_782_399_000_000_000, 0), "2000-02-28 23:59:59");
        assert_eq!(date_text(951_782_399_000_000_000, 3600), "2000-02-29 00:59:59");
    }
}
