//! The clock chip's fields, made a count of seconds.

/// What the chip's registers hold: seconds, minutes, hours, day, month, year, century.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChipTime {
    /// The registers.
    pub fields: [u8; 7],
    /// The register that says how they are written: bit 2 binary, bit 1 24 hours.
    pub status_b: u8,
}

fn decimal(byte: u8) -> i64 {
    i64::from(byte >> 4) * 10 + i64::from(byte & 15)
}

/// Seconds since 1970; `None` if the fields are no date.
pub fn unix_seconds(time: &ChipTime) -> Option<i64> {
    let is_binary = time.status_b & 4 != 0;
    let number = |byte: u8| if is_binary { i64::from(byte) } else { decimal(byte) };
    let [second, minute, raw_hour, day, month, year, century] = time.fields;
    let is_afternoon = raw_hour & 0x80 != 0;
    let mut hour = number(raw_hour & 0x7f);
    if time.status_b & 2 == 0 {
        hour = hour % 12 + if is_afternoon { 12 } else { 0 };
    }
    let [second, minute, day, month, year] = [second, minute, day, month, year].map(number);
    let century = Some(number(century)).filter(|century| (19..=30).contains(century)).unwrap_or(20);
    let in_range = second < 60 && minute < 60 && hour < 24 && (1..=31).contains(&day) && (1..=12).contains(&month) && year < 100;
    in_range.then(|| days(century * 100 + year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970-01-01, counting years from March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let shifted = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: [u8; 7], status_b: u8, expected: Option<i64>) {
        assert_eq!(unix_seconds(&ChipTime { fields, status_b }), expected, "{fields:x?}");
    }

    #[test]
    fn both_ways_of_writing_a_date_are_read() {
        check([0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x20], 2, Some(1_709_210_096));
        check([56, 34, 12, 29, 2, 24, 20], 6, Some(1_709_210_096));
        check([0, 0, 0, 1, 1, 70, 19], 6, Some(0));
        check([0x59, 0x59, 0x23, 0x31, 0x12, 0x99, 0x19], 2, Some(946_684_799));
    }

    #[test]
    fn twelve_hours_have_a_half() {
        check([0, 0, 0x12, 0x01, 0x01, 0x70, 0x19], 0, Some(0));
        check([0, 0, 0x92, 0x01, 0x01, 0x70, 0x19], 0, Some(43_200));
        check([0, 0, 0x81, 0x01, 0x01, 0x70, 0x19], 0, Some(46_800));
    }

    #[test]
    fn what_is_no_date_is_refused_and_a_missing_century_is_this_one() {
        check([0xff; 7], 2, None);
        check([0, 0, 0, 0, 1, 70, 19], 6, None);
        check([0, 0, 0, 1, 1, 0, 0], 6, Some(946_684_800));
    }
}
