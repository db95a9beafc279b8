//! How much is kept of datagrams that come in fragments.

use crate::time::Duration;

/// Limits of reassembly.
#[derive(Clone, Debug)]
pub struct FragmentConfig {
    /// Datagrams that are put together at a time; the one that was begun first makes way. 16, each of which takes a slot of
    /// [`LARGE_SLOT`](crate::frame::LARGE_SLOT) bytes. 0 drops every fragment.
    pub datagrams: u32,
    /// How long the fragments of an IPv4 datagram may take. 30 s, Linux's choice (RFC 1122 section 3.3.2 says 60 to 120 s, when memory was
    /// attacked less).
    pub timeout_v4: Duration,
    /// How long the fragments of an IPv6 datagram may take. 60 s (RFC 8200 section 4.5).
    pub timeout_v6: Duration,
}

impl Default for FragmentConfig {
    fn default() -> Self {
        Self {
            datagrams: 16,
            timeout_v4: Duration::from_secs(30),
            timeout_v6: Duration::from_secs(60),
        }
    }
}
