//! Parts of files (RFC 9110 section 14).

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::RANGE;

/// The part is behind the end of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unsatisfiable;

/// The part of a file of `length` bytes that is asked for; `None` for all of it, also when several parts are asked for, or what is asked
/// for is no part: a server may always send everything.
pub(super) fn of(headers: &HeaderMap, length: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
    let (unit, range) = headers.get(RANGE)?.to_str().ok()?.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let part = match (first, last) {
        ("", count) => length.saturating_sub(number(count)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    };
    Some(if part.start < part.end {
        Ok(part)
    } else {
        Err(Unsatisfiable)
    })
}

/// A number of any size, of which only what fits counts.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str) -> Option<Result<Range<u64>, Unsatisfiable>> {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().expect("a header"));
        of(&headers, 1000)
    }

    #[test]
    fn parts_are_between_from_or_at_the_end() {
        assert_eq!(part("bytes=0-0"), Some(Ok(0..1)));
        assert_eq!(part("bytes=10-19"), Some(Ok(10..20)));
        assert_eq!(part("bytes=990-"), Some(Ok(990..1000)));
        assert_eq!(part("bytes=-10"), Some(Ok(990..1000)));
        assert_eq!(
            part("bytes=-5000"),
            Some(Ok(0..1000)),
            "more than there is is all"
        );
        assert_eq!(part("Bytes=999-99999999999999999999999"), Some(Ok(999..1000)));
    }

    #[test]
    fn what_is_behind_the_end_cannot_be_had_and_what_is_no_part_is_all() {
        assert_eq!(part("bytes=1000-"), Some(Err(Unsatisfiable)));
        assert_eq!(part("bytes=99999999999999999999999-"), Some(Err(Unsatisfiable)));
        assert_eq!(part("bytes=-0"), Some(Err(Unsatisfiable)));
        for all in [
            "bytes=20-10",
            "bytes=0-1,5-6",
            "lines=1-2",
            "bytes=a-b",
            "bytes=-",
            "bytes",
            "bytes=+1-2",
        ] {
            assert_eq!(part(all), None, "{all}");
        }
    }
}
