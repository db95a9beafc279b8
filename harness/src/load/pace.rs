//! A sender that is slower than it could be, so that what is lost was lost by the path.

use crate::config::RunConfig;
use crate::stack::Nanos;

/// Datagrams in a second that a thread of the wire passes on even where it has to share a core.
const UNHURRIED: f64 = 5000.0;
/// The part of a link's rate that is used.
const PART: f64 = 0.8;
/// Bytes of the headers of Ethernet, IPv6 and UDP.
const HEADERS: f64 = 62.0;

/// How much may be sent by now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    per_second: f64,
    start: Option<Nanos>,
    sent: u64,
}

impl Pace {
    /// The pace of one of the run's generators on the path `wire`; `None` on every other, where a sender is as fast as it can be.
    pub(crate) fn of(run: &RunConfig) -> Option<Self> {
        let link = &run.link.as_ref()?.forward;
        let bits = (f64::from(run.message) + HEADERS) * 8.0;
        let carried = link
            .lowest_rate()
            .map_or(f64::INFINITY, |rate| PART * rate as f64 / bits);
        Some(Self {
            per_second: carried.min(UNHURRIED) / f64::from(run.generators),
            start: None,
            sent: 0,
        })
    }

    /// Of `wanted` datagrams those whose time has come. The first call starts the clock.
    pub(crate) fn allowed(&mut self, now: Nanos, wanted: usize) -> usize {
        let start = *self.start.get_or_insert(now);
        let due = (now.saturating_sub(start) as f64 / 1e9 * self.per_second) as u64;
        wanted.min(due.saturating_sub(self.sent) as usize)
    }

    pub(crate) fn sent(&mut self, datagrams: usize) {
        self.sent += datagrams as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Options, PathKind, ScenarioKind, StackKind};
    use crate::wire::Links;

    fn config(link: &str) -> RunConfig {
        let path = PathKind::Wire;
        let link = link.parse::<crate::wire::Link>().expect("a link");
        RunConfig {
            link: Some(Links {
                forward: link.clone(),
                back: link,
                log: false,
            }),
            ..RunConfig::effective(ScenarioKind::Udp, StackKind::Engine, path, 1, &Options::default())
        }
    }

    #[test]
    fn a_sender_stays_below_what_the_link_carries() {
        // 80 bytes with 18 of payload: 640 bits, so 1,000 a second fill 640 kbit/s.
        let mut pace = Pace::of(&config("rate=640kbit,at=1s:rate=1gbit")).expect("a wire");
        assert_eq!(pace.allowed(5, 64), 0);
        assert_eq!(pace.allowed(5 + 10_000_000, 64), 8, "10 ms of 800 a second");
        pace.sent(8);
        assert_eq!(pace.allowed(5 + 10_000_000, 64), 0);
        assert_eq!(pace.allowed(5 + 1_000_000_000, 64), 64, "no more than wanted");
        let mut free = Pace::of(&config("delay=1ms")).expect("a wire");
        free.allowed(0, 1);
        assert_eq!(free.allowed(1_000_000_000, 10_000), 5000);
        let without = RunConfig {
            link: None,
            ..config("")
        };
        assert!(Pace::of(&without).is_none());
    }
}
