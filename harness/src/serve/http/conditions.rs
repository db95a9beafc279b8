//! Requests that depend on what the client has already (RFC 9110 section 13).

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE};

/// What the conditions of a request come to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The request is to be answered as if there were none.
    Holds,
    /// The client has the file as it is.
    Known,
    /// The file is not what the client demands.
    Fails,
}

/// Judges in the order of section 13.2.2: demands before what is known, and a tag before a date.
pub(super) fn judge(headers: &HeaderMap, tag: &str, modified: SystemTime) -> Verdict {
    let is_as_demanded = if headers.contains_key(IF_MATCH) {
        tags(headers, IF_MATCH).any(|known| known == "*" || known == tag)
    } else {
        date(headers, IF_UNMODIFIED_SINCE).is_none_or(|since| seconds(modified) <= seconds(since))
    };
    if !is_as_demanded {
        return Verdict::Fails;
    }
    let is_known = if headers.contains_key(IF_NONE_MATCH) {
        // Only here is a weak tag as good as a strong one (section 8.8.3.2).
        tags(headers, IF_NONE_MATCH)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
    } else {
        date(headers, IF_MODIFIED_SINCE).is_some_and(|since| seconds(modified) <= seconds(since))
    };
    if is_known { Verdict::Known } else { Verdict::Holds }
}

/// The tags that a header lists.
fn tags(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Whether a range may be sent: the client has the rest of this very file, or does not say (section 13.1.5).
pub(super) fn applies_to_range(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    let Some(condition) = headers.get(IF_RANGE) else {
        return true;
    };
    condition == tag || date(headers, IF_RANGE).is_some_and(|since| seconds(since) == seconds(modified))
}

fn date(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// Dates of HTTP have no parts of seconds.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}
