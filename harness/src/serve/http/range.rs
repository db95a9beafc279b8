//! Parts of files (RFC 9110 section 14).

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::RANGE;

/// Parts that are sent in one answer. Whoever asks for more, to make an answer of many headers out of a short request, gets everything.
const MAX_PARTS: usize = 16;

/// What is asked for of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// All of it; also when what is asked for is no part, or too many: a server may always send everything.
    All,
    /// One part, which is not empty.
    Part(Range<u64>),
    /// Several, of which none is empty and no two overlap.
    Parts(Vec<Range<u64>>),
    /// Nothing but what is behind its end.
    Beyond,
}

/// What is asked for of a file of `length` bytes.
pub(super) fn of(headers: &HeaderMap, length: u64) -> Asked {
    let Some(wanted) = parse(headers, length) else {
        return Asked::All;
    };
    let mut parts: Vec<_> = wanted.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Asked::Beyond;
    }
    if overlap(&parts) {
        parts = joined(parts);
    }
    match &parts[..] {
        [part] => Asked::Part(part.clone()),
        _ => Asked::Parts(parts),
    }
}

/// The parts as they are named; those behind the end are empty. `None` for what has to be ignored.
fn parse(headers: &HeaderMap, length: u64) -> Option<Vec<Range<u64>>> {
    let (unit, set) = headers.get(RANGE)?.to_str().ok()?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.split(',').count() > MAX_PARTS {
        return None;
    }
    set.split(',')
        .map(|part| parse_part(part.trim(), length))
        .collect()
}

fn parse_part(part: &str, length: u64) -> Option<Range<u64>> {
    Some(match part.split_once('-')? {
        ("", count) => length.saturating_sub(number(count)?)..length,
        (first, "") => number(first)?..length,
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            first..last.saturating_add(1).min(length)
        }
    })
}

/// A number of any size, of which only what fits counts.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn overlap(parts: &[Range<u64>]) -> bool {
    let meets = |one: &Range<u64>, other: &Range<u64>| one.start < other.end && other.start < one.end;
    let pairs = parts.iter().enumerate();
    pairs
        .flat_map(|(place, part)| parts[place + 1..].iter().map(move |other| (part, other)))
        .any(|(part, other)| meets(part, other))
}

/// In their order in the file, and what overlaps or touches as one (section 15.3.7.2): so no byte is sent twice.
fn joined(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start <= last.end => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.parse().expect("a header"));
        of(&headers, 1000)
    }

    #[test]
    fn parts_are_between_from_or_at_the_end() {
        assert_eq!(asked("bytes=0-0"), Asked::Part(0..1));
        assert_eq!(asked("bytes=10-19"), Asked::Part(10..20));
        assert_eq!(asked("bytes=990-"), Asked::Part(990..1000));
        assert_eq!(asked("bytes=-10"), Asked::Part(990..1000));
        assert_eq!(
            asked("bytes=-5000"),
            Asked::Part(0..1000),
            "more than there is is all"
        );
        assert_eq!(asked("Bytes=999-99999999999999999999999"), Asked::Part(999..1000));
    }

    #[test]
    fn several_parts_come_in_the_order_in_which_they_are_asked_for() {
        assert_eq!(
            asked("bytes=500-599, 0-0,-10"),
            Asked::Parts(vec![500..600, 0..1, 990..1000])
        );
        assert_eq!(
            asked("bytes=2000-,5-5"),
            Asked::Part(5..6),
            "what cannot be had is left out"
        );
    }

    #[test]
    fn no_byte_is_sent_twice_and_no_answer_has_many_parts() {
        assert_eq!(
            asked("bytes=0-99,50-149,300-,150-199"),
            Asked::Parts(vec![0..200, 300..1000])
        );
        let many = vec!["0-"; MAX_PARTS].join(",");
        assert_eq!(asked(&format!("bytes={many}")), Asked::Part(0..1000));
        assert_eq!(asked(&format!("bytes={many},0-")), Asked::All);
    }

    #[test]
    fn what_is_behind_the_end_cannot_be_had_and_what_is_no_part_is_all() {
        for beyond in [
            "bytes=1000-",
            "bytes=99999999999999999999999-",
            "bytes=-0",
            "bytes=1000-1001,2000-",
        ] {
            assert_eq!(asked(beyond), Asked::Beyond, "{beyond}");
        }
        for all in [
            "bytes=20-10",
            "bytes=0-1,6-5",
            "bytes=0-1,,5-6",
            "lines=1-2",
            "bytes=a-b",
            "bytes=-",
            "bytes",
            "bytes=+1-2",
        ] {
            assert_eq!(asked(all), Asked::All, "{all}");
        }
    }
}
