//! Times as documents say them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time now, as documents say it: `2026-11-22T19:30:00Z`.
pub(crate) fn now_utc() -> String {
    utc(since_1970().as_secs())
}

pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970 as RFC 3339 in UTC.
pub(super) fn utc(seconds: u64) -> String {
    let (days, second_of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The inverse of [`utc`]; `None` for what it does not write.
pub(super) fn seconds_since_1970(utc: &str) -> Option<u64> {
    let (date, time) = utc.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - DAYS_TO_1970;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text
        .split(between)
        .map(|part| part.parse().ok().filter(|number| *number < 10_000))
        .collect();
    parts?.try_into().ok()
}

/// Days from the first of March of the year 0 to 1970-01-01.
const DAYS_TO_1970: u64 = 719_468;

/// Year, month and day of a day since 1970-01-01, counted in years that begin in March so that leap days come last.
fn date(days_since_1970: u64) -> (u64, u64, u64) {
    let days = days_since_1970 + DAYS_TO_1970;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(utc(4_107_542_399), "2100-02-28T23:59:59Z");
        assert_eq!(utc(4_107_542_400), "2100-03-01T00:00:00Z");
    }

    #[test]
    fn a_time_that_was_written_is_read_again() {
        for seconds in (0..4_200_000_000).step_by(86_399_999) {
            assert_eq!(seconds_since_1970(&utc(seconds)), Some(seconds));
        }
        for wrong in [
            "",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "2026-11-22T19:30:00",
            "0-1-1T0:0:0Z",
            "2026-11-22T99999999999999999999:0:0Z",
        ] {
            assert_eq!(seconds_since_1970(wrong), None, "{wrong}");
        }
    }
}
