//! Whether an address that is to be ours is somebody's already: RFC 4862 section 5.4 for IPv6, RFC 5227 for IPv4.

use super::Interface;
use crate::config::AddressBlock;
use crate::internet::address::Address;
use crate::time::{Duration, Instant};

/// `RETRANS_TIMER`: how long an owner of an IPv6 address has to object.
const OBJECTION_TIME: Duration = Duration::from_millis(1_000);
/// `PROBE_WAIT` and `PROBE_MIN` of RFC 5227 section 1.1: the pause before the first probe is at most, and between two is at least, so long.
const PROBE_WAIT: Duration = Duration::from_secs(1);
/// `PROBE_NUM`.
const PROBES: u8 = 3;
/// `ANNOUNCE_WAIT` and `ANNOUNCE_INTERVAL`.
const ANNOUNCE_PAUSE: Duration = Duration::from_secs(2);
/// `ANNOUNCE_NUM`.
const ANNOUNCEMENTS: u8 = 2;
/// `DEFEND_INTERVAL`.
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);

/// Addresses that are not ours yet. Of a block, the one that it was made with stands for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tentative {
    block: AddressBlock,
    asked: u8,
    pub(super) due: Instant,
}

impl Tentative {
    pub(super) fn address(&self) -> Address {
        self.block.preferred()
    }
}

/// An IPv4 address that has become ours, and is to be told so often.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    address: Address,
    left: u8,
    pub(super) due: Instant,
}

impl Interface {
    /// Begins to ask for these addresses, with the next look at the timers.
    pub(super) fn begin_detection(&mut self, blocks: Vec<AddressBlock>) {
        self.tentative.extend(blocks.into_iter().map(|block| Tentative {
            block,
            asked: 0,
            due: Instant::ZERO,
        }));
    }

    /// Asks for what is due, and adds to `assigned` what nobody has objected to.
    pub(super) fn run_detection(&mut self, now: Instant, assigned: &mut Vec<AddressBlock>) {
        for index in (0..self.tentative.len()).rev() {
            let tentative = self.tentative[index];
            if now < tentative.due {
                continue;
            }
            let address = tentative.block.preferred();
            if let Some(due) = self.ask(now, &address, tentative.asked) {
                self.tentative[index] = Tentative {
                    asked: tentative.asked + 1,
                    due,
                    ..tentative
                };
                continue;
            }
            assigned.push(self.tentative.remove(index).block);
            if address.is_v4() {
                self.news.push(News {
                    address,
                    left: ANNOUNCEMENTS,
                    due: now,
                });
            }
        }
        // The first of the family is the default source, so they come back in the order of configuration.
        assigned.reverse();
        self.announce_news(now);
    }

    /// Asks for an address for the next time, and says when to look again; `None` when it was asked for often enough.
    fn ask(&mut self, now: Instant, address: &Address, asked: u8) -> Option<Instant> {
        if !address.is_v4() {
            return (asked < self.detect_transmits).then(|| {
                self.send_solicitation(&Address::UNSPECIFIED, address, None);
                now + OBJECTION_TIME
            });
        }
        let chance = Duration::from_nanos(self.neighbours.noise(now, address) % PROBE_WAIT.as_nanos());
        match asked {
            // Hosts that are switched on together do not ask together.
            0 => Some(now + chance),
            PROBES => {
                self.send_probe(address);
                Some(now + ANNOUNCE_PAUSE)
            }
            1..PROBES => {
                self.send_probe(address);
                Some(now + PROBE_WAIT + chance)
            }
            _ => None,
        }
    }

    fn announce_news(&mut self, now: Instant) {
        for index in (0..self.news.len()).rev() {
            let news = &mut self.news[index];
            if now < news.due {
                continue;
            }
            news.left -= 1;
            news.due = now + ANNOUNCE_PAUSE;
            let address = news.address;
            if news.left == 0 {
                self.news.remove(index);
            }
            self.announce(&address);
        }
    }

    /// Whether this is an address that we are asking for.
    pub(super) fn is_tentative(&self, address: &Address) -> bool {
        self.tentative
            .iter()
            .any(|tentative| tentative.block.preferred() == *address)
    }

    /// Somebody has, or wants, an address that was to be ours: it never will be (RFC 4862 section 5.4.5, RFC 5227 section 2.1.1).
    pub(super) fn give_way(&mut self, address: &Address) {
        self.counters.address_conflicts += 1;
        self.tentative
            .retain(|tentative| tentative.block.preferred() != *address);
    }

    /// Somebody else claims an IPv4 address that is ours. We keep it, because whoever is on the link could take it from us otherwise, and say
    /// so, but not so often that two who both insist flood the link (RFC 5227 section 2.4 (c)).
    pub(super) fn defend(&mut self, now: Instant, address: &Address) {
        self.counters.address_conflicts += 1;
        let has_defended = self.defended_at.is_some_and(|at| now < at + DEFEND_INTERVAL);
        if self.detects_conflicts && !has_defended {
            self.defended_at = Some(now);
            self.announce(address);
        }
    }
}
