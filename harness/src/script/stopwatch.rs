//! How long a connection was busy, and what held it back: Linux's `tcpi_busy_time`, `tcpi_rwnd_limited` and `tcpi_sndbuf_limited`.
//!
//! The engine keeps no such times. Its state changes only when it is polled, so that looking after each poll, in virtual time, gives them
//! exactly.

use handfast::application::{Limit, TcpInfo};
use handfast::time::Instant;

/// What a connection was doing since it was looked at last.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Doing {
    /// Everything is acknowledged.
    #[default]
    Nothing,
    /// Data is on the way, and nothing but the congestion window or the path holds it back.
    Sending,
    /// Data waits because the peer's window is full.
    WaitingForWindow,
    /// The application waits for room while all it has written is on the way.
    WaitingForRoom,
}

/// Adds up times, in nanoseconds.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Stopwatch {
    since: Option<Instant>,
    doing: Doing,
    busy: u64,
    window_limited: u64,
    buffer_limited: u64,
}

impl Stopwatch {
    /// Notes what a connection looks like at `now`. `blocked` says that a call waits to write.
    pub(super) fn look(&mut self, of: &TcpInfo, blocked: bool, now: Instant) {
        if let Some(since) = self.since.replace(now) {
            let passed = now.saturating_since(since).as_nanos();
            self.book(passed);
        }
        self.doing = doing(of, blocked);
    }

    fn book(&mut self, passed: u64) {
        if self.doing != Doing::Nothing {
            self.busy += passed;
        }
        match self.doing {
            Doing::WaitingForWindow => self.window_limited += passed,
            Doing::WaitingForRoom => self.buffer_limited += passed,
            Doing::Nothing | Doing::Sending => {}
        }
    }

    /// A time in microseconds by its name in TCP_INFO.
    pub(super) fn field(&self, name: &str) -> Option<i64> {
        let nanos = match name {
            "tcpi_busy_time" => self.busy,
            "tcpi_rwnd_limited" => self.window_limited,
            "tcpi_sndbuf_limited" => self.buffer_limited,
            _ => return None,
        };
        Some((nanos / 1_000) as i64)
    }
}

fn doing(of: &TcpInfo, blocked: bool) -> Doing {
    if of.send_queued == 0 {
        return Doing::Nothing;
    }
    if of.limited_by == Limit::PeerWindow {
        Doing::WaitingForWindow
    } else if of.notsent == 0 && blocked {
        Doing::WaitingForRoom
    } else {
        Doing::Sending
    }
}
