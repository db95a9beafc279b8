//! Requests that depend on what the client has already (RFC 9110 section 13).

use std::time::{Duration, SystemTime};

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE};

/// Whether the client has the file as it is. A tag is asked for before a date.
pub(super) fn is_known(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        return headers
            .get_all(IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    }
    date(headers, IF_MODIFIED_SINCE).is_some_and(|since| seconds(modified) <= seconds(since))
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
