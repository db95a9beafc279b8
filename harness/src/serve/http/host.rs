//! The host that a request is for (RFC 9112 section 3.2). Which one is all the same here, but it has to be one: a proxy in between would take
//! another of several, and answer others from its cache with what it got.

use hyper::http::uri::Authority;
use hyper::{Request, Version, header};

/// Whether the request names its host once, by what can be one. HTTP/1.0 does not know of it.
pub(super) fn is_named<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        _ => false,
    }
}

/// Empty is for what has no authority. Who is asking is no part of it.
fn is_host(value: &[u8]) -> bool {
    value.is_empty() || !value.contains(&b'@') && Authority::try_from(value).is_ok()
}
